"""Bands of an asset from every place where STAC has put them, as one list.

STAC 1.1 has ``bands``; before, ``raster:bands`` (types, nodata, scale) and
``eo:bands`` (names, colours) stand side by side. Fields of a band that stand
at the asset hold for all its bands.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from stacchip_osml.imagery.header import BandHeader
from stacchip_osml.stac.source import SourceBand

__all__ = ["merge_header_bands", "read_bands"]

_DTYPES = {
    **{name: name for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")},
    **{name: name for name in ("float16", "float32", "float64")},
    "cint16": "complex64",
    "cint32": "complex128",
    "cfloat32": "complex64",
    "cfloat64": "complex128",
}
"""STAC's data types as numpy reads them; ``other`` and unknown ones say nothing."""

_BAND_FIELDS = frozenset({"bands", "raster:bands", "eo:bands"})
_MAX = sys.float_info.max
_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def read_bands(key: str, asset: Mapping[str, Any]) -> tuple[SourceBand, ...]:
    """List the bands that an asset states; empty where it states none.

    Raises:
        ValueError: a band is malformed; names the field.
    """
    if _BAND_FIELDS.isdisjoint(asset):
        return ()
    fields = _band_fields(asset)
    return tuple(_band(band, asset, _default_name(key, i, len(fields))) for i, band in enumerate(fields))


def _default_name(key: str, index: int, count: int) -> str:
    return key if count == 1 else f"b{index + 1}"


def _band_fields(asset: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    both, raster, eo = (_list(asset, name) for name in ("bands", "raster:bands", "eo:bands"))
    if both:
        return both
    if len(raster) == len(eo):
        return [{**a, **b} for a, b in zip(raster, eo, strict=True)]
    return raster or eo  # lists of different lengths cannot be paired: the raster's describes the pixels


def _list(asset: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    bands = asset.get(name)
    if bands is None:
        return []
    if isinstance(bands, list | tuple) and all(isinstance(band, Mapping) for band in bands):
        return list(bands)
    if isinstance(bands, list) and all(isinstance(band, int) for band in bands):
        return []  # drafts before 1.0 point into the item's list
    raise ValueError(f"{name} must be a list of objects, got {bands!r:.80}")


def _band(band: Mapping[str, Any], asset: Mapping[str, Any], default_name: str) -> SourceBand:
    common = band.get("eo:common_name") or band.get("common_name")
    name = band.get("name") or common or default_name
    return SourceBand(
        name=str(name),
        common_name=None if common is None else str(common),
        dtype=_DTYPES.get(str(_first(band, asset, "data_type", "data_type"))),
        nodata=_nodata(_first(band, asset, "nodata", "nodata")),
        scale=_number(_first(band, asset, "raster:scale", "scale"), "scale", 1.0),
        offset=_number(_first(band, asset, "raster:offset", "offset"), "offset", 0.0),
    )


def _first(band: Mapping[str, Any], asset: Mapping[str, Any], new: str, old: str) -> Any:
    """Give a field of the band, else of its asset, by its new name or its old one; None where there is none."""
    for fields in (band, asset):
        value = fields.get(new)
        value = fields.get(old) if value is None else value
        if value is not None:
            return value
    return None


def _nodata(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip().lower()
        if text in _SPECIAL:
            return _SPECIAL[text]
    elif isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _MAX):
        return value
    raise ValueError(f"nodata must be a number, 'nan', 'inf' or '-inf', got {value!r:.80}")


def _number(value: object, name: str, default: float) -> float:
    if value is None:
        return default
    if isinstance(value, int | float) and not isinstance(value, bool) and -_MAX <= value <= _MAX:
        return float(value)
    raise ValueError(f"{name} of a band must be a finite number, got {value!r:.80}")


def merge_header_bands(
    key: str, stated: tuple[SourceBand, ...], header: Sequence[BandHeader]
) -> tuple[SourceBand, ...]:
    """Describe the bands that a file has: stored facts from its header, names and units from the item.

    The file decides how many bands there are and of which type. Where the item
    lists as many (an alpha band may come on top), each takes its name and scale.
    """
    extra = len(header) - len(stated)
    pairs = len(stated) if extra == 0 or (extra == 1 and header[-1].color == "alpha") else 0
    return tuple(
        _with_header(stated[i], band) if i < pairs else _from_header(band, _default_name(key, i, len(header)))
        for i, band in enumerate(header)
    )


def _with_header(stated: SourceBand, band: BandHeader) -> SourceBand:
    is_scaled = (band.scale, band.offset) != (1.0, 0.0) and (stated.scale, stated.offset) == (1.0, 0.0)
    return SourceBand(
        name=stated.name,
        common_name=stated.common_name,
        dtype=band.dtype,
        nodata=band.nodata if band.nodata is not None else stated.nodata,
        scale=band.scale if is_scaled else stated.scale,
        offset=band.offset if is_scaled else stated.offset,
    )


def _from_header(band: BandHeader, default_name: str) -> SourceBand:
    name = band.description or ("alpha" if band.color == "alpha" else default_name)
    return SourceBand(name=name, dtype=band.dtype, nodata=band.nodata, scale=band.scale, offset=band.offset)
