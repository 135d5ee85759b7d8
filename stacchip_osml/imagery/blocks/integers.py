"""Lists of integers as few bytes, and back.

Single numbers are little-endian base 128. A list is its smallest value and the
bytes of what is above it, plane by plane (all lowest bytes, all second bytes …),
each plane deflated where that helps. A list does not say how long it is.

Rules: whoever unpacks states how many values there must be, and nothing larger
is allocated; damage is a ValueError, or an IndexError where the bytes end.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

__all__ = ["PackedSource", "pack_integers", "pack_number", "pack_signed", "unpack_integers"]

WORTH_DEFLATING = 48
"""Values: planes of fewer are kept as they are."""


def pack_integers(values: NDArray[np.int64]) -> bytes:
    """Pack one integer at least; those that are all alike need no more than one of them."""
    least = int(values.min())
    above = (values - least).astype("<u8")
    width = (int(above.max()).bit_length() + 7) // 8
    pieces = [pack_signed(least), bytes([width])]
    planes = above.view(np.uint8).reshape(-1, 8)
    for number in range(width):
        raw = planes[:, number].tobytes()
        small = _deflated(raw) if _may_shrink(raw) else raw
        pieces += [pack_number(len(small)), small] if len(small) < len(raw) else [b"\0", raw]
    return b"".join(pieces)


def unpack_integers(source: PackedSource, count: int) -> NDArray[np.int64]:
    """Unpack ``count`` integers, one at least."""
    least, width = source.signed(), source.take(1, 1)[0]
    if width == 0:
        return np.full(count, least, np.int64)
    if width > 8:
        raise ValueError(f"integers of {width} bytes")
    planes = np.zeros((count, 8), np.uint8)
    for number in range(width):
        size = source.number()
        raw = source.take(count, count) if size == 0 else _inflated(source.take(size, count), count)
        planes[:, number] = np.frombuffer(raw, np.uint8)
    values: NDArray[np.int64] = planes.view("<i8").ravel()
    values += np.int64(least)
    return values


def _may_shrink(raw: bytes) -> bool:
    """Tell whether bytes might have something to leave out: few values, or so many bytes that trying costs little."""
    return len(raw) >= WORTH_DEFLATING and (len(raw) >= 4096 or len(set(raw)) < min(160, 0.6 * len(raw)))


def _deflated(raw: bytes) -> bytes:
    # runs and skewed bytes are all there is to find, and this strategy looks for nothing else
    packer = zlib.compressobj(6, zlib.DEFLATED, -9, 1, zlib.Z_RLE)
    return packer.compress(raw) + packer.flush()


def _inflated(data: bytes, count: int) -> bytes:
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        raw = unpacker.decompress(data, count)
        more = b"" if unpacker.eof else unpacker.decompress(unpacker.unconsumed_tail, 1)
    except zlib.error as error:
        raise ValueError(f"deflated integers are damaged: {error}") from error
    if len(raw) != count or more or not unpacker.eof or unpacker.unused_data:
        raise ValueError(f"deflated integers are {len(raw)}, or more, where {count} belong")
    return raw


class PackedSource:
    """Packed bytes, taken from the front; IndexError where they end in an integer."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int) -> None:
        self.data = data
        self.at = at

    def take(self, size: int, most: int) -> bytes:
        """Take bytes; more than ``most``, or than there are, is damage."""
        first, last = self.at, self.at + size
        if size > most or last > len(self.data):
            raise ValueError(f"claims {size} bytes where at most {min(most, len(self.data) - first)} are")
        self.at = last
        return self.data[first:last]

    def number(self) -> int:
        """Take an integer that is not negative, below 2⁶³."""
        data, at = self.data, self.at + 1
        value = data[at - 1]
        if value < 128:
            self.at = at
            return value
        value &= 127
        for shift in range(7, 63, 7):
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                self.at = at
                return value
        raise ValueError("an integer does not end")

    def signed(self) -> int:
        """Take an integer of either sign."""
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def require_empty(self) -> None:
        """Refuse what is left over."""
        if self.at != len(self.data):
            raise ValueError(f"{len(self.data) - self.at} bytes more than were packed")


def pack_number(value: int) -> bytes:
    """Pack an integer that is not negative, below 2⁶³."""
    pieces = bytearray()
    while value > 127:
        pieces.append(value & 127 | 128)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def pack_signed(value: int) -> bytes:
    """Pack an integer of either sign."""
    return pack_number(value << 1 if value >= 0 else ~(value << 1))
