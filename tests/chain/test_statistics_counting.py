"""What is counted of an array, into which bins, and what is left out; numpy's histogram is the oracle."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.chain import BandStatistics, ImageStatistics, SamplingStrategy, compute_statistics
from stacchip_osml.errors import ChainError, SettingError
from stacchip_osml.imagery import BufferedImageAssetProvider, compute_image_statistics

INTEGERS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "bool")
FLOATS = ("float16", "float32", "float64")


def noise(dtype, shape=(2, 37, 53), *, seed=0):
    """Numbers from all over a type, or some range of floats."""
    random = np.random.default_rng(seed)
    if dtype == "bool":
        return random.random(shape) < 0.3
    if dtype.startswith("float"):
        return random.normal(20, 50, shape).astype(dtype)
    info = np.iinfo(dtype)
    return random.integers(max(info.min, -(2**40)), min(info.max, 2**40), shape, dtype=dtype, endpoint=True)


@pytest.mark.parametrize("dtype", [*INTEGERS, *FLOATS])
@pytest.mark.parametrize("num_bins", [0, 7])
def test_moments_and_bins_are_those_that_numpy_finds(dtype, num_bins):
    image = noise(dtype)

    found = compute_statistics(image, num_bins)

    for band, pixels in zip(found.bands, image.astype(np.float64), strict=True):
        assert (band.count, band.min, band.max) == (pixels.size, pixels.min(), pixels.max())
        assert band.mean == pytest.approx(pixels.mean(), rel=1e-12)
        assert band.stddev == pytest.approx(pixels.std(), rel=1e-12)
        assert band.m2 == pytest.approx(pixels.var() * pixels.size, rel=1e-12)
        np.testing.assert_array_equal(band.histogram, np.histogram(pixels, band.bin_edges)[0])
        assert band.histogram.sum() == pixels.size
        assert band.histogram.size <= 65_536
        assert num_bins in (0, band.histogram.size)


@pytest.mark.parametrize(
    ("dtype", "first", "bins"),
    [("uint8", 0, 256), ("int8", -128, 256), ("uint16", 0, 65_536), ("int16", -32_768, 65_536), ("bool", 0, 2)],
)
def test_a_bin_of_small_integers_is_a_value(dtype, first, bins):
    (band, _) = compute_statistics(noise(dtype)).bands

    np.testing.assert_array_equal(band.bin_edges, np.arange(first, first + bins + 1))


@pytest.mark.parametrize(("dtype", "edges"), [("uint16", (0, 2048)), ("int16", (-1024, 1024))])
def test_bins_fit_the_bits_in_use_and_have_width_1(dtype, edges):
    image = np.random.default_rng(0).integers(*edges, (1, 64, 64)).astype(dtype)

    (band,) = compute_statistics(image, bit_depth=11).bands

    assert band.histogram.size == 2048
    assert (band.bin_edges[0], band.bin_edges[-1]) == edges
    assert (np.diff(band.bin_edges) == 1).all()


def test_values_above_the_declared_bits_are_not_lost():
    image = np.array([[[0, 2047, 2048, 5000]]], np.uint16)

    (band,) = compute_statistics(image, bit_depth=11).bands

    assert band.histogram.size == 8192
    assert band.histogram.sum() == 4
    assert band.histogram[5000] == 1


@pytest.mark.parametrize("dtype", ["int32", "uint32", "int64", "float32", "float64"])
def test_wide_types_are_binned_over_their_data_in_little_memory(dtype):
    image = np.array([[[7, 9], [100_000, 11]]], dtype)
    tracemalloc.start()

    (band,) = compute_statistics(image).bands

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
    assert band.histogram.sum() == 4
    assert band.bin_edges[0] == 7
    assert 100_000 <= band.bin_edges[-1] <= 100_003


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=20))
def test_bins_of_wide_integers_are_whole_and_hold_every_value(values):
    (band,) = compute_statistics(np.array([[values]], np.int32)).bands

    assert band.histogram.sum() == len(values)
    assert band.histogram.size <= 65_536
    assert (band.bin_edges == np.floor(band.bin_edges)).all()
    assert band.bin_edges[0] == min(values)
    assert band.bin_edges[-1] > max(values)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "int32", "float32"])
@pytest.mark.parametrize("share", [0.1, 0.9])
def test_what_is_masked_or_nodata_is_not_counted(dtype, share):
    image = noise(dtype)
    image[0, :5] = 7
    mask = np.random.default_rng(1).random(image.shape) < share

    found = compute_statistics(image, mask=mask, nodata=7)

    for band, pixels, valid in zip(found.bands, image.astype(np.float64), mask, strict=True):
        left = pixels[valid & (pixels != 7)]
        assert (band.count, band.min, band.max) == (left.size, left.min(), left.max())
        assert band.mean == pytest.approx(left.mean(), rel=1e-12)
        assert band.histogram.sum() == left.size


def test_a_mask_of_rows_and_columns_holds_for_all_bands_and_nodata_may_be_one_a_band():
    image = np.array([[[1, 2, 3, 4]], [[5, 6, 7, 8]]], np.uint16)

    found = compute_statistics(image, mask=np.array([[True, True, True, False]]), nodata=(1, None))

    assert [band.count for band in found.bands] == [2, 3]
    assert [(band.min, band.max) for band in found.bands] == [(2, 3), (5, 7)]


@pytest.mark.parametrize("dtype", [">u2", ">i2", ">u4", ">f4", ">f8"])
def test_the_byte_order_of_an_array_makes_no_difference(dtype):
    image = np.array([[[1, 2, 300]], [[-1, 7, 30_000]]]).astype(dtype)

    for found, known in zip(
        compute_statistics(image).bands,
        compute_statistics(image.astype(image.dtype.newbyteorder("="))).bands,
        strict=True,
    ):
        assert (found.min, found.max, found.mean, found.m2) == (known.min, known.max, known.mean, known.m2)
        np.testing.assert_array_equal(found.histogram, known.histogram)


@pytest.mark.parametrize(
    ("dtype", "value", "nodata"),
    [("float32", -3.4028234663852886e38, -3.402823e38), ("float32", 5, 1e300), ("float64", 1 + 1e-9, 1)],
)
def test_nodata_means_to_an_array_what_it_means_to_an_image_of_it(dtype, value, nodata):
    image = np.array([[[value, 2.0, 3.0]]], dtype)

    (band,) = compute_statistics(image, nodata=nodata).bands
    provider = BufferedImageAssetProvider.from_array(image)

    assert band.count == compute_image_statistics(provider, nodata=nodata).bands[0].count
    assert band.count == (3 if nodata == 1e300 else 2)


def test_nodata_of_each_band_may_be_an_array():
    image = np.array([[[1, 2, 3]], [[5, 6, 7]]], np.uint16)

    provider = BufferedImageAssetProvider.from_array(image)

    for found in (
        compute_statistics(image, nodata=np.array([1, 0])),
        compute_image_statistics(provider, nodata=np.array([1, 0])),
    ):
        assert [band.count for band in found.bands] == [2, 3]


def test_nan_and_infinity_are_not_counted():
    image = np.array([[[1, np.nan, 3, np.inf, -np.inf]]], np.float32)

    (band,) = compute_statistics(image, nodata=np.nan).bands

    assert (band.count, band.min, band.max, band.mean, band.stddev) == (2, 1, 3, 2, 1)
    assert band.histogram.sum() == 2


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float32"])
def test_a_band_in_which_nothing_is_valid_says_so(dtype):
    (band,) = compute_statistics(np.zeros((1, 3, 3), dtype), nodata=0).bands

    assert band.count == 0
    assert np.isnan([band.min, band.max, band.mean, band.stddev]).all()
    assert not band.has_histogram


@pytest.mark.parametrize("value", [-3.4028234663852886e38, 0.0, 1e30, 1000.5])
def test_a_constant_image_has_one_bin_in_use(value):
    (band,) = compute_statistics(np.full((1, 4, 4), value, np.float32)).bands

    assert (band.min, band.max, band.stddev) == (np.float32(value), np.float32(value), 0)
    assert band.histogram.max() == band.histogram.sum() == 16
    assert (np.diff(band.bin_edges) > 0).all()


def test_the_largest_range_that_floats_have_is_binned():
    top = np.finfo(np.float64).max

    (band,) = compute_statistics(np.array([[[-top, 0.0, top]]])).bands

    assert band.histogram.sum() == 3
    assert np.isfinite(band.bin_edges).all()


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32"])
def test_bin_edges_may_be_given_for_all_bands_or_for_each(dtype):
    image = noise(dtype)
    edges = np.array([-50.0, 0.0, 3.5, 100.0])

    for given_edges in (edges, [edges, edges], list(edges)):
        for band, pixels in zip(compute_statistics(image, bin_edges=given_edges).bands, image, strict=True):
            np.testing.assert_array_equal(band.histogram, np.histogram(pixels, edges)[0])
            np.testing.assert_array_equal(band.bin_edges, edges)
            assert band.count == pixels.size


@pytest.mark.parametrize("sampling", [SamplingStrategy.RANDOM, SamplingStrategy.BLOCK])
def test_a_sample_is_seeded_and_of_the_size_asked_for(sampling):
    image = np.arange(1024 * 1024, dtype=np.uint32).reshape(1, 1024, 1024)

    first, again, other = (
        compute_statistics(image, 64, sampling=sampling, sample_rate=0.25, seed=s) for s in (1, 1, 2)
    )

    np.testing.assert_array_equal(first.bands[0].histogram, again.bands[0].histogram)
    assert (first.bands[0].histogram != other.bands[0].histogram).any()
    assert first.bands[0].count == 1024 * 1024 // 4
    assert first.sample_rate == 0.25


@given(st.integers(1, 40), st.integers(1, 40), st.floats(0.01, 1))
def test_a_random_sample_takes_no_pixel_twice(rows, cols, rate):
    image = np.arange(rows * cols, dtype=np.uint16).reshape(1, rows, cols)

    (band,) = compute_statistics(image, sampling=SamplingStrategy.RANDOM, sample_rate=rate).bands

    assert band.histogram.max() == 1
    assert band.count == max(round(rows * cols * rate), 1)


def test_a_sample_is_taken_before_masks_and_both_go_together():
    image = np.ones((1, 100, 100), np.uint8)
    image[0, :50] = 0

    (band,) = compute_statistics(image, nodata=0, sampling=SamplingStrategy.RANDOM, sample_rate=0.5).bands

    assert 2300 < band.count < 2700
    assert band.min == 1


def test_pixels_may_be_strided_and_two_dimensional():
    image = noise("uint16", (1, 64, 64))[0]

    (part,) = compute_statistics(image[::2, 1::3]).bands

    np.testing.assert_array_equal(part.histogram, np.bincount(image[::2, 1::3].ravel(), minlength=65_536))


def test_more_pixels_of_one_value_than_float32_can_count_are_counted():
    (band,) = compute_statistics(np.broadcast_to(np.uint8(9), (1, 4097, 4097))).bands

    assert band.histogram[9] == band.count == 4097 * 4097


@pytest.mark.parametrize(
    ("image", "settings", "message"),
    [
        (np.zeros((1, 2, 2), np.complex64), {}, "needs a remap first"),
        (np.zeros(4), {}, "got an array of shape"),
        (np.zeros((1, 2, 2)), {"sample_rate": 0}, "sample rate is above 0"),
        (np.zeros((1, 2, 2)), {"sample_rate": np.nan}, "sample rate is above 0"),
        (np.zeros((1, 2, 2)), {"num_bins": -1}, "0 .what fits. or more bins"),
        (np.zeros((1, 2, 2)), {"bin_edges": [1.0]}, "two or more numbers"),
        (np.zeros((1, 2, 2)), {"bin_edges": [2.0, 1.0]}, "that do not fall"),
        (np.zeros((1, 2, 2)), {"bin_edges": [np.arange(3), np.arange(3)]}, "2 bands for an image of 1"),
        (np.zeros((1, 2, 2), np.uint16), {"bit_depth": 17}, "must be 1 to 16"),
        (np.zeros((1, 2, 2)), {"nodata": (1, 2)}, "nodata must be a number, or one for each of 1 bands"),
    ],
)
def test_what_cannot_be_counted_is_a_value_error(image, settings, message):
    with pytest.raises(ValueError, match=message) as caught:
        compute_statistics(image, **settings)

    assert isinstance(caught.value, (ChainError, SettingError))


def test_a_histogram_has_one_edge_more_than_bins():
    with pytest.raises(ValueError, match="2 bins have one edge more"):
        BandStatistics(0, 1, 0.5, 0.5, 2, 0.5, np.array([1, 1]), np.array([0.0, 1.0]))


def test_records_keep_their_own_arrays():
    counts, edges = np.array([1, 1]), np.array([0.0, 1.0, 2.0])
    bands = [BandStatistics(0, 1, 0.5, 0.5, 2, 0.5, counts, edges)]
    stats = ImageStatistics(bands)

    counts[0], edges[0] = 9, 9
    bands.clear()

    assert stats.bands[0].histogram.tolist() == [1, 1]
    assert stats.bands[0].bin_edges.tolist() == [0, 1, 2]
    assert stats.sample_rate == 1
