"""Reading a NITF 2.1, NSIF 1.0 or NITF 2.0 file: all that a copy without loss takes.

Rules:

- values are kept as they stand, also those that the standard forbids
  (``fields.StoredText``). What cannot be kept is refused, by name: encryption, reserved
  extension segments;
- NITF 2.0 is read as the NITF 2.1 file that a copy of it is (``earlier``, ``earlier_frames``);
- a file written as a stream, its lengths at its end, is read as if it had them at
  its beginning;
- TREs of a header are one list: its areas and its ``TRE_OVERFLOW`` in order;
- pixels and image data stay in the file until they are asked for. Texts,
  graphics and data extensions are read, up to ``limits.block_bytes`` each;
- every length is checked against the file before memory is taken.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import cache
from typing import Any, BinaryIO, NamedTuple

from stacchip_osml.encode.nitf import earlier_tables
from stacchip_osml.encode.nitf.earlier import EarlierFile
from stacchip_osml.encode.nitf.fields import Layout, read_fields
from stacchip_osml.encode.nitf.file_bytes import HeldFile, open_bytes
from stacchip_osml.encode.nitf.joined import find_joined, join_images
from stacchip_osml.encode.nitf.read_parts import Looked, Part, list_parts, require_whole, told_in
from stacchip_osml.encode.nitf.records import (
    DataExtension,
    GraphicSegment,
    NitfFile,
    NitfImage,
    StoredPixels,
    TextSegment,
    Tre,
)
from stacchip_osml.encode.nitf.segment_image import SegmentImage
from stacchip_osml.encode.nitf.tables import (
    IXSHD_NAMES,
    SXSHD_NAMES,
    TXSHD_NAMES,
    UDHD_NAMES,
    UDID_NAMES,
    XHD_NAMES,
    des_layout,
    file_layout,
    graphic_layout,
    image_layout,
    text_layout,
)
from stacchip_osml.encode.nitf.tre_bytes import iter_tres
from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout
from stacchip_osml.imagery.blocks.read_ahead import ReadAhead
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import parse_nitf_segments
from stacchip_osml.imagery.nitf.fields import EARLIER, header_length_at, with_lengths
from stacchip_osml.pixel import ImageSize

__all__ = ["read_nitf", "reopened_segment"]

Fields = dict[str, str]
Overflows = dict[tuple[str, int], tuple[Tre, ...]]

VERSIONS: dict[bytes, Any] = {b"NITF02.10": "NITF02.10", b"NSIF01.00": "NSIF01.00", b"NITF02.00": "NITF02.10"}
"""First bytes of a file → the version that it is read as."""
SHORTEST = 388
STREAMED = "STREAMING_FILE_HEADER"
READS = 1 << 20
"""Of headers and segments; the file's length is what bounds them."""


class _Kind(NamedTuple):
    """How the subheaders of one kind of segment are read."""

    begins: str
    layout: Layout
    earlier: Layout
    """Of NITF 2.0."""


IMAGE = _Kind("IM", image_layout, earlier_tables.image_layout)
GRAPHIC = _Kind("SY", graphic_layout, earlier_tables.symbol_layout)
LABEL = _Kind("LA", earlier_tables.label_layout, earlier_tables.label_layout)
TEXT = _Kind("TE", text_layout, earlier_tables.text_layout)
EXTENSION = _Kind("DE", des_layout, earlier_tables.des_layout)
AREAS = {GRAPHIC: SXSHD_NAMES, LABEL: earlier_tables.LXSHD_NAMES, TEXT: TXSHD_NAMES}


def read_nitf(
    source: str | os.PathLike[str] | bytes | BinaryIO | Callable[[int, int], bytes],
    *,
    limits: ReadLimits | None = None,
    sign: Callable[[str], str] | None = None,
    looked: Looked | None = None,
) -> NitfFile:
    """Read a file.

    Args:
        source: a path or URL; bytes; an open binary file that can be sought; or a function ``(offset, size) -> bytes``
            that gives fewer bytes at the end of the file.
        limits: refused above these; None for the defaults.
        sign: turns a URL into what is really opened.
        looked: where given, segments that are damaged, encrypted or reserved, and TREs from a damaged one on, are left
            out and told here, for a look at the rest; None: they are an error.

    Returns:
        All fields, TREs and segments. Pixels are read from ``source`` when they are asked for, so it has to stay.

    Raises:
        DecodeError: not NITF 2.1 or NSIF 1.0, damaged, or with parts that a copy could not keep.
        LimitError: an image or another segment is larger than ``limits``.
        ReadError: the source cannot be read.
    """
    limits = ReadLimits() if limits is None else limits
    file = open_bytes(source, sign=sign)
    ahead = ReadAhead(file.read_at, name=file.name, size=file.size, reads=READS)
    earlier = EarlierFile(file.name) if ahead.upto(0, 9) == EARLIER else None
    header = _file_header(ahead, earlier, looked)
    parts = list_parts(header, name=file.name, size=file.size or 0, looked=looked)
    subheader = _Subheaders(ahead, earlier, looked)
    extensions, overflows = _extensions(subheader, parts["NUMDES"], limits)
    found = find_joined(file, len(parts["NUMI"])) if looked is None else ()
    how = _how(file, limits=limits, sign=sign, written=header["FDT"])
    is_first_alone = not any(0 in each.numbers for each in found)
    images = _images(file, subheader, parts["NUMI"], overflows, limits=limits, how=how, is_first_alone=is_first_alone)
    graphics = tuple(
        GraphicSegment(fields=fields, tres=tres, data=data)
        for fields, tres, data in _segments(subheader, parts["NUMS"], GRAPHIC, overflows=overflows, limits=limits)
    )
    texts = tuple(
        TextSegment(fields=fields, tres=tres, data=data)
        for kind, count in ((TEXT, "NUMT"), (LABEL, "NUML"))
        for fields, tres, data in _segments(subheader, parts[count], kind, overflows=overflows, limits=limits)
    )
    _reserved(subheader, parts["NUMRES"])
    tres = _tres(header, (UDHD_NAMES, XHD_NAMES), overflows, 0, file.name, looked=looked)
    if earlier is not None:
        from stacchip_osml.encode.nitf.earlier_frames import plain_frames

        images, tres = plain_frames(images, tres, earlier)
        note = earlier.note()
        texts += () if note is None else (note,)
    if overflows and looked is None:
        (name, item), *_ = overflows
        raise DecodeError(f"{file.name}: TRE_OVERFLOW of {name} of segment {item}, which it does not have")
    kept = {name: text for name, text in header.items() if not name.startswith(LENGTH_NAMES)}
    return NitfFile(
        version=VERSIONS[ahead.exactly(0, 9)],
        fields=kept,
        tres=tres,
        images=images,
        joined=join_images(file, found, images, limits=limits, how=how, reopened=reopened_joined),
        texts=texts,
        graphics=graphics,
        extensions=extensions,
    )


LENGTH_NAMES = ("LI", "LS", "LT", "LL", "LD", "ENCRYP", "NUM", "UDH", "XHD", "FHDR", "FVER", "STYPE")
"""Fields of the file header that are the writer's, by their beginnings."""


def _file_header(ahead: ReadAhead, earlier: EarlierFile | None, looked: Looked | None) -> Fields:
    head = ahead.upto(0, SHORTEST)
    if head[:9] not in VERSIONS:
        found = head[:9].decode("latin-1")
        raise DecodeError(f"{ahead.name}: not a NITF 2.1, NSIF 1.0 or NITF 2.0 file: it begins with {found!r}")
    told = with_lengths(ahead)
    length = told.upto(header_length_at(ahead), 6)
    if not length.isdigit() or int(length) < SHORTEST:
        if len(head) < SHORTEST:
            raise DecodeError(f"{ahead.name}: cut short: {len(head)} bytes, a NITF file header has {SHORTEST} or more")
        raise DecodeError(f"{ahead.name}: HL is {length!r}, not the length of a file header, {SHORTEST} or more")
    header = told.exactly(0, int(length))
    layout = file_layout if earlier is None else earlier_tables.file_layout
    fields, _ = read_fields(layout, header, where=f"{ahead.name}: file header")
    with told_in(looked):
        _require_plain(fields, f"{ahead.name}: file header")
    return fields if earlier is None else earlier.file(fields)


def _require_plain(fields: Mapping[str, str], where: str) -> None:
    if fields["ENCRYP"] != "0":
        raise DecodeError(f"{where}: ENCRYP is {fields['ENCRYP']!r}: encrypted, or not what it should be")


def _data(ahead: ReadAhead, part: Part, limits: ReadLimits) -> bytes:
    if part.data > limits.block_bytes:
        raise LimitError(f"{part.where}: {part.data} bytes, more than {limits.block_bytes}")
    return ahead.exactly(part.at + part.header, part.data, ahead=0)


class _Subheaders:
    """The subheaders of one file, with the names of today."""

    def __init__(self, ahead: ReadAhead, earlier: EarlierFile | None, looked: Looked | None) -> None:
        self.ahead, self.looked, self.is_earlier = ahead, looked, earlier is not None
        self._map: dict[_Kind, Callable[[Fields, int], Fields]] = {}
        if earlier is not None:
            self._map = {
                IMAGE: earlier.image,
                GRAPHIC: earlier.symbol,
                LABEL: earlier.label,
                TEXT: earlier.text,
                EXTENSION: earlier.extension,
            }

    def read(self, part: Part, kind: _Kind, into: Fields) -> Fields:
        """Read one; ``into`` is filled as far as it can be read."""
        head = self.ahead.exactly(part.at, part.header)
        if head[:2] != kind.begins.encode():
            raise DecodeError(f"{part.where}: no subheader at byte {part.at}: it begins with {head[:2]!r}")
        mapped = self._map.get(kind)
        fields, _ = read_fields(kind.layout if mapped is None else kind.earlier, head, where=part.where, into=into)
        return fields if mapped is None else mapped(fields, part.number)


def _extensions(
    subheader: _Subheaders, parts: list[Part], limits: ReadLimits
) -> tuple[tuple[DataExtension, ...], Overflows]:
    """Read data extensions; overflowed TREs apart from the others, by the area that they continue."""
    extensions, overflows = [], Overflows()
    for part in parts:
        with told_in(subheader.looked, part) as seen:
            fields = subheader.read(part, EXTENSION, seen)
            require_whole(part)
            data = _data(subheader.ahead, part, limits)
            header = fields.pop("DESSHF", "").encode("latin-1")
            if fields["DESID"] == STREAMED:
                continue  # it says the lengths of this file; a copy has its own, in its header
            if fields["DESID"] != "TRE_OVERFLOW":
                kept = {name: text for name, text in fields.items() if name not in {"DE", "DESSHL"}}
                extensions.append(DataExtension(fields=kept, user_header=header, data=data))
                continue
            item = fields["DESITEM"]
            if not item.isdigit():
                raise DecodeError(f"{part.where}: DESITEM is {item!r}")
            key = fields["DESOFLW"], int(item)
            overflows[key] = (*overflows.get(key, ()), *iter_tres(data, where=part.where))
    return tuple(extensions), overflows


def _tres(
    fields: Fields,
    areas: tuple[tuple[str, str, str], ...],
    overflows: Overflows,
    item: int,
    where: str,
    *,
    looked: Looked | None,
) -> tuple[Tre, ...]:
    """Take the TREs of a header out of its fields."""
    tres: list[Tre] = []
    for length, overflow, data in areas:
        area, more = fields.pop(data, "").encode("latin-1"), overflows.pop((data, item), ())
        fields.pop(length), fields.pop(overflow, None)
        with told_in(looked):
            for tre in iter_tres(area, where=where):
                tres.append(tre)  # noqa: PERF402 - those before a damaged one are kept
        tres += more
    return tuple(tres)


def _segments(
    subheader: _Subheaders, parts: list[Part], kind: _Kind, *, overflows: Overflows, limits: ReadLimits
) -> Iterator[tuple[Fields, tuple[Tre, ...], bytes]]:
    """Read graphics, texts or labels."""
    for part in parts:
        with told_in(subheader.looked, part) as seen:
            fields = subheader.read(part, kind, seen)
            _require_plain(fields, part.where)
            require_whole(part)
            tres = _tres(fields, (AREAS[kind],), overflows, part.number, part.where, looked=subheader.looked)
            kept = {name: text for name, text in fields.items() if name not in {"SY", "TE", "LA", "ENCRYP"}}
            yield kept, tres, _data(subheader.ahead, part, limits)


def _reserved(subheader: _Subheaders, parts: list[Part]) -> None:
    """Leave reserved extension segments out of a look; a copy could not keep them."""
    layout = EXTENSION.earlier if subheader.is_earlier else EXTENSION.layout  # theirs, of other names
    for part in parts:
        with told_in(subheader.looked, part) as seen:
            fields: Fields = {}
            with suppress(DecodeError):
                read_fields(layout, subheader.ahead.exactly(part.at, part.header), where=part.where, into=fields)
            seen |= {f"R{name[1:]}": text for name, text in fields.items() if name != "DESSHF"}
            raise DecodeError(f"{part.where}: not served: what it holds is reserved by the standard")


def _how(file: Any, *, limits: ReadLimits, sign: Callable[[str], str] | None, written: str) -> dict[str, Any]:
    """Give what the images of segments are made with."""

    @cache
    def layouts() -> tuple[ImageLayout, ...]:
        return parse_nitf_segments(file.read_at, name=file.name, limits=limits, size=file.size)

    @cache
    def record() -> NitfFile:
        return read_nitf(file.read_at, limits=limits)

    how: dict[str, Any] = {"limits": limits, "sign": sign, "written": written}
    return how | {"layouts": layouts, "record": record, "reopened": reopened_segment}


def _images(
    file: Any,
    subheader: _Subheaders,
    parts: list[Part],
    overflows: Overflows,
    *,
    limits: ReadLimits,
    how: dict[str, Any],
    is_first_alone: bool,
) -> tuple[NitfImage, ...]:
    images = []
    for number, part in enumerate(parts):
        with told_in(subheader.looked, part) as seen:
            fields = subheader.read(part, IMAGE, seen)
            _require_plain(fields, part.where)
            require_whole(part)
            tres = _tres(fields, (UDID_NAMES, IXSHD_NAMES), overflows, number + 1, part.where, looked=subheader.looked)
            _require_size(fields, part.where, limits)
            kept = {name: text for name, text in fields.items() if name not in {"IM", "ENCRYP"}}
            pixels: BlockImage
            if number or isinstance(file, HeldFile) or not is_first_alone:
                pixels = SegmentImage(file, kept, number, **how)
            else:
                pixels = BlockImage(file.location, limits=limits, sign=how["sign"])
            stored = StoredPixels(
                provider=pixels,
                fields=kept,
                read=file.read_at,
                check=file.check,
                offset=part.at + part.header,
                size=part.data,
            )
            images.append(NitfImage(pixels=pixels, fields=kept, tres=tres, stored=stored))
    return tuple(images)


NUMBERS = ("NROWS", "NCOLS", "NBPP", "ABPP", "NBPR", "NBPC", "NPPBH", "NPPBV")


def _require_size(fields: Fields, where: str, limits: ReadLimits) -> None:
    """Refuse sizes that are none, or too large."""
    for name in NUMBERS:
        if not (fields[name].isascii() and fields[name].isdigit()):
            raise DecodeError(f"{where}: {name} is {fields[name]!r}, not a number")
    size = ImageSize(int(fields["NCOLS"]), int(fields["NROWS"]))
    bands = int(fields["NBANDS"]) or int(fields["XBANDS"])
    if not (size.width and size.height and bands):
        raise DecodeError(f"{where}: {size.width} x {size.height} pixels and {bands} bands")
    limits.require_image(where, size, bands)


def reopened_segment(location: str, number: int, limits: ReadLimits, sign: Callable[[str], str] | None) -> Any:
    """Give the pixels of one segment of a file, in another process."""
    return read_nitf(location, limits=limits, sign=sign).images[number].pixels


def reopened_joined(location: str, number: int, limits: ReadLimits, sign: Callable[[str], str] | None) -> Any:
    """Give the pixels of an image of several segments, in another process."""
    return read_nitf(location, limits=limits, sign=sign).joined[number].pixels
