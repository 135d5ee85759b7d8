"""What decides the pixels of a plain TIFF, by its directories alone, so that GDAL need not open it to read them.

Plain is a file about which no two readers differ: tiles of whole integers or
floats, levels that each are smaller than the one before, one nodata value that
the type holds; no masks, no alpha, no pages or sub-directories, and no tag that
is not listed here. Of any other file GDAL is asked.

It must not know where an image lies on the ground, or what is shown of it.
"""

from __future__ import annotations

import re
from itertools import islice, pairwise
from typing import Any, NamedTuple

import numpy as np

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, ReadAt
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.header import BandHeader, ImageHeader
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.ifd import Directory, TiffBytes
from stacchip_osml.imagery.tiff.levels import layout_of

__all__ = ["PlainTiff", "plain_tiff"]

MOST_LEVELS = 31
KIND, WIDTH, COMPRESSION, PHOTOMETRIC, ORIENTATION, SAMPLES, EXTRA_SAMPLES = 254, 256, 259, 262, 274, 277, 338
TILE_SIDES = 322, 323
ITEMS, NODATA = 42112, 42113

TEXT, SHORT, WHOLE, RATIONAL, DOUBLE = (2,), (3,), (3, 4, 16), (5,), (12,)
"""Types of fields."""
TAGS = {
    **dict.fromkeys((KIND, WIDTH, 257, *TILE_SIDES, 324, 325), WHOLE),
    **dict.fromkeys((258, COMPRESSION, PHOTOMETRIC, ORIENTATION, SAMPLES, 284, EXTRA_SAMPLES, 339), SHORT),
    **dict.fromkeys((296, 317, 320, 530), SHORT),
    **dict.fromkeys((269, 270, 305, 306, 315, 33432, ITEMS, NODATA), TEXT),
    **dict.fromkeys((282, 283, 529, 532), RATIONAL),
    347: (7,),
    **dict.fromkeys((33550, 33922, 34264, 34736), DOUBLE),
    34735: SHORT,
    34737: TEXT,
}
"""Tag → the types that its field may have: how blocks are stored, GeoTIFF, GDAL, and words for people."""
COMPRESSIONS = frozenset({1, 5, 7, 8, 32773, 32946, 50000})
COLORS = {1: 1, 2: 3, 3: 1, 6: 3}
"""``PhotometricInterpretation`` → the samples that it is of; further ones are ``ExtraSamples`` without a meaning."""
TYPES = frozenset({"uint8", "uint16", "int16", "uint32", "int32", "float32", "float64"})

MOST_TEXT, SAMPLES_LISTED = 1 << 20, 1 << 10
TELLING = re.compile(rb"colorinterp|nodata|image_structure|pixeltype|stacchip_osml|&", re.IGNORECASE)
"""What of GDAL's items (tag 42112) changes which pixels there are, or might."""
NUMBER = re.compile(rb"(-?\d{1,17}(?:\.\d{1,9})?|nan)\0*")


class PlainTiff(NamedTuple):
    """A plain TIFF."""

    header: ImageHeader
    """What decides pixels and which of them are valid; nothing else of it is filled in."""
    layout: ImageLayout
    """Every level is served by blocks."""


def plain_tiff(read: ReadAt, *, name: str, limits: ReadLimits, size: int | None) -> PlainTiff | None:
    """Read what decides the pixels of a file; None where it is no plain TIFF, is damaged, or beyond the limits.

    Args:
        read: gives the bytes of any file.
        name: of the file, for messages.
        limits: refused above these.
        size: of the file in bytes, where known.

    Raises:
        ReadError: as ``read``, but for what the bytes are.
    """
    try:
        file = TiffBytes(read, name=name, size=size)
        directories: list[Directory] = []
        for directory in islice(file.chain(), MOST_LEVELS + 1):
            if not _is_plain(file, directory, is_first=not directories):
                return None
            directories.append(directory)
        nodata = {_nodata_text(file, directory) for directory in directories}
        if len(directories) > MOST_LEVELS or directories[-1].next_offset or len(nodata) != 1:
            return None
        widths = [file.number(directory, WIDTH, 0) for directory in directories]
        return _told(layout_of(file, limits), widths, nodata.pop())
    except (DecodeError, LimitError, NotServedError):
        return None


def _is_plain(file: TiffBytes, directory: Directory, *, is_first: bool) -> bool:
    """Tell whether a directory holds nothing but a level as everybody understands it."""
    fields = directory.fields
    if not all(field[1] in TAGS.get(tag, ()) for tag, field in fields.items()):
        return False
    compression, color = file.number(directory, COMPRESSION, 1), file.number(directory, PHOTOMETRIC, -1)
    extra = file.numbers(fields[EXTRA_SAMPLES], most=SAMPLES_LISTED).tolist() if EXTRA_SAMPLES in fields else []
    items = file.octets(fields[ITEMS], most=MOST_TEXT) if ITEMS in fields else b""
    return (
        file.number(directory, KIND, 0) == (0 if is_first else 1)
        and compression in COMPRESSIONS
        and file.number(directory, SAMPLES, 1) == COLORS.get(color, -1) + len(extra)
        and not any(extra)
        and all(file.number(directory, side, 1) % 16 == 0 for side in TILE_SIDES)
        and file.number(directory, ORIENTATION, 1) == 1
        and TELLING.search(items) is None
    )


def _nodata_text(file: TiffBytes, directory: Directory) -> bytes | None:
    field = directory.fields.get(NODATA)
    return None if field is None else file.octets(field, most=64)


def _told(layout: ImageLayout, widths: list[int], nodata: bytes | None) -> PlainTiff | None:
    """Make a header of levels that are served, each smaller than the one before; None where they are not.

    Args:
        layout: of the file.
        widths: of the levels in the order of its directories.
        nodata: as it is written.
    """
    levels = [level for level in layout.levels if isinstance(level, LevelLayout) and level.mask is None]
    if len(levels) != len(layout.levels) or [level.size.width for level in levels] != widths:
        return None
    sizes, first = tuple(level.size for level in levels), levels[0]
    alike = all((level.codec.kind, level.bands) == (first.codec.kind, first.bands) for level in levels)
    smaller = all(two.width <= one.width and two.height <= one.height and two != one for one, two in pairwise(sizes))
    codec = first.codec
    if not (alike and smaller and codec.dtype in TYPES and codec.bits == codec.kind.itemsize * 8):
        return None
    value = None if nodata is None else _number(nodata, codec.kind)
    if (value is None) != (nodata is None):
        return None
    header = ImageHeader(
        driver="GTiff",
        levels=sizes,
        bands=(BandHeader(dtype=codec.dtype, nodata=value),) * first.bands,
        block_shape=first.block_shape,
        mask="none" if value is None else "nodata",
    )
    return PlainTiff(header, layout)


def _number(text: bytes, kind: np.dtype[Any]) -> float | None:
    """Read a nodata value that the type holds exactly, None for any other."""
    found = NUMBER.fullmatch(text)
    if found is None:
        return None
    value = float(found[1])
    if kind.kind == "f":
        return value if value != value or float(kind.type(value)) == value else None  # noqa: PLR0124 - NaN
    limits = np.iinfo(kind)
    return value if value.is_integer() and limits.min <= value <= limits.max else None
