"""Where the blocks of one level lie, for any provider.

A protocol of R0 numbers does not say how large level 2 is, or its blocks. So:

- a provider that knows says it: ``level_grid(level)``; ours all do;
- of any other, level ``n`` has ``ceil(R0 / 2**n)`` pixels a side (its
  ``level_shape(n)``, where it has one), and block ``k`` of R0 is block ``k`` of
  level ``n``: it begins at ``ceil(k * block / 2**n)``, as JPEG 2000 tiles do
  (ISO/IEC 15444-1, B-15);
- a block size of 0 means that one block is the whole image.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Integral
from typing import Any

from stacchip_osml.errors import DecodeError
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import whole_number, whole_numbers

__all__ = ["BlockGrid", "level_grid"]


@dataclass(frozen=True, slots=True)
class BlockGrid:
    """The blocks of one level."""

    size: ImageSize
    """Pixels of the level."""
    block_shape: tuple[int, int]
    """(rows, cols) from one block to the next, in pixels ``reduction`` times finer than the level's."""
    reduction: int = 1
    """Block ``k`` begins at pixel ``ceil(k * block_shape / reduction)``."""
    content: ImageSize | None = None
    """The upper-left part of ``size`` that is image, where the rest is padding; None where all is."""
    shape: tuple[int, int] = field(init=False, repr=False, compare=False)
    """(rows, cols) of the grid."""

    def __post_init__(self) -> None:
        of_kind("size", self.size, ImageSize, "an ImageSize")
        of_kind("block_shape", self.block_shape, (tuple, list), "(rows, cols)")
        numbers = (
            *whole_numbers("size", self.size, 2),
            *whole_numbers("block_shape", self.block_shape, 2),
            whole_number("reduction", self.reduction),
        )
        if min(numbers) < 1:
            raise DecodeError(f"no image: {self.size} in blocks of {self.block_shape}, reduced by {self.reduction}")
        shape = self._first_above(0, self.size.height), self._first_above(1, self.size.width)
        object.__setattr__(self, "shape", shape)

    @property
    def image_size(self) -> ImageSize:
        """Pixels that are image and not padding."""
        return self.size if self.content is None else self.content

    def has(self, row: int, col: int) -> bool:
        """Tell whether there is such a place in the grid."""
        if not (type(row) is int and type(col) is int):  # once a block
            row, col = whole_number("row", row), whole_number("col", col)
        rows, cols = self.shape
        return 0 <= row < rows and 0 <= col < cols

    def window(self, row: int, col: int, *, name: str = "") -> PixelWindow:
        """Give the level's pixels of one block, cut off at the level's edge.

        Raises:
            IndexError: no such block; the message begins with ``name``, where it is given.
            SettingError: (a ValueError) no whole numbers.
        """
        if not self.has(row, col):
            whose = name and f"{name}: "
            raise IndexError(f"{whose}no block ({row}, {col}) in a grid of {self.shape[0]} x {self.shape[1]}")
        (height, width), finer = self.block_shape, self.reduction
        y, bottom = -(-row * height // finer), -(-(row + 1) * height // finer)
        x, right = -(-col * width // finer), -(-(col + 1) * width // finer)
        return PixelWindow(x, y, min(right, self.size.width) - x, min(bottom, self.size.height) - y)

    def under(self, window: PixelWindow) -> tuple[range, range]:
        """Give the rows and columns of blocks under a window, which may leave the level or be empty."""
        of_kind("window", window, PixelWindow, "a PixelWindow")
        return (
            self._under(0, window.y, window.y + window.height, self.size.height),
            self._under(1, window.x, window.x + window.width, self.size.width),
        )

    def spans(self, axis: int, indices: Iterable[int]) -> list[tuple[int, int, int]]:
        """Give ``(index, first, stop)`` of rows (axis 0) or columns (axis 1) of blocks, in pixels of the level."""
        axis = whole_number("axis", axis, least=0, most=1)
        step, finer, limit = self.block_shape[axis], self.reduction, self.size[1 - axis]
        return [
            (k, -(-k * step // finer), min(-(-(k + 1) * step // finer), limit))
            for k in each_of("indices", indices, Integral, "whole numbers")
        ]

    def _under(self, axis: int, first: int, stop: int, limit: int) -> range:
        first, stop = max(first, 0), min(stop, limit)
        if first >= stop:
            return range(0)
        return range(first * self.reduction // self.block_shape[axis], self._first_above(axis, stop))

    def _first_above(self, axis: int, pixel: int) -> int:
        """Give the first block that begins at ``pixel`` or after it."""
        return (pixel - 1) * self.reduction // self.block_shape[axis] + 1


def level_grid(provider: Any, level: int = 0) -> BlockGrid:
    """Tell the size of a level of any provider, and where its blocks lie.

    Args:
        provider: any object of the image provider protocol.
        level: 0 is full resolution.

    Raises:
        IndexError: the provider has no such level.
        DecodeError: the provider's numbers are no image.
        TypeError: it is no image.
    """
    known = getattr(provider, "level_grid", None)
    if known is not None:
        grid: BlockGrid = known(level)
        return grid
    count = max(int(getattr(provider, "num_resolution_levels", 1)), 1)
    if not 0 <= whole_number("level", level) < count:
        raise IndexError(f"no level {level}; there are {count}")
    try:
        size = ImageSize(int(provider.num_columns), int(provider.num_rows))
    except AttributeError as error:
        raise TypeError(
            f"provider must be an image, not {type(provider).__name__} {provider!r:.60}: {error}"
        ) from error
    block = (
        int(getattr(provider, "num_pixels_per_block_vertical", 0)) or size.height,
        int(getattr(provider, "num_pixels_per_block_horizontal", 0)) or size.width,
    )
    if level == 0:
        return BlockGrid(size, block)
    true_size = getattr(provider, "level_shape", None)
    if true_size is not None:
        width, height = true_size(level)
        return BlockGrid(ImageSize(int(width), int(height)), block, 1 << level)
    reduced = ImageSize(-(-size.width >> level), -(-size.height >> level))
    return BlockGrid(reduced, block, 1 << level)
