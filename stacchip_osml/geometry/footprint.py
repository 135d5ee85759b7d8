"""Footprints of all chips of a grid, as WKB bytes and bounding boxes.

A grid's corners are a product of columns and rows, so they are evaluated as
one (:mod:`.surface`), and since every chip of a grid has the same number of
vertices, its WKB is one structured array. Rules:

- Rings start at the chip's upper-left corner, are closed and counter-clockwise
  whatever the handedness of the transform.
- The straight edge in degrees leaves the true edge by at most ``EDGE_PIXELS``
  of a pixel of the chip's level, or ``EDGE_DEGREES``; edges get as many
  segments (a power of two, at most 64) as that takes, chosen once a grid.
- Chips that cross the antimeridian or lie next to a pole are few; they go one
  by one through :mod:`.outline`, next to a pole with their own segments.
- Bounding boxes are planar, float32, rounded outward.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import Locator
from stacchip_osml.geometry.outline import SNAP, ring_geometry
from stacchip_osml.geometry.rings import (
    EDGE_DEGREES,
    Rings,
    chip_window,
    choose_segments,
    near_pole,
    require_finite,
    ring_vertices,
    take,
    unwrapped,
)
from stacchip_osml.geometry.surface import Surface, fit_surface
from stacchip_osml.pixel import ChipAxis, ChipGrid, ImageSize, PixelWindow

__all__ = ["Footprints", "chip_footprints", "image_outline"]

Floats = NDArray[np.float64]

_BLOCK = 1 << 17  # chips worked on at once: bounds the memory


@dataclass(frozen=True, slots=True)
class Footprints:
    """One footprint a chip, in the order of ``ChipGrid.windows()``."""

    wkb: NDArray[np.uint8]
    """Little-endian WKB of all chips, one after the other."""
    offsets: NDArray[np.int32] | NDArray[np.int64]
    """Where each begins, and the end: ``(n + 1,)``; int32 as long as that is enough."""
    bbox: NDArray[np.float32]
    """xmin, ymin, xmax, ymax in degrees, ``(n, 4)``."""
    segments: int
    """Straight pieces of each edge."""
    approximate: bool
    """The locator's own word: True for GCPs and RPCs."""

    def __len__(self) -> int:
        """Count the chips."""
        return len(self.bbox)


def chip_footprints(grid: ChipGrid, locate: Locator) -> Footprints:
    """Compute the footprints of a chip grid.

    Args:
        grid: chips in R0 pixels.
        locate: pixel corner positions to degrees.

    Returns:
        The footprints, row by row.

    Raises:
        ItemError: a chip has no place on the ground; names its window.
    """
    approximate = locate.approximate
    if not len(grid):
        none = np.empty(0, np.uint8)
        return Footprints(none, np.zeros(1, np.int32), np.empty((0, 4), np.float32), 1, approximate)
    surface = fit_surface(locate, _extent(grid))
    segments, mirrored = choose_segments(surface, grid)
    done = [_block(surface, part, locate, segments, mirrored) for part in _parts(grid)]
    return Footprints(
        wkb=_joined([wkb for wkb, _, _ in done]),
        offsets=_offsets(_joined([sizes for _, sizes, _ in done])),
        bbox=_joined([bbox for _, _, bbox in done]),
        segments=segments,
        approximate=approximate,
    )


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _offsets(sizes: NDArray[np.int64]) -> NDArray[np.int32] | NDArray[np.int64]:
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets.astype(np.int32) if offsets[-1] < 2**31 else offsets


def image_outline(size: ImageSize, locate: Locator) -> shapely.Polygon | shapely.MultiPolygon:
    """Compute the footprint of a whole image as a shapely geometry.

    Args:
        size: at R0.
        locate: pixel corner positions to degrees.

    Raises:
        ItemError: the image has no place on the ground.
    """
    return _outline(locate, PixelWindow(0, 0, size.width, size.height), level=0)


def _outline(locate: Locator, window: PixelWindow, *, level: int) -> shapely.Polygon | shapely.MultiPolygon:
    """Give one window's footprint with its own number of segments."""
    grid = _single(window, level)
    surface = fit_surface(locate, _extent(grid))
    segments, _ = choose_segments(surface, grid, polar=True)
    rings = Rings(*(np.stack(part) for part in ring_vertices(surface, grid, segments)))
    require_finite(rings, grid)
    outline = ring_geometry(rings.lon[:, 0, 0], rings.lat[:, 0, 0], continuous=surface.continuous)
    if not surface.continuous:
        lon, lat = locate([window.x + window.width / 2], [window.y + window.height / 2])
        if not shapely.distance(outline, shapely.Point(lon[0], lat[0])) < EDGE_DEGREES:
            raise ItemError(f"{window} has no footprint: its edges do not tell which side of them it covers")
    return outline


def _single(window: PixelWindow, level: int) -> ChipGrid:
    zero = np.zeros(1, np.int64)
    return ChipGrid(
        ChipAxis(zero, zero + window.x, zero + window.width),
        ChipAxis(zero, zero + window.y, zero + window.height),
        level,
    )


def _extent(grid: ChipGrid) -> tuple[float, float, float, float]:
    x, y = grid.cols, grid.rows  # both are in order
    return (
        float(x.offset[0]),
        float(y.offset[0]),
        float(x.offset[-1] + x.length[-1]),
        float(y.offset[-1] + y.length[-1]),
    )


def _parts(grid: ChipGrid) -> Iterator[ChipGrid]:
    """Cut a grid into blocks of whole rows, or of pieces of one row, that follow one another."""
    across, down = len(grid.cols.index), len(grid.rows.index)
    if across * down <= _BLOCK:
        yield grid
        return
    high, wide = max(_BLOCK // across, 1), min(across, _BLOCK)
    for y in range(0, down, high):
        rows = take(grid.rows, slice(y, y + high))
        for x in range(0, across, wide):
            yield replace(grid, rows=rows, cols=take(grid.cols, slice(x, x + wide)))


def _block(
    surface: Surface, grid: ChipGrid, locate: Locator, segments: int, mirrored: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
    """Give WKB bytes, their sizes and boxes of one part of a grid."""
    lon, lat = ring_vertices(surface, grid, segments)
    west, south, east, north = _least(lon), _least(lat), _most(lon), _most(lat)
    if not np.isfinite((west + south + east + north).sum()):
        require_finite(Rings(np.stack(lon), np.stack(lat)), grid)
    polar = odd = np.zeros(west.shape, np.bool_)
    if not surface.continuous:
        polar = near_pole(np.stack(lon), np.stack(lat))
        lon = list(unwrapped(np.stack(lon)))
        west, east = _least(lon), _most(lon)
        odd = polar = polar | (np.abs(lon[-1] - lon[0]) > 180.0)
    if south.min() < -90.0 or north.max() > 90.0:
        _require_inside(south, north, grid)
        lat = [np.clip(values, -90.0, 90.0) for values in lat]
        south, north = np.maximum(south, -90.0), np.minimum(north, 90.0)
    if west.min() < -180.0 or east.max() > 180.0:
        turns = 360.0 * np.round((west + east) / 720.0)
        lon = [_snapped(values - turns) for values in lon]
        west, east = _least(lon), _most(lon)
        odd = odd | (west < -180.0) | (east > 180.0)
    table = _polygons(lon, lat, mirrored)
    size = table.dtype.itemsize
    sizes, plain = np.full(table.size, size, np.int64), table.view(np.uint8)
    if not odd.any():
        return plain, sizes, _outward(west, south, east, north)
    pieces: list[NDArray[np.uint8]] = []
    start, across = 0, len(grid.cols.index)
    for at in np.flatnonzero(odd).tolist():
        row, col = divmod(at, across)
        if polar[row, col]:
            geometry = _outline(locate, chip_window(grid, row, col), level=grid.level)
        else:
            ring = (np.array([values[row, col] for values in part]) for part in (lon, lat))
            geometry = ring_geometry(*ring, continuous=True)
        data = np.frombuffer(shapely.to_wkb(geometry, byte_order=1), np.uint8)
        pieces += [plain[start * size : at * size], data]
        start = at + 1
        sizes[at] = data.size
        west[row, col], south[row, col], east[row, col], north[row, col] = geometry.bounds
    pieces.append(plain[start * size :])
    return np.concatenate(pieces), sizes, _outward(west, south, east, north)


def _least(values: list[Floats]) -> Floats:
    return reduce(np.minimum, values[1:-1], values[0])


def _most(values: list[Floats]) -> Floats:
    return reduce(np.maximum, values[1:-1], values[0])


def _snapped(lon: Floats) -> Floats:
    """Put longitudes next to ±180 on it."""
    return np.where(np.abs(np.abs(lon) - 180.0) <= SNAP, np.copysign(180.0, lon), lon)


def _require_inside(south: Floats, north: Floats, grid: ChipGrid) -> None:
    """Refuse chips beyond a pole; padded chips may go on there and are ended at it."""
    beyond = np.argwhere((south >= 90.0) | (north <= -90.0))
    if len(beyond):
        row, col = (int(axis) for axis in beyond[0])
        raise ItemError(f"{chip_window(grid, row, col)} has no place on the ground: it lies beyond the pole")


def _polygons(lon: list[Floats], lat: list[Floats], mirrored: bool) -> NDArray[np.void]:
    """Write rings as WKB polygons, one structured element a chip."""
    (down, across), points = lon[0].shape, len(lon)
    table = np.empty((down, across), np.dtype([("head", "V13"), ("xy", "<f8", (points, 2))]))
    table["head"] = np.array(struct.pack("<BIII", 1, 3, 1, points), "V13")  # little-endian, polygon, one ring
    xy = table["xy"]
    for vertex in range(points):
        source = points - 1 - vertex if mirrored else vertex
        xy[:, :, vertex, 0] = lon[source]
        xy[:, :, vertex, 1] = lat[source]
    return table.ravel()


def _outward(west: Floats, south: Floats, east: Floats, north: Floats) -> NDArray[np.float32]:
    """Round boxes to float32 so that they still hold what they held, ``(n, 4)``."""
    upper = np.stack([-west, -south, east, north]).reshape(4, -1)  # so that all four round up
    rounded = upper.astype(np.float32)
    bits = rounded.view(np.int32)
    bits += ((bits >> 31) | 1) * (rounded.astype(np.float64) < upper)  # the next float is the next integer
    np.negative(rounded[:2], out=rounded[:2])
    return np.ascontiguousarray(rounded.T)
