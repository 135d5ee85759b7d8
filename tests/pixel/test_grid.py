"""Chip grids: what each edge policy promises, as laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import SettingError, WindowError
from stacchip_osml.pixel import GridSpec, ImageSize, PixelWindow, chip_axis, chip_grid, level_size, level_window

sides = st.integers(1, 300)
sizes = st.integers(1, 64)
levels = st.integers(0, 3)
origins = st.floats(-500, 500, allow_nan=False)


def hits(axis, length):
    """Count how often each pixel of the axis is covered."""
    counted = np.zeros(length, int)
    for offset, extent in zip(axis.offset, axis.length, strict=True):
        counted[max(offset, 0) : max(min(offset + extent, length), 0)] += 1
    return counted


@given(length=sides, size=sizes, level=levels)
def test_drop_gives_whole_chips_side_by_side_and_leaves_less_than_one_chip(length, size, level):
    axis = chip_axis(length, size=size, stride=size, edges="drop", level=level)
    pixels = -(-length >> level)

    assert len(axis.index) == pixels // size
    assert hits(axis, length).max(initial=0) <= 1
    assert (axis.offset + axis.length <= length).all()
    assert (-(-axis.length >> level) == size).all()


@given(length=sides, size=sizes, level=levels)
def test_partial_covers_every_pixel_exactly_once(length, size, level):
    axis = chip_axis(length, size=size, stride=size, edges="partial", level=level)

    assert (hits(axis, length) == 1).all()
    assert (axis.offset >= 0).all()
    assert (axis.offset + axis.length <= length).all()


@given(length=sides, size=sizes, level=levels, origin=origins)
def test_pad_gives_full_chips_that_cover_every_pixel_once(length, size, level, origin):
    axis = chip_axis(length, size=size, stride=size, edges="pad", level=level, origin=origin)

    assert (hits(axis, length) == 1).all()
    assert (axis.length == size << level).all()


@given(length=sides, size=sizes, stride=sizes, level=levels, origin=origins)
def test_shift_covers_the_image_with_whole_chips_of_real_pixels(length, size, stride, level, origin):
    axis = chip_axis(length, size=size, stride=stride, edges="shift", level=level, origin=origin)
    pixels = -(-length >> level)

    assert (axis.offset >= 0).all()
    assert (axis.offset + axis.length <= length).all()
    assert len(np.unique(axis.offset)) == len(axis.offset)
    assert (-(-axis.length >> level) == min(size, pixels)).all()
    if stride <= size:
        assert (hits(axis, length) >= 1).all()


@given(length=sides, size=sizes, stride=sizes, level=levels, origin=origins, edges=st.sampled_from(["partial", "pad"]))
def test_an_overlapping_grid_covers_everything_and_no_chip_is_superfluous(length, size, stride, level, origin, edges):
    axis = chip_axis(length, size=size, stride=min(stride, size), edges=edges, level=level, origin=origin)
    assert (hits(axis, length) >= 1).all()

    for left_out in (0, len(axis.index) - 1):
        fewer = [axis.index, axis.offset, axis.length]
        fewer = type(axis)(*(np.delete(part, left_out) for part in fewer))
        assert (hits(fewer, length) == 0).any()


@given(
    length=sides,
    size=sizes,
    stride=sizes,
    level=levels,
    origin=origins,
    edges=st.sampled_from(["drop", "partial", "pad", "shift"]),
)
def test_windows_begin_and_end_on_level_pixels_or_the_image_edge(length, size, stride, level, origin, edges):
    axis = chip_axis(length, size=size, stride=stride, edges=edges, level=level, origin=origin)
    end = axis.offset + axis.length
    step = 1 << level

    assert (axis.offset % step == 0).all()
    assert ((end % step == 0) | (end == length)).all()
    assert (axis.length > 0).all()
    assert (np.diff(axis.index) == 1).all()


@given(shift=st.integers(-200, 200), length=st.integers(100, 300), size=st.integers(8, 40), phase=st.floats(0, 0.999))
def test_two_images_of_one_crs_grid_share_their_chips(shift, length, size, phase):
    one = chip_axis(length, size=size, stride=size, edges="drop", origin=phase)
    two = chip_axis(length, size=size, stride=size, edges="drop", origin=phase - shift)
    ground_one = dict(zip(one.index, one.offset, strict=True))
    ground_two = dict(zip(two.index, two.offset + shift, strict=True))

    for index in ground_one.keys() & ground_two.keys():
        assert ground_one[index] == ground_two[index]


@given(width=sides, height=sides, size=sizes, chips=st.integers(1, 50))
def test_the_parts_of_a_grid_are_the_grid(width, height, size, chips):
    grid = chip_grid(ImageSize(width, height), GridSpec.of(size, edges="partial"))
    parts = [part.windows() for part in grid.parts(chips)]
    whole = grid.windows()

    for name in ("grid_col", "grid_row", "col_off", "row_off", "width", "height"):
        assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(whole, name).tolist()


def test_a_grid_lists_its_windows_row_by_row():
    grid = chip_grid(ImageSize(100, 70), GridSpec.of(32, edges="partial"))
    windows = grid.windows()

    assert len(grid) == 12
    assert windows.grid_col.tolist() == [0, 1, 2, 3] * 3
    assert windows.grid_row.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert windows.width.tolist() == [32, 32, 32, 4] * 3
    assert windows.height.tolist() == [32] * 8 + [6] * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "chip_size must be positive"),
        ({"size": 128.0}, "chip_size must be a whole number of pixels or .width, height., got 128.0"),
        ({"size": (64, 64, 3)}, "chip_size must be a whole number of pixels or"),
        ({"size": "64"}, "chip_size must be a whole number of pixels or"),
        ({"size": 64, "stride": (32.5, 32)}, "stride must be a whole number of pixels or"),
        ({"size": 8, "stride": -1}, "stride must be positive"),
        ({"size": 8, "edges": "wrap"}, "edges must be one of drop, partial, pad, shift; got 'wrap'"),
        ({"size": 8, "anchor": "moon"}, "anchor must be one of image, crs; got 'moon'"),
    ],
)
def test_impossible_grids_are_refused(change, message):
    with pytest.raises((WindowError, SettingError), match=message):
        GridSpec.of(**change)


@pytest.mark.parametrize(("size", "level"), [(ImageSize(0, 5), 0), (ImageSize(5, 2**31), 0), (ImageSize(5, 5), 31)])
def test_impossible_images_are_refused(size, level):
    with pytest.raises(WindowError, match=r"image sides must be|level must be"):
        chip_grid(size, GridSpec.of(8), level=level)


@given(x=st.integers(-50, 50), width=sides, level=levels)
def test_a_level_window_covers_its_r0_window(x, width, level):
    found = level_window(PixelWindow(x, 0, width, 1), level)

    assert found.x << level <= x
    assert (found.x + found.width) << level >= x + width
    assert (found.x + 1) << level > x


def test_level_sizes_round_up():
    assert level_size(ImageSize(513, 1), 1) == ImageSize(257, 1)
