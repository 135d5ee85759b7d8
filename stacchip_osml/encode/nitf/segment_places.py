"""Where a segment of an image lies that is cut into several: corners of its own, on the image's edges.

Rules:

- they are the centres of its first and last rows' outer pixels (MIL-STD-2500C, table A-3),
  on straight lines in the image's coordinates;
- those of SICD and SIDD are on straight lines through the Earth, and each segment
  ends where the next begins (NGA.STND.0024-2, 3.2.1);
- digits are those of the image's corners, so they are as good as these;
- BLOCKA says the same to a tenth of a metre, of each segment its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.nitf.blocka import TAG, blocka_tre
from stacchip_osml.encode.nitf.igeolo import Coordinates, igeolo_text, utm_zone
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.ellipsoid import to_ecef, to_geodetic
from stacchip_osml.geometry.igeolo import parse_igeolo
from stacchip_osml.geometry.tre_models import blocka_model
from stacchip_osml.pixel import ImageSize

__all__ = ["segment_place", "segment_tres"]

Floats = NDArray[np.float64]


def segment_place(
    fields: Mapping[str, str], *, first: int, rows: int, of: int, is_radar: bool = False
) -> dict[str, str]:
    """Give ICORDS and IGEOLO of some rows of an image.

    Args:
        fields: of the image.
        first: row of the image that the segment begins with.
        rows: of the segment.
        of: rows of the image, 2 or more.
        is_radar: by the rule of SICD and SIDD.

    Returns:
        Nothing where the image has no corners, or none that can be read: it stays as it is.
    """
    icords = fields.get("ICORDS", "").strip()
    try:
        crs, corners = parse_igeolo(icords, fields.get("IGEOLO", ""))
    except ItemError:
        return {}
    upper_left, upper_right, lower_right, lower_left = corners
    zone = utm_zone(crs)
    last = first + rows if is_radar and first + rows < of else first + rows - 1
    between = _on_map if zone is not None else _in_earth if is_radar else _in_degrees
    begin, end = np.array([upper_left, upper_right]).T, np.array([lower_left, lower_right]).T
    top, bottom = (between(begin, end, row / (of - 1)) for row in (first, last))
    points = [(float(x), float(y)) for x, y in (*top.T, *bottom.T[::-1])]
    if zone is not None:
        return {"ICORDS": zone[0], "IGEOLO": igeolo_text(points, zone[0], zone=zone[1])}
    degrees: Coordinates = "D" if icords == "D" else "G"
    return {"ICORDS": degrees, "IGEOLO": igeolo_text(points, degrees)}


def segment_tres(tres: tuple[Tre, ...], *, first: int, rows: int, size: ImageSize) -> tuple[Tre, ...]:
    """Give the TREs of a segment: the image's at its first one, and BLOCKA of its own.

    Args:
        tres: of the image.
        first: row of the image that the segment begins with.
        rows: of the segment.
        size: of the image.
    """
    found = [(tre, _own_blocka(tre, first, rows, size) if tre.tag == TAG else None) for tre in tres]
    return tuple(own or tre for tre, own in found if first == 0 or own is not None)


def _own_blocka(tre: Tre, first: int, rows: int, size: ImageSize) -> Tre | None:
    """Give BLOCKA of some rows; None where the image's does not speak of all of it."""
    try:
        model = blocka_model(tre.data, size)
    except ItemError:
        return None
    if model is None:
        return None
    left, right, top, bottom = 0.5, size.width - 0.5, first + 0.5, first + rows - 0.5
    lons, lats, *_ = model.image_to_world(np.array([left, right, right, left]), np.array([top, top, bottom, bottom]))
    return blocka_tre(list(zip(lons.tolist(), lats.tolist(), strict=True)), rows=rows, parent=tre.data)


def _on_map(begin: Floats, end: Floats, share: float) -> Floats:
    found: Floats = (1 - share) * begin + share * end
    return found


def _in_degrees(begin: Floats, end: Floats, share: float) -> Floats:
    """Interpolate longitudes the short way around."""
    end = end + [[360.0], [0.0]] * np.round((begin - end) / 360.0)
    lon, lat = _on_map(begin, end, share)
    return np.stack([np.where(np.abs(lon) > 180.0, lon - np.copysign(360.0, lon), lon), lat])


def _in_earth(begin: Floats, end: Floats, share: float) -> Floats:
    start, stop = (to_ecef(lon, lat, np.zeros_like(lon)) for lon, lat in (begin, end))
    lon, lat, _ = to_geodetic(_on_map(start, stop, share))
    return np.stack([lon, lat])
