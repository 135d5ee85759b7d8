"""The rings of a grid's chips: where their vertices are, and how many they need.

A grid is a product of two axes, and so are the vertices of its rings: corners,
points on its horizontal edges, points on its vertical edges. They are evaluated
as three products and taken apart as views, one ``(rows, cols)`` array a vertex;
rings begin at the upper-left corner, go down, right, up and back, and are closed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.surface import Surface, unit_vectors
from stacchip_osml.pixel import ChipAxis, ChipGrid, PixelWindow

__all__ = ["EDGE_DEGREES", "EDGE_PIXELS", "Rings", "chip_window", "choose_segments", "near_pole", "require_finite"]
__all__ += ["ring_vertices", "take", "unwrapped"]

Floats = NDArray[np.float64]

EDGE_PIXELS = 0.1
"""Largest distance of a footprint's edge from the true edge, pixels of the level."""
EDGE_DEGREES = 1e-7
"""The same in degrees (about 1 cm): below this no vertices are added."""

_MOST_SEGMENTS = 64
_LEAST_ROUND = 8  # of a chip that may go round a pole, or round the Earth
_SAMPLES = 5  # chips an axis on which segments are chosen
_KEPT = 1024  # chips of the longest axis whose edges are kept: bounds the memory
_MARGIN = 0.8  # of the allowed distance, as the sample may miss the worst chip


@dataclass(frozen=True, slots=True)
class Rings:
    """Closed rings of a grid: ``(vertices, rows, cols)`` degrees."""

    lon: Floats
    lat: Floats


def take(axis: ChipAxis, keep: slice | NDArray[np.int64]) -> ChipAxis:
    """Select chips of an axis."""
    return ChipAxis(axis.index[keep], axis.offset[keep], axis.length[keep])


def _edges(axis: ChipAxis) -> tuple[Floats, slice, slice]:
    """Give the edge positions of an axis, and which of them begin and end the chips."""
    if len(axis.index) > _KEPT:
        return _new_edges(axis.offset, axis.length)
    return _kept_edges(axis.offset.tobytes(), axis.length.tobytes())


@lru_cache(maxsize=64)
def _kept_edges(offset: bytes, length: bytes) -> tuple[Floats, slice, slice]:
    """Keep them: images of one product share their grid."""
    edges, start, stop = _new_edges(np.frombuffer(offset, np.int64), np.frombuffer(length, np.int64))
    edges.setflags(write=False)
    return edges, start, stop


def _new_edges(offset: NDArray[np.int64], length: NDArray[np.int64]) -> tuple[Floats, slice, slice]:
    start = offset.astype(np.float64)
    stop, count = start + length, len(start)
    if np.array_equal(stop[:-1], start[1:]):
        return np.append(start, stop[-1]), slice(0, count), slice(1, count + 1)
    return np.concatenate([start, stop]), slice(0, count), slice(count, 2 * count)


def ring_vertices(surface: Surface, grid: ChipGrid, segments: int) -> tuple[list[Floats], list[Floats]]:
    """Evaluate rings with ``segments`` pieces an edge: longitudes and latitudes, ``(rows, cols)`` a vertex."""
    x, left, right = _edges(grid.cols)
    y, top, bottom = _edges(grid.rows)
    across, down, inside = len(grid.cols.index), len(grid.rows.index), range(segments - 1)
    corners, flat, steep = surface.evaluate(x, y), None, None
    if segments > 1:
        share = np.arange(1, segments) / segments
        xs = grid.cols.offset[:, None] + grid.cols.length[:, None] * share
        ys = grid.rows.offset[:, None] + grid.rows.length[:, None] * share
        flat, steep = surface.evaluate(xs.ravel(), y), surface.evaluate(x, ys.ravel())

    def ring(part: int) -> list[Floats]:
        corner = corners[part]
        views = [corner[top, left], corner[bottom, left], corner[bottom, right], corner[top, right]]
        if flat is not None and steep is not None:
            level = flat[part].reshape(y.size, across, segments - 1)
            upright = steep[part].reshape(down, segments - 1, x.size)
            views[3:3] = [upright[:, s, right] for s in reversed(inside)]
            views[2:2] = [level[bottom, :, s] for s in inside]
            views[1:1] = [upright[:, s, left] for s in inside]
            views += [level[top, :, s] for s in reversed(inside)]
        return [*views, views[0]]

    return ring(0), ring(1)


def choose_segments(surface: Surface, grid: ChipGrid, *, polar: bool = False) -> tuple[int, bool]:
    """Choose the pieces of an edge on a sample of the chips, and tell whether the rings are clockwise.

    Chips next to a pole count only with ``polar``.
    """
    count = _SAMPLES if surface.continuous else 4 * _SAMPLES
    sample = replace(grid, cols=_sampled(grid.cols, count), rows=_sampled(grid.rows, count))
    rings, segments = _perimeters(surface, sample), 1
    require_finite(rings, sample)
    mirrored = _is_mirrored(surface, rings)
    if surface.straight:
        return 1, mirrored
    if polar and not surface.continuous:  # enough that a step of more than half a turn is a jump
        segments = _LEAST_ROUND
        rings = Rings(*(np.stack(part) for part in ring_vertices(surface, sample, 2 * segments)))
        require_finite(rings, sample)
    while segments < _MOST_SEGMENTS:
        if not surface.continuous:
            rings = Rings(unwrapped(rings.lon), rings.lat)
        excess = _excess(rings, sample, segments)
        if not (polar or surface.continuous):
            excess = excess[~near_pole(rings.lon, rings.lat)]
        if not excess.size or excess.max() <= _MARGIN:
            break
        segments *= 2
        rings = Rings(*(np.stack(part) for part in ring_vertices(surface, sample, 2 * segments)))
    return segments, mirrored


def _sampled(axis: ChipAxis, count: int) -> ChipAxis:
    last = len(axis.index) - 1
    return take(axis, last * np.arange(count) // (count - 1)) if last >= count else axis


_DOWN_RIGHT_UP = (np.array([0, 1, 2, 2, 2, 1, 0, 0, 0]), np.array([0, 0, 0, 1, 2, 2, 2, 1, 0]))


def _perimeters(surface: Surface, grid: ChipGrid) -> Rings:
    """Evaluate rings of two points an edge, all in one go: what :func:`ring_vertices` gives for two segments."""
    halves = np.array([0.0, 0.5, 1.0])
    x = grid.cols.offset[:, None] + grid.cols.length[:, None] * halves
    y = grid.rows.offset[:, None] + grid.rows.length[:, None] * halves
    lon, lat = (part.reshape(len(y), 3, len(x), 3) for part in surface.evaluate(x.ravel(), y.ravel()))
    v, u = _DOWN_RIGHT_UP
    return Rings(lon[:, v, :, u], lat[:, v, :, u])


def _is_mirrored(surface: Surface, rings: Rings) -> bool:
    """Tell whether (col, row) turn as (lon, lat) do, so that down-right-up is clockwise on the ground."""
    middle = np.array([0, 2, 6]), rings.lon.shape[1] // 2, rings.lon.shape[2] // 2
    lon, lat = rings.lon[middle], rings.lat[middle]
    if surface.continuous:
        return bool((lon[2] - lon[0]) * (lat[1] - lat[0]) > (lon[1] - lon[0]) * (lat[2] - lat[0]))
    here, below, right = unit_vectors(lon, lat).T
    return bool(np.linalg.det(np.stack([here, right - here, below - here])) > 0.0)


def _excess(rings: Rings, grid: ChipGrid, segments: int) -> Floats:
    """Give the distance of true edges from straight ones over what is allowed, ``(rows, cols)``.

    The odd vertices lie on the true edges, half-way between the ends of the straight pieces.
    """
    level = np.cos(np.radians(rings.lat[1::2]))
    x, y = (rings.lon[2::2] - rings.lon[:-2:2]) * level, rings.lat[2::2] - rings.lat[:-2:2]
    px, py = (rings.lon[1::2] - rings.lon[:-1:2]) * level, rings.lat[1::2] - rings.lat[:-1:2]
    length = np.hypot(x, y)
    away = np.abs(x * py - y * px) / np.maximum(length, 1e-300)
    edges = length.reshape(4, segments, *length.shape[1:]).sum(axis=1)
    pixels = np.maximum(edges[:2], edges[2:]) * 2.0**grid.level
    pixel = np.minimum(pixels[0] / grid.rows.length[:, None], pixels[1] / grid.cols.length)
    excess: Floats = away.max(axis=0) / np.maximum(EDGE_PIXELS * pixel, EDGE_DEGREES)
    return excess


def near_pole(lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    """Mark chips within two diameters of a pole: their edges bend too much for the others' segments."""
    distance = 90.0 - np.abs(lat).max(axis=0)
    if distance.min() > 45.0:
        return np.zeros(distance.shape, np.bool_)
    corners = unit_vectors(lon[:-1], lat[:-1])
    half = len(lon) // 2
    diameter = np.degrees(np.linalg.norm(corners[:, :half] - corners[:, half : 2 * half], axis=0).max(axis=0))
    near: NDArray[np.bool_] = distance < 2.0 * diameter
    return near


def unwrapped(lon: Floats) -> Floats:
    """Take jumps of a whole turn out of rings."""
    steps = np.diff(lon, axis=0)
    if np.abs(steps).max() <= 180.0:
        return lon
    turns = np.cumsum(np.round(steps / 360.0), axis=0)
    rolled = lon.copy()
    rolled[1:] -= 360.0 * turns  # whole turns only: the ring stays exactly closed
    return rolled


def require_finite(rings: Rings, grid: ChipGrid) -> None:
    """Refuse chips with a corner that has no place on the ground: ItemError names the first one's window."""
    if np.isfinite(rings.lon.sum() + rings.lat.sum()):
        return
    bad = ~(np.isfinite(rings.lon).all(axis=0) & np.isfinite(rings.lat).all(axis=0))
    row, col = (int(axis[0]) for axis in np.nonzero(bad))
    raise ItemError(
        f"{chip_window(grid, row, col)} has no place on the ground: its edges leave the domain of its CRS or model"
    )


def chip_window(grid: ChipGrid, row: int, col: int) -> PixelWindow:
    """Give the window of one chip."""
    cols, rows = grid.cols, grid.rows
    return PixelWindow(int(cols.offset[col]), int(rows.offset[row]), int(cols.length[col]), int(rows.length[row]))
