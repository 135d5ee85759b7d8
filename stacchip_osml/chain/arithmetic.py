"""Steps that choose bands, fill masked pixels, and compute between bands: select, mask_fill, differences, decibels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.kinds import BandedPixels, Setting, Settings, Spec, StepKind
from stacchip_osml.chain.radiometry import Numbers, need_real
from stacchip_osml.chain.settings import (
    a_choice,
    a_number,
    a_positive,
    band_numbers,
    bands_of,
    for_each_band,
    whole_number,
)
from stacchip_osml.errors import ChainError

__all__ = [
    "KINDS",
    "band_select_step",
    "decibel_step",
    "mask_fill_step",
    "normalized_difference_step",
]


# select


def band_select_step(bands: Sequence[int]) -> dict[str, Any]:
    """Define the choice of bands.

    Args:
        bands: 0-based, in the order wanted; one may come twice.

    Raises:
        ChainError: no bands, or no band numbers.
    """
    return SELECT.define(bands=bands)


def _selected_spec(settings: Settings, spec: Spec) -> Spec:
    bands = settings["bands"]
    if max(bands) >= spec.bands:
        raise ChainError(f"step 'select': band {max(bands)} of pixels that have {spec.bands}, counted from 0")
    return Spec(len(bands), spec.dtype)


SELECT = StepKind(
    name="select",
    version=1,
    about="some bands, in a chosen order",
    settings={"bands": Setting(bands_of, about="0-based")},
    output=_selected_spec,
    apply=lambda settings, chip: chip.selected(settings["bands"]),
    keeps_values=True,
)


# mask_fill


def mask_fill_step(value: Numbers) -> dict[str, Any]:
    """Define the value that stands where pixels are invalid; they stay invalid, and it becomes their nodata value.

    Args:
        value: one for all bands, or one a band; the pixels' type must hold it.

    Raises:
        ChainError: no number.
    """
    return MASK_FILL.define(value=value)


def _filled_spec(settings: Settings, spec: Spec) -> Spec:
    for value in for_each_band(settings, "value", spec):
        if not _holds(spec.dtype, value):
            raise ChainError(f"step 'mask_fill': {value} is no value of {spec.dtype}")
    return spec


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    if dtype.kind not in "iub":
        return abs(value) <= float(np.finfo(dtype).max)
    least, most = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    return value == int(value) and bool(least <= value <= most)


def _mask_fill(settings: Settings, chip: BandedPixels) -> BandedPixels:
    values = for_each_band(settings, "value", Spec.of(chip))
    column = np.array([chip.pixels.dtype.type(value) for value in values], chip.pixels.dtype)[:, None, None]
    return replace(chip, pixels=np.where(chip.mask, chip.pixels, column), nodata=tuple(values))


MASK_FILL = StepKind(
    name="mask_fill",
    version=1,
    about="the value that stands where pixels are invalid",
    settings={"value": Setting(band_numbers, about="one for all bands, or one a band")},
    output=_filled_spec,
    apply=_mask_fill,
    keeps_values=True,
)


# normalized_difference


def normalized_difference_step(a: int = 0, b: int = 1) -> dict[str, Any]:
    """Define ``(a - b) / (a + b)`` of two bands: one band of float; invalid where ``a + b`` is 0.

    It counts with the values that it gets: where bands have an offset, let
    ``scale_offset`` come before it.

    Args:
        a: 0-based band, such as near infrared.
        b: 0-based band, such as red.

    Raises:
        ChainError: no band numbers.
    """
    return NORMALIZED_DIFFERENCE.define(a=a, b=b)


def _wide(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Give float32 where it holds every value of a type, else float64."""
    return np.dtype(np.float32) if np.can_cast(dtype, np.float32) else np.dtype(np.float64)


def _difference_spec(settings: Settings, spec: Spec) -> Spec:
    need_real(settings, spec)
    if max(settings["a"], settings["b"]) >= spec.bands:
        raise ChainError(f"step {settings['step']!r}: bands {settings['a']} and {settings['b']} of {spec.bands}")
    return Spec(1, _wide(spec.dtype))


def _normalized_difference(settings: Settings, chip: BandedPixels) -> BandedPixels:
    first, second = settings["a"], settings["b"]
    dtype = _wide(chip.pixels.dtype)
    a, b = (chip.pixels[band : band + 1].astype(dtype) for band in (first, second))
    mask = chip.mask[first : first + 1] & chip.mask[second : second + 1]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        total = a + b
        mask &= total != 0
        a -= b
        a /= total
    return chip.renewed(a, mask)


NORMALIZED_DIFFERENCE = StepKind(
    name="normalized_difference",
    version=1,
    about="(a - b) / (a + b) of two bands",
    settings={
        "a": Setting(whole_number, 0, "0-based band"),
        "b": Setting(whole_number, 1, "0-based band"),
    },
    output=_difference_spec,
    apply=_normalized_difference,
)


# decibel


def decibel_step(kind: str = "power", *, reference: float = 1, floor: float | None = None) -> dict[str, Any]:
    """Define decibels: 10 log10 of power, 20 log10 of amplitude; float.

    Args:
        kind: what real pixels are, ``power`` or ``amplitude``; complex ones have both.
        reference: power or amplitude of 0 dB.
        floor: dB; nothing comes out darker. None: what is not above 0 has no decibels and becomes invalid.

    Raises:
        ChainError: an impossible setting.
    """
    return DECIBEL.define(kind=kind, reference=reference, floor=floor)


def _decibel_spec(_: Settings, spec: Spec) -> Spec:
    if spec.dtype.kind == "c":
        return Spec(spec.bands, np.dtype(np.float32 if spec.dtype == np.complex64 else np.float64))
    return Spec(spec.bands, _wide(spec.dtype))


def _decibel(settings: Settings, chip: BandedPixels) -> BandedPixels:
    dtype = _decibel_spec(settings, Spec.of(chip)).dtype
    is_complex = chip.pixels.dtype.kind == "c"
    # the magnitude of a complex number never overflows, its square does
    values: NDArray[Any] = np.abs(chip.pixels) if is_complex else chip.pixels.astype(dtype)
    kind, reference = settings["kind"], settings["reference"]
    factor = 20 if is_complex or kind == "amplitude" else 10
    zero = (10 if kind == "power" else 20) * np.log10(reference)
    mask, floor = chip.mask, settings["floor"]
    is_bright = values > 0
    if floor is None:
        mask = mask & is_bright
    with np.errstate(divide="ignore", invalid="ignore"):
        np.log10(values, out=values)
    values *= dtype.type(factor)
    values -= dtype.type(zero)
    if floor is not None:
        missing = np.isnan(chip.pixels) if chip.pixels.dtype.kind in "fc" else np.False_
        values[~(is_bright | missing)] = floor
        np.maximum(values, dtype.type(floor), out=values)
    return chip.renewed(values, mask)


DECIBEL = StepKind(
    name="decibel",
    version=1,
    about="10 log10 of power, 20 log10 of amplitude",
    settings={
        "kind": Setting(a_choice("power", "amplitude"), "power", "what real pixels are; complex ones have both"),
        "reference": Setting(a_positive, 1, "0 dB"),
        "floor": Setting(a_number, None, "dB; null: what is not above 0 becomes invalid"),
    },
    output=_decibel_spec,
    apply=_decibel,
)

KINDS = (SELECT, MASK_FILL, NORMALIZED_DIFFERENCE, DECIBEL)
