"""JPEG blocks of NITF images: where each stream begins and ends, and what it holds (MIL-STD-188-198A, ITU-T T.81).

Every block is a whole JPEG stream, padded to the block's size, or in IMODE B and
S one of each band: of IMODE B those of a block follow each other, of S those of
a band. Places of blocks are in the mask table of a masked image. What is not
said there, streams that follow each other, has to be walked, which reads the
image data once, up to ``MOST_WALKED`` bytes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.layout import BlockCodec, ImageLayout, Unserved
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.fields import Segment, Subheader
from stacchip_osml.imagery.nitf.places import (
    Places,
    is_there,
    padded_level,
    read_mask_table,
    recorded_places,
    require_few,
    require_small,
)

__all__ = ["jpeg_layout"]

MOST_WALKED = 1 << 25
MOST_MARKERS = 1 << 18
"""Marker segments of all streams that are walked; a stream has about a dozen."""
MOST_HEAD = 1 << 16
"""Bytes before the first scan of a block that are looked at."""
SMALLEST_SCALED = 256
"""Pixels: GDAL's JPEG driver shows halves, quarters and eighths while a side is at least this long."""
SOF = frozenset({0xC0, 0xC1, 0xC2})
SOS, DQT, DHT, EOI, APP14 = 0xDA, 0xDB, 0xC4, 0xD9, 0xEE
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
"""Next marker in entropy-coded data: a stuffed zero and restarts are part of it (T.81 B.1.1.2, B.2.1)."""


class Frame(NamedTuple):
    """What a stream says before its first scan."""

    shape: tuple[int, int]
    """(rows, cols)."""
    bits: int
    components: int
    color: str
    """As ``BlockCodec.color``."""
    has_tables: bool
    """It brings quantization and Huffman tables of its own."""


def jpeg_layout(ahead: ReadAhead, segment: Segment, image: Subheader, limits: ReadLimits) -> ImageLayout:
    """Lay out an image of IC C3 or M3.

    Raises:
        NotServedError: it is stored in a way that is not read here.
        DecodeError: the file ends before the image does.
    """
    if image.bands > 1 and image.imode not in {"B", "P", "S"}:
        raise NotServedError(f"IC={image.ic} with IMODE={image.imode} and {image.bands} bands")
    end = segment.end if ahead.size is None else min(segment.end, ahead.size)
    places = _places(ahead, segment, image, end)
    stored = np.flatnonzero(is_there(places, end))
    if not len(stored):
        raise NotServedError("none of its blocks is recorded, or there")
    first, length = int(places.offsets.flat[stored[0]]), int(places.counts.flat[stored[0]])
    frame = _frame(ahead.upto(first, min(length, MOST_HEAD)))
    _require_like(frame, image, components=image.bands // len(places.offsets))
    level = padded_level(image, _codec(frame), places)
    require_small(level, limits)
    return ImageLayout(levels=(level, *([] if level.planes > 1 else _scaled(image))))


def _places(ahead: ReadAhead, segment: Segment, image: Subheader, end: int) -> Places:
    """Find the streams: of all bands together, or of each.

    Raises:
        NotServedError: they are not to be told apart, or too many.
        DecodeError: the file ends before the image does.
    """
    (rows, cols), planes = image.grid, 1 if image.imode == "P" else image.bands
    is_cut = end < segment.end
    require_few(planes * rows * cols)
    if image.ic == "M3":
        masked = read_mask_table(ahead, segment, image)
        places = recorded_places(masked, image, end, is_cut=is_cut)
        if image.imode == "S" or planes == 1:
            return places
        return _each_band(_whole(ahead, masked.data, end), masked.data, places, planes, is_cut=is_cut)
    if planes * rows * cols == 1:
        return Places(np.full((1, 1, 1), segment.data), np.full((1, 1, 1), max(0, end - segment.data)))
    data = _whole(ahead, segment.data, end)
    streams = _streams(data, planes * rows * cols, is_cut=is_cut)
    streams[:, 0] += segment.data
    shape = (planes, rows, cols) if image.imode == "S" else (rows, cols, planes)
    in_order = streams.reshape(*shape, 2)
    if image.imode != "S":
        in_order = in_order.transpose(2, 0, 1, 3)
    return Places(in_order[..., 0], in_order[..., 1])


def _each_band(data: bytes, start: int, blocks: Places, bands: int, *, is_cut: bool) -> Places:
    """Find the streams of every band in recorded blocks, of which ``data`` from byte ``start`` of the file has all.

    Raises:
        NotServedError: a block has fewer.
    """
    found = Places(*(np.zeros((bands, *blocks.offsets.shape[1:]), np.int64) for _ in blocks))
    for _, row, col in np.argwhere(blocks.counts).tolist():
        offset, count = int(blocks.offsets[0, row, col]), int(blocks.counts[0, row, col])
        first = offset - start
        streams = _streams(data[first : first + count], bands, "bands of a block", is_cut=is_cut)
        found.offsets[:, row, col], found.counts[:, row, col] = streams[:, 0] + offset, streams[:, 1]
    return found


def _codec(frame: Frame) -> BlockCodec:
    dtype = "uint8" if frame.bits == 8 else "uint16"
    return BlockCodec(
        compression="jpeg",
        dtype=dtype,
        stored=dtype,
        bits=frame.bits,
        samples=frame.components,
        color=frame.color,
    )


def _require_like(frame: Frame, image: Subheader, *, components: int) -> None:
    """Refuse streams that are not the blocks which the subheader describes, of some components each.

    Raises:
        NotServedError: saying how they differ.
    """
    if not frame.has_tables:
        raise NotServedError("its JPEG streams rely on default tables")
    if frame.bits not in {8, 12} or (frame.bits > 8) != (image.bits > 8):
        raise NotServedError(f"JPEG of {frame.bits} bits, NBPP={image.bits}")
    if frame.shape != image.block_shape or frame.components != components:
        raise NotServedError(
            f"JPEG streams of {frame.shape[1]} x {frame.shape[0]} pixels and {frame.components} components "
            f"in blocks of {image.block_shape[1]} x {image.block_shape[0]}, {components} of {image.bands} bands"
        )


def _scaled(image: Subheader) -> list[Unserved]:
    """Count the smaller sizes at which GDAL decodes an image of one block."""
    longest = max(image.size) if image.grid == (1, 1) and image.ic == "C3" else 0
    count = next((power + 1 for power in (2, 1, 0) if longest >= SMALLEST_SCALED << power), 0)
    return [Unserved(reason="JPEG decoded at a fraction of its size")] * count


def _whole(ahead: ReadAhead, start: int, end: int) -> bytes:
    """Read all image data.

    Raises:
        NotServedError: it is too much for finding blocks.
        DecodeError: the file ends before.
    """
    if end - start > MOST_WALKED:
        raise NotServedError(f"{end - start} bytes of JPEG blocks without a table of their places")
    return ahead.exactly(start, max(0, end - start))


def _streams(data: bytes, count: int, what: str = "blocks", *, is_cut: bool) -> NDArray[np.int64]:
    """Find ``count`` JPEG streams that follow each other: (first byte, length) of each.

    Where the file is cut short, those that are not whole end beyond the data, and fail when they are read.

    Raises:
        NotServedError: there are fewer, or they are not to be told apart.
    """
    found: list[tuple[int, int]] = []
    start, at, markers = 0, -1, 0
    while len(found) < count and markers < MOST_MARKERS:
        if at < 0:
            start = data.find(b"\xff\xd8\xff", found[-1][0] + found[-1][1] if found else 0)
            at = start + 2
        marker = _MARKER.search(data, at) if start >= 0 else None
        if marker is None:
            break
        markers, at = markers + 1, marker.end()
        if marker[1][0] == EOI:
            found.append((start, at - start))
            at = -1
        else:
            at += int.from_bytes(data[at : at + 2], "big")
    if len(found) < count and not (is_cut and markers < MOST_MARKERS):
        raise NotServedError(f"{len(found)} JPEG streams for {count} {what}")
    streams = np.full((count, 2), (len(data), 1), np.int64)
    streams[: len(found)] = np.array(found, np.int64).reshape(-1, 2)
    if len(found) < count and start >= 0:
        streams[len(found), 0], streams[len(found), 1] = start, len(data) - start + 1
    return streams


def _frame(head: bytes) -> Frame:
    """Read the marker segments before the first scan.

    Raises:
        NotServedError: it is not a JPEG stream, or one of a kind that is not read.
    """
    if head[:2] != b"\xff\xd8":
        raise NotServedError("no JPEG stream where its first block should be")
    at, frame, tables, transform = 2, b"", set(), -1
    while (marker := _MARKER.search(head, at)) is not None:
        code, at = marker[1][0], marker.end()
        length = int.from_bytes(head[at : at + 2], "big")
        body = head[at + 2 : at + length]
        if code in SOF:
            frame = body
        elif code == APP14 and body[:5] == b"Adobe" and len(body) >= 12:
            transform = body[11]
        elif code == SOS:
            break
        elif 0xC0 <= code <= 0xCF and code not in {DHT, 0xC8, 0xCC}:
            raise NotServedError(f"JPEG process SOF{code - 0xC0}")
        tables.add(code)
        at += max(length, 2)
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise NotServedError("no JPEG frame header in its first block")
    ids = tuple(frame[6 : 6 + 3 * frame[5] : 3])
    return Frame(
        shape=(int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")),
        bits=frame[0],
        components=frame[5],
        color=_color(ids, transform, is_jfif=0xE0 in tables and b"JFIF\0" in head[:64]),
        has_tables={DQT, DHT} <= tables,
    )


def _color(ids: tuple[int, ...], transform: int, *, is_jfif: bool) -> str:
    """Tell what three components are, as libjpeg does: JFIF, Adobe's transform, their names; YCbCr otherwise."""
    if len(ids) != 3:
        return "stored"
    if is_jfif:
        return "rgb"
    if transform >= 0:
        return "rgb" if transform else "stored"
    return "stored" if ids == (0x52, 0x47, 0x42) else "rgb"
