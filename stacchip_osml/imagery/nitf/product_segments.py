"""Which rows of a SICD or SIDD product an image segment holds (NGA.STND.0024-2, 3.2; NGA.STND.0025-2, 2.4).

IID1 names the product and counts its segments from the top. A legend is named as
if it were one of them, and elevations stand beside them: XML describes neither.

Segments are one image where they are all of a product, in order, uncompressed, and
say the same of everything but rows, place and blocking by rows: columns, pixels,
bands, tables, markings. ``IALVL`` and ``ILOC`` say how an image is displayed, and
are not asked: files are found in which they contradict IID1, which XML agrees with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from stacchip_osml.errors import DecodeError, ItemError
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.nitf.fields import BLOCKS, EARLIER, ImageFields, Segment
from stacchip_osml.pixel import ImageSize

__all__ = ["JoinedSegments", "ProductSegment", "first_row", "is_beside", "joined_segments", "product_segment"]

NAME = re.compile(r"(SICD|SIDD\d{3})(\d{3})")
BESIDE = frozenset(("LEG", "DED"))
IID1, MARKING = slice(2, 12), slice(123, 290)
"""Bytes of a subheader: the name; ISCLAS to ISCTLN."""
STORED = frozenset({("R", b"32"), ("SI", b"16"), ("INT", b"08"), ("INT", b"16")})
"""PVTYPE and NBPP of SICD and SIDD pixels."""


class ProductSegment(NamedTuple):
    """What the subheader of an image segment says of its place in a product, without padding."""

    iid1: str
    icat: str
    rows: int
    """NROWS."""


class JoinedSegments(NamedTuple):
    """Image segments that are one image."""

    numbers: tuple[int, ...]
    """In the file, from 0 on; from top to bottom."""
    size: ImageSize
    """Of all together."""
    igeolo: str
    """Of all together; empty where they have none."""


def product_segment(fields: Mapping[str, str]) -> ProductSegment:
    """Take what a record of a subheader says."""
    rows = fields.get("NROWS", "")
    return ProductSegment(
        fields.get("IID1", "").strip(), fields.get("ICAT", "").strip(), int(rows) if rows.isdigit() else 0
    )


def is_beside(icat: str) -> bool:
    """Tell whether an image of this category is a legend or elevations, and so no pixels of a product."""
    return icat.strip() in BESIDE


def first_row(segments: Sequence[ProductSegment], index: int) -> int:
    """Count the rows of a product above one of its segments; 0 of an image that is named as no such segment.

    Args:
        segments: all images of the file, in order.
        index: of the segment.

    Raises:
        ItemError: a segment above it is not there.
    """
    product, number = _named(segments[index].iid1)
    above = {
        count: each.rows
        for each in segments
        for name, count in [_named(each.iid1)]
        if name == product and 0 < count < number and not is_beside(each.icat)
    }
    if product and len(above) < number - 1:
        raise ItemError(f"IID1 {segments[index].iid1} counts {number - 1} segments above it, the file has {len(above)}")
    return sum(above.values())


def joined_segments(
    ahead: ReadAhead, segments: Sequence[Segment], *, first: int | None = None
) -> tuple[JoinedSegments, ...]:
    """Find the segments that are one image with others; what is damaged is none of them.

    Args:
        ahead: the file.
        segments: all of its images.
        first: only the image whose first segment is this one; None: all of two segments or more.

    Returns:
        In the order of the file.
    """
    if len(segments) < 2 or segments[0].version == EARLIER:
        return ()
    found: list[JoinedSegments] = []
    with suppress(DecodeError, NotServedError):
        if first is not None and not _product_of(ahead, segments[first]):
            return ()
        products: dict[str, list[Segment]] = {}
        for segment in segments:
            products.setdefault(_product_of(ahead, segment), []).append(segment)
        products.pop("", None)
        for named in products.values():
            joined = _joined(ahead, named) if len(named) > 1 else None
            if joined is not None and first in {None, joined.numbers[0]}:
                found.append(joined)
    return tuple(found)


def _product_of(ahead: ReadAhead, segment: Segment) -> str:
    """Give the product that a segment is named after; empty where it is none's."""
    return _named(ahead.exactly(segment.subheader, IID1.stop)[IID1].decode("latin-1").strip())[0]


def _joined(ahead: ReadAhead, named: Sequence[Segment]) -> JoinedSegments | None:
    """Join the segments of a product, less its legends; None where they are not one image."""
    numbers, sizes, corners, alike = [], [], [], set()
    for segment in named:
        head = ahead.exactly(segment.subheader, MARKING.stop)
        image = ImageFields(ahead, segment)
        if is_beside(image.icat):
            continue
        numbers.append(segment.number)
        sizes.append(image.size)
        corners.append(image.igeolo.decode("latin-1"))
        begin = image.at
        image.read_bands()
        bands = ahead.exactly(begin, image.at - begin)
        imode, across, _, cols, _, bits = BLOCKS.unpack(image.take(BLOCKS.size))
        is_counted = _named(head[IID1].decode("latin-1").strip())[1] == len(numbers)
        if not is_counted or image.ic != "NC" or (image.pvtype, bits) not in STORED:
            return None
        about = image.size.width, image.pvtype, image.irep, image.icat, image.icords
        alike.add((head[MARKING], *about, bands, imode, across, cols))
    if len(numbers) < 2 or len(alike) > 1:
        return None
    size = ImageSize(sizes[0].width, sum(each.height for each in sizes))
    return JoinedSegments(tuple(numbers), size, corners[0][:30] + corners[-1][30:])


def _named(iid1: str) -> tuple[str, int]:
    found = NAME.fullmatch(iid1)
    return ("", 0) if found is None else (found[1], int(found[2]))
