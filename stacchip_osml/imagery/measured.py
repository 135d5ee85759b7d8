"""The measurements of one level, piece by piece: what of any provider's blocks may be counted.

Rules:

- padding, absent blocks and absent parts of blocks are no pixels;
- of our own images, whatever the file declares says which pixels are
  measurements: masks, alpha, nodata, and that a block is not stored. Adapters
  that show the same pixels (cached, in other tiles, one level) are looked
  through, so that the answer is the same with and without them;
- of other providers, nodata alone says so: the one given, that which levels
  were made with, or a TIFF's own tag 42113.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.adapters.cached import CachedImageProvider
from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider
from stacchip_osml.imagery.adapters.retiled import RetiledImageProvider
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import absent_parts, fact, has_block, num_levels, read_block, require_bands
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.pyramids.levels import LevelView
from stacchip_osml.pixel import PixelWindow
from stacchip_osml.pixel.nodata import differs_from, nodata_by_band

__all__ = ["MeasuredLevel", "Piece", "look_through"]

Nodata = float | complex | Sequence[float | complex | None] | None
Piece = tuple[range, range]
"""Rows and columns of blocks."""

PIECE_PIXELS = 1 << 18
"""Small blocks are taken together until they have as many: a strip of one row is not worth a read."""


def look_through(provider: Any, level: int = 0) -> tuple[Any, int]:
    """Give the image below adapters that show its very pixels, and the level of it that is meant."""
    while isinstance(provider, CachedImageProvider | RetiledImageProvider | LevelView):
        if not 0 <= level < num_levels(provider):
            break
        if isinstance(provider, LevelView):
            level = provider.level
        provider = provider.source
    return provider, level


class MeasuredLevel:
    """One level of a provider, of which measurements are asked for; safe for threads where the provider is."""

    def __init__(
        self, provider: Any, level: int = 0, *, bands: Sequence[int] | None = None, nodata: Nodata = None
    ) -> None:
        """Look at one level; nothing is read yet.

        Args:
            provider: any object of the image provider protocol.
            level: 0 is full resolution.
            bands: 0-based, in the order wanted; None for all.
            nodata: value of pixels that are no measurements, for all bands or one for each of ``bands``, besides
                those that the image itself declares; None for no other.

        Raises:
            IndexError: no such level or band.
            ValueError: nodata of another number of bands.
        """
        self.bands = require_bands(provider, bands)
        self.count = int(provider.num_bands) if self.bands is None else len(self.bands)
        level_grid(provider, level)
        self.provider, self.level = look_through(provider, level)
        self.grid: BlockGrid = level_grid(self.provider, self.level)
        self._nodata = self._values(nodata)
        self._reads = hasattr(self.provider, "read") and hasattr(self.provider, "header")

    @property
    def pieces(self) -> list[Piece]:
        """All of the level, each block once, small ones in groups; from top to bottom."""
        size, (height, width) = self.grid.image_size, self._block_shape()
        rows, cols = self.grid.under(PixelWindow(0, 0, *size))
        across = min(max(PIECE_PIXELS // (height * width), 1), len(cols))
        down = max(PIECE_PIXELS // (height * width * across), 1) if across == len(cols) else 1
        return [
            (range(row, min(row + down, rows.stop)), range(col, min(col + across, cols.stop)))
            for row in range(rows.start, rows.stop, down)
            for col in range(cols.start, cols.stop, across)
        ]

    def window(self, piece: Piece) -> PixelWindow:
        """Give the pixels of a piece, without padding."""
        rows, cols = piece
        first, last = self.grid.window(rows[0], cols[0]), self.grid.window(rows[-1], cols[-1])
        size = self.grid.image_size
        right, bottom = min(last.x + last.width, size.width), min(last.y + last.height, size.height)
        return PixelWindow(first.x, first.y, right - first.x, bottom - first.y)

    def stores(self, piece: Piece) -> bool:
        """Tell whether any block of a piece is stored."""
        return any(self._has(row, col) for row in piece[0] for col in piece[1])

    def read(self, piece: Piece) -> Iterator[tuple[Pixels, NDArray[np.bool_] | None]]:
        """Read a piece, in one or more parts that together are it.

        Yields:
            ``(bands, rows, cols)`` and its mask, True where the pixel is a measurement; None where all are. What is
            not stored is not yielded, or masked.
        """
        if self._reads:
            found = self.provider.read(self.window(piece), level=self.level, bands=self.bands)
            if found is not None:
                yield found.pixels, self._masked(found.pixels, None if found.mask.all() else found.mask)
            return
        for row in piece[0]:
            for col in piece[1]:
                if self._has(row, col):
                    yield self._block(row, col)

    def _block(self, row: int, col: int) -> tuple[Pixels, NDArray[np.bool_] | None]:
        place = self.window((range(row, row + 1), range(col, col + 1)))
        block = read_block(self.provider, row, col, self.level, self.bands, grid=self.grid)
        block = block[:, : place.height, : place.width]
        mask: NDArray[np.bool_] | None = None
        for hole in absent_parts(self.provider, row, col, self.level):
            mask = np.ones(block.shape, np.bool_) if mask is None else mask
            mask[:, hole.y : hole.y + hole.height, hole.x : hole.x + hole.width] = False
        return block, self._masked(block, mask)

    def _masked(self, pixels: Pixels, mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        for band, value in enumerate(self._nodata):
            if value is not None:
                valid = differs_from(pixels[band], value)
                if not valid.all():
                    mask = np.ones(pixels.shape, np.bool_) if mask is None else np.array(mask)
                    mask[band] &= valid
        return mask

    def _has(self, row: int, col: int) -> bool:
        return has_block(self.provider, row, col, self.level, grid=self.grid)

    def _block_shape(self) -> tuple[int, int]:
        whole = self.grid.window(0, 0)
        return whole.height, whole.width

    def _values(self, nodata: Nodata) -> tuple[float | complex | None, ...]:
        if nodata is None:
            return (_declared(self.provider),) * self.count
        return nodata_by_band(nodata, self.count)


def _declared(provider: Any) -> float | complex | None:
    if isinstance(provider, DownsampledImageProvider):
        return provider.nodata
    if hasattr(provider, "read"):
        return None  # its masks say it
    tags = fact(provider, "metadata")
    for key in ("42113", 42113, "GDAL_NODATA"):
        text = tags.get(key)
        if isinstance(text, str):
            try:
                return float(text.strip(" \0"))
            except ValueError:
                return None
    return None
