"""Bytes of one version of an object behind HTTP: what was asked for, or a typed error after the tries promised."""

import pickle
import random
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise

import pytest

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, LimitError, ReadError, RemoteReadError
from stacchip_osml.imagery.blocks import ranges
from stacchip_osml.imagery.blocks.objects import MOST_BYTES, RemoteObject
from stacchip_osml.imagery.format import OPENING_BYTES
from stacchip_osml.imagery.limits import FetchLimits
from tests.fault_server import told_by
from tests.imagery.patience import PATIENT, SOON_IDLE

DATA = random.Random(3).randbytes(100_000)
OTHER = random.Random(4).randbytes(100_000)


@pytest.fixture
def url(server):
    return server.serve("/a.tif", DATA)


# ---- bytes


@pytest.mark.parametrize(("offset", "size"), [(0, 1), (0, 100_000), (17, 1000), (99_999, 1), (90_000, 50_000)])
def test_bytes_are_those_of_the_object_with_one_request_for_them(server, url, offset, size):
    remote = RemoteObject(url, fetch=PATIENT)

    assert remote.read_at(offset, size) == DATA[offset : offset + size]
    assert [asked.range for asked in server.asked()] == [(offset, size)]
    assert (remote.size, remote.stamp.size_bytes) == (100_000, 100_000)
    buffer = bytearray(size)
    assert remote.read_into(offset, memoryview(buffer)) == len(DATA[offset : offset + size])
    assert buffer.rstrip(b"\0") == DATA[offset : offset + size].rstrip(b"\0")


def test_what_lies_beyond_the_end_is_not_there_and_not_asked_for_once_the_end_is_known(server, url):
    remote = RemoteObject(url, fetch=PATIENT)

    assert remote.read_at(100_000, 5) == remote.read_at(200_000, 5) == b""
    with pytest.raises(DecodeError, match=r"a\.tif: bytes 99990 to 100030 are wanted, the object ends at 100000"):
        remote.read_exactly(99_990, 40)
    assert [asked.range for asked in server.asked()] == [(100_000, 5), (99_990, 10)]
    with pytest.raises(DecodeError, match="the object ends at 100000"):
        RemoteObject(url, fetch=PATIENT).read_exactly(99_990, 40)
    with pytest.raises(LimitError, match="a request of 2147483648 bytes, more than"):
        RemoteObject(url, fetch=PATIENT).read_at(0, 2 * MOST_BYTES)


def test_asking_for_the_version_or_size_brings_the_head_that_is_read_next(server, url):
    remote = RemoteObject(url, fetch=PATIENT)

    assert remote.size == 100_000
    assert remote.version == (remote.stamp.etag,)
    assert remote.read_at(0, 16_384) == DATA[:16_384]
    assert remote.read_at(16_000, 500) == DATA[16_000:16_500]
    assert remote.opening() == (DATA[:OPENING_BYTES], remote.stamp)
    assert [asked.range for asked in server.asked()] == [(0, OPENING_BYTES)]


@pytest.mark.parametrize("end", ["told", "pixels"])
def test_the_head_is_not_held_for_good(server, url, end):
    remote = RemoteObject(url, fetch=PATIENT)
    assert remote.size == 100_000
    if end == "told":
        remote.forget_head()
    else:
        assert bytes(remote.read_exactly(50_000, 10)) == DATA[50_000:50_010]
    server.asked()

    assert remote.read_at(0, 10) == DATA[:10]
    assert [asked.range for asked in server.asked()] == [(0, 10)]


def test_one_connection_serves_request_after_request(server, url):
    remote = RemoteObject(url, fetch=PATIENT)
    for number in range(20):
        remote.read_at(number, 10)
    server.fault(503, times=1)
    remote.read_at(0, 10)

    assert len({asked.connection for asked in server.asked()}) == 1


def test_an_address_is_asked_for_as_it_stands(server):
    server.serve("/d%20x/a+b%2Fc~%C3%A9.tif", DATA)
    server.serve("/s%20p/%C3%A9%5B.tif", DATA)

    assert RemoteObject(f"{server.url}/d%20x/a+b%2Fc~%C3%A9.tif?a=b%2Bc&d=e/f?g").read_at(5, 5) == DATA[5:10]
    assert RemoteObject(f"{server.url}/s p/é[.tif").read_at(5, 5) == DATA[5:10]
    assert [asked.query for asked in server.asked()] == ["a=b%2Bc&d=e/f?g", ""]


def test_a_user_named_in_the_address_is_told_to_the_server_and_to_nobody_else(server, url):
    remote = RemoteObject(url.replace("//", "//me:HUSH%40HUSH@"), fetch=PATIENT)
    remote.read_at(0, 1)
    server.fault(500)

    assert server.asked()[0].headers["authorization"] == "Basic bWU6SFVTSEBIVVNI"
    with pytest.raises(RemoteReadError) as caught:
        remote.read_at(0, 1)
    assert "HUSH" not in told_by(caught.value) + repr(remote)


@pytest.mark.parametrize("kind", ["chunked", "until close", "whole", "whole chunked", "drip"])
def test_other_ways_to_answer_give_the_same_bytes(server, url, kind):
    server.fault(kind, every=0)
    remote = RemoteObject(url, fetch=PATIENT)

    assert remote.read_at(50_000, 2500) == DATA[50_000:52_500]
    assert remote.read_at(0, 100) == DATA[:100]
    assert remote.read_at(99_000, 5000) == DATA[99_000:]
    assert remote.read_at(150_000, 5) == b""
    assert len(server.asked()) == (4 if kind == "whole chunked" else 3)


def test_a_server_that_ignores_ranges_is_not_read_for_gigabytes(server, url, monkeypatch):
    monkeypatch.setattr(ranges, "WHOLE", 60_000)
    server.fault("whole")
    remote = RemoteObject(url, fetch=PATIENT)

    assert remote.read_at(50_000, 10_000) == DATA[50_000:60_000]
    with pytest.raises(RemoteReadError, match="status 200 after 1 attempts") as caught:
        remote.read_at(50_001, 10_000)
    assert "ignores ranges" in str(caught.value.__cause__)
    assert len(server.asked()) == 2


# ---- faults


@pytest.mark.parametrize("kind", [500, 502, 503, 504, 429, "reset", "hang up", "short"])
@pytest.mark.parametrize("times", [1, 2])
def test_a_server_that_heals_within_the_attempts_gives_the_bytes(server, url, kind, times):
    server.fault(kind, times=times)

    assert RemoteObject(url, fetch=PATIENT).read_at(1000, 1000) == DATA[1000:2000]
    assert len(server.asked()) == times + 1


STAYS = [(500, 500), (502, 502), (503, 503), (504, 504), (429, 429), ("reset", None), ("hang up", None)]
STAYS += [("short", 206), ("other range", 206), ("wrong length", 206)]
STAYS += [("junk", None), ("two lengths", None), ("endless head", None)]


@pytest.mark.parametrize(("kind", "status"), STAYS)
def test_a_server_that_stays_broken_is_an_error_that_counts_the_attempts(server, url, kind, status):
    server.fault(kind)
    said = "no answer" if status is None else f"status {status}"

    with pytest.raises(RemoteReadError, match=rf"a\.tif: {said} after 3 attempts") as caught:
        RemoteObject(url, fetch=PATIENT).read_at(1000, 1000)
    assert (caught.value.status, caught.value.attempts) == (status, 3)
    assert len(server.asked()) == 3


def test_a_server_that_stalls_is_given_up_and_asked_again_as_often_as_promised(server):
    cases = [(kind, times) for kind in ("stall", "stall body") for times in (1, 2, None)]
    for number, (kind, times) in enumerate(cases):
        server.serve(f"/{number}.tif", DATA)
        server.fault(kind, times=times, path=f"/{number}.tif")

    def end(number):
        try:
            return RemoteObject(f"{server.url}/{number}.tif", fetch=SOON_IDLE).read_at(1000, 1000)
        except RemoteReadError as error:
            return error.status, error.attempts

    with ThreadPoolExecutor(len(cases)) as threads:  # side by side, because each waits several times
        ends = list(threads.map(end, range(len(cases))))

    assert ends == [DATA[1000:2000]] * 2 + [(None, 3)] + [DATA[1000:2000]] * 2 + [(206, 3)]
    assert Counter(asked.path for asked in server.asked()) == {
        "/0.tif": 2, "/1.tif": 3, "/2.tif": 3, "/3.tif": 2, "/4.tif": 3, "/5.tif": 3,
    }  # fmt: skip


@pytest.mark.parametrize(("kind", "status"), [(400, 400), (405, 405), (501, 501), ("compressed", 206)])
def test_what_will_not_change_is_tried_once(server, url, kind, status):
    server.fault(kind)

    with pytest.raises(RemoteReadError, match=f"status {status} after 1 attempts"):
        RemoteObject(url, fetch=PATIENT).read_at(0, 10)
    assert len(server.asked()) == 1


@pytest.mark.parametrize("status", [404, 410])
def test_what_is_not_there_is_missing_at_once(server, url, status):
    server.fault(status)

    with pytest.raises(AssetMissing, match=rf"a\.tif: status {status}"):
        RemoteObject(url, fetch=PATIENT).read_at(0, 10)
    assert len(server.asked()) == 1


@pytest.mark.parametrize("kind", ["drip", "drip head"])
def test_a_server_that_drips_fails_at_the_deadline(server, url, kind):
    server.fault(kind, every=0.1)  # for a quarter of an hour, and the head for ten seconds and more
    limits = replace(PATIENT, total_s=1)
    started = time.monotonic()

    with pytest.raises(RemoteReadError, match="after 1 attempts"):
        RemoteObject(url, fetch=limits).read_at(0, 10_000)
    assert limits.total_s <= time.monotonic() - started < PATIENT.idle_s


def test_nothing_is_begun_after_the_deadline(server, url):
    server.fault(503)
    limits = FetchLimits(total_s=0.3, attempts=50, backoff_s=0.1)

    with pytest.raises(RemoteReadError, match=r"(status 503|no answer) after [123] attempts"):
        RemoteObject(url, fetch=limits).read_at(0, 10)
    assert len(server.asked()) <= 3


def test_pauses_grow_and_a_server_may_ask_for_longer_ones(server, url):
    limits = replace(PATIENT, attempts=4, backoff_s=0.05)
    server.fault(503, times=3)
    RemoteObject(url, fetch=limits).read_at(0, 10)
    times = [asked.time for asked in server.asked()]
    pauses = [later - sooner for sooner, later in pairwise(times)]
    server.fault(429, times=1, headers={"Retry-After": "1"})
    RemoteObject(url, fetch=limits).read_at(0, 10)
    first, second = (asked.time for asked in server.asked())

    assert [pause > 0.05 * 2**number for number, pause in enumerate(pauses)] == [True, True, True]
    assert second - first > 1


def test_a_port_where_nobody_listens_and_a_host_that_is_none_are_errors(unused_port):
    for url in (f"http://127.0.0.1:{unused_port}/a.tif", "http://nowhere.invalid/a.tif"):
        with pytest.raises(RemoteReadError, match="no answer after 3 attempts"):
            RemoteObject(url, fetch=PATIENT).read_at(0, 1)
    for url in ("http://host:port/a.tif", "http:///a.tif", "ftp://host/a.tif", "/a.tif"):
        with pytest.raises(ReadError, match=r"not a URL|needs a host|absolute path|not a remote object"):
            RemoteObject(url, fetch=PATIENT).read_at(0, 1)


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as taken:  # and not listened at: nobody else takes it meanwhile
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


# ---- versions


@pytest.mark.parametrize("conditional", [True, False])
def test_another_version_is_noticed_whether_the_server_honours_conditions_or_not(server, url, conditional):
    server.set(conditional=conditional)
    remote = RemoteObject(url, fetch=PATIENT)
    assert remote.read_at(0, 10) == DATA[:10]
    etag = remote.stamp.etag
    assert remote.version == (etag,)
    server.serve("/a.tif", OTHER)

    with pytest.raises(AssetChanged, match=r"a\.tif: the object changed since it was first read"):
        remote.read_at(10, 10)
    first, second = server.asked()
    assert "if-match" not in first.headers
    assert second.headers["if-match"] == etag
    assert RemoteObject(url, fetch=PATIENT).read_at(0, 10) == OTHER[:10]


@pytest.mark.parametrize("conditional", [True, False])
def test_an_object_that_is_not_the_one_indexed_is_refused_by_the_first_request(server, url, conditional):
    stamp = RemoteObject(url, fetch=PATIENT).stamp
    server.set(conditional=conditional)
    server.asked()
    same = RemoteObject(url, fetch=PATIENT, expect_size=stamp.size_bytes, expect_etag=stamp.etag)
    assert (same.version, same.size) == ((stamp.etag,), 100_000)
    assert server.asked() == []  # nothing need be asked to know it
    assert same.read_at(0, 10) == DATA[:10]
    server.serve("/a.tif", OTHER)
    server.asked()

    for expected in ({"expect_etag": stamp.etag}, {"expect_size": 5}):
        with pytest.raises(AssetChanged, match=r"changed since it was first read|not the one that was indexed"):
            RemoteObject(url, fetch=PATIENT, **expected).read_at(0, 2)
    assert len(server.asked()) == 2


def test_a_version_without_etag_is_known_by_its_size(server, url):
    server.set(etag=False)
    remote = RemoteObject(url, fetch=PATIENT)
    remote.read_at(0, 10)
    assert remote.version == (100_000, None)
    server.serve("/a.tif", OTHER[:-1])

    with pytest.raises(AssetChanged, match="changed since it was first read"):
        remote.read_at(0, 10)


def test_a_version_without_etag_is_known_by_its_time_and_asked_for_by_it(server, url):
    server.set(etag=False, modified="Fri, 02 May 2025 03:04:05 GMT")
    remote = RemoteObject(url, fetch=PATIENT)
    remote.read_at(0, 10)
    server.asked()
    server.set(modified="Fri, 02 May 2025 03:04:06 GMT")

    with pytest.raises(AssetChanged, match="changed since it was first read"):
        remote.read_at(0, 10)
    (asked,) = server.asked()
    assert asked.headers["if-unmodified-since"] == "Fri, 02 May 2025 03:04:05 GMT"


def test_an_object_is_pickled_as_its_name_and_what_is_expected(server, url):
    stamp = RemoteObject(url, fetch=PATIENT).stamp
    remote = pickle.loads(pickle.dumps(RemoteObject(url, fetch=PATIENT, expect_etag=stamp.etag)))
    server.serve("/a.tif", OTHER)

    assert remote.fetch == PATIENT
    with pytest.raises(AssetChanged, match="changed"):
        remote.read_at(0, 1)
