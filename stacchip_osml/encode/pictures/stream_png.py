"""PNG files of images of any size, a band of rows at a time.

Rules: one to four samples a pixel of 8 or 16 bits, where the last of two or four
is alpha (PNG 11.2.2); rows carry the sub filter and are compressed by run
length at level 1, which is the fastest that still compresses imagery; one zlib
stream over many IDAT chunks, so memory is that of one band.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import interleaved
from stacchip_osml.encode.jpeg2000.tiles import PixelSource
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow

__all__ = ["write_png"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Samples a pixel → colour type (table 11.1)."""
MOST = 2**31 - 1
BAND_BYTES = 4 << 20
SUB = 1


def write_png(
    out: BinaryIO, source: PixelSource, *, level: int = 1, progress: Callable[[int, int], object] | None = None
) -> None:
    """Write an image as PNG.

    Args:
        out: written from where it stands.
        source: read in bands of rows, from the top.
        level: zlib's 0 to 9.
        progress: is told the rows done and their number.

    Raises:
        EncodeError: PNG has no such pixels.
    """
    (width, height), kind, bands = source.size, source.dtype, source.bands
    if kind not in (np.uint8, np.uint16):
        raise EncodeError(f"PNG holds uint8 and uint16, not {kind.name}")
    if bands not in COLOR_TYPES:
        raise EncodeError(f"PNG holds one to four samples a pixel, not {bands} bands")
    if max(width, height) > MOST:
        raise EncodeError(f"PNG sides end at {MOST} pixels, this image is {width} x {height}")
    if not 0 <= level <= 9:
        raise EncodeError(f"PNG levels are 0 to 9, got {level}")
    out.write(SIGNATURE)
    head = struct.pack(">IIBBBBB", width, height, kind.itemsize * 8, COLOR_TYPES[bands], 0, 0, 0)
    out.write(_chunk(b"IHDR", head))
    strategy = zlib.Z_RLE if level <= 1 else zlib.Z_FILTERED
    packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL, strategy)
    rows = max(BAND_BYTES // (width * bands * kind.itemsize), 1)
    for top in range(0, height, rows):
        window = PixelWindow(0, top, width, min(rows, height - top))
        packed = packer.compress(_filtered(source.read(window)).data)
        if packed:
            out.write(_chunk(b"IDAT", packed))
        if progress is not None:
            progress(top + window.height, height)
    out.write(_chunk(b"IDAT", packer.flush()))
    out.write(_chunk(b"IEND", b""))


def _filtered(pixels: NDArray[Any]) -> NDArray[np.uint8]:
    """Give rows of bytes, each behind its filter type, samples in network order."""
    samples = interleaved(pixels)
    big = samples.astype(samples.dtype.newbyteorder(">"), copy=False)
    step = samples.dtype.itemsize * len(pixels)
    raw = big.view(np.uint8).reshape(len(samples), -1)
    lines = np.empty((raw.shape[0], raw.shape[1] + 1), np.uint8)
    lines[:, 0] = SUB
    lines[:, 1 : 1 + step] = raw[:, :step]
    np.subtract(raw[:, step:], raw[:, :-step], out=lines[:, 1 + step :])
    return lines


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))
