"""GeoTIFF keys and tags under readable names, both ways.

Rules:

- a file whose keys list a projected CRS (3072) is projected, whatever geographic CRS
  (2048) they list besides: that one is its base;
- names win over the numeric tags they are names of where the two say something else, so
  that a copy's CRS or place can be changed by name; what is not changed stays as it was,
  with everything that has no name;
- ``GeoTransform`` is GDAL's: of pixel corners, whatever ``GeoRasterType`` is. Pixel scale and
  tie points are the file's own.

Reference: OGC 19-008r4 (GeoTIFF 1.1), clauses 7.1.2, 7.2 and 7.3.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

from affine import Affine

from stacchip_osml.encode.tiff.file import Tags
from stacchip_osml.encode.tiff.geokeys import (
    KEY_DIRECTORY,
    PIXEL_SCALE,
    TIEPOINT,
    TRANSFORMATION,
    USER_DEFINED,
    geo_tags,
    moved,
    raster_type_of,
    with_raster_type,
)
from stacchip_osml.errors import EncodeError

__all__ = ["GEO_NAMES", "crs_code", "geo_names", "named_geo_tags"]

CRS_NAMES = ("GeoModelType", "GeoRasterType", "GeoProjectedCRS", "GeoGeographicCRS")
PLACE_NAMES = ("GeoPixelScale", "GeoTiepoints", "GeoTransform")
GEO_NAMES = (*CRS_NAMES, *PLACE_NAMES)
"""Every name."""
MODEL_TYPES = {"Projected": 1, "Geographic": 2, "Geocentric": 3}
RASTER_TYPES = {"PixelIsArea": 1, "PixelIsPoint": 2}
CODE_KEYS = {"GeoProjectedCRS": 3072, "GeoGeographicCRS": 2048}
WORDS = {"GeoModelType": (MODEL_TYPES, "7.2.2"), "GeoRasterType": (RASTER_TYPES, "7.2.1")}
LENGTHS = {
    "GeoPixelScale": ((3,), "3 numbers", "7.3.2"),
    "GeoTiepoints": (range(6, 1 << 20, 6), "6 numbers a point", "7.3.1"),
    "GeoTransform": ((6,), "6 numbers (GDAL's order)", "7.3.3"),
}


def geo_names(tags: Mapping[int, Any]) -> dict[str, Any]:
    """Give what a TIFF's GeoTIFF tags say, by name.

    Args:
        tags: number → value, as read.

    Returns:
        Of ``GEO_NAMES`` those that the file says: types as words, CRS as codes (32767: user-defined), places as lists.
    """
    found: dict[str, Any] = {}
    keys = _short_keys(tags.get(KEY_DIRECTORY, ()))
    if 1024 in keys:
        model = 1 if 3072 in keys and keys[1024] in MODEL_TYPES.values() else keys[1024]
        found["GeoModelType"] = _word(MODEL_TYPES, model)
    if 1025 in keys:
        found["GeoRasterType"] = _word(RASTER_TYPES, keys[1025])
    found |= {name: keys[key] for name, key in CODE_KEYS.items() if key in keys}
    scale, ties = tags.get(PIXEL_SCALE), tags.get(TIEPOINT)
    if scale is not None:
        found["GeoPixelScale"] = [float(value) for value in scale]
    if ties is not None:
        found["GeoTiepoints"] = [float(value) for value in ties]
    place = _corner_transform(scale, ties, tags.get(TRANSFORMATION), point=keys.get(1025) == 2)
    if place is not None:
        found["GeoTransform"] = list(place.to_gdal())
    return found


def crs_code(metadata: Mapping[str, Any]) -> str | None:
    """Give the CRS that named keys tell: the projected one where there is one.

    Returns:
        ``EPSG:n``; None where there is none, or it is user-defined.
    """
    for name in ("GeoProjectedCRS", "GeoGeographicCRS"):
        if metadata.get(name) is not None:
            code = _value(name, metadata[name])
            return None if code in {0, USER_DEFINED} else f"EPSG:{code}"
    return None


def named_geo_tags(named: Mapping[str, Any], raw: Tags) -> Tags:
    """Give the GeoTIFF tags that names and numeric tags say together.

    Args:
        named: of ``GEO_NAMES`` what is said; text in the form ``"[0.5, 0.5, 0.0]"``, or numbers.
        raw: the numeric GeoTIFF tags given besides; they stand where no name says otherwise.

    Raises:
        EncodeError: a value is none of its key's, or two contradict each other.
    """
    values = {name: _value(name, named[name]) for name in GEO_NAMES if named.get(name) is not None}
    known = geo_names({tag: told for tag, (_, told) in raw.items()})
    said = {name: _value(name, value) for name, value in known.items()}
    changed = {name: value for name, value in values.items() if not _same(value, said.get(name))}
    tags = dict(raw)
    if any(name in changed for name in CRS_NAMES):
        tags = _with_crs(tags, values, changed)
    if any(name in changed for name in PLACE_NAMES):
        point = raster_type_of(tags) == 2 or values.get("GeoRasterType") == 2
        tags = _with_place(tags, changed, said, point=point)
    return tags


def _with_crs(tags: Tags, values: Mapping[str, Any], changed: Mapping[str, Any]) -> Tags:
    """Write the keys of the CRS that is told; where only the raster type is, change that key alone."""
    if set(changed) & set(CRS_NAMES) == {"GeoRasterType"} and KEY_DIRECTORY in tags:
        return with_raster_type(tags, changed["GeoRasterType"])
    kept = {tag: value for tag, value in tags.items() if tag not in (KEY_DIRECTORY, 34736, 34737)}
    model = changed.get("GeoModelType")
    if model is None and not any(name in changed for name in CODE_KEYS):
        model = values.get("GeoModelType")
    projected, geographic = values.get("GeoProjectedCRS"), values.get("GeoGeographicCRS")
    if model == MODEL_TYPES["Geographic"] and "GeoProjectedCRS" not in changed:
        projected = None
    if any(name in changed for name in CODE_KEYS):
        projected = projected if "GeoProjectedCRS" in changed or "GeoGeographicCRS" not in changed else None
        geographic = geographic if "GeoGeographicCRS" in changed else None
    code = projected if projected is not None else geographic
    if code is None:
        if model is not None:
            raise EncodeError("GeoModelType (1024) without GeoProjectedCRS or GeoGeographicCRS (GeoTIFF 1.1, 7.2.2)")
        return kept
    if code in {0, USER_DEFINED}:
        raise EncodeError(f"a CRS code of {code} is user-defined: give crs= its WKT (GeoTIFF 1.1, 7.1.3)")
    wanted = MODEL_TYPES["Projected" if projected is not None else "Geographic"]
    if model not in {None, wanted}:
        raise EncodeError(
            f"GeoModelType {_word(MODEL_TYPES, model)} does not go with EPSG:{code} as the "
            f"{_word(MODEL_TYPES, wanted).lower()} CRS (GeoTIFF 1.1, 7.2.2)"
        )
    found = geo_tags(None, f"EPSG:{code}", point=values.get("GeoRasterType") == 2)
    keys = _short_keys(found[KEY_DIRECTORY][1])
    if keys.get(1024) != wanted:
        name = "GeoProjectedCRS" if projected is not None else "GeoGeographicCRS"
        raise EncodeError(f"{name}: EPSG:{code} is no {_word(MODEL_TYPES, wanted).lower()} CRS (GeoTIFF 1.1, 7.2.2)")
    return kept | found


def _with_place(tags: Tags, changed: Mapping[str, Any], said: Mapping[str, Any], *, point: bool) -> Tags:
    kept = {tag: value for tag, value in tags.items() if tag not in (PIXEL_SCALE, TIEPOINT, TRANSFORMATION)}
    whole = changed.get("GeoTransform")
    if whole is None and not ("GeoPixelScale" in changed or "GeoTiepoints" in changed):
        return tags
    scale = changed.get("GeoPixelScale", said.get("GeoPixelScale") if whole is None else None)
    ties = changed.get("GeoTiepoints", said.get("GeoTiepoints") if whole is None else None)
    if whole is None:
        if ties is None:
            raise EncodeError("GeoPixelScale (33550) without GeoTiepoints (33922) (GeoTIFF 1.1, 7.3.2)")
        if scale is not None:
            if not all(value > 0 for value in scale[:2]):
                raise EncodeError(f"GeoPixelScale (33550) must be positive (GeoTIFF 1.1, 7.3.2), got {list(scale)}")
            kept[PIXEL_SCALE] = ("d", list(scale))
        kept[TIEPOINT] = ("d", list(ties))
        return kept
    if scale is not None and ties is not None:
        other = _corner_transform(scale, ties, None, point=point)
        if other is None or not _same(other.to_gdal(), whole):
            raise EncodeError("GeoTransform contradicts GeoPixelScale and GeoTiepoints (GeoTIFF 1.1, 7.3)")
    return kept | geo_tags(Affine.from_gdal(*whole), None, point=point)


def _corner_transform(scale: Any, ties: Any, matrix: Any, *, point: bool) -> Affine | None:
    """Give pixel corner → CRS; None where the tags tell no affine transform."""
    if scale is not None and ties is not None and len(scale) >= 2 and len(ties) >= 6:
        col, row, _, x, y, _ = (float(value) for value in ties[:6])
        width, height = float(scale[0]), float(scale[1])
        place = Affine(width, 0, x - col * width, 0, -height, y + row * height)
    elif matrix is not None and len(matrix) == 16:
        a, b, _, c, d, e, _, f = (float(value) for value in matrix[:8])
        place = Affine(a, b, c, d, e, f)
    else:
        return None
    return moved(place, -0.5) if point else place


def _short_keys(directory: Any) -> dict[int, int]:
    """Give the keys whose value stands in the directory itself (clause 7.1.2); those damaged are left out."""
    numbers = [int(value) for value in directory]
    rows = (numbers[at : at + 4] for at in range(4, len(numbers) - 3, 4))
    return {key: value for key, place, _, value in rows if place == 0}


def _value(name: str, value: Any) -> Any:
    """Read a value of a key, or refuse it."""
    if name in WORDS:
        words, clause = WORDS[name]
        by_name = {word.lower(): number for word, number in words.items()}
        number = by_name.get(str(value).strip().lower(), _integer(value))
        if number is None:
            raise EncodeError(f"{name} must be one of {', '.join(words)} (GeoTIFF 1.1, {clause}), got {value!r}")
        return number
    if name in CODE_KEYS:
        code = _integer(str(value).strip().upper().removeprefix("EPSG:"))
        if code is None or not 0 <= code <= 65535:
            raise EncodeError(f"{name} ({CODE_KEYS[name]}) must be an EPSG code (GeoTIFF 1.1, 7.1.3), got {value!r}")
        return code
    lengths, form, clause = LENGTHS[name]
    try:
        told = ast.literal_eval(value) if isinstance(value, str) and len(value) <= 1 << 20 else value
        numbers = tuple(float(number) for number in told)
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        numbers = ()
    if len(numbers) not in lengths or not all(map(math.isfinite, numbers)):
        raise EncodeError(f"{name} must be {form}, finite (GeoTIFF 1.1, {clause}), got {str(value)[:80]!r}")
    return numbers


def _integer(value: Any) -> int | None:
    text = str(value).strip()
    return int(text) if text.isascii() and text.isdecimal() else None


def _word(words: Mapping[str, int], number: int) -> str:
    return next((word for word, value in words.items() if value == number), str(number))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        near = (math.isclose(a, b, rel_tol=1e-12, abs_tol=1e-12) for a, b in zip(one, other, strict=False))
        return len(one) == len(other) and all(near)
    return bool(one == other)
