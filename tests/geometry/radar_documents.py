"""Whole SICD 1.3.0 documents of an invented spotlight collection, as long and as full as real ones.

The collection is that of ``sensor_documents``: an orbit, a scene at its centre, the
slant plane between them. Whatever follows from it (angles, spatial frequencies,
corners) is computed; calibration and error tables are invented, smooth and small.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.geometry.radar_collection import (
    BANDWIDTH,
    CORNERS,
    FREQUENCY,
    MIDDLE,
    PULSES,
    SPACING,
    START,
    UP,
    WIDTHS,
    angles_of_sight,
    ground_corners,
    indexed,
    lat_lon,
    parameters,
    poly1_of,
    poly2_of,
    side_of_track,
    slope,
)
from tests.geometry.sensor_documents import CENTRE, DURATION, HEIGHT, LIGHT, ORBIT, at, axes, vector_poly, xyz

__all__ = ["sicd_document"]


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


# ---- parts of SICD, in their order


def _collection(name: str) -> str:
    told = {"COLLECTION_PLAN": "INVENTED", "LOOK": "RIGHT", "ORBIT_DIRECTION": "ASCENDING", "PRODUCT": "SPOT"}
    return (
        f"<CollectionInfo><CollectorName>INVENTED</CollectorName><CoreName>{name}</CoreName>"
        "<CollectType>MONOSTATIC</CollectType><RadarMode><ModeType>SPOTLIGHT</ModeType><ModeID>SPOT</ModeID></RadarMode>"
        f"<Classification>UNCLASSIFIED</Classification><CountryCode>DE</CountryCode>{parameters(told)}</CollectionInfo>"
        "<ImageCreation><Application>Synthesis</Application><DateTime>2026-03-21T11:00:00Z</DateTime>"
        "<Site>Nowhere</Site><Profile>Fast</Profile></ImageCreation>"
    )


def _image_data(size: tuple[int, int]) -> str:
    rows, cols = size
    ring = ((0, 0), (0, cols - 1), (rows - 1, cols - 1), (rows - 1, 0))
    vertices = indexed("Vertex", [f"<Row>{row}</Row><Col>{col}</Col>" for row, col in ring])
    return (
        f"<ImageData><PixelType>RE32F_IM32F</PixelType><NumRows>{rows}</NumRows><NumCols>{cols}</NumCols>"
        f"<FirstRow>0</FirstRow><FirstCol>0</FirstCol><FullImage><NumRows>{rows}</NumRows><NumCols>{cols}</NumCols>"
        f"</FullImage><SCPPixel><Row>{rows // 2}</Row><Col>{cols // 2}</Col></SCPPixel>"
        f'<ValidData size="4">{vertices}</ValidData></ImageData>'
    )


def _geo_data(size: tuple[int, int]) -> str:
    corners = ground_corners(size)
    ring = indexed("Vertex", map(lat_lon, corners))
    places = "".join(
        f'<GeoInfo name="Place {number}"><Desc name="kind">village</Desc><Point>{lat_lon(corner)}</Point></GeoInfo>'
        for number, corner in enumerate(corners.mean(axis=0) + 0.3 * (corners - corners.mean(axis=0)), 1)
    )
    return (
        f"<GeoData><EarthModel>WGS_84</EarthModel><SCP><ECF>{xyz(CENTRE)}</ECF><LLH><Lat>47.9</Lat><Lon>12.5</Lon>"
        f"<HAE>{HEIGHT}</HAE></LLH></SCP>"
        f"<ImageCorners>{indexed('ICP', map(lat_lon, corners), CORNERS)}</ImageCorners>"
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
            f"{poly2_of('DeltaKCOAPoly', [[0.0]])}<WgtType><WindowName>UNIFORM</WindowName></WgtType></{name}>"
        )

    time = poly2_of("TimeCOAPoly", [[MIDDLE]])
    plane = "<ImagePlane>SLANT</ImagePlane><Type>RGAZIM</Type>"
    return f"<Grid>{plane}{time}{direction('Row', row, 0)}{direction('Col', col, 1)}</Grid>"


def _timeline() -> str:
    pulses = poly1_of("IPPPoly", (0.0, PULSES / DURATION))
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
    corners = [f"{lat_lon(corner)}<HAE>{HEIGHT}</HAE>" for corner in ground_corners(size)]
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
        f"</RcvChannels><Area><Corner>{indexed('ACP', corners)}</Corner></Area>{parameters(told)}</RadarCollection>"
    )


def _image_formation() -> str:
    low, high = FREQUENCY - BANDWIDTH / 2, FREQUENCY + BANDWIDTH / 2
    steps = "".join(
        f"<Processing><Type>{kind}</Type><Applied>true</Applied>{parameters({'ORDER': str(order)})}</Processing>"
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
    angles = angles_of_sight()
    return (
        f"<SCPCOA><SCPTime>{MIDDLE}</SCPTime><ARPPos>{xyz(place)}</ARPPos><ARPVel>{xyz(speed)}</ARPVel>"
        f"<ARPAcc>{xyz(pull)}</ARPAcc><SideOfTrack>{side_of_track()}</SideOfTrack>"
        + "".join(f"<{name}>{value!r}</{name}>" for name, value in angles.items())
        + "</SCPCOA>"
    )


def _radiometric() -> str:
    gain = [[1.5e-3, -2e-9, 3e-13], [1e-9, 2e-14, 0.0], [-4e-13, 0.0, 0.0]]
    noise = poly2_of("NoisePoly", [[-62.5, 1e-4, -3e-8], [2e-4, 0.0, 0.0], [-5e-8, 0.0, 0.0]])
    names = ("RCSSFPoly", "SigmaZeroSFPoly", "BetaZeroSFPoly", "GammaZeroSFPoly")
    area = 1 / (WIDTHS[0] * WIDTHS[1])
    graze = np.radians(angles_of_sight()["GrazeAng"])
    shares = (1.0, np.cos(slope()) / area, 1 / area, np.cos(slope()) / area / np.sin(graze))
    factors = "".join(poly2_of(name, np.multiply(gain, share)) for name, share in zip(names, shares, strict=True))
    return (
        f"<Radiometric><NoiseLevel><NoiseLevelType>ABSOLUTE</NoiseLevelType>{noise}</NoiseLevel>{factors}</Radiometric>"
    )


def _antenna() -> str:
    row, col = axes(is_bistatic=False)
    turn = np.zeros((3, 2))
    beam = [[0.0, 0.0, -2.1e3], [0.0, 1.0, 0.0], [-1.9e3, 0.0, 0.0]]
    phase = [[0.0, 0.01, 0.0], [0.02, 0.0, 0.0], [0.0, 0.0, 0.0]]

    def pattern(name: str) -> str:
        return f"<{name}>{poly2_of('GainPoly', beam)}{poly2_of('PhasePoly', phase)}</{name}>"

    across, along = turn.copy(), turn.copy()
    across[:, 0], along[:, 0] = col, np.cross(row, col)
    body = (
        f"{vector_poly('XAxisPoly', across)}{vector_poly('YAxisPoly', along)}<FreqZero>{FREQUENCY!r}</FreqZero>"
        f"<EB>{poly1_of('DCXPoly', (0.0, 1e-6))}{poly1_of('DCYPoly', (0.0, -1e-6))}</EB>"
        f"{pattern('Array')}{pattern('Elem')}"
        f"{poly1_of('GainBSPoly', (0.0, 1e-3))}<EBFreqShift>false</EBFreqShift><MLFreqDilation>false</MLFreqDilation>"
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
    others = indexed(
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
        f"{poly1_of('PolarAngPoly', polar)}{poly1_of('SpatialFreqSFPoly', factor)}"
        f"<Krg1>{low!r}</Krg1><Krg2>{high!r}</Krg2>"
        f"<Kaz1>{-WIDTHS[1] / 2!r}</Kaz1><Kaz2>{WIDTHS[1] / 2!r}</Kaz2></PFA>"
    )
