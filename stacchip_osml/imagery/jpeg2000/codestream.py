"""JPEG 2000 and high-throughput JPEG 2000 blocks: one tile each (ISO/IEC 15444-1 and -15).

Rules:

- headers are read before a decoder sees them: sizes are the block's, and what
  a decoder allocates by them (precincts, code-blocks, layers) is bounded;
- whole resolution is OpenJPEG's through imagecodecs, smaller ones are GDAL's.
  OpenJPH decodes high throughput in half the time, but crashes on damaged
  streams, and what it does not crash on comes out of imagecodecs as pixels;
- of a large tile only the code-blocks under what is needed are decoded;
- GDAL shows a tile's smaller resolutions only within an image that is large
  enough, so it is given the tile with the places of some neighbours, empty.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.codec_library import codec_library
from stacchip_osml.imagery.blocks.layout import BlockCodec
from stacchip_osml.imagery.blocks.prefixes import Bytes
from stacchip_osml.imagery.blocks.scratch import Scratch
from stacchip_osml.imagery.jpeg2000.blocks import one_tile_codestream
from stacchip_osml.imagery.jpeg2000.main_header import MOST_SAMPLES, MOST_TILES, SIZ_HEAD
from stacchip_osml.imagery.jpeg2000.window import only_window
from stacchip_osml.pixel import PixelWindow

__all__ = ["decode_jpeg2000", "require_codestream", "some_tiles"]

SOC, SIZ, COD, COC, SOT, SOD = 0xFF4F, 0xFF51, 0xFF52, 0xFF53, 0xFF90, 0xFF93
SOT_BYTES = 12
SSIZ = 42
"""Byte of a codestream with the first component's depth and sign; the next ones are three apart (table A.9)."""
MOST_PRECINCTS = 1 << 18
MOST_PACKETS = 1 << 22
MOST_BLOCKS = 1 << 19
"""Precincts, packets (a precinct in one layer) and code-blocks of one tile."""
LARGE, BESIDE = 1 << 17, 64
"""Pixels of a tile that is worth looking into, and on each axis of what is decoded with a window, about."""
SHOWN = 128
"""Pixels: GDAL halves an image as long as a side is longer."""


class _Coding(NamedTuple):
    """What a COD or COC segment says that a decoder allocates by (tables A.15, A.20)."""

    layers: int
    """0 where it does not say."""
    levels: int
    """Decompositions."""
    block: tuple[int, int]
    """Exponents of the code-block's (width, height)."""
    precincts: tuple[int, ...]
    """Exponents of each resolution's precinct, from the smallest: width in the lower four bits, height above."""


def decode_jpeg2000(
    codec: BlockCodec,
    data: Bytes,
    *,
    shape: tuple[int, int],
    rows: int,
    scratch: Scratch,
    window: PixelWindow | None = None,
) -> NDArray[Any]:
    """Decode a tile, given as tile-parts or, without ``codec.shared``, as a codestream.

    Args:
        codec: how it is stored.
        data: its bytes.
        shape: (rows, cols) that it holds.
        rows: how many of its first rows are needed.
        scratch: the calling thread's memory.
        window: what is needed of them; None for all.

    Returns:
        ``(samples, *shape)``; pixels that are not needed may be anything.

    Raises:
        DecodeError: it is damaged, not of the block's size, or asks for more memory than its size explains.
    """
    parts = _tile_parts(data) if codec.shared else []
    stream = one_tile_codestream(codec.shared, parts) if codec.shared else _bare(data)
    require_codestream(stream, codec, shape=shape)
    if codec.reduce:
        return _by_gdal(codec, parts, stream, shape)
    needed = PixelWindow(0, 0, shape[1], rows) if window is None else window
    part = (needed.width + BESIDE) * (needed.height + BESIDE)
    if codec.shared and max(LARGE, 2 * part) < shape[0] * shape[1]:
        stream = only_window(stream, needed)
    room = scratch.array("picture", (codec.samples, *shape) if codec.samples > 1 else shape, codec.dtype)
    imagecodecs = codec_library()

    try:
        imagecodecs.jpeg2k_decode(stream, planar=True, numthreads=1, out=room)
    except (imagecodecs.Jpeg2kError, ValueError) as error:
        raise DecodeError(f"JPEG 2000: {error}") from error
    return room.reshape(codec.samples, *shape)


def _by_gdal(codec: BlockCodec, parts: list[memoryview], stream: bytes, shape: tuple[int, int]) -> NDArray[Any]:
    from stacchip_osml.imagery.gdal.library import decode_codestream

    window = PixelWindow(0, 0, shape[1], shape[0])
    if parts:
        stream, window = some_tiles(codec.shared, parts, reduce=codec.reduce)
    lift = 1 << (codec.bits - 1) if codec.kind == np.int8 else 0
    if lift:  # GDAL would cut off what is below zero: as unsigned samples they lie half their range higher (G.1.2)
        stream = _unsigned(stream, codec.samples)
    pixels = decode_codestream(stream, level=codec.reduce, window=window)
    if lift:
        pixels = (pixels.astype(np.int16) - lift).astype(np.int8)
    if pixels.shape != (codec.samples, *shape) or not np.can_cast(pixels.dtype, codec.kind, "same_kind"):
        raise DecodeError(f"JPEG 2000 of {pixels.shape} {pixels.dtype} in a block of {shape} {codec.dtype}")
    return pixels.astype(codec.kind, copy=False)


def _unsigned(stream: Bytes, samples: int) -> bytes:
    """Clear the sign of all components in SIZ (A.5.1)."""
    changed = bytearray(stream)
    for at in range(SSIZ, SSIZ + 3 * samples, 3):
        changed[at] &= 0x7F
    return bytes(changed)


# ---- its parts


def _tile_parts(data: Bytes) -> list[memoryview]:
    """Split what follows the main header at its SOT marker segments (A.4.2).

    Raises:
        DecodeError: a tile-part is cut short.
    """
    view = memoryview(data)
    parts = []
    at = 0
    while at < len(view):
        length = int.from_bytes(view[at + 6 : at + 10], "big") or len(view) - at  # 0: to the end
        if length < SOT_BYTES + 2 or at + length > len(view):
            raise DecodeError(f"a JPEG 2000 tile-part of {length} bytes where {len(view) - at} are left")
        parts.append(view[at : at + length])
        at += length
    return parts


def _bare(data: Bytes) -> bytes:
    """Give the codestream of JPEG 2000 data, boxed or not.

    Raises:
        DecodeError: there is none.
    """
    stream = bytes(data)
    start = stream.find(b"\xff\x4f\xff\x51", max(stream.find(b"jp2c"), 0))
    if start < 0 or (start and stream[4:8] != b"jP  "):
        raise DecodeError("no JPEG 2000 codestream")
    return stream[start:]


def some_tiles(shared: bytes, parts: list[memoryview], *, reduce: int) -> tuple[bytes, PixelWindow]:
    """Make a codestream of a tile and as many empty neighbours as GDAL needs for showing a smaller resolution.

    Args:
        shared: SOC, SIZ and the other marker segments.
        parts: of one tile, which ``one_tile_codestream`` has accepted.
        reduce: resolutions to leave out.

    Returns:
        The codestream, and where its image has the tile, in pixels of that resolution.
    """
    siz = list(SIZ_HEAD.unpack_from(shared, 2))
    end, origin, side, corner = siz[3:5], siz[5:7], siz[7:9], siz[9:11]
    across = -(-(end[0] - corner[0]) // side[0])
    position = (int.from_bytes(parts[0][4:6], "big") % across, int.from_bytes(parts[0][4:6], "big") // across)
    numbers, counts, window = [0, 0], [0, 0], [0, 0, 0, 0]
    for axis in (0, 1):
        grid = -(-(end[axis] - corner[axis]) // side[axis])
        counts[axis] = min(grid, (SHOWN << (reduce - 1)) // side[axis] + 2)
        first = min(max(position[axis] - counts[axis] // 2, 0), grid - counts[axis])
        numbers[axis] = position[axis] - first
        left = max(corner[axis] + position[axis] * side[axis], origin[axis])
        right = min(corner[axis] + (position[axis] + 1) * side[axis], end[axis])
        begin = max(corner[axis] + first * side[axis], origin[axis])
        siz[3 + axis] = min(corner[axis] + (first + counts[axis]) * side[axis], end[axis])
        siz[5 + axis], siz[9 + axis] = begin, corner[axis] + first * side[axis]
        window[axis] = -(-left >> reduce) - -(-begin >> reduce)
        window[2 + axis] = -(-right >> reduce) - -(-left >> reduce)
    number = struct.pack(">H", numbers[0] + numbers[1] * counts[0])
    pieces: list[bytes | memoryview] = [shared[:2], SIZ_HEAD.pack(*siz), shared[2 + SIZ_HEAD.size :]]
    for part in parts:
        pieces += [part[:4], number, struct.pack(">I", len(part)), part[10:]]
    return b"".join([*pieces, b"\xff\xd9"]), PixelWindow(*window)


# ---- what it asks for


def require_codestream(stream: bytes, codec: BlockCodec, *, shape: tuple[int, int]) -> None:
    """Hold the headers of a one-tile codestream against its block.

    Raises:
        DecodeError: its size is another, or it asks for more than that explains.
    """
    try:
        size, components, tiles = _size(stream, codec, shape)
        segments = list(_segments(stream))
        codings = [_coding(body, marker, components) for marker, body in segments if marker in {COD, COC}]
    except (struct.error, IndexError) as error:
        raise DecodeError("a JPEG 2000 header that is cut short") from error
    if not codings or any(coding.levels < codec.reduce or coding.levels > 32 for coding in codings):
        raise DecodeError(f"JPEG 2000 without {codec.reduce} resolutions to leave out")
    layers = max(coding.layers for coding in codings)
    precincts = tiles * components * max(_precincts(coding, size) for coding in codings)
    blocks = tiles * components * max(_blocks(coding, size) for coding in codings)
    if (
        precincts > MOST_PRECINCTS
        or precincts * layers > MOST_PACKETS
        or blocks > MOST_BLOCKS + tiles * size[0] * size[1] // 64
    ):
        raise DecodeError(
            f"JPEG 2000 of {shape[1]} x {shape[0]} pixels in {tiles} tiles of {size[0]} x {size[1]}, {precincts} "
            f"precincts, {layers} layers, {blocks} code-blocks"
        )
    found = {body[:2] for marker, body in segments if marker == SOT}
    if tiles > 1 and found != {number.to_bytes(2, "big") for number in range(tiles)}:  # OpenJPEG would give zeros
        raise DecodeError(f"JPEG 2000 of {tiles} tiles, of which {len(found)} were found")


def _size(stream: bytes, codec: BlockCodec, shape: tuple[int, int]) -> tuple[tuple[int, int], int, int]:
    """Read SIZ (A.5.1): (width, height) of a tile, components, tiles."""
    marker, _, _, *numbers, components = SIZ_HEAD.unpack_from(stream, 2)
    end, origin, tile, corner = (tuple(numbers[at : at + 2]) for at in (0, 2, 4, 6))
    reduced = tuple(-(-end[axis] >> codec.reduce) - -(-origin[axis] >> codec.reduce) for axis in (1, 0))
    sound = all(corner[axis] <= origin[axis] < corner[axis] + tile[axis] for axis in (0, 1))
    if marker != SIZ or reduced != shape or components != codec.samples or not sound:
        raise DecodeError(
            f"JPEG 2000 of {reduced[1]} x {reduced[0]} pixels, {components} components in a block of "
            f"{shape[1]} x {shape[0]}, {codec.samples}"
        )
    depths = {stream[42 + 3 * number : 45 + 3 * number] for number in range(components)}
    if len(depths) != 1 or next(iter(depths))[1:] != b"\1\1":
        raise DecodeError("JPEG 2000 components that differ, or are subsampled")
    width, height = (end[axis] - origin[axis] for axis in (0, 1))
    tiles = math.prod(-(-(end[axis] - corner[axis]) // tile[axis]) for axis in (0, 1))
    if width * height * components > MOST_SAMPLES or (tiles > 1 and (codec.reduce or tiles > MOST_TILES)):
        raise DecodeError(f"JPEG 2000 of {width} x {height} pixels, {components} components, {tiles} tiles")
    return (min(width, tile[0]), min(height, tile[1])), components, tiles


def _segments(stream: bytes) -> Iterator[tuple[int, bytes]]:
    """Give the marker segments of the main header and of all tile-parts' (A.2).

    Raises:
        DecodeError: they are no chain.
    """
    at, part = 2, 0
    while at + 4 <= len(stream):
        marker, length = struct.unpack_from(">HH", stream, at)
        if marker == SOD and part:
            at, part = part, 0
            continue
        if marker == SOT:
            part = at + (int.from_bytes(stream[at + 6 : at + 10], "big") or len(stream) - at)
        if marker < SOC or length < 2 or (part and part <= at) or at + 2 + length > len(stream):
            raise DecodeError(f"JPEG 2000 marker {marker:04x} of {length} bytes")
        yield marker, stream[at + 4 : at + 2 + length]
        at += 2 + length


def _coding(body: bytes, marker: int, components: int) -> _Coding:
    """Read COD or COC (A.6.1, A.6.2)."""
    layers, at = 0, 1
    if marker == COD:
        style, (layers,) = body[0], struct.unpack_from(">H", body, 2)
        at = 5
    else:
        at = 1 if components < 257 else 2
        style, at = body[at], at + 1
    levels, width, height = body[at], body[at + 1], body[at + 2]
    sizes = body[at + 5 : at + 6 + levels] if style & 1 else b"\xff" * (levels + 1)
    if width > 8 or height > 8 or len(sizes) != levels + 1:
        raise DecodeError("a JPEG 2000 coding style that is not allowed")
    return _Coding(layers, levels, (width + 2, height + 2), tuple(sizes))


def _precincts(coding: _Coding, size: tuple[int, int]) -> int:
    """Count the precincts of a component, or some more (B-16)."""
    total = 0
    for resolution, exponents in enumerate(coding.precincts):
        left = coding.levels - resolution
        across, down = ((side >> left) + 1 for side in size)
        total += ((across >> (exponents & 15)) + 2) * ((down >> (exponents >> 4)) + 2)
    return total


def _blocks(coding: _Coding, size: tuple[int, int]) -> int:
    """Count the code-blocks of a component, about: they are no larger than a precinct's share of a sub-band."""
    total = 0
    for resolution, exponents in enumerate(coding.precincts):
        left = coding.levels - resolution
        width = min(coding.block[0], max((exponents & 15) - (resolution > 0), 0))
        height = min(coding.block[1], max((exponents >> 4) - (resolution > 0), 0))
        total += (((size[0] >> left) >> width) + 2) * (((size[1] >> left) >> height) + 2)
    return total
