"""Where a radar image's pixels are on the ground: contours of constant range and range rate.

SICD volume 3 (NGA.STND.0024-3), chapters 4 to 6: a pixel has a time, the sensor
was somewhere at that time, and the pixel's range and range rate to it hold for
a curve in space. Where that curve meets a surface of constant height above the
ellipsoid is the pixel's ground. The standard iterates over tangent planes; here
range, range rate and height are three equations solved together by Newton's
method, which arrives at the same place (the standard stops 1 m of height
before it and goes on straight). The other way, the pixel is looked for whose
curve goes through the point. A bistatic collection has two sensors, whose
ranges and rates are averaged.

Points are ``(3, n)``, earth-centred metres. Positions without a place are infinite.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.ellipsoid import heights_above, to_ecef, to_geodetic
from stacchip_osml.geometry.newton import solve_plane

__all__ = ["Contour", "RangeRateGrid", "Sensor", "cross", "dot", "measure", "to_ground", "to_image"]

Floats = NDArray[np.float64]

CHUNK = 8192
"""Positions worked on at once: their arrays stay in the processor's caches."""
ARRIVED = 1e-4
"""Metres: the last step of a point that is found. The next would be its square over the range: nothing."""
ROUNDS = 15


class Sensor(NamedTuple):
    """A sensor's phase centre at the pixels' times, ``(3, n)``, or ``(3, 1)`` where all have one time."""

    position: Floats
    velocity: Floats
    """Metres a second."""


class Contour(NamedTuple):
    """A pixel's curve (the standard's COA projection set)."""

    sensors: tuple[Sensor, ...]
    """One, or transmitter and receiver."""
    reach: Floats
    """R: range, averaged over the sensors, metres."""
    rate: Floats
    """Rdot: its change, metres a second."""


class RangeRateGrid(Protocol):
    """What a product says of its pixels; image positions are ``(samples, lines)``, 0 at a pixel's centre."""

    @property
    def side(self) -> int:
        """+1 where the sensor looks left, -1 right, 0 where that is not known."""
        ...

    def contour(self, samples: Floats, lines: Floats) -> Contour:
        """Give the curves of pixels."""
        ...

    def near_ground(self, samples: Floats, lines: Floats, heights: Floats) -> Floats:
        """Guess the pixels' ground."""
        ...

    def near_pixel(self, points: Floats) -> tuple[Floats, Floats]:
        """Guess the pixels of points."""
        ...


def dot(a: Floats, b: Floats) -> Floats:
    """Multiply vectors ``(3, n)``."""
    product: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return product


def cross(a: Floats, b: Floats) -> Floats:
    """Give vectors ``(3, n)`` at right angles to both."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])


class Measured(NamedTuple):
    """Range and rate from points to sensors, averaged, and how they change with the point, ``(3, n)``."""

    reach: Floats
    rate: Floats
    by_reach: Floats
    by_rate: Floats


def measure(points: Floats, sensors: tuple[Sensor, ...]) -> Measured:
    """Measure range and range rate."""
    parts = []
    for position, velocity in sensors:
        way = position - points
        reach = np.sqrt(dot(way, way))
        way /= reach
        rate = dot(velocity, way)
        parts.append(Measured(reach, rate, -way, (rate * way - velocity) / reach))
    if len(parts) == 1:
        return parts[0]
    return Measured(*((a + b) * 0.5 for a, b in zip(*parts, strict=True)))


def to_ground(grid: RangeRateGrid, samples: Floats, lines: Floats, heights: Floats) -> tuple[Floats, Floats, Floats]:
    """Give ``(lon, lat, height)`` of pixels at heights above the ellipsoid, all ``(n,)``."""
    lon, lat, high = (np.empty(samples.size) for _ in range(3))
    with np.errstate(all="ignore"):  # what overflows does not arrive
        for start in range(0, samples.size, CHUNK):
            part = slice(start, start + CHUNK)
            points = _met(grid, samples[part], lines[part], heights[part])
            lon[part], lat[part], _ = to_geodetic(points)
            lost = ~np.isfinite(points[0])
            lon[part][lost] = lat[part][lost] = np.inf
            high[part] = np.where(lost, np.inf, heights[part])
    return lon, lat, high


def _met(grid: RangeRateGrid, samples: Floats, lines: Floats, heights: Floats) -> Floats:
    contour = grid.contour(samples, lines)
    points = grid.near_ground(samples, lines, heights)
    size = np.full(samples.shape, np.inf)
    for _ in range(ROUNDS):
        there = measure(points, contour.sensors)
        height, up = heights_above(points)
        a, b = there.by_reach, there.by_rate
        across = cross(b, up)
        step = (contour.reach - there.reach) * across
        step += (contour.rate - there.rate) * cross(up, a)
        step += (heights - height) * cross(a, b)
        step /= dot(a, across)
        points = points + step
        size = np.abs(step).max(axis=0)
        if not (size > ARRIVED).any():
            break
    found = size <= ARRIVED
    return np.where(found & _in_view(grid, contour, points), points, np.inf)


def _in_view(grid: RangeRateGrid, contour: Contour, points: Floats) -> NDArray[np.bool_]:
    """Tell whether points have the sensor above their horizon, and lie on the side that it looks to."""
    position, velocity = contour.sensors[0]
    away = points - position
    seen: NDArray[np.bool_] = dot(points, away) < 0.0
    if grid.side:
        seen &= grid.side * dot(cross(velocity + 0.0 * away, away), points) > 0.0
    return seen


def to_image(grid: RangeRateGrid, lon: Floats, lat: Floats, heights: Floats) -> tuple[Floats, Floats]:
    """Give ``(samples, lines)`` of ground positions, all ``(n,)``."""
    samples, lines = np.empty(lon.size), np.empty(lon.size)
    with np.errstate(all="ignore"):
        for start in range(0, lon.size, CHUNK):
            part = slice(start, start + CHUNK)
            points = to_ecef(lon[part], lat[part], heights[part])
            samples[part], lines[part] = _seen(grid, points)
    return samples, lines


def _seen(grid: RangeRateGrid, points: Floats) -> tuple[Floats, Floats]:
    def off(samples: Floats, lines: Floats) -> tuple[Floats, Floats]:
        contour = grid.contour(samples, lines)
        there = measure(points, contour.sensors)
        return contour.reach - there.reach, contour.rate - there.rate

    none = np.zeros(points.shape[1])
    samples, lines = solve_plane(off, (none, none), grid.near_pixel(points))
    lost = ~_in_view(grid, grid.contour(samples, lines), points)
    samples[lost] = lines[lost] = np.inf
    return samples, lines
