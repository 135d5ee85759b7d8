"""JPEG files of images of any size, a band of rows at a time.

Every band is compressed alone and is one restart interval (ITU-T T.81, E.1.4):
at a restart the coder forgets what was before, so what stands between two
markers is what the band's own file has. Bands are of whole MCU rows and of the
same height, as DRI wants it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import jpeg_bytes
from stacchip_osml.encode.in_order import in_order
from stacchip_osml.encode.jpeg2000.tiles import PixelSource
from stacchip_osml.encode.jpeg_streams import EOI, MOST_INTERVAL, SOI, head_of, restart, taken_apart
from stacchip_osml.encode.pictures.chip import JPEG_MAX_SIDE, SUBSAMPLINGS
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow

__all__ = ["write_jpeg"]

MCU = {"444": (8, 8), "422": (8, 16), "420": (16, 16)}
"""Subsampling → (rows, cols) of an MCU of three components; of one it is 8 × 8 (A.2.3)."""
BAND_BYTES = 1 << 20
"""Of samples, or one row of MCUs: little memory however wide the image."""


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
            f"JPEG holds uint8, not {source.dtype.name}; make a picture of it by a display chain first (--display), "
            "or write PNG, TIFF or JPEG 2000"
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
    rows = min(max(BAND_BYTES // (width * bands * unit[0]), 1), MOST_INTERVAL // across) * unit[0]
    windows = [PixelWindow(0, top, width, min(rows, height - top)) for top in range(0, height, rows)]
    interval = rows // unit[0] * across if len(windows) > 1 else 0

    def work(pixels: NDArray[Any]) -> tuple[bytes, bytes]:
        segments, scan = taken_apart(jpeg_bytes(pixels, quality=quality, subsampling=subsampling))
        return SOI + head_of(segments, rows=height, interval=interval), scan

    head = b""
    for number, (tables, scan) in enumerate(in_order(map(source.read, windows), work, workers=workers)):
        if number == 0:
            head = tables
            out.write(head)
        elif tables != head:
            raise EncodeError("JPEG bands were coded with different tables")
        else:
            out.write(restart(number))
        out.write(scan)
        if progress is not None:
            progress(windows[number].y + windows[number].height, height)
    out.write(EOI)
