"""Work done in order by threads: how many, who, and what comes out."""

import threading
import time

import pytest

from stacchip_osml.encode import in_order as module
from stacchip_osml.encode.in_order import AHEAD, encoding_threads, in_order


@pytest.fixture
def three_cores(monkeypatch):
    monkeypatch.setattr(module, "usable_cores", lambda: 3)


@pytest.mark.parametrize(("workers", "cores", "threads"), [(1, 4, 1), (3, 4, 3), (8, 2, 2), (8, 1, 1)])
def test_no_more_threads_encode_than_there_are_cores(monkeypatch, workers, cores, threads):
    monkeypatch.setattr(module, "usable_cores", lambda: cores)
    seen = set()
    together = threading.Barrier(threads)

    def work(part):
        seen.add(threading.get_ident())
        together.wait(timeout=60)  # passes only when as many threads are at work
        return part + 1

    count = 4 * threads
    assert list(in_order(range(count), work, workers=workers)) == list(range(1, count + 1))
    assert encoding_threads(workers) == len(seen) == threads
    assert threading.get_ident() in seen


@pytest.mark.usefixtures("three_cores")
def test_parts_are_taken_by_the_caller_and_not_far_ahead():
    taken = []

    def parts():
        for number in range(40):
            taken.append(threading.get_ident())
            yield number

    for done, number in enumerate(in_order(parts(), lambda part: part, workers=3), 1):
        assert number == done - 1
        assert len(taken) <= done + AHEAD * 3
    assert set(taken) == {threading.get_ident()}


@pytest.mark.usefixtures("three_cores")
@pytest.mark.parametrize("workers", [1, 3])
def test_what_a_part_raises_comes_at_its_turn(workers):
    def work(part):
        if part == 5:
            raise ValueError("the fifth")
        return part

    results = in_order(range(20), work, workers=workers)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="the fifth"):
        next(results)


@pytest.mark.usefixtures("three_cores")
def test_what_the_parts_raise_ends_it():
    def parts():
        yield from range(4)
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        list(in_order(parts(), lambda part: part, workers=3))


@pytest.mark.usefixtures("three_cores")
def test_who_stops_early_waits_for_what_has_begun_and_drops_the_rest():
    begun, ended = [], []

    def work(part):
        begun.append(part)
        time.sleep(0.05 if part else 0)
        ended.append(part)
        return part

    results = in_order(range(40), work, workers=3)
    next(results)
    results.close()
    assert sorted(begun) == sorted(ended)
    assert len(begun) <= AHEAD * 3 + 1
    time.sleep(0.2)
    assert len(begun) == len(ended) <= AHEAD * 3 + 1


@pytest.mark.usefixtures("three_cores")
def test_an_interrupt_of_the_caller_is_not_kept_for_later():
    caller = threading.get_ident()
    others = threading.Event()

    def work(part):
        if threading.get_ident() == caller:
            others.set()
            raise KeyboardInterrupt
        others.wait(timeout=60)
        return part

    results = in_order(range(20), work, workers=3)
    with pytest.raises(KeyboardInterrupt):
        next(results)
    assert list(results) == []
