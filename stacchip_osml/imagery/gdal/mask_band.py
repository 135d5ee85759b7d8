"""The mask band of an image, at every level: the level's own, or a finer one's where it has none.

Of an overview without a mask GDAL calls all pixels valid, as it does of one whose mask says so: which of the two it is,
the directories of a TIFF tell. Of a mask in a file of its own nothing does but a hole in the coarsest level.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.gdal.access import FileAccess
from stacchip_osml.imagery.gdal.facts import Facts, Level
from stacchip_osml.imagery.gdal.library import Dataset, read_decimated_mask, read_mask
from stacchip_osml.imagery.providers.protocol import Mask
from stacchip_osml.imagery.tiff.levels import masked_sizes
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["MaskBand"]

PROBE = 1 << 26
"""Pixels: the most that finding out about a mask's overviews may read."""


class MaskBand:
    """The mask band of an image that has one for all bands; what its levels have is found out when it is needed."""

    __slots__ = ("_access", "_has_levels", "_sizes")

    def __init__(self, access: FileAccess) -> None:
        self._access = access
        self._has_levels: bool | None = None
        self._sizes: frozenset[ImageSize] | None = None

    def read(self, facts: Facts, stored: Level, window: PixelWindow, levels: Callable[[], Sequence[Level]]) -> Mask:
        """Read the mask of a level ``(rows, cols)``; a finer one, decimated, where that level has none of its own."""
        own = stored.overview is None or self._is_own(facts, stored, levels)
        overview = stored.overview if own else None

        def mask_of(dataset: Dataset) -> Mask:
            if own:
                return read_mask(dataset, window, 0)
            return read_decimated_mask(dataset, window=window, level=stored.size, base=facts.base.size)

        mask = self._access.on(overview, mask_of)
        if self._access.remote and facts.driver == "GTiff" and not mask.all():
            # GDAL calls pixels masked where it could not fetch a mask's block, and does not say so. So masked is what
            # two handles call masked, while the server gives bytes before the second reads and after.
            mask |= self._access.on(overview, lambda dataset: (mask_of(dataset), self._access.look())[0], anew=True)
        return mask

    def _is_own(self, facts: Facts, stored: Level, levels: Callable[[], Sequence[Level]]) -> bool:
        """Find out whether an overview has a mask."""
        if facts.driver == "GTiff" and not self._access.sidecars:
            if self._sizes is None:
                file = self._access.bytes_of()
                with suppress(NotServedError, DecodeError):
                    self._sizes = masked_sizes(file.read_at, name=self._access.name, size=file.size)
            if self._sizes is not None:
                return stored.size in self._sizes
        if self._has_levels is None:
            self._has_levels = self._has_hole(levels()[-1])
        return self._has_levels

    def _has_hole(self, level: Level) -> bool:
        if level.size.width * level.size.height > PROBE:
            return False
        window = PixelWindow(0, 0, *level.size)
        return not bool(self._access.on(level.overview, lambda dataset: read_mask(dataset, window, 0)).all())
