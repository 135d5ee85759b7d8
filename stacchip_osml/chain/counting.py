"""Counting pixel values: what statistics are made of.

Rules:

- integers of up to 16 bits are counted value by value, which is exact and an
  order of magnitude quicker than sorting them into bins; bins are made of the
  counts afterwards, and fit the bits in use;
- all others are binned over the range of the data, never over that of their
  type: an int32 has 2**32 values;
- NaN and infinity are no measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.counts import real_numbers

__all__ = [
    "Moments",
    "bin_counts",
    "bins_over",
    "count_range",
    "count_values",
    "is_counted",
    "measured",
    "merge_moments",
    "moments_of",
    "moments_of_counts",
    "require_edges",
    "require_real",
    "value_bins",
]

Counts = NDArray[np.int64]
Edges = NDArray[np.float64]

MAX_BINS = 65_536
"""The most bins that are made where no number is asked for."""
FLOAT_BINS = 256
"""Bins of floating-point data where no number is asked for."""
PART = 1 << 22
"""Values counted at once: cv2 counts in float32, which is exact up to 2**24."""
WIDE = 1024
"""Values to a row of those that cv2 counts."""
FEW = 1 << 14
"""Counts that stay in the processor's cache; of more, numpy's are no slower than cv2's."""
CHUNK = 1 << 15
"""Values computed at once: what float64 needs stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Moments:
    """What can be said of values without bins."""

    count: int
    min: float
    max: float
    mean: float
    m2: float
    """Sum of squared deviations from the mean."""


NOTHING = Moments(0, math.nan, math.nan, math.nan, 0.0)


def require_real(dtype: np.dtype[Any]) -> None:
    """Raise ChainError unless pixels of a type can be counted."""
    if dtype.kind not in "buif":
        raise ChainError(f"statistics need real numbers, got {dtype}; a complex image needs a remap first")


def is_counted(dtype: np.dtype[Any]) -> bool:
    """Tell whether values of a type are counted one by one."""
    return dtype.kind in "bui" and dtype.itemsize <= 2


# ---- integers of up to 16 bits


def count_values(values: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> Counts:
    """Count how often each value of an integer type of up to 16 bits occurs.

    Args:
        values: of any shape.
        mask: of the same shape, True where counted; None for all.

    Returns:
        One count for each value of the type, the smallest first.
    """
    totals = np.zeros(1 << (8 * values.dtype.itemsize), np.int64)
    first, counts = count_range(values, mask)
    totals[first : first + counts.size] = counts
    return totals


def count_range(values: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> tuple[int, Counts]:
    """Count values as :func:`count_values` does; give only what is needed of the counts, and where it begins there."""
    bits = 8 * values.dtype.itemsize
    native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    codes = native.view(np.dtype(f"u{bits // 8}")).reshape(-1)
    if values.dtype.kind == "i":
        codes = codes ^ codes.dtype.type(1 << (bits - 1))  # the smallest value's code becomes 0
    if mask is None:
        return _count_codes(codes)
    valid = np.ascontiguousarray(mask).reshape(-1)
    # picking values is slower than counting them: pick the fewer, and subtract if those are the invalid ones
    if 2 * np.count_nonzero(valid) < valid.size:
        return _count_codes(codes[valid])
    first, counts = _count_codes(codes)
    start, others = _count_codes(codes[~valid])
    counts[start - first : start - first + others.size] -= others
    return first, counts


def _count_codes(codes: NDArray[Any]) -> tuple[int, Counts]:
    if not codes.size:
        return 0, np.zeros(0, np.int64)
    low, high = int(codes.min()), int(codes.max())
    size = high - low + 1
    if size > FEW or codes.size < WIDE:
        return low, np.bincount(codes)[low:].astype(np.int64, copy=False)
    import cv2

    counts = np.zeros(size, np.int64)
    for start in range(0, codes.size, PART):
        part = codes[start : start + PART]
        whole = part.size // WIDE * WIDE
        # a picture of some width: cv2 takes each element of a row of its own for a row
        found = cv2.calcHist([part[:whole].reshape(-1, WIDE)], [0], None, [size], [low, high + 1])
        counts += found.reshape(-1).astype(np.int64)
        if whole < part.size:
            counts += np.bincount(part[whole:], minlength=high + 1)[low:]
    return low, counts


def value_bins(counts: Counts, dtype: np.dtype[Any], bit_depth: int | None) -> tuple[Counts, int]:
    """Cut the counts of all values of a type down to the bits in use.

    Args:
        counts: as ``count_values`` gives them.
        dtype: of the values.
        bit_depth: bits that carry information; None for all. Values that need more get more: none is lost.

    Returns:
        The counts, and the value of the first of them.

    Raises:
        ChainError: a bit depth that the type does not have.
    """
    signed, bits = dtype.kind == "i", 1 if dtype.kind == "b" else 8 * dtype.itemsize
    least = counts.size // 2 if signed else 0
    depth = bits if bit_depth is None else bit_depth
    if not 1 <= depth <= 8 * dtype.itemsize:
        raise ChainError(f"bit_depth of {dtype} pixels must be 1 to {8 * dtype.itemsize}, got {bit_depth}")
    (used,) = np.nonzero(counts)
    low, high = (int(used[0]) - least, int(used[-1]) - least) if used.size else (0, 0)
    while not (-(1 << (depth - 1)) if signed else 0) <= low <= high < 1 << (depth - signed):
        depth += 1
    first = -(1 << (depth - 1)) if signed else 0
    return counts[first + least : first + least + (1 << depth)], first


def moments_of_counts(counts: Counts, first: int) -> Moments:
    """Give the moments of values counted one by one, the first of them ``first``."""
    (used,) = np.nonzero(counts)
    if not used.size:
        return NOTHING
    low, high = int(used[0]), int(used[-1])
    seen = counts[low : high + 1]
    steps = np.arange(seen.size, dtype=np.int64)
    total = int(seen.sum())
    above = int((seen * steps).sum()) / total
    m2 = float((seen * np.square(steps - above)).sum())
    return Moments(total, float(first + low), float(first + high), first + low + above, m2)


# ---- all other numbers


def measured(values: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[Any]:
    """Give the values that are measurements, one after the other, ready for :func:`moments_of`."""
    chosen = values.reshape(-1) if mask is None else values[mask]
    if chosen.dtype.kind == "f":
        finite = np.isfinite(chosen)
        chosen = chosen if finite.all() else chosen[finite]
        return chosen.astype(np.float32) if chosen.dtype == np.float16 else chosen
    return chosen


def moments_of(values: NDArray[Any]) -> Moments:
    """Give the moments of measured values, ``(n,)``."""
    if not values.size:
        return NOTHING
    low, high = values.min(), values.max()
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(values.mean(dtype=np.float64))
        m2 = 0.0
        for start in range(0, values.size, CHUNK):
            apart = values[start : start + CHUNK].astype(np.float64)
            apart -= mean
            m2 += float(np.square(apart, out=apart).sum())  # a dot product would wake BLAS's threads
    return Moments(values.size, float(low), float(high), min(max(mean, float(low)), float(high)), m2)


def merge_moments(parts: Iterable[Moments]) -> Moments:
    """Combine the moments of parts, by Chan, Golub and LeVeque's formula for any number of them at once.

    Sums are rounded once, at their end, so the order of the parts makes no difference.
    """
    told = [part for part in parts if part.count]
    if not told:
        return NOTHING
    count = sum(part.count for part in told)
    low, high = min(part.min for part in told), max(part.max for part in told)
    if len(told) == 1:
        return told[0]
    try:
        mean = math.fsum(part.count * part.mean for part in told) / count
        m2 = math.fsum([*(part.m2 for part in told), *(part.count * (part.mean - mean) ** 2 for part in told)])
    except (OverflowError, ValueError):  # beyond what a float holds: no sum is better than an error
        mean, m2 = math.nan, math.nan
    return Moments(count, low, high, min(max(mean, low), high), m2)


def bins_over(dtype: np.dtype[Any], low: float, high: float, num_bins: int) -> Edges:
    """Choose the bin edges of data of a range.

    Args:
        dtype: of the data, or of the whole numbers it consists of.
        low: the smallest value.
        high: the largest.
        num_bins: how many; 0 for one for each integer, at most 65,536, and 256 for floating point.

    Returns:
        ``(bins + 1,)``; whole numbers for integers where no number of bins is asked for.
    """
    if not low <= high:  # nothing was measured
        low, high = 0.0, 0.0
    if dtype.kind in "bui":
        values = int(high) - int(low) + 1
        if not num_bins:
            width = -(-values // MAX_BINS)
            return low + width * np.arange(-(-values // width) + 1, dtype=np.float64)
        return np.linspace(low, low + values, num_bins + 1)
    if low == high:
        high = low + max(1.0, abs(low) / (1 << 20))
    # half of it: the range of float64 data may be twice what a float64 holds
    return np.linspace(low / 2, high / 2, (num_bins or FLOAT_BINS) + 1) * 2


def bin_counts(values: NDArray[Any], edges: Edges, *, weights: Counts | None = None) -> Counts:
    """Count values into bins; as numpy's histogram, the last bin has its upper edge, and nothing lies outside."""
    if not values.size:
        return np.zeros(edges.size - 1, np.int64)
    if weights is None and _is_even(edges):
        return _even_counts(values, edges)
    found, _ = np.histogram(values, bins=edges, weights=weights)
    return found.astype(np.int64)


def _even_counts(values: NDArray[Any], edges: Edges) -> Counts:
    """Count into bins of one width: by a product, and by comparison where rounding could put a value beside its bin."""
    low, high, bins = float(edges[0]), float(edges[-1]), edges.size - 1
    scale = bins / (high - low)
    unsure = 1e-9 + 8 * float(np.finfo(np.float64).eps) * max(abs(low), abs(high)) * scale
    counts = np.zeros(bins, np.int64)
    for start in range(0, values.size, CHUNK):
        part = values[start : start + CHUNK].astype(np.float64)
        if part.min() < low or part.max() > high:
            part = part[(part >= low) & (part <= high)]
        place = (part - low) * scale
        bin_of = place.astype(np.intp)
        place -= bin_of
        near = np.flatnonzero((place < unsure) | (place > 1 - unsure))
        if near.size:
            beside = np.searchsorted(edges, part[near], side="right") - 1
            bin_of[near] = np.minimum(beside, bins - 1)
        counts += np.bincount(bin_of, minlength=bins)
    return counts


def _is_even(edges: Edges) -> bool:
    with np.errstate(over="ignore", invalid="ignore"):
        span = edges[-1] - edges[0]
    return bool(0 < span < np.inf) and np.array_equal(edges, np.linspace(edges[0], edges[-1], edges.size))


def require_edges(bin_edges: Any, bands: int) -> list[Edges] | None:
    """Bring bin edges, one array or one for each band, into one form.

    Raises:
        ChainError: another number of bands, or what are no edges.
    """
    if bin_edges is None:
        return None
    is_list = isinstance(bin_edges, list | tuple) and bool(bin_edges)
    given = list(bin_edges) if is_list and isinstance(bin_edges[0], (list, tuple, np.ndarray)) else None
    edges = [real_numbers("bin_edges", e) for e in ([bin_edges] * bands if given is None else given)]
    if len(edges) != bands:
        raise ChainError(f"bin edges of {len(edges)} bands for an image of {bands}")
    for each in edges:
        if each.ndim != 1 or each.size < 2 or np.isnan(each).any() or (np.diff(each) < 0).any():
            raise ChainError("bin edges must be two or more numbers that do not fall")
    return edges
