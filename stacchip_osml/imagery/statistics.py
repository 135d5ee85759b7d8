"""Statistics of whole images, whoever holds them: block by block, in bounded memory.

Rules:

- what is counted is what :mod:`stacchip_osml.imagery.measured` calls a
  measurement;
- any number of threads, and any order in which they finish, gives the same
  numbers to the last bit;
- integers of up to 16 bits are counted in one pass. The bins of all others
  need the range of the data, so they are read once for it and once for the
  bins, from memory where the measurements fit into it;
- statistics that are stored with the image are believed where they are what
  was asked for.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.counting import (
    Counts,
    Edges,
    Moments,
    bin_counts,
    bins_over,
    count_range,
    is_counted,
    measured,
    merge_moments,
    moments_of,
    require_edges,
    require_real,
)
from stacchip_osml.chain.gdal_statistics import statistics_from_gdal_metadata
from stacchip_osml.chain.statistics import (
    BandStatistics,
    ImageStatistics,
    SamplingStrategy,
    band_from_counts,
    band_of,
    require_rate,
    sample_pixels,
)
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.measured import MeasuredLevel, Nodata, Piece, look_through
from stacchip_osml.imagery.providers.facts import dtype_of, fact
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["ImageStatistics", "bits_in_use", "compute_image_statistics", "stored_statistics"]

T = TypeVar("T")
HELD_BYTES = 1 << 27
"""Measurements that are kept between the two passes; what is beyond is read again."""


def compute_image_statistics(  # noqa: PLR0917 - the documented order
    asset: Any,
    num_bins: int = 0,
    bin_edges: Any = None,
    sampling: SamplingStrategy = SamplingStrategy.ALL,
    sample_rate: float = 1.0,
    compute_if_missing: bool = True,
    force_recompute: bool = False,
    num_workers: int = 0,
    *,
    level: int = 0,
    bands: Sequence[int] | None = None,
    nodata: Nodata = None,
    bit_depth: int | None = None,
    seed: int = 0,
) -> ImageStatistics | None:
    """Compute statistics of one level of an image, or take those that are stored with it.

    Args:
        asset: any object of the image provider protocol.
        num_bins: as in :func:`stacchip_osml.chain.compute_statistics`.
        bin_edges: as there.
        sampling: RANDOM takes single pixels, BLOCK a share of the stored blocks (small ones in groups).
        sample_rate: share of the pixels or blocks taken, above 0 up to 1; at least one is.
        compute_if_missing: False to read no pixels: the stored statistics, or None.
        force_recompute: do not take stored statistics.
        num_workers: threads that read; 0 and 1 for the caller's own. The numbers are the same.
        level: 0 is full resolution.
        bands: 0-based, in the order wanted; None for all.
        nodata: value of pixels that are no measurements, for all bands or one for each of ``bands``, besides those
            that the image itself declares.
        bit_depth: bits that carry information; None for what the image says.
        seed: of the sample.

    Returns:
        None where no block is stored, or nothing was to be computed.

    Raises:
        ChainError: (a ValueError) complex pixels, or a setting out of range.
        ValueError: ``num_workers`` is less than 0.
        IndexError: no such level or band.
        ReadError: as the provider raises.
    """
    num_workers = whole_number("num_workers", num_workers, least=0)
    of_kind("sampling", sampling, SamplingStrategy, "a SamplingStrategy")
    seed = whole_number("seed", seed, least=0)
    bit_depth = None if bit_depth is None else whole_number("bit_depth", bit_depth, least=1)
    dtype = dtype_of(asset)
    image = MeasuredLevel(asset, level, bands=bands, nodata=nodata)
    edges, rate = require_edges(bin_edges, image.count), require_rate(sample_rate, num_bins)
    if not force_recompute and edges is None:
        stored = stored_statistics(asset, level=level, bands=image.bands)
        if stored is not None and _has_bins(stored, num_bins):
            return stored
    if not compute_if_missing:
        return None
    require_real(dtype)
    pieces = image.pieces
    sample: dict[Piece, int] | None = None
    if sampling is SamplingStrategy.BLOCK and rate < 1:
        pieces, rate = _some_blocks(image, pieces, rate, seed)
    elif sampling is SamplingStrategy.RANDOM and rate < 1:
        sample, rate = _quotas(image, pieces, rate)
    else:
        rate = 1.0
    work = _Work(image, pieces, sample, seed=seed, workers=num_workers)
    if is_counted(dtype):
        depth = bits_in_use(asset) if bit_depth is None else bit_depth
        found = _counted(work, dtype, num_bins=num_bins, edges=edges, bit_depth=depth)
    else:
        found = _binned(work, dtype, num_bins=num_bins, edges=edges)
    return None if found is None else ImageStatistics(found, rate)


def stored_statistics(asset: Any, *, level: int = 0, bands: Sequence[int] | None = None) -> ImageStatistics | None:
    """Give the statistics that are stored with an image, of the bands asked for; None where there are none.

    They are those of full resolution; other levels, and adapters that change pixels, have none.
    """
    provider, level = look_through(asset, level)
    if level != 0 or isinstance(provider, ProviderView):
        return None
    found = None
    tags = getattr(provider, "picture_tags", None)
    if tags is not None:
        found = statistics_from_gdal_metadata(tags.bands)
    if found is None:
        found = statistics_from_gdal_metadata(fact(provider, "metadata"))
    if found is None or len(found.bands) != int(provider.num_bands):
        return None
    return found if bands is None else ImageStatistics([found.bands[band] for band in bands], found.sample_rate)


def bits_in_use(provider: Any) -> int | None:
    """Give the bits of an integer pixel that carry information, None where all do or the image does not say.

    From ``actual_bits_per_pixel``, a NITF's ABPP, or a TIFF's BitsPerSample (258).
    """
    dtype = dtype_of(provider)
    whole = dtype.itemsize * 8
    tags = fact(provider, "metadata")
    for said in (fact(provider, "actual_bits_per_pixel"), *(tags.get(key) for key in BIT_KEYS)):
        first = said[0] if isinstance(said, list | tuple) and said else said
        try:
            bits = int(str(first).strip())
        except ValueError:
            continue
        if 1 <= bits < whole:
            return bits
    return None


BIT_KEYS = ("ABPP", "NITF_ABPP", "258", 258, "BitsPerSample")


def _has_bins(stored: ImageStatistics, num_bins: int) -> bool:
    """Tell whether stored statistics have the bins asked for, or none were asked for."""
    return not num_bins or all(band.has_histogram and band.histogram.size == num_bins for band in stored.bands)


# ---- samples


def _some_blocks(image: MeasuredLevel, pieces: list[Piece], rate: float, seed: int) -> tuple[list[Piece], float]:
    """Choose a share of the stored pieces; give them with their share of the stored pixels."""
    stored = [piece for piece in pieces if image.stores(piece)]
    if not stored:
        return [], rate
    random = np.random.default_rng((seed, image.level))
    places = np.sort(random.choice(len(stored), max(round(rate * len(stored)), 1), replace=False))
    chosen = [stored[place] for place in places]
    return chosen, _pixels(image, chosen) / _pixels(image, stored)


def _quotas(image: MeasuredLevel, pieces: list[Piece], rate: float) -> tuple[dict[Piece, int], float]:
    """Divide a share of all pixels among the pieces; give it with the share that it came to."""
    sizes = [_pixels(image, [piece]) for piece in pieces]
    ends = np.cumsum(sizes)
    taken = np.maximum(np.rint(ends * rate).astype(np.int64), 1)
    quotas = np.diff(taken, prepend=0)
    return dict(zip(pieces, quotas.tolist(), strict=True)), float(taken[-1] / ends[-1])


def _pixels(image: MeasuredLevel, pieces: list[Piece]) -> int:
    windows = (image.window(piece) for piece in pieces)
    return sum(window.width * window.height for window in windows)


# ---- reading


class _Work:
    """The pieces of an image that are looked at, by some threads, in their order."""

    def __init__(
        self, image: MeasuredLevel, pieces: list[Piece], sample: dict[Piece, int] | None, *, seed: int, workers: int
    ) -> None:
        self.image, self.pieces = image, pieces
        self._sample, self._seed, self._workers = sample, seed, workers

    def each(self, task: Callable[[Piece], T]) -> Iterator[T]:
        """Do a task for every piece and give the results in order; no more are begun than threads can hold."""
        if self._workers < 2:
            yield from map(task, self.pieces)
            return
        begun: deque[Future[T]] = deque()
        with ThreadPoolExecutor(self._workers, "statistics") as pool:
            try:
                for piece in self.pieces:
                    begun.append(pool.submit(task, piece))
                    if len(begun) > 2 * self._workers:
                        yield begun.popleft().result()
                while begun:
                    yield begun.popleft().result()
            finally:
                for future in begun:
                    future.cancel()

    def read(self, piece: Piece) -> Iterator[tuple[NDArray[Any], NDArray[np.bool_] | None]]:
        """Read what is looked at of a piece: ``(bands, …)`` and its mask, which is None where all is valid."""
        if self._sample is None:
            yield from self.image.read(piece)
            return
        quota, window = self._sample[piece], self.image.window(piece)
        if not quota:
            return
        random = np.random.default_rng((self._seed, self.image.level, window.y, window.x))
        chosen = sample_pixels(window.height, window.width, quota / (window.width * window.height), random)
        passed = 0
        for pixels, mask in self.image.read(piece):
            here = pixels[0].size
            places = chosen[(chosen >= passed) & (chosen < passed + here)] - passed
            passed += here
            flat = pixels.reshape(len(pixels), -1)[:, places]
            yield flat, None if mask is None else mask.reshape(len(mask), -1)[:, places]


# ---- counting


def _counted(
    work: _Work, dtype: np.dtype[Any], *, num_bins: int, edges: list[Edges] | None, bit_depth: int | None
) -> list[BandStatistics] | None:
    """Count values: sums of whole numbers are the same in any order."""
    count = work.image.count
    totals = np.zeros((count, 1 << (8 * dtype.itemsize)), np.int64)
    lock = threading.Lock()

    def task(piece: Piece) -> bool:
        any_stored = False
        for pixels, mask in work.read(piece):
            any_stored = True
            for band in range(count):
                first, counts = count_range(pixels[band], None if mask is None else mask[band])
                with lock:
                    totals[band, first : first + counts.size] += counts
        return any_stored

    if not any(list(work.each(task))):
        return None
    return [
        band_from_counts(
            totals[band],
            dtype,
            num_bins=num_bins,
            edges=None if edges is None else edges[band],
            bit_depth=bit_depth,
        )
        for band in range(count)
    ]


def _binned(
    work: _Work, dtype: np.dtype[Any], *, num_bins: int, edges: list[Edges] | None
) -> list[BandStatistics] | None:
    """Find the range, then count into bins over it."""
    held = _Held(work)
    parts: list[list[Moments]] = [[] for _ in range(work.image.count)]
    any_stored = False
    for found in work.each(held.first):
        any_stored = any_stored or found is not None
        for band, moments in enumerate(found or ()):
            parts[band].append(moments)
    if not any_stored:
        return None
    told = [merge_moments(part) for part in parts]
    if edges is None:
        edges = [bins_over(dtype, moments.min, moments.max, num_bins) for moments in told]
    bins = edges
    totals = [np.zeros(edge.size - 1, np.int64) for edge in bins]

    def count(piece: Piece) -> list[Counts]:
        return [bin_counts(values, edge) for values, edge in zip(held.again(piece), bins, strict=True)]

    for counts in work.each(count):
        for band, part in enumerate(counts):
            totals[band] += part
    return [band_of(moments, total, edge) for moments, total, edge in zip(told, totals, bins, strict=True)]


class _Held:
    """Measurements, kept from the first pass to the second as long as there is room."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._room = HELD_BYTES
        self._kept: dict[Piece, list[NDArray[Any]]] = {}
        self._lock = threading.Lock()

    def first(self, piece: Piece) -> list[Moments] | None:
        """Read a piece and give the moments of its bands; None where nothing of it is stored."""
        values = self._values(piece)
        if values is None:
            return None
        size = sum(band.nbytes for band in values)
        with self._lock:
            fits = size <= self._room
            self._room -= size if fits else 0
        if fits:
            self._kept[piece] = values
        return [moments_of(band) for band in values]

    def again(self, piece: Piece) -> list[NDArray[Any]]:
        """Give the measurements of a piece once more, for the last time."""
        kept = self._kept.pop(piece, None)
        if kept is None:
            kept = self._values(piece)
        return [np.zeros(0)] * self._work.image.count if kept is None else kept

    def _values(self, piece: Piece) -> list[NDArray[Any]] | None:
        parts = [
            [measured(pixels[band], None if mask is None else mask[band]) for band in range(len(pixels))]
            for pixels, mask in self._work.read(piece)
        ]
        if not parts:
            return None
        # a provider's own memory may be used again for its next block
        return [np.concatenate([part[band] for part in parts]) for band in range(self._work.image.count)]
