"""Warped images as providers: windows, chips and statistics work on them; masks go along; sparse stays sparse."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from stacchip_osml.encode import ChipFactory, write_tiff
from stacchip_osml.errors import WindowError
from stacchip_osml.geometry import (
    AffineLocator,
    AffineModel,
    ImageToImageGridBuilder,
    MapTileId,
    MapTileSetFactory,
    OrthoGridBuilder,
    ProjectedImageTileSet,
    TileError,
    WarpedImageProvider,
    WarpGridOptions,
    load_sensor_model,
)
from stacchip_osml.geometry.warping import sampler
from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    ImageProvider,
    PixelReader,
    TileCache,
    TiledImagePyramid,
    build_pyramid_levels,
    compute_image_statistics,
    read_window,
)
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.testing import check_provider
from tests.geometry.warping.warp_cases import MAP, MODELS, SIZE, TURNED, UTM, image, pixel_centres, ramp, smooth

MERCATOR = MapTileSetFactory.get_for_id("WebMercatorQuad")
GRID = ProjectedImageTileSet(UTM, (300_000.0, 5_300_000.0), 10.0, (128, 128), 5, 4, 1)
"""Pixels that are those of ``MAP``."""


def warped(pixels, model=MAP, zoom=13, *, tiles=MERCATOR, cache=None, bands=None, nodata=None, **options):
    source = pixels if not isinstance(pixels, np.ndarray) else image(pixels)
    builder = OrthoGridBuilder(tiles, zoom, model, *SIZE, options=WarpGridOptions(**options))
    return WarpedImageProvider(source, builder, bands, cache, nodata=nodata)


def everything(provider):
    return provider.read(PixelWindow(0, 0, provider.num_columns, provider.num_rows))


def block_at(provider, place):
    return provider.get_block(*place)


@pytest.mark.parametrize("name", MODELS)
def test_pixels_are_those_of_the_place_that_the_transform_says(name):
    provider = warped(ramp(), MODELS[name], 13)
    window = PixelWindow(0, 0, provider.num_columns, provider.num_rows)
    x, y = pixel_centres(provider.header.transform, window)
    lon, lat = AffineLocator((1, 0, 0, 0, 1, 0), provider.header.crs)(x, y)
    cols, rows = MODELS[name].world_to_image(lon, lat)
    found = everything(provider)
    inner = (cols > 0.5) & (cols < 599.5) & (rows > 0.5) & (rows < 499.5)  # beyond outer centres the ramp is flat

    assert found.mask[:, inner].all()
    assert np.hypot(found.pixels[0] + 0.5 - cols, found.pixels[1] + 0.5 - rows)[inner].max() < 0.01


def test_blocks_count_from_zero_whatever_the_tiles_are_called():
    """Blocks asked for by the numbers of tiles would leave every window of the image, which begins at 0, empty."""
    provider = warped(ramp())
    limits = provider.grid_builder.tile_limits
    assert limits.min_row > 2000

    rows, cols = provider.block_grid_size
    assert (rows, cols) == limits.shape
    assert provider.has_block(0, 0)
    assert provider.tile_id(0, 0) == MapTileId(13, limits.min_row, limits.min_col)
    assert provider.tile_id(rows - 1, cols - 1) == MapTileId(13, limits.max_row, limits.max_col)
    assert not provider.has_block(limits.min_row, limits.min_col)
    with pytest.raises(IndexError, match="no block"):
        provider.get_block(limits.min_row, limits.min_col)
    for row in range(rows):
        for col in range(cols):
            assert provider.block_of(provider.tile_id(row, col)) == (row, col)
    with pytest.raises(TileError, match="is not among the tiles of matrix 13"):
        provider.block_of(MapTileId(13, 0, 0))
    with pytest.raises(TileError, match="is not among the tiles of matrix 13"):
        provider.block_of(MapTileId(12, limits.min_row, limits.min_col))
    assert read_window(provider, (0, 0, provider.num_columns, provider.num_rows)).any()
    assert compute_image_statistics(provider).bands[0].max > 590


def test_windows_are_put_together_of_blocks_that_are_tiles():
    provider = warped(smooth())
    whole = everything(provider)
    window = read_window(provider, (100, 50, 500, 400))
    row, col = 1, 1
    tile = MERCATOR.get_tile(provider.tile_id(row, col))
    a, _, c, _, e, f = provider.header.transform

    np.testing.assert_array_equal(window, whole.pixels[:, 50:450, 100:600])
    np.testing.assert_array_equal(provider.get_block(row, col), whole.pixels[:, 256:512, 256:512])
    np.testing.assert_array_equal(provider.get_valid_mask(row, col), whole.mask[0, 256:512, 256:512])
    assert tile.native_bounds == pytest.approx((c + 256 * a, f + 512 * e, c + 512 * a, f + 256 * e))


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "float32", "complex64"])
def test_a_warp_to_the_image_s_own_grid_is_the_image(dtype, method):
    pixels = (1000 * np.random.default_rng(4).random((2, SIZE.height, SIZE.width))).astype(dtype)
    provider = warped(pixels, tiles=GRID, zoom=0, remap_interpolation=method)
    found = everything(provider)

    assert provider.pixel_value_type == np.dtype(dtype)
    np.testing.assert_array_equal(found.pixels[:, :500, :600], pixels)
    assert found.mask[:, :500, :600].all()
    assert not found.mask[:, 500:].any()
    assert not found.mask[:, :, 600:].any()


@pytest.mark.parametrize("method", ["nearest", "bilinear", "cubic"])
def test_a_constant_image_stays_constant_with_holes_and_without(method):
    for nodata in (None, -32768):
        pixels = np.full((1, SIZE.height, SIZE.width), 1000, "int16")
        if nodata is not None:
            pixels[np.random.default_rng(6).random(pixels.shape) < 0.3] = nodata
        found = everything(warped(pixels, TURNED, 13, nodata=nodata, remap_interpolation=method))

        assert (found.pixels[found.mask] == 1000).all()
        assert set(np.unique(found.pixels)) == {1000, nodata or 0}
        assert 0.1 < found.mask.mean() < 0.9


def test_nodata_of_a_file_never_bleeds_and_says_itself_in_the_header(tmp_path):
    pixels = np.full((2, SIZE.height, SIZE.width), 100, "uint16")
    pixels[:, 200:300, 200:300] = 65535
    path = tmp_path / "map.tif"
    with rasterio.open(
        path, "w", driver="GTiff", width=600, height=500, count=2, dtype="uint16", nodata=65535, crs=UTM,
        transform=rasterio.Affine(*MAP.locator.transform),
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
        dataset.descriptions = ("red edge", "haze")
        dataset.scales, dataset.offsets = (0.1, 0.2), (1.0, 2.0)
    provider = warped(BlockImage(str(path)), load_sensor_model(str(path)))
    found = everything(provider)

    assert set(np.unique(found.pixels)) == {100, 65535}
    np.testing.assert_array_equal(found.mask, found.pixels == 100)
    assert provider.pad_pixel_value == 65535
    assert [(band.nodata, band.scale, band.description) for band in provider.header.bands] == [
        (65535, 0.1, "red edge"),
        (65535, 0.2, "haze"),
    ]
    statistics = compute_image_statistics(provider)
    assert [(band.min, band.max, band.count) for band in statistics.bands] == [(100, 100, found.mask[0].sum())] * 2


def test_what_is_not_stored_stays_absent():
    source = BufferedImageAssetProvider.create("sparse", 600, 500, 1, 100, 100, "uint8")
    source.set_block(1, 1, np.full((1, 100, 100), 7, "uint8"))
    provider = warped(source, TURNED, 14)
    found = everything(provider)
    rows, cols = provider.block_grid_size
    stored = {(row, col) for row in range(rows) for col in range(cols) if provider.has_block(row, col)}

    assert 0 < len(stored) < rows * cols / 3
    for row in range(rows):
        for col in range(cols):
            any_valid = bool(provider.get_valid_mask(row, col).any())
            assert not any_valid or (row, col) in stored
            assert provider.get_block(row, col).any() == any_valid
    assert (found.pixels[found.mask] == 7).all()
    assert abs(found.mask.sum() * (19.109 * 0.67 / 2) ** 2 / (100 * 100 * 100) - 1) < 0.05  # the block's area
    outside = next(place for place in np.ndindex(rows, cols) if place not in stored)
    assert provider.read(PixelWindow(outside[1] * 256, outside[0] * 256, 256, 256)) is None


def test_tiles_that_the_image_s_rectangle_holds_but_the_image_does_not_are_absent():
    provider = warped(smooth(), TURNED, 15)
    rows, cols = provider.block_grid_size
    absent = [place for place in np.ndindex(rows, cols) if not provider.has_block(*place)]

    assert len(absent) > rows * cols / 5
    assert provider.grid(*absent[0]) is None
    assert not provider.get_block(*absent[0]).any()


def test_chips_of_it_lie_where_the_tiles_lie():
    provider = warped(np.rint(smooth(bands=2)).astype("uint16"))
    factory = ChipFactory(provider, output_format="geotiff")
    window = PixelWindow(200, 100, 300, 200)
    chip = factory.read_chip(window)
    outside = ChipFactory(warped(smooth(), TURNED, 15)).read_chip(PixelWindow(0, 0, 60, 60))

    assert chip.crs == "EPSG:3857"
    found = provider.read(window)
    np.testing.assert_array_equal(chip.pixels, found.pixels)
    np.testing.assert_array_equal(chip.mask, found.mask)
    assert outside is None
    with MemoryFile(factory.create_chip(window)) as file, file.open() as dataset:
        assert dataset.crs.to_epsg() == 3857
        np.testing.assert_array_equal(dataset.read(), found.pixels)
        x, y = pixel_centres(provider.header.transform, window)
        np.testing.assert_allclose(dataset.xy(0, 0), (x[0, 0], y[0, 0]), atol=1e-6)
        np.testing.assert_allclose(dataset.xy(199, 299), (x[-1, -1], y[-1, -1]), atol=1e-6)


def test_a_file_of_it_is_the_warp_block_by_block_absent_ones_left_out(tmp_path):
    provider = warped(np.rint(smooth(bands=2)).astype("uint16"), TURNED, 14)
    header, path = provider.header, tmp_path / "ortho.tif"
    write_tiff(path, provider, transform=rasterio.Affine(*header.transform), crs=header.crs, nodata=0)
    back = BlockImage(str(path))

    with rasterio.open(path) as dataset:
        assert dataset.crs.to_epsg() == 3857
        np.testing.assert_allclose(dataset.transform[:6], header.transform, rtol=1e-12)
        np.testing.assert_array_equal(dataset.read(), everything(provider).pixels)
    assert [back.has_block(*place) for place in np.ndindex(*provider.block_grid_size)] == [
        provider.has_block(*place) for place in np.ndindex(*provider.block_grid_size)
    ]


def test_a_sensor_model_of_it_is_its_grid():
    provider = warped(smooth())
    model = load_sensor_model(provider)
    tile = MERCATOR.get_tile(provider.tile_id(0, 0))
    lon, lat = model([0.0], [0.0])

    assert model.kind == "affine"
    np.testing.assert_allclose((lon[0], lat[0]), (tile.bounds_degrees.min_lon, tile.bounds_degrees.max_lat), atol=1e-9)


@pytest.mark.parametrize("cached", [False, True])
@pytest.mark.parametrize("name", ["turned", "rpc", "sparse", "image to image"])
def test_it_keeps_the_provider_protocol(name, cached):
    cache = TileCache() if cached else None
    if name == "image to image":
        builder = ImageToImageGridBuilder(TURNED, MAP, *SIZE, *SIZE, block_width=80, block_height=70)
        provider = WarpedImageProvider(image(smooth(bands=2)), builder, None, cache)
    elif name == "sparse":
        source = BufferedImageAssetProvider.create("sparse", 600, 500, 2, 100, 100, "uint8")
        source.set_block(1, 1, np.full((2, 100, 100), 7, "uint8"))
        provider = warped(source, TURNED, 14, cache=cache)
    else:
        tiles = ProjectedImageTileSet.from_sensor_model(MODELS[name], *SIZE, 3857, gsd=30.0, block_size=(70, 60))
        provider = warped(smooth(bands=3), MODELS[name], 0, tiles=tiles, cache=cache)

    assert isinstance(provider, ImageProvider)
    assert isinstance(provider, PixelReader)
    report = check_provider(provider)
    assert report.blocks >= 2


def test_one_image_as_the_other_has_its_size_and_short_blocks_at_its_edges():
    builder = ImageToImageGridBuilder(TURNED, MAP, *SIZE, *SIZE, block_width=256, block_height=256)
    provider = WarpedImageProvider(image(ramp()), builder)
    x, y = pixel_centres(MAP.locator.transform, PixelWindow(0, 0, *SIZE))
    a, b, c, d, e, f = TURNED.locator.transform
    cols, rows = ((x - c) * e - (y - f) * b) / (a * e - b * d), ((y - f) * a - (x - c) * d) / (a * e - b * d)
    found = everything(provider)
    inner = (cols > 0.5) & (cols < 599.5) & (rows > 0.5) & (rows < 499.5)

    assert (provider.num_columns, provider.num_rows, provider.block_grid_size) == (600, 500, (2, 3))
    assert provider.get_block(1, 2).shape == (2, 244, 88)
    assert provider.header.transform == MAP.locator.transform
    assert np.hypot(found.pixels[0] + 0.5 - cols, found.pixels[1] + 0.5 - rows)[inner].max() < 0.01


def test_a_coarser_level_is_read_at_its_true_place():
    size = ImageSize(601, 499)  # halves of odd sides: their pixels are not exactly two apart
    model = AffineModel(MAP.locator, size)
    fine = image(ramp(size))
    levels = TiledImagePyramid(build_pyramid_levels(fine, 100))
    builder = OrthoGridBuilder(MERCATOR, 12, model, *size, num_source_levels=levels.num_levels)
    provider = WarpedImageProvider(levels, builder)
    window = PixelWindow(0, 0, provider.num_columns, provider.num_rows)
    lon, lat = AffineLocator((1, 0, 0, 0, 1, 0), "EPSG:3857")(*pixel_centres(provider.header.transform, window))
    cols, rows = model.world_to_image(lon, lat)
    inner = (cols > 20) & (cols < 580) & (rows > 20) & (rows < 480)
    found = everything(provider)

    assert builder.source_resolution_level == 1
    assert np.hypot(found.pixels[0] + 0.5 - cols, found.pixels[1] + 0.5 - rows)[inner].max() < 0.02


def test_a_block_that_needs_too_many_pixels_at_once_is_made_in_pieces(monkeypatch):
    pixels = smooth(bands=2)
    at_once = everything(warped(pixels, TURNED, 11))
    monkeypatch.setattr(sampler, "PIECE_BYTES", 20_000)
    in_pieces = everything(warped(pixels, TURNED, 11))

    np.testing.assert_array_equal(in_pieces.pixels, at_once.pixels)
    np.testing.assert_array_equal(in_pieces.mask, at_once.mask)


def test_threads_processes_and_caches_change_nothing():
    provider = warped(smooth(bands=2), TURNED, 13, cache=TileCache(1 << 22))
    places = [place for place in np.ndindex(*provider.block_grid_size) if provider.has_block(*place)]
    plain = warped(smooth(bands=2), TURNED, 13)
    expected = [plain.get_block(*place) for place in places]
    again = pickle.loads(pickle.dumps(provider))

    with ThreadPoolExecutor(8) as pool:
        for subject in (provider, again):
            found = pool.map(partial(block_at, subject), places * 2)
            for place, block, right in zip(places * 2, found, expected * 2, strict=True):
                np.testing.assert_array_equal(block, right, err_msg=str(place))
    assert provider.cache.current_bytes <= 1 << 22
    assert again.key == provider.key


def test_grids_kept_are_bounded(monkeypatch):
    from stacchip_osml.geometry.warping import provider as module

    monkeypatch.setattr(module, "GRID_BYTES", 900_000)
    provider = warped(smooth(), MAP, 0, tiles=GRID)
    for place in np.ndindex(*provider.block_grid_size):
        provider.grid(*place)

    assert provider.block_grid_size == (4, 5)
    assert len(provider._kept) <= 3
    assert provider._kept_bytes <= 900_000


def test_whatever_changes_pixels_changes_key_and_identity():
    source, cache = image(smooth(bands=2)), TileCache()
    every = [
        warped(source), warped(source, zoom=12), warped(source, TURNED), warped(source, nodata=0.0),
        warped(source, bands=1), warped(source, remap_interpolation="nearest"), warped(source, max_error=0.25),
        warped(source, tiles=MapTileSetFactory.get_for_id("WebMercatorQuadx2")), warped(source, cache=cache),
        warped(image(smooth(bands=2), key="other")),
    ]  # fmt: skip

    assert len({each.key for each in every}) == len(every) - 1  # the cache changes nothing
    assert len({each.pixel_identity for each in every}) == len(every) - 1


def test_two_warps_that_share_a_cache_do_not_get_each_other_s_pixels():
    cache = TileCache()
    first, second = (warped(image(pixels), cache=cache) for pixels in (smooth(), smooth() + 5000))
    one, other = first.get_block(1, 1), second.get_block(1, 1)

    assert (other - one > 4000).all()
    np.testing.assert_array_equal(first.get_block(1, 1), one)


def test_grids_of_another_image_are_refused():
    builder = OrthoGridBuilder(MERCATOR, 13, MAP, *SIZE)

    with pytest.raises(WindowError, match=r"grids of an image of ImageSize\(width=600, height=500\), the source is"):
        WarpedImageProvider(image(ramp(ImageSize(500, 600))), builder)
    with pytest.raises(WindowError, match="3 bands of a source of 2"):
        WarpedImageProvider(image(ramp()), builder, 3)
    with pytest.raises(ValueError, match="nodata must be a number, or one for each of 2 bands"):
        WarpedImageProvider(image(ramp()), builder, nodata=(1, 2, 3))
    with pytest.raises(IndexError, match="no level 1; it has 1"):
        WarpedImageProvider(image(ramp()), builder).get_block(0, 0, 1)


@pytest.mark.parametrize("interpolation", ["bilinear", "cubic"])
def test_between_the_entries_of_a_colour_table_there_are_none(interpolation):
    classes = np.random.default_rng(3).choice(np.array([0, 7, 200], np.uint8), (1, SIZE[1], SIZE[0]))
    source = BufferedImageAssetProvider.from_array(classes, metadata={"IREPBAND1": "LU"})
    found = everything(warped(source, TURNED, remap_interpolation=interpolation))

    assert set(np.unique(found.pixels[found.mask])) == {0, 7, 200}
