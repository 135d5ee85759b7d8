"""JPEG streams taken apart and put together: restart intervals, and the application segment of NITF.

libjpeg is asked for the intervals through OpenCV, which makes one band or YCbCr of
8 bits. Through imagecodecs, which makes the rest, it cannot be: a restart interval
begins with new predictions on a new byte (ITU-T T.81, E.1.4), so rows of MCUs
that were compressed alone, with the same tables, are the intervals of the stream of
all of them, and their scans are put one after the other with RST between. What
comes out is the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import interleaved, jpeg_bytes
from stacchip_osml.errors import EncodeError

__all__ = [
    "EOI",
    "MOST_INTERVAL",
    "SOI",
    "JpegStream",
    "head_of",
    "restart",
    "restarted_jpeg",
    "segment",
    "taken_apart",
]

Array = NDArray[Any]

SOI, EOI = b"\xff\xd8", b"\xff\xd9"
SOF0, SOF1, RST0, SOS, DRI, APP0 = 0xC0, 0xC1, 0xD0, 0xDA, 0xDD, 0xE0
MOST_INTERVAL = 65_535
"""MCUs: DRI has two bytes."""


class JpegStream(NamedTuple):
    """A JPEG stream taken apart."""

    segments: list[tuple[int, bytes]]
    """Marker and body of what stands before the scan."""
    scan: bytes
    """Entropy-coded data."""


def restarted_jpeg(pixels: Array, *, quality: int, application: bytes, subsampled: bool) -> bytes:
    """Compress one block, with a restart interval of one row of MCUs.

    Args:
        pixels: ``(1, rows, cols)`` uint8, or uint16 of 12 bits; ``(3, rows, cols)`` uint8, red, green and blue.
        quality: libjpeg's, 1 to 100.
        application: body of an APP6 segment, which stands first.
        subsampled: colour as YCbCr with chrominance of half the resolution; else it stays red, green and blue.

    Raises:
        EncodeError: libjpeg does not compress it.
    """
    bands, rows, cols = pixels.shape
    step = 16 if bands == 3 and subsampled else 8
    across = -(-cols // step)
    if pixels.dtype == np.uint8 and (bands == 1 or subsampled):
        whole = jpeg_bytes(pixels, quality=quality, subsampling="420", interval=across)
        return _joined([taken_apart(whole)], application, rows=rows)
    samples = interleaved(pixels, passing=True)
    if pixels.dtype == np.uint8:
        strips = [samples[row : row + step] for row in range(0, rows, step)]
    else:  # libjpeg fits Huffman tables to 12-bit samples: those of two strips differ, so all is one interval
        strips, across = [samples], across * -(-rows // step)
    parts = [taken_apart(_compressed(strip, quality)) for strip in strips]
    return _joined(parts, application, rows=rows, interval=across)


def _joined(parts: list[JpegStream], application: bytes, *, rows: int, interval: int = 0) -> bytes:
    """Put the intervals of a stream together; ``interval`` is 0 where a stream says it itself."""
    own = [(marker, body) for marker, body in parts[0].segments if marker != APP0]
    out = bytearray(SOI + segment(0xE6, application) + head_of(own, rows=rows, interval=interval))
    for number, part in enumerate(parts):
        if number:
            out += restart(number)
        out += part.scan
    return bytes(out + EOI)


def _compressed(samples: Array, quality: int) -> bytes:
    settings: dict[str, Any] = {"outcolorspace": "RGB"} if samples.ndim == 3 else {"bitspersample": 12}
    try:
        return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(samples), level=quality, **settings))
    except (imagecodecs.Jpeg8Error, ValueError) as error:
        raise EncodeError(f"JPEG cannot hold {samples.dtype} samples of shape {samples.shape}: {error}") from error


def taken_apart(stream: bytes) -> JpegStream:
    """Take a stream of one scan apart."""
    at, segments = 2, []
    while True:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        segments.append((marker, stream[at + 4 : at + 2 + length]))
        at += 2 + length
        if marker == SOS:
            return JpegStream(segments, stream[at : -len(EOI)])


def head_of(segments: Iterable[tuple[int, bytes]], *, rows: int, interval: int) -> bytes:
    """Give segments with the rows of a whole image, and DRI before the scan where ``interval`` is not 0."""
    out = bytearray()
    for marker, body in segments:
        if marker == SOS and interval:
            out += segment(DRI, interval.to_bytes(2, "big"))
        is_frame = marker in {SOF0, SOF1}
        out += segment(marker, body[:1] + rows.to_bytes(2, "big") + body[3:] if is_frame else body)
    return bytes(out)


def restart(number: int) -> bytes:
    """Give the marker before an interval, the first but one of which is 1."""
    return bytes((0xFF, RST0 + (number - 1) % 8))


def segment(marker: int, body: bytes) -> bytes:
    """Give the bytes of a marker segment."""
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
