"""Windows and blocks of any provider; the mapped and the retiled one by themselves; types of pixels."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from provider_cases import Foreign, PixelType, random_pixels

from stacchip_osml.errors import ChainError, DecodeError, LimitError, WindowError
from stacchip_osml.imagery import (
    BlockGrid,
    MappedImageProvider,
    ReadLimits,
    RetiledImageProvider,
    dtype_of,
    iter_blocks,
    level_grid,
    read_block_or_pad,
    read_window,
    stitch_source_blocks,
)
from stacchip_osml.imagery.providers.block_orders import ORDERS, block_order
from stacchip_osml.pixel import ImageSize, PixelWindow


def test_blocks_of_a_reduced_level_lie_where_they_are_and_not_where_r0_has_them():
    source = Foreign(random_pixels((2, 61, 93)), (16, 24), levels=4)
    for level in range(4):
        wanted = source.pixels[:, :: 1 << level, :: 1 << level]
        height, width = wanted.shape[1:]

        np.testing.assert_array_equal(read_window(source, (0, 0, width, height), level), wanted)
        np.testing.assert_array_equal(
            read_window(source, (-2, 1, width, height), level, fill_value=9)[:, : height - 1, 2:],
            wanted[:, 1:, : width - 2],
        )


@given(st.integers(1, 400), st.integers(1, 70), st.sampled_from([1, 2, 4, 8]), st.data())
def test_blocks_cover_every_pixel_once_and_are_found_from_any_window(side, block, reduction, data):
    grid = BlockGrid(ImageSize(side, 1), (1, block), reduction)
    hits = np.zeros(side, int)
    for col in range(grid.shape[1]):
        x, _, width, _ = grid.window(0, col)
        assert width > 0 or reduction > block
        hits[x : x + width] += 1
    first = data.draw(st.integers(-5, side + 5))
    stop = first + data.draw(st.integers(0, side))
    places = grid.under(PixelWindow(first, 0, stop - first, 1))[1]
    touching = [c for c in range(grid.shape[1]) if _touches(grid.window(0, c), max(first, 0), min(stop, side))]

    assert (hits == 1).all()
    assert set(touching) <= set(places)
    assert len(places) == 0 or (touching[0], touching[-1]) == (places[0], places[-1])


def _touches(window, first, stop):
    return max(window.x, first) < min(window.x + window.width, stop)


def test_a_window_outside_is_fill_and_an_empty_one_is_empty():
    source = Foreign(random_pixels((2, 20, 20)), absent={(0, 0)})

    assert (read_window(source, (100, -50, 8, 8), fill_value=5) == 5).all()
    assert (read_window(source, (0, 0, 16, 16), fill_value=5) == 5).all()
    assert read_window(source, (3, 3, 0, 4)).shape == (2, 4, 0)
    assert source.asked == []


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (((0, 0, -1, 4),), WindowError, "negative size"),
        (((0.5, 0, 4, 4),), WindowError, "expected whole pixels"),
        (((0, 0, float("nan"), 4),), WindowError, "window must be a finite number"),
        (((0, 0, 4),), WindowError, "window must be 4 numbers"),
        (((0, 0, 4, 4), 0, 0, [0.5]), ValueError, "bands must be a whole number"),
        (((0, 0, 4, 4), 1), IndexError, "no level 1"),
        (((0, 0, 4, 4), -1), IndexError, "no level -1"),
        (((0, 0, 4, 4), 0, -1), ValueError, "pad_value -1 is one that uint16"),
        (((0, 0, 4, 4), 0, float("nan")), ValueError, "pad_value nan is one"),
        (((0, 0, 4, 4), 0, 0.5), ValueError, "pad_value 0.5 is one"),
        (((0, 0, 4, 4), 0, 0, (2,)), IndexError, "bands \\(2,\\) of an image that has 2"),
        (((0, 0, 4, 4), 0, 0, (-1,)), IndexError, "bands \\(-1,\\)"),
        (((0, 0, 4, 4), 0, 0, ()), IndexError, "bands \\(\\)"),
        (((0, 0, 2**31, 2**31),), LimitError, "more than 536870912"),
    ],
)
def test_what_cannot_be_read_is_refused_before_anything_is(arguments, error, message):
    source = Foreign(random_pixels((2, 20, 20)))
    with pytest.raises(error, match=message):
        read_window(source, *arguments)
    assert source.asked == []


def test_limits_can_be_set():
    with pytest.raises(LimitError, match="more than 100"):
        read_window(Foreign(random_pixels((1, 20, 20))), (0, 0, 20, 20), limits=ReadLimits(request_bytes=100))


def test_a_block_size_of_nothing_means_one_block():
    source = Foreign(random_pixels((1, 20, 30)), (20, 30))
    source.num_pixels_per_block_vertical = source.num_pixels_per_block_horizontal = 0
    expected = source.pixels.copy()
    source.get_block = lambda row, col, level=0, bands=None: expected

    assert level_grid(source).shape == (1, 1)
    np.testing.assert_array_equal(read_window(source, (5, 5, 10, 10)), expected[:, 5:15, 5:15])


def test_ranges_are_stitched_with_the_bands_wanted_and_no_others():
    source = Foreign(random_pixels((3, 40, 50)), (16, 16))

    got = stitch_source_blocks(source, (-4, 20), (10, 60), 16, 16, 3, 7, np.dtype("float64"), 0, bands=(2,))

    wanted = np.full((1, 24, 50), 7.0)
    wanted[:, 4:, :40] = source.pixels[[2], :20, 10:]
    np.testing.assert_array_equal(got, wanted)
    assert got.dtype == np.float64
    assert {bands for _, _, _, bands in source.asked} == {(2,)}
    assert len(source.asked) == len(set(source.asked))
    assert stitch_source_blocks(source, (5, 5), (9, 3)).shape == (3, 0, 0)
    with pytest.raises(ValueError, match="2 bands expected of an image that has 3"):
        stitch_source_blocks(source, (0, 4), (0, 4), num_bands=2)


def test_a_block_is_padded_to_the_shape_of_a_whole_one():
    source = Foreign(random_pixels((2, 20, 20)), absent={(0, 1)})

    corner = read_block_or_pad(source, 1, 1, pad_value=3)
    assert corner.shape == (2, 16, 16)
    np.testing.assert_array_equal(corner[:, :4, :4], source.pixels[:, 16:, 16:])
    assert (corner[:, 4:] == 3).all()
    for absent in ((0, 1), (5, 5), (-1, 0)):
        assert (read_block_or_pad(source, *absent, pad_value=3) == 3).all()
    assert read_block_or_pad(source, 1, 1, 0, 4, 6, 2, 3, np.dtype("float32")).shape == (2, 4, 6)


@given(st.sampled_from(sorted(ORDERS)), st.integers(1, 40), st.integers(1, 40))
def test_every_order_visits_every_block_once(order, rows, cols):
    visited = list(block_order(rows, cols, order=order))

    assert len(visited) == rows * cols
    assert set(visited) == {(row, col) for row in range(rows) for col in range(cols)}


def test_orders_mean_what_they_say():
    assert list(block_order(2, 2, order="raster")) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert list(block_order(2, 2, order="column")) == [(0, 0), (1, 0), (0, 1), (1, 1)]
    for order in ("snake", "hilbert"):
        path = list(block_order(16, 16, order=order))
        steps = {abs(a - c) + abs(b - d) for (a, b), (c, d) in itertools.pairwise(path)}
        assert steps == {1}, order
    with pytest.raises(LimitError, match="to sort along"):
        block_order(1 << 13, 1 << 13, order="hilbert")


def test_a_hilbert_curve_needs_fewer_blocks_at_hand_than_rows_do():
    def loads(order, size=24, cache=40):
        """Blocks read by a 3 x 3 neighbourhood operation that keeps the last ``cache`` blocks."""
        held, count = {}, 0
        for row, col in block_order(64, 64, order=order):
            for near in ((row + a, col + b) for a in (-1, 0, 1) for b in (-1, 0, 1)):
                count += near not in held
                held.pop(near, None)
                held[near] = None
                if len(held) > cache:
                    held.pop(next(iter(held)))
        return count

    assert loads("hilbert") < 0.75 * loads("raster")


@pytest.mark.parametrize("order", sorted(ORDERS))
def test_iterating_skips_what_is_not_stored(order):
    source = Foreign(random_pixels((2, 40, 40)), absent={(0, 1), (2, 2)}, levels=2)
    for level in (0, 1):
        found = {(row, col): block for row, col, block in iter_blocks(source, order, level, bands=[1])}
        assert set(found) == {(r, c) for r in range(3) for c in range(3)} - source.absent
        np.testing.assert_array_equal(found[1, 1], source.get_block(1, 1, level)[[1]])
    with pytest.raises(ValueError, match="no order 'spiral'; there are raster"):
        iter_blocks(source, "spiral")


@pytest.mark.parametrize(
    ("said", "dtype"),
    [
        ("UINT16", "uint16"),
        ("byte", "uint8"),
        (np.float32, "float32"),
        (np.dtype(">i2"), "int16"),
        (PixelType("int8"), "int8"),
        ("COMPLEX64", "complex64"),
        (type("Told", (), {"numpy_dtype": np.dtype("int32")})(), "int32"),
        (np.bool_, "bool"),
    ],
)
def test_pixel_types_are_understood_in_every_spelling(said, dtype):
    source = Foreign(random_pixels((1, 4, 4)))
    source.pixel_value_type = said

    assert dtype_of(source) == np.dtype(dtype)
    assert dtype_of(source).isnative


@pytest.mark.parametrize("said", [None, "UINT12", "", 16, np.dtype("O"), np.dtype("U4"), PixelType("packed"), object])
def test_an_unknown_pixel_type_is_an_error_and_never_bytes(said):
    source = Foreign(random_pixels((1, 4, 4)))
    source.pixel_value_type = said
    with pytest.raises(DecodeError, match="image:0: pixels of an unknown type"):
        dtype_of(source)


def test_the_function_of_a_mapped_provider_never_sees_padding():
    seen = []

    def look(pixels):
        seen.append(pixels.shape)
        assert (pixels != 7).all()
        return pixels

    source = Foreign(np.ones((1, 20, 20), np.uint16), padded=True, absent={(0, 0)})
    read_window(MappedImageProvider(source, look), (0, 0, 20, 20))
    read_window(MappedImageProvider(RetiledImageProvider(source, 32, 32, pad_edges=True), look), (0, 0, 20, 20))

    assert sorted(seen) == [(1, 4, 4), (1, 4, 16), (1, 16, 4), (1, 20, 20)]


def test_a_mapped_provider_reads_the_bands_its_function_takes_and_says_what_it_gives():
    source = Foreign(random_pixels((4, 20, 20)))
    provider = MappedImageProvider(
        source,
        lambda pixels: np.hypot(pixels[:1], pixels[1:]).astype(np.float32),
        name="magnitude",
        num_bands=1,
        pixel_value_type="FLOAT32",
        source_bands=(3, 1),
    )

    got = read_window(provider, (0, 0, 20, 20))

    np.testing.assert_array_equal(got, np.hypot(source.pixels[[3]], source.pixels[[1]]).astype(np.float32))
    assert {bands for _, _, _, bands in source.asked} == {(3, 1)}
    assert (provider.key, provider.num_bands, provider.num_bits_per_pixel) == ("image:0:mapped:magnitude", 1, 32)
    with pytest.raises(IndexError, match="bands \\(1,\\)"):
        provider.get_block(0, 0, bands=(1,))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda pixels: pixels[0], "gave uint16 \\(16, 16\\), uint16 \\(2, 16, 16\\)"),
        (lambda pixels: pixels * 1.5, "gave float64"),
        (lambda pixels: None, "gave NoneType"),
        (lambda pixels: pixels[:, :-1], "gave uint16 \\(2, 15, 16\\)"),
    ],
)
def test_a_function_that_gives_something_else_than_was_said_is_refused(function, message):
    with pytest.raises(ChainError, match=message):
        MappedImageProvider(Foreign(random_pixels((2, 20, 20))), function).get_block(0, 0)


def test_a_function_cannot_write_to_the_sources_pixels():
    def careless(pixels):
        pixels += 1
        return pixels

    with pytest.raises(ValueError, match="read-only"):
        MappedImageProvider(Foreign(random_pixels((2, 20, 20))), careless).get_block(0, 0)


def test_padded_tiles_are_whole_and_say_how_much_of_them_is_image():
    provider = RetiledImageProvider(Foreign(random_pixels((1, 20, 30)), levels=3), 16, 16, pad_edges=True)

    assert (provider.num_rows, provider.num_columns) == (32, 32)
    assert provider.get_block(1, 1).shape == (1, 16, 16)
    assert (provider.get_block(1, 1)[:, 4:] == 0).all()
    assert provider.level_grid(0).image_size == (30, 20)
    assert provider.level_grid(2) == BlockGrid(ImageSize(8, 8), (16, 16), 4, ImageSize(8, 5))


def test_tiles_of_one_pixel_have_one_level():
    provider = RetiledImageProvider(Foreign(random_pixels((2, 5, 6)), (2, 4), levels=3), 1, 1)

    assert provider.num_resolution_levels == 1
    np.testing.assert_array_equal(read_window(provider, (0, 0, 6, 5)), provider.source.pixels)
    with pytest.raises(ValueError, match="tile_width must be a whole number of at least 1, got 0"):
        RetiledImageProvider(provider, 0, 4)


def test_a_tile_too_large_to_decode_is_refused():
    source = Foreign(np.zeros((1, 4, 4), np.uint8))
    source.num_rows = source.num_columns = 2**20
    with pytest.raises(LimitError, match="blocks of 1048576 x 1048576"):
        RetiledImageProvider(source, 2**20, 2**20).get_block(0, 0)
