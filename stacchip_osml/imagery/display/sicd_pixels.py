"""How a SICD file encodes its pixels: PixelType and AmpTable of the XML that it carries.

The XML lies in a data extension segment (DES) of the NITF file
(NGA.STND.0024-2; MIL-STD-2500C, tables A-1 and A-8).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import ReadAt
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.nitf.fields import EARLIER, LENGTHS, VERSIONS, FileHeader
from stacchip_osml.imagery.xml_trees import XML_BYTES, parse_xml

__all__ = ["SicdPixels", "parse_sicd_pixels", "read_sicd_xml"]

TABLE = 256
SICD = re.compile(rb"urn:SICD:[0-9.]+")
DES_FIXED = 200
"""DE to DESSHL: 2 + 25 + 2 + 167 + 4."""
READS = 1 << 20
"""Of headers; the file's length is what bounds them."""


@dataclass(frozen=True, slots=True)
class SicdPixels:
    """ImageData's encoding of pixels."""

    pixel_type: str
    """``RE32F_IM32F``, ``RE16I_IM16I`` or ``AMP8I_PHS8I``, as the file spells it."""
    amplitude_table: NDArray[np.float64] | None
    """``(256,)`` lengths, None where the file has no AmpTable."""


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
    if read(0, 9) not in {*VERSIONS} - {EARLIER}:
        return None
    ahead = ReadAhead(read, name=name, size=None, reads=READS)
    try:
        header = FileHeader(ahead)
        *_, extensions = (header.segments(count) for count in LENGTHS if count != "NUMRES")
    except NotServedError as reason:
        raise DecodeError(f"{name}: {reason}") from reason
    for part in extensions:
        head = ahead.exactly(part.subheader, part.data - part.subheader)
        field, size = head[2:27].strip(), part.end - part.data
        if field == b"SICD_XML" or (field == b"XML_DATA_CONTENT" and SICD.search(head, DES_FIXED)):
            if size > XML_BYTES:
                raise LimitError(f"{name}: SICD XML of {size} bytes, more than {XML_BYTES}")
            return ahead.exactly(part.data, size)
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
    root = parse_xml(xml, what=name, error=DecodeError)
    if not re.fullmatch(r"{urn:SICD:.*}SICD", root.tag):
        raise DecodeError(f"{name}: the XML is {root.tag[:80]!r}, not SICD's")
    pixel_type = root.findtext("{*}ImageData/{*}PixelType", "").strip()
    if not pixel_type:
        raise DecodeError(f"{name}: its SICD XML has no ImageData/PixelType")
    table = root.find("{*}ImageData/{*}AmpTable")
    return SicdPixels(pixel_type, None if table is None else _lengths(table.findall("{*}Amplitude"), name))


def _lengths(entries: list[Any], name: str) -> NDArray[np.float64]:
    """Give the lengths of an AmpTable, each index once."""
    if len(entries) > TABLE:
        raise DecodeError(f"{name}: its AmpTable has more than {TABLE} entries")
    try:
        found = {int(entry.get("index", "")): float(entry.text or "") for entry in entries}
    except ValueError as error:
        raise DecodeError(f"{name}: its AmpTable holds no numbers: {error}") from error
    if sorted(found) != list(range(TABLE)) or not all(map(math.isfinite, found.values())):
        raise DecodeError(f"{name}: an AmpTable has finite lengths for each index from 0 to {TABLE - 1}")
    return np.array([found[index] for index in range(TABLE)])
