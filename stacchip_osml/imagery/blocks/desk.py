"""Memory that one thread works with: the decoder's scratch and a buffer for bytes as stored."""

from __future__ import annotations

import threading

from stacchip_osml.imagery.blocks.decode import Scratch

__all__ = ["Desk", "own_desk"]

KEPT = 1 << 26
"""Bytes: a larger buffer is not kept for the next read."""


class Desk:
    """What a thread needs at hand to read blocks; used by that thread alone."""

    __slots__ = ("_bytes", "scratch")

    def __init__(self) -> None:
        self.scratch = Scratch()
        self._bytes = bytearray()

    def bytes_of(self, size: int) -> memoryview:
        """Give a buffer of ``size`` bytes with arbitrary contents, valid until the next call."""
        if size > KEPT:
            return memoryview(bytearray(size))
        if len(self._bytes) < size:
            self._bytes = bytearray(size)  # a new one: somebody may still look at the old
        return memoryview(self._bytes)[:size]


class _Own(threading.local):
    def __init__(self) -> None:
        self.desk = Desk()


_OWN = _Own()


def own_desk() -> Desk:
    """Give the desk of the calling thread."""
    return _OWN.desk
