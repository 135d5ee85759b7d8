"""What the writers of all compressions share: progress, and places of blocks in the whole image."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.pixel import PixelWindow

__all__ = ["Block", "Progress", "blocks_of", "part_of"]

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
