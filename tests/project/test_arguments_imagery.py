"""Whatever is given by mistake to the public calls of imagery, its error says which argument is meant."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest

import stacchip_osml.imagery as imagery
from stacchip_osml.chain import SamplingStrategy
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.own_readers import READERS
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.project.wrong_values import ODD, WRONG, is_named, laid_out_otherwise, refusal

PIXELS = np.arange(64 * 48, dtype=np.uint8).reshape(1, 48, 64)
IMAGE = imagery.BufferedImageAssetProvider.from_array(PIXELS, block_width=16, block_height=16)
COMPLEX = imagery.BufferedImageAssetProvider.from_array(
    np.ones((1, 48, 64), np.complex64), block_width=16, block_height=16
)
BLOCK = np.zeros((1, 2, 2), np.uint8)
GRID = imagery.level_grid(IMAGE)
HALF = imagery.DownsampledImageProvider(IMAGE)
LEVELS = imagery.TiledImagePyramid.from_providers([IMAGE, HALF])
PLACE = imagery.LevelPlace()
CACHE = imagery.TileCache(1000)
FILE = str(Path(__file__).parents[2] / "indexes/imagery/sentinel-like/SEN_32UNA_20250514/red.tif")
MASKED = imagery.MaskedPixels(np.ones((1, 4, 4), np.uint8), np.ones((1, 4, 4), bool))
PLACED = {"start": (0.0, 0.0), "step": (2.0, 2.0), "size": ImageSize(2, 2)}
PROVIDERS = {
    "block": BlockImage(FILE),
    "buffered": IMAGE,
    "retiled": imagery.RetiledImageProvider(IMAGE, 32, 32),
    "downsampled": HALF,
    "mapped": imagery.MappedImageProvider(IMAGE, lambda pixels: pixels),
    "cached": imagery.CachedImageProvider(IMAGE),
}


class Assets(list):
    """What a writer is given."""

    def add_asset(self, *asset):
        self.append(asset)


def called(function, **base):
    return lambda **given: function(**base | given)


def empty():
    return imagery.BufferedImageAssetProvider.create("a", 4, 4, 1, 2, 2)


def opened(kind):
    return lambda **given: kind(**{"location": FILE} | given).header


def registered(**given):
    try:
        return imagery.register_reader(**{"name": "own", "open": len, "begins": b"own image"} | given)
    finally:
        READERS.clear()


def built(**given):
    return list(imagery.PyramidBuilder(**{"source": IMAGE, "min_size": 16} | given).blocks())


CALLS = {
    "BlockImage": (opened(BlockImage), "location sign sidecars expect limits fetch etag layout header"),
    "BlockImage.read": (called(BlockImage(FILE).read, window=PixelWindow(0, 0, 4, 4)), "window level bands"),
    "GdalImage": (opened(imagery.GdalImage), "location sign sidecars expect limits fetch page levels"),
    "GdalImage.read": (called(imagery.GdalImage(FILE).read, window=PixelWindow(0, 0, 4, 4)), "window level bands"),
    "BlockGrid": (called(imagery.BlockGrid, size=ImageSize(4, 4), block_shape=(2, 2)), "size block_shape reduction"),
    "BlockGrid.has": (called(GRID.has, row=0, col=0), "row col"),
    "BlockGrid.window": (called(GRID.window, row=0, col=0), "row col"),
    "BlockGrid.under": (GRID.under, "window"),
    "BlockGrid.spans": (called(GRID.spans, axis=0, indices=[0]), "axis indices"),
    "BufferedImageAssetProvider.create": (
        called(imagery.BufferedImageAssetProvider.create, key="a", num_columns=4, num_rows=4),
        "key num_columns num_rows num_bands block_width block_height pixel_type actual_bits_per_pixel description "
        "pad_pixel_value",
    ),
    "BufferedImageAssetProvider.from_array": (
        called(imagery.BufferedImageAssetProvider.from_array, pixels=PIXELS),
        "pixels key block_width block_height",
    ),
    "BufferedImageAssetProvider.from_provider": (imagery.BufferedImageAssetProvider.from_provider, "source"),
    "BufferedImageAssetProvider.set_block": (
        lambda **given: empty().set_block(
            **{"block_row": 0, "block_col": 0, "block": np.zeros((1, 2, 2), "u1")} | given
        ),
        "block_row block_col block",
    ),
    "BufferedImageAssetProvider.set_full_image": (lambda **given: empty().set_full_image(**given), "pixels"),
    "CachedImageProvider": (called(imagery.CachedImageProvider, source=IMAGE), "cache"),
    "ComplexRemapFactory.build": (
        called(imagery.ComplexRemapFactory.build, source=COMPLEX),
        "source band_interpretation amplitude_table remap settings",
    ),
    "DisplayChainFactory.build": (
        called(imagery.DisplayChainFactory.build, source=IMAGE),
        "stats range_adjustment band_selection output_dtype common_names nodata min_pixels num_workers seed",
    ),
    "DownsampledImageProvider": (
        called(imagery.DownsampledImageProvider, source=IMAGE),
        "source scale_factor resample_func tile_width tile_height nodata use_native_levels",
    ),
    "FetchLimits": (imagery.FetchLimits, "connect_s idle_s total_s attempts backoff_s"),
    "ReadLimits": (imagery.ReadLimits, "side bands block_bytes request_bytes"),
    "LevelPlace.halved": (imagery.LevelPlace.halved, "times"),
    "LevelPlace.inside": (PLACE.inside, "outer"),
    "LevelPlace.seen_from": (PLACE.seen_from, "other"),
    "LevelPlace.parse": (imagery.LevelPlace.parse, "text"),
    "LevelPlace.stretched": (
        called(imagery.LevelPlace.stretched, size=ImageSize(2, 2), base=ImageSize(4, 4)),
        "size base",
    ),
    "LevelPlace.of_samples": (called(imagery.LevelPlace.of_samples, level=0, origin=(0, 0)), "level origin"),
    "MappedImageProvider": (
        called(imagery.MappedImageProvider, source=IMAGE, func=lambda pixels: pixels),
        "source_bands per_band pixel_value_type",
    ),
    "PyramidBuilder": (
        built,
        "source min_size scale_factor tile_width tile_height resample_func num_workers use_native_levels progress "
        "nodata valid",
    ),
    "read_header": (called(imagery.read_header, location=FILE), "location sign sidecars limits fetch"),
    "read_resampled": (
        called(imagery.read_resampled, reader=imagery.GdalImage(FILE), **PLACED),
        "reader start step size level bands method fill",
    ),
    "register_reader": (registered, "name open begins media_type"),
    "resample": (called(imagery.resample, source=MASKED, **PLACED), "source start step size method fill out"),
    "source_extent": (
        called(imagery.source_extent, start=0.0, step=2.0, count=2, method="area", limit=8),
        "start step count method limit",
    ),
    "RetiledImageProvider": (
        called(imagery.RetiledImageProvider, source=IMAGE),
        "source tile_width tile_height pad_edges",
    ),
    "TileCache": (imagery.TileCache, "max_bytes"),
    "TileCache.fetch": (called(CACHE.fetch, key=1, make=lambda: np.zeros((1, 2, 2))), "key"),
    "TileCache.get": (CACHE.get, "key"),
    "TileCache.put": (called(CACHE.put, key=1, tile=np.zeros((1, 2, 2))), "key tile"),
    "TiledImagePyramid": (called(imagery.TiledImagePyramid, levels=[IMAGE, HALF]), "levels scale_factor"),
    "TiledImagePyramid.best_level_for": (
        called(LEVELS.best_level_for, src_size=(10.0, 10.0), output_size=(5, 5)),
        "src_size output_size",
    ),
    "TiledImagePyramid.compute_statistics": (
        LEVELS.compute_statistics,
        "level max_pixels num_bins bin_edges num_workers nodata",
    ),
    "TiledImagePyramid.from_asset": (imagery.TiledImagePyramid.from_asset, "provider"),
    "TiledImagePyramid.get_level": (LEVELS.get_level, "level"),
    "TiledImagePyramid.image_shape_at_level": (LEVELS.image_shape_at_level, "level"),
    "TiledImagePyramid.level_for_statistics": (LEVELS.level_for_statistics, "max_pixels"),
    "TiledImagePyramid.place_at_level": (LEVELS.place_at_level, "level"),
    "TiledImagePyramid.ratio_at_level": (LEVELS.ratio_at_level, "level"),
    "TiledImagePyramid.tile_grid_at_level": (LEVELS.tile_grid_at_level, "level"),
    "build_pyramid_levels": (
        called(imagery.build_pyramid_levels, source=IMAGE),
        "source min_size scale_factor tile_width tile_height resample_func nodata use_native_levels",
    ),
    "compute_image_statistics": (
        called(imagery.compute_image_statistics, asset=IMAGE),
        "num_bins bin_edges sampling sample_rate num_workers level bands nodata bit_depth seed",
    ),
    "compute_image_statistics of some": (
        called(imagery.compute_image_statistics, asset=IMAGE, sampling=SamplingStrategy.BLOCK, sample_rate=0.5),
        "seed sample_rate",
    ),
    "dtype_of": (imagery.dtype_of, "provider"),
    "find_rset": (imagery.find_rset, "path"),
    "iter_blocks": (called(imagery.iter_blocks, provider=IMAGE), "provider order resolution_level bands"),
    "level_grid": (called(imagery.level_grid, provider=IMAGE), "provider level"),
    "level_place": (called(imagery.level_place, provider=IMAGE), "level"),
    "load_complex_remap": (
        called(imagery.load_complex_remap, reader=COMPLEX),
        "reader asset_key remap cache settings",
    ),
    "measure_complex_remap": (
        called(imagery.measure_complex_remap, source=COMPLEX, remap="density"),
        "remap band_interpretation amplitude_table level",
    ),
    "read_block_or_pad": (
        called(imagery.read_block_or_pad, provider=IMAGE, tile_row=0, tile_col=0),
        "provider tile_row tile_col resolution_level tile_height tile_width num_bands pad_value dtype bands",
    ),
    "read_window": (
        called(imagery.read_window, provider=IMAGE, window=(0, 0, 4, 4)),
        "provider window resolution_level fill_value bands limits",
    ),
    "write_pyramid": (
        lambda **given: imagery.write_pyramid(
            **{"writer": Assets(), "builder": imagery.PyramidBuilder(IMAGE, 16)} | given
        ),
        "writer builder base_key image_metadata_fn",
    ),
    "sniff_driver": (imagery.sniff_driver, "head"),
    "stitch_source_blocks": (
        called(imagery.stitch_source_blocks, provider=IMAGE, row_range=(0, 1), col_range=(0, 1)),
        "provider row_range col_range tile_height tile_width num_bands pad_value dtype resolution_level bands",
    ),
}
for _name, _provider in PROVIDERS.items():
    CALLS |= {
        f"{_name} get_block": (
            called(_provider.get_block, block_row=0, block_col=0),
            "block_row block_col resolution_level bands",
        ),
        f"{_name} has_block": (
            called(_provider.has_block, block_row=0, block_col=0),
            "block_row block_col resolution_level",
        ),
        f"{_name} level_grid": (_provider.level_grid, "level"),
    }

ALSO = {
    "source": ("source", "provider"),
    "valid": ("valid", "provider"),
    "levels": ("level", "provider"),
    "row": ("row", "block"),
    "col": ("col", "block"),
    "block_row": ("row", "block"),
    "block_col": ("col", "block"),
    "tile_row": ("row", "block"),
    "tile_col": ("col", "block"),
    "resolution_level": ("level",),
    "src_size": ("size",),
    "output_size": ("size",),
    "num_bands": ("bands",),
    "source_bands": ("bands",),
}
"""Words of messages that stand for an argument."""


@pytest.mark.parametrize(
    ("call", "name"), [(call, name) for call, (_, names) in CALLS.items() for name in names.split()]
)
def test_a_wrong_argument_is_refused_by_name(tmp_path, monkeypatch, call, name):
    monkeypatch.chdir(tmp_path)
    for value in WRONG + ODD:
        if name in {"progress", "resample_func", "sign", "open", "image_metadata_fn"} and callable(value):
            continue  # any function may be one
        message = refusal(CALLS[call][0], name, value)
        assert is_named(message, ALSO.get(name, (name,))), f"{value!r}: {message}"


@pytest.mark.parametrize(
    ("call", "name", "value"),
    [
        *(
            ("load_complex_remap", name, value)
            for name in ("asset_key", "remap", "cache", "settings")
            for value in (8, [])
        ),
        *((f"{name} provider", "cache", {}) for name in ("cached", "mapped", "retiled", "downsampled")),
        *(("write_pyramid", name, 8) for name in ("writer", "builder", "base_key", "image_metadata_fn", "folder")),
        *(("PyramidBuilder.build", name, 8) for name in ("spill", "folder")),
    ],
)
def test_another_kind_than_an_argument_has_is_refused(call, name, value):
    more = {
        f"{name} provider": called(kind, source=IMAGE)
        for name, kind in {
            "cached": imagery.CachedImageProvider,
            "mapped": partial(imagery.MappedImageProvider, func=len),
            "retiled": imagery.RetiledImageProvider,
            "downsampled": imagery.DownsampledImageProvider,
        }.items()
    }
    more["PyramidBuilder.build"] = imagery.PyramidBuilder(IMAGE, 16).build
    with pytest.raises(TypeError, match=rf"^{name} must (be|have) "):
        (more.get(call) or CALLS[call][0])(**{name: value})


def test_nothing_is_added_to_a_writer_where_another_argument_is_wrong():
    for name in ("base_key", "image_metadata_fn", "folder"):
        writer = Assets()
        with pytest.raises(TypeError, match=name):
            imagery.write_pyramid(writer, imagery.PyramidBuilder(IMAGE, 16), **{name: 8})
        assert writer == []


def test_a_complex_remap_of_what_is_no_file_says_what_it_takes():
    with pytest.raises(TypeError, match="reader must be an image file or a dataset reader, not Buffered"):
        imagery.load_complex_remap(IMAGE)


@pytest.mark.parametrize("bands", [[True], [0.5], "0", ["0"], [None], np.array([True])])
@pytest.mark.parametrize("name", PROVIDERS)
def test_bands_are_numbers_and_no_choice_by_truth(name, bands):
    with pytest.raises((ValueError, TypeError), match="bands must be"):
        PROVIDERS[name].get_block(0, 0, 0, bands)


@pytest.mark.parametrize("band", [0.5, "0", True])
def test_a_selection_of_bands_is_not_rounded(band):
    with pytest.raises(ValueError, match="band_selection must be a whole number"):
        imagery.DisplayChainFactory.build(IMAGE, band_selection=[band])
    with pytest.raises(ValueError, match="source_bands must be a whole number"):
        imagery.MappedImageProvider(IMAGE, lambda pixels: pixels, source_bands=[band])


def test_what_is_no_tile_does_not_come_into_a_cache():
    cache = imagery.TileCache(1000)
    with pytest.raises(TypeError, match=r"a tile \(bands, rows, cols\), not ndarray"):
        cache.put("key", np.zeros(2))
    assert cache.get("key") is None
    with pytest.raises(TypeError, match=r"a tile \(bands, rows, cols\), not NoneType"):
        cache.fetch("key", lambda: None)
    cache.put("key", np.ones((1, 2, 2)))
    assert cache.get("key").sum() == 4


@pytest.mark.parametrize("kind", laid_out_otherwise(PIXELS))
def test_how_pixels_lie_in_memory_makes_no_difference(kind):
    for pixels in (PIXELS, PIXELS.astype(np.int16) - 9, PIXELS / np.float32(7)):
        image = imagery.BufferedImageAssetProvider.from_array(laid_out_otherwise(pixels)[kind], block_width=16)
        np.testing.assert_array_equal(imagery.read_window(image, (3, 5, 40, 30)), pixels[:, 5:35, 3:43])
        assert imagery.dtype_of(image) == pixels.dtype
        smaller = imagery.DownsampledImageProvider(image).get_block(0, 0)
        plain = imagery.BufferedImageAssetProvider.from_array(pixels, block_width=16)
        np.testing.assert_array_equal(smaller, imagery.DownsampledImageProvider(plain).get_block(0, 0))


def test_a_window_is_one_of_whole_pixels():
    assert imagery.read_window(IMAGE, PixelWindow(0, 0, 2, 2)).shape == (1, 2, 2)
    for window in ((0, 0, 1.5, 2), (True, 0, 2, 2), "0024", (0, 0, 2), None):
        with pytest.raises(ValueError, match=r"window must be|whole pixels"):
            imagery.read_window(IMAGE, window)
