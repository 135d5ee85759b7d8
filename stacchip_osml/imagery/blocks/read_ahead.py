"""Small reads of a header, served from few larger ones and counted.

Parsers look at a few bytes here and there; a remote object answers each
request after tens of milliseconds. Reads are therefore made larger than asked
for, and a parser that needs more of them than it was given leaves the file to
GDAL.
"""

from __future__ import annotations

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import ReadAt

__all__ = ["AHEAD", "READS", "NotServedError", "ReadAhead"]

AHEAD = 1 << 14
"""Bytes: a normal NITF or JP2 header fits."""
READS = 160
"""Reads for one image: a few are normal. The 121 tiles of a Sentinel-2 image can be walked without a table of them;
more would take a remote object too long."""


class NotServedError(Exception):
    """Something that is left to GDAL; the message is the reason. Never leaves a parser."""


class ReadAhead:
    """Reads of a file's header through a ``ReadAt``."""

    __slots__ = ("_held", "_left", "_read", "_reads", "_start", "name", "size")

    def __init__(self, read: ReadAt, *, name: str, size: int | None, reads: int) -> None:
        """Begin; nothing is read yet.

        Args:
            read: the file.
            name: of the file, for messages.
            size: of the file, None where unknown.
            reads: calls of ``read`` allowed.
        """
        self._read = read
        self._reads = self._left = reads
        self._start = 0
        self._held = b""
        self.name = name
        self.size = size

    def exactly(self, offset: int, size: int, *, ahead: int = AHEAD) -> bytes:
        """Read ``size`` bytes, and up to ``ahead`` bytes in one go where a read is needed at all.

        Raises:
            DecodeError: the file ends before.
            NotServedError: no read is left.
        """
        got = self.upto(offset, size, ahead=ahead)
        if len(got) < size:
            raise DecodeError(f"{self.name}: ends where {size} bytes of its header should be, at {offset}")
        return got

    def upto(self, offset: int, size: int, *, ahead: int = AHEAD) -> bytes:
        """Read ``size`` bytes, fewer at the end of the file.

        Raises:
            NotServedError: no read is left.
        """
        at = offset - self._start
        if at >= 0 and at + size <= len(self._held):
            return self._held[at : at + size]
        if self.size is not None and offset >= self.size:
            return b""
        if self._left <= 0:
            raise NotServedError(f"the places of its blocks need more than {self._reads} reads to find")
        self._left -= 1
        wanted = max(size, ahead)
        if self.size is not None:
            wanted = min(wanted, self.size - offset)
        self._start, self._held = offset, self._read(offset, wanted)
        return self._held[:size]
