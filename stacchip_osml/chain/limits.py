"""Steps that stretch between limits which the pixels themselves give: percentiles, extremes, dynamic range.

``resolve`` says whose pixels: ``chip``, the ones that the step is given, or
``item``, all of the image that a chip is cut from. The second needs numbers
from elsewhere: :func:`~stacchip_osml.chain.resolve` puts them in, and what
comes out is a ``rescale`` step, a chain of its own with an id of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.counting import count_values
from stacchip_osml.chain.dra import DRAParameters
from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind, is_whole
from stacchip_osml.chain.radiometry import need_fit, need_real, rescale_step, rescaled, settle_fill, stretch_settings
from stacchip_osml.chain.settings import a_choice, between
from stacchip_osml.chain.statistics import compute_statistics
from stacchip_osml.errors import ChainError

__all__ = ["KINDS", "dra_step", "minmax_step", "percentile_step"]

Limits = tuple[float, float]
Finder = Callable[[Settings, NDArray[Any]], Limits]

FEW = 4096
"""Values that are put in order sooner than counted."""
WHOSE = Setting(a_choice("chip", "item"), "chip", "whose pixels give the limits: the chip's or the whole item's")


def percentile_step(
    lower: float = 2,
    upper: float = 98,
    *,
    resolve: str = "chip",
    dtype: Any = "uint8",
    out_low: float | None = None,
    out_high: float | None = None,
    fill: float = 0,
) -> dict[str, Any]:
    """Define a stretch between two percentiles of each band's valid pixels.

    The percentile p is the smallest value that at least p of 100 values do not exceed: always a value of the image.

    Args:
        lower: 0 to 100.
        upper: ``lower`` to 100.
        resolve: ``chip`` or ``item``, see the module's head.
        dtype: as :func:`rescale_step` has it, like all that follow.
        out_low: what the lower percentile becomes.
        out_high: what the upper one becomes.
        fill: value of invalid pixels in an integer type.

    Raises:
        ChainError: an impossible setting.
    """
    return PERCENTILE.define(
        lower=lower, upper=upper, resolve=resolve, dtype=dtype, out_low=out_low, out_high=out_high, fill=fill
    )


def minmax_step(
    *,
    resolve: str = "chip",
    dtype: Any = "uint8",
    out_low: float | None = None,
    out_high: float | None = None,
    fill: float = 0,
) -> dict[str, Any]:
    """Define a stretch between the smallest and largest valid value of each band; see :func:`percentile_step`."""
    return MINMAX.define(resolve=resolve, dtype=dtype, out_low=out_low, out_high=out_high, fill=fill)


def dra_step(
    *,
    min_percentage: float = 0.02,
    max_percentage: float = 0.98,
    a: float = 0.2,
    b: float = 0.4,
    resolve: str = "chip",
    dtype: Any = "uint8",
    out_low: float | None = None,
    out_high: float | None = None,
    fill: float = 0,
) -> dict[str, Any]:
    """Define dynamic range adjustment: the stretch of :class:`DRAParameters`, whose settings the first four are.

    The rest is as :func:`percentile_step` has it.
    """
    return DRA.define(
        min_percentage=min_percentage, max_percentage=max_percentage, a=a, b=b,
        resolve=resolve, dtype=dtype, out_low=out_low, out_high=out_high, fill=fill,
    )  # fmt: skip


def _check_dra(settings: Settings) -> None:
    need_fit(settings, "out_low", "out_high", "fill")
    if settings["min_percentage"] >= settings["max_percentage"]:
        raise ChainError("step 'dra': the lower share must lie below the upper one")


def _check_percentiles(settings: Settings) -> None:
    need_fit(settings, "out_low", "out_high", "fill")
    if settings["lower"] > settings["upper"]:
        raise ChainError("step 'percentile': the lower percentile lies above the upper one")


def _output(settings: Settings, spec: Spec) -> Spec:
    need_real(settings, spec)
    return Spec(spec.bands, np.dtype(settings["dtype"]))


def _by_chip(find: Finder) -> Callable[[Settings, BandedPixels], BandedPixels]:
    """Give the function that stretches a chip by its own limits."""

    def apply(settings: Settings, chip: BandedPixels) -> BandedPixels:
        if settings["resolve"] != "chip":
            raise ChainError(
                f"step {settings['step']!r} takes its limits from the whole item, and they are not in this chain: "
                "resolve(definition, statistics) puts them in"
            )
        limits = [find(settings, _valid(*pair)) for pair in zip(chip.pixels, chip.mask, strict=True)]
        return rescaled(settings, chip, limits, keep=False)

    return apply


def _valid(band: NDArray[Any], mask: NDArray[np.bool_]) -> NDArray[Any]:
    values: NDArray[Any] = band.reshape(-1) if is_whole(mask) else band[mask]
    if values.dtype.kind == "f":
        finite = np.isfinite(values)
        values = values if finite.all() else values[finite]
    return values


def _percentiles(settings: Settings, values: NDArray[Any]) -> Limits:
    if not values.size:
        return 0.0, 0.0
    if _has_codes(values) and values.size > FEW:
        first = 0 if values.dtype.kind == "u" else int(np.iinfo(values.dtype).min)
        below = np.cumsum(count_values(values))
        low, high = (
            int(np.searchsorted(below, _place(settings[key], values.size), side="right")) for key in ("lower", "upper")
        )
        return float(low + first), float(high + first)
    places = sorted({_place(settings[key], values.size) for key in ("lower", "upper")})
    part = np.partition(values, places)
    return float(part[places[0]]), float(part[places[-1]])


def _has_codes(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "iu" and values.dtype.itemsize <= 2


def _place(percent: float, count: int) -> int:
    """Give the place, in order, of the smallest value that this share of all does not exceed."""
    return min(max(math.ceil(percent * count / 100) - 1, 0), count - 1)


def _extremes(_: Settings, values: NDArray[Any]) -> Limits:
    return (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)


def _resolved(find: Callable[[Settings, Any], Limits]) -> Callable[[Settings, Sequence[Any]], Mapping[str, Any]]:
    """Give the function that puts limits found in statistics into a definition."""

    def resolve(settings: Settings, bands: Sequence[Any]) -> Mapping[str, Any]:
        limits = [find(settings, band) if _is_known(band) else (0.0, 0.0) for band in bands]
        kept = {key: settings[key] for key in ("dtype", "out_low", "out_high", "fill")}
        return rescale_step(low=[low for low, _ in limits], high=[high for _, high in limits], **kept)

    return resolve


def _is_known(band: Any) -> bool:
    return math.isfinite(band.min) and math.isfinite(band.max)


def _histogram_percentiles(settings: Settings, band: Any) -> Limits:
    counts, edges = np.asarray(band.histogram), np.asarray(band.bin_edges)
    below = np.cumsum(counts)
    if not below.size or below[-1] == 0:
        raise ChainError("step 'percentile' needs statistics with a histogram")
    low, high = (_at(settings[key], counts, below, edges) for key in ("lower", "upper"))
    return max(low, band.min), max(min(high, band.max), low, band.min)


def _at(percent: float, counts: NDArray[Any], below: NDArray[Any], edges: NDArray[Any]) -> float:
    place = _place(percent, int(below[-1]))
    number = int(np.searchsorted(below, place, side="right"))
    first, last = float(edges[number]), float(edges[number + 1])
    if last - first == 1 and first.is_integer():
        return first  # a bin of one whole number holds just that
    inside = (place + 1 - (below[number] - counts[number])) / counts[number]
    return float(first + (last - first) * inside)


def _adjusted(settings: Settings, values: NDArray[Any]) -> Limits:
    if not values.size:
        return 0.0, 0.0
    if _has_codes(values):
        info = np.iinfo(values.dtype)
        counts = count_values(values)
        return DRAParameters.from_counts(counts, info.min, info.max + 1, **_shares(settings)).limits("dra")
    (band,) = compute_statistics(values.reshape(1, 1, -1)).bands
    return _suggested(settings, band)


def _suggested(settings: Settings, band: Any) -> Limits:
    return DRAParameters.from_statistics(band, **_shares(settings)).limits("dra")


def _shares(settings: Settings) -> dict[str, float]:
    return {key: settings[key] for key in ("min_percentage", "max_percentage", "a", "b")}


PERCENTILE = StepKind(
    name="percentile",
    version=1,
    about="a stretch between two percentiles of each band",
    settings={
        "lower": Setting(between(0, 100), 2, "percent"),
        "upper": Setting(between(0, 100), 98, "percent"),
        "resolve": WHOSE,
        **stretch_settings(),
    },
    output=_output,
    apply=_by_chip(_percentiles),
    settle=settle_fill,
    check=_check_percentiles,
    resolve=_resolved(_histogram_percentiles),
)

MINMAX = StepKind(
    name="minmax",
    version=1,
    about="a stretch between the smallest and largest value of each band",
    settings={"resolve": WHOSE, **stretch_settings()},
    output=_output,
    apply=_by_chip(_extremes),
    settle=settle_fill,
    check=lambda settings: need_fit(settings, "out_low", "out_high", "fill"),
    resolve=_resolved(lambda _, band: (float(band.min), float(band.max))),
)

DRA = StepKind(
    name="dra",
    version=1,
    about="dynamic range adjustment: most of the pixels, and a little more on both sides",
    settings={
        "min_percentage": Setting(between(0, 1), 0.02, "share of the pixels below"),
        "max_percentage": Setting(between(0, 1), 0.98, "share of the pixels below"),
        "a": Setting(between(0, 1000), 0.2, "share of the range added below"),
        "b": Setting(between(0, 1000), 0.4, "share of the range added above"),
        "resolve": WHOSE,
        **stretch_settings(),
    },
    output=_output,
    apply=_by_chip(_adjusted),
    settle=settle_fill,
    check=_check_dra,
    resolve=_resolved(_suggested),
)

KINDS = (PERCENTILE, MINMAX, DRA)
