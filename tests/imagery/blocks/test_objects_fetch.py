"""Many ranges of many objects at once: all of them, bounded in number and bytes, whatever some servers do."""

import gc
import random
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from stacchip_osml.errors import AssetMissing, ChipError, DecodeError, LimitError, RemoteReadError
from stacchip_osml.imagery.blocks.fetch import RangeRequest, fetch_ranges
from stacchip_osml.imagery.blocks.objects import MOST_BYTES, RemoteObject
from stacchip_osml.imagery.network.connection_pool import MOST_RESTING
from tests.imagery.patience import PATIENT

DATA = random.Random(3).randbytes(400_000)


@pytest.fixture
def server(server):
    for name in "abc":
        server.serve(f"/{name}.tif", DATA)
    return server


@pytest.fixture
def remote(server):
    return RemoteObject(f"{server.url}/a.tif", fetch=PATIENT)


class Stub:
    """An object whose reads are told to the test, and end when it lets them."""

    fetch = PATIENT

    def __init__(self):
        self.gate = threading.Event()
        self.lock = threading.Lock()
        self.now = self.most = self.bytes = self.most_bytes = self.begun = 0

    def read_exactly(self, offset, size, call=None):
        with self.lock:
            self.begun += 1
            self.now += 1
            self.bytes += size
            self.most, self.most_bytes = max(self.now, self.most), max(self.bytes, self.most_bytes)
        self.gate.wait(60)
        with self.lock:
            self.now -= 1
            self.bytes -= size
        return memoryview(bytes(size))


def begun(stub, count):
    """Wait until so many reads are begun, and a moment more; gives how many are."""
    until = time.monotonic() + 60
    while stub.begun < count and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    return stub.begun


def descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def fetch_threads():
    return sum(thread.name.startswith("stacchip-osml-fetch") for thread in threading.enumerate())


def test_every_range_of_every_object_comes_once_with_its_tag(server):
    remotes = [RemoteObject(f"{server.url}/{name}.tif", fetch=PATIENT) for name in "abc"]
    order = random.Random(1)
    places = [(order.randrange(390_000), order.randrange(1, 10_000)) for _ in range(300)]
    requests = (RangeRequest(remotes[k % 3], *place, tag=k) for k, place in enumerate(places))

    got = {found.tag: bytes(found.data) for found in fetch_ranges(requests, in_flight=16)}

    assert got == {k: DATA[offset : offset + size] for k, (offset, size) in enumerate(places)}
    asked = server.asked()
    assert len(asked) == 300
    assert len({each.connection for each in asked}) <= 16


def test_nothing_asked_for_is_nothing_fetched():
    assert list(fetch_ranges([])) == []


def test_a_range_that_fails_is_a_result_and_the_others_go_on(server):
    good = RemoteObject(f"{server.url}/a.tif", fetch=PATIENT)
    broken = RemoteObject(f"{server.url}/b.tif", fetch=PATIENT)
    stalled = RemoteObject(f"{server.url}/c.tif", fetch=replace(PATIENT, attempts=1))
    none = RemoteObject(f"{server.url}/none.tif", fetch=PATIENT)
    server.fault(503, path="/b.tif")
    server.fault("stall", path="/c.tif")
    few = [(broken, 0, 10), (stalled, 0, 10), (none, 0, 10), (good, 399_990, 20), (good, 500_000, 9)]
    requests = [RangeRequest(*each, tag=-number) for number, each in enumerate(few, start=1)]
    requests += [RangeRequest(good, 100 * number, 100, tag=number) for number in range(100)]

    got = {}
    for tag, data in fetch_ranges(requests, in_flight=8):
        got[tag] = data
        if len(got) == len(requests) - 1:
            assert -2 not in got  # the server that stalls holds nobody up
            server.fault("ok")

    assert [bytes(got[number]) for number in range(100)] == [DATA[100 * n : 100 * n + 100] for n in range(100)]
    kinds = [RemoteReadError, RemoteReadError, AssetMissing, DecodeError, DecodeError]
    assert [type(got[-number]) for number in range(1, 6)] == kinds
    assert (got[-1].status, got[-1].attempts, got[-2].status, got[-2].attempts) == (503, 3, None, 1)
    assert isinstance(
        next(fetch_ranges([RangeRequest(RemoteObject(good.location), 0, 2 * MOST_BYTES, 0)])).data, LimitError
    )


@pytest.mark.parametrize("in_flight", [1, 5])
def test_no_more_requests_are_under_way_than_allowed(in_flight):
    stub = Stub()
    fetching = fetch_ranges((RangeRequest(stub, 0, 10, n) for n in range(50)), in_flight=in_flight)

    def open_when_all_wait():
        begun(stub, in_flight)
        stub.gate.set()

    threading.Thread(target=open_when_all_wait).start()

    assert sorted(found.tag for found in fetching) == list(range(50))
    assert stub.most == in_flight


def test_a_slow_consumer_stops_what_is_begun_and_not_what_memory_holds():
    stub = Stub()
    stub.gate.set()
    fetching = fetch_ranges((RangeRequest(stub, 0, 1000, n) for n in range(100)), in_flight=50, bytes_in_flight=10_000)
    counts = []
    for number in range(5):
        next(fetching)
        counts.append(begun(stub, 11 + number))

    assert counts == [11, 12, 13, 14, 15]  # ten wait to be taken, whoever waits
    assert len(list(fetching)) == 95
    assert stub.most_bytes <= 10_000


def test_a_request_larger_than_all_bytes_in_flight_is_made_alone():
    stub = Stub()
    stub.gate.set()
    sizes = [10, 10, 5000, 10, 10]
    fetching = fetch_ranges([RangeRequest(stub, 0, size, size) for size in sizes], bytes_in_flight=100)

    assert sorted(len(found.data) for found in fetching) == sorted(sizes)
    assert stub.most_bytes == 5000


def test_several_threads_take_results_from_one_fetch(remote):
    fetching = fetch_ranges((RangeRequest(remote, n, 1, n) for n in range(500)), in_flight=8, bytes_in_flight=4)
    got = []
    threads = [threading.Thread(target=lambda: got.extend(fetching)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sorted(found.tag for found in got) == list(range(500))


@pytest.mark.parametrize("how", ["closed", "left", "dropped"])
@pytest.mark.parametrize("kind", ["stall", "stall body", "drip"])
def test_an_end_before_the_end_hangs_up(server, how, kind):
    server.fault(kind, path="/b.tif")
    good, slow = (RemoteObject(f"{server.url}/{name}.tif", fetch=PATIENT) for name in "ab")
    requests = [RangeRequest(slow, n, 5000, n) for n in range(6)]
    before = descriptors()
    fetching = fetch_ranges([*requests, RangeRequest(good, 0, 10, -1)])
    assert next(fetching).tag == -1
    came = 0
    while came < 7:
        came += len(server.asked())
        time.sleep(0.02)
    if how == "closed":
        fetching.close()
        assert list(fetching) == []
    elif how == "left":
        with fetching:
            pass
    del fetching
    gc.collect()

    started = time.monotonic()
    while descriptors() > before + 1 and time.monotonic() - started < PATIENT.idle_s:
        time.sleep(0.02)
    assert time.monotonic() - started < PATIENT.idle_s / 2
    assert server.asked() == []  # and nobody tries again


def test_what_the_list_of_requests_raises_reaches_the_consumer(remote):
    def requests():
        yield RangeRequest(remote, 0, 1, 0)
        raise KeyError("no more")

    with pytest.raises(KeyError, match="no more"):
        list(fetch_ranges(requests()))


def test_an_error_that_is_none_of_ours_is_raised_and_ends_the_rest():
    class Wrong:
        fetch = PATIENT

        def read_exactly(self, offset, size, call=None):
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(fetch_ranges([RangeRequest(Wrong(), 0, 1, 0)] * 10))


def test_threads_and_connections_stay_as_many_as_one_fetch_needs(remote):
    stub = Stub()
    with fetch_ranges((RangeRequest(stub, 0, 1, n) for n in range(32)), in_flight=32) as at_once:
        assert begun(stub, 32) == 32  # as many threads as any of the following needs
        stub.gate.set()
        assert len(list(at_once)) == 32

    def fetch():
        return sum(not isinstance(found.data, ChipError) for found in fetch_ranges(requests, in_flight=32))

    requests = [RangeRequest(remote, n, 1000, n) for n in range(200)]
    assert fetch() == 200
    threads, opened = fetch_threads(), descriptors()
    for _ in range(5):
        assert fetch() == 200

    assert fetch_threads() <= max(threads, 64)
    assert descriptors() <= max(opened, MOST_RESTING + 40)
    again = fetch_threads()
    assert fetch() == 200
    assert fetch_threads() == again
