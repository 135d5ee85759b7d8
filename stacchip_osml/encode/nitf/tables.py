"""The header tables of NITF 2.1 and NSIF 1.0, as layouts that drive writer and reader.

MIL-STD-2500C appendix A, which JBP-2025.1 chapter 5 follows. Names are the
standard's; what is repeated has a number without leading zeros: ``LISH1``,
``ICOM1``, ``IREPBAND1``, ``LUTD12`` (band 1, table 2). TREs are one field of
bytes here; ``tre_bytes`` takes them apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from stacchip_osml.encode.nitf.fields import (
    BYTES,
    Field,
    NotNumberError,
    Rule,
    between,
    counted,
    numbered,
    of_calendar,
    one_of,
    pattern,
)
from stacchip_osml.imagery.nitf.fields import LENGTHS

__all__ = [
    "FIELDS",
    "FILE_FIELDS",
    "IXSHD_NAMES",
    "SECURITY",
    "SXSHD_NAMES",
    "TXSHD_NAMES",
    "UDHD_NAMES",
    "UDID_NAMES",
    "XHD_NAMES",
    "des_layout",
    "file_layout",
    "graphic_layout",
    "image_layout",
    "image_storage",
    "security_names",
    "segment_lengths",
    "text_layout",
    "tre_area",
]

Values = Mapping[str, str]

FILE = "MIL-STD-2500C table A-1; JBP-2025.1 table 5.11-1"
IMAGE = "MIL-STD-2500C table A-3; JBP-2025.1 table 5.13-1"
GRAPHIC = "MIL-STD-2500C table A-5; JBP-2025.1 table 5.15-1"
TEXT = "MIL-STD-2500C table A-6; JBP-2025.1 table 5.17-1"
DES = "MIL-STD-2500C table A-8; JBP-2025.1 table 5.18-1"
OVERFLOW = "MIL-STD-2500C table A-8(A); JBP-2025.1 table 5.18-2"

MOMENT = of_calendar(
    r"([0-9]{2}|--){2}(0[1-9]|1[0-2]|--)(0[1-9]|[12][0-9]|3[01]|--)([01][0-9]|2[0-3]|--)([0-5][0-9]|--){2}",
    "CCYYMMDDhhmmss, two hyphens for what is unknown",
)
DATE = of_calendar(r"[0-9]{4}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])", "CCYYMMDD")
LOCATION = pattern(r"(-\d{4}|\d{5}){2}", "row and column of five characters each")
ATTACHED = between(0, 998)
PLACES = {
    "U": Rule(pattern(r"(\d\d[A-Z]{3}\d{10}){4}", "").allows, "four corners zzBJKeeeeennnnn (ICORDS U)"),
    "N": Rule(pattern(r"(\d{15}){4}", "").allows, "four corners zzeeeeeennnnnnn (ICORDS N)"),
    "S": Rule(pattern(r"(\d{15}){4}", "").allows, "four corners zzeeeeeennnnnnn (ICORDS S)"),
    "G": Rule(pattern(r"([0-9]{6}[NS][01]\d{6}[EW]){4}", "").allows, "four corners ddmmssXdddmmssY (ICORDS G)"),
    "D": Rule(pattern(r"([+-]\d\d\.\d{3}[+-]\d{3}\.\d{3}){4}", "").allows, "four corners ±dd.ddd±ddd.ddd (ICORDS D)"),
}
"""ICORDS → what IGEOLO looks like (MIL-STD-2500C, 5.4.2.1 and table A-3)."""

SECURITY = (
    Field("CLAS", 1, "ECS-A", "U", one_of("T", "S", "C", "R", "U")),
    Field("CLSY", 2, "ECS-A", blank=True),
    Field("CODE", 11, "ECS-A", blank=True),
    Field("CTLH", 2, "ECS-A", blank=True),
    Field("REL", 20, "ECS-A", blank=True),
    Field("DCTP", 2, "ECS-A", rule=one_of("DD", "DE", "GD", "GE", "O", "X"), blank=True),
    Field("DCDT", 8, "ECS-A", rule=DATE, blank=True),
    Field("DCXM", 4, "ECS-A", blank=True),
    Field("DG", 1, "ECS-A", rule=one_of("S", "C", "R"), blank=True),
    Field("DGDT", 8, "ECS-A", rule=DATE, blank=True),
    Field("CLTX", 43, "ECS-A", blank=True),
    Field("CATP", 1, "ECS-A", rule=one_of("O", "D", "M"), blank=True),
    Field("CAUT", 40, "ECS-A", blank=True),
    Field("CRSN", 1, "ECS-A", rule=one_of("A", "B", "C", "D", "E", "F", "G"), blank=True),
    Field("SRDT", 8, "ECS-A", rule=DATE, blank=True),
    Field("CTLN", 15, "ECS-A", blank=True),
)
"""Security fields without the two letters before them (MIL-STD-2500C, table A-1; JBP-2025.1 table 5.10-1)."""


def _table(clause: str, *fields: Field) -> tuple[Field, ...]:
    return tuple(replace(field, clause=clause) for field in fields)


def _security(prefix: str, clause: str) -> tuple[Field, ...]:
    return tuple(replace(field, name=f"{prefix}S{field.name}", clause=clause) for field in SECURITY)


def security_names(prefix: str) -> tuple[str, ...]:
    """Names of the security fields of a part: ``F``, ``I``, ``S``, ``T`` or ``DE``."""
    return tuple(f"{prefix}S{field.name}" for field in SECURITY)


FILE_FIELDS = ("OSTAID", "FDT", "FTITLE", *security_names("F"), "FSCOP", "FSCPYS", "FBKGC", "ONAME", "OPHONE")
"""Fields of the file header that are anybody's to say; all others follow from what is in the file."""


def _digits(name: str, length: int, default: str | None = None, rule: Rule | None = None) -> Field:
    return Field(name, length, "BCS-NPI", default, rule)


ENCRYP = _digits("ENCRYP", 1, "0", one_of("0"))

_FILE_HEAD = (
    *_table(
        FILE,
        Field("FHDR", 4, default=None, rule=one_of("NITF", "NSIF")),
        Field("FVER", 5, default=None, rule=one_of("02.10", "01.00")),
        _digits("CLEVEL", 2, rule=between(1, 99)),
        Field("STYPE", 4, default="BF01", rule=one_of("BF01")),
        Field("OSTAID", 10, default="unknown", rule=Rule(str.strip, "the originating station, not blank")),
        Field("FDT", 14, default=None, rule=MOMENT),
        Field("FTITLE", 80, "ECS-A", blank=True),
    ),
    *_security("F", FILE),
    *_table(
        FILE,
        _digits("FSCOP", 5, "0"),
        _digits("FSCPYS", 5, "0"),
        ENCRYP,
        Field("FBKGC", 3, BYTES, "\0\0\0"),
        Field("ONAME", 24, "ECS-A", blank=True),
        Field("OPHONE", 18, "ECS-A", blank=True),
        _digits("FL", 12, rule=between(388, 999_999_999_998)),
        _digits("HL", 6, rule=between(388, 999_999)),
    ),
)
_PART_FIELDS = {
    count: _table(FILE, _digits(count, 3, "0"), _digits(head, head_digits), _digits(data, data_digits))
    for count, (head, head_digits, data, data_digits) in LENGTHS.items()
}
(NUMX,) = _table(FILE, _digits("NUMX", 3, "0", one_of("000")))


def file_layout(values: Values) -> Iterator[Field]:
    """The file header (table A-1)."""
    yield from _FILE_HEAD
    yield from segment_lengths("NUMI", values)
    yield from segment_lengths("NUMS", values)
    yield NUMX
    yield from segment_lengths("NUMT", values)
    yield from segment_lengths("NUMDES", values)
    yield from segment_lengths("NUMRES", values)
    yield from tre_area(UDHD_NAMES, FILE, values)
    yield from tre_area(XHD_NAMES, FILE, values)


def segment_lengths(count: str, values: Values) -> Iterator[Field]:
    """How many segments of a kind there are, and their lengths."""
    number, head, data = _PART_FIELDS[count]
    yield number
    for index in range(1, counted(values, count) + 1):
        yield numbered(head, index)
        yield numbered(data, index)


UDHD_NAMES, XHD_NAMES = ("UDHDL", "UDHOFL", "UDHD"), ("XHDL", "XHDLOFL", "XHD")
UDID_NAMES, IXSHD_NAMES = ("UDIDL", "UDOFL", "UDID"), ("IXSHDL", "IXSOFL", "IXSHD")
SXSHD_NAMES, TXSHD_NAMES = ("SXSHDL", "SXSOFL", "SXSHD"), ("TXSHDL", "TXSOFL", "TXSHD")
"""Of an area for TREs: its length, its overflow, its data."""
_AREAS: dict[str, Field] = {}


def tre_area(names: tuple[str, str, str], clause: str, values: Values, most: int = 99_999) -> Iterator[Field]:
    """Length, number of the DES that holds what does not fit, and TREs: the latter two are not always there."""
    length, overflow, data = names
    yield _area(length, 5, clause, most)
    size = counted(values, length)
    if size:
        yield _area(overflow, 3, clause, 999)
    if size > 3:
        yield Field(data, size - 3, BYTES, None, clause=clause)
    elif size in {1, 2}:
        raise NotNumberError(f"{length} is {size}; expected 0, or 3 and more")


def _area(name: str, digits: int, clause: str, most: int) -> Field:
    found = _AREAS.get(name)
    if found is None:
        rule = between(0, most)
        if digits == 5:
            rule = Rule(
                lambda text: text.isdigit() and int(text) not in {1, 2} and int(text) <= most, f"0, or 3 to {most}"
            )
        found = _AREAS[name] = replace(_digits(name, digits, "0", rule), clause=clause)
    return found


_IMAGE_HEAD = (
    *_table(
        IMAGE,
        Field("IM", 2, default="IM", rule=one_of("IM")),
        Field("IID1", 10, blank=True),
        Field("IDATIM", 14, default="-" * 14, rule=MOMENT),
        Field("TGTID", 17, blank=True),
        Field("IID2", 80, "ECS-A", blank=True),
    ),
    *_security("I", IMAGE),
    *_table(
        IMAGE,
        ENCRYP,
        Field("ISORCE", 42, "ECS-A", blank=True),
        _digits("NROWS", 8, rule=between(1, 99_999_999)),
        _digits("NCOLS", 8, rule=between(1, 99_999_999)),
        Field("PVTYPE", 3, default=None, rule=one_of("INT", "B", "SI", "R", "C")),
        Field(
            "IREP",
            8,
            default=None,
            rule=one_of("MONO", "RGB", "RGB/LUT", "MULTI", "NODISPLY", "NVECTOR", "POLAR", "VPH", "YCbCr601"),
        ),
        Field("ICAT", 8, default="VIS", rule=pattern(r"[^ ].*", "an image category, not blank")),
        _digits("ABPP", 2, rule=between(1, 96)),
        Field("PJUST", 1, default="R", rule=one_of("L", "R")),
        Field("ICORDS", 1, rule=one_of("U", "G", "N", "S", "D"), blank=True),
    ),
)
_IGEOLO = {letter: Field("IGEOLO", 60, default=None, rule=rule, clause=IMAGE) for letter, rule in PLACES.items()}
_IGEOLO_OTHER = Field("IGEOLO", 60, default=None, clause=IMAGE)
NICOM, ICOM, IC, COMRAT = _table(
    IMAGE,
    _digits("NICOM", 1, "0"),
    Field("ICOM", 80, "ECS-A", blank=True),
    Field(
        "IC",
        2,
        default=None,
        rule=one_of(
            *("NC", "NM", "C1", "C3", "C4", "C5", "C6", "C7", "C8", "CD"),
            *("I1", "M1", "M3", "M4", "M5", "M6", "M7", "M8", "MD"),
        ),
    ),
    Field("COMRAT", 4, default=None),
)
NBANDS, XBANDS = _table(IMAGE, _digits("NBANDS", 1), _digits("XBANDS", 5, rule=between(10, 99_999)))
IREPBAND, ISUBCAT, IFC, IMFLT, NLUTS, NELUT = _table(
    IMAGE,
    Field("IREPBAND", 2, blank=True),
    Field("ISUBCAT", 6, blank=True),
    Field("IFC", 1, default="N", rule=one_of("N")),
    Field("IMFLT", 3, blank=True),
    _digits("NLUTS", 1, "0", between(0, 4)),
    _digits("NELUT", 5, rule=between(1, 65_536)),
)
_IMAGE_TAIL = _table(
    IMAGE,
    _digits("ISYNC", 1, "0", one_of("0")),
    Field("IMODE", 1, default=None, rule=one_of("B", "P", "R", "S")),
    _digits("NBPR", 4, rule=between(1, 9999)),
    _digits("NBPC", 4, rule=between(1, 9999)),
    _digits("NPPBH", 4, rule=between(0, 8192)),
    _digits("NPPBV", 4, rule=between(0, 8192)),
    _digits("NBPP", 2, rule=between(1, 96)),
    _digits("IDLVL", 3, rule=between(1, 999)),
    _digits("IALVL", 3, rule=ATTACHED),
    Field("ILOC", 10, "BCS-N", None, LOCATION),
    Field("IMAG", 4, default="1.0", rule=pattern(r"\d+\.?\d*|\.\d+|/\d+", "a decimal number, or / and a divisor")),
)


def image_layout(values: Values) -> Iterator[Field]:
    """An image subheader (table A-3)."""
    yield from _IMAGE_HEAD
    if values["ICORDS"].strip():
        yield _IGEOLO.get(values["ICORDS"], _IGEOLO_OTHER)
    yield from image_storage(values)


def image_storage(values: Values) -> Iterator[Field]:
    """An image subheader from its comments on; the same in NITF 2.0."""
    yield NICOM
    for index in range(1, counted(values, "NICOM") + 1):
        yield numbered(ICOM, index)
    yield IC
    if values["IC"] not in {"NC", "NM"}:
        yield COMRAT
    yield NBANDS
    bands = counted(values, "NBANDS")
    if not bands:
        yield XBANDS
        bands = counted(values, "XBANDS")
    for band in range(1, bands + 1):
        yield numbered(IREPBAND, band)
        yield numbered(ISUBCAT, band)
        yield numbered(IFC, band)
        yield numbered(IMFLT, band)
        yield numbered(NLUTS, band)
        tables = counted(values, f"NLUTS{band}")
        if tables:
            yield numbered(NELUT, band)
            entries = counted(values, f"NELUT{band}")
            for table in range(1, tables + 1):
                yield Field(f"LUTD{band}{table}", entries, BYTES, None, clause=IMAGE)
    yield from _IMAGE_TAIL
    yield from tre_area(UDID_NAMES, IMAGE, values)
    yield from tre_area(IXSHD_NAMES, IMAGE, values)


_GRAPHIC_FIELDS = (
    *_table(
        GRAPHIC,
        Field("SY", 2, default="SY", rule=one_of("SY")),
        Field("SID", 10, blank=True),
        Field("SNAME", 20, "ECS-A", blank=True),
    ),
    *_security("S", GRAPHIC),
    *_table(
        GRAPHIC,
        ENCRYP,
        Field("SFMT", 1, default="C", rule=one_of("C")),
        _digits("SSTRUCT", 13, "0", one_of("0" * 13)),
        _digits("SDLVL", 3, rule=between(1, 999)),
        _digits("SALVL", 3, "0", ATTACHED),
        Field("SLOC", 10, "BCS-N", "0" * 10, LOCATION),
        Field("SBND1", 10, "BCS-N", "0" * 10, LOCATION),
        Field("SCOLOR", 1, default="C", rule=one_of("C", "M")),
        Field("SBND2", 10, "BCS-N", "0" * 10, LOCATION),
        _digits("SRES2", 2, "0", one_of("00")),
    ),
)


def graphic_layout(values: Values) -> Iterator[Field]:
    """A graphic subheader (table A-5)."""
    yield from _GRAPHIC_FIELDS
    yield from tre_area(SXSHD_NAMES, GRAPHIC, values, 9741)


_TEXT_FIELDS = (
    *_table(
        TEXT,
        Field("TE", 2, default="TE", rule=one_of("TE")),
        Field("TEXTID", 7, blank=True),
        _digits("TXTALVL", 3, "0", ATTACHED),
        Field("TXTDT", 14, default="-" * 14, rule=MOMENT),
        Field("TXTITL", 80, "ECS-A", blank=True),
    ),
    *_security("T", TEXT),
    *_table(TEXT, ENCRYP, Field("TXTFMT", 3, default="STA", rule=one_of("MTF", "STA", "UT1", "U8S"))),
)


def text_layout(values: Values) -> Iterator[Field]:
    """A text subheader (table A-6)."""
    yield from _TEXT_FIELDS
    yield from tre_area(TXSHD_NAMES, TEXT, values, 9717)


_DES_HEAD = (
    *_table(
        DES,
        Field("DE", 2, default="DE", rule=one_of("DE")),
        Field("DESID", 25, default=None, rule=pattern(r"[^ ].*", "the type of the extension, not blank")),
        _digits("DESVER", 2, "1", between(1, 99)),
    ),
    *_security("DE", DES),
)
DESSHL = replace(_digits("DESSHL", 4, "0", between(0, 9799)), clause=DES)


def des_layout(values: Values) -> Iterator[Field]:
    """The subheader of a data extension segment (table A-8)."""
    yield from _DES_HEAD
    if values["DESID"] == "TRE_OVERFLOW":
        yield from _OVERFLOW_FIELDS
    yield DESSHL
    if size := counted(values, "DESSHL"):
        yield Field("DESSHF", size, BYTES, None, clause=DES)


_OVERFLOW_FIELDS = _table(
    OVERFLOW,
    Field("DESOFLW", 6, default=None, rule=one_of("XHD", "IXSHD", "SXSHD", "TXSHD", "UDHD", "UDID")),
    _digits("DESITEM", 3),
)

FIELDS: Mapping[str, Field] = {
    field.name: field
    for part in (_FILE_HEAD, _IMAGE_HEAD, _IMAGE_TAIL, _GRAPHIC_FIELDS, _TEXT_FIELDS, _DES_HEAD, _OVERFLOW_FIELDS)
    for field in part
}
"""Fields that every header of a kind has, by name."""
