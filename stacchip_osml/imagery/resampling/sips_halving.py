"""Halving of parts of an image by the SIPS filters, in memory that stays in the processor's cache.

Rules:

- a pixel is made by the same sums in the same order wherever it lies: a part of an image gives bit for bit what the
  same part of the whole gives, however it was cut;
- sums are float32 up to 16 bits a sample and float64 above;
- beyond the image's edges its pixels are mirrored, without repeating the edge pixel (section 2.2.1);
- a pixel that is not finite makes those that it has a part in not finite, and no others.

A part is made in tiles, by a few calls of OpenCV and numpy that leave the interpreter to other threads. OpenCV adds up
several pixels at once, and the last ones of a row one by one, which may round otherwise: so rows of a tile end beyond
what is wanted of it, at multiples of 64 bytes. It shares images of a million pixels among threads of its own: tiles
are far smaller. Samples of up to 16 bits are filtered as 16-bit integers, which rounds and clips them by the way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.resampling.reduction_values import Box, Limits, range_of
from stacchip_osml.imagery.resampling.thread_kept import kept_by_thread
from stacchip_osml.pixel import ImageSize

__all__ = ["ANTIALIAS", "RRDS_HALO", "halved", "needed", "working_type"]

RRDS_HALO = 4
"""Pixels around a part of an image that its reduction needs, on each side: 3 of the filter, 1 of the interpolation."""

ANTIALIAS = (-0.08333, 0.0, 0.33333, 0.5, 0.33333, 0.0, -0.08333)
"""The anti-alias filter of table 2.2 along one axis; its outer product is the table within 1.2e-7."""

_NEAR, _FAR = 0.5625, 0.0625
"""LaGrange coefficients halfway between two pixels: of those two, and of the ones beyond, which are subtracted."""

_TILE_ROWS, _TILE_BYTES = 64, 2048
"""Of a tile, at most: rows, and bytes of the columns: its two lines fit into a second-level cache of 1 MB."""
_ALIGNED = 64
"""Bytes."""
_MIDDLE = 1 << 15
"""What lies in the middle of 16 bits without a sign: they are filtered less that."""

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
    dtype = part.dtype.newbyteorder("=")
    working = working_type(dtype)
    smooth = range_of(dtype) if bit_depth is None else (0.0, float(2**bit_depth - 1))
    across, down = _share(wanted.cols, _TILE_BYTES // working.itemsize), _share(wanted.rows, _TILE_ROWS)
    tile = _kept_tile(down, across, dtype, smooth)
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinite pixels are no errors
        for place in _tiles(wanted, down, across):
            if (place.rows, place.cols) != (tile.rows, tile.cols):
                tile = _kept_tile(place.rows, place.cols, dtype, smooth)
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


class _Tile:
    """The steps that halve a tile, each on views of two lines; it overwrites what no later one needs."""

    def __init__(self, rows: int, cols: int, dtype: np.dtype[Any], smooth: Limits | None) -> None:
        """Plan the steps.

        Args:
            rows: that are made.
            cols: that are made.
            dtype: of the image.
            smooth: what the filtered image is rounded and clipped to; None where it is neither.
        """
        import cv2  # slow to load, and not needed before an image is halved

        self.rows, self.cols = rows, cols
        lines = first, second = _lines(working_type(dtype))
        short = _short_limits(dtype, smooth)
        unit = _ALIGNED // (first.itemsize if short is None else 2)
        span = -(-cols // unit) * unit
        tall, wide = 2 * (rows + RRDS_HALO), 2 * span + unit
        kind = first.dtype if short is None else np.dtype(np.int16)
        source, filtered = (line.view(kind)[: tall * wide].reshape(tall, wide) for line in lines)
        self.source = source if short is None else source.view(np.uint16 if dtype == np.uint16 else np.int16)
        """Its first ``2 rows + 8`` and ``2 cols + 8`` are to be set before the steps are done."""
        weights = np.array(ANTIALIAS, first.dtype)
        smoothing = partial(cv2.sepFilter2D, source, -1, weights, weights, dst=filtered)
        if short is None:
            smoothed, used, spare = filtered, second, first
            self.steps: list[Step] = [smoothing, *_rounding(filtered, smooth)]
        else:
            used, spare = first, second
            smoothed = first[: tall * wide].reshape(tall, wide)
            turning = _turning(source, dtype)
            self.steps = [*turning, smoothing, *_clipping(filtered, short), partial(np.copyto, smoothed, filtered)]
        outer, between = spare[: 2 * rows * wide].reshape(2, rows, wide)
        self.steps += _halfway([smoothed[row : row + 2 * rows : 2] for row in range(3, 7)], outer, between)
        even, odd, *lasts = used[: 4 * rows * (span + unit)].reshape(4, rows, span + unit)
        for half, phase in ((even, 0), (odd, 1)):
            self.steps.append(partial(np.copyto, half[:, : span + 4], between[:, phase : 2 * span + 8 : 2]))
        outer, inner = (last[:, :span] for last in lasts)
        taps = [(odd if tap % 2 else even)[:, tap // 2 : tap // 2 + span] for tap in range(3, 7)]
        if short is None:
            self.steps += [*_halfway(taps, outer, inner), *_rounding(inner, range_of(dtype))]
            made = inner
        else:
            rounded = spare.view(np.int16 if dtype == np.uint16 else dtype)[: rows * span].reshape(rows, span)
            self.steps += [*_halfway(taps, outer, inner, rounded), *_turning(rounded, dtype)]
            made = rounded.view(dtype)
        self.result = made[:, :cols]
        """``(rows, cols)`` after them."""


def _short_limits(dtype: np.dtype[Any], limits: Limits | None) -> tuple[int, int] | None:
    """Give the limits of the filtered image, less the middle of uint16, if it is one of 16-bit integers."""
    if limits is None or dtype.kind not in "iu" or dtype.itemsize > 2:
        return None
    middle = _MIDDLE if dtype == np.uint16 else 0
    low, high = (int(limit) - middle for limit in limits)
    return (low, high) if low >= -_MIDDLE and high < _MIDDLE else None


def _clipping(line: Pixels, limits: tuple[int, int]) -> Iterator[Step]:
    """Clip 16-bit integers, unless to what they can hold."""
    if limits != (-_MIDDLE, _MIDDLE - 1):
        yield partial(np.clip, line, *np.array(limits, line.dtype), out=line)


def _turning(line: Pixels, dtype: np.dtype[Any]) -> Iterator[Step]:
    """Take the middle of 16 bits without a sign away, or add it: that turns the uppermost bit."""
    if dtype == np.uint16:
        bits = line.view(np.uint16)
        yield partial(np.bitwise_xor, bits, np.uint16(_MIDDLE), out=bits)


def _halfway(taps: Sequence[Pixels], outer: Pixels, inner: Pixels, made: Pixels | None = None) -> Iterator[Step]:
    """Interpolate halfway between the second and third of four shifted views; integers are rounded and clipped."""
    import cv2

    depths = {"b": cv2.CV_8S, "B": cv2.CV_8U, "h": cv2.CV_16S}
    yield partial(cv2.add, taps[1], taps[2], dst=inner)
    yield partial(cv2.add, taps[0], taps[3], dst=outer)
    if made is None:
        yield partial(cv2.addWeighted, inner, _NEAR, outer, -_FAR, 0, dst=inner)
    else:
        yield partial(cv2.addWeighted, inner, _NEAR, outer, -_FAR, 0, dst=made, dtype=depths[made.dtype.char])


def _rounding(values: Pixels, limits: Limits | None) -> Iterator[Step]:
    """Round to the nearest, halves to even, and clip."""
    if limits is not None:
        yield partial(np.rint, values, values)
        yield partial(np.clip, values, *np.array(limits, values.dtype), out=values)


_kept_tile = kept_by_thread(32)(_Tile)


@kept_by_thread(2)
def _lines(working: np.dtype[Any]) -> tuple[Pixels, Pixels]:
    """Give the two lines that all tiles of a thread share."""
    return _aligned(working), _aligned(working)


def _aligned(working: np.dtype[Any]) -> Pixels:
    """Make a line of zeros, long enough for every tile, that begins at a multiple of 64 bytes."""
    count = 2 * (_TILE_ROWS + RRDS_HALO) * (2 * _TILE_BYTES + 2 * _ALIGNED) // working.itemsize
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
