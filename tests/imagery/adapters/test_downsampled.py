"""Smaller images of images: parts equal the whole, sparse stays sparse, bands and blocks are read once."""

import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider, NoLevelError
from stacchip_osml.imagery.adapters.retiled import RetiledImageProvider
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.imagery.providers.protocol import ImageProvider
from stacchip_osml.imagery.pyramids.pyramid import build_pyramid_levels
from stacchip_osml.imagery.resampling.reduction import WHOLE_LIMIT
from stacchip_osml.imagery.resampling.resamplers import (
    area_resample,
    bilinear_resample,
    lanczos_resample,
    nearest_neighbor_resample,
)
from stacchip_osml.imagery.resampling.sips import sips_rrds_resample
from tests.imagery.pyramids.pyramid_scenes import CountingImage, LazyImage, noise, read_whole

RESAMPLERS = [None, nearest_neighbor_resample, bilinear_resample, area_resample, lanczos_resample]
NAMES = ["sips", "nearest", "bilinear", "area", "lanczos"]
sides = st.integers(2, 120)


def every_second(image, rows, cols):
    return image[:, ::2, ::2].copy()


every_second.halo_pixels = 0


def all_of(image, rows, cols):
    """Say nothing of how far it looks, so that it is given the whole image."""
    return area_resample(image, rows, cols)


def whole_of(function, image, factor):
    if function is not None:
        return function(image, -(-image.shape[-2] // factor), -(-image.shape[-1] // factor))
    while factor > 1:
        image = sips_rrds_resample(image, -(-image.shape[-2] // 2), -(-image.shape[-1] // 2))
        factor //= 2
    return image


@pytest.mark.parametrize("function", RESAMPLERS, ids=NAMES)
@given(rows=sides, cols=sides, factor=st.sampled_from([2, 4, 8]), tile=st.sampled_from([1, 7, 16, 200]), data=st.data())
@settings(max_examples=8, deadline=None)
def test_blocks_are_parts_of_the_whole_whatever_the_factor_and_the_tile(function, rows, cols, factor, tile, data):
    """D1, D4: tiles do not shift, and factors above 2 are right."""
    image = noise(rows, cols, data.draw(st.sampled_from(["uint8", "int16", "float32"])), bands=2, high=120)
    block = data.draw(st.sampled_from([(5, 9), (32, 32), (64, 16)]))
    smaller = DownsampledImageProvider(CountingImage(image, block), factor, function, tile + 3, tile)

    np.testing.assert_array_equal(read_whole(smaller), whole_of(function, image, factor))


@pytest.mark.parametrize("function", [*RESAMPLERS, every_second], ids=[*NAMES, "every second"])
@pytest.mark.parametrize("side", [(61, 97), (64, 48), (1, 33)])
def test_every_level_of_a_chain_is_the_whole_of_the_one_before(function, side):
    image = noise(*side)
    levels = build_pyramid_levels(CountingImage(image), min_size=4, resample_func=function)

    for level in levels[1:]:
        image = whole_of(function, image, 2)
        np.testing.assert_array_equal(read_whole(level), image)


@pytest.mark.parametrize("function", RESAMPLERS, ids=NAMES)
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32", "complex64"])
def test_a_constant_image_stays_constant_at_every_level(function, dtype):
    levels = build_pyramid_levels(CountingImage(np.full((1, 75, 101), 100, dtype)), 3, 2, 32, 32, function)

    for level in levels:
        np.testing.assert_allclose(read_whole(level), 100, rtol=3e-7)
        if np.dtype(dtype).kind in "iu":
            assert (read_whole(level) == 100).all()


def test_a_deep_block_reads_each_source_block_once():
    source = CountingImage(noise(512, 512), (32, 32))
    levels = build_pyramid_levels(source, min_size=16)

    levels[-1].get_block(0, 0)

    assert len(levels) == 7
    assert set(source.reads.values()) == {1}


def test_only_the_bands_asked_for_are_read_and_they_are_those_of_all():
    """D10: bands reach the source."""
    source = CountingImage(noise(70, 90, bands=4))
    level = build_pyramid_levels(source, min_size=30)[-1]
    everything = read_whole(level)
    source.reads.clear()

    np.testing.assert_array_equal(read_whole(level, bands=(2, 0)), everything[[2, 0]])
    # read_whole looks at one block of all bands for the type
    assert {read[2:] for read in source.reads} <= {((2, 0),), ()}
    source.reads.clear()
    level.get_block(0, 0, bands=[3])
    assert {read[2:] for read in source.reads} == {((3,),)}


@given(st.sets(st.tuples(st.integers(0, 5), st.integers(0, 4))), st.sampled_from(RESAMPLERS), st.booleans())
@settings(max_examples=25, deadline=None)
def test_sparse_stays_sparse(absent, function, masked):
    image = noise(96, 80, low=1)
    source = CountingImage(image, (16, 16), absent=absent)
    levels = build_pyramid_levels(
        source, min_size=12, tile_width=8, tile_height=8, resample_func=function, nodata=0 if masked else None
    )
    unused = 65535
    told = build_pyramid_levels(
        CountingImage(image, (16, 16), absent=absent, pad=unused), 12, resample_func=function, nodata=unused
    )

    for above, level, same in zip(levels[:-1], levels[1:], told[1:], strict=True):
        made = read_whole(level)
        if not masked and not absent:
            np.testing.assert_array_equal(made, whole_of(function, read_whole(above), 2))
        elif not masked:
            expected = read_whole(same)
            np.testing.assert_array_equal(made, np.where(expected == unused, 0, expected))
        rows, cols = level.block_grid_size
        scale = 2 * 8 // above.num_pixels_per_block_vertical
        for row in range(rows):
            for col in range(cols):
                under, around = (
                    any(
                        above.has_block(scale * row + r, scale * col + c)
                        for r in range(-margin, scale + margin)
                        for c in range(-margin, scale + margin)
                    )
                    for margin in (0, 2)
                )
                assert under <= level.has_block(row, col) <= around
    if len(absent) == 30:
        assert not any(level.has_block(0, 0) for level in levels)
    source.reads.clear()
    read_whole(levels[1])
    assert not set(source.reads) & absent


@pytest.mark.parametrize("function", RESAMPLERS, ids=NAMES)
def test_absent_parts_of_a_larger_tile_do_not_bleed_into_data_either(function):
    """The tile is stored, and holds the pad value where blocks below it are not."""
    source = CountingImage(np.full((1, 128, 128), 1000, np.uint16), (32, 32), absent={(2, 1), (3, 3)})
    levels = build_pyramid_levels(
        RetiledImageProvider(source, 64, 64), min_size=60, resample_func=function, nodata=65535
    )

    assert set(np.unique(read_whole(levels[1]))) == {1000, 65535}


@pytest.mark.parametrize("function", RESAMPLERS, ids=NAMES)
def test_neither_nodata_nor_absent_blocks_bleed_into_data(function):
    image = np.full((1, 128, 128), 1000, np.uint16)
    image[:, 30:61, 50:90] = 65535
    source = CountingImage(image, (32, 32), absent={(2, 1), (3, 3)})
    levels = build_pyramid_levels(source, min_size=20, resample_func=function, nodata=65535)

    for level in levels[1:]:
        assert set(np.unique(read_whole(level))) == {1000, 65535}
        assert level.pad_pixel_value == 65535


def test_the_edge_is_not_padded():
    """D10: the mean of a constant level is the constant."""
    level = DownsampledImageProvider(
        CountingImage(np.full((1, 70, 70), 1000, np.uint16)), tile_width=32, tile_height=32
    )
    blocks = [level.get_block(row, col) for row in range(2) for col in range(2)]

    assert [block.shape[1:] for block in blocks] == [(32, 32), (32, 3), (3, 32), (3, 3)]
    assert {int(block.min()) for block in blocks} == {1000}


class Levelled(CountingImage):
    """An image with stored levels, whose pixels say which level they are of."""

    def __init__(self, levels, block=(32, 32)):
        super().__init__(levels[0], block)
        self.levels = levels
        self.num_resolution_levels = len(levels)

    def level_shape(self, level):
        return self.levels[level].shape[2], self.levels[level].shape[1]

    def has_block(self, block_row, block_col, resolution_level=0):
        return super().has_block(block_row, block_col)

    def get_block(self, block_row, block_col, resolution_level=0, bands=None):
        height, width = (-(-side // 2**resolution_level) for side in (32, 32))
        y, x = block_row * height, block_col * width
        chosen = slice(None) if bands is None else list(bands)
        return self.levels[resolution_level][chosen, y : y + height, x : x + width]


def test_a_level_that_the_source_has_is_read_and_not_made():
    stored = [noise(99, 131, seed=1), noise(50, 66, seed=2), noise(25, 33, seed=3)]
    source = Levelled(stored)
    half, quarter = DownsampledImageProvider(source), DownsampledImageProvider(source, 4)

    np.testing.assert_array_equal(read_whole(half), stored[1])
    np.testing.assert_array_equal(read_whole(half, level=1), stored[2])
    np.testing.assert_array_equal(read_whole(quarter), stored[2])
    np.testing.assert_array_equal(read_whole(DownsampledImageProvider(half)), stored[2])
    assert (half.num_resolution_levels, quarter.num_resolution_levels) == (2, 1)
    assert half.pixel_place.ratio == (131 / 66, 99 / 50)
    made = DownsampledImageProvider(source, use_native_levels=False)
    np.testing.assert_array_equal(read_whole(made), sips_rrds_resample(stored[0], 50, 66))
    np.testing.assert_array_equal(
        read_whole(DownsampledImageProvider(source, 8)), sips_rrds_resample(
            sips_rrds_resample(sips_rrds_resample(stored[0], 50, 66), 25, 33), 13, 17
        )
    )  # fmt: skip


def test_it_has_every_attribute_of_a_provider_and_pixels_keep_their_type():
    source = CountingImage(noise(99, 131, "int16", bands=3), (64, 32), pad=-5)
    level = DownsampledImageProvider(source)

    assert isinstance(level, ImageProvider)
    assert (level.num_rows, level.num_columns, level.num_bands) == (50, 66, 3)
    assert (level.num_pixels_per_block_vertical, level.num_pixels_per_block_horizontal) == (32, 16)
    assert level.block_grid_size == (2, 5)
    assert level.level_shape(0) == (66, 50)
    assert (level.num_bits_per_pixel, level.actual_bits_per_pixel, level.num_resolution_levels) == (16, 16, 1)
    assert (level.pad_pixel_value, level.metadata, level.pixel_value_type) == (-5, source.metadata, np.dtype("int16"))
    assert level.key == "image:0:downsample:2:sips:16x32"
    assert level.get_block(0, 0).dtype == np.int16


def test_pitches_are_those_of_the_resampler():
    source = CountingImage(noise(99, 131))

    assert DownsampledImageProvider(source, 4).pixel_place.ratio == (4, 4)
    assert DownsampledImageProvider(source, 4, area_resample).pixel_place.ratio == (131 / 33, 99 / 25)
    assert DownsampledImageProvider(source, 2, every_second).pixel_place.ratio == (2, 2)
    chain = build_pyramid_levels(source, min_size=40, resample_func=area_resample)
    assert chain[2].pixel_place.ratio == (131 / 33, 99 / 25)


def test_places_and_levels_that_there_are_not_are_refused():
    level = DownsampledImageProvider(CountingImage(noise(64, 64, bands=2)))

    for place in ((2, 0), (0, -1)):
        with pytest.raises(IndexError, match="no block"):
            level.get_block(*place)
    for error in (ValueError, IndexError, NoLevelError):
        with pytest.raises(error, match="no level 1"):
            level.get_block(0, 0, 1)
    with pytest.raises(IndexError, match=r"bands \(2,\)"):
        level.get_block(0, 0, bands=[2])
    assert not level.has_block(0, 0, 1)
    assert not level.has_block(2, 0)
    with pytest.raises(ValueError, match="power of two"):
        DownsampledImageProvider(level, 3)
    with pytest.raises(ValueError, match="tile_width must be a whole number of at least 1, got 0"):
        DownsampledImageProvider(level, tile_width=0, tile_height=8)
    with pytest.raises(ValueError, match="scale_factor is 1"):
        build_pyramid_levels(level, scale_factor=1)
    with pytest.raises(ValueError, match="min_size must be a whole number of at least 1, got 0"):
        build_pyramid_levels(level, min_size=0)


def test_a_function_that_sees_the_whole_image_sees_it_once():
    calls = []

    def flipped(image, rows, cols):
        calls.append(image.shape)
        return area_resample(image, rows, cols)[:, ::-1].copy()

    image = noise(60, 61, bands=2)
    level = DownsampledImageProvider(CountingImage(image), 2, flipped, 8, 8)

    np.testing.assert_array_equal(read_whole(level), area_resample(image, 30, 31)[:, ::-1])
    np.testing.assert_array_equal(level.get_block(0, 0, bands=[1]), level.get_block(0, 0)[[1]])
    assert calls == [(2, 60, 61)]
    large = LazyImage(None, rows=WHOLE_LIMIT // 64, cols=65)
    with pytest.raises(ValueError, match="does not say how far it looks"):
        DownsampledImageProvider(large, 2, flipped)


@pytest.mark.parametrize("function", [None, area_resample, all_of])
@pytest.mark.parametrize("cache", [None, TileCache(1 << 20)], ids=["", "cached"])
def test_blocks_that_are_set_later_are_in_all_levels(function, cache):
    image = BufferedImageAssetProvider.create("image", 64, 64, block_width=16, block_height=16)
    level = build_pyramid_levels(image, 16, 2, 16, 16, function, cache)[2]
    assert not level.has_block(0, 0)
    assert not level.get_block(0, 0).any()

    for value in (9, 77):
        image.set_full_image(np.full((1, 64, 64), value, np.uint8))
        assert level.has_block(0, 0)
        assert (level.get_block(0, 0) == value).all()


def test_resamplers_share_a_cache_without_getting_each_others_pixels():
    """D10: the key holds the function, the tile size, nodata and the source."""
    cache = TileCache()
    one, other = CountingImage(noise(64, 64, seed=1)), CountingImage(noise(64, 64, seed=2))
    makers = [
        partial(DownsampledImageProvider, source, 2, function, tile, tile, nodata=nodata)
        for source in (one, other)
        for function in (None, area_resample, partial(sips_rrds_resample, bit_depth=9))
        for tile in (16, 17)
        for nodata in (None, 7)
    ]

    for make in makers:
        for _ in range(2):
            np.testing.assert_array_equal(read_whole(make(cache=cache)), read_whole(make()))


def test_a_cached_block_is_made_once_for_all_that_are_alike():
    source = CountingImage(noise(64, 64, bands=2))
    cache = TileCache()
    for _ in range(3):
        level = DownsampledImageProvider(source, cache=cache, tile_width=32, tile_height=32)
        assert not level.get_block(0, 0).flags.writeable
        level.get_block(0, 0, bands=[1])

    assert source.reads == {(row, col): 1 for row in range(2) for col in range(2)}


def test_what_is_larger_than_is_held_at_once_is_made_in_halves(monkeypatch):
    image = noise(300, 333)
    monkeypatch.setattr("stacchip_osml.imagery.adapters.downsampled.PART_PIXELS", 1000)
    smaller = DownsampledImageProvider(CountingImage(image, (16, 16)), 2, tile_width=200, tile_height=200)

    np.testing.assert_array_equal(read_whole(smaller), whole_of(None, image, 2))


def test_a_pickled_one_gives_the_same_pixels():
    level = DownsampledImageProvider(CountingImage(noise(64, 64)), 4, area_resample, nodata=3)

    copy = pickle.loads(pickle.dumps(level))

    np.testing.assert_array_equal(read_whole(copy), read_whole(level))
    assert copy.key == level.key
