"""Memory of files that are written to memory: all at once, in large pages, and first touched by whoever writes there.

A page of 4 KiB that is touched for the first time costs more than what is written to it, and a file that grows
has its bytes filled with zeros by one thread while others wait.
"""

from __future__ import annotations

import ctypes
import io
import mmap
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np

__all__ = ["fresh_file", "reserve", "room_for"]

LARGE = 4 << 20
"""From how many bytes on large pages are asked for; numpy's arrays do so, too."""
MOST_ROOM = 256 << 20
"""That are held for a file that may become shorter."""
MOST_MOVED = 1 << 20
"""That a file may hold before room is made behind them."""


def fresh_file(size: int) -> io.BytesIO:
    """Give a file in memory of bytes that are anything, all of which are to be written.

    Zeros that nobody reads take as long as the samples of a chip, and no other thread runs meanwhile.
    """
    if size < LARGE and (fresh := _fresh_bytes()) is not None:
        return io.BytesIO(fresh(None, size))  # nobody else has these bytes: the file takes them as its memory
    out = io.BytesIO()
    reserve(out, size)
    return out


def reserve(out: BinaryIO, end: int) -> None:
    """Make a file that is in memory so long, at least; ``out`` is left where it stands."""
    if type(out) is io.BytesIO:
        here = out.tell()
        held = out.seek(0, io.SEEK_END)
        if held == 0 < end:
            _begin(out, end)
        elif held < end:
            out.seek(end - 1)
            out.write(b"\0")
        out.seek(here)


@contextmanager
def room_for(out: BinaryIO, size: int) -> Iterator[None]:
    """Hold memory for what is written to a file in memory; it ends where ``out`` stands afterwards.

    Args:
        out: any file; nothing is done but for one in memory that stands at its end.
        size: what is written from there on at most, mostly.
    """
    if type(out) is not io.BytesIO or size < LARGE or not (held := out.tell()) == out.getbuffer().nbytes <= MOST_MOVED:
        yield
        return
    before = out.getvalue()
    _begin(out, held + min(size, MOST_ROOM))
    out.write(before)
    try:
        yield
    finally:
        out.truncate()


def _begin(out: io.BytesIO, size: int) -> None:
    """Give an empty file zeros that take no memory before somebody writes there."""
    out.__init__(bytes(size))  # type: ignore[misc] # writing zeros would touch them all
    if size >= LARGE and (advise := _madvise()) is not None:
        page = mmap.PAGESIZE
        start = np.frombuffer(out.getbuffer(), np.uint8).ctypes.data
        first, last = -(-start // page) * page, (start + size) // page * page
        advise(first, last - first, mmap.MADV_HUGEPAGE)  # only advice: without it, all is as before


@lru_cache(maxsize=1)
def _fresh_bytes() -> Callable[[None, int], bytes] | None:
    """Find the interpreter's call for bytes that are not written yet; None where it is another interpreter."""
    if sys.implementation.name != "cpython":
        return None
    kind = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_ssize_t)
    return kind(("PyBytes_FromStringAndSize", ctypes.pythonapi))


@lru_cache(maxsize=1)
def _madvise() -> Callable[[int, int, int], Any] | None:
    """Find the system's call; None where it knows no large pages."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return None
    call = ctypes.CDLL(None).madvise
    call.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return call
