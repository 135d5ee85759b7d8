"""PNG files of images of any size, a band of rows at a time.

Rules: one to four samples a pixel of 8 or 16 bits, where the last of two or four
is alpha (PNG 11.2.2). Every band is filtered and compressed alone, by any thread,
and ends on a byte; so bands stand one behind the other in one zlib stream, whose
check value is put together from theirs. Bands are the same for any number of threads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import deflate_part, interleaved
from stacchip_osml.encode.in_order import in_order
from stacchip_osml.encode.jpeg2000.tiles import PixelSource
from stacchip_osml.encode.pictures.png import NONE, SUB, filtered, png_data, png_end, png_head, require_png_level
from stacchip_osml.pixel import PixelWindow

__all__ = ["write_png"]

ZLIB_HEADER = b"\x78\x01"
"""Deflate, a window of 32 KiB, the fastest way (RFC 1950, 2.2)."""
BAND_BYTES = 1 << 20
"""Enough that it does not matter that bands know nothing of each other: a thousandth of the file."""
ADLER_BASE = 65_521


def write_png(
    out: BinaryIO,
    source: PixelSource,
    *,
    level: int | None = None,
    table: NDArray[np.uint8] | None = None,
    hole: int | None = None,
    workers: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write an image as PNG.

    Args:
        out: written from where it stands.
        source: read in bands of rows, from the top.
        level: zlib's 0 to 9; the fastest way by default.
        table: ``(entries, 3)`` colours of the samples, which are then of one band of 8 bits.
        hole: the entry that is transparent.
        workers: threads that compress.
        progress: is told the rows done and their number.

    Raises:
        EncodeError: PNG has no such pixels.
    """
    width, height = source.size
    require_png_level(level)
    out.write(png_head(source.size, source.dtype, source.bands, table=table, hole=hole))
    kind = SUB if table is None else NONE
    rows = max(BAND_BYTES // (width * source.bands * source.dtype.itemsize), 1)
    windows = [PixelWindow(0, top, width, min(rows, height - top)) for top in range(0, height, rows)]

    def work(part: tuple[PixelWindow, NDArray[Any]]) -> tuple[list[bytes], int, int]:
        window, pixels = part
        lines = filtered(interleaved(pixels, passing=True), kind)
        packed, check = deflate_part(lines, level, last=window.y + window.height == height)
        return list(png_data(*(() if window.y else (ZLIB_HEADER,)), *packed)), check, lines.size

    total = 1
    parts = ((window, source.read(window)) for window in windows)
    for window, (chunks, check, size) in zip(windows, in_order(parts, work, workers=workers), strict=True):
        out.writelines(chunks)
        total = _joined(total, check, size)
        if progress is not None:
            progress(window.y + window.height, height)
    out.writelines((*png_data(total.to_bytes(4, "big")), *png_end()))


def _joined(first: int, second: int, size: int) -> int:
    """Give Adler-32 of bytes and ``size`` more behind them, from both their own (RFC 1950, 8).

    Its low half counts the bytes from 1; its high half adds up all low halves, each of which is ``low - 1`` more now.
    """
    low = (first & 0xFFFF) + (second & 0xFFFF) - 1
    high = (first >> 16) + (second >> 16) + size * ((first & 0xFFFF) - 1)
    return high % ADLER_BASE << 16 | low % ADLER_BASE
