"""What the writers of all compressions share: progress, places of blocks in the whole image, and memory of the file."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.pixel import PixelWindow

__all__ = ["Block", "Progress", "blocks_of", "part_of", "reserve"]

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


def reserve(out: BinaryIO, start: int, size: int) -> NDArray[np.uint8] | None:
    """Make room in a file that is in memory.

    Args:
        out: left where it stands.
        start: of the room.
        size: bytes.

    Returns:
        The bytes of the file there, to be written to; the file keeps its size as long as somebody holds them. None
        of other files, where nothing happens.
    """
    if type(out) is not io.BytesIO:
        return None
    here = out.tell()
    if size and out.seek(0, io.SEEK_END) < start + size:
        out.seek(start + size - 1)
        out.write(b"\0")
    out.seek(here)
    return np.frombuffer(out.getbuffer(), np.uint8)[start : start + size]
