"""Levels of pyramids keep the provider protocol, and so does every adapter over them."""

import numpy as np
import pytest

from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    CachedImageProvider,
    DownsampledImageProvider,
    MappedImageProvider,
    PyramidBuilder,
    RetiledImageProvider,
    TileCache,
)
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.pyramids.levels import LevelView, place_of
from stacchip_osml.imagery.resampling.resamplers import area_resample
from stacchip_osml.testing import check_provider
from tests.imagery.pyramids.pyramid_scenes import noise, read_whole


def image(*, sparse=False, bands=3):
    pixels = noise(301, 222, bands=bands, low=1500, high=2500)
    dense = BufferedImageAssetProvider.from_array(pixels, block_width=48, block_height=64)
    if not sparse:
        return dense
    made = BufferedImageAssetProvider.create("sparse", 222, 301, bands, 48, 64, "uint16", pad_pixel_value=9)
    for row, col in ((0, 3), (4, 0), (4, 1)):
        made.set_block(row, col, dense.get_block(row, col))
    return made


PROVIDERS = {
    "sips": DownsampledImageProvider,
    "area by four, cached": lambda source: DownsampledImageProvider(source, 4, area_resample, 30, 20, TileCache()),
    "nodata": lambda source: DownsampledImageProvider(source, nodata=7),
    "chain": lambda source: DownsampledImageProvider(DownsampledImageProvider(source)),
    "built": lambda source: PyramidBuilder(source, 100, 2, 20, 24).build()[2],
    "level view": lambda source: LevelView(source, 0),
}


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("make", PROVIDERS.values(), ids=PROVIDERS)
def test_levels_keep_the_protocol(make, sparse):
    report = check_provider(make(image(sparse=sparse)))

    assert report.blocks > 0
    assert (report.absent > 0) == sparse


def test_spilled_levels_keep_the_protocol():
    check_provider(PyramidBuilder(image(sparse=True), 100).build(spill=True)[1], pickles=False)


def negative(block):
    return (4000 - block).astype(block.dtype)


ADAPTERS = {
    "cached": lambda source: CachedImageProvider(source, TileCache()),
    "retiled": lambda source: RetiledImageProvider(source, 40, 56),
    "padded": lambda source: RetiledImageProvider(source, 40, 56, pad_edges=True),
    "mapped": lambda source: MappedImageProvider(source, negative),
}


@pytest.mark.parametrize("make", ADAPTERS.values(), ids=ADAPTERS)
def test_adapters_above_and_below_a_level_give_the_same_pixels(make):
    source = image()

    above, below = make(DownsampledImageProvider(source)), DownsampledImageProvider(make(source))

    check_provider(above)
    check_provider(below)
    expected = read_whole(DownsampledImageProvider(source))
    for found in (above, below):
        whole = read_whole(found)[:, : expected.shape[1], : expected.shape[2]].astype(int)
        if isinstance(above, MappedImageProvider):
            whole = 4000 - whole
            assert np.abs(whole - expected).max() <= 1, "rounded after another function"
        else:
            np.testing.assert_array_equal(whole, expected)
    assert place_of(below) == LevelPlace.halved(1)
    assert place_of(above) == LevelPlace.halved(1)
