"""JPEG blocks, IC=C3, M3 and I1 (MIL-STD-188-198A; ITU-T T.81).

Rules:

- every block is a whole stream with its own tables, an interval of restarts a
  row, and the NITF application segment APP6 first;
- IMODE=P: one stream a block, of three components: as YCbCr for
  IREP=YCbCr601, and red, green and blue as they are for IREP=RGB;
- IMODE=B: one stream a band, block by block; IMODE=S: all blocks of a band,
  band by band;
- blocks at the edges are filled by repeating the last pixels, which leaves no
  edge in the transform; what is not stored within a block is the pad pixel.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np

from stacchip_osml.encode.in_order import in_order
from stacchip_osml.encode.jpeg_streams import MOST_INTERVAL, restarted_jpeg
from stacchip_osml.encode.nitf.masks import MOST_OFFSET
from stacchip_osml.encode.nitf.pixels_blocking import Blocking
from stacchip_osml.encode.nitf.pixels_rates import JpegRate
from stacchip_osml.encode.nitf.pixels_storage import Storage
from stacchip_osml.encode.nitf.pixels_work import Block, Work, blocks_of, require_samples
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.protocol import Pixels

__all__ = ["application_segment", "require_jpeg", "write_jpeg"]

APP6 = struct.Struct(">5sHcHHBBBBBBBBBH")
VERSION = 0x0200
MONO, RGB, YCBCR = 0, 1, 2
LARGEST_I1 = 2048


def require_jpeg(storage: Storage, blocking: Blocking) -> None:
    """Check what only JPEG forbids.

    Raises:
        EncodeError: naming field, rule and clause.
    """
    rows, cols = blocking.block_shape
    if storage.nbpp == 12 and -(-rows // 8) * -(-cols // 8) > MOST_INTERVAL:
        raise EncodeError(
            f"NPPBV, NPPBH: blocks of 12-bit JPEG hold at most {MOST_INTERVAL} MCUs of 8 x 8 pixels here, one restart "
            f"interval (MIL-STD-188-198A), not those of {cols} x {rows} pixels"
        )
    if storage.ic == "I1":
        if storage.bands != 1:
            raise EncodeError(f"IC=I1 holds one band, not {storage.bands} (MIL-STD-2500C, table A-3)")
        if max(blocking.size) > LARGEST_I1 or blocking.count != 1:
            raise EncodeError(
                f"IC=I1 is for images of one block of at most {LARGEST_I1} x {LARGEST_I1} pixels (MIL-STD-2500C, "
                f"table A-3), not {blocking.size.width} x {blocking.size.height} in {blocking.count}"
            )


def application_segment(storage: Storage, blocking: Blocking) -> bytes:
    """Write the body of APP6 (MIL-STD-188-198A)."""
    rate = storage.rate
    assert isinstance(rate, JpegRate)  # noqa: S101 - by the table of compressions
    down, across = blocking.shape
    image = stream = MONO
    if storage.imode == "P":
        image, stream = RGB, YCBCR if storage.irep == "YCbCr601" else RGB
    process = 1 if storage.nbpp == 8 else 4
    return APP6.pack(
        b"NITF\0",
        VERSION,
        storage.imode.encode(),
        across,
        down,
        image,
        storage.nbpp,
        rate.imagery,
        process,
        0,  # the tables are in the stream
        stream,
        storage.nbpp,
        1,
        1,  # chrominance lies between the pixels
        0,
    )


def write_jpeg(out: BinaryIO, segment: Work) -> int:
    """Write the blocks of one segment, and their mask table, from where ``out`` stands; give the bytes written.

    Raises:
        EncodeError: the data is longer than a mask table can say.
    """
    storage, blocking, source, table, absent, workers, progress = segment
    application = application_segment(storage, blocking)
    streams = [block for block in _streams(storage, blocking) if block.number not in absent]
    units = storage.bands if storage.imode == "S" else 1

    def read(block: Block) -> Pixels:
        return source.read(block.window, band=block.band)

    def work(pixels: Pixels) -> bytes:
        require_samples(pixels, storage)
        return _encoded(pixels, storage, blocking, application)

    base = out.tell()
    start = base + (0 if table is None else table.length)
    if start != base:
        out.seek(start)
    places: dict[tuple[int, int], int] = {}
    at = 0
    encoded = in_order(map(read, streams), work, workers=workers)
    for count, (block, data) in enumerate(zip(streams, encoded, strict=True), 1):
        places[block.number, block.band or 0] = at
        out.write(data)
        at += len(data)
        if progress is not None:
            progress(count, len(streams))
    if table is not None:
        if at > MOST_OFFSET:
            raise EncodeError(
                f"BMRnBNDm ends at {MOST_OFFSET} bytes, and the blocks have {at} (MIL-STD-2500C, table A-3(A))"
            )
        out.seek(base)
        out.write(table.pack([places.get((n, band)) for band in range(units) for n in range(blocking.count)]))
        out.seek(start + at)
    return start + at - base


def _streams(storage: Storage, blocking: Blocking) -> list[Block]:
    blocks = blocks_of(blocking)
    if storage.imode != "S":
        return blocks
    return [block._replace(band=band) for band in range(storage.bands) for block in blocks]


def _encoded(pixels: Pixels, storage: Storage, blocking: Blocking, application: bytes) -> bytes:
    """Compress one block: its three components together, or each band alone."""
    rate = storage.rate
    assert isinstance(rate, JpegRate)  # noqa: S101 - by the table of compressions
    (rows, cols), (_, high, wide) = blocking.block_shape, pixels.shape
    if (rows, cols) != (high, wide):
        pixels = np.pad(pixels, ((0, 0), (0, rows - high), (0, cols - wide)), mode="edge")
    planes = pixels.astype(np.uint8 if storage.nbpp == 8 else np.uint16, copy=False)
    if storage.imode == "P":
        subsampled = storage.irep == "YCbCr601"
        return restarted_jpeg(planes, quality=rate.quality, application=application, subsampled=subsampled)
    return b"".join(
        restarted_jpeg(planes[band : band + 1], quality=rate.quality, application=application, subsampled=False)
        for band in range(len(planes))
    )
