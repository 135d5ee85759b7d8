"""What steps make of values: stretches, curves, tables, band arithmetic."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.chain import (
    BandedPixels,
    apply_chain,
    band_select_step,
    clip_step,
    decibel_step,
    gamma_step,
    linear_step,
    lut_step,
    mask_fill_step,
    normalized_difference_step,
    rescale_step,
)
from stacchip_osml.errors import ChainError


def through(step, pixels, mask=None):
    pixels = np.asarray(pixels)
    return apply_chain((step,), BandedPixels.of(pixels.reshape(1, 1, -1) if pixels.ndim == 1 else pixels, mask))


def values(step, *numbers, dtype="float32"):
    return through(step, np.array(numbers, dtype)).pixels.ravel().tolist()


@pytest.mark.parametrize("dtype", ["int8", "int16", "uint8", "uint16", "int32", "float32"])
def test_display_keeps_the_order_of_values_of_signed_images_too(dtype):
    random = np.random.default_rng(0)
    low, high = (0, 200) if dtype == "uint8" else (-100, 100) if dtype == "int8" else (0, 3000)
    low = -3000 if dtype in {"int16", "int32", "float32"} else low
    image = random.uniform(low, high, (1, 64, 64)).astype(dtype)
    for step in (
        rescale_step(low=low, high=high),
        lut_step(np.arange(high - low + 1) * (255 / (high - low)), first=low),
    ):
        if step["step"] == "lut" and dtype in {"int32", "float32"}:
            continue
        shown = through(step, image).pixels

        assert np.corrcoef(image.ravel(), shown.ravel())[0, 1] > 0.99


@given(
    low=st.integers(-40_000, 40_000),
    span=st.integers(1, 70_000),
    out=st.sampled_from(["uint8", "uint16", "int16", "float32"]),
)
def test_a_table_gives_what_computing_gives(low, span, out):
    image = np.linspace(-32768, 32767, 300).astype(np.int16).reshape(1, 10, 30)
    step = rescale_step(low=low, high=low + span, dtype=out)

    np.testing.assert_array_equal(through(step, image).pixels, through(step, image.astype(np.int32)).pixels)
    np.testing.assert_array_equal(through(step, image).pixels, through(step, image.astype(np.float64)).pixels)


def test_a_stretch_is_a_straight_line_between_its_limits():
    assert values(rescale_step(low=10, high=20, out_high=100), 5, 10, 12, 15, 20, 99) == [0, 0, 20, 50, 100, 100]
    assert values(rescale_step(low=10, high=20, out_low=100, out_high=0), 5, 10, 12, 20) == [100, 100, 80, 0]
    assert values(rescale_step(low=10, high=20, dtype="float64"), 5, 11, 20) == [0, pytest.approx(0.1), 1]
    assert values(rescale_step(low=-1e308, high=1e308), -1e308, 0, 1e308, dtype="float64") == [0, 128, 255]
    assert values(rescale_step(low=0, high=5e-324), 0, 1, dtype="float64") == [128, 255]


def test_a_range_of_one_value_is_middle_grey_and_never_a_negative():
    assert values(rescale_step(low=500, high=500), 499, 500, 501) == [0, 128, 255]
    assert values(rescale_step(low=500, high=500, dtype="float32"), 499, 500, 501) == [0, 0.5, 1]
    assert values(rescale_step(low=500, high=500), 499, 500, 501, dtype="uint16") == [0, 128, 255]


def test_what_is_not_a_number_is_not_valid_and_becomes_the_fill():
    done = through(
        rescale_step(low=0, high=10, out_low=1, fill=0), np.array([np.nan, np.inf, -np.inf, 10, 0], np.float32)
    )

    assert done.pixels.ravel().tolist() == [0, 255, 1, 255, 1]
    assert done.mask.ravel().tolist() == [False, True, True, True, True]
    assert done.nodata == (0,)


def test_nodata_is_stated_only_where_no_valid_pixel_can_have_it():
    mask = np.array([[[True, False]]])
    image = np.array([[[5, 9]]], np.uint8)

    assert through(rescale_step(low=0, high=9), image, mask).nodata == (None,)
    assert through(rescale_step(low=0, high=9, out_low=1), image, mask).nodata == (0,)
    chip = replace(BandedPixels.of(image, mask), nodata=(9,))
    assert apply_chain((clip_step(high=7),), chip).nodata == (9,)
    assert apply_chain((clip_step(high=9),), chip).nodata == (None,)


@pytest.mark.parametrize(
    ("step", "dtype", "given", "wanted"),
    [
        (clip_step(low=2.5, high=4.5), "uint8", [0, 2, 3, 4, 5], [3, 3, 3, 4, 4]),
        (clip_step(low=-5), "uint8", [0, 255], [0, 255]),
        (clip_step(high=1000), "uint8", [0, 255], [0, 255]),
        (clip_step(low=-500, high=-400), "int8", [-128, 127], [-128, -128]),
        (clip_step(low=2.5, high=4.5), "float32", [0, 3, 9], [2.5, 3, 4.5]),
        (linear_step(scale=2, offset=-1), "uint8", [0, 200], [-1, 399]),
        (linear_step(scale=2, dtype="uint8"), "uint8", [0, 100, 200], [0, 200, 255]),
        (linear_step(scale=0.5, dtype="int16"), "int16", [1, 3, 5, -1], [0, 2, 2, 0]),
        (gamma_step(2), "uint8", [0, 64, 255], [0, 128, 255]),
        (gamma_step(2, low=100, high=200), "float32", [50, 125, 200, 300], [100, 150, 200, 200]),
        (decibel_step(), "float32", [1, 10, 100], [0, 10, 20]),
        (decibel_step("amplitude"), "float32", [1, 10, 100], [0, 20, 40]),
        (decibel_step(reference=10), "float32", [10, 1], [0, -10]),
        (decibel_step("amplitude", reference=10), "complex64", [10j, -1], [0, -20]),
        (decibel_step(reference=100), "complex64", [10j, -1], [0, -20]),
        (decibel_step(floor=-30), "float32", [0, -4, 1e-9, 10], [-30, -30, -30, 10]),
        (lut_step([9, 8, 7], first=1), "uint8", [0, 1, 2, 3, 200], [9, 9, 8, 7, 7]),
        (lut_step([9, 8, 7], first=-1), "int16", [-300, -1, 0, 1, 300], [9, 9, 8, 7, 7]),
        (lut_step([0.5, -0.5]), "uint16", [0, 1], [0.5, -0.5]),
    ],
)
def test_values_become_what_the_step_says(step, dtype, given, wanted):
    assert values(step, *given, dtype=dtype) == pytest.approx(wanted)


def test_magnitudes_of_complex_numbers_do_not_overflow():
    assert values(decibel_step(), 3e30 + 4e30j, dtype="complex64") == pytest.approx([20 * np.log10(5e30)])


def test_power_of_zero_has_no_decibels():
    done = through(decibel_step(), np.array([0, -3, 10], np.int16))

    assert done.mask.ravel().tolist() == [False, False, True]
    assert np.isnan(done.pixels.ravel()[:2]).all()


def test_a_normalized_difference_is_of_two_bands_and_valid_where_both_are():
    image = np.array([[[3, 0, 40_000, 5]], [[9, 9, 9, 9]], [[1, 0, 20_000, 5]]], np.uint16)
    mask = np.ones(image.shape, bool)
    mask[2, 0, 3] = False
    done = through(normalized_difference_step(0, 2), image, mask)

    assert done.pixels.ravel()[[0, 2]].tolist() == pytest.approx([0.5, 1 / 3])
    assert done.mask.ravel().tolist() == [True, False, True, False]


def test_two_values_whose_sum_is_zero_have_no_normalized_difference():
    done = through(normalized_difference_step(), np.array([[[5, 3]], [[-5, 1]]], np.int16))

    assert done.mask.ravel().tolist() == [False, True]
    assert np.isnan(done.pixels.ravel()[0])


@pytest.mark.parametrize(
    "step",
    [
        linear_step(scale=2),
        rescale_step(low=0, high=9, dtype="float32"),
        gamma_step(2, high=9),
        normalized_difference_step(),
        decibel_step(),
        decibel_step(floor=-3),
    ],
    ids=lambda step: step["step"],
)
def test_no_valid_pixel_is_nan(step):
    done = through(step, np.array([[[np.nan, 3]], [[2, 1]]], np.float32))

    assert not done.mask[0, 0, 0]
    assert done.mask[0, 0, 1]
    assert not np.isnan(done.pixels[done.mask]).any()


def test_three_tables_are_a_palette():
    palette = np.array([[255, 0, 10], [0, 255, 20], [0, 0, 30]], np.uint8)
    done = through(lut_step(palette), np.array([[[0, 1], [2, 7]]], np.uint8), np.array([[[True, True], [False, True]]]))

    np.testing.assert_array_equal(done.pixels[:, 0], [[255, 0], [0, 255], [0, 0]])
    assert done.pixels[:, 1].T.tolist() == [[0, 0, 0], [10, 20, 30]]
    assert (done.mask == np.array([[True, True], [False, True]])).all()


def test_tables_are_kept_exactly_and_in_one_way_only():
    table = np.array([0.1, np.pi, -1e-40, 3], np.float64)
    step = lut_step(table)
    assert values(step, 0, 1, 2, 3, dtype="uint8") == table.tolist()
    assert step == lut_step(table.astype(">f8"))
    assert lut_step([0, 255])["dtype"] == "uint8"
    assert lut_step([0, -1])["dtype"] == "int16"
    with pytest.raises(ChainError, match="of real numbers"):
        lut_step(np.zeros((2, 2, 2)))
    with pytest.raises(ChainError, match="expected one of uint8"):
        lut_step([0, 2**40])


def test_filled_pixels_stay_invalid_and_say_so():
    image = np.array([[[1, 2]], [[3, 4]]], np.int16)
    mask = np.array([[[True, False]], [[False, True]]])
    done = through(mask_fill_step([-1, -2]), image, mask)

    assert done.pixels.ravel().tolist() == [1, -1, -2, 4]
    assert done.nodata == (-1, -2)
    np.testing.assert_array_equal(done.mask, mask)


def test_chosen_bands_take_all_that_describes_them_along():
    chip = replace(
        BandedPixels.of(np.arange(6, dtype=np.uint8).reshape(3, 1, 2)),
        scales=(1.0, 2.0, 3.0),
        offsets=(0.0, 1.0, 2.0),
        nodata=(None, 7, 8),
        names=("b", "g", "r"),
        colors=("blue", "green", "red"),
    )
    done = apply_chain((band_select_step([2, 0]),), chip)

    assert done.pixels.ravel().tolist() == [4, 5, 0, 1]
    assert (done.scales, done.offsets, done.nodata) == ((3.0, 1.0), (2.0, 0.0), (8, None))
    assert (done.names, done.colors) == (("r", "b"), ("red", "blue"))
    assert apply_chain((band_select_step([2, 2]),), chip).names == ()
    assert apply_chain((rescale_step(low=0, high=9),), chip).names == ("b", "g", "r")
    assert apply_chain((normalized_difference_step(),), chip).names == ()


def test_pixels_in_foreign_byte_order_are_the_same_pixels():
    image = np.arange(12, dtype=np.int16).reshape(1, 3, 4) * 100 - 500
    for step in (rescale_step(low=-500, high=600), clip_step(low=0), linear_step(scale=2)):
        done = through(step, image.astype(">i2"))

        assert done.pixels.dtype.isnative
        np.testing.assert_array_equal(done.pixels, through(step, image).pixels)
