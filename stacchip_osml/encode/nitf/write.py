"""Writing a NITF 2.1 or NSIF 1.0 file: everything is checked, then written front to back, then the header is filled in.

Rules:

- all fields, TREs and markings are checked before a byte is written;
- lengths, levels, ``CLEVEL``, ``FDT`` where it is not given, and the marking of
  the file are computed (``levels``, ``security``, ``tre_bytes``);
- a file gets its name when it is whole; an open file is cut back to where it
  was when something fails.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, BinaryIO

from stacchip_osml.encode.atomic import atomic_file
from stacchip_osml.encode.nitf.extensions import des_subheader
from stacchip_osml.encode.nitf.fields import written_fields
from stacchip_osml.encode.nitf.image_parts import ImagePart, image_parts
from stacchip_osml.encode.nitf.levels import NAMES, Place, complexity_level, place_segments
from stacchip_osml.encode.nitf.pixels_work import reserve
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

__all__ = ["write_nitf"]

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
class _Segments:
    """All segments but images: subheaders and data, ready to be written."""

    graphics: list[tuple[bytes, bytes]] = field(default_factory=list)
    texts: list[tuple[bytes, bytes]] = field(default_factory=list)
    extensions: list[tuple[bytes, bytes]] = field(default_factory=list)


def write_nitf(
    target: str | os.PathLike[str] | BinaryIO,
    file: NitfFile,
    *,
    workers: int = 1,
    progress: Any = None,
    now: datetime | None = None,
) -> None:
    """Write a file.

    Args:
        target: a path, of a new file or one to be replaced; or an open binary file that can be sought, written to from
            where it stands.
        file: what to write.
        workers: threads that encode.
        progress: told by the encoder of pixels how far it is.
        now: what ``FDT`` says where the file does not; the time of the call by default.

    Raises:
        EncodeError: a field breaks a rule, which is named with the standard's clause, or the format cannot carry the
            pixels; nothing is written then.
        ReadError: pixels could not be read. What was under the name is still there.
        ChipError: the file system refused. What was under the name is still there.
    """
    plan = _Plan(file, datetime.now(UTC) if now is None else now)
    if isinstance(target, (str, os.PathLike)):
        with atomic_file(target) as out:
            plan.write(out, workers=workers, progress=progress)
        return
    start = target.tell()
    try:
        plan.write(target, workers=workers, progress=progress)
    except BaseException:
        with suppress(OSError, ValueError, BufferError):  # what failed is told, not that its traces stay
            target.seek(start)
            target.truncate()
        raise


class _Plan:
    """A file, checked, with all that is known before its pixels are encoded."""

    def __init__(self, file: NitfFile, now: datetime) -> None:
        self.images = [image_parts(image, number) for number, image in enumerate(file.images, 1)]
        self.parts = [part for parts in self.images for part in parts]
        self.segments = _Segments()
        self.places: list[Place] = []
        self.graphics = file.graphics
        self._overflows: list[tuple[Mapping[str, str], bytes]] = []
        self._regular = len(file.extensions)
        marks: list[tuple[str, Mapping[str, str]]] = [("I", part.fields) for part in self.parts]
        marks += [("S", graphic.fields) for graphic in file.graphics] + [("T", text.fields) for text in file.texts]
        marks += [("DE", extension.fields) for extension in file.extensions]
        header = {"OSTAID": "unknown", "FDT": _moment(now.replace(microsecond=0))}
        given = {name: text for name, text in file.fields.items() if name not in COMPUTED}
        header |= given | file_marking(given, marks)
        header["FHDR"], header["FVER"] = file.version[:4], file.version[4:]
        header |= self._areas("F", file.tres, header, 0, "file header")
        self._place(file)
        self._subheaders = [self._subheader(part) for part in self.parts]
        self._add_graphics(file.graphics)
        self._add_texts(file.texts)
        for number, extension in enumerate(file.extensions, 1):
            where = f"data extension {number}"
            self.segments.extensions.append((des_subheader(extension, where=where), extension.data))
        for number, (fields, data) in enumerate(self._overflows, len(file.extensions) + 1):
            subheader = written_fields(des_layout, fields, where=f"data extension {number} (TRE_OVERFLOW)")
            self.segments.extensions.append((subheader, data))
        self._given = frozenset(given)
        self._header = header
        self._check_counts()
        self._head = self._file_header()

    # ---- checked before anything is written

    def _place(self, file: NitfFile) -> None:
        images = [
            (image.fields, [int(part.fields["NROWS"]) for part in parts])
            for image, parts in zip(file.images, self.images, strict=True)
        ]
        columns, graphics = place_segments(images, [graphic.fields for graphic in file.graphics])
        for parts, column in zip(self.images, columns, strict=True):
            for part, place in zip(parts, column, strict=True):
                part.places = place.fields(NAMES[0])
                self.places.append(place)
        self._graphic_places = [place.fields(NAMES[1]) for place in graphics]
        for number, part in enumerate(self.parts, 1):
            part.places |= self._areas("I", part.tres, part.fields, number, part.where)

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

    def _subheader(self, part: ImagePart, late: Mapping[str, str] | None = None) -> bytes:
        values = part.fields | part.places | dict(late or {})
        return written_fields(image_layout, values, where=part.where, given=part.given)

    def _add_graphics(self, graphics: Sequence[GraphicSegment]) -> None:
        for number, (graphic, places) in enumerate(zip(graphics, self._graphic_places, strict=True), 1):
            where = f"graphic {number}"
            given = {name: text for name, text in graphic.fields.items() if name not in PART_COMPUTED}
            values = given | places | self._areas("S", graphic.tres, given, number, where)
            self.segments.graphics.append(
                (written_fields(graphic_layout, values, where=where, given=given), graphic.data)
            )

    def _add_texts(self, texts: Sequence[TextSegment]) -> None:
        for number, text in enumerate(texts, 1):
            where = f"text {number}"
            given = {name: value for name, value in text.fields.items() if name not in PART_COMPUTED}
            values = given | self._areas("T", text.tres, given, number, where)
            self.segments.texts.append((written_fields(text_layout, values, where=where, given=given), text.data))

    def _check_counts(self) -> None:
        kinds = {
            "NUMI": len(self.parts),
            "NUMS": len(self.segments.graphics),
            "NUMT": len(self.segments.texts),
            "NUMDES": len(self.segments.extensions),
        }
        for name, count in kinds.items():
            if count > MOST_SEGMENTS:
                raise EncodeError(f"{name} is {count}; expected at most {MOST_SEGMENTS} ({CLAUSE})")
        for name, segments in (
            ("LS", self.segments.graphics),
            ("LT", self.segments.texts),
            ("LD", self.segments.extensions),
        ):
            for number, (_, data) in enumerate(segments, 1):
                if not 1 <= len(data) <= LENGTHS[name]:
                    raise EncodeError(f"{name}{number} is {len(data)}; expected 1 to {LENGTHS[name]} bytes ({CLAUSE})")

    def _file_header(self) -> bytes:
        """Encode the file header; what image data decides is filled in when it is written."""
        values = dict(self._header)
        groups = (
            ("NUMI", "LISH", "LI", [(len(head), 1) for head in self._subheaders]),
            ("NUMS", "LSSH", "LS", [(len(head), len(data)) for head, data in self.segments.graphics]),
            ("NUMT", "LTSH", "LT", [(len(head), len(data)) for head, data in self.segments.texts]),
            ("NUMDES", "LDSH", "LD", [(len(head), len(data)) for head, data in self.segments.extensions]),
        )
        header = 388
        for count, head_name, data_name, sizes in groups:
            values[count] = str(len(sizes))
            for number, (head, data) in enumerate(sizes, 1):
                values[f"{head_name}{number}"], values[f"{data_name}{number}"] = str(head), str(data)
            header += len(sizes) * HEADER_STEPS[count]
        header += int(values["UDHDL"]) + int(values["XHDL"])
        values |= {"HL": str(header), "FL": str(header), "CLEVEL": "3"}
        return written_fields(file_layout, values, where="file header", given=self._given)

    def _filled(self, image_bytes: Sequence[int], file_bytes: int) -> bytes:
        """Fill in what is known when all is written: CLEVEL, FL and each LI.

        Raises:
            EncodeError: FL cannot say how long the file is.
        """
        if file_bytes > MOST_BYTES:
            raise EncodeError(f"FL is {file_bytes}; expected at most {MOST_BYTES} ({CLAUSE})")
        level = complexity_level(
            file_bytes=file_bytes,
            images=[(part.fields, place) for part, place in zip(self.parts, self.places, strict=True)],
            graphic_bytes=sum(len(data) for _, data in self.segments.graphics),
            graphics=len(self.segments.graphics),
            texts=len(self.segments.texts),
            extensions=len(self.segments.extensions),
        )
        head = bytearray(self._head)
        head[CLEVEL_AT : CLEVEL_AT + 2] = b"%02d" % level
        head[FL_AT : FL_AT + 12] = b"%012d" % file_bytes
        for number, size in enumerate(image_bytes):
            at = LI_AT + number * HEADER_STEPS["NUMI"]
            head[at : at + 10] = b"%010d" % size
        return bytes(head)

    # ---- written

    def _known_bytes(self) -> int:
        """Count the bytes that are sure to be written."""
        segments = self.segments.graphics + self.segments.texts + self.segments.extensions
        known = len(self._head) + sum(map(len, self._subheaders)) + sum(part.size for part in self.parts)
        return known + sum(len(head) + len(data) for head, data in segments)

    def write(self, out: BinaryIO, *, workers: int, progress: Any) -> None:
        """Write all of it from where ``out`` stands."""
        start = out.tell()
        reserve(out, start + self._known_bytes())
        out.write(self._head)
        sizes, late = [], []
        for part, head in zip(self.parts, self._subheaders, strict=True):
            at = out.tell()
            out.write(head)
            length, fields = part.write(out, workers=workers, progress=progress)
            if not 1 <= length <= LENGTHS["LI"]:
                raise EncodeError(f"{part.where}: LI is {length}; expected 1 to {LENGTHS['LI']} bytes ({CLAUSE})")
            if out.tell() != at + len(head) + length:
                raise EncodeError(
                    f"{part.where}: {length} bytes of image data are said, {out.tell() - at - len(head)} written"
                )
            sizes.append(length)
            if not fields.items() <= part.fields.items():
                late.append((at, self._subheader(part, fields), len(head)))
        for group in (self.segments.graphics, self.segments.texts, self.segments.extensions):
            for head, data in group:
                out.write(head)
                out.write(data)
        end = out.tell()
        header = self._filled(sizes, end - start)
        for at, head, length in [(start, header, len(self._head)), *late]:
            if len(head) != length:
                raise EncodeError(f"a header of {length} bytes became one of {len(head)}")
            out.seek(at)
            out.write(head)
        out.seek(end)


@lru_cache(maxsize=1)
def _moment(now: datetime) -> str:
    """Write a second as FDT; many chips are written in one."""
    return now.astimezone(UTC).strftime("%Y%m%d%H%M%S")


CLEVEL_AT, FL_AT, LI_AT = 9, 342, 369
"""First byte of ``CLEVEL``, ``FL`` and the first ``LI`` in the file header."""
MOST_BYTES = 999_999_999_998
"""What FL can say."""
HEADER_STEPS = {"NUMI": 16, "NUMS": 10, "NUMT": 9, "NUMDES": 13}
"""Bytes of the file header that each segment takes."""


def _area(names: Names, data: bytes, overflow: int) -> dict[str, str]:
    """Give the fields of one area for TREs."""
    if not data and not overflow:
        return {names[0]: "0"}
    values = {names[0]: str(len(data) + 3), names[1]: str(overflow)}
    return values | {names[2]: data.decode("latin-1")} if data else values
