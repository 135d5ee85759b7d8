"""Providers as others make them, and hypothesis strategies of images and of stacks of adapters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from stacchip_osml.imagery import (
    BufferedImageAssetProvider,
    CachedImageProvider,
    MappedImageProvider,
    RetiledImageProvider,
    TileCache,
)

DTYPES = ("uint8", "int16", "uint16", "int32", "float32", "complex64")


class PixelType:
    """A foreign enumeration's member."""

    def __init__(self, name: str) -> None:
        self.name = name

    def to_numpy_dtype(self) -> str:
        return self.name


class Foreign:
    """What another library's asset looks like: the numbers of R0 and ``get_block``, nothing more.

    Reduced levels are every second pixel; block ``k`` covers what block ``k`` of R0 covers.
    """

    def __init__(self, pixels, block=(16, 16), *, absent=(), levels=1, padded=False, key="image:0"):
        self.key = key
        self.pixels = pixels
        self.absent = frozenset(absent)
        self.padded = padded
        self.num_bands, self.num_rows, self.num_columns = pixels.shape
        self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal = block
        self.num_resolution_levels = levels
        self.block_grid_size = -(-self.num_rows // block[0]), -(-self.num_columns // block[1])
        self.pixel_value_type = PixelType(pixels.dtype.name)
        self.asked: list[tuple[int, int, int, Any]] = []

    def has_block(self, row, col, resolution_level=0):
        rows, cols = self.block_grid_size
        return (
            0 <= resolution_level < self.num_resolution_levels
            and 0 <= row < rows
            and 0 <= col < cols
            and (row, col) not in self.absent
        )

    def get_block(self, row, col, resolution_level=0, bands=None):
        if not self.has_block(row, col, resolution_level):
            raise IndexError(f"block ({row}, {col}) not found")
        self.asked.append((row, col, resolution_level, bands))
        step = 1 << resolution_level
        height, width = self.num_pixels_per_block_vertical, self.num_pixels_per_block_horizontal
        level = self.pixels[:, ::step, ::step]
        top, bottom, left, right = (
            -(-edge // step) for edge in (row * height, (row + 1) * height, col * width, (col + 1) * width)
        )
        block = level[:, top:bottom, left:right]
        if bands is not None:
            block = block[list(bands)]
        if self.padded:
            full = np.full((block.shape[0], bottom - top, right - left), 7, block.dtype)
            full[:, : block.shape[1], : block.shape[2]] = block
            return full
        return block.copy()


def random_pixels(shape, dtype="uint16", seed=0):
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(kind)
    if kind.kind == "f":
        return rng.normal(scale=100, size=shape).astype(kind)
    return rng.integers(0, 100, shape).astype(kind)


@st.composite
def sources(draw, *, levels=1, sparse=True, dtypes=DTYPES):
    """A source with known pixels and known holes, as ``(provider, pixels, present)`` of R0."""
    rows, cols = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    count = draw(st.integers(1, 4))
    block = draw(st.integers(4, 40)), draw(st.integers(4, 40))
    pixels = random_pixels((count, rows, cols), draw(st.sampled_from(dtypes)), seed=draw(st.integers(0, 9)))
    grid = [(r, c) for r in range(-(-rows // block[0])) for c in range(-(-cols // block[1]))]
    absent = draw(st.sets(st.sampled_from(grid), max_size=len(grid))) if sparse else set()
    present = np.ones((rows, cols), bool)
    for r, c in absent:
        present[r * block[0] : (r + 1) * block[0], c * block[1] : (c + 1) * block[1]] = False
    if draw(st.booleans()):
        source: Any = Foreign(pixels, block, absent=absent, levels=levels, padded=draw(st.booleans()))
    else:
        source = BufferedImageAssetProvider.create("image:0", cols, rows, count, block[1], block[0], pixels.dtype)
        source.pad_pixel_value = float(draw(st.integers(0, 3)))
        for r, c in set(grid) - absent:
            y, x = r * block[0], c * block[1]
            source.set_block(r, c, pixels[:, y : y + block[0], x : x + block[1]])
    return source, pixels, present


def invert(pixels):
    """Depend on one pixel alone; 0 becomes something else, so that padding would show."""
    return (5 - pixels).astype(pixels.dtype)


ADAPTERS: dict[str, Callable[[Any, TileCache | None, tuple[int, int]], Any]] = {
    "cached": lambda source, cache, _: CachedImageProvider(source, cache),
    "retiled": lambda source, cache, tile: RetiledImageProvider(source, *tile, cache=cache),
    "padded": lambda source, cache, tile: RetiledImageProvider(source, *tile, pad_edges=True, cache=cache),
    "mapped": lambda source, cache, _: MappedImageProvider(source, invert, cache),
    "mapped per band": lambda source, cache, _: MappedImageProvider(source, invert, cache, per_band=True),
}
"""How to put each adapter on a source: with a cache, and a tile (width, height)."""


@st.composite
def stacks(draw, *, least=0):
    """Adapters from the bottom up, as ``(name, tile, cached)``."""
    tile = st.tuples(st.integers(3, 50), st.integers(3, 50))
    return draw(st.lists(st.tuples(st.sampled_from(sorted(ADAPTERS)), tile, st.booleans()), min_size=least, max_size=3))


def stacked(source, stack, cache):
    for name, tile, cached in stack:
        source = ADAPTERS[name](source, cache if cached else None, tile)
    return source
