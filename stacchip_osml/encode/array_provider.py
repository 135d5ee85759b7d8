"""An array as image provider: windows of it are the array's own memory.

An array that is given whole is neither cut into blocks nor copied before it is encoded: reading it through
blocks is what one thread does while those that encode wait.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from stacchip_osml.pixel import PixelWindow

__all__ = ["ArrayProvider"]

Pixels = NDArray[Any]


class ArrayProvider:
    """An array as image provider; its pixels are not copied."""

    title = description = ""
    num_resolution_levels = 1

    def __init__(
        self, pixels: Pixels, *, block: tuple[int, int], pad: Any, bits: int | None = None, key: str = "image:0"
    ) -> None:
        """Hold an array.

        Args:
            pixels: ``(bands, rows, cols)`` in native byte order.
            block: rows and columns of a block.
            pad: the value of pixels that hold nothing.
            bits: that carry information; None for all that the type has.
            key: of the image.
        """
        self.key = key
        self.pixels = pixels
        """``(bands, rows, cols)``."""
        self.num_bands, self.num_rows, self.num_columns = pixels.shape
        self.pixel_value_type = pixels.dtype
        self.num_bits_per_pixel = pixels.dtype.itemsize * 8
        self.actual_bits_per_pixel = self.num_bits_per_pixel if bits is None else bits
        self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal = block
        self.block_grid_size = -(-self.num_rows // block[0]), -(-self.num_columns // block[1])
        self.pad_pixel_value = pad
        self.metadata: Mapping[str, Any] = {}

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether there is such a block."""
        rows, cols = self.block_grid_size
        return resolution_level == 0 and 0 <= block_row < rows and 0 <= block_col < cols

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Give a part of the array."""
        if not self.has_block(block_row, block_col, resolution_level):
            raise IndexError(f"{self.key}: no block ({block_row}, {block_col}) of level {resolution_level}")
        rows, cols = self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal
        block = self.pixels[:, block_row * rows : (block_row + 1) * rows, block_col * cols : (block_col + 1) * cols]
        return block if bands is None else block[list(bands)]

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:
        """Give none: all of an array is there."""
        del block_row, block_col, resolution_level
        return ()
