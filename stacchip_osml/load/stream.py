"""Work done ahead of its consumer, in order, and never further ahead than agreed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from stacchip_osml.pixel.counts import whole_number

__all__ = ["ahead"]

MOST = 1 << 16
"""Tasks under way."""
A = TypeVar("A")
B = TypeVar("B")


def ahead(work: Callable[[A], B], tasks: Iterable[A], *, in_flight: int, threads: int | None = None) -> Generator[B]:
    """Yield ``work(task)`` in order, while up to ``in_flight`` later tasks are under way or done.

    Args:
        work: done in any thread.
        tasks: in the order wanted.
        in_flight: tasks.
        threads: None for one a task. With fewer, none waits for the consumer while an earlier task takes longer.

    A consumer that stops early stops the work: what has not begun is dropped, what has is waited for.
    """
    in_flight = whole_number("in_flight", in_flight, least=1, most=MOST)
    waiting: deque[Future[B]] = deque()
    following = iter(tasks)
    with ThreadPoolExecutor(in_flight if threads is None else threads, thread_name_prefix="stacchip-ahead") as pool:
        try:
            for task in following:
                waiting.append(pool.submit(work, task))
                if len(waiting) == in_flight:
                    break
            while waiting:
                done = waiting.popleft().result()
                # Given out before the next begins: with in_flight batches under way, one more would be held.
                for task in following:
                    waiting.append(pool.submit(work, task))
                    break
                yield done
                del done
        finally:
            for future in waiting:
                future.cancel()
