"""The levels of a pyramid: how many, how large, where they lie, and one level of a file as an image.

Where a level lies is not told by its size (:mod:`stacchip_osml.imagery.level_places`). An image that is a level of
another knows it, and says it as its ``pixel_place``: the grid of its pixels in those of the finest image.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from stacchip_osml.imagery.adapters.identity import identity_of
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.level_places import FULL_RESOLUTION, LevelPlace, level_place
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import absent_parts, has_block, num_levels, read_block
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["LevelView", "assumed_place", "is_nitf", "place_of", "planned_sizes"]


class LevelView(ProviderView):
    """One stored level of a provider, as an image of one level."""

    def __init__(self, source: Any, level: int) -> None:
        """Look at one level; nothing is read yet.

        Args:
            source: any object of the image provider protocol.
            level: 0 is full resolution.

        Raises:
            IndexError: no such level.
        """
        super().__init__(source)
        if not 0 <= level < num_levels(source):
            raise IndexError(f"{source.key}: no level {level}; it has {num_levels(source)}")
        self.level = level
        """Of the source."""

    def __reduce__(self) -> tuple[Any, ...]:
        return LevelView, (self.source, self.level)

    @property
    def pixel_identity(self) -> Hashable:
        """What no provider of other pixels has."""
        return "level", identity_of(self.source), self.level

    @property
    def key(self) -> str:
        """The source's, with ``:level:N`` below full resolution."""
        return super().key + (f":level:{self.level}" if self.level else "")

    @property
    def num_resolution_levels(self) -> int:
        """One."""
        return 1

    @property
    def pixel_place(self) -> LevelPlace:
        """Where its pixels lie on the finest image."""
        return level_place(self.source, self.level).inside(place_of(self.source) or FULL_RESOLUTION)

    def level_place(self, level: int = 0) -> LevelPlace:
        """Tell where its one level lies on itself."""
        self._require(level)
        return FULL_RESOLUTION

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of the level, and where its blocks lie.

        Raises:
            IndexError: another level than 0.
        """
        self._require(level)
        return level_grid(self.source, self.level)

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid and stored."""
        return resolution_level == 0 and has_block(self.source, block_row, block_col, self.level)

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:
        """Give the parts of a block of which nothing is stored, in the block's own pixels."""
        self._require(resolution_level)
        return absent_parts(self.source, block_row, block_col, self.level)

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block of the level; see :meth:`ProviderView.get_block`."""
        self._require(resolution_level)
        return read_block(self.source, block_row, block_col, self.level, bands)

    def _require(self, level: int) -> None:
        if level != 0:
            raise IndexError(f"{self.key}: no level {level} of a single level")


def place_of(provider: Any) -> LevelPlace | None:
    """Tell where a provider's pixels lie on the finest image, None where it does not say.

    Adapters that change values only, or blocks, lie where what they show does.
    """
    while True:
        said: LevelPlace | None = getattr(provider, "pixel_place", None)
        if said is not None:
            return said
        below = provider.source if isinstance(provider, ProviderView) else None
        if below is None or level_grid(below).image_size != level_grid(provider).image_size:
            return None
        provider = below


def is_nitf(provider: Any) -> bool:
    """Tell whether a provider shows an image of a NITF file."""
    while isinstance(provider, ProviderView):
        provider = provider.source
    return getattr(getattr(provider, "header", None), "driver", "") == "NITF"


def assumed_place(size: ImageSize, base: ImageSize, *, nitf: bool) -> LevelPlace:
    """Tell where an image lies on another that it is a level of, where nothing says it.

    Args:
        size: of the level.
        base: of level 0.
        nitf: it is a NITF image: the reduced resolutions of that standard are halved (NGA.STND.0014, 2.2), and one is
            taken for such if it has the size. Any other is stretched.
    """
    for times in range(1, max(base).bit_length() + 1) if nitf else ():
        if size == ImageSize(*(-(-side >> times) for side in base)):
            return LevelPlace.halved(times)
    return LevelPlace.stretched(size, base)


def planned_sizes(size: ImageSize, *, min_size: int, factor: int) -> list[ImageSize]:
    """Plan a pyramid: levels are added until one has a side below ``min_size``; that one is the last.

    Args:
        size: of R0.
        min_size: pixels.
        factor: from one level to the next; sides are rounded up.

    Returns:
        Sizes from R0 on; R0 alone where it has such a side already.

    Raises:
        ValueError: ``min_size`` or ``factor`` that gives no pyramid.
    """
    if min_size <= 0:
        raise ValueError(f"min_size must be positive pixels, got {min_size}")
    if factor < 2:
        raise ValueError(f"levels must become smaller, but scale_factor is {factor}")
    sizes = [size]
    while min(sizes[-1]) >= min_size and max(sizes[-1]) > 1:
        sizes.append(ImageSize(*(-(-side // factor) for side in sizes[-1])))
    return sizes
