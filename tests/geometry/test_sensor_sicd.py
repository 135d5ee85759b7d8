"""SICD images: their ground is sarkit's, at every height, and the way back leads to the pixel."""

import pickle
from itertools import product

import lxml.etree
import numpy as np
import pytest
import sarkit.sicd
import sarkit.wgs84
from hypothesis import given
from hypothesis import strategies as st
from sensor_documents import COLS, HEIGHT, ROWS, sicd

from stacchip_osml.errors import ChipError, ItemError, LimitError
from stacchip_osml.geometry import SicdModel
from stacchip_osml.geometry.sensor_model import NoProjectionError, SensorModel

CASES = [
    *product(("PFA", "RGAZCOMP", "INCA", "XRGYCR", "PLANE", "XCTYAT"), (False,), (False, True)),
    *product(("PFA", "PLANE"), (True,), (False, True)),
]
REAL = (
    "osml-imagery-toolkit__example.sicd121.capella.xml",
    "osml-imagery-toolkit__example.sicd121.pfa.xml",
    "osml-imagery-toolkit__example.sicd121.rma.xml",
    "sarkit__example-sicd-1.3.0.xml",
    "sarkit__example-sicd-1.4.0.xml",
    "sarpy__example.sicd.xml",
)


def positions(model: SicdModel, count: int = 4) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(3)
    return random.uniform(-5, model.size.width + 5, count), random.uniform(-5, model.size.height + 5, count)


def sarkits_ground(xml: bytes, cols, rows, height: float) -> np.ndarray:
    """One position at a time: of several, sarkit 1.8 mixes up those of bistatic and of adjusted collections."""
    tree = lxml.etree.ElementTree(lxml.etree.fromstring(xml))
    points = []
    for col, row in zip(cols, rows, strict=True):
        point, _, found = sarkit.sicd.image_to_constant_hae_surface(
            tree, grid_of(tree, col, row), np.array(height), delta_hae_max=1e-7, nlim=30,
            bistat_delta_gp_gpp=1e-8, bistat_maxiter=40,
        )  # fmt: skip
        assert found
        points.append(point)
    return np.array(points)


def grid_of(tree, col: float, row: float) -> np.ndarray:
    """Write out metres on the grid of a corner position: SICD's pixels are 0 at the first one's centre."""
    text = {name: float(tree.findtext(f"{{*}}ImageData/{{*}}{name}")) for name in ("FirstRow", "FirstCol")}
    centre = [float(tree.findtext(f"{{*}}ImageData/{{*}}SCPPixel/{{*}}{name}")) for name in ("Row", "Col")]
    spacing = [float(tree.findtext(f"{{*}}Grid/{{*}}{name}/{{*}}SS")) for name in ("Row", "Col")]
    return np.array(
        [
            (row - 0.5 + text["FirstRow"] - centre[0]) * spacing[0],
            (col - 0.5 + text["FirstCol"] - centre[1]) * spacing[1],
        ]
    )


def ecef(lon, lat, height) -> np.ndarray:
    return sarkit.wgs84.geodetic_to_cartesian(np.stack([lat, lon, height], axis=-1))


def agrees_with_sarkit(xml: bytes) -> None:
    model = SicdModel.from_xml(xml)
    cols, rows = positions(model)
    for height in (model.default_height, model.default_height + 800.0):
        lon, lat, high = model.image_to_world(cols, rows, height)
        np.testing.assert_allclose(ecef(lon, lat, high), sarkits_ground(xml, cols, rows, height), rtol=0, atol=1e-6)
        np.testing.assert_allclose(model.world_to_image(lon, lat, high), [cols, rows], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("kind", "bistatic", "offsets"), CASES)
def test_pixels_of_every_grid_are_where_sarkit_has_them_and_come_back(kind, bistatic, offsets):
    agrees_with_sarkit(sicd(kind, bistatic=bistatic, offsets=offsets))


@pytest.mark.parametrize("name", REAL)
def test_pixels_of_real_collections_are_where_sarkit_has_them_and_come_back(real_data, name):
    agrees_with_sarkit((real_data / "sicd_sidd" / name).read_bytes())


@pytest.mark.parametrize("kind", ["PFA", "INCA"])
def test_places_are_seen_at_the_pixels_that_sarkit_finds(kind):
    xml = sicd(kind)
    model = SicdModel.from_xml(xml)
    tree = lxml.etree.ElementTree(lxml.etree.fromstring(xml))
    lon, lat = 12.5 + np.linspace(-0.002, 0.002, 7), 47.9 + np.linspace(0.001, -0.001, 7)
    high = np.linspace(0, 300, 7)
    found, _, done = sarkit.sicd.scene_to_image(tree, ecef(lon, lat, high), delta_gp_s2i=1e-5, maxiter=40)
    cols, rows = model.world_to_image(lon, lat, high)

    assert done
    np.testing.assert_allclose([grid_of(tree, *at) for at in zip(cols, rows, strict=True)], found, rtol=0, atol=1e-4)


@given(
    col=st.floats(-20, COLS + 20),
    row=st.floats(-20, ROWS + 20),
    height=st.floats(-400, 8000),
    case=st.sampled_from(CASES),
)
def test_a_pixel_s_ground_at_any_height_is_seen_at_the_pixel(col, row, height, case):
    model = MODELS[case]
    lon, lat, high = model.image_to_world(col, row, height)
    back = model.world_to_image(lon, lat, high)

    assert high == height
    np.testing.assert_allclose(back, [col, row], rtol=0, atol=1e-6)


MODELS = {case: SicdModel.from_xml(sicd(case[0], bistatic=case[1], offsets=case[2])) for case in CASES}


@pytest.mark.parametrize("kind", ["PFA", "INCA", "PLANE"])
def test_many_positions_give_what_one_by_one_gives_in_any_shape(kind):
    model = MODELS[kind, False, False]
    cols, rows = np.meshgrid(np.linspace(0, COLS, 150), np.linspace(0, ROWS, 90))  # more than are worked on at once
    together = model.image_to_world(cols, rows, 300.0)

    assert together[0].shape == cols.shape
    for at in ((0, 0), (47, 111), (89, 149)):
        alone = model.image_to_world(cols[at], rows[at], 300.0)
        np.testing.assert_allclose([each[at] for each in together[:2]], alone[:2], rtol=0, atol=1e-12)
    assert model.image_to_world([1.0, 2.0], 3.0, [[0.0], [5.0]])[0].shape == (2, 2)


def test_a_chip_s_pixels_are_the_image_s():
    whole, chip = SicdModel.from_xml(sicd(first=(0, 0))), SicdModel.from_xml(sicd(first=(20, 30), size=(50, 60)))

    np.testing.assert_allclose(chip(7.25, 3.5), whole(37.25, 23.5), rtol=0, atol=1e-13)


def test_the_scene_centre_is_the_centre_of_its_pixel():
    lon, lat, height = MODELS["PLANE", False, False].image_to_world(340 - 30 + 0.5, 230 - 20 + 0.5)

    assert (float(lon), float(lat)) == (pytest.approx(12.5, abs=1e-9), pytest.approx(47.9, abs=1e-9))
    assert height == pytest.approx(HEIGHT, abs=1e-6)


def test_places_that_the_sensor_cannot_see_are_infinite():
    model = MODELS["PFA", False, False]
    cols, _ = model.world_to_image(
        [12.5 - 180, 12.5, -1.0], [-47.9, 47.9, 46.0], HEIGHT
    )  # beyond the Earth, other side

    assert np.isinf(cols).tolist() == [True, False, True]
    assert np.isinf(model.image_to_world(1e9, 1e9)[0])


def test_models_are_values():
    model = MODELS["INCA", False, False]

    assert pickle.loads(pickle.dumps(model)) == model == SicdModel.from_xml(sicd("INCA"))
    assert model != MODELS["PFA", False, False]
    assert isinstance(model, SensorModel)
    assert repr(model) == "SicdModel(RGZERO, RMA, 600 x 400 pixels)"
    assert model.approximate


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<SS>0.8</SS>", "", "SICD lacks Grid/Row/SS"),
        ("<SS>0.8</SS>", "<SS>wide</SS>", "SICD Grid/Row/SS must be a finite number, got 'wide'"),
        ("<SS>0.8</SS>", "<SS>1_0</SS>", "SICD Grid/Row/SS must be a finite number"),
        ("<SS>0.8</SS>", "<SS>-1</SS>", "SICD Grid/Row/SS and Grid/Col/SS must be above 0"),
        ("<SS>0.8</SS>", "<SS>nan</SS>", "SICD Grid/Row/SS must be a finite number, got 'nan'"),
        ("<NumRows>400</NumRows>", "<NumRows>0</NumRows>", "SICD ImageData/NumRows and NumCols must be above 0"),
        ("<NumRows>400</NumRows>", "<NumRows>4.5</NumRows>", "SICD ImageData/NumRows must be a whole number, got 4.5"),
        ("MONOSTATIC", "TRISTATIC", "CollectType must be MONOSTATIC or BISTATIC, got 'TRISTATIC'"),
        ("<SideOfTrack>R", "<SideOfTrack>U", "SICD SCPCOA/SideOfTrack must be L or R, got 'U'"),
        ('exponent2="0"', 'exponent2="999999999"', r"TimeCOAPoly/Coef must have exponent1 and exponent2 of 0 to 40"),
        ('exponent2="0"', 'exponent2="-1"', r"TimeCOAPoly/Coef must have exponent1 and exponent2 of 0 to 40"),
        ("<ECF><X>", "<ECF><X>9", "SICD GeoData/SCP/ECF must be a place on the Earth"),
        ("<PFA>", "<Pfa>", "XML does not parse"),
        ("urn:SICD:1.4.0", "urn:CPHD:1.0.0", "expected SICD XML, got '{urn:CPHD"),
    ],
)
def test_wrong_metadata_is_refused_by_its_path(old, new, message):
    xml = sicd().decode()
    assert old in xml or old == "<SideOfTrack>R"

    with pytest.raises(ItemError, match=message):
        SicdModel.from_xml(
            xml.replace(old, new).replace("<SideOfTrack>L", new if "Side" in new else "<SideOfTrack>L").encode()
        )


def test_a_grid_without_a_projection_is_told_from_a_wrong_one():
    with pytest.raises(
        NoProjectionError, match=r"no projection for a monostatic Grid/Type 'RGAZIM' formed by .* 'OTHER'"
    ):
        SicdModel.from_xml(sicd("PFA").replace(b">PFA<", b">OTHER<"))


def test_entities_document_types_and_depths_are_refused():
    bomb = b'<?xml version="1.0"?><!DOCTYPE SICD [<!ENTITY a "xxxxxxxxxx"><!ENTITY b "&a;&a;&a;&a;">]>'
    xml = sicd().split(b"?>", 1)[1]
    outside = b'<!DOCTYPE SICD SYSTEM "file:///etc/passwd">'
    with pytest.raises(ItemError, match="document type"):
        SicdModel.from_xml(bomb + xml.replace(b">PFA<", b">&b;<"))
    with pytest.raises(ItemError, match="document type"):
        SicdModel.from_xml(outside + xml)
    with pytest.raises(ItemError, match=r"nested deeper|does not parse"):
        SicdModel.from_xml(b"<SICD xmlns='urn:SICD:1.4.0'>" + b"<a>" * 100 + b"</a>" * 100 + b"</SICD>")
    with pytest.raises(ItemError, match="does not parse"):
        SicdModel.from_xml(b"<a>" * 100_000)
    with pytest.raises(LimitError, match="XML of 16777217 bytes"):
        SicdModel.from_xml(b" " * ((1 << 24) + 1))


def test_documents_cut_anywhere_or_with_bits_flipped_are_refused_or_projected():
    xml = sicd("INCA")
    random = np.random.default_rng(5)
    for _ in range(150):
        broken = bytearray(xml)
        for at in random.integers(0, len(xml), 3):
            broken[at] ^= 1 << random.integers(0, 7)
        for data in (bytes(broken), xml[: random.integers(0, len(xml))]):
            try:
                lon, _, _ = SicdModel.from_xml(data).image_to_world([0.0, 300.0], [0.0, 200.0])
            except ChipError:
                continue
            assert not np.isnan(lon).any()
