"""The bytes of a TIFF's directories: header, entries, values (TIFF 6.0 section 2, BigTIFF).

Rules:

- a file far away is asked seldom: a read brings what follows too, twice as
  much each time reading goes on where the last one ended;
- counts are checked before anything is allocated for them: entries of a
  directory, bytes of a value, bytes of all reads together;
- entries stay as found until their tag is asked for, because most tags never are.

It must not know what a tag means.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import ReadAt
from stacchip_osml.imagery.blocks.read_ahead import NotServedError

__all__ = ["Directory", "Field", "TiffBytes"]

FIRST_READ = 1 << 15
"""Bytes of the first read; holds all directories of a COG of some thousand blocks."""
FAR_READ = 1 << 13
"""Bytes of a read that does not go on where one ended: a directory and its smaller values."""
LARGEST_READ = 1 << 20
ALL_BYTES = 256 << 20
MAX_READS = 1000
"""Thousands of pages strewn over a file are left to GDAL, and so are more bytes than ``ALL_BYTES``."""
MAX_ENTRIES = 4096
"""Of one directory; libtiff's own bound."""
MAX_DIRECTORIES = 1 << 14
FAR = 1 << 59
"""Stands for every position and size that no file has."""

INTEGERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4", 16: "u8", 17: "i8", 18: "u8"}
"""Type of a field → numpy type; BYTE, SHORT, LONG, IFD, LONG8, IFD8 and the signed ones."""
OCTETS = (1, 2, 6, 7)
"""BYTE, ASCII, SBYTE, UNDEFINED."""


Field = tuple[int, int, int, bytes]
"""One entry of a directory as stored: tag, type, count, and 4 bytes (BigTIFF: 8) that hold its value, or the
position of a value that they cannot hold. A plain tuple, because most are never looked at."""


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory (IFD)."""

    offset: int
    fields: dict[int, Field]
    """Tag → entry; the first of a tag that is given twice, as in libtiff."""
    next_offset: int
    """Of the directory that follows, 0 for none."""


class TiffBytes:
    """A file read through few, larger reads, with what its first bytes say of byte order and word size."""

    def __init__(self, read: ReadAt, *, name: str, size: int | None) -> None:
        """Read the beginning.

        Raises:
            DecodeError: it is not a TIFF.
        """
        self.name = name
        self._read, self._size = read, size
        self._windows: list[tuple[int, bytes]] = []
        self._bytes_left, self._reads_left, self._ahead = ALL_BYTES, MAX_READS, FIRST_READ
        head = self._fetch(0, 16)[:16]
        order, version = {b"II": "<", b"MM": ">"}.get(head[:2]), head[2:4]
        if order is None or len(head) < 8:
            raise DecodeError(f"{name}: not a TIFF, it begins with {head[:4]!r}")
        self.order: str = order
        self._endian: Literal["little", "big"] = "little" if order == "<" else "big"
        number = int.from_bytes(version, self._endian)
        self.big = number == 43
        if number not in (42, 43) or (self.big and struct.unpack(order + "HH", head[4:8]) != (8, 0)):
            raise DecodeError(f"{name}: not a TIFF, version {number}")
        if self.big and len(head) < 16:
            raise DecodeError(f"{name}: ends in its header")
        self._word = struct.Struct(order + ("Q" if self.big else "I"))
        self._entry = struct.Struct(order + ("HHQ8s" if self.big else "HHI4s"))
        self._entries = struct.Struct(order + ("Q" if self.big else "H"))
        (self.first,) = self._word.unpack_from(head, 8 if self.big else 4)

    def at(self, offset: int, size: int) -> bytes:
        """Give exactly ``size`` bytes.

        Raises:
            DecodeError: the file has fewer.
            NotServedError: it would be more reading than ``ALL_BYTES`` and ``MAX_READS`` allow.
        """
        if offset + size <= (FAR if self._size is None else self._size):
            for start, window in self._windows:
                if start <= offset and offset + size <= start + len(window):
                    return window[offset - start : offset - start + size]
            found = self._fetch(offset, size)
            if len(found) >= size:
                return found[:size]
        raise DecodeError(f"{self.name}: ends before its header does, no {size} bytes at {offset}")

    def _fetch(self, offset: int, size: int) -> bytes:
        """Read at least ``size`` bytes, fewer at the end of the file, and remember them."""
        if self._windows:
            start, window = self._windows[-1]
            follows = start <= offset <= start + len(window) + FAR_READ
            self._ahead = min(max(2 * self._ahead, size), LARGEST_READ) if follows else FAR_READ
        wanted = max(size, self._ahead) if size <= FAR_READ else size + self._ahead
        if self._size is not None:
            wanted = min(wanted, max(self._size - offset, 0))
        self._bytes_left -= wanted
        self._reads_left -= 1
        if self._bytes_left < 0 or self._reads_left < 0:
            raise NotServedError(f"its directories take more than {ALL_BYTES} bytes or {MAX_READS} reads")
        found = bytes(self._read(offset, wanted)) if wanted else b""
        self._windows.append((offset, found))
        del self._windows[:-8]
        return found

    def directory(self, offset: int) -> Directory:
        """Read one directory.

        Raises:
            DecodeError: the file ends in it, or it has no or more than ``MAX_ENTRIES`` entries.
        """
        start = offset + self._entries.size
        (count,) = self._entries.unpack(self.at(offset, self._entries.size))
        if not 0 < count <= MAX_ENTRIES:
            raise DecodeError(f"{self.name}: a directory of {count} entries at {offset}, expected 1 to {MAX_ENTRIES}")
        length = count * self._entry.size
        try:
            data = self.at(start, length + self._word.size)
            (following,) = self._word.unpack_from(data, length)
        except DecodeError:  # some writers leave out the link after the last directory
            data, following = self.at(start, length), 0
        entries: list[Field] = list(self._entry.iter_unpack(data[:length]))
        fields = {field[0]: field for field in reversed(entries)}
        return Directory(offset, fields, following)

    def chain(self) -> Iterator[Directory]:
        """Read the directories in order; a link back to one of them ends the chain.

        Raises:
            DecodeError: as ``directory``; no directory at all.
            NotServedError: more than ``MAX_DIRECTORIES``.
        """
        if not self.first:
            raise DecodeError(f"{self.name}: has no directory")
        seen: set[int] = set()
        offset = self.first
        while offset and offset not in seen:
            if len(seen) == MAX_DIRECTORIES:
                raise NotServedError(f"more than {MAX_DIRECTORIES} directories")
            seen.add(offset)
            directory = self.directory(offset)
            yield directory
            offset = directory.next_offset

    def numbers(self, field: Field, *, most: int) -> NDArray[np.int64]:
        """Read the first ``most`` values of an integer field; those past ``FAR`` become ``FAR``.

        Raises:
            DecodeError: it is not of an integer type, has a negative value, or the file ends in it.
        """
        tag, kind, _, _ = field
        code = INTEGERS.get(kind)
        if code is None:
            raise DecodeError(f"{self.name}: tag {tag} of type {kind} where whole numbers are expected")
        data = self._value(field, int(code[1]), most)
        values = np.frombuffer(data, dtype=self.order + code)
        if code[0] == "i" and values.size and int(values.min()) < 0:
            raise DecodeError(f"{self.name}: tag {tag} with a negative number")
        if code == "u8":
            values = np.minimum(values, np.uint64(FAR))
        return values.astype(np.int64)

    def number(self, directory: Directory, tag: int, default: int) -> int:
        """Read the one value of a tag, ``default`` where the directory has no such tag.

        Raises:
            DecodeError: as ``numbers``; it has no value.
        """
        field = directory.fields.get(tag)
        if field is None:
            return default
        _, kind, count, value = field
        if count == 1 and kind in (3, 4):  # nearly all of them
            return int.from_bytes(value[:2] if kind == 3 else value[:4], self._endian)
        values = self.numbers(field, most=1)
        if not values.size:
            raise DecodeError(f"{self.name}: tag {tag} without a value")
        return int(values[0])

    def octets(self, field: Field, *, most: int) -> bytes:
        """Read a field of bytes.

        Raises:
            DecodeError: it is of another type, has more than ``most`` bytes, or the file ends in it.
        """
        tag, kind, count, _ = field
        if kind not in OCTETS or count > most:
            raise DecodeError(f"{self.name}: tag {tag} with {count} values of type {kind}, expected up to {most} bytes")
        return self._value(field, 1, most)

    def _value(self, field: Field, itemsize: int, most: int) -> bytes:
        _, _, count, value = field
        size = itemsize * min(count, most)
        if count * itemsize <= len(value):
            return value[:size]
        (offset,) = self._word.unpack(value)
        return self.at(offset, size)
