"""Pixels that an image does not store are never valid zeros of the TIFF that is written: GDAL is asked."""

import numpy as np
import pytest
import rasterio
import tifffile
from rasterio.windows import Window

from stacchip_osml.encode.tiff.image import write_tiff
from stacchip_osml.imagery import read_window
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.imagery.resampling.resamplers import (
    area_resample,
    bilinear_resample,
    lanczos_resample,
    nearest_neighbor_resample,
)
from stacchip_osml.pixel import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
WIDTH, HEIGHT = 300, 200


def sparse_tiff(path, block, *, bands=1, interleave="pixel", seed=1, share=0.4, **profile):
    """A file of GDAL's with some blocks; what is stored is told, and has zeros among it."""
    rng = np.random.default_rng(seed)
    rows, cols = block
    stored = np.zeros((bands, HEIGHT, WIDTH), bool)
    pixels = rng.integers(0, 4, stored.shape).astype(profile.setdefault("dtype", "uint8"))
    how = {"driver": "GTiff", "width": WIDTH, "height": HEIGHT, "count": bands, "interleave": interleave}
    how |= {"tiled": True, "blockxsize": cols, "blockysize": rows, "SPARSE_OK": "TRUE"}
    with rasterio.open(path, "w", **how, **profile) as out:
        for y in range(0, HEIGHT, rows):
            for x in range(0, WIDTH, cols):
                for band in [slice(None)] if interleave == "pixel" else [slice(k, k + 1) for k in range(bands)]:
                    place = np.s_[band, y : y + rows, x : x + cols]
                    if rng.random() < share:
                        pixels[place].flat[0] = 1  # GDAL leaves out blocks of nothing but zeros
                        stored[place] = True
                        window = Window(x, y, *pixels[place].shape[:0:-1])
                        out.write(pixels[place], [k + 1 for k in range(bands)][band], window=window)
    return np.where(stored, pixels, 0), stored


def valid_of(path, level=None):
    """Pixels and masks as GDAL has them, and whether the file has a mask."""
    with rasterio.open(path, **({} if level is None else {"overview_level": level})) as dataset:
        is_masked = any("per_dataset" in str(flags) for flags in dataset.mask_flag_enums)
        return dataset.read(), dataset.read_masks() != 0, is_masked


def ours(path, level=0):
    image = BlockImage(str(path))
    size = image.level_shape(level)
    found = image.read(PixelWindow(0, 0, *size), level=level)
    return found.pixels, found.mask


@pytest.mark.parametrize("block", [(64, 64), (32, 80), (128, 16)])
@pytest.mark.parametrize("tile", [16, 64, (48, 80), 256, 512])
@pytest.mark.parametrize("layout", ["tiff", "cog"])
def test_every_pixel_is_as_valid_as_it_was(tmp_path, block, tile, layout):
    pixels, stored = sparse_tiff(tmp_path / "a.tif", block, bands=2)

    write_tiff(tmp_path / "b.tif", BlockImage(str(tmp_path / "a.tif")), tile=tile, layout=layout)

    found, mask = ours(tmp_path / "b.tif")
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(mask, stored)
    found, mask, is_masked = valid_of(tmp_path / "b.tif")
    np.testing.assert_array_equal(found, pixels)
    assert (mask == stored).all() if is_masked else mask.all()


@pytest.mark.parametrize("rows", [1, 7, 64, 200])
def test_strips_of_tiles_and_tiles_of_strips(tmp_path, rows):
    pixels, stored = sparse_tiff(tmp_path / "a.tif", (64, 64))
    write_tiff(tmp_path / "b.tif", BlockImage(str(tmp_path / "a.tif")), rows_per_strip=rows)
    write_tiff(tmp_path / "c.tif", BlockImage(str(tmp_path / "b.tif")), tile=64, mask="source")

    for name in ("b.tif", "c.tif"):
        found, mask, is_masked = valid_of(tmp_path / name)
        np.testing.assert_array_equal(found, pixels)
        np.testing.assert_array_equal(mask, stored)
        assert is_masked


def test_blocks_that_are_cut_along_the_old_ones_need_no_mask(tmp_path):
    _, stored = sparse_tiff(tmp_path / "a.tif", (64, 64))
    write_tiff(tmp_path / "b.tif", BlockImage(str(tmp_path / "a.tif")), tile=32)

    _, mask = ours(tmp_path / "b.tif")
    assert not valid_of(tmp_path / "b.tif")[2]
    np.testing.assert_array_equal(mask, stored)
    with tifffile.TiffFile(tmp_path / "b.tif") as tiff:
        assert len(tiff.pages) == 1
        assert 0 in tiff.pages[0].databytecounts


@pytest.mark.parametrize("layout", ["tiff", "cog"])
@pytest.mark.parametrize("tile", [32, 64])
def test_overviews_say_what_is_absent_too(tmp_path, layout, tile):
    pixels, stored = sparse_tiff(tmp_path / "a.tif", (32, 32))
    source = BlockImage(str(tmp_path / "a.tif"))
    write_tiff(tmp_path / "b.tif", source, tile=tile, layout=layout, overviews=2, resampling=nearest_neighbor_resample)

    for level in (1, 2):
        pixels, stored = (nearest_neighbor_resample(each, 100 // level, 150 // level) for each in (pixels, stored))
        found, mask = ours(tmp_path / "b.tif", level)
        seen, seen_mask, is_masked = valid_of(tmp_path / "b.tif", level - 1)
        assert is_masked
        np.testing.assert_array_equal(found, seen)
        np.testing.assert_array_equal(mask, seen_mask)
        np.testing.assert_array_equal(mask, stored)
        np.testing.assert_array_equal(found, pixels)


def test_overviews_that_are_there_keep_what_they_lack(tmp_path):
    pixels, _ = sparse_tiff(tmp_path / "a.tif", (32, 32))
    write_tiff(tmp_path / "b.tif", BlockImage(str(tmp_path / "a.tif")), tile=16, overviews=1, mask=pixels[0] >= 0)
    smaller = BufferedImageAssetProvider.create("smaller", 150, 100, 1, 64, 64)
    smaller.set_block(0, 0, np.full((1, 64, 64), 3, np.uint8))
    full = BufferedImageAssetProvider.from_array(pixels)
    write_tiff(tmp_path / "c.tif", [full, smaller], tile=48)

    _, mask = ours(tmp_path / "c.tif", 1)
    assert mask.sum() == 64 * 64
    assert ours(tmp_path / "c.tif")[1].all()
    assert valid_of(tmp_path / "c.tif", 0)[1].sum() == 64 * 64
    assert valid_of(tmp_path / "b.tif")[1].all()  # a mask that is given is the one that is written


@pytest.mark.parametrize("tile", [32, 48])
@pytest.mark.parametrize("interleave", ["band", "pixel"])
def test_bands_that_are_absent_apart_get_masks_of_their_own(tmp_path, tile, interleave):
    pixels, stored = sparse_tiff(tmp_path / "a.tif", (32, 32), bands=3, interleave="band")
    write_tiff(tmp_path / "b.tif", BlockImage(str(tmp_path / "a.tif")), tile=tile, interleave=interleave)

    found, mask = ours(tmp_path / "b.tif")
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(mask, stored)
    np.testing.assert_array_equal(valid_of(tmp_path / "b.tif")[1], stored)


@pytest.mark.parametrize("nodata", [[1, None], [1, 2], [-9999, -9999]])
def test_a_value_that_no_band_can_say_alone_does_not_stand_for_what_is_absent(tmp_path, nodata):
    image = BufferedImageAssetProvider.create("sparse", 64, 64, 2, 32, 32, "uint8")
    image.set_block(0, 1, np.full((2, 32, 32), 5, np.uint8))
    write_tiff(tmp_path / "b.tif", image, tile=64, nodata=nodata)

    assert (valid_of(tmp_path / "b.tif")[1].sum(axis=(1, 2)) == 32 * 32).all()


def test_padding_that_is_written_is_not_valid(tmp_path):
    image = BufferedImageAssetProvider.create("sparse", 64, 64, 1, 32, 32, "uint8", pad_pixel_value=7)
    image.set_block(0, 1, np.full((1, 32, 32), 7, np.uint8))
    write_tiff(tmp_path / "b.tif", image, tile=32)
    write_tiff(tmp_path / "c.tif", image, tile=32, sparse=False)

    assert valid_of(tmp_path / "b.tif")[1].sum() == 32 * 32
    assert valid_of(tmp_path / "c.tif")[1].all()  # asked for by name
    assert (read_window(BlockImage(str(tmp_path / "b.tif")), (0, 0, 64, 64)) == 7).all()


@pytest.mark.parametrize("options", [{"nodata": 0}, {"colors": ["gray", "alpha"]}])
def test_what_nodata_or_alpha_say_needs_no_mask(tmp_path, options):
    image = BufferedImageAssetProvider.create("sparse", 64, 64, 2, 32, 32, "uint8")
    image.set_block(0, 1, np.full((2, 32, 32), 5, np.uint8))
    write_tiff(tmp_path / "b.tif", image, tile=64, **options)

    assert len(tifffile.TiffFile(tmp_path / "b.tif").pages) == 1
    _, mask, _ = valid_of(tmp_path / "b.tif")
    assert mask[0].sum() == 32 * 32


@pytest.mark.parametrize("resampling", [None, area_resample, bilinear_resample, lanczos_resample])
@pytest.mark.parametrize("how", ["absent", "bands absent", "source", "array", "nodata and array"])
def test_overviews_do_not_darken_beside_what_is_missing(tmp_path, resampling, how):
    interleave = "band" if how == "bands absent" else "pixel"
    _, stored = sparse_tiff(tmp_path / "a.tif", (32, 32), bands=2, interleave=interleave, seed=3)
    with rasterio.open(tmp_path / "a.tif", "r+") as out:
        for window in (found for _, found in out.block_windows(1)):
            for band in (0, 1):
                if stored[band][window.toslices()].any():
                    out.write(np.full((window.height, window.width), 90, np.uint8), band + 1, window=window)
    source, settings = BlockImage(str(tmp_path / "a.tif")), {}
    if how == "source":
        settings = {"mask": "source"}
    elif "array" in how:
        settings = {"mask": stored[0], "nodata": 90 if how.startswith("nodata") else None}
        source = BufferedImageAssetProvider.from_array(np.where(stored, 90, 0).astype(np.uint8))
    write_tiff(tmp_path / "b.tif", source, tile=48, overviews=3, resampling=resampling, **settings)

    image = BlockImage(str(tmp_path / "b.tif"))
    assert image.num_resolution_levels == 4
    for level in (1, 2, 3):
        found, mask = ours(tmp_path / "b.tif", level)
        assert 0 < mask.sum() < mask.size
        assert (found[mask] == 90).all()
        share = area_resample(stored.astype(np.float32), *found.shape[1:])
        assert mask[share == 1].all()
        assert not mask[share == 0].any()
