"""Tiles laid over one image: they hold all of it, at its own scale, rows from the north."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError, SettingError
from stacchip_osml.geometry import (
    AffineLocator,
    AffineModel,
    GeodeticWorldCoordinate,
    MapTileId,
    MapTileSet,
    ProjectedImageTileSet,
    TileError,
    locator_gsd,
)
from stacchip_osml.pixel import ImageSize
from tests.geometry.warping.warp_cases import MAP, MODELS, RPC, SIZE, UTM


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("crs", ["EPSG:4326", UTM, "EPSG:3857", 3035])
def test_the_tiles_hold_every_pixel_of_the_image(name, crs):
    model = MODELS[name]
    tiles = ProjectedImageTileSet.from_sensor_model(model, *SIZE, crs, block_size=(128, 128))
    cols, rows = np.random.default_rng(2).uniform(0, 1, (2, 200)) * np.array(SIZE)[:, None]

    assert isinstance(tiles, MapTileSet)
    for lon, lat in zip(*model(cols, rows), strict=True):
        assert tiles.get_tile_for_location(GeodeticWorldCoordinate.from_degrees(lon, lat), 0).id.tile_matrix == 0
    count = tiles.grid_cols * tiles.grid_rows * 128 * 128
    assert SIZE.width * SIZE.height < count < 6 * SIZE.width * SIZE.height


def test_pixels_are_as_large_as_the_image_s_on_both_axes():
    utm = ProjectedImageTileSet.from_sensor_model(MAP, *SIZE, UTM)
    degrees = ProjectedImageTileSet.from_sensor_model(MAP, *SIZE)
    tall = AffineModel(AffineLocator((5.0, 0.0, 3e5, 0.0, -20.0, 5.3e6), UTM), SIZE)

    assert utm.gsd == pytest.approx((10.0, 10.0), rel=1e-3)
    lon, lat = MAP([300.0], [250.0])
    east, north = degrees.gsd
    assert east * math.cos(math.radians(lat[0])) == pytest.approx(north, rel=0.01)  # square on the ground
    there = AffineLocator((east, 0, lon[0], 0, -north, lat[0]), "EPSG:4326")
    assert locator_gsd(there, ImageSize(1, 1)) == pytest.approx(locator_gsd(MAP, SIZE), rel=1e-3)
    assert ProjectedImageTileSet.from_sensor_model(tall, *SIZE, UTM).gsd == pytest.approx((10.0, 10.0), rel=1e-3)


def test_the_grid_lies_on_multiples_of_its_pixels_so_that_grids_of_two_images_fit():
    tiles = ProjectedImageTileSet.from_sensor_model(MAP, *SIZE, UTM, gsd=7.0, block_size=(100, 50))

    assert [value % 7 for value in tiles.origin] == [0, 0]
    assert tiles.tile_matrix(0).cell == (7.0, 7.0)
    assert tiles.get_tile(MapTileId(0, 0, 0)).size == (100, 50)


def test_each_scale_halves_the_one_before_down_to_one_tile():
    tiles = ProjectedImageTileSet.from_sensor_model(MAP, *SIZE, UTM, gsd=10.0, block_size=(64, 64))

    dimensions = [tiles.tile_matrix_dimensions(number) for number in range(tiles.num_tile_matrices)]
    assert dimensions == [(10, 8), (5, 4), (3, 2), (2, 1), (1, 1)]
    assert [tiles.tile_matrix(number).cell[0] for number in range(5)] == [10, 20, 40, 80, 160]
    with pytest.raises(TileError, match="tile matrices 0 to 4, not 5"):
        tiles.tile_matrix(5)


def test_rows_count_from_the_north_and_edges_are_shared():
    tiles = ProjectedImageTileSet(UTM, (300_000.0, 5_300_000.0), 10.0, (100, 100), 6, 5, 1)

    assert tiles.get_tile(MapTileId(0, 0, 0)).native_bounds == (300_000, 5_299_000, 301_000, 5_300_000)
    assert tiles.get_tile(MapTileId(0, 4, 5)).native_bounds == (305_000, 5_295_000, 306_000, 5_296_000)
    lon, lat = MAP([300.0], [200.0])  # where four tiles meet
    assert tiles.get_tile_for_location(GeodeticWorldCoordinate.from_degrees(lon[0], lat[0]), 0).id == (0, 2, 3)


def test_a_place_outside_is_refused_and_not_moved_to_the_nearest_tile():
    tiles = ProjectedImageTileSet.from_sensor_model(MAP, *SIZE, UTM)

    with pytest.raises(TileError, match="longitude 2, latitude 47 lies outside projected:EPSG:32633"):
        tiles.get_tile_for_location(GeodeticWorldCoordinate.from_degrees(2.0, 47.0), 0)


def test_an_image_across_the_antimeridian_gets_one_grid():
    model = AffineModel(AffineLocator((60.0, 0.0, 640_000.0, 0.0, -60.0, 7_000_000.0), "EPSG:32660"), SIZE)
    tiles = ProjectedImageTileSet.from_sensor_model(model, *SIZE, block_size=(256, 256))
    west, east = tiles.tile_matrix(0).bounds[::2]

    assert 170 < west < 180 < east < 195
    lon, lat = model(np.array([0.0, 599.0]), np.array([250.0, 250.0]))
    assert lon[0] > 0 > lon[1]
    found = [
        tiles.get_tile_for_location(GeodeticWorldCoordinate.from_degrees(*each), 0).id
        for each in zip(lon, lat, strict=True)
    ]
    assert found[0].tile_col == 0
    assert found[1].tile_col == tiles.grid_cols - 1


def test_bounds_hold_edges_that_bend():
    tiles = ProjectedImageTileSet("EPSG:3413", (-500_000.0, 500_000.0), 1000.0, (500, 500), 2, 2, 1)
    bounds = tiles.get_tile(MapTileId(0, 0, 1)).bounds_degrees  # a corner of it is the north pole

    assert bounds.max_lat == pytest.approx(90.0, abs=1e-6)
    with pytest.raises(ItemError, match="has no place on the ground"):
        ProjectedImageTileSet.from_sensor_model(RPC, 100_000_000, 100_000_000)


@pytest.mark.parametrize(
    "changes", [{"gsd": 0.0}, {"gsd": (1.0, math.inf)}, {"block_size": (0, 5)}, {"grid_cols": 0}, {"num_levels": 0},
                {"origin": (math.nan, 0.0)}]
)  # fmt: skip
def test_impossible_grids_are_refused(changes):
    whole = {
        "target_crs": UTM,
        "origin": (0.0, 0.0),
        "gsd": 1.0,
        "block_size": (10, 10),
        "grid_cols": 1,
        "grid_rows": 1,
    }

    with pytest.raises((TileError, SettingError), match="must be"):
        ProjectedImageTileSet(**whole | changes)


@settings(max_examples=30)
@given(row=st.integers(0, 39), col=st.integers(0, 49), number=st.integers(0, 3))
def test_the_middle_of_a_tile_is_in_it(row, col, number):
    tiles = ProjectedImageTileSet(UTM, (3e5, 5.3e6), (7.0, 11.0), (30, 20), 50, 40, 4)
    cols, rows = tiles.tile_matrix_dimensions(number)
    tile = tiles.get_tile(MapTileId(number, row % rows, col % cols))
    x, y = ((tile.native_bounds[n] + tile.native_bounds[n + 2]) / 2 for n in (0, 1))
    lon, lat = AffineLocator((1, 0, x, 0, 1, y), UTM)([0.0], [0.0])

    assert tiles.get_tile_for_location(GeodeticWorldCoordinate.from_degrees(lon[0], lat[0]), number) == tile
