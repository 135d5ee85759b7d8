"""Whatever is given by mistake to the public calls of geometry, its error says which argument is meant."""

import numpy as np
import pytest
import shapely

import stacchip_osml.geometry as geometry
from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.chipped import PlaneMap
from stacchip_osml.imagery import BufferedImageAssetProvider, GroundControlPoint
from stacchip_osml.pixel import GridSpec, ImageSize, PixelWindow, chip_grid
from tests.geometry.sensor_documents import sicd, sidd
from tests.geometry.sensor_tres import RPC_VALUES
from tests.project.wrong_values import ODD, WRONG, is_named, laid_out_otherwise, refusal

SIZE = ImageSize(64, 48)
UTM = geometry.AffineLocator((10.0, 0.0, 500_000.0, 0.0, -10.0, 5_500_000.0), "EPSG:32632")
MAP = geometry.AffineModel(UTM, SIZE)
POINTS = tuple(
    GroundControlPoint(row=row, col=col, x=9 + col / 1e3, y=49 - row / 1e3, z=100.0)
    for row in (0, 24, 48)
    for col in (0, 32, 64)
)
GCPS = geometry.GcpLocator(POINTS, "EPSG:4326")
RPCS = {name: " ".join(map(str, np.atleast_1d(value))) for name, value in RPC_VALUES.items()}
CORNERS = ((0.0, 0.0), (64.0, 0.0), (0.0, 48.0), (64.0, 48.0))
CHIP = PlaneMap(CORNERS, tuple((x + 10.0, y + 10.0) for x, y in CORNERS))
CHIPPED = geometry.ChippedModel(MAP, CHIP)
SICD = geometry.SicdModel.from_xml(sicd())
IMAGE = BufferedImageAssetProvider.from_array(
    np.arange(64 * 48, dtype=np.uint8).reshape(1, 48, 64), block_width=16, block_height=16
)
MERCATOR = geometry.MapTileSetFactory.get_for_id("WebMercatorQuad")
MATRIX = MERCATOR.tile_matrix(12)
HERE = geometry.GeodeticWorldCoordinate.from_degrees(9.0, 49.6)
TILES = geometry.ProjectedImageTileSet.from_sensor_model(MAP, 64, 48, block_size=(32, 32))
ORTHO = geometry.OrthoGridBuilder(TILES, 0, MAP, *SIZE)
LIKE = geometry.ImageToImageGridBuilder(MAP, CHIPPED, *SIZE, *SIZE)
WARPED = geometry.WarpedImageProvider(IMAGE, ORTHO)
HEIGHTS = geometry.RasterElevation(IMAGE, UTM.transform, UTM.crs)
MODELS = {
    "affine": MAP,
    "GCPs": geometry.GcpModel(GCPS),
    "chipped": CHIPPED,
    "RPC": geometry.RpcLocator(RPCS),
    "SICD": SICD,
    "SIDD": geometry.load_sensor_model(geometry.SensorFacts(size=ImageSize(600, 400), des_xml=(sidd(),))),
}


def called(function, **base):
    return lambda **given: function(**base | given)


CALLS = {
    "AffineLocator": (called(geometry.AffineLocator, transform=UTM.transform, crs=UTM.crs), "transform crs"),
    "AffineModel": (called(geometry.AffineModel, locator=UTM, size=SIZE), "locator size"),
    "GcpLocator": (called(geometry.GcpLocator, gcps=POINTS, crs="EPSG:4326"), "gcps crs"),
    "GcpModel": (called(geometry.GcpModel, locator=GCPS), "locator"),
    "ChippedModel": (called(geometry.ChippedModel, full=MAP, chip=CHIP), "full chip"),
    "RpcLocator": (geometry.RpcLocator, "rpcs"),
    "SicdModel.from_xml": (geometry.SicdModel.from_xml, "xml"),
    "ConstantElevation": (geometry.ConstantElevation, "elevation"),
    "RasterElevation": (
        called(geometry.RasterElevation, provider=IMAGE, transform=UTM.transform, crs=UTM.crs),
        "provider transform crs nodata fill",
    ),
    "ImageToImageGridBuilder": (
        called(
            geometry.ImageToImageGridBuilder,
            source_sensor_model=MAP, target_sensor_model=CHIPPED,
            source_width=64, source_height=48, target_width=64, target_height=48,
        ),
        "source_sensor_model target_sensor_model source_width source_height target_width target_height elevation_model "
        "block_width block_height options num_source_levels level_ratios",
    ),
    "ImageToImageGridBuilder.build": (called(LIKE.build, tile_row=0, tile_col=0), "tile_row tile_col"),
    "ImageToImageGridBuilder.place_of": (LIKE.place_of, "tile_id"),
    "OrthoGridBuilder": (
        called(
            geometry.OrthoGridBuilder,
            tile_set=TILES, tile_matrix=0, sensor_model=MAP, source_width=64, source_height=48,
        ),
        "tile_set tile_matrix sensor_model source_width source_height elevation_model options num_source_levels "
        "level_ratios",
    ),
    "OrthoGridBuilder.build": (called(ORTHO.build, tile_row=0, tile_col=0), "tile_row tile_col"),
    "OrthoGridBuilder.place_of": (ORTHO.place_of, "tile_id"),
    "OrthoGridBuilder.tile_id": (called(ORTHO.tile_id, tile_row=0, tile_col=0), "tile_row tile_col"),
    "ProjectedImageTileSet": (
        called(
            geometry.ProjectedImageTileSet,
            target_crs="EPSG:4326", origin=(0.0, 0.0), gsd=1.0, block_size=(4, 4), grid_cols=1, grid_rows=1,
        ),
        "target_crs origin gsd block_size grid_cols grid_rows num_levels",
    ),
    "ProjectedImageTileSet.from_sensor_model": (
        called(geometry.ProjectedImageTileSet.from_sensor_model, sensor_model=MAP, width=64, height=48),
        "sensor_model width height target_crs gsd block_size elevation_model num_levels",
    ),
    "ProjectedImageTileSet.tile_matrix_dimensions": (TILES.tile_matrix_dimensions, "tile_matrix"),
    "ProjectedImageTileSet.get_tile": (TILES.get_tile, "tile_id"),
    "MapTileSet.tile_matrix": (MERCATOR.tile_matrix, "tile_matrix"),
    "MapTileSet.get_tile": (MERCATOR.get_tile, "tile_id"),
    "MapTileSet.get_tile_for_location": (
        called(MERCATOR.get_tile_for_location, world_coordinate=HERE, tile_matrix=3),
        "world_coordinate tile_matrix",
    ),
    "MapTileSet.get_tile_matrix_limits_for_area": (
        called(MERCATOR.get_tile_matrix_limits_for_area, boundary_coordinates=[HERE], tile_matrix=3),
        "boundary_coordinates tile_matrix",
    ),
    "GeodeticWorldCoordinate.from_degrees": (
        called(geometry.GeodeticWorldCoordinate.from_degrees, longitude=1.0, latitude=1.0),
        "longitude latitude elevation",
    ),
    "MapTileSetFactory.get_for_id": (geometry.MapTileSetFactory.get_for_id, "tile_matrix_set_id"),
    "TileMatrix": (
        called(geometry.TileMatrix, crs="EPSG:4326", origin=(0.0, 0.0), cell=(1, 1), tile_size=(4, 4), shape=(1, 1)),
        "crs origin cell tile_size shape",
    ),
    "TileMatrix.at": (called(MATRIX.at, across=0, down=0), "across down"),
    "TileMatrix.require": (called(MATRIX.require, row=0, col=0), "row col"),
    "TileMatrix.tile_at": (called(MATRIX.tile_at, x=0.0, y=0.0), "x y"),
    "TileMatrix.tile_bounds": (called(MATRIX.tile_bounds, row=0, col=0), "row col"),
    "TileMatrix.limits": (called(MATRIX.limits, x=np.zeros(2), y=np.zeros(2)), "x y"),
    "TileMatrix.native": (called(MATRIX.native, lon=np.zeros(2), lat=np.zeros(2)), "lon lat"),
    "WarpGridOptions": (
        geometry.WarpGridOptions,
        "control_points_per_side remap_interpolation occlusion_mode max_error",
    ),
    "WarpedImageProvider": (
        called(geometry.WarpedImageProvider, source=IMAGE, grid_builder=ORTHO),
        "source grid_builder num_bands cache nodata threads",
    ),
    "WarpedImageProvider.get_block": (
        called(WARPED.get_block, block_row=0, block_col=0),
        "block_row block_col resolution_level bands",
    ),
    "WarpedImageProvider.has_block": (
        called(WARPED.has_block, block_row=0, block_col=0),
        "block_row block_col resolution_level",
    ),
    "WarpedImageProvider.get_valid_mask": (
        called(WARPED.get_valid_mask, block_row=0, block_col=0),
        "block_row block_col",
    ),
    "WarpedImageProvider.grid": (called(WARPED.grid, block_row=0, block_col=0), "block_row block_col"),
    "WarpedImageProvider.tile_id": (called(WARPED.tile_id, block_row=0, block_col=0), "block_row block_col"),
    "WarpedImageProvider.block_of": (WARPED.block_of, "tile_id"),
    "WarpedImageProvider.read": (called(WARPED.read, window=PixelWindow(0, 0, 4, 4)), "window level bands"),
    "bounds_of": (geometry.bounds_of, "geometry"),
    "centre": (called(geometry.centre, size=SIZE, locate=UTM), "size locate"),
    "curve_place": (called(geometry.curve_place, size=SIZE, locate=UTM), "size locate"),
    "effective_gsd": (called(geometry.effective_gsd, locate=UTM, size=SIZE), "size locate level"),
    "locator_gsd": (called(geometry.locator_gsd, locate=UTM, size=SIZE), "size locate level"),
    "hilbert": (called(geometry.hilbert, lon=1.0, lat=1.0), "lon lat order"),
    "image_outline": (called(geometry.image_outline, size=SIZE, locate=UTM), "size locate"),
    "chip_footprints": (
        called(
            geometry.chip_footprints,
            grid=chip_grid(SIZE, GridSpec(size=ImageSize(32, 32), stride=ImageSize(32, 32))), locate=UTM,
        ),
        "grid locate",
    ),
    "is_local": (geometry.is_local, "crs"),
    "load_sensor_model": (geometry.load_sensor_model, "source"),
    "sensor_facts_of": (geometry.sensor_facts_of, "source"),
    "place_image": (geometry.place_image, "facts"),
    "ring_geometry": (
        called(
            geometry.ring_geometry,
            lon=np.array([0.0, 1, 1, 0, 0]), lat=np.array([0.0, 0, 1, 1, 0]), continuous=True,
        ),
        "lon lat",
    ),
    "wrap_longitude": (geometry.wrap_longitude, "lon"),
    "RasterElevation.height": (called(HEIGHTS.height, longitudes=1.0, latitudes=1.0), "longitudes latitudes"),
    "ConstantElevation.height": (
        called(geometry.ConstantElevation().height, longitudes=1.0, latitudes=1.0),
        "longitudes latitudes",
    ),
    "GcpLocator.project": (called(GCPS.project, cols=1.0, rows=1.0), "cols rows"),
}  # fmt: skip
for _name, _model in MODELS.items():
    CALLS |= {
        f"{_name}()": (called(_model, cols=1.0, rows=1.0), "cols rows"),
        f"{_name} image_to_world": (called(_model.image_to_world, cols=1.0, rows=1.0), "cols rows heights"),
        f"{_name} world_to_image": (called(_model.world_to_image, lon=9.0, lat=49.0), "lon lat heights"),
    }

ALSO = {
    "source_sensor_model": ("sensor_model",),
    "target_sensor_model": ("sensor_model",),
    "source": ("source", "provider"),
    "block_row": ("row", "block"),
    "block_col": ("col", "block"),
    "tile_row": ("row", "block"),
    "tile_col": ("col", "block"),
    "resolution_level": ("level",),
}
"""Words of messages that stand for an argument."""


@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, (_, names) in CALLS.items() for name in names.split()]
)
def test_a_wrong_argument_is_refused_by_name(tmp_path, monkeypatch, call, name):
    monkeypatch.chdir(tmp_path)
    for value in WRONG + ODD:
        if name == "locate" and callable(value):
            continue  # any function may be a locator
        message = refusal(CALLS[call][0], name, value)
        assert is_named(message, ALSO.get(name, (name,))), f"{value!r}: {message}"


@pytest.mark.parametrize("value", ["1", ["1", "2"], None, [None, 1.0], True, [False], 1 + 2j, np.zeros(2, "M8[s]")])
@pytest.mark.parametrize("name", MODELS)
def test_positions_are_numbers_and_nothing_that_can_be_read_as_some(name, value):
    for call in (MODELS[name], MODELS[name].image_to_world, MODELS[name].world_to_image):
        with pytest.raises(TypeError, match="must be real numbers"):
            call(value, 1.0)
        with pytest.raises(TypeError, match="must be real numbers"):
            call(1.0, value)


@pytest.mark.parametrize("name", MODELS)
def test_positions_of_shapes_that_do_not_go_together_are_refused(name):
    with pytest.raises(ValueError, match=r"cols, rows, heights must be of shapes that broadcast, got \(2,\), \(3,\)"):
        MODELS[name].image_to_world(np.zeros(2), np.zeros(3))


@pytest.mark.parametrize("row", [0.5, True, "0", None])
@pytest.mark.parametrize("build", [LIKE.build, ORTHO.build, WARPED.grid, WARPED.get_block, WARPED.has_block])
def test_there_is_no_tile_between_two_tiles(build, row):
    with pytest.raises(ValueError, match="row must be a whole number"):
        build(row, 0)


def test_an_empty_geometry_has_no_bounds():
    with pytest.raises(ItemError, match="an empty geometry has no bounds"):
        geometry.bounds_of(shapely.Polygon())


@pytest.mark.parametrize("name", MODELS)
def test_how_positions_lie_in_memory_makes_no_difference(name):
    model = MODELS[name]
    cols, rows = np.linspace(1.0, 40.0, 12).reshape(3, 4), np.linspace(30.0, 2.0, 12).reshape(3, 4)
    ground = model.image_to_world(cols, rows)
    back = model.world_to_image(*ground)
    for kind, other in laid_out_otherwise(cols).items():
        np.testing.assert_array_equal(model.image_to_world(other, laid_out_otherwise(rows)[kind]), ground, err_msg=kind)
    for kind in laid_out_otherwise(cols):
        given = [laid_out_otherwise(each)[kind] for each in ground]
        np.testing.assert_array_equal(model.world_to_image(*given), back, err_msg=kind)
