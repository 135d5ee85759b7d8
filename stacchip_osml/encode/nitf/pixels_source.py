"""Pixels of a provider in blocks of another size, each of its own blocks read once where memory allows.

Windows are asked for from top to bottom. A source block that reaches beyond a
window, to the right or below, is kept for the next one; at most ``HELD_BYTES``
are, the oldest dropped first and read again. Only one thread may ask.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from stacchip_osml.encode.array_provider import ArrayProvider
from stacchip_osml.encode.nitf.pixels_storage import Storage
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.block_utils import gather_blocks, holes_in
from stacchip_osml.imagery.providers.facts import LevelBlocks, has_block, key_of, pad_number
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["HELD_BYTES", "PixelSource", "source_of"]

HELD_BYTES = 128 << 20


class PixelSource(Protocol):
    """What an image's pixels are read from."""

    @property
    def size(self) -> ImageSize:
        """Of the image."""
        ...

    @property
    def block_shape(self) -> tuple[int, int]:
        """(rows, cols) of the provider's own blocks."""
        ...

    def stores(self, window: PixelWindow) -> bool:
        """Tell whether anything under a window is stored."""
        ...

    def has_holes(self, window: PixelWindow) -> bool:
        """Tell whether a part of a window is not stored."""
        ...

    def read(self, window: PixelWindow, band: int | None = None) -> Pixels:
        """Give ``(bands, rows, cols)`` of a window inside the image, what is not stored as padding.

        Args:
            window: of the image.
            band: one stored band only.
        """
        ...


def source_of(provider: Any, storage: Storage) -> PixelSource:
    """Give what a provider's pixels are read from."""
    return _Array(provider, storage) if isinstance(provider, ArrayProvider) else _Blocks(provider, storage)


class _Array:
    """An array in memory: windows of it are neither kept nor checked."""

    def __init__(self, image: ArrayProvider, storage: Storage) -> None:
        self._image = image
        self._is_split = storage.is_split
        self.block_shape = image.num_pixels_per_block_vertical, image.num_pixels_per_block_horizontal
        self.size = ImageSize(image.num_columns, image.num_rows)

    def stores(self, window: PixelWindow) -> bool:
        del window
        return True

    def has_holes(self, window: PixelWindow) -> bool:
        return any(
            window.x <= hole.x < window.x + window.width and window.y <= hole.y < window.y + window.height
            for hole in self._image.absent_parts(0, 0)  # of one pixel
        )

    def read(self, window: PixelWindow, band: int | None = None) -> Pixels:
        x, y, width, height = window
        pixels = self._image.pixels[:, y : y + height, x : x + width]
        if band is not None:
            source_band = _source_band(band, split=self._is_split)
            pixels = pixels[source_band : source_band + 1]
        return _stored(pixels, band, split=self._is_split)


class _Blocks:
    """Blocks of a provider."""

    def __init__(self, provider: Any, storage: Storage) -> None:
        self._provider = provider
        self._storage = storage
        self._grid = level_grid(provider)
        self._kept = _Kept(provider, self._grid)

    @property
    def size(self) -> ImageSize:
        return self._grid.image_size

    @property
    def _fill(self) -> np.generic:
        """What stands where nothing is stored."""
        return pad_number(self._provider)

    @property
    def block_shape(self) -> tuple[int, int]:
        return self._grid.block_shape

    def stores(self, window: PixelWindow) -> bool:
        rows, cols = self._grid.under(window)
        return any(has_block(self._provider, row, col, grid=self._grid) for row in rows for col in cols)

    def has_holes(self, window: PixelWindow) -> bool:
        return next(holes_in(self._provider, self._grid, window, level=0), None) is not None

    def read(self, window: PixelWindow, band: int | None = None) -> Pixels:
        split = self._storage.is_split
        bands = None if band is None else (_source_band(band, split=split),)
        self._kept.window = window
        blocks = LevelBlocks.of(self._kept, 0, bands, grid=self._grid)
        rows, cols = self._grid.under(window)
        if len(rows) == len(cols) == 1 and self._grid.window(rows[0], cols[0]) == window:
            stored = blocks.holds(rows[0], cols[0])
            pixels = blocks.read(rows[0], cols[0]) if stored else self._absent(blocks, window)
        else:
            pixels = gather_blocks(blocks, window, fill=self._fill)
        return _stored(pixels, band, split=split)

    def _absent(self, blocks: LevelBlocks, window: PixelWindow) -> Pixels:
        return np.full((blocks.count, window.height, window.width), self._fill, blocks.dtype)


def _source_band(band: int, *, split: bool) -> int:
    """Give the band of the provider that a stored band is made of."""
    return band // 2 if split else band


def _stored(pixels: Pixels, band: int | None, *, split: bool) -> Pixels:
    """Give pixels as they are stored."""
    if split:
        return _split(pixels)[slice(None) if band is None else slice(band % 2, band % 2 + 1)]
    return pixels.view(np.uint8) if pixels.dtype.kind == "b" else pixels


def _split(pixels: Pixels) -> Pixels:
    """Turn complex bands into twice as many, real and imaginary in turn."""
    bands, rows, cols = pixels.shape
    parts = np.empty((bands, 2, rows, cols), pixels.real.dtype)
    parts[:, 0], parts[:, 1] = pixels.real, pixels.imag
    return parts.reshape(bands * 2, rows, cols)


class _Kept:
    """A provider that keeps the blocks which the next windows need too."""

    def __init__(self, provider: Any, grid: BlockGrid) -> None:
        self._provider = provider
        self._grid = grid
        self._held: OrderedDict[tuple[int, int, tuple[int, ...] | None], Pixels] = OrderedDict()
        self._bytes = 0
        self.window = PixelWindow(0, 0, 0, 0)
        """What is being read."""
        self.num_bands = provider.num_bands
        self.pixel_value_type = provider.pixel_value_type
        self.key = key_of(provider)

    def has_block(self, row: int, col: int, level: int = 0) -> bool:
        return has_block(self._provider, row, col, level, grid=self._grid)

    def get_block(self, row: int, col: int, level: int = 0, bands: Sequence[int] | None = None) -> Pixels:
        chosen = None if bands is None else tuple(bands)
        key = row, col, chosen
        block = self._held.pop(key, None)
        if block is None:
            block = self._provider.get_block(row, col, level, **({} if chosen is None else {"bands": chosen}))
        else:
            self._bytes -= block.nbytes
        place, (x, y, width, height) = self._grid.window(row, col), self.window
        reaches_on = place.x + place.width > x + width or place.y + place.height > y + height
        if reaches_on and isinstance(block, np.ndarray):  # what is none is refused by who asked
            self._hold(key, block)
        return block

    def _hold(self, key: tuple[int, int, tuple[int, ...] | None], block: Pixels) -> None:
        self._held[key] = block
        self._bytes += block.nbytes
        while self._bytes > HELD_BYTES and len(self._held) > 1:
            _, dropped = self._held.popitem(last=False)
            self._bytes -= dropped.nbytes
