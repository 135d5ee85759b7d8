"""Steps that scale brightness, mostly to another type: scale and offset, a straight line, a stretch.

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

from stacchip_osml.chain.curves import Curve, LinearCurve, RescaleCurve, draw
from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind
from stacchip_osml.chain.settings import (
    a_choice,
    a_dtype,
    a_number,
    band_numbers,
    for_each_band,
    highest_of,
    lowest_of,
)
from stacchip_osml.errors import ChainError

__all__ = [
    "KINDS",
    "Numbers",
    "drawn",
    "linear_step",
    "need_fit",
    "need_order",
    "need_real",
    "rescale_step",
    "rescaled",
    "scale_offset_step",
    "settle_fill",
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


def settle_fill(settings: dict[str, Any]) -> dict[str, Any]:
    """Write 0 for a fill that plays no part, since floats are filled with NaN."""
    return settings | {"fill": 0} if np.dtype(settings["dtype"]).kind == "f" else settings


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


def need_order(settings: Settings, hint: str = "") -> None:
    """Refuse a low limit above its high one, and different numbers of them.

    Raises:
        ChainError: either.
    """
    low, high = (value if isinstance(value, list) else [value] for value in (settings["low"], settings["high"]))
    if len(low) > 1 and len(high) > 1 and len(low) != len(high):
        raise ChainError(f"step {settings['step']!r}: {len(low)} low limits and {len(high)} high ones")
    count = max(len(low), len(high))
    if any(a > b for a, b in zip(low * (count // len(low)), high * (count // len(high)), strict=True)):
        raise ChainError(f"step {settings['step']!r}: a low limit lies above its high one{hint}")


def drawn(
    chip: BandedPixels, curves: Sequence[Curve], *, fill: float, keep: bool = True, is_value: bool = True
) -> BandedPixels:
    """Put each band through its curve; what is NaN is no longer valid. See :func:`draw` and ``renewed``."""
    source = chip.pixels.view(np.uint8) if chip.pixels.dtype.kind == "b" else chip.pixels
    pixels = draw(source, curves, keep=keep)
    mask = chip.mask
    if source.dtype.kind == "f":
        missing = np.isnan(source)
        mask = mask & ~missing if missing.any() else mask
    return chip.renewed(pixels, mask, fill=fill, is_value=is_value)


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
    return drawn(chip, curves, fill=settings["fill"])


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
    settle=settle_fill,
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
    need_order(settings, "; out_low above out_high is a negative")


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
    return drawn(chip, curves, fill=fill, keep=keep, is_value=first <= fill <= last)


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
    settle=settle_fill,
    check=_check_rescale,
)


KINDS = (SCALE_OFFSET, LINEAR, RESCALE)
