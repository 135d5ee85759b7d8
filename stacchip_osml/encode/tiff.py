"""A TIFF file from tiles: classic, little-endian, tiled, every directory before the pixels.

Why an own container: a chip's file is a few tags and one to a few tiles, made in
memory for every chip, so the constant cost is what counts; and mask directories
with one sample a band, which GDAL reads, are refused by tifffile.

References: TIFF 6.0; Adobe TIFF Technical Notes (deflate, predictor 3).
It must not know what a chip is: pages in, bytes out.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import COMPRESSORS, float_predict, integer_predict, interleaved
from stacchip_osml.errors import EncodeError

__all__ = ["Page", "Tags", "tiff_bytes", "tiled_page"]

Tags = dict[int, tuple[str, Any]]
"""tag number → (struct letter of its type: H, I, d, or s for ASCII; the values)."""

TYPES = {"s": 2, "H": 3, "I": 4, "d": 12}
SAMPLE_FORMATS = {"u": 1, "i": 2, "f": 3, "c": 6, "b": 1}
PLANAR = {"pixel": 1, "band": 2}
MAX_BYTES = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Page:
    """One image file directory and the compressed tiles it points to."""

    tags: Tags
    """All but the tiles' offsets and lengths."""
    tiles: tuple[bytes, ...]


def tiled_page(
    pixels: NDArray[Any], *, tags: Tags, compression: str, level: int, predictor: bool, interleave: str, tile: int
) -> Page:
    """Compress ``(bands, rows, cols)`` into tiles.

    Args:
        pixels: any dtype that TIFF has; bool is stored as one bit a sample.
        tags: further tags: photometric, extra samples, georeferencing …
        compression: a key of ``COMPRESSORS``.
        level: effort of the compressor.
        predictor: difference neighbours before compressing, by dtype; complex and bool have none.
        interleave: ``pixel`` (samples of a pixel together) or ``band`` (a plane a band).
        tile: largest tile side in pixels, a multiple of 16; smaller images get one tile.
    """
    bands, rows, cols = pixels.shape
    kind = pixels.dtype.kind
    bits = 1 if kind == "b" else pixels.dtype.itemsize * 8
    height, width = (min(tile, -(-side // 16) * 16) for side in (rows, cols))
    code, _, compress = COMPRESSORS[compression]
    predict = {"u": 2, "i": 2, "f": 3}.get(kind, 1) if predictor and compression != "none" else 1
    planes = pixels[:, np.newaxis] if interleave == "band" else pixels[np.newaxis]
    tiles = [
        compress(_prepared(plane[:, y : y + height, x : x + width], height, width, predict), level)
        for plane in planes
        for y in range(0, rows, height)
        for x in range(0, cols, width)
    ]
    structure: Tags = {
        256: ("I", [cols]),
        257: ("I", [rows]),
        258: ("H", [bits] * bands),
        259: ("H", [code]),
        277: ("H", [bands]),
        284: ("H", [PLANAR[interleave]]),
        322: ("I", [width]),
        323: ("I", [height]),
        339: ("H", [SAMPLE_FORMATS[kind]] * bands),
    }
    if predict != 1:
        structure[317] = ("H", [predict])
    return Page({**structure, **tags}, tuple(tiles))


def _prepared(block: NDArray[Any], height: int, width: int, predict: int) -> NDArray[Any]:
    """Pad a ``(samples, rows, cols)`` block to its tile and difference it; bits are packed by row."""
    _, rows, cols = block.shape
    if (rows, cols) != (height, width):
        block = np.pad(block, ((0, 0), (0, height - rows), (0, width - cols)))
    samples = interleaved(block)
    if samples.dtype.kind == "b":
        return np.packbits(samples, axis=1)
    if predict == 2:
        return integer_predict(samples, axis=1)
    if predict == 3:
        return float_predict(samples, axis=1)
    return samples


def tiff_bytes(pages: Sequence[Page]) -> bytes:
    """Lay pages out as one file: header, directories, tiles.

    Raises:
        EncodeError: the file would pass the 4 GiB that classic TIFF can address.
    """
    directories = [_sized(page) for page in pages]
    start = 8
    starts = []
    for tags in directories:
        starts.append(start)
        start += _directory_size(tags)
    data = start
    out = [struct.pack("<2sHI", b"II", 42, 8)]
    for index, (page, tags) in enumerate(zip(pages, directories, strict=True)):
        lengths = [len(tile) for tile in page.tiles]
        offsets = [data + sum_ for sum_ in np.cumsum([0, *lengths[:-1]], dtype=np.int64).tolist()]
        data += sum(lengths)
        if data > MAX_BYTES:
            raise EncodeError(f"a GeoTIFF chip must stay below 4 GiB, this one has at least {data} bytes")
        tags[324] = ("I", offsets)
        tags[325] = ("I", lengths)
        following = starts[index + 1] if index + 1 < len(pages) else 0
        out.append(_directory(tags, starts[index], following))
    for page in pages:
        out.extend(page.tiles)
    return b"".join(out)


def _sized(page: Page) -> Tags:
    """Copy a page's tags with room for the tiles' offsets and lengths."""
    room = [0] * len(page.tiles)
    return {**page.tags, 324: ("I", room), 325: ("I", room)}


def _packed(kind: str, values: Any) -> tuple[int, bytes]:
    """Give the count and the bytes of one tag's values."""
    if kind == "s":
        text = values.encode("utf-8") + b"\0"
        return len(text), text
    return len(values), struct.pack(f"<{len(values)}{kind}", *values)


def _directory_size(tags: Tags) -> int:
    size = 2 + 12 * len(tags) + 4
    for kind, values in tags.values():
        length = len(_packed(kind, values)[1])
        size += length + length % 2 if length > 4 else 0
    return size


def _directory(tags: Tags, start: int, following: int) -> bytes:
    """Pack one directory that starts at byte ``start``; values over four bytes follow its entries."""
    entries, extra = [], []
    position = start + 2 + 12 * len(tags) + 4
    for number in sorted(tags):
        kind, values = tags[number]
        count, packed = _packed(kind, values)
        if len(packed) <= 4:
            inline = packed.ljust(4, b"\0")
        else:
            inline = struct.pack("<I", position)
            extra.append(packed + b"\0" * (len(packed) % 2))
            position += len(extra[-1])
        entries.append(struct.pack("<HHI4s", number, TYPES[kind], count, inline))
    return struct.pack("<H", len(tags)) + b"".join(entries) + struct.pack("<I", following) + b"".join(extra)
