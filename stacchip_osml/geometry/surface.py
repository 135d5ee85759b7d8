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

__all__ = ["TOLERANCE", "Surface", "fit_surface", "unit_vectors"]

Floats = NDArray[np.float64]

TOLERANCE = 1e-9
"""Largest error of a polynomial, degrees (0.1 mm)."""

_ORDERS = (7, 11, 17)  # 7 is enough for a 110 km tile of UTM
_KEPT = 1024  # points of the longest axis whose basis is kept: bounds the memory
_CHECKS = 2.0 * ((np.arange(1, 20)[:, None] * (0.7548776662466927, 0.5698402909980532)) % 1.0) - 1.0
_CORNERS = np.array([(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0), (1.0, 1.0), (0.97, -0.96), (-0.96, 0.97)])
_INDEPENDENT = np.concatenate([_CHECKS, _CORNERS])


@dataclass(frozen=True, slots=True)
class Surface:
    """Longitude and latitude over a product of columns and rows."""

    evaluate: Callable[[Floats, Floats], tuple[Floats, Floats]]
    """``(cols (n,), rows (m,)) -> (lon (m, n), lat (m, n))``."""
    continuous: bool
    """True where longitudes do not jump at ±180."""
    everywhere: bool = True
    """False where a part of it may have no place on the ground: its positions are infinite."""
    straight: bool = False
    """True where a pixel line is a straight line in degrees."""


@lru_cache(maxsize=8)
def _lattice(order: int) -> tuple[Floats, Floats, Floats]:
    """Give columns and rows of the Chebyshev lattice and the checks after it, and the matrix to coefficients."""
    angle = np.pi * np.arange(order) / (order - 1)
    matrix = np.cos(np.outer(np.arange(order), angle)) * (2.0 / (order - 1))
    matrix[:, [0, -1]] *= 0.5
    matrix[[0, -1], :] *= 0.5
    across, down = np.meshgrid(np.cos(angle), np.cos(angle))
    return np.append(across, _INDEPENDENT[:, 0]), np.append(down, _INDEPENDENT[:, 1]), matrix


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


def _vectors(coefficients: Floats, across: _Scale, down: _Scale, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    x, y, z = _polynomial(coefficients, across, down, cols, rows)
    return np.degrees(np.arctan2(y, x)), np.degrees(np.arctan2(z, np.hypot(x, y)))


def _at_checks(coefficients: Floats) -> Floats:
    """Evaluate at the independent points, ``(coordinates, points)``."""
    down, across = _check_basis(coefficients.shape[-1])
    values: Floats = np.einsum("cqp,qp->cp", coefficients @ across, down)
    return values


@lru_cache(maxsize=8)
def _check_basis(order: int) -> tuple[Floats, Floats]:
    return _basis(_INDEPENDENT[:, 1], order), _basis(_INDEPENDENT[:, 0], order)


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
    asked: list[tuple[Floats, Floats, Floats]] = []
    for order in _ORDERS:
        cols, rows, matrix = _lattice(order)
        lon, lat = locate(across.outward(cols), down.outward(rows))
        if not np.isfinite(lon.sum() + lat.sum()):
            return Surface(partial(_exact, locate), continuous=False, everywhere=False)
        coefficients = _fitted_degrees(lon, lat, matrix)
        if coefficients is not None:
            return Surface(partial(_degrees, coefficients, across, down), continuous=True)
        asked.append((lon, lat, matrix))
    for lon, lat, matrix in asked:
        coefficients = _fitted_vectors(lon, lat, matrix)
        if coefficients is not None:
            return Surface(partial(_vectors, coefficients, across, down), continuous=False)
    return Surface(partial(_exact, locate), continuous=False, everywhere=False)


def _fitted_degrees(lon: Floats, lat: Floats, matrix: Floats) -> Floats | None:
    """Fit longitude and latitude; None where the checks, which follow the lattice, find that not good enough."""
    inner = matrix.size
    grid = np.stack([lon[:inner], lat[:inner]]).reshape(2, *matrix.shape)
    grid[0] = _continuous(grid[0])
    coefficients: Floats = matrix @ grid @ matrix.T
    error = _at_checks(coefficients) - (lon[inner:], lat[inner:])
    error[0] -= 360.0 * np.round(error[0] / 360.0)
    return coefficients if np.abs(error).max() < TOLERANCE else None


def _fitted_vectors(lon: Floats, lat: Floats, matrix: Floats) -> Floats | None:
    """Fit unit vectors, alike."""
    inner = matrix.size
    vectors = unit_vectors(lon, lat)
    coefficients: Floats = matrix @ vectors[:, :inner].reshape(3, *matrix.shape) @ matrix.T
    error = np.abs(_at_checks(coefficients) - vectors[:, inner:]).max()
    return coefficients if error < np.radians(TOLERANCE) else None
