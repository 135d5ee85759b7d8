"""What an image does not store, as a mask, where the blocks of the file are cut so that they cannot say it.

A block of the file under which nothing is stored is absent there too. One that
holds both would read as valid pixels of value 0; so would an overview of such.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.array_provider import ArrayProvider
from stacchip_osml.encode.tiff.levels import MaskBytes, MaskView
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.block_utils import fill_parts
from stacchip_osml.imagery.providers.facts import LevelBlocks, absent_parts, has_absent, num_levels
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["AbsenceView", "absence_mask", "is_cut_by", "with_bands_apart"]


def absence_mask(
    images: Any, sizes: Sequence[ImageSize], block: tuple[int, int], *, stays_sparse: bool, is_said: bool
) -> Any:
    """Give what says which pixels are stored, as an image or a sequence of them; None where blocks say it all.

    Args:
        images: an image provider, or a sequence of them from fine to coarse.
        sizes: of the file's levels.
        block: rows and columns of the file's blocks.
        stays_sparse: blocks of the file under which nothing is stored are left out.
        is_said: the values of absent pixels say that all bands hold nothing there, as alpha does.
    """
    given = list(images) if isinstance(images, (list, tuple)) else [images]
    if all(isinstance(each, ArrayProvider) for each in given):
        return None
    known = [below for each in given if (below := with_bands_apart(each)) is not None]
    if len(known) == len(given):
        return (
            [MaskView(each, per_band=True) for each in known] if len(known) > 1 else MaskView(known[0], per_band=True)
        )
    if is_said:
        return None
    grids = [BlockGrid(size, block) for size in sizes]
    if len(given) > 1:
        needed = any(_needs(each, 0, grid, stays_sparse) for each, grid in zip(given, grids, strict=True))
    else:
        (image,) = given
        own = [level for level in range(num_levels(image)) if level < len(grids)]
        own = [level for level in own if level_grid(image, level).image_size == grids[level].size]
        if len(own) < len(grids):  # of a level that is made, blocks are hardly ever absent as a whole
            needed = any(has_absent(image, level) for level in own)
        else:
            needed = any(_needs(image, level, grids[level], stays_sparse) for level in own)
    if not needed:
        return None
    views = [AbsenceView(each) for each in given]
    return views if len(views) > 1 else views[0]


def is_cut_by(image: Any, grid: BlockGrid, level: int = 0) -> bool:
    """Tell whether any block of a grid holds both pixels that an image stores and pixels that it does not.

    Raises:
        ReadError: the image could not be read.
    """
    blocks = LevelBlocks.of(image, level)
    rows, cols = blocks.grid.under(PixelWindow(0, 0, *blocks.grid.image_size))
    held = np.zeros((len(rows), len(cols)), np.bool_)
    for row in rows:
        for col in cols:
            held[row, col] = blocks.holds(row, col)
            if held[row, col] and absent_parts(image, row, col, level):
                return True
    if held.all() or not held.any():
        return False
    sums = np.zeros((len(rows) + 1, len(cols) + 1), np.int64)
    sums[1:, 1:] = held.cumsum(axis=0).cumsum(axis=1)
    top, bottom = _under(blocks.grid, grid, 0)
    left, right = _under(blocks.grid, grid, 1)
    count = sums[bottom][:, right] - sums[top][:, right] - sums[bottom][:, left] + sums[top][:, left]
    whole = (bottom - top)[:, None] * (right - left)
    return bool(((count > 0) & (count < whole)).any())


def with_bands_apart(image: Any) -> Any:
    """Give the image behind views that stores of any block some bands and not others; None where there is none."""
    while isinstance(image, ProviderView) and level_grid(image.source) == level_grid(image):
        image = image.source
    find = getattr(image, "source", None)
    if not callable(find) or not hasattr(image, "read"):
        return None
    for level in range(num_levels(image)):
        for stored in find(level).parts:
            held = stored.layout.counts.any(axis=0)
            if (held.any(axis=0) != held.all(axis=0)).any():
                return image
    return None


class AbsenceView(MaskBytes):
    """What an image stores: 255 where it does, absent or 0 where it does not."""

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Make the mask of one block; the image's pixels are not read."""
        del bands
        window = self.level_grid(resolution_level).window(block_row, block_col)
        stored = np.full((1, window.height, window.width), 255, np.uint8)
        return fill_parts(stored, absent_parts(self.source, block_row, block_col, resolution_level), 0)


def _needs(image: Any, level: int, grid: BlockGrid, stays_sparse: bool) -> bool:
    return is_cut_by(image, grid, level) if stays_sparse else has_absent(image, level)


def _under(below: BlockGrid, grid: BlockGrid, axis: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give the first block below each row (axis 0) or column (axis 1) of a grid, and the one after the last."""
    spans = grid.spans(axis, range(grid.shape[axis]))
    places = [
        PixelWindow(0, first, 1, stop - first) if axis == 0 else PixelWindow(first, 0, stop - first, 1)
        for _, first, stop in spans
    ]
    found = [below.under(place)[axis] for place in places]
    return np.array([each.start for each in found]), np.array([each.stop for each in found])
