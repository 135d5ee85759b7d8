"""Reductions of images that miss pixels, whatever value stands in their place.

What is missing is told by bands behind those of the image, so that parts of an image, and levels that are made of each
other, carry it with their pixels:

- a missing pixel has no weight in those around it;
- one is missing of the result where less than half of what it is made of is there, as with nodata, and gets ``fill``;
- a function that takes no masks makes pixels of all there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.block_utils import paste_blocks
from stacchip_osml.imagery.providers.facts import dtype_of, read_block
from stacchip_osml.imagery.providers.protocol import MaskedPixels, Pixels
from stacchip_osml.imagery.resampling.reduction import MethodReduction, Reduction
from stacchip_osml.imagery.resampling.reduction_sips import SipsReduction
from stacchip_osml.imagery.resampling.reduction_values import Box
from stacchip_osml.pixel import ImageSize

__all__ = ["MaskedImage", "MaskedReduction", "mask_bands", "maskable"]


def maskable(reduction: Reduction | None) -> MethodReduction | SipsReduction | None:
    """Give a reduction as one that takes masks; None where it takes none, or has nodata to tell what is missing."""
    if isinstance(reduction, SipsReduction) and reduction.nodata is None:
        return replace(reduction, masked=True)
    return reduction if isinstance(reduction, MethodReduction) and reduction.nodata is None else None


def mask_bands(valid: Any | None) -> int:
    """Count the bands that say what is missing: those of a mask, or one for what an image does not store."""
    return 1 if valid is None else int(valid.num_bands)


class MaskedImage(ProviderView):
    """An image with bands behind its own that are 0 where it misses pixels."""

    def __init__(self, source: Any, valid: Any | None) -> None:
        """Look at both; nothing is read yet.

        Args:
            source: any object of the image provider protocol.
            valid: one of one band, or of as many, that is 0 where a pixel is missing; None where all that is stored is
                there.
        """
        super().__init__(source)
        self._valid = valid

    @property
    def num_bands(self) -> int:
        """Those of both."""
        return super().num_bands + mask_bands(self._valid)

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block of both, all bands of it."""
        del bands
        pixels = read_block(self.source, block_row, block_col, resolution_level)
        found = np.ones((len(pixels) + mask_bands(self._valid), *pixels.shape[1:]), pixels.dtype)
        found[: len(pixels)] = pixels
        if self._valid is not None:
            window = self.level_grid(resolution_level).window(block_row, block_col)
            mask = np.zeros((mask_bands(self._valid), window.height, window.width), dtype_of(self._valid))
            grid = level_grid(self._valid, resolution_level)
            paste_blocks(self._valid, grid, window, mask, level=resolution_level, bands=None)
            found[len(pixels) :] = mask != 0
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedReduction:
    """Reduce pixels that have bands behind them which are 0 where they are missing."""

    of: MethodReduction | SipsReduction
    masks: int
    """Bands at the end that are no pixels: one for all others, or one for each of them."""
    fill: Any
    """Of all bands, 0 in those of the mask: ``(bands, 1, 1)``."""

    @property
    def factor(self) -> int:
        """Source pixels a pixel, along each axis."""
        return self.of.factor

    @property
    def whole(self) -> bool:
        """Every part needs all of the image."""
        return self.of.whole

    @property
    def name(self) -> str:
        """What tells its pixels from those of others."""
        return f"{self.of.name}/masked"

    def pitch(self, length: int) -> float:
        """Give the source pixels from one pixel to the next."""
        return self.of.pitch(length)

    def needs(self, first: int, stop: int, length: int) -> tuple[int, int]:
        """Give the source pixels of one axis, half-open, that outputs ``first`` to ``stop`` need."""
        return self.of.needs(first, stop, length)

    def is_within(self, size: ImageSize) -> bool:
        """Tell whether every pixel is made of some of those that it replaces."""
        return self.of.is_within(size)

    def reduce(self, part: Pixels, held: Box, size: ImageSize, wanted: Box, out: Pixels | None = None) -> Pixels:
        """Make ``wanted`` pixels of the result, and the bands that say which of them are missing."""
        made = np.empty((len(part), wanted.rows, wanted.cols), part.dtype) if out is None else out
        count = len(part) - self.masks
        pixels, valid = part[:count], part[count:] != 0
        if valid.all():
            self.of.reduce(pixels, held, size, wanted, made[:count])
            made[count:] = 1
            return made
        mask = np.broadcast_to(valid, pixels.shape)
        done = self.of.reduce_masked(MaskedPixels(pixels, mask), held, size, wanted)
        made[:count] = np.where(done.mask, done.pixels, self.fill[:count])
        made[count:] = done.mask[: self.masks]
        return made
