"""Which source pixels make each output pixel of one axis, and with what weight.

Positions are rounded to 2**-20 of a source pixel, so that the weights of all
methods but ``lanczos`` are multiples of that: they add up without rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["LATTICE", "METHODS", "Taps", "find_taps", "on_lattice", "require_method"]

METHODS = ("auto", "nearest", "bilinear", "area", "balanced", "lanczos")
LATTICE = 2.0**20
LOBES = 4
MOST_KEPT = 1 << 12
"""Outputs of an axis whose taps are kept for the next that are the same."""

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Taps:
    """Which source pixels make each output pixel of one axis."""

    index: Ints
    """``(taps, outputs)``."""
    weight: Floats
    """``(taps, outputs)``; 0 where a tap is not used."""
    full: Floats
    """``(outputs,)``: the weight of an output that is wholly inside; inf where nothing of it is."""
    ready: dict[Any, Any] = field(default_factory=dict)
    """What has been made of them, kept as long as they are."""


def require_method(method: str, step: float) -> str:
    """Give the method of one axis; ValueError for an unknown one, or a step that is none."""
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}")
    if not 0 < step < math.inf:
        raise ValueError(f"step must be a positive number of source pixels, got {step}")
    if method == "auto":
        return "balanced" if step > 1 else "bilinear"
    return method


def on_lattice(position: Any) -> Any:
    """Round a position, or an array of such."""
    if isinstance(position, float | int):  # numpy takes ten times as long for one number
        return round(position * LATTICE) / LATTICE
    return np.rint(position * LATTICE) / LATTICE


def find_taps(start: float, step: float, count: int, *, method: str, limit: int) -> tuple[int, Taps]:
    """Give the taps of an axis, and the source pixel that their indices count from.

    Where all are inside the image, they are the same wherever its first pixel is.
    """
    first = math.floor(start)
    inner = _inner_taps if count <= MOST_KEPT else _inner_taps.__wrapped__
    taps, low, high = inner(start - first, step, count, method)
    if first + low >= 0 and first + high < limit:
        return first + low, taps
    taps = _bounded_taps(start - first, step, count, method, (-first, limit - first))
    return 0, Taps(np.clip(taps.index + first, 0, max(limit - 1, 0)), taps.weight, taps.full)


@lru_cache(maxsize=256)
def _inner_taps(start: float, step: float, count: int, method: str) -> tuple[Taps, int, int]:
    """Give the taps of an axis without ends that starts in pixel 0, and the first and last pixel that count.

    Their indices count from that first pixel.
    """
    taps = _bounded_taps(start, step, count, method, (-(1 << 40), 1 << 40))
    used = taps.index[taps.weight != 0]
    low, high = int(used.min(initial=0)), int(used.max(initial=0))
    taps = Taps(np.clip(taps.index, low, high) - low, taps.weight, taps.full)
    for made in (taps.index, taps.weight, taps.full):
        made.setflags(write=False)
    return taps, low, high


def _bounded_taps(start: float, step: float, count: int, method: str, bounds: tuple[int, int]) -> Taps:
    """Give the taps of an axis that starts in pixel 0 of an image whose pixels are ``bounds``, half-open."""
    if method in {"area", "balanced"}:
        return _area_taps(start, step, count, bounds, is_balanced=method == "balanced" and step > 1)
    centre = _positions(start, step, 2 * np.arange(count) + 1)
    inside = (centre >= bounds[0]) & (centre < bounds[1])
    full = np.where(inside, 1.0, np.inf)
    if method == "nearest":
        index = np.where(inside, np.floor(centre), 0).astype(np.intp)[None]
        return Taps(index, inside.astype(np.float64)[None], full)
    low = np.floor(centre - 0.5)
    far = centre - 0.5 - low
    if method == "lanczos":
        offsets = np.arange(1 - LOBES, LOBES + 1)[:, None]
        away = far - offsets
        weights = np.where(away == np.rint(away), away == 0, np.sinc(away) * np.sinc(away / LOBES))
        weights /= sum(weights)  # one after the other; numpy adds those of a lone pixel in another order
    else:
        offsets = np.arange(2)[:, None]
        weights = np.stack([1 - far, far])
    weight = np.where(inside, weights, 0)
    index = np.clip(low + offsets, bounds[0], max(bounds[1] - 1, bounds[0])).astype(np.intp)
    return Taps(index, weight, full)


def _positions(start: float, step: float, halves: Ints) -> Floats:
    """Give positions ``start + halves * step / 2``, rounded to the lattice: the same however far ``start`` is away.

    Whole pixels are counted in integers. A product of floats would be off by more the farther it goes, and a
    position close to the middle between two lattice points would be rounded one way in a part and another in the whole.
    """
    over, under = _ratio(step)
    whole, rest = np.divmod(halves * over, 2 * under)
    positions: Floats = whole + on_lattice(start + rest / (2 * under))
    return positions


@lru_cache(maxsize=1024)
def _ratio(step: float) -> tuple[int, int]:
    """Give the ratio of whole numbers that a step was, before it became a float."""
    largest = max(1 << 30, min(int((1 << 30) / step), 1 << 60))
    return Fraction(step).limit_denominator(largest).as_integer_ratio()


def _area_taps(start: float, step: float, count: int, bounds: tuple[int, int], *, is_balanced: bool) -> Taps:
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
    return Taps(index, weight, full)


def _balance(weight: Floats, low: Floats, high: Floats) -> None:
    """Shift weight between the first and last pixel of each output, in place, until the centre of all is its centre.

    A part ``t`` of a pixel lies ``(1 - t) / 2`` away from the middle of that pixel, whose value it counts with.
    What is shifted is rounded to the lattice too, and less than what is there: no weight becomes negative.
    """
    first, last = low - np.floor(low), high - np.floor(high)
    apart = np.ceil(high) - 1 - np.floor(low)
    shifted = on_lattice((last * (1 - last) - first * (1 - first)) / (2 * np.maximum(apart, 1)))
    weight[0] += shifted
    weight[apart.astype(np.intp), np.arange(len(apart))] -= shifted
