"""What the writers of all compressions share: progress, places of blocks in the whole image, and memory of the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.file_memory import reserve
from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.pixel import PixelWindow

__all__ = ["Block", "Progress", "blocks_of", "memory_of", "part_of"]

Progress = Callable[[int, int], object]
"""Told what is done, and what all is."""


class Block(NamedTuple):
    """One block, or one band of one."""

    number: int
    """Row by row, from 0."""
    window: PixelWindow
    """Of the whole image, cut off at its edge."""
    band: int | None = None


def part_of(blocking: Blocking, window: PixelWindow) -> PixelWindow:
    """Turn a window of a segment into one of the whole image."""
    x, y, width, height = window
    return PixelWindow(blocking.window.x + x, blocking.window.y + y, width, height)


def blocks_of(blocking: Blocking) -> list[Block]:
    """List the blocks of a segment, row by row."""
    grid, (rows, cols) = blocking.grid, blocking.shape
    return [
        Block(row * cols + col, part_of(blocking, grid.window(row, col))) for row in range(rows) for col in range(cols)
    ]


def memory_of(out: BinaryIO, start: int, size: int) -> NDArray[np.uint8] | None:
    """Give the bytes that a file in memory has there, to be written to; None of other files.

    The file keeps its size as long as somebody holds them.
    """
    if type(out) is not io.BytesIO:
        return None
    reserve(out, start + size)
    return np.asarray(out.getbuffer())[start : start + size]
