"""Footprints of all chips of a grid, as WKB bytes and bounding boxes.

A grid's corners are a product of columns and rows, so they are evaluated as
one (:mod:`.surface`), and since every chip of a grid has the same number of
vertices, its WKB is one structured array (:mod:`.polygons`). Rules:

- Rings start at the chip's upper-left corner, are closed and counter-clockwise
  whatever the handedness of the transform.
- The straight edge in degrees leaves the true edge by at most ``EDGE_PIXELS``
  of a pixel of the chip's level, or ``EDGE_DEGREES``; edges get as many
  segments (a power of two, at most 64) as that takes, chosen once a grid.
- Chips that cross the antimeridian are cut there; those next to a pole or not
  wholly on the ground have rules and segments of their own (:mod:`.singular`).
- A chip without a place on the ground (its middle is off the disk of the Earth,
  outside its projection's domain, or beyond a pole) has no footprint.
- Bounding boxes are planar, float32, rounded outward.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import Locator, require_locator
from stacchip_osml.geometry.outline import ring_geometry
from stacchip_osml.geometry.polygons import encode_rings, outward, polygon_table, snapped, turned
from stacchip_osml.geometry.rings import (
    choose_segments,
    least,
    most,
    near_limb,
    near_pole,
    ring_vertices,
    take,
    unwrapped,
)
from stacchip_osml.geometry.singular import Windows, singular_shapes
from stacchip_osml.geometry.surface import Surface, fit_surface
from stacchip_osml.pixel import ChipAxis, ChipGrid, ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import of_kind

if TYPE_CHECKING:
    import shapely

__all__ = ["Footprints", "chip_footprints", "image_outline"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_BLOCK = 1 << 17  # chips worked on at once: bounds the memory
_FEW = 16  # chips of a grid that may each be a large part of the Earth


@dataclass(frozen=True, slots=True)
class Footprints:
    """One footprint a chip, in the order of ``ChipGrid.windows()``."""

    wkb: NDArray[np.uint8]
    """Little-endian WKB of all chips, one after the other."""
    offsets: NDArray[np.int32] | NDArray[np.int64]
    """Where each begins, and the end: ``(n + 1,)``; int32 as long as that is enough."""
    bbox: NDArray[np.float32]
    """xmin, ymin, xmax, ymax in degrees, ``(n, 4)``; NaN where there is no footprint."""
    present: NDArray[np.bool_] | None
    """Which chips have a footprint, ``(n,)``, the others having no bytes; None: all."""
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
        The footprints, row by row; none for chips that have no place on the ground.
    """
    of_kind("grid", grid, ChipGrid, "a ChipGrid")
    require_locator(locate, ImageSize(1, 1))
    if not len(grid):
        none = np.empty(0, np.uint8)
        return Footprints(none, np.zeros(1, np.int32), np.empty((0, 4), np.float32), None, 1, locate.approximate)
    with np.errstate(invalid="ignore"):  # positions off the ground are infinite
        return _footprints(grid, locate)


def _footprints(grid: ChipGrid, locate: Locator) -> Footprints:
    surface = fit_surface(locate, _extent(grid))
    limb = near_limb(surface, grid)
    if not surface.continuous and len(grid) <= _FEW:
        limb = np.ones((len(grid.rows.index), len(grid.cols.index)), np.bool_)
    segments, mirrored = choose_segments(surface, grid, limb)
    done = []
    for rows, cols in _parts(grid):
        part, near = grid, limb
        if len(grid) > _BLOCK:
            part = replace(grid, rows=take(grid.rows, rows), cols=take(grid.cols, cols))
            near = None if limb is None else limb[rows, cols]
        done.append(_block(surface, part, locate, segments=segments, mirrored=mirrored, limb=near))
    sizes = _joined([sizes for _, sizes, _ in done])
    return Footprints(
        wkb=_joined([wkb for wkb, _, _ in done]),
        offsets=_offsets(sizes),
        bbox=_joined([bbox for _, _, bbox in done]),
        present=None if sizes.all() else sizes > 0,
        segments=segments,
        approximate=locate.approximate,
    )


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _offsets(sizes: NDArray[np.int64]) -> NDArray[np.int32] | NDArray[np.int64]:
    size, count = int(sizes[0]), len(sizes)
    if size * count < 2**31 and (sizes == size).all():
        return np.arange(count + 1, dtype=np.int32) * np.int32(size)
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(sizes, out=offsets[1:])
    return offsets.astype(np.int32) if offsets[-1] < 2**31 else offsets


def image_outline(size: ImageSize, locate: Locator) -> shapely.Polygon | shapely.MultiPolygon:
    """Compute the footprint of a whole image as a shapely geometry.

    Args:
        size: at R0.
        locate: pixel corner positions to degrees.

    Returns:
        What of the image is on the ground, where its edges are not.

    Raises:
        ItemError: the middle of the image has no place on the ground, or its edges do not tell what they hold.
    """
    import shapely

    require_locator(locate, size)
    zero = np.zeros(1, np.int64)
    grid = ChipGrid(ChipAxis(zero, zero, zero + size.width), ChipAxis(zero, zero, zero + size.height), 0)
    surface = fit_surface(locate, _extent(grid))
    if surface.continuous:
        segments, _ = choose_segments(surface, grid, None)
        lon, lat = (np.array([vertex[0, 0] for vertex in part]) for part in ring_vertices(surface, grid, segments))
        outline: shapely.Polygon | shapely.MultiPolygon = ring_geometry(lon, lat, continuous=True)
        return outline
    with np.errstate(invalid="ignore"):  # positions off the ground are infinite
        shapes = singular_shapes(locate, Windows(zero, zero, zero + size.width, zero + size.height), level=0)
    if not shapes.on_ground[0]:
        raise ItemError(f"the middle of the image ({size.width} x {size.height}) has no place on the ground")
    if not shapes.wkb[0]:
        window = PixelWindow(0, 0, size.width, size.height)
        raise ItemError(f"{window} has no footprint: its edges do not tell which side of them it covers")
    return shapely.from_wkb(shapes.wkb[0])


def _extent(grid: ChipGrid) -> tuple[float, float, float, float]:
    x, y = grid.cols, grid.rows  # both are in order
    return (
        float(x.offset[0]),
        float(y.offset[0]),
        float(x.offset[-1] + x.length[-1]),
        float(y.offset[-1] + y.length[-1]),
    )


def _parts(grid: ChipGrid) -> Iterator[tuple[slice, slice]]:
    """Cut a grid into blocks of whole rows, or of pieces of one row, that follow one another."""
    across, down = len(grid.cols.index), len(grid.rows.index)
    high, wide = max(_BLOCK // across, 1), min(across, _BLOCK)
    for y in range(0, down, high):
        for x in range(0, across, wide):
            yield slice(y, y + high), slice(x, x + wide)


def _block(
    surface: Surface, grid: ChipGrid, locate: Locator, *, segments: int, mirrored: bool, limb: Bools | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
    """Give WKB bytes, their sizes and boxes of one part of a grid."""
    lon, lat = ring_vertices(surface, grid, segments)
    west, south, east, north = least(lon), least(lat), most(lon), most(lat)
    singular = beyond = odd = np.zeros(west.shape, np.bool_)
    if not surface.continuous:
        singular = near_pole(lon, lat) if limb is None else near_pole(lon, lat) | limb
        odd = singular | _jumps(lon)
    elif west.min() < -180.0 or east.max() > 180.0:
        turns = turned(west, east)
        lon = [snapped(values - turns) for values in lon]
        west, east = least(lon), most(lon)
        odd = (west < -180.0) | (east > 180.0)
    if south.min() < -90.0 or north.max() > 90.0:  # degrees go on beyond a pole, padded chips too; they end there
        beyond = (south >= 90.0) | (north <= -90.0)
        lat = [np.clip(values, -90.0, 90.0) for values in lat]
        south, north = np.maximum(south, -90.0), np.minimum(north, 90.0)
        odd = odd | beyond
    table = polygon_table(lon, lat, mirrored=mirrored)
    size = table.dtype.itemsize
    sizes, plain = np.full(table.size, size, np.int64), table.view(np.uint8)
    if not odd.any():
        return plain, sizes, outward(west, south, east, north)
    boxes = np.stack([west, south, east, north]).reshape(4, -1)
    data: dict[int, bytes] = dict.fromkeys(np.flatnonzero(beyond).tolist(), b"")
    boxes[:, beyond.ravel()] = np.nan
    cut = np.flatnonzero(odd & ~singular & ~beyond)
    if cut.size:
        x, y = (np.stack([values.ravel()[cut] for values in part]) for part in (lon, lat))
        # where nothing jumps an edge may be a whole turn long
        encoded, boxes[:, cut] = encode_rings(x if surface.continuous else unwrapped(x), y)
        data.update(zip(cut.tolist(), encoded, strict=True))
    own = np.flatnonzero(singular)
    if own.size:
        shapes = singular_shapes(locate, _windows(grid, own), level=grid.level)
        boxes[:, own] = shapes.boxes
        data.update(zip(own.tolist(), shapes.wkb, strict=True))
    pieces: list[NDArray[np.uint8]] = []
    start = 0
    for at in sorted(data):
        pieces += [plain[start * size : at * size], np.frombuffer(data[at], np.uint8)]
        start, sizes[at] = at + 1, len(data[at])
    pieces.append(plain[start * size :])
    return np.concatenate(pieces), sizes, outward(*boxes)


def _jumps(lon: list[Floats]) -> Bools:
    """Mark rings with a step of more than half a turn, which is a jump at the antimeridian."""
    largest = np.zeros(lon[0].shape)
    for here, after in pairwise(lon):
        np.maximum(largest, np.abs(after - here), out=largest)
    return largest > 180.0


def _windows(grid: ChipGrid, at: NDArray[np.int64]) -> Windows:
    row, col = np.divmod(at, len(grid.cols.index))
    x, y = grid.cols, grid.rows
    return Windows(x.offset[col], y.offset[row], x.length[col], y.length[row])
