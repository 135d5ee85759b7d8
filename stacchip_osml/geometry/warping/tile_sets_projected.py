"""Tiles made for one image: a grid in any CRS, its finest scale first."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.ellipsoid import E2, A
from stacchip_osml.geometry.ground import centre, locator_gsd
from stacchip_osml.geometry.locate import CRS_TEXT, is_lonlat, native_of, parse_crs
from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.geometry.warping.elevation import ElevationModel
from stacchip_osml.geometry.warping.outlines import ground_rings
from stacchip_osml.geometry.warping.tile_matrix import MapTileSize, TileError, TileMatrix
from stacchip_osml.geometry.warping.tile_sets import (
    describe_tile,
    limits_for_area,
    tile_for_location,
)
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import finite_numbers, whole_number, whole_numbers

__all__ = ["ProjectedImageTileSet"]

_FIT = 1e-9
"""Of a pixel: an edge that is so near to a pixel's is that."""


@dataclass(frozen=True, slots=True)
class ProjectedImageTileSet:
    """Tiles over one area; those of tile matrix ``n`` have pixels ``2**n`` times as large.

    Rows count from the north. A place outside of the tiles is refused, not moved to the nearest.
    """

    target_crs: str
    origin: tuple[float, float]
    """CRS x and y of the upper-left corner."""
    gsd: float | tuple[float, float]
    """CRS units a pixel of tile matrix 0, across and down where they differ."""
    block_size: tuple[int, int]
    """(width, height) of a tile, pixels."""
    grid_cols: int
    """Tiles across, of tile matrix 0."""
    grid_rows: int
    num_levels: int = 1

    def __post_init__(self) -> None:
        whole_numbers("block_size", self.block_size, 2, least=1)
        for name in ("grid_cols", "grid_rows", "num_levels"):
            whole_number(name, getattr(self, name), least=1)
        _cell_of(self.gsd)
        finite_numbers("origin", self.origin, 2)
        parse_crs(of_kind("target_crs", self.target_crs, str, CRS_TEXT))

    @classmethod
    def from_sensor_model(  # noqa: PLR0917 - the documented order
        cls,
        sensor_model: SensorModel,
        width: int,
        height: int,
        target_crs: str | int = "EPSG:4326",
        gsd: float | tuple[float, float] | None = None,
        block_size: tuple[int, int] = (1024, 1024),
        elevation_model: ElevationModel | None = None,
        num_levels: int | None = None,
    ) -> ProjectedImageTileSet:
        """Lay tiles over an image.

        Args:
            sensor_model: of the image.
            width: of the image, pixels.
            height: of the image.
            target_crs: any that PROJ knows, or an EPSG number.
            gsd: CRS units a pixel, one number or (across, down); None for pixels as large on the ground as the
                image's in its middle, square there. The grid's corner is a multiple of it.
            block_size: (width, height) of a tile, pixels.
            elevation_model: heights of the ground; None for the sensor model's own.
            num_levels: tile matrices; None for as many as it takes to come to a single tile.

        Raises:
            ItemError: the image has no place on the ground, or none in the CRS.
            TileError: (a ValueError) impossible sizes.
        """
        of_kind("target_crs", target_crs, (str, int), f"{CRS_TEXT}, or an EPSG number")
        crs = f"EPSG:{target_crs}" if isinstance(target_crs, int) else target_crs
        size = ImageSize(*whole_numbers("width and height", (width, height), 2, least=1))
        of_kind("sensor_model", sensor_model, SensorModel, "a sensor model")
        ReadLimits().require_image("the image", size, 1)
        wide, tall = whole_numbers("block_size", block_size, 2, least=1)
        block_size = wide, tall
        of_kind("elevation_model", elevation_model, (ElevationModel, type(None)), "an elevation model or None")
        cell = _square_pixels(sensor_model, size, crs) if gsd is None else gsd
        across, down = _cell_of(cell)
        rings = ground_rings(sensor_model, size, elevation_model)
        near = next((float(lon) for lon in rings[0][0] if math.isfinite(lon)), 0.0)
        corners = [native_of(crs, lon, lat, near=near) for lon, lat in rings]
        x, y = (np.concatenate([ring[axis] for ring in corners]) for axis in (0, 1))
        placed = np.isfinite(x) & np.isfinite(y)
        if not placed.any():
            raise ItemError(f"the image has no place in {crs}")
        left, top = math.floor(x[placed].min() / across + _FIT), math.ceil(y[placed].max() / down - _FIT)
        right, bottom = math.ceil(x[placed].max() / across - _FIT), math.floor(y[placed].min() / down + _FIT)
        cols, rows = -(-max(right - left, 1) // block_size[0]), -(-max(top - bottom, 1) // block_size[1])
        return cls(
            target_crs=crs,
            origin=(left * across, top * down),
            gsd=cell,
            block_size=block_size,
            grid_cols=cols,
            grid_rows=rows,
            num_levels=(max(cols, rows) - 1).bit_length() + 1 if num_levels is None else num_levels,
        )

    @property
    def tile_matrix_set_id(self) -> str:
        """A name with all that decides where its tiles are."""
        cell, (x, y), (width, height) = self.gsd, self.origin, self.block_size
        return f"projected:{self.target_crs}:{x!r},{y!r}:{cell!r}:{width}x{height}"

    @property
    def crs_id(self) -> str:
        """Its CRS."""
        return self.target_crs

    @property
    def num_tile_matrices(self) -> int:
        """Scales."""
        return self.num_levels

    def tile_matrix_dimensions(self, tile_matrix: int) -> tuple[int, int]:
        """Give (cols, rows) of one scale."""
        rows, cols = self.tile_matrix(tile_matrix).shape
        return cols, rows

    def tile_matrix(self, tile_matrix: int) -> TileMatrix:
        """Give the tiles of one scale; see :class:`MapTileSet`."""
        if not 0 <= whole_number("tile_matrix", tile_matrix) < self.num_levels:
            raise TileError(f"the set has tile matrices 0 to {self.num_levels - 1}, not {tile_matrix}")
        scale = 2**tile_matrix
        across, down = _cell_of(self.gsd)
        return TileMatrix(
            crs=self.target_crs,
            origin=self.origin,
            cell=(across * scale, down * scale),
            tile_size=MapTileSize(*self.block_size),
            shape=(-(-self.grid_rows // scale), -(-self.grid_cols // scale)),
        )

    get_tile = describe_tile
    get_tile_for_location = tile_for_location
    get_tile_matrix_limits_for_area = limits_for_area


def _cell_of(gsd: float | tuple[float, float]) -> tuple[float, float]:
    """Give CRS units a pixel, across and down."""
    across, down = finite_numbers("gsd", gsd if isinstance(gsd, tuple) else (gsd, gsd), 2)
    if not (across > 0 and down > 0):
        raise TileError(f"gsd must be above 0, got {gsd!r}")
    return across, down


def _square_pixels(model: SensorModel, size: ImageSize, crs: str) -> tuple[float, float]:
    """Give CRS units of a pixel that is square on the ground, as large as the image's middle pixel."""
    gsd = locator_gsd(model, size)
    lon, lat = centre(size, model)
    if gsd is None:
        raise ItemError(f"the middle pixel of the image ({size.width} x {size.height}) is not wholly on the ground")
    sine2, cosine = math.sin(math.radians(lat)) ** 2, math.cos(math.radians(lat))
    flat = 1.0 - E2 * sine2
    east = gsd / (math.radians(1.0) * A / math.sqrt(flat) * max(cosine, 1e-6))  # degrees
    north = gsd / (math.radians(1.0) * A * (1.0 - E2) / flat**1.5)
    if is_lonlat(crs):
        return east, north
    lons, lats = lon + np.array([-0.5, 0.5, 0, 0]) * east, lat + np.array([0, 0, -0.5, 0.5]) * north
    x, y = native_of(crs, lons, lats, near=lon)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ItemError(f"the middle of the image has no place in {crs}")
    side = math.sqrt(abs((x[1] - x[0]) * (y[3] - y[2]) - (x[3] - x[2]) * (y[1] - y[0])))
    return side, side
