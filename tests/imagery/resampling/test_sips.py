"""The published verification tables of NGA.STND.0014 (SIPS) v2.4, and the laws that tiling relies on."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.imagery.resampling import sips, sips_halving
from stacchip_osml.imagery.resampling.reduction_values import Box, whole_box
from stacchip_osml.pixel import ImageSize
from tests.imagery.resampling import sips_tables as tables

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32", "float64"]


def corners(side=1026, value=1024):
    """Table 2.4: a flat image with the ramp block in each corner, turned towards it."""
    image = np.full((side, side), value, np.uint16)
    block = np.array(tables.CORNER, np.uint16)
    image[:10, :10] = block
    image[:10, -10:] = block[:, ::-1]
    image[-10:, :10] = block[::-1]
    image[-10:, -10:] = block[::-1, ::-1]
    return image


def test_reduction_once_gives_table_2_5():
    r1 = sips.sips_rrds_resample(corners(), 513, 513, bit_depth=11)
    assert r1.dtype == np.uint16
    np.testing.assert_array_equal(r1[np.ix_(tables.R1_ROWS, tables.R1_COLS)], tables.R1)


def test_reduction_twice_gives_table_2_6():
    r1 = sips.sips_rrds_resample(corners().astype(float), 513, 513, bit_depth=11)
    r2 = sips.sips_rrds_resample(r1, 257, 257, bit_depth=11)
    found = np.rint(r2[np.ix_(tables.R2_ROWS, tables.R2_COLS)])
    assert np.abs(found - tables.R2).max() <= 2


def test_correlation_gives_table_2_15():
    kernel = sips.build_lagrange_kernel_2d(row=8 / 32, col=16 / 32)  # the table names x first
    np.testing.assert_allclose(kernel, tables.LAGRANGE_16_8, atol=5e-6)
    found = np.clip(np.rint(sips.sips_correlate(np.array(tables.RAMP, float), np.array(tables.LAGRANGE_16_8))), 0, 2047)
    np.testing.assert_array_equal(found, tables.CORRELATED)


@pytest.mark.parametrize("name", ["FIVE", "FOUR"])
def test_convolution_gives_tables_2_25_and_2_26(name):
    kernel, image, expected = (np.array(getattr(tables, f"{part}_{name}"), float) for part in ("KERNEL", "IN", "OUT"))
    np.testing.assert_array_equal(np.clip(np.rint(sips.sips_convolve(image, kernel)), 0, 2047), expected)


def test_the_filter_of_one_axis_makes_table_2_2():
    line = sips_halving.ANTIALIAS
    np.testing.assert_allclose(np.outer(line, line), sips.SIPS_ANTIALIAS_KERNEL_7x7, atol=1.3e-7)
    assert sips.SIPS_ANTIALIAS_KERNEL_7x7.sum() == pytest.approx(1.00000036, abs=1e-12)


def test_lagrange_halfway_makes_table_2_3():
    kernel = sips.build_lagrange_kernel_2d(0.5, 0.5)
    assert (kernel[0, 0], kernel[0, 1], kernel[1, 1]) == (0.00390625, -0.03515625, 0.31640625)


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1, [-0.00993, 0.98341, 0.03172, -0.00520]),
        (4, [-0.03418, 0.92285, 0.13184, -0.02051]),
        (8, [-0.05469, 0.82031, 0.27344, -0.03906]),
        (16, [-0.0625, 0.5625, 0.5625, -0.0625]),
        (24, [-0.03906, 0.27344, 0.82031, -0.05469]),
        (31, [-0.00520, 0.03172, 0.98341, -0.00993]),
    ],
)
def test_lagrange_coefficients_are_table_2_7(number, expected):
    np.testing.assert_allclose(sips.compute_lagrange_coefficients(number / 32), expected, atol=5.1e-6)


def test_compromise_coefficients_are_table_2_8():
    rows = [sips.compute_compromise_coefficients(number / 64) for number in range(64)]
    np.testing.assert_allclose(rows[0], [0.087, 0.731, 0.277, -0.095], atol=1e-9)
    np.testing.assert_allclose(rows[15], [0.007312, 0.6935, 0.356688, -0.0575], atol=1e-9)
    np.testing.assert_allclose(rows[16], [0.002, 0.691, 0.362, -0.055], atol=1e-9)
    np.testing.assert_allclose(rows[31], [-0.07769, 0.6535, 0.441688, -0.0175], atol=1e-9)
    np.testing.assert_allclose(rows[32], [-0.01625, 0.444344, 0.65225, -0.08034], atol=1e-9)
    for number in range(33, 64):
        np.testing.assert_array_equal(rows[number], rows[64 - number][::-1])
    for number in range(32):
        exact = [0.087 - 0.0053125 * number, 0.731 - 0.0025 * number, 0.277 + 0.0053125 * number]
        np.testing.assert_allclose(rows[number][:3], exact, atol=5.1e-6)
    assert max(abs(sum(row) - 1) for row in rows) <= 5.1e-6
    rows[0][0] = 9
    assert sips.compute_compromise_coefficients(0)[0] == pytest.approx(0.087)


@pytest.mark.parametrize("wrong", [-0.1, 1.0, float("nan")])
def test_fractions_outside_a_pixel_are_refused(wrong):
    for function in (sips.compute_lagrange_coefficients, sips.compute_compromise_coefficients):
        with pytest.raises(ValueError, match=r"must be in \[0, 1\)"):
            function(wrong)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
def test_two_dimensional_filters_agree(dtype):
    image = np.random.default_rng(3).integers(0, 200, (61, 40)).astype(dtype)
    smooth = cv2.filter2D(image, -1, sips.SIPS_ANTIALIAS_KERNEL_7x7, borderType=cv2.BORDER_REFLECT_101)
    kernel = sips.build_lagrange_kernel_2d(0.5, 0.5)
    expected = cv2.filter2D(smooth, -1, kernel, anchor=(1, 1), borderType=cv2.BORDER_REFLECT_101)[::2, ::2]
    found = sips.sips_rrds_resample(image, 31, 20)
    tolerance = 1 if np.dtype(dtype).kind in "iu" else 1e-3
    assert np.abs(found.astype(float) - expected.astype(float)).max() <= tolerance


@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from(DTYPES), st.booleans())
def test_a_constant_stays_constant(rows, cols, dtype, stacked):
    value = 100 if np.dtype(dtype).kind in "iu" else 100.25
    image = np.full((3, rows, cols) if stacked else (rows, cols), value, dtype)
    found = sips.sips_rrds_resample(image, (rows + 1) // 2, (cols + 1) // 2)
    assert found.dtype == image.dtype
    assert found.shape == (*image.shape[:-2], (rows + 1) // 2, (cols + 1) // 2)
    np.testing.assert_allclose(found, value, rtol=1e-6)


@given(st.integers(12, 70), st.integers(12, 70), st.sampled_from(DTYPES), st.randoms(use_true_random=False))
def test_a_part_gives_what_the_whole_gives(rows, cols, dtype, random):
    image = np.random.default_rng(rows * 97 + cols).integers(0, 120, (2, rows, cols)).astype(dtype)
    out_rows, out_cols = (rows + 1) // 2, (cols + 1) // 2
    whole = sips.sips_rrds_resample(image, out_rows, out_cols)
    top, left = random.randrange(out_rows), random.randrange(out_cols)
    bottom, right = random.randint(top + 1, out_rows), random.randint(left + 1, out_cols)
    size, wanted = ImageSize(cols, rows), Box(top, bottom, left, right)
    around = Box(*(2 * edge for edge in wanted))
    held = Box(
        max(around.top - 10, 0), min(around.bottom + 10, rows), max(around.left - 10, 0), min(around.right + 10, cols)
    )
    part = image[(slice(None), *held.seen_from(whole_box(size)))]
    np.testing.assert_array_equal(sips_halving.halved(part, held, size, wanted), whole[:, top:bottom, left:right])


def test_positions_do_not_drift():
    rows, cols = np.mgrid[0:200, 0:160].astype(float)
    for axis, ramp in enumerate((rows, cols)):
        half = sips.sips_rrds_resample(ramp, 100, 80)
        inside = half[4:-4, 4:-4]
        expected = 2 * np.mgrid[0:100, 0:80][axis] + 0.5
        np.testing.assert_allclose(inside, expected[4:-4, 4:-4], atol=1e-4 * 200)


def test_complex_parts_are_reduced_alike():
    rng = np.random.default_rng(0)
    image = (rng.normal(size=(20, 30)) + 1j * rng.normal(size=(20, 30))).astype(np.complex64)
    found = sips.sips_rrds_resample(image, 10, 15)
    np.testing.assert_array_equal(found.real, sips.sips_rrds_resample(image.real.copy(), 10, 15))
    np.testing.assert_array_equal(found.imag, sips.sips_rrds_resample(image.imag.copy(), 10, 15))


def test_what_cannot_be_halved_is_refused():
    image = np.zeros((10, 10), np.uint16)
    with pytest.raises(ValueError, match="10 x 10 gives 5 x 5, not 4 x 5"):
        sips.sips_rrds_resample(image, 4, 5)
    with pytest.raises(ValueError, match="bit_depth must be a positive integer, got 0"):
        sips.sips_rrds_resample(image, 5, 5, bit_depth=0)
    with pytest.raises(ValueError, match="1 dimensions"):
        sips.sips_rrds_resample(image[0], 5, 5)
    with pytest.raises(ValueError, match="kernel must be"):
        sips.sips_convolve(image, np.ones(3))
    with pytest.raises(ValueError, match="numbers, got bool"):
        sips.sips_correlate(image.astype(bool), np.ones((3, 3)))
