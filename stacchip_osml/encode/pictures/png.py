"""PNG streams of samples, and what PNG files of any size are made of: head, filtered rows, chunks.

Reference: PNG (W3C, third edition) 5 (chunks), 9 (filters), 11.2 (IHDR, PLTE, IDAT, IEND), 11.3.1.1 (tRNS).
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

__all__ = ["NONE", "SUB", "filtered", "png_bytes", "png_data", "png_end", "png_head", "require_png_level"]

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Samples a pixel → gray, gray and alpha, red green blue, those and alpha (table 11.1)."""
INDEXED = 3
"""Colour type of entries of a colour table."""
NONE, SUB = 0, 1
"""Each byte less the one of the pixel on the left: of the cheap ones what imagery is best served by; the dear one
(Paeth) saves 1 percent and takes longer than all else together. Between entries of a table there is no difference."""
MOST = 2**31 - 1
"""Largest side, and bytes of a chunk (section 7.1)."""


def png_bytes(
    samples: NDArray[Any],
    *,
    level: int | None = None,
    table: NDArray[np.uint8] | None = None,
    hole: int | None = None,
) -> bytes:
    """Write ``(rows, cols)`` or ``(rows, cols, 1..4)`` uint8 or uint16 samples as PNG.

    Args:
        samples: gray; gray and alpha; red, green and blue; or those and alpha; with a table its entries, of 8 bits.
        level: of deflate, 0 to 9; the fastest way by default.
        table: ``(entries, 3)`` colours of samples.
        hole: the entry that is transparent.

    Raises:
        EncodeError: PNG cannot hold such samples.
    """
    if samples.ndim not in (2, 3):
        raise EncodeError(f"PNG cannot hold samples of shape {samples.shape}")
    require_png_level(level)
    size, count = ImageSize(samples.shape[1], samples.shape[0]), 1 if samples.ndim == 2 else samples.shape[2]
    head = png_head(size, samples.dtype.newbyteorder("="), count, table=table, hole=hole)
    lines = filtered(samples, NONE if table is not None else SUB)
    return b"".join([head, *png_data(deflate_bytes(lines, level)), *png_end()])


def require_png_level(level: int | None) -> None:
    """Refuse a level that is none.

    Raises:
        EncodeError: it is neither None nor 0 to 9.
    """
    if level is not None and level not in range(10):
        raise EncodeError(f"PNG levels are 0 to 9, got {level}")


WAY_OUT = "make a picture by a display chain first (--display), or write TIFF"


def png_head(
    size: ImageSize,
    dtype: np.dtype[Any],
    bands: int,
    *,
    table: NDArray[np.uint8] | None = None,
    hole: int | None = None,
) -> bytes:
    """Give all that stands before the samples; see :func:`png_bytes`.

    Raises:
        EncodeError: PNG cannot hold such pixels.
    """
    if dtype not in (np.uint8, np.uint16):
        raise EncodeError(f"PNG holds uint8 and uint16, not {dtype.name}; {WAY_OUT}")
    if bands not in COLOR_TYPES:
        raise EncodeError(f"PNG holds one to four samples a pixel, not {bands} bands; {WAY_OUT}")
    if not (0 < size.width <= MOST and 0 < size.height <= MOST):
        raise EncodeError(f"PNG sides are 1 to {MOST} pixels, this image is {size.width} x {size.height}")
    kind = COLOR_TYPES[bands] if table is None else INDEXED
    parts = [SIGNATURE, *_chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8 * dtype.itemsize, kind, 0, 0, 0))]
    if table is not None:
        parts += _chunk(b"PLTE", table.tobytes())
    if hole is not None:
        parts += _chunk(b"tRNS", b"\xff" * hole + b"\0")
    return b"".join(parts)


def filtered(samples: NDArray[Any], kind: int = SUB) -> NDArray[np.uint8]:
    """Give each row's filter type and its bytes, filtered; samples of two bytes have the high one first.

    What is given is this thread's scratch memory, to be read at once.
    """
    rows, cols = samples.shape[:2]
    ordered = np.ascontiguousarray(samples, dtype=samples.dtype.newbyteorder(">"))
    flat = ordered.view(np.uint8).reshape(rows, -1)
    pixel = flat.shape[1] // cols
    out = scratch("lines", (rows, 1 + flat.shape[1]), np.uint8)
    out[:, 0] = kind
    if kind == NONE:
        out[:, 1:] = flat
        return out
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
