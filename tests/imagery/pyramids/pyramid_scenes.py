"""Images in memory for the tests of pyramids: sparse ones, ones with levels, ones that count what is read."""

from collections import Counter

import numpy as np

__all__ = ["CountingImage", "LazyImage", "noise", "read_whole"]


def noise(rows, cols, dtype="uint16", bands=1, seed=0, low=0, high=4000):
    random = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind in "iu":
        high = min(high, np.iinfo(dtype).max)
        return random.integers(low, high, (bands, rows, cols)).astype(dtype)
    values = random.random((bands, rows, cols)) * high
    return (values + (1j * random.random(values.shape) if kind == "c" else 0)).astype(dtype)


class LazyImage:
    """All that a provider has to have; pixels are made by a function of (rows, cols) when asked for."""

    title = description = ""
    num_resolution_levels = 1

    def __init__(self, make, *, rows, cols, bands=1, dtype="uint16", block=(256, 256), pad=0, absent=(), key="image:0"):
        self.make = make
        self.key = key
        self.num_rows, self.num_columns, self.num_bands = rows, cols, bands
        self.pixel_value_type = np.dtype(dtype)
        self.num_bits_per_pixel = self.actual_bits_per_pixel = np.dtype(dtype).itemsize * 8
        self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal = block
        self.block_grid_size = (-(-rows // block[0]), -(-cols // block[1]))
        self.pad_pixel_value = pad
        self.absent = set(absent)
        self.metadata = {"name": "a test"}
        self.reads = Counter()

    def has_block(self, block_row, block_col, resolution_level=0):
        rows, cols = self.block_grid_size
        inside = 0 <= block_row < rows and 0 <= block_col < cols and resolution_level == 0
        return inside and (block_row, block_col) not in self.absent

    def get_block(self, block_row, block_col, resolution_level=0, bands=None):
        if resolution_level != 0 or not (0 <= block_row < self.block_grid_size[0]):
            raise IndexError(f"no block {block_row}, {block_col} of level {resolution_level}")
        chosen = tuple(range(self.num_bands)) if bands is None else tuple(bands)
        self.reads[(block_row, block_col, *([] if bands is None else [chosen]))] += 1
        height, width = self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal
        top, left = block_row * height, block_col * width
        rows, cols = min(height, self.num_rows - top), min(width, self.num_columns - left)
        return self.make(top, left, rows, cols)[list(chosen)]


class CountingImage(LazyImage):
    """An array in blocks; absent ones hold the pad value, whatever the array has there."""

    def __init__(self, pixels, block=(32, 32), **settings):
        self.pixels = pixels.copy()
        bands, rows, cols = pixels.shape
        super().__init__(self.cut, rows=rows, cols=cols, bands=bands, dtype=pixels.dtype, block=block, **settings)
        for row, col in self.absent:
            self.pixels[:, row * block[0] : (row + 1) * block[0], col * block[1] : (col + 1) * block[1]] = (
                self.pad_pixel_value
            )

    def cut(self, top, left, rows, cols):
        return self.pixels[:, top : top + rows, left : left + cols]


def read_whole(provider, bands=None, level=0):
    """Put a level's blocks together; each has the size that the grid gives it, and absent ones are padding."""
    height, width = provider.num_pixels_per_block_vertical, provider.num_pixels_per_block_horizontal
    rows, cols = provider.num_rows, provider.num_columns
    if level:
        cols, rows = provider.level_shape(level)
    count = provider.num_bands if bands is None else len(bands)
    whole = np.empty((count, rows, cols), provider.get_block(0, 0, level).dtype)
    for row in range(-(-rows // height)):
        for col in range(-(-cols // width)):
            block = provider.get_block(row, col, level, bands=bands)
            y, x = row * height, col * width
            assert block.shape == (count, min(height, rows - y), min(width, cols - x))
            if not provider.has_block(row, col, level):
                assert (block == np.array(provider.pad_pixel_value).astype(block.dtype)).all()
            whole[:, y : y + block.shape[1], x : x + block.shape[2]] = block
    return whole
