"""Reductions of parts: each gives bit for bit what the whole image gives; pixels without data do not bleed."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.resampling.reduction import WHOLE_LIMIT, needed_box, reduced_size, reduction_of
from stacchip_osml.imagery.resampling.reduction_values import Box, whole_box
from stacchip_osml.imagery.resampling.resamplers import (
    area_resample,
    bilinear_resample,
    lanczos_resample,
    nearest_neighbor_resample,
)
from stacchip_osml.imagery.resampling.sips import sips_rrds_resample
from stacchip_osml.pixel import ImageSize


def factor_of(image, rows, cols):
    ratio = max(image.shape[-2] / rows, image.shape[-1] / cols)
    return 1 << (math.ceil(ratio) - 1).bit_length()


def every_second(image, rows, cols):
    """Phase-keeping, no halo: pixel 0, s, 2 s …"""
    step = factor_of(image, rows, cols)
    return image[..., ::step, ::step].copy()


every_second.halo_pixels = 0


def blurred(image, rows, cols):
    """Phase-keeping with a halo of one: the mean of each pixel's four neighbours, subsampled."""
    step = factor_of(image, rows, cols)
    padded = np.pad(image, [(0, 0), (1, 1), (1, 1)], mode="edge").astype(
        np.complex128 if image.dtype.kind == "c" else float
    )
    mean = (padded[:, :-2, 1:-1] + padded[:, 1:-1, :-2] + padded[:, 2:, 1:-1] + padded[:, 1:-1, 2:]) / 4
    return mean[:, ::step, ::step].astype(image.dtype)


blurred.halo_pixels = 1

RESAMPLERS = [
    None,
    partial(sips_rrds_resample, bit_depth=7),
    nearest_neighbor_resample,
    bilinear_resample,
    area_resample,
    lanczos_resample,
    every_second,
    blurred,
]
NAMES = ["sips", "sips 7 bit", "nearest", "bilinear", "area", "lanczos", "every second", "blurred"]
DTYPES = ["uint8", "int16", "uint32", "float32", "complex64"]
sides = st.integers(1, 90)


def noise(rows, cols, dtype, bands=2, seed=0):
    random = np.random.default_rng(seed)
    values = random.integers(0, 120, (bands, rows, cols))
    if np.dtype(dtype).kind == "f":
        return (values + random.random(values.shape)).astype(dtype)
    if np.dtype(dtype).kind == "c":
        return (values + 1j * random.random(values.shape)).astype(dtype)
    return values.astype(dtype)


def whole_of(function, image, factor):
    """What the public function itself gives for the whole image."""
    rows, cols = image.shape[-2:]
    if function is None or isinstance(function, partial):
        used = sips_rrds_resample if function is None else function
        while factor > 1:
            image = used(image, -(-image.shape[-2] // 2), -(-image.shape[-1] // 2))
            factor //= 2
        return image
    return function(image, -(-rows // factor), -(-cols // factor))


def part_of(reduction, image, wanted):
    size = ImageSize(image.shape[-1], image.shape[-2])
    held = needed_box(reduction, wanted, size)
    rows, cols = held.seen_from(whole_box(size))
    return reduction.reduce(image[:, rows, cols].copy(), held, size, wanted)


@pytest.mark.parametrize("function", RESAMPLERS, ids=NAMES)
@given(rows=sides, cols=sides, factor=st.sampled_from([2, 4, 8]), dtype=st.sampled_from(DTYPES), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_part_is_what_the_public_function_gives_of_the_whole(function, rows, cols, factor, dtype, data):
    image = noise(rows, cols, dtype)
    target = reduced_size(ImageSize(cols, rows), factor)
    top, left = (data.draw(st.integers(0, side - 1)) for side in (target.height, target.width))
    bottom = data.draw(st.integers(top + 1, target.height))
    right = data.draw(st.integers(left + 1, target.width))
    if isinstance(function, partial) and dtype == "complex64":
        dtype, image = "uint8", noise(rows, cols, "uint8")
    reduction = reduction_of(function, factor, dtype=dtype)

    found = part_of(reduction, image, Box(top, bottom, left, right))

    assert found.dtype == image.dtype
    np.testing.assert_array_equal(found, whole_of(function, image, factor)[:, top:bottom, left:right])


def test_rows_made_one_by_one_are_those_of_the_whole_to_the_last_bit():
    image = noise(77, 32, "float64", bands=1)
    image[:, 40:50, 3:9] = 7
    for nodata in (None, 7):
        reduction = reduction_of(lanczos_resample, 4, dtype=image.dtype, nodata=nodata)
        whole = part_of(reduction, image, Box(0, 20, 0, 8))
        rows = [part_of(reduction, image, Box(row, row + 1, 0, 8)) for row in range(20)]
        np.testing.assert_array_equal(np.concatenate(rows, axis=1), whole)


@pytest.mark.parametrize("function", RESAMPLERS[2:6], ids=NAMES[2:6])
@pytest.mark.parametrize("side", [99_999, 131_071, 1_000_003])
def test_a_part_of_a_very_wide_image_is_that_of_the_whole(function, side):
    image = noise(1, side, "float64", bands=1)
    reduction = reduction_of(function, 2, dtype=image.dtype)
    whole = function(image, 1, -(-side // 2))

    for left in range(0, whole.shape[-1], 8192):
        wanted = Box(0, 1, left, min(left + 8192, whole.shape[-1]))
        np.testing.assert_array_equal(part_of(reduction, image, wanted), whole[..., left : wanted.right])


@pytest.mark.parametrize("function", [None, *RESAMPLERS[2:6]], ids=["sips", *NAMES[2:6]])
@given(rows=sides, cols=sides, factor=st.sampled_from([2, 4]), dtype=st.sampled_from(DTYPES), data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_part_with_holes_is_that_of_the_whole(function, rows, cols, factor, dtype, data):
    image = with_holes(noise(rows, cols, dtype), data.draw(st.integers(0, 99)), data.draw(st.floats(0, 1)))
    size = ImageSize(cols, rows)
    target = reduced_size(size, factor)
    reduction = reduction_of(function, factor, dtype=dtype, nodata=7)
    whole = part_of(reduction, image, whole_box(target))
    top, left = (data.draw(st.integers(0, side - 1)) for side in (target.height, target.width))
    bottom = data.draw(st.integers(top + 1, target.height))
    right = data.draw(st.integers(left + 1, target.width))

    found = part_of(reduction, image, Box(top, bottom, left, right))

    np.testing.assert_array_equal(found, whole[:, top:bottom, left:right])


def with_holes(image, seed, share):
    """Set blobs and single pixels to 7, which is nodata."""
    random = np.random.default_rng(seed)
    image[image == 7] = 8
    image[random.random(image.shape) < share * random.random()] = 7
    _, rows, cols = image.shape
    for _ in range(3):
        y, x = random.integers(0, rows), random.integers(0, cols)
        image[:, y : y + int(rows * share), x : x + int(cols * share)] = 7
    return image


@pytest.mark.parametrize("function", [None, *RESAMPLERS[2:6]], ids=["sips", *NAMES[2:6]])
@pytest.mark.parametrize("nodata", [0, 65535, 1000])
def test_nodata_never_bleeds_into_data(function, nodata):
    value = 1000 if nodata != 1000 else 2000
    image = np.full((1, 61, 53), value, np.uint16)
    random = np.random.default_rng(2)
    image[random.random(image.shape) < 0.3] = nodata
    image[:, 20:40, 10:30] = nodata
    reduction = reduction_of(function, 2, dtype=image.dtype, nodata=nodata)

    found = part_of(reduction, image, Box(0, 31, 0, 27))

    assert set(np.unique(found)) == {value, nodata}
    assert (found[:, 11:19, 6:14] == nodata).all(), "the middle of the hole"


def test_sips_pixels_are_valid_where_half_of_what_they_replace_is():
    image = np.full((1, 8, 8), 50, np.uint8)
    image[0, 0, 0] = image[0, 0, 2] = image[0, 1, 2] = image[0, 0, 4] = image[0, 1, 4] = image[0, 0, 5] = 255
    image[0, 2:4, 0:2] = 255
    reduction = reduction_of(None, 2, dtype=image.dtype, nodata=255)

    found = part_of(reduction, image, Box(0, 4, 0, 4))[0]

    assert (found[0] == [50, 50, 255, 50]).all()
    assert (found[1] == [255, 50, 50, 50]).all()


def test_holes_are_filled_from_near_so_that_slopes_go_on():
    slope = np.tile(np.arange(64, dtype=np.float32) * 10, (64, 1))[None]
    image = slope.copy()
    image[:, 30:33, 30:33] = np.nan
    reduction = reduction_of(None, 2, dtype=image.dtype, nodata=float("nan"))

    found = part_of(reduction, image, Box(0, 32, 0, 32))

    expected = sips_rrds_resample(slope, 32, 32)
    there = np.isfinite(found)
    assert (~there).sum() == 1
    assert np.abs(found - expected)[there].max() < 10, "less than a pixel of the slope"


@pytest.mark.parametrize(("dtype", "nodata", "moved"), [("uint8", 100, 101), ("uint8", 255, 254), ("int16", -5, -4)])
def test_valid_pixels_never_take_the_value_of_nodata(dtype, nodata, moved):
    image = np.full((1, 8, 8), nodata - 1, dtype)
    image[:, :, ::2] += np.array(2).astype(dtype) if nodata < 255 else np.array(0).astype(dtype)
    if nodata == 255:
        image[...] = 254
        image[:, 0, 0] = 255
    reduction = reduction_of(area_resample, 2, dtype=dtype, nodata=nodata)

    found = part_of(reduction, image, Box(0, 4, 0, 4))

    assert (found == moved).all()


@pytest.mark.parametrize(("nodata", "value"), [(0.0, 0.0), (-9999.0, -9999.0), (np.inf, np.inf)])
def test_floats_that_average_to_nodata_are_moved_off_it(nodata, value):
    from stacchip_osml.imagery.masks import differs_from
    from stacchip_osml.imagery.resampling.reduction_values import away_from_nodata

    for dtype in (np.float16, np.float32, np.float64):
        pixels = np.full((1, 1, 2), value, dtype)
        away_from_nodata(pixels, np.array([[[True, False]]]), nodata)
        assert differs_from(pixels, nodata).tolist() == [[[True, False]]]


@pytest.mark.parametrize("factor", [0, 3, -2, 6, True, 2.0])
def test_factors_that_are_no_power_of_two_are_refused(factor):
    with pytest.raises(ValueError, match="power of two"):
        reduction_of(None, factor, dtype="uint8")


@pytest.mark.parametrize(
    ("dtype", "nodata"), [("uint8", -1), ("uint8", 0.5), ("int16", 2j), ("uint16", float("nan")), ("bool", 2)]
)
def test_nodata_that_pixels_cannot_hold_is_refused(dtype, nodata):
    with pytest.raises(ValueError, match="is no value of"):
        reduction_of(None, 2, dtype=dtype, nodata=nodata)


def test_functions_that_do_not_say_how_far_they_look_get_small_images_only():
    def unknown(image, rows, cols):
        return image[:, :rows, :cols]

    assert reduction_of(unknown, 2, dtype="uint8", source_pixels=WHOLE_LIMIT).whole
    with pytest.raises(ValueError, match="does not say how far it looks"):
        reduction_of(unknown, 2, dtype="uint8", source_pixels=WHOLE_LIMIT + 1)
    with pytest.raises(ValueError, match="takes no masks"):
        reduction_of(unknown, 2, dtype="uint8", nodata=0)


def test_a_function_that_gives_another_size_or_type_is_told_so():
    def wrong(image, rows, cols):
        return image

    reduction = reduction_of(wrong, 2, dtype="uint8")
    with pytest.raises(ValueError, match=r"gave uint8 \(1, 4, 4\) for uint8 \(1, 2, 2\)"):
        part_of(reduction, np.zeros((1, 4, 4), np.uint8), Box(0, 2, 0, 2))
