"""Open file handles, shared by a whole process and bounded in number.

A GDAL dataset must serve one thread at a time, and opening one costs more than
a small read. So handles are lent: a borrower has one alone, and gives it back
for whoever asks for the same key next. Handles at rest are closed oldest
first when the pool is full; one that is lent is never closed. When more
threads than ``capacity`` read at once, the pool is as large as they are many.

A handle whose borrower raised is closed, not kept: its state is unknown.
A forked child forgets its parent's handles (they share file offsets) without
closing them, because a library lock may have been held during the fork.
Handles at rest are closed before the interpreter ends: a library whose modules
are gone can no longer do it, and complains.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

__all__ = ["Closable", "HandlePool"]


class Closable(Protocol):
    """Anything that holds a descriptor until told otherwise."""

    def close(self) -> None:
        """Release the descriptor."""
        ...


H = TypeVar("H", bound=Closable)


class HandlePool(Generic[H]):
    """A bounded pool of handles, least recently used out first; safe to use from many threads."""

    def __init__(self, capacity: int) -> None:
        """Keep at most ``capacity`` handles open while no more than that are lent."""
        self.capacity = capacity
        self._abandoned: list[object] = []
        self._reset()
        atexit.register(self.close_resting)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        self._abandoned.append(getattr(self, "_resting", None))
        self._lock = threading.Lock()
        self._resting: OrderedDict[int, tuple[Hashable, H]] = OrderedDict()
        self._by_key: dict[Hashable, list[int]] = {}
        self._serial = 0
        self._lent = 0

    @contextmanager
    def lend(self, key: Hashable, opener: Callable[[], H]) -> Iterator[H]:
        """Lend one handle for ``key`` alone, opened by ``opener`` where none rests."""
        handle = self._take(key)
        try:
            if handle is None:
                handle = opener()
            yield handle
        except BaseException:
            with self._lock:
                self._lent -= 1
            if handle is not None:
                handle.close()
            raise
        self._give_back(key, handle)

    def close_resting(self) -> None:
        """Close every handle that is not lent."""
        with self._lock:
            resting = [handle for _, handle in self._resting.values()]
            self._resting.clear()
            self._by_key.clear()
        for handle in resting:
            handle.close()

    def _take(self, key: Hashable) -> H | None:
        with self._lock:
            self._lent += 1
            serials = self._by_key.get(key)
            if serials:
                serial = serials[-1]
                self._forget(serial)
                return self._resting.pop(serial)[1]
            surplus = self._surplus()
        for handle in surplus:
            handle.close()
        return None

    def _give_back(self, key: Hashable, handle: H) -> None:
        with self._lock:
            self._lent -= 1
            self._serial += 1
            self._resting[self._serial] = (key, handle)
            self._by_key.setdefault(key, []).append(self._serial)
            surplus = self._surplus()
        for old in surplus:
            old.close()

    def _surplus(self) -> list[H]:
        """Take out what is over capacity; the caller closes it outside the lock."""
        surplus = []
        while self._resting and len(self._resting) + self._lent > self.capacity:
            serial = next(iter(self._resting))
            self._forget(serial)
            surplus.append(self._resting.pop(serial)[1])
        return surplus

    def _forget(self, serial: int) -> None:
        key = self._resting[serial][0]
        serials = self._by_key[key]
        serials.remove(serial)
        if not serials:
            del self._by_key[key]
