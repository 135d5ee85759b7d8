"""A file of equal slots that several processes fill and read at the same time.

Layout: a head of one page (what a slot holds, and how many there are), a table
of one entry a slot, the slots. Rules:

- A slot is claimed under a lock, written, and only then published by its table
  entry, which carries a checksum of itself. A reader believes published slots
  only, so it never sees a half-written one, and a writer killed half-way
  leaves a slot that nobody uses.
- Slots are never written twice. There is no eviction: epochs visit all rows,
  and whatever is thrown out last would be needed next.
- All access is by ``pread`` and ``pwrite``: a full disk or a file cut short by
  someone else is an exception here, where a mapping would kill the process.
- After a restart of the machine only slots that were flushed before it are
  believed: pages reach a disk in any order.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import threading
import weakref
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import LimitError, ReadError
from stacchip_osml.imagery.machine import usable_cores

__all__ = ["KEY_BYTES", "SlotFile"]

KEY_BYTES = 16
PAGE = 4096
MOST_THREADS = 4
"""That copy slots at the same time: one does not use up the memory's speed."""
_FEW = 8
"""Slots that are copied sooner than threads are told."""
_MAGIC = b"chip slots 1\n\0\0\0"
_NEXT, _BOOT = 3072, 3080
"""Where the head says which slot is claimed next, and since which start of the machine the file is in use."""
_ENTRY = np.dtype([("key", f"V{KEY_BYTES}"), ("flags", "<u4"), ("check", "<u4"), ("durable", "u1"), ("", "V7")])
PUBLISHED = 1 << 31
"""Flag of every published entry; the other bits are the caller's."""


def _threads() -> int:
    return min(MOST_THREADS, usable_cores())


class SlotFile:
    """Slots found by key; safe for threads, and for processes that opened the same file."""

    def __init__(self, path: str, budget_bytes: int) -> None:
        """Open a file, or prepare to make one; see :meth:`make`.

        Raises:
            ReadError: there is something else at that path.
            LimitError: the file is larger than the budget.
        """
        self.path = path
        self.budget_bytes = budget_bytes
        self.head: dict[str, Any] | None = None
        """What the maker said a slot holds; None until the file is made."""
        self._slots = self._slot_bytes = self._data = 0
        self._known: dict[bytes, tuple[int, int]] = {}
        self._seen = 0
        self._pending: list[int] = []
        self._readers: ThreadPoolExecutor | None = None
        self._thread_lock = threading.RLock()
        self._open()
        _OPEN.add(self)

    def _open(self) -> None:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise ReadError(f"{self.path}: {error.strerror or error}") from error
        self._forked = False
        with self._locked():
            if self.head is None:
                self._load_head()

    def make(self, head: Mapping[str, Any], slot_bytes: int) -> None:
        """Make the file, as large as the budget allows, unless another process has.

        Raises:
            LimitError: the budget holds no slot, or the disk has no room.
            ReadError: the file was made with another head.
        """
        with self._locked():
            if self.head is None:
                self._load_head()
            if self.head is None:
                self._write_new(dict(head), slot_bytes)
        if self.head != dict(head):
            raise ReadError(f"{self.path}: holds {self.head}, and not {dict(head)}; give another path or remove it")

    def look(self) -> dict[str, Any] | None:
        """Give the head, of a file that another process made meanwhile too; None where nobody has."""
        with self._here():
            if self.head is None:
                with self._locked():
                    self._load_head()
        return self.head

    @property
    def capacity(self) -> int:
        """Slots of the file; 0 until it is made."""
        self.look()
        return self._slots

    @property
    def claimed(self) -> int:
        """Slots in use."""
        return min(int.from_bytes(self._pread(8, _NEXT), "little"), self._slots) if self.look() else 0

    def find(self, keys: Sequence[bytes]) -> list[tuple[int, int] | None]:
        """Give (slot, flags) of each key, None where it is not there."""
        with self._here():
            self.look()
            found = [self._known.get(key) for key in keys]
            if self.head is not None and None in found and self._refresh():
                found = [self._known.get(key) for key in keys]
        return found

    def read(self, slots: Sequence[int], into: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
        """Read slots' bytes from their begins, each into arrays of its own.

        Raises:
            ReadError: the file was cut short.
        """
        with self._here():
            file = self._file
            if self._readers is None and len(slots) >= _FEW:
                self._readers = ThreadPoolExecutor(_threads(), thread_name_prefix="stacchip-slots")
        tasks = list(zip(slots, into, strict=True))
        if self._readers is None or len(tasks) < _FEW:
            return self._read(file, tasks)
        size = -(-len(tasks) // _threads())
        parts = [tasks[first : first + size] for first in range(0, len(tasks), size)]
        for done in [self._readers.submit(self._read, file, part) for part in parts]:
            done.result()
        return None

    def _read(self, file: int, tasks: Sequence[tuple[int, Sequence[NDArray[np.uint8]]]]) -> None:
        for slot, parts in tasks:
            got = os.preadv(file, [part.data for part in parts], self._data + slot * self._slot_bytes)
            wanted = sum([part.nbytes for part in parts])
            if got != wanted:
                raise ReadError(f"{self.path}: slot {slot} ends after {got} of {wanted} bytes; the file was cut short")

    def claim(self, count: int) -> range:
        """Take slots to write; fewer than asked for, or none, where the file is full."""
        with self._locked():
            first = int.from_bytes(self._pread(8, _NEXT), "little")
            after = min(first + count, self._slots)
            if after > first:
                self._pwrite([after.to_bytes(8, "little")], _NEXT)
            return range(first, after)

    def write(self, slot: int, parts: Sequence[NDArray[np.uint8]]) -> None:
        """Write a claimed slot's bytes.

        Raises:
            LimitError: the disk is full.
        """
        with self._here():
            self._pwrite(parts, self._data + slot * self._slot_bytes)

    def publish(self, slot: int, key: bytes, flags: int) -> None:
        """Say that a slot is written, and under which key it is found."""
        with self._here():
            self._pwrite([_entry(slot, key, flags).tobytes()], PAGE + slot * _ENTRY.itemsize)
            self._known.setdefault(key, (slot, flags))

    def flush(self) -> None:
        """Bring what is published to the disk, so that it is believed after a restart of the machine."""
        with self._locked():
            if self.head is None:
                return
            table = self._table(0, self.claimed)
            written = np.flatnonzero(_published(table, 0) & (table["durable"] == 0))
            os.fdatasync(self._file)
            for slot in written.tolist():
                # This byte alone: others may be publishing in the same table.
                self._pwrite([b"\1"], PAGE + slot * _ENTRY.itemsize + _ENTRY.fields["durable"][1])  # type: ignore[index]
            os.fdatasync(self._file)

    def close(self) -> None:
        """Let the file go."""
        with self._thread_lock:
            if self._file >= 0:
                os.close(self._file)
            self._file, self._forked = -1, False
            if self._readers is not None:
                self._readers.shutdown()
                self._readers = None

    def _write_new(self, head: dict[str, Any], slot_bytes: int) -> None:
        slot_bytes = -(-slot_bytes // PAGE) * PAGE
        slots = (self.budget_bytes - 2 * PAGE) // (slot_bytes + _ENTRY.itemsize)
        if slots < 1:
            raise LimitError(f"{self.path}: {self.budget_bytes} bytes hold no chip of {slot_bytes} bytes")
        data = -(-(PAGE + slots * _ENTRY.itemsize) // PAGE) * PAGE
        size = data + slots * slot_bytes
        text = json.dumps({"head": head, "slot_bytes": slot_bytes, "slots": slots, "data": data}).encode()
        if len(text) > _NEXT - 24:
            raise LimitError(f"{self.path}: {len(text)} bytes describe a slot; at most {_NEXT - 24} can be kept")
        try:
            if sys.platform == "linux" and not self.path.startswith("/proc/"):
                os.posix_fallocate(self._file, 0, size)
            else:
                os.ftruncate(self._file, size)
        except OSError as error:
            os.ftruncate(self._file, 0)
            raise LimitError(f"{self.path}: no room for {size} bytes: {error.strerror}") from error
        self._pwrite([_boot_id()], _BOOT)
        # The magic comes last: a maker that is killed before leaves a file that the next one makes anew.
        framed = len(text).to_bytes(4, "little") + zlib.crc32(text).to_bytes(4, "little") + text
        self._pwrite([framed], len(_MAGIC))
        self._pwrite([_MAGIC], 0)
        self._load_head()

    def _load_head(self) -> None:
        page = self._pread(PAGE, 0)
        if not page.startswith(_MAGIC):
            if page[: len(_MAGIC)].strip(b"\0"):
                raise ReadError(f"{self.path}: not a store of decoded chips")
            return
        size = int.from_bytes(page[16:20], "little")
        text = page[24 : 24 + size]
        if size > _NEXT - 24 or zlib.crc32(text) != int.from_bytes(page[20:24], "little"):
            raise ReadError(f"{self.path}: the head of the store is damaged")
        told = json.loads(text)
        end = told["data"] + told["slots"] * told["slot_bytes"]
        if os.fstat(self._file).st_size < end:
            raise ReadError(f"{self.path}: the store was cut short, expected {end} bytes")
        if end > self.budget_bytes:
            raise LimitError(f"{self.path}: the store has {end} bytes, the budget is {self.budget_bytes}")
        self._slots, self._slot_bytes, self._data = told["slots"], told["slot_bytes"], told["data"]
        if page[_BOOT : _BOOT + 36] != _boot_id():
            self._forget_unflushed()
        self.head = told["head"]

    def _forget_unflushed(self) -> None:
        claimed = min(int.from_bytes(self._pread(8, _NEXT), "little"), self._slots)
        table = self._table(0, claimed)
        kept = np.flatnonzero(table["durable"])
        after = int(kept[-1]) + 1 if len(kept) else 0
        for slot in np.flatnonzero(table["durable"] == 0).tolist():
            # A slot between others is given a key that nobody asks for, so that nobody waits for it either.
            table[slot] = _entry(slot, bytes(KEY_BYTES), 0) if slot < after else np.zeros(1, _ENTRY)
        self._pwrite([table.tobytes()], PAGE)
        self._pwrite([after.to_bytes(8, "little")], _NEXT)
        self._pwrite([_boot_id()], _BOOT)

    def _refresh(self) -> bool:
        """Learn what was published since; tell whether there was anything."""
        waiting, self._pending = self._pending, []
        before = len(self._known)
        for slot in waiting:
            self._learn(self._table(slot, slot + 1), slot)
        after = self.claimed
        if after > self._seen:
            first, self._seen = self._seen, after
            self._learn(self._table(first, after), first)
        return len(self._known) > before

    def _learn(self, table: NDArray[Any], first: int) -> None:
        good = _published(table, first)
        for place in np.flatnonzero(good).tolist():
            entry = table[place]
            self._known.setdefault(entry["key"].tobytes(), (first + place, int(entry["flags"]) & ~PUBLISHED))
        self._pending += (first + np.flatnonzero(~good)).tolist()

    def _table(self, first: int, after: int) -> NDArray[Any]:
        size = _ENTRY.itemsize
        return np.frombuffer(bytearray(self._pread((after - first) * size, PAGE + first * size)), _ENTRY)

    def _pread(self, size: int, offset: int) -> bytes:
        return os.pread(self._file, size, offset)

    def _pwrite(self, parts: Sequence[Any], offset: int) -> None:
        views = [memoryview(part).cast("B") for part in parts]
        try:
            while views:
                done = os.pwritev(self._file, views, offset)
                offset += done
                while views and done >= len(views[0]):
                    done -= len(views.pop(0))
                if views:
                    views[0] = views[0][done:]
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
                raise LimitError(f"{self.path}: no room to write a chip: {error.strerror}") from error
            raise ReadError(f"{self.path}: {error.strerror}") from error

    @contextmanager
    def _here(self) -> Iterator[None]:
        """Hold the thread lock, with a file of this process's own: a fork would share its lock on the file."""
        with self._thread_lock:
            if self._forked:
                os.close(self._file)
                self._open()
            yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._here():
            fcntl.flock(self._file, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._file, fcntl.LOCK_UN)


_OPEN: weakref.WeakSet[SlotFile] = weakref.WeakSet()


def _after_fork() -> None:
    """Give a child what threads of its own can use, whatever the parent's threads were doing."""
    for file in _OPEN:
        file._thread_lock, file._forked, file._readers = threading.RLock(), True, None


os.register_at_fork(after_in_child=_after_fork)


def _entry(slot: int, key: bytes, flags: int) -> NDArray[Any]:
    entry = np.zeros(1, _ENTRY)
    entry["key"], entry["flags"] = np.void(key), flags | PUBLISHED
    entry["check"] = _check(slot, key, flags | PUBLISHED)
    return entry


def _check(slot: int, key: bytes, flags: int) -> int:
    return zlib.crc32(key + flags.to_bytes(4, "little") + slot.to_bytes(8, "little"))


def _published(table: NDArray[Any], first: int) -> NDArray[np.bool_]:
    """Tell which entries are whole."""
    good = np.asarray((table["flags"] & PUBLISHED) != 0)
    for place in np.flatnonzero(good).tolist():
        entry = table[place]
        good[place] = entry["check"] == _check(first + place, entry["key"].tobytes(), int(entry["flags"]))
    return good


def _boot_id() -> bytes:
    """Tell this start of the machine from others; where the system does not say, no start is like another."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes()[:36].ljust(36)
    except OSError:
        return os.urandom(18).hex().encode()
