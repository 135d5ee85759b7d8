"""The rings of a grid's chips: where their vertices are, and how many they need.

A grid is a product of two axes, and so are the vertices of its rings: corners,
points on its horizontal edges, points on its vertical edges. They are evaluated
as three products and taken apart as views, one ``(rows, cols)`` array a vertex;
rings begin at the upper-left corner, go down, right, up and back, and are closed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.surface import Bends, Surface, unit_vectors
from stacchip_osml.pixel import ChipAxis, ChipGrid

__all__ = ["EDGE_DEGREES", "EDGE_PIXELS", "MARGIN", "MOST_SEGMENTS", "Rings", "choose_segments", "edge_excess"]
__all__ += ["least", "most", "near_limb", "near_pole", "ring_vertices", "take", "unwrapped"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

EDGE_PIXELS = 0.1
"""Largest distance of a footprint's edge from the true edge, pixels of the level."""
EDGE_DEGREES = 1e-7
"""The same in degrees (about 1 cm): below this no vertices are added."""

MOST_SEGMENTS = 64
MARGIN = 0.8
"""Of the allowed distance, as half-way is not always the worst place, nor the sample the worst chip."""
_SAMPLES = 5  # chips an axis on which segments are chosen
_KEPT = 1024  # chips of the longest axis whose edges are kept: bounds the memory
_WORST = 3  # chips on which more segments are tried


@dataclass(frozen=True, slots=True)
class Rings:
    """Closed rings of a grid: ``(vertices, rows, cols)`` degrees."""

    lon: Floats
    lat: Floats


def least(values: list[Floats]) -> Floats:
    """Give the smallest value of each closed ring, its vertices in a list."""
    return reduce(np.minimum, values[1:-1], values[0])


def most(values: list[Floats]) -> Floats:
    """Give the largest value of each closed ring, its vertices in a list."""
    return reduce(np.maximum, values[1:-1], values[0])


def take(axis: ChipAxis, keep: slice | Ints) -> ChipAxis:
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


def choose_segments(surface: Surface, grid: ChipGrid, singular: Bools | None) -> tuple[int, bool]:
    """Choose the pieces of an edge on a sample of the chips, and tell whether the rings are clockwise.

    Chips next to a pole or marked ``singular`` do not count: they have their own.
    """
    if surface.bends is not None:
        mirrored = _one_is_enough(surface.bends(), grid)
        if mirrored is not None:
            return 1, mirrored
    count = _SAMPLES if surface.continuous else 4 * _SAMPLES
    cols, rows = (_spread(len(axis.index), count) for axis in (grid.cols, grid.rows))
    if singular is not None:
        if singular.all():
            return 1, False
        cols, rows = (_among(~singular.all(axis=axis), count) for axis in (0, 1))
    sample = replace(grid, cols=take(grid.cols, cols), rows=take(grid.rows, rows))
    rings = _perimeters(surface, sample)
    counts = np.ones(rings.lon.shape[1:], np.bool_)
    if not surface.continuous:
        counts &= ~near_pole(list(rings.lon), list(rings.lat))
        if singular is not None:
            counts &= ~singular[np.ix_(rows, cols)]
        if not counts.any():
            return 1, False
    some = np.argwhere(counts)
    mirrored = _is_mirrored(surface, rings, *some[len(some) // 2])
    return 1 if surface.straight else _enough_segments(surface, sample, rings, counts), mirrored


def _enough_segments(surface: Surface, sample: ChipGrid, rings: Rings, counts: Bools) -> int:
    """Double the segments until the edges of the chips that count are near enough to the true ones."""
    segments = 1
    while segments < MOST_SEGMENTS:
        if not surface.continuous:
            rings = Rings(unwrapped(rings.lon), rings.lat)
        excess = edge_excess(rings, sample.cols.length, sample.rows.length[:, None], sample.level)
        excess = np.where(counts, excess, 0.0)
        if excess.max() <= MARGIN:
            break
        if segments == 1 and excess.size > _WORST**2:  # the worst chips stay the worst: the others need not be asked
            worst = np.argpartition(excess.ravel(), -_WORST)[-_WORST:]
            rows, cols = (np.unique(axis) for axis in np.divmod(worst, excess.shape[1]))
            sample = replace(sample, cols=take(sample.cols, cols), rows=take(sample.rows, rows))
            counts = counts[np.ix_(rows, cols)]
        segments *= 2
        rings = Rings(*(np.stack(part) for part in ring_vertices(surface, sample, 2 * segments)))
    return segments


def _one_is_enough(bends: Bends, grid: ChipGrid) -> bool | None:
    """Tell whether rings are clockwise, if bounds alone show that no edge needs to be divided; else None."""
    (lat, spread), (lon_slopes, lat_slopes) = bends.latitude, bends.slopes
    nearest, furthest = max(abs(lat) - spread, 0.0), abs(lat) + spread
    if furthest >= 89.0:
        return None
    wide, narrow = math.cos(math.radians(nearest)), math.cos(math.radians(furthest))
    sides = int(grid.cols.length.max()), int(grid.rows.length.max())
    away, pixel = 0.0, math.inf
    for (east, east_off), (north, north_off), side, lon_curve, lat_curve in zip(
        lon_slopes, lat_slopes, sides, *bends.curves, strict=True
    ):
        away = max(away, math.hypot(lon_curve * wide, lat_curve) * side * side / 8.0)
        pixel = min(pixel, math.hypot(east * narrow, north) - math.hypot(east_off * wide, north_off))
    if away > MARGIN * max(EDGE_PIXELS * pixel * 2.0**grid.level, EDGE_DEGREES):
        return None
    (a, a_off), (b, b_off), (d, d_off), (e, e_off) = *lon_slopes, *lat_slopes
    doubt = abs(a) * e_off + a_off * (abs(e) + e_off) + abs(b) * d_off + b_off * (abs(d) + d_off)
    turn = a * e - b * d
    return turn > 0.0 if abs(turn) > doubt else None


def _spread(size: int, count: int) -> Ints:
    return (size - 1) * np.arange(count) // (count - 1) if size > count else np.arange(size)


def _among(wanted: Any, count: int) -> Ints:
    there = np.flatnonzero(wanted)
    return there[_spread(len(there), count)]


_DOWN_RIGHT_UP = (np.array([0, 1, 2, 2, 2, 1, 0, 0, 0]), np.array([0, 0, 0, 1, 2, 2, 2, 1, 0]))


def _perimeters(surface: Surface, grid: ChipGrid) -> Rings:
    """Evaluate rings of two points an edge, all in one go: what :func:`ring_vertices` gives for two segments."""
    halves = np.array([0.0, 0.5, 1.0])
    x = grid.cols.offset[:, None] + grid.cols.length[:, None] * halves
    y = grid.rows.offset[:, None] + grid.rows.length[:, None] * halves
    lon, lat = (part.reshape(len(y), 3, len(x), 3) for part in surface.evaluate(x.ravel(), y.ravel()))
    v, u = _DOWN_RIGHT_UP
    return Rings(lon[:, v, :, u], lat[:, v, :, u])


def _is_mirrored(surface: Surface, rings: Rings, row: int, col: int) -> bool:
    """Tell whether (col, row) turn as (lon, lat) do, so that down-right-up is clockwise on the ground."""
    lon, lat = rings.lon[[0, 2, 6], row, col], rings.lat[[0, 2, 6], row, col]
    if surface.continuous:
        return bool((lon[2] - lon[0]) * (lat[1] - lat[0]) > (lon[1] - lon[0]) * (lat[2] - lat[0]))
    here, below, right = unit_vectors(lon, lat).T
    return bool(np.linalg.det(np.stack([here, right - here, below - here])) > 0.0)


def edge_excess(rings: Rings, width: Ints, height: Ints, level: int) -> Floats:
    """Give the distance of true edges from straight ones over what is allowed, one a chip.

    Args:
        rings: their odd vertices lie on the true edges, half-way between the ends of the straight pieces.
        width: of the chips, R0 pixels; broadcast against the rings' chips, as ``height`` is.
        height: of the chips, R0 pixels.
        level: pyramid level whose pixels count.
    """
    position = rings.lon + 1j * rings.lat
    straight, half = position[2::2] - position[:-2:2], position[1::2] - position[:-1:2]
    flat = np.cos(np.radians(rings.lat[1::2]))
    straight.real *= flat
    half.real *= flat
    length = np.abs(straight)
    away = np.abs((straight.conj() * half).imag) / np.maximum(length, 1e-300)
    edges = length.reshape(4, -1, *length.shape[1:]).sum(axis=1)
    pixels = np.maximum(edges[:2], edges[2:]) * 2.0**level
    pixel = np.minimum(pixels[0] / height, pixels[1] / width)
    excess: Floats = away.max(axis=0) / np.maximum(EDGE_PIXELS * pixel, EDGE_DEGREES)
    return excess


def near_pole(lon: list[Floats], lat: list[Floats]) -> Bools:
    """Mark chips within two diameters of a pole: their edges bend too much for the others' segments."""
    distance = 90.0 - np.maximum(most(lat), -least(lat))
    near = distance < 45.0
    if not near.any():
        return near
    corner = slice(0, len(lon) - 1, (len(lon) - 1) // 4)
    at = unit_vectors(np.stack([part[near] for part in lon[corner]]), np.stack([part[near] for part in lat[corner]]))
    diameter = np.degrees(np.linalg.norm(at[:, :2] - at[:, 2:], axis=0).max(axis=0))
    near[near] = distance[near] < 2.0 * diameter
    return near


def unwrapped(lon: Floats) -> Floats:
    """Take jumps of a whole turn out of rings."""
    steps = np.diff(lon, axis=0)
    if not (np.abs(steps) > 180.0).any():
        return lon
    turns = np.cumsum(np.round(steps / 360.0), axis=0)
    rolled = lon.copy()
    rolled[1:] -= 360.0 * turns  # whole turns only: the ring stays exactly closed
    return rolled


def near_limb(surface: Surface, grid: ChipGrid) -> Bools | None:
    """Mark chips that are not wholly on the ground, and their neighbours; None where all are."""
    if surface.everywhere:
        return None
    lon, lat = ring_vertices(surface, grid, 1)
    off = ~np.isfinite(most(lon) + most(lat))  # positions off the ground are infinite
    if not off.any():
        return None
    off[1:] |= off[:-1].copy()
    off[:-1] |= off[1:].copy()
    off[:, 1:] |= off[:, :-1].copy()
    off[:, :-1] |= off[:, 1:].copy()
    return off
