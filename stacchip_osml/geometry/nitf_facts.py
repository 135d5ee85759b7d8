"""The facts of a NITF image read from the bytes of its file: corner fields, TREs, XML extensions.

MIL-STD-2500C, tables A-1, A-3 and A-8; NITF 2.0 (MIL-STD-2500A) likewise. Only
headers are read, never pixels. TREs that did not fit into the image's subheader
lie in a TRE_OVERFLOW extension, and are found there.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import MappingProxyType

from stacchip_osml.errors import DecodeError, ItemError, LimitError
from stacchip_osml.geometry.sensor_facts import SensorFacts
from stacchip_osml.imagery.blocks.layout import ReadAt
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.nitf.fields import (
    DOWNGRADED,
    EARLIER,
    LENGTHS,
    VERSIONS,
    Fields,
    FileHeader,
    ImageFields,
    Segment,
    iter_tagged,
)
from stacchip_osml.imagery.nitf.product_segments import ProductSegment, first_row, is_beside, joined_segments
from stacchip_osml.imagery.xml_trees import XML_BYTES

__all__ = ["is_nitf", "read_nitf_facts"]

Tres = list[tuple[str, bytes]]
FILE = ("UDHD", "XHD")
"""Where the file header has TREs."""
IMAGE = ("UDID", "IXSHD")
"""Where an image subheader has them."""
OVERFLOWS = frozenset({"TRE_OVERFLOW", "Registered Extensions", "Controlled Extensions"})
XML_DES = frozenset({"XML_DATA_CONTENT", "SICD_XML", "SIDD_XML"})
XML_TOTAL = 4 * XML_BYTES
"""Bytes of all XML of one file."""
READS = 1 << 20
"""Of headers and extensions; the file's length is what bounds them."""


def is_nitf(read: ReadAt) -> bool:
    """Tell whether a file begins as a NITF or NSIF file does."""
    return read(0, 9) in VERSIONS


def read_nitf_facts(read: ReadAt, *, name: str, index: int = 0, size: int | None = None) -> SensorFacts:
    """Read the facts of one image segment, or of the image that it is the first one of several of.

    Args:
        read: the file.
        name: of the file, for messages.
        index: of the segment, 0 for the first.
        size: of the file, by which a file is read that was written as a stream; None where unknown.

    Raises:
        ItemError: a field is not what the standard says, or there is no such segment.
        DecodeError: not a NITF file, or one that ends within its headers.
        LimitError: its XML is larger than any of its kind.
    """
    try:
        return _facts(ReadAhead(read, name=name, size=size, reads=READS), index)
    except NotServedError as reason:
        raise ItemError(f"{name}: {reason}") from None


@contextmanager
def _header(ahead: ReadAhead, begin: int, end: int) -> Iterator[None]:
    """Read a header that the file has to hold whole; what is wrong within it is the image's fault, not the file's."""
    ahead.exactly(begin, end - begin)
    try:
        yield
    except DecodeError as error:
        raise ItemError(str(error)) from error


def _facts(ahead: ReadAhead, index: int) -> SensorFacts:
    header, name = FileHeader(ahead), ahead.name
    with _header(header.ahead, 0, header.length):
        images, *_, extensions, _ = map(header.segments, LENGTHS)
        file_tres = _tres(header, FILE)
    if not 0 <= index < len(images):
        raise ItemError(f"{name}: has {len(images)} image segments, none with number {index}")
    image, fields, tres = _image(ahead, images[index])
    joined = next(iter(joined_segments(ahead, images, first=index)), None)
    xml, total = [], 0
    for part in extensions:
        with _header(ahead, part.subheader, part.data):
            walk = Fields(ahead, part.subheader + 2)
            kind, size = walk.text(25), part.end - part.data
            owner = _overflowing(walk, part) if kind in OVERFLOWS else 0
        if kind in XML_DES and not is_beside(image.icat):
            total += size
            if size > XML_BYTES or total > XML_TOTAL:
                raise LimitError(f"{name}: XML extensions of {total} bytes, more than {min(total, XML_TOTAL) - 1}")
            xml.append(ahead.exactly(part.data, size))
        elif owner in {None, index + 1}:
            (file_tres if owner is None else tres).extend(iter_tagged(ahead.exactly(part.data, size)))
    top = 0
    if xml and index:
        shown = [_image(ahead, part)[:2] for part in images]
        top = first_row([ProductSegment(said["IID1"], each.icat, each.size.height) for each, said in shown], index)
    if joined is not None and image.icords:
        fields["IGEOLO"] = joined.igeolo
    return SensorFacts(
        size=image.size if joined is None else joined.size,
        fields=MappingProxyType(fields),
        tres=tuple(tres),
        file_tres=tuple(file_tres),
        des_xml=tuple(xml),
        first_row=top,
    )


def _overflowing(walk: Fields, part: Segment) -> int | None:
    """Tell whose TREs an extension holds: the number of an image, from 1; None for the file header, 0 for others."""
    if walk.take(2 + 167)[-6:] == DOWNGRADED and part.version == EARLIER:
        walk.skip(40)
    where, item = walk.text(6), walk.number(3, "DESITEM")
    return None if where in FILE else item if where in IMAGE else 0


def _image(ahead: ReadAhead, part: Segment) -> tuple[ImageFields, dict[str, str], Tres]:
    """Read an image subheader: what is shown, further fields, TREs."""
    with _header(ahead, part.subheader, part.data):
        image = ImageFields(ahead, part)
        image.read_bands()
        image.skip(1 + 1 + 4 + 4 + 4 + 4 + 2 + 3 + 3 + 10 + 4)  # ISYNC to IMAG
        tres = _tres(image, IMAGE)
    if image.at > part.data:
        raise ItemError(f"{ahead.name}: an image subheader is shorter than its fields")
    fields = {"IID1": Fields(ahead, part.subheader + 2).text(10), "ICAT": image.icat}
    if image.icords:
        fields |= {"ICORDS": image.icords, "IGEOLO": image.igeolo.decode("latin-1")}
    return image, fields, tres


def _tres(fields: Fields, areas: tuple[str, ...]) -> Tres:
    """Read the areas that come next; three digits of an overflow stand before the TREs of each."""
    return [tre for area in areas for tre in iter_tagged(fields.take(fields.number(5, f"{area}L"))[3:])]
