"""SICD and SIDD documents of made-up collections that are possible: an orbit, a scene, each of the grids."""

from __future__ import annotations

import numpy as np

from stacchip_osml.geometry.ellipsoid import to_ecef

ROWS, COLS = 400, 600
HEIGHT = 120.0
CENTRE = to_ecef(np.array([12.5]), np.array([47.9]), np.array([HEIGHT]))[:, 0]
LIGHT = 299792458.0
DURATION = 2.0


def orbit(lon: float, lat: float, height: float, heading: float) -> np.ndarray:
    """Coefficients ``(3, 4)`` of a platform's way: place, speed, pull of the Earth, and a little more."""
    place = to_ecef(np.array([lon]), np.array([lat]), np.array([height]))[:, 0]
    ahead = to_ecef(*(np.array([value]) for value in (lon + np.sin(heading), lat + np.cos(heading), height)))[:, 0]
    up = place / np.linalg.norm(place)
    way = ahead - place - ((ahead - place) @ up) * up
    speed = 7500.0 * way / np.linalg.norm(way)
    pull = -3.986e14 / np.linalg.norm(place) ** 2 * up
    middle = np.stack([place, speed, pull / 2, speed * 1e-9], axis=1)
    shift = -DURATION / 2  # polynomials begin with the collection, the middle is at half of it
    a, b, c, d = middle.T
    return np.stack(
        [a + shift * (b + shift * (c + shift * d)), b + shift * (2 * c + 3 * shift * d), c + 3 * shift * d, d], axis=1
    )


ORBIT = orbit(6.0, 47.0, 510e3, 0.2)
RECEIVER = orbit(5.0, 45.5, 530e3, 0.3)


def at(way: np.ndarray, t: float) -> tuple[np.ndarray, np.ndarray]:
    powers = t ** np.arange(4)
    return way @ powers, way[:, 1:] @ (powers[:3] * [1, 2, 3])


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def xyz(vector) -> str:
    return "".join(f"<{axis}>{value!r}</{axis}>" for axis, value in zip("XYZ", map(float, vector), strict=True))


def poly1(values) -> str:
    return "".join(f'<Coef exponent1="{i}">{float(v)!r}</Coef>' for i, v in enumerate(values))


def poly2(table) -> str:
    table = np.atleast_2d(table)
    return "".join(f'<Coef exponent1="{i}" exponent2="{j}">{float(v)!r}</Coef>' for (i, j), v in np.ndenumerate(table))


def poly_attributes(table) -> str:
    table = np.atleast_2d(table)
    return f'order1="{table.shape[0] - 1}" order2="{table.shape[1] - 1}"'


def vector_poly(name: str, way: np.ndarray, extra: str = "") -> str:
    axes = "".join(
        f'<{axis} order1="{len(row) - 1}">{poly1(row)}</{axis}>' for axis, row in zip("XYZ", way, strict=True)
    )
    return f"<{name}{extra}>{axes}</{name}>"


def axes(is_bistatic: bool) -> tuple[np.ndarray, np.ndarray]:
    """Row and column directions of a slant plane, at right angles."""
    place, speed = at(ORBIT, DURATION / 2)
    row = unit(CENTRE - place)
    if is_bistatic:
        row = unit(row + unit(CENTRE - at(RECEIVER, DURATION / 2)[0]))
    return row, unit(speed - (speed @ row) * row)


ALGORITHMS = {
    "PFA": ("RGAZIM", "PFA"),
    "RGAZCOMP": ("RGAZIM", "RGAZCOMP"),
    "INCA": ("RGZERO", "RMA"),
    "XRGYCR": ("XRGYCR", "RMA"),
    "PLANE": ("PLANE", "OTHER"),
    "XCTYAT": ("XCTYAT", "RMA"),
}

OFFSETS = f"""<AdjustableParameterOffsets><ARPPosSCPCOA>{xyz((3, -2, 1))}</ARPPosSCPCOA>
<ARPVel>{xyz((0.01, 0.02, -0.03))}</ARPVel><TxTimeSCPCOA>1e-8</TxTimeSCPCOA><RcvTimeSCPCOA>3e-8</RcvTimeSCPCOA>
</AdjustableParameterOffsets>"""


def platform(name: str) -> str:
    return (
        f"<{name}><APCPosSCPCOA>{xyz((3, -2, 1))}</APCPosSCPCOA><APCVel>{xyz((0.01, 0.02, -0.03))}</APCVel>"
        f"<TimeSCPCOA>{1e-8 if name[0] == 'T' else 3e-8}</TimeSCPCOA><ClockFreqSF>1e-9</ClockFreqSF></{name}>"
    )


BISTATIC_OFFSETS = (
    f"<BistaticAdjustableParameterOffsets>{platform('TxPlatform')}{platform('RcvPlatform')}"
    "</BistaticAdjustableParameterOffsets>"
)


def sicd(
    kind: str = "PFA", *, bistatic: bool = False, offsets: bool = False, first=(20, 30), size=(ROWS, COLS)
) -> bytes:
    """SICD 1.4 XML of a collection; ``first`` and ``size`` are those of a chip of it."""
    grid, algorithm = ALGORITHMS[kind]
    middle = DURATION / 2
    (place, speed), (heard, drift) = at(ORBIT, middle), at(RECEIVER, middle)
    row, col = axes(bistatic)
    reach = float(np.linalg.norm(CENTRE - place))
    time = [[middle, 1e-7], [2e-6, 0.0]] if kind != "PFA" else [[middle]]
    side = "L" if np.cross(speed, CENTRE - place) @ place > 0 else "R"
    special = {
        "PFA": "<PFA><PolarAngPoly order1='2'>" + poly1((0.011, -0.011, 1e-6)) + "</PolarAngPoly>"
        "<SpatialFreqSFPoly order1='2'>" + poly1((1.0, 1e-4, 0.3)) + "</SpatialFreqSFPoly></PFA>",
        "RGAZCOMP": f"<RgAzComp><AzSF>{1 / reach!r}</AzSF></RgAzComp>",
        "INCA": f"<RMA><INCA><TimeCAPoly order1='2'>{poly1((middle + 0.01, 1.4e-4, 1e-12))}</TimeCAPoly>"
        f"<R_CA_SCP>{reach!r}</R_CA_SCP><DRateSFPoly order1='1' order2='1'>{poly2([[0.95, 1e-9], [1e-8, 0]])}"
        "</DRateSFPoly></INCA></RMA>",
    }.get(kind, "")
    lla = f"<Lat>47.9</Lat><Lon>12.5</Lon><HAE>{HEIGHT}</HAE>"
    pair = ""
    channels = ""
    ways = vector_poly("ARPPoly", ORBIT)
    if bistatic:
        pair = f"""<Bistatic>
        <TxPlatform><Time>{middle}</Time><Pos>{xyz(place)}</Pos><Vel>{xyz(speed)}</Vel></TxPlatform>
        <RcvPlatform><Time>{middle}</Time><Pos>{xyz(heard)}</Pos><Vel>{xyz(drift)}</Vel></RcvPlatform></Bistatic>"""
        still = CENTRE[:, None] * [[1, 0, 0, 0]]
        ways += vector_poly("GRPPoly", still) + vector_poly("TxAPCPoly", ORBIT)
        heard_by = vector_poly("RcvAPCPoly", RECEIVER, " index='1'")
        ways += f"<RcvAPC size='1'>{heard_by}</RcvAPC>"
        channels = """<RcvChannels size="1"><ChanParameters index="1"><RcvAPCIndex>1</RcvAPCIndex></ChanParameters>
        </RcvChannels>"""
    error = f"<ErrorStatistics>{BISTATIC_OFFSETS if bistatic else OFFSETS}</ErrorStatistics>" if offsets else ""
    return f"""<?xml version="1.0"?><SICD xmlns="urn:SICD:1.4.0">
    <CollectionInfo><CollectType>{"BISTATIC" if bistatic else "MONOSTATIC"}</CollectType></CollectionInfo>
    <ImageData><NumRows>{size[0]}</NumRows><NumCols>{size[1]}</NumCols><FirstRow>{first[0]}</FirstRow>
    <FirstCol>{first[1]}</FirstCol><SCPPixel><Row>230</Row><Col>340</Col></SCPPixel></ImageData>
    <GeoData><SCP><ECF>{xyz(CENTRE)}</ECF><LLH>{lla}</LLH></SCP></GeoData>
    <Grid><Type>{grid}</Type><TimeCOAPoly {poly_attributes(time)}>{poly2(time)}</TimeCOAPoly>
    <Row><UVectECF>{xyz(row)}</UVectECF><SS>0.8</SS></Row><Col><UVectECF>{xyz(col)}</UVectECF><SS>0.6</SS></Col></Grid>
    <RadarCollection>{channels}</RadarCollection>
    <ImageFormation><RcvChanProc><ChanIndex>1</ChanIndex></RcvChanProc>
    <ImageFormAlgo>{algorithm}</ImageFormAlgo></ImageFormation>
    <Position>{ways}</Position>
    <SCPCOA><SCPTime>{middle}</SCPTime><ARPPos>{xyz(place)}</ARPPos><ARPVel>{xyz(speed)}</ARPVel>
    <SideOfTrack>{side}</SideOfTrack><GrazeAng>35</GrazeAng>{pair}</SCPCOA>{error}{special}</SICD>""".encode()


def row_col(name: str, row: float, col: float) -> str:
    return f"<{name}><si:Row>{row!r}</si:Row><si:Col>{col!r}</si:Col></{name}>"


def si(text: str) -> str:
    """Put the names of coordinates and coefficients into the namespace that SIDD has for them."""
    for name in ("X", "Y", "Z", "Coef"):
        text = (
            text.replace(f"<{name}>", f"<si:{name}>")
            .replace(f"<{name} ", f"<si:{name} ")
            .replace(f"</{name}>", f"</si:{name}>")
        )
    return text


def sidd(projection: str = "Plane", *, chip: str = "", size=(ROWS, COLS), extra: str = "") -> bytes:
    """SIDD 3.0 XML of an image of the same scene."""
    up = unit(CENTRE * [1, 1, 1.0067])
    east = unit(np.array([-CENTRE[1], CENTRE[0], 0.0]))
    north = np.cross(up, east)
    row, col = -north * np.cos(0.3) + east * np.sin(0.3), east * np.cos(0.3) + north * np.sin(0.3)
    spacing = (0.7, 0.9) if projection != "Geographic" else (0.02, 0.03)
    time = [[1.0, 1e-5], [3e-5, 1e-9]]
    point = row_col("Point", 180.25, 310.5).replace("<Point", "<si:Point").replace("</Point", "</si:Point")
    point = f"<ReferencePoint><si:ECEF>{si(xyz(CENTRE))}</si:ECEF>{point}</ReferencePoint>"
    common = (
        point
        + row_col("SampleSpacing", *spacing)
        + si(f"<TimeCOAPoly {poly_attributes(time)}>{poly2(time)}</TimeCOAPoly>")
    )
    special = {
        "Plane": f"<ProductPlane><RowUnitVector>{si(xyz(row))}</RowUnitVector>"
        f"<ColUnitVector>{si(xyz(col))}</ColUnitVector></ProductPlane>",
        "Cylindrical": f"<StripmapDirection>{si(xyz(col))}</StripmapDirection>",
    }.get(projection, "")
    body = common + special + extra
    if projection == "Polynomial":
        tables = {
            "RowColToLat": [[47.91, 1e-8], [-8e-6, 1e-13]],
            "RowColToLon": [[12.49, 1.2e-5], [2e-8, -2e-13]],
            "RowColToAlt": [[120.0, 1e-3], [2e-3, 0]],
            "LatLonToRow": [[47.91 / 8e-6, 0], [-1 / 8e-6, 0]],
            "LatLonToCol": [[-12.49 / 1.2e-5, 1 / 1.2e-5], [0, 0]],
        }
        body = point + "".join(
            si(f"<{name} {poly_attributes(table)}>{poly2(table)}</{name}>") for name, table in tables.items()
        )
    reprocessing = f"<DownstreamReprocessing>{chip}</DownstreamReprocessing>" if chip else ""
    return f"""<SIDD xmlns="urn:SIDD:3.0.0" xmlns:si="urn:SICommon:1.0">
    <Measurement><{projection}Projection>{body}</{projection}Projection>{row_col("PixelFootprint", *size)}
    {si(vector_poly("ARPPoly", ORBIT))}</Measurement>{reprocessing}</SIDD>""".encode()


def geometric_chip(size: tuple[int, int], corners) -> str:
    """GeometricChip; corners (row, col) of upper left, upper right, lower left, lower right."""
    names = ("UpperLeft", "UpperRight", "LowerLeft", "LowerRight")
    return (
        f"<GeometricChip>{row_col('ChipSize', *size)}"
        + "".join(
            row_col(f"Original{name}Coordinate", *map(float, at)) for name, at in zip(names, corners, strict=True)
        )
        + "</GeometricChip>"
    )
