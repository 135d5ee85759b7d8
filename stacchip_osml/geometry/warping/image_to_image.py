"""Grids of the blocks of another image: one image as if it had been taken as the other was."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.locate import AffineLocator
from stacchip_osml.geometry.projective import AffineModel
from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.geometry.warping.elevation import ElevationModel
from stacchip_osml.geometry.warping.grids import (
    WarpGrid,
    WarpGridOptions,
    coarsest_unstretched,
    digest,
    known_by,
    warp_grid,
)
from stacchip_osml.geometry.warping.ortho import LARGEST_SIDE, PLACES, derivatives, ratios_of, require_settings
from stacchip_osml.geometry.warping.positions import Warp
from stacchip_osml.geometry.warping.tile_matrix import MapTileLimits, MapTileSize, TileError
from stacchip_osml.geometry.warping.tile_sets import MapTileId
from stacchip_osml.pixel import ImageSize, PixelWindow, Transform
from stacchip_osml.pixel.counts import whole_number, whole_numbers

__all__ = ["ImageToImageGridBuilder"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageToImageGridBuilder:
    """Grids of the blocks of a target image; ``build`` takes block rows and columns, from 0."""

    source_sensor_model: SensorModel
    target_sensor_model: SensorModel
    source_width: int
    source_height: int
    target_width: int
    target_height: int
    elevation_model: ElevationModel | None = None
    """None for the heights that the target's model has itself; of a target that is a map, for the source's."""
    block_width: int = 1024
    block_height: int = 1024
    options: WarpGridOptions = WarpGridOptions.TERRAIN_CORRECTED
    num_source_levels: int = 1
    """Levels that the source has, each half as large as the one before."""
    level_ratios: tuple[tuple[float, float], ...] | None = None
    """Full-resolution pixels a pixel of each level, where they are not powers of two; instead of the above."""
    source_resolution_level: int = field(init=False)
    """Level that blocks are read from."""

    def __post_init__(self) -> None:
        require_settings(self.options, self.elevation_model, self.source_sensor_model, self.target_sensor_model)
        for name in ("source_width", "source_height", "target_width", "target_height", "block_width", "block_height"):
            whole_number(name, getattr(self, name), least=1, most=LARGEST_SIDE)
        ratios = ratios_of(self.level_ratios, self.num_source_levels)
        along = (np.arange(PLACES) + 0.5) / PLACES
        u, v = (np.ravel(each) for each in np.meshgrid(along * self.target_width, along * self.target_height))
        cols, rows = self._warp().exactly(u, v)
        with np.errstate(invalid="ignore"):
            seen = (cols >= 0) & (cols <= self.source_width) & (rows >= 0) & (rows <= self.source_height)
        seen = seen if seen.any() else np.ones_like(seen)
        steps = derivatives(self._warp(), u[seen], v[seen])
        object.__setattr__(self, "source_resolution_level", coarsest_unstretched(steps, ratios))

    @property
    def source_size(self) -> ImageSize:
        """Of the source, full resolution."""
        return ImageSize(self.source_width, self.source_height)

    @property
    def image_size(self) -> ImageSize:
        """Of the target."""
        return ImageSize(self.target_width, self.target_height)

    @property
    def tile_size(self) -> MapTileSize:
        """Of a block, pixels; the last ones are cut off by the image."""
        return MapTileSize(self.block_width, self.block_height)

    @property
    def tile_limits(self) -> MapTileLimits:
        """First and last block."""
        return MapTileLimits(0, 0, -(-self.target_height // self.block_height) - 1,
                             -(-self.target_width // self.block_width) - 1)  # fmt: skip

    @property
    def transform(self) -> Transform | None:
        """The target's, where it is a map."""
        return None if (plane := self._map()) is None else plane.transform

    @property
    def crs(self) -> str | None:
        """The target's, where it is a map."""
        return None if (plane := self._map()) is None else plane.crs

    @property
    def key(self) -> str:
        """A digest of all settings."""
        models = self.source_sensor_model, self.target_sensor_model, self.elevation_model
        sizes = self.source_size, self.image_size, self.tile_size
        return f"image:{digest(*models, *sizes, self.options, self.source_resolution_level)}"

    @property
    def pixel_identity(self) -> Hashable:
        """All settings."""
        models = known_by(self.source_sensor_model), known_by(self.target_sensor_model), known_by(self.elevation_model)
        sizes = self.source_size, self.image_size, self.tile_size
        return "image", models, sizes, self.options, self.source_resolution_level

    def tile_id(self, tile_row: int, tile_col: int) -> MapTileId:
        """Give the block's id: of tile matrix 0."""
        return MapTileId(0, whole_number("tile_row", tile_row), whole_number("tile_col", tile_col))

    def place_of(self, tile_id: MapTileId) -> tuple[int, int]:
        """Give (row, col) of a block; see :class:`GridBuilder`."""
        number, row, col = whole_numbers("tile_id", tile_id, 3)
        if number or not self.tile_limits.holds(row, col):
            raise TileError(f"{tuple(tile_id)} is not among the blocks of {self.tile_limits}")
        return row, col

    def build(self, tile_row: int, tile_col: int) -> WarpGrid | None:
        """Give the grid of a block; see :class:`GridBuilder`."""
        tile_row, tile_col = whole_number("tile_row", tile_row), whole_number("tile_col", tile_col)
        if not self.tile_limits.holds(tile_row, tile_col):
            raise IndexError(f"block ({tile_row}, {tile_col}) lies outside {self.tile_limits}")
        x, y = tile_col * self.block_width, tile_row * self.block_height
        width, height = min(self.block_width, self.target_width - x), min(self.block_height, self.target_height - y)
        part, level = PixelWindow(x, y, width, height), self.source_resolution_level
        ratio = ratios_of(self.level_ratios, self.num_source_levels)[level]
        return warp_grid(self._warp(), part, self.options, size=self.source_size, level=level, ratio=ratio)

    def _map(self) -> AffineLocator | None:
        model = self.target_sensor_model
        return model.locator if isinstance(model, AffineModel) else None

    def _warp(self) -> Warp:
        is_map = self._map() is not None
        return Warp(self.target_sensor_model.image_to_world, is_map, self.source_sensor_model, self.elevation_model)
