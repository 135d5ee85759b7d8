"""Fetching where the system gives few threads, or none."""

import threading

import pytest

from stacchip_osml.imagery.blocks import fetch
from stacchip_osml.imagery.limits import FetchLimits


class Bytes:
    """An object whose bytes are their own offset."""

    fetch = FetchLimits()

    def read_exactly(self, offset, size, call=None):
        return memoryview(bytes([offset]) * size)


@pytest.fixture
def most(monkeypatch):
    """Lets a given number of threads be started from now on."""
    start, left = threading.Thread.start, []

    def few(thread):
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    def allow(count):
        left[:] = [None] * count
        fetch._CREW.reset()
        monkeypatch.setattr(threading.Thread, "start", few)

    yield allow
    monkeypatch.undo()
    fetch._CREW.reset()


def requests(count):
    return [fetch.RangeRequest(Bytes(), number, 3, number) for number in range(count)]


@pytest.mark.parametrize("count", [1, 3])
def test_those_that_there_are_fetch_everything(most, count):
    most(count)
    with fetch.fetch_ranges(requests(20), in_flight=8) as found:
        assert sorted((each.tag, bytes(each.data)) for each in found) == [(n, bytes([n]) * 3) for n in range(20)]


def test_without_a_single_one_the_consumer_is_told_and_does_not_wait(most):
    most(0)
    with fetch.fetch_ranges(requests(4)) as found:
        for _ in range(2):
            with pytest.raises(RuntimeError, match="new thread"):
                next(found)
