"""Uncompressed pixels, IC=NC and NM: order, byte order, packed bits, and where every piece belongs.

MIL-STD-2500C, table A-3: IMODE, NBPP, PVTYPE. Rules:

- samples are stored most significant byte and bit first; samples of 1 and 12
  bits follow each other without gaps, and a block ends on a byte, filled with 0:
  of IMODE=B and S, each band of it, as other writers and readers have it;
- a block is worked on in strips of rows, so that blocks of any size take
  little memory: every piece has its place by arithmetic;
- of a file in memory, samples are put where they stay: fresh memory costs more
  than turning bytes round.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.in_order import in_order
from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.encode.nitf.pixels_source import PixelSource
from stacchip_osml.encode.nitf.pixels_storage import Storage
from stacchip_osml.encode.nitf.pixels_work import Work, memory_of, part_of, require_samples
from stacchip_osml.forked import cached_property
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import PixelWindow

__all__ = ["fill_raw", "raw_bytes", "write_raw"]

STRIP_BYTES = 4 << 20
STORED_AXES = {"B": (0, 1, 2), "S": (0, 1, 2), "P": (1, 2, 0), "R": (1, 0, 2)}
"""IMODE → the axes of (bands, rows, cols) in the order in which they are stored."""
BAND_AXES = {"P": (2, 0, 1), "R": (1, 0, 2), "B": (0, 1, 2), "S": (0, 1, 2)}
"""IMODE → where bands, rows and columns are among the stored axes."""
Octets = NDArray[np.uint8]


class Strip(NamedTuple):
    """Some rows of one block."""

    number: int
    """Of the block, from 0."""
    first: int
    """Row of the block."""
    rows: int
    window: PixelWindow | None
    """Of the segment; None where these rows are padding."""


class Piece(NamedTuple):
    """Bytes, and their place after the mask table."""

    offset: int
    octets: Octets | None
    """None where they are in their place already."""


@dataclass(frozen=True)  # without slots, for what is reckoned once
class Layout:
    """Where blocks lie."""

    storage: Storage
    blocking: Blocking
    recorded: dict[int, int]
    """Number of a block → its place among those that are recorded."""

    @cached_property
    def band_bytes(self) -> int:
        """Of one band of a block, where bands do not lie between each other."""
        rows, cols = self.blocking.block_shape
        return -(-rows * cols * self.storage.nbpp // 8)

    @cached_property
    def unit_bytes(self) -> int:
        """Of one block, all its bands, or one for IMODE=S."""
        storage, (rows, cols) = self.storage, self.blocking.block_shape
        if storage.imode in {"B", "S"}:
            return self.band_bytes * (storage.bands if storage.imode == "B" else 1)
        return -(-rows * cols * storage.bands * storage.nbpp // 8)

    @cached_property
    def total(self) -> int:
        """Bytes of all blocks."""
        return self.unit_bytes * len(self.recorded) * (self.storage.bands if self.storage.imode == "S" else 1)

    def offset(self, number: int, band: int = 0) -> int:
        """Tell where a block begins, or one band of it for IMODE=S."""
        place = self.recorded[number]
        return (band * len(self.recorded) + place) * self.unit_bytes

    def strips(self) -> Iterator[Strip]:
        """Cut the recorded blocks, so that source rows are met from top to bottom."""
        (rows, cols), size = self.blocking.block_shape, self.blocking.size
        step = self._strip_rows()
        down, across = self.blocking.shape
        for row in range(down):
            for first in range(0, rows, step):
                count = min(step, rows - first)
                y = row * rows + first
                for col in range(across):
                    number = row * across + col
                    if number in self.recorded:
                        x, high = col * cols, min(count, size.height - y)
                        window = PixelWindow(x, y, min(cols, size.width - x), high) if high > 0 else None
                        yield Strip(number, first, count, window)

    def places(self, strip: Strip) -> list[tuple[int, slice]]:
        """Tell where the parts of a strip begin, and which bands each holds: all together, or one each."""
        storage, (rows, cols) = self.storage, self.blocking.block_shape
        row_bits, bands = cols * storage.nbpp, range(storage.bands)
        ahead = strip.first * row_bits // 8
        if storage.imode == "S":
            return [(self.offset(strip.number, band) + ahead, slice(band, band + 1)) for band in bands]
        start = self.offset(strip.number)
        is_joined = strip.rows == rows and rows * row_bits % 8 == 0
        if storage.imode == "B" and not is_joined:
            return [(start + band * self.band_bytes + ahead, slice(band, band + 1)) for band in bands]
        return [(start + strip.first * row_bits * storage.bands // 8, slice(0, storage.bands))]

    def _strip_rows(self) -> int:
        (rows, cols), storage = self.blocking.block_shape, self.storage
        wanted = max(1, STRIP_BYTES // (cols * storage.bands * storage.dtype.itemsize))
        if storage.nbpp % 8 == 0:
            return min(rows, wanted)
        return min(rows, max(8, wanted // 8 * 8))  # pieces begin on bytes after 8 rows


@lru_cache(maxsize=32)  # of a large image with many blocks it is large
def _arranged(storage: Storage, blocking: Blocking, absent: frozenset[int]) -> tuple[Layout, tuple[Strip, ...]]:
    """Lay out the blocks of a segment; those of chips of one size lie alike."""
    places = [number for number in range(blocking.count) if number not in absent]
    layout = Layout(storage, blocking, {number: place for place, number in enumerate(places)})
    return layout, tuple(layout.strips())


def raw_bytes(storage: Storage, blocking: Blocking) -> int:
    """Count the bytes of a segment of which every block is recorded, without a mask table."""
    return _arranged(storage, blocking, frozenset())[0].total


def fill_raw(memory: Octets, storage: Storage, blocking: Blocking, source: PixelSource) -> None:
    """Put the samples of a segment of which every block is recorded into its place in a file in memory.

    Args:
        memory: as many bytes as :func:`raw_bytes` counts, all of which are written.
        storage: how pixels are stored.
        blocking: the segment.
        source: of the pixels.

    Raises:
        EncodeError: a sample does not fit into ABPP.
    """
    layout, strips = _arranged(storage, blocking, frozenset())
    for strip in strips:
        pixels = None if strip.window is None else source.read(part_of(blocking, strip.window))
        if pixels is not None:
            require_samples(pixels, storage)
        _pieces(layout, strip, pixels, memory)


def write_raw(out: BinaryIO, segment: Work) -> int:
    """Write the blocks of one segment, and their mask table, from where ``out`` stands; give the bytes written."""
    storage, blocking, source, table, absent, workers, progress = segment
    layout, strips = _arranged(storage, blocking, absent)
    padded: set[tuple[int, int]] = set()
    base = out.tell()
    start = base + (0 if table is None else table.length)
    memory = memory_of(out, start, layout.total)

    def read(strip: Strip) -> tuple[Strip, Pixels | None]:
        return strip, None if strip.window is None else source.read(part_of(blocking, strip.window))

    def work(part: tuple[Strip, Pixels | None]) -> tuple[list[Piece], list[int]]:
        strip, pixels = part
        marks = []
        if pixels is not None:
            require_samples(pixels, storage)
            marks = _padded(pixels, storage) if table is not None and table.has_pad_records else []
        return _pieces(layout, strip, pixels, memory), marks

    results = in_order(map(read, strips), work, workers=workers)
    try:
        for count, (strip, (pieces, marks)) in enumerate(zip(strips, results, strict=True), 1):
            _put(out, start, pieces)
            padded.update((strip.number, band) for band in marks)
            if progress is not None:
                progress(count, len(strips))
    finally:
        results.close()
        memory = None  # while anybody holds it, the file can neither grow nor be cut back
    if table is not None:
        out.seek(base)
        units = range(storage.bands if storage.imode == "S" else 1)
        numbers = [(number, band) for band in units for number in range(blocking.count)]
        offsets = [layout.offset(number, band) if number in layout.recorded else None for number, band in numbers]
        out.write(table.pack(offsets, [key in padded for key in numbers]))
    out.seek(start + layout.total)
    return start + layout.total - base


def _put(out: BinaryIO, start: int, pieces: list[Piece]) -> None:
    """Write those that are not in their place already; going where one stands would empty the file's buffer."""
    for piece in pieces:
        if piece.octets is not None:
            if out.tell() != start + piece.offset:
                out.seek(start + piece.offset)
            out.write(piece.octets.data)


def _padded(pixels: Pixels, storage: Storage) -> list[int]:
    """Name the bands that have pad pixels for IMODE=S; else 0 where pixels are pad in all bands."""
    pad = storage.pad
    is_pad = np.isnan(pixels) if pad != pad else pixels == pad  # noqa: PLR0124 - NaN is the only such number
    if storage.imode == "S":
        return np.flatnonzero(is_pad.any(axis=(1, 2))).tolist()
    return [0] if is_pad.all(axis=0).any() else []


def _pieces(layout: Layout, strip: Strip, pixels: Pixels | None, memory: Octets | None) -> list[Piece]:
    """Arrange one strip as IMODE has it, in the file's own memory where there is one."""
    storage, cols = layout.storage, layout.blocking.block_shape[1]
    is_in_bytes = storage.nbpp % 8 == 0
    dtype = storage.dtype.newbyteorder(">") if is_in_bytes else storage.dtype
    pieces = []
    for offset, bands in layout.places(strip):
        part = None if pixels is None else pixels[bands]
        size = (bands.stop - bands.start, strip.rows, cols)
        shape = [size[axis] for axis in STORED_AXES[storage.imode]]
        if memory is not None and is_in_bytes:
            stop = offset + math.prod(size) * dtype.itemsize
            samples = memory[offset:stop].view(dtype).reshape(shape)
        else:
            samples = np.empty(shape, dtype)
        if part is not None and part.shape == samples.shape and storage.imode in "BS":
            np.copyto(samples, part, casting="unsafe")  # at once: other threads run once, and not band by band
        else:
            _fill(samples.transpose(BAND_AXES[storage.imode]), part, storage.pad)
        octets = None if memory is not None and is_in_bytes else packed(samples, storage.nbpp)
        if memory is not None and octets is not None:
            memory[offset : offset + len(octets)], octets = octets, None
        pieces.append(Piece(offset, octets))
    return pieces


def _fill(out: NDArray[Any], pixels: Pixels | None, pad: np.generic) -> None:
    """Copy ``(bands, rows, cols)`` into the upper left of a larger array, the rest padding."""
    if pixels is None:
        out[...] = pad
        return
    _, rows, cols = pixels.shape
    for plane, band in zip(out, pixels, strict=True):  # band by band: much faster than one transposed copy
        np.copyto(plane[:rows, :cols], band, casting="unsafe")  # signed bytes that came as unsigned keep their bits
    out[:, rows:, :] = pad
    out[:, :rows, cols:] = pad


def packed(samples: NDArray[Any], bits: int) -> Octets:
    """Give the bytes of contiguous samples, of 1, 12 or whole bytes each, most significant bit first."""
    if bits % 8 == 0:
        return samples.reshape(-1).view(np.uint8)
    if bits == 1:
        return np.packbits(samples.reshape(-1))
    values = samples.reshape(-1).astype(np.uint16) & 0x0FFF
    if len(values) % 2:
        values = np.append(values, np.uint16(0))
    octets = np.empty((len(values) // 2, 3), np.uint8)
    left, right = values[0::2], values[1::2]
    octets[:, 0] = left >> 4
    octets[:, 1] = (left & 0x0F) << 4 | right >> 8
    octets[:, 2] = right & 0xFF
    return octets.reshape(-1)[: -(-samples.size * 12 // 8)]
