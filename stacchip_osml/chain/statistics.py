"""Statistics of pixels: extremes, moments and histograms of bands, and their sum over parts of an image.

Rules:

- what is masked, nodata, NaN or infinite is not counted;
- bins of integers have the width 1 and the value itself as their lower edge,
  as far as 65,536 of them reach;
- merging loses nothing: what cannot be merged exactly is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.counting import (
    Counts,
    Edges,
    Moments,
    bin_counts,
    bins_over,
    count_values,
    is_counted,
    measured,
    merge_moments,
    moments_of,
    moments_of_counts,
    require_edges,
    require_real,
    value_bins,
)
from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import number_array, real_number, truth_array, whole_number
from stacchip_osml.pixel.nodata import differs_from, nodata_by_band

__all__ = [
    "BandStatistics",
    "ImageStatistics",
    "SamplingStrategy",
    "band_from_counts",
    "band_of",
    "compute_statistics",
    "merge_statistics",
    "require_rate",
    "sample_pixels",
]

Nodata = float | complex | Sequence[float | complex | None] | None

MOST_BINS = 1 << 24
"""A histogram of so many is 256 MiB."""
MOST_COUNTED = 2.0**62
SQUARE = 256
"""Pixels a side of what BLOCK takes from an array, which has no blocks."""
STRETCH = 1 << 20
"""Pixels of which RANDOM takes its share at once."""


class SamplingStrategy(Enum):
    """Which pixels are looked at."""

    ALL = "all"
    """Every one."""
    RANDOM = "random"
    """A share of the pixels, none twice."""
    BLOCK = "block"
    """All pixels of a share of the blocks."""


@dataclass(frozen=True, slots=True, eq=False)
class BandStatistics:
    """What was found in one band."""

    min: float
    """Smallest value; NaN where nothing was counted."""
    max: float
    """Largest value."""
    mean: float
    stddev: float
    """Of the population: the root of ``m2 / count``."""
    count: int
    """Pixels counted."""
    m2: float
    """Sum of squared deviations from the mean."""
    histogram: NDArray[np.int64]
    """``(bins,)`` counts; empty where none is known."""
    bin_edges: NDArray[np.float64]
    """``(bins + 1,)``: bin k holds ``edges[k] <= value < edges[k + 1]``, the last its upper edge too."""

    def __post_init__(self) -> None:
        for name, dtype in (("histogram", np.int64), ("bin_edges", np.float64)):
            given = number_array(name, getattr(self, name), kinds="iuf")
            if dtype is np.int64 and not (abs(given) < MOST_COUNTED).all():
                raise ChainError(f"{name} must be counts, got {given!r:.60}")
            held = np.array(given, dtype=dtype)
            held.flags.writeable = False
            object.__setattr__(self, name, held)
        if self.histogram.ndim != 1 or self.bin_edges.shape != (self.histogram.size + 1,):
            raise ChainError(
                f"{self.histogram.size} bins have one edge more than that, got {self.bin_edges.size} bin edges"
            )

    @property
    def has_histogram(self) -> bool:
        """Tell whether values are known, and not only their extremes and moments."""
        return bool(self.histogram.any())


@dataclass(frozen=True, slots=True, eq=False)
class ImageStatistics:
    """What was found in an image."""

    bands: Sequence[BandStatistics]
    """One a band."""
    sample_rate: float = 1.0
    """Share of the pixels that were looked at."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", each_of("bands", self.bands, BandStatistics, "BandStatistics, one a band"))
        real_number("sample_rate", self.sample_rate)


def compute_statistics(
    image: NDArray[Any],
    num_bins: int = 0,
    bin_edges: Any = None,
    sampling: SamplingStrategy = SamplingStrategy.ALL,
    sample_rate: float = 1.0,
    *,
    mask: NDArray[np.bool_] | None = None,
    nodata: Nodata = None,
    bit_depth: int | None = None,
    seed: int = 0,
) -> ImageStatistics:
    """Compute statistics of the pixels of an array.

    Args:
        image: ``(bands, rows, cols)`` or ``(rows, cols)`` of real numbers.
        num_bins: 0 for what fits: integers of up to 16 bits have a bin for each value of ``bit_depth`` bits, wider
            ones a bin for each value in their range (wider bins where that makes more than 65,536), floating point
            256 over the range of the data.
        bin_edges: instead of these, for all bands, or a list with one array for each; what lies outside is in no bin.
        sampling: RANDOM takes single pixels, BLOCK squares of 256 a side.
        sample_rate: share of the pixels or squares taken, above 0 up to 1; at least one is.
        mask: of the image's shape, or ``(rows, cols)`` for all bands; True where the pixel is a measurement.
        nodata: value of pixels that are none, one for all bands or one for each.
        bit_depth: bits that carry information, of integers of up to 16 bits; None for all. Values that need more
            bits get more bins.
        seed: of the sample; the same gives the same.

    Raises:
        ChainError: (a ValueError) complex pixels, a shape or setting out of range, or bin edges that are none.
        SettingError: (a ValueError) a setting that is no number of its kind.
        TypeError: pixels, a mask or edges of what is no number.
    """
    image = number_array("image", image)
    of_kind("sampling", sampling, SamplingStrategy, "a SamplingStrategy")
    seed = whole_number("seed", seed, least=0)
    pixels = image[np.newaxis] if image.ndim == 2 else image
    if pixels.ndim != 3:
        raise ChainError(f"statistics need (bands, rows, cols), got an array of shape {image.shape}")
    require_real(pixels.dtype)
    rate = require_rate(sample_rate, num_bins)
    edges = require_edges(bin_edges, len(pixels))
    valid = None if mask is None else truth_array("mask", mask)
    if valid is not None and valid.shape not in (image.shape, pixels.shape, pixels.shape[1:]):
        raise ChainError(f"mask must have the shape of the image, {image.shape}, got {valid.shape}")
    valid = None if valid is None else np.broadcast_to(valid, pixels.shape)
    values = nodata_by_band(nodata, len(pixels))
    if bit_depth is not None:
        whole_number("bit_depth", bit_depth, least=1)
    if rate < 1 and sampling is not SamplingStrategy.ALL:
        pick = sample_pixels if sampling is SamplingStrategy.RANDOM else _squares
        chosen = pick(pixels.shape[1], pixels.shape[2], rate, np.random.default_rng(seed))
        rate = chosen.size / max(pixels[0].size, 1)
        pixels = pixels.reshape(len(pixels), -1)[:, chosen]
        valid = None if valid is None else valid.reshape(len(pixels), -1)[:, chosen]
    else:
        rate = 1.0
    return ImageStatistics(
        [
            _band(
                pixels[band],
                None if valid is None else valid[band],
                nodata=values[band],
                num_bins=num_bins,
                edges=None if edges is None else edges[band],
                bit_depth=bit_depth,
            )
            for band in range(len(pixels))
        ],
        rate,
    )


def merge_statistics(stats: Iterable[ImageStatistics]) -> ImageStatistics:
    """Add up the statistics of parts of an image, as if it had been looked at as a whole.

    Bins must be the same in all parts, or be whole numbers of width 1, of which the union is taken. Parts in which
    nothing was counted go with all others.

    Args:
        stats: one or more, in any order, which makes no difference.

    Returns:
        The sum; its sample rate is the share of all pixels.

    Raises:
        ChainError: (a ValueError) none, other numbers of bands, or bins that cannot be merged without loss: compute
            all parts with the same ``bin_edges``.
    """
    parts = each_of("stats", stats, ImageStatistics, "a list of ImageStatistics")
    if not parts:
        raise ChainError("there are no statistics to merge")
    counts = {len(part.bands) for part in parts}
    if len(counts) > 1:
        raise ChainError(f"statistics of {' and '.join(map(str, sorted(counts)))} bands cannot be merged")
    bands = [_merged([part.bands[band] for part in parts]) for band in range(counts.pop())]
    return ImageStatistics(bands, _merged_rate(parts))


def band_from_counts(
    counts: Counts, dtype: np.dtype[Any], *, num_bins: int = 0, edges: Edges | None = None, bit_depth: int | None = None
) -> BandStatistics:
    """Make statistics of the counts of all values of an integer type of up to 16 bits."""
    seen, first = value_bins(counts, dtype, bit_depth)
    found = moments_of_counts(seen, first)
    if edges is None and num_bins in (0, seen.size):
        return band_of(found, seen, np.arange(first, first + seen.size + 1, dtype=np.float64))
    if edges is None:
        edges = np.linspace(first, first + seen.size, num_bins + 1)
    (used,) = np.nonzero(seen)
    return band_of(found, bin_counts(used + first, edges, weights=seen[used]), edges)


def band_of(moments: Moments, histogram: Counts, edges: Edges) -> BandStatistics:
    """Put moments and bins into one record."""
    count, m2 = moments.count, moments.m2
    stddev = math.sqrt(max(m2, 0.0) / count) if count else math.nan
    return BandStatistics(moments.min, moments.max, moments.mean, stddev, count, m2, histogram, edges)


def require_rate(sample_rate: float, num_bins: int) -> float:
    """Raise ChainError unless a sample rate and a number of bins are in range."""
    if not 0 < (rate := real_number("sample_rate", sample_rate)) <= 1:
        raise ChainError(f"a sample rate is above 0 and at most 1, got {sample_rate}")
    if not 0 <= whole_number("num_bins", num_bins) <= MOST_BINS:
        raise ChainError(f"a histogram has 0 (what fits) or more bins, up to {MOST_BINS}, got {num_bins}")
    return rate


# ---- one band


def _band(
    values: NDArray[Any],
    valid: NDArray[np.bool_] | None,
    *,
    nodata: float | complex | None,
    num_bins: int,
    edges: Edges | None,
    bit_depth: int | None,
) -> BandStatistics:
    if nodata is not None:
        other = differs_from(values, nodata)
        valid = other if valid is None else other & valid
    if is_counted(values.dtype):
        return band_from_counts(
            count_values(values, valid), values.dtype, num_bins=num_bins, edges=edges, bit_depth=bit_depth
        )
    seen = measured(values, valid)
    found = moments_of(seen)
    if edges is None:
        edges = bins_over(values.dtype, found.min, found.max, num_bins)
    return band_of(found, bin_counts(seen, edges), edges)


# ---- samples


def sample_pixels(rows: int, cols: int, rate: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Choose pixels by their place in rows, rising and none twice; at least one, the same share of each stretch."""
    chosen: list[NDArray[np.int64]] = []
    taken = 0
    for start in range(0, rows * cols, STRETCH):
        stop = min(start + STRETCH, rows * cols)
        wanted = max(round(stop * rate), 1) - taken
        chosen.append(start + np.sort(random.choice(stop - start, wanted, replace=False, shuffle=False)))
        taken += wanted
    return np.concatenate(chosen) if chosen else np.zeros(0, np.int64)


def _squares(rows: int, cols: int, rate: float, random: np.random.Generator) -> NDArray[np.int64]:
    """Choose all pixels of a share of the squares."""
    across = -(-cols // SQUARE)
    total = across * -(-rows // SQUARE)
    taken = np.zeros(total, np.bool_)
    if total:
        taken[random.choice(total, max(round(total * rate), 1), replace=False)] = True
    y, x = np.arange(rows) // SQUARE, np.arange(cols) // SQUARE
    return np.flatnonzero(taken[y[:, np.newaxis] * across + x])


# ---- merging


def _merged(parts: list[BandStatistics]) -> BandStatistics:
    found = merge_moments(Moments(part.count, part.min, part.max, part.mean, part.m2) for part in parts)
    told = [part for part in parts if part.count] or parts[:1]
    edges = told[0].bin_edges
    if all(np.array_equal(part.bin_edges, edges) for part in told):
        histogram = np.zeros(edges.size - 1, np.int64)
        for part in told:
            histogram += part.histogram
        return band_of(found, histogram, edges)
    if not all(_is_whole(part) for part in told):
        raise ChainError("statistics with different bins cannot be merged; compute all of them with the same bin_edges")
    first = int(min(part.bin_edges[0] for part in told))
    histogram = np.zeros(int(max(part.bin_edges[-1] for part in told)) - first, np.int64)
    for part in told:
        start = int(part.bin_edges[0]) - first
        histogram[start : start + part.histogram.size] += part.histogram
    return band_of(found, histogram, np.arange(first, first + histogram.size + 1, dtype=np.float64))


def _is_whole(band: BandStatistics) -> bool:
    """Tell whether bins are whole numbers of width 1, with nothing on the upper edge of the last."""
    edges = band.bin_edges
    return (
        edges.size > 1
        and float(edges[0]).is_integer()
        and bool((np.diff(edges) == 1).all())
        and bool(band.max < edges[-1])
    )


def _merged_rate(parts: Sequence[ImageStatistics]) -> float:
    """Give the share of all pixels that was looked at; a part counts by the pixels that it stands for."""
    rates = [part.sample_rate for part in parts]
    if min(rates) == max(rates):
        return rates[0]
    seen = [sum(band.count for band in part.bands) for part in parts]
    stood_for = [count / rate for count, rate in zip(seen, rates, strict=True) if rate > 0]
    return math.fsum(seen) / math.fsum(stood_for) if any(stood_for) else math.fsum(rates) / len(rates)
