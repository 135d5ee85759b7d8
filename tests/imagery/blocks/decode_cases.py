"""Blocks written by rasterio or by hand, and what decoding them should give."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.imagery.blocks.decode import Scratch, decode_block
from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.levels import parse_tiff

SIDE = 64


def scene(count: int, dtype: str, *, rows: int = 2 * SIDE, cols: int = 2 * SIDE, seed: int = 5) -> np.ndarray:
    """``(count, rows, cols)``: smooth with noise, the extremes of the dtype in a corner."""
    rng = np.random.default_rng(seed)
    field = np.cumsum(np.cumsum(rng.normal(size=(count, rows, cols)), axis=1), axis=2)
    field = field / np.abs(field).max() * 100 + rng.normal(size=field.shape)
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return (field + 1j * field[:, ::-1]).astype(kind)
    if kind.kind == "f":
        return field.astype(kind)
    low, high = (np.iinfo(kind).min, np.iinfo(kind).max)
    values = (
        field * (high / 200 if high < 2**31 else 1e6) + (0 if low < 0 else high // 2 if high < 2**31 else 10**9)
    ).astype(kind)
    values[:, :2, :2] = [[low, high], [high, low]]
    return values


class Written(NamedTuple):
    """A level, its file, and what rasterio reads of it."""

    level: LevelLayout
    data: bytes
    pixels: np.ndarray
    """``(bands, rows, cols)``."""


def written(path: Path, pixels: np.ndarray, **profile: Any) -> Written:
    """Write tiles with rasterio, unless the profile says strips, and read them back with it."""
    tiles = {"tiled": True, "blockxsize": SIDE, "blockysize": SIDE}
    shape = {"count": pixels.shape[0], "height": pixels.shape[1], "width": pixels.shape[2]}
    profile = {"dtype": pixels.dtype.name, **shape, **tiles, **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, "w", driver="GTiff", **profile) as dataset:
            dataset.write(pixels)
        return opened(path.read_bytes())


def opened(data: bytes) -> Written:
    """Read the first level of a TIFF with rasterio, and its layout."""
    layout = parse_tiff(lambda at, size: data[at : at + size], name="made", limits=ReadLimits(), size=len(data))
    level = layout.levels[0]
    assert isinstance(level, LevelLayout), level
    with warnings.catch_warnings(), MemoryFile(data) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(driver="GTiff") as dataset:
            return Written(level, data, dataset.read())


class Block(NamedTuple):
    """One stored block, and the pixels rasterio reads from it."""

    data: bytes
    shape: tuple[int, int]
    """(rows, cols) of its stream."""
    pixels: np.ndarray
    """``(samples, rows, cols)``, what lies inside the image."""


def blocks_of(found: Written) -> Iterator[Block]:
    """Every block of a level."""
    level = found.level
    rows, cols = level.block_shape
    for plane, row, col in np.ndindex(level.offsets.shape[1:]):
        start, count = int(level.offsets[0, plane, row, col]), int(level.counts[0, plane, row, col])
        bands = slice(plane * level.codec.samples, (plane + 1) * level.codec.samples)
        inside = found.pixels[bands, row * rows : (row + 1) * rows, col * cols : (col + 1) * cols]
        deep = inside.shape[1] if level.short_edge else rows
        yield Block(found.data[start : start + count], (deep, cols), inside)


def assert_decodes(found: Written, *, within: int = 0, some: tuple[float, ...] = (1.0, 0.5, 0.05)) -> None:
    """Decode all blocks of a level, whole and in part, and hold them against rasterio's pixels."""
    scratch = Scratch()
    codec = found.level.codec
    for block in blocks_of(found):
        inside = block.pixels.shape[1:]
        for share in some:
            rows = max(1, int(inside[0] * share))
            got = decode_block(codec, block.data, shape=block.shape, rows=rows, scratch=scratch)
            assert got.dtype == np.dtype(codec.dtype)
            assert got.dtype.isnative
            assert got.shape[0] == codec.samples
            assert got.shape[1] >= rows
            assert got.shape[2] == block.shape[1]
            near = got[:, :rows, : inside[1]]
            if within:
                assert np.abs(near.astype(float) - block.pixels[:, :rows]).max() <= within
            else:
                np.testing.assert_array_equal(near, block.pixels[:, :rows])


def codec_of(compression: str, dtype: str, *, stored: str = "", samples: int = 1, **more: Any) -> BlockCodec:
    """A codec of whole samples, as they are delivered unless ``stored`` says otherwise."""
    kind = np.dtype(stored or dtype)
    more = {"bits": kind.itemsize * 8, **more}
    return BlockCodec(compression=compression, dtype=dtype, stored=stored or kind.str, samples=samples, **more)


def one_strip(data: bytes, tags: dict[int, int]) -> bytes:
    """A TIFF of one strip, for what rasterio does not write."""
    tags = {262: 1, 277: 1, 284: 1, **tags, 278: tags[257], 279: len(data)}
    at = 8 + 2 + 12 * (len(tags) + 1) + 4
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted({**tags, 273: at}.items()))
    return struct.pack("<2sHIH", b"II", 42, 8, len(tags) + 1) + entries + bytes(4) + data
