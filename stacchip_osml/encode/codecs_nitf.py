"""JPEG streams with restart intervals and the application segment of NITF.

libjpeg is asked for the intervals through OpenCV, which makes one band or YCbCr of
8 bits. Through imagecodecs, which makes the rest, it cannot be: a restart interval
begins with new predictions on a new byte (ITU-T T.81, E.1.4), so rows of MCUs
that were compressed alone, with the same tables, are the intervals of the stream of
all of them, and their scans are put one after the other with RST between. What
comes out is the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import interleaved, jpeg_bytes
from stacchip_osml.errors import EncodeError

__all__ = ["MOST_INTERVAL", "restarted_jpeg"]

Array = NDArray[Any]

SOI, SOF0, SOF1, RST0, EOI, SOS, DRI, APP0 = 0xD8, 0xC0, 0xC1, 0xD0, 0xD9, 0xDA, 0xDD, 0xE0
MOST_INTERVAL = 65_535
"""MCUs: DRI has two bytes."""


class _Stream(NamedTuple):
    """A JPEG stream taken apart."""

    segments: list[tuple[int, bytes]]
    """Marker and body of what stands before the scan, without JFIF."""
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
        return _joined([_taken_apart(whole)], application, rows=rows)
    samples = interleaved(pixels, passing=True)
    if pixels.dtype == np.uint8:
        strips = [samples[row : row + step] for row in range(0, rows, step)]
    else:  # libjpeg fits Huffman tables to 12-bit samples: those of two strips differ, so all is one interval
        strips, across = [samples], across * -(-rows // step)
    parts = [_taken_apart(_compressed(strip, quality)) for strip in strips]
    return _joined(parts, application, rows=rows, interval=across)


def _joined(parts: list[_Stream], application: bytes, *, rows: int, interval: int = 0) -> bytes:
    """Put the intervals of a stream together; ``interval`` is 0 where a stream says it itself."""
    out = bytearray(bytes((0xFF, SOI)) + _segment(0xE6, application))
    for marker, body in parts[0].segments:
        if marker in {SOF0, SOF1}:
            body = body[:1] + rows.to_bytes(2, "big") + body[3:]  # noqa: PLW2901
        if marker == SOS and interval:
            out += _segment(DRI, interval.to_bytes(2, "big"))
        out += _segment(marker, body)
    for number, part in enumerate(parts):
        if number:
            out += bytes((0xFF, RST0 + (number - 1) % 8))
        out += part.scan
    out += bytes((0xFF, EOI))
    return bytes(out)


def _compressed(samples: Array, quality: int) -> bytes:
    settings: dict[str, Any] = {"outcolorspace": "RGB"} if samples.ndim == 3 else {"bitspersample": 12}
    try:
        return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(samples), level=quality, **settings))
    except (imagecodecs.Jpeg8Error, ValueError) as error:
        raise EncodeError(f"JPEG cannot hold {samples.dtype} samples of shape {samples.shape}: {error}") from error


def _taken_apart(stream: bytes) -> _Stream:
    at, segments = 2, []
    while True:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        body = stream[at + 4 : at + 2 + length]
        at += 2 + length
        if marker != APP0:
            segments.append((marker, body))
        if marker == SOS:
            return _Stream(segments, stream[at:-2])


def _segment(marker: int, body: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(body) + 2).to_bytes(2, "big") + body
