"""A provider from elsewhere, as small as providers come."""

from __future__ import annotations

import numpy as np


class Foreign:
    """A provider with nothing but what nobody can do without; its edge blocks are as large as all others."""

    def __init__(self, pixels, *, side=16, pad=0, absent=(), **facts):
        self.pixels, self.side, self.pad, self.absent = pixels, side, pad, set(absent)
        self.num_bands, self.num_rows, self.num_columns = pixels.shape
        self.num_pixels_per_block_horizontal = self.num_pixels_per_block_vertical = side
        self.pixel_value_type = pixels.dtype
        self.reads = []
        for name, value in facts.items():
            setattr(self, name, value)

    def has_block(self, row, col, resolution_level=0):
        return (row, col) not in self.absent

    def get_block(self, row, col, resolution_level=0, bands=None):
        self.reads.append((row, col))
        y, x = row * self.side, col * self.side
        block = self.pixels[:, y : y + self.side, x : x + self.side]
        short = self.side - block.shape[1], self.side - block.shape[2]
        block = np.pad(block, ((0, 0), (0, short[0]), (0, short[1])), constant_values=self.pad)
        return block if bands is None else block[list(bands)]
