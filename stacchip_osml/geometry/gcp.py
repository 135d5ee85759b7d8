"""A locator from ground control points: least squares, order chosen by their number.

Rules:

- 3 points give an affine, 4 or 5 a projective map (four corners fit exactly,
  as in NITF's IGEOLO), 6 to 14 a polynomial of second order, 15 and more of
  third order: always at least half as many points as a polynomial of that
  order has coefficients are spare, from the second order on.
- Points that do not determine the chosen map (collinear, too few distinct)
  get the next simpler one; points that do not determine an affine are refused.
- Fits are made in the GCPs' CRS, on pixels and coordinates scaled to about
  [-1, 1]; degrees are unwrapped first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import parse_crs, to_crs84, wrap_longitude
from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.pixel.arguments import each_of
from stacchip_osml.pixel.counts import real_numbers

__all__ = ["GcpLocator"]

Floats = NDArray[np.float64]

_POWERS = {
    order: tuple((i, j) for i in range(order + 1) for j in range(order + 1 - i)) for order in (1, 2, 3)
}  # exponents of col and row
_CONDITION = 1e-8  # singular values below this share of the largest carry nothing


@dataclass(frozen=True, slots=True)
class GcpLocator:
    """Pixels placed by a smooth map fitted to ground control points."""

    gcps: tuple[GroundControlPoint, ...]
    """At least three, not on a line."""
    crs: str
    """CRS of the points' x and y, anything PROJ knows."""
    model: str = field(init=False, compare=False)
    """``affine``, ``projective``, ``second order`` or ``third order``."""
    rmse_pixels: float = field(init=False, compare=False)
    """Root mean square distance of the points from the fit, pixels."""
    _fit: _Fit = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        gcps = each_of("gcps", self.gcps, GroundControlPoint, "ground control points")
        object.__setattr__(self, "gcps", gcps)
        if len(gcps) < 3:
            raise ItemError(f"expected at least 3 ground control points, got {len(gcps)}")
        table = real_numbers("gcps", [(p.col, p.row, p.x, p.y) for p in gcps])
        if not np.isfinite(table).all():
            raise ItemError("ground control points must be finite numbers")
        if parse_crs(self.crs).is_geographic:
            table[:, 2] = table[0, 2] + wrap_longitude(table[:, 2] - table[0, 2])
        to_crs84(self.crs)
        fit = _fitted(table[:, :2], table[:, 2:])
        object.__setattr__(self, "model", fit.model)
        object.__setattr__(self, "_fit", fit)
        object.__setattr__(self, "rmse_pixels", _rmse(fit, table[:, :2], table[:, 2:]))

    @property
    def approximate(self) -> bool:
        """True: between the points the map is a guess."""
        return True

    def project(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give CRS ``(x, y)`` of pixel positions; degrees are not wrapped."""
        across, down = np.broadcast_arrays(real_numbers("cols", cols), real_numbers("rows", rows))
        ground = self._fit(np.stack([across.ravel(), down.ravel()], axis=-1))
        return ground[:, 0].reshape(across.shape), ground[:, 1].reshape(across.shape)

    def __call__(self, cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
        """Give ``(lon, lat)`` of pixel positions."""
        lon, lat = to_crs84(self.crs).transform(*self.project(cols, rows))
        return wrap_longitude(np.asarray(lon)), np.asarray(lat)


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """A map from pixels to CRS coordinates, both scaled."""

    model: str
    pixel_scale: tuple[Floats, Floats]
    ground_scale: tuple[Floats, Floats]
    coefficients: Floats

    def __call__(self, pixels: Floats) -> Floats:
        middle, half = self.pixel_scale
        scaled = (pixels - middle) / half
        mapped = _MODELS[self.model].apply(scaled, self.coefficients)
        ground: Floats = mapped * self.ground_scale[1] + self.ground_scale[0]
        return ground


def _scale(values: Floats) -> tuple[Floats, Floats]:
    low, high = values.min(axis=0), values.max(axis=0)
    return (low + high) / 2.0, np.where(high > low, (high - low) / 2.0, 1.0)


def _solve(matrix: Floats, values: Floats) -> Floats | None:
    """Solve by least squares; None where the points do not determine the answer."""
    solution, _, rank, _ = np.linalg.lstsq(matrix, values, rcond=_CONDITION)
    return np.asarray(solution, np.float64) if rank == matrix.shape[1] else None


def _terms(pixels: Floats, order: int) -> Floats:
    col, row = pixels[:, 0], pixels[:, 1]
    return np.stack([col**i * row**j for i, j in _POWERS[order]], axis=-1)


def _polynomial(order: int) -> _Model:
    return _Model(
        lambda pixels, ground: _solve(_terms(pixels, order), ground),
        lambda pixels, coefficients: _terms(pixels, order) @ coefficients,
    )


def _fit_projective(pixels: Floats, ground: Floats) -> Floats | None:
    """Solve x = (a·col + b·row + c) / (g·col + h·row + 1), and y alike, as linear equations."""
    (col, row), (x, y) = pixels.T, ground.T
    one, none = np.ones_like(col), np.zeros_like(col)
    matrix = np.concatenate(
        [
            np.stack([col, row, one, none, none, none, -col * x, -row * x], axis=-1),
            np.stack([none, none, none, col, row, one, -col * y, -row * y], axis=-1),
        ]
    )
    solved = _solve(matrix, np.concatenate([x, y]))
    if solved is None or (np.abs(solved[6:]).sum() >= 0.9):  # the horizon would be near or inside the image
        return None
    return solved


def _apply_projective(pixels: Floats, coefficients: Floats) -> Floats:
    a, b, c, d, e, f, g, h = coefficients
    col, row = pixels.T
    bottom = g * col + h * row + 1.0
    return np.stack([(a * col + b * row + c) / bottom, (d * col + e * row + f) / bottom], axis=-1)


@dataclass(frozen=True, slots=True)
class _Model:
    fit: Callable[[Floats, Floats], Floats | None]
    apply: Callable[[Floats, Floats], Floats]


_MODELS = {
    "third order": _polynomial(3),
    "second order": _polynomial(2),
    "projective": _Model(_fit_projective, _apply_projective),
    "affine": _polynomial(1),
}


def _candidates(count: int) -> Sequence[str]:
    if count >= 15:
        return ("third order", "second order", "affine")
    if count >= 6:
        return ("second order", "affine")
    return ("projective", "affine") if count >= 4 else ("affine",)


def _fitted(pixels: Floats, ground: Floats) -> _Fit:
    pixel_scale, ground_scale = _scale(pixels), _scale(ground)
    from_pixels = (pixels - pixel_scale[0]) / pixel_scale[1]
    to_ground = (ground - ground_scale[0]) / ground_scale[1]
    for model in _candidates(len(pixels)):
        coefficients = _MODELS[model].fit(from_pixels, to_ground)
        if coefficients is not None:
            return _Fit(model, pixel_scale, ground_scale, coefficients)
    raise ItemError(f"the {len(pixels)} ground control points lie on a line: they place no image")


def _rmse(fit: _Fit, pixels: Floats, ground: Floats) -> float:
    """Give the residual in pixels: ground distance over the pixel's size there, both in CRS units."""
    middle = fit.pixel_scale[0]
    here, right, below = fit(middle + np.array([(0.0, 0.0), (1.0, 0.0), (0.0, 1.0)]))
    (a, d), (b, e) = right - here, below - here
    size = float(np.sqrt(abs(a * e - b * d)))
    if size == 0.0:
        raise ItemError("the ground control points map all pixels onto a line")
    return float(np.sqrt(((fit(pixels) - ground) ** 2).sum(axis=1).mean())) / size
