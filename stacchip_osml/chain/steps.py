"""The steps of a chain, by name: what each one does to pixels.

``align`` says how assets come to the reference grid; it is carried out while
reading, because it needs the source's pixels around the chip. All others are
functions of a chip's pixels. A new step is a row in ``STEPS``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.definition import ChainDefinition
from stacchip_osml.errors import ChainError

__all__ = [
    "ALIGN",
    "STEPS",
    "BandedPixels",
    "align_step",
    "apply_chain",
    "require_steps",
    "resampling_for",
    "scale_offset_step",
]

ALIGN = "align"
SCALE_OFFSET = "scale_offset"
METHODS = ("auto", "nearest", "bilinear", "area")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandedPixels:
    """Pixels with what a step may need to know of each band."""

    pixels: NDArray[Any]
    """``(bands, rows, cols)``."""
    mask: NDArray[np.bool_]
    """``(bands, rows, cols)``, True where valid."""
    scales: tuple[float, ...]
    """Physical value = stored × scale + offset, a band each."""
    offsets: tuple[float, ...]
    nodata: tuple[float | complex | None, ...]


def align_step(*, default: str = "auto", methods: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Define how assets are brought to the reference grid.

    Args:
        default: method of assets not named: ``auto`` is bilinear up and area down.
        methods: method by asset key, for example ``{"scl": "nearest"}``.

    Raises:
        ChainError: an unknown method.
    """
    chosen = dict(sorted((methods or {}).items()))
    for key, method in [("default", default), *chosen.items()]:
        if method not in METHODS:
            raise ChainError(f"resampling of {key!r} must be one of {', '.join(METHODS)}; got {method!r}")
    return {"step": ALIGN, "version": 1, "default": default, "methods": chosen}


def scale_offset_step() -> dict[str, Any]:
    """Define the step that turns stored values into physical ones (float32), by each band's own scale and offset."""
    return {"step": SCALE_OFFSET, "version": 1, "resolve": "item"}


def resampling_for(definition: ChainDefinition, asset_key: str) -> str:
    """Give the method that a chain states for one asset; ``auto`` where it states none."""
    for step in definition:
        if step["step"] == ALIGN:
            return str(step.get("methods", {}).get(asset_key, step.get("default", "auto")))
    return "auto"


def apply_chain(definition: ChainDefinition, chip: BandedPixels) -> BandedPixels:
    """Run a chain's steps in order.

    Raises:
        ChainError: a step that this version does not know, or that rejects these pixels.
    """
    for step in definition:
        if step["step"] != ALIGN:
            chip = _function(step)(step, chip)
    return chip


def require_steps(definition: ChainDefinition) -> None:
    """Raise ChainError unless every step of a definition is known here."""
    for step in definition:
        if step["step"] != ALIGN:
            _function(step)


def _function(step: Mapping[str, Any]) -> Callable[[Mapping[str, Any], BandedPixels], BandedPixels]:
    try:
        return STEPS[step["step"], step["version"]]
    except KeyError:
        known = ", ".join(_names())
        raise ChainError(f"unknown step {step['step']!r} version {step['version']}; known: {known}") from None


def _names() -> Iterable[str]:
    return (f"{name} {version}" for name, version in [(ALIGN, 1), *STEPS])


def _scale_offset(_: Mapping[str, Any], chip: BandedPixels) -> BandedPixels:
    if np.iscomplexobj(chip.pixels):
        raise ChainError(f"{SCALE_OFFSET} needs real pixels, got {chip.pixels.dtype}")
    wide = np.float64 if chip.pixels.dtype.itemsize > 4 or chip.pixels.dtype in (np.int32, np.uint32) else np.float32
    scale = np.asarray(chip.scales, dtype=np.float64)[:, None, None].astype(wide)
    offset = np.asarray(chip.offsets, dtype=np.float64)[:, None, None].astype(wide)
    pixels: NDArray[Any] = chip.pixels.astype(wide)
    pixels *= scale
    pixels += offset
    pixels[~chip.mask] = np.nan
    bands = len(pixels)
    return replace(chip, pixels=pixels, scales=(1.0,) * bands, offsets=(0.0,) * bands, nodata=(float("nan"),) * bands)


STEPS: dict[tuple[str, int], Callable[[Mapping[str, Any], BandedPixels], BandedPixels]] = {
    (SCALE_OFFSET, 1): _scale_offset,
}
"""(name, version) → what it does. Bump the version when the same settings give different pixels."""
