"""Memory for pixels that is used again: fresh memory costs a page fault every 4 KiB, a fifth of a read.

An array made here looks and behaves like any other. Its memory goes back to
the arena when the array and everything made on it without copying (views,
``torch.from_numpy`` tensors, memoryviews) are gone, whoever drops the last of
them, in whatever thread. This works because numpy keeps the object that an
array was made from, here a lease, alive for as long as any view lives.

Rules: an arena bounds the memory that waits in it, not what is lent; contents
are whatever the last user left; small arrays are numpy's own. A forked child
starts with an empty arena: what waits belongs to the parent.
"""

from __future__ import annotations

import math
import os
import threading
import weakref
from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.imagery.machine import fitting

__all__ = ["Arena", "default_arena"]

MIB = 1 << 20
SMALLEST = 1 << 16
"""Bytes: below this, numpy allocates as fast as an arena lends."""
ALIGNMENT = 64
"""Bytes of a cache line."""


class _Buffer:
    """A piece of memory, lent or waiting."""

    __slots__ = ("address", "memory", "serial", "size")

    def __init__(self, size: int) -> None:
        self.memory = np.empty(size + ALIGNMENT, np.uint8)
        self.address = -(-self.memory.ctypes.data // ALIGNMENT) * ALIGNMENT
        self.size = size
        self.serial = 0


class _Lease:
    """The owner that numpy sees of an array's memory; its end gives the memory back."""

    __slots__ = ("__array_interface__", "_arena", "_buffer")

    def __init__(self, arena: Arena, buffer: _Buffer, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._arena = arena
        self._buffer = buffer
        self.__array_interface__ = {
            "data": (buffer.address, False),
            "shape": shape,
            "typestr": dtype.str,
            "version": 3,
        }

    def __del__(self) -> None:
        self._arena._take_back(self._buffer)


class Arena:
    """Lends arrays whose memory returns by itself; safe for threads."""

    def __init__(self, capacity: int = 512 * MIB) -> None:
        """Keep at most ``capacity`` bytes waiting for the next user."""
        self.capacity = capacity
        self._reset()
        _ARENAS.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._returned: deque[_Buffer] = deque()
        self._free: dict[int, deque[_Buffer]] = {}
        self._free_bytes = 0
        self._serial = 0

    @property
    def free_bytes(self) -> int:
        """Memory that waits."""
        with self._lock:
            self._settle()
            return self._free_bytes

    def take(self, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Lend an array with arbitrary contents, C-contiguous and writeable.

        Args:
            shape: of the array.
            dtype: any but Python objects.
        """
        kind, sides = np.dtype(dtype), tuple(shape)
        wanted = math.prod(sides) * kind.itemsize
        if wanted < SMALLEST:
            return np.empty(sides, kind)
        if kind.hasobject:
            raise TypeError(f"an arena lends memory for numbers, not for {kind}")
        buffer = self._find(_size_class(wanted))
        return np.asarray(_Lease(self, buffer, sides, kind))

    def clear(self) -> None:
        """Give waiting memory back to the system."""
        with self._lock:
            self._settle()
            self._free.clear()
            self._free_bytes = 0

    def _find(self, size: int) -> _Buffer:
        with self._lock:
            self._settle()
            waiting = self._free.get(size)
            if waiting:
                self._free_bytes -= size
                return waiting.pop()  # the one used last: the likeliest to be in the processor's caches
        return _Buffer(size)

    def _take_back(self, buffer: _Buffer) -> None:
        # The end of an array may come anywhere, in the middle of this very arena's work too (a garbage collection
        # runs inside any allocation): so this only notes it, and never waits for the lock.
        self._returned.append(buffer)
        if self._lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._lock.release()

    def _settle(self) -> None:
        """Sort in what came back, and drop the oldest above the capacity; the caller holds the lock."""
        while self._returned:
            buffer = self._returned.popleft()
            self._serial += 1
            buffer.serial = self._serial
            self._free.setdefault(buffer.size, deque()).append(buffer)
            self._free_bytes += buffer.size
        while self._free_bytes > self.capacity:
            oldest = min((waiting for waiting in self._free.values() if waiting), key=lambda waiting: waiting[0].serial)
            self._free_bytes -= oldest.popleft().size


def _size_class(wanted: int) -> int:
    """Round up to one of four sizes an octave, so that nearly equal requests share memory."""
    step = 1 << max(wanted.bit_length() - 3, 0)
    return -(-wanted // step) * step


_ARENAS: weakref.WeakSet[Arena] = weakref.WeakSet()
_DEFAULT = Arena(fitting(512 * MIB))


def default_arena() -> Arena:
    """Give the arena that the whole process shares."""
    return _DEFAULT


def _after_fork() -> None:
    for arena in list(_ARENAS):
        arena._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
