"""Compressed bytes out of a block: deflate, zstd, LZW, PackBits, LZMA, or none.

Every function takes the stream, the bytes wanted of its beginning and the
bytes of the whole block, and gives at least those wanted. Rules:

- memory is as large as the block, whatever the stream says;
- a stream that ends before the bytes wanted is damaged; one that goes on after
  the block is not, as libtiff has it;
- LZW and PackBits go through libtiff: what imagecodecs has of its own for LZW
  is slower, and crashes on damaged streams;
- everything here works without Python's lock.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.codec_library import codec_library
from stacchip_osml.imagery.blocks.prefixes import (
    TAIL,
    Bytes,
    Frame,
    first_blocks,
    inflate_prefix,
    read_frame,
    row_prefixes,
)
from stacchip_osml.imagery.blocks.scratch import Scratch

__all__ = ["STREAMS", "Octets", "Stream", "little_tiff", "reversed_bits"]

Octets = NDArray[np.uint8]
Stream = Callable[[Bytes, int, int, Scratch], Octets]
"""``(data, wanted, whole, scratch)`` → ``wanted`` bytes."""

WORTH_STOPPING = 0.9
"""Share of a block above which it is decoded whole."""
LZMA_MEMORY = 1 << 28
"""Bytes of a dictionary, four times that of the highest preset."""


def _stored(data: Bytes, wanted: int, whole: int, scratch: Scratch) -> Octets:  # noqa: ARG001 - a stream's signature
    octets = np.frombuffer(data, np.uint8, count=min(wanted, len(data)))
    return _require(octets, wanted, "uncompressed block")


def _require(octets: Octets, wanted: int, what: str) -> Octets:
    """Refuse a stream that holds too little.

    Raises:
        DecodeError: it does.
    """
    if len(octets) < wanted:
        raise DecodeError(f"{what} of {len(octets)} bytes, {wanted} expected")
    return octets[:wanted]


def _is_prefix(wanted: int, whole: int) -> bool:
    return row_prefixes() and wanted < whole * WORTH_STOPPING


# ---- deflate


def _deflate(data: Bytes, wanted: int, whole: int, scratch: Scratch) -> Octets:
    imagecodecs = codec_library()

    try:
        if _is_prefix(wanted, whole):
            room = scratch.octets("stream", wanted + TAIL)
            if inflate_prefix(data, wanted, room):
                return room[:wanted]
        try:
            found = imagecodecs.deflate_decode(data, out=scratch.octets("stream", whole))
        except imagecodecs.DeflateError as error:
            if "INSUFFICIENT_SPACE" not in str(error):
                raise
            found = _longer_than_its_block(data, whole, scratch.octets("stream", whole + TAIL))
    except imagecodecs.DeflateError as error:
        raise DecodeError(f"deflate: {error}") from error
    return _require(found, wanted, "deflate stream")


def _longer_than_its_block(data: Bytes, whole: int, room: Octets) -> Octets:
    """Decode a stream that goes on after its block, as the last strip of some writers does.

    Raises:
        DecodeError: it goes on for too long.
        imagecodecs.DeflateError: it is damaged.
    """
    import zlib

    if row_prefixes() and inflate_prefix(data, whole, room):
        return room[:whole]
    try:
        begun = zlib.decompressobj().decompress(data, whole)
    except zlib.error as error:
        raise DecodeError(f"deflate: {error}") from error
    room[: len(begun)] = np.frombuffer(begun, np.uint8)
    return room[: len(begun)]


# ---- zstd


def _zstd(data: Bytes, wanted: int, whole: int, scratch: Scratch) -> Octets:
    if not _is_prefix(wanted, whole):
        try:
            return _require(_unzstd(data, scratch.octets("stream", whole)), wanted, "zstd stream")
        except DecodeError:  # something may follow its frame, or it goes on after the block
            if (frame := read_frame(data)) is None:
                raise
    else:
        frame = read_frame(data)
        if frame is None:
            return _require(_unzstd(data, scratch.octets("stream", whole)), wanted, "zstd stream")
        count = _blocks_for(wanted, whole, frame)
        if count < frame.blocks * WORTH_STOPPING:
            found = _some_blocks(data, frame, count, scratch)
            if len(found) >= wanted:
                return found[:wanted]
    return _require(_one_frame(data, frame, wanted, whole, scratch), wanted, "zstd stream")


def _one_frame(data: Bytes, frame: Frame, wanted: int, whole: int, scratch: Scratch) -> Octets:
    """Decode the first frame, whatever follows it; all of them where it is too short.

    Raises:
        DecodeError: it is damaged.
    """
    try:
        found = _unzstd(memoryview(data)[: frame.end], scratch.octets("stream", whole))
    except DecodeError as error:
        full = -(-whole // frame.block_bytes)
        if "too small" not in str(error) or full >= frame.blocks:
            raise
        found = _some_blocks(data, frame, full, scratch)  # it goes on after the block, as a last strip may
    if len(found) < wanted and frame.end < len(data):
        found = _unzstd(data, scratch.octets("stream", whole))
    return found


def _blocks_for(wanted: int, whole: int, frame: Frame) -> int:
    """Tell how many blocks of a frame surely or most likely hold its first ``wanted`` bytes."""
    sure = frame.blocks - (whole - wanted) // frame.block_bytes  # those that follow can hold no more than the rest
    if frame.blocks * frame.block_bytes < whole + frame.block_bytes:
        return max(sure, 1)
    # Not all are full: those that should do by their share, and one.
    return max(min(sure, -(-wanted * frame.blocks // whole) + 1), 1)


def _some_blocks(data: Bytes, frame: Frame, count: int, scratch: Scratch) -> Octets:
    room = scratch.octets("stream", count * frame.block_bytes)
    return _unzstd(first_blocks(data, frame, count), room)


def _unzstd(data: Bytes, room: Octets) -> Octets:
    imagecodecs = codec_library()

    try:
        found: Octets = imagecodecs.zstd_decode(data, out=room)
    except imagecodecs.ZstdError as error:
        raise DecodeError(f"zstd: {error}") from error
    return found


# ---- LZMA


def _lzma(data: Bytes, wanted: int, whole: int, scratch: Scratch) -> Octets:  # noqa: ARG001 - a stream's signature
    imagecodecs = codec_library()

    room = scratch.octets("stream", wanted)
    try:
        # liblzma stops where its output is full (lzma_code with LZMA_RUN).
        found = imagecodecs.lzma_decode(data, out=room)
    except imagecodecs.LzmaError:
        found = _one_lzma_stream(data, room)
    return _require(found, wanted, "LZMA stream")


def _one_lzma_stream(data: Bytes, room: Octets) -> Octets:
    """Decode one stream, whatever follows it: imagecodecs takes it for another one.

    Raises:
        DecodeError: it is damaged.
    """
    import lzma

    try:
        found = lzma.LZMADecompressor(memlimit=LZMA_MEMORY).decompress(data, max_length=len(room))
    except lzma.LZMAError as error:
        raise DecodeError(f"LZMA: {error}") from error
    room[: len(found)] = np.frombuffer(found, np.uint8)
    return room[: len(found)]


# ---- LZW and PackBits, by libtiff


def _by_libtiff(compression: int) -> Stream:
    def stream(data: Bytes, wanted: int, whole: int, scratch: Scratch) -> Octets:
        imagecodecs = codec_library()

        size = wanted if row_prefixes() else whole
        room = scratch.octets("stream", size)
        file = little_tiff(data, scratch, {256: size, 257: 1, 258: 8, 259: compression})
        try:
            imagecodecs.tiff_decode(file, out=room.reshape(1, size))
        except (imagecodecs.TiffError, ValueError) as error:
            raise DecodeError(f"libtiff: {error}") from error
        return room[:wanted]

    return stream


TAG = struct.Struct("<HHII")
LONG = 4
WIDE = 50674
"""``LercParameters``: its version, and the compression that follows it."""


def little_tiff(data: Bytes, scratch: Scratch, tags: dict[int, int]) -> Octets:
    """Make a TIFF file of one strip out of a block's bytes, for libtiff to decode (TIFF 6.0, section 2).

    Args:
        data: the strip.
        scratch: where to put it.
        tags: of its only directory, without those that say where the strip is.
    """
    if not len(data):
        raise DecodeError("an empty block")
    tags = {262: 1, 277: 1, 278: tags[257], 284: 1, **tags, 273: 0, 279: len(data)}
    wide = b""
    beyond = 8 + 2 + TAG.size * len(tags) + 4
    entries = []
    for tag in sorted(tags):
        value, count = tags[tag], 1
        if tag == WIDE:
            wide, value, count = struct.pack("<II", 4, value), beyond, 2
        elif tag == 273:
            value = beyond + (8 if WIDE in tags else 0)
        entries.append(TAG.pack(tag, LONG, count, value))
    head = b"".join((b"II*\0\x08\0\0\0", struct.pack("<H", len(tags)), *entries, bytes(4), wide))
    file = scratch.octets("file", len(head) + len(data))
    file[: len(head)] = np.frombuffer(head, np.uint8)
    np.copyto(file[len(head) :], np.frombuffer(data, np.uint8))
    return file


def reversed_bits(data: Bytes, scratch: Scratch) -> memoryview:
    """Turn the bits of every byte round: ``FillOrder`` 2 (TIFF 6.0, section 8)."""
    imagecodecs = codec_library()

    turned = scratch.octets("turned", len(data))
    if len(data):
        imagecodecs.bitorder_decode(np.frombuffer(data, np.uint8), out=turned)
    return turned.data


STREAMS: dict[str, Stream] = {
    "none": _stored,
    "deflate": _deflate,
    "zstd": _zstd,
    "lzma": _lzma,
    "lzw": _by_libtiff(5),
    "packbits": _by_libtiff(32773),
}
"""Codec → what expands its streams."""
