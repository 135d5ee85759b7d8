"""Memory that a decoder works in, used again block after block: fresh memory costs a fifth of a read."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.arena import Arena

__all__ = ["Scratch", "Stays"]

KEPT = 1 << 26
"""Bytes: a larger buffer is not kept for the next block."""
GRAIN = 1 << 16
"""Bytes that buffers are multiples of, so that blocks of about one size share them."""
SPARE = 64
"""Bytes past the end of what is given that belong to the same buffer: some decoders look at whole words."""


class Scratch:
    """Reusable buffers of one thread, told apart by what they hold. Not safe for two threads at once."""

    __slots__ = ("_buffers",)

    def __init__(self) -> None:
        self._buffers: dict[str, NDArray[np.uint8]] = {}

    def octets(self, purpose: str, size: int) -> NDArray[np.uint8]:
        """Give ``size`` bytes with arbitrary contents; what was given for the same purpose before is overwritten."""
        buffer = self._buffers.get(purpose)
        if buffer is None or len(buffer) < size + SPARE:
            buffer = np.empty(-(-(size + SPARE) // GRAIN) * GRAIN, np.uint8)
            if len(buffer) <= KEPT:
                self._buffers[purpose] = buffer
        return buffer[:size]

    def array(self, purpose: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Give a C-contiguous array with arbitrary contents; see ``octets``."""
        kind = np.dtype(dtype)
        return self.octets(purpose, math.prod(shape) * kind.itemsize).view(kind).reshape(shape)


class Stays(Scratch):
    """A thread's scratch, but that streams are expanded to memory of an arena, which stays as long as it is held."""

    __slots__ = ("_arena", "_scratch")

    def __init__(self, scratch: Scratch, arena: Arena) -> None:
        super().__init__()
        self._scratch, self._arena = scratch, arena

    def octets(self, purpose: str, size: int) -> NDArray[np.uint8]:
        """Give ``size`` bytes; see :class:`Scratch`."""
        return self._arena.take((size,), np.uint8) if purpose == "stream" else self._scratch.octets(purpose, size)
