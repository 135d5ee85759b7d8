"""What a projection needs of SICD XML (SICD volume 3, "metadata parameter list"), read and checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.sensor_model import NoProjectionError
from stacchip_osml.geometry.xml_fields import Poly, Poly2, Vector, XmlFields
from stacchip_osml.imagery.xml_trees import parse_xml
from stacchip_osml.pixel import ImageSize

__all__ = ["Inca", "Offsets", "Pfa", "PlatformOffsets", "SicdParameters", "parse_sicd"]

PLANES = frozenset({"PLANE", "XRGYCR", "XCTYAT"})
"""Grids that are a plane in space; the last two are its special cases."""
TURN = 1e-3
"""How far from 1 a unit vector's length may be: files give few digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pfa:
    """Polar format algorithm."""

    polar_angle: Poly
    """cPA: over COA time."""
    scale: Poly
    """cKSF: over polar angle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inca:
    """Range migration with the imaging-near-closest-approach algorithm."""

    closest_time: Poly
    """cT_CA: over azimuth."""
    closest_range: float
    """R_CA_SCP, metres."""
    rate_scale: Poly2
    """cDRSF: over range and azimuth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlatformOffsets:
    """Adjustable offsets of one platform."""

    time: float
    position: Vector
    velocity: Vector
    clock_scale: float = 0.0
    """Bistatic only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offsets:
    """``AdjustableParameterOffsets``: transmit, receive; a monostatic collection has one position and velocity."""

    transmit: PlatformOffsets
    receive: PlatformOffsets


@dataclass(frozen=True, slots=True, kw_only=True)
class Bistatic:
    """Where the two platforms of a bistatic collection were."""

    transmit_poly: tuple[Poly, Poly, Poly]
    receive_poly: tuple[Poly, Poly, Poly]
    """Averaged, where several receive antennas were used."""
    reference_poly: tuple[Poly, Poly, Poly]
    """GRP: the point that times of flight are measured to."""
    transmit: tuple[Vector, Vector]
    """Position and velocity when the scene centre was at the centre of aperture."""
    receive: tuple[Vector, Vector]


@dataclass(frozen=True, slots=True, kw_only=True)
class SicdParameters:
    """The fields that a projection needs; names in the texts are the standard's."""

    size: ImageSize
    """NumCols, NumRows."""
    first: tuple[int, int]
    """FirstRow, FirstCol of this image within the full one."""
    centre_pixel: tuple[float, float]
    """SCPPixel: row, column in the full image."""
    centre: Vector
    """SCP, earth-centred metres."""
    centre_time: float
    """SCPTime, seconds."""
    sensor: tuple[Vector, Vector]
    """ARPPos and ARPVel at that time."""
    side: int
    """+1 left, -1 right."""
    grid_type: str
    algorithm: str
    row_unit: Vector
    col_unit: Vector
    spacing: tuple[float, float]
    """Row.SS, Col.SS, metres."""
    time: Poly2
    """TimeCOAPoly: over row and column metres."""
    sensor_poly: tuple[Poly, Poly, Poly]
    """ARPPoly."""
    bistatic: Bistatic | None = None
    pfa: Pfa | None = None
    azimuth_scale: float | None = None
    """AzSF of RGAZCOMP."""
    inca: Inca | None = None
    offsets: Offsets | None = None


def parse_sicd(xml: bytes) -> SicdParameters:
    """Read the parameters of a projection.

    Raises:
        ItemError: not SICD XML, or a field is missing or not what it should be; it is named.
        NoProjectionError: SICD defines no projection for this grid and algorithm.
        LimitError: the XML is larger than any SICD.
    """
    root = parse_xml(xml, what="SICD")
    tag = str(root.tag)
    if not (tag.startswith("{urn:SICD:") and tag.endswith("}SICD")):
        raise ItemError(f"expected SICD XML, got {tag[:80]!r}")
    fields = XmlFields(root, "SICD")
    grid, algorithm = fields.text("Grid/Type"), fields.text("ImageFormation/ImageFormAlgo")
    kind = fields.text("CollectionInfo/CollectType") if fields.has("CollectionInfo/CollectType") else "MONOSTATIC"
    if kind not in {"MONOSTATIC", "BISTATIC"}:
        raise ItemError(f"SICD CollectionInfo/CollectType must be MONOSTATIC or BISTATIC, got {kind[:40]!r}")
    side = fields.text("SCPCOA/SideOfTrack")
    if side[:1] not in {"L", "R"}:
        raise ItemError(f"SICD SCPCOA/SideOfTrack must be L or R, got {side[:40]!r}")
    pfa, azimuth_scale, inca = _special(fields, grid, algorithm, is_bistatic=kind == "BISTATIC")
    units = [_unit(fields, f"Grid/{axis}/UVectECF") for axis in ("Row", "Col")]
    if abs(np.dot(units[0], units[1])) > 0.999:
        raise ItemError("SICD Grid/Row/UVectECF and Grid/Col/UVectECF must not be parallel")
    spacing = fields.number("Grid/Row/SS"), fields.number("Grid/Col/SS")
    if min(spacing) <= 0.0:
        raise ItemError(f"SICD Grid/Row/SS and Grid/Col/SS must be above 0, got {spacing}")
    rows, cols = fields.whole("ImageData/NumRows"), fields.whole("ImageData/NumCols")
    if min(rows, cols) < 1:
        raise ItemError(f"SICD ImageData/NumRows and NumCols must be above 0, got {rows} and {cols}")
    row, col = fields.numbers("ImageData/SCPPixel", ("Row", "Col"))
    return SicdParameters(
        size=ImageSize(cols, rows),
        first=(fields.whole("ImageData/FirstRow"), fields.whole("ImageData/FirstCol")),
        centre_pixel=(row, col),
        centre=_on_earth(fields, "GeoData/SCP/ECF"),
        centre_time=fields.number("SCPCOA/SCPTime"),
        sensor=(fields.vector("SCPCOA/ARPPos"), fields.vector("SCPCOA/ARPVel")),
        side=1 if side[0] == "L" else -1,
        grid_type=grid,
        algorithm=algorithm,
        row_unit=units[0],
        col_unit=units[1],
        spacing=spacing,
        time=fields.poly2("Grid/TimeCOAPoly"),
        sensor_poly=fields.vector_poly("Position/ARPPoly"),
        bistatic=_bistatic(fields) if kind == "BISTATIC" else None,
        offsets=_offsets(fields, is_bistatic=kind == "BISTATIC"),
        pfa=pfa,
        azimuth_scale=azimuth_scale,
        inca=inca,
    )


_Special = tuple[Pfa | None, float | None, Inca | None]


def _special(fields: XmlFields, grid: str, algorithm: str, *, is_bistatic: bool) -> _Special:
    """Read what one of the formulas needs."""
    if grid in PLANES:
        return None, None, None
    if grid == "RGAZIM" and algorithm == "PFA":
        angle, scale = fields.poly("PFA/PolarAngPoly"), fields.poly("PFA/SpatialFreqSFPoly")
        return Pfa(polar_angle=angle, scale=scale), None, None
    if not is_bistatic:
        if grid == "RGAZIM" and algorithm == "RGAZCOMP":
            return None, fields.number("RgAzComp/AzSF"), None
        if grid == "RGZERO" and (algorithm == "RMA" or fields.has("RMA/INCA")):
            inca = fields.at("RMA/INCA")
            times, rates = inca.poly("TimeCAPoly"), inca.poly2("DRateSFPoly")
            return None, None, Inca(closest_time=times, closest_range=inca.number("R_CA_SCP"), rate_scale=rates)
    collect = "a bistatic" if is_bistatic else "a monostatic"
    raise NoProjectionError(
        f"SICD defines no projection for {collect} Grid/Type {grid[:20]!r} formed by ImageFormAlgo {algorithm[:20]!r}"
    )


def _unit(fields: XmlFields, path: str) -> Vector:
    vector = fields.vector(path)
    size = float(np.linalg.norm(vector))
    if abs(size - 1.0) > TURN:
        raise ItemError(f"SICD {path} must be a unit vector, got one of length {size:.6g}")
    return vector


def _on_earth(fields: XmlFields, path: str) -> Vector:
    point = fields.vector(path)
    if not 6.2e6 < float(np.linalg.norm(point)) < 6.6e6:
        raise ItemError(f"SICD {path} must be a place on the Earth, got {point}")
    return point


def _bistatic(fields: XmlFields) -> Bistatic:
    place = fields.at("Position")
    platforms = fields.at("SCPCOA/Bistatic")
    return Bistatic(
        transmit_poly=place.vector_poly("TxAPCPoly"),
        receive_poly=_receive_poly(fields),
        reference_poly=place.vector_poly("GRPPoly"),
        transmit=(platforms.vector("TxPlatform/Pos"), platforms.vector("TxPlatform/Vel")),
        receive=(platforms.vector("RcvPlatform/Pos"), platforms.vector("RcvPlatform/Vel")),
    )


def _receive_poly(fields: XmlFields) -> tuple[Poly, Poly, Poly]:
    """Average the positions of the receive antennas whose channels the image was formed of."""
    channels = {
        each.element.get("index"): each.text("RcvAPCIndex")
        for each in fields.all("RadarCollection/RcvChannels/ChanParameters")
        if each.has("RcvAPCIndex")
    }
    antennas = {each.element.get("index"): each for each in fields.all("Position/RcvAPC/RcvAPCPoly")}
    used = [
        channels[index]
        for index in ((each.element.text or "").strip() for each in fields.all("ImageFormation/RcvChanProc/ChanIndex"))
        if index in channels
    ]
    missing = [index for index in used if index not in antennas]
    if missing or not used:
        what = f" with index {missing[0][:20]!r}" if missing else " of ImageFormation/RcvChanProc"
        raise ItemError(f"SICD lacks Position/RcvAPC/RcvAPCPoly{what}")
    parts = [tuple(antennas[index].poly(axis) for axis in "XYZ") for index in used]
    longest = max(len(poly) for part in parts for poly in part)
    table = np.array([[poly + (0.0,) * (longest - len(poly)) for poly in part] for part in parts])
    x, y, z = (tuple(float(value) for value in axis) for axis in table.mean(axis=0))
    return x, y, z


def _offsets(fields: XmlFields, *, is_bistatic: bool) -> Offsets | None:
    name = f"ErrorStatistics/{'Bistatic' if is_bistatic else ''}AdjustableParameterOffsets"
    if not fields.has(name):
        return None
    given = fields.at(name)
    if is_bistatic:
        return Offsets(transmit=_platform(given.at("TxPlatform")), receive=_platform(given.at("RcvPlatform")))
    position, velocity = given.vector("ARPPosSCPCOA"), given.vector("ARPVel")
    transmit, receive = (
        PlatformOffsets(time=given.number(each), position=position, velocity=velocity)
        for each in ("TxTimeSCPCOA", "RcvTimeSCPCOA")
    )
    return Offsets(transmit=transmit, receive=receive)


def _platform(fields: XmlFields) -> PlatformOffsets:
    return PlatformOffsets(
        time=fields.number("TimeSCPCOA"),
        position=fields.vector("APCPosSCPCOA"),
        velocity=fields.vector("APCVel"),
        clock_scale=fields.number("ClockFreqSF"),
    )
