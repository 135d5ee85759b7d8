"""PNG streams of samples, and what PNG files of any size are made of: head, filtered rows, chunks.

Reference: PNG (W3C, third edition) 5 (chunks), 9 (filters), 11.2 (IHDR, IDAT, IEND).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import crc32, deflate_bytes
from stacchip_osml.encode.scratch import scratch
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize

__all__ = ["filtered", "png_bytes", "png_data", "png_end", "png_head", "require_png_level"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Samples a pixel → gray, gray and alpha, red green blue, those and alpha (table 11.1)."""
SUB = 1
"""Each byte less the one of the pixel on the left: of the cheap ones what imagery is best served by; the dear one
(Paeth) saves 1 percent and takes longer than all else together."""
MOST = 2**31 - 1
"""Largest side, and bytes of a chunk (section 7.1)."""


def png_bytes(samples: NDArray[Any], *, level: int | None = None) -> bytes:
    """Write ``(rows, cols)`` or ``(rows, cols, 1..4)`` uint8 or uint16 samples as PNG.

    Args:
        samples: gray; gray and alpha; red, green and blue; or those and alpha.
        level: of deflate, 0 to 9; the fastest way by default.

    Raises:
        EncodeError: PNG cannot hold such samples.
    """
    if samples.ndim not in (2, 3):
        raise EncodeError(f"PNG cannot hold samples of shape {samples.shape}")
    require_png_level(level)
    size, count = ImageSize(samples.shape[1], samples.shape[0]), 1 if samples.ndim == 2 else samples.shape[2]
    head = png_head(size, samples.dtype.newbyteorder("="), count)
    return b"".join([head, *png_data(deflate_bytes(filtered(samples), level)), *png_end()])


def require_png_level(level: int | None) -> None:
    """Refuse a level that is none.

    Raises:
        EncodeError: it is neither None nor 0 to 9.
    """
    if level is not None and level not in range(10):
        raise EncodeError(f"PNG levels are 0 to 9, got {level}")


WAY_OUT = "make a picture by a display chain first, or write TIFF"


def png_head(size: ImageSize, dtype: np.dtype[Any], bands: int) -> bytes:
    """Give all that stands before the samples.

    Raises:
        EncodeError: PNG cannot hold such pixels.
    """
    if dtype not in (np.uint8, np.uint16):
        raise EncodeError(f"PNG holds uint8 and uint16, not {dtype.name}; {WAY_OUT}")
    if bands not in COLOR_TYPES:
        raise EncodeError(f"PNG holds one to four samples a pixel, not {bands} bands; {WAY_OUT}")
    if not (0 < size.width <= MOST and 0 < size.height <= MOST):
        raise EncodeError(f"PNG sides are 1 to {MOST} pixels, this image is {size.width} x {size.height}")
    fields = struct.pack(">IIBBBBB", *size, 8 * dtype.itemsize, COLOR_TYPES[bands], 0, 0, 0)
    return b"".join((SIGNATURE, *_chunk(b"IHDR", fields)))


def filtered(samples: NDArray[Any]) -> NDArray[np.uint8]:
    """Give each row's filter type and its bytes, filtered; samples of two bytes have the high one first.

    What is given is this thread's scratch memory, to be read at once.
    """
    rows, cols = samples.shape[:2]
    ordered = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder(">"))
    flat = ordered.view(np.uint8).reshape(rows, -1)
    pixel = flat.shape[1] // cols
    out = scratch("lines", (rows, 1 + flat.shape[1]), np.uint8)
    out[:, 0] = SUB
    out[:, 1 : 1 + pixel] = flat[:, :pixel]
    np.subtract(flat[:, pixel:], flat[:, :-pixel], out=out[:, 1 + pixel :])
    return out


def png_data(*pieces: bytes) -> Iterator[bytes]:
    """Give the chunks of a piece of the zlib stream, itself in pieces."""
    if sum(map(len, pieces)) <= MOST:
        return iter(_chunk(b"IDAT", *pieces))
    data = b"".join(pieces)
    return chain.from_iterable(_chunk(b"IDAT", data[start : start + MOST]) for start in range(0, len(data), MOST))


def png_end() -> tuple[bytes, ...]:
    """Give what stands behind all else."""
    return _chunk(b"IEND")


def _chunk(name: bytes, *pieces: bytes) -> tuple[bytes, ...]:
    """Give length, type, data and check value (section 5.3)."""
    return struct.pack(">I", sum(map(len, pieces))), name, *pieces, struct.pack(">I", crc32((name, *pieces)))
