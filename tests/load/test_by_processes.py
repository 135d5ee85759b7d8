"""Files by several processes: those by threads, in order, with the same errors; no process outlives its use."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import time
from contextlib import nullcontext

import numpy as np
import pytest
import rasterio

from stacchip_osml import ChipIndex, Chipper, Indexer, merge
from stacchip_osml.errors import AssetMissing, ChainError, EncodeError, IndexSchemaError, ProcessLost, SettingError
from stacchip_osml.imagery.machine import usable_cores
from stacchip_osml.load import by_processes, each
from tests.stac_items import plain_item


def write(path, *, size=(200, 150), dtype="uint16", count=1, seed=0):
    pixels = np.random.default_rng(seed).integers(1, 255, (count, size[1], size[0])).astype(dtype)
    profile = {"driver": "GTiff", "count": count, "dtype": dtype, "width": size[0], "height": size[1], "tiled": True}
    place = {"crs": "EPSG:32632", "transform": rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)}
    with rasterio.open(path, "w", blockxsize=64, blockysize=64, compress="deflate", **profile, **place) as file:
        file.write(pixels)
    return path


def workers():
    return [child for child in multiprocessing.active_children() if child.name == "stacchip-osml"]


def is_there(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def by_token(href):
    return f"{href}?{os.environ['TOKEN_OF_TESTS']}"


def told(files):
    return [(file.position, file.data, type(file.error), str(file.error)) for file in files]


@pytest.fixture
def chipper(tmp_path):
    """An index of files of several types, one of them gone."""
    paths = [
        write(tmp_path / "a.tif"),
        write(tmp_path / "b.tif", seed=1),
        write(tmp_path / "c.tif", dtype="uint8", count=3),
    ]
    whole = merge(*(Indexer(path, 64, edges="partial").create_index() for path in paths))
    (tmp_path / "b.tif").unlink()
    yield Chipper(whole)
    assert not workers()


@pytest.fixture
def many(tmp_path):
    """A chipper, and so many rows that they are not all cut while somebody looks."""
    yield (
        Chipper(Indexer(write(tmp_path / "many.tif", size=(512, 512), count=3), 256).create_index()),
        np.zeros(9999, int),
    )
    assert not workers()


def test_files_and_errors_are_those_by_threads_in_the_order_asked_for(chipper, tmp_path):
    order = np.random.default_rng(0).permutation(len(chipper))
    how = {"on_error": "none", "format": "nitf", "metadata_overrides": {"FDT": "20260101000000"}}
    expected = told(chipper.encoded(order, **how))
    assert {kind for _, _, kind, _ in expected} == {type(None), AssetMissing}

    assert told(chipper.encoded(order, processes=2, **how)) == expected
    chipper.index.save(tmp_path / "saved.parquet")
    saved = Chipper(tmp_path / "saved.parquet", threads=1, cache_bytes=0)
    assert told(saved.encoded(order, processes=np.int64(2), **how)) == expected
    with pytest.raises(AssetMissing, match=r"b\.tif"):
        list(chipper.encoded(order, processes=2))


def test_where_no_server_of_forks_is_processes_are_spawned(many, monkeypatch):
    monkeypatch.setattr(by_processes, "get_all_start_methods", lambda: ["spawn"])
    chipper, rows = many
    assert told(chipper.encoded(rows[:4], processes=2)) == told(chipper.encoded(rows[:4]))


def test_what_cannot_be_is_refused_before_any_process_is_started(chipper):
    for wrong in (0, -1, 1.5, True, "2", None, 257):
        with pytest.raises(SettingError, match="processes must be a whole number from 1 to 256"):
            chipper.encoded(processes=wrong)
    with pytest.raises(EncodeError, match="unknown image format 'gif'"):
        chipper.encoded(format="gif", processes=2)
    with pytest.raises(EncodeError, match="quality"):
        chipper.encoded(format="png", quality=3, processes=2)
    with pytest.raises(ChainError, match="unknown processing chain 'display'"):
        chipper.encoded(chain="display", processes=2)
    with pytest.raises(IndexError, match="row 999"):
        chipper.encoded([999], processes=2)
    with pytest.raises(SettingError, match=r"sign=.* have to be functions of a module"):
        Chipper(chipper.index, sign=lambda href: href).encoded(processes=2)
    assert list(chipper.encoded([], processes=2)) == []
    assert not multiprocessing.active_children()


def test_no_more_processes_are_started_than_there_are_tasks(many):
    found = many[0].encoded([0], processes=8)
    next(found)
    assert len(workers()) == 1
    found.close()


def test_no_more_is_cut_than_is_to_wait_for_who_takes_it(many, monkeypatch):
    chipper, rows = many
    shared, asked = each.tasks, []
    monkeypatch.setattr(each, "tasks", lambda *how: (asked.append(task) or task for task in shared(*how)))
    found = chipper.encoded(rows, processes=2)
    next(found)
    assert len(asked) <= by_processes.AHEAD * 2 + 1
    found.close()


def test_a_share_of_the_cores_and_the_cache_is_a_processs(many):
    chipper = Chipper(many[0].index, cache_bytes=1000)
    job = each.Job(chipper._cutter, len, None, 1, nullcontext, computes=True)
    shelf = by_processes._unpacked(pickle.dumps(job), 4).cutter.shelf

    assert shelf.cache_bytes == 250
    assert shelf.threads == max(usable_cores() // 4, 1)


def test_who_stops_early_ends_the_processes_whatever_they_do(many):
    chipper, rows = many
    found = chipper.encoded(rows, processes=2)
    next(found)
    pids = [worker.pid for worker in workers()]
    assert pids
    found.close()
    assert not any(map(is_there, pids))


def test_a_process_that_dies_is_an_error_that_says_so_and_no_rows_own(many):
    chipper, rows = many
    found = chipper.encoded(rows, processes=2, on_error="none")
    next(found)
    os.kill(workers()[0].pid, signal.SIGKILL)
    with pytest.raises(ProcessLost, match=r"one of 2 processes ended .* signal 9: take fewer processes where memory"):
        list(found)


def test_an_index_that_was_written_anew_is_not_taken_for_the_one_that_was_opened(tmp_path):
    place, bands = tmp_path / "index", [write(tmp_path / f"{name}.tif") for name in "ab"]
    Indexer(bands[0], 64).create_index().save(place)
    chipper = Chipper(ChipIndex.open(place))
    expected = told(chipper.encoded())
    merge(Indexer(bands[1], 32).create_index(), ChipIndex.open(place)).save(place)

    assert told(chipper.encoded()) == expected
    with pytest.raises(IndexSchemaError, match="written anew since it was opened"):
        list(chipper.encoded(processes=2))


def test_remote_images_are_signed_and_read_with_what_the_environment_says_now(server, tmp_path, monkeypatch):
    path = write(tmp_path / "small.tif")
    expected = [file.data for file in Chipper(Indexer(path, 64).create_index()).encoded(format="png", display=True)]
    server.serve("/small.tif", path.read_bytes())
    server.set(token="sig=HUSHHUSH")
    monkeypatch.setenv("TOKEN_OF_TESTS", "sig=HUSHHUSH")
    index = Indexer(plain_item({"image": f"{server.url}/small.tif"}), 64, sign=by_token).create_index()

    files = Chipper(index, sign=by_token).encoded(format="png", display=True, processes=2)
    assert [file.data for file in files] == expected
    monkeypatch.setenv("TOKEN_OF_TESTS", "sig=old")
    for file in Chipper(index, sign=by_token).encoded(processes=2, on_error="none"):
        assert file.error is not None
        assert "sig=" not in str(file.error)


SCRIPT = """
import multiprocessing, sys
from stacchip_osml import Chipper

def sign(href):
    return href

def main(**how):
    files = Chipper(sys.argv[1], **how).encoded([0] * 9999, processes=2)
    next(files)
    for worker in multiprocessing.active_children():
        print(worker.pid)
    print("ready", flush=True)
    list(files)
"""


@pytest.fixture
def script(many, tmp_path):
    many[0].index.save(tmp_path / "many.parquet")

    def started(text, *, is_file=True):
        (tmp_path / "script.py").write_text(SCRIPT + text)
        how = [tmp_path / "script.py"] if is_file else ["-c", SCRIPT + text]
        command = [sys.executable, *map(str, how), str(tmp_path / "many.parquet")]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    return started


def test_processes_end_with_a_parent_that_is_killed(script):
    with script('if __name__ == "__main__":\n    main(sign=sign)') as process:
        pids = [int(line) for line in iter(process.stdout.readline, "ready\n")]
        process.kill()
    assert pids
    deadline = time.monotonic() + 60
    while any(map(is_there, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(is_there, pids))


def test_a_script_without_a_guard_is_told_of_it_and_does_not_hang(script):
    with script("main()") as process:
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 1
    assert "An attempt has been made to start a new process before the" in said
    assert "a script begins its work below if __name__ == '__main__':" in said.splitlines()[-1]


def test_a_function_that_a_process_cannot_find_is_refused(script):
    with script("main(sign=sign)", is_file=False) as process:
        said = process.communicate(timeout=300)[1]
    assert "SettingError" in said
    assert "have to be functions of a module, not of another function or a session" in said.splitlines()[-1]
