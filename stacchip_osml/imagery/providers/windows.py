"""Windows of any provider by its blocks, with what is valid of them.

Blocks that are not stored are not valid, nor are pixels of the nodata value,
where one is told. The provider's pad pixel value alone says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.limits import ReadLimits, require_inside
from stacchip_osml.imagery.providers.block_utils import holes_in, paste_blocks
from stacchip_osml.imagery.providers.facts import LevelBlocks, key_of
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.nodata import differs_from, held_value

__all__ = ["read_by_blocks", "without_nodata"]

Nodata = Sequence[float | complex | None]
"""A value for each band that is read, None where it has none."""


def read_by_blocks(
    provider: Any,
    window: PixelWindow,
    *,
    level: int = 0,
    bands: Sequence[int] | None = None,
    nodata: Nodata | None = None,
    pixels: NDArray[Any] | None = None,
    mask: Mask | None = None,
) -> MaskedPixels | None:
    """Read one window of one level.

    Args:
        provider: any object of the image provider protocol.
        window: pixels of the level, inside it.
        level: 0 is full resolution.
        bands: 0-based, in the order wanted; None for all.
        nodata: values of pixels that hold nothing; None where no band has one.
        pixels: ``(bands, rows, cols)`` to read to; None for a new array.
        mask: the same for the mask.

    Returns:
        The pixels with their mask; what is not stored is nodata, where the type can hold it, else 0. None where nothing
        is stored.

    Raises:
        WindowError: the window leaves the level.
        IndexError: no such level or band.
        LimitError: larger than may be read.
        ReadError: as the provider raises.
    """
    blocks = LevelBlocks.of(provider, level, bands)
    name, size = key_of(provider), ImageSize(window.width, window.height)
    require_inside(name, window, blocks.grid.image_size, level)
    ReadLimits().require_request(name, size, blocks.count, blocks.dtype.itemsize)
    holes = list(holes_in(provider, blocks.grid, window, level=level))
    if sum(hole.width * hole.height for hole in holes) == window.width * window.height:
        return None
    shape = (blocks.count, window.height, window.width)
    pixels = np.empty(shape, blocks.dtype) if pixels is None else pixels
    mask = np.empty(shape, np.bool_) if mask is None else mask
    paste_blocks(provider, blocks.grid, window, pixels, level=level, bands=blocks.bands)
    mask[...] = True
    told = (None,) * blocks.count if nodata is None else nodata
    for hole in holes:
        part = np.s_[hole.y : hole.y + hole.height, hole.x : hole.x + hole.width]
        mask[:, *part] = False
        for plane, value in zip(pixels, told, strict=True):
            plane[part] = 0 if value is None or held_value(value, blocks.dtype) is None else value
    return without_nodata(MaskedPixels(pixels, mask), told)


def without_nodata(found: MaskedPixels, nodata: Nodata) -> MaskedPixels:
    """Mark pixels that have their band's nodata value as not valid, in place."""
    for band, value in enumerate(nodata):
        if value is not None:
            found.mask[band] &= differs_from(found.pixels[band], value)
    return found
