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

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import Locator
from stacchip_osml.geometry.outline import SNAP, ring_geometry
from stacchip_osml.geometry.surface import Surface, fit_surface, unit_vectors
from stacchip_osml.pixel import ChipAxis, ChipGrid, ImageSize, PixelWindow

__all__ = ["EDGE_DEGREES", "EDGE_PIXELS", "Footprints", "chip_footprints", "image_outline"]

Floats = NDArray[np.float64]

EDGE_PIXELS = 0.1
"""Largest distance of a footprint's edge from the true edge, pixels of the level."""
EDGE_DEGREES = 1e-7
"""The same in degrees (about 1 cm): below this no vertices are added."""

_MOST_SEGMENTS = 64
_BLOCK = 1 << 17  # chips worked on at once: bounds the memory
_SAMPLES = 5  # chips an axis on which segments are chosen


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


@dataclass(frozen=True, slots=True)
class _Rings:
    """Closed rings of a grid: ``(vertices, rows, cols)`` degrees."""

    lon: Floats
    lat: Floats


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
    segments = _segments(surface, grid)
    mirrored = _mirrored(locate, grid)
    done = [_block(surface, part, locate, segments, mirrored) for part in _parts(grid)]
    sizes = np.concatenate([sizes for _, sizes, _ in done])
    offsets = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return Footprints(
        wkb=done[0][0] if len(done) == 1 else np.concatenate([wkb for wkb, _, _ in done]),
        offsets=offsets.astype(np.int32) if offsets[-1] < 2**31 else offsets,
        bbox=done[0][2] if len(done) == 1 else np.concatenate([bbox for _, _, bbox in done]),
        segments=segments,
        approximate=approximate,
    )


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
    rings = _rings(surface, grid, _segments(surface, grid, polar=True))
    _require_finite(rings, grid)
    return ring_geometry(rings.lon[:, 0, 0], rings.lat[:, 0, 0], continuous=surface.continuous)


def _single(window: PixelWindow, level: int) -> ChipGrid:
    zero = np.zeros(1, np.int64)
    return ChipGrid(
        ChipAxis(zero, zero + window.x, zero + window.width), ChipAxis(zero, zero + window.y, zero + window.height), level
    )


def _extent(grid: ChipGrid) -> tuple[float, float, float, float]:
    cols, rows = grid.cols, grid.rows
    return (
        float(cols.offset.min()),
        float(rows.offset.min()),
        float((cols.offset + cols.length).max()),
        float((rows.offset + rows.length).max()),
    )


def _take(axis: ChipAxis, keep: slice | NDArray[np.int64]) -> ChipAxis:
    return ChipAxis(axis.index[keep], axis.offset[keep], axis.length[keep])


def _parts(grid: ChipGrid) -> Iterator[ChipGrid]:
    """Cut a grid into blocks of whole rows, or of pieces of one row, that follow one another."""
    across, down = len(grid.cols.index), len(grid.rows.index)
    if across * down <= _BLOCK:
        yield grid
        return
    high, wide = max(_BLOCK // across, 1), min(across, _BLOCK)
    for y in range(0, down, high):
        rows = _take(grid.rows, slice(y, y + high))
        for x in range(0, across, wide):
            yield replace(grid, rows=rows, cols=_take(grid.cols, slice(x, x + wide)))


def _edges(axis: ChipAxis) -> tuple[Floats, slice, slice]:
    """Give the edge positions of an axis, and which of them begin and end the chips."""
    start = axis.offset.astype(np.float64)
    stop = start + axis.length
    count = len(start)
    if np.array_equal(stop[:-1], start[1:]):
        return np.append(start, stop[-1]), slice(0, count), slice(1, count + 1)
    return np.concatenate([start, stop]), slice(0, count), slice(count, 2 * count)


def _rings(surface: Surface, grid: ChipGrid, segments: int) -> _Rings:
    """Evaluate the rings from the upper-left corner down, right, up and back."""
    x, left, right = _edges(grid.cols)
    y, top, bottom = _edges(grid.rows)
    k, across, down = segments, len(grid.cols.index), len(grid.rows.index)
    corners = surface.evaluate(x, y)
    inner = np.arange(1, k) / k
    if k > 1:
        xs = grid.cols.offset[:, None] + grid.cols.length[:, None] * inner
        ys = grid.rows.offset[:, None] + grid.rows.length[:, None] * inner
        flat, steep = surface.evaluate(xs.ravel(), y), surface.evaluate(x, ys.ravel())
    rings = _Rings(np.empty((4 * k + 1, down, across)), np.empty((4 * k + 1, down, across)))
    for part, ring in enumerate((rings.lon, rings.lat)):
        corner = corners[part]
        ring[0], ring[k] = corner[top, left], corner[bottom, left]
        ring[2 * k], ring[3 * k], ring[4 * k] = corner[bottom, right], corner[top, right], ring[0]
        if k > 1:
            level = flat[part].reshape(y.size, across, k - 1).transpose(2, 0, 1)
            upright = steep[part].reshape(down, k - 1, x.size).transpose(1, 0, 2)
            ring[1:k] = upright[:, :, left]
            ring[k + 1 : 2 * k] = level[:, bottom]
            ring[2 * k + 1 : 3 * k] = upright[::-1, :, right]
            ring[3 * k + 1 : 4 * k] = level[::-1, top]
    return rings


def _segments(surface: Surface, grid: ChipGrid, *, polar: bool = False) -> int:
    """Choose the pieces of an edge on a sample of the chips; those next to a pole count only with ``polar``."""
    if surface.straight:
        return 1
    count = _SAMPLES if surface.continuous else 4 * _SAMPLES
    sample = replace(grid, cols=_sampled(grid.cols, count), rows=_sampled(grid.rows, count))
    for segments in (1, 2, 4, 8, 16, 32):
        rings = _rings(surface, sample, 2 * segments)
        _require_finite(rings, sample)
        if not surface.continuous:
            rings = _Rings(_unwrapped(rings.lon), rings.lat)
        excess = _excess(rings, sample, segments)
        if not (polar or surface.continuous):
            excess = excess[~_near_pole(rings.lon, rings.lat)]
        if not excess.size or excess.max() <= 0.8:  # the sample may miss the worst
            return segments
    return _MOST_SEGMENTS


def _sampled(axis: ChipAxis, count: int) -> ChipAxis:
    last = len(axis.index) - 1
    return _take(axis, np.unique(np.linspace(0, last, min(count, last + 1)).round().astype(np.int64)))


def _excess(rings: _Rings, grid: ChipGrid, segments: int) -> Floats:
    """Give the distance of true edges from straight ones over what is allowed, ``(rows, cols)``.

    The odd vertices lie on the true edges, half-way between the ends of the straight pieces.
    """
    level = np.cos(np.radians(rings.lat[1::2]))
    x, y = np.diff(rings.lon[::2], axis=0) * level, np.diff(rings.lat[::2], axis=0)
    px, py = (rings.lon[1::2] - rings.lon[:-1:2]) * level, rings.lat[1::2] - rings.lat[:-1:2]
    length = np.hypot(x, y)
    away = np.abs(x * py - y * px) / np.maximum(length, 1e-300)
    edges = length.reshape(4, segments, *length.shape[1:]).sum(axis=1)
    pixels = np.maximum(edges[:2], edges[2:]) * 2.0**grid.level
    pixel = np.minimum(pixels[0] / grid.rows.length[:, None], pixels[1] / grid.cols.length)
    excess: Floats = away.max(axis=0) / np.maximum(EDGE_PIXELS * pixel, EDGE_DEGREES)
    return excess


def _near_pole(lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    """Mark chips within two diameters of a pole: their edges bend too much for the others' segments."""
    distance = 90.0 - np.abs(lat).max(axis=0)
    if distance.min() > 45.0:
        return np.zeros(distance.shape, np.bool_)
    corners = unit_vectors(lon[:-1], lat[:-1])
    half = len(lon) // 2
    diameter = np.degrees(np.linalg.norm(corners[:, :half] - corners[:, half : 2 * half], axis=0).max(axis=0))
    near: NDArray[np.bool_] = distance < 2.0 * diameter
    return near


def _mirrored(locate: Locator, grid: ChipGrid) -> bool:
    """Tell whether (col, row) turn as (lon, lat) do, so that down-right-up is clockwise on the ground."""
    cols, rows = grid.cols, grid.rows
    i, j = len(cols.index) // 2, len(rows.index) // 2
    x, y = float(cols.offset[i]) + cols.length[i] * 0.5, float(rows.offset[j]) + rows.length[j] * 0.5
    here, right, below = unit_vectors(*locate(np.array([x, x + 0.5, x]), np.array([y, y, y + 0.5]))).T
    return bool(np.linalg.det(np.stack([here, right - here, below - here])) > 0)


def _unwrapped(lon: Floats) -> Floats:
    """Take jumps of a whole turn out of rings."""
    steps = np.diff(lon, axis=0)
    if np.abs(steps).max() <= 180.0:
        return lon
    turns = np.cumsum(np.round(steps / 360.0), axis=0)
    rolled = lon.copy()
    rolled[1:] -= 360.0 * turns  # whole turns only: the ring stays exactly closed
    return rolled


def _require_finite(rings: _Rings, grid: ChipGrid) -> None:
    if np.isfinite(rings.lon.sum() + rings.lat.sum()):
        return
    bad = ~(np.isfinite(rings.lon).all(axis=0) & np.isfinite(rings.lat).all(axis=0))
    row, col = (int(axis[0]) for axis in np.nonzero(bad))
    raise ItemError(f"{_window(grid, row, col)} has no place on the ground: its corners are outside the CRS's domain")


def _window(grid: ChipGrid, row: int, col: int) -> PixelWindow:
    cols, rows = grid.cols, grid.rows
    return PixelWindow(int(cols.offset[col]), int(rows.offset[row]), int(cols.length[col]), int(rows.length[row]))


def _block(
    surface: Surface, grid: ChipGrid, locate: Locator, segments: int, mirrored: bool
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
    """Give WKB bytes, their sizes and boxes of one part of a grid."""
    rings = _rings(surface, grid, segments)
    _require_finite(rings, grid)
    lon, lat = rings.lon, rings.lat
    if surface.continuous:
        odd = np.zeros(lon.shape[1:], np.bool_)
        polar = odd
    else:
        polar = _near_pole(lon, lat)
        lon = _unwrapped(lon)
        odd = polar | (np.abs(lon[-1] - lon[0]) > 180.0)
    west, east = lon.min(axis=0), lon.max(axis=0)
    south, north = lat.min(axis=0), lat.max(axis=0)
    if south.min() < -90.0 or north.max() > 90.0:
        _require_inside(south, north, grid)
        lat, south, north = (np.clip(values, -90.0, 90.0) for values in (lat, south, north))
    if west.min() < -180.0 or east.max() > 180.0:
        lon = lon - 360.0 * np.round((west + east) / 720.0)
        near = np.abs(np.abs(lon) - 180.0) <= SNAP
        lon = np.where(near, np.copysign(180.0, lon), lon)
        west, east = lon.min(axis=0), lon.max(axis=0)
        odd = odd | (west < -180.0) | (east > 180.0)
    table = _polygons(lon, lat, mirrored)
    bbox = np.stack([west, south, east, north], axis=-1).reshape(-1, 4)
    sizes = np.full(table.size, table.dtype.itemsize, np.int64)
    plain = table.view(np.uint8)
    if not odd.any():
        return plain, sizes, _outward(bbox)
    pieces, start = [], 0
    for at in np.flatnonzero(odd):
        row, col = divmod(int(at), odd.shape[1])
        if polar[row, col] or abs(lon[-1, row, col] - lon[0, row, col]) > 180.0:
            geometry = _outline(locate, _window(grid, row, col), level=grid.level)
        else:
            geometry = ring_geometry(lon[:, row, col], lat[:, row, col], continuous=True)
        data = np.frombuffer(shapely.to_wkb(geometry, byte_order=1), np.uint8)
        pieces += [plain[start * table.dtype.itemsize : at * table.dtype.itemsize], data]
        start = at + 1
        sizes[at], bbox[at] = data.size, geometry.bounds
    pieces.append(plain[start * table.dtype.itemsize :])
    return np.concatenate(pieces), sizes, _outward(bbox)


def _require_inside(south: Floats, north: Floats, grid: ChipGrid) -> None:
    """Refuse chips beyond a pole; padded chips may go on there and are ended at it."""
    beyond = np.argwhere((south >= 90.0) | (north <= -90.0))
    if len(beyond):
        row, col = (int(axis) for axis in beyond[0])
        raise ItemError(f"{_window(grid, row, col)} has no place on the ground: it lies beyond the pole")


def _polygons(lon: Floats, lat: Floats, mirrored: bool) -> NDArray[np.void]:
    """Write rings ``(vertices, rows, cols)`` as WKB polygons, one structured element a chip."""
    points, down, across = lon.shape
    layout = np.dtype(
        [("order", "u1"), ("type", "<u4"), ("rings", "<u4"), ("points", "<u4"), ("xy", "<f8", (points, 2))]
    )
    table = np.empty(down * across, layout)
    table["order"], table["type"], table["rings"], table["points"] = 1, 3, 1, points
    step = -1 if mirrored else 1
    xy = table["xy"]
    for vertex in range(points):
        source = vertex if step == 1 else points - 1 - vertex
        xy[:, vertex, 0] = lon[source].ravel()
        xy[:, vertex, 1] = lat[source].ravel()
    return table


def _outward(bbox: Floats) -> NDArray[np.float32]:
    """Round boxes to float32 so that they still hold what they held."""
    rounded = bbox.astype(np.float32)
    low, high = rounded[:, :2], rounded[:, 2:]
    down, up = low > bbox[:, :2], high < bbox[:, 2:]
    low[down] = np.nextafter(low[down], np.float32(-np.inf))
    high[up] = np.nextafter(high[up], np.float32(np.inf))
    return rounded
