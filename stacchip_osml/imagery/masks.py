"""From what a file declares to which pixels are measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.provider import Mask, Pixels

__all__ = ["differs_from", "valid_where"]


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
    mask = np.ones(pixels.shape, dtype=np.bool_)
    for position, band in enumerate(bands):
        value = nodata[band]
        if value is not None:
            mask[position] = differs_from(pixels[position], value)
        if alpha is not None and band != alpha_band:
            mask[position] &= alpha != 0
    return mask


def differs_from(pixels: NDArray[Any], value: complex) -> Mask:
    """Compare with a nodata value as stored: NaN equals NaN, and nothing equals what the dtype cannot hold."""
    if np.isnan(value):
        return np.asarray(~np.isnan(pixels), dtype=np.bool_)
    if np.issubdtype(pixels.dtype, np.complexfloating) or np.isinf(value):
        return np.asarray(pixels != pixels.dtype.type(value), dtype=np.bool_)
    if np.issubdtype(pixels.dtype, np.floating):
        # Headers hold nodata as short text (-1.2676506e+30), pixels hold it in full: equal means equal to
        # float32 precision, as in GDAL (ARE_REAL_EQUAL). Nodata 0 stays exact.
        near = 4 * float(np.finfo(np.float32).eps) * abs(value)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(~(np.abs(pixels - pixels.dtype.type(value.real)) <= near), dtype=np.bool_)
    info = np.iinfo(pixels.dtype)
    whole = value.real
    if value.imag or whole != np.floor(whole) or not info.min <= int(whole) <= info.max:
        return np.ones(pixels.shape, dtype=np.bool_)
    return np.asarray(pixels != pixels.dtype.type(int(whole)), dtype=np.bool_)
