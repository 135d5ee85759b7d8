"""What the mask table of a NITF image says, and GDAL does not.

Of pad pixels GDAL tells codes of 8 bits only. Blocks that are not recorded it
fills, and calls them valid.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stacchip_osml.imagery.blocks.sources import fill_values
from stacchip_osml.imagery.gdal.access import FileAccess
from stacchip_osml.imagery.gdal.facts import Facts, Level, facts_of, with_pad
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.fields import of_first_image
from stacchip_osml.imagery.nitf.pads import pad_pixel
from stacchip_osml.imagery.nitf.unrecorded import Unrecorded, unrecorded_blocks
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.pixel import PixelWindow

__all__ = ["MaskTable", "read_facts"]


def read_facts(access: FileAccess, limits: ReadLimits) -> Facts:
    """Read what reading needs to know of an image; the pad pixel of a mask table is nodata where GDAL has none.

    Raises:
        ReadError: the file cannot be read, is not the one expected, or holds no image that is served.
        LimitError: the image is larger than ``limits``.
    """
    facts = access.on(None, lambda dataset: facts_of(dataset, access.name, limits), facts=True)
    if not facts.has_mask_table or all(value is not None for value in facts.base.nodata):
        return facts
    file = access.bytes_of()
    pad = of_first_image(file.read_at, pad_pixel, name=access.name, limits=limits, size=file.size)
    return facts if pad is None else with_pad(facts, pad)


class MaskTable:
    """The blocks of a NITF image that are not recorded; looked for when pixels are first read."""

    __slots__ = ("_access", "_found", "_limits")

    def __init__(self, access: FileAccess, limits: ReadLimits) -> None:
        self._access = access
        self._limits = limits
        self._found: list[Unrecorded | None] = []

    def masked(
        self, found: MaskedPixels | None, facts: Facts, level: Level, window: PixelWindow, bands: tuple[int, ...]
    ) -> MaskedPixels | None:
        """Make pixels of blocks that are not recorded invalid, and fill them; None where that is all of them."""
        absent = None if found is None else self._under(facts, level, window, bands)
        if found is None or absent is None:
            return found
        if absent.all():
            return None
        _fill(found.pixels, absent, facts, bands)
        np.logical_and(found.mask, ~absent, out=found.mask)
        return found

    def filled(self, pixels: Pixels, facts: Facts, level: Level, window: PixelWindow, bands: tuple[int, ...]) -> Pixels:
        """Fill pixels of blocks that are not recorded."""
        absent = self._under(facts, level, window, bands)
        if absent is not None:
            _fill(pixels, absent, facts, bands)
        return pixels

    def stores(self, facts: Facts, level: Level, row: int, col: int) -> bool:
        """Tell whether a block of any band is recorded."""
        absent = self._under(facts, level, level.grid.window(row, col), tuple(range(facts.count)))
        return absent is None or not absent.all()

    def _under(self, facts: Facts, level: Level, window: PixelWindow, bands: tuple[int, ...]) -> Mask | None:
        if not facts.has_mask_table or level.overview is not None:
            return None
        if not self._found:
            file = self._access.bytes_of()
            found = of_first_image(
                file.read_at, unrecorded_blocks, name=self._access.name, limits=self._limits, size=file.size
            )
            self._found.append(found)
        unrecorded = self._found[0]
        return None if unrecorded is None else unrecorded.under(window, bands)


def _fill(pixels: Pixels, absent: Mask, facts: Facts, bands: Sequence[int]) -> None:
    values = fill_values(tuple(facts.base.nodata[band] for band in bands), pixels.dtype)[:, None, None]
    np.copyto(pixels, values, where=absent)
