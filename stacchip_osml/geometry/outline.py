"""From a ring of positions to a valid polygon: antimeridian and poles.

Rules, for the output of every function here: longitudes are within [-180, 180];
exteriors are counter-clockwise (RFC 7946 3.1.6); what crosses the antimeridian
is cut there into parts (RFC 7946 3.1.9); a ring round a pole becomes a polygon
that reaches the pole; a ring that only touches ±180 is not cut.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ItemError
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import real_numbers

__all__ = ["SNAP", "bounds_of", "meets_pole", "ring_geometry"]

Floats = NDArray[np.float64]

SNAP = 2e-9
"""Longitudes this near to ±180 are on it, degrees; twice the error of a surface."""

_POLE = 1e-9  # a ring this near to a pole goes through it, degrees


def ring_geometry(lon: Floats, lat: Floats, *, continuous: bool, side: float | None = None) -> Any:
    """Build the polygon inside a ring.

    Args:
        lon: closed ring, degrees, ``(n,)``; neighbours are less than 180° apart unless ``continuous``.
        lat: latitudes, ``(n,)``.
        continuous: the longitudes may leave [-180, 180] but do not jump, so the
            ring is a ring in the plane; False where each is in [-180, 180].
        side: 1 or -1, the pole inside of a ring that goes round the Earth; None: the nearer one.

    Returns:
        A shapely Polygon or MultiPolygon.

    Raises:
        ItemError: no ring of at least three places.
    """
    lon, lat = real_numbers("lon", lon), real_numbers("lat", lat)
    if lon.ndim != 1 or lon.shape != lat.shape or lon.size < 4 or not (np.isfinite(lon) & np.isfinite(lat)).all():
        raise ItemError(f"a ring is closed, of finite lon and lat (n,), got {lon.shape} and {lat.shape}")
    if not continuous:
        nearer = 1.0 if lat[:-1].sum() >= 0 else -1.0
        lon, lat = _unrolled(lon[:-1], lat[:-1], nearer if side is None else side)
    return _cut(lon, np.clip(lat, -90.0, 90.0))


def meets_pole(lon: Floats, lat: Floats) -> NDArray[np.bool_]:
    """Tell which closed rings, ``(vertices, n)``, each longitude in [-180, 180], hold a pole or go through it."""
    lon, lat = lon[:-1], lat[:-1]
    round_it = np.abs(_turn(np.roll(lon, -1, axis=0) - lon).sum(axis=0)) > 180.0
    distance = 90.0 - np.where(lat.max(axis=0) + lat.min(axis=0) >= 0.0, lat, -lat)
    through: NDArray[np.bool_] = (_pole_distances(lon, distance).min(axis=0) < _POLE) & (distance.min(axis=0) < 45.0)
    round_or_through: NDArray[np.bool_] = round_it | through
    return round_or_through


def _turn(step: Floats) -> Floats:
    """Bring longitude differences into [-180, 180]."""
    turned: Floats = step - 360.0 * np.round(step / 360.0)
    return turned


def _rolled(lon: Floats) -> Floats:
    """Take whole turns out, so that neighbours are at most 180° apart."""
    return lon - 360.0 * np.cumsum(np.round(np.diff(lon, prepend=lon[:1]) / 360.0))


def _unrolled(lon: Floats, lat: Floats, side: float) -> tuple[Floats, Floats]:
    """Make an open ring's longitudes continuous, adding the pole where the ring holds or meets it."""
    distance = 90.0 - side * lat
    vertex = distance < _POLE
    if vertex.any() and not vertex.all():
        first = int(np.flatnonzero(vertex)[-1]) + 1  # begin after the pole
        kept = ~np.roll(vertex, -first)
        return _through_pole(np.roll(lon, -first)[kept], np.roll(lat, -first)[kept], side)
    touch = np.flatnonzero(_pole_distances(lon, distance) < _POLE) if distance.min() < 45.0 else vertex.nonzero()[0]
    if touch.size:
        first = int(touch[0]) + 1
        return _through_pole(np.roll(lon, -first), np.roll(lat, -first), side)
    steps = _turn(np.diff(lon, append=lon[:1]))
    rolled, closed = _rolled(np.append(lon, lon[0])), np.append(lat, lat[0])
    if abs(steps.sum()) < 180.0:
        return rolled, closed
    return _round_pole(rolled, closed, side)


def _pole_distances(lon: Floats, distance: Floats) -> Floats:
    """Give the distance of each edge from the pole in the polar plane, degrees; open rings along the first axis."""
    angle = np.radians(lon)
    x, y = distance * np.cos(angle), distance * np.sin(angle)
    dx, dy = np.roll(x, -1, axis=0) - x, np.roll(y, -1, axis=0) - y
    length = np.maximum(dx * dx + dy * dy, 1e-300)
    along = np.clip(-(x * dx + y * dy) / length, 0.0, 1.0)
    return np.hypot(x + along * dx, y + along * dy)


def _through_pole(lon: Floats, lat: Floats, side: float) -> tuple[Floats, Floats]:
    """Close a path whose two ends are joined through the pole: along both meridians."""
    rolled = _rolled(lon)
    pole = 90.0 * side
    return (
        np.concatenate([rolled, rolled[-1:], rolled[:1], rolled[:1]]),
        np.concatenate([lat, [pole, pole], lat[:1]]),
    )


def _round_pole(lon: Floats, lat: Floats, side: float) -> tuple[Floats, Floats]:
    """Open a ring that goes once round the pole at the antimeridian, and close it over the pole."""
    if lon[-1] < lon[0]:
        lon, lat = lon[::-1], lat[::-1]
    seam = 180.0 + 360.0 * np.ceil((lon[0] - 180.0) / 360.0)
    after = int(np.flatnonzero(lon >= seam)[0]) if (lon >= seam).any() else len(lon) - 1
    before = max(after - 1, 0)
    width = lon[after] - lon[before]
    share = (seam - lon[before]) / width if width > 0 else 0.0
    level = lat[before] + share * (lat[after] - lat[before])
    path = np.concatenate([[seam], lon[after:], lon[1 : before + 1] + 360.0, [seam + 360.0]]) - (seam + 180.0)
    heights = np.concatenate([[level], lat[after:], lat[1 : before + 1], [level]])
    pole = 90.0 * side
    return np.concatenate([path, [180.0, -180.0, -180.0]]), np.concatenate([heights, [pole, pole, level]])


def _cut(lon: Floats, lat: Floats) -> Any:
    """Bring a continuous closed ring into [-180, 180], cut where it leaves."""
    import shapely

    lon = lon - 360.0 * np.round((lon.min() + lon.max()) / 720.0)
    seams = 360.0 * np.round((lon - 180.0) / 360.0) + 180.0
    lon = np.where(np.abs(lon - seams) <= SNAP, seams, lon)
    positions = np.column_stack([lon, lat])
    moved = np.append(True, (positions[1:] != positions[:-1]).any(axis=1))
    ring = shapely.Polygon(positions[moved])
    west, east = lon.min(), lon.max()
    if west >= -180.0 and east <= 180.0:
        return shapely.orient_polygons(ring)
    if not ring.is_valid:
        ring = shapely.make_valid(ring)
    parts: list[Any] = []
    for turn in range(int(np.floor((west + 180.0) / 360.0)), int(np.ceil((east - 180.0) / 360.0)) + 1):
        box = shapely.box(360.0 * turn - 180.0, -90.0, 360.0 * turn + 180.0, 90.0)
        part = shapely.transform(shapely.intersection(ring, box), lambda xy, turn=turn: xy - (360.0 * turn, 0.0))
        parts.extend(piece for piece in shapely.get_parts(shapely.get_parts(part)) if piece.area > 0.0)
    if east - west >= 360.0 - SNAP:  # all round: the parts meet, or overlap
        return shapely.orient_polygons(shapely.union_all(parts))
    polygons = [shapely.orient_polygons(part) for part in parts]
    return polygons[0] if len(polygons) == 1 else shapely.MultiPolygon(polygons)


def bounds_of(geometry: Any) -> tuple[float, float, float, float]:
    """Give the RFC 7946 bounding box: west > east where the geometry crosses the antimeridian.

    Args:
        geometry: shapely geometry on CRS84, cut at the antimeridian as this module does.

    Returns:
        west, south, east, north in degrees.

    Raises:
        ItemError: the geometry is empty.
    """
    import shapely

    if of_kind("geometry", geometry, shapely.Geometry, "a shapely geometry").is_empty:
        raise ItemError("an empty geometry has no bounds")
    west, south, east, north = (float(value) for value in geometry.bounds)
    if west > -180.0 or east < 180.0:
        return west, south, east, north
    spans = sorted(tuple(part.bounds[::2]) for part in shapely.get_parts(geometry))
    reach, gap = spans[0][1], (0.0, west, east)
    for low, high in spans[1:]:
        if low - reach > gap[0]:
            gap = (low - reach, low, reach)
        reach = max(reach, high)
    return float(gap[1]), south, float(gap[2]), north
