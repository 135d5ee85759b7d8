"""The mean of four pixels is that of `area`, to the bit, in every type that is taken."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.resampling.means import halves_exactly, mean_of_four
from stacchip_osml.imagery.resampling.resamplers import area_resample

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64"]


def whole_range(rows, cols, dtype, seed=0):
    """Integers of any bits, floats of either sign."""
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return ((random.random((2, rows, cols)) - 0.5) * 1e4).astype(dtype)
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max, (2, rows, cols), dtype, endpoint=True)


@given(rows=st.integers(1, 40), cols=st.integers(1, 40), dtype=st.sampled_from(DTYPES), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_it_is_what_area_gives(rows, cols, dtype, seed):
    image = whole_range(2 * rows, 2 * cols, dtype, seed)
    found = np.empty((2, rows, cols), dtype)

    mean_of_four(image, found)

    assert found.tobytes() == area_resample(image, rows, cols).tobytes()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_parts_and_images_larger_than_a_tile_are_alike_wherever_they_lie(dtype):
    image = whole_range(140, 4300, dtype)
    whole = np.empty((2, 70, 2150), dtype)
    mean_of_four(image, whole)
    np.testing.assert_array_equal(whole, area_resample(image, 70, 2150))

    wide = np.zeros((2, 70, 3000), dtype)
    mean_of_four(image[:, 2:102, 26:2626], wide[:, 5:55, 7:1307])

    np.testing.assert_array_equal(wide[:, 5:55, 7:1307], whole[:, 1:51, 13:1313])
    wide[:, 5:55, 7:1307] = 0
    assert not wide.any()


def test_halves_are_rounded_to_even():
    image = np.array([[[0, 1, 1, 1, 3, 2, 3, 3], [1, 0, 2, 2, 2, 3, 4, 4]]], np.uint8)
    found = np.empty((1, 1, 4), np.uint8)

    mean_of_four(image, found)

    assert found.tolist() == [[[0, 2, 2, 4]]]


@pytest.mark.filterwarnings("error")
def test_floats_beyond_all_sums_are_silent_and_zero_has_no_sign():
    largest = np.finfo(np.float32).max
    columns = [np.full((2, 2), value, np.float32) for value in (np.nan, np.inf, largest, -0.0)]
    found = np.empty((1, 1, 4), np.float32)

    mean_of_four(np.concatenate(columns, axis=1)[None], found)

    np.testing.assert_array_equal(found[0, 0], np.array([np.nan, np.inf, largest, 0], np.float32))
    assert not np.signbit(found[0, 0, 3])


def test_what_would_not_be_exact_is_left_to_others():
    assert all(halves_exactly(np.dtype(dtype)) for dtype in DTYPES)
    assert not any(halves_exactly(np.dtype(dtype)) for dtype in ("int64", "uint64", "bool", "complex64"))
