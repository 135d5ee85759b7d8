"""Turns at the cores, for threads that compute.

More threads than cores take the caches and Python's lock from each other, every few tenths of a millisecond: eight
threads on two cores that cut chips and write them are then a quarter to a third slower than two.

Rules:

- there are as many turns as cores, for the whole process; a thread that has one has it once, however often it asks;
- a turn is no lock: who has waited ``PATIENCE`` seconds goes on without one, so that threads that have turns may wait
  for threads that want one;
- reading that was seen to wait takes none for a while;
- a forked child has all turns.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue

from stacchip_osml.imagery.machine import usable_cores

__all__ = ["CORES", "CoreTurns", "ReadingTurns"]

PATIENCE = 1.0
BUSY = 0.5
"""Share of its time that a thread computes, at least, while it reads files that are at hand."""
SLACK = 0.05
"""Seconds that readings may wait beyond that, together."""
UNWATCHED = 64
"""Readings without a turn, once they waited longer."""


class _Held(threading.local):
    """What this thread has."""

    depth = 0
    is_taken = False


class CoreTurns:
    """Turns for ``with``; those of a process are ``CORES``."""

    def __init__(self, count: int | None = None) -> None:
        self._held = _Held()
        self.reset(count)

    def reset(self, count: int | None = None) -> None:
        """Have all turns again, but for this thread's; None for as many as cores."""
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range((usable_cores() if count is None else count) - self._held.is_taken):
            self._free.put(None)

    def __enter__(self) -> None:
        held = self._held
        if not held.depth:
            with suppress(Empty):
                self._free.get(timeout=PATIENCE)
                held.is_taken = True
        held.depth += 1

    def __exit__(self, *_: object) -> None:
        held = self._held
        held.depth -= 1
        if not held.depth and held.is_taken:
            held.is_taken = False
            self._free.put(None)


CORES = CoreTurns()


class ReadingTurns:
    """Turns of those who read the same files."""

    def __init__(self, turns: CoreTurns = CORES) -> None:
        self._turns = turns
        self._left = SLACK
        self._without = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Have a turn while files are read, unless that was mostly waiting of late."""
        if self._without > 0:
            self._without -= 1
            yield
            return
        with self._turns:
            begun, worked = time.perf_counter(), time.thread_time()
            yield
            computed = time.thread_time() - worked
            self._left = min(self._left + computed - BUSY * (time.perf_counter() - begun), SLACK)
            if self._left < 0:
                self._left, self._without = SLACK, UNWATCHED


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CORES.reset)
