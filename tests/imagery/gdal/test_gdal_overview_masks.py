"""Masks of overviews: the one that the file has, or what a finer one shows there, through both readers."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

from stacchip_osml.encode.tiff.image import write_tiff
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.pixel import PixelWindow
from tests.imagery.gdal.gdal_files import oracle

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.mark.parametrize("kind", [GdalImage, BlockImage])
@pytest.mark.parametrize("own", [[True, True], [False, False], [True, False], [False, True]])
def test_the_mask_of_an_overview_is_its_own_though_it_hides_nothing(tmp_path, kind, own):
    """GDAL's overview, or where the file has no mask of that size what the next finer mask shows there."""
    sides = [64, 32, 16]
    images = [BufferedImageAssetProvider.from_array(np.full((1, side, side), 9, np.uint8)) for side in sides]
    masks = [np.ones((1, side, side), np.uint8) for side in sides]
    masks[0][0, :, :32] = 0
    path = str(tmp_path / "a.tif")
    write_tiff(path, images, tile=16, mask=[BufferedImageAssetProvider.from_array(mask) for mask in masks])
    data = bytearray(Path(path).read_bytes())
    with tifffile.TiffFile(path) as tiff:
        for page, kept in zip([page for page in tiff.pages if page.subfiletype == 5], own, strict=True):
            if not kept:  # a directory that is of no use to any level
                at = page.tags[254].valueoffset
                data[at : at + 4] = (2).to_bytes(4, "little")
    Path(path).write_bytes(data)
    image = kind(path)

    share = 0.5
    for level, is_own in enumerate([True, *own]):
        share = 0 if level and is_own else share
        mask = image.read(PixelWindow(0, 0, sides[level], sides[level]), level=level).mask[0]
        hidden = share * sides[level]
        np.testing.assert_array_equal(mask, np.broadcast_to(np.arange(sides[level]) >= hidden, mask.shape))
        if is_own:
            whole = PixelWindow(0, 0, sides[level], sides[level])
            np.testing.assert_array_equal(mask, oracle(path, whole, overview=level - 1 if level else None)[1][0])


@pytest.mark.parametrize("kind", [GdalImage, BlockImage])
@pytest.mark.parametrize("side", [32, 50, 60])
def test_small_windows_of_an_overview_see_its_own_mask(tmp_path, kind, side):
    """GDAL takes full resolution's for a window of a pixel or two that are hardly larger than those of R0."""
    images = [BufferedImageAssetProvider.from_array(np.full((1, each, each), 9, np.uint8)) for each in (64, side)]
    masks = [np.ones((1, 64, 64), np.uint8), np.ones((1, side, side), np.uint8)]
    masks[0][0, :, ::2] = 0
    path = str(tmp_path / "a.tif")
    write_tiff(path, images, tile=16, mask=[BufferedImageAssetProvider.from_array(mask) for mask in masks])
    image = kind(path)

    assert not image.read(PixelWindow(0, 0, 64, 64)).mask.all()
    for place in range(0, side - 1, 3):
        assert image.read(PixelWindow(place, side - 1 - place, 1, 1), level=1).mask.all()
        assert image.read(PixelWindow(place, place, 2, 1), level=1).mask.all()
