"""Earth-centred positions to latitude and longitude on WGS 84, for the few points of a chip."""

from __future__ import annotations

import math

__all__ = ["Vector", "dot", "geodetic", "up"]

Vector = tuple[float, ...]

A = 6_378_137.0
E2 = 0.0066943799901413165
"""Axis (m) and eccentricity squared of WGS 84."""


def geodetic(position: Vector) -> tuple[float, float, float]:
    """Give ``(lat, lon, height)``, degrees and metres, of ECEF metres: exact to below a micrometre near the surface."""
    x, y, z = position
    across = math.hypot(x, y)
    lat = math.atan2(z, across * (1 - E2))
    for _ in range(6):  # converges by E2 a round
        sine = math.sin(lat)
        normal = A / math.sqrt(1 - E2 * sine**2)
        before, lat = lat, math.atan2(z + E2 * normal * sine, across)
        if lat == before:
            break
    normal = A / math.sqrt(1 - E2 * math.sin(lat) ** 2)
    height = across * math.cos(lat) + z * math.sin(lat) - A * A / normal
    return math.degrees(lat), math.degrees(math.atan2(y, x)), height


def up(lat: float, lon: float) -> Vector:
    """Give the unit vector away from the ellipsoid."""
    north, east = math.radians(lat), math.radians(lon)
    return math.cos(north) * math.cos(east), math.cos(north) * math.sin(east), math.sin(north)


def dot(a: Vector, b: Vector) -> float:
    """Give the scalar product."""
    return sum(left * right for left, right in zip(a, b, strict=True))
