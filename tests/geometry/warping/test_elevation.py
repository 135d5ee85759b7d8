"""Heights: bilinear between the centres of a raster's pixels, in any CRS; unknown where nothing is."""

import pickle

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import AffineLocator, ConstantElevation, ElevationModel, RasterElevation
from stacchip_osml.geometry.warping.terrain import on_terrain
from stacchip_osml.imagery.blocks.image import BlockImage
from tests.geometry.warping.warp_cases import RPC, UTM, image

LINES, POSTS = np.mgrid[:60, :80].astype("float64")
PLANE = (100.0 + 2.0 * POSTS - 3.0 * LINES)[None]
TRANSFORM = (0.01, 0.0, 10.0, 0.0, -0.02, 50.0)
DEM = RasterElevation(image(PLANE, 32), TRANSFORM, "EPSG:4326")


@settings(max_examples=40)
@given(col=st.floats(0.5, 79.5), row=st.floats(0.5, 59.5))
def test_a_plane_of_heights_is_exact_between_the_centres_of_pixels(col, row):
    height = DEM.height(10.0 + 0.01 * col, 50.0 - 0.02 * row)

    assert height.shape == ()
    assert height == pytest.approx(100.0 + 2.0 * (col - 0.5) - 3.0 * (row - 0.5), abs=1e-4)


def test_places_broadcast_and_those_outside_have_no_height():
    lon, lat = np.array([9.9, 10.1, 10.795, 10.9, np.nan, np.inf]), np.array([[49.5], [51.0]])
    heights = DEM.height(lon, lat)
    filled = RasterElevation(DEM.provider, TRANSFORM, "EPSG:4326", fill=12.0).height(lon, lat)

    assert np.isnan(heights).tolist() == [[True, False, False, True, True, True], [True] * 6]
    assert (filled[np.isnan(heights)] == 12.0).all()
    np.testing.assert_array_equal(filled[0, 1:3], heights[0, 1:3])


def test_a_raster_in_metres_has_the_heights_of_its_places():
    dem = RasterElevation(image(PLANE, 32), (30.0, 0.0, 300_000.0, 0.0, -30.0, 5_300_000.0), UTM)
    cols, rows = np.random.default_rng(1).uniform(1, 59, (2, 50))
    lon, lat = AffineLocator(dem.transform, UTM)(cols, rows)

    np.testing.assert_allclose(dem.height(lon, lat), 100 + 2 * (cols - 0.5) - 3 * (rows - 0.5), atol=1e-4)


def test_a_raster_across_the_antimeridian_is_found_from_both_sides():
    dem = RasterElevation(image(PLANE, 32), (0.01, 0.0, 179.6, 0.0, -0.02, 50.0), "EPSG:4326")

    np.testing.assert_allclose(dem.height([179.995, -179.995], [49.99, 49.99]), [178.0, 180.0], atol=1e-3)


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_nodata_of_a_file_or_given_is_no_height_and_does_not_bleed(tmp_path, dtype):
    pixels = np.full((1, 60, 80), 500, dtype)
    pixels[:, 20:30, 20:30] = -9999
    path = tmp_path / "dem.tif"
    for nodata in (-9999, None):
        with rasterio.open(
            path, "w", driver="GTiff", width=80, height=60, count=1, dtype=dtype, crs="EPSG:4326", nodata=nodata,
            transform=rasterio.Affine(*TRANSFORM),
        ) as dataset:  # fmt: skip
            dataset.write(pixels)
        dem = RasterElevation(BlockImage(str(path)), TRANSFORM, "EPSG:4326", nodata=None if nodata else -9999)
        heights = dem.height(*np.meshgrid(np.linspace(10.05, 10.75, 90), np.linspace(48.9, 49.95, 90)))

        assert set(np.unique(heights[np.isfinite(heights)])) == {500.0}
        assert 0.01 < np.isnan(heights).mean() < 0.05


def test_models_are_values():
    again = pickle.loads(pickle.dumps(DEM))
    other = RasterElevation(DEM.provider, TRANSFORM, "EPSG:4326", fill=0.0)

    assert isinstance(DEM, ElevationModel)
    assert isinstance(ConstantElevation(3.0), ElevationModel)
    np.testing.assert_array_equal(again.height(10.2, 49.5), DEM.height(10.2, 49.5))
    assert again.key == DEM.key
    assert len({DEM.key, other.key}) == len({DEM.pixel_identity, other.pixel_identity}) == 2
    assert RasterElevation(DEM.provider, TRANSFORM, "EPSG:4326").pixel_identity == DEM.pixel_identity


def test_heights_that_are_none_are_refused():
    with pytest.raises(ValueError, match="elevation must be a finite number, got nan"):
        ConstantElevation(float("nan"))
    with pytest.raises(ItemError, match="maps all pixels onto a line"):
        RasterElevation(DEM.provider, (1.0, 1.0, 0.0, 1.0, 1.0, 0.0), UTM)


@pytest.mark.parametrize("slope", [0.0, 0.3, -0.3, -2.0])
def test_a_line_of_sight_meets_a_slope_where_both_are(slope):
    west, north = 7.4, 46.06
    metres = 1000.0 * np.cos(np.radians(46.0)) * 0.002 * 111.3
    heights = (300.0 + slope * metres * (POSTS - 40)).astype("float32")
    dem = RasterElevation(image(heights[None], 32), (0.002, 0.0, west, 0.0, -0.002, north), "EPSG:4326")
    cols, rows = np.array([250.0, 300.0, 350.0]), np.array([200.0, 250.0, 300.0])
    lon, lat, height = on_terrain(RPC.image_to_world, dem, cols, rows)

    assert np.isfinite(height).all()
    np.testing.assert_allclose(dem.height(lon, lat), height, atol=2e-3)
    np.testing.assert_allclose(RPC.world_to_image(lon, lat, height), (cols, rows), atol=1e-5)
