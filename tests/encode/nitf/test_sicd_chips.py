"""SICD chips: XML of a part, one to one; sarkit and its consistency checker as judges."""

import io

import lxml.etree
import numpy as np
import pytest
import sarkit.sicd
from chip_sources import cut, jbpy_of, radar_extension, scene_pixels, sicd_xml, write_parent
from hypothesis import given
from hypothesis import strategies as st
from sarkit.verification import SicdConsistency

from stacchip_osml.encode.nitf import chip_account, encode_nitf, read_nitf
from stacchip_osml.encode.nitf.chip_xml import clip_polygon, parse_xml
from stacchip_osml.encode.nitf.sicd import sicd_of_chip, sicd_parent
from stacchip_osml.errors import EncodeError, LimitError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize

FIELDS = {"IID1": "SICD000", "IREP": "NODISPLY", "ICAT": "SAR", "IMODE": "P", "ISUBCAT1": "I", "ISUBCAT2": "Q"}


def sicd_file(path, rows=40, cols=50, *, xml=None, more=(), **settings):
    xml = sicd_xml(rows, cols, **settings) if xml is None else xml
    extensions = (radar_extension(xml, "SICD"), *more)
    return write_parent(path, scene_pixels((2, rows, cols), "float32"), fields=FIELDS, extensions=extensions)


def number(root, path):
    return int(root.findtext("/".join(f"{{*}}{part}" for part in path.split("/"))))


def vertices(root, place, parts):
    found = root.iterfind(f"{{*}}{place}/{{*}}ValidData/{{*}}Vertex")
    return [tuple(float(vertex.findtext(f"{{*}}{part}")) for part in parts) for vertex in found]


def test_a_chip_says_which_rows_and_columns_it_has():
    parent = sicd_parent(sicd_xml(40, 50, first=(100, 200)))

    xml, corners = sicd_of_chip(parent, window=(5, 6, 20, 10), size=ImageSize(20, 10))

    root = lxml.etree.fromstring(xml)
    assert [number(root, f"ImageData/{name}") for name in ("FirstRow", "FirstCol", "NumRows", "NumCols")] == [
        *(106, 205),
        *(10, 20),
    ]
    assert number(root, "ImageData/FullImage/NumRows") == 140
    assert number(root, "ImageData/SCPPixel/Row") == 20
    icps = [float(icp.findtext("{*}Lon")) for icp in root.iterfind("{*}GeoData/{*}ImageCorners/{*}ICP")]
    assert icps == [lon for lon, _ in corners]


def test_a_chip_of_a_chip_is_the_chip():
    whole = sicd_parent(sicd_xml(40, 50, valid=False))
    outer, _ = sicd_of_chip(whole, window=(4, 6, 40, 30), size=ImageSize(40, 30))

    twice = sicd_of_chip(sicd_parent(outer), window=(3, 2, 20, 15), size=ImageSize(20, 15))
    once = sicd_of_chip(whole, window=(7, 8, 20, 15), size=ImageSize(20, 15))

    assert lxml.etree.tostring(lxml.etree.fromstring(twice[0]), method="c14n") == lxml.etree.tostring(
        lxml.etree.fromstring(once[0]), method="c14n"
    )
    assert twice[1] == once[1]


def test_corners_are_those_of_sarkit():
    from sarkit.sicd._io import _update_sicd_subimage_xml

    document = sicd_xml(40, 50)
    _, corners = sicd_of_chip(sicd_parent(document), window=(5, 6, 20, 10), size=ImageSize(20, 10))

    theirs = _update_sicd_subimage_xml(lxml.etree.ElementTree(lxml.etree.fromstring(document)), 6, 5, 10, 20)

    icps = sarkit.sicd.XmlHelper(theirs).load("./{*}GeoData/{*}ImageCorners")
    np.testing.assert_allclose([(lat, lon) for lon, lat in corners], icps, atol=1e-12)


def test_valid_data_is_that_of_the_parent_inside_the_chip():
    parent = sicd_parent(sicd_xml(40, 50))

    root = lxml.etree.fromstring(sicd_of_chip(parent, window=(0, 0, 25, 20), size=ImageSize(25, 20))[0])

    assert vertices(root, "ImageData", ("Row", "Col")) == [(1, 24), (19, 24), (19, 1)]
    assert len(vertices(root, "GeoData", ("Lat", "Lon"))) == 3
    assert [v.get("index") for v in root.iterfind("{*}ImageData/{*}ValidData/{*}Vertex")] == ["1", "2", "3"]
    line = lxml.etree.fromstring(sicd_of_chip(parent, window=(0, 20, 50, 1), size=ImageSize(50, 1))[0])
    assert line.find("{*}ImageData/{*}ValidData") is None
    assert line.find("{*}GeoData/{*}ValidData") is None


places = st.tuples(st.floats(-50, 90), st.floats(-50, 90))


@given(polygon=st.lists(places, min_size=3, max_size=9), high=st.tuples(st.integers(0, 60), st.integers(0, 60)))
def test_clipped_polygons_are_simple_clockwise_and_inside(polygon, high):
    found = clip_polygon(polygon, (0, 0), high)

    if len(found) < 3:
        return
    assert all(0 <= row <= high[0] and 0 <= col <= high[1] for row, col in found)
    assert found[0] == min(found)
    area = sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(found, found[1:] + found[:1], strict=True))
    assert area < 0  # clockwise, row and column as x and y


@pytest.mark.parametrize(
    ("window", "size", "message"),
    [
        ((0, 0, 20, 20), (10, 10), "pixels of its parent one to one .* resampling destroys"),
        ((0.5, 0, 20, 20), (20, 20), "pixels of its parent one to one"),
        ((-1, 0, 20, 20), (20, 20), "a SICD chip lies inside its parent of 50 x 40"),
        ((40, 30, 20, 20), (20, 20), "a SICD chip lies inside its parent of 50 x 40"),
    ],
)
def test_what_is_no_sicd_any_more_is_refused(tmp_path, window, size, message):
    chip = cut(sicd_file(tmp_path / "a.ntf"), window, size=size)

    with pytest.raises(EncodeError, match=message):
        encode_nitf(chip)


def test_a_picture_made_of_a_sicd_is_none_at_any_size(tmp_path):
    source = sicd_file(tmp_path / "a.ntf")
    picture = scene_pixels((1, 20, 25))
    chip = cut(source, (0, 0, 50, 40), size=(25, 20), pixels=picture, bands=None, is_processed=True)

    file = read_nitf(encode_nitf(chip))

    assert file.extensions == ()
    assert (file.images[0].fields["IREP"], file.images[0].fields["ICAT"]) == ("MONO", "SAR")
    assert file.images[0].fields["IID1"] == "SICD000"


def test_a_chip_twice_opens_in_sarkit_with_pixels_and_place(tmp_path):
    source = sicd_file(tmp_path / "a.ntf", more=(radar_extension(b'<Other xmlns="urn:other"/>', "SICD"),))
    whole = load_sensor_model(source)
    first = encode_nitf(cut(source, (4, 6, 40, 30)))
    (tmp_path / "b.ntf").write_bytes(first)
    second = encode_nitf(cut(str(tmp_path / "b.ntf"), (3, 2, 20, 15)))
    (tmp_path / "c.ntf").write_bytes(second)

    jbpy_of(second)
    with io.BytesIO(second) as file, sarkit.sicd.NitfReader(file) as reader:
        pixels = reader.read_image()
    parent = BlockImage(source).gdal.read(window_of(7, 8, 20, 15)).pixels
    np.testing.assert_array_equal(pixels, parent[0] + 1j * parent[1])
    cols, rows = np.array([0, 20, 20, 0, 7.5]), np.array([0, 0, 15, 15, 3.25])
    ground = load_sensor_model(str(tmp_path / "c.ntf")).image_to_world(cols, rows)
    back = whole.world_to_image(*ground)
    np.testing.assert_allclose(back, (cols + 7, rows + 8), atol=0.01)
    assert [each.fields["DESID"] for each in read_nitf(second).extensions] == ["XML_DATA_CONTENT"] * 2
    assert read_nitf(second).extensions[1].data == b'<Other xmlns="urn:other"/>'


def window_of(x, y, width, height):
    from stacchip_osml.pixel import PixelWindow

    return PixelWindow(x, y, width, height)


def test_headers_are_those_that_sicd_asks_for(tmp_path):
    data = encode_nitf(cut(sicd_file(tmp_path / "a.ntf"), (5, 6, 20, 10)))

    file = read_nitf(data)

    fields = file.images[0].fields
    asked = {"IID1": "SICD000", "IC": "NC", "IMODE": "P", "NPPBH": "0020", "NPPBV": "0010", "ICORDS": "G"}
    assert {name: fields[name] for name in asked} == asked
    root = lxml.etree.fromstring(file.extensions[0].data)
    icps = [
        (float(icp.findtext("{*}Lat")), float(icp.findtext("{*}Lon")))
        for icp in root.iterfind("{*}GeoData/{*}ImageCorners/{*}ICP")
    ]
    header = jbpy_of(data)["DataExtensionSegments"][0]["subheader"]
    assert header["DESSHLPG"].value == "".join(f"{lat:+012.8f}{lon:+013.8f}" for lat, lon in [*icps, icps[0]])


def test_one_complex_band_is_stored_as_two(tmp_path):
    source = sicd_file(tmp_path / "a.ntf")
    stored = BlockImage(source).read(window_of(5, 6, 20, 10)).pixels
    pixels = (stored[:1] + 1j * stored[1:]).astype(np.complex64)

    data = encode_nitf(cut(source, (5, 6, 20, 10), pixels=pixels, bands=(0,)))

    with io.BytesIO(data) as file, sarkit.sicd.NitfReader(file) as reader:
        np.testing.assert_array_equal(reader.read_image(), pixels[0])


@pytest.mark.parametrize(
    ("document", "error", "message"),
    [
        (b"<SICD", EncodeError, "SICD XML is not well-formed XML"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><SICD/>', EncodeError, "SICD XML has a document type"),
        (b"<SIDD/>", EncodeError, "SICD XML has a root SICD, got SIDD"),
        (b"<SICD/>", EncodeError, "SICD XML has no number at GeoData/SCP/ECF/X"),
        (sicd_xml(4, 4).replace(b'"2:FRLC"', b'"5"'), EncodeError, "ImageCorners of SICD XML has ICP"),
        (
            sicd_xml(4, 4).replace(b"<NumRows>4", b"<NumRows>nan", 1),
            EncodeError,
            "no finite number at ImageData/NumRows",
        ),
        (sicd_xml(4, 4).replace(b">R<", b">Q<"), EncodeError, "SideOfTrack of SICD XML is L or R"),
        (b" " * (1 << 24) + b"<SICD/>", LimitError, "SICD XML of 16777223 bytes"),
    ],
)
def test_damaged_documents_are_refused(document, error, message):
    with pytest.raises(error, match=message):
        sicd_parent(document)


def test_a_document_without_a_slant_plane_has_corners_between_those_of_its_parent():
    flat = sicd_xml(41, 41).replace(b"<Z>7500</Z>", b"<Z>0</Z>")

    _, corners = sicd_of_chip(sicd_parent(flat), window=(10, 20, 21, 1), size=ImageSize(21, 1))

    np.testing.assert_allclose(corners, [(-0.005, 0), (0.005, 0), (0.005, 0), (-0.005, 0)], atol=1e-12)


@pytest.mark.parametrize("head", [b"<!-- " + b"x" * 9000 + b" -->", b'<?xml version="1.0"?>\n<?a b?>  '])
def test_xml_is_known_by_its_root_whatever_comes_before(tmp_path, head):
    chip = cut(sicd_file(tmp_path / "a.ntf", xml=head + sicd_xml(40, 50)), (5, 6, 20, 10), locate=False)

    assert [each.fate for each in chip_account(chip).extensions] == ["changed"]


def failures(document):
    checker = SicdConsistency.from_parts(document)
    checker.check()
    return set(checker.failures(omit_passed_sub=True))


def test_real_documents_of_all_versions_stay_valid_and_consistent(real_data):
    by_version = {}
    for path in sorted((real_data / "sicd_sidd").glob("*sicd*.xml")):
        document = path.read_bytes()
        if "six-library" not in path.name:  # those have no geometry to be consistent with
            by_version.setdefault(parse_xml(document, name=path.name).tag, document)

    for document in by_version.values():
        parent = sicd_parent(document)
        size = ImageSize(parent.size.width // 2, parent.size.height // 3)
        window = (parent.size.width // 4, parent.size.height // 3, *size)
        xml, _ = sicd_of_chip(parent, window=window, size=size)
        assert failures(parse_xml(xml, name="chip")) <= failures(parse_xml(document, name="parent"))

    assert set(by_version) == {f"{{urn:SICD:{version}}}SICD" for version in ("1.1.0", "1.2.1", "1.3.0", "1.4.0", "1.5")}
