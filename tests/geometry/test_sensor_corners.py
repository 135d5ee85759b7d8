"""Images placed by an affine transform, control points or corners: both ways, and every spelling of corners."""

import pickle

import numpy as np
import pyproj
import pytest
import rasterio
from hypothesis import given
from hypothesis import strategies as st
from sensor_tres import blocka, cscrna

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import AffineLocator, AffineModel, GcpLocator, GcpModel, SensorModel
from stacchip_osml.geometry.igeolo import igeolo_model, parse_igeolo
from stacchip_osml.geometry.tre_models import blocka_model, cscrna_model
from stacchip_osml.imagery import GroundControlPoint
from stacchip_osml.pixel import ImageSize

SIZE = ImageSize(300, 200)
UTM = AffineModel(AffineLocator((10, 2, 300_000, 1, -10, 5_000_000), "EPSG:32633"), SIZE)


def comes_back(model, low=(-20.0, -20.0), high=(320.0, 220.0)) -> None:
    cols, rows = np.random.default_rng(1).uniform(low, high, (40, 2)).T
    lon, lat, up = model.image_to_world(cols, rows)
    np.testing.assert_allclose(model.world_to_image(lon, lat, up), [cols, rows], rtol=0, atol=1e-6)
    np.testing.assert_array_equal(model(cols, rows), [lon, lat])
    assert isinstance(model, SensorModel)
    assert pickle.loads(pickle.dumps(model)) == model


# --- affine ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("transform", "crs"),
    [
        ((10, 2, 300_000, 1, -10, 5_000_000), "EPSG:32633"),
        ((0.001, 0, 10, 0, -0.001, 50), "EPSG:4326"),
        ((0.001, 0, 10, 0, -0.001, 50), "EPSG:4267"),
        ((0.01, 0, 179, 0, -0.01, 10), "EPSG:4326"),  # over the antimeridian
        ((0.01, 0, 359, 0, -0.01, 10), "EPSG:4326"),  # longitudes as 0 to 360
    ],
)
def test_a_map_s_ground_is_seen_at_the_pixel(transform, crs):
    comes_back(AffineModel(AffineLocator(transform, crs), SIZE))


def test_a_map_has_its_locator_s_places_and_the_heights_it_is_given():
    lon, lat, high = UTM.image_to_world([[1.0, 2.0]], [[3.0], [4.0]], 77.0)

    np.testing.assert_array_equal([lon, lat], UTM.locator(*np.meshgrid([1.0, 2.0], [3.0, 4.0])))
    assert high.tolist() == [[77.0, 77.0], [77.0, 77.0]]
    assert not UTM.approximate
    assert repr(UTM) == "AffineModel((10.0, 2.0, 300000.0, 1.0, -10.0, 5000000.0), EPSG:32633)"


def test_places_that_the_crs_does_not_have_are_not_seen():
    disk = AffineModel(AffineLocator((30_000, 0, -4_500_000, 0, -45_000, 4_500_000), "+proj=geos +h=35785831"), SIZE)

    assert np.isinf(disk.world_to_image([180.0, 0.0], [0.0, 0.0])).tolist() == [[True, False], [True, False]]
    assert np.isinf(disk.image_to_world([0.0, 150.0], [0.0, 100.0])).tolist() == [[True, False]] * 3


# --- control points -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", [2, 3, 5])
def test_the_ground_of_an_image_with_control_points_is_seen_at_the_pixel(side):
    cols, rows = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 300, side), np.linspace(0, 200, side)))
    x, y = 15 + cols * 1e-4 + rows**2 * 1e-8, 48 - rows * 1e-4 + cols * rows * 1e-8
    points = tuple(
        GroundControlPoint(col=c, row=r, x=a, y=b, z=100.0 + c) for c, r, a, b in zip(cols, rows, x, y, strict=True)
    )
    model = GcpModel(GcpLocator(points, "EPSG:4326"))

    comes_back(model)
    assert model.approximate
    assert model.image_to_world(150, 100)[2] == pytest.approx(250.0)
    assert model.image_to_world(150, 100, 5.0)[2] == 5.0


# --- corners --------------------------------------------------------------------------------------------------------


@given(lon=st.floats(-179.9, 179.9), lat=st.floats(-79, 79), turn=st.floats(0, 6.28))
def test_corners_anywhere_give_a_model_whose_ground_is_seen_at_the_pixel(lon, lat, turn):
    cols, rows = np.array([0.5, 299.5, 299.5, 0.5]) - 150, np.array([0.5, 0.5, 199.5, 199.5]) - 100
    x = lon + (np.cos(turn) * cols + np.sin(turn) * rows) * 1e-3
    y = lat + (np.sin(turn) * cols - np.cos(turn) * rows) * 1e-3
    x = (x + 180) % 360 - 180
    text = "".join(f"{b:+07.3f}{a:+08.3f}" for a, b in zip(x, y, strict=True))
    model = igeolo_model(("D", text), SIZE)
    found = model([0.5, 299.5, 299.5, 0.5], [0.5, 0.5, 199.5, 199.5])

    assert np.abs((found[0] - x + 180) % 360 - 180).max() < 6e-4
    comes_back(model)


def write(path, **options) -> None:
    profile = {"driver": "NITF", "width": 300, "height": 200, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, **options) as file:
        file.write(np.zeros((1, 200, 300), np.uint8))


@pytest.mark.parametrize(
    ("icords", "igeolo"),
    [
        ("G", "475900N0120000E475900N0120600E475500N0120600E475500N0120000E"),
        ("G", "235900S1795800E235900S1795900W240500S1795900W240500S1795800E"),
        ("D", "-11.500-174.500-11.500-174.400-11.600-174.400-11.600-174.500"),
        ("N", "333000005330000333020005330000333020005328000333000005328000"),
        ("S", "333000005330000333020005330000333020005328000333000005328000"),
        ("U", "33UUP000003000033UUP020003000033UUP020002800033UUP0000028000"),
        ("U", "56JLP000003000056JLP020003000056JLP020002800056JLP0000028000"),
    ],
)
def test_gdal_reads_the_same_corners_and_puts_them_on_the_centres_of_pixels(tmp_path, icords, igeolo):
    write(tmp_path / "plain.ntf", ICORDS="G", IGEOLO="0" * 60)
    data = bytearray((tmp_path / "plain.ntf").read_bytes())
    at = int(data[354:360]) + 333 + 8 + 8 + 3 + 8 + 8 + 2 + 1
    assert data[at : at + 1] == b"G"
    data[at : at + 61] = icords.encode() + igeolo.encode()
    (tmp_path / "corners.ntf").write_bytes(data)
    model = igeolo_model((icords, igeolo), SIZE)
    with rasterio.open(tmp_path / "corners.ntf") as file:
        if file.gcps[0]:
            pixels = np.array([(point.col, point.row) for point in file.gcps[0]])
            ground = np.array([(point.x, point.y) for point in file.gcps[0]])
            crs = file.gcps[1]
        else:
            pixels = np.array([(0.5, 0.5), (299.5, 0.5), (299.5, 199.5), (0.5, 199.5)])
            ground = np.array([file.transform * tuple(pixel) for pixel in pixels])
            crs = file.crs
    expected = pyproj.Transformer.from_crs(crs.to_wkt(), "OGC:CRS84", always_xy=True).transform(*ground.T)
    lon, lat = model(*pixels.T)

    assert np.abs((lon - expected[0] + 180) % 360 - 180).max() < 1e-8
    np.testing.assert_allclose(lat, expected[1], rtol=0, atol=1e-8)


def test_geocentric_corners_of_nitf_2_0_are_moved_to_the_ellipsoid_s_latitudes():
    text = "450000N0120000E450000N0120600E445500N0120600E445500N0120000E"
    (_, geodetic), (_, geocentric) = parse_igeolo("G", text), parse_igeolo("C", text)

    assert geocentric[0][1] - geodetic[0][1] == pytest.approx(0.1924, abs=1e-3)  # most at 45 degrees


def test_corners_in_two_zones_become_degrees():
    crs, corners = parse_igeolo("N", "327000005330000333000005330000333000005328000327000005328000")

    assert crs == "EPSG:4326"
    assert corners[0][0] < 12 < corners[1][0] < 13


@pytest.mark.parametrize("seed", range(2))
def test_grid_references_are_the_places_of_their_zone(seed):
    """Built by hand from easting and northing: squares repeat every 3 zones across and 2,000 km up."""
    random = np.random.default_rng(seed)
    for _ in range(20):
        zone, lat = int(random.integers(1, 61)), float(random.uniform(-79.5, 83.5))
        lon = zone * 6 - 183 + float(random.uniform(-2.5, 2.5))
        code = f"EPSG:{327 if lat < 0 else 326}{zone:02d}"
        east, north = pyproj.Transformer.from_crs("OGC:CRS84", code, always_xy=True).transform(lon, lat)
        east, north = int(east), int(north)
        letters = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")[(zone - 1) % 3]
        rows = "ABCDEFGHJKLMNPQRSTUV"
        row = rows[(north // 100_000 + (0 if zone % 2 else 5)) % 20]
        band = "CDEFGHJKLMNPQRSTUVWX"[min(int((lat + 80) // 8), 19)]
        text = f"{zone:02d}{band}{letters[east // 100_000 - 1]}{row}{east % 100_000:05d}{north % 100_000:05d}"
        crs, corners = parse_igeolo("U", text * 4)

        assert (crs, corners[0]) == (code, (east, north)), text


@pytest.mark.parametrize(
    ("icords", "igeolo", "message"),
    [
        ("X", "0" * 60, "ICORDS must be one of G, D, N, S, U, C, got 'X'"),
        ("G", "0" * 59, "IGEOLO must be 60 characters, four corners of 15; got 59"),
        ("G", "475960N0120000E" * 4, "a corner of IGEOLO must be ddmmssXdddmmssY, got '475960N0120000E'"),
        ("G", "915900N0120000E" * 4, "must be within 90 and 180 degrees, got '915900N0120000E'"),
        ("D", "+47.50012.500 1" * 4, "a corner of IGEOLO must be ±dd.ddd±ddd.ddd"),
        ("N", "613000005330000" * 4, "zone 01 to 60, got '613000005330000'"),
        ("U", "33UIP0000030000" * 4, "must be a military grid reference zzBJKeeeeennnnn, got '33UIP0000030000'"),
        ("U", "33UAP0000030000" * 4, "IGEOLO has a grid square AP that zone 33 does not have"),
        ("G", "475900N0120000E" * 4, "IGEOLO '475900N0120000E.* places no image"),
    ],
)
def test_corners_that_are_none_are_refused(icords, igeolo, message):
    with pytest.raises(ItemError, match=message):
        igeolo_model((icords, igeolo), SIZE)


CORNERS = [
    (119.76788, 26.56989, 124.8),
    (120.02523, 26.5514, 12.0),
    (120.02524, 26.49186, 27.0),
    (119.76862, 26.50850, 198.7),
]


def test_cscrna_has_the_corners_with_their_heights():
    model = cscrna_model(cscrna(CORNERS), SIZE)
    lon, lat, high = model.image_to_world([0.5, 299.5, 299.5, 0.5], [0.5, 0.5, 199.5, 199.5])

    np.testing.assert_allclose(np.stack([lon, lat], axis=-1), [corner[:2] for corner in CORNERS], rtol=0, atol=1e-9)
    assert abs(high - [corner[2] for corner in CORNERS]).max() < 50  # a plane through four heights
    assert (model.kind, model.approximate) == ("CSCRNA", True)
    comes_back(model)
    with pytest.raises(ItemError, match="CSCRNA ULCNR_LAT must be a number, got 'somewhere'"):
        cscrna_model(b"Nsomewhere" + cscrna(CORNERS)[10:], SIZE)
    with pytest.raises(ItemError, match="CEL of CSCRNA must be 109, got 3"):
        cscrna_model(b"N00", SIZE)


@pytest.mark.parametrize("spelling", ["decimal", "sexagesimal"])
def test_blocka_has_the_corners_in_an_order_of_its_own(spelling):
    order = [CORNERS[1], CORNERS[2], CORNERS[3], CORNERS[0]]
    if spelling == "decimal":
        texts = [f"{lat:+010.6f}{lon:+011.6f}" for lon, lat, _ in order]
    else:
        texts = [f"N26{(lat - 26) * 60 // 1:02.0f}{(lat * 60 % 1) * 60:05.2f}E{int(lon):03d}{(lon % 1) * 60 // 1:02.0f}"
                 f"{(lon * 60 % 1) * 60:05.2f}" for lon, lat, _ in order]  # fmt: skip
    model = blocka_model(blocka(texts, lines=200), SIZE)
    found = np.stack(model([0.5, 299.5, 299.5, 0.5], [0.5, 0.5, 199.5, 199.5]), axis=-1)

    np.testing.assert_allclose(found, [corner[:2] for corner in CORNERS], rtol=0, atol=2e-6)
    assert blocka_model(blocka(texts, lines=100), SIZE) is None  # a part of the image
    assert blocka_model(blocka([" " * 21] * 4, lines=200), SIZE) is None
    with pytest.raises(ItemError, match="BLOCKA FRFC_LOC must be"):
        blocka_model(blocka([*texts[:3], "x" * 21], lines=200), SIZE)
