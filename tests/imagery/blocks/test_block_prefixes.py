"""Blocks that a cache holds in part: their first rows are never taken for all of them, whoever asks, and when."""

import threading
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from block_files import write_tiff
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stacchip_osml.imagery.blocks import batch
from stacchip_osml.imagery.blocks.arena import Arena, default_arena
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

SIDE, BLOCK = 256, 128
BLOCK_BYTES = 3 * BLOCK * BLOCK * 2
ROOMY, TIGHT = 64 * BLOCK_BYTES, int(4.5 * BLOCK_BYTES)
WAYS = {
    "deflate, predictor 2": {"compress": "deflate", "predictor": 2, "interleave": "pixel"},
    "deflate, bands apart": {"compress": "deflate", "interleave": "band"},
    "zstd": {"compress": "zstd", "predictor": 2, "interleave": "pixel"},
    "lzw": {"compress": "lzw", "interleave": "pixel"},
}
LARGE = [way for way in WAYS if "apart" not in way]
"""Whose blocks are large enough for an arena to lend their memory."""
TOPS = (0, 1, 20, 63, 64, 100, 127)
"""Rows of a block that are wanted, at most, one after the other."""


@pytest.fixture(scope="module", params=WAYS)
def stored(request, tmp_path_factory):
    """An image of four blocks, and what it holds: no row like another."""
    rng = np.random.default_rng(1)
    pixels = (np.arange(SIDE)[:, None] * 200 + rng.integers(0, 90, (3, SIDE, SIDE))).astype(np.uint16)
    path = tmp_path_factory.mktemp("prefixes") / "a.tif"
    blocks = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK}
    return BlockImage(write_tiff(path, pixels, **blocks, **WAYS[request.param])), pixels


def read(image, cache, windows, threads=1):
    found = read_windows([WindowRead(image, window) for window in windows], threads=threads, cache=cache)
    return [each.pixels for each in found]


def require_true(pixels, windows, found):
    for (x, y, width, height), part in zip(windows, found, strict=True):
        np.testing.assert_array_equal(part, pixels[:, y : y + height, x : x + width])


def rows_down_to(last):
    """A few rows that end with ``last``, across both columns of blocks."""
    return PixelWindow(5, max(last - 9, 0), SIDE - 9, min(last, 9) + 1)


@pytest.mark.parametrize("capacity", [ROOMY, TIGHT])
@pytest.mark.parametrize("order", ["top first", "bottom first", "from both ends", "top and bottom in turns"])
def test_rows_are_those_stored_in_whatever_order_they_are_asked_for(stored, order, capacity):
    image, pixels = stored
    rows = [base + top for base in (0, BLOCK) for top in TOPS]
    rows = {
        "top first": rows,
        "bottom first": rows[::-1],
        "from both ends": [row for pair in zip(rows, rows[::-1], strict=True) for row in pair],
        "top and bottom in turns": [row for top in rows for row in (top, SIDE - 1, 0)],
    }[order]
    cache = BlockCache(capacity, arena=Arena())
    for row in rows:
        window = rows_down_to(row)
        require_true(pixels, [window], read(image, cache, [window]))
        assert cache.held_bytes <= capacity
        assert cache.held_bytes == sum(held.block.nbytes for held in cache._held.values())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(data=st.data())
def test_any_windows_in_any_batches_give_what_is_stored(stored, data):
    image, pixels = stored
    cache = BlockCache(data.draw(st.sampled_from([ROOMY, TIGHT, 0])))
    for _ in range(data.draw(st.integers(1, 6))):
        windows = []
        for _ in range(data.draw(st.integers(1, 3))):
            x, y = data.draw(st.integers(0, SIDE - 1)), data.draw(st.integers(0, SIDE - 1))
            sides = data.draw(st.integers(1, SIDE - x)), data.draw(st.integers(1, SIDE - y))
            windows.append(PixelWindow(x, y, *sides))
        require_true(pixels, windows, read(image, cache, windows, threads=data.draw(st.integers(1, 3))))


def watch(monkeypatch: pytest.MonkeyPatch, noted: Callable[[bytes, int], None]) -> None:
    """Note the stream and the rows of every block that is decoded, whatever becomes of its differences."""
    for name in ("decode_block", "decode_differences", "decode_sums"):
        real = getattr(batch, name)

        def decode(codec, data, *, rows, real=real, **how):
            noted(data, rows)
            return real(codec, data, rows=rows, **how)

        monkeypatch.setattr(batch, name, decode)


@pytest.mark.parametrize("capacity", [ROOMY, TIGHT])
def test_threads_that_want_few_rows_and_many_at_once_get_theirs(stored, monkeypatch, capacity):
    image, pixels = stored
    cache, wrong, over = BlockCache(capacity), [], []
    decoded: Counter[int] = Counter()

    def noted(data, rows):
        decoded[hash(bytes(data))] += 1

    watch(monkeypatch, noted)
    start = threading.Barrier(8)

    def work(seed):
        rng = np.random.default_rng(seed)
        start.wait()
        for row in rng.permutation([base + top for base in (0, BLOCK) for top in TOPS]).tolist():
            window = rows_down_to(row)
            (part,) = read(image, cache, [window], threads=int(rng.integers(1, 3)))
            x, y, width, height = window
            if not np.array_equal(part, pixels[:, y : y + height, x : x + width]):
                wrong.append(window)
            if cache.held_bytes > capacity:
                over.append(cache.held_bytes)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert over == []
    if capacity == ROOMY:
        assert max(decoded.values()) <= 2  # some rows, then all of them


def test_a_block_is_decoded_in_part_then_whole_and_never_again(stored, monkeypatch):
    image, pixels = stored
    came = []
    watch(monkeypatch, lambda data, rows: came.append(rows))
    cache = BlockCache()
    for top in (20, 10, 63, 100, 127, 20):
        window = PixelWindow(0, 0, BLOCK, top + 1)
        require_true(pixels, [window], read(image, cache, [window]))

    planes = len(came) // 2
    assert came == [21] * planes + [BLOCK] * planes


@pytest.mark.parametrize("stored", LARGE, indirect=True)
def test_memory_of_a_cache_that_is_gone_serves_the_next(stored):
    image, _ = stored
    arena = Arena()
    for _ in range(3):
        cache = BlockCache(arena=arena)
        read(image, cache, [PixelWindow(0, 0, SIDE, SIDE)])
        held = {each.block.__array_interface__["data"][0] for each in cache._held.values()}
        assert len(held) == len(cache) > 0
        del cache
        assert arena.free_bytes >= len(held) * BLOCK_BYTES
    again = BlockCache(arena=arena)
    read(image, again, [PixelWindow(0, 0, SIDE, SIDE)])

    assert {each.block.__array_interface__["data"][0] for each in again._held.values()} == held


def test_caches_of_a_process_share_one_memory():
    assert BlockCache().arena is default_arena() is BlockCache().arena
