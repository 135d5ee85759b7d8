"""Corner coordinates of NITF images: ICORDS and IGEOLO (MIL-STD-2500C, table A-3; MIL-STD-2500A for 2.0).

The four are the centres of the corner pixels: first row's first and last column,
last row's last and first. They are rounded to what 15 characters hold: a second
of arc (G, 30 m), a thousandth of a degree (D, 110 m), a metre (N, S, U).
"""

from __future__ import annotations

import re

import numpy as np

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.ellipsoid import E2
from stacchip_osml.geometry.locate import LONLAT, to_crs84
from stacchip_osml.geometry.mgrs import from_mgrs
from stacchip_osml.geometry.projective import GcpModel, corner_model
from stacchip_osml.pixel import ImageSize

__all__ = ["igeolo_model", "parse_igeolo"]

DEGREES = re.compile(r"([+-]\d\d\.\d{3})([+-]\d{3}\.\d{3})")
SEXAGESIMAL = re.compile(r"(\d\d)(\d\d)(\d\d)([NS])(\d{3})(\d\d)(\d\d)([EW])")
ZONED = re.compile(r"(\d\d)(\d{6})(\d{7})")


def igeolo_model(fields: tuple[str, str], size: ImageSize, *, notes: tuple[str, ...] = ()) -> GcpModel:
    """Make the model of an image from its corner coordinates.

    Args:
        fields: ICORDS and IGEOLO.
        size: of the image.
        notes: of the model.

    Raises:
        ItemError: a field is not what the standard says.
        NoProjectionError: the corners place no image: those of a small one are often the same second.
    """
    crs, corners = parse_igeolo(*fields)
    ground = [(x, y, 0.0) for x, y in corners]
    return corner_model("IGEOLO", size, ground, crs=crs, notes=notes, said=f" {fields[1][:60]!r}")


def parse_igeolo(icords: str, igeolo: str) -> tuple[str, list[tuple[float, float]]]:
    """Read corner coordinates.

    Returns:
        A CRS, and x and y of upper left, upper right, lower right, lower left in it.

    Raises:
        ItemError: a field is not what the standard says.
    """
    kind = icords.strip().upper()
    if kind not in _PARSERS:
        raise ItemError(f"ICORDS must be one of {', '.join(_PARSERS)}, got {icords[:20]!r}")
    if len(igeolo) != 60:
        raise ItemError(f"IGEOLO must be 60 characters, four corners of 15; got {len(igeolo)}")
    parts = [igeolo[at : at + 15] for at in range(0, 60, 15)]
    return _PARSERS[kind](parts, kind)


def _decimal(parts: list[str], _: str) -> tuple[str, list[tuple[float, float]]]:
    corners = []
    for part in parts:
        match = DEGREES.fullmatch(part)
        if match is None:
            raise _wrong(part, "±dd.ddd±ddd.ddd")
        corners.append(_checked(float(match[2]), float(match[1]), part))
    return LONLAT, corners


def _sexagesimal(parts: list[str], kind: str) -> tuple[str, list[tuple[float, float]]]:
    corners = []
    for part in parts:
        match = SEXAGESIMAL.fullmatch(part)
        if match is None or max(map(int, (match[2], match[3], match[6], match[7]))) > 59:
            raise _wrong(part, "ddmmssXdddmmssY")
        lat = int(match[1]) + int(match[2]) / 60 + int(match[3]) / 3600
        lon = int(match[5]) + int(match[6]) / 60 + int(match[7]) / 3600
        if kind == "C":  # NITF 2.0: the angle at the Earth's centre
            lat = float(np.degrees(np.arctan(np.tan(np.radians(lat)) / (1.0 - E2))))
        corners.append(_checked(-lon if match[8] == "W" else lon, -lat if match[4] == "S" else lat, part))
    return LONLAT, corners


def _zoned(parts: list[str], kind: str) -> tuple[str, list[tuple[float, float]]]:
    zones, corners = [], []
    for part in parts:
        match = ZONED.fullmatch(part)
        if match is None or not 1 <= int(match[1]) <= 60:
            raise _wrong(part, "zzeeeeeennnnnnn, zone 01 to 60")
        zones.append(f"EPSG:{326 if kind == 'N' else 327}{match[1]}")
        corners.append((float(match[2]), float(match[3])))
    return _in_one_crs(zones, corners)


def _grid_reference(parts: list[str], _: str) -> tuple[str, list[tuple[float, float]]]:
    found = [from_mgrs(part, what="IGEOLO") for part in parts]
    return _in_one_crs([crs for crs, _, _ in found], [(x, y) for _, x, y in found])


def _in_one_crs(zones: list[str], corners: list[tuple[float, float]]) -> tuple[str, list[tuple[float, float]]]:
    """Give corners of one zone in it, those of several in degrees."""
    if len(set(zones)) == 1:
        return zones[0], corners
    degrees = [to_crs84(zone).transform(x, y) for zone, (x, y) in zip(zones, corners, strict=True)]
    if not np.isfinite(degrees).all():
        raise ItemError(f"IGEOLO has corners that are in no zone: {corners}")
    return LONLAT, [(float(lon), float(lat)) for lon, lat in degrees]


def _checked(lon: float, lat: float, part: str) -> tuple[float, float]:
    if abs(lat) > 90.0 or abs(lon) > 180.0:
        raise _wrong(part, "within 90 and 180 degrees")
    return lon, lat


def _wrong(part: str, rule: str) -> ItemError:
    return ItemError(f"a corner of IGEOLO must be {rule}, got {part!r}")


_PARSERS = {
    "G": _sexagesimal,
    "D": _decimal,
    "N": _zoned,
    "S": _zoned,
    "U": _grid_reference,
    "C": _sexagesimal,
}
"""ICORDS → how IGEOLO is written."""
