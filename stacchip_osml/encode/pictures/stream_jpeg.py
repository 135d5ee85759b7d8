"""JPEG files of images of any size, a band of rows at a time.

Every band is compressed alone and is one restart interval (ITU-T T.81, E.1.4):
at a restart the coder forgets what was before, so what stands between two
markers is what the band's own file has. Bands are of whole MCU rows and of the
same height, as DRI wants it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import jpeg_bytes
from stacchip_osml.encode.in_order import in_order
from stacchip_osml.encode.jpeg2000.tiles import PixelSource
from stacchip_osml.encode.pictures.chip import JPEG_MAX_SIDE, SUBSAMPLINGS
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow

__all__ = ["write_jpeg"]

MCU = {"444": (8, 8), "422": (8, 16), "420": (16, 16)}
"""Subsampling → (rows, cols) of an MCU of three components; of one it is 8 × 8 (A.2.3)."""
BAND_ROWS = 256
MOST_INTERVAL = 65_535
SOI, EOI, SOF0, SOS = b"\xff\xd8", b"\xff\xd9", 0xC0, 0xDA


def write_jpeg(
    out: BinaryIO,
    source: PixelSource,
    *,
    quality: int = 90,
    subsampling: str = "420",
    workers: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write an image as baseline JPEG.

    Args:
        out: written from where it stands.
        source: uint8 of one or three bands, read in bands of rows, from the top.
        quality: 1 to 100.
        subsampling: of colour: ``444``, ``422`` or ``420``.
        workers: threads that compress.
        progress: is told the rows done and their number.

    Raises:
        EncodeError: JPEG has no such pixels.
    """
    (width, height), bands = source.size, source.bands
    if source.dtype != np.uint8:
        raise EncodeError(
            f"JPEG holds uint8, not {source.dtype.name}; make a picture of it by a display chain first, or write PNG, "
            "TIFF or JPEG 2000"
        )
    if bands not in (1, 3):
        raise EncodeError(f"JPEG holds one or three bands, not {bands}; choose such, or write PNG, TIFF or JPEG 2000")
    if max(width, height) > JPEG_MAX_SIDE:
        raise EncodeError(f"JPEG sides end at {JPEG_MAX_SIDE} pixels, this image is {width} x {height}")
    if not 1 <= quality <= 100:
        raise EncodeError(f"JPEG quality is 1 to 100, got {quality}")
    if subsampling not in SUBSAMPLINGS:
        raise EncodeError(f"JPEG subsampling is one of {', '.join(SUBSAMPLINGS)}; got {subsampling!r}")
    unit = MCU[subsampling] if bands == 3 else (8, 8)
    across = -(-width // unit[1])
    rows = min(BAND_ROWS // unit[0], MOST_INTERVAL // across) * unit[0]
    windows = [PixelWindow(0, top, width, min(rows, height - top)) for top in range(0, height, rows)]
    interval = rows // unit[0] * across if len(windows) > 1 else 0

    def work(pixels: NDArray[Any]) -> tuple[bytes, bytes]:
        return _split(jpeg_bytes(pixels, quality=quality, subsampling=subsampling), height, interval)

    head = b""
    for number, (tables, scan) in enumerate(in_order(map(source.read, windows), work, workers=workers)):
        if number == 0:
            head = tables
            out.write(head)
        elif tables != head:
            raise EncodeError("JPEG bands were coded with different tables")
        else:
            out.write(bytes((0xFF, 0xD0 + (number - 1) % 8)))
        out.write(scan)
        if progress is not None:
            progress(windows[number].y + windows[number].height, height)
    out.write(EOI)


def _split(stream: bytes, height: int, interval: int) -> tuple[bytes, bytes]:
    """Give everything up to the scan, with the whole image's height and the restart interval, and the scan."""
    at = 2
    parts = [SOI]
    while True:
        kind, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        segment = bytearray(stream[at : at + 2 + length])
        if kind == SOF0:
            segment[5:7] = struct.pack(">H", height)
        if kind == SOS and interval:
            parts.append(struct.pack(">HHH", 0xFFDD, 4, interval))
        parts.append(bytes(segment))
        at += 2 + length
        if kind == SOS:
            return b"".join(parts), stream[at : stream.rindex(EOI)]
