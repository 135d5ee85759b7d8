"""Memory comes back to the arena when the last array on it is gone, and not before."""

import gc
import multiprocessing
import os
import pickle
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.imagery.blocks.arena import Arena, default_arena

SHAPE = (4, 256, 256)


def address(array: np.ndarray) -> int:
    return array.__array_interface__["data"][0]


def test_memory_is_used_again_once_the_array_is_gone():
    arena = Arena()
    first = arena.take(SHAPE, np.uint16)
    place = address(first)
    del first

    second = arena.take(SHAPE, np.int16)

    assert address(second) == place
    assert (second.shape, second.dtype) == (SHAPE, np.int16)
    assert second.flags.c_contiguous
    assert second.flags.writeable


@pytest.mark.parametrize(
    "derive",
    [
        lambda array: array[1, 3:5, ::2],
        lambda array: array.view(np.uint8).T,
        lambda array: array.reshape(-1)[5:6][0:1].view(np.int16),
        memoryview,
        lambda array: np.asarray(memoryview(array)[1:2]),
        lambda array: pytest.importorskip("torch").from_numpy(array)[2, 3],
    ],
    ids=["slice", "view of another type", "view of a view", "memoryview", "array of a memoryview", "tensor"],
)
def test_memory_stays_lent_while_anything_made_on_it_lives(derive):
    arena = Arena()
    array = arena.take(SHAPE, np.uint16)
    place = address(array)
    derived = derive(array)
    del array
    gc.collect()

    other = arena.take(SHAPE, np.uint16)

    assert arena.free_bytes == 0
    assert address(other) != place
    del derived
    assert arena.free_bytes >= 4 * 256 * 256 * 2


def test_a_copy_does_not_keep_memory_lent():
    arena = Arena()
    array = arena.take(SHAPE, np.uint16)
    array[...] = 7
    kept = (array.copy(), pickle.loads(pickle.dumps(array)))
    del array

    assert arena.free_bytes > 0
    assert all((copy == 7).all() for copy in kept)


def test_what_waits_is_bounded_and_the_oldest_goes_first():
    arena = Arena(3 << 20)
    large = arena.take((1 << 21,), np.uint8)
    small = arena.take((1 << 20,), np.uint8)
    more = arena.take((1 << 20,), np.uint8)
    kept = {address(small), address(more)}
    del large
    del small
    del more

    assert arena.free_bytes == 1 << 21
    assert {address(array) for array in [arena.take((1 << 20,), np.uint8) for _ in range(2)]} == kept
    arena.clear()
    assert arena.free_bytes == 0


def test_small_arrays_are_numpys_own():
    array = Arena().take((3, 5), np.float32)

    assert array.base is None


def test_python_objects_are_refused():
    with pytest.raises(TypeError, match="for numbers"):
        Arena().take((1 << 14,), object)


@given(st.lists(st.tuples(st.integers(1, 300), st.sampled_from(["u1", "<f4", "<c16", "?"])), min_size=2, max_size=12))
def test_arrays_that_live_together_never_share_memory(wanted):
    arena = Arena()
    for _ in range(2):
        arrays = [arena.take((side, 300), dtype) for side, dtype in wanted]
        for number, array in enumerate(arrays):
            array[...] = number % 2 if array.dtype == bool else number

        for number, array in enumerate(arrays):
            assert (array == (number % 2 if array.dtype == bool else number)).all()
            assert array.dtype == np.dtype(wanted[number][1])
        del arrays, array


def test_threads_take_and_drop_each_others_arrays():
    arena = Arena(8 << 20)
    passed: list[np.ndarray] = []
    wrong: list[int] = []

    def work(number: int) -> None:
        for turn in range(300):
            array = arena.take((128, 1 << 10), np.uint8)
            array[...] = number
            passed.append(array)
            if (array != number).any():
                wrong.append(turn)
            del array
            passed.pop(0)  # somebody's: its memory comes back from this thread

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    passed.clear()

    assert wrong == []
    assert 0 < arena.free_bytes <= 8 << 20


def test_an_array_may_end_while_the_arena_is_at_work():
    arena = Arena()
    array = arena.take(SHAPE, np.uint16)
    with arena._lock:  # as when a garbage collection runs inside the arena's own allocation
        del array

    assert arena.free_bytes > 0


def _child(arena: Arena, lent: np.ndarray, channel) -> None:
    before = arena.free_bytes
    lent[...] = 2
    del lent
    fresh = arena.take(SHAPE, np.uint16)
    fresh[...] = 3
    channel.send((before, int(fresh.max())))
    channel.close()
    os._exit(0)


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_starts_with_an_empty_arena_and_leaves_its_parents_alone():
    arena = Arena()
    lent = arena.take(SHAPE, np.uint16)
    lent[...] = 1
    waiting = arena.take(SHAPE, np.uint16)
    del waiting
    ours, theirs = multiprocessing.Pipe()
    arena._lock.acquire()  # as if another thread had held it during the fork
    child = multiprocessing.get_context("fork").Process(target=_child, args=(arena, lent, theirs))
    child.start()
    arena._lock.release()

    assert ours.poll(20)
    assert ours.recv() == (0, 3)
    child.join()
    assert (lent == 1).all()
    assert arena.free_bytes > 0


def test_the_process_has_one_arena():
    assert default_arena() is default_arena()
