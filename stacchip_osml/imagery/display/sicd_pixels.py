"""How a SICD file encodes its pixels: PixelType and AmpTable of the XML that it carries.

The XML lies in a data extension segment (DES) of the NITF file
(NGA.STND.0024-2; MIL-STD-2500C, tables A-1 and A-8). It comes with the image
from anywhere, so document types and entities are refused, and size and depth
are bounded before anything is parsed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from xml.parsers import expat

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import ReadAt

__all__ = ["SicdPixels", "parse_sicd_pixels", "read_sicd_xml"]

XML_BYTES = 1 << 24
"""Largest SICD XML that is taken on: real ones have some 100 kB."""
DEPTH = 64
"""Deepest nesting; SICD has 9."""
TABLE = 256
SICD = re.compile(rb"urn:SICD:[0-9.]+")
DES_FIXED = 200
"""DE to DESSHL: 2 + 25 + 2 + 167 + 4."""
HL_AT = 354
LENGTHS = (("NUMI", 6, 10), ("NUMS", 4, 6), ("NUMX", 0, 0), ("NUMT", 4, 5), ("NUMDES", 4, 9))
"""Count of segments, and digits of the length of each one's subheader and data; NUMX is reserved and 0."""


@dataclass(frozen=True, slots=True)
class SicdPixels:
    """ImageData's encoding of pixels."""

    pixel_type: str
    """``RE32F_IM32F``, ``RE16I_IM16I`` or ``AMP8I_PHS8I``, as the file spells it."""
    amplitude_table: NDArray[np.float64] | None
    """``(256,)`` lengths, None where the file has no AmpTable."""


class _Part(NamedTuple):
    at: int
    header: int
    data: int


def read_sicd_xml(read: ReadAt, *, name: str) -> bytes | None:
    """Read the SICD XML of a NITF 2.1 or NSIF 1.0 file.

    Args:
        read: the file.
        name: of the file, for messages.

    Returns:
        The first DES that is SICD's, as it lies in the file; None where there is none, or it is another file.

    Raises:
        DecodeError: the header is damaged, or the file ends before the DES does.
        LimitError: the XML is larger than any SICD.
    """
    if read(0, 9) not in {b"NITF02.10", b"NSIF01.00"}:
        return None
    for part in _iter_extensions(read, name):
        head = _exactly(read, part.at, part.header, name)
        field = head[2:27].strip()
        is_sicd = field in {b"XML_DATA_CONTENT", b"SICD_XML"} and (
            SICD.search(head, DES_FIXED) is not None or field == b"SICD_XML"
        )
        if is_sicd:
            if part.data > XML_BYTES:
                raise LimitError(f"{name}: SICD XML of {part.data} bytes, more than {XML_BYTES}")
            return _exactly(read, part.at + part.header, part.data, name)
    return None


def parse_sicd_pixels(xml: bytes, *, name: str) -> SicdPixels:
    """Find PixelType and AmpTable in SICD XML.

    Args:
        xml: the whole document.
        name: of the file, for messages.

    Raises:
        DecodeError: no XML, not SICD's, with a document type or an entity, too deep; no PixelType; an AmpTable that has
            not each index from 0 to 255 once.
        LimitError: larger than any SICD.
    """
    if len(xml) > XML_BYTES:
        raise LimitError(f"{name}: SICD XML of {len(xml)} bytes, more than {XML_BYTES}")
    reader = _Reader(name)
    try:
        reader.parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise DecodeError(f"{name}: its SICD XML does not parse: {error}") from error
    if not reader.pixel_type:
        raise DecodeError(f"{name}: its SICD XML has no ImageData/PixelType")
    return SicdPixels(reader.pixel_type, reader.table())


class _Reader:
    """Takes two elements out of a stream of XML."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.pixel_type = ""
        self._path: list[str] = []
        self._text: list[str] = []
        self._index = ""
        self._entries: list[tuple[str, str]] = []
        self._has_table = False
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text.append

    def _refuse(self, *_: object) -> None:
        raise DecodeError(f"{self.name}: its SICD XML has a document type; those are refused")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        space, _, local = tag.rpartition(" ")
        if not self._path and (local != "SICD" or not space.startswith("urn:SICD:")):
            raise DecodeError(f"{self.name}: the XML is {tag[:80]!r}, not SICD's")
        self._path.append(local)
        if len(self._path) > DEPTH:
            raise DecodeError(f"{self.name}: its SICD XML is nested deeper than {DEPTH}")
        self._text.clear()
        if self._path[1:] == ["ImageData", "AmpTable"]:
            self._has_table = True
        if self._path[1:] == ["ImageData", "AmpTable", "Amplitude"]:
            self._index = attributes.get("index", "")

    def _end(self, _: str) -> None:
        text = "".join(self._text).strip()
        place = self._path[1:]
        if place == ["ImageData", "PixelType"]:
            self.pixel_type = text
        elif place == ["ImageData", "AmpTable", "Amplitude"]:
            self._entries.append((self._index, text))
            if len(self._entries) > TABLE:
                raise DecodeError(f"{self.name}: its AmpTable has more than {TABLE} entries")
        self._text.clear()
        self._path.pop()

    def table(self) -> NDArray[np.float64] | None:
        """Give the table, each index once."""
        if not self._has_table:
            return None
        try:
            found = {int(index): float(text) for index, text in self._entries}
        except ValueError as error:
            raise DecodeError(f"{self.name}: its AmpTable holds no numbers: {error}") from error
        if sorted(found) != list(range(TABLE)) or not all(map(math.isfinite, found.values())):
            raise DecodeError(f"{self.name}: an AmpTable has finite lengths for each index from 0 to {TABLE - 1}")
        return np.array([found[index] for index in range(TABLE)])


def _iter_extensions(read: ReadAt, name: str) -> Iterator[_Part]:
    """Yield where each DES lies: all other segments come before, in the order of the file header."""
    end = _number(_exactly(read, HL_AT, 6, name), 0, 6, "HL", name)
    head = _exactly(read, 0, end, name)
    at = HL_AT + 6
    for field, first, second in LENGTHS:
        count = _number(head, at, 3, field, name)
        at += 3
        for _ in range(count):
            header = _number(head, at, first, field, name)
            data = _number(head, at + first, second, field, name)
            at += first + second
            if field == "NUMDES":
                if header < DES_FIXED:
                    raise DecodeError(f"{name}: a DES subheader of {header} bytes")
                yield _Part(end, header, data)
            end += header + data


def _number(head: bytes, at: int, width: int, field: str, name: str) -> int:
    text = head[at : at + width]
    if not width:
        return 0
    if len(text) < width or not text.isdigit():
        raise DecodeError(f"{name}: a number under {field} is {text.decode('latin-1')!r}")
    return int(text)


def _exactly(read: ReadAt, at: int, size: int, name: str) -> bytes:
    data = read(at, size)
    if len(data) < size:
        raise DecodeError(f"{name}: ends where {size} bytes should be, at {at}")
    return data
