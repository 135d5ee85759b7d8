"""The colours of a chip's values, where its image has a colour table."""

from __future__ import annotations

from stacchip_osml.encode.chip import Chip
from stacchip_osml.imagery.display.picture import ColorTable, color_table_of

__all__ = ["chip_color_table"]


def chip_color_table(chip: Chip) -> ColorTable | None:
    """Give red, green and blue, 0 to 255, of each value; None of a chip whose values are no entries of a table."""
    origin = chip.origin
    if chip.colors != ("palette",) or origin is None or origin.is_processed or origin.provider is None:
        return None
    return color_table_of(origin.provider)
