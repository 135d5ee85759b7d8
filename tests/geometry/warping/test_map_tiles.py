"""Map tile sets: published tiles, rows from the north, edges, the antimeridian, the poles."""

import math

import morecantile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.geometry import (
    GeodeticWorldCoordinate,
    MapTileId,
    MapTileLimits,
    MapTileSet,
    MapTileSetFactory,
    TileError,
    WellKnownMapTileSet,
)

NAMES = [each.value for each in WellKnownMapTileSet]
MERCATOR = MapTileSetFactory.get_for_id("WebMercatorQuad")
WORLD = MapTileSetFactory.get_for_id(WellKnownMapTileSet.WORLD_CRS84_QUAD)
LIMIT = math.degrees(math.atan(math.sinh(math.pi)))


def place(lon, lat):
    return GeodeticWorldCoordinate.from_degrees(lon, lat)


def ring(west, south, east, north):
    return [place(west, north), place(east, north), place(east, south), place(west, south)]


@pytest.mark.parametrize(
    ("lon", "lat", "zoom", "col", "row"),
    [
        (-77.0365, 38.8977, 10, 292, 391),  # Washington DC, as every XYZ server numbers it
        (13.3777, 52.5163, 12, 2200, 1343),  # Berlin
        (151.2153, -33.8568, 15, 30147, 19662),  # Sydney
        (0.0001, 0.0001, 1, 1, 0),
        (-0.0001, -0.0001, 1, 0, 1),
    ],
)
def test_rows_count_from_the_north_as_ogc_and_xyz_have_them_not_from_the_south(lon, lat, zoom, col, row):
    tile = MERCATOR.get_tile_for_location(place(lon, lat), zoom)

    assert tile.id == MapTileId(zoom, row, col)
    bounds = tile.bounds_degrees
    assert bounds.min_lon <= lon <= bounds.max_lon
    assert bounds.min_lat <= lat <= bounds.max_lat


@pytest.mark.parametrize("name", ["WebMercatorQuad", "WorldCRS84Quad"])
@settings(max_examples=30)
@given(lon=st.floats(-179.99, 179.99), lat=st.floats(-85, 85), zoom=st.integers(0, 20))
def test_another_library_has_the_same_tile_at_the_same_place(name, lon, lat, zoom):
    theirs = morecantile.tms.get(name)
    tile = MapTileSetFactory.get_for_id(name).get_tile_for_location(place(lon, lat), zoom)
    number, row, col = tile.id
    bounds = theirs.xy_bounds(col, row, zoom)

    np.testing.assert_allclose(tile.native_bounds, bounds, rtol=0, atol=1e-6)
    x, y = theirs.xy(lon, lat) if name == "WebMercatorQuad" else (lon, lat)
    assert number == zoom
    assert bounds.left - 1e-6 <= x <= bounds.right + 1e-6
    assert bounds.bottom - 1e-6 <= y <= bounds.top + 1e-6
    assert (theirs.matrix(zoom).matrixHeight, theirs.matrix(zoom).matrixWidth) == (
        MapTileSetFactory.get_for_id(name).tile_matrix(zoom).shape
    )


@pytest.mark.parametrize(
    ("name", "pixels"), [("WebMercatorQuad", 256), ("WebMercatorQuadx2", 512), ("WorldCRS84Quad", 256)]
)
def test_the_first_matrix_is_as_published(name, pixels):
    tile_set = MapTileSetFactory.get_for_id(name)
    tile = tile_set.get_tile(MapTileId(0, 0, 0))

    assert isinstance(tile_set, MapTileSet)
    assert tile.size == (pixels, pixels)
    if name == "WorldCRS84Quad":
        assert tile.native_bounds == (-180, -90, 0, 90)
        assert tile_set.tile_matrix(0).cell == (0.703125, 0.703125)
    else:
        assert tile.native_bounds == pytest.approx((-20037508.342789244,) * 2 + (20037508.342789244,) * 2)
        assert tile.bounds == pytest.approx((-math.pi, -math.radians(LIMIT), math.pi, math.radians(LIMIT)))
        assert tile_set.tile_matrix(0).cell[0] * pixels == pytest.approx(156543.03392804097 * 256)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=30)
@given(zoom=st.integers(0, 24), share=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_tile_s_own_corner_belongs_to_it_and_its_other_edges_to_the_neighbours(name, zoom, share):
    tile_set = MapTileSetFactory.get_for_id(name)
    rows, cols = tile_set.tile_matrix(zoom).shape
    row, col = min(int(share[0] * rows), rows - 1), min(int(share[1] * cols), cols - 1)
    bounds = tile_set.get_tile(MapTileId(zoom, row, col)).bounds
    middle = ((bounds.min_lon + bounds.max_lon) / 2, (bounds.min_lat + bounds.max_lat) / 2)

    def found(lon, lat):
        return tile_set.get_tile_for_location(GeodeticWorldCoordinate(lon, lat), zoom).id[1:]

    assert found(bounds.min_lon, bounds.max_lat) == (row, col)
    assert found(bounds.min_lon, middle[1]) == (row, col)
    assert found(middle[0], bounds.max_lat) == (row, col)
    assert found(middle[0], bounds.min_lat) == (min(row + 1, rows - 1), col)
    assert found(bounds.max_lon, middle[1]) == (row, min(col + 1, cols - 1))


@pytest.mark.parametrize("name", NAMES)
def test_tiles_side_by_side_share_the_very_same_edges(name):
    tile_set = MapTileSetFactory.get_for_id(name)
    for zoom, row, col in [(3, 2, 5), (11, 700, 1000), (22, 1_500_000, 2_345_678)]:
        here = tile_set.get_tile(MapTileId(zoom, row, col)).native_bounds
        right = tile_set.get_tile(MapTileId(zoom, row, col + 1)).native_bounds
        below = tile_set.get_tile(MapTileId(zoom, row + 1, col)).native_bounds

        assert here.max_x == right.min_x
        assert here.min_y == below.max_y


@pytest.mark.parametrize(
    ("tile_set", "lon", "lat", "zoom", "message"),
    [
        (MERCATOR, 10.0, 86.0, 5, "longitude 10, latitude 86 lies outside WebMercatorQuad"),
        (MERCATOR, 10.0, -90.0, 5, "latitude -90 lies outside WebMercatorQuad"),
        (MERCATOR, 10.0, 10.0, 31, "tile matrices 0 to 30, not 31"),
        (MERCATOR, 10.0, 10.0, -1, "tile matrices 0 to 30, not -1"),
        (WORLD, 10.0, 91.0, 5, "expected a longitude and latitude in radians"),
        (WORLD, math.nan, 1.0, 5, "expected a longitude and latitude in radians"),
    ],
)
def test_a_place_without_a_tile_is_refused(tile_set, lon, lat, zoom, message):
    with pytest.raises(TileError, match=message):
        tile_set.get_tile_for_location(place(lon, lat), zoom)


@pytest.mark.parametrize("tile", [(4, 16, 0), (4, 0, 16), (4, -1, 0), (4, 0, -1)])
def test_a_tile_that_is_not_in_its_matrix_is_refused(tile):
    with pytest.raises(TileError, match="of a matrix of 16 rows and 16 columns"):
        MERCATOR.get_tile(MapTileId(*tile))


def test_a_set_of_another_name_is_refused():
    with pytest.raises(TileError, match=r"tile sets are WebMercatorQuad, .*got 'GoogleMaps'"):
        MapTileSetFactory.get_for_id("GoogleMaps")


def test_the_limits_of_the_world_are_inside():
    assert MERCATOR.get_tile_for_location(place(-180, LIMIT), 4).id == (4, 0, 0)
    assert MERCATOR.get_tile_for_location(place(180, -LIMIT), 4).id == (4, 15, 15)
    assert WORLD.get_tile_for_location(place(-180, 90), 2).id == (2, 0, 0)
    assert WORLD.get_tile_for_location(place(180, -90), 2).id == (2, 3, 7)
    assert WORLD.get_tile_for_location(place(190, 0), 2).id == WORLD.get_tile_for_location(place(-170, 0), 2).id


def test_an_area_takes_the_tiles_that_it_reaches_into_and_none_that_it_touches():
    inside = MERCATOR.get_tile(MapTileId(9, 170, 270)).bounds
    corners = [
        GeodeticWorldCoordinate(lon, lat)
        for lon, lat in [
            (inside.min_lon, inside.max_lat), (inside.max_lon, inside.max_lat),
            (inside.max_lon, inside.min_lat), (inside.min_lon, inside.min_lat),
        ]
    ]  # fmt: skip

    assert MERCATOR.get_tile_matrix_limits_for_area(corners, 9) == (170, 270, 170, 270)
    assert MERCATOR.get_tile_matrix_limits_for_area(corners, 10) == (340, 540, 341, 541)
    assert MERCATOR.get_tile_matrix_limits_for_area([corners[0]], 9) == (170, 270, 170, 270)


def test_an_area_across_the_antimeridian_goes_on_beyond_the_last_column():
    limits = WORLD.get_tile_matrix_limits_for_area(ring(170, -10, -170, 10), 4)

    assert limits == MapTileLimits(7, 31, 8, 32)  # tiles of 11.25 degrees; column 32 is column 0
    assert limits.shape == (2, 2)


@pytest.mark.parametrize(("lat", "rows"), [(80.0, (0, 0)), (-80.0, (7, 7))])
def test_an_area_around_a_pole_takes_all_columns(lat, rows):
    corners = [place(lon, lat) for lon in (0, 90, 180, -90)]

    assert WORLD.get_tile_matrix_limits_for_area(corners, 3) == (rows[0], 0, rows[1], 15)


def test_what_lies_beyond_mercator_is_left_out_and_an_area_wholly_beyond_refused():
    limits = MERCATOR.get_tile_matrix_limits_for_area(ring(10, 80, 20, 89), 4)

    assert limits.min_row == 0
    with pytest.raises(TileError, match=r"beyond 85\.051129 degrees, where EPSG:3857 has no tiles"):
        MERCATOR.get_tile_matrix_limits_for_area(ring(10, 86, 20, 89), 4)
    with pytest.raises(TileError, match="needs at least one place"):
        MERCATOR.get_tile_matrix_limits_for_area([], 4)


@settings(max_examples=50)
@given(
    west=st.floats(-180, 179), south=st.floats(-80, 79), width=st.floats(1e-3, 30), height=st.floats(1e-3, 5),
    zoom=st.integers(0, 14), inner=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)  # fmt: skip
def test_every_place_of_an_area_has_its_tile_within_the_limits(west, south, width, height, zoom, inner):
    limits = MERCATOR.get_tile_matrix_limits_for_area(ring(west, south, west + width, south + height), zoom)
    here = MERCATOR.get_tile_for_location(place(west + inner[0] * width, south + inner[1] * height), zoom).id
    cols = MERCATOR.tile_matrix(zoom).shape[1]
    edge = 1e-9  # a place on the outermost edge belongs to the neighbour

    assert limits.min_row <= here.tile_row <= limits.max_row + (inner[1] < edge)
    assert any(
        limits.min_col <= col <= limits.max_col + (inner[0] > 1 - edge) for col in (here.tile_col, here.tile_col + cols)
    )
