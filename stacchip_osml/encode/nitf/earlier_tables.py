"""The header tables of NITF 2.0 (MIL-STD-2500A), as layouts that drive a reader.

Names are that standard's; a field that NITF 2.1 has too, as wide, is judged by
its rules of today. Widths are those of tables I and II (file), III and IV
(image), VI and VII (symbol), IX and X (text), XI and XII (label) and of the
extension segments, as published with readers of the format: GDAL's nitflib,
sarpy's ``nitf_elements``, and the constants of imaging-nitf, which name the
tables; the real files of the tests have no byte left over. Notice 2 of the
standard puts ``FBKGC`` into the first three bytes of ``ONAME``; what they are is
decided where fields are mapped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stacchip_osml.encode.nitf.fields import BYTES, Field, counted
from stacchip_osml.encode.nitf.tables import (
    FIELDS,
    SXSHD_NAMES,
    TXSHD_NAMES,
    UDHD_NAMES,
    XHD_NAMES,
    image_storage,
    segment_lengths,
    tre_area,
)
from stacchip_osml.imagery.nitf.fields import LENGTHS

__all__ = [
    "EVENT",
    "EXTENSIONS",
    "LXSHD_NAMES",
    "SECURITY",
    "des_layout",
    "file_layout",
    "image_layout",
    "label_layout",
    "symbol_layout",
    "text_layout",
]

Values = Mapping[str, str]

CLAUSE = "MIL-STD-2500A"
EVENT = "999998"
"""Of ``…DWNG``: an event says when the classification falls, and 40 more characters follow."""
SECURITY = (("CODE", 40), ("CTLH", 40), ("REL", 40), ("CAUT", 20), ("CTLN", 20), ("DWNG", 6))
"""Security fields after ``…CLAS``, and their lengths."""
EXTENSIONS = frozenset({"Registered Extensions", "Controlled Extensions", "TRE_OVERFLOW"})
"""DESTAG of extensions that continue the TREs of a header."""
LXSHD_NAMES = ("LXSHDL", "LXSOFL", "LXSHD")


def _same(name: str, earlier: str | None = None) -> Field:
    """Take a field of NITF 2.1 that 2.0 has as wide, maybe by another name."""
    return replace(FIELDS[name], name=earlier or name, clause=CLAUSE)


def _text(name: str, length: int) -> Field:
    return Field(name, length, "ECS-A", blank=True, clause=CLAUSE)


def _security(prefix: str) -> tuple[Field, ...]:
    return (_same("FSCLAS", f"{prefix}SCLAS"), *(_text(f"{prefix}S{name}", length) for name, length in SECURITY))


def _event(prefix: str, values: Values) -> Iterator[Field]:
    if values[f"{prefix}SDWNG"] == EVENT:
        yield _text(f"{prefix}SDEVT", 40)


_FILE_HEAD = (
    *(_same(name) for name in ("FHDR",)),
    Field("FVER", 5, clause=CLAUSE),
    *(_same(name) for name in ("CLEVEL", "STYPE", "OSTAID")),
    _text("FDT", 14),
    _same("FTITLE"),
    *_security("F"),
)
_FILE_TAIL = (
    *(_same(name) for name in ("FSCOP", "FSCPYS", "ENCRYP")),
    Field("ONAME", 27, BYTES, clause=CLAUSE),
    *(_same(name) for name in ("OPHONE", "FL", "HL")),
)


def file_layout(values: Values) -> Iterator[Field]:
    """The file header (tables I and II)."""
    yield from _FILE_HEAD
    yield from _event("F", values)
    yield from _FILE_TAIL
    for count in LENGTHS:
        yield from segment_lengths(count, values)
    yield from tre_area(UDHD_NAMES, CLAUSE, values)
    yield from tre_area(XHD_NAMES, CLAUSE, values)


_IMAGE_HEAD = (
    _same("IM"),
    _same("IID1", "IID"),
    _text("IDATIM", 14),
    _same("TGTID"),
    _same("IID2", "ITITLE"),
    *_security("I"),
)
_IMAGE_MIDDLE = tuple(
    _same(name) for name in ("ENCRYP", "ISORCE", "NROWS", "NCOLS", "PVTYPE", "IREP", "ICAT", "ABPP", "PJUST")
)
_ICORDS, _IGEOLO = Field("ICORDS", 1, clause=CLAUSE), Field("IGEOLO", 60, clause=CLAUSE)


def image_layout(values: Values) -> Iterator[Field]:
    """An image subheader (tables III and IV)."""
    yield from _IMAGE_HEAD
    yield from _event("I", values)
    yield from _IMAGE_MIDDLE
    yield _ICORDS
    if values["ICORDS"] not in {"", "N"}:
        yield _IGEOLO
    yield from image_storage(values)


_SYMBOL_HEAD = (_same("SY"), _same("SID"), _same("SNAME"), *_security("S"))
_SYMBOL_TAIL = (
    _same("ENCRYP"),
    _text("STYPE", 1),
    *(_text(name, length) for name, length in (("NLIPS", 4), ("NPIXPL", 4), ("NWDTH", 4), ("SYNBPP", 1))),
    *(_same(name) for name in ("SDLVL", "SALVL", "SLOC")),
    _same("SLOC", "SLOC2"),
    *(_text(name, length) for name, length in (("SCOLOR", 1), ("SNUM", 6), ("SROT", 3))),
    Field("SNELUT", 3, "BCS-NPI", "0", clause=CLAUSE),
)


def symbol_layout(values: Values) -> Iterator[Field]:
    """A symbol subheader (tables VI and VII)."""
    yield from _SYMBOL_HEAD
    yield from _event("S", values)
    yield from _SYMBOL_TAIL
    entries = counted(values, "SNELUT")
    if entries:
        yield Field("DLUT", 3 * entries, BYTES, clause=CLAUSE)
    yield from tre_area(SXSHD_NAMES, CLAUSE, values)


_LABEL_HEAD = (_text("LA", 2), _text("LID", 10), *_security("L"))
_LABEL_TAIL = (
    _same("ENCRYP"),
    *(_text(name, length) for name, length in (("LFS", 1), ("LCW", 2), ("LCH", 2), ("LDLVL", 3), ("LALVL", 3))),
    _text("LLOC", 10),
    Field("LTC", 3, BYTES, clause=CLAUSE),
    Field("LBC", 3, BYTES, clause=CLAUSE),
)


def label_layout(values: Values) -> Iterator[Field]:
    """A label subheader (tables XI and XII)."""
    yield from _LABEL_HEAD
    yield from _event("L", values)
    yield from _LABEL_TAIL
    yield from tre_area(LXSHD_NAMES, CLAUSE, values)


_TEXT_HEAD = (_same("TE"), _text("TEXTID", 10), _text("TXTDT", 14), _same("TXTITL"), *_security("T"))
_TEXT_TAIL = (_same("ENCRYP"), _same("TXTFMT"))


def text_layout(values: Values) -> Iterator[Field]:
    """A text subheader (tables IX and X)."""
    yield from _TEXT_HEAD
    yield from _event("T", values)
    yield from _TEXT_TAIL
    yield from tre_area(TXSHD_NAMES, CLAUSE, values)


_DES_HEAD = (_same("DE"), _same("DESID", "DESTAG"), _same("DESVER"), *_security("DE"))
_DESSHL = Field("DESSHL", 4, "BCS-NPI", "0", clause=CLAUSE)


def des_layout(values: Values) -> Iterator[Field]:
    """The subheader of a data extension segment."""
    yield from _DES_HEAD
    yield from _event("DE", values)
    if values["DESTAG"] in EXTENSIONS:
        yield FIELDS["DESOFLW"]
        yield FIELDS["DESITEM"]
    yield _DESSHL
    if size := counted(values, "DESSHL"):
        yield Field("DESSHF", size, BYTES, clause=CLAUSE)
