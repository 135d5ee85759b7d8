"""Dynamic range adjustment: which values of an image become black and white.

After the SIPS standard (NGA.STND.0014), part DRA: the range that holds most of
the pixels, widened by a part of itself on both sides, within the range of all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.chain.curves import RescaleCurve, as_type
from stacchip_osml.chain.kinds import pixel_dtype
from stacchip_osml.chain.lut import apply_lut
from stacchip_osml.chain.settings import finite
from stacchip_osml.chain.statistics import BandStatistics
from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import number_array, real_number

__all__ = ["ADJUSTMENTS", "DRAParameters", "dynamic_range_adjust"]

ADJUSTMENTS = ("dra", "minmax")
"""Ways to choose black and white."""


@dataclass(frozen=True, slots=True)
class DRAParameters:
    """The ranges of a band: of most of its pixels, and of all."""

    suggested_min: float
    """What becomes black."""
    suggested_max: float
    """What becomes white; never below ``suggested_min``."""
    actual_min: float
    """The smallest value that occurs."""
    actual_max: float
    """The largest value that occurs."""

    def __post_init__(self) -> None:
        for name in ("suggested_min", "suggested_max", "actual_min", "actual_max"):
            object.__setattr__(self, name, real_number(name, getattr(self, name)))
        if not (self.suggested_min <= self.suggested_max and self.actual_min <= self.actual_max):
            raise ChainError(f"ranges go from a number to one that is not below it, got {self}")

    @classmethod
    def from_counts(  # noqa: PLR0917 - the documented order
        cls,
        counts: Sequence[int] | NDArray[Any],
        first_bucket_value: float | None = None,
        last_bucket_value: float | None = None,
        min_percentage: float = 0.02,
        max_percentage: float = 0.98,
        a: float = 0.2,
        b: float = 0.4,
    ) -> DRAParameters:
        """Choose the ranges by a histogram of even bins.

        ``e_min`` is the first bin up to which at least ``min_percentage`` of the pixels lie, ``e_max`` the last up to
        which at most ``max_percentage`` do. Black is ``a`` times their distance below, white ``b`` times above, both
        within what occurs. Where ``e_max`` is not above ``e_min`` (a constant image, a mask with few ones), black and
        white are the smallest and the largest value that occur.

        Args:
            counts: pixels in each bin.
            first_bucket_value: lower edge of the first bin; 0 by default.
            last_bucket_value: upper edge of the last bin; the number of bins by default, so that bins are values.
            min_percentage: share of the pixels, 0 to 1.
            max_percentage: share of the pixels, above the other.
            a: share of the range, 0 or more.
            b: share of the range, 0 or more.

        Raises:
            ChainError: (a ValueError) no pixel was counted, or a setting is out of range.
        """
        seen = number_array("counts", counts, kinds="iuf", wanted="counts")
        if seen.ndim != 1 or not seen.size:
            raise ChainError(f"a histogram is one row of counts, got {seen.shape}")
        first = 0.0 if first_bucket_value is None else finite("first_bucket_value", first_bucket_value)
        last = float(seen.size) if last_bucket_value is None else finite("last_bucket_value", last_bucket_value)
        if not first < last:
            raise ChainError(f"the bins of a histogram go from a number to a larger one, got {first} to {last}")
        values = first + np.arange(seen.size) * ((last - first) / seen.size)
        return _ranges(seen, values, shares=(min_percentage, max_percentage), widen=(a, b))

    @classmethod
    def from_statistics(
        cls,
        band: BandStatistics,
        *,
        min_percentage: float = 0.02,
        max_percentage: float = 0.98,
        a: float = 0.2,
        b: float = 0.4,
    ) -> DRAParameters:
        """Choose the ranges by a band's statistics; see :meth:`from_counts`.

        The extremes are the band's own and not those of its bins, which may be uneven.

        Raises:
            ChainError: (a ValueError) statistics without a histogram, or a setting that is out of range.
        """
        if not of_kind("band", band, BandStatistics, "BandStatistics").has_histogram:
            raise ChainError("statistics without a histogram are of no use for DRA; compute them with one")
        shares, widen = (min_percentage, max_percentage), (a, b)
        return _ranges(band.histogram, band.bin_edges[:-1], shares=shares, widen=widen, extremes=band)

    def limits(self, range_adjustment: str = "dra") -> tuple[float, float]:
        """Give black and white: the suggested values (``dra``), or the actual ones (``minmax``).

        Raises:
            ChainError: (a ValueError) another adjustment.
        """
        if not isinstance(range_adjustment, str) or range_adjustment not in ADJUSTMENTS:
            raise ChainError(f"range_adjustment must be {' or '.join(ADJUSTMENTS)}, got {range_adjustment!r}")
        if range_adjustment == "dra":
            return self.suggested_min, self.suggested_max
        return self.actual_min, self.actual_max

    def build_lut(
        self, input_dtype: DTypeLike, output_dtype: DTypeLike = np.uint8, range_adjustment: str = "dra"
    ) -> NDArray[Any]:
        """Write the output of every value of a type into a table for :func:`stacchip_osml.chain.apply_lut`.

        Black becomes 0 and white the largest value of the output (1.0 of a floating-point one), linearly between,
        rounded to the nearest. Where black is white, that value becomes the middle, what is below 0, and above the
        largest.

        Args:
            input_dtype: an integer type of up to 16 bits.
            output_dtype: an integer type of up to 32 bits, or a floating-point one.
            range_adjustment: ``dra`` for the suggested range, ``minmax`` for the actual one.

        Returns:
            One entry for each value of ``input_dtype``; the first belongs to its smallest, -32,768 for int16.

        Raises:
            ChainError: (a ValueError) a type with more values, no output type, or another adjustment.
        """
        source, output = pixel_dtype(input_dtype), pixel_dtype(output_dtype)
        if source.kind not in "ui" or source.itemsize > 2:
            raise ChainError(f"a table is for integers of up to 16 bits, got {source}; stretch its pixels instead")
        if output.kind not in "uif" or (output.kind != "f" and output.itemsize > 4):
            raise ChainError(f"a table gives integers of up to 32 bits or floating point, not {output}")
        info = np.iinfo(source)
        low, high = self.limits(range_adjustment)
        curve = RescaleCurve(low, high, 0.0, 1.0 if output.kind == "f" else float(np.iinfo(output).max), output.name)
        return as_type(curve(np.arange(info.min, info.max + 1, dtype=np.float64)), output)


def dynamic_range_adjust(image: NDArray[Any], luts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Replace the values of each band by their entries in its table.

    Args:
        image: ``(bands, rows, cols)`` or ``(rows, cols)``, integers of up to 16 bits.
        luts: one a band, as :meth:`DRAParameters.build_lut` gives them.

    Returns:
        An array of the image's shape and the tables' dtype.

    Raises:
        ChainError: (a ValueError) another number of tables, tables of several types, or of another type's size.
    """
    image = number_array("image", image)
    luts = [number_array("luts", lut) for lut in each_of("luts", luts, np.ndarray, "tables, one a band")]
    if image.ndim not in (2, 3):
        raise ChainError(f"dynamic range adjustment needs (bands, rows, cols), got an array of shape {image.shape}")
    bands = image[np.newaxis] if image.ndim == 2 else image
    if len(bands) != len(luts):
        raise ChainError(f"an image of {len(bands)} bands needs as many tables, got {len(luts)}")
    if len({lut.dtype for lut in luts}) > 1:
        raise ChainError(f"tables of several types: {', '.join(sorted({str(lut.dtype) for lut in luts}))}")
    if not len(bands):
        raise ChainError("an image without bands has no range to adjust")
    result = np.empty(bands.shape, luts[0].dtype)
    for out, band, lut in zip(result, bands, luts, strict=True):
        out[...] = apply_lut(band, lut)
    return result.reshape(image.shape)


def _ranges(
    counts: NDArray[Any],
    values: NDArray[Any],
    *,
    shares: tuple[float, float],
    widen: tuple[float, float],
    extremes: BandStatistics | None = None,
) -> DRAParameters:
    shares = real_number("min_percentage", shares[0]), real_number("max_percentage", shares[1])
    widen = finite("a", widen[0]), finite("b", widen[1])
    if not 0 <= shares[0] < shares[1] <= 1:
        raise ChainError(f"the shares of DRA are numbers from 0 to 1 that rise, got {shares[0]} and {shares[1]}")
    if not all(share >= 0 for share in widen):
        raise ChainError(f"a and b of DRA are 0 or more, got {widen[0]} and {widen[1]}")
    (used,) = np.nonzero(counts)
    if not used.size or not counts.min() >= 0:
        raise ChainError("DRA needs the counts of at least one pixel, none of them negative")
    below = np.cumsum(counts.astype(np.float64))
    total = below[-1]
    low, high = float(values[used[0]]), float(values[used[-1]])
    if extremes is not None and extremes.min <= extremes.max:
        low, high = extremes.min, extremes.max
    first = int(np.argmax(below >= shares[0] * total))
    last = int(np.searchsorted(below, shares[1] * total, side="right")) - 1
    if last <= first:
        return DRAParameters(low, high, low, high)
    e_min, e_max = float(values[first]), float(values[last])
    suggested_min = max(low, e_min - widen[0] * (e_max - e_min))
    suggested_max = min(high, e_max + widen[1] * (e_max - e_min))
    if not suggested_min < suggested_max:  # stored extremes beside the bins
        return DRAParameters(low, high, low, high)
    return DRAParameters(suggested_min, suggested_max, low, high)
