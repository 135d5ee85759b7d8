"""Whole SIDD 3.0.0 documents of the same collection."""

from __future__ import annotations

from typing import Any

import numpy as np

from stacchip_osml.geometry import SiddModel
from stacchip_osml.geometry.sidd_fields import parse_sidd
from tests.geometry.radar_collection import (
    CORNERS,
    EAST,
    MIDDLE,
    SPACING,
    START,
    UP,
    WIDTHS,
    angles_of_sight,
    indexed,
    poly2_of,
    si_lat_lon,
)
from tests.geometry.sensor_documents import CENTRE, DURATION, ORBIT, row_col, si, vector_poly, xyz

__all__ = ["sidd_document"]


def sidd_document(size: tuple[int, int], *, name: str = "21MAR26INVENTED01") -> bytes:
    """Write SIDD 3.0.0 XML (NGA.STND.0025-1) of an image of ``(rows, cols)`` on the plane of its ground."""
    zeros = np.zeros((4, 2))
    model = SiddModel(parse_sidd(_sidd(size, name, zeros)))
    rows, cols = size
    lons, lats, *_ = model.image_to_world([0, cols, cols, 0], [0, 0, rows, rows])
    return _sidd(size, name, np.stack([lats, lons], axis=1))


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
    angles = angles_of_sight()
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
<GeoData><EarthModel>WGS_84</EarthModel><ImageCorners>{indexed("ICP", places, CORNERS)}</ImageCorners>
<ValidData size="4">{indexed("Vertex", places)}</ValidData></GeoData>
<Measurement><PlaneProjection>
<ReferencePoint><si:ECEF>{si(xyz(CENTRE))}</si:ECEF>{point}</ReferencePoint>{row_col("SampleSpacing", *SPACING)}
{si(poly2_of("TimeCOAPoly", [[MIDDLE, 1e-7], [2e-7, 0.0]]))}
<ProductPlane><RowUnitVector>{si(xyz(np.cross(EAST, UP)))}</RowUnitVector>
<ColUnitVector>{si(xyz(EAST))}</ColUnitVector></ProductPlane>
</PlaneProjection>{row_col("PixelFootprint", rows, cols)}{si(vector_poly("ARPPoly", ORBIT))}
<ValidData size="4">{indexed("Vertex", pixels)}</ValidData></Measurement>
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
