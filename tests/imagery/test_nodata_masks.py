"""Which pixels equal nodata, wherever the answer is written."""

import numpy as np
import pytest

from stacchip_osml.imagery.masks import valid_where
from stacchip_osml.pixel.nodata import differs_from


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


@pytest.mark.parametrize(
    ("dtype", "value", "pixels", "valid"),
    [
        ("float32", float("nan"), [1, float("nan"), 0], [True, False, True]),
        ("float64", float("inf"), [1, float("inf"), -float("inf")], [True, False, True]),
        ("float32", -1.2676506e30, [-(2.0**100), 0, -1.2676e30], [False, True, True]),
        ("float32", 0.0, [0, 1e-30, -0.0], [False, True, False]),
        ("float32", -3.4e38, [-3.4028234663852886e38, 3.4e38, -1e38, 0], [False, True, True, True]),
        ("float32", -1.7976931348623157e308, [-3.4028234663852886e38, -np.inf, 0], [True, True, True]),
        ("float16", 1e5, [65504, np.inf, 0], [True, True, True]),
        ("uint8", 255.0, [255, 254, 0], [False, True, True]),
        ("uint8", 0.5, [0, 1, 255], [True, True, True]),
        ("uint8", -1.0, [255, 0, 1], [True, True, True]),
        ("int16", float("nan"), [0, 1, -1], [True, True, True]),
        ("complex64", 1 + 2j, [1 + 2j, 1, 2j], [False, True, True]),
        ("bool", 0.0, [False, True], [False, True]),
        ("uint64", 2**63 + 1, [2**63, 2**63 + 1, 2**63 + 2], [True, False, True]),
        ("uint64", 2**64 - 1, [2**64 - 1, 0], [False, True]),
        ("uint64", 10**30, [2**64 - 1, 0], [True, True]),
        ("float32", 1 + 2j, [1, 2, 0], [True, True, True]),
        ("complex64", 1e300, [complex("inf"), 0], [True, True]),
        ("bool", 255.0, [False, True], [True, True]),
    ],
)
def test_a_pixel_is_valid_unless_it_is_nodata(dtype, value, pixels, valid):
    assert differs_from(np.array(pixels, dtype), value).tolist() == valid


def test_each_band_has_its_own_nodata_and_alpha_empties_all_but_itself():
    pixels = np.array([[[1, 2, 3]], [[1, 2, 3]], [[1, 2, 3]]], np.uint8)

    apart = valid_where(pixels, (2, 0, 1), nodata=(1, None, 3))
    alpha = valid_where(pixels, (0, 1, 2), nodata=(1, None, 1), alpha_band=2, alpha=np.array([[1, 0, 1]]))

    assert apart[:, 0].tolist() == [[True, True, False], [False, True, True], [True, True, True]]
    assert alpha[:, 0].tolist() == [[False, False, True], [True, False, True], [False, True, True]]
