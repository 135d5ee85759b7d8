"""The decoded store: the pixels that were put in, or none, whatever happens to its writers and its disk."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stacchip_osml.errors import LimitError, ReadError, WindowError
from stacchip_osml.load import slot_file
from stacchip_osml.load.decoded_store import DecodedStore

SHAPE = (3, 20, 24)
ROOM = 1 << 20


def key(number):
    return number.to_bytes(16, "big")


def chips(numbers, *, seed=0, dtype="uint16"):
    """Pixels that say which chip they are, masks of all three kinds."""
    pixels = np.stack([np.random.default_rng((seed, n)).integers(0, 60_000, SHAPE) for n in numbers]).astype(dtype)
    mask = np.stack([[np.ones(SHAPE), np.zeros(SHAPE), pixels[0].real > 30_000][n % 3].astype(bool) for n in numbers])
    return pixels, mask, np.array([n % 3 != 1 for n in numbers])


def fill(store, numbers):
    pixels, mask, present = chips(numbers)
    store.put([key(n) for n in numbers], pixels, mask, present, band_names=("r", "g", "b"))


def check(store, numbers):
    """Every chip that the store has is right; give their number."""
    found = store.find([key(n) for n in numbers])
    held = [n for n, place in zip(numbers, found, strict=True) if place is not None]
    if held:
        got = store.read([place for place in found if place is not None])
        pixels, _, present = chips(held)
        np.testing.assert_array_equal(got.pixels, pixels)
        np.testing.assert_array_equal(got.present, present)
    return len(held)


@pytest.fixture(params=["memory", "file"])
def store(request, tmp_path):
    made = DecodedStore(ROOM, None if request.param == "memory" else tmp_path / "store")
    yield made
    made.close()


def test_chips_come_back_as_they_were_put(store):
    numbers = list(range(12))
    pixels, mask, present = chips(numbers)
    store.put([key(n) for n in numbers], pixels, mask, present, band_names=("r", "g", "b"))
    found = store.find([key(n) for n in reversed(numbers)])
    got = store.read(found)

    np.testing.assert_array_equal(got.pixels, pixels[::-1])
    np.testing.assert_array_equal(got.mask, mask[::-1])
    np.testing.assert_array_equal(got.present, present[::-1])
    assert got.pixels.dtype == pixels.dtype
    assert store.band_names == ("r", "g", "b")
    assert len(store) == 12
    assert store.counts == (12, 0, 12, 0)


def test_chips_that_are_all_valid_need_no_mask(store):
    fill(store, [0, 3, 1])

    assert store.read(store.find([key(0), key(3)])).mask is None
    assert store.read(store.find([key(0), key(1)])).mask.any(axis=(1, 2, 3)).tolist() == [True, False]
    assert store.read(store.find([key(0), key(1)]), want_mask=False).mask is None


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32", "float64", "complex64", ">i4"])
def test_every_type_is_kept_to_the_bit(dtype):
    pixels, mask, present = chips([0, 2], dtype=dtype)
    store = DecodedStore(ROOM)
    store.put([key(0), key(2)], pixels, mask, present)
    got = store.read(store.find([key(0), key(2)]))

    assert got.pixels.dtype == pixels.dtype
    assert got.pixels.tobytes() == pixels.tobytes()


def test_what_has_no_key_or_was_never_put_is_not_found(store):
    pixels, mask, present = chips([0, 1])
    assert store.find([key(0), None]) == [None, None]
    store.put([None, key(1)], pixels, mask, present)

    assert [place is None for place in store.find([key(0), key(1), None])] == [True, False, True]
    assert len(store) == 1


def test_a_store_is_filled_to_its_budget_and_then_serves_what_it_has(tmp_path):
    store = DecodedStore(10 * 4096, tmp_path / "store")
    fill(store, list(range(20)))

    assert store.capacity == len(store) == 7
    assert (tmp_path / "store").stat().st_size <= 10 * 4096
    assert store.counts.full == 13
    assert check(store, list(range(20))) == 7


def test_a_file_is_there_for_the_next_run(tmp_path):
    first = DecodedStore(ROOM, tmp_path / "store")
    fill(first, [1, 2, 3])
    first.close()
    second = DecodedStore(ROOM, tmp_path / "store")

    assert check(second, [0, 1, 2, 3]) == 3
    assert second.band_names == ("r", "g", "b")


def start_machine_anew(monkeypatch):
    monkeypatch.setattr(slot_file, "_boot_id", lambda: b"another start".ljust(36))


def test_after_a_restart_of_the_machine_only_flushed_chips_are_believed(tmp_path, monkeypatch):
    store = DecodedStore(ROOM, tmp_path / "store")
    fill(store, [0, 1])
    store.flush()
    fill(store, [2, 3])
    store.close()
    start_machine_anew(monkeypatch)
    again = DecodedStore(ROOM, tmp_path / "store")

    assert check(again, [0, 1, 2, 3]) == 2
    fill(again, [2, 3, 4])
    assert check(again, [0, 1, 2, 3, 4]) == 5
    assert len(again) == 5


def test_a_slot_that_was_lost_between_flushed_ones_stays_lost(tmp_path, monkeypatch):
    store = DecodedStore(ROOM, tmp_path / "store")
    fill(store, [0])
    (lost,) = store._file.claim(1)
    fill(store, [1])
    store.flush()
    store.close()
    start_machine_anew(monkeypatch)
    again = DecodedStore(ROOM, tmp_path / "store")

    assert lost == 1
    assert check(again, [0, 1]) == 2
    assert again._file._pending == []


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("kind", ["memory", "file"])
def test_processes_share_one_store(tmp_path, method, kind):
    store = DecodedStore(4 << 20, None if kind == "memory" else tmp_path / "store")
    fill(store, [900])
    context = multiprocessing.get_context(method)
    crew = [context.Process(target=fill_some, args=(store, range(first, 60, 2))) for first in (0, 1)]
    for process in crew:
        process.start()
    for process in crew:
        process.join()

    assert [process.exitcode for process in crew] == [0, 0]
    assert check(store, list(range(60))) == 60
    assert len(store) == 61


def fill_some(store, numbers):
    assert check(store, [900]) == 1
    for number in numbers:
        fill(store, [number])
        assert check(store, [number]) == 1


def test_threads_share_one_store():
    store = DecodedStore(4 << 20)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda first: fill_some_threaded(store, first), range(8)))

    assert check(store, list(range(80))) == 80
    assert store._file.find([b"none of them    "]) == [None]  # looks at what was not yet written a moment ago
    assert store._file._pending == []


def fill_some_threaded(store, first):
    for number in range(first, 80, 8):
        fill(store, [number])
        check(store, list(range(80)))


KILLED = """
import sys
sys.path.insert(0, sys.argv[2])
from test_decoded_store import DecodedStore, fill
store = DecodedStore(64 << 20, sys.argv[1])
fill(store, [int(sys.argv[3])])
print("begun", flush=True)
number = int(sys.argv[3])
while True:
    number += 1
    fill(store, [number])
"""


def test_writers_that_are_killed_leave_no_wrong_pixels(tmp_path):
    path, here = tmp_path / "store", str(Path(__file__).parent)
    for round_ in range(6):
        first = 10_000 * round_
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), here, str(first)], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "begun\n"
        time.sleep(0.01 + 0.013 * round_)
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        store = DecodedStore(64 << 20, path)
        for begin in range(0, first + 1, 10_000):
            assert check(store, list(range(begin, begin + 200))) > 0
        store.close()


def test_a_slot_written_half_is_not_found(store):
    fill(store, [0])
    pixels, _, _ = chips([1])
    (slot,) = store._file.claim(1)
    store._file.write(slot, [pixels[0].reshape(-1).view(np.uint8)[:100]])

    assert store.find([key(1)]) == [None]


def test_an_entry_written_half_is_not_believed(tmp_path):
    store = DecodedStore(ROOM, tmp_path / "store")
    fill(store, [0, 2])
    with (tmp_path / "store").open("r+b") as file:
        file.seek(4096 + 32)
        entry = file.read(32)
        for cut in range(1, 24):
            file.seek(4096 + 32)
            file.write(entry[:cut] + bytes(32 - cut))
            file.flush()
            assert [at is None for at in DecodedStore(ROOM, tmp_path / "store").find([key(0), key(2)])] == [False, True]


def test_a_file_cut_short_is_an_error_and_no_crash(tmp_path):
    store = DecodedStore(ROOM, tmp_path / "store")
    fill(store, [0, 2, 3])
    found = store.find([key(0), key(2), key(3)])
    os.truncate(tmp_path / "store", (tmp_path / "store").stat().st_size // 2)
    store.read(found[:1])
    os.truncate(tmp_path / "store", 3 * 4096)

    with pytest.raises(ReadError, match=r"ends after \d+ of 2880 bytes; the file was cut short"):
        store.read(found)
    with pytest.raises(ReadError, match="the store was cut short, expected"):
        DecodedStore(ROOM, tmp_path / "store")


def test_a_full_disk_is_told_before_anything_is_stored(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    store = DecodedStore(ROOM, tmp_path / "store")
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(LimitError, match=r"no room for \d+ bytes: No space left"):
        fill(store, [0])
    assert (tmp_path / "store").stat().st_size == 0
    monkeypatch.undo()
    fill(store, [0])
    assert check(store, [0]) == 1


def test_a_chip_that_finds_no_room_on_the_disk_is_not_published(tmp_path):
    """A real limit on the size of files: the write fails as on a full disk."""
    code = """
import resource, signal, sys
sys.path.insert(0, sys.argv[2])
from test_decoded_store import ROOM, DecodedStore, LimitError, check, fill
store = DecodedStore(ROOM, sys.argv[1])
fill(store, [0])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (16384, 16384))
try:
    fill(store, [2, 3, 4, 5, 6])
except LimitError as error:
    print(error)
print(check(store, range(9)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "store"), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    message, count = done.stdout.splitlines()

    assert "no room to write a chip: File too large" in message
    assert 1 <= int(count) < 6


def test_what_is_not_such_a_store_is_left_alone(tmp_path):
    (tmp_path / "image.tif").write_bytes(b"II*\0" + bytes(9000))
    with pytest.raises(ReadError, match=r"image\.tif: not a store of decoded chips"):
        DecodedStore(ROOM, tmp_path / "image.tif")
    with pytest.raises(ReadError, match="Is a directory"):
        DecodedStore(ROOM, tmp_path)
    fill(DecodedStore(ROOM, tmp_path / "store"), [0])
    with pytest.raises(LimitError, match="the budget is 9000"):
        DecodedStore(9000, tmp_path / "store")
    with (tmp_path / "store").open("r+b") as file:
        file.seek(40)
        file.write(b"??")
    with pytest.raises(ReadError, match="the head of the store is damaged"):
        DecodedStore(ROOM, tmp_path / "store")


def test_a_store_holds_chips_of_one_shape_and_type(store):
    fill(store, [0])
    pixels, mask, present = chips([1])
    with pytest.raises(WindowError, match=r"holds chips of .*<u2.* and not of .*<f4"):
        store.put([key(1)], pixels.astype("float32"), mask, present, band_names=("r", "g", "b"))
    with pytest.raises(WindowError, match=r"holds chips of .*24\].* and not of .*12\]"):
        store.put([key(1)], pixels[..., :12], mask[..., :12], present, band_names=("r", "g", "b"))


def test_a_budget_too_small_for_a_chip_is_refused():
    with pytest.raises(LimitError, match="9000 bytes hold no chip of 4096 bytes"):
        fill(DecodedStore(9000), [0])


def test_a_store_pickles_as_its_place(tmp_path):
    store = DecodedStore(ROOM, tmp_path / "store")
    fill(store, [5])

    assert check(pickle.loads(pickle.dumps(store)), [5]) == 1
    assert repr(store) == f"DecodedStore(1 of {store.capacity} chips, {ROOM} bytes, {tmp_path / 'store'})"
    assert "memory" in repr(DecodedStore(ROOM))
