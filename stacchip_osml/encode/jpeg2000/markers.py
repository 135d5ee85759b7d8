"""Markers of JPEG 2000 codestreams, a codestream taken apart, and which sides tiles may have.

Reference: ISO/IEC 15444-1, annex A.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

__all__ = [
    "COM",
    "EOC",
    "LARGEST_TILE",
    "SIZ",
    "SMALLEST_TILE",
    "SOC",
    "SOD",
    "SOT",
    "SOT_HEAD",
    "TLM",
    "TilePart",
    "is_tile_side",
    "taken_apart",
]

SOC, SIZ, COM, TLM, SOT, SOD, EOC = 0xFF4F, 0xFF51, 0xFF64, 0xFF55, 0xFF90, 0xFF93, 0xFFD9
SOT_HEAD = struct.Struct(">HHHIBB")
"""SOT, Lsot, Isot, Psot, TPsot, TNsot (A.4.2)."""


SMALLEST_TILE, LARGEST_TILE = 32, 1 << 15
"""Sides of tiles, where there are several."""


def is_tile_side(side: int) -> bool:
    """Tell whether several tiles may have it: a power of two, as they are coded one by one (B.5 to B.7)."""
    return SMALLEST_TILE <= side <= LARGEST_TILE and not side & (side - 1)


class TilePart(NamedTuple):
    """A tile, or a part of it."""

    tile: int
    """Number of its tile."""
    data: memoryview
    """What follows its SOT, SOD first where it has no header of its own."""


def taken_apart(stream: bytes) -> tuple[list[tuple[int, bytes]], list[TilePart]]:
    """Give the marker segments between SOC and the first tile, with their markers, and the parts of tiles."""
    at, segments, parts = 2, [], []
    while (marker := int.from_bytes(stream[at : at + 2], "big")) != SOT:
        end = at + 2 + int.from_bytes(stream[at + 2 : at + 4], "big")
        segments.append((marker, stream[at:end]))
        at = end
    data = memoryview(stream)
    while int.from_bytes(stream[at : at + 2], "big") == SOT:
        _, _, tile, length, _, _ = SOT_HEAD.unpack_from(stream, at)
        end = at + length if length else len(stream) - 2  # 0: up to EOC
        parts.append(TilePart(tile, data[at + SOT_HEAD.size : end]))
        at = end
    return segments, parts
