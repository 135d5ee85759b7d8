"""A CRS and a transform as GeoTIFF tags, or a refusal: never a CRS that is nearly right.

Rules:

- A CRS that is exactly an EPSG entry is written as its code.
- Any other projected or geographic CRS is written key by key (datum, ellipsoid,
  meridian, unit, projection method and parameters). A method without keys is written as
  ESRI's WKT if that says exactly the same; otherwise the CRS is refused.
- North-up images carry ModelPixelScale and ModelTiepoint, all others ModelTransformation;
  both are exact in double precision. Rasters are PixelIsArea; of PixelIsPoint ones the
  file's coordinates are those of pixel centres, the transforms here of corners all the same.

Reference: OGC 19-008r4 (GeoTIFF 1.1), tables of annex D and section 7; EPSG method and parameter codes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pyproj
from affine import Affine
from pyproj.exceptions import CRSError

from stacchip_osml.encode.tiff.file import Tags
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.header import GroundControlPoint

__all__ = ["METHODS", "gcp_tags", "geo_tags", "moved", "raster_type_of", "sayable_crs", "with_raster_type"]

PIXEL_SCALE, TIEPOINT, TRANSFORMATION = 33550, 33922, 34264
KEY_DIRECTORY, DOUBLE_PARAMS, ASCII_PARAMS = 34735, 34736, 34737
RASTER_TYPE, AREA, POINT = 1025, 1, 2
USER_DEFINED = 32767
DEGREE, METRE = 9102, 9001
TO_WGS84, VERTICAL = 2062, 4096
NAMES_AGREE = 90
"""PROJ's confidence that not only the numbers but the names are those of the EPSG entry; an unknown datum has none."""

# geo keys of projection parameters, by the standard's names
STD_PARALLEL_1, STD_PARALLEL_2 = 3078, 3079
NAT_ORIGIN_LONG, NAT_ORIGIN_LAT = 3080, 3081
FALSE_EASTING, FALSE_NORTHING = 3082, 3083
FALSE_ORIGIN_LONG, FALSE_ORIGIN_LAT = 3084, 3085
FALSE_ORIGIN_EASTING, FALSE_ORIGIN_NORTHING = 3086, 3087
CENTER_LONG, CENTER_LAT = 3088, 3089
CENTER_EASTING, CENTER_NORTHING = 3090, 3091
SCALE_AT_NAT_ORIGIN, SCALE_AT_CENTER = 3092, 3093
AZIMUTH_ANGLE, STRAIGHT_VERT_POLE_LONG, RECTIFIED_GRID_ANGLE = 3094, 3095, 3096

_FALSE = {"8806": FALSE_EASTING, "8807": FALSE_NORTHING}
_NATURAL = {"8801": NAT_ORIGIN_LAT, "8802": NAT_ORIGIN_LONG, "8805": SCALE_AT_NAT_ORIGIN, **_FALSE}
_CENTER = {"8801": CENTER_LAT, "8802": CENTER_LONG, **_FALSE}
_CONIC = {"8823": STD_PARALLEL_1, "8824": STD_PARALLEL_2}

METHODS: dict[str, tuple[int, dict[str, int]]] = {
    "Transverse Mercator": (1, _NATURAL),
    "Mercator (variant A)": (7, _NATURAL),
    "Mercator (variant B)": (7, {"8823": STD_PARALLEL_1, "8802": NAT_ORIGIN_LONG, **_FALSE}),
    "Lambert Conic Conformal (2SP)": (
        8,
        {
            "8821": FALSE_ORIGIN_LAT,
            "8822": FALSE_ORIGIN_LONG,
            "8826": FALSE_ORIGIN_EASTING,
            "8827": FALSE_ORIGIN_NORTHING,
            **_CONIC,
        },
    ),
    "Lambert Conic Conformal (1SP)": (9, _NATURAL),
    "Lambert Azimuthal Equal Area": (10, _CENTER),
    "Albers Equal Area": (
        11,
        {"8821": NAT_ORIGIN_LAT, "8822": NAT_ORIGIN_LONG, "8826": FALSE_EASTING, "8827": FALSE_NORTHING, **_CONIC},
    ),
    "Azimuthal Equidistant": (12, _CENTER),
    "Stereographic": (14, {**_CENTER, "8805": SCALE_AT_NAT_ORIGIN}),
    "Polar Stereographic (variant A)": (
        15,
        {"8801": NAT_ORIGIN_LAT, "8802": STRAIGHT_VERT_POLE_LONG, "8805": SCALE_AT_NAT_ORIGIN, **_FALSE},
    ),
    "Polar Stereographic (variant B)": (15, {"8832": NAT_ORIGIN_LAT, "8833": STRAIGHT_VERT_POLE_LONG, **_FALSE}),
    "Oblique Stereographic": (16, _NATURAL),
    "Equidistant Cylindrical": (
        17,
        {"8823": STD_PARALLEL_1, "8801": CENTER_LAT, "8802": CENTER_LONG, **_FALSE},
    ),
    "Cassini-Soldner": (18, _NATURAL),
    "Orthographic": (21, _CENTER),
    "American Polyconic": (22, _NATURAL),
    "Robinson": (23, {"8802": CENTER_LONG, **_FALSE}),
    "Sinusoidal": (24, {"8802": CENTER_LONG, **_FALSE}),
    "Hotine Oblique Mercator (variant B)": (
        9815,
        {
            "8811": CENTER_LAT,
            "8812": CENTER_LONG,
            "8813": AZIMUTH_ANGLE,
            "8814": RECTIFIED_GRID_ANGLE,
            "8815": SCALE_AT_CENTER,
            "8816": FALSE_EASTING,
            "8817": FALSE_NORTHING,
        },
    ),
    "Lambert Cylindrical Equal Area": (28, {"8823": STD_PARALLEL_1, "8802": NAT_ORIGIN_LONG, **_FALSE}),
}
"""Method name → (coordinate transformation code, EPSG parameter code → geo key)."""

LENGTHS = ("8806", "8807", "8816", "8817", "8826", "8827")
"""EPSG codes of parameters that are lengths; keys hold them in the CRS's own unit."""
SCALES = ("8805", "8815")
"""EPSG codes of parameters without unit; all others are angles, which keys hold in degrees."""
SAME_METHOD = {
    "Equidistant Cylindrical (Spherical)": "Equidistant Cylindrical",
    "Lambert Cylindrical Equal Area (Spherical)": "Lambert Cylindrical Equal Area",
    "Lambert Azimuthal Equal Area (Spherical)": "Lambert Azimuthal Equal Area",
}
"""Methods that differ only in taking the ellipsoid for a sphere, which the ellipsoid keys say."""


@dataclass(slots=True)
class _Keys:
    """Geo keys while they are collected; doubles and text go to their own tags."""

    entries: dict[int, int | str | tuple[float, ...]] = field(default_factory=dict)

    def tags(self) -> Tags:
        """Pack as the key directory with its parameter tags (section 7.1)."""
        doubles: list[float] = []
        text = ""
        directory: list[int] = []
        for key in sorted(self.entries):
            value = self.entries[key]
            if isinstance(value, str):
                part = _ascii(value) + "|"
                directory += [key, ASCII_PARAMS, len(part), len(text)]
                text += part
            elif isinstance(value, tuple):
                directory += [key, DOUBLE_PARAMS, len(value), len(doubles)]
                doubles += value
            else:
                directory += [key, 0, 1, value]
        tags: Tags = {KEY_DIRECTORY: ("H", [1, 1, 1, len(self.entries), *directory])}
        if doubles:
            tags[DOUBLE_PARAMS] = ("d", doubles)
        if text:
            tags[ASCII_PARAMS] = ("s", text)
        return tags


def geo_tags(transform: Affine | None, crs: str | None, *, point: bool = False) -> Tags:
    """Give the GeoTIFF tags of an image; none in sensor geometry.

    Args:
        transform: pixel corner (col, row) → CRS (x, y).
        crs: ``EPSG:n`` or WKT2.
        point: the raster is PixelIsPoint; said only together with a CRS.

    Raises:
        EncodeError: the CRS is unreadable, or GeoTIFF keys cannot say it exactly.
    """
    tags: Tags = {}
    if transform is not None:
        if point:
            transform = moved(transform, 0.5)
        a, b, c, d, e, f = transform[:6]
        if not all(map(math.isfinite, (a, b, c, d, e, f))):
            raise EncodeError(f"a GeoTIFF transform must be finite, got {transform!r}")
        if b == 0 and d == 0 and a > 0 and e < 0:
            tags[PIXEL_SCALE] = ("d", [a, -e, 0.0])
            tags[TIEPOINT] = ("d", [0.0, 0.0, 0.0, c, f, 0.0])
        else:
            tags[TRANSFORMATION] = ("d", [a, b, 0.0, c, d, e, 0.0, f, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
    if crs is not None:
        tags |= _crs_tags(crs, POINT if point else AREA)
    return tags  # without a CRS no keys at all: GDAL would take a lone raster type for a local CRS


def gcp_tags(points: Sequence[GroundControlPoint], crs: str | None, *, point: bool = False) -> Tags:
    """Give the tags of an image that is tied to the ground in single points (OGC 19-008r4, clause 7.3.1).

    Args:
        points: rows and columns of pixel corners, x and y in ``crs``.
        crs: ``EPSG:n`` or WKT2.
        point: the raster is PixelIsPoint.

    Raises:
        EncodeError: there is no point, one is not finite, or the CRS cannot be said exactly.
    """
    half = 0.5 if point else 0.0
    numbers = [value for each in points for value in (each.col - half, each.row - half, 0.0, each.x, each.y, each.z)]
    if not numbers or not all(map(math.isfinite, numbers)):
        raise EncodeError("ModelTiepointTag (33922) needs points, all of them finite (GeoTIFF 1.1, 7.3.1)")
    return {TIEPOINT: ("d", numbers)} | ({} if crs is None else _crs_tags(crs, POINT if point else AREA))


def sayable_crs(crs: str | None) -> str | None:
    """Give a CRS that GeoTIFF can say exactly, None instead of one that it cannot."""
    try:
        return None if crs is None or not _crs_tags(crs, AREA) else crs
    except EncodeError:
        return None


def moved(transform: Affine, pixels: float) -> Affine:
    """Give a transform of positions that many pixels further right and down."""
    a, b, c, d, e, f = transform[:6]
    return Affine(a, b, c + pixels * (a + b), d, e, f + pixels * (d + e))


def raster_type_of(tags: Tags) -> int | None:
    """Give GTRasterTypeGeoKey: 1 for areas, 2 for points."""
    directory = tags[KEY_DIRECTORY][1] if KEY_DIRECTORY in tags else ()
    return next(
        (int(directory[at + 3]) for at in range(4, len(directory) - 3, 4) if directory[at] == RASTER_TYPE), None
    )


def with_raster_type(tags: Tags, number: int) -> Tags:
    """Give tags whose GTRasterTypeGeoKey is another one, all else as it is."""
    kind, directory = tags[KEY_DIRECTORY]
    rows = [tuple(directory[at : at + 4]) for at in range(4, len(directory) - 3, 4)]
    rows = sorted([row for row in rows if row[0] != RASTER_TYPE] + [(RASTER_TYPE, 0, 1, number)])
    return {**tags, KEY_DIRECTORY: (kind, [*directory[:3], len(rows), *(value for row in rows for value in row)])}


@lru_cache(maxsize=256)
def _crs_tags(text: str, raster: int) -> Tags:
    try:
        crs = pyproj.CRS.from_user_input(text)
    except CRSError as error:
        raise EncodeError(f"the CRS is not readable: {text[:80]!r}") from error
    keys = _Keys({RASTER_TYPE: raster})
    if crs.is_compound:
        horizontal, *rest = crs.sub_crs_list
        if len(rest) != 1 or (code := _exact_code(rest[0])) is None:
            raise _refusal(crs, "its vertical part has no EPSG code")
        keys.entries[VERTICAL] = code
        crs = horizontal
    if crs.is_bound:
        crs = _unbound(keys, crs)
    _add_horizontal(keys, crs)
    return keys.tags()


def _unbound(keys: _Keys, crs: pyproj.CRS) -> pyproj.CRS:
    """Say the shift to WGS 84 that a bound CRS adds, and give the CRS it is bound to."""
    operation, source, target = crs.coordinate_operation, crs.source_crs, crs.target_crs
    shift = tuple(operation.towgs84) if operation is not None else ()
    if source is None or target is None or len(shift) not in (3, 7) or target.to_epsg() != 4326:
        raise _refusal(crs, "it is bound by something else than a shift to WGS 84")
    keys.entries[TO_WGS84] = shift
    return source


def _add_horizontal(keys: _Keys, crs: pyproj.CRS) -> None:
    if len(crs.axis_info) == 3 and not crs.is_geocentric:
        # a CRS with ellipsoidal height goes in two: its plane, and itself as the vertical one
        code = _exact_code(crs)
        crs = crs.to_2d()
        if code is None or _exact_code(crs) is None:
            raise _refusal(crs, "it has a height axis and no EPSG code")
        keys.entries[VERTICAL] = code
    code = _exact_code(crs)
    directions = {axis.direction for axis in crs.axis_info}
    if code is None and ("west" in directions or directions >= {"east", "south"}):
        raise _refusal(crs, "its axes do not point east and north, and it has no EPSG code")
    if crs.is_projected:
        keys.entries[1024] = 1
        if code is not None:
            keys.entries[3072] = code
        else:
            _add_projected(keys, crs)
    elif crs.is_geographic and not crs.is_derived:
        keys.entries[1024] = 2
        _add_geographic(keys, crs, code)
    else:
        raise _refusal(crs, "it is neither a projected nor a geographic CRS of its own")


def _exact_code(crs: pyproj.CRS) -> int | None:
    """Give the EPSG code of a CRS that is that entry; the axes' order is not GeoTIFF's to say."""
    code = crs.to_epsg(min_confidence=NAMES_AGREE)
    if code is None or not 1024 <= code < USER_DEFINED:
        return None
    return code if crs.equals(pyproj.CRS.from_epsg(code), ignore_axis_order=True) else None


def _add_projected(keys: _Keys, crs: pyproj.CRS) -> None:
    operation = crs.coordinate_operation
    base = crs.geodetic_crs
    if operation is None or base is None:
        raise _refusal(crs, "it has no projection")
    if not _in_degrees(base):
        raise _refusal(crs, "its geographic base is not in degrees")  # the angles below would be read in that unit
    name = SAME_METHOD.get(operation.method_name, operation.method_name)
    if name not in METHODS:
        _add_as_esri_text(keys, crs, base)
        return
    transformation, parameters = METHODS[name]
    unit, metres = _linear_unit(crs)
    keys.entries |= {1026: crs.name, 3072: USER_DEFINED, 3073: crs.name, 3074: USER_DEFINED, 3075: transformation}
    keys.entries[3076] = unit
    if unit == USER_DEFINED:
        keys.entries[3077] = (metres,)
    for parameter in operation.params:
        value = float(parameter.value)
        if parameter.code not in parameters:
            if value != 0:
                raise _refusal(crs, f"GeoTIFF has no key for {parameter.name!r} of {name!r}")
            continue
        if parameter.unit_name in ("degree", "Degree"):
            pass  # as written; through radians it would lose the last digit
        elif parameter.code in LENGTHS:
            value = value * parameter.unit_conversion_factor / metres
        elif parameter.code not in SCALES:
            value = math.degrees(value * parameter.unit_conversion_factor)
        keys.entries[parameters[parameter.code]] = (value,)
    _add_geographic(keys, base, _exact_code(base))


def _add_as_esri_text(keys: _Keys, crs: pyproj.CRS, base: pyproj.CRS) -> None:
    """Say a projection that has no keys as ESRI's WKT in the citation, as ArcGIS and GDAL write and read it."""
    try:
        text = crs.to_wkt("WKT1_ESRI")
    except CRSError:
        text = ""
    if TO_WGS84 in keys.entries or not text.isascii() or "|" in text or not text or pyproj.CRS.from_wkt(text) != crs:
        raise _refusal(crs, "neither GeoTIFF keys nor ESRI's WKT can say its projection")
    unit, _ = _linear_unit(crs)
    keys.entries |= {1024: USER_DEFINED, 1026: crs.name, 3073: f"ESRI PE String = {text}", 3076: unit}
    _add_geographic(keys, base, None)


def _add_geographic(keys: _Keys, crs: pyproj.CRS, code: int | None) -> None:
    """Add the geographic CRS by its code, or by datum, ellipsoid, meridian and unit."""
    if code is not None:
        keys.entries[2048] = code
        return
    ellipsoid, meridian = crs.ellipsoid, crs.prime_meridian
    if ellipsoid is None or meridian is None or not _in_degrees(crs):
        raise _refusal(crs, "its geographic base is not an ellipsoid in degrees")
    datum = _authority_code(crs.datum)
    keys.entries |= {2048: USER_DEFINED, 2049: _citation(crs), 2050: datum, 2054: DEGREE}
    keys.entries[2056] = _authority_code(ellipsoid)
    keys.entries[2057] = (float(ellipsoid.semi_major_metre),)
    if ellipsoid.inverse_flattening:
        keys.entries[2059] = (float(ellipsoid.inverse_flattening),)
    else:
        keys.entries[2058] = (float(ellipsoid.semi_minor_metre),)
    keys.entries[2051] = _authority_code(meridian)
    keys.entries[2061] = (math.degrees(float(meridian.longitude) * float(meridian.unit_conversion_factor)),)


def _in_degrees(crs: pyproj.CRS) -> bool:
    return math.isclose(crs.axis_info[0].unit_conversion_factor, math.pi / 180, rel_tol=1e-12)


def _citation(crs: pyproj.CRS) -> str:
    """Name CRS, datum, ellipsoid and meridian in the form that libgeotiff splits again."""
    parts = {
        "GCS Name": crs.name,
        "Datum": crs.datum.name if crs.datum else "unknown",
        "Ellipsoid": crs.ellipsoid.name if crs.ellipsoid else "unknown",
        "Primem": crs.prime_meridian.name if crs.prime_meridian else "Greenwich",
    }
    return "|".join(f"{key} = {_ascii(value)}" for key, value in parts.items())


def _linear_unit(crs: pyproj.CRS) -> tuple[int, float]:
    axis = crs.axis_info[0]
    metres = float(axis.unit_conversion_factor)
    if metres == 1.0:
        return METRE, 1.0
    return _key_code(axis.unit_auth_code, axis.unit_code), metres


def _authority_code(thing: Any) -> int:
    """Give the EPSG code that the object carries itself, or user-defined."""
    identifier = (thing.to_json_dict() if thing is not None else {}).get("id", {})
    return _key_code(identifier.get("authority"), identifier.get("code"))


def _key_code(authority: str | None, code: object) -> int:
    """Give a code of EPSG's that a key holds, else user-defined: some files call codes of others so."""
    text = str(code)
    return int(text) if authority == "EPSG" and text.isdecimal() and 0 < int(text) < USER_DEFINED else USER_DEFINED


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _refusal(crs: pyproj.CRS, why: str) -> EncodeError:
    return EncodeError(
        f"GeoTIFF cannot carry the CRS {crs.name!r}: {why}; reproject, or let it be lost with drop_crs= (--drop-crs)"
    )
