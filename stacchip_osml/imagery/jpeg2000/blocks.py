"""JPEG 2000 images as blocks: each tile is one, and one tile alone is a codestream that any decoder reads.

Rules:

- levels are those that GDAL lists: halved until both sides are 128 or less, as
  long as there are resolutions and tile sides stay whole (its JP2OpenJPEG driver).
  Of tiles that it does not read right only R0 is one: nobody else decodes less;
- positions stay those of the reference grid, so that a tile alone rounds at
  every resolution as it does in the image (ISO/IEC 15444-1, B-12 to B-15);
- where the tiles of a level are not one regular grid from the image's corner,
  or cannot be decoded alone, that level is left to GDAL. GDAL reads them wrongly
  or not at all, so level 0 is one block then, as long as it is small enough;
- components that are all subsampled alike are an image of their samples
  (``jpeg2000_sampling``).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import BlockCodec, ImageLayout, LevelLayout, ReadAt, Unserved
from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead
from stacchip_osml.imagery.jpeg2000.boxes import Jp2, find_codestream
from stacchip_osml.imagery.jpeg2000.main_header import (
    MOST_SAMPLES,
    SIZ_HEAD,
    Codestream,
    Siz,
    TileParts,
    read_main_header,
    read_tile_parts,
)
from stacchip_osml.imagery.jpeg2000.sampling import in_samples, require_same_order
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.pixel import ImageSize

__all__ = ["codestream_layout", "one_tile_codestream", "parse_jpeg2000", "siz_in_samples", "unread_by_gdal"]

MOST_PARTS = 1 << 22
"""Tiles times the tile-parts of one: 64 MiB of places."""
SMALL = 128
"""Pixels: an image with no longer side is not halved (GDAL)."""
PACKED = "JPEG 2000 packet headers are packed in the main header (PPM)"
TILE_BYTES, TILE_COMPONENT_BYTES = 8192, 1280
"""What OpenJPEG 2.5 holds for each tile of an image that it decodes whole, and for each component of it."""
TINY_TILE, TINY_IMAGE = 32, 1024
"""Pixels: smaller tiles in no larger an image are one block to GDAL, so odd sides do not matter."""


def parse_jpeg2000(
    read: ReadAt, *, name: str, limits: ReadLimits, size: int | None = None, reads: int = READS
) -> ImageLayout:
    """Find the tiles of a JP2 file (ISO/IEC 15444-1 annex I) or a bare codestream, at all its levels.

    Args:
        read: the file.
        name: of the file, for messages.
        limits: the largest image that is taken on.
        size: of the file; None where unknown.
        reads: most calls of ``read``; a codestream without TLM whose tiles need more is not served.

    Raises:
        DecodeError: it is not JPEG 2000, or its header is damaged.
        LimitError: the image is larger than ``limits``.
    """
    ahead = ReadAhead(read, name=name, size=size, reads=reads)
    return codestream_layout(ahead, 0, size, limits=limits)


def codestream_layout(
    ahead: ReadAhead, start: int, end: int | None, *, limits: ReadLimits, absent: NDArray[np.bool_] | None = None
) -> ImageLayout:
    """Find the tiles of JPEG 2000 data, boxed or bare, in the bytes ``start`` to ``end`` (None: unknown) of a file.

    Args:
        ahead: the file.
        start: first byte.
        end: last byte and one.
        limits: the largest image that is taken on.
        absent: ``(rows, cols)`` of the tile grid, True for a tile that is to count as not stored.

    Raises:
        DecodeError: it is not JPEG 2000, or its header is damaged.
        LimitError: the image is larger than ``limits``.
    """
    try:
        boxes = find_codestream(ahead, start, end)
        stored = read_main_header(ahead, boxes.start)
    except NotServedError as reason:
        return ImageLayout(levels=(Unserved(reason=str(reason)),))
    # Boxes tell sizes, and places on the ground, by the reference grid.
    stream = in_samples(stored) if boxes.start == start else stored
    limits.require_image(ahead.name, _reduced_size(stream.siz, 0), len(stream.siz.components))
    sizes = _level_sizes(stream, boxes)
    places = tuple(LevelPlace.of_samples(level, stream.siz.origin) for level in range(len(sizes)))
    try:
        _require_plain(stream)
        found = read_tile_parts(ahead, stream, boxes.end)
        if stream is not stored:
            require_same_order(ahead, stored, found)
        parts = _tile_parts(found, stream.siz, absent)
    except NotServedError as reason:
        return ImageLayout(levels=(Unserved(reason=str(reason)),) * len(sizes), places=places)
    levels: list[LevelLayout | Unserved] = [Unserved(reason=PACKED)] * len(sizes)
    if not stream.packed_headers:
        levels = [_level(stream, reduce, size, parts, limits) for reduce, size in enumerate(sizes)]
    is_whole = absent is None and found.cut is None
    if isinstance(levels[0], Unserved) and unread_by_gdal(stream) and stream is stored and is_whole:
        levels[0] = _whole(stream, sizes[0], (boxes.start, boxes.end), limits)
    return ImageLayout(levels=tuple(levels), places=places)


def siz_in_samples(ahead: ReadAhead, start: int, end: int | None) -> tuple[ImageSize, bytes] | None:
    """Tell the size of a bare codestream in samples, where all its components are subsampled alike.

    Args:
        ahead: the file.
        start: first byte of the codestream; SIZ is two bytes further.
        end: last byte and one; None where unknown.

    Returns:
        The size, and a SIZ marker segment of the same length that says so; None where the data is of another kind.

    Raises:
        DecodeError: it is not JPEG 2000, or its header is damaged.
        NotServedError: its tiles are not all found, or might decode to something else.
    """
    boxes = find_codestream(ahead, start, end)
    stored = read_main_header(ahead, boxes.start)
    stream = in_samples(stored)
    if stream is stored or boxes.start != start or unread_by_gdal(stream):
        return None
    require_same_order(ahead, stored, read_tile_parts(ahead, stored, boxes.end))
    return _reduced_size(stream.siz, 0), stream.shared[2 : SIZ_HEAD.size + 2 + 3 * len(stream.siz.components)]


def one_tile_codestream(shared: bytes, parts: Sequence[bytes | memoryview]) -> bytes:
    """Make a codestream of one tile.

    Args:
        shared: what every tile needs (``BlockCodec.shared``): SOC, SIZ and the other marker segments.
        parts: the tile's tile-parts, in order.

    Returns:
        A codestream whose image is the tile, at its place on the reference grid.

    Raises:
        DecodeError: the parts are not tile-parts of one tile of this image.
    """
    siz = list(SIZ_HEAD.unpack_from(shared, 2))
    x, y, xo, yo, xt, yt, xto, yto = siz[3:11]
    across, down = -(-(x - xto) // xt), -(-(y - yto) // yt)
    tile = _tile_of(parts[0]) if parts else -1
    if not 0 <= tile < across * down:
        raise DecodeError(f"no JPEG 2000 tile-part of one of {across * down} tiles, tile {tile}")
    row, col = divmod(tile, across)
    left, top = xto + col * xt, yto + row * yt
    right, bottom = min(left + xt, x), min(top + yt, y)
    # The tile's side ends where the image does: the same tile, and sums stay below 2**32.
    siz[3:11] = [right, bottom, max(left, xo), max(top, yo), right - left, bottom - top, left, top]
    pieces: list[bytes | memoryview] = [shared[:2], SIZ_HEAD.pack(*siz), shared[2 + SIZ_HEAD.size :]]
    for part in parts:
        if _tile_of(part) != tile:
            raise DecodeError(f"a JPEG 2000 tile-part of tile {_tile_of(part)} where one of tile {tile} should be")
        pieces += [b"\xff\x90\x00\x0a\x00\x00", struct.pack(">I", len(part)), part[10:]]
    return b"".join([*pieces, b"\xff\xd9"])


def _tile_of(part: bytes | memoryview) -> int:
    """Read Isot, -1 where it is not a tile-part."""
    return int.from_bytes(part[4:6], "big") if len(part) >= 14 and part[:4] == b"\xff\x90\x00\x0a" else -1


# ---- levels


def _level_sizes(stream: Codestream, boxes: Jp2) -> list[ImageSize]:
    """List the sizes of R0 and the overviews that GDAL's JP2OpenJPEG driver shows."""
    width, height = _reduced_size(stream.siz, 0)
    across, down = stream.siz.tile
    by_area = _is_read_by_area(stream.siz)
    sizes = [ImageSize(width, height)]
    resolutions = 1 if boxes.color_table or unread_by_gdal(stream) else stream.resolutions
    while len(sizes) < resolutions and max(width, height) > SMALL and (by_area or not (across % 2 or down % 2)):
        width, height, across, down = -(-width // 2), -(-height // 2), across // 2, down // 2
        sizes.append(ImageSize(width, height))
    return sizes


def _is_read_by_area(siz: Siz) -> bool:
    """Tell whether the driver decodes areas, not tiles, so that these no longer matter."""
    width, height = _reduced_size(siz, 0)
    across, down = siz.tile
    is_single = (across, down) == (width, height) and max(width, height) > TINY_IMAGE
    is_tiny = max(across, down) < TINY_TILE and max(width, height) <= TINY_IMAGE
    return is_single or is_tiny or (width < across and height < down)


def unread_by_gdal(stream: Codestream) -> str:
    """Say which tiles GDAL gives other pixels of, or none; nothing where it reads them."""
    siz = stream.siz
    if _is_read_by_area(siz) or siz.grid == (1, 1):
        return ""
    if stream.packed_headers:
        return "JPEG 2000 tiles whose packet headers are packed in the main header (PPM)"
    if any(siz.grid[axis] > 1 and siz.origin[axis] != siz.tile_origin[axis] for axis in (0, 1)):
        return "JPEG 2000 tiles that are not a regular grid from the image's corner"
    return ""


def _require_plain(stream: Codestream) -> None:
    """Refuse images whose decoded components are not what GDAL delivers.

    Raises:
        NotServedError: saying why.
    """
    components = stream.siz.components
    first = components[0]
    if any(each.step != (1, 1) for each in components):
        steps = dict.fromkeys(f"{across} x {down}" for _, _, (across, down) in components)
        raise NotServedError(f"JPEG 2000 components are subsampled by {', '.join(steps)}")
    if any(each != first for each in components):
        raise NotServedError("JPEG 2000 components differ in depth")
    if first.bits > 31:
        raise NotServedError("JPEG 2000 components have more than 31 bits")
    if max(stream.siz.tile) < TINY_TILE and max(stream.siz.grid) > 1:
        raise NotServedError(
            f"JPEG 2000 tiles of {stream.siz.tile[0]} x {stream.siz.tile[1]} are too small to read apart"
        )


def _kind(bits: int) -> str:
    return "int8" if bits <= 8 else "int16" if bits <= 16 else "int32"


def _level(
    stream: Codestream,
    reduce: int,
    size: ImageSize,
    parts: tuple[NDArray[np.int64], NDArray[np.int64]],
    limits: ReadLimits,
) -> LevelLayout | Unserved:
    """Lay out one level, or say why not."""
    siz = stream.siz
    components = siz.components
    block = _block_shape(siz, reduce)
    if reduce >= stream.fewest_resolutions:
        return Unserved(reason=f"not all JPEG 2000 components have resolution {reduce}")
    if block is None or size != _reduced_size(siz, reduce):
        return Unserved(reason=f"the JPEG 2000 tiles of level {reduce} are not a regular grid from the image's corner")
    decoded = block[0] * block[1] * len(components) * np.dtype(_dtype(stream)).itemsize
    if decoded > limits.block_bytes:
        return Unserved(reason=f"JPEG 2000 tiles decode to {decoded} bytes, more than {limits.block_bytes}")
    cols, rows = (min(siz.tile[axis], siz.end[axis] - siz.origin[axis]) for axis in (0, 1))
    if cols * rows * len(components) > MOST_SAMPLES:  # whatever the resolution, a decoder begins with all of a tile
        return Unserved(reason=f"JPEG 2000 tiles of {cols} x {rows} pixels, {len(components)} components")
    codec = _codec(stream, shared=stream.shared, reduce=reduce)
    return LevelLayout(size=size, block_shape=block, short_edge=True, codec=codec, offsets=parts[0], counts=parts[1])


def _codec(stream: Codestream, *, shared: bytes = b"", reduce: int = 0) -> BlockCodec:
    dtype = _dtype(stream)
    return BlockCodec(
        compression="htj2k" if stream.high_throughput else "jpeg2000",
        dtype=dtype,
        stored=dtype,
        bits=stream.siz.components[0].bits,
        samples=len(stream.siz.components),
        shared=shared,
        reduce=reduce,
    )


def _dtype(stream: Codestream) -> str:
    first = stream.siz.components[0]
    return ("" if first.signed else "u") + _kind(first.bits)


def _whole(
    stream: Codestream, size: ImageSize, place: tuple[int, int | None], limits: ReadLimits
) -> LevelLayout | Unserved:
    """Lay out R0 as one block, its codestream, if what OpenJPEG holds of it is within the limit of a block."""
    start, end = place
    if end is None:
        return Unserved(reason=f"{unread_by_gdal(stream)}, in a file of unknown size")
    components = stream.siz.components
    samples = size.width * size.height * len(components)
    tiles = stream.siz.grid[0] * stream.siz.grid[1]
    one = min(size.width, stream.siz.tile[0]) * min(size.height, stream.siz.tile[1]) * len(components)
    held = 4 * (samples + one) + tiles * (TILE_BYTES + TILE_COMPONENT_BYTES * len(components)) + end - start
    if samples > MOST_SAMPLES or held > limits.block_bytes:
        return Unserved(
            reason=f"{unread_by_gdal(stream)}: all together take {held} bytes to decode, more than {limits.block_bytes}"
        )
    codec = _codec(stream)
    offsets, counts = (np.array(number, np.int64).reshape(1, 1, 1, 1) for number in (start, end - start))
    shape = (size.height, size.width)
    return LevelLayout(size=size, block_shape=shape, short_edge=True, codec=codec, offsets=offsets, counts=counts)


def _reduced_size(siz: Siz, reduce: int) -> ImageSize:
    """Give the image's size at a resolution (B-13)."""
    (x, y), (xo, yo) = siz.end, siz.origin
    return ImageSize(-(-x >> reduce) - -(-xo >> reduce), -(-y >> reduce) - -(-yo >> reduce))


def _block_shape(siz: Siz, reduce: int) -> tuple[int, int] | None:
    """Give the (rows, cols) of all tiles but the last of each row and column; None where they are not alike."""
    across, down = siz.grid
    cols = _side(siz.tile[0], siz.tile_origin[0], (siz.origin[0], siz.end[0]), across, reduce)
    rows = _side(siz.tile[1], siz.tile_origin[1], (siz.origin[1], siz.end[1]), down, reduce)
    return (rows, cols) if rows and cols else None


def _side(tile: int, tile_origin: int, image: tuple[int, int], count: int, reduce: int) -> int:
    """Give the side of all tiles along one axis but the last, which may be shorter; 0 where they differ (B-12)."""
    first, last = (-(-edge >> reduce) for edge in image)
    if count == 1:
        return last - first
    if tile_origin == image[0] and tile % (1 << reduce) == 0:
        return tile >> reduce if last - first > (count - 1) * (tile >> reduce) else 0
    edges = tile_origin + tile * np.arange(count + 1, dtype=np.int64)
    sides = np.diff(-(-np.clip(edges, *image) >> reduce))
    regular = (sides[:-1] == sides[0]).all() and 1 <= int(sides[-1]) <= int(sides[0])
    return int(sides[0]) if regular else 0


def _tile_parts(
    parts: TileParts, siz: Siz, absent: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Arrange tile-parts as ``(parts, 1, rows, cols)`` offsets and counts.

    Raises:
        NotServedError: a tile has none in a file that is not cut short, or they are too many.
    """
    across, down = siz.grid
    if absent is not None and absent.shape[:2] != (down, across):
        raise NotServedError(f"a mask table of {absent.shape} blocks for {down} x {across} JPEG 2000 tiles")
    order = np.argsort(parts.tiles, kind="stable")
    tiles = parts.tiles[order]
    found = np.bincount(tiles, minlength=across * down)
    missing = (found == 0) & (True if absent is None else ~absent.ravel())
    if (parts.cut is None and missing.any()) or not len(tiles):
        raise NotServedError(f"{int(missing.sum())} of {across * down} JPEG 2000 tiles are missing")
    most = int(found.max())
    if most * len(found) > MOST_PARTS:
        raise NotServedError(f"{most} JPEG 2000 tile-parts in one of {len(found)} tiles")
    position = np.arange(len(tiles)) - (np.cumsum(found) - found)[tiles]
    offsets, counts = np.zeros((2, most, len(found)), np.int64)
    offsets[position, tiles] = parts.offsets[order]
    counts[position, tiles] = parts.counts[order]
    if parts.cut is not None:
        offsets[0, missing], counts[0, missing] = parts.cut, 1
    if absent is not None:
        offsets[:, absent.ravel()] = counts[:, absent.ravel()] = 0
    shape = (most, 1, down, across)
    return offsets.reshape(shape), counts.reshape(shape)
