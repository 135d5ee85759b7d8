"""Colour spaces against published numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.chain import (
    COLOR_SPACES,
    BandedPixels,
    apply_chain,
    color_space_step,
    color_space_transform,
)
from stacchip_osml.errors import ChainError

# NGA.STND.0014 v2.4, Table 2.44: sRGB and ProPhoto RGB of the same colours.
SRGB_PROPHOTO = (
    ((1, 0, 0), (0.7019, 0.2751, 0.1031)),
    ((0, 1, 0), (0.5397, 0.9274, 0.3040)),
    ((0, 0, 1), (0.3356, 0.1371, 0.9229)),
    ((0, 1, 1), (0.6575, 0.9440, 0.9907)),
    ((1, 0, 1), (0.8002, 0.3165, 0.9328)),
    ((1, 1, 0), (0.9192, 0.9842, 0.3275)),
    ((0.5, 0.5, 0.5), (0.4241, 0.4241, 0.4241)),
    ((0.5, 0, 0), (0.2976, 0.1167, 0.0437)),
    ((0, 0.5, 0), (0.2289, 0.3933, 0.1289)),
    ((0, 0, 0.5), (0.1423, 0.0581, 0.3913)),
    ((0.8353, 0.5059, 0.1294), (0.6227, 0.4701, 0.1893)),
    ((0.2706, 0.7882, 0.8431), (0.5303, 0.7061, 0.7922)),
)
NAMES = sorted(COLOR_SPACES)


def convert(color, source, destination):
    return color_space_transform(np.array(color, float).reshape(3, 1, 1), source, destination).ravel()


@pytest.mark.parametrize(("srgb", "prophoto"), SRGB_PROPHOTO)
def test_prophoto_is_that_of_the_standard_s_table(srgb, prophoto):
    assert convert(srgb, "srgb", "prophoto_rgb") == pytest.approx(prophoto, abs=0.001)
    # sRGB's curve begins with a slope of 13, which enlarges what the table has rounded away
    assert convert(prophoto, "prophoto_rgb", "srgb") == pytest.approx(srgb, abs=0.02)


@pytest.mark.parametrize(
    ("color", "space", "wanted"),
    [
        # IEC 61966-2-1: the matrix of sRGB and its white
        ((1, 1, 1), "ciexyz", (0.9505, 1.0, 1.0891)),
        ((1, 0, 0), "ciexyz", (0.4124, 0.2126, 0.0193)),
        ((0, 1, 0), "ciexyz", (0.3576, 0.7152, 0.1192)),
        ((0, 0, 1), "ciexyz", (0.1805, 0.0722, 0.9505)),
        ((0.5, 0.5, 0.5), "linear_srgb", (0.2140, 0.2140, 0.2140)),
        ((0.04, 0.04, 0.04), "linear_srgb", (0.0030960,) * 3),
        # CIE 15: lightness of white, mid grey, and the corners of sRGB
        ((1, 1, 1), "cielab", (100, 0, 0)),
        ((0, 0, 0), "cielab", (0, 0, 0)),
        ((1, 0, 0), "cielab", (53.24, 80.09, 67.20)),
        ((0, 1, 0), "cielab", (87.73, -86.18, 83.18)),
        ((0, 0, 1), "cielab", (32.30, 79.19, -107.86)),
        # ITU-R BT.601
        ((1, 0, 0), "ycrcb", (0.299, 1.0, 0.3313)),
        ((0, 0, 1), "ycrcb", (0.114, 0.4187, 1.0)),
        ((0.3, 0.3, 0.3), "ycrcb", (0.3, 0.5, 0.5)),
        # Adobe RGB (1998): pure green of sRGB lies inside
        ((1, 1, 1), "adobe_rgb", (1, 1, 1)),
        ((0, 1, 0), "adobe_rgb", (0.5650, 1.0, 0.2344)),
    ],
)
def test_known_colors_are_where_the_standards_put_them(color, space, wanted):
    tolerance = 0.02 if space == "cielab" else 0.0005
    assert convert(color, "srgb", space) == pytest.approx(wanted, abs=tolerance)


@given(color=st.tuples(*[st.floats(-0.2, 1.2)] * 3), source=st.sampled_from(NAMES), destination=st.sampled_from(NAMES))
def test_there_and_back_is_the_same_color(color, source, destination):
    color = convert(color, "srgb", source)
    found = convert(convert(color, source, destination), destination, source)

    assert found == pytest.approx(color, abs=1e-6 * max(1, np.abs(color).max()))


def test_the_same_space_is_a_copy():
    image = np.random.default_rng(0).random((3, 4, 5))
    found = color_space_transform(image, "srgb", "srgb")

    np.testing.assert_array_equal(found, image)
    assert not np.shares_memory(found, image)
    assert color_space_transform(image.astype(np.float32), "srgb", "ciexyz").dtype == np.float64


def test_images_that_are_no_colors_are_refused():
    with pytest.raises(ValueError, match=r"a colour space is one of srgb, .* got 'cmyk'"):
        color_space_transform(np.zeros((3, 1, 1)), "srgb", "cmyk")
    with pytest.raises(ValueError, match=r"colours are \(3, rows, cols\) of float, got \(4, 1, 1\)"):
        color_space_transform(np.zeros((4, 1, 1)), "srgb", "ciexyz")
    with pytest.raises(ChainError, match="of uint8"):
        color_space_transform(np.zeros((3, 1, 1), np.uint8), "srgb", "ciexyz")


def test_the_step_takes_codes_by_their_white_and_is_valid_where_all_bands_are():
    image = np.array([255, 0, 255], np.uint8).reshape(3, 1, 1).repeat(2, axis=2)
    mask = np.ones(image.shape, bool)
    mask[1, 0, 1] = False
    done = apply_chain((color_space_step("srgb", "prophoto_rgb"),), BandedPixels.of(image, mask))

    assert done.pixels[:, 0, 0] == pytest.approx((0.8002, 0.3165, 0.9328), abs=0.001)
    assert done.mask[:, 0].tolist() == [[True, False]] * 3
    eleven_bits = (image.astype(np.uint16) // 255) * 2047
    again = apply_chain((color_space_step("srgb", "prophoto_rgb", white=2047),), BandedPixels.of(eleven_bits))
    np.testing.assert_allclose(again.pixels[:, 0, 0], done.pixels[:, 0, 0], atol=1e-6)
