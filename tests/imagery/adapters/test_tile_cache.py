"""What a tile cache promises, and that no two images are ever mixed in one."""

import gc
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from provider_cases import Foreign, random_pixels

from stacchip_osml.errors import ReadError
from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    CachedImageProvider,
    MappedImageProvider,
    RetiledImageProvider,
    TileCache,
    read_window,
)
from stacchip_osml.imagery.adapters.identity import identity_of, token_of

WHOLE = (0, 0, 64, 64)


def test_the_callers_array_stays_writeable_and_a_later_write_does_not_change_the_cache():
    cache, tile = TileCache(1 << 20), np.ones((1, 8, 8), np.uint16)

    cache.put("key", tile)
    tile[...] = 9

    assert tile.flags.writeable
    held = cache.get("key")
    assert (held == 1).all()
    assert not np.shares_memory(held, tile)


def test_what_a_source_hands_out_of_its_own_memory_stays_its_own():
    class Own(Foreign):
        def get_block(self, row, col, resolution_level=0, bands=None):
            return self.pixels[:, row * 16 : row * 16 + 16, col * 16 : col * 16 + 16]

    source = Own(random_pixels((2, 64, 64)))
    before = source.pixels.copy()
    provider = CachedImageProvider(source, TileCache(1 << 20))

    first = provider.get_block(1, 1)
    source.pixels[...] = 0

    assert source.pixels.flags.writeable
    np.testing.assert_array_equal(first, before[:, 16:32, 16:32])
    np.testing.assert_array_equal(provider.get_block(1, 1), before[:, 16:32, 16:32])


def test_held_tiles_cannot_be_written_to_and_cannot_be_made_writeable():
    provider = CachedImageProvider(Foreign(random_pixels((1, 64, 64))), TileCache(1 << 20))
    for block in (provider.get_block(0, 0), provider.get_block(0, 0)):
        with pytest.raises(ValueError, match="read-only"):
            block[...] = 0
        with pytest.raises(ValueError, match="cannot set WRITEABLE"):
            block.flags.writeable = True


def test_concurrent_misses_decode_once():
    class Slow(Foreign):
        def get_block(self, row, col, resolution_level=0, bands=None):
            time.sleep(0.03)
            return super().get_block(row, col, resolution_level, bands)

    source = Slow(random_pixels((1, 32, 32)))
    cache = TileCache(1 << 20)
    stack = MappedImageProvider(RetiledImageProvider(source, 32, 32, cache=cache), np.negative, cache)
    start = threading.Barrier(8)

    def read(_):
        start.wait()
        return read_window(stack, (0, 0, 32, 32))

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read, range(8)))

    assert len(source.asked) == 4
    for result in results:
        np.testing.assert_array_equal(result, np.negative(source.pixels))


@pytest.mark.parametrize("error", [ReadError("no answer"), OSError("no answer"), ValueError("no answer")])
def test_an_error_is_not_kept_and_reaches_all_who_wait(error):
    class Ill(Foreign):
        ill = True

        def get_block(self, row, col, resolution_level=0, bands=None):
            self.asked.append((row, col, resolution_level, bands))
            if self.ill:
                all_wait.wait(60)
                raise error
            return super().get_block(row, col, resolution_level, bands)

    cache, all_wait = TileCache(1 << 20), threading.Event()
    source = Ill(random_pixels((1, 16, 16)))
    provider = MappedImageProvider(CachedImageProvider(source, cache), np.negative, cache)

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(provider.get_block, 0, 0) for _ in range(4)]
        while cache.counts.waits < 3:
            time.sleep(0.001)
        all_wait.set()
        assert [future.exception() for future in futures] == [error] * 4
    assert len(source.asked) == 1
    source.ill = False

    np.testing.assert_array_equal(provider.get_block(0, 0), np.negative(source.pixels))


def test_of_a_thread_that_is_interrupted_those_who_wait_hear_nothing_and_try_themselves():
    calls, all_wait, cache = [], threading.Event(), TileCache(1 << 10)

    def make():
        calls.append(threading.get_ident())
        if len(calls) == 1:
            all_wait.wait(60)
            raise KeyboardInterrupt
        return np.zeros((1, 2, 2), np.uint8)

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(cache.fetch, "key", make) for _ in range(3)]
        while cache.counts.waits < 2:
            time.sleep(0.001)
        all_wait.set()
        errors = [future.exception() for future in futures]

    assert [type(error) for error in errors if error] == [KeyboardInterrupt]
    assert len(calls) == 2


def test_a_cache_stays_within_its_bytes_and_the_least_recently_used_tile_goes_first():
    cache = TileCache(4096)
    for number in range(4):
        cache.put(number, np.full((1, 32, 32), number, np.uint8))
    cache.get(0)
    cache.put(4, np.full((1, 32, 32), 4, np.uint8))

    assert cache.current_bytes == 4096
    assert cache.get(1) is None
    assert cache.get(0) is not None
    cache.put("large", np.zeros((1, 64, 64), np.uint8))
    assert cache.get("large") is None
    cache.clear()
    assert (len(cache), cache.current_bytes) == (0, 0)


def test_a_provider_that_asks_for_the_block_it_is_making_does_not_wait_for_itself():
    cache = TileCache(1 << 20)
    source = Foreign(random_pixels((1, 32, 32)))
    twice = CachedImageProvider(CachedImageProvider(source, cache), cache)

    class Again(CachedImageProvider):
        """Says that it has its source's pixels, as a careless wrapper does."""

        @property
        def pixel_identity(self):
            return identity_of(self.source)

    for provider in (twice, Again(Again(source, cache), cache)):
        cache.clear()
        np.testing.assert_array_equal(read_window(provider, (0, 0, 32, 32)), source.pixels)


@pytest.mark.parametrize("wrap", [CachedImageProvider, lambda s, c: RetiledImageProvider(s, 24, 24, cache=c)])
def test_two_sources_of_one_key_that_share_a_cache_never_mix(wrap):
    one, other = Foreign(random_pixels((2, 64, 64), seed=1)), Foreign(random_pixels((2, 64, 64), seed=2))
    cache = TileCache(1 << 20)
    assert one.key == other.key

    for _ in range(2):
        for source in (one, other):
            np.testing.assert_array_equal(read_window(wrap(source, cache), WHOLE), source.pixels)


def test_two_functions_of_one_name_that_share_a_cache_never_mix():
    source, cache = Foreign(random_pixels((2, 64, 64))), TileCache(1 << 20)
    functions = [lambda pixels, k=k: (pixels + k).astype(np.uint16) for k in (1, 2)]
    for _ in range(2):
        for k, function in enumerate(functions, 1):
            provider = MappedImageProvider(source, function, cache, name="complex_remap")
            np.testing.assert_array_equal(read_window(provider, WHOLE), source.pixels + k)


@pytest.mark.parametrize(
    "settings",
    [
        [{"tile_width": 24}, {"tile_width": 32}],
        [{"tile_width": 48, "pad_edges": False}, {"tile_width": 48, "pad_edges": True}],
    ],
)
def test_every_setting_of_a_retiled_provider_is_in_the_key(settings):
    source, cache = Foreign(random_pixels((1, 64, 64))), TileCache(1 << 20)
    for _ in range(2):
        for setting in settings:
            provider = RetiledImageProvider(source, tile_height=48, cache=cache, **setting)
            alone = RetiledImageProvider(source, tile_height=48, **setting)
            for row in range(provider.block_grid_size[0]):
                for col in range(provider.block_grid_size[1]):
                    np.testing.assert_array_equal(provider.get_block(row, col), alone.get_block(row, col))


def test_an_image_that_is_replaced_at_its_place_in_memory_is_another_image():
    cache = TileCache(1 << 20)
    for seed in range(12):
        source = Foreign(random_pixels((1, 16, 16), seed=seed))
        np.testing.assert_array_equal(CachedImageProvider(source, cache).get_block(0, 0), source.pixels)
        del source
        gc.collect()


def test_an_object_that_cannot_be_observed_is_itself_as_long_as_its_token_lives():
    token = token_of((1, 2))

    assert token == token_of(token.thing)
    assert token != token_of((1, 3))
    assert hash(token) == hash(token_of(token.thing))


def test_who_passes_everything_on_but_the_pixels_does_not_share_the_sources_tiles():
    inner = BufferedImageAssetProvider.from_array(random_pixels((1, 32, 32)), block_width=16, block_height=16)

    class Brighter:
        def __init__(self, source):
            self._source = source

        def __getattr__(self, name):
            return getattr(self.__dict__["_source"], name)

        def get_block(self, *args, **kwargs):
            return self._source.get_block(*args, **kwargs) + np.uint16(1)

    class Darker(CachedImageProvider):
        def get_block(self, *args, **kwargs):
            return super().get_block(*args, **kwargs) - np.uint16(1)

    cache = TileCache(1 << 20)
    plain = read_window(CachedImageProvider(inner, cache), (0, 0, 32, 32))

    for other, change in ((Brighter(inner), 1), (Darker(inner, cache), -1)):
        got = read_window(CachedImageProvider(other, cache), (0, 0, 32, 32))
        np.testing.assert_array_equal(got, (plain.astype(int) + change).astype(np.uint16))


def test_a_block_that_is_set_anew_is_not_hidden_by_a_cache():
    source = BufferedImageAssetProvider.create("image", 32, 32, 1, 16, 16, "uint8")
    provider = MappedImageProvider(CachedImageProvider(source, TileCache(1 << 20)), np.invert, TileCache(1 << 20))
    for value in (3, 4):
        source.set_block(0, 0, np.full((1, 16, 16), value, np.uint8))
        assert (provider.get_block(0, 0) == 255 - value).all()


def test_bands_are_taken_from_the_whole_block_where_it_is_held():
    source = Foreign(random_pixels((3, 16, 16)))
    provider = CachedImageProvider(source, TileCache(1 << 20))

    provider.get_block(0, 0)
    np.testing.assert_array_equal(provider.get_block(0, 0, bands=(2, 1)), source.pixels[[2, 1]])
    np.testing.assert_array_equal(provider.get_block(0, 0, bands=(0, 1, 2)), source.pixels)

    assert len(source.asked) == 1


@pytest.mark.parametrize(("tile", "blocks"), [(48, 16), (10, 16), (16, 16), (64, 16)])
def test_each_source_block_is_read_once_whatever_the_tiles(tile, blocks):
    source = Foreign(random_pixels((1, 64, 64)), (blocks, blocks))
    provider = RetiledImageProvider(source, tile, tile, cache=TileCache(1 << 20))
    for _ in range(2):
        np.testing.assert_array_equal(read_window(provider, WHOLE), source.pixels)

    assert len(source.asked) == (64 // blocks) ** 2


def test_a_cache_comes_out_of_a_pickle_empty_and_is_still_shared():
    cache = TileCache(1 << 20)
    source = BufferedImageAssetProvider.from_array(random_pixels((1, 64, 64)))
    pair = CachedImageProvider(source, cache), RetiledImageProvider(source, 32, 32, cache=cache)
    pair[0].get_block(0, 0)

    one, other = pickle.loads(pickle.dumps(pair))

    assert one.cache is other.cache
    assert (one.cache.max_bytes, len(one.cache)) == (1 << 20, 0)
    assert identity_of(one.source) != identity_of(source)
    np.testing.assert_array_equal(one.get_block(0, 0), other.source.get_block(0, 0))


def test_a_cache_of_negative_size_is_refused():
    with pytest.raises(ValueError, match=r"max_bytes must be .* got -1"):
        TileCache(-1)
