"""A forked child waits for no thread of its parent."""

import multiprocessing
import subprocess
import sys
import threading

import pytest

from stacchip_osml.forked import ForkLock, cached_property
from stacchip_osml.index import ChipIndex

pytestmark = [
    pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork"),
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
]


FORKED_DURING_AN_IMPORT = """
import os, sys, threading
import pyarrow as pa
from stacchip_osml import ChipIndex

name, use = sys.argv[1:]
assert name not in sys.modules
begun, forking = threading.Event(), threading.Event()

class Slow:
    def find_spec(self, wanted, *_):
        if wanted == name:
            begun.set()
            forking.wait(1)  # it comes when the fork is over; where that waits it never does

sys.meta_path.insert(0, Slow())
thread = threading.Thread(target=exec, args=(use, globals()))
thread.start()
begun.wait()
child = os.fork()
if child == 0:
    exec(use)
    os._exit(0)
forking.set()
thread.join()
print(os.waitpid(child, 0)[1])
"""


class Kept:
    def __init__(self, wait=None):
        self.made = 0
        self.wait = wait

    @cached_property
    def value(self):
        """What it is worth."""
        self.made += 1
        if self.wait is not None:
            self.wait()
        return self.made


def child_does(work):
    """Fork, and do it there, while a minute has not passed."""
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.join(60)
    if child.exitcode is None:
        child.kill()
        child.join()
    assert child.exitcode == 0


def meanwhile(enter):
    """Have a thread do something that waits until it is let go; gives how to let go."""
    entered, leave = threading.Event(), threading.Event()

    def wait():
        entered.set()
        leave.wait(60)

    thread = threading.Thread(target=enter, args=(wait,))
    thread.start()
    assert entered.wait(60)
    return lambda: (leave.set(), thread.join())


def test_a_value_is_made_once_and_belongs_to_its_object():
    one, other = Kept(), Kept()

    assert (one.value, one.value, one.made, other.made) == (1, 1, 1, 0)
    assert Kept.value.__doc__ == "What it is worth."


def test_a_value_that_a_thread_makes_keeps_neither_other_objects_nor_a_forked_child_waiting():
    let_go = meanwhile(lambda wait: Kept(wait).value)
    try:
        assert Kept().value == 1
        child_does(lambda: Kept().value)
    finally:
        let_go()


def test_a_lock_that_a_thread_holds_is_open_in_a_forked_child():
    lock = ForkLock()

    def hold(wait):
        with lock:
            wait()

    def take():
        with lock:
            pass

    let_go = meanwhile(hold)
    try:
        child_does(take)
    finally:
        let_go()
    take()


def test_an_index_is_opened_in_a_child_that_was_forked_while_a_thread_opened_another(tmp_path, root, monkeypatch):
    from stacchip_osml.index import parts

    path = root / "indexes" / "aerial-like.parquet"
    opened = parts.Part.open
    waits = []

    def open_slowly(part, *args, **options):
        if waits:
            waits.pop()()
        return opened(part, *args, **options)

    def open_index(wait):
        waits.append(wait)
        ChipIndex.open(path).query(where="grid_col == 1")

    monkeypatch.setattr(parts.Part, "open", open_slowly)
    let_go = meanwhile(open_index)
    try:
        child_does(lambda: ChipIndex.open(path).query(where="grid_col == 1"))
    finally:
        let_go()


@pytest.mark.parametrize(("name", "use"), [("pandas", "pa.array([1])"), ("wave", "import wave")])
def test_a_child_that_was_forked_while_a_thread_imported_something_can_use_it(name, use):
    command = [sys.executable, "-c", FORKED_DURING_AN_IMPORT, name, use]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
