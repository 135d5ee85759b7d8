"""All of a NITF file but its image data, planned: checked and encoded before a byte is written.

Rules:

- all fields, TREs and markings are checked here;
- levels, the marking of the file and the lengths of all but image data are computed
  (``levels``, ``security``, ``tre_bytes``); what image data decides is filled in when it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import repeat

from stacchip_osml.encode.nitf.extensions import des_subheader
from stacchip_osml.encode.nitf.fields import Header, Layout, header_of, written_fields
from stacchip_osml.encode.nitf.image_parts import ImagePart, image_parts
from stacchip_osml.encode.nitf.levels import NAMES, Place, complexity_level, place_segments
from stacchip_osml.encode.nitf.records import GraphicSegment, NitfFile, TextSegment, Tre
from stacchip_osml.encode.nitf.security import file_marking
from stacchip_osml.encode.nitf.tables import (
    IXSHD_NAMES,
    SXSHD_NAMES,
    TXSHD_NAMES,
    UDHD_NAMES,
    UDID_NAMES,
    XHD_NAMES,
    des_layout,
    file_layout,
    graphic_layout,
    image_layout,
    security_names,
    text_layout,
)
from stacchip_osml.encode.nitf.tre_bytes import AREA_BYTES, place_tres
from stacchip_osml.errors import EncodeError

__all__ = ["CLAUSE", "HEADER_STEPS", "LENGTHS", "FilePlan", "moment", "plan_file", "require_length"]

Names = tuple[str, str, str]

MOST_SEGMENTS = 999
LENGTHS = {"LI": 9_999_999_999, "LS": 999_999, "LT": 99_999, "LD": 999_999_999}
"""What the lengths of segments can say (MIL-STD-2500C, table A-1)."""
CLAUSE = "MIL-STD-2500C table A-1; JBP-2025.1 table 5.11-1"
_COUNTS = ("NUMI", "NUMS", "NUMX", "NUMT", "NUMDES", "NUMRES")
COMPUTED = frozenset(("FHDR", "FVER", "CLEVEL", "STYPE", "ENCRYP", "FL", "HL", *UDHD_NAMES, *XHD_NAMES, *_COUNTS))
PART_COMPUTED = frozenset(
    ("SY", "TE", "ENCRYP", "SSTRUCT", "SRES2", *SXSHD_NAMES, *TXSHD_NAMES, "SDLVL", "SALVL", "SLOC")
)
AREAS: dict[str, tuple[Names | None, Names, int]] = {
    "F": (UDHD_NAMES, XHD_NAMES, AREA_BYTES),
    "I": (UDID_NAMES, IXSHD_NAMES, AREA_BYTES),
    "S": (None, SXSHD_NAMES, 9738),
    "T": (None, TXSHD_NAMES, 9714),
}
"""Prefix of security fields → its areas for TREs, and the bytes of each."""


@dataclass(slots=True, kw_only=True, eq=False)
class FilePlan:
    """A file, checked, with all that is known before its pixels are encoded."""

    parts: list[ImagePart]
    """Image segments."""
    subheaders: list[Header]
    """Theirs."""
    head: bytes
    """The file header; what image data decides is filled in when it is written."""
    level: int
    """CLEVEL of all but the file's length."""
    graphics: list[tuple[bytes, bytes]]
    """Subheaders and data."""
    texts: list[tuple[bytes, bytes]]
    extensions: list[tuple[bytes, bytes]]
    """TRE_OVERFLOWs are the last ones."""
    overflows: int = 0

    @property
    def others(self) -> list[tuple[bytes, bytes]]:
        """Subheaders and data of all segments but images, in the file's order."""
        return self.graphics + self.texts + self.extensions


def plan_file(file: NitfFile, now: datetime) -> FilePlan:
    """Check a file, and encode all of it but image data.

    Args:
        file: what is to be written.
        now: what ``FDT`` says where the file does not.

    Raises:
        EncodeError: a field breaks a rule, which is named with the standard's clause, or the format cannot carry the
            pixels.
    """
    return _Planning(file).planned(file, now)


def require_length(name: str, number: int, data: bytes) -> None:
    """Refuse segment data whose length its field in the file header cannot say.

    Raises:
        EncodeError: naming the field.
    """
    if not 1 <= len(data) <= LENGTHS[name]:
        raise EncodeError(f"{name}{number} is {len(data)}; expected 1 to {LENGTHS[name]} bytes ({CLAUSE})")


@lru_cache(maxsize=1)
def moment(now: datetime) -> str:
    """Write a second as FDT; many chips are written in one."""
    return now.astimezone(UTC).strftime("%Y%m%d%H%M%S")


class _Planning:
    """The work of :func:`plan_file`."""

    def __init__(self, file: NitfFile) -> None:
        self.images = [image_parts(image, number) for number, image in enumerate(file.images, 1)]
        self.parts = [part for parts in self.images for part in parts]
        self.places: list[Place] = []
        self._overflows: list[tuple[Mapping[str, str], bytes]] = []
        self._regular = len(file.extensions)

    def planned(self, file: NitfFile, now: datetime) -> FilePlan:
        marks: list[tuple[str, Mapping[str, str]]] = [("I", part.fields) for part in self.parts]
        marks += [("S", graphic.fields) for graphic in file.graphics] + [("T", text.fields) for text in file.texts]
        marks += [("DE", extension.fields) for extension in file.extensions]
        values = {"OSTAID": "unknown", "FDT": moment(now.replace(microsecond=0))}
        given = {name: text for name, text in file.fields.items() if name not in COMPUTED}
        values |= given | file_marking(given, marks)
        values["FHDR"], values["FVER"] = file.version[:4], file.version[4:]
        values |= self._areas("F", file.tres, values, 0, "file header")
        graphic_places = self._place(file)
        subheaders = [
            header_of(image_layout, part.fields | part.places, where=part.where, given=part.given)
            for part in self.parts
        ]
        graphics = self._others("graphic", "S", graphic_layout, file.graphics, graphic_places)
        texts = self._others("text", "T", text_layout, file.texts, repeat({}))
        extensions = []
        for number, extension in enumerate(file.extensions, 1):
            where = f"data extension {number}"
            extensions.append((des_subheader(extension, where=where), extension.data))
        for number, (fields, data) in enumerate(self._overflows, len(file.extensions) + 1):
            subheader = written_fields(des_layout, fields, where=f"data extension {number} (TRE_OVERFLOW)")
            extensions.append((subheader, data))
        groups = (
            ("NUMI", "LISH", "LI", [(len(header.data), 1) for header in subheaders]),
            ("NUMS", "LSSH", "LS", [(len(head), len(data)) for head, data in graphics]),
            ("NUMT", "LTSH", "LT", [(len(head), len(data)) for head, data in texts]),
            ("NUMDES", "LDSH", "LD", [(len(head), len(data)) for head, data in extensions]),
        )
        for name, _, _, sizes in groups:
            if len(sizes) > MOST_SEGMENTS:
                raise EncodeError(f"{name} is {len(sizes)}; expected at most {MOST_SEGMENTS} ({CLAUSE})")
        for name, segments in (("LS", graphics), ("LT", texts), ("LD", extensions)):
            for number, (_, data) in enumerate(segments, 1):
                require_length(name, number, data)
        return FilePlan(
            parts=self.parts,
            subheaders=subheaders,
            head=_file_header(values, groups, frozenset(given)),
            level=complexity_level(
                images=[(part.fields, place) for part, place in zip(self.parts, self.places, strict=True)],
                graphic_bytes=sum(len(data) for _, data in graphics),
                graphics=len(graphics),
                texts=len(texts),
                extensions=len(extensions),
            ),
            graphics=graphics,
            texts=texts,
            extensions=extensions,
            overflows=len(self._overflows),
        )

    def _place(self, file: NitfFile) -> list[dict[str, str]]:
        """Place images, and give the fields of the graphics' places."""
        images = [
            (image.fields, [int(part.fields["NROWS"]) for part in parts])
            for image, parts in zip(file.images, self.images, strict=True)
        ]
        columns, graphics = place_segments(images, [graphic.fields for graphic in file.graphics])
        for parts, column in zip(self.images, columns, strict=True):
            for part, place in zip(parts, column, strict=True):
                part.places = place.fields(NAMES[0])
                self.places.append(place)
        for number, part in enumerate(self.parts, 1):
            part.places |= self._areas("I", part.tres, part.fields, number, part.where)
        return [place.fields(NAMES[1]) for place in graphics]

    def _areas(
        self, prefix: str, tres: Sequence[Tre], fields: Mapping[str, str], item: int, where: str
    ) -> dict[str, str]:
        """Place the TREs of a header; what does not fit is an extension segment of its own."""
        first, second, room = AREAS[prefix]
        placed = place_tres(tres, where=where, areas=(0 if first is None else room, room))
        values: dict[str, str] = {}
        if first is not None:
            values |= _area(first, placed.first, 0)
        number = 0
        if placed.overflow:
            marking = {f"DES{name.removeprefix(f'{prefix}S')}": fields.get(name, "") for name in security_names(prefix)}
            marking["DESCLAS"] = marking["DESCLAS"] or "U"
            self._overflows.append(
                (
                    {"DESID": "TRE_OVERFLOW", "DESVER": "1", **marking, "DESOFLW": second[2], "DESITEM": f"{item:03d}"},
                    placed.overflow,
                )
            )
            number = self._regular + len(self._overflows)
        return values | _area(second, placed.second, number)

    def _others(
        self,
        kind: str,
        prefix: str,
        layout: Layout,
        segments: Sequence[GraphicSegment | TextSegment],
        places: Iterable[dict[str, str]],
    ) -> list[tuple[bytes, bytes]]:
        """Encode the subheaders of graphics or texts, and give them with the data."""
        found = []
        for number, (segment, place) in enumerate(zip(segments, places, strict=False), 1):
            where = f"{kind} {number}"
            given = {name: text for name, text in segment.fields.items() if name not in PART_COMPUTED}
            values = given | place | self._areas(prefix, segment.tres, given, number, where)
            found.append((written_fields(layout, values, where=where, given=given), segment.data))
        return found


Group = tuple[str, str, str, list[tuple[int, int]]]
HEADER_STEPS = {"NUMI": 16, "NUMS": 10, "NUMT": 9, "NUMDES": 13}
"""Bytes of the file header that each segment takes."""


def _file_header(values: dict[str, str], groups: Sequence[Group], given: frozenset[str]) -> bytes:
    """Encode the file header."""
    header = 388
    for count, head_name, data_name, sizes in groups:
        values[count] = str(len(sizes))
        for number, (head, data) in enumerate(sizes, 1):
            values[f"{head_name}{number}"], values[f"{data_name}{number}"] = str(head), str(data)
        header += len(sizes) * HEADER_STEPS[count]
    header += int(values["UDHDL"]) + int(values["XHDL"])
    values |= {"HL": str(header), "FL": str(header), "CLEVEL": "3"}
    return written_fields(file_layout, values, where="file header", given=given)


def _area(names: Names, data: bytes, overflow: int) -> dict[str, str]:
    """Give the fields of one area for TREs."""
    if not data and not overflow:
        return {names[0]: "0"}
    values = {names[0]: str(len(data) + 3), names[1]: str(overflow)}
    return values | {names[2]: data.decode("latin-1")} if data else values
