"""Which rows of a SICD or SIDD product an image segment holds (NGA.STND.0024-2, 3.2; NGA.STND.0025-2, 2.4).

IID1 names the product and counts its segments from the top. A legend is named as
if it were one of them, and elevations stand beside them: XML describes neither.

Segments are one image where they are all of a product, in order, and say the same of
everything but rows, place, which of their blocks are stored and blocking by rows:
columns, pixels, kind of compression, bands, tables, markings; and the pad pixel, which
those have of which blocks are not stored. ``IALVL`` and ``ILOC`` say how an image is
displayed, and are not asked: files are found in which they contradict IID1, which XML
agrees with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from stacchip_osml.errors import DecodeError, ItemError
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.nitf.fields import BLOCKS, EARLIER, ImageFields, Segment
from stacchip_osml.imagery.nitf.pads import pad_code
from stacchip_osml.pixel import ImageSize

__all__ = ["JoinedSegments", "ProductSegment", "first_row", "is_beside", "joined_segments", "product_segment"]

NAME = re.compile(r"(SICD|SIDD\d{3})(\d{3})")
BESIDE = frozenset(("LEG", "DED"))
IID1, MARKING = slice(2, 12), slice(123, 290)
"""Bytes of a subheader: the name; ISCLAS to ISCTLN."""
STORED = frozenset({("R", b"32"), ("SI", b"16"), ("INT", b"08"), ("INT", b"16")})
"""PVTYPE and NBPP of SICD and SIDD pixels."""
COMPRESSIONS = {
    **dict.fromkeys(("NC", "NM"), "none"),
    **dict.fromkeys(("C3", "M3"), "JPEG"),
    **dict.fromkeys(("C8", "M8", "CD", "MD"), "JPEG 2000"),
}
"""IC → kind of compression, of those that blocks serve."""


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
        wanted = None if first is None else _named(_iid1(ahead, segments[first]))[0]
        products: dict[str, list[_Said]] = {}
        for segment in segments if wanted != "" else ():
            product, place = _named(_iid1(ahead, segment))
            if product and wanted in {None, product} and (said := _said(ahead, segment, place)) is not None:
                products.setdefault(product, []).append(said)
        joined = [_joined(each) for each in products.values() if len(each) > 1]
        found = [each for each in joined if each is not None and first in {None, each.numbers[0]}]
    return tuple(found)


class _Said(NamedTuple):
    """What the subheader of a product's segment says."""

    number: int
    place: int
    """In its product, from 1 on."""
    size: ImageSize
    igeolo: str
    is_served: bool
    """Of a type that products have, and of a compression that blocks serve."""
    alike: tuple[object, ...]
    """What all segments of an image say alike."""
    pad: tuple[int, bytes]
    """TPXCD: those that have one say it alike."""


def _iid1(ahead: ReadAhead, segment: Segment) -> str:
    return ahead.exactly(segment.subheader, IID1.stop)[IID1].decode("latin-1").strip()


def _said(ahead: ReadAhead, segment: Segment, place: int) -> _Said | None:
    """Read a subheader; None of a legend or elevations."""
    marking = ahead.exactly(segment.subheader, MARKING.stop)[MARKING]
    image = ImageFields(ahead, segment)
    if is_beside(image.icat):
        return None
    begin = image.at
    image.read_bands()
    bands = ahead.exactly(begin, image.at - begin)
    imode, across, _, cols, _, bits = BLOCKS.unpack(image.take(BLOCKS.size))
    about = image.size.width, image.pvtype, image.irep, image.icat, image.icords
    return _Said(
        number=segment.number,
        place=place,
        size=image.size,
        igeolo=image.igeolo.decode("latin-1"),
        is_served=image.ic in COMPRESSIONS and (image.pvtype, bits) in STORED,
        alike=(marking, *about, bands, imode, across, cols, bits, COMPRESSIONS.get(image.ic)),
        pad=pad_code(ahead, segment, image.ic),
    )


def _joined(said: Sequence[_Said]) -> JoinedSegments | None:
    """Join the segments of a product; None where they are not one image."""
    is_counted = [each.place for each in said] == list(range(1, len(said) + 1))
    if not is_counted or not all(each.is_served for each in said) or len({each.alike for each in said}) > 1:
        return None
    if len({each.pad for each in said if each.pad[0]}) > 1:
        return None
    size = ImageSize(said[0].size.width, sum(each.size.height for each in said))
    return JoinedSegments(tuple(each.number for each in said), size, said[0].igeolo[:30] + said[-1].igeolo[30:])


def _named(iid1: str) -> tuple[str, int]:
    found = NAME.fullmatch(iid1)
    return ("", 0) if found is None else (found[1], int(found[2]))
