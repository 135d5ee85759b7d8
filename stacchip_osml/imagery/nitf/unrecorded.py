"""Blocks of a masked NITF image that are not recorded (MIL-STD-2500C, table A-3(A)), for who reads it otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.read_ahead import ReadAhead
from stacchip_osml.imagery.nitf.fields import Segment, Subheader
from stacchip_osml.imagery.nitf.places import read_mask_table
from stacchip_osml.pixel import PixelWindow

__all__ = ["Unrecorded", "unrecorded_blocks"]


class Unrecorded(NamedTuple):
    """Which blocks hold nothing."""

    block_shape: tuple[int, int]
    """(rows, cols)."""
    table: NDArray[np.bool_]
    """``(bands, rows, cols)`` of the block grid; one plane where bands have blocks together."""

    def under(self, window: PixelWindow, bands: tuple[int, ...]) -> NDArray[np.bool_] | None:
        """Give ``(bands or 1, rows, cols)`` of a window, True where nothing is recorded; None where all is."""
        rows = np.arange(window.y, window.y + window.height) // self.block_shape[0]
        cols = np.arange(window.x, window.x + window.width) // self.block_shape[1]
        here = self.table[:, rows[0] : rows[-1] + 1, cols[0] : cols[-1] + 1]
        if len(here) > 1:
            here = here[list(bands)]
        return here[:, rows - rows[0]][:, :, cols - cols[0]] if here.any() else None


def unrecorded_blocks(ahead: ReadAhead, segment: Segment, image: Subheader) -> Unrecorded | None:
    """Find the blocks of an image that are not recorded; None where all are.

    Raises:
        DecodeError: the mask table is damaged.
        NotServedError: no read is left.
    """
    if "M" not in image.ic:
        return None
    # Tiles of JPEG 2000 hold all bands, whatever IMODE says.
    image = replace(image, imode="B") if image.ic in {"M8", "MD"} else image
    records = read_mask_table(ahead, segment, image).records
    if records is None or not (records < 0).any():
        return None
    return Unrecorded(image.block_shape, records < 0)
