"""Memory that each thread uses again: where several threads work, fresh memory costs more than what is done in it.

What is in it is gone when the same thread asks for memory of that name again: it is for what is compressed at once.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = ["scratch"]

MOST = 8 << 20
"""Bytes that a thread keeps of each name; larger memory is fresh."""


class _Kept(threading.local):
    """Of one thread."""

    def __init__(self) -> None:
        self.memory: dict[str, NDArray[np.uint8]] = {}


_kept = _Kept()


def scratch(name: str, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Give an array of anything.

    Args:
        name: whose memory it is; two that are needed together have different ones.
        shape: of the array.
        dtype: of the array.
    """
    kind = np.dtype(dtype)
    size = math.prod(shape) * kind.itemsize
    if size > MOST:
        return np.empty(shape, kind)
    memory = _kept.memory.get(name)
    if memory is None or memory.nbytes < size + kind.itemsize:
        memory = _kept.memory[name] = np.empty(size + kind.itemsize, np.uint8)
    # a sample behind where memory begins: OpenCV writes aligned memory past the caches, from where it is fetched again
    return memory[kind.itemsize : kind.itemsize + size].view(kind).reshape(shape)
