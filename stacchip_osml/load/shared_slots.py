"""Memory that a loader and its workers share: a batch is written where its consumer reads it, and again for the next.

What crosses a process border otherwise is copied into memory made for it, and
fresh memory costs a page fault every 4 KiB on either side. Here a loader owns
a few slots. A task names one; the worker fills it; the consumer's arrays lie
in it, and when the last of them is gone it serves another task.

Rules: a slot is with one task, or with one consumer, or free. What was taken
for tasks that nobody waits for any more comes back by ``recover``, which is
for when workers are known to have ended them. Where the system has no such
memory there are no slots, and batches cross as they otherwise would.
"""

from __future__ import annotations

import mmap
import os
import platform
from collections import deque
from collections.abc import Sequence
from itertools import count
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["Slot", "SlotLease", "SlotMap", "SlotPool", "offsets_of"]

ALIGNMENT = 64
"""Bytes of a cache line."""
_serials = count(1)


class Slot(NamedTuple):
    """What a worker is told of a slot."""

    path: str
    serial: int
    """Tells it from others that had the same path before."""
    size: int
    """Bytes."""


def offsets_of(sizes: Sequence[int]) -> tuple[list[int], int]:
    """Lay arrays of some bytes one behind the other: where each begins, and where the last one ends."""
    begins, end = [], 0
    for size in sizes:
        begins.append(end)
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return begins, end


class _Memory:
    """A slot as its owner has it."""

    __slots__ = ("_file", "address", "bytes", "slot")

    def __init__(self, serial: int, size: int) -> None:
        self._file = os.memfd_create("chip-batches", os.MFD_CLOEXEC)
        try:
            os.ftruncate(self._file, size)
            self.bytes = np.frombuffer(mmap.mmap(self._file, size), np.uint8)
        except BaseException:
            self.close()
            raise
        self.address: int = self.bytes.ctypes.data
        self.slot = Slot(f"/proc/{os.getpid()}/fd/{self._file}", serial, size)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def __del__(self) -> None:
        self.close()


class SlotLease:
    """A slot in the hands of a consumer; free again when this and all arrays of it are gone."""

    __slots__ = ("_memory", "_returned")

    def __init__(self, memory: _Memory, returned: deque[_Memory]) -> None:
        self._memory = memory
        self._returned = returned

    def array(self, offset: int, shape: Sequence[int], dtype: DTypeLike) -> NDArray[Any]:
        """Give an array that lies in the slot.

        Raises:
            ValueError: it would not.
        """
        kind, sides = np.dtype(dtype), tuple(shape)
        end = offset + kind.itemsize * int(np.prod(sides, dtype=np.int64))
        if not 0 <= offset <= end <= self._memory.slot.size:
            raise ValueError(f"bytes {offset} to {end} of a slot of {self._memory.slot.size}")
        return np.asarray(_Part(self, self._memory.address + offset, sides, kind))

    def __del__(self) -> None:
        # May run in the middle of anything, a garbage collection inside the pool's own work too: it only notes it.
        self._returned.append(self._memory)


class _Part:
    """The owner that numpy sees of an array's memory."""

    __slots__ = ("__array_interface__", "_lease")

    def __init__(self, lease: SlotLease, address: int, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._lease = lease
        self.__array_interface__ = {"data": (address, False), "shape": shape, "typestr": dtype.str, "version": 3}


class SlotPool:
    """The slots of one loader, all of one size; used from one thread, while leases may end in any."""

    def __init__(self, most: int) -> None:
        """Plan for so many slots at most; they are made when they are wanted and it is known how large they must be."""
        self.most = most
        self._size = 0
        self._is_served = platform.system() == "Linux"
        self._free: list[_Memory] = []
        self._tasks: dict[int, _Memory] = {}
        """Those with tasks, by serial."""
        self._returned: deque[_Memory] = deque()
        self._made = 0

    def need(self, size: int) -> None:
        """Say how many bytes a batch has; slots that hold less serve no more."""
        self._size = max(self._size, size)

    def take(self) -> Slot | None:
        """Give a free slot to a task; None where there is none."""
        self._settle()
        if not self._free and self._size and self._made < self.most and self._is_served:
            try:
                self._free.append(_Memory(next(_serials), self._size))
            except OSError:  # no memory, or no descriptors left: batches find another way
                return None
            self._made += 1
        if not self._free:
            return None
        memory = self._free.pop()  # the one used last: the likeliest to be in the processor's caches
        self._tasks[memory.slot.serial] = memory
        return memory.slot

    def lend(self, slot: Slot) -> SlotLease:
        """Hand a task's slot, which is filled, to the consumer."""
        return SlotLease(self._tasks.pop(slot.serial), self._returned)

    def recover(self) -> None:
        """Take back the slots of all tasks: their workers have ended them, and nobody asked for what they made."""
        self._returned.extend(self._tasks.values())
        self._tasks.clear()

    def _settle(self) -> None:
        while self._returned:
            memory = self._returned.popleft()
            if memory.slot.size < self._size:
                self._made -= 1
            else:
                self._free.append(memory)
        for memory in [each for each in self._free if each.slot.size < self._size]:
            self._free.remove(memory)
            self._made -= 1


class SlotMap:
    """The slots that a worker knows."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, NDArray[np.uint8] | None]] = {}

    def bytes_of(self, slot: Slot) -> NDArray[np.uint8] | None:
        """Give a slot's memory; None where this process may not have it."""
        serial, found = self._known.get(slot.path, (-1, None))
        if serial != slot.serial:
            found = _mapped(slot)
            self._known[slot.path] = slot.serial, found
        return found


def _mapped(slot: Slot) -> NDArray[np.uint8] | None:
    try:
        file = os.open(slot.path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # another user's, say, or its owner has ended
        return None
    try:
        if os.fstat(file).st_size != slot.size:
            return None
        return np.frombuffer(mmap.mmap(file, slot.size), np.uint8)
    except OSError:
        return None
    finally:
        os.close(file)
