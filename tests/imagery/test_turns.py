"""Turns at the cores: as many compute at once as there are cores, and nobody waits for ever."""

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

from stacchip_osml.encode import ChipFactory, formats, imsave
from stacchip_osml.imagery import turns
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.turns import CORES, CoreTurns, ReadingTurns


class Counter:
    """Counts who is inside at once."""

    def __init__(self):
        self.lock, self.inside, self.most = threading.Lock(), 0, 0

    def __enter__(self):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)

    def __exit__(self, *_):
        with self.lock:
            self.inside -= 1


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 60)
    CORES.reset(2)
    yield
    CORES.reset()


def together(work, threads=6, times=1):
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda _: work(), range(threads * times)))


def test_no_more_compute_than_there_are_turns(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 60)
    cores, counter = CoreTurns(2), Counter()

    def work():
        with cores, counter:
            time.sleep(0.002)

    together(work, times=10)

    assert counter.most == 2


def test_who_has_a_turn_and_asks_again_has_it(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 60)
    cores = CoreTurns(1)

    with cores, cores, cores:
        pass
    with cores:
        pass

    with pytest.raises(KeyError), cores:
        raise KeyError
    with cores:  # given back
        pass


def test_nobody_waits_for_ever(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    cores, done = CoreTurns(1), []

    def other():
        with cores:
            done.append(True)

    with cores:
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert done
    monkeypatch.setattr(turns, "PATIENCE", 60)
    counter = Counter()

    def work():
        with cores, counter:
            time.sleep(0.002)

    together(work)  # who went on without a turn gave none back
    assert counter.most == 1


def test_reading_that_waits_takes_no_turns_for_a_while(monkeypatch):
    monkeypatch.setattr(turns, "PATIENCE", 60)
    reading = ReadingTurns(CoreTurns(1))
    counter = Counter()

    def wait():
        with reading.turn(), counter:
            time.sleep(0.02)

    def compute():
        with reading.turn(), counter:
            end = time.thread_time() + 0.002
            while time.thread_time() < end:
                pass

    together(wait, times=4)
    assert counter.most > 1
    monkeypatch.setattr(turns, "BUSY", 0.0)  # of a machine that others keep busy
    together(compute, times=1 + turns.UNWATCHED // 6)  # the rest of the while
    counter.most = 0
    together(compute, times=10)
    assert counter.most == 1


def test_a_forked_child_has_all_turns():
    program = """
import os, threading, time
from stacchip_osml.imagery import turns
turns.PATIENCE = 60
turns.CORES.reset(2)
inside = threading.Barrier(3)
def hold():
    with turns.CORES:
        inside.wait()
        time.sleep(30)
for _ in range(2):
    threading.Thread(target=hold, daemon=True).start()
inside.wait()
child = os.fork()
if not child:
    with turns.CORES:
        os._exit(7)
os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert subprocess.run([sys.executable, "-c", program], timeout=50, check=False).returncode == 7


@pytest.mark.usefixtures("two_cores")
def test_chips_are_cut_and_written_in_turns(tmp_path, monkeypatch):
    path = str(tmp_path / "scene.tif")
    imsave(path, np.random.default_rng(0).integers(0, 4000, (2, 300, 300)).astype("uint16"))
    writing, cutting, png = Counter(), Counter(), formats.NAMES["png"]

    def cut(pixels):
        with cutting:
            time.sleep(0.002)
            return pixels[:1]

    def write(chip, **options):
        with writing:
            time.sleep(0.002)
            return png.encode(chip, **options)

    monkeypatch.setitem(formats.NAMES, "png", replace(png, encode=write))
    monkeypatch.setattr(turns, "BUSY", 0.0)
    factory = ChipFactory(BlockImage(path), output_format="png", processing_chain=cut)

    files = together(lambda: factory.create_chip((10, 20, 64, 64)), times=5)

    assert len(set(files)) == 1
    assert cutting.most == 2
    assert writing.most == 2
