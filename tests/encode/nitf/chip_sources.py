"""Parents for chips: NITF files with metadata of all kinds, and chips cut from them."""

import io
import logging
from pathlib import Path

import jbpy
import numpy as np
from affine import Affine

from stacchip_osml.encode.chip import Chip, ChipOrigin
from stacchip_osml.encode.nitf import DataExtension, NitfFile, NitfImage, write_nitf, xml_user_header
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.pixel import ImageSize, PixelWindow


def scene_pixels(shape, dtype="uint8", seed=0):
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(size=shape).astype(dtype)
    return rng.integers(1, 200, shape).astype(dtype)


def write_parent(path, pixels, *, fields=(), tres=(), file_fields=(), file_tres=(), extensions=(), version="NITF02.10"):
    """Write a NITF file to be cut from."""
    bands = len(pixels)
    plain = {"IC": "NC", "IREP": "MONO" if bands == 1 else "MULTI", "ICAT": "VIS"}
    image = NitfImage(
        pixels=BufferedImageAssetProvider.from_array(pixels), fields={**plain, **dict(fields)}, tres=tuple(tres)
    )
    write_nitf(
        path,
        NitfFile(
            version=version,
            fields=dict(file_fields),
            tres=tuple(file_tres),
            images=(image,),
            extensions=tuple(extensions),
        ),
    )
    return str(Path(path).absolute())


def cut(source, window, *, size=None, pixels=None, locate=True, **origin):
    """Cut a chip from an image file, as those who cut do: ``size`` other than the window's is resampled."""
    image = BlockImage(source) if isinstance(source, str) else source
    header, (x, y, width, height) = image.header, window
    size = ImageSize(round(width), round(height)) if size is None else ImageSize(*size)
    if pixels is None:
        shape = len(header.bands), size.height, size.width
        pixels = np.zeros(shape, header.bands[0].dtype)
        if size == (width, height) and min(x, y) >= 0 and x + width <= header.size.width:
            found = image.read(PixelWindow(*map(int, window)))
            pixels = pixels + pixels.dtype.type(header.bands[0].nodata) if found is None else found.pixels
        else:
            pixels[:] = scene_pixels(shape).astype(pixels.dtype)
    settings = {"bands": tuple(range(len(header.bands))), "locator": load_sensor_model(image) if locate else None}
    transform, crs = None, None
    if header.transform is not None and header.crs is not None:
        transform, crs = Affine(*header.transform) * Affine.translation(x, y), header.crs
        transform *= Affine.scale(width / size.width, height / size.height)
    return Chip(
        pixels=pixels,
        mask=np.ones(pixels.shape, bool),
        window=PixelWindow(int(x), int(y), max(int(width), 1), max(int(height), 1)),
        transform=transform,
        crs=crs,
        origin=ChipOrigin(
            name=Path(image.title).name,
            image_size=header.size,
            window=tuple(map(float, window)),
            provider=image,
            **{**settings, **origin},
        ),
    )


def jbpy_of(data):
    """The file as jbpy reads it; what jbpy calls invalid is an error."""
    problems = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: problems.append(record.getMessage())
    logging.getLogger("jbpy").addHandler(handler)
    try:
        file = jbpy.Jbp()
        file.load(io.BytesIO(data))
        file.finalize()
    finally:
        logging.getLogger("jbpy").removeHandler(handler)
    assert problems == []
    return file


def radar_extension(xml, kind):
    """The DES that carries SICD or SIDD XML."""
    header = xml_user_header(
        {
            "DESSHSI": f"{kind} Volume 1 Design & Implementation Description Document",
            "DESSHSV": "1.2.1" if kind == "SICD" else "3.0",
            "DESSHSD": "2018-12-13T00:00:00Z",
            "DESSHTN": xml[xml.index(b"urn:") :].split(b'"')[0].decode(),
            "DESSHLPG": "+00.00000000+000.00000000" * 5,
        }
    )
    return DataExtension(fields={"DESID": "XML_DATA_CONTENT", "DESVER": "01"}, user_header=header, data=xml)


def sicd_xml(rows, cols, *, first=(0, 0), valid=True):
    """The part of a SICD document that a chip changes or needs; at the equator, range to the east."""
    names = ("1:FRFC", "2:FRLC", "3:LRLC", "4:LRFC")
    places = ((0.01, -0.01), (0.01, 0.01), (-0.01, 0.01), (-0.01, -0.01))
    corners = "".join(
        f'<ICP index="{name}"><Lat>{lat}</Lat><Lon>{lon}</Lon></ICP>'
        for name, (lat, lon) in zip(names, places, strict=True)
    )
    ring = ((0, cols // 2), (rows // 2, cols - 1), (rows - 1, cols // 2), (rows // 2, 0))
    image_valid = "".join(
        f'<Vertex index="{n}"><Row>{row}</Row><Col>{col}</Col></Vertex>' for n, (row, col) in enumerate(ring, 1)
    )

    def polynomial(axis, start, rate):
        return f'<{axis} order1="1"><Coef exponent1="0">{start}</Coef><Coef exponent1="1">{rate}</Coef></{axis}>'

    ground_valid = "".join(f'<Vertex index="{n}"><Lat>0</Lat><Lon>0</Lon></Vertex>' for n in range(1, 5))
    return f"""<SICD xmlns="urn:SICD:1.2.1"><ImageData><PixelType>RE32F_IM32F</PixelType>
<NumRows>{rows}</NumRows><NumCols>{cols}</NumCols><FirstRow>{first[0]}</FirstRow><FirstCol>{first[1]}</FirstCol>
<FullImage><NumRows>{rows + first[0]}</NumRows><NumCols>{cols + first[1]}</NumCols></FullImage>
<SCPPixel><Row>{rows // 2}</Row><Col>{cols // 2}</Col></SCPPixel>
{f'<ValidData size="4">{image_valid}</ValidData>' if valid else ""}</ImageData>
<GeoData><SCP><ECF><X>6378137</X><Y>0</Y><Z>0</Z></ECF><LLH><Lat>0</Lat><Lon>0</Lon><HAE>0</HAE></LLH></SCP>
<ImageCorners>{corners}</ImageCorners>
{f'<ValidData size="4">{ground_valid}</ValidData>' if valid else ""}</GeoData>
<Grid><Type>PLANE</Type>
<TimeCOAPoly order1="0" order2="0"><Coef exponent1="0" exponent2="0">0</Coef></TimeCOAPoly>
<Row><UVectECF><X>-0.6</X><Y>0.8</Y><Z>0</Z></UVectECF><SS>0.5</SS></Row>
<Col><UVectECF><X>0</X><Y>0</Y><Z>-1</Z></UVectECF><SS>0.4</SS></Col></Grid>
<Position><ARPPoly>{polynomial("X", 6828137, 0)}{polynomial("Y", -600000, 0)}{polynomial("Z", 0, 7500)}</ARPPoly>
</Position><ImageFormation><ImageFormAlgo>OTHER</ImageFormAlgo></ImageFormation>
<SCPCOA><SCPTime>0</SCPTime><ARPPos><X>6828137</X><Y>-600000</Y><Z>0</Z></ARPPos><ARPVel><X>0</X><Y>0</Y><Z>7500</Z></ARPVel>
<SideOfTrack>R</SideOfTrack></SCPCOA></SICD>""".encode()


def sidd_xml(rows, cols, *, version=3, chip=""):
    """The part of a SIDD document that a chip changes or needs, of versions 1 and 3."""
    common = "urn:SICommon:1.0" if version > 1 else "urn:SICommon:0.1"
    places = ((0.01, -0.01), (0.01, 0.01), (-0.01, 0.01), (-0.01, -0.01))

    def points(tag, indices):
        return "".join(
            f'<{tag} index="{index}"><c:Lat>{lat}</c:Lat><c:Lon>{lon}</c:Lon></{tag}>'
            for index, (lat, lon) in zip(indices, places, strict=True)
        )

    icps = points("ICP", ("1:FRFC", "2:FRLC", "3:LRLC", "4:LRFC"))
    vertices = points("Vertex", range(1, 5))
    ring = ((0, 0), (0, cols - 1), (rows - 1, cols - 1), (rows - 1, 0))
    valid = "".join(
        f'<Vertex index="{n}"><c:Row>{row}</c:Row><c:Col>{col}</c:Col></Vertex>' for n, (row, col) in enumerate(ring, 1)
    )
    if version == 1:
        geo = f'<GeographicAndTarget><GeographicCoverage><Footprint size="4">{vertices}</Footprint></GeographicCoverage></GeographicAndTarget>'  # noqa: E501
    else:
        geo = f'<GeoData><ImageCorners>{icps}</ImageCorners><ValidData size="4">{vertices}</ValidData></GeoData>'
    return f"""<SIDD xmlns="urn:SIDD:{version}.0.0" xmlns:c="{common}">
<Display><PixelType>MONO8I</PixelType></Display>{geo}<Measurement><PlaneProjection>
<ReferencePoint><c:ECEF><c:X>6378137</c:X><c:Y>0</c:Y><c:Z>0</c:Z></c:ECEF>
<c:Point><c:Row>{rows // 2}</c:Row><c:Col>{cols // 2}</c:Col></c:Point></ReferencePoint>
<SampleSpacing><c:Row>2</c:Row><c:Col>1.5</c:Col></SampleSpacing>
<TimeCOAPoly order1="0" order2="0"><c:Coef exponent1="0" exponent2="0">0</c:Coef></TimeCOAPoly>
<ProductPlane><RowUnitVector><c:X>0</c:X><c:Y>0</c:Y><c:Z>-1</c:Z></RowUnitVector>
<ColUnitVector><c:X>0</c:X><c:Y>1</c:Y><c:Z>0</c:Z></ColUnitVector></ProductPlane></PlaneProjection>
<PixelFootprint><c:Row>{rows}</c:Row><c:Col>{cols}</c:Col></PixelFootprint>
<ARPPoly><c:X order1="1"><c:Coef exponent1="0">6900000</c:Coef><c:Coef exponent1="1">0</c:Coef></c:X>
<c:Y order1="1"><c:Coef exponent1="0">500000</c:Coef><c:Coef exponent1="1">0</c:Coef></c:Y>
<c:Z order1="1"><c:Coef exponent1="0">0</c:Coef><c:Coef exponent1="1">7500</c:Coef></c:Z></ARPPoly>
{f'<ValidData size="4">{valid}</ValidData>' if version > 1 else ""}
</Measurement><ExploitationFeatures/>{chip}</SIDD>""".encode()


RPCS = {
    **{"LINE_OFF": "400.25", "SAMP_OFF": "512.5", "LAT_OFF": "48.12345", "LONG_OFF": "11.56789", "HEIGHT_OFF": "520.4"},
    **{"LINE_SCALE": "401", "SAMP_SCALE": "513", "LAT_SCALE": "0.01834", "LONG_SCALE": "0.0345", "HEIGHT_SCALE": "310"},
    "LINE_NUM_COEFF": "0.001 -0.03 -1.02 0.021 0.0004 -0.0002 0.0001 0.0003 -0.0005 0.00002 " + "0.000003 " * 10,
    "LINE_DEN_COEFF": "1 0.0003 -0.0002 0.0001 0.00004 " + "0.000002 " * 15,
    "SAMP_NUM_COEFF": "-0.002 1.01 0.04 -0.013 0.0002 0.0003 0.0002 -0.0004 0.0002 0.00003 " + "-0.000004 " * 10,
    "SAMP_DEN_COEFF": "1 -0.0002 0.0003 0.0002 0.00003 " + "-0.000003 " * 15,
}
"""Rational polynomials with more digits than RPC00B has."""
