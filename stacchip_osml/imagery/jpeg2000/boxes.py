"""The boxes of a JP2 file that decide what its codestream becomes (ISO/IEC 15444-1 annex I).

GDAL delivers the components as they are stored, whatever the boxes say of
colour or order; it keeps a palette aside, and then shows no overviews. Only
that is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead

__all__ = ["Jp2", "find_codestream"]

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
MOST_BOXES = 256
MOST_HEADER = 1 << 20
"""Bytes of a JP2 header box that is looked into."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Jp2:
    """Where the codestream is, and what the boxes add."""

    start: int
    end: int | None
    """None where neither the box nor the file says."""
    color_table: bool = False
    """It has a palette of the kind that GDAL shows as one."""


def find_codestream(ahead: ReadAhead, start: int, end: int | None) -> Jp2:
    """Find the first codestream in the bytes ``start`` to ``end`` (None: unknown) of a file; it may be bare.

    Raises:
        DecodeError: there is none.
        NotServedError: there are more boxes than are looked at.
    """
    if ahead.upto(start, 4) == b"\xff\x4f\xff\x51":
        return Jp2(start=start, end=end)
    if ahead.upto(start, len(SIGNATURE)) != SIGNATURE:
        raise DecodeError(f"{ahead.name}: neither a JP2 file nor a JPEG 2000 codestream at {start}")
    found = Jp2(start=start, end=end)
    for kind, first, last in _boxes(ahead, start, end):
        if kind == b"jp2h":
            found = _header(ahead, found, first, last)
        elif kind == b"jp2c":
            return replace(found, start=first, end=last)
    raise DecodeError(f"{ahead.name}: a JP2 file without a codestream")


def _boxes(ahead: ReadAhead, start: int, end: int | None) -> Iterator[tuple[bytes, int, int | None]]:
    """Give type, start and end of the contents of each box (I.4)."""
    at = start
    for _ in range(MOST_BOXES):
        head = ahead.upto(at, 8) if end is None or at + 8 <= end else b""
        if len(head) < 8:
            return
        length, first = int.from_bytes(head[:4], "big"), at + 8
        if length == 1:
            length, first = int.from_bytes(ahead.exactly(first, 8), "big"), at + 16
        last = end if length == 0 else at + length
        if last is not None:
            if last < first:
                raise NotServedError("a JP2 box is shorter than its own header")
            last = last if end is None else min(last, end)  # a file cut short may still hold all tiles
        yield head[4:], first, last
        if length == 0 or last is None:
            return
        at = last
    raise NotServedError(f"more than {MOST_BOXES} JP2 boxes")


def _header(ahead: ReadAhead, found: Jp2, first: int, last: int | None) -> Jp2:
    """Look for a palette in the JP2 header box (I.5.3)."""
    if last is None or last - first > MOST_HEADER:
        raise NotServedError("its JP2 header box is too large")
    for kind, start, end in _boxes(ahead, first, last):
        size = (end or start) - start
        if kind == b"pclr" and size >= 3 and not found.color_table:
            found = replace(found, color_table=_is_shown(ahead.exactly(start, min(size, 7)), size))
    return found


def _is_shown(head: bytes, size: int) -> bool:
    """Tell whether GDAL makes a colour table of a palette: 3 or 4 columns of 8 bits, 256 entries at most."""
    entries, columns = int.from_bytes(head[:2], "big"), head[2]
    depths = head[3 : 3 + columns]
    return columns in {3, 4} and entries <= 256 and depths == b"\x07" * columns and size == 3 + columns * (1 + entries)
