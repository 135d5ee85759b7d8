"""Small facts of an image on the ground: its centre, its pixel size, its place on the Hilbert curve."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.ellipsoid import E2, A
from stacchip_osml.geometry.locate import AffineLocator, Locator, is_unbounded, parse_crs, require_locator, to_crs84
from stacchip_osml.geometry.surface import unit_vectors
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import real_numbers, whole_number

__all__ = ["centre", "curve_place", "effective_gsd", "hilbert", "locator_gsd", "place_and_gsd"]

_ACROSS = (-0.5, 0.5, 0.0, 0.0, 0.0)
_DOWN = (0.0, 0.0, -0.5, 0.5, 0.0)
LEVELS = 1000
"""More than any pyramid has."""
_STRETCH = 0.05  # a projection within this of the truth is taken at its word


def centre(size: ImageSize, locate: Locator) -> tuple[float, float]:
    """Give ``(lon, lat)`` of the middle of an image.

    Raises:
        ItemError: the middle has no place on the ground.
    """
    require_locator(locate, size)
    lon, lat = locate(np.array([size.width / 2]), np.array([size.height / 2]))
    if not (np.isfinite(lon[0]) and np.isfinite(lat[0])):
        raise ItemError(f"the middle of the image ({size.width} x {size.height}) has no place on the ground")
    return float(lon[0]), float(lat[0])


def curve_place(size: ImageSize, locate: Locator) -> int:
    """Give the position of an image's middle on the Hilbert curve; 0 where that has no place on the ground."""
    require_locator(locate, size)
    lon, lat = locate(np.array([size.width / 2]), np.array([size.height / 2]))
    return _cell(float(lon[0]), float(lat[0]))


def _cell(lon: float, lat: float) -> int:
    if not (math.isfinite(lon) and math.isfinite(lat)):
        return 0
    x, y = min(int((lon + 180.0) / 360.0 * 65536), 65535), min(int((lat + 90.0) / 180.0 * 65536), 65535)
    index = 0
    for bit in range(15, -1, -1):  # hilbert() of one point, in plain integers: thirty times as fast
        right, upper = x >> bit & 1, y >> bit & 1
        index = index << 2 | (3 * right ^ upper)
        low = (1 << bit) - 1
        x, y = x & low, y & low
        if not upper:
            x, y = (low - y, low - x) if right else (y, x)
    return index


def locator_gsd(locate: Locator, size: ImageSize, level: int = 0) -> float | None:
    """Measure the ground sample distance at the middle of an image.

    Args:
        locate: pixel corner positions to degrees.
        size: at R0.
        level: a pixel of this level is ``2**level`` pixels of R0.

    Returns:
        Metres on the WGS 84 ellipsoid: the side of the square that has the area of the middle pixel;
        None where that is not wholly on the ground.
    """
    require_locator(locate, size)
    level = whole_number("level", level, least=0, most=LEVELS)
    measured = _measured(*_around_middle(size, locate))
    return None if measured is None else measured * 2.0**level


def _around_middle(size: ImageSize, locate: Locator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Locate the edges of the middle pixel (west, east, north, south) and its centre."""
    return locate(size.width / 2 + np.array(_ACROSS), size.height / 2 + np.array(_DOWN))


def _measured(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> float | None:
    """Give the side of a pixel in metres."""
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return None
    west, east, north, south, _ = unit_vectors(lon, lat).T
    flat = 1.0 - E2 * np.sin(np.radians(lat[-1])) ** 2
    radii = A**2 * (1.0 - E2) / flat**2  # meridian times prime vertical
    (a, b, c), (d, e, f) = (east - west).tolist(), (south - north).tolist()
    area = math.hypot(b * f - c * e, c * d - a * f, a * e - b * d) * float(radii)
    return math.sqrt(area) if area > 0 else None


def effective_gsd(locate: Locator, size: ImageSize, level: int = 0) -> float | None:
    """Give the ground sample distance of an image.

    What the CRS says (10 for 10 m pixels in UTM) where it is true to within 5 %
    at the middle of the image; else, and for degrees, GCPs and RPCs, what is
    measured there.

    Args:
        locate: pixel corner positions to degrees.
        size: at R0.
        level: pyramid level.

    Returns:
        Metres; the geometric mean where pixels are not square. None where the middle is not on the ground.
    """
    measured = locator_gsd(locate, size, level)
    return _stated_or(measured, locate, level)


def place_and_gsd(size: ImageSize, locate: Locator) -> tuple[int, float | None]:
    """Give :func:`curve_place` and :func:`effective_gsd`, asking where the middle of an image is once.

    Args:
        size: at R0.
        locate: pixel corner positions to degrees.
    """
    found = _few_located(locate, size) if isinstance(locate, AffineLocator) else None
    if found is None or not isinstance(locate, AffineLocator):
        return curve_place(size, locate), effective_gsd(locate, size)
    lon, lat = found
    gsd, clearly = _stated(locate), _STRETCH - 1e-6
    if gsd is None or not abs(gsd / (_roughly(lon, lat) or math.inf) - 1.0) <= clearly:
        gsd = effective_gsd(locate, size)
    return _cell(lon[-1], lat[-1]), gsd


def _few_located(locate: AffineLocator, size: ImageSize) -> tuple[list[float], list[float]] | None:
    """Locate the middle of an image and what is around it, without arrays; None where that takes more than PROJ."""
    a, b, c, d, e, f = locate.transform
    at = [(size.width / 2 + across, size.height / 2 + down) for across, down in zip(_ACROSS, _DOWN, strict=True)]
    lon, lat = [a * x + b * y + c for x, y in at], [d * x + e * y + f for x, y in at]
    if not locate.is_lonlat:
        if is_unbounded(locate.crs):
            return None
        lon, lat = to_crs84(locate.crs).transform(lon, lat)
    return (lon, lat) if all(abs(x) <= 180.0 and math.isfinite(y) for x, y in zip(lon, lat, strict=True)) else None


def _roughly(lon: list[float], lat: list[float]) -> float:
    """Give what :func:`_measured` gives, but for its last digits, in a tenth of the time."""
    west, east, north, south = (
        (math.cos(y) * math.cos(x), math.cos(y) * math.sin(x), math.sin(y))
        for x, y in zip(map(math.radians, lon[:4]), map(math.radians, lat[:4]), strict=True)
    )
    a, b, c = (p - q for p, q in zip(east, west, strict=True))
    d, e, f = (p - q for p, q in zip(south, north, strict=True))
    flat = 1.0 - E2 * math.sin(math.radians(lat[4])) ** 2
    return math.sqrt(math.hypot(b * f - c * e, c * d - a * f, a * e - b * d) * (1.0 - E2)) * A / flat


def _stated_or(measured: float | None, locate: Locator, level: int) -> float | None:
    if measured is None or not isinstance(locate, AffineLocator):
        return measured
    stated = _stated(locate)
    if stated is None:
        return measured
    stated *= 2.0**level
    return stated if abs(stated / measured - 1.0) <= _STRETCH else measured


def _stated(locate: AffineLocator) -> float | None:
    """Give the side of a pixel by its CRS; None for degrees."""
    factor = _square_metres(locate.crs)
    a, b, _, d, e, _ = locate.transform
    return None if factor is None else math.sqrt(abs(a * e - b * d) * factor)


@lru_cache(maxsize=256)
def _square_metres(crs: str) -> float | None:
    """Give the area of one square unit of a projected CRS; None for degrees."""
    parsed = parse_crs(crs)
    if parsed.is_geographic:
        return None
    x, y = (axis.unit_conversion_factor for axis in parsed.axis_info[:2])
    return float(x * y)


def hilbert(lon: ArrayLike, lat: ArrayLike, order: int = 16) -> NDArray[np.uint32]:
    """Give the position of points on the Hilbert curve over all longitudes and latitudes.

    Args:
        lon: degrees in [-180, 180].
        lat: degrees in [-90, 90], same shape.
        order: the curve visits ``2**order`` × ``2**order`` cells; 1 to 16.

    Returns:
        Index of each point's cell, 0 to ``4**order - 1``.
    """
    order = whole_number("order", order, least=1, most=16)
    side = 1 << order
    x, y = (
        np.clip(np.floor(fraction * side), 0, side - 1).astype(np.uint32)
        for fraction in (
            (real_numbers("lon", lon) + 180.0) / 360.0,
            (real_numbers("lat", lat) + 90.0) / 180.0,
        )
    )
    index = np.zeros(np.shape(x), np.uint32)
    for bit in range(order - 1, -1, -1):
        scale, low = np.uint32(bit), np.uint32((1 << bit) - 1)
        right, upper = (x >> scale) & np.uint32(1), (y >> scale) & np.uint32(1)
        index = (index << np.uint32(2)) | ((np.uint32(3) * right) ^ upper)
        x, y = x & low, y & low
        flip = (upper == 0) & (right == 1)
        x, y = np.where(flip, low - x, x), np.where(flip, low - y, y)
        x, y = np.where(upper == 0, y, x), np.where(upper == 0, x, y)
    return index
