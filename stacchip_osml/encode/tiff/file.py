"""The bytes of a TIFF or BigTIFF around its blocks: header, directories, where each block lies.

Rules:

- every directory stands before the pixels, in both layouts: they are written with room
  for their tables, blocks follow as they come, and at the end the tables are filled in;
- a block that is never put is sparse: position 0, length 0, as GDAL writes and reads it;
- classic TIFF ends at 4 GiB; what would pass that is refused, not wrapped.

References: TIFF 6.0, section 2; the BigTIFF design. It must not know what a pixel is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import EncodeError

__all__ = ["CLASSIC_BYTES", "Container", "Directory", "Tags", "TiffFile"]

Tags = dict[int, tuple[str, Any]]
"""Tag number → (kind of its values, the values).

Kinds are struct's letters (``B H I Q b h i q f d``), ``s`` for ASCII (a str, or bytes as they are), ``U`` for
undefined bytes, ``R`` and ``r`` for rationals."""

CLASSIC_BYTES = 2**32 - 1
"""The last position that classic TIFF can point to."""
TYPES = {
    "B": 1,
    "s": 2,
    "H": 3,
    "I": 4,
    "R": 5,
    "b": 6,
    "U": 7,
    "h": 8,
    "i": 9,
    "r": 10,
    "f": 11,
    "d": 12,
    "Q": 16,
    "q": 17,
}
RATIONALS = {"R": ("I", 2**32 - 1), "r": ("i", 2**31 - 1)}
STRIPS, TILES = (273, 279), (324, 325)


@dataclass(frozen=True, slots=True, kw_only=True)
class Directory:
    """One image file directory, without the table of its blocks."""

    tags: Tags
    blocks: int
    """In all planes."""
    tiled: bool
    """Whether its blocks are tiles; else strips."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What kind of TIFF it is."""

    big: bool = False
    order: str = "<"
    """``<`` or ``>``."""
    ghost: bytes = b""
    """What stands between the header and the first directory."""
    framed: bool = False
    """Whether each block has its length before it and its last four bytes again after it, as GDAL's COGs do."""
    order_of_data: Sequence[int] | None = None
    """Of the directories; None where blocks may stand in the order in which they come."""


@dataclass(slots=True)
class _Table:
    """Where the blocks of one directory lie, and where in the file that is said."""

    offsets: NDArray[np.int64]
    counts: NDArray[np.int64]
    offsets_at: int = 0
    counts_at: int = 0


@dataclass(slots=True)
class TiffFile:
    """A TIFF that is being written to a seekable file, from its position on."""

    out: BinaryIO
    directories: Sequence[Directory]
    container: Container
    _base: int = field(init=False)
    _at: int = field(init=False)
    _tables: list[_Table] = field(init=False)

    def __post_init__(self) -> None:
        """Write the header and the directories, their tables empty."""
        self._base = self.out.tell()
        self._tables = [
            _Table(np.zeros(each.blocks, np.int64), np.zeros(each.blocks, np.int64)) for each in self.directories
        ]
        self._at = (16 if self.container.big else 8) + len(self.container.ghost)
        self._at += self._at % 2
        parts = []
        for index, (each, table) in enumerate(zip(self.directories, self._tables, strict=True)):
            parts.append(self._packed(each, table, start=self._at, last=index + 1 == len(self.directories)))
            self._at += len(parts[-1])
        self._require_room(self._at)
        mark, first = (b"II" if self.container.order == "<" else b"MM"), self._at - sum(map(len, parts))
        if self.container.big:
            head = mark + struct.pack(f"{self.container.order}HHHQ", 43, 8, 0, first)
        else:
            head = mark + struct.pack(f"{self.container.order}HI", 42, first)
        self.out.write((head + self.container.ghost).ljust(first, b"\0") + b"".join(parts))

    def put(self, directory: int, block: int, data: bytes) -> None:
        """Write one block where the file ends now.

        Raises:
            EncodeError: a classic TIFF would pass 4 GiB.
        """
        if self.container.framed:
            whole, before = b"".join((struct.pack("<I", len(data)), data, data[-4:].rjust(4, b"\0"))), 4
        else:
            whole, before = data, 0
        self._require_room(self._at + len(whole))
        table = self._tables[directory]
        table.offsets[block], table.counts[block] = self._at + before, len(data)
        self.out.write(whole)
        self._at += len(whole)

    def finish(self) -> None:
        """Fill in the tables; the file's position is its end afterwards."""
        word = f"{self.container.order}{'u8' if self.container.big else 'u4'}"
        for table in self._tables:
            for at, numbers in ((table.offsets_at, table.offsets), (table.counts_at, table.counts)):
                self.out.seek(self._base + at)
                self.out.write(numbers.astype(word).tobytes())
        self.out.seek(self._base + self._at)

    def _require_room(self, end: int) -> None:
        if not self.container.big and end > CLASSIC_BYTES:
            raise EncodeError(
                f"the file needs {end} bytes; positions of 32 bits end at 4 GiB (TIFF 6.0, section 2): set bigtiff"
            )

    def _packed(self, directory: Directory, table: _Table, *, start: int, last: bool) -> bytes:
        """Pack one directory that begins at ``start``; values that do not fit into their entries follow them."""
        word, most = ("Q", 8) if self.container.big else ("I", 4)
        pack, size = _entry(self.container.order, self.container.big)
        offsets, counts = TILES if directory.tiled else STRIPS
        room = bytes(most * directory.blocks)
        tags: Tags = {**directory.tags, offsets: (word, room), counts: (word, room)}
        head = struct.pack(self.container.order + ("Q" if self.container.big else "H"), len(tags))
        at = start + len(head) + size - most  # of the value, or of its place, in the entry
        position = at + size * (len(tags) - 1) + 2 * most
        places: dict[int, int] = {}
        entries: list[bytes] = []
        values: list[bytes] = []
        for number in sorted(tags):
            kind, told = tags[number]
            count, packed = (directory.blocks, told) if told is room else _values(kind, told, self.container.order)
            length = len(packed)
            if length > most:
                places[number] = position
                values.append(packed + b"\0" if length % 2 else packed)  # values begin on even bytes
                packed = struct.pack(self.container.order + word, position)
                position += length + length % 2
            else:
                places[number] = at
            entries.append(pack(number, TYPES[kind], count, packed))
            at += size
        table.offsets_at, table.counts_at = places[offsets], places[counts]
        return b"".join((head, *entries, struct.pack(self.container.order + word, 0 if last else position), *values))


@lru_cache(maxsize=4)
def _entry(order: str, big: bool) -> tuple[Callable[..., bytes], int]:
    """Give what packs an entry of a directory, and the bytes of one."""
    word, most = ("Q", 8) if big else ("I", 4)
    entry = struct.Struct(f"{order}HH{word}{most}s")
    return entry.pack, entry.size


def _values(kind: str, values: Any, order: str) -> tuple[int, bytes]:
    """Give the count and the bytes of one tag's values."""
    if kind == "s":
        text = values if isinstance(values, bytes) else values.encode("utf-8")
        return len(text) + 1, text + b"\0"
    if kind == "U":
        return len(values), bytes(values)
    if kind in RATIONALS:
        letter, most = RATIONALS[kind]
        pairs = [part for value in values for part in _ratio(value, most)]
        return len(values), struct.pack(f"{order}{len(pairs)}{letter}", *pairs)
    return len(values), struct.pack(f"{order}{len(values)}{kind}", *values)


def _ratio(value: float, most: int) -> tuple[int, int]:
    """Give the nearest fraction whose parts fit."""
    exact = Fraction(value)
    limit = most
    while True:
        near = exact.limit_denominator(limit)
        if abs(near.numerator) <= most:
            return near.numerator, near.denominator
        if limit == 1:
            raise EncodeError(f"a rational of {value} does not fit into 32 bits (TIFF 6.0, section 2)")
        limit = max(limit // 2, 1)
