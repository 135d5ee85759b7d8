"""Images that a TIFF calls overviews of another, and that are none: labels, wider ones, those of another type."""

import numpy as np
import pytest
import tifffile

from stacchip_osml.encode import ChipFactory
from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage, TiledImagePyramid
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow

PIXELS = np.random.default_rng(2).integers(0, 256, (40, 60), np.uint8)


def save(path, *overviews):
    with tifffile.TiffWriter(path) as out:
        out.write(PIXELS, subifds=len(overviews), metadata=None)
        for each in overviews:
            out.write(each, subfiletype=1, metadata=None)
    return str(path)


def test_a_level_that_is_larger_than_the_one_before_is_none_of_the_pyramid(tmp_path):
    wider = np.zeros((10, 70), np.uint8)
    image = BlockImage(save(tmp_path / "a.tif", wider, PIXELS[::2, ::2], PIXELS[::4, ::4]))
    assert image.num_resolution_levels == 4

    pyramid = TiledImagePyramid.from_asset(image)
    chip = ChipFactory(pyramid).read_chip(PixelWindow(0, 0, 60, 40), ImageSize(15, 10))

    assert [pyramid.get_level(number).num_columns for number in range(pyramid.num_levels)] == [60, 30, 15]
    assert np.array_equal(chip.pixels[0], PIXELS[::4, ::4])


@pytest.mark.parametrize("reader", [BlockImage, GdalImage])
def test_an_overview_of_another_type_is_an_error_and_the_image_is_read(tmp_path, reader):
    image = reader(save(tmp_path / "a.tif", PIXELS[::2, ::2].astype(np.int32)))

    assert np.array_equal(image.read(PixelWindow(0, 0, 60, 40)).pixels[0], PIXELS)
    with pytest.raises(DecodeError, match="an overview of int32 where R0 is uint8"):
        image.read(PixelWindow(0, 0, 30, 20), level=1)
    with pytest.raises(DecodeError, match="an overview of int32 where R0 is uint8"):
        image.get_block(0, 0, 1)
