"""Where a frame of a raster product (CADRG, CIB) lies: on the map of the ARC system that it was cut from.

MIL-STD-2411, 5.1.2 and 5.1.6: the coverage section of the frame, whose place the
location section says, has the corners of the image's outline as numbers of full
precision; IGEOLO has them in whole seconds, and in some files in a wrong order.
Rows and columns are even in latitude and longitude; in the two polar zones (``9``
and ``J``, the last letter of the frame's name) they are so in the azimuthal
equidistant projection from the pole on a sphere (MIL-A-89007, the ARC system).
The place of a section counts from the beginning of the file, and the location
section is what ``RPFIMG`` begins with.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import NamedTuple

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import LONLAT, Transform
from stacchip_osml.pixel import ImageSize

__all__ = ["FRAME_TRES", "LONLAT", "frame_map"]

FRAME_TRES = frozenset({"RPFHDR", "RPFIMG", "RPFDES"})
"""TREs of raster products: of the file, of the image, and what goes on in a TRE_OVERFLOW."""
HEADER = struct.Struct(">B2x12s29xI")
LOCATIONS = struct.Struct(">HIHH")
RECORD = struct.Struct(">HII")
CORNERS = struct.Struct(">8d")
HEADER_BYTES = 48
COVERAGE = 130
"""Of a component: that it is the coverage section."""
RADIUS = 6_378_137.0
POLES = {"9": 90, "J": -90}
TURN = 360.0


class _Header(NamedTuple):
    zone: str
    locations: int


def frame_map(
    tres: Mapping[str, bytes], file_tres: Mapping[str, bytes], size: ImageSize
) -> tuple[Transform, str] | None:
    """Read the map that a frame lies on.

    Args:
        tres: of the image, by tag.
        file_tres: of the file header, by tag.
        size: of the image.

    Returns:
        Pixel corner (col, row) → (x, y), and the CRS. None where it is no frame, or one that does not say its place.

    Raises:
        ItemError: its coverage is none.
    """
    data = tres.get("RPFIMG", b"")
    header = _header(file_tres.get("RPFHDR", b""))
    corners = None if header is None else _corners(data, header)
    if header is None or corners is None:
        return None
    points = [corners[at : at + 2] for at in range(0, 8, 2)]
    if not all(math.isfinite(lat) and math.isfinite(lon) and abs(lat) <= 90 and abs(lon) <= 180 for lat, lon in points):
        raise ItemError(f"RPFIMG: the coverage section's corners must be latitudes and longitudes, got {points}")
    upper_left, lower_left, upper_right, _ = points
    pole = POLES.get(header.zone)
    if pole is None:
        place = _on_lonlat(upper_left, lower_left, upper_right, size), LONLAT
    else:
        place = _on_pole(upper_left, lower_left, upper_right, size, pole), _polar(pole)
    a, b, _, d, e, _ = place[0]
    if not a * e - b * d:
        raise ItemError(f"RPFIMG: the coverage section's corners {points} place all pixels on a line")
    return place


def _header(data: bytes) -> _Header | None:
    if len(data) < HEADER_BYTES:
        return None
    is_little, name, at = HEADER.unpack_from(data)
    return None if is_little else _Header(name.decode("latin-1").strip()[-1:].upper(), at)


def _corners(data: bytes, header: _Header) -> tuple[float, ...] | None:
    """Find the coverage section: latitude and longitude of upper left, lower left, upper right, lower right."""
    if len(data) < 14:
        return None
    _, begin, count, length = LOCATIONS.unpack_from(data)
    if length != RECORD.size or begin + count * length > len(data):
        return None
    for number in range(count):
        kind, size, place = RECORD.unpack_from(data, begin + number * length)
        at = place - header.locations
        if kind == COVERAGE and size >= CORNERS.size and 0 <= at <= len(data) - CORNERS.size:
            return CORNERS.unpack_from(data, at)
    return None


Point = tuple[float, ...]


def _on_lonlat(upper_left: Point, lower_left: Point, upper_right: Point, size: ImageSize) -> Transform:
    """Give even degrees, eastwards over the antimeridian too."""
    across = (upper_right[1] - upper_left[1]) % TURN / size.width
    down = (lower_left[0] - upper_left[0]) / size.height
    return (across, 0.0, upper_left[1], 0.0, down, upper_left[0])


def _on_pole(upper_left: Point, lower_left: Point, upper_right: Point, size: ImageSize, pole: int) -> Transform:
    left, top = _projected(upper_left, pole)
    across, down = _projected(upper_right, pole)[0] - left, _projected(lower_left, pole)[1] - top
    return (across / size.width, 0.0, left, 0.0, down / size.height, top)


def _projected(point: Point, pole: int) -> tuple[float, float]:
    lat, lon = point
    distance, angle = RADIUS * math.radians(abs(pole - lat)), math.radians(lon)
    return distance * math.sin(angle), -math.copysign(distance, pole) * math.cos(angle)


def _polar(pole: int) -> str:
    return f"+proj=aeqd +lat_0={pole} +lon_0=0 +x_0=0 +y_0=0 +R={RADIUS:.0f} +units=m +no_defs"
