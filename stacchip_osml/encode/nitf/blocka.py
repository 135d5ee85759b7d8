"""BLOCKA: the corners of an image to a millionth of a degree (STDI-0002 volume 1, appendix E, table E-9).

0.000001° is 11 cm. The corners are those of IGEOLO, at pixel centres.
"""

from __future__ import annotations

import math

from stacchip_osml.encode.nitf.igeolo import Corners
from stacchip_osml.encode.nitf.records import Tre

__all__ = ["blocka_tre"]

TAG = "BLOCKA"
LENGTH = 123
L_LINES_MOST = 99_999
_GRAY = "00000"
_ANGLES = "   " * 2
_RESERVED = " " * 16, "010.0"


def blocka_tre(corners: Corners, *, rows: int, parent: bytes | None = None) -> Tre | None:
    """Write BLOCKA for a whole image as one block.

    Args:
        corners: ``(lon, lat)`` of upper left, upper right, lower right, lower left pixel, degrees.
        rows: of the image.
        parent: BLOCKA data of the image that this is a chip of: its layover and shadow angles are kept.

    Returns:
        None where the TRE cannot say it: more rows than five digits hold, or a corner that is not on the Earth.
    """
    on_earth = all(math.isfinite(lon) and math.isfinite(lat) and abs(lat) <= 90 for lon, lat in corners)
    if not (1 <= rows <= L_LINES_MOST and on_earth):
        return None
    angles = _ANGLES
    if parent is not None and len(parent) == LENGTH:
        angles = parent[12:18].decode("latin-1")
        angles = angles if all(part == "   " or part.isdigit() for part in (angles[:3], angles[3:])) else _ANGLES
    upper_left, upper_right, lower_right, lower_left = (f"{lat:+010.6f}{lon:+011.6f}" for lon, lat in corners)
    text = f"01{_GRAY}{rows:05d}{angles}{_RESERVED[0]}{upper_right}{lower_right}{lower_left}{upper_left}{_RESERVED[1]}"
    return Tre(TAG, text.encode("ascii"))
