"""Locators against pyproj, an independent RPC forward model, and fits whose answer is known."""

from __future__ import annotations

import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyproj
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import AffineLocator, GcpLocator, RpcLocator, wrap_longitude
from stacchip_osml.imagery.header import GroundControlPoint

TRANSFORM = (10.0, 2.0, 300_000.0, 1.0, -10.0, 5_000_040.0)


# --- affine ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("crs", ["EPSG:32633", "EPSG:3857", "EPSG:2263", "EPSG:3413", "ESRI:102003", "EPSG:4267"])
def test_an_affine_locator_gives_what_pyproj_gives(crs):
    transform = (0.01, 0, -100, 0, -0.01, 40) if crs == "EPSG:4267" else TRANSFORM
    cols, rows = np.array([0, 10.5, 500]), np.array([0, 3.25, 900])
    lon, lat = AffineLocator(transform, crs)(cols, rows)
    a, b, c, d, e, f = transform
    expected = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(
        a * cols + b * rows + c, d * cols + e * rows + f
    )

    np.testing.assert_allclose([lon, lat], expected, rtol=0, atol=1e-10)


def test_every_spelling_of_a_crs_gives_the_same_place():
    utm = pyproj.CRS("EPSG:32633")
    spellings = ["EPSG:32633", utm.to_wkt(), utm.to_json(), utm.to_wkt("WKT1_GDAL"), "+proj=utm +zone=33 +datum=WGS84"]
    places = [AffineLocator(TRANSFORM, spelling)([5.0], [7.0]) for spelling in spellings]

    np.testing.assert_allclose(places, [places[0]] * len(places), rtol=0, atol=1e-12)


def test_positions_keep_their_shape():
    lon, lat = AffineLocator(TRANSFORM, "EPSG:32633")(np.zeros((3, 4)), np.zeros((3, 4)))

    assert lon.shape == lat.shape == (3, 4)


@pytest.mark.parametrize("crs", ["EPSG:999999", "not a CRS", ""])
def test_an_unknown_crs_is_refused_with_what_was_given(crs):
    with pytest.raises(ItemError, match=f"expected a CRS that PROJ knows, got '{crs}'"):
        AffineLocator(TRANSFORM, crs)


@pytest.mark.parametrize(
    "crs", ["EPSG:4978", "EPSG:5773", 'LOCAL_CS["drawing",UNIT["metre",1],AXIS["x",EAST],AXIS["y",NORTH]]']
)
def test_a_crs_that_places_nothing_on_the_earth_is_refused(crs):
    with pytest.raises(ItemError, match="expected a geographic or projected CRS"):
        AffineLocator(TRANSFORM, crs)


def test_a_crs_of_another_body_is_refused():
    with pytest.raises(ItemError, match=r"no coordinate operation|expected"):
        AffineLocator(
            (1, 0, 0, 0, -1, 0),
            'GEOGCS["Mars",DATUM["D_Mars",SPHEROID["Mars",3396190,169.9]],'
            'PRIMEM["Reference",0],UNIT["degree",0.0174532925199433]]',
        )


@pytest.mark.parametrize("transform", [(1, 0, 0, 2, 0, 0), (1, 0, 0, 0, np.nan, 0), (1, 0, 0)])
def test_a_transform_that_places_no_pixels_is_refused(transform):
    with pytest.raises(ItemError, match=r"onto a line|six finite numbers"):
        AffineLocator(transform, "EPSG:32633")


def test_locators_pickle_compare_and_serve_threads():
    locate = AffineLocator(TRANSFORM, "EPSG:32633")
    cols, rows = np.random.default_rng(1).uniform(0, 10_000, (2, 5000))
    expected = locate(cols, rows)

    assert pickle.loads(pickle.dumps(locate)) == locate
    with ThreadPoolExecutor(8) as pool:
        for lon, lat in pool.map(lambda _: locate(cols, rows), range(32)):
            np.testing.assert_array_equal([lon, lat], expected)


@given(lon=st.floats(-1000, 1000))
def test_wrapped_longitudes_are_the_same_place_within_half_a_turn(lon):
    wrapped = wrap_longitude(np.array([lon]))[0]

    assert -180 <= wrapped <= 180
    assert abs(round((wrapped - lon) / 360) * 360 - (wrapped - lon)) < 1e-9
    assert wrapped == lon or abs(lon) > 180


def test_positions_beyond_the_edge_of_a_map_are_nowhere_rather_than_on_its_other_side():
    sinusoidal = "+proj=sinu +lon_0=0 +R=6371007.181 +units=m +no_defs"
    locate = AffineLocator((100_000, 0, -20_000_000, 0, -100_000, 10_000_000), sinusoidal)
    lon, lat = locate([0.5, 200.0, 60.0, 140.0], [99.5, 99.5, 50.0, 2.0])

    assert np.isfinite(lon).tolist() == [True, True, True, False]  # the last lies 40 000 km off at 82° north
    assert np.isinf(lat[3])
    assert lon[0] == pytest.approx(-179.4, abs=0.1)


# --- ground control points ------------------------------------------------------------------------------------------


def ties(pixels, ground) -> tuple[GroundControlPoint, ...]:
    return tuple(
        GroundControlPoint(row=row, col=col, x=x, y=y, z=0.0)
        for (col, row), (x, y) in zip(pixels, ground(np.array(pixels, float)), strict=True)
    )


def affine(p):
    return np.stack([10 + p[:, 0] * 1e-3 + p[:, 1] * 2e-4, 50 + p[:, 0] * 1e-4 - p[:, 1] * 1e-3], axis=-1)


def projective(p):
    return affine(p) / (1 + p[:, :1] * 1e-5 - p[:, 1:] * 2e-5)


def second_order(p):
    return affine(p) + np.stack([p[:, 0] ** 2, p[:, 0] * p[:, 1]], axis=-1) * 1e-8


def third_order(p):
    return second_order(p) + np.stack([p[:, 0] ** 3, p[:, 1] ** 2 * p[:, 0]], axis=-1) * 1e-12


CORNERS = [(0.5, 0.5), (999.5, 0.5), (999.5, 799.5), (0.5, 799.5)]
LATTICE = list(itertools.product((0, 250, 500, 750, 1000), (0, 200, 400, 800)))


@pytest.mark.parametrize(
    ("pixels", "ground", "model"),
    [
        (CORNERS[:3], affine, "affine"),
        (CORNERS, affine, "projective"),
        (CORNERS, projective, "projective"),
        ([*CORNERS, (500, 300)], projective, "projective"),
        (LATTICE[:9], second_order, "second order"),
        (LATTICE, second_order, "third order"),
        (LATTICE, third_order, "third order"),
    ],
)
def test_a_map_of_the_chosen_order_is_found_exactly(pixels, ground, model):
    locate = GcpLocator(ties(pixels, ground), "EPSG:4326")
    probe = np.array([(100.0, 50.0), (600.0, 300.0), (900.0, 700.0)])

    assert locate.model == model
    assert locate.approximate
    assert locate.rmse_pixels < 1e-6
    np.testing.assert_allclose(np.stack(locate(*probe.T), axis=-1), ground(probe), rtol=0, atol=1e-9)
    assert pickle.loads(pickle.dumps(locate)) == locate


def test_a_point_off_by_two_pixels_shows_in_the_residual():
    good = ties(LATTICE, affine)
    moved = GroundControlPoint(row=good[7].row, col=good[7].col + 2, x=good[7].x, y=good[7].y, z=0.0)
    locate = GcpLocator((*good[:7], moved, *good[8:]), "EPSG:4326")

    assert 0.1 < locate.rmse_pixels < 2 / np.sqrt(len(good))


def test_points_in_a_projected_crs_go_through_it():
    points = ties(CORNERS, lambda p: np.stack([3e5 + 10 * p[:, 0], 5e6 - 10 * p[:, 1]], axis=-1))
    expected = AffineLocator((10, 0, 3e5, 0, -10, 5e6), "EPSG:32633")([3.0], [4.0])

    np.testing.assert_allclose(GcpLocator(points, "EPSG:32633")([3.0], [4.0]), expected, rtol=0, atol=1e-9)


def test_points_on_both_sides_of_the_antimeridian_are_fitted_as_neighbours():
    points = ties(CORNERS, lambda p: np.stack([wrap_longitude(179.5 + p[:, 0] * 1e-3), 10 - p[:, 1] * 1e-3], axis=-1))
    lon, _ = GcpLocator(points, "EPSG:4326")([400.0, 500.0, 600.0], [0.5, 0.5, 0.5])

    np.testing.assert_allclose(lon, [179.9, 180, -179.9], atol=1e-9)


def test_points_in_rows_too_few_for_a_cubic_are_fitted_with_a_simpler_map():
    pixels = list(itertools.product(range(0, 1000, 100), (0, 400, 800)))  # three rows cannot hold a cubic in rows
    locate = GcpLocator(ties(pixels, second_order), "EPSG:4326")

    assert locate.model == "second order"
    assert locate.rmse_pixels < 1e-6


@pytest.mark.parametrize("pixels", [[], CORNERS[:2], [(0, 0), (1, 1), (2, 2)], [(5, 5)] * 4])
def test_points_that_place_no_image_are_refused(pixels):
    points = ties(pixels, affine) if pixels else ()

    with pytest.raises(ItemError, match=r"at least 3 ground control points|lie on a line"):
        GcpLocator(points, "EPSG:4326")


# --- RPCs -----------------------------------------------------------------------------------------------------------

RPCS = {
    "LINE_OFF": "2199.80872158044",
    "SAMP_OFF": "2199.80872158044",
    "LAT_OFF": "46.0000",
    "LONG_OFF": "7.5000 degrees",
    "HEIGHT_OFF": "+0300.000 meters",
    "LINE_SCALE": "2200",
    "SAMP_SCALE": "2200",
    "LAT_SCALE": "0.05",
    "LONG_SCALE": "0.08",
    "HEIGHT_SCALE": "500",
    "LINE_NUM_COEFF": "2e-3 4e-2 -1.05 2e-2 1e-3 -2e-4 3e-4 5e-4 -6e-4 1e-6 2e-6 1e-5 -2e-5 0 3e-6 -4e-6 0 2e-7 0 1e-9",
    "LINE_DEN_COEFF": "1 1e-3 -2e-3 3e-4 1e-5 -1e-6 2e-6 3e-5 -1e-5 1e-7 0 0 0 0 0 0 0 0 0 0",
    "SAMP_NUM_COEFF": "-0.003 1.02 0.05 -0.03 -1e-3 2e-4 1e-4 -4e-4 2e-4 1e-6 0 -2e-5 1e-5 0 2e-6 3e-6 0 1e-7 2e-7 0",
    "SAMP_DEN_COEFF": "1 -1e-3 2e-3 1e-4 2e-5 1e-6 -2e-6 1e-5 -2e-5 1e-7 0 0 0 0 0 0 0 0 0 0",
}


def forward_by_hand(lon: float, lat: float, height: float) -> tuple[float, float]:
    """Write the model out, term by term in RPC00B's order; gives (line, sample)."""
    v = {k: [float(w) for w in t.split() if w[-1].isdigit()] for k, t in RPCS.items()}
    p = (lat - v["LAT_OFF"][0]) / v["LAT_SCALE"][0]
    l = (lon - v["LONG_OFF"][0]) / v["LONG_SCALE"][0]  # noqa: E741
    h = (height - v["HEIGHT_OFF"][0]) / v["HEIGHT_SCALE"][0]
    terms = [
        *(1, l, p, h, l * p, l * h, p * h, l * l, p * p, h * h),
        *(p * l * h, l**3, l * p * p, l * h * h, l * l * p, p**3, p * h * h, l * l * h, p * p * h, h**3),
    ]

    def cubic(name: str) -> float:
        return sum(c * t for c, t in zip(v[name], terms, strict=True))

    line = cubic("LINE_NUM_COEFF") / cubic("LINE_DEN_COEFF") * v["LINE_SCALE"][0] + v["LINE_OFF"][0]
    return line, cubic("SAMP_NUM_COEFF") / cubic("SAMP_DEN_COEFF") * v["SAMP_SCALE"][0] + v["SAMP_OFF"][0]


@given(col=st.floats(-50, 4450), row=st.floats(-50, 4450))
@settings(max_examples=50, deadline=None)
def test_the_ground_of_a_pixel_maps_back_to_the_pixel(col, row):
    lon, lat = RpcLocator(RPCS)([col], [row])
    line, sample = forward_by_hand(lon[0], lat[0], 300.0)

    assert abs(sample + 0.5 - col) < 1e-6  # line and sample are 0 at the first pixel's centre
    assert abs(line + 0.5 - row) < 1e-6


@pytest.mark.parametrize("height", [None, -100.0, 950.0])
def test_the_forward_model_is_the_standards_at_every_height(height):
    col, row = RpcLocator(RPCS).image([7.48, 7.53], [46.01, 45.97], height)
    expected = [
        forward_by_hand(lon, lat, 300.0 if height is None else height) for lon, lat in ((7.48, 46.01), (7.53, 45.97))
    ]

    np.testing.assert_allclose(np.stack([row, col], axis=-1) - 0.5, expected, rtol=0, atol=1e-8)


def test_an_array_of_positions_gives_what_one_by_one_gives():
    locate = RpcLocator(tuple(RPCS.items()))
    cols, rows = np.random.default_rng(2).uniform(0, 4400, (2, 50))
    together = np.stack(locate(cols, rows))
    alone = np.stack([np.concatenate(locate([c], [r])) for c, r in zip(cols, rows, strict=True)], axis=-1)

    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-12)
    assert pickle.loads(pickle.dumps(locate)) == locate == RpcLocator(RPCS)


def test_positions_that_no_ground_maps_to_are_infinite():
    lon, lat = RpcLocator(RPCS)([1e9], [1e9])

    assert np.isinf(lon).all()
    assert np.isinf(lat).all()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("LINE_NUM_COEFF", "1 2 3", "RPC LINE_NUM_COEFF must be 20 finite numbers, got '1 2 3'"),
        ("SAMP_DEN_COEFF", "1 " * 19 + "x", "RPC SAMP_DEN_COEFF must be 20 numbers"),
        ("SAMP_DEN_COEFF", "0 " * 20, "RPC SAMP_DEN_COEFF must not be all zero"),
        ("LAT_OFF", "nan", "RPC LAT_OFF must be 1 finite numbers"),
        ("LAT_OFF", "", "RPC LAT_OFF must be 1"),
        ("LONG_SCALE", "0", "RPC LONG_SCALE must not be zero"),
        ("LINE_OFF", None, "RPC metadata lacks LINE_OFF"),
    ],
)
def test_malformed_coefficients_are_refused_by_name(name, text, message):
    rpcs = {key: value for key, value in RPCS.items() if key != name} | ({} if text is None else {name: text})

    with pytest.raises(ItemError, match=message):
        RpcLocator(rpcs)
