"""Work done in order by threads: how many, and what comes out."""

import threading

import pytest

from stacchip_osml.encode import in_order as module
from stacchip_osml.encode.in_order import encoding_threads, in_order


@pytest.mark.parametrize(("workers", "cores", "threads"), [(1, 4, 1), (3, 4, 3), (8, 2, 2), (8, 1, 1)])
def test_no_more_threads_encode_than_there_are_cores(monkeypatch, workers, cores, threads):
    monkeypatch.setattr(module, "usable_cores", lambda: cores)
    seen = set()
    together = threading.Barrier(threads)

    def work(place, part):
        seen.add(threading.get_ident())
        together.wait(timeout=60)  # passes only when as many threads are at work
        return place + part

    count = 4 * threads
    assert list(in_order(range(count), lambda place: 100 * place, work, workers=workers)) == [
        101 * place for place in range(count)
    ]
    assert encoding_threads(workers) == len(seen) == threads
