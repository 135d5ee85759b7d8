"""From what a file declares to which pixels are measurements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.provider import Mask, Pixels

__all__ = ["differs_from", "valid_where"]

EPSILON = float(np.finfo(np.float32).eps)


def valid_where(
    pixels: Pixels,
    bands: Sequence[int],
    *,
    nodata: Sequence[float | complex | None],
    alpha_band: int | None = None,
    alpha: NDArray[Any] | None = None,
) -> Mask:
    """Mark the pixels that neither nodata nor the alpha band rules out.

    Args:
        pixels: ``(bands, rows, cols)``.
        bands: which band of the image each plane is.
        nodata: one value a band of the image; None where it has none.
        alpha_band: which band of the image is alpha; always valid itself.
        alpha: its pixels ``(rows, cols)``, 0 where the others hold nothing.

    Returns:
        ``(bands, rows, cols)``, True where valid.
    """
    values = [nodata[band] for band in bands]
    first = values[0]
    alike = first is not None and alpha is None and all(value is first or value == first for value in values)
    if first is not None and alike:  # the usual case, several times faster
        return differs_from(pixels, first)
    mask = np.ones(pixels.shape, dtype=np.bool_)
    for position, (band, value) in enumerate(zip(bands, values, strict=True)):
        if value is not None:
            mask[position] = differs_from(pixels[position], value)
        if alpha is not None and band != alpha_band:
            mask[position] &= alpha != 0
    return mask


def differs_from(pixels: NDArray[Any], value: complex, *, out: Mask | None = None) -> Mask:
    """Compare with a nodata value as stored: NaN equals NaN, and nothing equals what the dtype cannot hold.

    Args:
        pixels: of any shape.
        value: nodata.
        out: where the result goes, of the same shape; None for a new array.
    """
    mask = np.empty(pixels.shape, np.bool_) if out is None else out
    if pixels.dtype.kind in "iu":
        whole = _whole(value, pixels.dtype)
        if whole is None:
            mask[...] = True
        else:
            np.not_equal(pixels, whole, out=mask)
    elif np.isnan(value):
        np.equal(pixels, pixels, out=mask)  # numpy 2.4's isnan leaves parts of a strided `out` as they were
    elif pixels.dtype.kind == "c" or np.isinf(value):
        with np.errstate(invalid="ignore"):  # complex pixels may be NaN
            np.not_equal(pixels, pixels.dtype.type(value), out=mask)
    else:
        # Headers hold nodata as short text (-1.2676506e+30), pixels hold it in full: equal means equal to
        # float32 precision, as in GDAL (ARE_REAL_EQUAL). Nodata 0 stays exact.
        near = 4 * EPSILON * abs(value)
        with np.errstate(over="ignore", invalid="ignore"):
            np.less_equal(np.abs(pixels - pixels.dtype.type(value.real)), near, out=mask)
        np.logical_not(mask, out=mask)
    return mask


@lru_cache(maxsize=256)
def _whole(value: complex, dtype: np.dtype[Any]) -> np.integer[Any] | None:
    """Give a nodata value in an integer dtype, None where that cannot hold it."""
    info = np.iinfo(dtype)
    real = value.real
    if not np.isfinite(value) or value.imag or real != np.floor(real) or not info.min <= int(real) <= info.max:
        return None
    held: np.integer[Any] = dtype.type(int(real))
    return held
