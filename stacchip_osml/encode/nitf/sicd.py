"""SICD XML of a chip (NGA.STND.0024-1): FirstRow, FirstCol, NumRows, NumCols, corners and valid data.

A SICD chip has the pixels of its parent, one to one: resampled pixels have another
bandwidth and grid, which no metadata could describe. All other metadata counts
pixels of the full image, so it stays. Corners are those that *SICD Sub-Image
Extraction* asks for: on the plane through the scene centre point, along lines of
constant range and Doppler.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from stacchip_osml.encode.nitf.chip_ground import Vector, dot, geodetic, up
from stacchip_osml.encode.nitf.chip_xml import (
    Point,
    PolygonTags,
    XmlTemplate,
    clip_polygon,
    floats_of,
    local_name,
    mark,
    mark_valid_data,
    number_of,
    parse_xml,
    polygon_xml,
    template_of,
    valid_data,
)
from stacchip_osml.encode.nitf.igeolo import Corners
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize

__all__ = ["SicdParent", "sicd_of_chip", "sicd_parent"]

CORNERS = ("1:FRFC", "2:FRLC", "3:LRLC", "4:LRFC")
XYZ = ("X", "Y", "Z")
CLAUSE = "NGA.STND.0024-1, ImageData"
NAME = "SICD XML"


@dataclass(frozen=True, slots=True, kw_only=True)
class SicdParent:
    """What the chips of one SICD need of its XML."""

    template: XmlTemplate
    first: tuple[int, int]
    """``FirstRow``, ``FirstCol``."""
    size: ImageSize
    """``NumCols``, ``NumRows``."""
    scp: Vector
    """``GeoData/SCP/ECF``, metres."""
    scp_pixel: Point
    """``(row, col)`` of it in the full image."""
    row_step: Vector
    """ECEF metres a row: ``Grid/Row/UVectECF`` × ``SS``."""
    col_step: Vector
    slant_normal: Vector | None
    """Unit normal of the slant plane at the scene centre point; None where SCPCOA gives no plane (test files)."""
    ground_normal: Vector
    """Unit vector away from the Earth at the scene centre point."""
    corners: tuple[Point, ...]
    """``(lat, lon)`` of ``GeoData/ImageCorners``."""
    valid: tuple[Point, ...] = ()
    """``ImageData/ValidData``, ``(row, col)`` of the full image; empty where all is valid."""
    tags: dict[str, PolygonTags] = field(default_factory=dict)
    """How each polygon that is written is spelled, by the element that holds it."""

    def ground(self, row: float, col: float) -> Point:
        """Give ``(lat, lon)`` of a full-image pixel (its centre), on the ground plane."""
        if self.slant_normal is None:
            return self._between(row, col)
        down, across = row - self.scp_pixel[0], col - self.scp_pixel[1]
        (x_down, y_down, z_down), (x_across, y_across, z_across) = self.row_step, self.col_step
        dx, dy, dz = (
            down * x_down + across * x_across,
            down * y_down + across * y_across,
            down * z_down + across * z_across,
        )
        (slant_x, slant_y, slant_z), (ground_x, ground_y, ground_z) = self.slant_normal, self.ground_normal
        reach = (dx * ground_x + dy * ground_y + dz * ground_z) / (
            slant_x * ground_x + slant_y * ground_y + slant_z * ground_z
        )
        x, y, z = self.scp
        lat, lon, _ = geodetic((x + dx - reach * slant_x, y + dy - reach * slant_y, z + dz - reach * slant_z))
        return lat, lon

    def _between(self, row: float, col: float) -> Point:
        """Interpolate the parent's own corners, where there is no plane to go by."""
        v = (row - self.first[0]) / max(self.size.height - 1, 1)
        u = (col - self.first[1]) / max(self.size.width - 1, 1)
        weights = ((1 - v) * (1 - u), (1 - v) * u, v * u, v * (1 - u))
        lat, lon = (sum(w * corner[axis] for w, corner in zip(weights, self.corners, strict=True)) for axis in (0, 1))
        return lat, lon


def sicd_of_chip(
    parent: SicdParent, *, window: tuple[float, float, float, float], size: ImageSize
) -> tuple[bytes, Corners]:
    """Write the SICD XML of a chip.

    Args:
        parent: of the image that it was cut from.
        window: ``(x, y, width, height)`` in pixels of that image.
        size: of the chip.

    Returns:
        The XML, and ``(lon, lat)`` of the corners that it states.

    Raises:
        EncodeError: the chip is resampled, lies between pixels, or leaves the image.
    """
    x, y, width, height = window
    if width != size.width or height != size.height or not (float(x).is_integer() and float(y).is_integer()):
        raise EncodeError(
            f"a SICD chip has the pixels of its parent one to one ({CLAUSE}): resampling destroys what its metadata "
            f"describes. The window is x {x}, y {y}, {width} x {height}, the chip {size.width} x {size.height}; "
            "cut at full resolution, or apply a chain that makes it a picture"
        )
    if x < 0 or y < 0 or x + width > parent.size.width or y + height > parent.size.height:
        raise EncodeError(
            f"a SICD chip lies inside its parent of {parent.size.width} x {parent.size.height} ({CLAUSE}), "
            f"got x {x}, y {y}, {width} x {height}"
        )
    top, left = parent.first[0] + int(y), parent.first[1] + int(x)
    bottom, right = top + size.height - 1, left + size.width - 1
    pixels: tuple[Point, ...] = (top, left), (top, right), (bottom, right), (bottom, left)
    corners = [parent.ground(*at) for at in pixels]
    values = {
        "FirstRow": str(top),
        "FirstCol": str(left),
        "NumRows": str(size.height),
        "NumCols": str(size.width),
    }
    for name, (lat, lon) in zip(CORNERS, corners, strict=True):
        values[f"Lat{name[0]}"], values[f"Lon{name[0]}"] = repr(lat), repr(lon)
    if parent.tags:
        values |= _valid_data(parent, (top, left), (bottom, right), dict(zip(pixels, corners, strict=True)))
    return parent.template.render(values), [(lon, lat) for lat, lon in corners]


@lru_cache(maxsize=32)
def sicd_parent(xml: bytes) -> SicdParent:
    """Parse the SICD XML of an image whose chips are written; kept for the next chip.

    Raises:
        EncodeError: it is no SICD XML, or lacks what a chip needs.
        LimitError: it is larger than any.
    """
    root = parse_xml(xml, name=NAME)
    if local_name(root) != "SICD":
        raise EncodeError(f"{NAME} has a root SICD, got {local_name(root)}")

    def number(path: str) -> float:
        return number_of(root, path, name=NAME)

    def vector(path: str) -> Vector:
        return floats_of(root, path, XYZ, name=NAME)

    scp, arp, velocity = vector("GeoData/SCP/ECF"), vector("SCPCOA/ARPPos"), vector("SCPCOA/ARPVel")
    lat, lon, _ = geodetic(scp)
    side = (root.findtext("{*}SCPCOA/{*}SideOfTrack") or "").strip()
    if side not in {"L", "R"}:
        raise EncodeError(f"SCPCOA/SideOfTrack of {NAME} is L or R, got {side!r}")
    first = int(number("ImageData/FirstRow")), int(number("ImageData/FirstCol"))
    size = ImageSize(int(number("ImageData/NumCols")), int(number("ImageData/NumRows")))
    scp_pixel = number("ImageData/SCPPixel/Row"), number("ImageData/SCPPixel/Col")
    steps = [
        tuple(part * number(f"Grid/{axis}/SS") for part in vector(f"Grid/{axis}/UVectECF")) for axis in ("Row", "Col")
    ]
    valid = valid_data(root, "ImageData", name=NAME)
    corners = _corners(root)
    for name in ("FirstRow", "FirstCol", "NumRows", "NumCols"):
        root.find(f"{{*}}ImageData/{{*}}{name}").text = mark(name)
    tags = mark_valid_data(root, "ImageData", name=NAME)
    return SicdParent(
        template=template_of(root),
        first=first,
        size=size,
        scp=scp,
        scp_pixel=scp_pixel,
        row_step=steps[0],
        col_step=steps[1],
        slant_normal=_slant_normal(scp, arp, velocity, 1 if side == "L" else -1),
        ground_normal=up(lat, lon),
        corners=corners,
        valid=valid,
        tags=tags,
    )


def _corners(root: Any) -> tuple[Point, ...]:
    """Read ``(lat, lon)`` of the corners, and mark them.

    Raises:
        EncodeError: it has others than four corners of two numbers.
    """
    found = {str(icp.get("index")): icp for icp in root.iterfind("{*}GeoData/{*}ImageCorners/{*}ICP")}
    if set(found) != set(CORNERS):
        raise EncodeError(f"GeoData/ImageCorners of {NAME} has ICP {', '.join(CORNERS)}, got {sorted(found)}")
    corners = [(number_of(found[name], "Lat", name=NAME), number_of(found[name], "Lon", name=NAME)) for name in CORNERS]
    for name, icp in found.items():
        for part in ("Lat", "Lon"):
            icp.find(f"{{*}}{part}").text = mark(f"{part}{name[0]}")
    return tuple(corners)


def _slant_normal(scp: Vector, arp: Vector, velocity: Vector, look: int) -> Vector | None:
    """Give the normal of the plane that holds velocity and line of sight; None where these are one line."""
    line = tuple(p - a for p, a in zip(scp, arp, strict=True))
    (a, b, c), (d, e, f) = velocity, line
    normal = b * f - c * e, c * d - a * f, a * e - b * d
    length = dot(normal, normal) ** 0.5
    if length == 0:
        return None
    lat, lon, _ = geodetic(scp)
    unit = tuple(look * part / length for part in normal)
    return unit if dot(unit, up(lat, lon)) else None


def _valid_data(parent: SicdParent, low: Point, high: Point, placed: Mapping[Point, Point]) -> dict[str, str]:
    """Write ValidData of both places: the parent's polygon in the chip, which mostly ends at its corners.

    A chip of one row or column has no polygon, and a chip without any valid pixel no area: both elements are optional,
    and left out then.
    """
    polygon = clip_polygon(parent.valid or (low, (low[0], high[1]), high, (high[0], low[1])), low, high)
    if len(polygon) < 3:
        return dict.fromkeys(parent.tags, "")
    values: dict[str, Sequence[Point]] = {
        "ImageData": polygon,
        "GeoData": [placed[at] if at in placed else parent.ground(*at) for at in polygon],
    }
    return {place: polygon_xml(tags, values[place]) for place, tags in parent.tags.items()}
