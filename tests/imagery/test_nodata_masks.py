"""Which pixels equal nodata, wherever the answer is written."""

import numpy as np
import pytest

from stacchip_osml.imagery.masks import differs_from, valid_where


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "int16", "uint8"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3.0, -1e30])
def test_the_answer_is_the_same_in_a_column_of_a_larger_array(dtype, value):
    rng = np.random.default_rng(1)
    for rows in (1, 7, 64, 202):
        pixels = rng.integers(0, 6, (2, rows, 5)).astype(dtype)
        if np.dtype(dtype).kind in "fc":
            pixels[rng.random(pixels.shape) < 0.4] = value
        expected = differs_from(pixels.copy(), value)
        room = np.ones((2, rows, 5), bool)
        for cols in (slice(4, 5), slice(0, 2), slice(1, 4)):
            differs_from(pixels[:, :, cols], value, out=room[:, :, cols])
            np.testing.assert_array_equal(room[:, :, cols], expected[:, :, cols])


def test_complex_pixels_that_are_not_numbers_are_compared_without_a_warning():
    pixels = np.array([[[complex("nan"), 1 + 2j, complex(np.nan, np.inf), 0]]], np.complex64)

    with np.errstate(invalid="raise"):
        mask = valid_where(pixels, (0,), nodata=(1 + 2j,))

    assert mask.tolist() == [[[True, False, True, True]]]
