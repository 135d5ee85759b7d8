"""The four product surfaces of SIDD (NGA.STND.0025-1, chapter 3), pixels to ground and back.

Image positions are ``(samples, lines)``, 0 at a pixel's centre. Latitudes and
longitudes of geographic and polynomial products are those of the ellipsoid.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.ellipsoid import E2, F, heights_above, to_geodetic
from stacchip_osml.geometry.locate import wrap_longitude
from stacchip_osml.geometry.newton import solve_plane
from stacchip_osml.geometry.polynomials import derived, poly2, vector_poly
from stacchip_osml.geometry.range_rate import Contour, Sensor, cross, dot, measure, to_ground, to_image
from stacchip_osml.geometry.sidd_fields import SiddParameters
from stacchip_osml.geometry.xml_fields import Vector

__all__ = ["SURFACES", "Surface"]

Floats = NDArray[np.float64]
Ground = tuple[Floats, Floats, Floats]


class Surface(Protocol):
    """A product's surface."""

    @property
    def has_curves(self) -> bool:
        """Whether pixels of it have other places at other heights."""
        ...

    @property
    def reference_height(self) -> float:
        """Of the reference point above the ellipsoid, metres."""
        ...

    def ground(self, samples: Floats, lines: Floats, heights: Floats | None) -> Ground:
        """Give longitude, latitude and height of pixels; without heights, on the surface."""
        ...

    def image(self, lon: Floats, lat: Floats, heights: Floats) -> tuple[Floats, Floats]:
        """Give samples and lines of ground positions."""
        ...


class _Shape(Protocol):
    """A surface in space."""

    def points(self, x: Floats, y: Floats) -> Floats:
        """Give the points of row and column metres from the reference point."""
        ...

    def metres(self, points: Floats) -> tuple[Floats, Floats]:
        """Give row and column metres of points on it, or near it."""
        ...


class _Plane:
    """PGD, sections 3.2 and 3.3."""

    def __init__(self, p: SiddParameters) -> None:
        self._reference = _column(p.reference)
        self._row, self._col = (_column(each) for each in (p.row_unit or (0, 0, 0), p.col_unit or (0, 0, 0)))
        self._cos = float(dot(self._row, self._col)[0])

    def points(self, x: Floats, y: Floats) -> Floats:
        return self._reference + x * self._row + y * self._col

    def metres(self, points: Floats) -> tuple[Floats, Floats]:
        away = points - self._reference
        along, across = dot(away, self._row), dot(away, self._col)
        sine2 = 1.0 - self._cos**2
        x: Floats = (along - self._cos * across) / sine2
        y: Floats = (across - self._cos * along) / sine2
        return x, y


class _Cylinder:
    """CGD, sections 2.8, 3.8 and 3.9: columns run along the strip, round the Earth's curve.

    The strip's heading is taken in the whole circle, so that columns increase along StripmapDirection.
    """

    def __init__(self, p: SiddParameters) -> None:
        self._reference = _column(p.reference)
        x, y, z = p.reference
        latitude = np.arctan2(z, (1.0 - F) ** 2 * np.hypot(x, y))  # of the scaled ellipsoid through the point
        longitude = np.arctan2(y, x)
        sine, cosine = np.sin(latitude), np.cos(latitude)
        east = np.array([-np.sin(longitude), np.cos(longitude), 0.0])
        north = np.array([-sine * np.cos(longitude), -sine * np.sin(longitude), cosine])
        self._up = _column((cosine * np.cos(longitude), cosine * np.sin(longitude), sine))
        strip = np.array(p.strip)
        heading = np.arctan2(east @ strip, north @ strip)
        col = np.cos(heading) * north + np.sin(heading) * east
        self._col, self._row = col[:, None], cross(col[:, None], self._up)
        radius = p.radius
        if radius is None:
            scaled = np.sqrt(x * x + y * y + (z / (1.0 - F)) ** 2)
            bend = 1.0 - E2 * sine * sine
            meridian, normal = scaled * (1.0 - E2) / bend**1.5, scaled / np.sqrt(bend)
            radius = float(1.0 / (np.cos(heading) ** 2 / meridian + np.sin(heading) ** 2 / normal))
        self._radius = radius

    def points(self, x: Floats, y: Floats) -> Floats:
        angle = y / self._radius
        bent = np.sin(angle) * self._col - 2.0 * np.sin(angle / 2.0) ** 2 * self._up
        points: Floats = self._reference + x * self._row + self._radius * bent
        return points

    def metres(self, points: Floats) -> tuple[Floats, Floats]:
        away = points - self._reference
        angle = np.arctan2(dot(away, self._col), dot(away, self._up) + self._radius)
        return dot(away, self._row), self._radius * angle


class _Curves:
    """A surface in space with the pixels' curves through it: a :class:`RangeRateGrid`."""

    has_curves = True
    side = 0

    def __init__(self, p: SiddParameters) -> None:
        self._shape: _Shape = _Plane(p) if p.row_unit is not None else _Cylinder(p)
        self._pixel, self._spacing = p.pixel, p.spacing
        self._time, self._sensor_poly = np.array(p.time), np.array(p.sensor_poly)
        self._velocity_poly = derived(self._sensor_poly)
        reference = _column(p.reference)
        self.reference_height = float(heights_above(reference)[0][0])
        there = measure(reference, self.contour(np.array([p.pixel[1]]), np.array([p.pixel[0]])).sensors)
        normal = cross(there.by_reach, there.by_rate)
        size = float(np.sqrt(dot(normal, normal))[0])
        if not size > 0.0:
            raise ItemError("SIDD Measurement/ARPPoly gives no slant plane at the ReferencePoint")
        self._slant = normal / size
        self._up = heights_above(reference)[1]

    def _metres(self, samples: Floats, lines: Floats) -> tuple[Floats, Floats]:
        return (lines - self._pixel[0]) * self._spacing[0], (samples - self._pixel[1]) * self._spacing[1]

    def _pixels(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        return y / self._spacing[1] + self._pixel[1], x / self._spacing[0] + self._pixel[0]

    def contour(self, samples: Floats, lines: Floats) -> Contour:
        """Give the curves of pixels: those through their points on the surface."""
        x, y = self._metres(samples, lines)
        t = poly2(self._time, x, y)
        sensors = (Sensor(vector_poly(self._sensor_poly, t), vector_poly(self._velocity_poly, t)),)
        there = measure(self._shape.points(x, y), sensors)
        return Contour(sensors, there.reach, there.rate)

    def near_ground(self, samples: Floats, lines: Floats, heights: Floats) -> Floats:
        """Go from the surface along the slant plane's normal to the height wanted."""
        points = self._shape.points(*self._metres(samples, lines))
        height, up = heights_above(points)
        away: Floats = points + (heights - height) / dot(up, self._slant) * self._slant
        return away

    def near_pixel(self, points: Floats) -> tuple[Floats, Floats]:
        """Go along the slant plane's normal to the surface, and once more where that is curved."""
        for _ in range(2):
            off = dot(points - self._shape.points(*self._shape.metres(points)), self._up)
            points = points - off / dot(self._slant, self._up) * self._slant
        return self._pixels(*self._shape.metres(points))

    def ground(self, samples: Floats, lines: Floats, heights: Floats | None) -> Ground:
        """Give longitude, latitude and height of pixels; without heights, on the surface."""
        if heights is None:
            return to_geodetic(self._shape.points(*self._metres(samples, lines)))
        return to_ground(self, samples, lines, heights)

    def image(self, lon: Floats, lat: Floats, heights: Floats) -> tuple[Floats, Floats]:
        """Give samples and lines of ground positions."""
        return to_image(self, lon, lat, heights)


class _Geographic:
    """GGD, sections 3.4 and 3.5: rows go south, columns east, in seconds of arc."""

    has_curves = False

    def __init__(self, p: SiddParameters) -> None:
        lon, lat, height = to_geodetic(_column(p.reference))
        self._lon, self._lat, self.reference_height = float(lon[0]), float(lat[0]), float(height[0])
        self._pixel = p.pixel
        self._step = p.spacing[0] / 3600.0, p.spacing[1] / 3600.0

    def ground(self, samples: Floats, lines: Floats, heights: Floats | None) -> Ground:
        """Give longitude, latitude and height of pixels; without heights, the reference point's."""
        lat = self._lat - (lines - self._pixel[0]) * self._step[0]
        lon = self._lon + (samples - self._pixel[1]) * self._step[1]
        beyond = np.abs(lat) > 90.0
        high = np.full(lat.shape, self.reference_height) if heights is None else heights
        lon, lat, high = (np.where(beyond, np.inf, each) for each in (lon, lat, high))
        return lon, lat, high

    def image(self, lon: Floats, lat: Floats, heights: Floats) -> tuple[Floats, Floats]:  # noqa: ARG002
        """Give samples and lines of ground positions at any height."""
        across = wrap_longitude(lon - self._lon)
        return across / self._step[1] + self._pixel[1], (self._lat - lat) / self._step[0] + self._pixel[0]


class _Polynomial:
    """PFGD, sections 3.10 and 3.11; the way back is the inverse of the way there, not its other polynomials."""

    has_curves = False

    def __init__(self, p: SiddParameters) -> None:
        if p.polynomials is None:
            raise ItemError("SIDD lacks Measurement/PolynomialProjection")
        given = p.polynomials
        self._lat, self._lon, self._row, self._col = (
            np.array(each) for each in (given.lat, given.lon, given.row, given.col)
        )
        self._height = None if given.height is None else np.array(given.height)
        self.reference_height = float(heights_above(_column(p.reference))[0][0])
        self._middle = p.size.width / 2.0, p.size.height / 2.0

    def _degrees(self, samples: Floats, lines: Floats) -> tuple[Floats, Floats]:
        flat = np.zeros_like(samples)
        return poly2(self._lon, lines, samples) + flat, poly2(self._lat, lines, samples) + flat

    def ground(self, samples: Floats, lines: Floats, heights: Floats | None) -> Ground:
        """Give longitude, latitude and height of pixels; without heights, the product's."""
        lon, lat = self._degrees(samples, lines)
        if heights is not None:
            return lon, lat, heights
        if self._height is None:
            return lon, lat, np.full(lat.shape, self.reference_height)
        return lon, lat, poly2(self._height, lines, samples) + 0.0 * lat

    def image(self, lon: Floats, lat: Floats, heights: Floats) -> tuple[Floats, Floats]:  # noqa: ARG002
        """Give samples and lines of ground positions at any height."""
        middle = float(poly2(self._lon, *(np.array([each]) for each in self._middle[::-1]))[0])
        lon = middle + wrap_longitude(lon - middle)
        with np.errstate(all="ignore"):
            start = poly2(self._col, lat, lon) + 0.0 * lat, poly2(self._row, lat, lon) + 0.0 * lat
            return solve_plane(self._degrees, (lon, lat), start)


SURFACES: dict[str, type[_Curves] | type[_Geographic] | type[_Polynomial]] = {
    "PlaneProjection": _Curves,
    "CylindricalProjection": _Curves,
    "GeographicProjection": _Geographic,
    "PolynomialProjection": _Polynomial,
}
"""Element of Measurement → its surface."""


def _column(vector: Vector) -> Floats:
    return np.array(vector, np.float64)[:, None]
