"""Chips one after the other: the ones that are cut alone, in order, on all threads, each with its own fault."""

import os
import threading
import time

import numpy as np
import pytest
import rasterio

from stacchip_osml import Chipper, Indexer, merge
from stacchip_osml.errors import AssetMissing, ChainError, DecodeError, EncodeError
from stacchip_osml.imagery import turns
from stacchip_osml.load import each as each_module
from stacchip_osml.load.cut import Cutter


def write(path, *, size=(200, 150), dtype="uint16", count=1, seed=0):
    pixels = np.random.default_rng(seed).integers(1, 255, (count, size[1], size[0])).astype(dtype)
    profile = {"driver": "GTiff", "count": count, "dtype": dtype, "width": size[0], "height": size[1], "tiled": True}
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    with rasterio.open(path, "w", blockxsize=64, blockysize=64, compress="deflate", **profile, **place) as file:
        file.write(pixels)
    return path


def working():
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("stacchip-ahead")]


@pytest.fixture
def mixed(tmp_path):
    """Index files of several types, sizes and bands, their rows in disorder."""
    paths = [
        write(tmp_path / "a.tif"),
        write(tmp_path / "b.tif", seed=1),
        write(tmp_path / "c.tif", dtype="uint8", count=3),
        write(tmp_path / "d.tif", dtype="float32", size=(80, 80)),
    ]
    whole = merge(*(Indexer(path, 64, edges="partial").create_index() for path in paths))
    return Chipper(whole), np.random.default_rng(0).permutation(len(whole))


@pytest.mark.parametrize("rows", [1, 7, 32])
@pytest.mark.parametrize("kind", ["geotiff", "nitf"])
def test_files_are_those_of_chips_cut_alone_in_the_order_asked_for(mixed, monkeypatch, rows, kind):
    monkeypatch.setattr(each_module, "TASK_ROWS", rows)
    chipper, order = mixed
    overrides = {"FDT": "20260101000000"} if kind == "nitf" else None
    files = list(chipper.encoded(order, format=kind, metadata_overrides=overrides))

    assert [file.position for file in files] == order.tolist()
    assert len({len(file.data) for file in files}) > 4
    for file in files:
        assert file.error is None
        assert file.data == chipper.encode(file.position, format=kind, metadata_overrides=overrides)


def test_iterating_gives_every_chip_with_memory_of_its_own(mixed):
    chipper, _ = mixed
    for position, chip in enumerate(chipper):
        alone = chipper[position]
        np.testing.assert_array_equal(chip.pixels, alone.pixels)
        np.testing.assert_array_equal(chip.mask, alone.mask)
        assert chip.pixels.base is None
        assert chip.row["id"] == alone.row["id"]


def test_a_file_that_is_gone_fails_its_own_rows_and_is_looked_for_once_a_task(mixed, tmp_path, monkeypatch):
    chipper, order = mixed
    (tmp_path / "b.tif").unlink()
    opened = []
    monkeypatch.setattr(Cutter, "_open", lambda self, *a, _own=Cutter._open: opened.append(a[0]) or _own(self, *a))
    files = list(chipper.encoded(order, format="png", on_error="none", display=True))
    gone = [position for position in order.tolist() if chipper.index.row(position)["item_id"] == "b"]

    assert [file.position for file in files if file.error is not None] == gone
    assert all(isinstance(file.error, AssetMissing) and "b.tif" in str(file.error) for file in files if file.error)
    assert all(file.data for file in files if file.error is None)
    assert len(opened) < len(order)


def test_the_first_fault_is_raised_when_its_turn_comes(mixed, tmp_path):
    chipper, _ = mixed
    (tmp_path / "d.tif").unlink()
    first = next(row for row in range(len(chipper)) if chipper.index.row(row)["item_id"] == "d")
    files, taken = chipper.encoded(), []
    with pytest.raises(AssetMissing, match=r"d\.tif") as raised:
        taken.extend(file.position for file in files)
    assert taken == list(range(first))
    assert raised.tb is not None
    assert not working()  # also while somebody looks at what was raised


def test_a_damaged_block_fails_the_chips_that_need_it_alone(tmp_path):
    path = write(tmp_path / "a.tif", size=(256, 256))
    chipper = Chipper(Indexer(path, 64).create_index())
    with rasterio.open(path) as file:
        offset = int(file.get_tag_item("BLOCK_OFFSET_1_2", "TIFF", bidx=1))
    data = bytearray(path.read_bytes())
    data[offset : offset + 40] = b"\xff" * 40
    stamp = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    failed = [file for file in chipper.encoded(on_error="none") if file.error is not None]
    assert [chipper.index.row(file.position)["col_off"] for file in failed] == [64]
    assert isinstance(failed[0].error, DecodeError)


def test_what_contradicts_its_item_fails_alone(tmp_path):
    """No row of its item can be cut, which is told of each; those that were to be cut with them come."""
    paths = [write(tmp_path / f"{name}.tif", seed=seed) for seed, name in enumerate("ab")]
    chipper = Chipper(Indexer(paths, 64, read_headers=True).create_index())
    write(tmp_path / "b.tif", size=(90, 90))
    files = list(chipper.encoded(on_error="none"))
    items = [chipper.index.row(file.position)["item_id"] for file in files]
    assert [file.error is not None for file in files] == [item == "b" for item in items]
    assert {"a", "b"} == set(items)


def test_work_is_done_in_several_threads_and_its_errors_are_the_chips(mixed):
    chipper, order = mixed
    barrier, threads = threading.Barrier(2, timeout=30), set()

    def work(batch, place):
        if len(threads) < 2:
            threads.add(threading.get_ident())
            barrier.wait()  # passes only if another thread works at the same time
        if batch.rows[place]["item_id"] == "c":
            raise EncodeError("not this one")
        return batch.pixels[place].mean()

    done = list(chipper.each(work, order))
    assert len(threads) == 2
    for one in done:
        item = chipper.index.row(one.position)["item_id"]
        assert (str(one.error) == "not this one") == (item == "c")
        if item != "c":
            assert one.result == chipper[one.position].pixels.mean()


def test_a_fault_of_the_callers_own_ends_it_all(mixed):
    chipper, _ = mixed
    with pytest.raises(ZeroDivisionError):
        list(chipper.each(lambda batch, place: 1 / 0))


def test_who_stops_early_stops_the_work(mixed):
    chipper, _ = mixed
    made = []
    found = chipper.each(lambda batch, place: made.append(place), np.zeros(10_000, int))
    next(found)
    found.close()
    assert len(made) < 1000
    assert not working()


def test_tasks_hold_no_more_pixels_than_agreed(mixed, monkeypatch):
    chipper, _ = mixed
    monkeypatch.setattr(each_module, "TASK_BYTES", 2 * 64 * 64 * each_module.SAMPLE_BYTES)
    most = []
    list(chipper.each(lambda batch, place: most.append(len(batch)), np.zeros(500, int)))
    assert len(most) == 500
    assert max(most) == 2


def test_what_cannot_be_is_refused_before_anything_is_cut(mixed, tmp_path):
    chipper, _ = mixed
    for path in tmp_path.glob("*.tif"):
        path.unlink()
    with pytest.raises(EncodeError, match="unknown image format 'gif'"):
        chipper.encoded(format="gif")
    with pytest.raises(EncodeError, match="quality"):
        chipper.encoded(format="png", quality=3)
    with pytest.raises(ChainError, match="unknown processing chain 'display'"):
        chipper.encoded(chain="display")
    with pytest.raises(IndexError, match="row 999"):
        chipper.encoded([999])
    with pytest.raises(TypeError, match="work must be a function of a batch and a place in it, not 3"):
        chipper.each(3)
    assert list(chipper.encoded([])) == []


def test_what_computes_takes_turns_at_the_cores_and_what_waits_does_not(mixed, monkeypatch, request):
    monkeypatch.setattr(each_module, "usable_cores", lambda: 2)
    turns.CORES.reset(2)
    request.addfinalizer(turns.CORES.reset)
    monkeypatch.setattr(turns, "PATIENCE", 60)
    chipper, order = mixed
    lock, here, most, names = threading.Lock(), [0], [0], set()
    cut = Cutter.cut

    def counted(self, rows, **how):
        with lock:
            here[0] += 1
            most[0] = max(most[0], here[0])
            names.add(threading.current_thread().name)
        try:
            spend(0.005)
            return cut(self, rows, **how)
        finally:
            with lock:
                here[0] -= 1

    expected = [chipper.encode(int(row)) for row in order]
    monkeypatch.setattr(Cutter, "cut", counted)
    for wait, together in ((False, range(2, 3)), (True, range(3, 7))):

        def spend(seconds, wait=wait):
            end = time.thread_time() + seconds
            if wait:
                time.sleep(20 * seconds)
            while not wait and time.thread_time() < end:
                pass

        most[0] = 0
        monkeypatch.setattr(turns, "BUSY", 0.5 if wait else 0.0)  # of a machine that others keep busy
        eager = Chipper(chipper.index, threads=6)
        assert [file.data for file in eager.encoded(order)] == expected
        assert most[0] in together
    assert len(names) > 2


def test_work_that_waits_has_all_threads(mixed, monkeypatch):
    monkeypatch.setattr(each_module, "usable_cores", lambda: 2)
    chipper, _ = mixed
    meeting = threading.Barrier(5)

    def work(batch, place):
        meeting.wait(timeout=30)
        return place

    rows = list(range(5))
    done = list(Chipper(chipper.index, threads=5).each(work, rows))
    assert [each.position for each in done] == rows
    assert all(each.error is None for each in done)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 16, 33, 100, 5000])
@pytest.mark.parametrize("cores", [1, 2, 7])
def test_tasks_get_smaller_towards_the_end(count, cores):
    left, sizes = count, []
    while left:
        sizes.append(each_module._most(left, cores))
        left -= sizes[-1]
    assert left == 0
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] <= max(-(-count // cores), 1)
    assert sizes[-1] == 1 or cores == 1
    assert count < 64 * cores or sizes[0] == each_module.TASK_ROWS
