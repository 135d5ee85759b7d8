"""Rings next to a pole, and at the edge of what is on the ground: the few whose shape the others' rules do not tell.

They are computed from the exact locator, all together, each with as many
segments as it needs. Rules:

- A chip has a footprint where its middle is on the ground. Vertices that are
  not (beyond the limb of a full disk, or beyond the domain of a projection) are
  drawn towards the middle until they are.
- A ring that holds or meets a pole becomes a polygon that reaches it.
- A chip whose ring does not have its middle inside (one with both poles in it)
  has no footprint: its edges do not tell which side of them it covers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.locate import Locator
from stacchip_osml.geometry.outline import meets_pole, ring_geometry
from stacchip_osml.geometry.polygons import encode_rings, geometry_bytes
from stacchip_osml.geometry.rings import EDGE_DEGREES, MARGIN, MOST_SEGMENTS, Rings, edge_excess, unwrapped

__all__ = ["Shapes", "Windows", "singular_shapes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_LEAST_SEGMENTS = 8  # enough that a step of more than half a turn is a jump
_MOST_AT_LIMB = 16
_HALVINGS = 30  # of the way from the middle to a vertex, until the limb is found


@dataclass(frozen=True, slots=True)
class Windows:
    """Chips that are no product of columns and rows: R0 pixels, ``(n,)`` each."""

    x: Ints
    y: Ints
    width: Ints
    height: Ints

    def take(self, keep: Any) -> Windows:
        """Select some."""
        return Windows(self.x[keep], self.y[keep], self.width[keep], self.height[keep])


@dataclass(frozen=True, slots=True)
class Shapes:
    """One footprint a window, if it has one."""

    wkb: list[bytes]
    """Empty where there is none."""
    boxes: Floats
    """west, south, east, north, planar, ``(4, n)``; NaN where there is none."""
    on_ground: NDArray[np.bool_]
    """Whether the middle has a place on the ground."""


def singular_shapes(locate: Locator, windows: Windows, *, level: int) -> Shapes:
    """Compute footprints one way for all that can happen.

    Args:
        locate: pixel corner positions to degrees.
        windows: the chips.
        level: pyramid level whose pixels bound the distance from the true edges.
    """
    middles = locate(windows.x + windows.width / 2, windows.y + windows.height / 2)
    on_ground = np.isfinite(middles[0]) & np.isfinite(middles[1])
    wkb, boxes = [b""] * on_ground.size, np.full((4, on_ground.size), np.nan)
    left, segments = np.flatnonzero(on_ground), _LEAST_SEGMENTS
    while left.size:
        some = windows.take(left)
        rings, at_limb = _exact_rings(locate, some, 2 * segments)
        smooth = Rings(unwrapped(rings.lon), rings.lat)
        done = edge_excess(smooth, some.width, some.height, level) <= MARGIN
        done |= segments >= np.where(at_limb, _MOST_AT_LIMB, MOST_SEGMENTS)
        chosen = left[done]
        data, boxes[:, chosen] = _shapes(
            rings.lon[::2, done], rings.lat[::2, done], middles[0][chosen], middles[1][chosen]
        )
        for at, item in zip(chosen.tolist(), data, strict=True):
            wkb[at] = item
        left, segments = left[~done], 2 * segments
    return Shapes(wkb, boxes, on_ground)


def _exact_rings(locate: Locator, windows: Windows, segments: int) -> tuple[Rings, Any]:
    """Evaluate closed rings, ``(vertices, n)``, and tell which were drawn in from beyond the limb."""
    share, none = np.arange(segments) / segments, np.zeros(segments)
    across = np.concatenate([none, share, none + 1.0, 1.0 - share])[:, None]
    down = np.concatenate([share, none + 1.0, 1.0 - share, none])[:, None]
    cols, rows = windows.x + windows.width * across, windows.y + windows.height * down
    lon, lat = locate(cols, rows)
    lon, lat = np.array(lon), np.array(lat)
    off = ~(np.isfinite(lon) & np.isfinite(lat))
    if off.any():
        chip = np.nonzero(off)[1]
        x, y = windows.x[chip] + windows.width[chip] / 2, windows.y[chip] + windows.height[chip] / 2
        lon[off], lat[off] = _drawn_in(locate, (x, y), (cols[off] - x, rows[off] - y))
    return Rings(np.concatenate([lon, lon[:1]]), np.concatenate([lat, lat[:1]])), off.any(axis=0)


def _drawn_in(locate: Locator, start: tuple[Floats, Floats], way: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Find the last place on the ground on the ways out, by halving."""
    reach, beyond = np.zeros(start[0].shape), np.ones(start[0].shape)
    for _ in range(_HALVINGS):
        half = (reach + beyond) / 2.0
        lon, lat = locate(start[0] + half * way[0], start[1] + half * way[1])
        there = np.isfinite(lon) & np.isfinite(lat)
        reach, beyond = np.where(there, half, reach), np.where(there, beyond, half)
    return locate(start[0] + reach * way[0], start[1] + reach * way[1])


def _shapes(lon: Floats, lat: Floats, middle_lon: Floats, middle_lat: Floats) -> tuple[list[bytes], Floats]:
    """Encode closed rings wherever they are; those that do not have their middle inside are left empty."""
    import shapely

    polar = meets_pole(lon, lat)
    data, boxes = [b""] * polar.size, np.full((4, polar.size), np.nan)
    plain = np.flatnonzero(~polar)
    encoded, boxes[:, plain] = encode_rings(unwrapped(lon[:, plain]), lat[:, plain])
    for at, item in zip(plain.tolist(), encoded, strict=True):
        data[at] = item
    middles = shapely.points(middle_lon, middle_lat)
    for at in np.flatnonzero(polar).tolist():
        geometry = ring_geometry(lon[:, at], lat[:, at], continuous=False)
        if not shapely.distance(geometry, middles[at]) < EDGE_DEGREES:  # half the Earth: the nearer pole may be outside
            north = 1.0 if middle_lat[at] >= 0 else -1.0
            geometry = ring_geometry(lon[:, at], lat[:, at], continuous=False, side=north)
        data[at], boxes[:, at] = geometry_bytes(geometry), geometry.bounds
    lost = ~(shapely.distance(shapely.from_wkb(data), middles) < EDGE_DEGREES)
    boxes[:, lost] = np.nan
    return [b"" if gone else item for item, gone in zip(data, lost.tolist(), strict=True)], boxes
