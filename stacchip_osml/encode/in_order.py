"""Work on the parts of an image with threads, its results in order, no more parts in memory than threads need.

Rules: parts come one after the other in the thread of whoever takes the
results, so a provider needs no thread safety and its exceptions come up where
it was called;
the work on them is done in threads, no more than there are cores, since more
would only wait for each other; the first failure ends it all.

Whoever takes the results is one of those threads and works on a part where the
next result is not there yet: a thread that waits is woken for every part, and
takes Python's lock each time from one that works.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from functools import partial
from itertools import islice
from typing import Generic, TypeVar

from stacchip_osml.imagery.blocks.workers import Work
from stacchip_osml.imagery.machine import usable_cores

__all__ = ["encoding_threads", "in_order"]

Part = TypeVar("Part")
Result = TypeVar("Result")

AHEAD = 2
"""Parts that are read for each thread before the first result is waited for."""


def encoding_threads(workers: int) -> int:
    """Say how many of the threads that a caller allows are of use: encoders never wait for anything but a core."""
    return min(workers, usable_cores())


def in_order(
    parts: Iterable[Part], work: Callable[[Part], Result], *, workers: int = 1
) -> Generator[Result, None, None]:
    """Work on parts.

    Args:
        parts: taken in the caller's thread, a few more than there are threads.
        work: done in the caller's thread, and in others if ``workers`` is more than 1.
        workers: threads at most, the caller's among them, at least 1.

    Yields:
        The results, in the order of ``parts``. Who stops before the last one closes the generator, which waits for
        threads that work.
    """
    workers = encoding_threads(workers)
    if workers <= 1:
        for part in parts:
            yield work(part)
        return
    waiting: deque[_Task[Result]] = deque()
    shared = Work(workers)
    rest = iter(parts)
    try:
        while True:
            for part in islice(rest, AHEAD * workers + 1 - len(waiting)):
                waiting.append(_Task(partial(work, part)))
                shared.add([waiting[-1].run])
            if not waiting:
                return
            first = waiting.popleft()
            while not first.done(wait=False):
                if not shared.do_one():
                    first.done(wait=True)
                    break
            yield first.result()
    finally:
        shared.drop()
        shared.finish()


class _Task(Generic[Result]):
    """The work on one part."""

    __slots__ = ("_done", "_error", "_result", "_work")

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._done = threading.Lock()
        self._done.acquire()
        self._error: Exception | None = None

    def run(self) -> None:
        """Do it, and keep what comes of it; the part is let go of."""
        work = self._work
        del self._work
        try:
            self._result = work()
        except Exception as error:  # whoever takes the result is told
            self._error = error
        finally:
            self._done.release()

    def done(self, *, wait: bool) -> bool:
        """Say whether it is done; once that has been said, it is not asked again."""
        return self._done.acquire(wait)

    def result(self) -> Result:
        """Give what came of it."""
        if self._error is not None:
            raise self._error
        return self._result
