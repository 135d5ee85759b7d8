"""Pictures of pixels for people: a fixed stretch, three colours, transparency.

Rules: the result depends on the pixels alone; invalid pixels are transparent;
data that already is a picture (8 bit, one or three bands) is shown as it is.
Nothing here is for measurement.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import EncodeError

__all__ = ["Limits", "Picture", "brightness", "colored", "display_bands", "limits_of", "shown_bands", "to_rgb8"]

Picture = NDArray[np.uint8]
Limits = tuple[tuple[float, float] | None, ...]
"""A band each: the values that become black and white; None where no pixel is valid."""

LOW, HIGH = 2.0, 98.0
"""Percentiles that become black and white."""
FLOOR_DB = -60.0
"""Magnitudes below this, against 1, are as dark as this; it also keeps the logarithm of 0 finite."""
COLORS = ("red", "green", "blue")
COLOR_NAMES = tuple(
    re.compile(rf"(?:.*[_\s-])?(?:{color}|b0?{number})", re.IGNORECASE)
    for color, number in zip(COLORS, (4, 3, 2), strict=True)
)
"""Band names of red, green and blue: the word itself, or the numbers that Sentinel-2 and Landsat 8 share."""


def to_rgb8(
    pixels: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    bands: Sequence[int] | None = None,
    colors: Sequence[str] = (),
    band_names: Sequence[str] = (),
    limits: Limits | None = None,
) -> Picture:
    """Render pixels as a picture.

    Args:
        pixels: ``(bands, rows, cols)`` of any dtype; complex is shown as magnitude in dB.
        mask: as ``pixels``, True where the pixel is a measurement.
        bands: one or three 0-based bands; chosen by colour, then name, then position by default.
        colors: colour interpretation of each band; an alpha band makes pixels transparent.
        band_names: one name a band.
        limits: black and white of each shown band, by default the 2nd and 98th percentile of valid pixels.

    Returns:
        uint8 ``(rows, cols, 3)``, or 4 with transparency where no shown band is valid; where some are, the others
        are black: a band that is nodata by its value alone, such as the red of pure blue, makes no hole.

    Raises:
        EncodeError: ``bands`` are not one or three bands of the image.
    """
    shown = shown_bands(len(pixels), bands, colors=colors, band_names=band_names)
    values = brightness(pixels[list(shown)])
    measured = mask[list(shown)] & np.isfinite(values)
    valid = measured.any(axis=0)
    if "alpha" in colors:
        valid = valid & (pixels[list(colors).index("alpha")] > 0)
    is_picture = pixels.dtype == np.uint8 and len(pixels) - ("alpha" in colors) in (1, 3)
    if is_picture and limits is None:
        picture = values.astype(np.uint8)
    else:
        limits = limits_of(values, measured & valid) if limits is None else limits
        picture = np.stack([_stretched(band, limit) for band, limit in zip(values, limits, strict=True)])
    picture = np.where(measured & valid, picture, np.uint8(0))
    picture = np.repeat(picture, 3, axis=0) if len(shown) == 1 else picture
    rgb = np.ascontiguousarray(picture.transpose(1, 2, 0))
    if valid.all():
        return rgb
    return np.dstack([rgb, np.where(valid, np.uint8(255), np.uint8(0))])


def colored(values: NDArray[Any], mask: NDArray[np.bool_], table: Sequence[Sequence[int]]) -> Picture:
    """Show the entries of a colour table in their colours.

    Args:
        values: ``(rows, cols)``, uint8 or uint16; what the table does not have is black.
        mask: as ``values``, True where the pixel is a measurement.
        table: red, green and blue, 0 to 255, of each value from 0 on.

    Returns:
        uint8 ``(rows, cols, 3)``, or 4 with transparency where some pixels are not valid.
    """
    colors = np.zeros((np.iinfo(values.dtype).max + 1, 3), np.uint8)
    colors[: len(table)] = table
    rgb = np.where(mask[..., np.newaxis], colors[values], np.uint8(0))
    return rgb if mask.all() else np.dstack([rgb, np.where(mask, np.uint8(255), np.uint8(0))])


def display_bands(count: int, *, colors: Sequence[str] = (), band_names: Sequence[str] = ()) -> tuple[int, ...]:
    """Choose one or three bands: by colour interpretation, by name, else the first."""
    if all(color in colors for color in COLORS):
        return tuple(list(colors).index(color) for color in COLORS)
    named = [next((i for i, name in enumerate(band_names) if p.fullmatch(name)), None) for p in COLOR_NAMES]
    if all(band is not None for band in named):
        return tuple(band for band in named if band is not None)
    plain = [band for band in range(count) if tuple(colors[band : band + 1]) != ("alpha",)] or [0]
    return tuple(plain[:3]) if len(plain) >= 3 else (plain[0],)


def shown_bands(
    count: int, bands: Sequence[int] | None, *, colors: Sequence[str] = (), band_names: Sequence[str] = ()
) -> tuple[int, ...]:
    """Give the bands that are asked for; those of :func:`display_bands` where none are.

    Raises:
        EncodeError: they are not one or three bands of the image.
    """
    if bands is None:
        return display_bands(count, colors=colors, band_names=band_names)
    found = tuple(bands)
    if len(found) not in (1, 3) or not all(band in range(count) for band in found):
        raise EncodeError(f"a picture needs one or three bands of 0 to {count - 1}, got {found}")
    return found


def brightness(values: NDArray[Any]) -> NDArray[Any]:
    """Give what is shown of pixels: real numbers as they are, of complex ones the magnitude in decibels."""
    if values.dtype.kind == "c":
        magnitude = np.abs(values).astype(np.float64)
        with np.errstate(divide="ignore"):
            return np.asarray(np.maximum(20 * np.log10(magnitude), FLOOR_DB))
    return values.astype(np.float64) if values.dtype == np.bool_ else values


def limits_of(values: NDArray[Any], valid: NDArray[np.bool_]) -> Limits:
    """Take the percentiles of each band; all its values where those coincide, so rare ones still show."""
    limits: list[tuple[float, float] | None] = []
    for band, good in zip(values, valid, strict=True):
        sample = band[good]
        if sample.size == 0:
            limits.append(None)
            continue
        low, high = (float(value) for value in np.percentile(sample, (LOW, HIGH)))
        if low == high:
            low, high = float(sample.min()), float(sample.max())
        limits.append((low, high))
    return tuple(limits)


def _stretched(band: NDArray[Any], limit: tuple[float, float] | None) -> Picture:
    """Map black to 0 and white to 255; a constant band to mid grey."""
    if limit is None:
        return np.zeros(band.shape, np.uint8)
    low, high = limit
    if low == high:
        return np.full(band.shape, 128, np.uint8)
    scaled = (np.nan_to_num(band.astype(np.float64), posinf=high, neginf=low) - low) / (high - low)
    return np.asarray(np.rint(np.clip(scaled, 0, 1) * 255), np.uint8)
