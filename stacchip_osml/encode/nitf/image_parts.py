"""Image segments on their way into a file: their fields settled, their bytes still to come.

Rules:

- what follows from the pixels wins over what the image says of itself;
- a segment of another file whose storage nobody changed is copied byte for
  byte: nothing is decoded, lossy compression loses nothing again;
- an image of several segments is one image: its segments differ in rows, place, corners
  (``segment_places``) and, where the standard counts them (SICD, SIDD), in ``IID1``. Other
  TREs are the first one's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Real
from typing import TYPE_CHECKING, Any, BinaryIO

from stacchip_osml.encode.nitf.pixels_work import Written
from stacchip_osml.encode.nitf.records import NitfImage, StoredPixels, Tre, in_red_green_blue, is_decoded_to_rgb
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.pixel import ImageSize

if TYPE_CHECKING:
    from stacchip_osml.encode.nitf.pixels import PreparedSegment

__all__ = ["ImagePart", "image_parts"]

CLAUSE = "MIL-STD-2500C table A-3; JBP-2025.1 table 5.13-1"
PIECE = 1 << 22
"""Bytes copied at a time."""
STORAGE = ("IC", "COMRAT", "IMODE", "NPPBH", "NPPBV", "PVTYPE", "NBPP", "ABPP", "PJUST")
"""Fields that say how pixels are stored, and that an image may ask for."""
HINTS = ("J2K_DECOMPOSITION_LEVELS", "J2K_QUALITY_LAYERS")
COMPUTED = frozenset(
    (
        *("IM", "ENCRYP", "NROWS", "NCOLS", "NBPP", "NICOM", "NBANDS", "XBANDS", "ISYNC", "NBPR", "NBPC"),
        *("IDLVL", "IALVL", "ILOC", "UDIDL", "UDOFL", "UDID", "IXSHDL", "IXSOFL", "IXSHD"),
    )
)
"""Fields of an image that are never taken from it here."""
NOT_GIVEN = COMPUTED.union(HINTS)
COMMENTS = 9
NUMBERED = re.compile(r"ICOM([1-9]\d*)")
COUNTED = ((re.compile(r"SICD\d{3}"), 4), (re.compile(r"SIDD\d{6}"), 7))
"""IID1 that counts segments, and where the count begins (NGA.STND.0024-2, 3.2; NGA.STND.0025-2, 2.4)."""


@dataclass(slots=True, kw_only=True, eq=False)
class ImagePart:
    """One image segment."""

    where: str
    fields: dict[str, str]
    """Of its subheader, but for places and TREs."""
    given: frozenset[str]
    """Names of fields that the caller gave, all of which have to be written."""
    tres: tuple[Tre, ...]
    write: Callable[..., Written]
    """``(out, workers=, progress=)`` → what is known then."""
    size: int = 0
    """Bytes of its data, where they are known before."""
    places: dict[str, str] = field(default_factory=dict)
    segment: PreparedSegment | None = None
    """What is encoded; None where data is copied."""


def image_parts(image: NitfImage, number: int) -> list[ImagePart]:
    """Give the segments of an image, all of it checked.

    Args:
        image: pixels and fields.
        number: of the image in its file, from 1 on.

    Raises:
        EncodeError: the format cannot carry these pixels or fields.
    """
    where = f"image {number}"
    image = _with_text(image, where)
    given = {name: text for name, text in image.fields.items() if name not in NOT_GIVEN}
    comments = _comments(image.fields, where)
    if _is_copied(image):
        stored: StoredPixels = image.stored  # type: ignore[assignment]
        own = {name: text for name, text in stored.fields.items() if name in {*COMPUTED, *STORAGE}}
        fields = _bands(stored.fields) | own | given | comments
        return [
            ImagePart(
                where=where,
                fields=fields,
                given=frozenset(given),
                tres=image.tres,
                write=partial(_copied, stored),
                size=stored.size,
            )
        ]
    from stacchip_osml.encode.nitf.pixels import prepare_image

    image, given = _decoded(image, given)
    is_counted = any(matches.fullmatch(image.fields.get("IID1", "")) for matches, _ in COUNTED)
    segments = prepare_image(image)
    parts, first, height = [], 0, sum(int(segment.fields["NROWS"]) for segment in segments)
    for index, segment in enumerate(segments):
        fields = given | comments | segment.fields
        if fields["IC"] in {"NC", "NM"}:
            fields.pop("COMRAT", None)
        tres = image.tres
        if len(segments) > 1:
            from stacchip_osml.encode.nitf.segment_places import segment_place, segment_tres

            rows = int(segment.fields["NROWS"])
            fields["IID1"] = _counted(fields.get("IID1", ""), index + 1)
            fields |= segment_place(fields, first=first, rows=rows, of=height, is_radar=is_counted)
            tres = segment_tres(tres, first=first, rows=rows, size=ImageSize(int(fields["NCOLS"]), height))
            first += rows
        parts.append(
            ImagePart(
                where=where if len(segments) == 1 else f"{where}, segment {index + 1}",
                fields=fields,
                given=frozenset(given) - {"COMRAT"},
                tres=tres,
                write=segment.write,
                size=segment.size,
                segment=segment,
            )
        )
    return parts


def _with_text(image: NitfImage, where: str) -> NitfImage:
    """Leave out fields that are None, which are the writer's; refuse values that are no text.

    What says how pixels are stored may be a number.
    """
    fields: Mapping[str, Any] = image.fields  # of callers who may not be typed
    for name, value in fields.items():
        may_be_number = name in STORAGE or name in HINTS or name in COMPUTED
        if not (value is None or isinstance(value, str) or (may_be_number and isinstance(value, Real))):
            raise EncodeError(f"{where}: {name} is {value!r}; values are text ({CLAUSE})")
    said = {name: text for name, text in image.fields.items() if text is not None}
    return image if len(said) == len(image.fields) else replace(image, fields=said)


def _is_copied(image: NitfImage) -> bool:
    stored = image.stored
    return (
        stored is not None
        and stored.provider is image.pixels
        and not any(name in image.fields for name in HINTS)
        and all(name not in image.fields or image.fields[name] == stored.fields.get(name) for name in STORAGE)
        # A picture codec's colours are not apart from its data.
        and (
            stored.fields["IC"] in {"NC", "NM"}
            or image.fields.get("IREP", stored.fields["IREP"]) == stored.fields["IREP"]
        )
    )


def _decoded(image: NitfImage, given: dict[str, str]) -> tuple[NitfImage, dict[str, str]]:
    """Say red, green and blue of pixels that are, where the image was Y'CbCr in JPEG and will not be.

    JPEG has them as Y'CbCr again.
    """
    stored, wanted = image.stored, image.fields.get("IC", "NC")
    is_kept = stored is None or wanted in {"C3", "M3", "I1"} or image.fields.get("IREP") != "YCbCr601"
    if is_kept or not is_decoded_to_rgb(stored.fields):  # type: ignore[union-attr]
        return image, given
    return replace(image, fields=in_red_green_blue(image.fields)), in_red_green_blue(given)


def _comments(fields: Mapping[str, str], where: str) -> dict[str, str]:
    """Count image comments, which have to be there from the first on."""
    numbers = sorted(
        int(found[1]) for name in fields if name.startswith("ICOM") and (found := NUMBERED.fullmatch(name))
    )
    if numbers != list(range(1, len(numbers) + 1)) or len(numbers) > COMMENTS:
        raise EncodeError(
            f"{where}: comments ICOM{', ICOM'.join(map(str, numbers))}; expected ICOM1 to ICOM{COMMENTS} without gaps "
            f"({CLAUSE})"
        )
    return {"NICOM": str(len(numbers))}


BAND = re.compile(r"(IREPBAND|ISUBCAT|IFC|IMFLT|NLUTS|NELUT|LUTD)\d+")


def _bands(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in fields.items() if BAND.fullmatch(name)}


def _counted(name: str, index: int) -> str:
    return next((f"{name[:at]}{index:03d}" for matches, at in COUNTED if matches.fullmatch(name)), name)


def _copied(stored: StoredPixels, out: BinaryIO, *, workers: int, progress: Any) -> Written:  # noqa: ARG001
    """Copy image data.

    Raises:
        DecodeError: the file ends before it does.
        AssetChanged: it is no longer the file that was read.
    """
    done = 0
    while done < stored.size:
        piece = stored.read(stored.offset + done, min(PIECE, stored.size - done))
        if not piece:
            raise DecodeError(f"image data of {stored.size} bytes at {stored.offset} ends after {done}")
        out.write(piece)
        done += len(piece)
    stored.check()
    return Written(stored.size, {})
