"""The mask table before the blocks of a masked image (MIL-STD-2500C, 5.4.3.2 and table A-3(A)).

IMDATOFF, BMRLNTH, TMRLNTH, TPXCDLNTH, TPXCD, then BMRnBNDm of every block, band
by band for IMODE=S and once for all bands otherwise, then TMRnBNDm alike. All
binary, most significant byte first.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["MOST_OFFSET", "NOT_RECORDED", "MaskTable"]

HEAD = struct.Struct(">IHHH")
NOT_RECORDED = 0xFFFFFFFF
MOST_OFFSET = NOT_RECORDED - 1
RECORD = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskTable:
    """What is known of a mask table before its blocks are written: how long it will be."""

    records: int
    """Blocks, times bands for IMODE=S."""
    pad_bits: int = 0
    """TPXCDLNTH."""
    pad_code: bytes = b""
    """TPXCD."""
    has_pad_records: bool = False
    """Whether there are TMR."""

    @property
    def length(self) -> int:
        """IMDATOFF: bytes of the table."""
        return HEAD.size + len(self.pad_code) + RECORD * self.records * (1 + self.has_pad_records)

    def pack(self, offsets: Sequence[int | None], padded: Sequence[bool] | None = None) -> bytes:
        """Write the table.

        Args:
            offsets: of each block from the end of the table; None for one that is not recorded.
            padded: whether each block has pad pixels; where TMR are wanted.
        """
        head = HEAD.pack(self.length, RECORD, RECORD * self.has_pad_records, self.pad_bits)
        places = [NOT_RECORDED if offset is None else offset for offset in offsets]
        table = struct.pack(f">{self.records}I", *places)
        if self.has_pad_records:
            flags = [False] * self.records if padded is None else padded
            # A block that is not recorded is pad pixels all over, and has no offset to say it with.
            marks = [place if flag else NOT_RECORDED for place, flag in zip(places, flags, strict=True)]
            table += struct.pack(f">{self.records}I", *marks)
        return head + self.pad_code + table
