"""Fast evaluation of a locator on products of columns and rows.

From pixels to the ground is a smooth map, so the exact locator is asked on a
small Chebyshev lattice over the grid's extent and a polynomial takes its place
for the (many) chip corners: two small matrix products. Rules:

- The polynomial is compared with the exact locator at independent points and
  must agree to ``TOLERANCE``; else the next surface is tried, the last being
  the exact locator itself.
- Longitude and latitude are fitted first, with more and more terms (cheapest).
  They are not smooth at a pole, where the unit vectors towards the positions are.
- ``continuous`` surfaces give longitudes without a jump anywhere on them,
  possibly beyond ±180; the others give each position in [-180, 180].
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.locate import AffineLocator, Locator

__all__ = ["TOLERANCE", "Bends", "Surface", "fit_surface", "unit_vectors"]

Floats = NDArray[np.float64]

TOLERANCE = 1e-9
"""Largest error of a polynomial, degrees (0.1 mm)."""

_ORDERS = (7, 11, 17)  # 7 is enough for a 110 km tile of UTM
_KEPT = 1024  # points of the longest axis whose basis is kept: bounds the memory
_CHECKS = 2.0 * ((np.arange(1, 20)[:, None] * (0.7548776662466927, 0.5698402909980532)) % 1.0) - 1.0
_CORNERS = np.array([(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (0.97, -0.96), (-0.96, 0.97)])
_INDEPENDENT = np.concatenate([_CHECKS, _CORNERS])


@dataclass(frozen=True, slots=True)
class Bends:
    """How far a surface may be from a plane: first and second derivatives, of (longitude, latitude) in degrees."""

    latitude: tuple[float, float]
    """Mean, and the largest distance from it."""
    slopes: list[list[tuple[float, float]]]
    """``[coordinate][direction]``: mean per pixel across, down, and the largest distance from it."""
    curves: list[list[float]]
    """``[coordinate][direction]``: largest second derivative per pixel² across, down."""


@dataclass(frozen=True, slots=True)
class Surface:
    """Longitude and latitude over a product of columns and rows."""

    evaluate: Callable[[Floats, Floats], tuple[Floats, Floats]]
    """``(cols (n,), rows (m,)) -> (lon (m, n), lat (m, n))``."""
    continuous: bool
    """True where longitudes do not jump at ±180."""
    everywhere: bool = True
    """False where a part of it may have no place on the ground: its positions are infinite."""
    bends: Callable[[], Bends] | None = None
    """Bounds that hold all over it, where they are known without looking."""
    straight: bool = False
    """True where a pixel line is a straight line in degrees."""


@dataclass(frozen=True, slots=True, eq=False)
class _Lattice:
    cols: Floats
    """Of the Chebyshev lattice, and of the independent points after it, in [-1, 1]."""
    rows: Floats
    matrix: Floats
    """From values on a line to coefficients, ``(order, order)``."""
    to_checks: Floats
    """From values on the lattice to the polynomial's at the independent points."""


@lru_cache(maxsize=8)
def _lattice(order: int) -> _Lattice:
    angle = np.pi * np.arange(order) / (order - 1)
    matrix = np.cos(np.outer(np.arange(order), angle)) * (2.0 / (order - 1))
    matrix[:, [0, -1]] *= 0.5
    matrix[[0, -1], :] *= 0.5
    across, down = np.meshgrid(np.cos(angle), np.cos(angle))
    right, below = (_new_basis(axis, order).T @ matrix for axis in _INDEPENDENT.T)
    to_checks = np.einsum("pr,pc->rcp", below, right).reshape(order * order, -1)
    return _Lattice(np.append(across, _INDEPENDENT[:, 0]), np.append(down, _INDEPENDENT[:, 1]), matrix, to_checks)


def _basis(points: Floats, order: int) -> Floats:
    """Give the Chebyshev polynomials of the points, ``(order, n)``; read-only where kept for the next image."""
    return _kept_basis(points.tobytes(), order) if points.size <= _KEPT else _new_basis(points, order)


@lru_cache(maxsize=64)
def _kept_basis(points: bytes, order: int) -> Floats:
    """Keep what depends on the grid alone: images of one product share their grid."""
    basis = _new_basis(np.frombuffer(points, np.float64), order)
    basis.setflags(write=False)
    return basis


def _new_basis(points: Floats, order: int) -> Floats:
    basis = np.empty((order, points.size))
    basis[0], basis[1] = 1.0, points
    double = 2.0 * points
    for k in range(2, order):
        np.multiply(double, basis[k - 1], out=basis[k])
        basis[k] -= basis[k - 2]
    return basis


@dataclass(frozen=True, slots=True)
class _Scale:
    """An interval of pixels mapped to [-1, 1]."""

    middle: float
    half: float

    @classmethod
    def over(cls, low: float, high: float) -> _Scale:
        return cls((low + high) / 2.0, max(high - low, 1.0) / 2.0)

    def inward(self, pixels: Floats) -> Floats:
        return (pixels - self.middle) / self.half

    def outward(self, points: Floats) -> Floats:
        return points * self.half + self.middle


def unit_vectors(lon: Floats, lat: Floats) -> Floats:
    """Give the unit vectors along the ellipsoid's normals, ``(3, …)``."""
    east, north = np.radians(lon), np.radians(lat)
    level = np.cos(north)
    return np.stack([level * np.cos(east), level * np.sin(east), np.sin(north)])


def _lonlat(locate: AffineLocator, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    return locate.project(cols[None, :], rows[:, None])


def _exact(locate: Locator, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    across, down = np.meshgrid(cols, rows)
    lon, lat = locate(across.ravel(), down.ravel())
    return lon.reshape(across.shape), lat.reshape(across.shape)


def _polynomial(coefficients: Floats, across: _Scale, down: _Scale, cols: Floats, rows: Floats) -> Floats:
    order = coefficients.shape[-1]
    return _basis(down.inward(rows), order).T @ (coefficients @ _basis(across.inward(cols), order))


def _degrees(coefficients: Floats, across: _Scale, down: _Scale, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    lon, lat = _polynomial(coefficients, across, down, cols, rows)
    return lon, lat


@lru_cache(maxsize=8)
def _derivatives(order: int) -> Floats:
    """Give the matrix from coefficients to those of the first derivative and, below, of the second."""
    first = np.pad(np.polynomial.chebyshev.chebder(np.eye(order)), ((0, 1), (0, 0)))
    return np.concatenate([first, first @ first])


def _bends(coefficients: Floats, across: _Scale, down: _Scale) -> Bends:
    """Bound the derivatives: no Chebyshev polynomial exceeds 1."""
    order = coefficients.shape[-1]
    matrix = _derivatives(order)
    # of each direction: coordinate, derivative, terms; the largest value is the sum of all terms
    both = (coefficients @ matrix.T).reshape(2, order, 2, order), (matrix @ coefficients).reshape(2, 2, order, order)
    sums = np.abs(both[0]).sum(axis=(1, 3)).tolist(), np.abs(both[1]).sum(axis=(2, 3)).tolist()
    means = both[0][:, 0, 0, 0].tolist(), both[1][:, 0, 0, 0].tolist()
    level = float(coefficients[1, 0, 0])
    half = (across.half, down.half)
    return Bends(
        (level, float(np.abs(coefficients[1]).sum()) - abs(level)),
        [[(means[d][c] / half[d], (sums[d][c][0] - abs(means[d][c])) / half[d]) for d in (0, 1)] for c in (0, 1)],
        [[sums[d][c][1] / half[d] ** 2 for d in (0, 1)] for c in (0, 1)],
    )


def _vectors(coefficients: Floats, across: _Scale, down: _Scale, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    x, y, z = _polynomial(coefficients, across, down, cols, rows)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def _continuous(lon: Floats) -> Floats:
    """Take jumps at the antimeridian out of a lattice."""
    if lon.max() - lon.min() < 180.0:
        return lon
    return np.unwrap(np.unwrap(lon, axis=1, period=360.0), axis=0, period=360.0)


def fit_surface(locate: Locator, extent: tuple[float, float, float, float]) -> Surface:
    """Choose the cheapest surface that is as good as the locator.

    Args:
        locate: the exact map.
        extent: left, top, right, bottom in pixels; the surface holds inside.

    Returns:
        A surface within ``TOLERANCE`` of ``locate``.
    """
    if isinstance(locate, AffineLocator) and locate.is_lonlat:
        return Surface(partial(_lonlat, locate), continuous=True, straight=True)
    across, down = _Scale.over(extent[0], extent[2]), _Scale.over(extent[1], extent[3])
    asked: list[tuple[_Lattice, Floats, Floats]] = []
    for order in _ORDERS:
        lattice = _lattice(order)
        lon, lat = locate(across.outward(lattice.cols), down.outward(lattice.rows))
        if not np.isfinite(lon.sum() + lat.sum()):
            return Surface(partial(_exact, locate), continuous=False, everywhere=False)
        coefficients = _fitted_degrees(lattice, lon, lat)
        if coefficients is not None:
            return Surface(
                partial(_degrees, coefficients, across, down),
                continuous=True,
                bends=partial(_bends, coefficients, across, down),
            )
        asked.append((lattice, lon, lat))
    for positions in asked:
        coefficients = _fitted_vectors(*positions)
        if coefficients is not None:
            return Surface(partial(_vectors, coefficients, across, down), continuous=False)
    return Surface(partial(_exact, locate), continuous=False, everywhere=False)


def _fitted_degrees(lattice: _Lattice, lon: Floats, lat: Floats) -> Floats | None:
    """Fit longitude and latitude; None where the checks, which follow the lattice, find that not good enough."""
    inner, shape = lattice.matrix.size, lattice.matrix.shape
    values = np.empty((2, lon.size))
    values[0], values[1] = lon, lat
    values[0, :inner] = _continuous(values[0, :inner].reshape(shape)).ravel()
    error = values[:, :inner] @ lattice.to_checks
    error -= values[:, inner:]
    if np.abs(error).max() >= TOLERANCE:  # by whole turns, perhaps
        error[0] -= 360.0 * np.round(error[0] / 360.0)
        if np.abs(error).max() >= TOLERANCE:
            return None
    coefficients: Floats = lattice.matrix @ values[:, :inner].reshape(2, *shape) @ lattice.matrix.T
    return coefficients


def _fitted_vectors(lattice: _Lattice, lon: Floats, lat: Floats) -> Floats | None:
    """Fit unit vectors, alike."""
    inner = lattice.matrix.size
    vectors = unit_vectors(lon, lat)
    error = np.abs(vectors[:, :inner] @ lattice.to_checks - vectors[:, inner:]).max()
    if error >= np.radians(TOLERANCE):
        return None
    coefficients: Floats = lattice.matrix @ vectors[:, :inner].reshape(3, *lattice.matrix.shape) @ lattice.matrix.T
    return coefficients
