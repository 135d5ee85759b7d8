"""Work on the parts of an image with threads, its results in order, no more parts in memory than threads need.

Rules: parts are read one after the other by whoever takes the results, so a
provider needs no thread safety and its exceptions come up where it was called;
the work on them is done in threads, no more than there are cores, since more
would only wait for each other; the first failure ends it all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from stacchip_osml.imagery.machine import usable_cores

__all__ = ["encoding_threads", "in_order"]

Place = TypeVar("Place")
Part = TypeVar("Part")
Result = TypeVar("Result")


def encoding_threads(workers: int) -> int:
    """Say how many of the threads that a caller allows are of use: encoders never wait for anything but a core."""
    return min(workers, usable_cores())


def in_order(
    places: Iterable[Place], read: Callable[[Place], Part], work: Callable[[Place, Part], Result], *, workers: int = 1
) -> Generator[Result, None, None]:
    """Read each part and work on it.

    Args:
        places: of the parts.
        read: gives a part; called in the caller's thread.
        work: done in a thread, or in the caller's if ``workers`` is 1.
        workers: threads at most, at least 1.

    Yields:
        The results, in the order of ``places``. Who stops before the last one closes the generator, which waits for
        threads that work.
    """
    workers = encoding_threads(workers)
    if workers <= 1:
        for place in places:
            yield work(place, read(place))
        return
    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="encode") as pool:
        try:
            for place in places:
                waiting.append(pool.submit(work, place, read(place)))
                if len(waiting) > 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
