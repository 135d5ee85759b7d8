"""Curves: what one band's values become, as plain numbers that can be tabled.

A curve computes in float64 and gives the type it names; codes of 8 and 16 bits
are looked up in its table, which holds what it would have computed, so both
ways give the same pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.lut import apply_lut

__all__ = ["Curve", "GammaCurve", "LinearCurve", "RescaleCurve", "as_type", "draw"]

PART = 1 << 15
"""Values computed at a time: what float64 needs stays in the processor's cache."""

SMALL_SPAN = 1e-200
"""Below it a factor could leave the range of float64."""


class Curve(Protocol):
    """A function of one band's values; hashable, equal where it gives the same."""

    @property
    def dtype(self) -> str:
        """Type of what it gives."""
        ...

    def __hash__(self) -> int: ...

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute, possibly in ``values``' own memory."""
        ...


@dataclass(frozen=True, slots=True)
class RescaleCurve:
    """``low`` to ``high`` become ``out_low`` to ``out_high``; a range of one value becomes their middle."""

    low: float
    high: float
    out_low: float
    out_high: float
    dtype: str

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute; beyond the range its ends stand."""
        first, last = sorted((self.out_low, self.out_high))
        # in halves, so that no range overflows
        half, out_half = self.high / 2 - self.low / 2, self.out_high / 2 - self.out_low / 2
        if half == 0:
            middle = (self.out_low + self.out_high) / 2
            place = np.sign(values - self.low)
            return np.asarray(np.where(place < 0, self.out_low, np.where(place > 0, self.out_high, middle + 0 * place)))
        values -= self.low
        if half > SMALL_SPAN:
            values *= out_half / half
        else:
            values /= half
            values *= out_half
        values += self.out_low
        return np.clip(values, first, last, out=values)


@dataclass(frozen=True, slots=True)
class LinearCurve:
    """Value × scale + offset."""

    scale: float
    offset: float
    dtype: str

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute."""
        values *= self.scale
        values += self.offset
        return values


@dataclass(frozen=True, slots=True)
class GammaCurve:
    """The share of the way from ``low`` to ``high``, to the power 1 / gamma."""

    low: float
    high: float
    gamma: float
    dtype: str

    def __call__(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute; beyond the range its ends stand."""
        values -= self.low
        values /= self.high - self.low
        np.clip(values, 0, 1, out=values)
        values **= 1 / self.gamma
        values *= self.high - self.low
        values += self.low
        return values


def draw(pixels: NDArray[Any], curves: Sequence[Curve], *, keep: bool = True) -> NDArray[Any]:
    """Put each band through its curve.

    Args:
        pixels: ``(bands, rows, cols)``, real.
        curves: one a band, all giving one type.
        keep: whether the curves will be met again, so that their tables are worth keeping.

    Returns:
        A new array of the curves' type; what NaN becomes in an integer type is 0.
    """
    codes = 256**pixels.dtype.itemsize if pixels.dtype.kind in "iu" and pixels.dtype.itemsize <= 2 else 0
    out = np.empty(pixels.shape, curves[0].dtype if curves else pixels.dtype)
    table = _kept_table if keep else _table
    if codes and len(set(curves)) == 1 and (keep or pixels.size > codes):
        return apply_lut(pixels, table(curves[0], pixels.dtype))
    for band, curve, target in zip(pixels, curves, out, strict=True):
        if codes and (keep or band.size > codes):
            target[...] = apply_lut(band, table(curve, band.dtype))
        else:
            _compute(band, curve, target)
    return out


def as_type(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Bring values to a type: integers are rounded half to even and kept inside its range, NaN becomes 0."""
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):  # beyond float32 is infinity
            return values.astype(dtype)
    info = np.iinfo(dtype)
    rounded = np.rint(values)
    np.clip(rounded, info.min, info.max, out=rounded)
    missing = np.isnan(rounded)
    if missing.any():
        rounded[missing] = 0
    return rounded.astype(dtype)


def _compute(band: NDArray[Any], curve: Curve, target: NDArray[Any]) -> None:
    rows = max(PART // max(band.shape[1], 1), 1)
    for first in range(0, len(band), rows):
        part = slice(first, first + rows)
        with np.errstate(invalid="ignore", over="ignore"):
            target[part] = as_type(curve(band[part].astype(np.float64)), target.dtype)


def _table(curve: Curve, dtype: np.dtype[Any]) -> NDArray[Any]:
    info = np.iinfo(dtype)
    with np.errstate(invalid="ignore", over="ignore"):
        found = as_type(curve(np.arange(info.min, info.max + 1, dtype=np.float64)), np.dtype(curve.dtype))
    found.flags.writeable = False
    return found


_kept_table = lru_cache(maxsize=128)(_table)
