"""JPEG 2000 codestreams, IC=C8, M8, CD and MD (BPJ2K01.20; ISO/IEC 15444-1, 15444-15).

Rules:

- a segment is one codestream whose tiles are the blocks; tiles at the edges
  hold what lies inside the image;
- a masked image has a tile for every block all the same, as a codestream must:
  those that the mask table says are not recorded are pad pixels all over;
- SIZ says NBPP bits a sample, and these are ABPP: what is coded are the bits in
  use.
"""

from __future__ import annotations

import shutil
import tempfile
from typing import BinaryIO

import numpy as np

from stacchip_osml.encode.jpeg2000.markers import SMALLEST_TILE, SOT, SOT_HEAD, is_tile_side
from stacchip_osml.encode.jpeg2000.tiles import MOST_TILES, Jpeg2000Options, write_codestream
from stacchip_osml.encode.nitf.masks import MOST_OFFSET
from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.encode.nitf.pixels_rates import Rate
from stacchip_osml.encode.nitf.pixels_storage import Storage
from stacchip_osml.encode.nitf.pixels_work import Work, part_of, require_samples
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import PixelWindow

__all__ = ["EXACT_BITS", "require_jpeg2000", "write_jpeg2000"]

CLAUSE = "BPJ2K01.20, 8.1"
EXACT_BITS = {"C8": 24, "M8": 24, "CD": 16, "MD": 16}
"""Bits a sample that the encoder keeps and a second decoder reads; the standard ends at 38."""
MOST_COMPONENTS = 16_384
MOST_LAYERS = 32
IN_MEMORY = 64 << 20
MARK = SOT.to_bytes(2, "big")


def require_jpeg2000(storage: Storage, blocking: Blocking) -> None:
    """Check what only JPEG 2000, or its encoders, forbid.

    Raises:
        EncodeError: naming field, rule and clause.
    """
    ic, (rows, cols) = storage.ic, blocking.block_shape
    if storage.nbpp > EXACT_BITS[ic]:
        better = "IC=C8 keeps 24, NC all" if storage.nbpp <= EXACT_BITS["C8"] else "NC keeps all"
        raise EncodeError(
            f"NBPP of IC={ic} ends at {EXACT_BITS[ic]} bits here, beyond which decoders do not agree, got "
            f"{storage.nbpp}; {better} ({CLAUSE})"
        )
    if storage.dtype.itemsize > 4:
        raise EncodeError(f"IC={ic} holds pixels of up to 32 bits, got {storage.dtype}; NC holds them ({CLAUSE})")
    if storage.bands > MOST_COMPONENTS:
        raise EncodeError(f"NBANDS of IC={ic} ends at {MOST_COMPONENTS}, got {storage.bands} (ISO/IEC 15444-1, A.5.1)")
    for name, side, count in zip(("NPPBV", "NPPBH"), (rows, cols), blocking.shape, strict=True):
        if count > 1 and not is_tile_side(side):
            raise EncodeError(
                f"{name} of IC={ic} is a power of two of at least {SMALLEST_TILE} where there are several blocks: "
                f"tiles are coded one by one, which is the same only then (ISO/IEC 15444-1, B.5 to B.7); got {side}"
            )
    if blocking.count > MOST_TILES:
        raise EncodeError(f"NBPR, NBPC of IC={ic}: at most {MOST_TILES} blocks, not {blocking.count} (15444-1, A.4.2)")
    least = 1 if storage.compression.high_throughput else 0  # OpenJPH takes 0 for its default
    levels, most = storage.levels, min(max(min(rows, cols).bit_length() - 2 + least, 0), 32)
    if levels is not None and not least <= levels <= most:
        raise EncodeError(
            f"J2K_DECOMPOSITION_LEVELS of IC={ic} is {least} to {most} for blocks of {cols} x {rows}, got {levels}"
        )
    if not 1 <= storage.layers <= MOST_LAYERS or (storage.compression.high_throughput and storage.layers > 1):
        allowed = "1" if storage.compression.high_throughput else f"1 to {MOST_LAYERS}"
        raise EncodeError(f"J2K_QUALITY_LAYERS of IC={ic} is {allowed}, got {storage.layers}")


class _Tiles:
    """The pixels of a segment, as a codestream is made of them."""

    def __init__(self, segment: Work) -> None:
        self._segment = segment
        self._wants_marks = segment.table is not None and segment.table.has_pad_records
        storage = segment.storage
        self.size, self.bands, self.dtype = segment.blocking.size, storage.bands, storage.dtype
        self.padded: dict[int, bool] = {}
        """Number of a block → whether it has pad pixels."""

    def read(self, window: PixelWindow) -> Pixels:
        blocking, storage = self._segment.blocking, self._segment.storage
        rows, cols = blocking.block_shape
        number = window.y // rows * blocking.shape[1] + window.x // cols
        if number in self._segment.absent:
            return np.full((self.bands, window.height, window.width), storage.pad, self.dtype)
        pixels = self._segment.source.read(part_of(blocking, window))
        require_samples(pixels, storage)
        if self._wants_marks:
            self.padded[number] = bool((pixels == storage.pad).all(axis=0).any())
        return pixels


def write_jpeg2000(out: BinaryIO, segment: Work) -> int:
    """Write the codestream of one segment, and its mask table, from where ``out`` stands; give the bytes written."""
    storage, blocking, _, table, absent, workers, progress = segment
    tiles, options = _Tiles(segment), _options(storage, blocking)
    if table is None:
        return write_codestream(out, tiles, options, workers=workers, progress=progress)
    base = out.tell()
    # A table of places before what is placed: the codestream waits in memory, or in a file of no name.
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as held:
        stream: BinaryIO = held  # type: ignore[assignment] # it is one in all but name
        length = write_codestream(stream, tiles, options, workers=workers, progress=progress)
        if length > MOST_OFFSET:
            raise EncodeError(
                f"BMRnBNDm ends at {MOST_OFFSET} bytes, the codestream has {length} (MIL-STD-2500C, table A-3(A))"
            )
        places = _tile_places(stream)
        offsets = [None if number in absent else places[number] for number in range(blocking.count)]
        out.write(table.pack(offsets, [tiles.padded.get(number, False) for number in range(blocking.count)]))
        stream.seek(0)
        shutil.copyfileobj(stream, out, 1 << 20)
    return out.tell() - base


def _options(storage: Storage, blocking: Blocking) -> Jpeg2000Options:
    rate = storage.rate
    assert isinstance(rate, Rate)  # noqa: S101 - by the table of compressions
    return Jpeg2000Options(
        ratio=None if storage.is_lossless else storage.nbpp / rate.bits,
        levels=storage.levels,
        layers=storage.layers,
        high_throughput=storage.compression.high_throughput,
        tile=blocking.block_shape,
        bits=storage.nbpp,
        color_transform=storage.irep == "RGB" and storage.bands == 3 and storage.nbpp <= 16,
    )


def _tile_places(stream: BinaryIO) -> dict[int, int]:
    """Find where each tile begins in a codestream: the SOT of its first part."""
    at = 2

    def head(size: int) -> bytes:
        stream.seek(at)
        return stream.read(size)

    while (segment := head(4))[:2] != MARK:
        at += 2 + int.from_bytes(segment[2:], "big")
    places: dict[int, int] = {}
    while (part := head(SOT_HEAD.size))[:2] == MARK:
        _, _, tile, length, _, _ = SOT_HEAD.unpack(part)
        places.setdefault(tile, at)
        at += length
    return places
