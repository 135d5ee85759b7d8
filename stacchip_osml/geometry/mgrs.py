"""Military grid references (NGA.STND.0037): zone, square of 100 km, easting and northing.

The second letter of the square says the northing up to a multiple of 2,000 km,
and the latitude band which one. References near the poles are not in UTM, and
ICORDS has no code for them.
"""

from __future__ import annotations

import re

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import to_crs84

__all__ = ["from_mgrs", "to_mgrs"]

REFERENCE = re.compile(r"(\d\d)([C-HJ-NP-X])([A-HJ-NP-Z])([A-HJ-NP-V])(\d{5})(\d{5})")
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"
ROWS = LETTERS[:20]
BANDS = "CDEFGHJKLMNPQRSTUVWX"
SQUARE = 100_000.0
CYCLE = 2_000_000.0
DEGREE = 110_946.0
"""Metres of a degree of latitude, about: bands are eight degrees, and the cycle of letters is twice that."""


def from_mgrs(text: str, *, what: str) -> tuple[str, float, float]:
    """Give the CRS, easting and northing of a grid reference of 15 characters.

    Raises:
        ItemError: it is none; ``what`` says of which field.
    """
    match = REFERENCE.fullmatch(text)
    if match is None:
        raise ItemError(f"a corner of {what} must be a military grid reference zzBJKeeeeennnnn, got {text!r}")
    zone, band, column, row, east, north = match.groups()
    number = int(zone)
    first = 8 * ((number - 1) % 3)
    at = LETTERS.index(column) - first
    if not (1 <= number <= 60 and 0 <= at < 8):
        raise ItemError(f"{what} has a grid square {column}{row} that zone {zone} does not have: {text!r}")
    shift = 0 if number % 2 else 5
    northing = (ROWS.index(row) - shift) % 20 * SQUARE + float(north)
    is_south = band < "N"
    lowest = (8 * BANDS.index(band) - 80) * DEGREE + (1e7 if is_south else 0.0)
    middle = lowest + (6.0 if band == "X" else 4.0) * DEGREE
    northing += CYCLE * round((middle - northing) / CYCLE)
    return f"EPSG:{327 if is_south else 326}{zone}", (at + 1) * SQUARE + float(east), northing


def to_mgrs(lon: float, lat: float) -> str:
    """Give the grid reference, 15 characters, of a place in degrees on WGS 84, to the nearest metre.

    Raises:
        ItemError: it is south of 80 degrees south or north of 84 degrees north, where references are not in UTM.
    """
    if not (-80 <= lat <= 84 and abs(lon) <= 180):
        raise ItemError(f"grid references in UTM end at latitudes -80 and 84, got longitude {lon}, latitude {lat}")
    zone = _zone(lon, lat)
    crs = f"EPSG:{327 if lat < 0 else 326}{zone:02d}"
    x, y = to_crs84(crs).transform(lon, lat, direction="INVERSE")
    east, north = round(x), round(y)
    column = LETTERS[8 * ((zone - 1) % 3) + int(east // SQUARE) - 1]
    row = ROWS[(int(north // SQUARE) + (0 if zone % 2 else 5)) % 20]
    band = BANDS[min(int((lat + 80) // 8), len(BANDS) - 1)]
    return f"{zone:02d}{band}{column}{row}{east % int(SQUARE):05d}{north % int(SQUARE):05d}"


def _zone(lon: float, lat: float) -> int:
    """Give the zone of a place; those about Norway and Svalbard are wider and narrower than others."""
    if 56 <= lat < 64 and 3 <= lon < 12:
        return 32
    if lat >= 72 and 0 <= lon < 42:
        return 31 if lon < 9 else 33 if lon < 21 else 35 if lon < 33 else 37
    return int((lon + 180) // 6) % 60 + 1
