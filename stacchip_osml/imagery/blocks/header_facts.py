"""What an image provider says of its pixels and levels that a header decides."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np

from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.providers.gridded import GriddedImage
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number

__all__ = ["HeaderFacts"]


class HeaderFacts(GriddedImage):
    """The facts of a provider that has a header."""

    name: str
    """For messages, without credentials."""

    @property
    @abstractmethod
    def pixel_header(self) -> ImageHeader:
        """A header in which at least levels, bands' dtypes and nodata, blocks and mask are filled in."""

    def level_shape(self, level: int) -> ImageSize:
        """Give the true size of a stored level.

        Raises:
            IndexError: the image has no such level.
        """
        levels = self.pixel_header.levels
        if not 0 <= whole_number("level", level) < len(levels):
            raise IndexError(f"{self.name}: no level {level}; it has {len(levels)}")
        return levels[level]

    def level_place(self, level: int) -> LevelPlace:
        """Tell where a stored level lies on R0."""
        return self.pixel_header.place(level)

    @property
    def num_bands(self) -> int:
        """Bands, alpha included."""
        return len(self.pixel_header.bands)

    @property
    def num_bits_per_pixel(self) -> int:
        """Bits of one band's pixel as delivered."""
        return self.pixel_value_type.itemsize * 8

    @property
    def num_resolution_levels(self) -> int:
        """Stored levels, R0 included."""
        return len(self.pixel_header.levels)

    @property
    def pixel_value_type(self) -> np.dtype[Any]:
        """The numpy dtype of blocks."""
        return np.dtype(self.pixel_header.bands[0].dtype)

    @property
    def pad_pixel_value(self) -> float:
        """The first band's nodata, 0 where it has none."""
        nodata = self.pixel_header.bands[0].nodata
        return 0.0 if nodata is None else float(nodata.real)
