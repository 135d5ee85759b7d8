"""Children of a fork read on, whatever their parent was doing: over HTTP and from stores, without waiting for ever."""

import faulthandler
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import threading
import traceback

import pytest

from stacchip_osml.errors import ReadError
from stacchip_osml.imagery.blocks.fetch import RangeRequest, fetch_ranges
from stacchip_osml.imagery.blocks.objects import RemoteObject, read_remote_head
from stacchip_osml.imagery.network import stores
from tests.imagery.patience import PATIENT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")

HANGS_S = 240
"""After this it is not the machine that is slow."""
DATA = random.Random(3).randbytes(100_000)


@pytest.fixture
def server(server, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "KEYID")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "HUSHHUSH")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    server.serve("/bucket/a.tif", DATA)
    return server


@pytest.fixture(params=["http", "s3"])
def remote(request, server):
    return RemoteObject("s3://bucket/a.tif" if request.param == "s3" else f"{server.url}/bucket/a.tif", fetch=PATIENT)


def in_child(work):
    """Run ``work`` in the child of a fork, and give what it returned; it has ``HANGS_S``."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        faulthandler.register(signal.SIGALRM, file=sys.__stderr__, chain=True)  # says where it hangs, if it does
        signal.alarm(HANGS_S)
        try:
            told = work()
        except BaseException:
            told = traceback.format_exc()
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(told, pipe)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        told = pipe.read()
    assert os.waitpid(child, 0)[1] == 0, "the child hangs or died"
    return pickle.loads(told)


def fetched(remote):
    requests = [RangeRequest(remote, 1000 * number, 100, number) for number in range(40)]
    return {tag: bytes(data) for tag, data in fetch_ranges(requests, in_flight=8)}


def test_children_and_their_children_read_on_after_their_parents_read(remote):
    expected = {number: DATA[1000 * number : 1000 * number + 100] for number in range(40)}
    assert fetched(remote) == expected

    def child():
        return remote.read_at(5, 5), fetched(remote), in_child(lambda: remote.read_at(6, 6))

    assert in_child(child) == (DATA[5:10], expected, DATA[6:12])
    assert in_child(lambda: remote.read_at(7, 7)) == DATA[7:14]
    assert fetched(remote) == expected


def test_a_child_forked_in_the_middle_of_a_fetch_reads_and_leaves_the_fetch_to_its_parent(server, remote):
    server.set(delay=0.2)
    requests = [RangeRequest(remote, 1000 * number, 100, number) for number in range(20)]
    fetching = fetch_ranges(requests, in_flight=4)
    first = next(fetching)

    def child():
        try:
            next(fetching)
        except ReadError as error:
            said = str(error)
        fetching.close()
        return said, remote.read_at(3, 3)

    assert in_child(child) == ("what was begun to be fetched before a fork ends in the parent", DATA[3:6])
    server.set(delay=0)
    rest = {found.tag: bytes(found.data) for found in fetching} | {first.tag: bytes(first.data)}
    assert rest == {number: DATA[1000 * number : 1000 * number + 100] for number in range(20)}


def test_children_forked_while_threads_read_do_not_wait_for_their_locks(remote):
    stop = threading.Event()

    def keep_reading():
        while not stop.is_set():
            remote.read_at(0, 10)

    threads = [threading.Thread(target=keep_reading) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            assert in_child(lambda: remote.read_at(9, 9)) == DATA[9:18]
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_children_forked_while_a_thread_imports_the_library_read(server):
    script = """
import os, signal, threading, time
from stacchip_osml.imagery.blocks.objects import RemoteObject
from stacchip_osml.imagery.network import stores
remote = RemoteObject("s3://bucket/a.tif")
importing, was = threading.Event(), stores.importlib.import_module
def slowly(name):
    importing.set()
    time.sleep(0.01)
    return was(name)
stores.importlib.import_module = slowly
thread = threading.Thread(target=remote.read_at, args=(0, 10))
thread.start()
importing.wait()
children = []
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(240)
        os._exit(len(remote.read_at(0, 10)))
    children.append(child)
    time.sleep(0.01)
thread.join()
print([os.waitpid(child, 0)[1] >> 8 for child in children])
"""
    # Python 3.12 warns of any fork beside threads.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", script]
    done = subprocess.run(command, capture_output=True, timeout=HANGS_S, check=False)

    assert (done.stdout, done.stderr) == (b"[10, 10, 10, 10, 10]\n", b"")


def test_the_head_of_an_object_is_read_in_a_child_too(server):
    head = read_remote_head("s3://bucket/a.tif", PATIENT)

    assert in_child(lambda: read_remote_head("s3://bucket/a.tif", PATIENT)) == head


def test_a_child_that_cannot_load_the_library_again_says_so(server, monkeypatch):
    remote = RemoteObject("s3://bucket/a.tif", fetch=PATIENT)
    remote.read_at(0, 1)

    def refuse(*_):
        raise OSError("no space left")

    monkeypatch.setattr(shutil, "copy", refuse)

    assert "ReadError: object stores cannot be read in this forked process, start it by spawn instead" in in_child(
        lambda: remote.read_at(0, 1)
    )


def test_a_child_leaves_what_others_know_of_the_library_as_it_is(server):
    remote = RemoteObject("s3://bucket/a.tif", fetch=PATIENT)
    remote.read_at(0, 1)
    import obstore

    def child():
        remote.read_at(1, 1)
        import obstore as known

        return known is obstore, stores.obstore() is not obstore, sys.modules["obstore.store"] is obstore.store

    assert in_child(child) == (True, True, True)


def test_a_spawned_process_reads_what_it_was_sent(remote):
    remote.read_at(0, 1)
    script = "import pickle, sys; sys.stdout.buffer.write(pickle.load(sys.stdin.buffer).read_at(20, 20))"
    done = subprocess.run(
        [sys.executable, "-c", script], input=pickle.dumps(remote), stdout=subprocess.PIPE, check=True
    )

    assert done.stdout == DATA[20:40]


@pytest.mark.parametrize("scheme", ["http", "s3"])
def test_a_process_that_ends_in_the_middle_of_a_fetch_ends_well(server, scheme):
    server.fault("stall")
    url = "s3://bucket/a.tif" if scheme == "s3" else f"{server.url}/bucket/a.tif"
    script = f"""
import threading, time
from stacchip_osml.imagery.blocks.fetch import RangeRequest, fetch_ranges
from stacchip_osml.imagery.blocks.objects import RemoteObject
from stacchip_osml.imagery.limits import FetchLimits
remote = RemoteObject({url!r}, fetch=FetchLimits(idle_s=1, total_s=1.2, attempts=1))
fetching = fetch_ranges(RangeRequest(remote, n, 10, n) for n in range(16))
threading.Thread(target=next, args=(fetching,), daemon=True).start()
time.sleep(0.9)
class Late:
    def __del__(self):
        time.sleep(0.5)
late = Late()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=HANGS_S, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
