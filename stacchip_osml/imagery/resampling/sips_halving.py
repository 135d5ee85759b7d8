"""Halving of parts of an image by the SIPS filters, in memory that stays in the processor's cache.

Rules:

- a pixel is made by the same sums in the same order wherever it lies: a part of an image gives bit for bit what the
  same part of the whole gives, however it was cut;
- sums are float32 up to 16 bits a sample and float64 above;
- beyond the image's edges its pixels are mirrored, without repeating the edge pixel (section 2.2.1).

A part is made in tiles. All rows of a tile are filtered as one line, since numpy is quick only where pixels follow
each other in memory: what mixes the end of a row with the beginning of the next stands in the columns beyond the
tile, and columns between those that are wanted are made and dropped. Lines begin at multiples of 64 bytes; sums that
are stored elsewhere take twice as long.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from stacchip_osml.imagery.provider import Pixels
from stacchip_osml.imagery.resampling.reduction_values import Box
from stacchip_osml.pixel import ImageSize

__all__ = ["ANTIALIAS", "RRDS_HALO", "halved", "needed", "range_of", "working_type"]

RRDS_HALO = 4
"""Pixels around a part of an image that its reduction needs, on each side: 3 of the filter, 1 of the interpolation."""

ANTIALIAS = (-0.08333, 0.0, 0.33333, 0.5, 0.33333, 0.0, -0.08333)
"""The anti-alias filter of table 2.2 along one axis; its outer product is the table within 1.2e-7."""

_NEAR, _FAR = 0.5625, 0.0625
"""LaGrange coefficients halfway between two pixels: of those two, and of the ones beyond, which are subtracted."""

_TILE_ROWS, _TILE_BYTES = 32, 2048
"""Of a tile, at most: rows, and bytes of the columns: its three lines fit into a second-level cache of 1 MB."""
_ALIGNED = 64
"""Bytes."""
_KEPT = 32
"""Tiles of a thread."""

_Limits = tuple[float, float]
Step = Callable[[], object]


def halved(
    part: Pixels,
    held: Box,
    size: ImageSize,
    wanted: Box,
    *,
    bit_depth: int | None = None,
    out: Pixels | None = None,
) -> Pixels:
    """Filter an image against aliases, and interpolate in the middle of each four pixels (section 2.2).

    Args:
        part: ``(bands, rows, cols)``: source pixels ``held``, at least ``RRDS_HALO`` around those that are replaced,
            mirrored at the image's edges.
        held: where the part lies in the source.
        size: of the source.
        wanted: in pixels of the result.
        bit_depth: bits that the samples use; the filtered image is rounded and clipped to them before it is
            interpolated. Integers without it are rounded and clipped to their dtype's range, floats not at all.
        out: ``(bands, wanted rows, wanted cols)`` of the same dtype, where pixels go; None for new memory.

    Returns:
        ``(bands, wanted rows, wanted cols)``, the same dtype.

    Raises:
        ValueError: pixels that are no numbers.
    """
    made: Pixels = np.empty((len(part), wanted.rows, wanted.cols), part.dtype) if out is None else out
    if part.dtype.kind == "c":
        for source, target in ((part.real, made.real), (part.imag, made.imag)):
            halved(source, held, size, wanted, bit_depth=bit_depth, out=target)
        return made
    working = working_type(part.dtype)
    stored = range_of(part.dtype)
    smooth = stored if bit_depth is None else (0.0, float(2**bit_depth - 1))
    across, down = _share(wanted.cols, _TILE_BYTES // working.itemsize), _share(wanted.rows, _TILE_ROWS)
    tile = _MEMORY.tile(down, across, working, smooth, stored)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinite pixels are no errors
        for place in _tiles(wanted, down, across):
            if (place.rows, place.cols) != (tile.rows, tile.cols):
                tile = _MEMORY.tile(place.rows, place.cols, working, smooth, stored)
            rows = _runs(2 * place.top - RRDS_HALO, 2 * place.bottom + RRDS_HALO, size.height, held.top)
            cols = _runs(2 * place.left - RRDS_HALO, 2 * place.right + RRDS_HALO, size.width, held.left)
            here = place.seen_from(wanted)
            for band, target in zip(part, made, strict=True):
                for to_rows, from_rows in rows:
                    for to_cols, from_cols in cols:
                        np.copyto(tile.source[to_rows, to_cols], band[from_rows, from_cols])
                for step in tile.steps:
                    step()
                np.copyto(target[here], tile.result, casting="unsafe")
    return made


def _share(length: int, most: int) -> int:
    """Give what of a side each of equal shares gets, none more than ``most``."""
    return -(-length // -(-length // most))


def _tiles(wanted: Box, down: int, across: int) -> Iterator[Box]:
    for left in range(wanted.left, wanted.right, across):
        for top in range(wanted.top, wanted.bottom, down):
            yield Box(top, min(top + down, wanted.bottom), left, min(left + across, wanted.right))


class _Memory(threading.local):
    """What a thread makes tiles in, kept: to take it anew for each part costs a tenth of the time."""

    def __init__(self) -> None:
        self._lines: dict[np.dtype[Any], list[Pixels]] = {}
        self._tiles: dict[tuple[object, ...], _Tile] = {}

    def tile(self, rows: int, cols: int, working: np.dtype[Any], *limits: _Limits | None) -> _Tile:
        """Give a tile of that many pixels; all share the same lines."""
        key = rows, cols, working, *limits
        tile = self._tiles.get(key)
        if tile is None:
            if len(self._tiles) == _KEPT:
                self._tiles.clear()
            if working not in self._lines:
                self._lines[working] = [_aligned(working) for _ in range(3)]
            tile = self._tiles[key] = _Tile(rows, cols, self._lines[working], *limits)
        return tile


@lru_cache(maxsize=8)
def _filled(working: np.dtype[Any], value: float) -> Pixels:
    """Give a line that holds one number, the same to all threads."""
    line = _aligned(working)
    line[...] = value
    line.flags.writeable = False
    return line


class _Tile:
    """The steps that halve a tile, each on views of three lines; it overwrites what no later one needs."""

    def __init__(
        self,
        rows: int,
        cols: int,
        lines: list[Pixels],
        smooth: _Limits | None,
        stored: _Limits | None,
    ) -> None:
        """Plan the steps.

        Args:
            rows: that are made.
            cols: that are made.
            lines: three, long enough, that begin at multiples of 64 bytes.
            smooth: what the filtered image is rounded and clipped to.
            stored: what the result is rounded and clipped to; None for floats.
        """
        self.rows, self.cols = rows, cols
        first, second, third = lines
        unit = _ALIGNED // first.itemsize
        tall, wide = 2 * rows + 2, -(-(2 * cols + 2 * RRDS_HALO) // unit) * unit
        all_, half = tall * wide, rows * wide
        self.source = first[: all_ + 6 * wide].reshape(tall + 6, wide)
        """Its first ``2 rows + 8`` and ``2 cols + 8`` are to be set before the steps are done."""
        self.result = second[: half // 2].reshape(rows, wide // 2)[:, :cols]
        """``(rows, cols)`` after them."""
        mixed = first[:all_].reshape(rows + 1, 2, wide).swapaxes(0, 1)
        apart = second[:all_].reshape(2, rows + 1, wide)
        even, odd = second[: half + wide], second[half + wide : all_]
        self.steps: list[Step] = [
            # Twice the filter, then half of it: the middle weight is 1, and nothing else is changed by that.
            *_smoothing([first[row * wide :][:all_] for row in range(7)], second[:all_], third[:all_], scale=2),
            *_smoothing([second[col : all_ - 6 + col] for col in range(7)], first, third, scale=0.5),
            *_rounding(first[: all_ - 6], smooth, is_float=stored is None),
            partial(np.copyto, apart, mixed),  # rows that are added to each other, into one line
            *_interpolation([even[:half], odd[:half], even[wide:], odd[wide:]], third[:half], first[:half]),
            *_interpolation([third[col : half - 3 + col] for col in range(4)], first, second),
            partial(np.copyto, second[: half // 2], first[:half:2]),
            *_rounding(second[: half // 2], stored, is_float=stored is None),
        ]


def _smoothing(taps: Sequence[Pixels], done: Pixels, part: Pixels, *, scale: float) -> Iterator[Step]:
    """Run the anti-alias filter over seven shifted views; the second and sixth have no weight."""
    far, near, middle = (np.array(ANTIALIAS[tap], done.dtype) * done.dtype.type(scale) for tap in (0, 2, 3))
    done, part = done[: taps[0].size], part[: taps[0].size]
    yield partial(np.add, taps[0], taps[6], done)
    yield partial(np.multiply, done, far, done)
    yield partial(np.add, taps[2], taps[4], part)
    yield partial(np.multiply, part, near, part)
    yield partial(np.add, done, part, done)
    if middle == 1:
        yield partial(np.add, done, taps[3], done)
    else:
        yield partial(np.multiply, taps[3], middle, part)
        yield partial(np.add, done, part, done)


def _interpolation(taps: Sequence[Pixels], done: Pixels, part: Pixels) -> Iterator[Step]:
    """Interpolate halfway between the second and third of four shifted views."""
    near, far = (np.array(weight, done.dtype) for weight in (_NEAR, _FAR))
    done, part = done[: taps[0].size], part[: taps[0].size]
    yield partial(np.add, taps[1], taps[2], done)
    yield partial(np.multiply, done, near, done)
    yield partial(np.add, taps[0], taps[3], part)
    yield partial(np.multiply, part, far, part)
    yield partial(np.subtract, done, part, done)


def _rounding(line: Pixels, limits: _Limits | None, *, is_float: bool) -> Iterator[Step]:
    """Round to the nearest, halves to even, and clip: by lines of limits, which takes half as long as by numbers.

    Of two zeros of different sign, numpy's maximum is either, which can be seen of floats.
    """
    if limits is None:
        return
    yield partial(np.rint, line, line)
    if is_float:
        yield partial(np.clip, line, *np.array(limits, line.dtype), out=line)
        return
    lowest, highest = (_filled(line.dtype, limit)[: line.size] for limit in limits)
    yield partial(np.maximum, line, lowest, out=line)
    yield partial(_at_most, line, highest)


def _at_most(line: Pixels, highest: Pixels) -> None:
    """Clip at the upper end, where there is anything to clip."""
    if line.max() > highest[0]:
        np.minimum(line, highest, out=line)


_MEMORY = _Memory()


def _aligned(working: np.dtype[Any]) -> Pixels:
    """Make a line of zeros, long enough for every tile, that begins at a multiple of 64 bytes."""
    count = (2 * _TILE_ROWS + 2 * RRDS_HALO) * (2 * _TILE_BYTES + _ALIGNED) // working.itemsize
    memory: Pixels = np.zeros(count + _ALIGNED // working.itemsize, working)
    first = -memory.ctypes.data % _ALIGNED // working.itemsize
    return memory[first : first + count]


def needed(first: int, stop: int, length: int) -> tuple[int, int]:
    """Give the source pixels of one axis, half-open, that outputs ``first`` to ``stop`` are made of."""
    low, high = 2 * first - RRDS_HALO, 2 * stop + RRDS_HALO
    if low >= 0 and high <= length:
        return low, high
    if _is_mirrored_twice(low, high, length):
        return 0, length
    return (
        max(low, 0) if high <= length else min(max(low, 0), 2 * length - 1 - high),
        min(high, length) if low >= 0 else max(min(high, length), 1 - low),
    )


def _runs(first: int, stop: int, length: int, origin: int) -> list[tuple[slice, slice]]:
    """Say which pixels of a part make up positions ``first`` to ``stop`` of an axis: ``(to, from)``.

    Args:
        first: of the positions; those before 0 are mirrored.
        stop: of the positions; those from ``length`` on are mirrored.
        length: of the axis.
        origin: position that the part begins at.
    """
    if first >= 0 and stop <= length:
        return [(slice(0, stop - first), slice(first - origin, stop - origin))]
    if _is_mirrored_twice(first, stop, length):
        turn = max(2 * length - 2, 1)
        there = [min(position % turn, -position % turn) - origin for position in range(first, stop)]
        return [(slice(to, to + 1), slice(from_, from_ + 1)) for to, from_ in enumerate(there)]
    low, high = max(first, 0), min(stop, length)
    runs = [(slice(low - first, high - first), slice(low - origin, high - origin))]
    if first < 0:
        runs.append((slice(0, -first), _backwards(-first - origin, -first)))
    if stop > length:
        runs.append((slice(length - first, stop - first), _backwards(length - 2 - origin, stop - length)))
    return runs


def _is_mirrored_twice(first: int, stop: int, length: int) -> bool:
    return first <= -length or stop >= 2 * length


def _backwards(first: int, count: int) -> slice:
    return slice(first, first - count if first >= count else None, -1)


def working_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Say what to add in: float32 holds products of 16-bit samples to a hundredth of a count.

    Raises:
        ValueError: pixels that are no numbers.
    """
    if dtype.kind not in "iuf":
        raise ValueError(f"pixels must be numbers, got {dtype}")
    return np.dtype(np.float32 if dtype.itemsize <= 2 or dtype == np.float32 else np.float64)


def range_of(dtype: np.dtype[Any]) -> _Limits | None:
    """Give the range that integers are clipped to, None for floats."""
    if dtype.kind not in "iu":
        return None
    info = np.iinfo(dtype)
    # The largest float64 below 2**63 or 2**64, which a cast to 64-bit integers still holds.
    return float(info.min), float(info.max) if dtype.itemsize < 8 else float(np.nextafter(float(info.max), 0))
