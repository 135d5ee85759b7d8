"""Statistics of parts add up to those of the whole, whatever the parts and their order."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.chain import BandStatistics, ImageStatistics, SamplingStrategy, compute_statistics, merge_statistics


def assert_same(found, expected, *, rel=1e-12):
    assert len(found.bands) == len(expected.bands)
    for a, b in zip(found.bands, expected.bands, strict=True):
        assert (a.count, a.min, a.max) == (b.count, b.min, b.max)
        assert a.mean == pytest.approx(b.mean, rel=rel)
        assert a.m2 == pytest.approx(b.m2, rel=rel, abs=1e-9)
        assert a.stddev == pytest.approx(b.stddev, rel=rel, abs=1e-9)
        np.testing.assert_array_equal(a.histogram, b.histogram)
        np.testing.assert_array_equal(a.bin_edges, b.bin_edges)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=9), st.sampled_from(["uint8", "int16", "float32"]))
def test_parts_of_any_sizes_add_up_to_the_whole(rows, dtype):
    image = np.random.default_rng(len(rows)).integers(0, 100, (2, sum(rows), 11)).astype(dtype)
    edges = np.arange(0, 101, 4.0) if dtype == "float32" else None
    parts = np.split(image, np.cumsum(rows)[:-1], axis=1)

    found = merge_statistics(compute_statistics(part, bin_edges=edges) for part in parts)

    assert_same(found, compute_statistics(image, bin_edges=edges))


def test_the_order_of_the_parts_makes_no_difference_to_a_single_bit():
    image = np.random.default_rng(0).lognormal(3, 4, (1, 4, 50))
    parts = [compute_statistics(image[:, row : row + 1], bin_edges=[0.0, 1.0, 1e9]) for row in range(4)]

    told = {
        (merged.mean, merged.m2, merged.stddev)
        for order in itertools.permutations(parts)
        for merged in merge_statistics(order).bands
    }

    assert len(told) == 1


def test_a_large_mean_does_not_drown_the_deviations():
    image = 1e9 + np.random.default_rng(0).integers(0, 2, (1, 100, 100)).astype(np.float64)
    parts = [compute_statistics(image[:, row : row + 1], bin_edges=[0.0, 1e10]) for row in range(100)]

    (band,) = merge_statistics(parts).bands

    assert band.stddev == pytest.approx(image.std(), rel=1e-8)


def test_bins_of_whole_numbers_are_brought_together():
    dark, bright = np.full((1, 2, 2), 5, np.uint16), np.full((1, 2, 2), 3000, np.uint16)

    (band,) = merge_statistics(compute_statistics(part, bit_depth=11) for part in (dark, bright)).bands

    assert_same(ImageStatistics([band]), compute_statistics(np.concatenate([dark, bright], axis=1), bit_depth=12))


def test_parts_in_which_nothing_was_counted_go_with_all_others():
    values = np.array([[[1.0, 5.0]]])
    empty = compute_statistics(np.full((1, 2, 2), np.nan))

    assert_same(merge_statistics([empty, compute_statistics(values), empty]), compute_statistics(values))
    assert merge_statistics([empty, empty]).bands[0].count == 0


def test_every_input_is_checked_and_not_the_first_two_alone():
    good = compute_statistics(np.ones((1, 2, 2), np.float32), bin_edges=[0.0, 2.0])
    other_bins = compute_statistics(np.ones((1, 2, 2), np.float32), bin_edges=[0.0, 3.0])
    other_bands = compute_statistics(np.ones((2, 2, 2), np.float32), bin_edges=[0.0, 2.0])

    with pytest.raises(ValueError, match="different bins cannot be merged"):
        merge_statistics([good, good, other_bins])
    with pytest.raises(ValueError, match="statistics of 1 and 2 bands"):
        merge_statistics([good, good, other_bands])
    with pytest.raises(ValueError, match="no statistics to merge"):
        merge_statistics([])


def test_a_value_on_the_last_edge_is_never_put_into_another_bin():
    closed = BandStatistics(0, 2, 1, 1, 2, 2, np.array([1, 1]), np.array([0.0, 1.0, 2.0]))
    wider = compute_statistics(np.array([[[3]]], np.uint8), bit_depth=2)

    with pytest.raises(ValueError, match="different bins"):
        merge_statistics([ImageStatistics([closed]), wider])


def test_the_sample_rate_of_equal_parts_is_theirs():
    image = np.random.default_rng(0).integers(0, 255, (1, 160, 100)).astype(np.uint8)
    parts = [
        compute_statistics(image[:, row : row + 10], sampling=SamplingStrategy.RANDOM, sample_rate=0.1)
        for row in range(0, 160, 10)
    ]

    assert merge_statistics(parts).sample_rate == 0.1


def test_the_sample_rate_of_unequal_parts_is_the_share_of_all_pixels():
    image = np.zeros((1, 30, 100), np.uint8)
    parts = [
        compute_statistics(image[:, :10]),
        compute_statistics(image[:, 10:], sampling=SamplingStrategy.RANDOM, sample_rate=0.25),
    ]

    assert merge_statistics(parts).sample_rate == pytest.approx(0.5)


def test_bins_that_begin_elsewhere_are_added_where_they_belong():
    low, high = np.array([[[5, 6, 6, 9]]], np.int32), np.array([[[8, 9, 9, 12]]], np.int32)
    parts = [compute_statistics(part, bin_edges=np.arange(part.min(), part.max() + 2.0)) for part in (high, low)]

    band = merge_statistics(parts).bands[0]

    assert band.bin_edges.tolist() == list(range(5, 14))
    assert band.histogram.tolist() == [1, 2, 0, 1, 3, 0, 0, 1]
