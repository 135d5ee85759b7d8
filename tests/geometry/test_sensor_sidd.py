"""SIDD images: on the product's surface as sarkit has them, off it along the collection's curves, chips by N - 1."""

import pickle

import lxml.etree
import numpy as np
import pytest
import sarkit.sidd.calculations
import sarkit.wgs84
from hypothesis import given
from hypothesis import strategies as st
from sensor_documents import CENTRE, COLS, HEIGHT, ORBIT, ROWS, geometric_chip, sidd, unit

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import SiddModel
from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.geometry.sidd_model import load_sidd_model

PROJECTIONS = ("Plane", "Geographic", "Cylindrical", "Polynomial")
MODELS = {name: load_sidd_model(sidd(name))[0] for name in PROJECTIONS}
REAL = (
    "osml-imagery-toolkit__example.sidd.xml",
    "sarkit__example-sidd-1.0.0.xml",
    "sarkit__example-sidd-2.0.0.xml",
    "sarkit__example-sidd-3.0.0.xml",
    "sarpy__example.sidd.xml",
    "sarpy__spotlight.sidd.xml",
)


def ecef(lon, lat, height) -> np.ndarray:
    return sarkit.wgs84.geodetic_to_cartesian(np.stack([lat, lon, height], axis=-1))


def agrees_with_sarkit(xml: bytes) -> None:
    model = load_sidd_model(xml)[0]
    tree = lxml.etree.ElementTree(lxml.etree.fromstring(xml))
    cols, rows = np.random.default_rng(1).uniform(0, 400, (2, 30))
    lon, lat, high = model.image_to_world(cols, rows)
    expected = sarkit.sidd.calculations.pixel_to_ecef(tree, np.stack([rows - 0.5, cols - 0.5], axis=-1))

    np.testing.assert_allclose(ecef(lon, lat, high), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(model.world_to_image(lon, lat, high), [cols, rows], rtol=0, atol=1e-6)


@pytest.mark.parametrize("projection", ["Plane", "Geographic", "Polynomial"])
def test_pixels_are_on_the_surface_where_sarkit_has_them_and_come_back(projection):
    agrees_with_sarkit(sidd(projection))


@pytest.mark.parametrize("name", REAL)
def test_pixels_of_real_products_are_where_sarkit_has_them_and_come_back(real_data, name):
    agrees_with_sarkit((real_data / "sicd_sidd" / name).read_bytes())


def test_a_cylinder_is_the_one_that_the_standard_writes_out():
    """Sections 2.8 and 3.8, a pixel at a time; sarkit 1.8 takes radians for degrees there."""
    lon, lat, high = MODELS["Cylindrical"].image_to_world([10.5, 400.5], [20.5, 300.5])
    east = unit(np.array([-CENTRE[1], CENTRE[0], 0.0]))
    flat = 1 / 298.257223563
    phi = np.arctan2(CENTRE[2], (1 - flat) ** 2 * np.hypot(*CENTRE[:2]))
    lam = np.arctan2(CENTRE[1], CENTRE[0])
    up = np.array([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)])
    north = np.array([-np.sin(phi) * np.cos(lam), -np.sin(phi) * np.sin(lam), np.cos(phi)])
    above = unit(CENTRE * [1, 1, 1.0067])
    strip = east * np.cos(0.3) + np.cross(above, east) * np.sin(0.3)
    alpha = np.arctan((east @ strip) / (north @ strip))
    col = np.cos(alpha) * north + np.sin(alpha) * east
    row = np.cross(col, up)
    e2 = flat * (2 - flat)
    scaled = np.sqrt(CENTRE[0] ** 2 + CENTRE[1] ** 2 + CENTRE[2] ** 2 / (1 - flat) ** 2)
    meridian = scaled * (1 - e2) / (1 - e2 * np.sin(phi) ** 2) ** 1.5
    across = scaled / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    radius = 1 / (np.cos(alpha) ** 2 / meridian + np.sin(alpha) ** 2 / across)
    for at, (c, r) in enumerate([(10, 20), (400, 300)]):
        theta = 0.9 * (c - 310.5) / radius
        point = CENTRE + 0.7 * (r - 180.25) * row + radius * np.sin(theta) * col + radius * (np.cos(theta) - 1) * up
        np.testing.assert_allclose(ecef(lon, lat, high)[at], point, rtol=0, atol=1e-6)


@given(
    col=st.floats(-20, COLS + 20),
    row=st.floats(-20, ROWS + 20),
    height=st.one_of(st.none(), st.floats(-400, 5000)),
    projection=st.sampled_from(PROJECTIONS),
)
def test_a_pixel_s_ground_at_any_height_is_seen_at_the_pixel(col, row, height, projection):
    model = MODELS[projection]
    lon, lat, high = model.image_to_world(col, row, height)

    assert height is None or high == height
    np.testing.assert_allclose(model.world_to_image(lon, lat, high), [col, row], rtol=0, atol=1e-6)


@pytest.mark.parametrize("projection", ["Plane", "Cylindrical"])
def test_at_other_heights_a_pixel_keeps_its_range_and_range_rate(projection):
    cols, rows = np.array([0.5, 333.0, 599.5]), np.array([0.5, 111.0, 399.5])
    x, y = (rows - 0.5 - 180.25) * 0.7, (cols - 0.5 - 310.5) * 0.9
    times = 1.0 + 1e-5 * y + x * (3e-5 + 1e-9 * y)
    curves = []
    for heights in (None, HEIGHT + 500.0):
        points = ecef(*MODELS[projection].image_to_world(cols, rows, heights))
        for point, t in zip(points, times, strict=True):
            powers = t ** np.arange(4)
            way = ORBIT @ powers - point
            speed = ORBIT[:, 1:] @ (powers[:3] * [1, 2, 3])
            curves.append((np.linalg.norm(way), speed @ way / np.linalg.norm(way)))

    np.testing.assert_allclose(curves[:3], curves[3:], rtol=0, atol=1e-6)
    assert MODELS[projection].approximate


@pytest.mark.parametrize("projection", ["Geographic", "Polynomial"])
def test_maps_have_one_place_for_all_heights(projection):
    model = MODELS[projection]

    assert not model.approximate
    np.testing.assert_array_equal(model.image_to_world(7, 8)[:2], model.image_to_world(7, 8, 900.0)[:2])


# --- chips ----------------------------------------------------------------------------------------------------------


def chipped(size, corners) -> SensorModel:
    model, said = load_sidd_model(sidd(chip=geometric_chip(size, corners)))
    assert (said.height, said.width) == size
    return model


def test_the_last_pixel_of_a_chip_of_n_is_n_minus_1_steps_from_its_first():
    """Chips that count N steps put (49, 49) of a 50 pixel chip at 148.02 instead of 149."""
    chip = chipped((50, 50), [(100, 100), (100, 149), (149, 100), (149, 149)])
    whole = MODELS["Plane"]
    for at in (0, 17, 49):
        np.testing.assert_allclose(chip(at + 0.5, at + 0.5), whole(at + 100.5, at + 100.5), rtol=0, atol=1e-12)
    np.testing.assert_allclose(chip(0, 0), whole(100, 100), rtol=0, atol=1e-12)


def test_a_chip_at_half_the_resolution_has_its_corner_pixels_between_the_image_s():
    chip = chipped((25, 25), [(100.5, 200.5), (100.5, 248.5), (148.5, 200.5), (148.5, 248.5)])

    np.testing.assert_allclose(chip([0, 25], [0, 25]), MODELS["Plane"]([200, 250], [100, 150]), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "corners",
    [
        [(100, 100), (100, 149), (149, 100), (149, 149)],
        [(10, 100), (60, 110), (5, 40), (70, 30)],  # turned, mirrored, and not a parallelogram
    ],
)
@pytest.mark.parametrize("height", [None, 700.0])
def test_a_chip_s_ground_is_seen_at_its_pixel(corners, height):
    chip = chipped((50, 50), corners)
    cols, rows = np.random.default_rng(2).uniform(0, 50, (2, 40))
    lon, lat, high = chip.image_to_world(cols, rows, height)

    np.testing.assert_allclose(chip.world_to_image(lon, lat, high), [cols, rows], rtol=0, atol=1e-6)
    assert pickle.loads(pickle.dumps(chip)) == chip


def test_a_chip_of_one_pixel_has_the_image_s_pixel_size():
    chip = chipped((1, 1), [(100, 200)] * 4)

    np.testing.assert_allclose(chip([0, 1], [0, 1]), MODELS["Plane"]([200, 201], [100, 101]), rtol=0, atol=1e-12)


def test_a_chip_whose_corners_are_one_is_refused():
    with pytest.raises(ItemError, match=r"SIDD DownstreamReprocessing/GeometricChip: .* lie on a line"):
        chipped((5, 5), [(1.4, 2.9)] * 4)


# --- metadata -------------------------------------------------------------------------------------------------------


def test_models_are_values():
    model = MODELS["Plane"]

    assert isinstance(model, SiddModel)
    assert isinstance(model, SensorModel)
    assert pickle.loads(pickle.dumps(model)) == model == load_sidd_model(sidd())[0]
    assert repr(model) == "SiddModel(PlaneProjection, 600 x 400 pixels)"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("PlaneProjection", "FlatProjection", "SIDD lacks Measurement/PlaneProjection, GeographicProjection"),
        ("SampleSpacing", "SampleSpace", "SIDD lacks Measurement/PlaneProjection/SampleSpacing"),
        ("<si:Row>0.7<", "<si:Row>0<", "SIDD Measurement/PlaneProjection/SampleSpacing must be above 0"),
        ("<si:Row>180.25<", "<si:Row>inf<", "ReferencePoint/Point/Row must be a finite number, got 'inf'"),
        ("<si:Row>400<", "<si:Row>400.5<", "SIDD PixelFootprint/Row must be a whole number above 0, got 400.5"),
        ("<RowUnitVector><si:X>", "<RowUnitVector><si:X>9", "RowUnitVector must be a unit vector"),
        ("ECEF><si:X>", "ECEF><si:X>9", "ReferencePoint/ECEF must be a place on the Earth"),
        ("ARPPoly>", "APPoly>", "SIDD lacks Measurement/ARPPoly/X"),
        ("urn:SIDD:3.0.0", "urn:SICD:1.3.0", "expected SIDD XML"),
    ],
)
def test_wrong_metadata_is_refused_by_its_path(old, new, message):
    xml = sidd().decode()
    assert old in xml

    with pytest.raises(ItemError, match=message):
        load_sidd_model(xml.replace(old, new).encode())
