"""Dynamic range adjustment: the published vector, and that nothing is ever inverted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.chain import DRAParameters, apply_lut, compute_statistics, dynamic_range_adjust


def published_counts():
    counts = np.zeros(1024, np.int64)
    counts[1:99], counts[100:400], counts[1022] = 1, 200, 1
    return counts


def test_the_published_vector_gives_the_published_ranges():
    found = DRAParameters.from_counts(published_counts())

    assert (found.actual_min, found.actual_max) == (1, 1022)
    assert found.suggested_min == pytest.approx(47, abs=1)
    assert found.suggested_max == pytest.approx(506, abs=1)


def test_values_of_bins_follow_from_the_first_and_last():
    plain = DRAParameters.from_counts(published_counts())
    found = DRAParameters.from_counts(published_counts(), first_bucket_value=-1000, last_bucket_value=1048)

    for name in DRAParameters.__slots__:
        assert getattr(found, name) == pytest.approx(2 * getattr(plain, name) - 1000)


def test_settings_widen_the_range_and_choose_the_shares():
    counts = np.ones(100, np.int64)

    found = DRAParameters.from_counts(counts, min_percentage=0.4, max_percentage=0.6, a=0, b=0)

    assert (found.suggested_min, found.suggested_max) == (39, 59)


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=300).filter(any))
def test_black_is_never_above_white_nor_either_beside_what_occurs(counts):
    found = DRAParameters.from_counts(counts)
    lut = found.build_lut(np.uint16)

    assert found.actual_min <= found.suggested_min <= found.suggested_max <= found.actual_max
    assert (np.diff(lut.astype(int)) >= 0).all()
    assert (found.suggested_min == found.suggested_max) == (np.count_nonzero(counts) == 1)


def test_a_constant_image_becomes_middle_grey():
    stats = compute_statistics(np.full((1, 8, 8), 500, np.uint16), bit_depth=11)

    found = DRAParameters.from_statistics(stats.bands[0])
    lut = found.build_lut(np.uint16)

    assert (found.suggested_min, found.suggested_max) == (500, 500)
    assert [lut[499], lut[500], lut[501]] == [0, 128, 255]


def test_a_mask_with_few_ones_shows_them():
    counts = [9900, 100]

    lut = DRAParameters.from_counts(counts).build_lut(np.uint8)

    assert [lut[0], lut[1]] == [0, 255]


def test_eleven_bit_data_in_sixteen_bits_gets_the_limits_of_eleven_bit_data():
    """Bins of the type's whole range would put these limits 32 numbers off."""
    image = np.random.default_rng(0).normal(1000, 150, (1, 200, 200)).clip(0, 2047).astype(np.uint16)

    found = DRAParameters.from_statistics(compute_statistics(image, bit_depth=11).bands[0])

    low, high = np.percentile(image, (2, 98))
    assert found.suggested_min == pytest.approx(low - 0.2 * (high - low), abs=3)
    assert found.suggested_max == pytest.approx(high + 0.4 * (high - low), abs=3)


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "uint16"])
def test_a_table_begins_with_the_smallest_value_of_its_type(dtype):
    """A table of a signed type that is looked up from 0 turns the picture around."""
    info = np.iinfo(dtype)
    image = np.random.default_rng(0).integers(info.min, info.max, (1, 64, 64), dtype, endpoint=True)
    image[0, 0, :2] = info.min, info.max
    lut = DRAParameters.from_statistics(compute_statistics(image).bands[0]).build_lut(dtype, np.uint8, "minmax")

    found = dynamic_range_adjust(image, [lut])

    assert lut.shape == (1 << (8 * np.dtype(dtype).itemsize),)
    expected = (image.astype(np.float64) - info.min) / (info.max - info.min) * 255
    np.testing.assert_array_equal(found, np.rint(expected))
    assert np.corrcoef(image.ravel(), found.ravel())[0, 1] > 0.999


@pytest.mark.parametrize(("output", "top"), [("uint8", 255), ("uint16", 65_535), ("int16", 32_767), ("float32", 1)])
def test_white_is_the_largest_value_of_the_output(output, top):
    lut = DRAParameters(10, 20, 0, 30).build_lut(np.uint8, output)

    assert lut.dtype == output
    assert (lut[:11] == 0).all()
    assert (lut[20:] == top).all()
    assert lut[15] == pytest.approx(top / 2, abs=0.5)


def test_minmax_takes_the_actual_range():
    lut = DRAParameters(10, 20, 0, 255).build_lut(np.uint8, range_adjustment="minmax")

    np.testing.assert_array_equal(lut, np.arange(256))


def test_each_band_has_its_own_table():
    image = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    luts = [np.arange(256, dtype=np.uint16), np.arange(256, dtype=np.uint16)[::-1]]

    found = dynamic_range_adjust(image, luts)

    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[0], image[0])
    np.testing.assert_array_equal(found[1], 255 - image[1].astype(int))
    np.testing.assert_array_equal(dynamic_range_adjust(image[0], luts[:1]), apply_lut(image[0], luts[0]))


@pytest.mark.parametrize(
    ("counts", "settings", "message"),
    [
        ([], {}, "one row of counts"),
        ([[1]], {}, "one row of counts"),
        ([0, 0], {}, "at least one pixel"),
        ([1, -1], {}, "none of them negative"),
        ([1], {"first_bucket_value": 5, "last_bucket_value": 5}, "to a larger one"),
        ([1], {"last_bucket_value": np.inf}, "last_bucket_value must be a finite number"),
        ([1], {"min_percentage": 0.9, "max_percentage": 0.1}, "that rise"),
        ([1], {"a": -1}, "0 or more"),
        ([1], {"b": np.nan}, "b must be a finite number"),
        ([1.0, np.nan], {}, "at least one pixel"),
    ],
)
def test_counts_and_settings_that_mean_nothing_are_value_errors(counts, settings, message):
    with pytest.raises(ValueError, match=message):
        DRAParameters.from_counts(counts, **settings)


@pytest.mark.parametrize("dtype", ["uint32", "int32", "int64", "float32", "complex64", "bool"])
def test_no_table_is_made_for_types_with_more_values(dtype):
    with pytest.raises(ValueError, match="integers of up to 16 bits"):
        DRAParameters(0, 1, 0, 1).build_lut(dtype)


def test_what_a_table_cannot_be_is_a_value_error():
    limits = DRAParameters(0, 1, 0, 1)

    with pytest.raises(ValueError, match="dra or minmax"):
        limits.build_lut(np.uint8, range_adjustment="percentile")
    for output in ("complex64", "uint64", "int64"):
        with pytest.raises(ValueError, match=f"not {output}"):
            limits.build_lut(np.uint8, output)
    for ranges in ((5, 1, 0, 9), (0, 1, 9, 0), (np.nan, 1, 0, 9)):
        with pytest.raises(ValueError, match="not below it"):
            DRAParameters(*ranges)
    with pytest.raises(ValueError, match="2 bands needs as many tables, got 1"):
        dynamic_range_adjust(np.zeros((2, 1, 1), np.uint8), [limits.build_lut(np.uint8)])
    with pytest.raises(ValueError, match="without a histogram"):
        DRAParameters.from_statistics(compute_statistics(np.zeros((1, 1, 1), np.uint8), nodata=0).bands[0])
