"""Military grid references (NGA.STND.0037): zone, square of 100 km, easting and northing.

The second letter of the square says the northing up to a multiple of 2,000 km,
and the latitude band which one. References near the poles are not in UTM, and
ICORDS has no code for them.
"""

from __future__ import annotations

import re

from stacchip_osml.errors import ItemError

__all__ = ["from_mgrs"]

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
