"""SIDD chips: GeometricChip at any size, composed, by pixel centres; sarkit as judge."""

import io

import lxml.etree
import numpy as np
import pytest
import sarkit.sidd
from chip_sources import cut, jbpy_of, radar_extension, scene_pixels, sidd_xml, write_parent
from sarkit.verification import SiddConsistency

from stacchip_osml.encode.nitf import chip_account, encode_nitf, read_nitf
from stacchip_osml.encode.nitf.chip_xml import parse_xml
from stacchip_osml.encode.nitf.sidd import GeometricChip, sidd_of_chip, sidd_parent
from stacchip_osml.errors import EncodeError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.pixel import ImageSize

FIELDS = {"IID1": "SIDD001001", "ICAT": "SAR", "ISORCE": "Sensor"}


def sidd_file(path, rows=60, cols=80, *, xml=None, more=(), fields=(), version=3):
    xml = sidd_xml(rows, cols, version=version) if xml is None else xml
    return write_parent(
        path,
        scene_pixels((1, rows, cols)),
        fields={**FIELDS, **dict(fields)},
        extensions=(radar_extension(xml, "SIDD"), *more),
    )


def chip_of_xml(xml):
    return sidd_parent(xml).chip


def test_a_chip_has_the_centres_of_its_corner_pixels():
    xml, _ = sidd_of_chip(sidd_parent(sidd_xml(60, 80)), window=(10, 20, 50, 40), size=ImageSize(50, 40))

    chip = chip_of_xml(xml)

    assert chip.size == (50, 40)
    assert chip.corners == ((20, 10), (20, 59), (59, 10), (59, 59))
    # The last pixel is N - 1: it maps to the last pixel of the window, and no further.
    assert chip.to_original(39, 49) == (59, 59)


def test_a_reduced_chip_has_centres_between_pixels():
    xml, _ = sidd_of_chip(sidd_parent(sidd_xml(60, 80)), window=(10, 20, 40, 40), size=ImageSize(20, 10))

    assert chip_of_xml(xml).corners == ((21.5, 10.5), (21.5, 48.5), (57.5, 10.5), (57.5, 48.5))


@pytest.mark.parametrize("size", [(30, 20), (15, 10), (1, 20), (30, 1), (1, 1)])
def test_chips_of_chips_are_composed(size):
    whole = sidd_parent(sidd_xml(60, 80))
    outer, _ = sidd_of_chip(whole, window=(10, 20, 60, 40), size=ImageSize(*size))
    inner = (0.0, 0.0, float(size[0]), float(size[1]))

    twice, _ = sidd_of_chip(sidd_parent(outer), window=inner, size=ImageSize(*size))

    np.testing.assert_allclose(chip_of_xml(twice).corners, chip_of_xml(outer).corners, atol=1e-9)
    assert chip_of_xml(twice).size == size


def test_one_pixel_steps_as_far_as_the_other_axis():
    row = GeometricChip(size=ImageSize(11, 1), corners=((5, 10), (5, 30), (5, 10), (5, 30)))
    column = GeometricChip(size=ImageSize(1, 11), corners=((5, 10), (5, 10), (25, 10), (25, 10)))
    pixel = GeometricChip(size=ImageSize(1, 1), corners=((5, 10),) * 4)

    assert row.to_original(0.5, 5) == (6, 20)
    assert column.to_original(5, -0.5) == (15, 9)
    assert pixel.to_original(-0.5, 0.5) == (4.5, 10.5)


@pytest.mark.parametrize("version", [1, 3])
def test_footprint_and_corners_are_the_chips(version):
    parent = sidd_parent(sidd_xml(60, 80, version=version))
    xml, corners = sidd_of_chip(parent, window=(10, 20, 40, 20), size=ImageSize(20, 10))
    root = lxml.etree.fromstring(xml)

    footprint = [root.findtext(f"{{*}}Measurement/{{*}}PixelFootprint/{{*}}{part}") for part in ("Row", "Col")]
    assert footprint == ["10", "20"]
    helper = sarkit.sidd.XmlHelper(lxml.etree.ElementTree(lxml.etree.fromstring(sidd_xml(60, 80, version=version))))
    places = [(19.5, 9.5), (19.5, 49.5), (39.5, 49.5), (39.5, 9.5)]
    ecef = sarkit.sidd.calculations.pixel_to_ecef(helper.element_tree, places)
    expected = sarkit.wgs84.cartesian_to_geodetic(ecef)[:, :2]
    np.testing.assert_allclose([(lat, lon) for lon, lat in corners], expected, atol=1e-11)
    tags = [lxml.etree.QName(each).localname for each in root]
    assert tags[-1] == "DownstreamReprocessing"


def test_a_geographic_grid_has_its_corners_too():
    document = sidd_xml(60, 80).replace(b"PlaneProjection", b"GeographicProjection")

    _, corners = sidd_of_chip(sidd_parent(document), window=(40, 30, 10, 20), size=ImageSize(10, 20))

    # The reference point, row 30 and column 40, is at 0, 0; spacing is in seconds.
    seconds = [(-0.5 * 1.5, 0.5 * 2), (9.5 * 1.5, 0.5 * 2), (9.5 * 1.5, -19.5 * 2), (-0.5 * 1.5, -19.5 * 2)]
    np.testing.assert_allclose(np.array(corners) * 3600, seconds, atol=1e-6)


def test_valid_data_is_in_the_chips_own_pixels():
    parent = sidd_parent(sidd_xml(60, 80))

    def rings(window, size):
        root = lxml.etree.fromstring(sidd_of_chip(parent, window=window, size=ImageSize(*size))[0])
        found = root.iterfind("{*}Measurement/{*}ValidData/{*}Vertex")
        return [(int(v.findtext("{*}Row")), int(v.findtext("{*}Col"))) for v in found]

    assert rings((10, 20, 40, 20), (20, 10)) == [(0, 0), (0, 19), (9, 19), (9, 0)]
    assert rings((-10, 0, 40, 20), (40, 20)) == [(0, 10), (0, 39), (19, 39), (19, 10)]
    assert rings((0, 0, 40, 1), (40, 1)) == [(0, 0), (0, 40), (1, 0)]


def test_a_chip_twice_opens_in_sarkit_and_lies_where_it_was(tmp_path):
    source = sidd_file(tmp_path / "a.ntf")
    first = encode_nitf(cut(source, (10, 20, 50, 30)))
    (tmp_path / "b.ntf").write_bytes(first)
    second = encode_nitf(cut(str(tmp_path / "b.ntf"), (4, 6, 40, 20), size=(20, 10)))
    (tmp_path / "c.ntf").write_bytes(second)

    jbpy_of(second)
    with io.BytesIO(first) as file, sarkit.sidd.NitfReader(file) as reader:
        np.testing.assert_array_equal(reader.read_image(0), scene_pixels((1, 60, 80))[0, 20:50, 10:60])
    cols, rows = np.array([0, 20, 20, 0, 7.5]), np.array([0, 0, 10, 10, 3.25])
    ground = load_sensor_model(str(tmp_path / "c.ntf")).image_to_world(cols, rows)
    back = load_sensor_model(source).world_to_image(*ground)
    np.testing.assert_allclose(back, (14 + 2 * cols, 26 + 2 * rows), atol=0.01)


def test_data_extensions_of_other_products_are_left_out(tmp_path):
    others = (
        radar_extension(sidd_xml(5, 5), "SIDD"),
        radar_extension(b'<SICD xmlns="urn:SICD:1.2.1"/>', "SICD"),
    )
    second = {"IID1": "SIDD002001"}
    chips = [
        cut(sidd_file(tmp_path / "a.ntf", more=others), (0, 0, 8, 8)),
        cut(
            sidd_file(
                tmp_path / "b.ntf", xml=sidd_xml(5, 5), more=(radar_extension(sidd_xml(60, 80), "SIDD"),), fields=second
            ),
            (0, 0, 8, 8),
        ),
        cut(sidd_file(tmp_path / "c.ntf", fields={"IID1": "DED001"}), (0, 0, 8, 8)),
    ]

    fates = [[(each.fate, each.reason) for each in chip_account(chip).extensions] for chip in chips]

    other = ("left out", "it describes another product of the file")
    assert fates[0] == [("changed", "SIDD XML of the chip"), other, ("kept", "of the collection")]
    assert fates[1] == [other, ("changed", "SIDD XML of the chip")]
    assert fates[2] == [("left out", "it describes another image of the file")]
    assert read_nitf(encode_nitf(chips[1])).images[0].fields["IID1"] == "SIDD001001"


def test_a_processed_chip_has_no_sidd(tmp_path):
    chip = cut(sidd_file(tmp_path / "a.ntf"), (0, 0, 8, 8), bands=None, is_processed=True)

    (fate,) = chip_account(chip).extensions

    assert (fate.fate, fate.reason) == ("left out", "the pixels are others than those that it describes")
    assert read_nitf(encode_nitf(chip)).extensions == ()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"<SICD/>", "SIDD XML has a root SIDD, got SICD"),
        (b"<SIDD/>", "SIDD XML has no number at Measurement/PixelFootprint/Row"),
        (sidd_xml(4, 4).replace(b"<ExploitationFeatures/>", b""), "SIDD XML has no ExploitationFeatures"),
        (sidd_xml(4, 4).replace(b'"3:LRLC"', b'"9"'), "SIDD XML has four image corners, 1 to 4"),
    ],
)
def test_damaged_documents_are_refused(document, message):
    with pytest.raises(EncodeError, match=message):
        sidd_parent(document)


def failures(document):
    checker = SiddConsistency.from_parts([lxml.etree.ElementTree(document)])
    checker.check()
    return set(checker.failures(omit_passed_sub=True))


def test_real_documents_of_all_versions_stay_valid(real_data):
    by_version = {}
    for path in sorted((real_data / "sicd_sidd").glob("sarkit__example-sidd-*.xml")):
        document = path.read_bytes()
        by_version[parse_xml(document, name=path.name).tag] = document

    for document in by_version.values():
        parent = sidd_parent(document)
        size = ImageSize(parent.size.width // 4, parent.size.height // 6)
        window = (parent.size.width // 4, parent.size.height // 3, size.width * 2, size.height * 2)
        once, _ = sidd_of_chip(parent, window=window, size=size)
        twice, _ = sidd_of_chip(sidd_parent(once), window=(2, 3, 40, 30), size=ImageSize(40, 30))
        known = failures(parse_xml(document, name="parent"))
        for made in (once, twice):
            # The checker compares corners with the measurement parameters of the original, without GeometricChip.
            assert failures(parse_xml(made, name="chip")) - known <= {"check_geodata_image_corners_image000"}

    assert set(by_version) == {f"{{urn:SIDD:{version}.0.0}}SIDD" for version in (1, 2, 3)}
