"""From warp grids to pixels: which level is read, how much at once, what is stored at all."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

import numpy as np

from stacchip_osml.geometry.warping.grids import WarpGrid
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import dtype_of, has_block
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.imagery.pyramids.pyramid import TiledImagePyramid
from stacchip_osml.imagery.resampling.remap import REMAP_METHODS, remap, remap_window
from stacchip_osml.imagery.resampling.resample import LATTICE
from stacchip_osml.imagery.windows.cut import leave_empty
from stacchip_osml.imagery.windows.reader import WindowReader
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["SourceSampler"]

Maps = tuple[Pixels, Pixels]

SOURCE_BYTES = 64 << 20
"""Decoded blocks of the source that are kept: neighbours need the same ones."""
PIECE_BYTES = 64 << 20
"""Source pixels read for one piece of a block; a block that needs more is made in several."""


class SourceSampler:
    """Takes the pixels of grids from the levels of an image; safe for threads where the image is."""

    def __init__(
        self,
        source: TiledImagePyramid,
        *,
        method: str,
        fill: Sequence[float | complex],
        nodata: Sequence[float | complex | None] | None,
        needs_masks: bool,
        threads: int | None,
    ) -> None:
        """Hold an image.

        Args:
            source: its levels.
            method: how pixels between others are made.
            fill: value of pixels that hold nothing, one a band.
            nodata: value of source pixels that hold nothing, a band each; None for what the image says.
            needs_masks: a level that does not know the image's masks is not read.
            threads: that decode; None for as many as there are cores.
        """
        self.source, self.method, self.fill = source, method, tuple(fill)
        self._dtype = dtype_of(source.get_level(0))
        held = BlockCache(SOURCE_BYTES)
        self._readers = [
            WindowReader.of(level, nodata=nodata, cache=held, threads=threads)
            for level in map(source.get_level, range(source.num_levels))
        ]
        self._needs_masks = needs_masks and self._readers[0].knows_masks

    def take(self, grid: WarpGrid, bands: tuple[int, ...]) -> MaskedPixels | None:
        """Make the pixels of a grid.

        Args:
            grid: with positions of full resolution.
            bands: 0-based, in the order wanted.

        Returns:
            ``(bands, rows, cols)``; None where none of them is valid.

        Raises:
            ReadError: the source could not be read.
        """
        level = self._level(grid)
        maps = self._maps(grid, level)
        pixels = np.empty((len(bands), *maps[0].shape), self._dtype)
        mask = np.empty(pixels.shape, np.bool_)
        leave_empty(pixels, mask, [self.fill[band] for band in bands])
        self._piece(level, maps, bands, (pixels, mask))
        return MaskedPixels(pixels, mask) if mask.any() else None

    def is_stored(self, grid: WarpGrid) -> bool:
        """Tell whether any source block that a grid needs is stored."""
        level = self._level(grid)
        provider, place = self.source.get_level(level), self.source.place_at_level(level)
        blocks, most = level_grid(provider), max(map(abs, REMAP_METHODS[self.method]))
        x, y, width, height = grid.source_bbox
        first, last = place.from_base(x, y), place.from_base(x + width, y + height)
        left, top = (floor(edge) - most for edge in first)
        right, bottom = (floor(edge) + most + 1 for edge in last)
        rows, cols = blocks.under(PixelWindow(left, top, right - left, bottom - top))
        stored = [(row, col) for row in rows for col in cols if has_block(provider, row, col, grid=blocks)]
        if len(stored) in {0, len(rows) * len(cols)}:
            return bool(stored)
        maps, reach = self._maps(grid, level), most + 0.5
        with np.errstate(invalid="ignore"):
            for block in stored:  # the grid's rectangle touches it, but perhaps none of its positions
                x, y, width, height = blocks.window(*block)
                inside = (maps[0] > x - reach) & (maps[0] < x + width + reach)
                if (inside & (maps[1] > y - reach) & (maps[1] < y + height + reach)).any():
                    return True
        return False

    def _piece(self, level: int, maps: Maps, bands: tuple[int, ...], out: tuple[Pixels, Mask]) -> None:
        """Read what a piece needs, and take its pixels from it; where that is too much, in halves."""
        window = remap_window(*maps, method=self.method, image=self._size(level))
        if window is None:
            return
        rows, cols = maps[0].shape
        if window.width * window.height * len(bands) * self._dtype.itemsize > PIECE_BYTES and rows * cols > 1:
            axis = 0 if rows >= cols else 1
            halves = (np.array_split(part, 2, axis=part.ndim - 2 + axis) for part in (*maps, *out))
            for x, y, pixels, mask in zip(*halves, strict=True):
                self._piece(level, (x, y), bands, (pixels, mask))
            return
        everything = bands == tuple(range(int(self.source.get_level(level).num_bands)))
        found = self._readers[level].read(window, bands=None if everything else bands)
        if found is None:
            return
        fill = [self.fill[band] for band in bands]
        corner, size = (window.x, window.y), self._size(level)
        done = remap(found, *maps, method=self.method, fill=fill, corner=corner, image=size)
        out[0][...], out[1][...] = done.pixels, done.mask

    def _maps(self, grid: WarpGrid, level: int) -> Maps:
        """Give positions in pixels of a level, by its true place on full resolution.

        Half a pixel of the image may lie beside the level's pixels; it is shown as the nearest of these.
        """
        if level == 0:
            return grid.map_x, grid.map_y
        x, y = self.source.place_at_level(level).from_base(grid.map_x + 0.5, grid.map_y + 0.5)
        last_x, last_y = (side - 0.5 - 1 / LATTICE for side in self._size(level))
        return np.clip(x - 0.5, -0.5, last_x), np.clip(y - 0.5, -0.5, last_y)

    def _level(self, grid: WarpGrid) -> int:
        """Give the level that a grid is read from: a finer one where that alone knows the image's masks."""
        level = min(grid.source_resolution_level, self.source.num_levels - 1)
        while level and self._needs_masks and not self._readers[level].knows_masks:
            level -= 1
        return level

    def _size(self, level: int) -> ImageSize:
        _, rows, cols = self.source.image_shape_at_level(level)
        return ImageSize(cols, rows)
