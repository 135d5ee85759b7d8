"""Grey values of which 0 is white: quantities that are averaged, and shown the other way round."""

import numpy as np
import pytest
import tifffile

from stacchip_osml.encode import ChipFactory
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.display.palettes import has_color_table, shows_indices
from stacchip_osml.pixel import ImageSize, PixelWindow

WHITE = np.random.default_rng(5).integers(0, 256, (32, 32))
WHOLE = PixelWindow(0, 0, 32, 32)


def saved(path, pixels, photometric="miniswhite"):
    tifffile.imwrite(path, pixels, photometric=photometric, tile=(16, 16))
    return str(path)


@pytest.mark.parametrize("reader", [BlockImage, GdalImage])
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_they_are_averaged_and_stay_the_other_way_round(tmp_path, reader, dtype):
    image = reader(saved(tmp_path / "a.tif", WHITE.astype(dtype)))
    black = reader(saved(tmp_path / "black.tif", WHITE.astype(dtype), "minisblack"))
    factory = ChipFactory(image, output_format="geotiff")

    means = WHITE.reshape(16, 2, 16, 2).mean(axis=(1, 3))
    assert np.abs(factory.read_chip(WHOLE, ImageSize(16, 16)).pixels[0] - means).max() <= 0.5
    halves = [DownsampledImageProvider(each, 2).get_block(0, 0) for each in (image, black)]
    assert np.array_equal(*halves)
    (tmp_path / "b.tif").write_bytes(factory.create_chip(WHOLE, ImageSize(16, 16)))
    (table,) = GdalImage(str(tmp_path / "b.tif")).picture_tags.color_tables
    assert (table[0][:3], table[-1][:3]) == ((255, 255, 255), (0, 0, 0))


def test_black_and_white_have_nothing_between_them(tmp_path):
    image = BlockImage(saved(tmp_path / "a.tif", WHITE > 100))

    assert has_color_table(image)
    assert shows_indices(image)
    assert set(np.unique(ChipFactory(image).read_chip(WHOLE, ImageSize(16, 16)).pixels)) == {0, 1}
