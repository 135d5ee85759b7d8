"""A single strip that GDAL shows row by row is stored as a whole, and reads so."""

import zlib

import numpy as np
import pytest
import rasterio

from stacchip_osml.imagery import GdalImage, ReadLimits, read_window
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow
from tests.imagery.blocks.tiff_assembler import COMPRESSION, gray, save

ROWS, COLS = 2500, 90


def write(path, pixels, *, rows_per_strip, **options):
    with rasterio.open(
        path, "w", driver="GTiff", width=COLS, height=ROWS, count=1, dtype=pixels.dtype, blockysize=rows_per_strip,
        **options,
    ) as file:  # fmt: skip
        file.write(pixels[None])
    return str(path)


@pytest.mark.parametrize("reader", [GdalImage, BlockImage])
@pytest.mark.parametrize("codec", [{"compress": "ccittfax4", "nbits": 1}, {"compress": "lzw"}, {}])
def test_a_single_strip_is_stored_in_every_row(reader, codec, tmp_path):
    pixels = (np.random.default_rng(0).random((ROWS, COLS)) < 0.3).astype(np.uint8)
    image = reader(write(tmp_path / "a.tif", pixels, rows_per_strip=ROWS, **codec))

    whole = image.read(PixelWindow(0, 0, COLS, ROWS))
    part = image.read(PixelWindow(10, 1000, 50, 60))

    assert whole.mask.all()
    assert part.mask.all()
    np.testing.assert_array_equal(whole.pixels[0], pixels)
    np.testing.assert_array_equal(part.pixels[0], pixels[1000:1060, 10:60])
    np.testing.assert_array_equal(read_window(image, (10, 1000, 50, 60))[0], pixels[1000:1060, 10:60])
    assert image.has_block(image.block_grid_size[0] - 1, 0)


def test_rows_that_a_sparse_image_leaves_out_are_still_absent(tmp_path):
    pixels = np.ones((ROWS, COLS), np.uint8)
    pixels[5:2400] = 0
    image = GdalImage(write(tmp_path / "a.tif", pixels, rows_per_strip=1, compress="deflate", sparse_ok=True))

    assert image.has_block(2, 0)
    assert image.has_block(2450, 0)
    assert not image.has_block(100, 0)
    assert image.read(PixelWindow(0, 50, COLS, 100)) is None


def test_a_strip_of_very_many_rows_is_not_asked_for_row_by_row(tmp_path):
    """Two thousand million rows in one strip of a hundred bytes took hours to look through."""
    rows = (1 << 31) - 1
    path = save(tmp_path / "a.tif", gray(1, rows, [zlib.compress(bytes(100))], tags={COMPRESSION: 8}))
    image = GdalImage(path, limits=ReadLimits(block_bytes=1 << 40))

    assert image.header.levels[0].height == rows
    assert image.has_block(rows - 1, 0)
