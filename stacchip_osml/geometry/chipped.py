"""A model of an image seen through a chip of it: chip pixels are mapped to the full image's, and back.

The two standards that describe chips agree on four corner points. ICHIPB
(STDI-0002, appendix B) counts from the corner of the first pixel, whose centre
is 0.5; SIDD's GeometricChip counts from its centre. Both become maps between
corner positions here, which carry any model of the full image.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.newton import solve_plane
from stacchip_osml.geometry.sensor_model import SensorModel, broadcast
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["BilinearMap", "ChipMap", "ChippedModel", "PlaneMap"]

Floats = NDArray[np.float64]
Point = tuple[float, float]
Four = tuple[Point, Point, Point, Point]

ROUNDED = 0.002
"""Pixels: corner points this near to an affine map are one, written with three decimals."""
FLAT = 1e-9
"""A map whose pixels have less than this share of the area they span is a line."""


@runtime_checkable
class ChipMap(Protocol):
    """Corner positions of a chip to those of the full image."""

    def forward(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Chip to full image."""
        ...

    def inverse(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Full image to chip."""
        ...


@dataclass(frozen=True, slots=True)
class ChippedModel(SensorModel):
    """A sensor model of a chip: ``full``'s, through ``chip``."""

    full: SensorModel
    """Of the full image."""
    chip: ChipMap

    def __post_init__(self) -> None:
        of_kind("full", self.full, SensorModel, "a sensor model")
        of_kind("chip", self.chip, ChipMap, "a map of chip pixels to the full image")

    @property
    def kind(self) -> str:
        """The full image's."""
        return self.full.kind

    @property
    def approximate(self) -> bool:
        """The full image's."""
        return self.full.approximate

    @property
    def notes(self) -> tuple[str, ...]:
        """The full image's."""
        return self.full.notes

    def image_to_world(
        self, cols: ArrayLike, rows: ArrayLike, heights: ArrayLike | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Give ``(lon, lat, height)`` of the chip's pixel corner positions; see :class:`SensorModel`."""
        shape, (across, down, above) = broadcast(cols=cols, rows=rows, heights=0.0 if heights is None else heights)
        ground = self.full.image_to_world(*self.chip.forward(across, down), None if heights is None else above)
        lon, lat, high = (each.reshape(shape) for each in ground)
        return lon, lat, high

    def world_to_image(self, lon: ArrayLike, lat: ArrayLike, heights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Give ``(cols, rows)`` of the chip of ground positions; see :class:`SensorModel`."""
        shape, (east, north, high) = broadcast(lon=lon, lat=lat, heights=0.0 if heights is None else heights)
        cols, rows = self.full.world_to_image(east, north, None if heights is None else high)
        found = np.isfinite(cols) & np.isfinite(rows)
        cols, rows = self.chip.inverse(np.where(found, cols, 0.0), np.where(found, rows, 0.0))
        return np.where(found, cols, np.inf).reshape(shape), np.where(found, rows, np.inf).reshape(shape)


@dataclass(frozen=True, slots=True)
class PlaneMap:
    """The affine map of four pairs of points or, where there is none, the projective one (ICHIPB).

    Raises:
        ItemError: the points of either side lie on a line, or the map turns inside out between them.
    """

    chip: Four
    """(col, row) in the chip: upper left, upper right, lower left, lower right."""
    full: Four
    """The same in the full image."""
    _matrix: Floats = field(init=False, repr=False, compare=False)
    _back: Floats = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        chip, full = np.array(self.chip, np.float64), np.array(self.full, np.float64)
        for points, name in ((chip, "chip"), (full, "full image")):
            if not np.isfinite(points).all() or _area(points) <= FLAT * np.ptp(points, axis=0).max() ** 2:
                raise ItemError(f"the four corner points in the {name} lie on a line: {points.tolist()}")
        middle, half = chip.mean(axis=0), np.ptp(chip, axis=0) / 2.0  # scaled, so that the equations are well posed
        scaled = (chip - middle) / half
        ones = np.column_stack([scaled, np.ones(4)])
        affine = np.linalg.lstsq(ones, full, rcond=None)[0]
        matrix = np.vstack([affine.T, [0.0, 0.0, 1.0]])
        if np.abs(ones @ affine - full).max() > ROUNDED:
            matrix = _projective(scaled, full)
        matrix = matrix @ np.array(
            [[1 / half[0], 0, -middle[0] / half[0]], [0, 1 / half[1], -middle[1] / half[1]], [0, 0, 1]]
        )
        object.__setattr__(self, "_matrix", matrix)
        object.__setattr__(self, "_back", np.linalg.inv(matrix))

    def forward(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Chip to full image."""
        return _applied(self._matrix, cols, rows)

    def inverse(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Full image to chip."""
        return _applied(self._back, cols, rows)


@dataclass(frozen=True, slots=True)
class BilinearMap:
    """The bilinear map of a rectangle's corners (SIDD GeometricChip).

    Raises:
        ItemError: the corners lie on a line.
    """

    origin: Point
    """(col, row) in the chip of the upper-left corner point."""
    span: Point
    """Columns and rows from there to the lower-right one."""
    corners: Four
    """(col, row) in the full image: upper left, upper right, lower left, lower right."""

    def __post_init__(self) -> None:
        points = np.array(self.corners, np.float64)
        if not np.isfinite(points).all() or _area(points) <= FLAT * np.ptp(points, axis=0).max() ** 2:
            raise ItemError(f"the four corner points in the original image lie on a line: {points.tolist()}")

    def forward(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Chip to full image."""
        u, v = (cols - self.origin[0]) / self.span[0], (rows - self.origin[1]) / self.span[1]
        first, right, low, last = self.corners
        col, row = (
            a + u * (b - a) + v * (c - a) + u * v * (a - b - c + d)
            for a, b, c, d in zip(first, right, low, last, strict=True)
        )
        return col, row

    def inverse(self, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
        """Full image to chip."""
        first, right, low, _ = (np.array(each) for each in self.corners)
        across, down = (right - first) / self.span[0], (low - first) / self.span[1]
        size = across[0] * down[1] - across[1] * down[0]
        x, y = cols - first[0], rows - first[1]
        start = (x * down[1] - y * down[0]) / size, (y * across[0] - x * across[1]) / size
        return solve_plane(self.forward, (cols, rows), (start[0] + self.origin[0], start[1] + self.origin[1]))


def _area(points: Floats) -> float:
    """Give twice the area of the smallest corner triangle of upper left, upper right, lower left, lower right."""
    first, right, low, last = points
    triangles = ((first, right, low), (right, last, first), (last, low, right), (low, first, last))
    return float(min(abs(np.linalg.det(np.stack([b - a, c - a]))) for a, b, c in triangles))


def _projective(points: Floats, images: Floats) -> Floats:
    rows, values = [], []
    for (x, y), (u, v) in zip(points, images, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        values += [u, v]
    try:
        solved = np.linalg.solve(np.array(rows), np.array(values))
    except np.linalg.LinAlgError as error:
        raise ItemError("no projective map leads through the four corner points") from error
    if np.abs(solved[6:]).sum() >= 1.0:
        raise ItemError("the map of the four corner points turns inside out between them")
    return np.append(solved, 1.0).reshape(3, 3)


def _applied(matrix: Floats, cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    with np.errstate(all="ignore"):
        if g == 0.0 and h == 0.0:
            return (a * cols + b * rows + c) / i, (d * cols + e * rows + f) / i
        under = g * cols + h * rows + i
        return (a * cols + b * rows + c) / under, (d * cols + e * rows + f) / under
