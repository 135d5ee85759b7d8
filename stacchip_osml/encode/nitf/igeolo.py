"""ICORDS and IGEOLO: the corners of an image, to the second or the metre (MIL-STD-2500C, table A-3).

They are those of the first and last pixels, at their centres, clockwise from the
upper left one. Written are ``G`` (degrees, minutes, seconds), ``D`` (decimal degrees), ``N``
and ``S`` (UTM on WGS 84), and ``U`` (military grid references). ``G`` is good to half a second,
15 m; ``D`` only to 55 m; ``N``, ``S`` and ``U`` to half a metre. What is more exact goes into TREs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Literal

from stacchip_osml.errors import EncodeError, ItemError
from stacchip_osml.geometry.mgrs import to_mgrs

__all__ = ["Coordinates", "Corners", "igeolo_text", "utm_zone"]

Corners = Sequence[tuple[float, float]]
"""``(lon, lat)`` or ``(easting, northing)`` of upper left, upper right, lower right, lower left."""
Coordinates = Literal["G", "D", "N", "S", "U"]

CLAUSE = "MIL-STD-2500C, table A-3"
UTM = re.compile(r"EPSG:32([67])(\d\d)$")


@lru_cache(maxsize=64)
def utm_zone(crs: str | None) -> tuple[Literal["N", "S"], int] | None:
    """Tell hemisphere and zone of a CRS that is UTM on WGS 84; None of others."""
    match = UTM.match(crs or "")
    if match is None or not 1 <= int(match[2]) <= 60:
        return None
    return ("N" if match[1] == "6" else "S"), int(match[2])


def igeolo_text(corners: Corners, coordinates: Coordinates, *, zone: int = 0) -> str:
    """Write IGEOLO.

    Args:
        corners: four, ``(lon, lat)`` degrees for G, D and U, ``(easting, northing)`` metres for N and S.
        coordinates: ICORDS.
        zone: of UTM, 1 to 60, for N and S.

    Returns:
        60 characters.

    Raises:
        EncodeError: a corner is not on the Earth, or not in what the zone can hold.
    """
    if len(corners) != 4 or not all(map(math.isfinite, chain.from_iterable(corners))):
        raise EncodeError(f"IGEOLO has four corners with finite coordinates ({CLAUSE}), got {list(corners)}")
    if coordinates in {"N", "S"}:
        return "".join(_utm(corner, zone) for corner in corners)
    for lon, lat in corners:
        if not (abs(lat) <= 90 and abs(lon) <= 180):
            raise EncodeError(f"a corner of IGEOLO is not on the Earth ({CLAUSE}): longitude {lon}, latitude {lat}")
    if coordinates == "U":
        return "".join(_reference(lon, lat) for lon, lat in corners)
    write = _seconds if coordinates == "G" else _decimal
    return "".join(write(lat, lon) for lon, lat in corners)


def _seconds(lat: float, lon: float) -> str:
    """``ddmmssXdddmmssY``; seconds are rounded before they are split, so that none of them is 60."""
    south, east = round(abs(lat) * 3600), round(abs(lon) * 3600)
    return (
        f"{south // 3600:02d}{south // 60 % 60:02d}{south % 60:02d}{'S' if lat < 0 else 'N'}"
        f"{east // 3600:03d}{east // 60 % 60:02d}{east % 60:02d}{'W' if lon < 0 else 'E'}"
    )


def _decimal(lat: float, lon: float) -> str:
    """``±dd.ddd±ddd.ddd``."""
    return f"{lat:+07.3f}{lon:+08.3f}"


def _reference(lon: float, lat: float) -> str:
    """``zzBJKeeeeennnnn``, each corner in its own zone."""
    try:
        return to_mgrs(lon, lat)
    except ItemError as error:
        raise EncodeError(f"a corner of IGEOLO has no grid reference ({CLAUSE}): {error}") from error


def _utm(corner: tuple[float, float], zone: int) -> str:
    """``zzeeeeeennnnnnn``, metres."""
    easting, northing = round(corner[0]), round(corner[1])
    if not (1 <= zone <= 60 and 0 <= easting <= 999_999 and 0 <= northing <= 9_999_999):
        raise EncodeError(
            f"a corner of IGEOLO is zone, 6 digits of easting and 7 of northing ({CLAUSE}), "
            f"got zone {zone}, {corner[0]} E, {corner[1]} N"
        )
    return f"{zone:02d}{easting:06d}{northing:07d}"
