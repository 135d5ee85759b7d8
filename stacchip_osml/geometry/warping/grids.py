"""What says which source pixels make a tile: the warp grid, and the protocol of what builds it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError
from stacchip_osml.geometry.warping.positions import Warp
from stacchip_osml.geometry.warping.tile_matrix import MapTileLimits, MapTileSize
from stacchip_osml.geometry.warping.tile_sets import MapTileId
from stacchip_osml.imagery.adapters.identity import identity_of, token_of
from stacchip_osml.imagery.resampling.remap import REMAP_METHODS
from stacchip_osml.imagery.resampling.taps import LATTICE
from stacchip_osml.pixel import ImageSize, PixelWindow, Transform
from stacchip_osml.pixel.arguments import of_kind, one_of
from stacchip_osml.pixel.counts import number_within, whole_number

__all__ = ["GridBuilder", "OcclusionMode", "VisibilityError", "WarpGrid", "WarpGridOptions"]

Floats = NDArray[np.float64]


MOST_POINTS = 1 << 16
"""Control points a side: more than tiles have pixels."""
MOST_ERROR = 1e9


class VisibilityError(ChipError, NotImplementedError):
    """Hidden ground was to be left out, which is not done here."""


class OcclusionMode(Enum):
    """What becomes of ground that the image does not see because other ground is before it."""

    NONE = "none"
    """It shows what is before it."""
    Z_BUFFER = "z_buffer"
    """It is left out. Builders refuse it."""


@dataclass(frozen=True, slots=True)
class WarpGridOptions:
    """How exact a warp is, and how pixels are taken."""

    control_points_per_side: int = 16
    """Of a tile, to begin with; more are added until the error is small enough."""
    remap_interpolation: str = "bilinear"
    """``nearest``, ``bilinear`` or ``cubic``."""
    occlusion_mode: OcclusionMode = OcclusionMode.NONE
    max_error: float = 0.01
    """Pixels of the level that is read, between control points; 0 computes every pixel."""

    FAST: ClassVar[WarpGridOptions]
    """An eighth of a pixel."""
    TERRAIN_CORRECTED: ClassVar[WarpGridOptions]
    """The default."""
    VISIBILITY_AWARE: ClassVar[WarpGridOptions]
    """With ``Z_BUFFER``, which builders refuse."""

    def __post_init__(self) -> None:
        one_of("remap_interpolation", self.remap_interpolation, REMAP_METHODS)
        whole_number("control_points_per_side", self.control_points_per_side, least=2, most=MOST_POINTS)
        of_kind("occlusion_mode", self.occlusion_mode, OcclusionMode, "an OcclusionMode")
        number_within("max_error", self.max_error, least=0.0, most=MOST_ERROR)


WarpGridOptions.FAST = WarpGridOptions(4, max_error=0.125)
WarpGridOptions.TERRAIN_CORRECTED = WarpGridOptions()
WarpGridOptions.VISIBILITY_AWARE = WarpGridOptions(32, occlusion_mode=OcclusionMode.Z_BUFFER)


@dataclass(frozen=True, slots=True, eq=False)
class WarpGrid:
    """Which source positions the pixels of one tile show."""

    map_x: Floats
    """Columns of full resolution, ``(rows, cols)`` of the tile; 0 is the *centre* of the first; NaN where not valid."""
    map_y: Floats
    """Rows, likewise."""
    valid_mask: NDArray[np.bool_]
    """``(rows, cols)``, True where the position lies in the source."""
    source_bbox: PixelWindow
    """Full-resolution pixels that positions lie in."""
    source_resolution_level: int
    """Level that the tile is to be read from."""
    error: float = 0.0
    """Largest difference that was measured between a computed and an interpolated position, full-resolution pixels."""


@runtime_checkable
class GridBuilder(Protocol):
    """Gives the warp grids of all tiles of a target."""

    @property
    def tile_limits(self) -> MapTileLimits:
        """First and last tile that has pixels."""
        ...

    @property
    def tile_size(self) -> MapTileSize:
        """Of a tile, pixels."""
        ...

    @property
    def image_size(self) -> ImageSize:
        """Of all tiles within the limits together; the last ones may be cut off by it."""
        ...

    @property
    def source_size(self) -> ImageSize:
        """Of the image that positions are of, full resolution."""
        ...

    @property
    def transform(self) -> Transform | None:
        """Pixel corners of all tiles together → CRS; None where the target is no map."""
        ...

    @property
    def crs(self) -> str | None:
        """Of the transform."""
        ...

    @property
    def options(self) -> WarpGridOptions:
        """How pixels are taken."""
        ...

    @property
    def key(self) -> str:
        """A name with all that decides where pixels come from."""
        ...

    @property
    def pixel_identity(self) -> Hashable:
        """What no builder of other grids has, in this process."""
        ...

    def tile_id(self, tile_row: int, tile_col: int) -> MapTileId:
        """Give the id that a tile of the limits has in its set."""
        ...

    def place_of(self, tile_id: MapTileId) -> tuple[int, int]:
        """Give (row, col) of a tile as the limits count them; TileError where it is not within them."""
        ...

    def build(self, tile_row: int, tile_col: int) -> WarpGrid | None:
        """Give the grid of a tile; None where nothing of the source falls in.

        Raises:
            IndexError: the tile lies outside the limits.
        """
        ...


def warp_grid(
    warp: Warp, part: PixelWindow, options: WarpGridOptions, *, size: ImageSize, level: int, ratio: tuple[float, float]
) -> WarpGrid | None:
    """Make the grid of a part of the target; what lies in the source is valid.

    Args:
        warp: from the target to the source.
        part: of the target, in its pixels.
        options: how exact.
        size: of the source.
        level: that pixels are read from.
        ratio: full-resolution pixels a pixel of that level, ``(x, y)``.
    """
    points, tolerance = options.control_points_per_side, options.max_error * min(ratio)
    found = warp.over(part, points=points, tolerance=tolerance, image=size)
    if found is None:
        return None
    cols, rows = found.cols, found.rows
    near = 0.5 / LATTICE  # pixels are taken at positions so rounded
    with np.errstate(invalid="ignore"):
        valid = (cols >= -near) & (cols < size.width - near)
        valid &= (rows >= -near) & (rows < size.height - near)
    if not valid.any():
        return None
    left, top = (max(int(each.min(where=valid, initial=np.inf)), 0) for each in (cols, rows))
    right, bottom = (int(each.max(where=valid, initial=-np.inf) + near) + 1 for each in (cols, rows))
    if not valid.all():
        cols, rows = np.where(valid, cols, np.nan), np.where(valid, rows, np.nan)
    return WarpGrid(
        map_x=cols - 0.5,
        map_y=rows - 0.5,
        valid_mask=valid,
        source_bbox=PixelWindow(left, top, right - left, bottom - top),
        source_resolution_level=level,
        error=found.error,
    )


def coarsest_unstretched(columns_rows_by_pixel: Floats, ratios: Sequence[tuple[float, float]]) -> int:
    """Choose the coarsest level of which nowhere, in no direction, a pixel is larger than one of the target.

    Args:
        columns_rows_by_pixel: derivatives ``(places, 2, 2)``: source columns and rows, by target columns and rows.
        ratios: full-resolution pixels a pixel of each level, ``(x, y)``, from fine to coarse.

    Returns:
        The level; 0 where none is.
    """
    best = 0
    for level, ratio in enumerate(ratios):
        if not columns_rows_by_pixel.size:
            break
        scaled = columns_rows_by_pixel / np.array(ratio)[:, None]
        if np.linalg.svd(scaled, compute_uv=False)[:, -1].min() >= 1.0 - 1e-6:
            best = level
    return best


def known_by(thing: Any) -> Hashable:
    """Give what a setting is known by: what it says itself, its value, or what no other object is known by."""
    if hasattr(type(thing), "pixel_identity"):
        return identity_of(thing)
    try:
        hash(thing)
    except TypeError:
        return token_of(thing)
    return type(thing).__qualname__, thing


def digest(*things: Any) -> str:
    """Give 12 characters that stand for values, all fields of theirs included."""
    return hashlib.sha256("\n".join(_told(thing) for thing in things).encode()).hexdigest()[:12]


def _told(thing: Any) -> str:
    if hasattr(type(thing), "key"):
        return f"{type(thing).__qualname__}:{thing.key}"
    if dataclasses.is_dataclass(thing) and not isinstance(thing, type):
        fields = (
            f"{each.name}={_told(getattr(thing, each.name))}" for each in dataclasses.fields(thing) if each.compare
        )
        return f"{type(thing).__qualname__}({','.join(fields)})"
    if isinstance(thing, tuple | list):
        return f"[{','.join(map(_told, thing))}]"
    if isinstance(thing, np.ndarray):
        return f"{thing.dtype}{thing.shape}{hashlib.sha256(thing.tobytes()).hexdigest()}"
    return repr(thing)
