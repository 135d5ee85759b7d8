"""Steps that change how bright pixels are: scale and offset, rescaling, clipping, gamma.

All of them need real pixels. Integers are computed in float64, rounded half to
even and kept inside their type; what is not valid comes out as NaN in float
and as ``fill`` in integers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.curves import Curve, GammaCurve, LinearCurve, RescaleCurve, draw
from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind
from stacchip_osml.chain.settings import (
    a_choice,
    a_dtype,
    a_number,
    a_positive,
    band_numbers,
    for_each_band,
    highest_of,
    lowest_of,
)
from stacchip_osml.errors import ChainError

__all__ = [
    "KINDS",
    "clip_step",
    "gamma_step",
    "linear_step",
    "need_real",
    "rescale_step",
    "rescaled",
    "scale_offset_step",
    "stretch_settings",
]

Numbers = float | Sequence[float] | NDArray[Any]


def need_real(settings: Settings, spec: Spec) -> Spec:
    """Refuse complex pixels.

    Raises:
        ChainError: they are.
    """
    if spec.dtype.kind == "c":
        raise ChainError(f"{settings['step']} needs real pixels, got {spec.dtype}")
    return spec


# scale_offset


def scale_offset_step() -> dict[str, Any]:
    """Define the step that turns stored values into physical ones (float32), by each band's own scale and offset."""
    return SCALE_OFFSET.define()


def _physical(settings: Settings, spec: Spec) -> Spec:
    need_real(settings, spec)
    is_wide = spec.dtype.itemsize > 4 or spec.dtype in (np.int32, np.uint32)
    return Spec(spec.bands, np.dtype(np.float64 if is_wide else np.float32))


def _scale_offset(settings: Settings, chip: BandedPixels) -> BandedPixels:
    wide = _physical(settings, Spec.of(chip)).dtype
    scale = np.asarray(chip.scales, dtype=np.float64)[:, None, None].astype(wide)
    offset = np.asarray(chip.offsets, dtype=np.float64)[:, None, None].astype(wide)
    pixels: NDArray[Any] = chip.pixels.astype(wide)
    pixels *= scale
    pixels += offset
    pixels[~chip.mask] = np.nan
    bands = len(pixels)
    return replace(chip, pixels=pixels, scales=(1.0,) * bands, offsets=(0.0,) * bands, nodata=(float("nan"),) * bands)


SCALE_OFFSET = StepKind(
    name="scale_offset",
    version=1,
    about="stored values to physical ones, by each band's own scale and offset",
    settings={"resolve": Setting(a_choice("item"), "item", "the numbers are those of the item's bands")},
    output=_physical,
    apply=_scale_offset,
)


# linear


def linear_step(*, scale: Numbers = 1, offset: Numbers = 0, dtype: Any = "float32", fill: float = 0) -> dict[str, Any]:
    """Define value × scale + offset, with stated numbers, in a stated type.

    Args:
        scale: one for all bands, or one a band.
        offset: as ``scale``.
        dtype: of the result; integers are rounded and kept inside their range.
        fill: value of invalid pixels in an integer type.

    Raises:
        ChainError: an impossible setting.
    """
    return LINEAR.define(scale=scale, offset=offset, dtype=dtype, fill=fill)


def _as_stated(settings: Settings, spec: Spec) -> Spec:
    need_real(settings, spec)
    for key in ("scale", "offset", "low", "high"):
        if settings.get(key) is not None:
            for_each_band(settings, key, spec)
    return Spec(spec.bands, np.dtype(settings["dtype"]))


def _linear(settings: Settings, chip: BandedPixels) -> BandedPixels:
    spec = Spec.of(chip)
    numbers = zip(for_each_band(settings, "scale", spec), for_each_band(settings, "offset", spec), strict=True)
    curves = [LinearCurve(scale, offset, settings["dtype"]) for scale, offset in numbers]
    return _drawn(chip, curves, fill=settings["fill"])


LINEAR = StepKind(
    name="linear",
    version=1,
    about="value × scale + offset, as another type",
    settings={
        "scale": Setting(band_numbers, 1, "one for all bands, or one a band"),
        "offset": Setting(band_numbers, 0, "as scale"),
        "dtype": Setting(a_dtype, "float32", "type of the result"),
        "fill": Setting(a_number, 0, "value of invalid pixels in integer types"),
    },
    output=_as_stated,
    apply=_linear,
    check=lambda settings: need_fit(settings, "fill"),
)


# rescale


def rescale_step(
    *,
    low: Numbers,
    high: Numbers,
    dtype: Any = "uint8",
    out_low: float | None = None,
    out_high: float | None = None,
    fill: float = 0,
) -> dict[str, Any]:
    """Define the straight line that takes ``low`` to ``out_low`` and ``high`` to ``out_high``.

    It is what dynamic range adjustment and a min-max stretch come to when
    their limits are known. Beyond the limits the ends stand; a range of one
    value gives middle grey; ``out_low`` above ``out_high`` is a negative.

    Args:
        low: one for all bands, or one a band.
        high: as ``low``, none below it.
        dtype: of the result.
        out_low: 0 by default.
        out_high: by default the largest value of an integer type, and 1 for float.
        fill: value of invalid pixels in an integer type.

    Raises:
        ChainError: an impossible setting.
    """
    return RESCALE.define(low=low, high=high, dtype=dtype, out_low=out_low, out_high=out_high, fill=fill)


def stretch_settings() -> dict[str, Setting]:
    """Give the settings of what every stretch writes."""
    return {
        "dtype": Setting(a_dtype, "uint8", "type of the result"),
        "out_low": Setting(a_number, lowest_of, "what the low limit becomes; 0"),
        "out_high": Setting(a_number, highest_of, "what the high limit becomes; the type's largest, 1 for float"),
        "fill": Setting(a_number, 0, "value of invalid pixels in integer types"),
    }


def _check_rescale(settings: Settings) -> None:
    need_fit(settings, "out_low", "out_high", "fill")
    _need_order(settings, "; out_low above out_high is a negative")


def _rescale(settings: Settings, chip: BandedPixels) -> BandedPixels:
    spec = Spec.of(chip)
    limits = zip(for_each_band(settings, "low", spec), for_each_band(settings, "high", spec), strict=True)
    return rescaled(settings, chip, list(limits))


def rescaled(
    settings: Settings, chip: BandedPixels, limits: Sequence[tuple[float, float]], *, keep: bool = True
) -> BandedPixels:
    """Rescale by limits found elsewhere; ``settings`` are those of :func:`stretch_settings`."""
    out_low, out_high, dtype, fill = (settings[key] for key in ("out_low", "out_high", "dtype", "fill"))
    curves = [RescaleCurve(low, high, out_low, out_high, dtype) for low, high in limits]
    first, last = sorted((out_low, out_high))
    return _drawn(chip, curves, fill=fill, keep=keep, is_value=first <= fill <= last)


RESCALE = StepKind(
    name="rescale",
    version=1,
    about="low to high becomes out_low to out_high: a stretch with known limits",
    settings={
        "low": Setting(band_numbers, about="one for all bands, or one a band"),
        "high": Setting(band_numbers, about="as low, none below it"),
        **stretch_settings(),
    },
    output=_as_stated,
    apply=_rescale,
    check=_check_rescale,
)


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
        _need_order(settings)


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
    return _drawn(chip, [curve] * len(chip.pixels), fill=0)


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


def need_fit(settings: Settings, *keys: str) -> None:
    """Refuse numbers that the stated integer type cannot hold.

    Raises:
        ChainError: one of them.
    """
    least, most = _range_of(settings["dtype"])
    for key in keys:
        value = settings[key]
        if not least <= value <= most or (most < math.inf and value != int(value)):
            raise ChainError(f"{key!r} of step {settings['step']!r}: {value} is no value of {settings['dtype']}")


@cache
def _range_of(dtype: str) -> tuple[float, float]:
    kind: np.dtype[Any] = np.dtype(dtype)
    return (int(np.iinfo(kind).min), int(np.iinfo(kind).max)) if kind.kind in "iu" else (-math.inf, math.inf)


def _need_order(settings: Settings, hint: str = "") -> None:
    low, high = (value if isinstance(value, list) else [value] for value in (settings["low"], settings["high"]))
    if len(low) > 1 and len(high) > 1 and len(low) != len(high):
        raise ChainError(f"step {settings['step']!r}: {len(low)} low limits and {len(high)} high ones")
    count = max(len(low), len(high))
    if any(a > b for a, b in zip(low * (count // len(low)), high * (count // len(high)), strict=True)):
        raise ChainError(f"step {settings['step']!r}: a low limit lies above its high one{hint}")


def _drawn(
    chip: BandedPixels, curves: Sequence[Curve], *, fill: float, keep: bool = True, is_value: bool = True
) -> BandedPixels:
    source = chip.pixels.view(np.uint8) if chip.pixels.dtype.kind == "b" else chip.pixels
    pixels = draw(source, curves, keep=keep)
    mask = chip.mask
    if source.dtype.kind == "f":
        missing = np.isnan(source)
        mask = mask & ~missing if missing.any() else mask
    return chip.renewed(pixels, mask, fill=fill, is_value=is_value)


KINDS = (SCALE_OFFSET, LINEAR, RESCALE, CLIP, GAMMA)
