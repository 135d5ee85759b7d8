"""Whole SICD 1.3.0 and SIDD 3.0.0 documents of an invented spotlight collection, as long and as full as real ones.

The collection is that of ``sensor_documents``: an orbit, a scene at its centre, the
slant plane between them. Whatever follows from it (angles, spatial frequencies,
corners) is computed; calibration and error tables are invented, smooth and small.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from stacchip_osml.geometry import SiddModel
from stacchip_osml.geometry.ellipsoid import to_geodetic
from stacchip_osml.geometry.sidd_fields import parse_sidd
from tests.geometry.sensor_documents import (
    CENTRE,
    DURATION,
    HEIGHT,
    LIGHT,
    ORBIT,
    at,
    axes,
    poly1,
    poly2,
    poly_attributes,
    row_col,
    si,
    unit,
    vector_poly,
    xyz,
)

__all__ = ["sicd_document", "sidd_document"]

FREQUENCY, BANDWIDTH = 9.6e9, 150e6
SPACING = (0.8, 0.6)
"""Metres between rows and between columns."""
WIDTHS = (2 * BANDWIDTH / LIGHT, 1.3)
"""Spatial frequencies that rows and columns hold, cycles a metre."""
MIDDLE = DURATION / 2
PULSES = 8000
UP = np.array(
    [
        np.cos(np.radians(47.9)) * np.cos(np.radians(12.5)),
        np.cos(np.radians(47.9)) * np.sin(np.radians(12.5)),
        np.sin(np.radians(47.9)),
    ]
)
"""The ellipsoid's normal at the centre of the scene."""
EAST = unit(np.array([-CENTRE[1], CENTRE[0], 0.0]))
START = "2026-03-21T10:11:12.131415Z"
CORNERS = ("1:FRFC", "2:FRLC", "3:LRLC", "4:LRFC")


def sicd_document(size: tuple[int, int], *, name: str = "21MAR26INVENTED01") -> bytes:
    """Write SICD 1.3.0 XML (NGA.STND.0024-1) of an image of ``(rows, cols)``, formed by PFA."""
    parts = (
        _collection(name),
        _image_data(size),
        _geo_data(size),
        _grid(),
        _timeline(),
        _position(),
        _radar_collection(size),
        _image_formation(),
        _aperture_centre(),
        _radiometric(),
        _antenna(),
        _errors(),
        _matches(name),
        _polar_format(),
    )
    return ('<?xml version="1.0" encoding="UTF-8"?><SICD xmlns="urn:SICD:1.3.0">' + "".join(parts) + "</SICD>").encode()


def sidd_document(size: tuple[int, int], *, name: str = "21MAR26INVENTED01") -> bytes:
    """Write SIDD 3.0.0 XML (NGA.STND.0025-1) of an image of ``(rows, cols)`` on the plane of its ground."""
    zeros = np.zeros((4, 2))
    model = SiddModel(parse_sidd(_sidd(size, name, zeros)))
    rows, cols = size
    lons, lats, *_ = model.image_to_world([0, cols, cols, 0], [0, 0, rows, rows])
    return _sidd(size, name, np.stack([lats, lons], axis=1))


# ---- parts of SICD, in their order


def _collection(name: str) -> str:
    told = {"COLLECTION_PLAN": "INVENTED", "LOOK": "RIGHT", "ORBIT_DIRECTION": "ASCENDING", "PRODUCT": "SPOT"}
    return (
        f"<CollectionInfo><CollectorName>INVENTED</CollectorName><CoreName>{name}</CoreName>"
        "<CollectType>MONOSTATIC</CollectType><RadarMode><ModeType>SPOTLIGHT</ModeType><ModeID>SPOT</ModeID></RadarMode>"
        f"<Classification>UNCLASSIFIED</Classification><CountryCode>DE</CountryCode>{_parameters(told)}</CollectionInfo>"
        "<ImageCreation><Application>Synthesis</Application><DateTime>2026-03-21T11:00:00Z</DateTime>"
        "<Site>Nowhere</Site><Profile>Fast</Profile></ImageCreation>"
    )


def _image_data(size: tuple[int, int]) -> str:
    rows, cols = size
    ring = ((0, 0), (0, cols - 1), (rows - 1, cols - 1), (rows - 1, 0))
    vertices = _indexed("Vertex", [f"<Row>{row}</Row><Col>{col}</Col>" for row, col in ring])
    return (
        f"<ImageData><PixelType>RE32F_IM32F</PixelType><NumRows>{rows}</NumRows><NumCols>{cols}</NumCols>"
        f"<FirstRow>0</FirstRow><FirstCol>0</FirstCol><FullImage><NumRows>{rows}</NumRows><NumCols>{cols}</NumCols>"
        f"</FullImage><SCPPixel><Row>{rows // 2}</Row><Col>{cols // 2}</Col></SCPPixel>"
        f'<ValidData size="4">{vertices}</ValidData></ImageData>'
    )


def _geo_data(size: tuple[int, int]) -> str:
    corners = _ground_corners(size)
    ring = _indexed("Vertex", map(_lat_lon, corners))
    places = "".join(
        f'<GeoInfo name="Place {number}"><Desc name="kind">village</Desc><Point>{_lat_lon(corner)}</Point></GeoInfo>'
        for number, corner in enumerate(corners.mean(axis=0) + 0.3 * (corners - corners.mean(axis=0)), 1)
    )
    return (
        f"<GeoData><EarthModel>WGS_84</EarthModel><SCP><ECF>{xyz(CENTRE)}</ECF><LLH><Lat>47.9</Lat><Lon>12.5</Lon>"
        f"<HAE>{HEIGHT}</HAE></LLH></SCP>"
        f"<ImageCorners>{_indexed('ICP', map(_lat_lon, corners), CORNERS)}</ImageCorners>"
        f'<ValidData size="4">{ring}</ValidData>{places}</GeoData>'
    )


def _grid() -> str:
    row, col = axes(is_bistatic=False)
    centres = (2 * FREQUENCY / LIGHT, 0.0)

    def direction(name: str, vector: Any, axis: int) -> str:
        width = WIDTHS[axis]
        return (
            f"<{name}><UVectECF>{xyz(vector)}</UVectECF><SS>{SPACING[axis]!r}</SS>"
            f"<ImpRespWid>{0.885892941378904671 / width!r}</ImpRespWid><Sgn>-1</Sgn><ImpRespBW>{width!r}</ImpRespBW>"
            f"<KCtr>{centres[axis]!r}</KCtr><DeltaK1>{-width / 2!r}</DeltaK1><DeltaK2>{width / 2!r}</DeltaK2>"
            f"{_poly2('DeltaKCOAPoly', [[0.0]])}<WgtType><WindowName>UNIFORM</WindowName></WgtType></{name}>"
        )

    time = _poly2("TimeCOAPoly", [[MIDDLE]])
    plane = "<ImagePlane>SLANT</ImagePlane><Type>RGAZIM</Type>"
    return f"<Grid>{plane}{time}{direction('Row', row, 0)}{direction('Col', col, 1)}</Grid>"


def _timeline() -> str:
    pulses = _poly1("IPPPoly", (0.0, PULSES / DURATION))
    return (
        f"<Timeline><CollectStart>{START}</CollectStart><CollectDuration>{DURATION}</CollectDuration>"
        f'<IPP size="1"><Set index="1"><TStart>0.0</TStart><TEnd>{DURATION}</TEnd><IPPStart>0</IPPStart>'
        f"<IPPEnd>{PULSES - 1}</IPPEnd>{pulses}</Set></IPP></Timeline>"
    )


def _position() -> str:
    heard = vector_poly("RcvAPCPoly", ORBIT, " index='1'")
    ways = vector_poly("ARPPoly", ORBIT) + vector_poly("TxAPCPoly", ORBIT)
    return f"<Position>{ways}<RcvAPC size='1'>{heard}</RcvAPC></Position>"


def _radar_collection(size: tuple[int, int]) -> str:
    low, high = FREQUENCY - BANDWIDTH / 2, FREQUENCY + BANDWIDTH / 2
    length = 2e-5
    corners = [f"{_lat_lon(corner)}<HAE>{HEIGHT}</HAE>" for corner in _ground_corners(size)]
    told = {f"CALIBRATION_{number}": f"{0.25 + number / 7:.6f}" for number in range(8)}
    return (
        f"<RadarCollection><TxFrequency><Min>{low!r}</Min><Max>{high!r}</Max></TxFrequency>"
        f'<Waveform size="1"><WFParameters index="1"><TxPulseLength>{length}</TxPulseLength>'
        f"<TxRFBandwidth>{BANDWIDTH!r}</TxRFBandwidth><TxFreqStart>{low!r}</TxFreqStart>"
        f"<TxFMRate>{BANDWIDTH / length!r}</TxFMRate><RcvDemodType>CHIRP</RcvDemodType>"
        f"<RcvWindowLength>6e-05</RcvWindowLength><ADCSampleRate>2e8</ADCSampleRate>"
        f"<RcvIFBandwidth>1.8e8</RcvIFBandwidth><RcvFreqStart>{low!r}</RcvFreqStart><RcvFMRate>0.0</RcvFMRate>"
        "</WFParameters></Waveform><TxPolarization>V</TxPolarization>"
        '<RcvChannels size="1"><ChanParameters index="1"><TxRcvPolarization>V:V</TxRcvPolarization>'
        "<RcvAPCIndex>1</RcvAPCIndex></ChanParameters>"
        f"</RcvChannels><Area><Corner>{_indexed('ACP', corners)}</Corner></Area>{_parameters(told)}</RadarCollection>"
    )


def _image_formation() -> str:
    low, high = FREQUENCY - BANDWIDTH / 2, FREQUENCY + BANDWIDTH / 2
    steps = "".join(
        f"<Processing><Type>{kind}</Type><Applied>true</Applied>{_parameters({'ORDER': str(order)})}</Processing>"
        for order, kind in enumerate(("Range compression", "Polar resampling", "Two-dimensional transform"))
    )
    return (
        "<ImageFormation><RcvChanProc><NumChanProc>1</NumChanProc><PRFScaleFactor>1.0</PRFScaleFactor>"
        "<ChanIndex>1</ChanIndex></RcvChanProc><TxRcvPolarizationProc>V:V</TxRcvPolarizationProc>"
        f"<TStartProc>0.0</TStartProc><TEndProc>{DURATION}</TEndProc><TxFrequencyProc><MinProc>{low!r}</MinProc>"
        f"<MaxProc>{high!r}</MaxProc></TxFrequencyProc><ImageFormAlgo>PFA</ImageFormAlgo><STBeamComp>NO</STBeamComp>"
        "<ImageBeamComp>SV</ImageBeamComp><AzAutofocus>NO</AzAutofocus><RgAutofocus>NO</RgAutofocus>"
        f"{steps}</ImageFormation>"
    )


def _aperture_centre() -> str:
    """Write SCPCOA (NGA.STND.0024-3, section 3)."""
    place, speed = at(ORBIT, MIDDLE)
    pull = ORBIT[:, 2:] @ (np.array([2.0, 6.0]) * MIDDLE ** np.arange(2))
    angles = _angles()
    return (
        f"<SCPCOA><SCPTime>{MIDDLE}</SCPTime><ARPPos>{xyz(place)}</ARPPos><ARPVel>{xyz(speed)}</ARPVel>"
        f"<ARPAcc>{xyz(pull)}</ARPAcc><SideOfTrack>{_side()}</SideOfTrack>"
        + "".join(f"<{name}>{value!r}</{name}>" for name, value in angles.items())
        + "</SCPCOA>"
    )


def _radiometric() -> str:
    gain = [[1.5e-3, -2e-9, 3e-13], [1e-9, 2e-14, 0.0], [-4e-13, 0.0, 0.0]]
    noise = _poly2("NoisePoly", [[-62.5, 1e-4, -3e-8], [2e-4, 0.0, 0.0], [-5e-8, 0.0, 0.0]])
    names = ("RCSSFPoly", "SigmaZeroSFPoly", "BetaZeroSFPoly", "GammaZeroSFPoly")
    area = 1 / (WIDTHS[0] * WIDTHS[1])
    graze = np.radians(_angles()["GrazeAng"])
    shares = (1.0, np.cos(_slope()) / area, 1 / area, np.cos(_slope()) / area / np.sin(graze))
    factors = "".join(_poly2(name, np.multiply(gain, share)) for name, share in zip(names, shares, strict=True))
    return (
        f"<Radiometric><NoiseLevel><NoiseLevelType>ABSOLUTE</NoiseLevelType>{noise}</NoiseLevel>{factors}</Radiometric>"
    )


def _antenna() -> str:
    row, col = axes(is_bistatic=False)
    turn = np.zeros((3, 2))
    beam = [[0.0, 0.0, -2.1e3], [0.0, 1.0, 0.0], [-1.9e3, 0.0, 0.0]]
    phase = [[0.0, 0.01, 0.0], [0.02, 0.0, 0.0], [0.0, 0.0, 0.0]]

    def pattern(name: str) -> str:
        return f"<{name}>{_poly2('GainPoly', beam)}{_poly2('PhasePoly', phase)}</{name}>"

    across, along = turn.copy(), turn.copy()
    across[:, 0], along[:, 0] = col, np.cross(row, col)
    body = (
        f"{vector_poly('XAxisPoly', across)}{vector_poly('YAxisPoly', along)}<FreqZero>{FREQUENCY!r}</FreqZero>"
        f"<EB>{_poly1('DCXPoly', (0.0, 1e-6))}{_poly1('DCYPoly', (0.0, -1e-6))}</EB>{pattern('Array')}{pattern('Elem')}"
        f"{_poly1('GainBSPoly', (0.0, 1e-3))}<EBFreqShift>false</EBFreqShift><MLFreqDilation>false</MLFreqDilation>"
    )
    return "<Antenna>" + "".join(f"<{name}>{body}</{name}>" for name in ("Tx", "Rcv", "TwoWay")) + "</Antenna>"


def _errors() -> str:
    deviations = "".join(
        f"<{name}>{value}</{name}>" for name, value in zip(PLACES, (1.0, 1.2, 0.9, 0.01, 0.012, 0.009), strict=True)
    )
    pairs = [f"{first}{second}" for number, first in enumerate(PLACES) for second in PLACES[number + 1 :]]
    correlations = "".join(f"<{pair}>{0.01 * (number % 7)}</{pair}>" for number, pair in enumerate(pairs))
    fade = "<CorrCoefZero>0.8</CorrCoefZero><DecorrRate>0.002</DecorrRate>"
    return (
        "<ErrorStatistics><CompositeSCP><Rg>1.1</Rg><Az>0.9</Az><RgAz>0.05</RgAz></CompositeSCP><Components>"
        f"<PosVelErr><Frame>RIC_ECF</Frame>{deviations}<CorrCoefs>{correlations}</CorrCoefs>"
        f"<PositionDecorr>{fade}</PositionDecorr></PosVelErr><RadarSensor><RangeBias>0.3</RangeBias>"
        f"<ClockFreqSF>1e-09</ClockFreqSF><TransmitFreqSF>1e-09</TransmitFreqSF><RangeBiasDecorr>{fade}</RangeBiasDecorr>"
        "</RadarSensor><TropoError><TropoRangeVertical>0.1</TropoRangeVertical><TropoRangeSlant>0.2</TropoRangeSlant>"
        f"<TropoRangeDecorr>{fade}</TropoRangeDecorr></TropoError><IonoError><IonoRangeVertical>0.02</IonoRangeVertical>"
        f"<IonoRgRgRateCC>0.1</IonoRgRgRateCC><IonoRangeVertDecorr>{fade}</IonoRangeVertDecorr></IonoError></Components>"
        "</ErrorStatistics>"
    )


PLACES = ("P1", "P2", "P3", "V1", "V2", "V3")


def _matches(name: str) -> str:
    others = _indexed(
        "MatchCollection",
        [f"<CoreName>{name}_{number}</CoreName><MatchIndex>{number}</MatchIndex>" for number in (1, 3)],
    )
    return (
        '<MatchInfo><NumMatchTypes>1</NumMatchTypes><MatchType index="1"><TypeID>COHERENT</TypeID>'
        f"<CurrentIndex>2</CurrentIndex><NumMatchCollections>2</NumMatchCollections>{others}</MatchType></MatchInfo>"
    )


def _polar_format() -> str:
    """Write PFA: angles and factors of spatial frequency are fitted along the orbit (NGA.STND.0024-1, PFA)."""
    row, col = axes(is_bistatic=False)
    ground, image = UP, np.cross(row, col)
    image = image if image @ CENTRE > 0 else -image
    times = np.linspace(0, DURATION, 41)
    reach = np.stack([at(ORBIT, t)[0] - CENTRE for t in times])
    shown = reach - np.outer(reach @ image / (ground @ image), ground)  # along the ground's normal onto the image plane
    angles = -np.arctan2(shown @ col, shown @ -row)
    factors = np.linalg.norm(shown, axis=1) / np.linalg.norm(reach, axis=1)
    factors = 1 / factors * (np.abs(np.einsum("ij,ij->i", shown, reach)) / np.linalg.norm(reach, axis=1) ** 2)
    polar = np.polynomial.Polynomial.fit(times, angles, 4).convert().coef
    factor = np.polynomial.Polynomial.fit(angles, factors, 3).convert().coef
    low, high = (2 * (FREQUENCY + side * BANDWIDTH / 2) / LIGHT for side in (-1, 1))
    return (
        f"<PFA><FPN>{xyz(ground)}</FPN><IPN>{xyz(image)}</IPN><PolarAngRefTime>{MIDDLE}</PolarAngRefTime>"
        f"{_poly1('PolarAngPoly', polar)}{_poly1('SpatialFreqSFPoly', factor)}<Krg1>{low!r}</Krg1><Krg2>{high!r}</Krg2>"
        f"<Kaz1>{-WIDTHS[1] / 2!r}</Kaz1><Kaz2>{WIDTHS[1] / 2!r}</Kaz2></PFA>"
    )


# ---- the parts of SIDD


def _sidd(size: tuple[int, int], name: str, corners: Any) -> bytes:
    rows, cols = size
    ring = ((0, 0), (0, cols - 1), (rows - 1, cols - 1), (rows - 1, 0))
    filtering = "<FilterBank><Predefined><DatabaseName>BILINEAR</DatabaseName></Predefined></FilterBank>"
    filters = {
        part: f"<{part}><FilterName>{part}</FilterName>{filtering}<Operation>{operation}</Operation></{part}>"
        for part, operation in (
            ("AntiAlias", "CONVOLUTION"),
            ("Interpolation", "CORRELATION"),
            ("ModularTransferFunctionEnhancement", "CONVOLUTION"),
        )
    }
    point = (
        row_col("Point", float(rows // 2), float(cols // 2))
        .replace("<Point", "<si:Point")
        .replace("</Point", "</si:Point")
    )
    places = [si_lat_lon(corner) for corner in corners]
    pixels = [f"<si:Row>{row}</si:Row><si:Col>{col}</si:Col>" for row, col in ring]
    angles = _angles()
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<SIDD xmlns="urn:SIDD:3.0.0" xmlns:si="urn:SICommon:1.0" xmlns:sfa="urn:SFA:1.2.0" xmlns:ism="urn:us:gov:ic:ism:13">
<ProductCreation><ProcessorInformation><Application>Synthesis</Application>
<ProcessingDateTime>2026-03-21T11:00:00Z</ProcessingDateTime><Site>Nowhere</Site></ProcessorInformation>
<Classification ism:DESVersion="13" ism:resourceElement="true" ism:createDate="2026-03-21" ism:compliesWith="USGov"
ism:ISMCATCESVersion="201903" ism:classification="U" ism:ownerProducer="USA"/>
<ProductName>{name}</ProductName><ProductClass>Detected Image</ProductClass></ProductCreation>
<Display><PixelType>MONO8I</PixelType><NumBands>1</NumBands>
<NonInteractiveProcessing band="1"><ProductGenerationOptions><DataRemapping><LUTName>DENSITY</LUTName><Predefined>
<DatabaseName>DENSITY</DatabaseName></Predefined></DataRemapping></ProductGenerationOptions>
<RRDS><DownsamplingMethod>DECIMATE</DownsamplingMethod></RRDS></NonInteractiveProcessing>
<InteractiveProcessing band="1"><GeometricTransform><Scaling>{filters["AntiAlias"]}{filters["Interpolation"]}</Scaling>
<Orientation><ShadowDirection>ARBITRARY</ShadowDirection></Orientation></GeometricTransform>
<SharpnessEnhancement>{filters["ModularTransferFunctionEnhancement"]}</SharpnessEnhancement>
<DynamicRangeAdjustment><AlgorithmType>NONE</AlgorithmType><BandStatsSource>1</BandStatsSource></DynamicRangeAdjustment>
</InteractiveProcessing></Display>
<GeoData><EarthModel>WGS_84</EarthModel><ImageCorners>{_indexed("ICP", places, CORNERS)}</ImageCorners>
<ValidData size="4">{_indexed("Vertex", places)}</ValidData></GeoData>
<Measurement><PlaneProjection>
<ReferencePoint><si:ECEF>{si(xyz(CENTRE))}</si:ECEF>{point}</ReferencePoint>{row_col("SampleSpacing", *SPACING)}
{si(_poly2("TimeCOAPoly", [[MIDDLE, 1e-7], [2e-7, 0.0]]))}
<ProductPlane><RowUnitVector>{si(xyz(np.cross(EAST, UP)))}</RowUnitVector>
<ColUnitVector>{si(xyz(EAST))}</ColUnitVector></ProductPlane>
</PlaneProjection>{row_col("PixelFootprint", rows, cols)}{si(vector_poly("ARPPoly", ORBIT))}
<ValidData size="4">{_indexed("Vertex", pixels)}</ValidData></Measurement>
<ExploitationFeatures><Collection identifier="{name}"><Information><SensorName>INVENTED</SensorName>
<RadarMode><si:ModeType>SPOTLIGHT</si:ModeType></RadarMode><CollectionDateTime>{START}</CollectionDateTime>
<CollectionDuration>{DURATION}</CollectionDuration>
<Resolution><si:Range>{1 / WIDTHS[0]!r}</si:Range><si:Azimuth>{1 / WIDTHS[1]!r}</si:Azimuth></Resolution>
<Polarization><TxPolarization>V</TxPolarization><RcvPolarization>V</RcvPolarization></Polarization></Information>
<Geometry><Azimuth>{angles["AzimAng"]!r}</Azimuth><Slope>{angles["SlopeAng"]!r}</Slope><Graze>{angles["GrazeAng"]!r}</Graze>
<Tilt>{angles["TwistAng"]!r}</Tilt><DopplerConeAngle>{angles["DopplerConeAng"]!r}</DopplerConeAngle></Geometry>
</Collection><Product>{row_col("Resolution", *(1 / width for width in WIDTHS))}<Ellipticity>1.2</Ellipticity>
<Polarization><TxPolarizationProc>V</TxPolarizationProc><RcvPolarizationProc>V</RcvPolarizationProc></Polarization>
<North>270.0</North></Product></ExploitationFeatures></SIDD>""".encode()


# ---- what both need


def _side() -> str:
    place, speed = at(ORBIT, MIDDLE)
    return "L" if np.cross(place, speed) @ (CENTRE - place) > 0 else "R"


def _slope() -> float:
    """Angle between the slant plane and the ground."""
    return float(np.radians(_angles()["SlopeAng"]))


def _angles() -> Mapping[str, float]:
    """Compute how the scene centre is seen at the middle of the aperture (NGA.STND.0024-3, section 3), in degrees."""
    place, speed = at(ORBIT, MIDDLE)
    reach = place - CENTRE
    slant = float(np.linalg.norm(reach))
    look = unit(reach)
    left = np.cross(unit(place), unit(speed))
    side = 1 if left @ -look > 0 else -1
    normal = unit(side * np.cross(reach, speed))  # of the slant plane, upwards
    ahead = unit(reach - (reach @ UP) * UP)  # on the ground, towards the platform
    sideways = np.cross(UP, ahead)
    graze = np.arcsin(look @ UP)
    north = np.cross(UP, EAST)
    shift = UP - normal / (normal @ UP)
    ground = float(np.linalg.norm(CENTRE) * np.arccos(unit(CENTRE) @ unit(place)))
    return {
        "SlantRange": slant,
        "GroundRange": ground,
        "DopplerConeAng": float(np.degrees(np.arccos(unit(speed) @ -look))),
        "GrazeAng": float(np.degrees(graze)),
        "IncidenceAng": float(90 - np.degrees(graze)),
        "TwistAng": float(-np.degrees(np.arcsin(sideways @ normal))),
        "SlopeAng": float(np.degrees(np.arccos(UP @ normal))),
        "AzimAng": float(np.degrees(np.arctan2(ahead @ EAST, ahead @ north)) % 360),
        "LayoverAng": float(np.degrees(np.arctan2(shift @ EAST, shift @ north)) % 360),
    }


def _ground_corners(size: tuple[int, int]) -> np.ndarray:
    """Give ``(lat, lon)`` of the corner pixels, along the slant plane's normal onto the ground plane."""
    rows, cols = size
    row, col = axes(is_bistatic=False)
    normal = np.cross(row, col)
    points = []
    for at_row, at_col in ((0, 0), (0, cols - 1), (rows - 1, cols - 1), (rows - 1, 0)):
        offset = (at_row - rows // 2) * SPACING[0] * row + (at_col - cols // 2) * SPACING[1] * col
        points.append(CENTRE + offset - (offset @ UP) / (normal @ UP) * normal)
    lons, lats, _ = to_geodetic(np.stack(points, axis=1))
    return np.stack([lats, lons], axis=1)


def _lat_lon(place: Sequence[float]) -> str:
    return f"<Lat>{float(place[0])!r}</Lat><Lon>{float(place[1])!r}</Lon>"


def si_lat_lon(place: Sequence[float]) -> str:
    """Write a place in SIDD's namespace of shared types."""
    return f"<si:Lat>{float(place[0])!r}</si:Lat><si:Lon>{float(place[1])!r}</si:Lon>"


def _indexed(name: str, bodies: Iterable[str], indices: Iterable[Any] = range(1, 1000)) -> str:
    return "".join(f'<{name} index="{index}">{body}</{name}>' for index, body in zip(indices, bodies, strict=False))


def _parameters(told: Mapping[str, str]) -> str:
    return "".join(f'<Parameter name="{name}">{text}</Parameter>' for name, text in told.items())


def _poly1(name: str, values: Any) -> str:
    return f'<{name} order1="{len(values) - 1}">{poly1(values)}</{name}>'


def _poly2(name: str, table: Any) -> str:
    return f"<{name} {poly_attributes(table)}>{poly2(table)}</{name}>"
