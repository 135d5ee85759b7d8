"""Warp grids: true pixel centres, tiles that go on, measured errors, levels, heights."""

import pickle

import numpy as np
import pytest

from stacchip_osml.errors import ItemError
from stacchip_osml.geometry import (
    AffineLocator,
    AffineModel,
    ConstantElevation,
    GridBuilder,
    ImageToImageGridBuilder,
    MapTileSetFactory,
    OrthoGridBuilder,
    ProjectedImageTileSet,
    RasterElevation,
    SicdModel,
    WarpGridOptions,
)
from stacchip_osml.geometry.locate import to_crs84
from stacchip_osml.geometry.warping.grids import VisibilityError
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.geometry.sensor_documents import HEIGHT, sicd
from tests.geometry.warping.warp_cases import EXACT, MAP, MODELS, RPC, SIZE, TURNED, UTM, image, pixel_centres

MERCATOR = MapTileSetFactory.get_for_id("WebMercatorQuad")
ROWS, COLS = np.mgrid[:80, :90]
HILLS = (300 + 30 * np.sin(ROWS / 5.0) + 40 * np.cos(COLS / 7.0)).astype("float32")
DEM = RasterElevation(
    image(HILLS[None], 32), (0.002, 0.0, 7.41, 0.0, -0.0015, 46.06), "EPSG:4326"
)  # posts of 150 m over RPC's ground

CASES = [*((name, None) for name in MODELS), ("rpc", DEM)]
"""Models, and heights of their ground."""


def places(builder, tile):
    """lon, lat of a tile's pixel centres, by PROJ and the tile set's own bounds."""
    bounds, size = builder.tile_set.get_tile(builder.tile_id(*tile)).native_bounds, builder.tile_size
    across, down = (bounds.max_x - bounds.min_x) / size.width, (bounds.max_y - bounds.min_y) / size.height
    x, y = pixel_centres((across, 0, bounds.min_x, 0, -down, bounds.max_y), PixelWindow(0, 0, *size))
    return to_crs84(builder.crs).transform(x, y)


def middle_tile(builder):
    limits = builder.tile_limits
    return (limits.min_row + limits.max_row) // 2, (limits.min_col + limits.max_col) // 2


@pytest.mark.parametrize(
    ("name", "elevation"), [*CASES, *((name, ConstantElevation(340.0)) for name in MODELS)], ids=str
)
def test_positions_are_where_the_tile_and_the_sensor_model_say_to_a_hundredth_of_a_pixel(name, elevation):
    builder = OrthoGridBuilder(MERCATOR, 14, MODELS[name], *SIZE, elevation)
    tile = middle_tile(builder)
    lon, lat = places(builder, tile)
    heights = None if elevation is None else elevation.height(lon, lat)
    cols, rows = MODELS[name].world_to_image(lon, lat, heights)

    grid = builder.build(*tile)

    valid = grid.valid_mask
    assert valid.any()
    assert np.hypot(grid.map_x + 0.5 - cols, grid.map_y + 0.5 - rows)[valid].max() < 0.01
    assert grid.error < 0.01
    np.testing.assert_array_equal(valid, (cols >= 0) & (cols < 600) & (rows >= 0) & (rows < 500))
    x, y, width, height = grid.source_bbox
    assert x <= (grid.map_x[valid] + 0.5).min()
    assert (grid.map_y[valid] + 0.5).max() <= y + height
    assert width <= 600


def test_pixels_are_looked_up_at_their_centres_and_a_tile_is_not_stretched_over_its_last_pixel():
    """Positions from edge to edge, given to the W pixels, step by W / (W - 1): a half pixel off at both ends."""
    tiles = ProjectedImageTileSet(UTM, (300_000.0, 5_300_000.0), 10.0, (100, 50), 6, 10, 1)
    for options in (EXACT, WarpGridOptions(), WarpGridOptions.FAST):
        builder = OrthoGridBuilder(tiles, 0, MAP, *SIZE, options=options)
        here, right, below = builder.build(3, 2), builder.build(3, 3), builder.build(4, 2)

        np.testing.assert_allclose(here.map_x[0], np.arange(200, 300), atol=1e-5)
        np.testing.assert_allclose(here.map_y[:, 0], np.arange(150, 200), atol=1e-5)
        np.testing.assert_allclose(np.diff(here.map_x, axis=1), 1.0, atol=1e-5)
        np.testing.assert_allclose(right.map_x[:, 0] - here.map_x[:, -1], 1.0, atol=1e-5)
        np.testing.assert_allclose(below.map_y[0] - here.map_y[-1], 1.0, atol=1e-5)


@pytest.mark.parametrize(("name", "elevation"), CASES, ids=str)
def test_tiles_side_by_side_are_one_big_tile(name, elevation):
    made = {}
    for size in (64, 256):
        tiles = ProjectedImageTileSet.from_sensor_model(
            MODELS[name], *SIZE, "EPSG:3857", gsd=25.0, block_size=(size,) * 2
        )
        tiles = ProjectedImageTileSet("EPSG:3857", tiles.origin, 25.0, (size, size), 256 // size, 256 // size, 1)
        for options in (EXACT, WarpGridOptions()):
            builder = OrthoGridBuilder(tiles, 0, MODELS[name], *SIZE, elevation, options)
            limits = builder.tile_limits
            whole = np.full((2, 256, 256), np.nan)
            for row in range(limits.min_row, limits.max_row + 1):
                for col in range(limits.min_col, limits.max_col + 1):
                    grid = builder.build(row, col)
                    if grid is not None:
                        part = np.s_[:, row * size : (row + 1) * size, col * size : (col + 1) * size]
                        whole[part] = grid.map_x, grid.map_y
            made[size, options] = whole
    assert np.isfinite(made[64, EXACT]).mean() > 0.3
    np.testing.assert_array_equal(made[64, EXACT], made[256, EXACT])
    off = np.abs(made[64, WarpGridOptions()] - made[256, WarpGridOptions()])
    assert np.nanmax(off) < 0.01


@pytest.mark.parametrize("error", [0.5, 0.05, 0.005, 0.0005])
def test_control_points_are_added_until_the_error_is_as_small_as_was_asked(error):
    world = MapTileSetFactory.get_for_id("WebMercatorQuad")
    size = ImageSize(2000, 1500)  # most of Europe, in a projection that bends
    model = AffineModel(AffineLocator((2000.0, 0.0, 2.5e6, 0.0, -2000.0, 4.5e6), "EPSG:3035"), size)
    exactly = OrthoGridBuilder(world, 4, model, *size, options=EXACT)
    nearly = OrthoGridBuilder(world, 4, model, *size, options=WarpGridOptions(3, max_error=error))
    tile = middle_tile(nearly)
    there, here = exactly.build(*tile), nearly.build(*tile)
    both = there.valid_mask & here.valid_mask

    assert 0 <= here.error <= error * 2**nearly.source_resolution_level
    assert np.hypot(there.map_x - here.map_x, there.map_y - here.map_y)[both].max() <= error
    assert both.mean() > 0.5


def test_a_coarse_warp_without_a_bound_would_be_off_by_far_more():
    """What the refinement is for: the same tile between three control points a side."""
    size = ImageSize(2000, 1500)
    model = AffineModel(AffineLocator((2000.0, 0.0, 2.5e6, 0.0, -2000.0, 4.5e6), "EPSG:3035"), size)
    exactly = OrthoGridBuilder(MERCATOR, 4, model, *size, options=EXACT)
    loosely = OrthoGridBuilder(MERCATOR, 4, model, *size, options=WarpGridOptions(2, max_error=1e6))
    tile = middle_tile(loosely)
    there, here = exactly.build(*tile), loosely.build(*tile)

    assert np.nanmax(np.abs(there.map_x - here.map_x)) > 50 * WarpGridOptions().max_error


@pytest.mark.parametrize(
    ("zoom", "levels", "expected"),
    [(15, 5, 0), (14, 5, 0), (13, 5, 0), (12, 5, 1), (11, 5, 2), (10, 5, 3), (10, 2, 1), (8, 5, 4)],
)
def test_the_level_is_the_coarsest_that_is_nowhere_enlarged(zoom, levels, expected):
    builder = OrthoGridBuilder(
        MERCATOR, zoom, MAP, *SIZE, num_source_levels=levels
    )  # 10 m; 9.55 m at the equator at 14

    assert builder.source_resolution_level == expected


def test_the_axis_with_the_larger_pixels_decides_on_the_level():
    size = ImageSize(600, 300)
    for cell in ((10.0, 40.0), (40.0, 10.0)):
        model = AffineModel(AffineLocator((cell[0], 0, 3e5, 0, -cell[1], 5.3e6), UTM), size)
        tiles = ProjectedImageTileSet(UTM, (3e5, 5.3e6), 40.0, (64, 64), 20, 20, 1)
        builder = OrthoGridBuilder(tiles, 0, model, *size, num_source_levels=4)

        assert builder.source_resolution_level == 0
    tiles = ProjectedImageTileSet(UTM, (3e5, 5.3e6), 80.0, (64, 64), 20, 20, 1)
    assert OrthoGridBuilder(tiles, 0, model, *size, num_source_levels=4).source_resolution_level == 1


def test_without_heights_the_model_s_own_height_counts_and_not_zero():
    at = {
        name: OrthoGridBuilder(MERCATOR, 14, RPC, *SIZE, elevation)
        for name, elevation in [("own", None), ("off", ConstantElevation(300.0)), ("zero", ConstantElevation(0.0))]
    }
    grids = {name: builder.build(*middle_tile(at["own"])) for name, builder in at.items()}

    np.testing.assert_array_equal(grids["own"].map_x, grids["off"].map_x)
    assert np.nanmedian(np.abs(grids["own"].map_x - grids["zero"].map_x)) > 20


def test_a_cliff_narrower_than_the_control_points_is_where_it_is():
    heights = np.full((1, 80, 90), 300.0, "float32")
    heights[:, :, 45] = 390.0
    dem = RasterElevation(image(heights, 32), DEM.transform, DEM.crs)
    builder = OrthoGridBuilder(MERCATOR, 13, RPC, *SIZE, dem)
    exactly = OrthoGridBuilder(MERCATOR, 13, RPC, *SIZE, dem, EXACT)
    worst = 0.0
    for row in range(builder.tile_limits.min_row, builder.tile_limits.max_row + 1):
        for col in range(builder.tile_limits.min_col, builder.tile_limits.max_col + 1):
            here, there = builder.build(row, col), exactly.build(row, col)
            assert (here is None) == (there is None)
            if here is not None and there is not None:
                worst = max(worst, float(np.nanmax(np.hypot(here.map_x - there.map_x, here.map_y - there.map_y))))
    assert worst < 0.02


def test_pixels_without_a_height_have_no_data():
    heights = HILLS[None].copy()
    heights[:, 30:40, 40:50] = -9999
    dem = RasterElevation(image(heights, 32), DEM.transform, DEM.crs, nodata=-9999)
    filled = RasterElevation(image(heights, 32), DEM.transform, DEM.crs, nodata=-9999, fill=300.0)
    counts = []
    for elevation in (DEM, dem, filled):
        builder = OrthoGridBuilder(MERCATOR, 12, RPC, *SIZE, elevation)
        limits = builder.tile_limits
        tiles = [
            (r, c) for r in range(limits.min_row, limits.max_row + 1) for c in range(limits.min_col, limits.max_col + 1)
        ]
        counts.append(sum(grid.valid_mask.sum() for tile in tiles if (grid := builder.build(*tile)) is not None))

    assert counts[1] < counts[0] - 500
    assert abs(int(counts[2]) - int(counts[0])) < 30


@pytest.mark.parametrize("elevation", [None, DEM], ids=["own", "raster"])
def test_one_image_as_another_was_taken_meets_it_on_the_ground(elevation):
    builder = ImageToImageGridBuilder(RPC, OTHER, *SIZE, *SIZE, elevation, 256, 256)
    for block in [(0, 0), (1, 1), (0, 2)]:
        grid = builder.build(*block)
        rows, cols = (np.ravel(each) for each in np.mgrid[: grid.map_x.shape[0] : 9, : grid.map_x.shape[1] : 7])
        at = block[1] * 256 + cols + 0.5, block[0] * 256 + rows + 0.5
        lon, lat, height = OTHER.image_to_world(*at)
        for _ in range(20 if elevation is not None else 0):  # the ground is flatter than lines of sight are steep
            height = elevation.height(lon, lat)
            lon, lat, _ = OTHER.image_to_world(*at, height)
        x, y = RPC.world_to_image(lon, lat, height)
        valid = grid.valid_mask[rows, cols]

        assert valid.mean() > 0.5
        assert np.hypot(grid.map_x[rows, cols] + 0.5 - x, grid.map_y[rows, cols] + 0.5 - y)[valid].max() < 0.01
        assert not (valid & ((x < -0.01) | (x > 600.01) | (y < -0.01) | (y > 500.01))).any()
        assert valid[(x > 0.01) & (x < 599.99) & (y > 0.01) & (y < 499.99)].all()


OTHER = type(RPC)(
    {name: text if name != "SAMP_NUM_COEFF" else text.replace("-0.03,", "0.03,").replace(" -0.03 ", " 0.05 ")
     for name, text in RPC.rpcs}
)  # fmt: skip
"""The same ground from another direction."""


def test_a_map_as_target_takes_the_source_s_own_height():
    tiles = ProjectedImageTileSet.from_sensor_model(RPC, *SIZE, "EPSG:3857", gsd=20.0, block_size=(256, 256))
    ortho = OrthoGridBuilder(tiles, 0, RPC, *SIZE)
    target = AffineModel(AffineLocator(ortho.transform, "EPSG:3857"), ortho.image_size)
    other = ImageToImageGridBuilder(RPC, target, *SIZE, *ortho.image_size, block_width=256, block_height=256)

    assert other.transform == ortho.transform
    assert other.crs == ortho.crs
    for tile in [(0, 0), (1, 0)]:
        np.testing.assert_allclose(ortho.build(*tile).map_x, other.build(*tile).map_x, atol=0.01)


def test_an_image_onto_itself_is_the_identity():
    for model in (MAP, TURNED, RPC):
        builder = ImageToImageGridBuilder(model, model, *SIZE, *SIZE, block_width=256, block_height=200)
        grid = builder.build(2, 2)

        assert grid.map_x.shape == (100, 88)
        np.testing.assert_allclose(grid.map_x[0], np.arange(512, 600), atol=2e-6)
        np.testing.assert_allclose(grid.map_y[:, 0], np.arange(400, 500), atol=2e-6)
        assert grid.valid_mask.all()


def test_an_image_across_the_antimeridian_is_one_row_of_tiles():
    model = AffineModel(AffineLocator((100.0, 0.0, 620_000.0, 0.0, -100.0, 7_000_000.0), "EPSG:32660"), SIZE)
    for name in ("WebMercatorQuad", "WorldCRS84Quad"):
        tile_set = MapTileSetFactory.get_for_id(name)
        builder = OrthoGridBuilder(tile_set, 9, model, *SIZE)
        limits, count = builder.tile_limits, tile_set.tile_matrix(9).shape[1]
        assert limits.min_col < count <= limits.max_col
        assert builder.tile_id(limits.min_row, count).tile_col == 0
        assert builder.place_of(builder.tile_id(limits.min_row, count)) == (limits.min_row, count)
        for row in range(limits.min_row, limits.max_row + 1):
            left, right = builder.build(row, count - 1), builder.build(row, count)
            both = left.valid_mask[:, -1] & right.valid_mask[:, 0]
            step = right.map_x[:, 0] - left.map_x[:, -1]
            inner = np.diff(left.map_x[:, -2:], axis=1)[:, 0]
            assert both.any()
            np.testing.assert_allclose(step[both], inner[both], rtol=0.02)


def test_builders_are_values_and_what_decides_on_pixels_is_in_their_keys():
    first = OrthoGridBuilder(MERCATOR, 13, MAP, *SIZE)
    again = pickle.loads(pickle.dumps(first))
    others = [
        OrthoGridBuilder(MERCATOR, 12, MAP, *SIZE), OrthoGridBuilder(MERCATOR, 13, TURNED, *SIZE),
        OrthoGridBuilder(MERCATOR, 13, MAP, *SIZE, ConstantElevation(1.0)),
        OrthoGridBuilder(MERCATOR, 13, MAP, *SIZE, options=WarpGridOptions.FAST),
        OrthoGridBuilder(MapTileSetFactory.get_for_id("WebMercatorQuadx2"), 13, MAP, *SIZE),
        OrthoGridBuilder(MERCATOR, 13, RPC, *SIZE), OrthoGridBuilder(MERCATOR, 13, RPC, *SIZE, DEM),
        OrthoGridBuilder(MERCATOR, 13, OTHER, *SIZE),
    ]  # fmt: skip

    assert isinstance(first, GridBuilder)
    assert again == first
    assert (again.key, again.pixel_identity) == (first.key, first.pixel_identity)
    assert len({each.key for each in [first, *others]}) == 9
    assert len({each.pixel_identity for each in [first, *others]}) == 9


def test_what_cannot_be_done_is_refused():
    with pytest.raises(VisibilityError, match="occlusion_mode must be NONE"):
        OrthoGridBuilder(MERCATOR, 13, MAP, *SIZE, options=WarpGridOptions.VISIBILITY_AWARE)
    with pytest.raises(ValueError, match="remap_interpolation must be one of nearest, bilinear, cubic; got 'area'"):
        WarpGridOptions(remap_interpolation="area")
    with pytest.raises(ValueError, match="control_points_per_side must be a whole number from 2"):
        WarpGridOptions(1)
    builder = OrthoGridBuilder(MERCATOR, 13, MAP, *SIZE)
    with pytest.raises(IndexError, match="tile row 0, column 0 lies outside"):
        builder.build(0, 0)
    far = AffineModel(AffineLocator((10.0, 0.0, 0.0, 0.0, -10.0, 100_000.0), "EPSG:3413"), SIZE)
    with pytest.raises(ItemError, match="no tile of WebMercatorQuad, tile matrix 5, shows the image"):
        OrthoGridBuilder(MERCATOR, 5, far, *SIZE)


@pytest.mark.parametrize("kind", ["PFA", "INCA"])
def test_radar_images_are_warped_by_their_own_projection(kind):
    model = SicdModel.from_xml(sicd(kind))
    size = model.size
    tiles = ProjectedImageTileSet.from_sensor_model(model, *size, 3857, block_size=(128, 128))
    for elevation in (None, ConstantElevation(HEIGHT + 40.0)):
        builder = OrthoGridBuilder(tiles, 0, model, *size, elevation)
        tile = middle_tile(builder)
        grid, (lon, lat) = builder.build(*tile), places(builder, tile)
        cols, rows = model.world_to_image(lon, lat, None if elevation is None else elevation.elevation)
        valid = grid.valid_mask

        assert valid.mean() > 0.1
        assert np.hypot(grid.map_x + 0.5 - cols, grid.map_y + 0.5 - rows)[valid].max() < 0.01
