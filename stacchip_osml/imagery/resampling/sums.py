"""Source pixels and taps to output pixels: some rows of one band at a time, so that what is worked on stays in caches.

What becomes of an output pixel depends on its own taps alone, in their order,
never on what else is computed with it: so a part is bit for bit what it is in
the whole. Sums are made in memory that the calling thread uses again and again:
fresh memory costs more than the arithmetic.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.desk import own_desk
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.imagery.resampling.reduction_values import range_of
from stacchip_osml.imagery.resampling.taps import Taps

__all__ = ["copied", "even_weight", "store", "weighed", "working_dtype"]

ROWS_BYTES = 1 << 20
"""Of a working array: several of them stay in a processor's second cache."""

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
DOUBLE = np.dtype(np.float64)


def copied(source: MaskedPixels, down: Taps, across: Taps) -> MaskedPixels:
    """Copy the one pixel that each output is made of."""
    inside = (down.weight[0] > 0)[:, None] & (across.weight[0] > 0)
    pixels, mask = (
        _picked(_picked(values, down.index[0], axis=1), across.index[0], axis=2)
        for values in (source.pixels, source.mask)
    )
    return MaskedPixels(pixels.copy(), mask & inside)


def weighed(source: MaskedPixels, down: Taps, across: Taps, *, out: MaskedPixels | None = None) -> MaskedPixels:
    """Weigh the valid pixels that each output is made of; it is valid where half of its weight is.

    Args:
        source: ``(bands, rows, cols)`` and its mask.
        down: of the rows.
        across: of the columns.
        out: where to; None for new arrays.
    """
    pixels, valid = source
    dtype, working = pixels.dtype, working_dtype(pixels.dtype)
    shape = (len(pixels), down.index.shape[1], across.index.shape[1])
    if out is None:
        out = MaskedPixels(np.empty(shape, dtype), np.empty(shape, np.bool_))
    overshoots = bool((down.weight < 0).any() or (across.weight < 0).any())
    is_whole = bool(valid.all())
    is_new = [
        band == 0 or not np.array_equal(valid[band], valid[band - 1]) for band in range(0 if is_whole else shape[0])
    ]
    cols = _prepared(across, slice(None), axis=1, working=working)
    step = max(1, ROWS_BYTES // (working.itemsize * max(pixels.shape[2], shape[2])))
    for first in range(0, shape[1], step):
        part = slice(first, min(first + step, shape[1]))
        rows = _prepared(down, part, axis=0, working=working)
        enough = np.outer(_even(down.full[part]), _even(across.full)) / 2
        weight = even_weight(down.weight[:, part], across.weight, overshoots=overshoots)
        for band in range(shape[0]):
            if is_whole:
                total = _summed_both(pixels[band], rows, cols, working, "total")
            else:
                total = _summed_both(pixels[band], rows, cols, working, "total", valid=valid[band])
                if is_new[band]:
                    weight = _summed_both(valid[band], rows, cols, DOUBLE, "weight")
            if dtype.kind in "fc":
                total += 0  # no -0, which a sum that began with 0 would not be
            _divide(total, weight, enough, out.mask[band, part])
            store(total, out.pixels[band, part], overshoots=overshoots)
    return out


def working_dtype(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Choose what sums are made in: 8-bit values times weights, added up, are off by less than 0.001 in float32."""
    if dtype.kind in "iub" and dtype.itemsize == 1:
        return np.dtype(np.float32)
    return np.dtype(np.complex128) if dtype.kind == "c" else DOUBLE


def _even(values: Floats) -> Floats:
    """Give one value for all that are the same."""
    return values[:1] if (values == values[0]).all() else values


def even_weight(down: Floats, across: Floats, *, overshoots: bool) -> Floats:
    """Give the weight of outputs of which every pixel is valid, one row or column for all that are the same.

    It is what adding up a mask gives, to the bit. Weights on the lattice add up without rounding, in any order; those
    that overshoot are no such, and are added in the order in which a mask is.
    """
    rows = _even(sum(down[1:], down[0]))
    if overshoots:
        return sum((np.outer(rows, tap) for tap in across[1:]), np.outer(rows, across[0]))
    return np.outer(rows, _even(sum(across[1:], across[0])))


def _divide(total: Pixels, weight: Floats, enough: Floats, mask: Mask) -> None:
    """Make averages of sums, in place, where anything has weight, and tell which have enough."""
    if weight.size == 1 and enough.size == 1:
        mask[...] = weight >= enough
        if weight[0, 0] > 0 and weight[0, 0] != 1:
            np.divide(total, weight[0, 0], out=total)
        return
    np.greater_equal(weight, enough, out=mask)
    np.divide(total, weight, out=total, where=weight > 0)


class _Tap(NamedTuple):
    """One tap of some outputs, ready to be weighed."""

    places: Ints | slice
    """Of the source pixels; a slice where they lie evenly."""
    weight: Pixels
    """One for each, in the shape that rows or columns are multiplied with."""
    used: Ints | slice | None
    """The outputs that have it; None for all."""


class _Axis(NamedTuple):
    """Some outputs of an axis."""

    outputs: int
    source: slice
    """The source pixels that they need; places of taps count from the first."""
    taps: list[_Tap]
    """Those that have weight: what others name may be NaN, and is not even looked at."""


def _prepared(taps: Taps, part: slice, *, axis: int, working: np.dtype[Any]) -> _Axis:
    """Make the taps of some outputs ready; kept with them."""
    key = part.start, part.stop, axis, working
    ready: _Axis | None = taps.ready.get(key)
    if ready is None:
        ready = taps.ready[key] = _made_ready(taps, part, axis=axis, working=working)
    return ready


def _made_ready(taps: Taps, part: slice, *, axis: int, working: np.dtype[Any]) -> _Axis:
    index, weight = taps.index[:, part], taps.weight[:, part].astype(np.zeros((), working).real.dtype, copy=False)
    first, stop = int(index.min()), int(index.max()) + 1
    ready = []
    for places, factors in zip(index - first, weight, strict=True):
        used = np.flatnonzero(factors)
        is_full = used.size == factors.size
        chosen, factor = (places, factors) if is_full else (places[used], factors[used])
        if used.size:
            shaped = factor[:, None] if axis == 0 else factor
            ready.append(_Tap(_evenly(chosen), shaped, None if is_full else _evenly(used)))
    return _Axis(index.shape[1], slice(first, stop), ready)


def _summed_both(
    plane: Pixels, down: _Axis, across: _Axis, working: np.dtype[Any], purpose: str, *, valid: Mask | None = None
) -> Pixels:
    """Add up the weighted taps of both axes, in this thread's memory for a purpose; what is not valid counts as 0."""
    scratch = own_desk().scratch
    numbers = plane[down.source, across.source]
    if valid is not None or numbers.dtype != working or not numbers.flags.c_contiguous:
        numbers = scratch.array("resample source", numbers.shape, working)
        np.copyto(numbers, plane[down.source, across.source], casting="unsafe")
        if valid is not None:
            np.copyto(numbers, 0, where=~valid[down.source, across.source])
    tall, wide = (down.outputs, numbers.shape[1]), (down.outputs, across.outputs)
    product = scratch.array("resample product", (max(math.prod(tall), math.prod(wide)),), working)
    rows = _summed(numbers, down.taps, scratch.array("resample rows", tall, working), product, axis=0)
    return _summed(rows, across.taps, scratch.array(f"resample {purpose}", wide, working), product, axis=1)


def _summed(values: Pixels, taps: list[_Tap], total: Pixels, room: Pixels, *, axis: int) -> Pixels:
    """Add up the weighted taps of one axis."""
    if not taps or taps[0].used is not None:
        total[...] = 0
    for number, (index, weight, used) in enumerate(taps):
        if number == 0 and used is None:
            _multiplied(values, index, weight, total, axis=axis)
            continue
        shape = (weight.size, values.shape[1]) if axis == 0 else (values.shape[0], weight.size)
        product = _multiplied(values, index, weight, room[: math.prod(shape)].reshape(shape), axis=axis)
        total[_at(... if used is None else used, axis)] += product
    return total


def _multiplied(values: Pixels, index: Ints | slice, weight: Pixels, out: Pixels, *, axis: int) -> Pixels:
    """Weigh the pixels of one tap."""
    if isinstance(index, slice):
        np.multiply(values[_at(index, axis)], weight, out=out)
        return out
    # All indices are inside; `clip` spares numpy from checking each, and from a copy of what goes out.
    np.take(values, index, axis=axis, out=out, mode="clip")
    out *= weight
    return out


def _at(places: Any, axis: int) -> Any:
    return places if axis == 0 or places is ... else (slice(None), places)


def _evenly(index: Ints) -> Ints | slice:
    """Give places as a slice where they lie evenly."""
    gaps = np.diff(index)
    if index.size > 1 and gaps[0] > 0 and (gaps == gaps[0]).all():
        return slice(int(index[0]), int(index[-1]) + 1, int(gaps[0]))
    return index


def _picked(values: Pixels, index: Ints, *, axis: int) -> Pixels:
    """Take pixels along an axis, as a view where they lie evenly."""
    places = _evenly(index)
    if isinstance(places, slice):
        view: Pixels = values[(slice(None),) * axis + (places,)]
        return view
    return np.take(values, index, axis=axis, mode="clip")


def store(values: Pixels, out: Pixels, *, overshoots: bool) -> None:
    """Write values in the type of the image, rounded half to even; bool is 0 and 1."""
    dtype = out.dtype
    if dtype.kind in "iub":
        np.rint(values, out=values)
        if dtype.itemsize == 8 or overshoots:
            np.clip(values, *(range_of(dtype) or (0.0, 1.0)), out=values)
    np.copyto(out, values, casting="unsafe")
