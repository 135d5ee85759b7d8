"""The facts of a NITF image read from the bytes of its file: corner fields, TREs, XML extensions.

MIL-STD-2500C, tables A-1, A-3 and A-8; NITF 2.0 (MIL-STD-2500A) likewise. Only
headers are read, never pixels. TREs that did not fit into the image's subheader
lie in a TRE_OVERFLOW extension, and are found there.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import MappingProxyType
from typing import NamedTuple

from stacchip_osml.errors import DecodeError, ItemError, LimitError
from stacchip_osml.geometry.product_segments import ProductSegment, first_row, is_beside
from stacchip_osml.geometry.sensor_facts import SensorFacts
from stacchip_osml.geometry.xml_fields import XML_BYTES
from stacchip_osml.imagery.blocks.layout import ReadAt
from stacchip_osml.imagery.nitf.streaming import streamed_header
from stacchip_osml.pixel import ImageSize

__all__ = ["is_nitf", "read_nitf_facts"]

VERSIONS = (b"NITF02.10", b"NSIF01.00", b"NITF02.00")
DOWNGRADED = b"999998"
FILE = ("UDHD", "XHD")
"""Where the file header has TREs."""
IMAGE = ("UDID", "IXSHD")
"""Where an image subheader has them."""
OVERFLOWS = frozenset({"TRE_OVERFLOW", "Registered Extensions", "Controlled Extensions"})
SHORTEST = 363
"""Bytes of a file header as far as NUMI."""
XML_DES = frozenset({"XML_DATA_CONTENT", "SICD_XML", "SIDD_XML"})
XML_TOTAL = 4 * XML_BYTES
"""Bytes of all XML of one file."""
LENGTHS = (("NUMI", 6, 10), ("NUMS", 4, 6), ("NUMX", 4, 3), ("NUMT", 4, 5), ("NUMDES", 4, 9))
"""Counts of segments, and digits of the lengths of their subheaders and data."""


class _Part(NamedTuple):
    at: int
    header: int
    data: int


class _Walk:
    """Fields of fixed width, one after the other."""

    def __init__(self, data: bytes, name: str, at: int = 0) -> None:
        self.data, self.name, self.at = data, name, at

    def take(self, width: int, field: str) -> bytes:
        taken = self.data[self.at : self.at + width]
        if len(taken) < width:
            raise ItemError(f"{self.name}: its header ends within {field}")
        self.at += width
        return taken

    def text(self, width: int, field: str) -> str:
        return self.take(width, field).decode("latin-1")

    def number(self, width: int, field: str) -> int:
        text = self.take(width, field)
        if not text.isdigit():
            raise ItemError(f"{self.name}: {field} must be {width} digits, got {text.decode('latin-1')!r}")
        return int(text)


def is_nitf(read: ReadAt) -> bool:
    """Tell whether a file begins as a NITF or NSIF file does."""
    return read(0, 9) in VERSIONS


def read_nitf_facts(read: ReadAt, *, name: str, index: int = 0, size: int | None = None) -> SensorFacts:
    """Read the facts of one image segment.

    Args:
        read: the file.
        name: of the file, for messages.
        index: of the segment, 0 for the first.
        size: of the file, by which a file is read that was written as a stream; None where unknown.

    Raises:
        ItemError: a field is not what the standard says, or there is no such segment.
        DecodeError: the file ends within its headers.
        LimitError: its XML is larger than any of its kind.
    """
    images, extensions, is_old, file_tres = _segments(read, name, size)
    if not 0 <= index < len(images):
        raise ItemError(f"{name}: has {len(images)} image segments, none with number {index}")
    part = images[index]
    shown, fields, tres = _image(_exactly(read, part.at, part.header, name), name, is_old=is_old)
    xml, total = [], 0
    for extension in extensions:
        walk = _Walk(_exactly(read, extension.at, extension.header, name), name, 2)
        kind = walk.text(25, "DESID").strip()
        if kind in XML_DES and not is_beside(fields["ICAT"]):
            total += extension.data
            if extension.data > XML_BYTES or total > XML_TOTAL:
                raise LimitError(f"{name}: XML extensions of {total} bytes, more than {min(total, XML_TOTAL) - 1}")
            xml.append(_exactly(read, extension.at + extension.header, extension.data, name))
        elif kind in OVERFLOWS:
            owner = {index + 1: tres, None: file_tres}.get(_overflowing(walk, is_old=is_old))
            if owner is not None:
                data = _exactly(read, extension.at + extension.header, extension.data, name)
                owner += _iter_tres(data, name)
    return SensorFacts(
        size=shown,
        fields=MappingProxyType(fields),
        tres=tuple(tres),
        file_tres=tuple(file_tres),
        des_xml=tuple(xml),
        first_row=_first_row(read, name, images, index, is_old=is_old) if xml and index else 0,
    )


def _overflowing(walk: _Walk, *, is_old: bool) -> int | None:
    """Tell whose TREs an extension holds: the number of an image, from 1; None for the file header, 0 for others."""
    walk.at = 2 + 25 + 2 + 167
    if is_old and walk.data[2 + 25 + 2 + 161 :][:6] == DOWNGRADED:
        walk.at += 40
    where, item = walk.text(6, "DESOFLW").strip(), walk.number(3, "DESITEM")
    if where in FILE:
        return None
    return item if where in IMAGE else 0


def _first_row(read: ReadAt, name: str, images: list[_Part], index: int, *, is_old: bool) -> int:
    """Count the rows of a product above one of its segments."""
    segments = []
    for part in images:
        size, fields, _ = _image(_exactly(read, part.at, part.header, name), name, is_old=is_old)
        segments.append(ProductSegment(fields["IID1"], fields["ICAT"], size.height))
    return first_row(segments, index)


def _segments(
    read: ReadAt, name: str, size: int | None
) -> tuple[list[_Part], list[_Part], bool, list[tuple[str, bytes]]]:
    """Give where image and extension segments lie, whether the file is NITF 2.0, and its header's own TREs."""
    head = _exactly(read, 0, SHORTEST, name)
    if head[:9] not in VERSIONS:
        raise ItemError(f"{name}: not a NITF 2.1, NSIF 1.0 or NITF 2.0 file")
    is_old = head[:9] == b"NITF02.00"
    if is_old and head[280:286] == DOWNGRADED:
        head = _exactly(read, 0, SHORTEST + 40, name)
    told = streamed_header(read, name=name, size=size) or b""
    walk = _Walk(told or head, name, 354 + (40 if is_old and head[280:286] == DOWNGRADED else 0))
    end, begin = walk.number(6, "HL"), walk.at
    walk = _Walk(told + _exactly(read, 0, end, name)[len(told) :], name, begin)
    found: dict[str, list[_Part]] = {}
    for field, first, second in LENGTHS:
        parts = found[field] = []
        for _ in range(walk.number(3, field)):
            header, data = walk.number(first, field), walk.number(second, field)
            parts.append(_Part(end, header, data))
            end += header + data
    walk.take((4 + 7) * walk.number(3, "NUMRES"), "LRESH and LRE")
    tres: list[tuple[str, bytes]] = []
    for field in FILE:
        length = walk.number(5, f"{field}L")
        if length:
            tres += _iter_tres(walk.take(length, field)[3:], name)
    return found["NUMI"], found["NUMDES"], is_old, tres


def _image(head: bytes, name: str, *, is_old: bool) -> tuple[ImageSize, dict[str, str], list[tuple[str, bytes]]]:
    """Read an image subheader: size, fields, TREs."""
    walk = _Walk(head, name)
    if walk.take(2, "IM") != b"IM":
        raise ItemError(f"{name}: an image subheader must begin with IM, got {head[:2]!r}")
    fields = {"IID1": walk.text(10, "IID1").strip()}
    walk.at = 333 + (40 if is_old and head[284:290] == DOWNGRADED else 0)
    rows, cols = walk.number(8, "NROWS"), walk.number(8, "NCOLS")
    if not (rows and cols):
        raise ItemError(f"{name}: NROWS and NCOLS must be above 0, got {rows} and {cols}")
    walk.take(3 + 8, "PVTYPE and IREP")
    fields["ICAT"] = walk.text(8, "ICAT").strip()
    walk.take(2 + 1, "ABPP and PJUST")
    icords = walk.text(1, "ICORDS")
    if icords != " " and not (is_old and icords == "N"):
        fields |= {"ICORDS": icords, "IGEOLO": walk.text(60, "IGEOLO")}
    walk.take(80 * walk.number(1, "NICOM"), "ICOM")
    if walk.text(2, "IC") not in {"NC", "NM"}:
        walk.take(4, "COMRAT")
    bands = walk.number(1, "NBANDS")
    if not bands and not is_old:
        bands = walk.number(5, "XBANDS")
    for _ in range(bands):
        tables = walk.take(13, "IREPBAND to NLUTS")[12] - ord("0")
        if not 0 <= tables <= 4:
            raise ItemError(f"{name}: NLUTS must be 0 to 4, got {tables}")
        if tables:
            walk.take(tables * walk.number(5, "NELUT"), "LUTD")
    walk.take(1 + 1 + 4 + 4 + 4 + 4 + 2 + 3 + 3, "ISYNC to IALVL")
    walk.take(10 + 4, "ILOC and IMAG")
    tres: list[tuple[str, bytes]] = []
    for field in IMAGE:
        length = walk.number(5, f"{field}L")
        if length:
            data = walk.take(length, field)
            tres += _iter_tres(data[3:], name)
    return ImageSize(cols, rows), fields, tres


def _iter_tres(data: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    walk = _Walk(data, name)
    while walk.at < len(data):
        tag = walk.text(6, "CETAG").strip()
        yield tag, walk.take(walk.number(5, f"CEL of {tag}"), f"CEDATA of {tag}")


def _exactly(read: ReadAt, at: int, size: int, name: str) -> bytes:
    data = read(at, size)
    if len(data) < size:
        raise DecodeError(f"{name}: ends where {size} bytes of a header should be, at {at}")
    return data
