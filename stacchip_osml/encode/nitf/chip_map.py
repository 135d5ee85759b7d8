"""Chips on a map projection or in degrees: GEOPSB, PRJPSB, MAPLOB and GEOLOB (STDI-0002 volume 1, appendix P).

These say exactly what IGEOLO rounds: datum and projection (in the file header), and
where the upper left corner of the first pixel lies and how far pixels are apart (in
the image subheader). Written for images that are north-up on WGS 84, in degrees
or in one of the projections of the table below, where the whole numbers
of MAPLOB and GEOLOB hold the pixel's size to a hundredth of a pixel across the chip.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from affine import Affine

from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import parse_crs
from stacchip_osml.pixel import ImageSize

__all__ = ["MAP_TRES", "MapTres", "Place", "map_tres", "move_map"]

Place = tuple[float, float, float, float]

MAP_TRES = frozenset(("MAPLOB", "GEOLOB"))
UNITS = (("UM ", 1e-6), ("MM ", 1e-3), ("CM ", 1e-2), ("DM ", 1e-1), ("M  ", 1.0), ("KM ", 1e3))
METRES = dict(UNITS)
ACROSS = 0.01
"""Pixels that a chip's far edge may be off."""
WGS84 = "World Geodetic System 1984"
GEODETIC, SEA = ("Geodetic", "GEOD"), ("Mean Sea", "MSL")
PROJECTIONS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "Transverse Mercator": (
        "TC",
        "Transverse Mercator",
        (
            "Longitude of natural origin",
            "Scale factor at natural origin",
            "Latitude of natural origin",
        ),
    ),
    "Lambert Conic Conformal (2SP)": (
        "LE",
        "Lambert Conformal Conic",
        (
            "Longitude of false origin",
            "Latitude of 1st standard parallel",
            "Latitude of 2nd standard parallel",
            "Latitude of false origin",
        ),
    ),
    "Albers Equal Area": (
        "AC",
        "Albers Equal-Area Conic",
        (
            "Longitude of false origin",
            "Latitude of 1st standard parallel",
            "Latitude of 2nd standard parallel",
            "Latitude of false origin",
        ),
    ),
}
"""EPSG's method → PCO, PRN, and its parameters in PRJPSB's order (DIGEST part 3, table 6-5)."""
FALSE = (("False easting", "Easting at false origin"), ("False northing", "Northing at false origin"))


class MapTres(NamedTuple):
    """TREs of a chip on a map."""

    file: tuple[Tre, ...]
    """GEOPSB, and PRJPSB of a projection."""
    image: tuple[Tre, ...]
    """MAPLOB or GEOLOB."""


def map_tres(crs: str, transform: Affine, size: ImageSize) -> MapTres | None:
    """Write where a chip lies on its map; None where these TREs cannot say it."""
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        return None
    header = _header(crs)
    if header is None:
        return None
    if len(header) == 1:
        image = _geolob(transform.a, -transform.e, transform.c, transform.f, size)
    else:
        image = _maplob(transform.a, -transform.e, transform.c, transform.f, size)
    return None if image is None else MapTres(header, (image,))


def move_map(tre: Tre, window: Place, size: ImageSize) -> Tre | None:
    """Move a parent's MAPLOB or GEOLOB to a chip; None where it is damaged or cannot say it."""
    x, y, width, height = window
    across, down = width / size.width, height / size.height
    if (x, y, across, down) == (0.0, 0.0, 1.0, 1.0):
        return tre
    try:
        text = tre.data.decode("ascii")
        if tre.tag == "MAPLOB":
            unit = METRES[text[:3]]
            pixel = float(text[3:8]) * unit, float(text[8:13]) * unit
            start = float(text[13:28]), float(text[28:43])
            write = _maplob
        else:
            pixel = 360 / float(text[:9]), 360 / float(text[9:18])
            start = float(text[18:33]), float(text[33:48])
            write = _geolob
        left, top = start[0] + x * pixel[0], start[1] - y * pixel[1]
        if not (min(pixel) > 0 and all(map(math.isfinite, (*pixel, left, top)))):
            return None
        return write(pixel[0] * across, pixel[1] * down, left, top, size)
    except (ArithmeticError, KeyError, ValueError):
        return None


@lru_cache(maxsize=64)
def _header(crs: str) -> tuple[Tre, ...] | None:
    """Write GEOPSB, and PRJPSB of a projection."""
    try:
        parsed = parse_crs(crs)
    except ItemError:  # of nowhere on the Earth
        return None
    document: Mapping[str, Any] = parsed.to_json_dict()
    base = document.get("base_crs", document)
    datum = base.get("datum") or base.get("datum_ensemble") or {}
    if not str(datum.get("name", "")).startswith(WGS84):
        return None
    if parsed.is_geographic:
        units = {axis.unit_name for axis in parsed.axis_info}
        return (_geopsb("GEO", "DEG"),) if units == {"degree"} else None
    if not parsed.is_projected or {axis.unit_name for axis in parsed.axis_info} != {"metre"}:
        return None
    conversion = document["conversion"]
    known = PROJECTIONS.get(conversion["method"]["name"])
    if known is None or [axis.abbrev[:1].upper() for axis in parsed.axis_info] not in (["E", "N"], ["X", "Y"]):
        return None
    values = {each["name"]: float(each["value"]) for each in conversion["parameters"]}
    code, name, names = known
    numbers = [values[each] for each in names]
    numbers += [next(values[each] for each in pair if each in values) for pair in FALSE]
    text = f"{name:<80}{code}{len(names)}" + "".join(_real(value) for value in numbers)
    return _geopsb("MAP", "M"), Tre("PRJPSB", text.encode("ascii"))


def _geopsb(kind: str, unit: str) -> Tre:
    text = f"{kind:<3}{unit:<3}{WGS84:<80}{'WGE':<4}{WGS84:<80}{'WE':<3}"
    text += f"{GEODETIC[0]:<80}{GEODETIC[1]:<4}{SEA[0]:<80}{SEA[1]:<4}{'0' * 15}{'':<3}{'':<80}{'0000'}"
    return Tre("GEOPSB", text.encode("ascii"))


def _maplob(across: float, down: float, left: float, top: float, size: ImageSize) -> Tre | None:
    step = _map_step(across, down, size)
    return None if step is None else Tre("MAPLOB", f"{step}{_real(left)}{_real(top)}".encode("ascii"))


@lru_cache(maxsize=64)
def _map_step(across: float, down: float, size: ImageSize) -> str | None:
    """Choose the largest unit that is exact, which people read best, else the smallest that holds both sizes."""
    pairs = ((across, size.width), (down, size.height))
    counts = [(name, unit, round(across / unit), round(down / unit)) for name, unit in UNITS]
    fitting = [each for each in counts if max(each[2:]) <= 99_999 and min(each[2:]) >= 1]

    def error(unit: float, lod: int, lad: int) -> float:
        return max(abs(n * unit / true - 1) * pixels for n, (true, pixels) in zip((lod, lad), pairs, strict=True))

    exact = [each for each in fitting if error(*each[1:]) < 1e-6]
    if not exact and (not fitting or error(*fitting[0][1:]) > ACROSS):
        return None
    name, _, lod, lad = exact[-1] if exact else fitting[0]
    return f"{name}{lod:05d}{lad:05d}"


def _geolob(across: float, down: float, left: float, top: float, size: ImageSize) -> Tre | None:
    arv, brv = round(360 / across), round(360 / down)
    pairs = ((arv, across, size.width), (brv, down, size.height))
    if not all(2 <= count <= 999_999_999 for count, _, _ in pairs):
        return None
    if any(abs(360 / count / true - 1) * pixels > ACROSS for count, true, pixels in pairs):
        return None
    if abs(top) > 90:
        return None
    west = left if abs(left) <= 180 else math.remainder(left, 360)
    return Tre("GEOLOB", f"{arv:09d}{brv:09d}{_real(west)}{_real(top)}".encode("ascii"))


def _real(value: float) -> str:
    """Write a number in 15 characters, as many decimals as fit."""
    whole = len(str(int(abs(value)))) if math.isfinite(value) else 99
    text = f"{value:+015.{max(0, min(10, 13 - whole))}f}"
    if len(text) != 15:
        msg = f"{value} does not fit into 15 characters"
        raise ValueError(msg)
    return text
