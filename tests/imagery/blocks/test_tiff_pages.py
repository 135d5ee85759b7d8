"""Pages of a TIFF through both readers: rasterio's `GTIFF_DIR` datasets are the oracle."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile

from stacchip_osml.encode import ChipFactory
from stacchip_osml.encode.io import IO
from stacchip_osml.errors import DecodeError, LimitError, SettingError
from stacchip_osml.imagery import GdalImage, ReadLimits
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.tiff.directories import page_directories
from stacchip_osml.imagery.tiff.pages import TiffPage
from stacchip_osml.pixel import PixelWindow

REDUCED, PAGE, MASK = 1, 2, 4
KINDS = [0, REDUCED, 0, MASK, PAGE, 0]
DTYPES = ["uint8", "uint8", "uint16", "bool", "float32", "uint8"]
PAGES = {1: 3, 2: 5, 3: 6}
"""Page → directory, from 1: the second is an overview, the fourth a mask of the first."""


@pytest.fixture
def path(tmp_path):
    random = np.random.default_rng(3)
    with tifffile.TiffWriter(tmp_path / "pages.tif", bigtiff=True) as file:
        for number, kind in enumerate(KINDS):
            shape = (60, 70) if kind == MASK else (60 + 9 * number, 70 + 5 * number)
            file.write(
                random.integers(0, 2 if kind == MASK else 200, shape).astype(DTYPES[number]),
                tile=None if number == 5 else (32, 48),
                subfiletype=kind,
                photometric="minisblack",
                compression="deflate" if number in {2, 5} else None,
                metadata=None,
            )
    return str(tmp_path / "pages.tif")


def opened(path, page):
    return GdalImage(path, page=page), TiffPage(path, page), pickle.loads(pickle.dumps(TiffPage(path, page)))


def test_pages_are_those_that_gdal_lists(path):
    with rasterio.open(path) as dataset:
        listed = [int(name.split(":")[1]) for name in dataset.subdatasets]
    data = Path(path).read_bytes()
    found = page_directories(lambda at, count: data[at : at + count], name="a", size=len(data))

    assert found == listed == [1, *PAGES.values()]


@pytest.mark.parametrize("page", PAGES)
def test_both_readers_give_the_pixels_of_the_sub_dataset(path, page):
    with rasterio.open(f"GTIFF_DIR:{PAGES[page]}:{path}") as dataset:
        expected, blocks = dataset.read(), dataset.block_shapes[0]

    for image in opened(path, page):
        assert (image.num_bands, image.num_rows, image.num_columns) == expected.shape
        assert image.pixel_value_type == expected.dtype
        assert image.num_resolution_levels == 1
        assert (image.num_pixels_per_block_vertical, image.num_pixels_per_block_horizontal) == blocks
        found = image.read(PixelWindow(3, 5, image.num_columns - 4, 40))
        np.testing.assert_array_equal(found.pixels, expected[:, 5:45, 3:-1])
        assert found.mask.all()
        np.testing.assert_array_equal(image.get_block(0, 0), expected[:, : blocks[0], : blocks[1]])
    assert TiffPage(path, page).served_by(0).startswith("block/")


def test_pages_are_told_apart_by_key_and_version(path):
    images = [BlockImage(path), TiffPage(path, 1), TiffPage(path, 2)]

    assert len({image.key for image in images}) == len({image.version for image in images}) == 3
    assert images[1].header.size != images[2].header.size


@pytest.mark.parametrize("page", [4, 1000])
def test_a_page_that_there_is_not_is_a_typed_error(path, page):
    for image in opened(path, page):
        with pytest.raises(DecodeError, match=rf"pages\.tif: no page {page}; it has 4, counted from 0"):
            _ = image.header


def test_what_is_no_page_number_and_what_is_no_tiff_is_refused(path, tmp_path):
    with pytest.raises(SettingError, match="page"):
        GdalImage(path, page=-1)
    with rasterio.open(tmp_path / "a.png", "w", driver="PNG", width=4, height=4, count=1, dtype="uint8") as dataset:
        dataset.write(np.zeros((1, 4, 4), np.uint8))
    for image in opened(str(tmp_path / "a.png"), 1):
        with pytest.raises(DecodeError, match="not a TIFF"):
            _ = image.header


def test_limits_hold_for_pages_too(path):
    for image in (GdalImage(path, page=1, limits=ReadLimits(side=70)), TiffPage(path, 1, limits=ReadLimits(side=70))):
        with pytest.raises(LimitError, match="more than 70 a side"):
            _ = image.header


def test_a_dataset_gives_every_page_and_chips_are_cut_of_it(path):
    with IO.open(path) as dataset:
        keys = [key for key in dataset.get_asset_keys() if ":overview:" not in key]
        page = dataset.get_asset("image:3")
        with rasterio.open(f"GTIFF_DIR:6:{path}") as expected:
            pixels = expected.read()
        chip = ChipFactory(page, output_format="GTiff").read_chip((10, 20, 30, 40))

    assert keys == ["image:0", "image:1", "image:2", "image:3"]
    np.testing.assert_array_equal(chip.pixels, pixels[:, 20:60, 10:40])
