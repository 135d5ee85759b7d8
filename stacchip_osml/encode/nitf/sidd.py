"""SIDD XML of a chip (NGA.STND.0025-1): GeometricChip, PixelFootprint, corners and valid data; versions 1, 2, 3.

Detected pixels may be resampled: DownstreamReprocessing/GeometricChip says where
the chip's corner pixels lie in the original product, and all measurement parameters
go on to speak of that. Rules (section 5.1):

- coordinates are pixel centres: a chip of N rows goes from 0 to N - 1;
- there is one GeometricChip, with respect to the original: that of a chip of a
  chip is composed;
- PixelFootprint and ValidData are the chip's own size and pixels; corners are
  those of its outer edges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from stacchip_osml.encode.nitf.chip_ground import Vector, geodetic
from stacchip_osml.encode.nitf.chip_xml import (
    Point,
    PolygonTags,
    XmlTemplate,
    clip_polygon,
    floats_of,
    local_name,
    mark,
    mark_valid_data,
    parse_xml,
    polygon_xml,
    template_of,
    valid_data,
)
from stacchip_osml.encode.nitf.igeolo import Corners
from stacchip_osml.errors import EncodeError, ItemError
from stacchip_osml.pixel import ImageSize

__all__ = ["GeometricChip", "SiddParent", "sidd_of_chip", "sidd_parent"]

CLAUSE = "NGA.STND.0025-1, section 5.1"
NAME = "SIDD XML"
ORIGINALS = ("OriginalUpperLeft", "OriginalUpperRight", "OriginalLowerLeft", "OriginalLowerRight")
CORNER_PATHS = (
    "{*}GeoData/{*}ImageCorners/{*}ICP",
    "{*}GeographicAndTarget/{*}GeographicCoverage/{*}Footprint/{*}Vertex",
)
"""Of versions 2 and 3, and of 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GeometricChip:
    """Where a product lies in its original."""

    size: ImageSize
    """``ChipSize``."""
    corners: tuple[Point, Point, Point, Point]
    """``(row, col)`` of upper left, upper right, lower left, lower right pixel centre in the original."""

    def to_original(self, row: float, col: float) -> Point:
        """Give the original ``(row, col)`` of a product position, pixel centres both."""
        upper_left, upper_right, lower_left, lower_right = self.corners
        v, u = self._part(row, self.size.height), self._part(col, self.size.width)
        at = [
            (1 - v) * ((1 - u) * a + u * b) + v * ((1 - u) * c + u * d)
            for a, b, c, d in zip(upper_left, upper_right, lower_left, lower_right, strict=True)
        ]
        # One pixel has no other to measure a step by: what lies beside it is as far as the other axis steps.
        if self.size.height == 1:
            at = [value + row * step for value, step in zip(at, self._step(by_row=True), strict=True)]
        if self.size.width == 1:
            at = [value + col * step for value, step in zip(at, self._step(by_row=False), strict=True)]
        return at[0], at[1]

    @staticmethod
    def _part(position: float, count: int) -> float:
        return position / (count - 1) if count > 1 else 0.0

    def _step(self, *, by_row: bool) -> Point:
        """Give the step of the axis that has one pixel, from the other one turned by a quarter."""
        upper_left, upper_right, lower_left, _ = self.corners
        if by_row and self.size.width > 1:
            down, across = (b - a for a, b in zip(upper_left, upper_right, strict=True))
            return across / (self.size.width - 1), -down / (self.size.width - 1)
        if not by_row and self.size.height > 1:
            down, across = (b - a for a, b in zip(upper_left, lower_left, strict=True))
            return -across / (self.size.height - 1), down / (self.size.height - 1)
        return (1.0, 0.0) if by_row else (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiddParent:
    """What the chips of one SIDD need of its XML."""

    template: XmlTemplate
    size: ImageSize
    """``PixelFootprint``."""
    chip: GeometricChip | None
    """Where the parent is a chip itself."""
    ground: Callable[[list[Point]], list[Point]]
    """``(row, col)`` pixel centres of the original → ``(lat, lon)``."""
    corner_slots: tuple[str, str, str, str]
    """Prefixes of slots: first row first column, first row last, last row last, last row first."""
    valid: tuple[Point, ...] = ()
    """``Measurement/ValidData``, ``(row, col)`` of the parent's pixels."""
    tags: dict[str, PolygonTags] = field(default_factory=dict)
    """How each polygon is spelled, by the element that holds it."""


def sidd_of_chip(
    parent: SiddParent, *, window: tuple[float, float, float, float], size: ImageSize
) -> tuple[bytes, Corners]:
    """Write the SIDD XML of a chip.

    Args:
        parent: of the image that it was cut from.
        window: ``(x, y, width, height)`` in pixels of that image, from its corner.
        size: of the chip.

    Returns:
        The XML, and ``(lon, lat)`` of the corners that it states.
    """
    x, y, width, height = window
    across, down = width / size.width, height / size.height

    def original(row: float, col: float) -> Point:
        at = y + (row + 0.5) * down - 0.5, x + (col + 0.5) * across - 0.5
        return at if parent.chip is None else parent.chip.to_original(*at)

    bottom, right = size.height - 1, size.width - 1
    values = {
        "ChipRow": str(size.height),
        "ChipCol": str(size.width),
        "FootprintRow": str(size.height),
        "FootprintCol": str(size.width),
    }
    for name, place in zip(ORIGINALS, ((0, 0), (0, right), (bottom, 0), (bottom, right)), strict=True):
        row, col = original(*place)
        values[f"{name}Row"], values[f"{name}Col"] = repr(float(row)), repr(float(col))
    outer = [(-0.5, -0.5), (-0.5, right + 0.5), (bottom + 0.5, right + 0.5), (bottom + 0.5, -0.5)]
    corners = parent.ground([original(*place) for place in outer])
    for slot, (lat, lon) in zip(parent.corner_slots, corners, strict=True):
        values[f"{slot}Lat"], values[f"{slot}Lon"] = repr(lat), repr(lon)
    if parent.tags:
        shown = [((row + 0.5 - y) / down - 0.5, (col + 0.5 - x) / across - 0.5) for row, col in parent.valid]
        polygon = _valid_polygon(shown, size)
        places: dict[str, Sequence[Point]] = {
            "Measurement": polygon,
            "GeoData": parent.ground([original(row, col) for row, col in polygon]),
        }
        values |= {place: polygon_xml(tags, places[place]) for place, tags in parent.tags.items()}
    return parent.template.render(values), [(lon, lat) for lat, lon in corners]


def _valid_polygon(shown: list[Point], size: ImageSize) -> list[tuple[int, int]]:
    """Clip ValidData to the chip; the element is required, also of a chip where it has no area."""
    high = size.height - 1, size.width - 1
    polygon = clip_polygon(shown, (0, 0), high)
    if len(polygon) >= 3:
        return polygon
    # One row, one column, or nothing is left, and the standard has no word for those: the least triangle that holds it.
    (top, left), (bottom, right) = (polygon[0], polygon[-1]) if polygon else ((0, 0), (0, 0))
    return [(top, left), (top, right + 1), (bottom + 1, left)]


@lru_cache(maxsize=32)
def sidd_parent(xml: bytes) -> SiddParent:
    """Parse the SIDD XML of an image whose chips are written; kept for the next chip.

    Raises:
        EncodeError: it is no SIDD XML, or lacks what a chip needs.
        LimitError: it is larger than any.
    """
    root = parse_xml(xml, name=NAME)
    if local_name(root) != "SIDD":
        raise EncodeError(f"{NAME} has a root SIDD, got {local_name(root)}")
    rows, cols = floats_of(root, "Measurement/PixelFootprint", ("Row", "Col"), name=NAME)
    size = ImageSize(int(cols), int(rows))
    valid = valid_data(root, "Measurement", name=NAME)
    ground, chip = _ground(root, xml), _chip_of(root)
    slots = _mark_corners(root)
    tags = mark_valid_data(root, "Measurement", name=NAME)
    _mark_chip(root)
    return SiddParent(
        template=template_of(root), size=size, chip=chip, ground=ground, corner_slots=slots, valid=valid, tags=tags
    )


def _chip_of(root: Any) -> GeometricChip | None:
    path = "DownstreamReprocessing/GeometricChip"
    if root.find("{*}DownstreamReprocessing/{*}GeometricChip") is None:
        return None
    rows, cols = floats_of(root, f"{path}/ChipSize", ("Row", "Col"), name=NAME)
    points = [floats_of(root, f"{path}/{name}Coordinate", ("Row", "Col"), name=NAME) for name in ORIGINALS]
    upper_left, upper_right, lower_left, lower_right = ((row, col) for row, col in points)
    return GeometricChip(
        size=ImageSize(int(cols), int(rows)), corners=(upper_left, upper_right, lower_left, lower_right)
    )


def _mark_corners(root: Any) -> tuple[str, str, str, str]:
    """Mark the corners; version 1 counts its four vertices clockwise from the first row and column."""
    found = [element for path in CORNER_PATHS for element in root.iterfind(path)]
    order = sorted(found, key=lambda element: str(element.get("index")))
    if [str(element.get("index"))[:1] for element in order] != ["1", "2", "3", "4"]:
        raise EncodeError(f"{NAME} has four image corners, 1 to 4, got {[e.get('index') for e in order]}")
    for index, element in enumerate(order, start=1):
        for part in ("Lat", "Lon"):
            child = element.find(f"{{*}}{part}")
            if child is None:
                raise EncodeError(f"image corner {index} of {NAME} has no {part}")
            child.text = mark(f"Corner{index}{part}")
    return "Corner1", "Corner2", "Corner3", "Corner4"


def _mark_chip(root: Any) -> None:
    """Mark PixelFootprint, and GeometricChip in its place, which may have to be made."""
    from lxml import etree

    footprint = root.find("{*}Measurement/{*}PixelFootprint")
    for part in ("Row", "Col"):
        footprint.find(f"{{*}}{part}").text = mark(f"Footprint{part}")
    part_tags = {part: footprint.find(f"{{*}}{part}").tag for part in ("Row", "Col")}
    space = root.tag.rpartition("}")[0] + "}"
    reprocessing = root.find("{*}DownstreamReprocessing")
    if reprocessing is None:
        reprocessing = etree.Element(f"{space}DownstreamReprocessing")
        # Version 1 has ProductProcessing before it, later ones after.
        before = root.find("{*}ProductProcessing") if ":SIDD:1." in space else None
        before = root.find("{*}ExploitationFeatures") if before is None else before
        if before is None:
            raise EncodeError(f"{NAME} has no ExploitationFeatures")
        before.addnext(reprocessing)
        reprocessing.tail, before.tail = before.tail, before.tail
    old = reprocessing.find("{*}GeometricChip")
    if old is not None:
        reprocessing.remove(old)
    chip = etree.Element(f"{space}GeometricChip")
    reprocessing.insert(0, chip)
    for name, slot in (("ChipSize", "Chip"), *((f"{name}Coordinate", name) for name in ORIGINALS)):
        element = etree.SubElement(chip, f"{space}{name}")
        for part, tag in part_tags.items():
            etree.SubElement(element, tag).text = mark(f"{slot}{part}")


def _ground(root: Any, xml: bytes) -> Callable[[list[Point]], list[Point]]:
    """Choose how pixels of the original come to the ground: planes here, other grids by the sensor model."""
    measurement = root.find("{*}Measurement")
    kinds = [] if measurement is None else [local_name(child) for child in measurement]
    if "PlaneProjection" in kinds:
        return _plane(root)
    return _Modelled(xml)


@dataclass(frozen=True, slots=True)
class _Plane:
    """Planar gridded display (section 3.2)."""

    reference: Vector
    point: Point
    row_step: Vector
    col_step: Vector

    def __call__(self, places: list[Point]) -> list[Point]:
        (x, y, z), (x_down, y_down, z_down) = self.reference, self.row_step
        (x_across, y_across, z_across), (first, second) = self.col_step, self.point
        found = []
        for row, col in places:
            down, across = row - first, col - second
            lat, lon, _ = geodetic(
                (
                    x + down * x_down + across * x_across,
                    y + down * y_down + across * y_across,
                    z + down * z_down + across * z_across,
                )
            )
            found.append((lat, lon))
        return found


def _plane(root: Any) -> _Plane:
    base = "Measurement/PlaneProjection"
    row, col = floats_of(root, f"{base}/ReferencePoint/Point", ("Row", "Col"), name=NAME)
    spacing = floats_of(root, f"{base}/SampleSpacing", ("Row", "Col"), name=NAME)
    steps = [
        tuple(step * part for part in floats_of(root, f"{base}/ProductPlane/{name}UnitVector", "XYZ", name=NAME))
        for step, name in zip(spacing, ("Row", "Col"), strict=True)
    ]
    reference = floats_of(root, f"{base}/ReferencePoint/ECEF", "XYZ", name=NAME)
    return _Plane(reference, (row, col), steps[0], steps[1])


class _Modelled:
    """Other grids, by the sensor model."""

    def __init__(self, xml: bytes) -> None:
        from stacchip_osml.geometry.sidd_fields import parse_sidd
        from stacchip_osml.geometry.sidd_model import SiddModel

        try:
            self._model = SiddModel(parse_sidd(xml))
        except ItemError as error:
            raise EncodeError(f"{NAME}: {error}") from error

    def __call__(self, places: list[Point]) -> list[Point]:
        # pixels count from their centres, the model from the first one's corner
        lon, lat = self._model([col + 0.5 for _, col in places], [row + 0.5 for row, _ in places])
        return list(zip(lat.tolist(), lon.tolist(), strict=True))
