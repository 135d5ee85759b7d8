"""What all adapters have in common: whatever they do not change is their source's.

Every adapter has all attributes that a writer of images asks for, whether its
source has them or not. Settings are kept as given, so that an adapter pickles
where its source does.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from stacchip_osml.imagery.adapters.identity import identity_of
from stacchip_osml.imagery.level_places import LevelPlace, level_place
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import absent_parts, fact, has_block, num_levels, pad_number, read_block
from stacchip_osml.imagery.providers.gridded import GriddedImage
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import PixelWindow
from stacchip_osml.pixel.counts import whole_number

__all__ = ["ProviderView", "WithMetadata"]


class ProviderView(GriddedImage):
    """A provider that shows its source as it is; adapters change what they must.

    A class whose pixels and levels are the source's own says so in its own body, ``shows_source = True``; then readers
    of chips read the source itself, with all that it knows of nodata and masks. Subclasses have to say it anew.
    """

    def __init__(self, source: Any) -> None:
        """Look at ``source``; nothing is read yet."""
        self.source = source
        """The provider below."""
        self._grids: dict[int, BlockGrid] = {}
        self._source_grids: dict[int, BlockGrid] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source!r})"

    @property
    def pixel_identity(self) -> Hashable:
        """What no provider of other pixels has: what a cache knows these by."""
        return identity_of(self.source)

    @property
    def key(self) -> str:
        """A name for people; two images may have the same."""
        return str(fact(self.source, "key"))

    @property
    def title(self) -> str:
        """The source's."""
        return str(fact(self.source, "title"))

    @property
    def description(self) -> str:
        """The source's."""
        return str(fact(self.source, "description"))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The source's own, the very object."""
        tags: Mapping[str, Any] = fact(self.source, "metadata")
        return tags

    @property
    def num_bands(self) -> int:
        """Bands."""
        return int(self.source.num_bands)

    @property
    def num_bits_per_pixel(self) -> int:
        """Bits of one band's pixel as delivered."""
        return int(fact(self.source, "num_bits_per_pixel"))

    @property
    def actual_bits_per_pixel(self) -> int:
        """Bits that carry information."""
        return int(fact(self.source, "actual_bits_per_pixel"))

    @property
    def num_resolution_levels(self) -> int:
        """Levels, R0 included."""
        return num_levels(self.source)

    @property
    def pixel_value_type(self) -> Any:
        """The source's own, in whatever form it has it."""
        return self.source.pixel_value_type

    @property
    def pad_pixel_value(self) -> float:
        """What stands where nothing is stored."""
        return float(fact(self.source, "pad_pixel_value"))

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of a level, and where its blocks lie; IndexError of a level that it does not have."""
        level = whole_number("level", level)
        found = self._grids.get(level)
        if found is None:
            found = self._grids[level] = self._level_grid(level)
        return found

    def _level_grid(self, level: int) -> BlockGrid:
        return self.source_grid(level)

    def source_grid(self, level: int) -> BlockGrid:
        """Give the grid of the source, found out once: an image's numbers do not change, whatever its pixels do.

        Raises:
            IndexError: no such level.
        """
        level = whole_number("level", level)
        found = self._source_grids.get(level)
        if found is None:
            found = self._source_grids[level] = level_grid(self.source, level)
        return found

    def level_place(self, level: int = 0) -> LevelPlace:
        """Tell where a level lies on level 0: as the source's does where the sizes are the same.

        Raises:
            IndexError: no such level.
        """
        base, size = (self.level_grid(number).image_size for number in (0, level))
        if (base, size) == tuple(self.source_grid(number).image_size for number in (0, level)):
            return level_place(self.source, level)
        return LevelPlace.stretched(size, base)

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid and stored."""
        if not 0 <= whole_number("resolution_level", resolution_level) < self.num_resolution_levels:
            return False
        grid = self.source_grid(resolution_level)
        return has_block(self.source, block_row, block_col, resolution_level, grid=grid)

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:
        """Give the parts of a block of which the image below stores nothing, in the block's own pixels."""
        return absent_parts(self.source, block_row, block_col, resolution_level)

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, short at the right and bottom edge.

        Args:
            block_row: of the block.
            block_col: of the block.
            resolution_level: 0 is full resolution.
            bands: 0-based, in the order wanted; None for all.

        Returns:
            ``(bands, rows, cols)``; it may be read-only.

        Raises:
            IndexError: no such block, level or band.
            DecodeError: the source gave something else than it says it has.
        """
        return read_block(self.source, block_row, block_col, resolution_level, bands)

    def padding(self, row: int, col: int, level: int, bands: tuple[int, ...] | None) -> Pixels:
        """Make a block of pad pixels.

        Raises:
            IndexError: no such block or level.
        """
        window = self.level_grid(level).window(row, col)
        count = self.num_bands if bands is None else len(bands)
        pad = pad_number(self)
        return np.full((count, window.height, window.width), pad, pad.dtype)


class WithMetadata(ProviderView):
    """The source, with metadata of its own."""

    def __init__(self, source: Any, metadata: Mapping[str, Any]) -> None:
        """Give ``source`` other metadata."""
        super().__init__(source)
        self._metadata = metadata

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What was given."""
        return self._metadata
