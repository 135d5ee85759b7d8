"""Bring masked pixels from one grid to another that has the same axes.

Both grids are axis-parallel, so each axis is resampled by itself: an output
pixel ``i`` spans source coordinates ``start + i * step`` to
``start + (i + 1) * step``, where 0 is the outer edge of source pixel 0.

- ``nearest`` takes the pixel under the output pixel's centre;
- ``bilinear`` weighs the two pixels whose centres enclose it, per axis; beyond
  the centre of an image's first or last pixel that pixel alone counts;
- ``lanczos`` weighs eight pixels an axis by a sinc windowed to four lobes (Turkowski, Graphics Gems I, 1990), at
  the image's edges as if the edge pixel went on; it may overshoot, and is clipped to the type's range;
- ``area`` averages exactly what the output pixel covers, fractions included. A source pixel that is cut counts with
  its one value, as if that stood in the middle of the part: on a slope the average is off by up to 1/8 of a pixel;
- ``balanced`` is ``area`` with just that put right: the first and last pixel share their weight so that the average
  stands at the centre of what is covered. Where no pixel is cut, the two are the same;
- ``auto`` is, for each axis, ``balanced`` where ``step > 1`` and ``bilinear`` else.

A masked pixel has no weight. An output is valid where at least half of its
weight is valid; what lies outside the source is not. ``nearest`` copies pixel
and mask. Sums are float64 (float32 of 8-bit values): integers are rounded half to even (64-bit ones are
clipped to their range, and exact up to 2**53), floats and complex keep their
dtype.

Positions are rounded to 2**-20 of a source pixel. Weights then add up without
rounding, so a window gives bit for bit what the same part of the whole image
gives, however the caller arrived at its ``start``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import NoneType

import numpy as np

from stacchip_osml.errors import SettingError
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, PixelReader, Pixels
from stacchip_osml.imagery.resampling.sums import copied, weighed
from stacchip_osml.imagery.resampling.taps import LATTICE, METHODS, find_taps, on_lattice, require_method
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import each_of, of_kind, one_of
from stacchip_osml.pixel.counts import finite_numbers, number_within, whole_number

__all__ = [
    "LATTICE",
    "METHODS",
    "is_copied",
    "read_resampled",
    "resample",
    "resampled",
    "source_extent",
    "source_window",
]

_HALF = 0.5 / LATTICE

FARTHEST, LONGEST = 1 << 40, (1 << 31) - 1
"""Source pixels: how far from a source outputs may begin, and the longest side."""

Fill = Sequence[float | complex | None]


def source_extent(start: float, step: float, count: int, *, method: str, limit: int) -> tuple[int, int]:
    """Tell which source pixels one axis of an output needs.

    Args:
        start: source coordinate of the first output pixel's outer edge; 0 is the edge of source pixel 0.
        step: source pixels an output pixel, positive.
        count: output pixels.
        method: one of ``METHODS``.
        limit: source pixels of the axis.

    Returns:
        Half-open ``(first, stop)`` inside ``0..limit``; equal where the output needs none.

    Raises:
        TypeError, ValueError: an argument is nothing of what it should be; the message names it.
    """
    start = number_within("start", start, least=-FARTHEST, most=FARTHEST)
    step = number_within("step", step, least=1 / LATTICE, most=LONGEST)
    one_of("method", method, METHODS)
    count = whole_number("count", count, least=0, most=LONGEST)
    limit = whole_number("limit", limit, least=0, most=LONGEST)
    return _extent(start, step, count, method=method, limit=limit)


def _extent(start: float, step: float, count: int, *, method: str, limit: int) -> tuple[int, int]:
    first, taps = find_taps(start, step, count, method=require_method(method, step), limit=limit)
    used = taps.index[taps.weight != 0]
    return (first + int(used.min()), first + int(used.max()) + 1) if used.size else (0, 0)


def resample(
    source: MaskedPixels,
    *,
    start: tuple[float, float],
    step: tuple[float, float],
    size: ImageSize,
    method: str = "auto",
    fill: Fill | None = None,
    out: MaskedPixels | None = None,
) -> MaskedPixels:
    """Resample to another grid.

    Args:
        source: ``(bands, rows, cols)`` and its mask.
        start: ``(x, y)`` in source coordinates of the output's upper-left corner; (0, 0) is the source's.
        step: ``(x, y)`` source pixels an output pixel, positive.
        size: of the output.
        method: one of ``METHODS``.
        fill: value of invalid output pixels, one a band; None is 0.
        out: arrays of the result's shape and dtype, written to where pixels are weighed.

    Returns:
        ``(bands, size.height, size.width)`` in the source dtype: ``out`` where that was written to, a view of the
        source where the grids are the same, or new arrays.

    Raises:
        TypeError, ValueError: an argument is nothing of what it should be; the message names it.
    """
    of_kind("source", source, MaskedPixels, "MaskedPixels")
    start, step = _placed(start, step, size, method)
    fill = _of_bands(fill, len(source.pixels))
    of_kind("out", out, (MaskedPixels, NoneType), "MaskedPixels or None")
    return resampled(source, start=start, step=step, size=size, method=method, fill=fill, out=out)


def resampled(
    source: MaskedPixels,
    *,
    start: tuple[float, float],
    step: tuple[float, float],
    size: ImageSize,
    method: str = "auto",
    fill: Fill | None = None,
    out: MaskedPixels | None = None,
) -> MaskedPixels:
    """Resample as :func:`resample`, for callers whose arguments were checked when they were made."""
    rows, cols = source.pixels.shape[1:]
    same = _same(start[1], step[1], size.height, rows), _same(start[0], step[0], size.width, cols)
    if same[0] is not None and same[1] is not None:
        return MaskedPixels(source.pixels[:, same[0], same[1]], source.mask[:, same[0], same[1]])
    left, across = find_taps(start[0], step[0], size.width, method=require_method(method, step[0]), limit=cols)
    top, down = find_taps(start[1], step[1], size.height, method=require_method(method, step[1]), limit=rows)
    if step[0] == 1 and step[1] == 1 and all(on_lattice(value) == round(value) for value in start):
        return _pasted(source, start=start, size=size, fill=fill)
    source = MaskedPixels(source.pixels[:, top:, left:], source.mask[:, top:, left:])
    with np.errstate(over="ignore", invalid="ignore"):  # pixels may be infinite
        done = copied(source, down, across) if method == "nearest" else weighed(source, down, across, out=out)
    _fill(done.pixels, done.mask, fill)
    return done


def read_resampled(
    reader: PixelReader,
    *,
    start: tuple[float, float],
    step: tuple[float, float],
    size: ImageSize,
    level: int = 0,
    bands: Sequence[int] | None = None,
    method: str = "auto",
    fill: Fill | None = None,
) -> MaskedPixels | None:
    """Read exactly the source pixels that an output needs, and resample them.

    Args:
        reader: the image.
        start: ``(x, y)`` of the output's upper-left corner in pixels of ``level``; may lie outside the image.
        step: ``(x, y)`` pixels of ``level`` an output pixel, positive.
        size: of the output.
        level: stored level to read from.
        bands: 0-based; None for all.
        method: one of ``METHODS``.
        fill: value of invalid output pixels, one for each band read; None is 0.

    Returns:
        ``(bands, size.height, size.width)`` in the source dtype, invalid outside the image; None where the
        source is sparse or the output lies wholly outside the image.

    Raises:
        TypeError, ValueError: an argument is nothing of what it should be; the message names it.
        IndexError, ReadError: as the reader has it.
    """
    of_kind("reader", reader, PixelReader, "an image that is read by windows")
    start, step = _placed(start, step, size, method)
    fill = _of_bands(fill, None)
    needed = source_window(start, step, size, image=reader.level_shape(level), method=method)
    if needed is None:
        return None
    source = reader.read(needed, level=level, bands=bands)
    if source is None:
        return None
    inside = (start[0] - needed.x, start[1] - needed.y)
    return resampled(source, start=inside, step=step, size=size, method=method, fill=fill)


def source_window(
    start: tuple[float, float], step: tuple[float, float], size: ImageSize, *, image: ImageSize, method: str = "auto"
) -> PixelWindow | None:
    """Tell which source pixels an output needs: pure arithmetic.

    Args:
        start: ``(x, y)`` of the output's upper-left corner in source pixels; may lie outside the image.
        step: ``(x, y)`` source pixels an output pixel, positive.
        size: of the output.
        image: size of the source.
        method: one of ``METHODS``.

    Returns:
        Source pixels, inside the image; None where the output needs none of them.
    """
    (x, right), (y, bottom) = (
        _copied_extent(start[axis], step[axis], size[axis], image[axis])
        or _extent(start[axis], step[axis], size[axis], method=method, limit=image[axis])
        for axis in (0, 1)
    )
    return None if x == right or y == bottom else PixelWindow(x, y, right - x, bottom - y)


def _placed(
    start: tuple[float, float], step: tuple[float, float], size: ImageSize, method: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Check where an output lies."""
    x, y = start if _are_floats(start) else finite_numbers("start", start, 2)
    across, down = step if _are_floats(step) else finite_numbers("step", step, 2)
    if not (-FARTHEST <= x <= FARTHEST and -FARTHEST <= y <= FARTHEST):
        raise SettingError(f"start must be within {FARTHEST} pixels, got {start!r}")
    if not (0 < across <= LONGEST and 0 < down <= LONGEST):
        raise SettingError(f"step must be a positive number of source pixels, at most {LONGEST}, got {step!r}")
    of_kind("size", size, ImageSize, "an ImageSize")
    one_of("method", method, METHODS)
    return (x, y), (across, down)


def _are_floats(pair: tuple[float, float]) -> bool:
    """Tell what a chip is mostly placed by; anything else takes longer to look at."""
    return type(pair) is tuple and len(pair) == 2 and isinstance(pair[0], float) and isinstance(pair[1], float)


def _of_bands(fill: Fill | None, bands: int | None) -> Fill | None:
    if fill is None:
        return None
    values = each_of("fill", fill, (float, int, complex, np.number, NoneType), "a number or None for each band")
    if bands is not None and len(values) != bands:
        raise SettingError(f"fill must be a number or None for each of {bands} bands, got {len(values)}")
    return values


def is_copied(start: tuple[float, float], step: tuple[float, float]) -> bool:
    """Tell whether output pixels are source pixels, so that nothing is weighed."""
    if step[0] != 1 or step[1] != 1:
        return False
    return abs(start[0] - round(start[0])) <= _HALF and abs(start[1] - round(start[1])) <= _HALF


def _copied_extent(start: float, step: float, count: int, limit: int) -> tuple[int, int] | None:
    """Tell which source pixels are the output pixels inside the image, None where they have to be resampled."""
    if step != 1 or on_lattice(start) != round(start):
        return None
    first = round(start)
    return min(max(first, 0), limit), min(max(first + count, 0), limit)


def _same(start: float, step: float, count: int, limit: int) -> slice | None:
    """Give the source pixels that are the output pixels of one axis, None where they are not."""
    first = on_lattice(start)
    if step != 1 or first != math.floor(first) or not 0 <= first <= first + count <= limit:
        return None
    return slice(int(first), int(first) + count)


def _pasted(source: MaskedPixels, *, start: tuple[float, float], size: ImageSize, fill: Fill | None) -> MaskedPixels:
    """Copy pixels of the very same grid, masked ones as they are; only what lies outside is filled."""
    bands, rows, cols = source.pixels.shape
    x, y = round(start[0]), round(start[1])
    pixels = np.empty((bands, size.height, size.width), source.pixels.dtype)
    for band, plane in enumerate(pixels):
        value = None if fill is None else fill[band]
        plane[...] = 0 if value is None else value
    mask = np.zeros(pixels.shape, bool)
    left, right = max(x, 0), min(x + size.width, cols)
    top, bottom = max(y, 0), min(y + size.height, rows)
    if left < right and top < bottom:
        there = np.s_[:, top - y : bottom - y, left - x : right - x]
        pixels[there] = source.pixels[:, top:bottom, left:right]
        mask[there] = source.mask[:, top:bottom, left:right]
    return MaskedPixels(pixels, mask)


def _fill(pixels: Pixels, mask: Mask, fill: Fill | None) -> None:
    if mask.all():
        return
    for band, plane in enumerate(pixels):
        value = None if fill is None else fill[band]
        plane[~mask[band]] = 0 if value is None else value
