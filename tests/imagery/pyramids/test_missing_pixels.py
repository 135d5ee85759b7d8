"""Levels beside what an image does not store, or a mask hides: missing pixels do not count."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.adapters.retiled import RetiledImageProvider
from stacchip_osml.imagery.pyramids.builder import PyramidBuilder
from tests.imagery.pyramids.pyramid_scenes import CountingImage, noise, read_whole
from tests.imagery.pyramids.test_pyramid_builder import NAMES, RESAMPLERS, every_second


@pytest.mark.parametrize("function", RESAMPLERS[:5], ids=NAMES[:5])
@given(
    absent=st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=29),
    rows=st.integers(70, 96),
    cols=st.integers(60, 80),
    by=st.sampled_from(["blocks", "tiles", "mask", "mask of each"]),
)
@settings(max_examples=15, deadline=None)
def test_nothing_darkens_beside_what_is_missing(function, absent, rows, cols, by):
    """Of one value, levels have that value or padding, whatever says what is missing; no value is kept for nodata."""
    full = np.full((2, rows, cols), 200, np.uint8)
    holed = CountingImage(full, (16, 16), absent=absent)
    valid = None
    if by == "tiles":
        source = RetiledImageProvider(holed, 40, 40)
    elif by == "blocks":
        source = holed
    else:
        mask = (holed.pixels != 0).astype(np.uint8)
        source, valid = CountingImage(holed.pixels, (32, 32)), CountingImage(mask[: 1 + by.endswith("each")], (24, 40))

    levels = PyramidBuilder(source, 8, 2, 16, 16, function, valid=valid).build()
    told = PyramidBuilder(CountingImage(holed.pixels, (32, 32)), 8, 2, 16, 16, function, nodata=0).build()

    for level, same in zip(levels[1:], told[1:], strict=True):
        made = read_whole(level)
        assert set(np.unique(made).tolist()) <= {0, 200}
        np.testing.assert_array_equal(made, read_whole(same))


def test_a_mask_of_another_size_is_refused():
    source = CountingImage(noise(100, 80, bands=3))
    for mask in (noise(100, 81), noise(100, 80, bands=2)):
        with pytest.raises(ValueError, match="valid is no mask of 3 bands"):
            PyramidBuilder(source, 20, valid=CountingImage(mask))


def test_a_function_that_takes_no_masks_makes_pixels_of_padding_too():
    image = noise(64, 64, low=1)
    source = CountingImage(image, (16, 16), absent={(1, 1)})
    (_, level, *_) = PyramidBuilder(source, 40, resample_func=every_second).build()

    np.testing.assert_array_equal(read_whole(level), every_second(source.pixels, 32, 32))
