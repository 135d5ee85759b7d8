"""Image segments of a file that are one image, as one record: those of a SICD or SIDD product."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from stacchip_osml.encode.nitf.file_bytes import HeldFile
from stacchip_osml.encode.nitf.records import NitfImage
from stacchip_osml.encode.nitf.segment_image import SegmentImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout, Unserved
from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import joined_layout
from stacchip_osml.imagery.nitf.fields import read_segments
from stacchip_osml.imagery.nitf.product_segments import JoinedSegments, joined_segments

__all__ = ["find_joined", "join_images"]

ONE_SICD = "SICD000"
"""IID1 of a SICD in one segment; a SIDD's counts from 1 in any case."""


def find_joined(file: Any, count: int) -> tuple[JoinedSegments, ...]:
    """Find the segments of a file that are one image.

    Args:
        file: its bytes.
        count: of its image segments.
    """
    if count < 2:
        return ()
    ahead = ReadAhead(file.read_at, name=file.name, size=file.size, reads=READS + 6 * count)
    try:
        return joined_segments(ahead, read_segments(ahead))
    except NotServedError:  # a length that is no number, which those who read the file say
        return ()


def join_images(
    file: Any,
    found: Sequence[JoinedSegments],
    images: Sequence[NitfImage],
    *,
    limits: ReadLimits,
    how: Mapping[str, Any],
    reopened: Callable[..., Any],
) -> Mapping[int, NitfImage]:
    """Give the image of each product, by the number of its first segment.

    Args:
        file: its bytes.
        found: which segments belong together.
        images: all segments.
        limits: refused above these.
        how: what a segment's image is made with.
        reopened: gives an image in another process, of location, number, limits and sign.
    """
    joined = {}
    for each in found:
        first = images[each.numbers[0]]
        fields = _fields(first.fields, each)
        pixels: BlockImage
        if each.numbers[0] or isinstance(file, HeldFile):
            layouts = _layouts(file, each, len(images), limits)
            pixels = SegmentImage(file, fields, each.numbers[0], **{**how, "layouts": layouts, "reopened": reopened})
        else:
            pixels = BlockImage(file.location, limits=limits, sign=how["sign"])
        segments = tuple(images[number] for number in each.numbers)
        joined[each.numbers[0]] = NitfImage(pixels=pixels, fields=fields, tres=first.tres, segments=segments)
    return MappingProxyType(joined)


def _fields(first: Mapping[str, str], joined: JoinedSegments) -> dict[str, str]:
    """Say of a whole product what its first segment says, but for what is the segment's own."""
    rows, step = joined.size.height, int(first["NPPBV"])
    fields = {**first, "NROWS": f"{rows:08d}", "NBPC": f"{-(-rows // step) if step else 1:04d}"}
    if "IGEOLO" in fields:
        fields["IGEOLO"] = joined.igeolo
    if fields["IID1"].startswith("SICD"):
        fields["IID1"] = ONE_SICD.ljust(len(fields["IID1"]))
    return fields


def _layouts(
    file: Any, joined: JoinedSegments, count: int, limits: ReadLimits
) -> Callable[[], tuple[ImageLayout, ...]]:
    """Give what finds the blocks of a product, in its first segment's place."""

    def layouts() -> tuple[ImageLayout, ...]:
        ahead = ReadAhead(file.read_at, name=file.name, size=file.size, reads=READS)
        segments = read_segments(ahead)
        found = joined_layout(file.read_at, segments, joined, name=file.name, limits=limits, size=file.size)
        return (*(NO_LAYOUT,) * joined.numbers[0], found, *(NO_LAYOUT,) * (count - joined.numbers[0] - 1))

    return layouts


NO_LAYOUT = ImageLayout(levels=(Unserved(reason="it is another image"),))
