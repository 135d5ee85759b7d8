"""What the writers of all compressions share: a segment to be written, its blocks, and the check of its samples.

Samples are held against the bits that the subheader gives them: what does not fit is refused, never cut off.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.file_memory import reserve
from stacchip_osml.encode.nitf.masks import MaskTable
from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.encode.nitf.pixels_source import PixelSource
from stacchip_osml.encode.nitf.pixels_storage import Storage
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import PixelWindow

__all__ = ["Block", "Progress", "Work", "Written", "blocks_of", "memory_of", "part_of", "require_samples"]

Progress = Callable[[int, int], object]
"""Told what is done, and what all is."""


class Work(NamedTuple):
    """One segment to be written."""

    storage: Storage
    blocking: Blocking
    source: PixelSource
    table: MaskTable | None
    """Of a masked IC."""
    absent: frozenset[int]
    """Numbers of blocks that are not recorded."""
    workers: int
    progress: Progress | None
    """Told parts done, and their number."""


class Written(NamedTuple):
    """What is known once the data of a segment is written."""

    length: int
    """Bytes: LI."""
    fields: Mapping[str, str]
    """All that follow from pixels, COMRAT as it was achieved; none of data that was copied."""


class Block(NamedTuple):
    """One block, or one band of one."""

    number: int
    """Row by row, from 0."""
    window: PixelWindow
    """Of the whole image, cut off at its edge."""
    band: int | None = None


def part_of(blocking: Blocking, window: PixelWindow) -> PixelWindow:
    """Turn a window of a segment into one of the whole image."""
    x, y, width, height = window
    return PixelWindow(blocking.window.x + x, blocking.window.y + y, width, height)


def blocks_of(blocking: Blocking) -> list[Block]:
    """List the blocks of a segment, row by row."""
    grid, (rows, cols) = blocking.grid, blocking.shape
    return [
        Block(row * cols + col, part_of(blocking, grid.window(row, col))) for row in range(rows) for col in range(cols)
    ]


def memory_of(out: BinaryIO, start: int, size: int) -> NDArray[np.uint8] | None:
    """Give the bytes that a file in memory has there, to be written to; None of other files.

    The file keeps its size as long as somebody holds them.
    """
    if type(out) is not io.BytesIO:
        return None
    reserve(out, start + size)
    return np.asarray(out.getbuffer())[start : start + size]


def require_samples(pixels: Pixels, storage: Storage) -> None:
    """Check samples against ABPP and PJUST.

    Args:
        pixels: ``(bands, rows, cols)``.
        storage: what is declared.

    Raises:
        EncodeError: a sample has more bits.
    """
    bits = storage.abpp
    if storage.pvtype in {"R", "C"} or not pixels.size or bits >= pixels.dtype.itemsize * 8:
        return
    if storage.pjust == "L" and bits < storage.nbpp:
        if storage.nbpp < pixels.dtype.itemsize * 8:
            _require_range(pixels, storage.nbpp, storage)
        low = pixels.dtype.type((1 << (storage.nbpp - bits)) - 1)
        if np.any(pixels & low):
            raise EncodeError(
                f"{storage.name}: ABPP={bits}, PJUST=L: samples have bits below the upper {bits} of {storage.nbpp}; "
                "nonsignificant bits are 0 (MIL-STD-2500C, table A-3)"
            )
        return
    _require_range(pixels, bits, storage)


def _require_range(pixels: Pixels, bits: int, storage: Storage) -> None:
    is_signed = pixels.dtype.kind == "i"
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if is_signed else (0, (1 << bits) - 1)
    least, most = int(pixels.min()), int(pixels.max())
    if least < low or most > high:
        raise EncodeError(
            f"{storage.name}: ABPP={bits}, PVTYPE={storage.pvtype}: samples from {least} to {most} do not fit into "
            f"{low} to {high} (MIL-STD-2500C, table A-3)"
        )
