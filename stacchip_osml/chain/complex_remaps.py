"""Remaps: complex pixels → the one band of brightness that people look at.

Each takes ``(2, rows, cols)`` real and imaginary part (or complex pixels) and
gives ``(1, rows, cols)`` float32. Rules: magnitudes are computed in float64,
where squares of float32 do not overflow; a pixel that is not finite becomes 0
and counts in no statistic; what depends on a whole image (its mean, its
extremes) is an argument, so that tiles equal the whole. Where such an argument
is left out it is taken from the array given, which is right for an array that
is the whole image and shows seams elsewhere: see :data:`WHOLE_IMAGE`.

The formulas of density, PEDF, NRL, linear and log are those published with
NGA's MATLAB_SAR and sarpy (``sarpy.visualization.remap``), in 8-bit units 0 to
255, left unrounded here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.complex import complex_parts
from stacchip_osml.chain.settings import finite
from stacchip_osml.errors import ChainError

__all__ = [
    "REMAPS",
    "WHOLE_IMAGE",
    "Remap",
    "density_remap",
    "linear_remap",
    "log_remap",
    "magnitude_remap",
    "nrl_remap",
    "pedf_remap",
    "quarter_power_remap",
]

Remap = Callable[..., NDArray[np.float32]]
WHITE = 255.0
FLOAT32_MAX = float(np.finfo(np.float32).max)


def magnitude_remap(block: NDArray[Any]) -> NDArray[np.float32]:
    """Compute the magnitude, sqrt(I² + Q²): brightness in proportion to amplitude.

    Args:
        block: ``(2, rows, cols)`` real and imaginary part, or ``(rows, cols)`` or ``(1, rows, cols)`` complex.

    Returns:
        ``(1, rows, cols)`` float32; 0 where not finite, float32's largest number where it is more than that.

    Raises:
        ChainError: (a ValueError) another shape or type.
    """
    return _band(_magnitude(block))


def quarter_power_remap(block: NDArray[Any]) -> NDArray[np.float32]:
    """Compute the fourth root of power, (I² + Q²)^¼: about normally distributed for speckle.

    Args:
        block: as in :func:`magnitude_remap`.

    Returns:
        ``(1, rows, cols)`` float32; 0 where not finite.

    Raises:
        ChainError: (a ValueError) another shape or type.
    """
    values = _magnitude(block)
    return _band(np.sqrt(values, out=values))


def density_remap(
    block: NDArray[Any], *, data_mean: float | None = None, dmin: float = 30, mmult: float = 40
) -> NDArray[np.float32]:
    """Map the logarithm of magnitude so that 0.8 of the mean is ``dmin``, and ``mmult`` times that is white.

    ``dmin + (255 - dmin) * log(A / (0.8 mean)) / log(mmult)``, clipped to 0 to 255. Published as
    ``amplitudetodensity``, whose smallest amplitude of 1e-5 is left out: 0 is black whatever the unit of pixels is.

    Args:
        block: as in :func:`magnitude_remap`.
        data_mean: mean magnitude of the image; None for that of this array.
        dmin: grey of 0.8 of the mean, from 0 to below 255; larger is brighter and flatter.
        mmult: above 1; smaller is more contrast.

    Returns:
        ``(1, rows, cols)`` float32, 0 to 255; 0 everywhere where the mean is 0.

    Raises:
        ChainError: (a ValueError) another shape or type, a setting out of range.
    """
    values = _density(block, data_mean, dmin, mmult)
    return _band(np.minimum(values, WHITE, out=values))


def pedf_remap(
    block: NDArray[Any], *, data_mean: float | None = None, dmin: float = 30, mmult: float = 40
) -> NDArray[np.float32]:
    """Map as :func:`density_remap`, and halve what is above 128: more room for bright points (piecewise extended).

    Args:
        block: as in :func:`magnitude_remap`.
        data_mean: mean magnitude of the image; None for that of this array.
        dmin: as in :func:`density_remap`.
        mmult: as there.

    Returns:
        ``(1, rows, cols)`` float32, 0 to 255; what density would clip at 255 goes on up to 255 at half the slope.

    Raises:
        ChainError: (a ValueError) another shape or type, a setting out of range.
    """
    values = _density(block, data_mean, dmin, mmult)
    np.copyto(values, 0.5 * (values + 128), where=values > 128)
    return _band(np.minimum(values, WHITE, out=values))


def nrl_remap(
    block: NDArray[Any],
    *,
    minimum: float | None = None,
    changeover: float | None = None,
    maximum: float | None = None,
    knee: float = 220,
) -> NDArray[np.float32]:
    """Map linearly up to a changeover, which becomes ``knee``, and logarithmically from there to white.

    With ``r = (A - minimum) / (changeover - minimum)``: ``knee * r`` up to 1, then
    ``knee + (255 - knee) * log(r) / log(r of maximum)``. Published as ``nrlremap``.

    Args:
        block: as in :func:`magnitude_remap`.
        minimum: smallest magnitude of the image; None for that of this array.
        changeover: where linear goes over, published as the 99th percentile of magnitude; None for that of this array.
        maximum: largest magnitude of the image; None for that of this array.
        knee: grey at the changeover, between 0 and 255.

    Returns:
        ``(1, rows, cols)`` float32, 0 to 255; 0 everywhere where the extremes are equal.

    Raises:
        ChainError: (a ValueError) another shape or type, a setting out of range, limits in another order.
    """
    knee = finite("knee", knee)
    _require("knee", knee, 0 < knee < WHITE, "between 0 and 255")
    values = _magnitude(block)
    usable = values[np.isfinite(values)] if minimum is None or changeover is None or maximum is None else values[:0]
    low = _limit("minimum", minimum, usable, np.min)
    turn = _limit("changeover", changeover, usable, lambda part: np.percentile(part, 99))
    high = _limit("maximum", maximum, usable, np.max)
    if not low <= turn <= high:
        raise ChainError(f"minimum {low}, changeover {turn} and maximum {high} are not in this order")
    missing = ~np.isfinite(values)
    np.clip(values, low, high, out=values)
    values -= low
    is_linear = values <= turn - low
    if turn > low:
        values /= turn - low
        span = math.log(high - low) - math.log(turn - low)
        with np.errstate(divide="ignore", invalid="ignore"):
            # where nothing lies between changeover and maximum no pixel is left for the second part
            upper = np.full_like(values, WHITE) if span == 0 else knee + (WHITE - knee) * np.log(values) / span
        grey = np.where(is_linear, knee * values, upper)
    else:
        # the limit of the formula as the changeover goes to the minimum
        grey = np.where(is_linear, 0.0, WHITE)
    grey[missing] = 0
    return _band(grey)


def linear_remap(
    block: NDArray[Any], *, minimum: float | None = None, maximum: float | None = None
) -> NDArray[np.float32]:
    """Map magnitude linearly: ``255 * (A - minimum) / (maximum - minimum)``, clipped.

    Args:
        block: as in :func:`magnitude_remap`.
        minimum: magnitude that is black; None for the smallest of this array.
        maximum: magnitude that is white; None for the largest of this array.

    Returns:
        ``(1, rows, cols)`` float32, 0 to 255; 0 everywhere where the two are equal.

    Raises:
        ChainError: (a ValueError) another shape or type, limits in another order.
    """
    values = _magnitude(block)
    usable = values[np.isfinite(values)] if minimum is None or maximum is None else values[:0]
    low, high = _limit("minimum", minimum, usable, np.min), _limit("maximum", maximum, usable, np.max)
    return _band(_stretched(values, low, high))


def log_remap(
    block: NDArray[Any], *, minimum: float | None = None, maximum: float | None = None
) -> NDArray[np.float32]:
    """Map the logarithm of magnitude linearly: ``255 * log(A / minimum) / log(maximum / minimum)``, clipped.

    Args:
        block: as in :func:`magnitude_remap`.
        minimum: magnitude that is black, above 0; None for the smallest of this array that is not 0.
        maximum: magnitude that is white; None for the largest of this array.

    Returns:
        ``(1, rows, cols)`` float32, 0 to 255; 0 where the magnitude is 0, and everywhere where the two are equal.

    Raises:
        ChainError: (a ValueError) another shape or type, a minimum of 0, limits in another order.
    """
    values = _magnitude(block)
    usable = values[np.isfinite(values) & (values > 0)] if minimum is None or maximum is None else values[:0]
    low, high = _limit("minimum", minimum, usable, np.min), _limit("maximum", maximum, usable, np.max)
    if minimum is None and maximum is None and not usable.size:
        return _band(np.zeros_like(values))
    _require("minimum", low, low > 0, "above 0")
    _require("maximum", high, high > 0, "above 0")
    with np.errstate(divide="ignore"):
        np.log(values, out=values)
    # -inf is the logarithm of 0, which is black; what was not finite is inf or NaN still
    values[values == -np.inf] = math.log(low)
    return _band(_stretched(values, math.log(low), math.log(high)))


REMAPS: dict[str, Remap] = {
    "quarter_power": quarter_power_remap,
    "magnitude": magnitude_remap,
    "density": density_remap,
    "pedf": pedf_remap,
    "nrl": nrl_remap,
    "linear": linear_remap,
    "log": log_remap,
}
"""Name → remap."""

WHOLE_IMAGE: dict[str, tuple[str, ...]] = {
    "density": ("data_mean",),
    "pedf": ("data_mean",),
    "nrl": ("minimum", "changeover", "maximum"),
    "linear": ("minimum", "maximum"),
    "log": ("minimum", "maximum"),
}
"""Name → settings that depend on the whole image, without which tiles do not equal the whole."""


def _magnitude(block: NDArray[Any]) -> NDArray[np.float64]:
    """Give magnitudes, new memory; not finite where a part is not."""
    real, imaginary = complex_parts(block)
    if real.dtype.itemsize > 4:
        with np.errstate(over="ignore", invalid="ignore"):
            found: NDArray[np.float64] = np.hypot(real.astype(np.float64), imaginary.astype(np.float64))
        return found
    # no square of a number of 32 bits overflows or vanishes in float64
    values = real.astype(np.float64)
    squares = imaginary.astype(np.float64)
    values *= values
    squares *= squares
    values += squares
    return np.sqrt(values, out=values)


def _band(values: NDArray[np.float64]) -> NDArray[np.float32]:
    """Make the result: 0 where not finite, no number beyond float32."""
    missing = ~np.isfinite(values)
    if missing.any():
        values[missing] = 0
    return np.minimum(values, FLOAT32_MAX, out=values).astype(np.float32)[None]


def _density(block: NDArray[Any], data_mean: float | None, dmin: float, mmult: float) -> NDArray[np.float64]:
    """Give density, not below 0, and above 255 as it comes; NaN where not finite."""
    dmin, mmult = finite("dmin", dmin), finite("mmult", mmult)
    _require("dmin", dmin, 0 <= dmin < WHITE, "from 0 to below 255")
    _require("mmult", mmult, 1 < mmult < math.inf, "above 1")
    values = _magnitude(block)
    values[~np.isfinite(values)] = np.nan
    mean = _limit("data_mean", data_mean, values[np.isfinite(values)] if data_mean is None else values[:0], np.mean)
    _require("data_mean", mean, mean >= 0, "0 or more")
    if mean == 0:
        return np.zeros_like(values)
    with np.errstate(divide="ignore"):
        np.log10(values, out=values)
    values -= math.log10(0.8 * mean)
    values *= (WHITE - dmin) / math.log10(mmult)
    values += dmin
    return np.maximum(values, 0, out=values)


def _stretched(values: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    if low > high:
        raise ChainError(f"the minimum {low} is above the maximum {high}")
    missing = ~np.isfinite(values)
    if low == high:
        return np.zeros_like(values)
    values -= low
    values *= WHITE / (high - low)
    np.clip(values, 0, WHITE, out=values)
    values[missing] = 0
    return values


def _limit(name: str, value: float | None, usable: NDArray[np.float64], measure: Callable[..., Any]) -> float:
    """Take a number that was given, or measure it; 0 where there is nothing to measure."""
    if value is None:
        return float(measure(usable)) if usable.size else 0.0
    return finite(name, value)


def _require(name: str, value: float, good: bool, expected: str) -> None:
    if not good:
        raise ChainError(f"{name} must be {expected}, got {value}")
