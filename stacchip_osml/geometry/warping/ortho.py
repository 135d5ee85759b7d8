"""Grids of map tiles: an image seen from above."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError, SettingError
from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.geometry.warping.elevation import ElevationModel
from stacchip_osml.geometry.warping.grids import (
    OcclusionMode,
    VisibilityError,
    WarpGrid,
    WarpGridOptions,
    coarsest_unstretched,
    digest,
    known_by,
    warp_grid,
)
from stacchip_osml.geometry.warping.outlines import ground_rings
from stacchip_osml.geometry.warping.positions import Warp
from stacchip_osml.geometry.warping.terrain import on_terrain
from stacchip_osml.geometry.warping.tile_matrix import MapTileLimits, MapTileSize, TileError, TileMatrix, lonlat_of
from stacchip_osml.geometry.warping.tile_sets import MapTileId, MapTileSet, limits_for_ring
from stacchip_osml.pixel import ImageSize, PixelWindow, Transform
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import finite_numbers, whole_number, whole_numbers

__all__ = ["OrthoGridBuilder"]

Floats = NDArray[np.float64]

LARGEST_SIDE = 2**31
"""Pixels of an image."""

PAIRS = "pairs of numbers (x, y), one a level"
MOST_LEVELS = 64
PLACES = 9
"""A side, where the size of pixels is measured on an image."""


@dataclass(frozen=True, slots=True)
class OrthoGridBuilder:
    """Grids of the tiles of a map.

    ``build`` takes the tile set's own rows and columns. All tiles are read from one level: the coarsest of which
    nowhere in the image, in no direction, a pixel is larger than one of the map.
    """

    tile_set: MapTileSet
    tile_matrix: int
    """Which scale of the set."""
    sensor_model: SensorModel
    """Of the source."""
    source_width: int
    source_height: int
    elevation_model: ElevationModel | None = None
    """None for the sensor model's own height: ``HEIGHT_OFF`` of RPCs, the scene centre's of SICD."""
    options: WarpGridOptions = WarpGridOptions.TERRAIN_CORRECTED
    num_source_levels: int = 1
    """Levels that the source has, each half as large as the one before."""
    level_ratios: tuple[tuple[float, float], ...] | None = None
    """Full-resolution pixels a pixel of each level, ``(x, y)``, where those are no powers of two."""
    tile_limits: MapTileLimits = field(init=False)
    """First and last tile that the image reaches into."""
    source_resolution_level: int = field(init=False)
    """Level that tiles are read from."""
    _matrix: TileMatrix = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        require_settings(self.options, self.elevation_model, self.sensor_model)
        of_kind("tile_set", self.tile_set, MapTileSet, "a map tile set")
        for name in ("source_width", "source_height"):
            whole_number(name, getattr(self, name), least=1, most=LARGEST_SIDE)
        ratios = ratios_of(self.level_ratios, self.num_source_levels)
        size = self.source_size
        object.__setattr__(self, "_matrix", self.tile_set.tile_matrix(self.tile_matrix))
        limits: MapTileLimits | None = None
        refused: TileError | None = None
        for lon, lat in ground_rings(self.sensor_model, size, self.elevation_model):
            try:
                here = limits_for_ring(self._matrix, lon, lat)
            except TileError as error:
                refused = error
            else:
                limits = here if limits is None else _both(limits, here)
        if limits is None:
            where = f"no tile of {self.tile_set.tile_matrix_set_id}, tile matrix {self.tile_matrix}, shows the image"
            raise ItemError(f"{where}: {refused}") from refused
        object.__setattr__(self, "tile_limits", limits)
        object.__setattr__(self, "source_resolution_level", coarsest_unstretched(self._pixel_sizes(), ratios))

    @property
    def source_size(self) -> ImageSize:
        """Of the source, full resolution."""
        return ImageSize(self.source_width, self.source_height)

    @property
    def tile_size(self) -> MapTileSize:
        """Of a tile, pixels."""
        return self._matrix.tile_size

    @property
    def image_size(self) -> ImageSize:
        """Of all tiles within the limits together."""
        rows, cols = self.tile_limits.shape
        return ImageSize(cols * self.tile_size.width, rows * self.tile_size.height)

    @property
    def transform(self) -> Transform:
        """Pixel corners of all tiles together → CRS."""
        x, y = self._matrix.at(*self._corner(self.tile_limits.min_row, self.tile_limits.min_col))
        return self._matrix.cell[0], 0.0, x, 0.0, -self._matrix.cell[1], y

    @property
    def crs(self) -> str:
        """Of the tile set."""
        return self._matrix.crs

    @property
    def key(self) -> str:
        """The tile set, the scale, and a digest of all other settings."""
        settings = self.sensor_model, self.source_size, self.elevation_model, self.options, self.source_resolution_level
        return f"{self.tile_set.tile_matrix_set_id}/{self.tile_matrix}:{digest(*settings)}"

    @property
    def pixel_identity(self) -> Hashable:
        """All settings."""
        models = known_by(self.sensor_model), known_by(self.elevation_model), known_by(self.tile_set)
        return "ortho", models, self.tile_matrix, self.source_size, self.options, self.source_resolution_level

    def tile_id(self, tile_row: int, tile_col: int) -> MapTileId:
        """Give the tile's id in its set: beyond the antimeridian columns begin at 0 again."""
        tile_row, tile_col = whole_number("tile_row", tile_row), whole_number("tile_col", tile_col)
        cols = self._matrix.shape[1]
        return MapTileId(self.tile_matrix, tile_row, tile_col % cols if self._matrix.wraps else tile_col)

    def place_of(self, tile_id: MapTileId) -> tuple[int, int]:
        """Give (row, col) of a tile as the limits count them; see :class:`GridBuilder`."""
        number, row, col = whole_numbers("tile_id", tile_id, 3)
        limits, cols = self.tile_limits, self._matrix.shape[1]
        if self._matrix.wraps and col < limits.min_col:
            col += cols
        if number != self.tile_matrix or not limits.holds(row, col):
            raise TileError(f"{tuple(tile_id)} is not among the tiles of matrix {self.tile_matrix}, {limits}")
        return row, col

    def build(self, tile_row: int, tile_col: int) -> WarpGrid | None:
        """Give the grid of a tile of the set; see :class:`GridBuilder`."""
        tile_row, tile_col = whole_number("tile_row", tile_row), whole_number("tile_col", tile_col)
        if not self.tile_limits.holds(tile_row, tile_col):
            raise IndexError(f"tile row {tile_row}, column {tile_col} lies outside {self.tile_limits}")
        x, y = self._corner(tile_row, tile_col)
        part, level = PixelWindow(x, y, *self.tile_size), self.source_resolution_level
        ratio = ratios_of(self.level_ratios, self.num_source_levels)[level]
        return warp_grid(self._warp(), part, self.options, size=self.source_size, level=level, ratio=ratio)

    def _corner(self, tile_row: int, tile_col: int) -> tuple[int, int]:
        return tile_col * self.tile_size.width, tile_row * self.tile_size.height

    def _warp(self) -> Warp:
        return Warp(self._to_ground, True, self.sensor_model, self.elevation_model)

    def _to_ground(self, cols: Floats, rows: Floats, heights: Floats | float | None) -> tuple[Floats, Floats, Floats]:
        """Go from pixels of the whole tile matrix to the ground; heights go along."""
        matrix = self._matrix
        x = matrix.origin[0] + matrix.cell[0] * np.asarray(cols)
        y = matrix.origin[1] - matrix.cell[1] * np.asarray(rows)
        if matrix.wraps:  # PROJ does so itself, but not of degrees
            turn = matrix.shape[1] * matrix.span[0]
            x = np.where(x > matrix.origin[0] + turn, x - turn, x)
        lon, lat = lonlat_of(matrix.crs, x, y)
        return lon, lat, np.asarray(0.0 if heights is None else heights, np.float64)

    def _pixel_sizes(self) -> Floats:
        """Measure source pixels by target pixels ``(places, 2, 2)`` over the image."""
        along = (np.arange(PLACES) + 0.5) / PLACES
        cols, rows = (np.ravel(each) for each in np.meshgrid(along * self.source_width, along * self.source_height))
        if self.elevation_model is None:
            lon, lat, _ = self.sensor_model.image_to_world(cols, rows)
        else:
            lon, lat, _ = on_terrain(self.sensor_model.image_to_world, self.elevation_model, cols, rows)
        x, y = self._matrix.native(lon, lat)
        u = (x - self._matrix.origin[0]) / self._matrix.cell[0]
        v = (self._matrix.origin[1] - y) / self._matrix.cell[1]
        placed = np.isfinite(u) & np.isfinite(v)
        return derivatives(self._warp(), u[placed], v[placed])


def derivatives(warp: Warp, u: Floats, v: Floats) -> Floats:
    """Measure source columns and rows by target columns and rows, ``(places, 2, 2)``, over one target pixel.

    Terrain is left out: a cliff is not a larger pixel.
    """
    smooth = Warp(warp.to_ground, warp.is_flat, warp.source, None)
    right, left = smooth.exactly(u + 0.5, v), smooth.exactly(u - 0.5, v)
    below, above = smooth.exactly(u, v + 0.5), smooth.exactly(u, v - 0.5)
    with np.errstate(invalid="ignore"):
        by_u, by_v = (
            np.stack([a - b for a, b in zip(*pair, strict=True)], -1) for pair in ((right, left), (below, above))
        )
    found = np.stack([by_u, by_v], axis=-1)
    return found[np.isfinite(found).all(axis=(1, 2))]


def ratios_of(given: Sequence[tuple[float, float]] | None, levels: int) -> tuple[tuple[float, float], ...]:
    """Give the full-resolution pixels a pixel of each level."""
    if given is not None:
        ratios = [finite_numbers("level_ratios", pair, 2) for pair in each_of("level_ratios", given, Iterable, PAIRS)]
        if not ratios or min(min(pair) for pair in ratios) <= 0:
            raise SettingError(f"level_ratios must be {PAIRS}, each above 0, got {given!r:.60}")
        return tuple((x, y) for x, y in ratios)
    whole_number("num_source_levels", levels, least=1, most=MOST_LEVELS)
    return tuple((2.0**level, 2.0**level) for level in range(levels))


def require_settings(options: WarpGridOptions, elevation: ElevationModel | None, *models: SensorModel) -> None:
    """Refuse what is no setting of a warp, and what is asked of ground that other ground hides."""
    for model in models:
        of_kind("sensor_model", model, SensorModel, "a sensor model")
    of_kind("elevation_model", elevation, (ElevationModel, type(None)), "an elevation model or None")
    if of_kind("options", options, WarpGridOptions, "WarpGridOptions").occlusion_mode is not OcclusionMode.NONE:
        raise VisibilityError("ground hidden behind other ground is not found here: occlusion_mode must be NONE")


def _both(one: MapTileLimits, other: MapTileLimits) -> MapTileLimits:
    return MapTileLimits(*(min(pair) for pair in zip(one[:2], other[:2], strict=True)),
                         *(max(pair) for pair in zip(one[2:], other[2:], strict=True)))  # fmt: skip
