"""Statistics of a pyramid are those of one of its levels."""

import numpy as np
import pytest

from stacchip_osml.imagery import BufferedImageAssetProvider, TiledImagePyramid
from stacchip_osml.imagery.pyramids.pyramid import build_pyramid_levels
from tests.imagery.pyramids.pyramid_scenes import CountingImage, noise, read_whole


def test_statistics_of_a_level_are_those_of_its_pixels():
    """D10: a level of constant 1000 has the mean 1000."""
    pyramid = TiledImagePyramid(build_pyramid_levels(CountingImage(np.full((1, 301, 222), 1000, np.uint16)), 30))

    for level in range(pyramid.num_levels):
        (band,) = pyramid.compute_statistics(level=level).bands
        assert (band.min, band.max, band.mean) == (1000, 1000, pytest.approx(1000))
    image = noise(301, 222)
    pyramid = TiledImagePyramid(build_pyramid_levels(BufferedImageAssetProvider.from_array(image), 30))
    (band,) = pyramid.compute_statistics(max_pixels=16_000).bands
    assert band.mean == pytest.approx(read_whole(pyramid.get_level(1)).mean())
    assert band.count == 151 * 111


def test_pixels_without_data_are_left_out_at_every_level():
    image = np.full((1, 300, 200), 1000, np.uint16)
    image[:, 40:140, 30:90] = 0
    pyramid = TiledImagePyramid(build_pyramid_levels(CountingImage(image, absent={(0, 0)}), 30, nodata=0))

    for level in range(pyramid.num_levels):
        (band,) = pyramid.compute_statistics(level=level, nodata=0).bands
        assert (band.min, band.max) == (1000, 1000)
