"""Sensor models of images that are maps: placed by an affine transform, or by points on the ground.

The ground's height does not matter to them: a height given comes back, and
where none is given it is that of the points (0 on the ellipsoid where they have none).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.gcp import GcpLocator
from stacchip_osml.geometry.locate import LONLAT, AffineLocator, native_of
from stacchip_osml.geometry.newton import solve_plane
from stacchip_osml.geometry.pixel_positions import to_corners
from stacchip_osml.geometry.sensor_model import NoProjectionError, SensorModel, broadcast
from stacchip_osml.imagery.header import GroundControlPoint
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["AffineModel", "GcpModel", "corner_model"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, repr=False)
class AffineModel(SensorModel):
    """Pixels placed in a CRS by an affine transform."""

    locator: AffineLocator
    size: ImageSize
    """Of the image in pixels; it says which turn a longitude belongs to."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the model was chosen."""

    def __post_init__(self) -> None:
        of_kind("locator", self.locator, AffineLocator, "an AffineLocator")
        of_kind("size", self.size, ImageSize, "an ImageSize")

    @property
    def kind(self) -> str:
        """``affine``."""
        return "affine"

    @property
    def approximate(self) -> bool:
        """False: the transform is the image's definition."""
        return False

    def image_to_world(
        self, cols: ArrayLike, rows: ArrayLike, heights: ArrayLike | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Give ``(lon, lat, height)`` of pixel corner positions; see :class:`SensorModel`."""
        shape, (across, down, high) = broadcast(cols=cols, rows=rows, heights=0.0 if heights is None else heights)
        lon, lat = self.locator(across, down)
        return _on_ground(shape, lon, lat, high)

    def world_to_image(self, lon: ArrayLike, lat: ArrayLike, heights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Give ``(cols, rows)`` of ground positions at any height; see :class:`SensorModel`."""
        shape, (east, north, _) = broadcast(lon=lon, lat=lat, heights=0.0 if heights is None else heights)
        a, b, c, d, e, f = self.locator.transform
        middle = a * self.size.width / 2 + b * self.size.height / 2 + c
        x, y = native_of(self.locator.crs, east, north, near=middle)
        with np.errstate(invalid="ignore"):
            x, y, size = x - c, y - f, a * e - b * d
            cols, rows = (x * e - y * b) / size, (y * a - x * d) / size
        return _in_image(shape, cols, rows)

    def __repr__(self) -> str:
        return f"AffineModel({self.locator.transform}, {_short(self.locator.crs)})"


@dataclass(frozen=True, slots=True, repr=False)
class GcpModel(SensorModel):
    """Pixels placed by a smooth map through points on the ground: control points, or an image's corners."""

    locator: GcpLocator
    kind: str = "GCPs"
    """``GCPs``, ``IGEOLO``, ``BLOCKA`` or ``CSCRNA``."""
    notes: tuple[str, ...] = ()
    """What a user should know of how the model was chosen."""
    _start: Floats = field(init=False, repr=False, compare=False)
    """Pixels by CRS x, y and 1: where the search for a position begins, ``(3, 2)``."""
    _heights: Floats = field(init=False, repr=False, compare=False)
    """Heights by column, row and 1."""

    def __post_init__(self) -> None:
        points = of_kind("locator", self.locator, GcpLocator, "a GcpLocator").gcps
        pixels = np.array([(point.col, point.row) for point in points])
        ground = np.stack(self.locator.project(pixels[:, 0], pixels[:, 1]), axis=-1)
        middle = ground.mean(axis=0)
        back = np.linalg.lstsq(_with_ones(ground - middle), pixels, rcond=None)[0]
        back[2] -= middle @ back[:2]
        heights = np.array([point.z for point in points])
        object.__setattr__(self, "_start", back)
        object.__setattr__(self, "_heights", np.linalg.lstsq(_with_ones(pixels), heights, rcond=None)[0])

    @property
    def approximate(self) -> bool:
        """True: between the points the map is a guess."""
        return True

    def image_to_world(
        self, cols: ArrayLike, rows: ArrayLike, heights: ArrayLike | None = None
    ) -> tuple[Floats, Floats, Floats]:
        """Give ``(lon, lat, height)`` of pixel corner positions; see :class:`SensorModel`."""
        shape, (across, down, high) = broadcast(cols=cols, rows=rows, heights=0.0 if heights is None else heights)
        lon, lat = self.locator(across, down)
        if heights is None:
            high = self._heights[0] * across + self._heights[1] * down + self._heights[2]
        return _on_ground(shape, lon, lat, high)

    def world_to_image(self, lon: ArrayLike, lat: ArrayLike, heights: ArrayLike | None = None) -> tuple[Floats, Floats]:
        """Give ``(cols, rows)`` of ground positions at any height; see :class:`SensorModel`."""
        shape, (east, north, _) = broadcast(lon=lon, lat=lat, heights=0.0 if heights is None else heights)
        near = float(self.locator.project(*np.array([(p.col, p.row) for p in self.locator.gcps]).mean(axis=0))[0])
        x, y = native_of(self.locator.crs, east, north, near=near)
        (a, d), (b, e), (c, f) = self._start
        with np.errstate(all="ignore"):
            start = a * x + b * y + c, d * x + e * y + f
        return _in_image(shape, *solve_plane(self.locator.project, (x, y), start))

    def __repr__(self) -> str:
        return f"GcpModel({self.kind}, {self.locator.model} through {len(self.locator.gcps)} points)"


def corner_model(
    kind: str,
    size: ImageSize,
    ground: Sequence[tuple[float, float, float]],
    *,
    crs: str = LONLAT,
    notes: tuple[str, ...] = (),
    said: str = "",
) -> GcpModel:
    """Make the model of an image whose corner pixels' centres are tied to the ground.

    Args:
        kind: what ties them.
        size: of the image.
        ground: x, y and height of upper left, upper right, lower right, lower left.
        crs: of x and y.
        notes: of the model.
        said: what a message quotes beside the kind.

    Raises:
        NoProjectionError: the corners place no image, or are not four pixels.
    """
    right, low = size.width - 1, size.height - 1
    if min(right, low) < 1:
        raise NoProjectionError(
            f"{kind} places no image of {size.width} x {size.height} pixels: its corners lie on a line"
        )
    points = tuple(
        GroundControlPoint(col=float(col), row=float(row), x=x, y=y, z=z)
        for (col, row), (x, y, z) in zip(
            (to_corners(*pixel) for pixel in ((0, 0), (right, 0), (right, low), (0, low))), ground, strict=True
        )
    )
    try:
        return GcpModel(GcpLocator(points, crs), kind, notes)
    except ItemError as error:
        raise NoProjectionError(f"{kind}{said} places no image: {error}") from error


def _on_ground(shape: tuple[int, ...], lon: Floats, lat: Floats, high: Floats) -> tuple[Floats, Floats, Floats]:
    lost = ~(np.isfinite(lon) & np.isfinite(lat))
    lon, lat, high = (np.where(lost, np.inf, each).reshape(shape) for each in (lon, lat, high))
    return lon, lat, high


def _in_image(shape: tuple[int, ...], cols: Floats, rows: Floats) -> tuple[Floats, Floats]:
    lost = ~(np.isfinite(cols) & np.isfinite(rows))
    return np.where(lost, np.inf, cols).reshape(shape), np.where(lost, np.inf, rows).reshape(shape)


def _with_ones(points: Floats) -> Floats:
    return np.column_stack([points, np.ones(len(points))])


def _short(crs: str) -> str:
    return crs if len(crs) <= 40 else f"{crs[:40]}…"
