"""Where a chip lies on a level: arithmetic, and pixels that go where they belong."""

import numpy as np
import pytest
from foreign_provider import Foreign
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import LimitError, WindowError
from stacchip_osml.imagery import (
    CachedImageProvider,
    MaskedPixels,
    RetiledImageProvider,
    TileCache,
    TiledImagePyramid,
    build_pyramid_levels,
)
from stacchip_osml.imagery.level_places import FULL_RESOLUTION, LevelPlace
from stacchip_osml.imagery.windows.cut import (
    NOWHERE,
    LevelPlacing,
    coarsest_level,
    destination,
    even_step,
    fill_value,
    place_cut,
    plan_cut,
)
from stacchip_osml.imagery.windows.reader import WindowReader, shown_image
from stacchip_osml.pixel import ImageSize, PixelWindow

SIZE = ImageSize(60, 40)
SCENE = np.random.default_rng(2).integers(1, 99, (2, 40, 60)).astype(np.uint16)


def whole(pixels=SCENE):
    return MaskedPixels(pixels, np.ones(pixels.shape, bool))


def cut_of(placing, x, y, size):
    """Cut a chip of the scene as any caller does."""
    pixels, mask = np.full((2, size.height, size.width), 77, np.uint16), np.ones((2, size.height, size.width), bool)
    cut = plan_cut(placing, x, y, size)
    if cut is None:
        return None
    there = destination(cut, pixels, mask, dtype=SCENE.dtype)
    wx, wy, width, height = cut.window
    found = SCENE[:, wy : wy + height, wx : wx + width]
    read = MaskedPixels(found, np.ones(found.shape, bool))
    if there.pixels is not None:
        there.pixels[...], there.mask[...] = read
        read = MaskedPixels(there.pixels, there.mask)
    place_cut(cut, placing, read, pixels, mask, fill=(5, 6), there=there)
    return pixels, mask


@given(st.integers(-30, 70), st.integers(-30, 50), st.integers(1, 50), st.integers(1, 50))
def test_chips_on_the_grid_are_copied_and_hold_the_fill_value_outside(x, y, width, height):
    placing = LevelPlacing(level=0, size=SIZE, place=FULL_RESOLUTION, step=(1, 1))
    padded = np.pad(SCENE, ((0, 0), (100, 100), (100, 100)))
    inside = np.pad(np.ones((40, 60), bool), 100)

    got = cut_of(placing, x, y, ImageSize(width, height))

    here = np.s_[100 + y : 100 + y + height, 100 + x : 100 + x + width]
    if got is None:
        assert not inside[here].any()
        return
    np.testing.assert_array_equal(got[1], np.broadcast_to(inside[here], got[1].shape))
    np.testing.assert_array_equal(got[0][got[1]], padded[:, *here][got[1]])
    assert (got[0][0][~got[1][0]] == 5).all()
    assert (got[0][1][~got[1][1]] == 6).all()


@pytest.mark.parametrize("off", [-4e-7, 4e-7])
def test_a_chip_that_is_off_the_grid_by_rounding_alone_is_copied_from_the_nearest_pixels(off):
    placing = LevelPlacing(level=0, size=SIZE, place=FULL_RESOLUTION, step=(1, 1))

    pixels, mask = cut_of(placing, 5 + off, 7 + off, ImageSize(10, 8))

    np.testing.assert_array_equal(pixels, SCENE[:, 7:15, 5:15])
    assert mask.all()


def test_a_chip_on_the_grid_is_read_where_it_is_given_out_unless_its_type_is_another():
    placing = LevelPlacing(level=0, size=SIZE, place=FULL_RESOLUTION, step=(1, 1))
    cut = plan_cut(placing, 4, 5, ImageSize(10, 8))
    pixels, mask = np.empty((2, 8, 10), np.uint16), np.empty((2, 8, 10), bool)

    assert cut.window == (4, 5, 10, 8)
    assert destination(cut, pixels, mask, dtype=np.dtype(np.uint16)).pixels is pixels
    other = destination(cut, pixels, mask, dtype=np.dtype(np.uint8))
    assert other.pixels is None
    assert other.mask is mask
    between = plan_cut(placing, 4.5, 5, ImageSize(10, 8))
    assert between.target is None
    assert destination(between, pixels, mask, dtype=np.dtype(np.uint16)) == NOWHERE


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_a_resampled_chip_has_its_pixels_also_where_one_byte_stands_for_its_mask(dtype):
    placing = LevelPlacing(level=0, size=SIZE, place=FULL_RESOLUTION, step=(1.3, 1.7), method="auto")
    cut = plan_cut(placing, -4.0, -3.0, ImageSize(20, 16))
    x, y, width, height = cut.window
    here = np.s_[:, y : y + height, x : x + width]
    found = MaskedPixels(SCENE[here], np.random.default_rng(4).random(SCENE[here].shape) < 0.6)
    masks = np.zeros((2, 16, 20), bool), np.broadcast_to(np.zeros((1, 1, 1), bool), (2, 16, 20))
    masks[1].setflags(write=True)
    chips = [np.full((2, 16, 20), 77, dtype) for _ in masks]
    for pixels, mask in zip(chips, masks, strict=True):
        place_cut(cut, placing, found, pixels, mask, fill=(5, 6), there=NOWHERE)

    assert 0 < masks[0].mean() < 1
    assert (chips[0][0][~masks[0][0]] == 5).all()
    np.testing.assert_array_equal(chips[0], chips[1])


def test_positions_are_of_the_reference_and_ratios_true():
    placing = LevelPlacing(
        level=2, size=SIZE, place=LevelPlace(dx=4, dy=5), step=(1, 1), start=(8, 10), per_pixel=(2, 2)
    )

    assert placing.corner(4, 5) == (4, 4)


@given(st.floats(0.5, 40), st.floats(0.5, 40))
def test_the_coarsest_level_is_no_coarser_than_the_chip(across, down):
    ratios = [(1.0, 1.0), (2.0, 2.0), (4.1, 4.0), (8.2, 8.0)]

    level = coarsest_level(ratios, (across, down))

    assert level == 0 or (ratios[level][0] <= across * 1.000001 and ratios[level][1] <= down * 1.000001)
    for coarser in ratios[level + 1 :]:
        assert coarser[0] > across or coarser[1] > down


def test_slack_lets_a_level_of_odd_size_count_as_itself():
    ratios = [(1.0, 1.0), (10_980 / 1372, 10_980 / 1372)]

    assert coarsest_level(ratios, (8, 8)) == 0
    assert coarsest_level(ratios, (8, 8), slack=1.01) == 1


def test_a_step_that_nobody_could_tell_from_one_is_one():
    assert even_step(1 + 1e-12, 1000) == 1
    assert even_step(1 + 1e-6, 1000) == 1 + 1e-6


@pytest.mark.parametrize(
    ("nodata", "dtype", "value"),
    [(None, "uint8", 0), (255, "uint8", 255), (-9999, "uint8", 0), (0.5, "int16", 0), (-1e30, "float32", -1e30)],
)
def test_the_fill_value_is_nodata_where_the_type_holds_it(nodata, dtype, value):
    assert fill_value(nodata, np.dtype(dtype)) == value


# ---- readers


def test_blocks_that_are_not_stored_are_not_valid_and_nothing_at_all_is_none():
    provider = Foreign(SCENE, absent={(0, 0), (1, 1)})
    reader = WindowReader.of(provider, nodata=(9, None))

    found = reader.read(PixelWindow(8, 8, 20, 16))

    expected = np.ones((16, 20), bool)
    expected[:8, :8] = expected[8:, 8:] = False
    expected_pixels = SCENE[:, 8:24, 8:28]
    np.testing.assert_array_equal(found.mask[1], expected)
    np.testing.assert_array_equal(found.mask[0], expected & (expected_pixels[0] != 9))
    np.testing.assert_array_equal(found.pixels[:, expected], expected_pixels[:, expected])
    assert (found.pixels[0][~expected] == 9).all()
    assert reader.read(PixelWindow(2, 2, 10, 10)) is None
    assert (0, 0) not in provider.reads


def test_bands_reach_the_provider_and_nodata_follows_them():
    reader = WindowReader.of(Foreign(SCENE), nodata=(None, int(SCENE[1, 0, 0])))

    found = reader.read(PixelWindow(0, 0, 5, 5), bands=[1, 0])

    np.testing.assert_array_equal(found.pixels, SCENE[[1, 0], :5, :5])
    assert not found.mask[0, 0, 0]
    assert found.mask[1].all()


def test_windows_and_requests_are_checked_before_memory_is_taken():
    reader = WindowReader.of(Foreign(SCENE))
    huge = WindowReader.of(Foreign(np.broadcast_to(np.uint8(1), (64, 40_000, 40_000))))

    with pytest.raises(WindowError, match="leaves level 0 of 60 x 40"):
        reader.read(PixelWindow(50, 0, 20, 20))
    with pytest.raises(LimitError, match="more than"):
        huge.read(PixelWindow(0, 0, 40_000, 40_000))


def test_adapters_of_the_same_pixels_are_looked_through_and_others_are_not():
    source = Foreign(SCENE)
    pyramid = TiledImagePyramid(build_pyramid_levels(source, 20))

    assert shown_image(CachedImageProvider(RetiledImageProvider(source, 9, 9), TileCache())) == (source, 0)
    assert shown_image(pyramid.get_level(1)) == (pyramid.get_level(1), 0)
