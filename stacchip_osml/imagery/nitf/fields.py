"""The fields of a NITF file that say where its images are and how they are stored.

MIL-STD-2500C tables A-1 and A-3 (NITF 2.1, NSIF 1.0), MIL-STD-2500A (NITF
2.0), by their names. The fields have fixed widths, so they are walked over and
nothing else is looked at: tagged extensions, which can be many, cost nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.read_ahead import NotServedError, ReadAhead
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.streaming import streamed_header
from stacchip_osml.pixel import ImageSize

__all__ = ["Segment", "Subheader", "Tables", "read_segments", "read_subheader"]

VERSIONS = (b"NITF02.10", b"NSIF01.00", b"NITF02.00")
DOWNGRADED = b"999998"
"""FSDWNG, ISDWNG: an event, in 40 more characters, says when the classification falls (2.0 only)."""
UNCOMPRESSED = frozenset({"NC", "NM"})


class Segment(NamedTuple):
    """Where one image segment lies."""

    number: int
    version: bytes
    subheader: int
    """First byte of the subheader."""
    data: int
    """First byte of the image data, and the end of the subheader."""
    end: int


class Tables(NamedTuple):
    """Look-up tables of a band."""

    number: int
    """NLUTSn."""
    entries: int
    """NELUTn."""
    start: int
    """First byte of LUTDn1; the others follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subheader:
    """What an image subheader says of storage."""

    size: ImageSize
    """NCOLS, NROWS."""
    pvtype: str
    ic: str
    bands: int
    """NBANDS or XBANDS."""
    imode: str
    grid: tuple[int, int]
    """(NBPC, NBPR): rows and columns of blocks."""
    block_shape: tuple[int, int]
    """(NPPBV, NPPBH), 0 replaced by the whole image."""
    bits: int
    """NBPP."""
    irep: str
    abpp: str
    irepbands: tuple[str, ...]
    """IREPBANDn."""
    tables: tuple[Tables, ...]
    """Of each band."""


class _Fields:
    """Fields of fixed width, one after the other."""

    def __init__(self, ahead: ReadAhead, at: int) -> None:
        self._ahead = ahead
        self.at = at

    def skip(self, width: int) -> None:
        self.at += width

    def take(self, width: int) -> bytes:
        field = self._ahead.exactly(self.at, width)
        self.at += width
        return field

    def text(self, width: int) -> str:
        return self.take(width).decode("latin-1").strip()

    def number(self, width: int, name: str) -> int:
        field = self.take(width)
        if not field.isdigit():
            raise NotServedError(f"{name} is {field.decode('latin-1')!r}, not a number")
        return int(field)


def read_segments(ahead: ReadAhead) -> list[Segment]:
    """List the image segments of a file.

    Raises:
        DecodeError: not a NITF file, or one without images.
        NotServedError: its lengths are not numbers.
    """
    version = ahead.upto(0, 9)
    if version not in VERSIONS:
        raise DecodeError(f"{ahead.name}: not a NITF 2.1, NSIF 1.0 or NITF 2.0 file")
    fields = _Fields(_with_lengths(ahead), 354)
    if version == b"NITF02.00" and ahead.exactly(280, 6) == DOWNGRADED:
        fields.skip(40)
    at, count = fields.number(6, "HL"), fields.number(3, "NUMI")
    if not count:
        raise DecodeError(f"{ahead.name}: holds no image")
    lengths = [(fields.number(6, "LISH"), fields.number(10, "LI")) for _ in range(count)]
    segments = []
    for number, (header, data) in enumerate(lengths):
        segments.append(Segment(number, version, at, at + header, at + header + data))
        at += header + data
    return segments


def _with_lengths(ahead: ReadAhead) -> ReadAhead:
    """Give where the file header is read from: of a file written as a stream, the header at its end."""
    header = streamed_header(ahead.upto, name=ahead.name, size=ahead.size)
    if header is None:
        return ahead
    return ReadAhead(
        lambda offset, size: header[offset : offset + size], name=ahead.name, size=len(header), reads=len(header)
    )


def read_subheader(ahead: ReadAhead, segment: Segment, limits: ReadLimits) -> Subheader:
    """Read one image subheader.

    Raises:
        DecodeError: there is none.
        LimitError: the image is larger than ``limits``.
        NotServedError: a field is not what it should be.
    """
    fields = _Fields(ahead, segment.subheader)
    if fields.take(2) != b"IM":
        raise DecodeError(f"{ahead.name}: no image subheader at {segment.subheader}")
    is_old = segment.version == b"NITF02.00"
    fields.at = segment.subheader + 333
    if is_old and ahead.exactly(segment.subheader + 284, 6) == DOWNGRADED:
        fields.skip(40)
    height, width = fields.number(8, "NROWS"), fields.number(8, "NCOLS")
    pvtype = fields.text(3)
    irep = fields.text(8)
    fields.skip(8)
    abpp = fields.text(2)
    fields.skip(1)
    located = fields.text(1) not in ({"", "N"} if is_old else {""})
    fields.skip(60 if located else 0)
    fields.skip(80 * fields.number(1, "NICOM"))
    ic = fields.text(2)
    fields.skip(0 if ic in UNCOMPRESSED else 4)
    bands = fields.number(1, "NBANDS")
    if not bands and not is_old:
        bands = fields.number(5, "XBANDS")
    if not (width and height and bands):
        raise DecodeError(f"{ahead.name}: an image of {width} x {height} pixels and {bands} bands")
    try:
        limits.require_image(ahead.name, ImageSize(width, height), bands)
    except LimitError:
        if segment.number:  # what is refused is an image, not the file that it is in
            raise NotServedError("it is larger than the limits") from None
        raise
    irepbands, tables = [], []
    for _ in range(bands):
        band = fields.take(13)
        irepbands.append(band[:2].decode("latin-1").strip())
        count = band[12] - ord("0")
        if not 0 <= count <= 4:
            raise NotServedError(f"{count} look-up tables")
        entries = fields.number(5, "NELUT") if count else 0
        tables.append(Tables(count, entries, fields.at))
        fields.skip(count * entries)
    fields.skip(1)
    imode = fields.text(1)
    across, down = fields.number(4, "NBPR"), fields.number(4, "NBPC")
    cols, rows = fields.number(4, "NPPBH"), fields.number(4, "NPPBV")
    bits = fields.number(2, "NBPP")
    if fields.at > segment.data:
        raise NotServedError("its subheader is shorter than its fields")
    # 0 where one block is longer than four digits can say (MIL-STD-2500C 5.4.2.2).
    cols, rows = cols or (width if across == 1 else 0), rows or (height if down == 1 else 0)
    if across * cols < width or down * rows < height:
        raise NotServedError(f"{across} x {down} blocks of {cols} x {rows} do not cover {width} x {height} pixels")
    return Subheader(
        size=ImageSize(width, height),
        pvtype=pvtype,
        ic=ic,
        bands=bands,
        imode=imode,
        grid=(down, across),
        block_shape=(rows, cols),
        bits=bits,
        irep=irep,
        abpp=abpp,
        irepbands=tuple(irepbands),
        tables=tuple(tables),
    )
