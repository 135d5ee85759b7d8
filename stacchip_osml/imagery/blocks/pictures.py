"""Blocks that are pictures of their own: JPEG, WebP, LERC, JPEG XL.

Rules: what a picture says of its size is held against the block before
anything of that size is made; a picture cut short is damaged, though its
decoder may fill it up; one thread decodes one block.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.codec_library import codec_library
from stacchip_osml.imagery.blocks.layout import BlockCodec
from stacchip_osml.imagery.blocks.prefixes import Bytes, row_prefixes
from stacchip_osml.imagery.blocks.scratch import Scratch
from stacchip_osml.imagery.blocks.streams import WIDE, WORTH_STOPPING, little_tiff

__all__ = ["Picture", "decode_jpeg", "decode_jpegxl", "decode_lerc", "decode_webp"]

Array = NDArray[Any]


class Picture(Protocol):
    """What decodes one kind of picture."""

    def __call__(self, codec: BlockCodec, data: Bytes, *, shape: tuple[int, int], rows: int, scratch: Scratch) -> Array:
        """Give ``(samples, rows or more, cols)``, native, of the dtype delivered.

        Raises:
            DecodeError: the picture is damaged, cut short, or not of the block's size.
        """
        ...


def _room(codec: BlockCodec, shape: tuple[int, int], scratch: Scratch) -> Array:
    """Give memory for a block as picture decoders write it: ``(rows, cols)``, or with samples last."""
    sides = shape if codec.samples == 1 else (*shape, codec.samples)
    return scratch.array("picture", sides, codec.dtype)


def _planes(picture: Array) -> Array:
    """View a picture as ``(samples, rows, cols)``."""
    return picture[None] if picture.ndim == 2 else picture.transpose(2, 0, 1)


# ---- JPEG (ITU-T T.81)

MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
"""The next marker, also in entropy-coded data, where a stuffed zero and restarts are part of it (B.1.1.2, B.2.1)."""
FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""SOF of baseline, extended and progressive DCT, the last two with arithmetic coding."""
NOT_FRAMES = frozenset({0xC4, 0xC8, 0xCC})
SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
MOST_SCANS = 100
"""A progressive picture of more is not a picture but work for a decoder."""
LOWEST_ROWS = 32
"""Rows decoded beyond those wanted: the tallest unit of a picture, as upsampled chroma looks at the next row."""
SPACES = {
    ("rgb", 3): ("YCBCR", "RGB"),
    ("stored", 1): ("GRAYSCALE", "GRAYSCALE"),
    ("stored", 3): ("RGB", "RGB"),
    ("stored", 4): ("CMYK", "CMYK"),
}
"""(what becomes of colours, components) → how libjpeg is told to leave them, or to turn YCbCr."""


class _Jpeg(NamedTuple):
    """What a stream says of itself."""

    frame: int
    """Where the body of its frame header begins."""
    is_sequential: bool
    scans: int
    is_whole: bool
    """It has its end."""


def decode_jpeg(codec: BlockCodec, data: Bytes, *, shape: tuple[int, int], rows: int, scratch: Scratch) -> Array:
    """Decode a JPEG stream, its tables in ``codec.shared`` where it has none.

    Returns:
        ``(samples, rows or more, cols)``.

    Raises:
        DecodeError: it is damaged, cut short, or not of the block's size.
    """
    imagecodecs = codec_library()

    stream = data if isinstance(data, bytes) else bytes(data)
    told = _read_jpeg(stream)
    bits, height, width, components = _frame_of(stream, told)
    sampling = stream[told.frame + 7 : told.frame + 6 + 3 * components : 3]
    if codec.color == "stored" and len(set(sampling)) > 1:  # chroma that the file calls red, green, blue
        raise DecodeError("JPEG of subsampled components, which are to be taken as they are stored")
    if (bits, components) != (codec.bits, codec.samples) or width != shape[1] or height < shape[0]:
        raise DecodeError(
            f"JPEG of {width} x {height} pixels, {components} components of {bits} bits in a block of "
            f"{shape[1]} x {shape[0]}, {codec.samples} of {codec.bits}"
        )
    last = shape[0]
    if row_prefixes() and told.is_sequential and rows + LOWEST_ROWS < last * WORTH_STOPPING:
        last = rows + LOWEST_ROWS
    if last != height:
        # libjpeg stops where the frame header says (B.2.2).
        at = told.frame + 1
        stream = b"".join((stream[:at], last.to_bytes(2, "big"), stream[at + 2 :]))
    inside, outside = SPACES.get((codec.color, codec.samples), ("UNKNOWN", "UNKNOWN"))
    room = _room(codec, (last, shape[1]), scratch)
    try:
        imagecodecs.jpeg8_decode(
            stream, tables=codec.shared or None, colorspace=inside, outcolorspace=outside, out=room
        )
    except (imagecodecs.Jpeg8Error, ValueError) as error:
        raise DecodeError(f"JPEG: {error}") from error
    return _planes(room)


def _read_jpeg(stream: bytes) -> _Jpeg:
    """Go from marker to marker (B.1.1.4).

    Raises:
        DecodeError: it has no frame, or one of a process that is not read.
    """
    if stream[:2] != b"\xff\xd8":
        raise DecodeError("no JPEG stream")
    at, frame, kind, scans = 2, 0, 0, 0
    while (marker := MARKER.search(stream, at)) is not None:
        code, at = marker[1][0], marker.end()
        if code == EOI:
            break
        if code in {SOI, 0x01}:
            continue
        if code in FRAMES and not frame:
            frame, kind = at + 2, code
        elif 0xC0 <= code <= 0xCF and code not in NOT_FRAMES:
            raise DecodeError(f"JPEG process SOF{code - 0xC0}, or a second frame")
        scans += code == SOS
        if code == SOS and scans == 1 and kind in {0xC0, 0xC1} and stream.endswith(b"\xff\xd9"):
            return _Jpeg(frame, True, scans, is_whole=True)  # the rest is long to look through
        at += int.from_bytes(stream[at : at + 2], "big")
    if not frame or not scans:
        raise DecodeError("a JPEG stream without a picture")
    return _Jpeg(frame, kind in {0xC0, 0xC1}, scans, is_whole=marker is not None)


def _frame_of(stream: bytes, told: _Jpeg) -> tuple[int, int, int, int]:
    """Read bits, rows, columns and components (B.2.2).

    Raises:
        DecodeError: the stream is cut short, or has too many scans.
    """
    if not told.is_whole:
        raise DecodeError("a JPEG stream that is cut short")
    if told.scans > MOST_SCANS:
        raise DecodeError(f"a JPEG stream of {told.scans} scans")
    body = stream[told.frame : told.frame + 6]
    if len(body) < 6:
        raise DecodeError("a JPEG frame header that is cut short")
    return body[0], int.from_bytes(body[1:3], "big"), int.from_bytes(body[3:5], "big"), body[5]


# ---- WebP


def decode_webp(codec: BlockCodec, data: Bytes, *, shape: tuple[int, int], rows: int, scratch: Scratch) -> Array:  # noqa: ARG001 - a decoder's signature
    """Decode a WebP picture of three or four uint8 samples; alpha is opaque where it has none.

    Raises:
        DecodeError: it is damaged, or not of the block's size.
    """
    imagecodecs = codec_library()

    if codec.samples not in (3, 4) or codec.dtype != "uint8":
        raise DecodeError(f"WebP of {codec.samples} {codec.dtype} samples")
    room = _room(codec, shape, scratch)
    try:
        imagecodecs.webp_decode(data, index=0, hasalpha=codec.samples == 4, out=room)
    except (imagecodecs.WebpError, ValueError) as error:
        raise DecodeError(f"WebP: {error}") from error
    return _planes(room)


# ---- LERC

LERC_THEN = {"lerc": 0, "lerc_deflate": 1, "lerc_zstd": 2}
"""Codec → second value of ``LercParameters``: what the LERC blob was compressed with."""
SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3}


def decode_lerc(codec: BlockCodec, data: Bytes, *, shape: tuple[int, int], rows: int, scratch: Scratch) -> Array:  # noqa: ARG001 - a decoder's signature
    """Decode a LERC blob as libtiff does: invalid floats are NaN, then bytes are turned where the file's order says so.

    Raises:
        DecodeError: it is damaged, or not of the block's size.
    """
    imagecodecs = codec_library()

    kind = codec.kind
    tags = {
        256: shape[1],
        257: shape[0],
        258: kind.itemsize * 8,
        259: 34887,
        277: codec.samples,
        339: SAMPLE_FORMATS.get(kind.kind, 0),
        WIDE: LERC_THEN[codec.compression],
    }
    room = _room(codec, shape, scratch)
    try:
        imagecodecs.tiff_decode(little_tiff(data, scratch, tags), out=room)
    except (imagecodecs.TiffError, ValueError) as error:
        raise DecodeError(f"LERC: {error}") from error
    if not np.dtype(codec.stored).isnative:
        room.byteswap(inplace=True)
    return _planes(room)


# ---- JPEG XL


def decode_jpegxl(codec: BlockCodec, data: Bytes, *, shape: tuple[int, int], rows: int, scratch: Scratch) -> Array:  # noqa: ARG001 - a decoder's signature
    """Decode a JPEG XL picture.

    Raises:
        DecodeError: it is damaged, or not of the block's size.
    """
    imagecodecs = codec_library()

    if not imagecodecs.JPEGXL.available:
        raise DecodeError("JPEG XL, which this imagecodecs is built without")
    room = _room(codec, shape, scratch)
    try:
        imagecodecs.jpegxl_decode(data, index=0, numthreads=1, keeporientation=True, out=room)
    except (imagecodecs.JpegxlError, ValueError, RuntimeError) as error:
        raise DecodeError(f"JPEG XL: {error}") from error
    return _planes(room)
