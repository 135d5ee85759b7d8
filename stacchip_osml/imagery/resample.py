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
and mask. Sums are float64: integers are rounded half to even (64-bit ones are
clipped to their range, and exact up to 2**53), floats and complex keep their
dtype.

Positions are rounded to 2**-20 of a source pixel. Weights then add up without
rounding, so a window gives bit for bit what the same part of the whole image
gives, however the caller arrived at its ``start``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.provider import Mask, MaskedPixels, PixelReader, Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["METHODS", "is_copied", "read_resampled", "resample", "source_extent", "source_window"]

METHODS = ("auto", "nearest", "bilinear", "area", "balanced", "lanczos")
LATTICE = 2.0**20
LOBES = 4
_HALF = 0.5 / LATTICE

Fill = Sequence[float | complex | None]
Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class _Taps:
    """Which source pixels make each output pixel of one axis."""

    index: Ints
    """``(taps, outputs)``."""
    weight: Floats
    """``(taps, outputs)``; 0 where a tap is not used."""
    full: Floats
    """``(outputs,)``: the weight of an output that is wholly inside; inf where nothing of it is."""


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
    """
    taps = _taps(start, step, count, method=_require_method(method, step), limit=limit)
    used = taps.index[taps.weight != 0]
    return (int(used.min()), int(used.max()) + 1) if used.size else (0, 0)


def resample(
    source: MaskedPixels,
    *,
    start: tuple[float, float],
    step: tuple[float, float],
    size: ImageSize,
    method: str = "auto",
    fill: Fill | None = None,
) -> MaskedPixels:
    """Resample to another grid.

    Args:
        source: ``(bands, rows, cols)`` and its mask.
        start: ``(x, y)`` in source coordinates of the output's upper-left corner; (0, 0) is the source's.
        step: ``(x, y)`` source pixels an output pixel, positive.
        size: of the output.
        method: one of ``METHODS``.
        fill: value of invalid output pixels, one a band; None is 0.

    Returns:
        ``(bands, size.height, size.width)`` in the source dtype; a view of the source where the grids are the same.
    """
    rows, cols = source.pixels.shape[1:]
    same = _same(start[1], step[1], size.height, rows), _same(start[0], step[0], size.width, cols)
    if same[0] is not None and same[1] is not None:
        return MaskedPixels(source.pixels[:, same[0], same[1]], source.mask[:, same[0], same[1]])
    across = _taps(start[0], step[0], size.width, method=_require_method(method, step[0]), limit=cols)
    down = _taps(start[1], step[1], size.height, method=_require_method(method, step[1]), limit=rows)
    if step[0] == 1 and step[1] == 1 and all(_on_lattice(value) == round(value) for value in start):
        return _pasted(source, start=start, size=size, fill=fill)
    copied = method == "nearest"
    pixels, mask = _copied(source, down, across) if copied else _weighed(source, down, across)
    _fill(pixels, mask, fill)
    return MaskedPixels(pixels, mask)


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
    """
    needed = source_window(start, step, size, image=reader.level_shape(level), method=method)
    if needed is None:
        return None
    source = reader.read(needed, level=level, bands=bands)
    if source is None:
        return None
    inside = (start[0] - needed.x, start[1] - needed.y)
    return resample(source, start=inside, step=step, size=size, method=method, fill=fill)


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
        or source_extent(start[axis], step[axis], size[axis], method=method, limit=image[axis])
        for axis in (0, 1)
    )
    return None if x == right or y == bottom else PixelWindow(x, y, right - x, bottom - y)


def is_copied(start: tuple[float, float], step: tuple[float, float]) -> bool:
    """Tell whether output pixels are source pixels, so that nothing is weighed."""
    if step[0] != 1 or step[1] != 1:
        return False
    return abs(start[0] - round(start[0])) <= _HALF and abs(start[1] - round(start[1])) <= _HALF


def _copied_extent(start: float, step: float, count: int, limit: int) -> tuple[int, int] | None:
    """Tell which source pixels are the output pixels inside the image, None where they have to be resampled."""
    if step != 1 or _on_lattice(start) != round(start):
        return None
    first = round(start)
    return min(max(first, 0), limit), min(max(first + count, 0), limit)


def _require_method(method: str, step: float) -> str:
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if not 0 < step < math.inf:
        raise ValueError(f"step must be a positive number of source pixels, got {step}")
    if method == "auto":
        return "balanced" if step > 1 else "bilinear"
    return method


def _same(start: float, step: float, count: int, limit: int) -> slice | None:
    """Give the source pixels that are the output pixels of one axis, None where they are not."""
    first = _on_lattice(start)
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


def _on_lattice(position: Any) -> Any:
    if isinstance(position, float | int):  # numpy takes ten times as long for one number
        return round(position * LATTICE) / LATTICE
    return np.rint(position * LATTICE) / LATTICE


def _taps(start: float, step: float, count: int, *, method: str, limit: int) -> _Taps:
    """Give the taps of an axis; where all are inside the image, they are the same wherever its first pixel is."""
    first = math.floor(start)
    inner, low, high = _inner_taps(start - first, step, count, method)
    if first + low >= 0 and first + high < limit:
        return _Taps(inner.index + first, inner.weight, inner.full)
    taps = _bounded_taps(start - first, step, count, method, (-first, limit - first))
    return _Taps(np.clip(taps.index + first, 0, max(limit - 1, 0)), taps.weight, taps.full)


@lru_cache(maxsize=1024)
def _inner_taps(start: float, step: float, count: int, method: str) -> tuple[_Taps, int, int]:
    """Give the taps of an axis without ends that starts in pixel 0, and the first and last pixel that they name."""
    taps = _bounded_taps(start, step, count, method, (-(1 << 40), 1 << 40))
    for made in (taps.index, taps.weight, taps.full):
        made.setflags(write=False)
    return taps, int(taps.index.min(initial=0)), int(taps.index.max(initial=0))


def _bounded_taps(start: float, step: float, count: int, method: str, bounds: tuple[int, int]) -> _Taps:
    """Give the taps of an axis that starts in pixel 0 of an image whose pixels are ``bounds``, half-open."""
    if method in {"area", "balanced"}:
        return _area_taps(start, step, count, bounds, is_balanced=method == "balanced" and step > 1)
    centre = _positions(start, step, 2 * np.arange(count) + 1)
    inside = (centre >= bounds[0]) & (centre < bounds[1])
    full = np.where(inside, 1.0, np.inf)
    if method == "nearest":
        index = np.where(inside, np.floor(centre), 0).astype(np.intp)[None]
        return _Taps(index, inside.astype(np.float64)[None], full)
    low = np.floor(centre - 0.5)
    far = centre - 0.5 - low
    if method == "lanczos":
        offsets = np.arange(1 - LOBES, LOBES + 1)[:, None]
        away = far - offsets
        weights = np.sinc(away) * np.sinc(away / LOBES)
        weights /= sum(weights)  # one after the other; numpy adds those of a lone pixel in another order
    else:
        offsets = np.arange(2)[:, None]
        weights = np.stack([1 - far, far])
    weight = np.where(inside, weights, 0)
    index = np.clip(low + offsets, bounds[0], max(bounds[1] - 1, bounds[0])).astype(np.intp)
    return _Taps(index, weight, full)


def _positions(start: float, step: float, halves: Ints) -> Floats:
    """Give positions ``start + halves * step / 2``, rounded to the lattice: the same however far ``start`` is away.

    Whole pixels are counted in integers. A product of floats would be off by more the farther it goes, and a
    position close to the middle between two lattice points would be rounded one way in a part and another in the whole.
    """
    over, under = _ratio(step)
    whole, rest = np.divmod(halves * over, 2 * under)
    positions: Floats = whole + _on_lattice(start + rest / (2 * under))
    return positions


@lru_cache(maxsize=1024)
def _ratio(step: float) -> tuple[int, int]:
    """Give the ratio of whole numbers that a step was, before it became a float."""
    largest = max(1 << 30, min(int((1 << 30) / step), 1 << 60))
    return Fraction(step).limit_denominator(largest).as_integer_ratio()


def _area_taps(start: float, step: float, count: int, bounds: tuple[int, int], *, is_balanced: bool) -> _Taps:
    edge = _positions(start, step, 2 * np.arange(count + 1))
    low, high = edge[:-1], edge[1:]
    taps = math.ceil(step) + 1
    pixel = np.floor(low) + np.arange(taps)[:, None]
    weight = np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None)
    if is_balanced:
        _balance(weight, low, high)
    weight[(pixel < bounds[0]) | (pixel >= bounds[1])] = 0
    used = weight.sum(axis=0) > 0
    full = np.where(used, high - low, np.inf)
    index = np.clip(pixel, bounds[0], max(bounds[1] - 1, bounds[0])).astype(np.intp)
    return _Taps(index, weight, full)


def _balance(weight: Floats, low: Floats, high: Floats) -> None:
    """Shift weight between the first and last pixel of each output, in place, until the centre of all is its centre.

    A part ``t`` of a pixel lies ``(1 - t) / 2`` away from the middle of that pixel, whose value it counts with.
    What is shifted is rounded to the lattice too, and less than what is there: no weight becomes negative.
    """
    first, last = low - np.floor(low), high - np.floor(high)
    apart = np.ceil(high) - 1 - np.floor(low)
    shifted = _on_lattice((last * (1 - last) - first * (1 - first)) / (2 * np.maximum(apart, 1)))
    weight[0] += shifted
    weight[apart.astype(np.intp), np.arange(len(apart))] -= shifted


def _copied(source: MaskedPixels, down: _Taps, across: _Taps) -> tuple[Pixels, Mask]:
    inside = (down.weight[0] > 0)[:, None] & (across.weight[0] > 0)
    pixels, mask = (
        _picked(_picked(values, down.index[0], axis=1), across.index[0], axis=2)
        for values in (source.pixels, source.mask)
    )
    return pixels.copy(), mask & inside


def _weighed(source: MaskedPixels, down: _Taps, across: _Taps) -> tuple[Pixels, Mask]:
    pixels, valid = source
    working = np.complex128 if np.iscomplexobj(pixels) else np.float64
    full = np.outer(down.full, across.full)
    if valid.all():
        # In the order in which a mask is summed below: a part without holes gives what the whole with them gives.
        rows: Floats = sum(down.weight[1:], down.weight[0])
        weight = sum((np.outer(rows, tap) for tap in across.weight[1:]), np.outer(rows, across.weight[0]))[None]
    else:
        pixels = np.where(valid, pixels, 0)
        weight = _summed(_summed(valid.astype(np.float64), down, axis=1), across, axis=2)
    total = _summed(_summed(pixels.astype(working, copy=False), down, axis=1), across, axis=2)
    mask = np.broadcast_to(weight >= full / 2, total.shape).copy()
    np.divide(total, weight, out=total, where=weight > 0)
    overshoots = bool((down.weight < 0).any() or (across.weight < 0).any())
    return _as_stored(total, source.pixels.dtype, overshoots=overshoots), mask


def _summed(values: Pixels, taps: _Taps, *, axis: int) -> Pixels:
    """Add up the weighted taps of one axis; taps that have no weight are not even looked at, for they may be NaN."""
    total = np.zeros((*values.shape[:axis], taps.index.shape[1], *values.shape[axis + 1 :]), dtype=values.dtype)
    for index, weight in zip(taps.index, taps.weight, strict=True):
        used = np.flatnonzero(weight)
        if used.size == 0:
            continue
        where: Any = slice(None) if used.size == weight.size else used
        factor = weight[where, None] if axis == 1 else weight[where]
        total[(slice(None),) * axis + (where,)] += _picked(values, index[where], axis=axis) * factor
    return total


def _picked(values: Pixels, index: Ints, *, axis: int) -> Pixels:
    """Take pixels along an axis, as a view where they lie evenly."""
    gaps = np.diff(index)
    if index.size > 1 and gaps[0] > 0 and (gaps == gaps[0]).all():
        evenly = slice(int(index[0]), int(index[-1]) + 1, int(gaps[0]))
        view: Pixels = values[(slice(None),) * axis + (evenly,)]
        return view
    # All indices are inside; `clip` spares numpy from checking each.
    return np.take(values, index, axis=axis, mode="clip")


def _as_stored(values: Pixels, dtype: np.dtype[Any], *, overshoots: bool) -> Pixels:
    if not np.issubdtype(dtype, np.integer):
        return values.astype(dtype, copy=False)
    np.rint(values, out=values)
    info = np.iinfo(dtype)
    if dtype.itemsize == 8 or overshoots:
        # The largest float64 below 2**63 or 2**64.
        high = np.nextafter(float(info.max), 0) if dtype.itemsize == 8 else float(info.max)
        np.clip(values, float(info.min), high, out=values)
    return values.astype(dtype)


def _fill(pixels: Pixels, mask: Mask, fill: Fill | None) -> None:
    if mask.all():
        return
    for band, plane in enumerate(pixels):
        value = None if fill is None else fill[band]
        plane[~mask[band]] = 0 if value is None else value
