"""Steps that bend brightness and keep its type: clipping, gamma."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from stacchip_osml.chain.curves import GammaCurve
from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind
from stacchip_osml.chain.radiometry import Numbers, drawn, need_order, need_real
from stacchip_osml.chain.settings import a_number, a_positive, band_numbers, for_each_band, highest_of
from stacchip_osml.errors import ChainError

__all__ = ["KINDS", "clip_step", "gamma_step"]

# clip


def clip_step(*, low: Numbers | None = None, high: Numbers | None = None) -> dict[str, Any]:
    """Define the step that keeps values between limits; the type stays.

    Args:
        low: one for all bands, one a band, or None for no limit.
        high: as ``low``.

    Raises:
        ChainError: an impossible setting, or no limit at all.
    """
    return CLIP.define(low=low, high=high)


def _check_clip(settings: Settings) -> None:
    low, high = settings["low"], settings["high"]
    if low is None and high is None:
        raise ChainError("step 'clip' needs a low or a high limit")
    if low is not None and high is not None:
        need_order(settings)


def _clipped_spec(settings: Settings, spec: Spec) -> Spec:
    need_real(settings, spec)
    if spec.dtype.kind == "b":
        raise ChainError("clip needs numbers, got bool")
    for key in ("low", "high"):
        if settings[key] is not None:
            for_each_band(settings, key, spec)
    return spec


def _clip(settings: Settings, chip: BandedPixels) -> BandedPixels:
    spec = Spec.of(chip)
    lows, highs = (
        for_each_band(settings, key, spec) if settings[key] is not None else [None] * spec.bands
        for key in ("low", "high")
    )
    pixels = np.empty_like(chip.pixels)
    nodata: list[float | complex | None] = []
    for band, low, high, target, stored in zip(chip.pixels, lows, highs, pixels, chip.nodata, strict=True):
        least, most = _inside(low, high, spec.dtype)
        np.clip(band, least, most, out=target)
        # a limit that is the nodata value would call valid pixels invalid
        nodata.append(None if stored in (least, most) else stored)
    np.copyto(pixels, chip.pixels, where=~chip.mask)
    return replace(chip, pixels=pixels, nodata=tuple(nodata))


def _inside(low: float | None, high: float | None, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    """Give the limits as numbers of a type; an integer type's own where they lie beyond it."""
    if dtype.kind not in "iu":
        return (None if low is None else dtype.type(low)), (None if high is None else dtype.type(high))
    info = np.iinfo(dtype)
    least = info.min if low is None else min(max(int(np.ceil(low)), info.min), info.max)
    most = info.max if high is None else min(max(int(np.floor(high)), info.min), info.max)
    return dtype.type(least), dtype.type(max(least, most))


CLIP = StepKind(
    name="clip",
    version=1,
    about="keeps values between limits; the type stays",
    settings={
        "low": Setting(band_numbers, None, "one for all bands, one a band, or null for no limit"),
        "high": Setting(band_numbers, None, "as low"),
    },
    output=_clipped_spec,
    apply=_clip,
    check=_check_clip,
)


# gamma


def gamma_step(gamma: float, *, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    """Define a gamma curve: the share of the way from ``low`` to ``high``, to the power 1 / gamma; the type stays.

    Args:
        gamma: above 1 makes middle tones brighter.
        low: 0 by default.
        high: by default the largest value of an integer type, and 1 for float.

    Raises:
        ChainError: an impossible setting.
    """
    return GAMMA.define(gamma=gamma, low=low, high=high)


def _check_gamma(settings: Settings) -> None:
    if settings["high"] is not None and settings["low"] >= settings["high"]:
        raise ChainError("step 'gamma': the low end must lie below the high one")


def _bent_spec(settings: Settings, spec: Spec) -> Spec:
    need_real(settings, spec)
    if spec.dtype.kind == "b" or spec.dtype in (np.int64, np.uint64):
        raise ChainError(f"gamma needs numbers of at most 32 bits, or float, got {spec.dtype}")
    if settings["low"] >= _top(settings, spec.dtype):
        raise ChainError(f"step 'gamma': the low end {settings['low']} lies above what {spec.dtype} holds")
    return spec


def _top(settings: Settings, dtype: np.dtype[Any]) -> float:
    return highest_of({"dtype": dtype}) if settings["high"] is None else float(settings["high"])


def _gamma(settings: Settings, chip: BandedPixels) -> BandedPixels:
    dtype = chip.pixels.dtype
    curve = GammaCurve(settings["low"], _top(settings, dtype), settings["gamma"], dtype.name)
    return drawn(chip, [curve] * len(chip.pixels), fill=0)


GAMMA = StepKind(
    name="gamma",
    version=1,
    about="middle tones brighter (above 1) or darker; the type stays",
    settings={
        "gamma": Setting(a_positive, about="the power is 1 / gamma"),
        "low": Setting(a_number, 0, "stays as it is"),
        "high": Setting(a_number, None, "stays as it is; null: an integer type's largest value, 1 for float"),
    },
    output=_bent_spec,
    apply=_gamma,
    check=_check_gamma,
)

KINDS = (CLIP, GAMMA)
