"""JPEG 2000 images written by GDAL and by OpenJPH, taken apart and put together again without the block reader."""

from __future__ import annotations

import struct
import warnings
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import rasterio
import rasterio.shutil
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.imagery.blocks.layout import BlockCodec, ImageLayout, LevelLayout
from stacchip_osml.imagery.jpeg2000.blocks import one_tile_codestream, parse_jpeg2000
from stacchip_osml.imagery.limits import ReadLimits


def hills(bands: int, rows: int, cols: int, dtype: str = "uint8", top: int = 255) -> np.ndarray:
    """Smooth pixels with some noise, different in every band."""
    y, x = np.mgrid[:rows, :cols]
    waves = [np.sin(x / (9 + band)) + np.cos(y / (13 + 2 * band)) for band in range(bands)]
    noise = np.random.default_rng(4).integers(0, 5, (bands, rows, cols))
    return (np.round((np.stack(waves) + 2) * ((top - 5) / 4)) + noise).astype(dtype)


def copied(path: Path, pixels: np.ndarray, *, colormap: dict[int, Any] | None = None, **options: Any) -> bytes:
    """Have GDAL write a lossless JP2."""
    bands, rows, cols = pixels.shape
    profile = {"driver": "GTiff", "dtype": pixels.dtype, "count": bands, "width": cols, "height": rows}
    lossless = {"quality": 100, "reversible": "YES", "ycc": "NO"}
    with warnings.catch_warnings(), MemoryFile() as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(**profile) as dataset:
            if colormap:
                dataset.write_colormap(1, colormap)
            dataset.write(pixels)
        rasterio.shutil.copy(memory.name, path, driver="JP2OpenJPEG", **lossless | options)
    return path.read_bytes()


def high_throughput(pixels: np.ndarray, **options: Any) -> bytes:
    """Write a lossless HTJ2K codestream, of one band or three."""
    planes = np.moveaxis(pixels, 0, -1)
    stream: bytes = imagecodecs.htj2k_encode(
        np.ascontiguousarray(planes if len(pixels) > 1 else planes[..., 0]), reversible=True, **options
    )
    return stream


def parsed(data: bytes, *, reads: int = 160, size: int | None = -1, **limits: int) -> ImageLayout:
    def read(offset: int, count: int) -> bytes:
        assert offset >= 0
        assert count > 0
        return data[offset : offset + count]

    size = len(data) if size == -1 else size
    return parse_jpeg2000(read, name="a.jp2", limits=ReadLimits(**limits), size=size, reads=reads)


def tiles_of(level: LevelLayout, data: bytes) -> list[tuple[tuple[int, int], list[bytes]]]:
    """Give ((row, col), tile-parts) of each tile."""
    found = []
    for row, col in np.ndindex(*level.grid):
        places = zip(level.offsets[:, 0, row, col].tolist(), level.counts[:, 0, row, col].tolist(), strict=True)
        found.append(((row, col), [data[offset : offset + size] for offset, size in places if size]))
    return found


def decoded(codec: BlockCodec, parts: list[bytes]) -> np.ndarray:
    """Decode one tile, or a whole codestream ``(bands, rows, cols)``: GDAL or OpenJPH, at a lower resolution too."""
    stream = one_tile_codestream(codec.shared, parts) if codec.shared else b"".join(parts)
    if codec.compression == "htj2k":
        pixels = imagecodecs.htj2k_decode(stream, skipres=codec.reduce)
        return np.moveaxis(pixels.reshape(*pixels.shape[:2], codec.samples), 2, 0)
    if codec.reduce == 0:
        pixels = imagecodecs.jpeg2k_decode(stream)
        return np.moveaxis(pixels.reshape(*pixels.shape[:2], codec.samples), 2, 0)
    with warnings.catch_warnings(), MemoryFile(stream) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open(OVERVIEW_LEVEL=codec.reduce - 1) as dataset:
            return dataset.read()


def assembled(level: LevelLayout, data: bytes) -> np.ndarray:
    """Decode all tiles and put them where the layout says."""
    (rows, cols), (down, across) = level.block_shape, level.grid
    image = np.zeros((level.bands, down * rows, across * cols), level.codec.dtype)
    for (row, col), parts in tiles_of(level, data):
        tile = decoded(level.codec, parts)
        height = min(rows, level.size.height - row * rows)
        width = min(cols, level.size.width - col * cols)
        assert tile.shape == (level.bands, height, width)
        image[:, row * rows : row * rows + height, col * cols : col * cols + width] = tile
    return image[:, : level.size.height, : level.size.width]


def codestream(data: bytes) -> bytes:
    """Take the codestream out of a JP2 file that ends with it."""
    return data[data.index(b"\xff\x4f\xff\x51") :]


def tile_part_starts(stream: bytes) -> list[int]:
    """Follow SOT by SOT."""
    at = stream.index(b"\xff\x90\x00\x0a")
    starts = []
    while stream[at : at + 2] == b"\xff\x90":
        starts.append(at)
        at += int.from_bytes(stream[at + 6 : at + 10], "big")
    return starts


def with_siz(stream: bytes, **fields: int) -> bytes:
    """Change fields of SIZ, by name."""
    names = ("Xsiz", "Ysiz", "XOsiz", "YOsiz", "XTsiz", "YTsiz", "XTOsiz", "YTOsiz")
    changed = bytearray(stream)
    for name, value in fields.items():
        struct.pack_into(">I", changed, 8 + 4 * names.index(name), value)
    return bytes(changed)


def with_segment(stream: bytes, marker: int, body: bytes) -> bytes:
    """Put a marker segment before the first tile-part."""
    at = stream.index(b"\xff\x90\x00\x0a")
    return stream[:at] + struct.pack(">HH", marker, len(body) + 2) + body + stream[at:]
