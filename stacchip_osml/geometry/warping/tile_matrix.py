"""One tile matrix: equal tiles of a plane, as pure arithmetic (OGC 17-083r4, clause 6).

Rules:

- rows count from the north, columns from the west, both from 0;
- an edge belongs to the tile east and south of it; the outermost edges to the
  tiles that they bound;
- a matrix that goes around the Earth (``wraps``) may be counted on beyond its
  last column: column ``c`` is column ``c`` modulo their number.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import WindowError
from stacchip_osml.geometry.locate import CRS84, CRS_TEXT, Transform, is_lonlat, native_of, to_crs84, wrap_longitude
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import finite_numbers, real_number, real_numbers, whole_number, whole_numbers

__all__ = ["MapTileLimits", "MapTileSize", "NativeBounds", "TileError", "TileMatrix", "lonlat_of"]

Floats = NDArray[np.float64]

_SNAP = 2.0**-48
"""Of a matrix' extent: positions nearer to an edge than that (0.1 µm on the Earth) lie on it."""


class TileError(WindowError):
    """A tile that its set does not have, or a place outside of it."""


class MapTileSize(NamedTuple):
    """Extent of a tile in pixels."""

    width: int
    height: int


class NativeBounds(NamedTuple):
    """Extent of a tile in the CRS of its set."""

    min_x: float
    min_y: float
    max_x: float
    max_y: float


class MapTileLimits(NamedTuple):
    """First and last row and column of a rectangle of tiles, both inside."""

    min_row: int
    min_col: int
    max_row: int
    max_col: int
    """Beyond the matrix' last column where the rectangle crosses the antimeridian."""

    @property
    def shape(self) -> tuple[int, int]:
        """Tiles down and across."""
        return self.max_row - self.min_row + 1, self.max_col - self.min_col + 1

    def holds(self, row: int, col: int) -> bool:
        """Tell whether a tile is one of them."""
        return self.min_row <= row <= self.max_row and self.min_col <= col <= self.max_col


@dataclass(frozen=True, slots=True, kw_only=True)
class TileMatrix:
    """Tiles of one size that lie side by side in a CRS."""

    crs: str
    origin: tuple[float, float]
    """CRS x and y of the upper-left corner."""
    cell: tuple[float, float]
    """CRS units a pixel, to the east and to the south; positive."""
    tile_size: MapTileSize
    shape: tuple[int, int]
    """Tiles down and across."""
    wraps: bool = False
    """The eastern edge is the western one."""

    def __post_init__(self) -> None:
        of_kind("crs", self.crs, str, CRS_TEXT)
        finite_numbers("origin", self.origin, 2)
        whole_numbers("tile_size", self.tile_size, 2, least=1)
        whole_numbers("shape", self.shape, 2, least=1)
        if min(finite_numbers("cell", self.cell, 2)) <= 0:
            raise TileError(f"cell must be above 0, got {self.cell!r}")

    @property
    def span(self) -> tuple[float, float]:
        """CRS units of a tile, across and down."""
        return self.cell[0] * self.tile_size.width, self.cell[1] * self.tile_size.height

    @property
    def transform(self) -> Transform:
        """Affine a b c d e f: pixel corners of the whole matrix → CRS x, y."""
        return self.cell[0], 0.0, self.origin[0], 0.0, -self.cell[1], self.origin[1]

    @property
    def bounds(self) -> NativeBounds:
        """Extent of the whole matrix."""
        (rows, cols), (across, down), (x, y) = self.shape, self.span, self.origin
        return NativeBounds(x, y - rows * down, x + cols * across, y)

    def tile_bounds(self, row: int, col: int) -> NativeBounds:
        """Give the extent of a tile; edges of neighbours are the very same numbers.

        Raises:
            TileError: no such tile.
        """
        self.require(row, col)
        x, y = self.at(col * self.tile_size.width, row * self.tile_size.height)
        right, bottom = self.at((col + 1) * self.tile_size.width, (row + 1) * self.tile_size.height)
        return NativeBounds(x, bottom, right, y)

    def at(self, across: float, down: float) -> tuple[float, float]:
        """Give CRS x, y of a pixel corner position of the whole matrix."""
        across, down = real_number("across", across), real_number("down", down)
        return self.origin[0] + self.cell[0] * across, self.origin[1] - self.cell[1] * down

    def require(self, row: int, col: int) -> None:
        """Refuse a tile that is not in the matrix, by a TileError."""
        rows, cols = self.shape
        row, col = whole_number("row", row), whole_number("col", col)
        if not (0 <= row < rows and 0 <= col < cols):
            raise TileError(f"tile row {row}, column {col} of a matrix of {rows} rows and {cols} columns")

    def tile_at(self, x: float, y: float) -> tuple[int, int]:
        """Give (row, col) of the tile at a place.

        Raises:
            TileError: the place lies outside the matrix.
        """
        rows, cols = self.shape
        x, y = real_number("x", x), real_number("y", y)
        down, across = self._down(np.array([y]))[0], self._across(np.array([x]))[0]
        if not (0.0 <= down <= rows and 0.0 <= across <= cols):
            raise TileError(f"({x:.12g}, {y:.12g}) lies outside {self.bounds}, {self.crs}")
        return min(int(down), rows - 1), min(int(across), cols - 1)

    def limits(self, x: Floats, y: Floats) -> MapTileLimits:
        """Give the tiles that a ring of places reaches into.

        Args:
            x: CRS units, finite; a ring across the antimeridian goes on beyond it.
            y: CRS units, finite.

        Raises:
            TileError: none of it lies in the matrix.
        """
        x, y = real_numbers("x", x), real_numbers("y", y)
        if not (x.size and y.size and np.isfinite(x).all() and np.isfinite(y).all()):
            raise TileError("x and y of an area must be finite, and at least one place")
        rows, cols = self.shape
        down, across = self._down(y), self._across(x)
        top, bottom = _span(down)
        left, right = _span(across)
        if self.wraps:
            if right - left >= cols:
                left, right = 0, cols - 1
            turn = left // cols * cols
            left, right = left - turn, right - turn
        is_outside = down.min() > rows or down.max() < 0
        is_outside |= not self.wraps and (across.min() > cols or across.max() < 0)
        if is_outside:
            raise TileError(f"the area lies outside {self.bounds}, {self.crs}")
        top, bottom = min(max(top, 0), rows - 1), min(max(bottom, 0), rows - 1)
        if not self.wraps:
            left, right = min(max(left, 0), cols - 1), min(max(right, 0), cols - 1)
        return MapTileLimits(top, left, bottom, right)

    def native(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Give CRS x, y of degrees; not finite where there is none. Longitudes of a matrix that wraps go on."""
        lon, lat = real_numbers("lon", lon), real_numbers("lat", lat)
        if self.wraps:
            _, y = (lon, lat) if self.crs == CRS84 else native_of(self.crs, np.zeros_like(lat), lat, near=0.0)
            return lon / 360.0 * (self.shape[1] * self.span[0]), np.asarray(y)
        return native_of(self.crs, lon, lat, near=self.origin[0] + self.shape[1] * self.span[0] / 2)

    def _down(self, y: Floats) -> Floats:
        return _snapped((self.origin[1] - y) / self.span[1], self.shape[0])

    def _across(self, x: Floats) -> Floats:
        return _snapped((x - self.origin[0]) / self.span[0], self.shape[1])


def lonlat_of(crs: str, x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Give degrees of CRS x, y, longitudes within [-180, 180]; infinite where there is no such place."""
    if is_lonlat(crs):
        off = ~(np.abs(y) <= 90.0)
        return np.where(off, np.inf, wrap_longitude(x)), np.where(off, np.inf, y)
    lon, lat = to_crs84(crs).transform(x, y)
    return wrap_longitude(np.asarray(lon)), np.asarray(lat)


def _snapped(position: Floats, count: int) -> Floats:
    """Put what lies on an edge, but for rounding, on it."""
    near = np.rint(position)
    return np.where(np.abs(position - near) <= count * _SNAP, near, position)


def _span(position: Floats) -> tuple[int, int]:
    """Give the first and last tile of a span; one that ends on an edge does not reach into the next."""
    low, high = float(position.min()), float(position.max())
    return int(np.floor(low)), max(int(np.ceil(high)) - 1, int(np.floor(low)))
