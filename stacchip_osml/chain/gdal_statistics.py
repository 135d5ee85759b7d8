"""Statistics as GDAL keeps them with an image, read and written.

Where they are found, by the names of GDAL's ``STATISTICS_`` items:

- a TIFF's tag 42112, XML of ``Item`` elements with a ``sample`` each;
- the text of an ``.aux.xml`` file, XML with a ``PAMRasterBand`` for each band;
- a mapping of items for each band, as a reader gives them.

Rules:

- the text comes from files; whatever is wrong with it, the answer is that there
  are no statistics;
- GDAL writes bins of whole numbers by the first and last number
  (``HISTOMIN`` 0, ``HISTOMAX`` 255, 256 bins), or from half below the first to
  half above the last (an ``.aux.xml``'s -0.5 to 255.5). Both mean 256 bins of
  width 1, the value itself their lower edge. All other bins are told by their
  outer edges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np

from stacchip_osml.chain.counting import Edges
from stacchip_osml.chain.gdal_items import ITEM_KEYS, Items, band_items
from stacchip_osml.chain.statistics import BandStatistics, ImageStatistics
from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.arguments import each_of, of_kind

__all__ = ["statistics_from_gdal_metadata", "statistics_to_gdal_metadata"]

PREFIX = "STATISTICS_"
MAX_BINS = 1 << 20


class _UnusableError(Exception):
    """There are no statistics in this."""


def statistics_from_gdal_metadata(md: Mapping[Any, Any] | Sequence[Mapping[Any, Any]] | str) -> ImageStatistics | None:
    """Read the statistics that GDAL, or :func:`statistics_to_gdal_metadata`, has written.

    Args:
        md: XML text; a mapping with it under ``GDAL_METADATA`` or ``42112``, or with the ``STATISTICS_`` items of
            the only band; or such a mapping for each band.

    Returns:
        A record for each band; None where there is none for some band, or anything is wrong with one. Without a
        histogram ``has_histogram`` is False: extremes and moments are known, and the percentiles that display needs
        are not. The count is then 0 where it is not told.
    """
    try:
        bands = _bands_of(md)
        if not bands:
            return None
        rates = [_number(band.get("STATISTICS_SAMPLE_RATE", "1")) for band in bands]
        found = ImageStatistics([_band(band) for band in bands], min(rates))
    except (_UnusableError, OverflowError, ValueError, KeyError):
        return None
    return found if 0 < found.sample_rate <= 1 else None


def statistics_to_gdal_metadata(stats: ImageStatistics) -> str:
    """Write statistics as the XML of a TIFF's tag 42112.

    GDAL reads the ``STATISTICS_`` items it knows; reading it back gives equal statistics. Items of our own tell what
    GDAL has no name for: the number of pixels, the sum of squared deviations, the sample rate, bin edges that are
    no whole numbers.

    Raises:
        ChainError: a band in which nothing was counted; there is nothing to write of it.
    """
    lines = ["<GDALMetadata>"]
    for sample, band in enumerate(of_kind("stats", stats, ImageStatistics, "ImageStatistics").bands):
        if not math.isfinite(band.min + band.max + band.mean + band.stddev):
            raise ChainError(f"band {sample} has no statistics to write: {band.count} pixels were counted")
        items = _items(band)
        if stats.sample_rate < 1:
            items |= {"STATISTICS_APPROXIMATE": "YES", "STATISTICS_SAMPLE_RATE": _text(stats.sample_rate)}
        lines += [
            f'  <Item name={quoteattr(name)} sample="{sample}">{escape(text)}</Item>' for name, text in items.items()
        ]
    return "\n".join([*lines, "</GDALMetadata>"]) + "\n"


# ---- writing


def _items(band: BandStatistics) -> Items:
    items = {
        "STATISTICS_MINIMUM": _text(band.min),
        "STATISTICS_MAXIMUM": _text(band.max),
        "STATISTICS_MEAN": _text(band.mean),
        "STATISTICS_STDDEV": _text(band.stddev),
        "STATISTICS_COUNT": str(band.count),
        "STATISTICS_M2": _text(band.m2),
    }
    edges = band.bin_edges
    if not band.histogram.size:
        return items
    whole = float(edges[0]).is_integer() and bool((np.diff(edges) == 1).all())
    items |= {
        "STATISTICS_HISTOMIN": _text(edges[0]),
        "STATISTICS_HISTOMAX": _text(edges[-1] - 1 if whole else edges[-1]),
        "STATISTICS_HISTONUMBINS": str(band.histogram.size),
        "STATISTICS_HISTOBINVALUES": "|".join(map(str, band.histogram.tolist())) + "|",
    }
    if not whole:
        even = np.array_equal(edges, np.linspace(edges[0], edges[-1], edges.size))
        items["STATISTICS_HISTOBINEDGES"] = "|".join(map(_text, edges[[0, -1]] if even else edges))
    return items


def _text(value: float) -> str:
    return f"{float(value):.17g}"


# ---- reading


def _bands_of(md: Any) -> list[Items]:
    """Give the ``STATISTICS_`` items of each band, in order."""
    if isinstance(md, str | bytes):
        return _in_order(md)
    if isinstance(md, Mapping):
        for key in ITEM_KEYS:
            if isinstance(md.get(key), str | bytes):
                return _in_order(md[key])
        items = _statistics(md)
        return [items] if items else []
    return [_statistics(band) for band in each_of("md", md, Mapping, "GDAL's metadata")]


def _in_order(text: str | bytes) -> list[Items]:
    found = {band: _statistics(items) for band, items in band_items(text).items()}
    told = [found.get(band, {}) for band in range(max(found, default=-1) + 1)]
    # items of other kinds may name bands of their own
    while told and not told[-1]:
        told.pop()
    return told


def _statistics(band: Mapping[Any, Any]) -> Items:
    return {key: str(value) for key, value in band.items() if isinstance(key, str) and key.startswith(PREFIX)}


def _band(items: Items) -> BandStatistics:
    low, high, mean, stddev = (_number(items[PREFIX + name]) for name in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV"))
    # a mean is rounded, and may then be beside the only value
    slack = 1e-6 * max(abs(low), abs(high), 1.0)
    if not low <= high or not low - slack <= mean <= high + slack or stddev < 0:
        raise _UnusableError
    histogram = np.zeros(0, np.int64)
    edges: Edges = np.zeros(1)
    if PREFIX + "HISTOBINVALUES" in items:
        histogram = _counts(items[PREFIX + "HISTOBINVALUES"])
        if histogram.size != int(items[PREFIX + "HISTONUMBINS"]):
            raise _UnusableError
        edges = _edges(items, histogram.size)
    count = int(items.get(PREFIX + "COUNT", int(histogram.sum())))
    m2 = _number(items[PREFIX + "M2"]) if PREFIX + "M2" in items else stddev * stddev * count
    if count < 0 or m2 < 0:
        raise _UnusableError
    return BandStatistics(low, high, mean, stddev, count, m2, histogram, edges)


def _counts(text: str) -> Any:
    words = text.strip().rstrip("|").split("|")
    if len(words) > MAX_BINS:
        raise _UnusableError
    counts = [int(word) for word in words]
    if min(counts) < 0 or sum(counts) >= 1 << 63:
        raise _UnusableError
    return np.array(counts, np.int64)


def _edges(items: Items, bins: int) -> Edges:
    first, last = _number(items[PREFIX + "HISTOMIN"]), _number(items[PREFIX + "HISTOMAX"])
    if PREFIX + "HISTOBINEDGES" in items:
        told = np.array([_number(word) for word in items[PREFIX + "HISTOBINEDGES"].split("|")])
        edges = np.linspace(told[0], told[-1], bins + 1) if told.size == 2 else told
        if edges.size != bins + 1 or (np.diff(edges) < 0).any():
            raise _UnusableError
        return edges
    if last - first == bins and (first + 0.5).is_integer():
        return first + 0.5 + np.arange(bins + 1, dtype=np.float64)
    if last - first == bins - 1 and first.is_integer():
        return first + np.arange(bins + 1, dtype=np.float64)
    if not first < last:
        raise _UnusableError
    return np.linspace(first, last, bins + 1)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _UnusableError
    return value
