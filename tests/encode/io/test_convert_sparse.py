"""What a conversion makes of pixels that are not stored: said by the new file, or told; GDAL is asked."""

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window

from stacchip_osml.encode.io.converting import convert
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
TOLD = "which pixels are absent"


@pytest.fixture
def sparse(tmp_path):
    """Blocks of 64 x 64, three of them stored, zeros among their pixels."""
    pixels, stored = np.zeros((1, 200, 300), np.uint8), np.zeros((1, 200, 300), bool)
    how = {"driver": "GTiff", "width": 300, "height": 200, "count": 1, "dtype": "uint8", "tiled": True}
    with rasterio.open(tmp_path / "a.tif", "w", **how, blockxsize=64, blockysize=64, SPARSE_OK="TRUE") as out:
        for row, col in ((0, 0), (1, 3), (3, 4)):
            place = np.s_[:, 64 * row : 64 * row + 64, 64 * col : 64 * col + 64]
            block = np.random.default_rng(row).integers(0, 4, pixels[place].shape, np.uint8)
            pixels[place], stored[place] = block, True
            out.write(block, window=Window(64 * col, 64 * row, *block.shape[:0:-1]))
    return tmp_path / "a.tif", pixels, stored


def read(path):
    image = BlockImage(str(path))
    return image.read(PixelWindow(0, 0, image.num_columns, image.num_rows))


@pytest.mark.parametrize("options", [{}, {"compression": "none"}, {"compression": "NM"}, {"block_size": (32, 64)}])
def test_nitf_leaves_out_what_is_absent_and_takes_no_zero_for_it(sparse, tmp_path, options):
    path, pixels, stored = sparse
    done = convert(path, tmp_path / "b.ntf", **options)

    found = read(tmp_path / "b.ntf")
    assert done.left_out == ()
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(found.mask, stored)
    with rasterio.open(tmp_path / "b.ntf") as dataset:
        assert dataset.tags()["NITF_IC"] == "NM"
        assert dataset.nodata is None
        np.testing.assert_array_equal(dataset.read(), pixels)


@pytest.mark.parametrize(
    "options",
    [{"compression": "NC"}, {"compression": "jpeg2000", "block_size": (64, 64)}, {"block_size": (100, 64)}],
)
def test_nitf_that_cannot_say_it_is_told(sparse, tmp_path, options):
    path, pixels, _ = sparse
    assert convert(path, tmp_path / "b.ntf", **options).left_out == (TOLD,)
    np.testing.assert_array_equal(read(tmp_path / "b.ntf").pixels, pixels)


def test_a_pad_value_that_is_needed_for_parts_of_blocks_is_told_to_be_taken_for_pixels(sparse, tmp_path):
    path, _, stored = sparse
    done = convert(path, tmp_path / "b.ntf", compression="NM", block_size=(100, 64))

    assert done.left_out == ("valid pixels of value 0",)
    assert not read(tmp_path / "b.ntf").mask[~stored].any()


def test_blocks_that_nitf_leaves_out_stay_out_however_it_is_coded_anew(sparse, tmp_path):
    path, pixels, stored = sparse
    convert(path, tmp_path / "b.ntf")
    told = {
        "copy": convert(tmp_path / "b.ntf", tmp_path / "copy.ntf"),
        "none": convert(tmp_path / "b.ntf", tmp_path / "none.ntf", compression="none"),
        "M8": convert(tmp_path / "b.ntf", tmp_path / "M8.ntf", compression="M8"),
        "tiff": convert(tmp_path / "b.ntf", tmp_path / "tiff.tif"),
        "C8": convert(tmp_path / "b.ntf", tmp_path / "C8.ntf", compression="C8"),
    }

    for name in ("copy.ntf", "none.ntf", "M8.ntf", "tiff.tif"):
        found = read(tmp_path / name)
        np.testing.assert_array_equal(found.pixels, pixels)
        np.testing.assert_array_equal(found.mask, stored)
    assert {name: done.left_out for name, done in told.items() if done.left_out} == {"C8": (TOLD,)}


@pytest.mark.parametrize("ending", ["png", "jpg", "jp2", "j2k"])
def test_formats_that_have_no_word_for_it_are_told(sparse, tmp_path, ending):
    path, pixels, _ = sparse
    assert TOLD in convert(path, tmp_path / f"b.{ending}").left_out
    assert TOLD in convert(path, tmp_path / f"c.{ending}", dry_run=True).left_out
    if ending != "jpg":
        np.testing.assert_array_equal(read(tmp_path / f"b.{ending}").pixels, pixels)


@pytest.mark.parametrize("options", [{}, {"cog": True}, {"block_size": (48, 80)}, {"overviews": 2}])
def test_tiff_says_it(sparse, tmp_path, options):
    path, pixels, stored = sparse
    done = convert(path, tmp_path / "b.tif", **options)

    found = read(tmp_path / "b.tif")
    assert done.left_out == ()
    np.testing.assert_array_equal(found.pixels, pixels)
    np.testing.assert_array_equal(found.mask, stored)
    with rasterio.open(tmp_path / "b.tif") as dataset:
        np.testing.assert_array_equal(dataset.read_masks() != 0, stored)


def test_an_image_that_stores_all_is_told_nothing(tmp_path):
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", width=80, height=64, count=1, dtype="uint8") as out:
        out.write(np.ones((1, 64, 80), np.uint8))

    assert convert(tmp_path / "a.tif", tmp_path / "b.png").left_out == ()
    convert(tmp_path / "a.tif", tmp_path / "b.ntf")
    with rasterio.open(tmp_path / "b.ntf") as dataset:
        assert dataset.tags()["NITF_IC"] == "NC"


@pytest.mark.parametrize("ending", ["png", "ntf", "tif"])
def test_a_band_that_is_absent_where_others_are_stored_is_no_valid_zero_without_a_word(tmp_path, ending):
    how = {"driver": "GTiff", "width": 64, "height": 32, "count": 3, "dtype": "uint8", "tiled": True}
    how |= {"blockxsize": 32, "blockysize": 32, "interleave": "band", "SPARSE_OK": "TRUE"}
    with rasterio.open(tmp_path / "a.tif", "w", **how) as out:
        out.write(np.ones((2, 32, 64), np.uint8), [1, 3])
        out.write(np.ones((32, 32), np.uint8), 2, window=Window(32, 0, 32, 32))

    done = convert(tmp_path / "a.tif", tmp_path / f"b.{ending}")

    if ending == "tif":
        assert read(tmp_path / "b.tif").mask.sum(axis=(1, 2)).tolist() == [2048, 1024, 2048]
    assert done.left_out == (() if ending == "tif" else (TOLD,))
