"""Coordinate reference systems in STAC's spellings, as one text.

``EPSG:n`` (or another authority's code) where it is known, else WKT2. Every
answer is remembered by its text, and texts that are equal are never parsed.
"""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

__all__ = ["crs_from_projection", "is_code", "is_metric", "normal_crs", "same_crs"]

_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,30}:[A-Za-z0-9._\-]{1,40}")
_MAX_TEXT = 65536


def crs_from_projection(fields: Mapping[str, Any]) -> str | None:
    """Read the CRS from ``proj:code``, ``proj:epsg``, ``proj:wkt2`` and ``proj:projjson`` of one level.

    Returns:
        The CRS; None where all that are there are null.

    Raises:
        ValueError: a value is no CRS, or two contradict each other; names the field.
    """
    found: dict[str, str] = {}
    for name, read in _READERS.items():
        value = fields.get(name)
        if value is not None:
            found[name] = read(name, value)
    names = list(found)
    for other in names[1:]:
        if not same_crs(found[names[0]], found[other]):
            raise ValueError(
                f"{names[0]} and {other} contradict each other: {found[names[0]]:.60} and {found[other]:.60}"
            )
    return found[names[0]] if names else None


def _code(name: str, value: object) -> str:
    if not isinstance(value, str) or not _CODE.fullmatch(value):
        raise ValueError(f"{name} must be an authority's code such as EPSG:32633, got {value!r:.80}")
    return _named(name, value)


def _epsg(name: str, value: object) -> str:
    if isinstance(value, str) and value.isdigit():
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31:
        raise ValueError(f"{name} must be an EPSG number or null, got {value!r:.80}")
    return _named(name, f"EPSG:{value}")


def _wkt2(name: str, value: object) -> str:
    if not isinstance(value, str) or not re.match(r"\s*[A-Z_a-z0-9]+\s*[\[(]", value) or len(value) > _MAX_TEXT:
        raise ValueError(f"{name} must be WKT2, got {value!r:.80}")
    return _named(name, value)


def _projjson(name: str, value: object) -> str:
    text = json.dumps(value) if isinstance(value, Mapping) else ""
    if not 0 < len(text) <= _MAX_TEXT:
        raise ValueError(f"{name} must be a PROJJSON object of up to {_MAX_TEXT} characters, got {value!r:.80}")
    return _named(name, text)


_READERS = {"proj:code": _code, "proj:epsg": _epsg, "proj:wkt2": _wkt2, "proj:projjson": _projjson}


def _named(name: str, text: str) -> str:
    try:
        return normal_crs(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error


def is_code(text: str) -> bool:
    """Tell ``EPSG:n`` and its like from WKT."""
    return _CODE.fullmatch(text) is not None


@lru_cache(maxsize=4096)
def normal_crs(text: str) -> str:
    """Write a CRS (code, WKT or PROJJSON text) as ``AUTHORITY:code`` where it has one, else as WKT2.

    Raises:
        ValueError: PROJ does not know it.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        crs = CRS.from_user_input(text)
        if _CODE.fullmatch(text):
            authority, code = text.split(":")
            return f"{authority.upper()}:{code}"
        authority_code = crs.to_authority(min_confidence=100)
        if authority_code:
            return ":".join(authority_code)
        wkt = str(crs.to_wkt("WKT2_2019"))
        CRS.from_user_input(wkt)  # a CRS of broken parts is read, and written as what nobody reads
    except CRSError as error:
        raise ValueError(f"PROJ knows no such CRS: {text!r:.80}") from error
    return wkt


@lru_cache(maxsize=4096)
def is_metric(text: str) -> bool:
    """Tell a projected CRS in metres from all others."""
    from pyproj import CRS

    crs = CRS.from_user_input(text)
    return bool(crs.is_projected and crs.axis_info and crs.axis_info[0].unit_conversion_factor == 1.0)


def same_crs(a: str | None, b: str | None) -> bool:
    """Whether two CRS texts mean the same coordinates: axis order and names do not count."""
    return a == b or (a is not None and b is not None and _same(a, b))


@lru_cache(maxsize=4096)
def _same(a: str, b: str) -> bool:
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    first, second = CRS.from_user_input(a), CRS.from_user_input(b)
    if first.equals(second, ignore_axis_order=True) or (_stated_id(first) or "a") == _stated_id(second):
        return True
    with warnings.catch_warnings():  # a PROJ string drops names; that is what is wanted here
        warnings.simplefilter("ignore", UserWarning)
        try:
            if first.to_dict() != second.to_dict():
                return False
        except CRSError:  # one has no PROJ string: engineering, local
            return False
    # The PROJ string may drop the datum as well: only a datum without a name may be taken for another.
    names = {_datum(first), _datum(second)}
    return len(names) == 1 or any(name.startswith("unknown") for name in names)


def _stated_id(crs: Any) -> str | None:
    """Give the identifier that a CRS text carries, whatever else it says: old WKT spells methods in many ways."""
    stated = crs.to_json_dict().get("id")
    return f"{stated['authority']}:{stated['code']}" if stated else None


def _datum(crs: Any) -> str:
    geodetic = crs.geodetic_crs
    return geodetic.datum.name.lower() if geodetic is not None and geodetic.datum is not None else "unknown"
