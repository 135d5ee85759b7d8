"""The fields of a NITF file that say where its segments are, and of its images how they are stored.

MIL-STD-2500C tables A-1 and A-3 (NITF 2.1, NSIF 1.0), MIL-STD-2500A (NITF
2.0), by their names. The fields have fixed widths, so they are walked over, as
far as is asked for, and nothing else is looked at: tagged extensions, which can
be many, cost nothing, and damage behind what is asked for does not matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from struct import Struct
from typing import NamedTuple, TypeVar

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import ReadAt
from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.streaming import streamed_header
from stacchip_osml.pixel import ImageSize

__all__ = [
    "DOWNGRADED",
    "EARLIER",
    "LENGTHS",
    "VERSIONS",
    "Fields",
    "FileHeader",
    "ImageFields",
    "Segment",
    "Subheader",
    "Tables",
    "header_length_at",
    "iter_tagged",
    "of_first_image",
    "read_segments",
    "read_subheader",
    "with_lengths",
]

T = TypeVar("T")

EARLIER = b"NITF02.00"
VERSIONS = (b"NITF02.10", b"NSIF01.00", EARLIER)
DOWNGRADED = b"999998"
"""FSDWNG, ISDWNG: an event, in 40 more characters, says when the classification falls (2.0 only)."""
UNCOMPRESSED = frozenset({"NC", "NM"})
LENGTHS = {
    "NUMI": ("LISH", 6, "LI", 10),
    "NUMS": ("LSSH", 4, "LS", 6),
    "NUML": ("LLSH", 4, "LL", 3),
    "NUMT": ("LTSH", 4, "LT", 5),
    "NUMDES": ("LDSH", 4, "LD", 9),
    "NUMRES": ("LRESH", 4, "LRE", 7),
}
"""Counts of segments in the order of the file, and the lengths of their subheaders and data, with their digits. Labels
(NUML) are of NITF 2.0; files of today have a count of none in their place (NUMX)."""
SHOWN = Struct("8s8s3s8s8s2sxc")
"""NROWS, NCOLS, PVTYPE, IREP, ICAT, ABPP, ICORDS."""
BLOCKS = Struct("xc4s4s4s4s2s")
"""IMODE, NBPR, NBPC, NPPBH, NPPBV, NBPP."""


class Segment(NamedTuple):
    """Where one segment lies."""

    number: int
    """Of its kind, from 0 on."""
    version: bytes
    subheader: int
    """First byte of the subheader."""
    data: int
    """First byte of the data, and the end of the subheader."""
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


class Fields:
    """Fields of fixed width, one after the other."""

    def __init__(self, ahead: ReadAhead, at: int) -> None:
        """Begin at a byte."""
        self.ahead = ahead
        self.at = at

    def skip(self, width: int) -> None:
        """Step over some."""
        self.at += width

    def take(self, width: int) -> bytes:
        """Read one, or several together; a DecodeError where the file ends before."""
        field = self.ahead.exactly(self.at, width)
        self.at += width
        return field

    def text(self, width: int) -> str:
        """Read one without its padding."""
        return _text(self.take(width))

    def number(self, width: int, name: str) -> int:
        """Read one of digits; a NotServedError where it has others."""
        return _number(self.take(width), name)


def _text(field: bytes) -> str:
    return field.decode("latin-1").strip()


def _number(field: bytes, name: str) -> int:
    if not field.isdigit():
        raise NotServedError(f"{name} must be digits, and is {field.decode('latin-1')!r}")
    return int(field)


class FileHeader(Fields):
    """A file header from NUMI on.

    Raises:
        DecodeError: not a NITF file, or one that ends within its header.
        NotServedError: HL, a count or another length is not a number.
    """

    def __init__(self, ahead: ReadAhead) -> None:
        """Read HL."""
        self.version = ahead.upto(0, 9)
        if self.version not in VERSIONS:
            raise DecodeError(f"{ahead.name}: not a NITF 2.1, NSIF 1.0 or NITF 2.0 file")
        super().__init__(with_lengths(ahead), header_length_at(ahead))
        self.length = self._end = self.number(6, "HL")

    def segments(self, count: str) -> list[Segment]:
        """List the segments of the kind that is next, a key of ``LENGTHS``."""
        found, (header, header_digits, data, data_digits) = [], LENGTHS[count]
        for number in range(self.number(3, count)):
            begin, middle = self._end, self._end + self.number(header_digits, header)
            self._end = middle + self.number(data_digits, data)
            found.append(Segment(number, self.version, begin, middle, self._end))
        return found


def header_length_at(ahead: ReadAhead) -> int:
    """Give where HL stands, six digits."""
    return 394 if ahead.upto(0, 9) == EARLIER and ahead.upto(280, 6) == DOWNGRADED else 354


def with_lengths(ahead: ReadAhead) -> ReadAhead:
    """Give where the file header is read from: of a file written as a stream, the header at its end."""
    told = streamed_header(ahead.upto, name=ahead.name, size=ahead.size)
    if told is None:
        return ahead
    if told[354:360].isdigit():
        told += ahead.upto(len(told), max(int(told[354:360]) - len(told), 0))
    return ReadAhead(lambda at, size: told[at : at + size], name=ahead.name, size=len(told), reads=len(told))


class ImageFields(Fields):
    """An image subheader from its bands on, and what stands before them.

    Raises:
        DecodeError: there is none, or one of an image without pixels.
        NotServedError: a count is no number.
    """

    def __init__(self, ahead: ReadAhead, segment: Segment) -> None:
        """Read as far as NBANDS or XBANDS."""
        at, is_old = segment.subheader, segment.version == EARLIER
        if ahead.exactly(at, 2) != b"IM":
            raise DecodeError(f"{ahead.name}: no image subheader at {at}")
        super().__init__(ahead, at + (373 if is_old and ahead.exactly(at + 284, 6) == DOWNGRADED else 333))
        rows, cols, pvtype, irep, icat, abpp, icords = SHOWN.unpack(self.take(SHOWN.size))
        height, width = _number(rows, "NROWS"), _number(cols, "NCOLS")
        self.size = ImageSize(width, height)
        self.pvtype, self.irep, self.icat, self.abpp = _text(pvtype), _text(irep), _text(icat), _text(abpp)
        self.icords = "" if is_old and icords == b"N" else _text(icords)
        self.igeolo = self.take(60) if self.icords else b""
        self.skip(80 * self.number(1, "NICOM"))
        self.ic = self.text(2)
        self.skip(0 if self.ic in UNCOMPRESSED else 4)
        self.bands = self.number(1, "NBANDS")
        if not self.bands and not is_old:
            self.bands = self.number(5, "XBANDS")
        if not (width and height and self.bands):
            raise DecodeError(f"{ahead.name}: an image of {width} x {height} pixels and {self.bands} bands")

    def read_bands(self) -> tuple[tuple[str, ...], tuple[Tables, ...]]:
        """Read IREPBANDn, and where the look-up tables of each band are."""
        irepbands, tables = [], []
        for _ in range(self.bands):
            band = self.take(13)
            irepbands.append(_text(band[:2]))
            luts = band[12] - ord("0")
            if not 0 <= luts <= 4:
                raise NotServedError(f"{luts} look-up tables")
            entries = self.number(5, "NELUT") if luts else 0
            tables.append(Tables(luts, entries, self.at))
            self.skip(luts * entries)
        return tuple(irepbands), tuple(tables)


def iter_tagged(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Take tagged extensions (TREs) of an area apart: tags and data.

    Raises:
        NotServedError: a length is no number, or leaves the area.
    """
    at = 0
    while at < len(data):
        tag, digits = data[at : at + 6].decode("latin-1").rstrip(" "), data[at + 6 : at + 11].decode("latin-1")
        if len(digits) < 5 or not digits.isdecimal():
            what = f"CEL of {tag} must be five digits, and is {digits!r}"
            raise NotServedError(f"{what}: no TRE at byte {at} of its extensions")
        begin, at = at + 11, at + 11 + int(digits)
        if at > len(data):
            raise NotServedError(f"{tag!r} of {int(digits)} bytes leaves its area of {len(data)} bytes")
        yield tag, data[begin:at]


def read_segments(ahead: ReadAhead) -> list[Segment]:
    """List the image segments of a file.

    Raises:
        DecodeError: not a NITF file, or one without images.
        NotServedError: its lengths are not numbers.
    """
    segments = FileHeader(ahead).segments("NUMI")
    if not segments:
        raise DecodeError(f"{ahead.name}: holds no image")
    return segments


def read_subheader(ahead: ReadAhead, segment: Segment, limits: ReadLimits) -> Subheader:
    """Read one image subheader.

    Raises:
        DecodeError: there is none.
        LimitError: the image is larger than ``limits``.
        NotServedError: a field is not what it should be.
    """
    image = ImageFields(ahead, segment)
    width, height = image.size
    try:
        limits.require_image(ahead.name, image.size, image.bands)
    except LimitError:
        if segment.number:  # what is refused is an image, not the file that it is in
            raise NotServedError("it is larger than the limits") from None
        raise
    irepbands, tables = image.read_bands()
    imode, *counts = BLOCKS.unpack(image.take(BLOCKS.size))
    across, down, cols, rows, bits = map(_number, counts, ("NBPR", "NBPC", "NPPBH", "NPPBV", "NBPP"))
    if image.at > segment.data:
        raise NotServedError("its subheader is shorter than its fields")
    # 0 where one block is longer than four digits can say (MIL-STD-2500C 5.4.2.2).
    cols, rows = cols or (width if across == 1 else 0), rows or (height if down == 1 else 0)
    if across * cols < width or down * rows < height:
        raise NotServedError(f"{across} x {down} blocks of {cols} x {rows} do not cover {width} x {height} pixels")
    return Subheader(
        size=image.size,
        pvtype=image.pvtype,
        ic=image.ic,
        bands=image.bands,
        imode=_text(imode),
        grid=(down, across),
        block_shape=(rows, cols),
        bits=bits,
        irep=image.irep,
        abpp=image.abpp,
        irepbands=irepbands,
        tables=tables,
    )


def of_first_image(
    read: ReadAt,
    find: Callable[[ReadAhead, Segment, Subheader], T],
    *,
    name: str,
    limits: ReadLimits,
    size: int | None,
) -> T | None:
    """Find something of a file's first image, the one that GDAL opens; None where its bytes are no such image.

    Args:
        read: gives the file's bytes.
        find: what is looked for, by the subheader.
        name: of the file, for messages.
        limits: refused above these.
        size: of the file in bytes, where known.

    Raises:
        ReadError: as ``read``, but for what the bytes are: of those GDAL is the judge.
    """
    ahead = ReadAhead(read, name=name, size=size, reads=READS)
    try:
        segment = read_segments(ahead)[0]
        return find(ahead, segment, read_subheader(ahead, segment, limits))
    except (DecodeError, LimitError, NotServedError):
        return None
