"""The WGS 84 ellipsoid: degrees and heights to earth-centred metres, and back.

Points are ``(3, n)`` arrays of x, y, z in metres, earth-centred and earth-fixed;
heights are above the ellipsoid. Latitudes come from two rounds of Bowring's
formula, which is exact to less than a micrometre from the sea floor to orbit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["heights_above", "to_ecef", "to_geodetic"]

Floats = NDArray[np.float64]

A = 6378137.0
"""Semi-major axis, metres (NGA.STND.0036)."""
F = 1.0 / 298.257223563
"""Flattening."""
B = A * (1.0 - F)
E2 = F * (2.0 - F)
"""First eccentricity, squared."""
EP2 = E2 / (1.0 - E2)
"""Second eccentricity, squared."""


def to_ecef(lon: Floats, lat: Floats, height: Floats) -> Floats:
    """Give ``(3, n)`` points of degrees and metres above the ellipsoid."""
    east, north = np.radians(lon), np.radians(lat)
    sine, level = np.sin(north), np.cos(north)
    radius = A / np.sqrt(1.0 - E2 * sine * sine)
    out = (radius + height) * level
    return np.stack([out * np.cos(east), out * np.sin(east), ((1.0 - E2) * radius + height) * sine])


def to_geodetic(points: Floats) -> tuple[Floats, Floats, Floats]:
    """Give longitude and latitude in degrees, and the height, of ``(3, n)`` points."""
    out, sine, level, height = _latitude(points)
    lon = np.degrees(np.arctan2(points[1], points[0]))
    return np.where(out > 0.0, lon, 0.0), np.degrees(np.arctan2(sine, level)), height


def heights_above(points: Floats) -> tuple[Floats, Floats]:
    """Give the heights ``(n,)`` of points and the directions straight up ``(3, n)``."""
    out, sine, level, height = _latitude(points)
    flat = level / np.where(out > 0.0, out, 1.0)
    return height, np.stack([points[0] * flat, points[1] * flat, sine])


def _latitude(points: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Give the distance from the axis, sine and cosine of the latitude, and the height."""
    x, y, z = points
    out = np.sqrt(x * x + y * y)
    sine, level = z * A, out * B  # of the parametric latitude, up to a factor
    for _ in range(2):
        size = np.sqrt(sine * sine + level * level)
        sine, level = sine / size, level / size
        up, across = z + EP2 * B * (sine * sine * sine), out - E2 * A * (level * level * level)
        sine, level = up * (1.0 - F), across
    size = np.sqrt(up * up + across * across)
    sine, level = up / size, across / size
    return out, sine, level, out * level + z * sine - A * np.sqrt(1.0 - E2 * sine * sine)
