"""NITF images as blocks.

Rules:

- bands, dtypes and levels are those that GDAL delivers;
- samples of 1 and 12 bits follow each other from the highest bit, without a gap
  within a block (MIL-STD-2500C, table A-3); most of them GDAL does not read so.
  What IMODE B and S call a block holds one band and begins on a byte;
- blocks beyond the image, which a block grid may have, are left out;
- an uncompressed image of one block is given as strips: of one row, as GDAL
  gives it, or of ``STRIP_BYTES`` where rows do not begin on a byte;
- segments that are one image (``product_segments``) are one layout;
- what no standard has (samples of 2 to 7 bits) where GDAL has its own idea of
  it is left to GDAL;
- of a file that ends early the blocks that are there are served; an error is
  what is read of the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import BlockCodec, ImageLayout, LevelLayout, ReadAt, Unserved
from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead
from stacchip_osml.imagery.jpeg2000.blocks import codestream_layout
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.fields import Segment, Subheader, read_segments, read_subheader
from stacchip_osml.imagery.nitf.jpeg import jpeg_layout
from stacchip_osml.imagery.nitf.pads import pad_pixel
from stacchip_osml.imagery.nitf.places import (
    Places,
    is_there,
    nominal_places,
    padded_level,
    read_mask_table,
    require_few,
    require_small,
)
from stacchip_osml.imagery.nitf.product_segments import JoinedSegments, joined_segments

__all__ = ["joined_layout", "parse_nitf", "parse_nitf_segments", "segment_layout"]

STRIP_BYTES = 1 << 16
KINDS = {
    ("INT", 8): ("uint8", "u1"),
    ("INT", 16): ("uint16", ">u2"),
    ("INT", 32): ("uint32", ">u4"),
    ("INT", 64): ("uint64", ">u8"),
    ("SI", 8): ("int8", "i1"),
    ("SI", 16): ("int16", ">i2"),
    ("SI", 32): ("int32", ">i4"),
    ("SI", 64): ("int64", ">i8"),
    ("R", 32): ("float32", ">f4"),
    ("R", 64): ("float64", ">f8"),
    ("C", 64): ("complex64", ">c8"),
    ("INT", 12): ("uint16", "u2"),
    ("SI", 12): ("int16", "i2"),
    **{("INT", bits): ("uint8", "u1") for bits in range(1, 8)},
    ("B", 1): ("uint8", "u1"),
}
"""(PVTYPE, NBPP) → dtypes delivered and stored; for packed bits the one they are unpacked to."""
STANDARD_BITS = frozenset({1, 12})
"""NBPP of packed samples (MIL-STD-2500C, table A-3)."""
ORDERS = {"B": "pixel", "S": "pixel", "P": "pixel", "R": "row"}
COMPRESSIONS = {
    "C1": "bi-level compression",
    "C4": "vector quantization",
    "C5": "lossless JPEG",
    "C6": "JPEG 2000 of another standard",
    "C7": "complex SAR compression",
    "I1": "downsampled JPEG",
}


def parse_nitf(
    read: ReadAt, *, name: str, limits: ReadLimits, size: int | None = None, reads: int = READS
) -> ImageLayout:
    """Find the blocks of a file's first image, the one that GDAL opens the first segment of.

    Args:
        read: the file.
        name: of the file, for messages.
        limits: the largest image that is taken on.
        size: of the file; None where unknown.
        reads: most calls of ``read``: one to three are made, but for JPEG 2000 without TLM, and two for blocked JPEG
            without a mask table, whose data is read whole.

    Returns:
        Its levels: one, or all resolutions that GDAL shows of JPEG 2000; one of all segments of a product together.

    Raises:
        DecodeError: it is not a NITF file, holds no image, or ends within its headers.
        LimitError: the image is larger than ``limits``.
    """
    ahead = ReadAhead(read, name=name, size=size, reads=reads)
    try:
        segments = read_segments(ahead)
    except NotServedError as reason:
        return ImageLayout(levels=(Unserved(reason=str(reason)),))
    if len(segments) > 1:
        joined = joined_segments(_of_many(ahead, read, segments), segments, first=0)
        if joined:
            return joined_layout(read, segments, joined[0], name=name, limits=limits, size=size)
    return segment_layout(ahead, segments[0], limits)


def joined_layout(
    read: ReadAt,
    segments: Sequence[Segment],
    joined: JoinedSegments,
    *,
    name: str,
    limits: ReadLimits,
    size: int | None = None,
) -> ImageLayout:
    """Find the blocks of an image that is stored in several segments: those of each, one segment below the other.

    It has no levels but full resolution: where a seam lies between two pixels of one of them, there is no such level.

    Args:
        read: the file.
        segments: all of its images.
        joined: those of the image.
        name: of the file, for messages.
        limits: the largest image that is taken on.
        size: of the file; None where unknown.

    Returns:
        One level, not served where one of the segments is not, or is damaged.

    Raises:
        LimitError: the image is larger than ``limits``.
    """
    levels: list[LevelLayout] = []
    pad = None
    for number in joined.numbers:
        ahead = ReadAhead(read, name=name, size=size, reads=READS)  # each may be asked for as often
        try:
            found = segment_layout(ahead, segments[number], limits)
        except DecodeError as error:
            return ImageLayout(levels=(Unserved(reason=f"image segment {number + 1}: {error}"),))
        level, pad = found.levels[0], found.pad if pad is None else pad
        if isinstance(level, LevelLayout) and levels and _likeness(level) != _likeness(levels[0]):
            level = Unserved(reason="its data is of another kind than that of the first")
        if isinstance(level, Unserved):
            return ImageLayout(levels=(Unserved(reason=f"image segment {number + 1}: {level.reason}"),))
        levels.append(level)
    limits.require_image(name, joined.size, levels[0].bands)
    return ImageLayout(levels=(LevelLayout.stacked(levels),), pad=pad)


def _likeness(level: LevelLayout) -> tuple[object, ...]:
    return level.size.width, level.planes, level.codec.samples, level.codec.dtype


def _of_many(ahead: ReadAhead, read: ReadAt, segments: Sequence[Segment]) -> ReadAhead:
    """Read on, as often as there are segments."""
    return ReadAhead(read, name=ahead.name, size=ahead.size, reads=READS + 6 * len(segments))


def parse_nitf_segments(
    read: ReadAt, *, name: str, limits: ReadLimits, size: int | None = None
) -> tuple[ImageLayout, ...]:
    """Find the blocks of every image segment, in the order of the file; see :func:`parse_nitf`.

    Raises:
        DecodeError: it is not a NITF file, holds no image, or ends within its headers.
        LimitError: the first image is larger than ``limits``.
    """
    ahead = ReadAhead(read, name=name, size=size, reads=READS)
    try:
        segments = read_segments(ahead)
    except NotServedError as reason:
        return (ImageLayout(levels=(Unserved(reason=str(reason)),)),)
    layouts = []
    for segment in segments:
        layouts.append(segment_layout(ahead, segment, limits))
        ahead = ReadAhead(read, name=name, size=size, reads=READS)  # each may be asked for as often
    return tuple(layouts)


def segment_layout(ahead: ReadAhead, segment: Segment, limits: ReadLimits) -> ImageLayout:
    """Find the blocks of one image segment; see :func:`parse_nitf`."""
    try:
        image = read_subheader(ahead, segment, limits)
        pad = pad_pixel(ahead, segment, image)
        return replace(LAYOUTS.get(image.ic, _unserved)(ahead, segment, image, limits), pad=pad)
    except NotServedError as reason:
        return ImageLayout(levels=(Unserved(reason=str(reason)),))


def _unserved(ahead: ReadAhead, segment: Segment, image: Subheader, limits: ReadLimits) -> ImageLayout:  # noqa: ARG001
    what = COMPRESSIONS.get(image.ic, COMPRESSIONS.get(f"C{image.ic[1:]}", "unknown compression"))
    return ImageLayout(levels=(Unserved(reason=f"IC={image.ic}: {what}"),))


def _jpeg2000(ahead: ReadAhead, segment: Segment, image: Subheader, limits: ReadLimits) -> ImageLayout:
    """Lay out the codestream of an image, less the tiles that its mask table says are not recorded."""
    start, absent = segment.data, None
    if image.ic.startswith("M"):
        masked = read_mask_table(ahead, segment, replace(image, imode="B"))
        start = masked.data
        absent = None if masked.records is None else masked.records[0] < 0
    end = segment.end if ahead.size is None else min(segment.end, ahead.size)
    layout = codestream_layout(ahead, start, end, limits=limits, absent=absent)
    for level in layout.levels[:1]:
        if isinstance(level, LevelLayout) and (level.size != image.size or level.bands != image.bands):
            raise NotServedError(
                f"JPEG 2000 data of {level.size.width} x {level.size.height} pixels and {level.bands} bands "
                f"in an image of {image.size.width} x {image.size.height} and {image.bands}"
            )
    return layout


def _uncompressed(ahead: ReadAhead, segment: Segment, image: Subheader, limits: ReadLimits) -> ImageLayout:
    data, records = segment.data, None
    if image.ic == "NM":
        data, records = read_mask_table(ahead, segment, image)
    level = _uncompressed_level(image, data, records)
    require_small(level, limits)
    end = segment.end if ahead.size is None else ahead.size
    if not segment.number and level.counts.any() and not is_there(Places(level.offsets, level.counts), end).any():
        raise NotServedError("its image data is cut short")
    return ImageLayout(levels=(level,))


def _uncompressed_level(image: Subheader, data: int, records: NDArray[np.int64] | None) -> LevelLayout:
    dtype, stored = KINDS.get((image.pvtype, image.bits), ("", ""))
    if not dtype or image.imode not in ORDERS:
        raise NotServedError(f"PVTYPE={image.pvtype} with NBPP={image.bits} and IMODE={image.imode}")
    _require_plain_packing(image)
    planes = image.bands if image.imode in {"B", "S"} else 1
    codec = BlockCodec(
        compression="none",
        dtype=dtype,
        stored=stored,
        bits=image.bits,
        samples=image.bands // planes,
        order=ORDERS[image.imode] if planes == 1 and image.bands > 1 else "pixel",
        aligned_rows=image.bits % 8 == 0,
    )
    places = nominal_places(image, data, records)
    unblocked = image.grid == (1, 1) and image.ic == "NC"
    return _strips(image, codec, places) if unblocked else padded_level(image, codec, places)


def _require_plain_packing(image: Subheader) -> None:
    """Refuse packed bits that no standard has where GDAL has its own idea of which are whose.

    Raises:
        NotServedError: that is so.
    """
    if image.bits % 8 == 0 or image.bits in STANDARD_BITS:
        return
    row = image.block_shape[1] * image.bits
    what = f"samples of {image.bits} bits, IMODE={image.imode} and {image.bands} bands"
    if image.bands > 1 and image.imode in {"P", "R"}:
        raise NotServedError(what)
    if row % 8 and (image.bands > 1 or image.grid != (1, 1)):
        raise NotServedError(f"{what} in several blocks, whose rows do not begin on a byte")


def _strips(image: Subheader, codec: BlockCodec, places: Places) -> LevelLayout:
    """Cut the only block of each plane into strips that begin on a byte."""
    height, width = image.size.height, image.block_shape[1]
    row_bits = width * image.bits * codec.samples
    rows = 1
    if image.bits % 8:
        whole = 8 // np.gcd(row_bits, 8)  # fewest rows that end on a byte
        rows = min(height, int(whole) * max(1, STRIP_BYTES * 8 // (row_bits * int(whole))))
    count = -(-height // rows)
    require_few(count * len(places.offsets))
    starts = np.arange(count, dtype=np.int64) * (rows * row_bits // 8)
    counts = np.full(count, -(-rows * row_bits // 8), np.int64)
    counts[-1] = -(-(height - (count - 1) * rows) * row_bits // 8)
    offsets = places.offsets.reshape(-1, 1) + starts
    shape = (1, len(places.offsets), count, 1)
    return LevelLayout(
        size=image.size,
        block_shape=(rows, width),
        short_edge=True,
        codec=codec,
        offsets=offsets.reshape(shape),
        counts=np.broadcast_to(counts, offsets.shape).reshape(shape).copy(),
    )


LAYOUTS = {
    "NC": _uncompressed,
    "NM": _uncompressed,
    "C3": jpeg_layout,
    "M3": jpeg_layout,
    "C8": _jpeg2000,
    "M8": _jpeg2000,
    "CD": _jpeg2000,
    "MD": _jpeg2000,
}
"""IC → what lays its blocks out."""
