"""Which pixels have the value that stands for no data: the one rule for readers, resamplers and statistics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from numbers import Number
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import SettingError

__all__ = ["EPSILON", "differs_from", "held_value", "nodata_by_band"]

EPSILON = float(np.finfo(np.float32).eps)
WIDEST = 1 << 64
"""No integer of pixels is as large."""
FLOAT32_MAX = float(np.finfo(np.float32).max)


def nodata_by_band(given: Any, bands: int) -> tuple[float | complex | None, ...]:
    """Give one nodata value a band.

    Args:
        given: one number for all bands, or one or None for each; None for none.
        bands: of the image.

    Raises:
        SettingError: (a ValueError) no numbers, or not one for each band.
    """
    if given is None or isinstance(given, (Number, np.bool_)):
        values: tuple[Any, ...] = (given,) * bands
    else:
        is_list = given.ndim == 1 if isinstance(given, np.ndarray) else isinstance(given, Sequence)
        values = tuple(given) if is_list else ()
    if len(values) != bands or not all(value is None or _is_number(value) for value in values):
        raise SettingError(f"nodata must be a number, or one for each of {bands} bands, got {given!r:.60}")
    return tuple(float(v) if isinstance(v, int) and abs(v) >= WIDEST else v for v in values)


def _is_number(value: Any) -> bool:
    if not isinstance(value, Number) or isinstance(value, (bool, np.bool_)):
        return False
    try:
        complex(value)  # type: ignore[call-overload]
    except OverflowError:
        return False
    return True


def differs_from(pixels: NDArray[Any], value: complex, *, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Compare with a nodata value as stored: NaN equals NaN, and nothing equals what the dtype cannot hold.

    Args:
        pixels: of any shape.
        value: nodata.
        out: where the result goes, of the same shape; None for a new array.
    """
    mask = np.empty(pixels.shape, np.bool_) if out is None else out
    held = held_value(value, pixels.dtype)
    if held is None:
        mask[...] = True
    elif pixels.dtype.kind in "iub":
        np.not_equal(pixels, held, out=mask)
    elif np.isnan(value):
        np.equal(pixels, pixels, out=mask)  # numpy 2.4's isnan leaves parts of a strided `out` as they were
    elif pixels.dtype.kind == "c" or np.isinf(value):
        with np.errstate(invalid="ignore"):  # complex pixels may be NaN
            np.not_equal(pixels, held, out=mask)
    else:
        # Headers hold nodata as short text (-1.2676506e+30), pixels hold it in full: equal means equal to
        # float32 precision, as in GDAL (ARE_REAL_EQUAL). Nodata 0 stays exact. The ends of float32 are written
        # shorter still (-3.4e+38), and are told from nothing else so far out.
        is_end = pixels.dtype == np.float32 and abs(value) > 0.99 * FLOAT32_MAX
        near = (0.01 if is_end else 4 * EPSILON) * abs(value)
        with np.errstate(over="ignore", invalid="ignore"):
            np.less_equal(np.abs(pixels - held), near, out=mask)
        np.logical_not(mask, out=mask)
    return mask


@lru_cache(maxsize=256)
def held_value(value: complex, dtype: np.dtype[Any]) -> np.generic | None:
    """Give a nodata value in a type, as near as that holds it; None where it is beyond what the type can hold."""
    if dtype.kind != "c" and value.imag:
        return None
    if dtype.kind in "iub":
        real = value.real
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if not low <= real <= high or real % 1:  # NaN is in no range
            return None
        whole: np.generic = dtype.type(int(real))
        return whole
    if float(np.finfo(dtype).max) < abs(value) < math.inf:
        return None
    held: np.generic = dtype.type(value if dtype.kind == "c" else value.real)
    return held
