"""Warps that read a reduced level take pixels from where that level lies, up to the image's edges."""

import numpy as np
import pytest

from stacchip_osml.geometry.warping.grids import WarpGrid
from stacchip_osml.geometry.warping.sampler import SourceSampler
from stacchip_osml.imagery import TiledImagePyramid
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.imagery.blocks.jpeg2000_files import copied

SIZE = ImageSize(704, 512)
COUNTS = 80
MARGIN = 40
"""Pixels at the image's edges where wavelets curve a ramp."""


@pytest.fixture(scope="module")
def sampler(tmp_path_factory):
    path = tmp_path_factory.mktemp("levels") / "a.jp2"
    y, x = np.mgrid[: SIZE.height, : SIZE.width]
    pixels = (np.stack([2 * x + 1, 2 * y + 1]) * (COUNTS // 2)).astype(np.uint16)
    copied(path, pixels, blockxsize=1024, blockysize=1024, resolutions=4)
    pyramid = TiledImagePyramid.from_asset(BlockImage(str(path)))
    return SourceSampler(pyramid, method="bilinear", fill=(0, 0), nodata=None, needs_masks=False, threads=None)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_positions_are_those_of_the_level(sampler, level):
    rng = np.random.default_rng(level)
    x, y = rng.uniform(0, SIZE.width, (90, 110)), rng.uniform(0, SIZE.height, (90, 110))
    x[0, :2], y[0, :2] = (0.0, SIZE.width - 1e-6), (0.0, SIZE.height - 1e-6)
    grid = WarpGrid(
        map_x=x - 0.5, map_y=y - 0.5, valid_mask=np.ones(x.shape, np.bool_),
        source_bbox=PixelWindow(0, 0, *SIZE), source_resolution_level=level,
    )  # fmt: skip
    found = sampler.take(grid, (0, 1))

    assert sampler.is_stored(grid)
    assert found.mask.all()
    inner = (x > MARGIN) & (x < SIZE.width - MARGIN) & (y > MARGIN) & (y < SIZE.height - MARGIN)
    assert abs(found.pixels[0] / COUNTS - x)[inner].max() < 0.01
    assert abs(found.pixels[1] / COUNTS - y)[inner].max() < 0.01
