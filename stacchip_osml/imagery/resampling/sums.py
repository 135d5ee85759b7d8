"""Source pixels and taps to output pixels: one band at a time, so that what is worked on stays in the caches.

What becomes of an output pixel depends on its own taps alone, in their order,
never on what else is computed with it: so a part is bit for bit what it is in
the whole.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.provider import Mask, MaskedPixels, Pixels
from stacchip_osml.imagery.resampling.taps import Taps

__all__ = ["copied", "store", "weighed"]

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


def copied(source: MaskedPixels, down: Taps, across: Taps) -> tuple[Pixels, Mask]:
    """Copy the one pixel that each output is made of."""
    inside = (down.weight[0] > 0)[:, None] & (across.weight[0] > 0)
    pixels, mask = (
        _picked(_picked(values, down.index[0], axis=1), across.index[0], axis=2)
        for values in (source.pixels, source.mask)
    )
    return pixels.copy(), mask & inside


def weighed(source: MaskedPixels, down: Taps, across: Taps) -> tuple[Pixels, Mask]:
    """Weigh the valid pixels that each output is made of; it is valid where half of its weight is."""
    pixels, valid = source
    dtype = pixels.dtype
    # 8-bit values times weights, added up, are off by less than 0.001 in float32.
    working: np.dtype[Any] = np.dtype(np.complex128 if dtype.kind == "c" else np.float64)
    if dtype.kind in "iub" and dtype.itemsize == 1:
        working = np.dtype(np.float32)
    overshoots = bool((down.weight < 0).any() or (across.weight < 0).any())
    shape = (len(pixels), down.weight.shape[1], across.weight.shape[1])
    out, mask = np.empty(shape, dtype), np.empty(shape, np.bool_)
    is_whole = bool(valid.all())
    weight = _even_weight(down, across, overshoots=overshoots) if is_whole else None
    enough = np.outer(down.full, across.full) / 2
    for band, plane in enumerate(pixels):
        if is_whole:
            total = _summed_both(plane.astype(working, copy=False), down, across)
        else:
            holes = np.where(valid[band], plane, 0).astype(working, copy=False)
            total = _summed_both(holes, down, across)
            if band == 0 or not np.array_equal(valid[band], valid[band - 1]):
                weight = _summed_both(valid[band].astype(np.float64), down, across)
        if dtype.kind in "fc":
            total += 0  # no -0, which a sum that began with 0 would not be
        if weight is None:
            mask[band] = True
        else:
            np.greater_equal(weight, enough, out=mask[band])
            np.divide(total, weight, out=total, where=weight > 0)
        store(total, out[band], overshoots=overshoots)
    return out, mask


def _even_weight(down: Taps, across: Taps, *, overshoots: bool) -> Floats | None:
    """Give the weight of outputs of which every pixel is valid; None where all have weight 1, and are valid.

    It is what adding up a mask gives, to the bit. Weights on the lattice add up without rounding, in any order; those
    that overshoot are no such, and are added in the order in which a mask is.
    """
    rows: Floats = sum(down.weight[1:], down.weight[0])
    if overshoots:
        return sum((np.outer(rows, tap) for tap in across.weight[1:]), np.outer(rows, across.weight[0]))
    cols: Floats = sum(across.weight[1:], across.weight[0])
    is_one = (rows == 1).all() and (cols == 1).all() and (down.full == 1).all() and (across.full == 1).all()
    return None if is_one else np.outer(rows, cols)


def _summed_both(plane: Pixels, down: Taps, across: Taps) -> Pixels:
    return _summed(_summed(plane, down, axis=0), across, axis=1)


def _summed(values: Pixels, taps: Taps, *, axis: int) -> Pixels:
    """Add up the weighted taps of one axis; taps that have no weight are not even looked at, for they may be NaN."""
    shape = (taps.index.shape[1], values.shape[1]) if axis == 0 else (values.shape[0], taps.index.shape[1])
    total, product = np.empty(shape, values.dtype), np.empty(shape, values.dtype)
    real = np.zeros((), values.dtype).real.dtype
    is_begun = False
    for index, weight in zip(taps.index, taps.weight.astype(real, copy=False), strict=True):
        used = np.flatnonzero(weight)
        if used.size == weight.size:
            factor = weight[:, None] if axis == 0 else weight
            np.multiply(_picked(values, index, axis=axis), factor, out=product if is_begun else total)
            if is_begun:
                total += product
            is_begun = True
            continue
        if not is_begun:
            total[...] = 0
            is_begun = True
        if used.size:
            where: Any = used if axis == 0 else (slice(None), used)
            part = weight[used, None] if axis == 0 else weight[used]
            total[where] += _picked(values, index[used], axis=axis) * part
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


def store(values: Pixels, out: Pixels, *, overshoots: bool) -> None:
    """Write values in the type of the image, rounded half to even."""
    dtype = out.dtype
    if np.issubdtype(dtype, np.integer):
        np.rint(values, out=values)
        info = np.iinfo(dtype)
        if dtype.itemsize == 8 or overshoots:
            # The largest float64 below 2**63 or 2**64.
            high = np.nextafter(float(info.max), 0) if dtype.itemsize == 8 else float(info.max)
            np.clip(values, float(info.min), high, out=values)
    np.copyto(out, values, casting="unsafe")
