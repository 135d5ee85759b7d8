"""What a provider says of its size and its blocks, where it knows the grids of its levels."""

from __future__ import annotations

from abc import ABC, abstractmethod

from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.pixel import ImageSize

__all__ = ["GriddedImage"]


class GriddedImage(ABC):
    """The numbers of an image's size and blocks, out of the grids of its levels."""

    @abstractmethod
    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of a level, and where its blocks lie.

        Raises:
            IndexError: no such level.
        """

    def level_shape(self, level: int) -> ImageSize:
        """Give the size of a level.

        Raises:
            IndexError: no such level.
        """
        return self.level_grid(level).size

    @property
    def num_rows(self) -> int:
        """R0 rows."""
        return self.level_grid(0).size.height

    @property
    def num_columns(self) -> int:
        """R0 columns."""
        return self.level_grid(0).size.width

    @property
    def num_pixels_per_block_horizontal(self) -> int:
        """Columns of an R0 block."""
        return self.level_grid(0).block_shape[1]

    @property
    def num_pixels_per_block_vertical(self) -> int:
        """Rows of an R0 block."""
        return self.level_grid(0).block_shape[0]

    @property
    def block_grid_size(self) -> tuple[int, int]:
        """(rows, cols) of the R0 block grid."""
        return self.level_grid(0).shape
