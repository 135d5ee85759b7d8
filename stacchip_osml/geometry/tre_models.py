"""Sensor models in the tagged record extensions of NITF files.

RPC00B, RPC00A and BLOCKA (STDI-0002 volume 1, appendix E), ICHIPB (appendix B) and
CSCRNA (STDI-0006). Fields have fixed widths; what is no number
is refused by the field's name. Sensor TREs speak of the original full image, so
where there is an ICHIPB they are seen through it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.chipped import PlaneMap
from stacchip_osml.geometry.projective import GcpModel, corner_model
from stacchip_osml.geometry.rpc import RpcLocator
from stacchip_osml.pixel import ImageSize

__all__ = ["Ichipb", "blocka_model", "cscrna_model", "parse_ichipb", "rpc_model"]

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]?\d+)?")

_RPC = {
    "SUCCESS": 1, "ERR_BIAS": 7, "ERR_RAND": 7, "LINE_OFF": 6, "SAMP_OFF": 5, "LAT_OFF": 8, "LONG_OFF": 9,
    "HEIGHT_OFF": 5, "LINE_SCALE": 6, "SAMP_SCALE": 5, "LAT_SCALE": 8, "LONG_SCALE": 9, "HEIGHT_SCALE": 5,
    "LINE_NUM_COEFF": 240, "LINE_DEN_COEFF": 240, "SAMP_NUM_COEFF": 240, "SAMP_DEN_COEFF": 240,
}  # fmt: skip
FROM_A = (0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 7, 11, 14, 17, 12, 15, 18, 13, 16, 19)
"""Where RPC00A has the coefficients of RPC00B's terms: its order is 1 L P H LP LH PH LPH L² P² H² L³ L²P L²H LP² P³
P²H LH² PH² H³."""

_POINTS = [f"{axis}_{number}" for number in ("11", "12", "21", "22") for axis in ("ROW", "COL")]
_ICHIPB = {
    "XFRM_FLAG": 2, "SCALE_FACTOR": 10, "ANAMRPH_CORR": 2, "SCANBLK_NUM": 2,
    **{f"{image}_{point}": 12 for image in ("OP", "FI") for point in _POINTS},
    "FI_ROW": 8, "FI_COL": 8,
}  # fmt: skip
_CORNERS = ("ULCNR", "URCNR", "LRCNR", "LLCNR")
_CSCRNA = {
    "PREDICT_CORNERS": 1,
    **{f"{corner}_{name}": width for corner in _CORNERS for name, width in (("LAT", 9), ("LONG", 10), ("HT", 8))},
}
_BLOCKA = {
    "BLOCK_INSTANCE": 2, "N_GRAY": 5, "L_LINES": 5, "LAYOVER_ANGLE": 3, "SHADOW_ANGLE": 3, "RESERVED1": 16,
    "FRLC_LOC": 21, "LRLC_LOC": 21, "LRFC_LOC": 21, "FRFC_LOC": 21, "RESERVED2": 5,
}  # fmt: skip
_CLOCKWISE = ("FRFC_LOC", "FRLC_LOC", "LRLC_LOC", "LRFC_LOC")
"""First row's first and last column, last row's last and first."""
DECIMAL = re.compile(r"([+-]\d\d\.\d{6})([+-]\d{3}\.\d{6})")
SEXAGESIMAL = re.compile(r"([NS])(\d\d)(\d\d)(\d\d\.\d\d)([EW])(\d{3})(\d\d)(\d\d\.\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ichipb:
    """Where a chip lies in the original full image."""

    map: PlaneMap | None
    """Chip to full image, corner positions; None where XFRM_FLAG says that the fields mean nothing."""
    full_size: ImageSize | None
    """FI_COL, FI_ROW; None where they are 0."""


def rpc_model(tag: str, data: bytes, *, notes: tuple[str, ...] = ()) -> RpcLocator | None:
    """Read RPC00B or RPC00A; None where SUCCESS says that the fit failed.

    Raises:
        ItemError: a field is not what the standard says.
    """
    fields = _fields(tag, data, _RPC)
    if fields["SUCCESS"] != "1":
        return None
    texts: dict[str, str] = {}
    for name, text in fields.items():
        if name.endswith("COEFF"):
            values = [repr(_number(tag, name, text[at : at + 12])) for at in range(0, 240, 12)]
            texts[name] = " ".join(values[at] for at in FROM_A) if tag == "RPC00A" else " ".join(values)
        elif name not in {"SUCCESS", "ERR_BIAS", "ERR_RAND"}:
            texts[name] = repr(_number(tag, name, text))
    return RpcLocator(texts, tag, notes)


def parse_ichipb(data: bytes) -> Ichipb:
    """Read ICHIPB, whose positions are 0 at a pixel's corner: the first pixel's centre is 0.5.

    Raises:
        ItemError: a field is not what the standard says, or the corner points give no map.
    """
    fields = _fields("ICHIPB", data, _ICHIPB)
    if fields["XFRM_FLAG"] not in {"00", "01"}:
        raise ItemError(f"ICHIPB XFRM_FLAG must be 00 or 01, got {fields['XFRM_FLAG']!r}")
    if fields["XFRM_FLAG"] == "01":
        return Ichipb(map=None, full_size=None)
    sides = []
    for image in ("OP", "FI"):
        values = [_number("ICHIPB", f"{image}_{point}", fields[f"{image}_{point}"]) for point in _POINTS]
        sides.append([(values[at + 1], values[at]) for at in range(0, 8, 2)])
    rows, cols = (int(_number("ICHIPB", name, fields[name])) for name in ("FI_ROW", "FI_COL"))
    try:
        first, second, third, fourth = sides[0]
        a, b, c, d = sides[1]
        chip_map = PlaneMap((first, second, third, fourth), (a, b, c, d))
    except ItemError as error:
        raise ItemError(f"ICHIPB: {error}") from error
    return Ichipb(map=chip_map, full_size=ImageSize(cols, rows) if min(rows, cols) > 0 else None)


def cscrna_model(data: bytes, size: ImageSize, *, notes: tuple[str, ...] = ()) -> GcpModel:
    """Read CSCRNA: the corners of the original full image, of ``size``, with their heights.

    Raises:
        ItemError: a field is not what the standard says.
        NoProjectionError: the corners place no image.
    """
    fields = _fields("CSCRNA", data, _CSCRNA)
    corners = []
    for corner in _CORNERS:
        lat, lon, height = (
            _number("CSCRNA", f"{corner}_{name}", fields[f"{corner}_{name}"]) for name in ("LAT", "LONG", "HT")
        )
        corners.append((*_degrees("CSCRNA", f"{corner}_LONG", lon, lat), height))
    return corner_model("CSCRNA", size, corners, notes=notes)


def blocka_model(data: bytes, size: ImageSize, *, notes: tuple[str, ...] = ()) -> GcpModel | None:
    """Read BLOCKA: the corners of an image of ``size``; None where it speaks of a part of it, or of none.

    Raises:
        ItemError: a field is not what the standard says.
        NoProjectionError: the corners place no image.
    """
    fields = _fields("BLOCKA", data, _BLOCKA)
    if fields["BLOCK_INSTANCE"] != "01" or fields["L_LINES"] != f"{size.height:05d}":
        return None
    if not any(fields[name].strip() for name in _CLOCKWISE):
        return None
    corners = [(*_degrees("BLOCKA", name, *_location(name, fields[name])), 0.0) for name in _CLOCKWISE]
    return corner_model("BLOCKA", size, corners, notes=notes)


def _location(name: str, text: str) -> tuple[float, float]:
    match = DECIMAL.fullmatch(text)
    if match is not None:
        return float(match[2]), float(match[1])
    match = SEXAGESIMAL.fullmatch(text)
    if match is None:
        raise ItemError(f"BLOCKA {name} must be ±dd.dddddd±ddd.dddddd or Xddmmss.ssYdddmmss.ss, got {text!r}")
    lat = float(match[2]) + float(match[3]) / 60 + float(match[4]) / 3600
    lon = float(match[6]) + float(match[7]) / 60 + float(match[8]) / 3600
    return -lon if match[5] == "W" else lon, -lat if match[1] == "S" else lat


def _degrees(tag: str, name: str, lon: float, lat: float) -> tuple[float, float]:
    if abs(lat) > 90.0 or abs(lon) > 180.0:
        raise ItemError(f"{tag} {name} must be within 90 and 180 degrees, got latitude {lat:g} and longitude {lon:g}")
    return lon, lat


def _fields(tag: str, data: bytes, widths: Mapping[str, int]) -> dict[str, str]:
    """Cut the data of a TRE into its fields."""
    length = sum(widths.values())
    if len(data) != length:
        raise ItemError(f"CEL of {tag} must be {length}, got {len(data)}")
    text, at = data.decode("latin-1"), 0
    fields = {}
    for name, width in widths.items():
        fields[name] = text[at : at + width]
        at += width
    return fields


def _number(tag: str, name: str, text: str) -> float:
    if NUMBER.fullmatch(text.strip(" ")) is None:  # other white space is damage
        raise ItemError(f"{tag} {name} must be a number, got {text!r}")
    return float(text)
