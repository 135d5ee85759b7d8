"""The first rows of a compressed block without the rest: half the rows take about half the time.

Two decoders can be had to stop early.

- deflate: libdeflate stops when its output is full and leaves what it wrote.
  That is not documented, so it is tried once, on first use, and not used
  where it does not hold; ``use_row_prefixes`` turns it off altogether.
- zstd: a frame is a chain of blocks whose sizes stand before them (RFC 8878,
  3.1.1.2), so its first blocks are made into a frame of their own.

What is left out is the end of the stream, and with it the checksum: damage
that is no error of the grammar is only found where a block is decoded whole.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.codec_library import codec_library

__all__ = [
    "Bytes",
    "Frame",
    "first_blocks",
    "inflate_prefix",
    "read_frame",
    "row_prefixes",
    "row_prefixes_of_deflate",
    "use_row_prefixes",
]

Bytes = bytes | bytearray | memoryview

TAIL = 1024
"""Bytes that deflate is given beyond those wanted."""
TOLD_AT = TAIL // 2
"""Where in them it must have written to have come by all that is wanted: matches are of 258 bytes at most and written
some 40 bytes ahead; stored blocks (RFC 1951, 3.2.4) are of up to 65,535, copied whole or not at all."""
MARKER = b"\x9e\x37\x79\xb9\x7f\x4a\x7c\x15\xf3\x9c\xc0\x60\x5c\xed\xc8\x34"

ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
ZSTD_BLOCK = 1 << 17
"""Bytes that a zstd block holds at most, decoded."""
RAW, RLE, COMPRESSED = 0, 1, 2

_wanted: list[bool] = [True]


def use_row_prefixes(wanted: bool) -> None:
    """Let blocks be decoded only as far as rows are needed, where that works (the default), or always whole."""
    _wanted[0] = wanted


def row_prefixes() -> bool:
    """Tell whether blocks are decoded only as far as needed."""
    return _wanted[0]


# ---- deflate


def row_prefixes_of_deflate() -> bool:
    """Tell whether libdeflate stops early; tried on first use."""
    return _libdeflate_keeps_what_it_wrote()


def inflate_prefix(data: Bytes, size: int, room: NDArray[np.uint8]) -> bool:
    """Decode the first ``size`` bytes of a zlib stream (RFC 1950).

    Args:
        data: the stream.
        size: bytes wanted.
        room: where to; longer than ``size`` by ``TAIL`` bytes at least.

    Returns:
        True where ``room`` begins with them; False where only a full decode, or a longer room, can tell.

    Raises:
        imagecodecs.DeflateError: the stream is damaged.
    """
    return row_prefixes_of_deflate() and _inflated(data, size, room)


def _inflated(data: Bytes, size: int, room: NDArray[np.uint8]) -> bool:
    """Decode until some way behind what is wanted; True where something was written there."""
    imagecodecs = codec_library()
    out = room[: size + TAIL]
    told = out.data[size + TOLD_AT : size + TOLD_AT + len(MARKER)]
    told[:] = MARKER
    try:
        return len(imagecodecs.deflate_decode(data, out=out)) >= size
    except imagecodecs.DeflateError as error:
        if "INSUFFICIENT_SPACE" not in str(error):
            raise
    return told != MARKER


@lru_cache(maxsize=1)
def _libdeflate_keeps_what_it_wrote() -> bool:
    """Try it: matches of all lengths, long runs, stored blocks, and a stream that is damaged."""
    imagecodecs = codec_library()
    # Noise of its own making: importing numpy.random takes longer than all of this.
    random = np.arange(1, 70_001, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    random = ((random ^ random >> np.uint64(29)) * np.uint64(0xBF58476D1CE4E5B9) >> np.uint64(40)).astype(np.uint8)
    steps = np.cumsum(random[:3_000] % 7 - np.int64(3)).astype(np.uint16).tobytes()
    runs = np.repeat(random[:30], 300).tobytes()
    for plain, is_stored in ((steps, False), (runs, False), (random.tobytes(), True)):
        packed = zlib.compress(plain, 0 if is_stored else 6)
        for size in (1, 777, 4_000, len(plain) - TAIL - 1):
            room = np.full(size + TAIL, 0xA5, np.uint8)
            try:
                begun = _inflated(packed, size, room)
            except imagecodecs.DeflateError:
                return False
            # A stored block may be left out, but not silently.
            if not (begun or is_stored) or (begun and room[:size].tobytes() != plain[:size]):
                return False
    try:
        _inflated(b"\x78\x9c" + b"\xff" * 64, 1, np.empty(1 + TAIL, np.uint8))
    except imagecodecs.DeflateError:
        return True
    return False


# ---- zstd


class Frame(NamedTuple):
    """Where the parts of a zstd frame are (RFC 8878, 3.1.1)."""

    window: int
    """``Window_Descriptor``, made up where the frame has none."""
    edges: tuple[int, ...]
    """Where each of its blocks begins, and where the last one ends."""
    end: int
    """Byte after its checksum."""

    @property
    def blocks(self) -> int:
        """How many it has."""
        return len(self.edges) - 1

    @property
    def block_bytes(self) -> int:
        """What one of them holds at most, decoded (3.1.1.2.4)."""
        base = 1 << 10 + (self.window >> 3)
        return min(base + (base >> 3) * (self.window & 7), ZSTD_BLOCK)


def read_frame(data: Bytes) -> Frame | None:
    """Find the blocks of the frame that data begins with; None where it is of a kind that is decoded as it is."""
    if bytes(data[:4]) != ZSTD_MAGIC or len(data) < 6:
        return None
    descriptor = data[4]
    single, dictionary, told = descriptor >> 5 & 1, descriptor & 3, descriptor >> 6
    if descriptor & 0x08 or dictionary:
        return None
    at = 5
    window = 0
    if not single:
        window, at = data[at], at + 1
    length = (1 if single else 0, 2, 4, 8)[told]
    content = int.from_bytes(data[at : at + length], "little") + (256 if length == 2 else 0)
    if single:
        window = _descriptor_of(content)
    at += length
    edges = []
    while at + 3 <= len(data):
        header = int.from_bytes(data[at : at + 3], "little")
        edges.append(at)
        kind, size = header >> 1 & 3, header >> 3
        if kind > COMPRESSED:
            return None
        at += 3 + (1 if kind == RLE else size)
        if at > len(data):
            return None
        if header & 1:
            end = at + (4 if descriptor & 0x04 else 0)
            if size == 0 and kind == RAW and len(edges) > 1:
                at = edges.pop()  # streaming writers end a frame with a block of nothing
            return Frame(window, (*edges, at), end) if end <= len(data) else None
    return None


def _descriptor_of(size: int) -> int:
    """Describe the smallest window of a power of two bytes that holds ``size`` (RFC 8878, 3.1.1.1.2)."""
    return max((max(size, 1) - 1).bit_length() - 10, 0) << 3


def first_blocks(data: Bytes, frame: Frame, count: int) -> bytes:
    """Make a frame of the first ``count`` blocks of another, ended by the last of them, without size and checksum."""
    view = memoryview(data)
    first, last, stop = frame.edges[0], frame.edges[count - 1], frame.edges[count]
    header = (int.from_bytes(view[last : last + 3], "little") | 1).to_bytes(3, "little")
    opening = ZSTD_MAGIC + bytes((0, frame.window))
    return b"".join((opening, view[first:last], header, view[last + 3 : stop]))
