"""Pixels at positions: exact at pixel centres, in every type; nodata has no weight; a part is the whole's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery import MaskedPixels
from stacchip_osml.imagery.resampling.remap import REMAP_METHODS, remap, remap_window
from stacchip_osml.pixel import ImageSize

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64",
          "complex64", "complex128", "bool")  # fmt: skip


def masked(pixels, mask=None):
    return MaskedPixels(pixels, np.ones(pixels.shape, bool) if mask is None else mask)


def noise(dtype, shape=(2, 23, 31), seed=1):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, shape).astype(bool)
    if kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    values = rng.normal(0, 100, shape)
    return (values + 1j * rng.normal(0, 100, shape) if kind == "c" else values).astype(dtype)


def centres(shape):
    rows, cols = np.mgrid[: shape[-2], : shape[-1]].astype(float)
    return cols, rows


@pytest.mark.parametrize("method", REMAP_METHODS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_positions_at_pixel_centres_give_the_image_bit_for_bit_in_every_type(method, dtype):
    pixels = noise(dtype)
    cols, rows = centres(pixels.shape)
    off = np.random.default_rng(3).uniform(-1e-7, 1e-7, cols.shape)  # rounding of whoever computed them

    found = remap(masked(pixels), cols + off, rows - off, method=method)

    assert found.pixels.dtype == pixels.dtype
    np.testing.assert_array_equal(found.pixels, pixels)
    assert found.mask.all()


@pytest.mark.parametrize("method", ["bilinear", "cubic"])
@pytest.mark.parametrize("dtype", ["float64", "complex128", "uint32", "int16"])
def test_a_plane_of_values_is_exact_between_pixels(method, dtype):
    cols, rows = centres((1, 40, 50))
    scale = 100 if np.dtype(dtype).kind in "iu" else 1
    pixels = (scale * (3 * cols + 2 * rows)[None]).astype(dtype)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(1, 47, (20, 20)), rng.uniform(1, 37, (20, 20))

    found = remap(masked(pixels), x, y, method=method)

    np.testing.assert_allclose(found.pixels[0], scale * (3 * x + 2 * y), atol=0.51 if scale > 1 else 1e-5)


def test_the_image_reaches_half_a_pixel_beyond_its_outer_centres():
    pixels = np.arange(12, dtype="uint8").reshape(1, 3, 4)
    x = np.array([[-0.5, -0.51, 3.49, 3.5, np.nan, np.inf]])
    found = remap(masked(pixels), x, np.zeros_like(x), fill=[99])

    assert found.mask.tolist() == [[[True, False, True, False, False, False]]]
    assert found.pixels.tolist() == [[[0, 99, 3, 99, 99, 99]]]


@pytest.mark.parametrize("method", REMAP_METHODS)
def test_masked_pixels_never_bleed_into_others(method):
    pixels = np.full((1, 20, 20), 100.0)
    mask = np.random.default_rng(7).random((1, 20, 20)) < 0.7
    pixels[~mask] = -32768.0
    x, y = np.random.default_rng(8).uniform(0, 19, (2, 50, 50))

    found = remap(masked(pixels, mask), x, y, method=method, fill=[-1.0])

    assert 0.2 < found.mask.mean() < 0.95
    np.testing.assert_allclose(found.pixels[found.mask], 100.0, rtol=1e-12)
    assert (found.pixels[~found.mask] == -1).all()


def test_an_output_is_valid_where_half_of_its_weight_is():
    pixels = np.array([[[10.0, -99.0]]])
    mask = np.array([[[True, False]]])
    x = np.array([[0.0, 0.5, 0.51, 1.0]])

    assert remap(masked(pixels, mask), x, np.zeros_like(x)).mask.tolist() == [[[True, True, False, False]]]


def test_values_that_are_not_numbers_stay_where_they_are():
    pixels = np.ones((1, 5, 5))
    pixels[0, 2, 2] = np.nan
    cols, rows = centres(pixels.shape)

    found = remap(masked(pixels), cols + np.where(rows == 0, 0.25, 0.0), rows)  # one row between pixels

    assert np.isnan(found.pixels).sum() == 1


@settings(max_examples=40)
@given(
    method=st.sampled_from(sorted(REMAP_METHODS)), seed=st.integers(0, 99), holes=st.booleans(),
    dtype=st.sampled_from(["uint8", "int16", "float32", "complex64"]),
)  # fmt: skip
def test_a_part_of_a_warp_from_a_part_of_the_image_is_what_it_is_in_the_whole(method, seed, holes, dtype):
    rng = np.random.default_rng(seed)
    pixels = noise(dtype, (2, 60, 70), seed)
    mask = rng.random(pixels.shape) < 0.8 if holes else np.ones(pixels.shape, bool)
    x, y = rng.uniform(-5, 75, (40, 30)), rng.uniform(-5, 65, (40, 30))
    whole = remap(MaskedPixels(pixels, mask), x, y, method=method)
    part = np.s_[7:19, 11:14]
    size = ImageSize(70, 60)
    window = remap_window(x[part], y[part], method=method, image=size)

    here = np.s_[:, window.y : window.y + window.height, window.x : window.x + window.width]
    found = remap(
        MaskedPixels(pixels[here], mask[here]), x[part], y[part], method=method, corner=window[:2], image=size
    )

    np.testing.assert_array_equal(found.pixels, whole.pixels[:, *part])
    np.testing.assert_array_equal(found.mask, whole.mask[:, *part])


def test_images_wider_than_sixteen_bits_of_pixels_are_taken():
    pixels = np.arange(70_000, dtype="int32").reshape(1, 1, 70_000)

    found = remap(masked(pixels), np.array([[40_000.5, 69_999.0, 12.0]]), np.zeros((1, 3)))

    assert found.pixels.tolist() == [[[40_000, 69_999, 12]]]  # half to even


def test_cubic_overshoots_within_the_type_alone():
    pixels = np.zeros((1, 1, 8), "uint8")
    pixels[..., 4:] = 255

    found = remap(masked(pixels), np.array([[2.6, 4.4, 3.5]]), np.zeros((1, 3)), method="cubic")

    assert found.pixels.tolist() == [[[0, 255, 128]]]


def test_nothing_is_needed_where_no_position_lies_inside():
    x = np.array([[-3.0, np.nan]])

    assert remap_window(x, x, method="bilinear", image=ImageSize(5, 5)) is None
    assert not remap(masked(np.ones((1, 5, 5))), x, x).mask.any()


def test_what_makes_no_sense_is_refused():
    x = np.zeros((2, 2))

    with pytest.raises(ValueError, match="method must be one of nearest, bilinear, cubic; got 'area'"):
        remap(masked(np.ones((1, 5, 5))), x, x, method="area")
    with pytest.raises(ValueError, match="maps of one shape"):
        remap_window(x, np.zeros((2, 3)), method="nearest", image=ImageSize(5, 5))
