"""The statistics that a picture is stretched by: of a level that is cheap, with bins that are fine where pixels are.

Floating-point data, and integers of many bits, may spread their few extremes
over a range in which all others share one bin. Then the bins are made again,
over what the crowded ones held; the outermost take what lies beside, so that
no pixel is lost.

Images are often filled, where nothing was measured, with a value that nothing
declares: -9999, 0 beside numbers around 10,000. Such a value gives itself away:
it is the smallest or largest, many pixels have it, and it lies farther from all
others than most of those from each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from stacchip_osml.chain.counting import Edges, is_counted
from stacchip_osml.chain.statistics import BandStatistics, ImageStatistics, SamplingStrategy
from stacchip_osml.errors import ChainError
from stacchip_osml.imagery.measured import Nodata
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import dtype_of, key_of, num_levels
from stacchip_osml.imagery.pyramids.pyramid import TiledImagePyramid
from stacchip_osml.imagery.statistics import compute_image_statistics, stored_statistics

__all__ = ["cheapest_level", "display_statistics", "without_fill"]

BINS = 4096
"""Of data that is not counted value by value."""
CROWDED = 256
"""Bins that most of the pixels should be spread over."""
ROUNDS = 6
"""The first brings numbers of any size apart, the others make bins at least 16 times finer each."""
DECADES = 45
"""That the first round tells apart: as many as float32 has above and below 1 together, to 5 % each."""
TINY = float(np.finfo(np.float32).tiny)
SHARE = 0.02
"""Of the pixels: fewer are extremes, and do not matter."""
MOST_PIXELS = 1 << 26
"""Pixels of a level above which a part of its blocks is read."""
ENOUGH_PIXELS = 1 << 25
"""Pixels of that part."""


def display_statistics(
    source: Any,
    bands: Sequence[int],
    *,
    range_adjustment: str = "dra",
    min_pixels: int = 10_000_000,
    nodata: Nodata = None,
    num_workers: int = 0,
    seed: int = 0,
) -> ImageStatistics:
    """Take an image's stored statistics, or compute those of its cheapest level.

    Args:
        source: an image provider, or a :class:`TiledImagePyramid`.
        bands: 0-based, in the order wanted.
        range_adjustment: ``minmax`` needs no histogram.
        min_pixels: rows times columns of the level, where it has as many.
        nodata: value of pixels that are no measurements, besides those that the image declares.
        num_workers: threads.
        seed: of the blocks that are read of a very large level.

    Returns:
        Of the bands asked for, in that order.

    Raises:
        ChainError: the level stores no pixel.
    """
    first = source.get_level(0) if isinstance(source, TiledImagePyramid) else source
    stored = stored_statistics(first, bands=bands)
    if stored is not None and (range_adjustment == "minmax" or all(band.has_histogram for band in stored.bands)):
        return stored
    provider, level = cheapest_level(source, min_pixels)
    size = level_grid(provider, level).image_size
    pixels = size.width * size.height
    some = pixels > MOST_PIXELS
    settings: dict[str, Any] = {
        "sampling": SamplingStrategy.BLOCK if some else SamplingStrategy.ALL,
        "sample_rate": ENOUGH_PIXELS / pixels if some else 1.0,
        "force_recompute": True,
        "num_workers": num_workers,
        "level": level,
        "bands": bands,
        "nodata": nodata,
        "seed": seed,
    }
    counted = is_counted(dtype_of(provider))
    found = compute_image_statistics(provider, 0 if counted else BINS, **settings)
    for number in range(0 if counted else ROUNDS):
        edges = [] if found is None else [(_finer(band, by_size=number == 0), band.bin_edges) for band in found.bands]
        if all(finer is None for finer, _ in edges):
            break
        chosen = [known if finer is None else finer for finer, known in edges]
        found = compute_image_statistics(provider, bin_edges=chosen, **settings)
    if found is None:
        raise ChainError(f"{key_of(provider)}: no pixels are stored, so there is nothing to show")
    return found


def cheapest_level(source: Any, min_pixels: int) -> tuple[Any, int]:
    """Give the coarsest level with at least as many pixels, as a provider and its level; the finest where none has."""
    if isinstance(source, TiledImagePyramid):
        return source.get_level(source.level_for_statistics(min_pixels)), 0
    for level in range(num_levels(source) - 1, 0, -1):
        size = level_grid(source, level).image_size
        if size.width * size.height >= min_pixels:
            return source, level
    return source, 0


def _finer(band: BandStatistics, *, by_size: bool) -> Edges | None:
    """Give bins over what most of the pixels lie in; None where they are fine enough, or cannot be finer.

    Args:
        band: with bins that may be too coarse.
        by_size: make them as wide as they are far from 0, and not all the same.
    """
    if not band.has_histogram:
        return None
    start, stop = _body(band)
    first, last = _most(band, start, stop)
    if last - first >= CROWDED:
        return None
    low, high = max(float(band.bin_edges[first]), band.min), min(float(band.bin_edges[last + 1]), band.max)
    inner = np.linspace(low, high, BINS - 1)
    # all in one value, or in neighbours of the smallest difference
    if not (np.diff(inner) > np.spacing(max(abs(low), abs(high), TINY))).all():
        return None
    if by_size:
        largest = max(abs(low), abs(high))
        sizes = largest * np.logspace(-DECADES, 0, BINS // 2)
        steps = np.concatenate([-sizes[::-1], [0.0], sizes])
        inner = np.concatenate([[low], steps[(steps > low) & (steps < high)], [high]])
    # what seems to be fill stays in a bin of its own
    (used,) = np.nonzero(band.histogram)
    below = [band.bin_edges[used[0] + 1]] if start else []
    above = [band.bin_edges[used[-1]]] if stop < band.histogram.size else []
    return np.concatenate([[min(band.min, low)], below, inner, above, [max(band.max, high)]])


def without_fill(band: BandStatistics) -> BandStatistics:
    """Leave out what seems to be fill, as long as more than one value is left; see the module's head."""
    start, stop = _body(band)
    kept = band.histogram[start:stop]
    (used,) = np.nonzero(kept)
    if used.size < 2 or (start, stop) == (0, band.histogram.size):
        return band
    low = band.min if start == 0 else float(band.bin_edges[start + used[0]])
    high = band.max if stop == band.histogram.size else float(band.bin_edges[start + used[-1] + 1])
    edges = band.bin_edges[start : stop + 1]
    return BandStatistics(low, high, band.mean, band.stddev, int(kept.sum()), band.m2, kept, edges)


def _body(band: BandStatistics) -> tuple[int, int]:
    """Give the half-open range of bins without fill at either end."""
    counts, edges = band.histogram, band.bin_edges
    start, stop, total = 0, counts.size, int(counts.sum())
    (used,) = np.nonzero(counts)
    if used.size > 1 and counts[used[0]] >= SHARE * total:
        first, last = _most(band, int(used[1]), stop)
        if edges[first] - edges[used[0] + 1] > edges[last + 1] - edges[first]:
            start = int(used[1])
    used = used[used >= start]
    if used.size > 1 and counts[used[-1]] >= SHARE * total:
        first, last = _most(band, start, int(used[-1]))
        if edges[used[-1]] - edges[last + 1] > edges[last + 1] - edges[first]:
            stop = int(used[-1])
    return start, stop


def _most(band: BandStatistics, start: int, stop: int) -> tuple[int, int]:
    """Give the first and last bin that most of the pixels of a range of bins lie in."""
    below = np.cumsum(band.histogram[start:stop])
    first, last = np.searchsorted(below, [SHARE * below[-1], (1 - SHARE) * below[-1]])
    return start + int(first), start + int(last)
