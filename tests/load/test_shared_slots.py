"""Memory that a loader and its workers share."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from stacchip_osml.load.shared_slots import SlotMap, SlotPool, offsets_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no such memory elsewhere")


def pool_of(size, most=2):
    pool = SlotPool(most)
    pool.need(size)
    return pool


def test_what_a_worker_writes_is_what_the_consumer_reads():
    pool = pool_of(4096)
    slot = pool.take()
    SlotMap().bytes_of(slot)[64:128] = np.arange(64, dtype=np.uint8)
    lent = pool.lend(slot).array(64, (4, 8), np.uint16)

    assert lent.tobytes() == bytes(range(64))
    assert lent.flags.writeable


def test_there_are_no_slots_until_their_size_is_known():
    assert SlotPool(2).take() is None


def test_a_slot_serves_again_when_the_last_array_in_it_is_gone():
    pool = pool_of(4096, most=1)
    slot = pool.take()
    lease = pool.lend(slot)
    one, two = lease.array(0, (8,), np.uint8), lease.array(8, (8,), np.uint8)[2:]
    del lease, one
    assert pool.take() is None
    del two
    assert pool.take() == slot


def test_there_are_no_more_slots_than_agreed():
    pool = pool_of(4096, most=2)
    taken = [pool.take(), pool.take()]

    assert None not in taken
    assert pool.take() is None


def test_slots_of_tasks_that_nobody_waits_for_come_back_but_not_those_of_consumers():
    pool = pool_of(4096, most=2)
    waiting, kept = pool.take(), pool.take()
    lease = pool.lend(kept)
    pool.recover()

    assert pool.take() == waiting
    assert pool.take() is None
    del lease


def test_slots_that_are_too_small_make_way_for_larger_ones():
    pool = pool_of(4096, most=1)
    small = pool.take()
    lease = pool.lend(small)
    pool.need(8192)
    assert pool.take() is None
    del lease
    large = pool.take()

    assert large.size == 8192
    assert large.serial != small.serial


def test_a_worker_tells_a_new_slot_from_an_old_one_of_the_same_path():
    known = SlotMap()
    first = pool_of(4096, most=1).take()
    assert known.bytes_of(first) is None  # its pool is gone, and so is its file
    pool = pool_of(4096, most=1)
    slot = pool.take()
    assert len(known.bytes_of(slot)) == 4096
    assert known.bytes_of(slot._replace(serial=7, size=64)) is None
    assert known.bytes_of(slot._replace(path=f"/proc/{os.getpid()}/fd/99999")) is None


def test_no_array_reaches_beyond_its_slot():
    pool = pool_of(4096)
    lease = pool.lend(pool.take())

    with pytest.raises(ValueError, match="bytes 4000 to 4128 of a slot of 4096"):
        lease.array(4000, (16,), np.float64)


def test_descriptors_and_memory_go_with_the_pool():
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        pool = pool_of(1 << 20)
        lent = pool.lend(pool.take()).array(0, (1 << 20,), np.uint8)
        lent[:] = 1
    del pool
    lent += 1  # still its own, though the pool is gone
    assert (lent == 2).all()
    del lent

    assert len(list(Path("/proc/self/fd").iterdir())) <= before


def test_arrays_are_laid_one_behind_the_other_at_cache_lines():
    assert offsets_of([1, 64, 65, 0]) == ([0, 64, 128, 256], 256)
