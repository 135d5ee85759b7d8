"""A plain reading of a layout, block by block in numpy, to hold the parser to what rasterio reads."""

from __future__ import annotations

import zlib
from pathlib import Path

import imagecodecs
import numpy as np

from stacchip_osml.imagery.blocks.layout import BlockCodec, ImageLayout, LevelLayout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.levels import parse_tiff

UNPACKERS = {
    "none": lambda data, size: data,
    "deflate": lambda data, size: zlib.decompress(data),
    "lzw": lambda data, size: imagecodecs.lzw_decode(data, out=size),
    "zstd": lambda data, size: imagecodecs.zstd_decode(data),
    "lzma": lambda data, size: imagecodecs.lzma_decode(data, out=size),
    "packbits": lambda data, size: imagecodecs.packbits_decode(data, out=size),
}


class Reads:
    """A file as parsers read it, with a log of its reads."""

    def __init__(self, source: str | bytes) -> None:
        self.data = source if isinstance(source, bytes) else Path(source).read_bytes()
        self.log: list[tuple[int, int]] = []

    def __call__(self, offset: int, size: int) -> bytes:
        self.log.append((offset, size))
        return self.data[offset : offset + size]


def layout_of(source: str | bytes, *, limits: ReadLimits | None = None) -> ImageLayout:
    name = "made.tif" if isinstance(source, bytes) else Path(source).name
    reads = Reads(source)
    return parse_tiff(reads, name=name, limits=limits or ReadLimits(), size=len(reads.data))


def reversed_bits(data: bytes) -> bytes:
    bits = np.unpackbits(np.frombuffer(data, np.uint8).reshape(-1, 1), axis=1)
    return np.packbits(bits[:, ::-1], axis=1).tobytes()


def read_level(data: bytes, level: LevelLayout) -> np.ndarray:
    """``(bands, rows, cols)``, 0 where blocks are absent."""
    codec, (rows, cols) = level.codec, level.block_shape
    found = np.zeros((level.bands, level.grid[0] * rows, level.grid[1] * cols), codec.dtype)
    for plane, row, col in np.ndindex(level.offsets.shape[1:]):
        start, count = int(level.offsets[0, plane, row, col]), int(level.counts[0, plane, row, col])
        if not count:
            continue
        inside = min(rows, level.size.height - row * rows)
        held = inside if level.short_edge else rows
        block = read_block(codec, data[start : start + count], (inside, cols), held=held)
        bands = slice(plane * codec.samples, (plane + 1) * codec.samples)
        found[bands, row * rows : row * rows + inside, col * cols : (col + 1) * cols] = block
    return found[:, : level.size.height, : level.size.width]


def read_block(codec: BlockCodec, data: bytes, shape: tuple[int, int], *, held: int) -> np.ndarray:
    """The first rows of one block ``(samples, rows, cols)``; some writers leave out those below the image."""
    rows, cols = shape
    row_bytes = -(-cols * codec.samples * codec.bits // 8)
    stored = np.dtype(codec.stored)
    raw = UNPACKERS[codec.compression](reversed_bits(data) if codec.lsb_first else data, held * row_bytes)
    raw = raw[: rows * row_bytes]
    assert len(raw) == rows * row_bytes
    if codec.bits < 8 * stored.itemsize:
        bits = np.unpackbits(np.frombuffer(raw, np.uint8).reshape(rows, row_bytes), axis=1)
        bits = bits[:, : cols * codec.samples * codec.bits].reshape(rows, cols, codec.samples, codec.bits)
        values = bits.astype(np.uint64) @ (1 << np.arange(codec.bits, dtype=np.uint64))[::-1]
    elif codec.predictor == 3:
        planes = np.frombuffer(raw, np.uint8).reshape(rows, -1, codec.samples).cumsum(axis=1, dtype=np.uint8)
        big = planes.reshape(rows, stored.itemsize, -1).swapaxes(1, 2)
        values = np.ascontiguousarray(big).view(stored.newbyteorder(">")).reshape(rows, cols, codec.samples)
    else:
        values = np.frombuffer(raw, stored)
        if codec.pairs:
            values = values.reshape(-1, 2).astype(np.float32).view(np.complex64)
        values = values.reshape(rows, cols, codec.samples)
        if codec.predictor == 2:
            whole = values.view(stored.str.replace("f", "u").replace("i", "u"))
            whole = whole.astype(whole.dtype.newbyteorder("=")).cumsum(axis=1, dtype=f"u{stored.itemsize}")
            values = whole.view(stored.newbyteorder("="))
    return values.astype(codec.dtype).transpose(2, 0, 1)
