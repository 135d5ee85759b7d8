"""Statistics of whole images: those of all their pixels at once, however they are stored and read."""

from __future__ import annotations

import tracemalloc
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from foreign_provider import Foreign

from stacchip_osml.chain import SamplingStrategy, compute_statistics, statistics_to_gdal_metadata
from stacchip_osml.imagery import CachedImageProvider, GdalImage, MappedImageProvider, RetiledImageProvider, TileCache
from stacchip_osml.imagery import statistics as module
from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.pyramids.levels import LevelView
from stacchip_osml.imagery.resampling.resamplers import area_resample
from stacchip_osml.imagery.statistics import compute_image_statistics
from tests.imagery.gdal.gdal_files import noise, write

FIELDS = ("min", "max", "mean", "stddev", "count", "m2")
RANDOM, BLOCK = SamplingStrategy.RANDOM, SamplingStrategy.BLOCK


def assert_equal(found, expected, *, rel=0.0):
    assert len(found.bands) == len(expected.bands)
    for a, b in zip(found.bands, expected.bands, strict=True):
        assert (a.count, a.min, a.max) == (b.count, b.min, b.max)
        assert (a.mean, a.m2, a.stddev) == pytest.approx((b.mean, b.m2, b.stddev), rel=rel, abs=0)
        np.testing.assert_array_equal(a.histogram, b.histogram)
        np.testing.assert_array_equal(a.bin_edges, b.bin_edges)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize("image", ["foreign", "gdal", "blocks"])
def test_statistics_are_those_of_all_pixels_with_any_number_of_threads(dtype, image, tmp_path):
    pixels = noise(2, dtype)
    path = write(tmp_path / "a.tif", pixels, tiled=True, blockxsize=32, blockysize=16)
    source = {"foreign": lambda: Foreign(pixels), "gdal": lambda: GdalImage(path), "blocks": lambda: BlockImage(path)}

    alone = compute_image_statistics(source[image]())

    assert_equal(alone, compute_statistics(pixels), rel=1e-12)
    for workers in (1, 2, 3):
        assert_equal(compute_image_statistics(source[image](), num_workers=workers), alone)


@pytest.mark.parametrize("num_bins", [0, 50])
def test_no_value_of_floats_is_lost_whatever_the_range_of_the_first_block(num_bins):
    pixels = np.zeros((1, 32, 32), np.float32)
    pixels[:, 16:] = np.random.default_rng(0).normal(500, 100, (16, 32))

    found = compute_image_statistics(Foreign(pixels), num_bins)

    assert found.bands[0].histogram.sum() == found.bands[0].count == 1024
    assert_equal(found, compute_statistics(pixels, num_bins), rel=1e-12)


def test_measurements_that_are_not_held_are_read_again_and_give_the_same(monkeypatch):
    pixels = noise(2, "float32")
    held = compute_image_statistics(Foreign(pixels))
    monkeypatch.setattr(module, "HELD_BYTES", 10_000)

    assert_equal(compute_image_statistics(Foreign(pixels)), held)
    assert_equal(compute_image_statistics(Foreign(pixels), num_workers=3), held)


def test_memory_is_that_of_some_blocks(monkeypatch):
    monkeypatch.setattr(module, "HELD_BYTES", 1 << 20)

    class Large(Foreign):
        def get_block(self, row, col, resolution_level=0, bands=None):
            return np.full((1, 512, 512), row * 8 + col, np.float32)

    image = Large(np.broadcast_to(np.float32(0), (1, 4096, 4096)), side=512)
    tracemalloc.start()

    found = compute_image_statistics(image, num_workers=2)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert found.bands[0].count == 4096 * 4096
    assert found.bands[0].max == 63
    assert peak < 30_000_000  # of 67 MB


# ---- what is not counted


def test_padded_edges_are_not_counted():
    pixels = np.full((1, 41, 23), 1000, np.uint16)

    for image in (Foreign(pixels), RetiledImageProvider(Foreign(pixels), 64, 64, pad_edges=True)):
        (band,) = compute_image_statistics(image).bands
        assert (band.min, band.max, band.count) == (1000, 1000, 41 * 23)


def test_edges_padded_below_a_function_are_not_counted():
    pixels = noise(2, "uint16")
    padded = RetiledImageProvider(Foreign(pixels), 64, 64, pad_edges=True)
    shown = MappedImageProvider(padded, lambda block: block + np.uint16(1), num_bands=2, pixel_value_type="UINT16")

    assert shown.num_columns > pixels.shape[2]
    assert_equal(compute_image_statistics(shown), compute_statistics(pixels + np.uint16(1)), rel=1e-12)


@pytest.mark.parametrize("tile", [None, 7])
def test_levels_made_on_demand_have_no_padding_either(tile):
    pixels = np.full((1, 41, 23), 1000, np.uint16)
    level = DownsampledImageProvider(Foreign(pixels), 2, None, tile, tile)

    (band,) = compute_image_statistics(level).bands

    assert (band.mean, band.stddev, band.count) == (1000, 0, 21 * 12)


def test_absent_blocks_are_neither_read_nor_counted():
    pixels = np.full((1, 40, 40), 7, np.uint8)
    image = Foreign(pixels, absent=[(0, 0), (2, 2)])

    (band,) = compute_image_statistics(image).bands

    assert band.count == 1600 - 256 - 64
    assert not {(0, 0), (2, 2)} & set(image.reads)
    whole = RetiledImageProvider(image, 40, 40)
    assert compute_image_statistics(whole).bands[0].count == 1600 - 256 - 64
    mapped = MappedImageProvider(whole, lambda block: block + 1)
    assert compute_image_statistics(mapped).bands[0].count == 1600 - 256 - 64


def test_of_an_image_that_stores_nothing_there_are_none():
    image = Foreign(np.zeros((1, 16, 16), np.uint8), absent=[(0, 0)])

    assert compute_image_statistics(image) is None
    assert compute_image_statistics(image, sampling=BLOCK, sample_rate=0.5) is None
    image.pixel_value_type = np.dtype(np.float32)
    assert compute_image_statistics(image) is None


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_what_a_file_declares_to_be_no_measurement_is_not_counted(dtype, tmp_path):
    pixels = noise(3, dtype)
    pixels[:, :20] = 9
    path = write(tmp_path / "a.tif", pixels, nodata=9, tiled=True, blockxsize=16, blockysize=16)
    mask = np.ones(pixels.shape[1:], bool)
    mask[:, :40] = False
    masked = write(tmp_path / "b.tif", pixels, mask=mask)

    for image in (GdalImage(path), BlockImage(path), CachedImageProvider(GdalImage(path), TileCache())):
        assert_equal(compute_image_statistics(image), compute_statistics(pixels, nodata=9), rel=1e-12)
    assert_equal(compute_image_statistics(GdalImage(masked)), compute_statistics(pixels, mask=mask), rel=1e-12)


def test_nodata_that_is_given_comes_on_top_and_may_be_one_a_band(tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(2, 4, 6)
    path = write(tmp_path / "a.tif", pixels, nodata=3)

    found = compute_image_statistics(GdalImage(path), nodata=(5, None))

    assert [band.count for band in found.bands] == [22, 24]
    assert compute_image_statistics(GdalImage(path), nodata=5, bands=[0]).bands[0].count == 22
    assert compute_image_statistics(Foreign(pixels), nodata=5).bands[0].count == 23
    assert compute_image_statistics(Foreign(pixels, metadata={"42113": "3\0"})).bands[0].count == 23
    with pytest.raises(ValueError, match="nodata must be a number, or one for each of 2 bands"):
        compute_image_statistics(Foreign(pixels), nodata=(1, 2, 3))


def test_levels_and_adapters_of_the_same_pixels_have_the_same_statistics(tmp_path):
    pixels = noise(1, "uint16")
    pixels[:, :30] = 0
    path = write(tmp_path / "a.tif", pixels, nodata=0, levels=(2,), tiled=True, blockxsize=32, blockysize=32)
    image = GdalImage(path)
    coarse = compute_image_statistics(image, level=1)

    for same in (LevelView(image, 1), RetiledImageProvider(LevelView(image, 1), 16, 16, pad_edges=True)):
        assert_equal(compute_image_statistics(same), coarse)
    assert coarse.bands[0].count < 55 * 75
    made = DownsampledImageProvider(image, 2, area_resample, nodata=0, use_native_levels=False)
    assert compute_image_statistics(made).bands[0].min > 0
    with pytest.raises(IndexError, match="no level 2"):
        compute_image_statistics(image, level=2)


# ---- bins


@pytest.mark.parametrize(
    "facts", [{"actual_bits_per_pixel": 11}, {"metadata": {"ABPP": "11"}}, {"metadata": {"258": [11]}}]
)
def test_bins_fit_the_bits_that_an_image_says_are_in_use(facts):
    image = Foreign(np.array([[[3, 2047]]], np.uint16), **facts)

    assert compute_image_statistics(image).bands[0].histogram.size == 2048
    assert compute_image_statistics(image, bit_depth=12).bands[0].histogram.size == 4096


@pytest.mark.parametrize("dtype", ["int32", "uint32", "float32"])
def test_no_bins_of_a_type_are_made_but_of_its_data(dtype):
    pixels = np.random.default_rng(0).integers(0, 70_000, (1, 64, 64)).astype(dtype)
    tracemalloc.start()

    (band,) = compute_image_statistics(Foreign(pixels)).bands

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert band.histogram.sum() == 4096


def test_bin_edges_and_bands_may_be_chosen():
    pixels = noise(3, "float32")
    edges = [-10.0, 0.0, 10.0]

    found = compute_image_statistics(Foreign(pixels), bin_edges=edges, bands=[2, 0])

    assert_equal(found, compute_statistics(pixels[[2, 0]], bin_edges=edges), rel=1e-12)


# ---- samples


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("sampling", [RANDOM, BLOCK])
def test_a_sample_is_the_same_for_a_seed_and_any_number_of_threads(dtype, sampling):
    image = Foreign(np.random.default_rng(0).integers(0, 999, (1, 1100, 1300)).astype(dtype), side=128)
    settings = {"sampling": sampling, "sample_rate": 0.2}

    found = compute_image_statistics(image, **settings, seed=1)

    assert_equal(compute_image_statistics(image, **settings, seed=1, num_workers=3), found)
    assert compute_image_statistics(image, **settings, seed=2).bands[0].mean != found.bands[0].mean
    assert found.sample_rate == pytest.approx(0.2, rel=0.5 if sampling is BLOCK else 1e-3)
    assert found.bands[0].count == round(found.sample_rate * 1100 * 1300)


def test_sampled_blocks_are_stored_ones_and_the_others_are_not_read():
    absent = [(row, col) for row in range(4) for col in range(4) if (row, col) != (2, 1)]
    image = Foreign(np.full((1, 2048, 2048), 5, np.uint8), side=512, absent=absent)

    found = compute_image_statistics(image, sampling=BLOCK, sample_rate=0.01)

    assert image.reads == [(2, 1)]
    assert found.sample_rate == 1
    assert found.bands[0].count == 512 * 512


def test_a_random_sample_of_a_twentieth_reports_a_twentieth():
    image = Foreign(noise(1, "uint8"), side=16)

    found = compute_image_statistics(image, sampling=RANDOM, sample_rate=0.05)

    assert found.sample_rate == pytest.approx(0.05, abs=1e-4)


# ---- stored statistics


@pytest.fixture
def told(tmp_path):
    """A file with statistics that are not those of its pixels."""
    other = compute_statistics(np.full((1, 4, 4), 77, np.uint8))
    elements = ElementTree.fromstring(statistics_to_gdal_metadata(other))
    items = {element.get("name"): element.text for element in elements}
    path = write(tmp_path / "a.tif", noise(1, "uint8"), levels=(2,))
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, **items)
    return path


@pytest.mark.parametrize("image", [GdalImage, BlockImage])
def test_statistics_that_are_stored_are_taken_and_no_pixel_is_read(image, told):
    for adapted in (image(told), CachedImageProvider(image(told)), LevelView(image(told), 0)):
        assert compute_image_statistics(adapted).bands[0].mean == 77
        assert compute_image_statistics(adapted, compute_if_missing=False).bands[0].mean == 77
        assert compute_image_statistics(adapted, num_bins=256).bands[0].mean == 77


def test_stored_statistics_are_not_taken_where_they_are_not_what_was_asked_for(told):
    image = GdalImage(told)

    assert compute_image_statistics(image, force_recompute=True).bands[0].mean != 77
    assert compute_image_statistics(image, num_bins=10).bands[0].mean != 77
    assert compute_image_statistics(image, bin_edges=[0, 255]).bands[0].mean != 77
    assert compute_image_statistics(image, level=1).bands[0].mean != 77
    assert compute_image_statistics(LevelView(image, 1)).bands[0].mean != 77
    assert compute_image_statistics(MappedImageProvider(image, np.invert)).bands[0].mean != 77
    assert compute_image_statistics(image, level=1, compute_if_missing=False) is None


def test_stored_statistics_of_another_number_of_bands_are_not_taken():
    text = statistics_to_gdal_metadata(compute_statistics(np.full((1, 4, 4), 77, np.uint8)))

    one, two = (Foreign(np.zeros((n, 4, 4), np.uint8), metadata={"42112": text}) for n in (1, 2))

    assert compute_image_statistics(one).bands[0].mean == 77
    assert compute_image_statistics(two).bands[0].mean == 0


# ---- failures


@pytest.mark.parametrize("workers", [0, 3])
def test_a_block_that_cannot_be_read_raises_and_nothing_hangs(workers):
    class Broken(Foreign):
        def get_block(self, row, col, resolution_level=0, bands=None):
            if (row, col) == (1, 1):
                raise OSError("the disk is gone")
            return super().get_block(row, col, resolution_level, bands)

    with pytest.raises(OSError, match="the disk is gone"):
        compute_image_statistics(Broken(np.zeros((1, 1600, 1600), np.uint8), side=512), num_workers=workers)


def test_complex_pixels_and_settings_out_of_range_are_value_errors():
    image = Foreign(np.zeros((1, 4, 4), np.complex64))

    with pytest.raises(ValueError, match="needs a remap first"):
        compute_image_statistics(image)
    with pytest.raises(ValueError, match="sample rate"):
        compute_image_statistics(Foreign(np.zeros((1, 4, 4))), sample_rate=2)
    with pytest.raises(IndexError, match="bands"):
        compute_image_statistics(Foreign(np.zeros((1, 4, 4))), bands=[1])
