"""Map tile sets: which tile of the world is where, and which tiles an area needs (OGC 17-083r4, annex D).

Rows count from the north, as OGC, XYZ and WMTS do. Coordinates of locations and
``MapTile.bounds`` are radians, as the seeds of this interface have them;
``native_bounds`` are in the set's own CRS.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.locate import CRS84, wrap_longitude
from stacchip_osml.geometry.warping.tile_matrix import (
    MapTileLimits,
    MapTileSize,
    NativeBounds,
    TileError,
    TileMatrix,
    lonlat_of,
)
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import real_number, whole_number, whole_numbers

__all__ = [
    "GeodeticWorldCoordinate",
    "MapTile",
    "MapTileBounds",
    "MapTileId",
    "MapTileSet",
    "MapTileSetFactory",
    "QuadTileSet",
    "WellKnownMapTileSet",
    "WorldLocation",
]

Floats = NDArray[np.float64]

MERCATOR_LIMIT = math.pi * 6_378_137.0
"""Half a turn around the sphere of EPSG:3857, metres."""
LARGEST_MATRIX = 30
"""Annex D lists fewer; the next ones follow by halving."""
EDGE_POINTS = 17
"""Places that stand for one edge of a tile, or of an area."""


class MapTileId(NamedTuple):
    """Which tile of a set."""

    tile_matrix: int
    """Its zoom level."""
    tile_row: int
    """From the north, from 0."""
    tile_col: int
    """From the west, from 0."""


class MapTileBounds(NamedTuple):
    """Extent of a tile on the ground, radians."""

    min_lon: float
    min_lat: float
    max_lon: float
    """Above π where the tile crosses the antimeridian."""
    max_lat: float


NOWHERE = NativeBounds(0.0, 0.0, 0.0, 0.0)
"""Of a tile whose extent nobody gave."""


@dataclass(frozen=True, slots=True)
class MapTile:
    """What a tile of a set is."""

    id: MapTileId
    size: MapTileSize
    bounds: MapTileBounds
    native_bounds: NativeBounds = NOWHERE

    @property
    def bounds_degrees(self) -> MapTileBounds:
        """``bounds`` in degrees."""
        return MapTileBounds(*(math.degrees(value) for value in self.bounds))


@runtime_checkable
class WorldLocation(Protocol):
    """Anything that has a longitude and a latitude in radians."""

    @property
    def longitude(self) -> float: ...  # noqa: D102 - said by the class
    @property
    def latitude(self) -> float: ...  # noqa: D102


class GeodeticWorldCoordinate(NamedTuple):
    """A place on WGS 84."""

    longitude: float
    """Radians."""
    latitude: float
    """Radians."""
    elevation: float = 0.0
    """Metres above the ellipsoid."""

    @classmethod
    def from_degrees(cls, longitude: float, latitude: float, elevation: float = 0.0) -> GeodeticWorldCoordinate:
        """Take degrees; SettingError (a ValueError) of what is no number."""
        lon, lat = real_number("longitude", longitude), real_number("latitude", latitude)
        return cls(math.radians(lon), math.radians(lat), real_number("elevation", elevation))


@runtime_checkable
class MapTileSet(Protocol):
    """Tiles at several scales."""

    @property
    def tile_matrix_set_id(self) -> str:
        """Its name: that of OGC where it is one of theirs."""
        ...

    @property
    def crs_id(self) -> str:
        """Its CRS: ``EPSG:3857`` and so on."""
        ...

    def tile_matrix(self, tile_matrix: int) -> TileMatrix:
        """Give the tiles of one scale; TileError where there is no such scale."""
        ...

    def get_tile(self, tile_id: MapTileId) -> MapTile:
        """Describe a tile; TileError where there is no such tile."""
        ...

    def get_tile_for_location(self, world_coordinate: WorldLocation, tile_matrix: int) -> MapTile:
        """Describe the tile at a place; TileError where there is none."""
        ...

    def get_tile_matrix_limits_for_area(
        self, boundary_coordinates: Sequence[WorldLocation], tile_matrix: int
    ) -> MapTileLimits:
        """Give the tiles that an area reaches into; TileError where there are none."""
        ...


def describe_tile(tile_set: MapTileSet, tile_id: MapTileId) -> MapTile:
    """Describe a tile of a set: its bounds hold all of its edges, which are curves in longitude and latitude."""
    number, row, col = whole_numbers("tile_id", tile_id, 3)
    matrix = tile_set.tile_matrix(number)
    native = matrix.tile_bounds(row, col)
    along = np.linspace(0.0, 1.0, EDGE_POINTS)
    x = native.min_x + along * (native.max_x - native.min_x)
    y = native.min_y + along * (native.max_y - native.min_y)
    x[-1], y[-1] = native.max_x, native.max_y
    ring_x = np.concatenate([x, x, np.full_like(x, x[0]), np.full_like(x, x[-1])])
    ring_y = np.concatenate([np.full_like(y, y[0]), np.full_like(y, y[-1]), y, y])
    if matrix.wraps:
        lon = ring_x / (matrix.shape[1] * matrix.span[0]) * 360.0
        lat = lonlat_of(matrix.crs, np.zeros_like(ring_y), ring_y)[1]
    else:
        lon, lat = lonlat_of(matrix.crs, ring_x, ring_y)
        placed = np.isfinite(lon) & np.isfinite(lat)
        if not placed.any():
            raise TileError(f"tile {tuple(tile_id)} of {tile_set.tile_matrix_set_id} has no place on the ground")
        lon, lat = lon[placed], lat[placed]
        lon = lon[0] + wrap_longitude(lon - lon[0])
    bounds = (lon.min(), lat.min(), lon.max(), lat.max())
    radians = MapTileBounds(*(math.radians(float(value)) for value in bounds))
    return MapTile(MapTileId(number, row, col), matrix.tile_size, radians, native)


def tile_for_location(tile_set: MapTileSet, world_coordinate: WorldLocation, tile_matrix: int) -> MapTile:
    """Describe the tile of a set at a place; an edge is the tile's to its east and south."""
    lon, lat = _degrees(of_kind("world_coordinate", world_coordinate, WorldLocation, "a place in radians"))
    matrix = tile_set.tile_matrix(tile_matrix)
    x, y = matrix.native(np.array([lon]), np.array([lat]))
    try:
        row, col = matrix.tile_at(float(x[0]), float(y[0]))
    except TileError as error:
        where = f"longitude {lon:.9g}, latitude {lat:.9g}"
        raise TileError(f"{where} lies outside {tile_set.tile_matrix_set_id}: {error}") from error
    return tile_set.get_tile(MapTileId(tile_matrix, row, col))


def limits_for_area(
    tile_set: MapTileSet, boundary_coordinates: Sequence[WorldLocation], tile_matrix: int
) -> MapTileLimits:
    """Give the tiles of a set that an area reaches into; see :func:`limits_for_ring`.

    Each of the area's edges is straight in longitude and latitude, the short way round.

    Raises:
        TileError: no place, one that is none, or none in the set.
    """
    places = each_of("boundary_coordinates", boundary_coordinates, WorldLocation, "places in radians")
    if not places:
        raise TileError("an area needs at least one place")
    corners = np.array([_degrees(place) for place in places])
    step = np.roll(corners, -1, axis=0) - corners
    step[:, 0] = wrap_longitude(step[:, 0])
    along = np.arange(EDGE_POINTS - 1)[:, None] / (EDGE_POINTS - 1)
    lon, lat = (np.ravel((corners[:, axis] + along * step[:, axis]).T) for axis in (0, 1))
    return limits_for_ring(tile_set.tile_matrix(tile_matrix), lon, lat)


def limits_for_ring(matrix: TileMatrix, lon: Floats, lat: Floats) -> MapTileLimits:
    """Give the tiles that an area reaches into.

    Places beyond the matrix (the poles of Mercator) are left out. An area that goes around a pole takes all columns,
    one that crosses the antimeridian columns beyond the last.

    Args:
        matrix: the tiles.
        lon: degrees around the area, closely.
        lat: degrees.

    Raises:
        TileError: nothing of it lies in the matrix.
    """
    placed = np.isfinite(lon) & np.isfinite(lat)
    if not placed.any():
        raise TileError("nothing of the area has a place on the ground")
    lon, lat = lon[placed], lat[placed]
    turns = wrap_longitude(np.diff(lon, append=lon[:1]))
    if matrix.wraps:
        lon = wrap_longitude(lon[:1]) + np.concatenate([[0.0], np.cumsum(turns[:-1])])
        if abs(turns.sum()) > 180.0:  # around a pole
            lon = np.append(lon, [-180.0, 180.0])
            lat = np.append(lat, np.full(2, math.copysign(90.0, float(lat.mean()))))
        if matrix.crs != CRS84:
            edge = lonlat_of(matrix.crs, np.zeros(2), np.array([matrix.bounds.min_y, matrix.bounds.max_y]))[1]
            if not ((lat >= edge[0]) & (lat <= edge[1])).any() and (lat.min() > edge[1] or lat.max() < edge[0]):
                raise TileError(f"the area lies beyond {edge[1]:.6f} degrees, where {matrix.crs} has no tiles")
            lat = np.clip(lat, *edge)
    x, y = matrix.native(lon, lat)
    there = np.isfinite(x) & np.isfinite(y)
    if not there.any():
        raise TileError(f"nothing of the area has a place in {matrix.crs}")
    return matrix.limits(x[there], y[there])


def _degrees(place: WorldLocation) -> tuple[float, float]:
    lon, lat = (
        math.degrees(real_number("longitude", place.longitude)),
        math.degrees(real_number("latitude", place.latitude)),
    )
    if not (math.isfinite(lon) and abs(lat) <= 90.0 + 1e-12):
        raise TileError(f"expected a longitude and latitude in radians, got {place.longitude}, {place.latitude}")
    if abs(lon) > 180.0 and abs(lon) - 180.0 < 1e-12:
        lon = math.copysign(180.0, lon)
    return float(wrap_longitude(np.array([lon]))[0]), min(max(lat, -90.0), 90.0)


class WellKnownMapTileSet(StrEnum):
    """Sets that :class:`MapTileSetFactory` knows."""

    WEB_MERCATOR_QUAD = "WebMercatorQuad"
    WEB_MERCATOR_QUAD_X2 = "WebMercatorQuadx2"
    WORLD_CRS84_QUAD = "WorldCRS84Quad"


class MapTileSetFactory:
    """Gives sets by their names."""

    @staticmethod
    def get_for_id(tile_matrix_set_id: str) -> MapTileSet:
        """Give a well-known set.

        Args:
            tile_matrix_set_id: a :class:`WellKnownMapTileSet`, or its name.

        Raises:
            TileError: (a ValueError) there is none of that name.
        """
        of_kind("tile_matrix_set_id", tile_matrix_set_id, str, "a name")
        try:
            return _SETS[WellKnownMapTileSet(tile_matrix_set_id)]
        except ValueError as error:
            known = ", ".join(each.value for each in WellKnownMapTileSet)
            raise TileError(f"tile sets are {known}; got {tile_matrix_set_id!r}") from error


@dataclass(frozen=True, slots=True)
class QuadTileSet:
    """The whole world; each scale has four tiles for one of the scale before."""

    tile_matrix_set_id: str
    crs_id: str
    top: TileMatrix
    """Of tile matrix 0."""

    def tile_matrix(self, tile_matrix: int) -> TileMatrix:
        """Give the tiles of one scale; see :class:`MapTileSet`."""
        if not 0 <= whole_number("tile_matrix", tile_matrix) <= LARGEST_MATRIX:
            raise TileError(f"{self.tile_matrix_set_id} has tile matrices 0 to {LARGEST_MATRIX}, not {tile_matrix}")
        top, scale = self.top, 2**tile_matrix
        return TileMatrix(
            crs=top.crs,
            origin=top.origin,
            cell=(top.cell[0] / scale, top.cell[1] / scale),
            tile_size=top.tile_size,
            shape=(top.shape[0] * scale, top.shape[1] * scale),
            wraps=True,
        )

    get_tile = describe_tile
    get_tile_for_location = tile_for_location
    get_tile_matrix_limits_for_area = limits_for_area


def _mercator(name: str, pixels: int) -> QuadTileSet:
    side = 2.0 * MERCATOR_LIMIT / pixels
    top = TileMatrix(
        crs="EPSG:3857",
        origin=(-MERCATOR_LIMIT, MERCATOR_LIMIT),
        cell=(side, side),
        tile_size=MapTileSize(pixels, pixels),
        shape=(1, 1),
        wraps=True,
    )
    return QuadTileSet(name, "EPSG:3857", top)


_WORLD = TileMatrix(
    crs=CRS84,
    origin=(-180.0, 90.0),
    cell=(180.0 / 256, 180.0 / 256),
    tile_size=MapTileSize(256, 256),
    shape=(1, 2),
    wraps=True,
)
_SETS: dict[WellKnownMapTileSet, MapTileSet] = {
    WellKnownMapTileSet.WEB_MERCATOR_QUAD: _mercator("WebMercatorQuad", 256),
    WellKnownMapTileSet.WEB_MERCATOR_QUAD_X2: _mercator("WebMercatorQuadx2", 512),
    WellKnownMapTileSet.WORLD_CRS84_QUAD: QuadTileSet("WorldCRS84Quad", CRS84, _WORLD),
}
