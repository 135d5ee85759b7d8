"""Where an image on a map lies: GEOLOB and MAPLOB, with GEOPSB and PRJPSB of the file header.

STDI-0002 volume 1, appendix P. The first two say where the upper left corner of
the first pixel lies and how far pixels are apart, exactly; the others say on
which datum and in which projection. North is up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import AffineLocator, parse_crs

__all__ = ["map_locator"]

REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]?\d+)?")
METRES = {"UM": 1e-6, "MM": 1e-3, "CM": 1e-2, "DM": 1e-1, "M": 1.0, "KM": 1e3}
WGS84 = "WGE"
"""``DCD`` of the World Geodetic System 1984."""
PROJECTIONS = {
    "TC": ("tmerc", ("lon_0", "k", "lat_0")),
    "LE": ("lcc", ("lon_0", "lat_1", "lat_2", "lat_0")),
    "AC": ("aea", ("lon_0", "lat_1", "lat_2", "lat_0")),
}
"""``PCO`` → PROJ's name, and what its parameters are (DIGEST part 3, table 6-5)."""


def map_locator(
    tres: Mapping[str, bytes], file_tres: Mapping[str, bytes], notes: list[str]
) -> tuple[AffineLocator, str] | None:
    """Read where an image lies on its map.

    Args:
        tres: of the image.
        file_tres: of the file header.
        notes: why it cannot be used is added here.

    Returns:
        The place, and the TRE that says it; None where there is none, or on a datum or in a projection unknown here.

    Raises:
        ItemError: a field is not what the standard says.
    """
    tag = next((tag for tag in ("GEOLOB", "MAPLOB") if tag in tres), None)
    if tag is None:
        return None
    datum = _text("GEOPSB", file_tres["GEOPSB"])[86:90].strip() if "GEOPSB" in file_tres else WGS84
    if datum != WGS84:
        notes.append(f"{tag} is not used: it is on the datum {datum!r} of GEOPSB")
        return None
    text = _text(tag, tres[tag])
    if tag == "GEOLOB":
        across, down = (360 / _real(tag, name, text[at : at + 9]) for name, at in (("ARV", 0), ("BRV", 9)))
        left, top, crs = _real(tag, "LSO", text[18:33]), _real(tag, "PSO", text[33:48]), "EPSG:4326"
    else:
        found = _projection(file_tres, notes)
        unit = METRES.get(text[:3].strip())
        if unit is None:
            raise ItemError(f"MAPLOB: UNILOA must be one of {', '.join(METRES)}, got {text[:3]!r}")
        if found is None:
            return None
        across, down = (unit * _real(tag, name, text[at : at + 5]) for name, at in (("LOD", 3), ("LAD", 8)))
        left, top, crs = _real(tag, "LSO", text[13:28]), _real(tag, "PSO", text[28:43]), found
    return AffineLocator((across, 0.0, left, 0.0, -down, top), crs), tag


def _projection(file_tres: Mapping[str, bytes], notes: list[str]) -> str | None:
    """Read the CRS of PRJPSB."""
    if "PRJPSB" not in file_tres:
        notes.append("MAPLOB is not used: there is no PRJPSB that says its projection")
        return None
    text = _text("PRJPSB", file_tres["PRJPSB"])
    code, count = text[80:82], text[82:83]
    known = PROJECTIONS.get(code)
    if known is None or count != str(len(known[1])):
        notes.append(f"MAPLOB is not used: its projection {code!r} with {count} parameters is not known here")
        return None
    name, parameters = known
    names = (*parameters, "x_0", "y_0")
    values = [_real("PRJPSB", each, text[83 + 15 * at : 98 + 15 * at]) for at, each in enumerate(names)]
    settings = " ".join(f"+{each}={value!r}" for each, value in zip(names, values, strict=True))
    return _named_crs(f"+proj={name} {settings} +datum=WGS84 +units=m +no_defs")


@lru_cache(maxsize=64)
def _named_crs(proj: str) -> str:
    """Write a PROJ string as ``EPSG:n`` where it is one (UTM), else as WKT2: items hold no PROJ strings."""
    crs = parse_crs(proj)
    code = crs.to_epsg()
    return str(crs.to_wkt("WKT2_2019")) if code is None else f"EPSG:{code}"


def _text(tag: str, data: bytes) -> str:
    try:
        return data.decode("ascii")
    except UnicodeDecodeError as error:
        raise ItemError(f"{tag}: not ASCII") from error


def _real(tag: str, name: str, text: str) -> float:
    if REAL.fullmatch(text.strip()) is None:
        raise ItemError(f"{tag}: {name} must be a number, got {text!r}")
    value = float(text)
    if name in {"ARV", "BRV", "LOD", "LAD"} and value <= 0:
        raise ItemError(f"{tag}: {name} must be above 0, got {text!r}")
    return value
