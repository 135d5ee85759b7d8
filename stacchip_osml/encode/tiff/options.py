"""How the pixels of a TIFF are stored: from arguments, and from tags of the metadata where there is none.

References: TIFF 6.0, sections 14 (predictors) and 15 (tiles).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from stacchip_osml.encode.tiff.codecs import BlockCoder, Compression, block_coder, compression_of
from stacchip_osml.encode.tiff.tag_names import VALUE_NAMES
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number, whole_numbers, whole_or_none

__all__ = ["Storage", "storage_of"]

BITS, COMPRESSION, ROWS_PER_STRIP, PLANAR, PREDICTOR, TILE_WIDTH, TILE_LENGTH = 258, 259, 278, 284, 317, 322, 323
INTERLEAVES = {1: "pixel", 2: "band"}
TILE_SIDE = 256
COG_SIDES = (512, 256, 384)
"""The first where no level is one column of several tiles: validators take those for strips."""
TOGETHER = frozenset({"jpeg", "webp", "jpegxl"})
"""Compressions of pictures, whose bands belong together."""
LARGEST_BLOCK = 512 << 20
DTYPES = (
    *("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """How every level of an image is stored."""

    coder: BlockCoder
    block: tuple[int, int]
    """Rows and columns of a tile; of a strip the columns are the image's."""
    tiled: bool
    planes: int
    bands: int

    def block_of(self, size: ImageSize) -> tuple[int, int]:
        """Give rows and columns of the blocks of a level."""
        return self.block if self.tiled else (min(self.block[0], size.height), size.width)


def storage_of(
    *,
    size: ImageSize,
    bands: int,
    dtype: np.dtype[Any],
    layout: str,
    hints: Mapping[int, Any],
    compression: Any = None,
    level: float | None = None,
    predictor: Any = None,
    interleave: str | None = None,
    tile: int | tuple[int, int] | None = None,
    largest_tile: int | None = None,
    rows_per_strip: int | None = None,
    bits: int | None = None,
    order: str = "<",
    colors: bool = False,
    subsampling: str = "420",
) -> Storage:
    """Decide how pixels are stored, and check that they can be.

    Args:
        size: of full resolution.
        bands: of the image.
        dtype: of its pixels.
        layout: ``tiff`` or ``cog``.
        hints: tags of the metadata, which stand where an argument is None.
        compression: a name or number; deflate by default.
        level: see :class:`stacchip_osml.encode.tiff.codecs.Compression`.
        predictor: None for the dtype's own.
        interleave: ``pixel`` or ``band``.
        tile: side, or rows and columns, as given.
        largest_tile: side of tiles that may be smaller where the image is.
        rows_per_strip: strips instead of tiles.
        bits: stored of each sample.
        order: byte order of the file.
        colors: the first three bands are red, green and blue.
        subsampling: of JPEG's chroma.

    Raises:
        EncodeError: an option is not TIFF's, or does not go with the pixels; it names the tag.
    """
    if dtype.name not in DTYPES:
        raise EncodeError(f"GeoTIFF cannot hold {dtype.name} pixels; it holds {', '.join(DTYPES[1:])}")
    said = _named(COMPRESSION, hints.get(COMPRESSION))
    row = compression_of(compression if compression is not None else said if said is not None else "deflate")
    if predictor is None and PREDICTOR in hints and (said is None or compression_of(said) is row):
        predictor = _named(PREDICTOR, hints[PREDICTOR])
    bits = whole_or_none("bits", bits, least=1)
    if bits is None and BITS in hints:
        bits = _told_bits(hints[BITS], dtype, row)
    block, tiled = _block(size, layout, hints, tile=tile, largest=largest_tile, rows=rows_per_strip)
    how = _interleave(interleave, hints, layout, compression=row.name, bands=bands, dtype=dtype)
    together = bands if how == "pixel" else 1
    coder = block_coder(
        compression=row,
        level=level,
        predictor=predictor,
        dtype=dtype,
        bits=bits,
        samples=together,
        order=order,
        colors=colors and bands == 3,
        subsampling=subsampling,
    )
    if row.name == "jpeg" and not tiled and block[0] < size.height and block[0] % 16:
        raise EncodeError(f"RowsPerStrip (278) of JPEG must be a multiple of 16 (Technical Note 2), got {block[0]}")
    if block[0] * block[1] * together * dtype.itemsize > LARGEST_BLOCK:
        raise EncodeError(f"blocks of {block[1]} x {block[0]} pixels are larger than {LARGEST_BLOCK} bytes")
    return Storage(coder=coder, block=block, tiled=tiled, planes=1 if how == "pixel" else bands, bands=bands)


def _told_bits(told: Any, dtype: np.dtype[Any], row: Compression) -> int | None:
    """Give the bits that the metadata tells of samples that fill their type only in part; None where they fill it."""
    values = set(told) if isinstance(told, (list, tuple)) else {told}
    bits = _whole(BITS, values.pop())
    full = dtype.itemsize * 8
    in_part = full // 2 < bits < full or (full == 8 and 0 < bits < full)
    if values or dtype.kind != "u" or full > 16 or not in_part:
        return None
    if bits == 1 and not row.octets:  # of 8 bits, black and white would be 0 and 1 of 255
        raise EncodeError(f"BitsPerSample (258) of 1 is not kept by {row.name}: choose deflate, lzw, zstd or packbits")
    return bits if row.octets else None


def _interleave(
    told: str | None, hints: Mapping[int, Any], layout: str, *, compression: str, bands: int, dtype: np.dtype[Any]
) -> str:
    if told is not None and (not isinstance(told, str) or told not in INTERLEAVES.values()):
        raise EncodeError(f"interleave must be band or pixel, got {told!r}")
    picture = compression in TOGETHER and bands in (3, 4)
    if told is None and PLANAR in hints and not picture:
        number = _whole(PLANAR, _named(PLANAR, hints[PLANAR]))
        if number not in INTERLEAVES:
            raise EncodeError(f"PlanarConfiguration (284) must be 1 or 2 (TIFF 6.0, section 8), got {number}")
        told = INTERLEAVES[number]
    if told is None:
        common = dtype == np.uint8 and bands in (1, 3, 4)  # every viewer opens these; others compress better apart
        told = "pixel" if common or picture or bands == 1 or layout == "cog" else "band"
        if bands not in (1, 3, 4) and compression in TOGETHER:
            told = "band"
    return told


def _block(
    size: ImageSize,
    layout: str,
    hints: Mapping[int, Any],
    *,
    tile: int | tuple[int, int] | None,
    largest: int | None,
    rows: int | None,
) -> tuple[tuple[int, int], bool]:
    """Give rows and columns of a block, and whether blocks are tiles."""
    if rows is not None and (tile is not None or largest is not None):
        raise EncodeError("an image has tiles (322, 323) or strips (278), not both (TIFF 6.0, section 15)")
    if rows is not None and layout == "cog":
        raise EncodeError("a COG has tiles, no strips (OGC 21-026)")
    if tile is None and largest is None and rows is None:
        if TILE_WIDTH in hints or TILE_LENGTH in hints:
            width = _whole(TILE_WIDTH, hints.get(TILE_WIDTH, hints.get(TILE_LENGTH)))
            tile = _whole(TILE_LENGTH, hints.get(TILE_LENGTH, width)), width
        elif ROWS_PER_STRIP in hints and layout == "tiff":
            rows = _whole(ROWS_PER_STRIP, hints[ROWS_PER_STRIP])
    if rows is not None:
        rows = whole_number("rows_per_strip", rows)
        if rows < 1:
            raise EncodeError(f"RowsPerStrip (278) must be at least 1 (TIFF 6.0, section 8), got {rows}")
        return (min(rows, size.height), size.width), False
    largest = None if largest is None else whole_number("tile", largest)
    if tile is None:
        wanted = COG_SIDES if layout == "cog" else (TILE_SIDE,)
        return _within(size, wanted if largest is None else (largest,)), True
    height, width = whole_numbers("tile", (tile, tile) if isinstance(tile, Integral) else tile, 2)
    sides = height, width
    _require_sides(sides)
    return sides, True


def _within(size: ImageSize, sides: Sequence[int]) -> tuple[int, int]:
    """Give rows and columns of tiles of one of these sides, smaller where the image is."""
    height, width = (-(-length // 16) * 16 for length in (size.height, size.width))
    for side in sides:
        _require_sides((side, side))
        if len(sides) == 1 or not _is_column_of(size, min(side, width)):
            return min(side, height), min(side, width)
    return min(sides[0], height), width + 16  # of an image narrower than all of them


def _is_column_of(size: ImageSize, tile: int) -> bool:
    """Tell whether some large level of a COG is exactly as wide as a tile, and higher."""
    width, height = size
    while height > COG_SIDES[0]:  # smaller levels may be anything
        if width == tile:
            return True
        width, height = -(-width // 2), -(-height // 2)
    return False


def _require_sides(sides: tuple[int, int]) -> None:
    for side in sides:
        if side < 16 or side % 16:
            raise EncodeError(f"a TIFF tile side must be a multiple of 16, got {side} (TIFF 6.0, section 15)")


def _named(tag: int, value: Any) -> Any:
    """Give the number of a value that has a name."""
    words = {word.lower(): number for word, number in VALUE_NAMES[tag].items()}
    return words.get(value.strip().lower(), value) if isinstance(value, str) else value


def _whole(tag: int, value: Any) -> int:
    text = str(value).strip()
    if not (text.isascii() and text.isdecimal()):
        raise EncodeError(f"tag {tag} holds one whole number (TIFF 6.0, section 8), got {value!r:.80}")
    return int(text)
