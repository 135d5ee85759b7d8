"""Pyramids through the writer and the reader of aws.osml.io, where it is installed (extra ``osml``)."""

import numpy as np
import pytest

from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    DownsampledImageProvider,
    OsmlImageProvider,
    PyramidBuilder,
    TiledImagePyramid,
    write_pyramid,
)
from stacchip_osml.imagery.resampling.resamplers import area_resample
from tests.imagery.pyramids.pyramid_scenes import noise, read_whole

osml = pytest.importorskip("aws.osml.io")


class ForOsml:
    """Gives its writer providers whose pixel types it knows."""

    def __init__(self, writer):
        self.writer = writer

    def add_asset(self, key, provider, title, description, roles):
        self.writer.add_asset(key, OsmlImageProvider(provider), title, description, roles)


def test_a_written_pyramid_is_read_back_level_by_level(tmp_path):
    builder = PyramidBuilder(BufferedImageAssetProvider.from_array(noise(700, 901, bands=2)), 200)
    path = str(tmp_path / "a.tif")
    with osml.IO.open(path, "w") as writer:
        write_pyramid(ForOsml(writer), builder)

    with osml.IO.open(path, "r") as reader:
        pyramid = TiledImagePyramid.from_dataset(reader)

        assert pyramid.num_levels == 3
        for level, made in enumerate(builder.build()):
            np.testing.assert_array_equal(read_whole(pyramid.get_level(level)), read_whole(made))
        lazy = DownsampledImageProvider(reader.get_asset("image:0"), 4, area_resample)
        np.testing.assert_array_equal(read_whole(lazy), area_resample(read_whole(pyramid.get_level(0)), 175, 226))
