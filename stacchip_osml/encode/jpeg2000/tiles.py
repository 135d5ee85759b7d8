"""JPEG 2000 codestreams of images of any size, tile by tile: lossless, at a rate, or high throughput.

Rules:

- a tile is compressed alone and then numbered into the codestream. That is the
  same as compressing it in its place if the tile's corner falls on a corner of
  sub-bands, code-blocks and precincts at every level (ISO/IEC 15444-1 B.5 to
  B.7): tile sides are powers of two up to 2**15, and no smaller than
  2**levels. An image that is one tile has any side;
- the main header is that of the first tile, and all others must have the same;
- TLM (A.7.1) is written, so that a reader finds every tile at once;
- what cannot be kept exactly is refused, never nearly kept.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.file_memory import room_for
from stacchip_osml.encode.in_order import encoding_threads, in_order
from stacchip_osml.encode.jpeg2000.codecs import EXACT_BITS, most_levels, openjpeg_lossless, openjpeg_tile, openjph_tile
from stacchip_osml.encode.jpeg2000.markers import (
    COM,
    EOC,
    LARGEST_TILE,
    SIZ,
    SOC,
    SOT,
    SOT_HEAD,
    TLM,
    is_tile_side,
    taken_apart,
)
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.counts import whole_number

__all__ = ["ArraySource", "Jpeg2000Options", "PixelSource", "array_codestream", "write_codestream"]

Array = NDArray[Any]

TLM_ENTRIES = 10_000
"""Of one TLM segment; 65,535 bytes hold a few more."""
MOST_TILES = 65_535
LARGEST_SAMPLE = 4
"""Bytes."""
MOST_LEVELS = 5
SAMPLED_TILES = 5
"""That the quantisation of a whole high-throughput image is found with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jpeg2000Options:
    """How a codestream is made."""

    ratio: float | None = None
    """Raw samples, of ``bits`` each, to bytes of the codestream: 10 is ten to one; None is lossless."""
    levels: int | None = None
    """Decomposition levels; None for 5, or what the tile allows."""
    layers: int = 1
    """Quality layers, each of half the bytes of the next."""
    high_throughput: bool = False
    """HTJ2K (ISO/IEC 15444-15)."""
    tile: tuple[int, int] = (1024, 1024)
    """(rows, cols)."""
    bits: int | None = None
    """Of a sample; None for all of its type."""
    color_transform: bool | None = None
    """Decorrelate three colours; None where there are three bands of 8 bits."""


class PixelSource(Protocol):
    """What is to be compressed, asked for one window after the other."""

    size: ImageSize
    bands: int
    dtype: np.dtype[Any]

    def read(self, window: PixelWindow) -> Array:
        """Give ``(bands, rows, cols)`` of a window inside the image."""
        ...


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is the same for all tiles."""

    grid: BlockGrid
    levels: int
    bits: int
    options: Jpeg2000Options
    color_transform: bool
    percents: tuple[float, ...]
    step: float | None
    threads: int
    """That compress one tile."""


def array_codestream(pixels: Array, options: Jpeg2000Options | None = None, *, workers: int = 1) -> bytes:
    """Compress an array in memory.

    Args:
        pixels: ``(bands, rows, cols)``.
        options: None for lossless.
        workers: threads that compress.

    Raises:
        EncodeError: as :func:`write_codestream`.
    """
    import io

    out = io.BytesIO()
    write_codestream(out, ArraySource(pixels), options, workers=workers)
    return out.getvalue()


def write_codestream(
    out: BinaryIO,
    source: PixelSource,
    options: Jpeg2000Options | None = None,
    *,
    workers: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> int:
    """Compress an image of any size.

    Args:
        out: written from where it stands; seekable.
        source: each tile is read once, in the order of rows; of a lossy high-throughput image, some are read twice.
        options: None for lossless.
        workers: threads that compress, tile by tile, or together where there are fewer tiles; one more reads.
        progress: is told the tiles done and their number.

    Returns:
        Bytes written.

    Raises:
        EncodeError: the options, the type or the size are not JPEG 2000's, or could not be kept exactly.
        ValueError: ``workers`` is less than 1.
    """
    workers = encoding_threads(whole_number("workers", workers, least=1))
    options = Jpeg2000Options() if options is None else options
    plan = _planned(source, options, workers)
    rows, cols = plan.grid.shape
    count = rows * cols
    windows = [plan.grid.window(row, col) for row in range(rows) for col in range(cols)]
    start = out.tell()
    lengths: list[int] = []
    shared: bytes | None = None
    raw = source.size.width * source.size.height * source.bands * source.dtype.itemsize
    with room_for(out, raw if options.ratio is None else int(raw / options.ratio)):
        for number, (segments, body) in enumerate(_coded(source, windows, plan, workers)):
            if shared is None:
                shared = segments
                out.write(_siz(source, plan) + segments)
                table = out.tell()
                out.write(_tlm([0] * count))
            elif segments != shared:
                raise EncodeError(f"JPEG 2000 tile {number} was coded otherwise than the first: choose other tiles")
            out.write(SOT_HEAD.pack(SOT, 10, number, SOT_HEAD.size + len(body), 0, 1))
            out.write(body)
            lengths.append(SOT_HEAD.size + len(body))
            if progress is not None:
                progress(number + 1, count)
        out.write(struct.pack(">H", EOC))
    end = out.tell()
    out.seek(table)
    out.write(_tlm(lengths))
    out.seek(end)
    return end - start


def _planned(source: PixelSource, options: Jpeg2000Options, workers: int) -> _Plan:
    """Check everything that can be checked before a pixel is read."""
    depth = 8 * source.dtype.itemsize
    if source.dtype.kind not in "iu" or source.dtype.itemsize > LARGEST_SAMPLE:
        raise EncodeError(f"JPEG 2000 holds integers of 8, 16 and 32 bits, not {source.dtype.name}")
    if not 1 <= source.bands <= 16384:
        raise EncodeError(f"JPEG 2000 holds 1 to 16,384 components, not {source.bands} (ISO/IEC 15444-1, A.5.1)")
    size = source.size
    tile = (
        size.height if options.tile[0] >= size.height else options.tile[0],
        size.width if options.tile[1] >= size.width else options.tile[1],
    )
    for have, name, side in zip(options.tile, ("rows", "columns"), (size.height, size.width), strict=True):
        if have < side and not is_tile_side(have):
            raise EncodeError(f"tile {name} of JPEG 2000 must be a power of two from 32 to {LARGEST_TILE}, got {have}")
    grid = BlockGrid(size, tile)
    if grid.shape[0] * grid.shape[1] > MOST_TILES:
        raise EncodeError(
            f"JPEG 2000 has at most {MOST_TILES} tiles, and {size.width} x {size.height} pixels in tiles of "
            f"{tile[1]} x {tile[0]} are {grid.shape[0] * grid.shape[1]}: choose larger tiles"
        )
    color = _color_transform(source, options)
    bits = _bits(source, options, depth, color=color)
    _require_options(options)
    threads = max(workers // (grid.shape[0] * grid.shape[1]), 1)
    plan = _Plan(grid, _levels(grid, options), bits, options, color, _percents(options), None, threads)
    if options.high_throughput and options.ratio is not None:
        step = _found_step(source, replace(plan, threads=workers), options.ratio)
        return replace(plan, percents=(), step=step)
    return plan


def _require_options(options: Jpeg2000Options) -> None:
    if options.ratio is not None and not 1 < options.ratio <= 1000:
        raise EncodeError(f"a JPEG 2000 compression ratio is above 1 and at most 1000, got {options.ratio}")
    if not 1 <= options.layers <= 32:
        raise EncodeError(f"JPEG 2000 layers are 1 to 32 here, got {options.layers}")
    if options.high_throughput and options.layers != 1:
        raise EncodeError("high-throughput JPEG 2000 is written with one quality layer")


def _color_transform(source: PixelSource, options: Jpeg2000Options) -> bool:
    if options.color_transform and source.bands != 3:
        raise EncodeError(f"the colour transform of JPEG 2000 needs three bands here, not {source.bands}")
    if options.color_transform is None:
        return source.bands == 3 and source.dtype == np.uint8
    return options.color_transform


def _bits(source: PixelSource, options: Jpeg2000Options, depth: int, *, color: bool) -> int:
    bits = depth if options.bits is None else options.bits
    if not 1 <= bits <= depth:
        raise EncodeError(f"{source.dtype.name} samples have 1 to {depth} bits, not {bits}")
    if not options.high_throughput and bits + color > EXACT_BITS:
        raise EncodeError(
            f"JPEG 2000 of {source.dtype.name} with {bits} bits is not kept exactly, {EXACT_BITS} bits are: say bits, "
            "if the samples have no more, or write .tif"
        )
    return bits


def _levels(grid: BlockGrid, options: Jpeg2000Options) -> int:
    whole = grid.shape == (1, 1)
    allowed = most_levels(*grid.block_shape) if whole else None
    side = min(grid.block_shape)
    possible = max(side.bit_length() - 2, 0) if allowed is None else allowed
    if options.levels is None:
        return min(MOST_LEVELS, possible)
    if not 0 <= options.levels <= 32:
        raise EncodeError(f"JPEG 2000 has 0 to 32 decomposition levels, not {options.levels}")
    if options.high_throughput and not options.levels:
        raise EncodeError("high-throughput JPEG 2000 is written with 1 decomposition level at least, not 0")
    needed = 1 << options.levels if options.high_throughput else 2 << options.levels
    if options.levels and side < needed:
        raise EncodeError(f"{options.levels} decomposition levels need tile sides of {needed} here, not {side}")
    return options.levels


def _percents(options: Jpeg2000Options) -> tuple[float, ...]:
    if options.ratio is None and options.layers == 1:
        return ()
    most = 100.0 if options.ratio is None else 100.0 / options.ratio
    return tuple(most / 2**left for left in range(options.layers - 1, -1, -1))


def _coded(
    source: PixelSource, windows: list[PixelWindow], plan: _Plan, workers: int
) -> Iterator[tuple[bytes, memoryview]]:
    def code(pixels: Array) -> tuple[bytes, memoryview]:
        return _split(*_tile_stream(pixels, plan))

    return in_order(map(source.read, windows), code, workers=min(workers, len(windows)))


def _tile_stream(pixels: Array, plan: _Plan) -> tuple[bytes, int]:
    """Compress one tile; give a codestream and the number that the tile has in it."""
    _require_bits(pixels, plan.bits)
    tile = plan.grid.block_shape
    if plan.options.high_throughput:
        return openjph_tile(
            pixels,
            levels=plan.levels,
            tile=tile,
            bits=plan.bits,
            step=plan.step,
            color_transform=plan.color_transform,
            threads=plan.threads,
        )
    if not plan.percents and plan.levels <= most_levels(*pixels.shape[1:]):
        stream = openjpeg_lossless(
            pixels, levels=plan.levels, bits=plan.bits, color_transform=plan.color_transform, threads=plan.threads
        )
        return stream, 0
    return openjpeg_tile(
        pixels,
        levels=plan.levels,
        tile=tile,
        bits=plan.bits,
        percents=plan.percents or (100.0,),
        reversible=plan.options.ratio is None,
        color_transform=plan.color_transform,
        threads=plan.threads,
    )


def _require_bits(pixels: Array, bits: int) -> None:
    if bits == pixels.dtype.itemsize * 8:
        return
    low, high = (0, 2**bits - 1) if pixels.dtype.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    least, most = int(pixels.min()), int(pixels.max())
    if least < low or most > high:
        raise EncodeError(f"samples from {least} to {most} do not fit into {bits} bits")


def _found_step(source: PixelSource, plan: _Plan, ratio: float) -> float:
    """Find the coarseness of quantisation that gives a ratio, with tiles spread over the image."""
    rows, cols = plan.grid.shape
    count = rows * cols
    chosen = sorted({round(at) for at in np.linspace(0, count - 1, min(count, SAMPLED_TILES))})
    samples = [source.read(plan.grid.window(*divmod(number, cols))) for number in chosen]
    target = sum(tile.size for tile in samples) * plan.bits / 8 / ratio

    def length(exponent: float) -> int:
        trial = replace(plan, percents=(), step=2.0**exponent)
        return sum(len(_split(*_tile_stream(tile, trial))[1]) for tile in samples)

    low, high = -float(plan.bits) - 2.0, 0.0
    if length(low) <= target:
        return float(2.0**low)
    while high - low > 0.02:
        middle = (low + high) / 2
        low, high = (low, middle) if length(middle) <= target else (middle, high)
    return float(2.0**high)


def _split(stream: bytes, number: int) -> tuple[bytes, memoryview]:
    """Give the marker segments of a main header that decide decoding (not SIZ), and what follows a tile's SOT."""
    segments, parts = taken_apart(stream)
    found = [part.data for part in parts if part.tile == number]
    if len(found) != 1:
        raise EncodeError(f"a JPEG 2000 encoder gave a tile in {len(found)} parts")
    return b"".join(segment for marker, segment in segments if marker not in {SIZ, COM, TLM}), found[0]


def _siz(source: PixelSource, plan: _Plan) -> bytes:
    """Write SOC and SIZ (A.5.1) of the whole image."""
    (rows, cols), size = plan.grid.block_shape, source.size
    profile = 0x4000 if plan.options.high_throughput else 0  # Rsiz: part 15 is needed
    depth = (plan.bits - 1) | (0x80 if source.dtype.kind == "i" else 0)
    head = struct.pack(
        ">HHHHIIIIIIIIH",
        *(SOC, SIZ, 38 + 3 * source.bands, profile),
        *(size.width, size.height, 0, 0, cols, rows, 0, 0, source.bands),
    )
    return head + bytes((depth, 1, 1)) * source.bands


def _tlm(lengths: list[int]) -> bytes:
    """Write TLM (A.7.1): 16-bit tile numbers, 32-bit lengths."""
    parts = []
    for index in range(math.ceil(len(lengths) / TLM_ENTRIES)):
        first = index * TLM_ENTRIES
        here = lengths[first : first + TLM_ENTRIES]
        parts.append(struct.pack(">HHBB", TLM, 4 + 6 * len(here), index, 0x60))
        parts.extend(struct.pack(">HI", first + number, length) for number, length in enumerate(here))
    return b"".join(parts)


class ArraySource:
    """An array as what is to be compressed."""

    def __init__(self, pixels: Array) -> None:
        """Take ``(bands, rows, cols)``."""
        bands, rows, cols = pixels.shape
        self._pixels = pixels
        self.size, self.bands, self.dtype = ImageSize(cols, rows), bands, pixels.dtype

    def read(self, window: PixelWindow) -> Array:
        """Give a window."""
        x, y, width, height = window
        return self._pixels[:, y : y + height, x : x + width]
