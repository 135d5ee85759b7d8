"""The decoded-block cache: bounded, single flight, honest about rows."""

import multiprocessing
import pickle
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.arena import Arena
from stacchip_osml.imagery.blocks.cache import BlockCache, Claim


def block(rows: int = 8, *, value: int = 0, cols: int = 8) -> np.ndarray:
    return np.full((1, rows, cols), value, np.uint8)


def claimed(cache: BlockCache, key: object, *, rows: int = 8, whole: int = 8) -> Claim:
    state, _, claim = cache.find(key, rows=rows, whole=whole)
    assert state == "claimed"
    assert claim is not None
    return claim


def test_a_block_is_claimed_once_then_held():
    cache = BlockCache()
    claim = claimed(cache, "a")

    assert cache.find("a", rows=8, whole=8).state == "busy"
    cache.deliver(claim, block(value=3))
    found = cache.find("a", rows=8, whole=8)

    assert found.state == "held"
    assert (found.block == 3).all()
    assert cache.counts == (1, 1, 1, 0)
    with pytest.raises(ValueError, match="read-only"):
        found.block[0, 0, 0] = 1


def first_rows(cache: BlockCache, key: object) -> int:
    """Ask for half of a block; gives the rows that are decoded for it."""
    claim = claimed(cache, key, rows=4)
    cache.deliver(claim, block(claim.rows))
    return claim.rows


def test_blocks_are_decoded_whole_where_the_rest_is_wanted_later_and_in_part_where_it_is_not():
    cache = BlockCache(20 * 64)
    assert first_rows(cache, "alone") == 4
    came = []
    for number in range(40):
        came.append(first_rows(cache, ("coherent", number)))
        state, _, claim = cache.find(("coherent", number), rows=8, whole=8)
        assert state == ("held" if came[-1] == 8 else "claimed")
        if claim is not None:
            cache.deliver(claim, block())
    went = [first_rows(cache, ("random", number)) for number in range(80)]

    assert came == sorted(came)
    assert came[:8] == [4] * 8
    assert came[15:] == [8] * 25
    assert went == sorted(went, reverse=True)
    assert went[0] == 8
    assert went[-20:] == [4] * 20


def test_whoever_needs_more_rows_than_are_held_decodes_all_of_them():
    cache = BlockCache()
    cache.deliver(claimed(cache, "a", rows=3), block(3, value=1))

    assert cache.find("a", rows=2, whole=8).state == "held"
    claim = claimed(cache, "a", rows=5)
    assert claim.rows == 8
    assert cache.find("a", rows=3, whole=8).state == "held"
    assert cache.find("a", rows=4, whole=8).claim is claim
    cache.deliver(claim, block(8, value=2))
    assert cache.find("a", rows=8, whole=8).state == "held"
    assert cache.held_bytes == 64


def test_whoever_needs_more_rows_than_are_being_decoded_does_not_wait():
    cache = BlockCache()
    few = claimed(cache, "a", rows=3)
    all_rows = claimed(cache, "a", rows=5)

    cache.deliver(all_rows, block(8, value=2))
    cache.deliver(few, block(3, value=1))  # late, and less than what is held: not kept

    held = cache.find("a", rows=8, whole=8).block
    assert held is not None
    assert (held == 2).all()


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 8)), max_size=80))
def test_the_bound_holds_and_the_least_recently_used_goes_first(asked):
    cache = BlockCache(256)  # four blocks of 64 bytes
    order: dict[int, int] = {}  # the model: key → rows, least recently used first
    extended = False
    for key, rows in asked:
        found = cache.find(key, rows=rows, whole=8)
        if key in order and order[key] >= rows:
            assert found.state == "held"
            order[key] = order.pop(key)
            continue
        assert found.claim is not None
        extended = extended or key in order
        # Which of the two is another test's; in part it always is as long as nobody has wanted more of a block.
        assert found.claim.rows == 8 or (key not in order and found.claim.rows == rows)
        assert extended or found.claim.rows == rows
        cache.deliver(found.claim, block(found.claim.rows))
        order.pop(key, None)
        order[key] = found.claim.rows
        while sum(order.values()) * 8 > 256:
            order.pop(next(iter(order)))

        assert cache.held_bytes == sum(order.values()) * 8 <= 256
        assert len(cache) == len(order)


def test_a_block_larger_than_its_share_is_not_kept_but_reaches_who_waits():
    cache = BlockCache(100)
    claim = claimed(cache, "a")
    waiting = cache.find("a", rows=8, whole=8).claim
    assert waiting is not None
    cache.deliver(claim, block(value=9))

    assert len(cache) == 0
    assert cache.held_bytes == 0
    assert (cache.wait(waiting) == 9).all()


def test_an_error_reaches_who_waits_and_is_not_kept():
    cache = BlockCache()
    claim = claimed(cache, "a")
    waiting = cache.find("a", rows=8, whole=8).claim
    assert waiting is not None
    cache.fail(claim, DecodeError("block (0, 0) is torn"))

    told = cache.wait(waiting)
    assert isinstance(told, DecodeError)
    assert cache.find("a", rows=8, whole=8).state == "claimed"


def test_an_abandoned_claim_lets_who_waits_ask_again():
    cache = BlockCache()
    claim = claimed(cache, "a")
    waiting = cache.find("a", rows=8, whole=8).claim
    assert waiting is not None
    cache.abandon(claim)

    assert cache.wait(waiting) is None
    cache.deliver(claimed(cache, "a"), block())
    cache.abandon(claim)  # without effect by now
    assert cache.find("a", rows=8, whole=8).state == "held"


def test_no_two_threads_decode_the_same_block():
    cache = BlockCache()
    decoded: list[int] = []
    wrong: list[int] = []

    def work(seed: int) -> None:
        for key in np.random.default_rng(seed).integers(0, 40, 200):
            state, held, claim = cache.find(int(key), rows=8, whole=8)
            if state == "claimed":
                decoded.append(int(key))
                time.sleep(0.0005)
                held = block(value=int(key))
                cache.deliver(claim, held)
            elif state == "busy":
                held = cache.wait(claim)
            if (held != key).any():
                wrong.append(int(key))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert sorted(decoded) == sorted(set(decoded))


def test_evicted_memory_returns_to_the_arena_when_its_last_reader_is_done():
    arena = Arena()
    cache = BlockCache(4 << 20, arena=arena)
    for key in range(5):
        held = arena.take((1, 1 << 10, 1 << 10), np.uint8)
        cache.deliver(claimed(cache, key, rows=1024, whole=1024), held)
        if key == 0:
            reader = held
        del held

    assert cache.counts.evictions == 1
    assert arena.free_bytes == 0
    del reader
    assert arena.free_bytes == 1 << 20
    cache.clear()
    assert (len(cache), cache.held_bytes) == (0, 0)
    assert arena.free_bytes == 5 << 20


def test_a_cache_travels_empty():
    cache = BlockCache(1000)
    cache.deliver(claimed(cache, "a"), block())

    copy = pickle.loads(pickle.dumps(cache))

    assert (copy.capacity, len(copy)) == (1000, 0)


def _child(cache: BlockCache, channel) -> None:
    channel.send((len(cache), cache.find("b", rows=8, whole=8).state))
    channel.close()


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_does_not_wait_for_its_parents_claims():
    cache = BlockCache()
    cache.deliver(claimed(cache, "a"), block())
    claim = claimed(cache, "b")
    ours, theirs = multiprocessing.Pipe()
    with cache._lock:
        child = multiprocessing.get_context("fork").Process(target=_child, args=(cache, theirs))
        child.start()

    assert ours.poll(120)
    assert ours.recv() == (0, "claimed")
    child.join()
    cache.deliver(claim, block())
    assert len(cache) == 2


def test_what_a_cache_says_it_holds_is_what_it_holds_however_threads_interleave():
    """Counting bytes and dropping blocks are several steps: without a lock they part within a few thousand turns."""
    cache = BlockCache(2000)

    def turn(seed: int) -> None:
        keys = np.random.default_rng(seed).integers(0, 60, 4000).tolist()
        for key in keys:
            found = cache.find(key, rows=8, whole=8)
            if found.state == "claimed":
                assert found.claim is not None
                cache.deliver(found.claim, block(8, value=key, cols=1 + key % 30))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=turn, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    held = [cache.find(key, rows=8, whole=8).block for key in range(60)]
    assert cache.held_bytes == sum(each.nbytes for each in held if each is not None) <= 2000
    counts = cache.counts
    assert counts.hits + counts.misses + counts.waits == 4 * 4000 + 60


def test_a_cache_knows_whether_blocks_are_asked_for_again():
    cache = BlockCache()
    assert not cache.is_asked_again

    def ask(keys):
        for key in keys:
            found = cache.find(key, rows=8, whole=8)
            if found.claim is not None:
                cache.deliver(found.claim, block())

    ask(range(300))
    assert not cache.is_asked_again
    ask(key for key in range(1000, 1200) for _ in range(4))
    assert cache.is_asked_again
    ask(range(2000, 2300))
    assert not cache.is_asked_again


def ask_quick(cache: BlockCache, keys) -> list[str]:
    """Ask for blocks that are quickly decoded, and deliver those that are claimed; gives what became of each."""
    states = []
    for key in keys:
        found = cache.find(key, rows=8, whole=8, is_quick=True)
        if found.state == "claimed":
            assert found.claim is not None
            cache.deliver(found.claim, block())
        states.append(found.state)
    return states


def full_cache(blocks: int = 20) -> BlockCache:
    """A cache that holds the first of many blocks, each asked for once."""
    cache = BlockCache(blocks * 64)
    states = ask_quick(cache, range(blocks * 10))
    assert states == sorted(states)  # claimed, then left
    assert states[-1] == "left"
    return cache


def test_a_full_cache_leaves_quick_blocks_that_nobody_asks_for_again_to_who_decodes_them():
    cache = full_cache()
    before = cache.counts

    assert ask_quick(cache, range(1000, 1040)) == ["left"] * 40
    assert len(cache) == 20
    assert cache.counts == before._replace(misses=before.misses + 40)
    cache.clear()
    assert ask_quick(cache, range(2000, 2020)) == ["claimed"] * 20


def test_blocks_that_take_long_are_always_kept():
    cache = full_cache()
    for number in range(1000, 1100):
        cache.deliver(claimed(cache, number), block())

    assert ask_quick(cache, range(1080, 1100)) == ["held"] * 20


def test_a_block_that_was_left_is_kept_when_it_is_asked_for_again():
    cache = full_cache()

    assert ask_quick(cache, [199, 199]) == ["claimed", "held"]
    assert ask_quick(cache, [170]) == ["left"]  # longer ago than a cache of this size would know


def test_where_blocks_are_asked_for_again_a_full_cache_keeps_them_all():
    cache = full_cache()
    came = [ask_quick(cache, [number] * 4) for number in range(1000, 1060)]

    assert came[0] == ["left", "claimed", "held", "held"]
    assert came[-20:] == [["claimed", "held", "held", "held"]] * 20


def test_blocks_asked_for_again_after_a_row_of_others_are_kept():
    cache = BlockCache(200 * 64)
    states = [ask_quick(cache, range(row, row + 180)) for start in range(0, 9000, 180) for row in (start, start)]

    assert states[::2] == [["claimed"] * 180] * 50
    assert states[1::2] == [["held"] * 180] * 50
