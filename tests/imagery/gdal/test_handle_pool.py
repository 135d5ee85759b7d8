import contextlib
import multiprocessing
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from stacchip_osml.imagery import GdalImage, close_idle_handles
from stacchip_osml.imagery.gdal import access
from stacchip_osml.imagery.gdal.handle_pool import HandlePool
from stacchip_osml.pixel import PixelWindow
from tests.imagery.gdal.gdal_files import HEIGHT, WIDTH, noise, windows, write

WHOLE = PixelWindow(0, 0, WIDTH, HEIGHT)
TILED = {"tiled": True, "blockxsize": 32, "blockysize": 32, "compress": "deflate"}


class Handle:
    def __init__(self, log):
        self.closed = False
        log.append(self)

    def close(self):
        assert not self.closed
        self.closed = True


def test_a_handle_is_lent_to_one_borrower_and_then_to_the_next():
    made, pool = [], HandlePool(4)
    with pool.lend("a", lambda: Handle(made)) as first, pool.lend("a", lambda: Handle(made)) as second:
        assert first is not second
    with pool.lend("a", lambda: Handle(made)) as third:
        assert third in (first, second)
    assert len(made) == 2


CLOSES = """
from stacchip_osml.imagery.gdal.handle_pool import HandlePool

class Handle:
    def close(self):
        print("closed while modules are there:", HandlePool is not None)

pool = HandlePool(4)
with pool.lend("a", Handle):
    pass
"""


def test_handles_at_rest_are_closed_before_the_interpreter_ends():
    done = subprocess.run([sys.executable, "-c", CLOSES], capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout, done.stderr) == ("closed while modules are there: True\n", "")


def test_the_least_recently_used_handle_at_rest_is_closed_first():
    made, pool = [], HandlePool(2)
    for key in "aba":
        with pool.lend(key, lambda: Handle(made)):
            pass
    with pool.lend("c", lambda: Handle(made)):
        pass
    a, b, c = made
    assert (a.closed, b.closed, c.closed) == (False, True, False)


def test_lent_handles_are_never_closed():
    made, pool = [], HandlePool(1)
    with pool.lend("a", lambda: Handle(made)) as a, pool.lend("b", lambda: Handle(made)) as b:
        assert not a.closed
        assert not b.closed
    assert sum(not handle.closed for handle in made) == 1


def test_a_handle_whose_borrower_fails_is_closed_not_kept():
    made, pool = [], HandlePool(2)
    with pytest.raises(ZeroDivisionError, match="division"), pool.lend("a", lambda: Handle(made)):
        _ = 1 / 0
    with pool.lend("a", lambda: Handle(made)):
        pass
    assert (made[0].closed, made[1].closed) == (True, False)


def descriptors_of(folder):
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found += str(link.readlink()).startswith(str(folder))
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="counts descriptors in /proc")
def test_open_files_stay_under_the_cap(tmp_path, monkeypatch):
    close_idle_handles()
    monkeypatch.setattr(access._POOL, "capacity", 5)
    images = [GdalImage(write(tmp_path / f"{n}.tif", noise(1, "uint8", seed=n))) for n in range(20)]
    most = 0
    for _ in range(2):
        for image in images:
            image.read(WHOLE)
            most = max(most, descriptors_of(tmp_path))
    assert most == 5
    close_idle_handles()
    assert descriptors_of(tmp_path) == 0


def test_sixteen_threads_read_what_one_reads(tmp_path):
    image = GdalImage(write(tmp_path / "a.tif", noise(3, "uint16"), levels=(2,), nodata=7, **TILED))
    jobs = [(w, 0) for w in windows(WIDTH, HEIGHT, 100)] + [(w, 1) for w in windows(75, 55, 60)]
    serial = [image.read(window, level=level) for window, level in jobs]
    fresh = GdalImage(image.location)
    start = threading.Barrier(16)

    def work(turn):
        start.wait()
        order = np.random.default_rng(turn).permutation(len(jobs))
        for n in order:
            got = fresh.read(jobs[n][0], level=jobs[n][1])
            np.testing.assert_array_equal(got.pixels, serial[n].pixels)
            np.testing.assert_array_equal(got.mask, serial[n].mask)
        return len(order)

    with ThreadPoolExecutor(16) as threads:
        assert list(threads.map(work, range(16))) == [len(jobs)] * 16


def read_whole(image):
    return image.read(WHOLE).pixels


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_another_process_reads_the_same_pixels(tmp_path, method):
    pixels = noise(2, "int16")
    image = GdalImage(write(tmp_path / "a.tif", pixels, **TILED))
    read_whole(image)
    with multiprocessing.get_context(method).Pool(2) as processes:
        results = processes.map(read_whole, [image] * 6)

    for got in results:
        np.testing.assert_array_equal(got, pixels)
    np.testing.assert_array_equal(read_whole(image), pixels)


def test_a_forked_child_and_its_parent_do_not_disturb_each_other(tmp_path):
    pixels = noise(1, "uint8")
    image = GdalImage(write(tmp_path / "a.tif", pixels, blockysize=1))
    image.read(PixelWindow(0, 0, 5, 5))
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=read_rows_or_die, args=(image, pixels)) for _ in range(2)]
    for child in children:
        child.start()
    read_rows_or_die(image, pixels)
    for child in children:
        child.join(300)
    assert [child.exitcode for child in children] == [0, 0]


def read_rows_or_die(image, pixels):
    for _ in range(5):
        for row in range(HEIGHT):
            assert (image.read(PixelWindow(0, row, WIDTH, 1)).pixels[0, 0] == pixels[0, row]).all()
        close_idle_handles()


def test_a_pickled_image_reopens_itself_with_its_settings(tmp_path):
    path = write(tmp_path / "a.tif", noise(1, "uint8"))
    image = GdalImage(path, sidecars=True, expect=(Path(path).stat().st_size, None))
    before = image.read(WHOLE)
    copy = pickle.loads(pickle.dumps(image))

    np.testing.assert_array_equal(copy.read(WHOLE).pixels, before.pixels)
    assert (copy.sidecars, copy.expect, copy.limits, copy.header) == (True, image.expect, image.limits, image.header)
    assert len(pickle.dumps(image)) < 1000
