"""Laws of the adapters: whatever is stacked on whatever, the pixels are those of the image."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from provider_cases import Foreign, invert, random_pixels, sources, stacked, stacks

from stacchip_osml.imagery import TileCache, read_window
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import dtype_of, has_block, read_block

WRITER_ASKS_FOR = {
    "key": str,
    "title": str,
    "description": str,
    "num_rows": int,
    "num_columns": int,
    "num_bands": int,
    "num_bits_per_pixel": int,
    "actual_bits_per_pixel": int,
    "num_pixels_per_block_horizontal": int,
    "num_pixels_per_block_vertical": int,
    "num_resolution_levels": int,
    "pad_pixel_value": float,
}


def expected(pixels, stack):
    """What a stack shows of stored pixels."""
    for name, _, _ in stack:
        if name.startswith("mapped"):
            pixels = invert(pixels)
    return pixels


@given(sources(), stacks(), st.data())
def test_adapters_in_any_order_show_the_same_pixels(case, stack, data):
    source, pixels, present = case
    provider = stacked(source, stack, TileCache(1 << 20))
    pad = getattr(source, "pad_pixel_value", 0)
    rows, cols = present.shape
    x, y = data.draw(st.integers(-5, cols)), data.draw(st.integers(-5, rows))
    width, height = data.draw(st.integers(0, 80)), data.draw(st.integers(0, 80))
    whole = np.full((pixels.shape[0], rows + 160, cols + 160), pad, pixels.dtype)
    whole[:, 80 : 80 + rows, 80 : 80 + cols] = np.where(present, expected(pixels, stack), pad).astype(pixels.dtype)

    for _ in range(2):  # the second time from the cache
        got = read_window(provider, (x, y, width, height), fill_value=pad)

        assert got.dtype == pixels.dtype
        assert got.flags.writeable
        np.testing.assert_array_equal(got, whole[:, 80 + y : 80 + y + height, 80 + x : 80 + x + width])


@settings(max_examples=60)
@given(sources(), stacks(), st.data())
def test_selecting_bands_commutes_with_reading(case, stack, data):
    source, pixels, _present = case
    provider = stacked(source, stack, TileCache(1 << 20))
    band = st.integers(0, pixels.shape[0] - 1)
    bands = data.draw(st.lists(band, min_size=1, max_size=5))
    window = (-2, 3, 50, 40)
    if data.draw(st.booleans()):
        read_window(provider, window)  # all bands are in the cache already

    np.testing.assert_array_equal(read_window(provider, window, bands=bands), read_window(provider, window)[bands])


@settings(max_examples=60)
@given(sources(), stacks())
def test_sparse_in_is_sparse_out(case, stack):
    source, _pixels, present = case
    provider = stacked(source, stack, TileCache(1 << 20))
    grid = level_grid(provider)
    seen = np.zeros(present.shape, bool)
    for row in range(-1, grid.shape[0] + 1):
        for col in range(-1, grid.shape[1] + 1):
            inside = 0 <= row < grid.shape[0] and 0 <= col < grid.shape[1]
            assert not provider.has_block(row, col) or inside
            if not inside:
                continue
            x, y, width, height = grid.window(row, col)
            under = present[y : y + height, x : x + width]
            seen[y : y + height, x : x + width] = True
            assert has_block(provider, row, col) == bool(under.any())
    assert seen.all()
    if not present.any():
        assert not any(provider.has_block(r, c) for r in range(grid.shape[0]) for c in range(grid.shape[1]))


@given(sources(), st.tuples(st.integers(1, 50), st.integers(1, 50)), st.booleans())
def test_a_tile_is_absent_exactly_where_all_blocks_under_it_are(case, tile, padded):
    source, _, present = case
    provider = stacked(source, [("padded" if padded else "retiled", tile, False)], None)
    grid = level_grid(provider)
    for row in range(grid.shape[0]):
        for col in range(grid.shape[1]):
            x, y, width, height = grid.window(row, col)
            assert provider.has_block(row, col) == bool(present[y : y + height, x : x + width].any())


@settings(max_examples=60)
@given(sources(levels=4, sparse=False), stacks())
def test_reduced_levels_pass_through_every_adapter(case, stack):
    source, pixels, _ = case
    provider = stacked(source, stack, TileCache(1 << 20))
    assert provider.num_resolution_levels <= source.num_resolution_levels
    for level in range(provider.num_resolution_levels):
        wanted = expected(pixels, stack)[:, :: 1 << level, :: 1 << level]
        grid = level_grid(provider, level)
        assert grid.image_size == (wanted.shape[2], wanted.shape[1])
        np.testing.assert_array_equal(read_window(provider, (0, 0, *grid.image_size), level), wanted)


@settings(max_examples=40)
@given(sources(), stacks(least=1))
def test_a_stack_has_every_attribute_that_a_writer_asks_for(case, stack):
    source, _, _ = case
    provider = stacked(source, stack, None)

    for name, kind in WRITER_ASKS_FOR.items():
        assert isinstance(getattr(provider, name), kind), name
    assert dtype_of(provider) == dtype_of(source)
    rows, cols = provider.block_grid_size
    assert rows == -(-provider.num_rows // provider.num_pixels_per_block_vertical)
    assert cols == -(-provider.num_columns // provider.num_pixels_per_block_horizontal)
    assert dict(provider.metadata) == {}


@settings(max_examples=30)
@given(sources(), stacks())
def test_a_stack_pickles_and_shows_the_same(case, stack):
    source, _, _ = case
    provider = stacked(source, stack, TileCache(1 << 20))
    window = (-3, -3, 60, 60)
    before = read_window(provider, window)

    again = pickle.loads(pickle.dumps(provider))

    np.testing.assert_array_equal(read_window(again, window), before)
    assert again.key == provider.key


def test_bands_reach_the_source_through_every_adapter_that_can_pass_them_on():
    pixels = random_pixels((4, 40, 40))
    for name in ("cached", "retiled", "padded", "mapped per band"):
        source = Foreign(pixels)
        read_window(stacked(source, [(name, (24, 24), True)], TileCache(1 << 20)), (0, 0, 40, 40), bands=(2, 0))

        assert {bands for _, _, _, bands in source.asked} == {(2, 0)}, name
        assert len(source.asked) == 9, name


def test_a_window_asks_for_each_block_once_and_for_no_absent_one():
    source = Foreign(random_pixels((2, 64, 64)), absent={(1, 1), (0, 3)})

    read_window(source, (8, 8, 48, 48))

    places = [(row, col) for row, col, _, _ in source.asked]
    assert sorted(places) == sorted({(r, c) for r in range(4) for c in range(4)} - {(1, 1), (0, 3)})


def test_a_block_that_is_not_what_was_said_is_refused():
    class Liar(Foreign):
        def get_block(self, row, col, resolution_level=0, bands=None):
            block = super().get_block(row, col, resolution_level, bands)
            return {0: block.astype("float64"), 1: block[0], 2: block[:, :-1], 3: block[:1], 4: block.tolist()}[
                self.lie
            ]

    from stacchip_osml.errors import DecodeError

    for lie, message in enumerate(("is float64, not uint16", "is \\(16, 16\\)", "15, 16", "is \\(1, 16", "is list")):
        source = Liar(random_pixels((2, 32, 32)))
        source.lie = lie
        with pytest.raises(DecodeError, match=message):
            read_block(source, 0, 0)
