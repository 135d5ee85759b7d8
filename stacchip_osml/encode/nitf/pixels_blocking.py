"""How an image is cut into segments and blocks (MIL-STD-2500C, NBPR to NPPBV in table A-3, ILOC in 5.3.3).

Rules:

- blocks are NPPBH x NPPBV pixels, the last ones padded; sides are at most 8192,
  but for an image of one block a side, whose field is 0000 above that;
- a segment holds whole rows of blocks; it ends before its data or its rows
  become more than a field can say, and the next one is placed below by ILOC.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["LONGEST_SIDE", "MOST_BYTES", "MOST_PLACED_ROWS", "Blocking", "blocking_of", "split_rows"]

CLAUSE = "MIL-STD-2500C, table A-3"
LONGEST_SIDE = 8192
MOST_BLOCKS = 9999
"""Along a side: NBPR and NBPC have four digits."""
MOST_ROWS = 99_999_999
"""NROWS has eight digits."""
MOST_PLACED_ROWS = 99_999
"""ILOC has five digits a side, and places the next segment below."""
MOST_BYTES = 9_999_999_998
"""LI has ten digits; ten nines mean that the length is not known."""


@lru_cache(maxsize=256)
def _grid(size: ImageSize, block_shape: tuple[int, int]) -> BlockGrid:
    """Lay blocks out; those of chips that are as large lie alike."""
    return BlockGrid(size, block_shape)


@dataclass(frozen=True, slots=True)
class Blocking:
    """The blocks of one segment."""

    window: PixelWindow
    """Of the whole image, in its pixels: all columns, some rows."""
    block_shape: tuple[int, int]
    """(rows, cols)."""

    @property
    def size(self) -> ImageSize:
        """NCOLS and NROWS."""
        return ImageSize(self.window.width, self.window.height)

    @property
    def grid(self) -> BlockGrid:
        """Where blocks lie in the segment."""
        return _grid(self.size, self.block_shape)

    @property
    def shape(self) -> tuple[int, int]:
        """(NBPC, NBPR)."""
        return self.grid.shape

    @property
    def count(self) -> int:
        """Blocks of one band."""
        rows, cols = self.shape
        return rows * cols

    def fields(self) -> dict[str, str]:
        """Give NROWS, NCOLS, NBPR, NBPC, NPPBH and NPPBV."""
        (down, across), (rows, cols) = self.shape, self.block_shape
        return {
            "NROWS": f"{self.window.height:08d}",
            "NCOLS": f"{self.window.width:08d}",
            "NBPR": f"{across:04d}",
            "NBPC": f"{down:04d}",
            "NPPBH": f"{cols if cols <= LONGEST_SIDE else 0:04d}",
            "NPPBV": f"{rows if rows <= LONGEST_SIDE else 0:04d}",
        }


def blocking_of(
    window: PixelWindow, asked: tuple[int | None, int | None], *, default: tuple[int, int], may_be_long: bool
) -> Blocking:
    """Cut a segment into blocks.

    Args:
        window: of the image.
        asked: (NPPBV, NPPBH); 0 is one block for the whole side, None what is usual.
        default: (rows, cols) that are usual.
        may_be_long: whether one block may have sides above 8192.

    Raises:
        EncodeError: the sides or their number are not what the fields can say.
    """
    sides = []
    for name, blocks, length, want, usual in zip(
        ("NPPBV", "NPPBH"), ("NBPC", "NBPR"), (window.height, window.width), asked, default, strict=True
    ):
        side = min(usual, length) if want is None else want or length
        if not 1 <= side <= LONGEST_SIDE and not (may_be_long and side == length):
            long = "" if may_be_long else " with this IC"
            raise EncodeError(f"{name} is 1 to {LONGEST_SIDE}, or 0000 for one block{long} ({CLAUSE}), got {side}")
        if -(-length // side) > MOST_BLOCKS:
            raise EncodeError(f"{blocks} ends at {MOST_BLOCKS} ({CLAUSE}): {length} pixels in blocks of {side}")
        sides.append(side)
    return Blocking(window, (sides[0], sides[1]))


def split_rows(
    size: ImageSize, *, row_bytes: int, block_rows: int, most_rows: int | None, most_bytes: int
) -> list[PixelWindow]:
    """Cut an image into segments.

    Args:
        size: of the image.
        row_bytes: of one row of pixels, uncompressed, with its padding at the right edge.
        block_rows: NPPBV; 0 where a segment is one block.
        most_rows: of a segment; None for what NROWS can say, or ILOC where there are several.
        most_bytes: of a segment.

    Returns:
        From top to bottom.

    Raises:
        EncodeError: not even one row of blocks fits.
    """
    step = min(block_rows or 1, size.height)
    fits = most_bytes // row_bytes
    padded = -(-size.height // step) * step
    if size.height <= (MOST_ROWS if most_rows is None else most_rows) and padded <= fits:
        return [PixelWindow(0, 0, size.width, size.height)]
    rows = min(fits, MOST_PLACED_ROWS if most_rows is None else min(most_rows, MOST_PLACED_ROWS)) // step * step
    if rows < 1:
        raise EncodeError(
            f"NPPBV: {step} rows of blocks of {row_bytes} bytes a row are more than a segment of {most_bytes} bytes or "
            f"{most_rows or MOST_PLACED_ROWS} rows holds (LI, ILOC: MIL-STD-2500C, tables A-1 and A-3)"
        )
    return [PixelWindow(0, first, size.width, min(rows, size.height - first)) for first in range(0, size.height, rows)]
