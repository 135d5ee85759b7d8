"""Natural-looking images of an invented countryside, for tests, demos and benchmarks.

Every function samples the ground: a place (metres) gives the same field, river
or cloud to any sensor, whatever its grid. So images of different resolution,
CRS or date fit together. A :data:`Ground` says where a pixel lies.

What belongs to the sensor is apart: pixel size (``supersample`` averages points
inside the pixel), noise, scale and offset, dtype. Value 0 is never a
measurement, so that callers can use it as nodata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing.land import CLOUD_REFLECTANCE, land_reflectance
from stacchip_osml.testing.noise import Floats, fractal_noise

__all__ = [
    "SCENE_CLASSES",
    "Clouds",
    "Ground",
    "cloud_mask",
    "natural_scene",
    "north_up",
    "scene_classes",
    "swath_mask",
]

Ground = Callable[[Floats, Floats], tuple[Floats, Floats]]
"""Fractional pixel positions (col, row), corner-based, to ground coordinates (x, y) in metres."""

SCENE_CLASSES = {
    0: "nodata",
    3: "cloud_shadow",
    4: "vegetation",
    5: "bare",
    6: "water",
    8: "cloud_medium",
    9: "cloud_high",
    10: "thin_cirrus",
}
"""Class codes of :func:`scene_classes`."""

_STRIP = 2**15  # points computed at a time: bounds memory, changes nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Clouds:
    """Clouds over one image: three ``(rows, cols)`` arrays of 0-1."""

    thickness: Floats
    """Opacity of the clouds."""
    shadow: Floats
    """How much direct light the clouds take from the ground."""
    cirrus: Floats
    """Opacity of thin high cloud."""


def north_up(gsd: float = 10.0, origin: tuple[float, float] = (500_000.0, 5_500_000.0)) -> Ground:
    """Place a north-up image: ``gsd`` in metres, ``origin`` the (x, y) of its upper-left corner."""

    def ground(col: Floats, row: Floats) -> tuple[Floats, Floats]:
        return origin[0] + gsd * col, origin[1] - gsd * row

    return ground


def natural_scene(
    size: ImageSize,
    *,
    bands: Sequence[str] = ("red", "green", "blue", "nir"),
    seed: int = 0,
    dtype: DTypeLike = np.uint16,
    ground: Ground | None = None,
    day: int = 180,
    clouds: Clouds | None = None,
    scale: float = 1e-4,
    offset: float = 0.0,
    noise: float = 0.0008,
    supersample: int = 1,
) -> NDArray[np.generic]:
    """Make an optical image.

    Args:
        size: image size in pixels.
        bands: common names: blue, green, red, rededge, nir, swir16, swir22, pan.
        seed: which countryside, and which noise.
        dtype: integer types are rounded and clipped to 1 … max; floats hold the same numbers unrounded.
        ground: where pixels lie; 10 m north-up by default.
        day: day of the year, for the crops.
        clouds: what hides the ground, from :func:`cloud_mask` with the same ``size`` and ``ground``.
        scale: stored value = (reflectance - ``offset``) / ``scale``.
        offset: see ``scale``.
        noise: standard deviation of the sensor noise, in reflectance; the default
            makes uint16 pixels compress about 1.6 times under deflate with predictor 2.
        supersample: points a pixel side that are averaged.

    Returns:
        ``(bands, rows, cols)`` in ``dtype``.
    """
    kind = np.dtype(dtype)
    pixels = np.empty((len(bands), size.height, size.width), dtype=kind)
    sensor = [np.random.default_rng((seed, day, number)) for number in range(len(bands))]
    brightness = np.array([CLOUD_REFLECTANCE.get(name, 0.6) for name in bands])[:, None, None]
    for rows, x, y in _strips(size, ground or north_up(), supersample):
        light = _average(land_reflectance(x, y, bands=bands, seed=seed, day=day), supersample)
        if clouds is not None:
            light *= 1 - 0.62 * clouds.shadow[rows]
            for veil in (clouds.cirrus[rows], clouds.thickness[rows]):
                light += veil * (brightness * (0.88 + 0.24 * veil) - light)
        grain = np.stack([rng.normal(0.0, noise, light.shape[1:]) for rng in sensor])
        light += grain * np.sqrt(0.5 + 4 * light)
        stored = (light - offset) / scale
        if kind.kind in "iu":
            stored = np.clip(np.rint(stored), 1, np.iinfo(kind).max)
        pixels[:, rows] = stored.astype(kind)
    return pixels


def cloud_mask(
    size: ImageSize,
    *,
    seed: int,
    cover: float = 0.3,
    cirrus: float = 0.0,
    ground: Ground | None = None,
    shadow_offset: tuple[float, float] = (-380.0, 460.0),
) -> Clouds:
    """Make clouds and their shadows.

    Args:
        size: image size in pixels.
        seed: which sky; give every date another.
        cover: share of the sky that is cloudy over a wide area; a small image may have more or less.
        cirrus: the same of thin high cloud.
        ground: where pixels lie; 10 m north-up by default.
        shadow_offset: from a cloud to its shadow, (x, y) in metres.
    """
    layers = np.zeros((3, size.height, size.width))
    limit = _threshold(seed, cover, 2600.0), _threshold(seed + 5, cirrus, 6000.0)
    for rows, x, y in _strips(size, ground or north_up(), 1):
        thick = _opacity(x, y, seed, limit[0]) if cover > 0 else np.zeros_like(x)
        if cover > 0:
            layers[1, rows] = _opacity(x - shadow_offset[0], y - shadow_offset[1], seed, limit[0]) * (1 - thick)
        if cirrus > 0:
            # Stretched along the wind, so that it looks combed.
            veil = fractal_noise(x / 2.8 + y / 3, y, wavelength=6000, octaves=6, seed=seed + 5)
            layers[2, rows] = 0.3 * np.clip((veil - limit[1]) / 0.3, 0, 1)
        layers[0, rows] = thick
    return Clouds(thickness=layers[0], shadow=layers[1], cirrus=layers[2])


def swath_mask(
    size: ImageSize, *, edge: tuple[float, float], heading: float = 12.0, ground: Ground | None = None
) -> NDArray[np.bool_]:
    """Tell which pixels a pass has seen: those left of a slanted line.

    Args:
        size: image size in pixels.
        edge: a ground point (x, y) on the edge of the swath.
        heading: direction of flight, degrees clockwise from north.
        ground: where pixels lie; 10 m north-up by default.

    Returns:
        ``(rows, cols)``, True inside the swath.
    """
    seen = np.empty((size.height, size.width), dtype=np.bool_)
    east, north = np.cos(np.deg2rad(heading)), -np.sin(np.deg2rad(heading))
    for rows, x, y in _strips(size, ground or north_up(), 1):
        seen[rows] = (x - edge[0]) * east + (y - edge[1]) * north < 0
    return seen


def scene_classes(
    size: ImageSize,
    *,
    seed: int = 0,
    ground: Ground | None = None,
    day: int = 180,
    clouds: Clouds | None = None,
    valid: NDArray[np.bool_] | None = None,
    supersample: int = 1,
) -> NDArray[np.uint8]:
    """Classify the same ground and sky that :func:`natural_scene` shows.

    Returns:
        ``(rows, cols)`` codes of :data:`SCENE_CLASSES`.
    """
    classes = np.empty((size.height, size.width), dtype=np.uint8)
    for rows, x, y in _strips(size, ground or north_up(), supersample):
        light = land_reflectance(x, y, bands=("green", "red", "nir"), seed=seed, day=day)
        green, red, nir = _average(light, supersample)
        codes = np.where((nir - red) / (nir + red) > 0.42, 4, 5)
        classes[rows] = np.where(green > nir, 6, codes)
    if clouds is not None:
        classes[clouds.shadow > 0.35] = 3
        classes[clouds.cirrus > 0.06] = 10
        classes[clouds.thickness > 0.12] = 8
        classes[clouds.thickness > 0.55] = 9
    if valid is not None:
        classes[~valid] = 0
    return classes


def _strips(size: ImageSize, ground: Ground, supersample: int) -> Iterator[tuple[slice, Floats, Floats]]:
    """Give rows of the image with the ground coordinates of their sampling points."""
    step = max(1, _STRIP // (size.width * supersample**2))
    centre = (np.arange(size.width * supersample) + 0.5) / supersample
    for first in range(0, size.height, step):
        last = min(first + step, size.height)
        down = first + (np.arange((last - first) * supersample) + 0.5) / supersample
        x, y = ground(*np.meshgrid(centre, down))
        yield slice(first, last), x, y


def _average(light: Floats, factor: int) -> Floats:
    bands, rows, cols = light.shape
    blocks = light.reshape(bands, rows // factor, factor, cols // factor, factor)
    return np.asarray(blocks.mean(axis=(2, 4)), dtype=np.float64)


def _opacity(x: Floats, y: Floats, seed: int, limit: float) -> Floats:
    heap = fractal_noise(x, y, wavelength=2600, octaves=7, seed=seed, gain=0.52)
    return np.asarray(np.clip((heap - limit) / 0.22, 0, 1) ** 0.7)


def _threshold(seed: int, share: float, wavelength: float) -> float:
    """Find the noise level that ``share`` of a wide area exceeds."""
    side = np.arange(96) * wavelength * 0.61
    x, y = np.meshgrid(side, side)
    heap = fractal_noise(x, y, wavelength=wavelength, octaves=4, seed=seed, gain=0.52)
    return float(np.quantile(heap, 1 - min(max(share, 0.0), 1.0)))
