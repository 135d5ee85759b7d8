"""Tagged record extensions (TREs) as bytes, and where they go when there are many.

MIL-STD-2500C 5.8.1 and table A-7; JBP-2025.1 5.9. A header has one or two areas
of 99,999 bytes for them, three of which say in which ``TRE_OVERFLOW`` the rest
is. Rules:

- bytes are kept, and so is the order of all TREs of a header;
- the extended area (``XHD``, ``IXSHD``) is filled alone where all fit. Where
  they do not, the user-defined area (``UDHD``, ``UDID``), which comes before it
  in the file, takes the first ones, and a ``TRE_OVERFLOW`` the last ones;
- graphics and texts have one area, of less than 10,000 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.nitf.fields import iter_tagged

__all__ = ["AREA_BYTES", "TreAreas", "iter_tres", "place_tres", "tres_bytes"]

AREA_BYTES = 99_996
"""Of TREs in one area: five digits, less the three of the overflow."""
DES_BYTES = 999_999_998
"""The most that LD can say (MIL-STD-2500C, table A-1)."""


class TreAreas(NamedTuple):
    """TREs of one header as they are stored."""

    first: bytes = b""
    """``UDHD`` or ``UDID``."""
    second: bytes = b""
    """``XHD``, ``IXSHD``, ``SXSHD`` or ``TXSHD``."""
    overflow: bytes = b""
    """Of a ``TRE_OVERFLOW`` that continues the second area; empty where all fit."""


def tres_bytes(tres: Sequence[Tre]) -> bytes:
    """Encode TREs one after the other."""
    return b"".join([_tre_bytes(tre) for tre in tres])


def iter_tres(data: bytes, *, where: str) -> Iterator[Tre]:
    """Take TREs apart, one by one.

    Args:
        data: all of an area or of an overflow.
        where: for messages.

    Raises:
        DecodeError: it ends within one, or a tag or length is none.
    """
    try:
        for tag, found in iter_tagged(data):
            yield Tre(tag, found)
    except (NotServedError, EncodeError) as error:
        raise DecodeError(f"{where}: {error}") from error


def place_tres(tres: Sequence[Tre], *, where: str, areas: tuple[int, int] = (AREA_BYTES, AREA_BYTES)) -> TreAreas:
    """Distribute TREs over the areas of a header.

    Args:
        tres: in order.
        where: for messages.
        areas: bytes that the first and the second area hold; 0 where there is none.

    Raises:
        EncodeError: there are more than even an overflow holds.
    """
    if not tres:
        return TreAreas()
    encoded = [_tre_bytes(tre) for tre in tres]
    if sum(map(len, encoded)) <= areas[1]:
        return TreAreas(second=b"".join(encoded))
    first, at = _filled(encoded, 0, areas[0])
    second, at = _filled(encoded, at, areas[1])
    overflow = b"".join(encoded[at:])
    if len(overflow) > DES_BYTES:
        raise EncodeError(
            f"{where}: TREs of {len(overflow)} bytes remain for TRE_OVERFLOW, whose LD ends at {DES_BYTES} "
            "(MIL-STD-2500C table A-1)"
        )
    return TreAreas(first, second, overflow)


def _filled(encoded: Sequence[bytes], at: int, room: int) -> tuple[bytes, int]:
    """Take TREs in order while they fit."""
    start = at
    while at < len(encoded) and len(encoded[at]) <= room:
        room -= len(encoded[at])
        at += 1
    return b"".join(encoded[start:at]), at


def _tre_bytes(tre: Tre) -> bytes:
    return b"%-6s%05d%s" % (tre.tag.encode("ascii"), len(tre.data), tre.data)
