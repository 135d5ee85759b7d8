"""What a projection needs of SIDD XML (NGA.STND.0025-1, chapters 2 and 3), read and checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.xml_fields import Poly, Poly2, Vector, XmlFields
from stacchip_osml.imagery.xml_trees import parse_xml
from stacchip_osml.pixel import ImageSize

__all__ = ["Polynomials", "SiddChip", "SiddParameters", "parse_sidd"]

TURN = 1e-3
"""How far from 1 a unit vector's length may be: files give few digits."""
PROJECTIONS = ("PlaneProjection", "GeographicProjection", "CylindricalProjection", "PolynomialProjection")


@dataclass(frozen=True, slots=True, kw_only=True)
class Polynomials:
    """PolynomialProjection: row and column to latitude and longitude, and back."""

    lat: Poly2
    lon: Poly2
    height: Poly2 | None
    row: Poly2
    col: Poly2


@dataclass(frozen=True, slots=True, kw_only=True)
class SiddChip:
    """GeometricChip: where the chip's first and last pixel centres lie in the original image, (row, col)."""

    size: ImageSize
    """ChipSize."""
    upper_left: tuple[float, float]
    upper_right: tuple[float, float]
    lower_right: tuple[float, float]
    lower_left: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class SiddParameters:
    """The fields that a projection needs."""

    projection: str
    """One of ``PROJECTIONS``."""
    size: ImageSize
    """PixelFootprint: of the original image."""
    reference: Vector
    """ReferencePoint/ECEF, metres."""
    pixel: tuple[float, float]
    """ReferencePoint/Point: row, column; 0 at the first pixel's centre."""
    spacing: tuple[float, float] = (1.0, 1.0)
    """SampleSpacing: metres, or seconds of arc of a geographic projection."""
    row_unit: Vector | None = None
    col_unit: Vector | None = None
    strip: Vector | None = None
    """StripmapDirection of a cylindrical projection."""
    radius: float | None = None
    """CurvatureRadius of a cylindrical projection, where it is given."""
    time: Poly2 = ((0.0,),)
    """TimeCOAPoly: over row and column metres from the reference point."""
    sensor_poly: tuple[Poly, Poly, Poly] = ((0.0,), (0.0,), (0.0,))
    """ARPPoly."""
    polynomials: Polynomials | None = None
    chip: SiddChip | None = None


def parse_sidd(xml: bytes) -> SiddParameters:
    """Read the parameters of a projection.

    Raises:
        ItemError: not SIDD XML, or a field is missing or not what it should be; it is named.
        LimitError: the XML is larger than any SIDD.
    """
    root = parse_xml(xml, what="SIDD")
    tag = str(root.tag)
    if not (tag.startswith("{urn:SIDD:") and tag.endswith("}SIDD")):
        raise ItemError(f"expected SIDD XML, got {tag[:80]!r}")
    fields = XmlFields(root, "SIDD")
    measurement = fields.at("Measurement")
    name = next((name for name in PROJECTIONS if measurement.has(name)), None)
    if name is None:
        raise ItemError(f"SIDD lacks Measurement/{', '.join(PROJECTIONS)}: one of them is needed")
    projection = measurement.at(name)
    rows, cols = measurement.numbers("PixelFootprint", ("Row", "Col"))
    row, col = projection.numbers("ReferencePoint/Point", ("Row", "Col"))
    known: dict[str, Any] = {
        "projection": name,
        "size": ImageSize(_count(cols, "PixelFootprint/Col"), _count(rows, "PixelFootprint/Row")),
        "reference": _on_earth(projection),
        "pixel": (row, col),
        "chip": _chip(fields),
    }
    return SiddParameters(**known, **_READ[name](projection, measurement))


def _plane(projection: XmlFields, measurement: XmlFields) -> dict[str, Any]:
    units = [_unit(projection, f"ProductPlane/{axis}UnitVector") for axis in ("Row", "Col")]
    if abs(np.dot(units[0], units[1])) > 0.999:
        raise ItemError("SIDD RowUnitVector and ColUnitVector of the ProductPlane must not be parallel")
    return {"row_unit": units[0], "col_unit": units[1], **_flight(projection, measurement)}


def _cylinder(projection: XmlFields, measurement: XmlFields) -> dict[str, Any]:
    radius = projection.number("CurvatureRadius") if projection.has("CurvatureRadius") else None
    if radius is not None and radius <= 0.0:
        raise ItemError(f"SIDD CylindricalProjection/CurvatureRadius must be above 0, got {radius}")
    return {"strip": _unit(projection, "StripmapDirection"), "radius": radius, **_flight(projection, measurement)}


def _geographic(projection: XmlFields, _: XmlFields) -> dict[str, Any]:
    return {"spacing": _spacing(projection)}


def _polynomial(projection: XmlFields, _: XmlFields) -> dict[str, Any]:
    return {
        "polynomials": Polynomials(
            lat=projection.poly2("RowColToLat"),
            lon=projection.poly2("RowColToLon"),
            height=projection.poly2("RowColToAlt") if projection.has("RowColToAlt") else None,
            row=projection.poly2("LatLonToRow"),
            col=projection.poly2("LatLonToCol"),
        )
    }


_READ = {
    "PlaneProjection": _plane,
    "GeographicProjection": _geographic,
    "CylindricalProjection": _cylinder,
    "PolynomialProjection": _polynomial,
}


def _flight(projection: XmlFields, measurement: XmlFields) -> dict[str, Any]:
    return {
        "spacing": _spacing(projection),
        "time": projection.poly2("TimeCOAPoly"),
        "sensor_poly": measurement.vector_poly("ARPPoly"),
    }


def _spacing(projection: XmlFields) -> tuple[float, float]:
    row, col = projection.numbers("SampleSpacing", ("Row", "Col"))
    if min(row, col) <= 0.0:
        raise ItemError(f"SIDD {projection.path}SampleSpacing must be above 0, got {row} and {col}")
    return row, col


def _unit(fields: XmlFields, path: str) -> Vector:
    vector = fields.vector(path)
    size = float(np.linalg.norm(vector))
    if abs(size - 1.0) > TURN:
        raise ItemError(f"SIDD {fields.path}{path} must be a unit vector, got one of length {size:.6g}")
    return vector


def _on_earth(projection: XmlFields) -> Vector:
    point = projection.vector("ReferencePoint/ECEF")
    if not 6.2e6 < float(np.linalg.norm(point)) < 6.6e6:
        raise ItemError(f"SIDD {projection.path}ReferencePoint/ECEF must be a place on the Earth, got {point}")
    return point


def _count(value: float, name: str) -> int:
    if not (value.is_integer() and value >= 1.0):
        raise ItemError(f"SIDD {name} must be a whole number above 0, got {value}")
    return int(value)


def _chip(fields: XmlFields) -> SiddChip | None:
    if not fields.has("DownstreamReprocessing/GeometricChip"):
        return None
    chip = fields.at("DownstreamReprocessing/GeometricChip")
    corners = {}
    for name in ("UpperLeft", "UpperRight", "LowerRight", "LowerLeft"):
        row, col = chip.numbers(f"Original{name}Coordinate", ("Row", "Col"))
        corners[name] = (row, col)
    rows, cols = chip.numbers("ChipSize", ("Row", "Col"))
    return SiddChip(
        size=ImageSize(_count(cols, "GeometricChip/ChipSize/Col"), _count(rows, "GeometricChip/ChipSize/Row")),
        upper_left=corners["UpperLeft"],
        upper_right=corners["UpperRight"],
        lower_right=corners["LowerRight"],
        lower_left=corners["LowerLeft"],
    )
