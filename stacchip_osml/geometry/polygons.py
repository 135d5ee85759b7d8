"""From rings of one number of vertices to WKB, many at once.

Every ring of a table has as many vertices as the others, so its WKB is one
structured array. A ring that crosses the antimeridian once there and once back
becomes two parts that together have six positions more, wherever it crosses:
again one structured array. What is left (rings that go round the Earth, or
cross more often) is given to :mod:`.outline`, one by one.
"""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.outline import SNAP, ring_geometry

__all__ = ["encode_rings", "geometry_bytes", "outward", "polygon_table", "snapped", "turned"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_POLYGON, _MULTI = 3, 6  # WKB geometry types
_FEW = 1 << 12
"""Chips whose boxes are rounded all sides at once."""
_LOWER = np.array([[-1], [-1], [1], [1]], np.int32)
"""Which way is out: west and south down, east and north up."""


def turned(west: Floats, east: Floats) -> Floats:
    """Give the whole turns, in degrees, by which rings lie off the interval [-180, 180]."""
    turns: Floats = 360.0 * np.round((west + east) / 720.0)
    return turns


def snapped(lon: Floats) -> Floats:
    """Put longitudes next to ±180 on it."""
    return np.where(np.abs(np.abs(lon) - 180.0) <= SNAP, np.copysign(180.0, lon), lon)


def polygon_table(lon: list[Floats], lat: list[Floats], *, mirrored: bool = False) -> NDArray[np.void]:
    """Write rings as WKB polygons, one structured element a chip; clockwise ones are ``mirrored``."""
    points = len(lon)
    table = np.empty(lon[0].size, np.dtype([("head", "V13"), ("xy", "<f8", (points, 2))]))
    table["head"] = np.array(struct.pack("<BIII", 1, _POLYGON, 1, points), "V13")
    xy = table["xy"].reshape(*lon[0].shape, points, 2)
    for vertex in range(points):
        source = points - 1 - vertex if mirrored else vertex
        xy[..., vertex, 0] = lon[source]
        xy[..., vertex, 1] = lat[source]
    return table


def geometry_bytes(geometry: Any) -> bytes:
    """Write a shapely geometry as little-endian WKB."""
    import shapely

    return bytes(shapely.to_wkb(geometry, byte_order=1))


def encode_rings(lon: Floats, lat: Floats) -> tuple[list[bytes], Floats]:
    """Write rings that may cross the antimeridian, and give their planar boxes.

    Args:
        lon: closed rings without jumps, possibly beyond ±180: degrees ``(vertices, n)``.
        lat: latitudes, alike.

    Returns:
        WKB of each ring, and west, south, east, north ``(4, n)``.
    """
    if not lon.shape[1]:
        return [], np.empty((4, 0))
    lon = snapped(lon - turned(lon.min(axis=0), lon.max(axis=0)))
    lat = np.clip(lat, -90.0, 90.0)
    x, y = lon - lon[0], lat - lat[0]
    clockwise = (x[:-1] * y[1:] - x[1:] * y[:-1]).sum(axis=0) < 0.0
    lon[:, clockwise], lat[:, clockwise] = lon[::-1, clockwise], lat[::-1, clockwise]
    boxes = np.stack([lon.min(axis=0), lat.min(axis=0), lon.max(axis=0), lat.max(axis=0)])
    data = [b""] * lon.shape[1]
    plain = (boxes[0] >= -180.0) & (boxes[2] <= 180.0)
    _place(data, plain, polygon_table(list(lon[:, plain]), list(lat[:, plain])))
    seam = np.where(boxes[2] > 180.0, 180.0, -180.0)
    east = lon[:-1] > seam
    once = ~plain & ((east != np.roll(east, 1, axis=0)).sum(axis=0) == 2)
    once &= (boxes[0] > seam - 360.0) & (boxes[2] < seam + 360.0)  # so that each part is inside after its turn
    once &= boxes[2] - boxes[0] < 360.0 - SNAP  # all round: the parts would meet, or overlap
    where = np.flatnonzero(once)
    count = east[:, where].sum(axis=0)
    for beyond in np.unique(count).tolist():
        chosen = where[count == beyond]
        parts = _two_parts(lon[:-1, chosen], lat[:-1, chosen], seam[chosen], east[:, chosen])
        mask = np.zeros(plain.shape, np.bool_)
        mask[chosen] = True
        _place(data, mask, parts)
        boxes[0, chosen], boxes[2, chosen] = -180.0, 180.0
    for at in np.flatnonzero(~(plain | once)).tolist():
        geometry = ring_geometry(lon[:, at], lat[:, at], continuous=True)
        data[at], boxes[:, at] = geometry_bytes(geometry), geometry.bounds
    return data, boxes


def _place(data: list[bytes], mask: Bools, table: NDArray[np.void]) -> None:
    for at, item in zip(np.flatnonzero(mask).tolist(), table, strict=True):
        data[at] = item.tobytes()


def _two_parts(lon: Floats, lat: Floats, seam: Floats, east: Bools) -> NDArray[np.void]:
    """Cut open counter-clockwise rings, all with as many vertices east of the seam, into two polygons."""
    count = len(lon)
    first = np.argmax(east & ~np.roll(east, 1, axis=0), axis=0)  # the first vertex beyond
    order = (first + np.arange(count)[:, None]) % count
    lon, lat = np.take_along_axis(lon, order, axis=0), np.take_along_axis(lat, order, axis=0)
    beyond = int(east[:, 0].sum())
    into, out = (_crossing(lon, lat, seam, before) for before in (count - 1, beyond - 1))
    tables = []
    for run, begin, end, side in ((slice(beyond, count), out, into, 180.0), (slice(0, beyond), into, out, -180.0)):
        edge = np.full(seam.shape, side)
        tables.append(polygon_table([edge, *(lon[run] + (side - seam)), edge, edge], [begin, *lat[run], end, begin]))
    kinds = [("head", "V9"), ("west", tables[0].dtype), ("east", tables[1].dtype)]
    table = np.empty(seam.size, np.dtype(kinds))
    table["head"] = np.array(struct.pack("<BII", 1, _MULTI, 2), "V9")
    table["west"], table["east"] = tables
    return table


def _crossing(lon: Floats, lat: Floats, seam: Floats, before: int) -> Floats:
    """Give the latitude at which the edge after a vertex crosses the seam."""
    after = (before + 1) % len(lon)
    share = (seam - lon[before]) / (lon[after] - lon[before])
    level: Floats = lat[before] + share * (lat[after] - lat[before])
    return level


def outward(west: Floats, south: Floats, east: Floats, north: Floats) -> NDArray[np.float32]:
    """Round boxes to float32 so that they still hold what they held, ``(n, 4)``.

    Of many chips one side after the other: all four at once need so much memory that it is returned to the system and
    fetched again each time.
    """
    if west.size <= _FEW:
        return _outward_at_once(west, south, east, north)
    rounded = np.empty((4, west.size), np.float32)
    for side, (exact, beyond) in enumerate(
        ((west, np.greater), (south, np.greater), (east, np.less), (north, np.less))
    ):
        values = rounded[side].reshape(exact.shape)
        values[...] = exact
        bits = values.view(np.int32)
        away = (bits >> 31) | 1  # the next float from zero is the next integer
        away *= beyond(values, exact)
        np.subtract(bits, away, out=bits) if side < 2 else np.add(bits, away, out=bits)
    return rounded.T


def _outward_at_once(*sides: Floats) -> NDArray[np.float32]:
    exact = np.empty((4, sides[0].size))
    for row, side in zip(exact, sides, strict=True):
        row[...] = side.ravel()
    rounded = exact.astype(np.float32)
    bits = rounded.view(np.int32)
    inside = np.empty(exact.shape, np.bool_)
    np.greater(rounded[:2], exact[:2], out=inside[:2])
    np.less(rounded[2:], exact[2:], out=inside[2:])
    if inside.any():
        bits += ((bits >> 31) | 1) * inside * _LOWER  # the next float from zero is the next integer
    return rounded.T
