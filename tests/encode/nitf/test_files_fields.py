"""Every field of every header: what is refused by name, and that the tables are those of jbpy."""

import re

import jbpy.core
import pytest
from nitf_files import file_of, image_of, rewritten, written

from stacchip_osml.encode.nitf import (
    DataExtension,
    GraphicSegment,
    NitfFile,
    TextSegment,
    Tre,
    earlier_tables,
    read_nitf,
)
from stacchip_osml.encode.nitf import tables as nitf_tables
from stacchip_osml.encode.nitf.fields import BYTES, StoredText, field_bytes
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.nitf.fields import BLOCKS, SHOWN

BASE = {
    "FHDR": "NITF",
    "ICORDS": "G",
    "NICOM": "1",
    "IC": "C8",
    "NBANDS": "1",
    "XBANDS": "10",
    "NLUTS1": "1",
    "NELUT1": "2",
    "DESID": "OTHER",
    "DESSHL": "3",
    "NUMI": "1",
    "NUMS": "1",
    "NUMT": "1",
    "NUMDES": "1",
    "NUMRES": "0",
    **dict.fromkeys(("UDHDL", "XHDL", "UDIDL", "IXSHDL", "SXSHDL", "TXSHDL"), "0"),
}
LAYOUTS = {
    "file": nitf_tables.file_layout,
    "image": nitf_tables.image_layout,
    "graphic": nitf_tables.graphic_layout,
    "text": nitf_tables.text_layout,
    "des": nitf_tables.des_layout,
}
FIELDS = [(part, field) for part, layout in LAYOUTS.items() for field in layout(BASE)]
CHECKED = [(part, field) for part, field in FIELDS if field.charset != BYTES]


def ids(cases):
    return [f"{part}-{field.name}" for part, field in cases]


# ---- the tables


def jbpy_parts():
    jbp = jbpy.Jbp()
    header = jbp["FileHeader"]
    for name in ("NUMI", "NUMS", "NUMT", "NUMDES"):
        header[name].value = 1
    image = jbpy.core.ImageSubheader("image")
    image["ICORDS"].value, image["NICOM"].value, image["IC"].value = "G", 1, "C8"
    image["NBANDS"].value = 1
    image["NLUTS00001"].value = 1
    image["NELUT00001"].value = 2
    des = jbpy.core.DataExtensionSubheader("des")
    des["DESSHL"].value = 3
    return {
        "file": header,
        "image": image,
        "graphic": jbpy.core.GraphicSubheader("graphic"),
        "text": jbpy.core.TextSubheader("text"),
        "des": des,
    }


@pytest.mark.parametrize("part", LAYOUTS)
def test_fields_and_lengths_are_those_of_jbpy(part):
    theirs = [(re.sub(r"0+(?=\d)", "", field.name), field.size) for field in jbpy_parts()[part].values()]
    ours = [(field.name, field.length) for name, field in FIELDS if name == part]

    assert ours == theirs


def test_an_overflow_has_two_fields_more():
    theirs = [(field.name, field.size) for field in jbpy.core.TreOverflowDesSubheader("des").values()]

    assert [(f.name, f.length) for f in nitf_tables.des_layout({"DESID": "TRE_OVERFLOW", "DESSHL": "0"})] == theirs


def starts(layout, values):
    """Name → where a field begins."""
    found, at = {}, 0
    for field in layout(values):
        found[field.name], at = at, at + field.length
    return found


def test_readers_that_walk_over_headers_find_fields_where_the_tables_have_them():
    file, image = starts(nitf_tables.file_layout, BASE), starts(nitf_tables.image_layout, BASE)
    earlier = BASE | {"FSDWNG": earlier_tables.EVENT, "ISDWNG": earlier_tables.EVENT, "NUML": "0"}
    earlier_file, earlier_image = (
        starts(layout, earlier) for layout in (earlier_tables.file_layout, earlier_tables.image_layout)
    )

    assert (file["FDT"], file["HL"], image["IID1"], image["NROWS"]) == (25, 354, 2, 333)
    assert (earlier_file["FSDWNG"], earlier_file["HL"]) == (280, 354 + 40)
    assert (earlier_image["ISDWNG"], earlier_image["NROWS"]) == (284, 333 + 40)
    for each in (image, earlier_image):
        assert each["ICORDS"] + 1 - each["NROWS"] == SHOWN.size
        assert each["NELUT1"] - each["IREPBAND1"] == 13
        assert (each["IDLVL"] - each["ISYNC"], each["UDIDL"] - each["ISYNC"]) == (BLOCKS.size, 40)


@pytest.mark.parametrize("part", LAYOUTS)
def test_what_jbpy_forbids_is_forbidden(part):
    """Each of some texts that jbpy finds invalid is refused; ours may refuse more."""
    theirs = {re.sub(r"0+(?=\d)", "", field.name): field for field in jbpy_parts()[part].values()}
    texts = ["", "0", "1", "9", "99", "A", "U", "x", "NITF", "-", "é", "\n", "20010101000000", "000", "00001", "+1"]
    for _, field in [case for case in CHECKED if case[0] == part]:
        if re.fullmatch(r"L[ISTD](SH)?\d+", field.name):  # the writer computes and judges them
            continue
        other = theirs[field.name]
        for text in texts:
            try:
                data = field_bytes(field, text)
            except EncodeError:
                continue
            other._encoded_value = data  # not through the setter, which only logs
            try:
                valid = other.isvalid()
            except UnicodeDecodeError:  # Latin-1, which jbpy reads as UTF-8
                continue
            more = {"FVER": "01.00", "IC": "CD"}
            assert valid or more.get(field.name) == text, (field.name, text, data)


@pytest.mark.parametrize(("part", "field"), CHECKED, ids=ids(CHECKED))
def test_a_value_that_is_too_long_is_refused_by_name(part, field):
    text = "1" * (field.length + 1)
    with pytest.raises(
        EncodeError, match=rf"{field.name} is '1.*\({field.length + 1} characters\); expected .*\(.*JBP"
    ):
        field_bytes(field, text)


@pytest.mark.parametrize(("part", "field"), CHECKED, ids=ids(CHECKED))
def test_characters_that_a_field_does_not_have_are_refused_by_name(part, field):
    for text in ("\0", "\n", "☃", "\x7f"):
        with pytest.raises(EncodeError, match=rf"{field.name} is .*; expected .*MIL-STD-2500C table A-"):
            field_bytes(field, text)
    if field.charset != "ECS-A":
        with pytest.raises(EncodeError, match=rf"{field.name} is 'é'"):
            field_bytes(field, "é")


RULED = [case for case in CHECKED if case[1].rule is not None]


@pytest.mark.parametrize(("part", "field"), RULED, ids=ids(RULED))
def test_values_outside_the_range_of_a_field_are_refused_by_name(part, field):
    tried = 0
    for text in ("", "Q", "0", "9" * field.length, "Z" * field.length, "-1"):
        if not field.rule.allows(text.zfill(field.length) if field.charset == "BCS-NPI" and text.isdigit() else text):
            if field.blank and not text:
                continue
            tried += 1
            with pytest.raises(EncodeError, match=rf"{field.name} is '{text}'.*; expected "):
                field_bytes(field, text)
    if field.name not in {"ICAT", "DESID", "OSTAID"}:
        assert tried


# ---- through the writer: nothing is written of a file that has a wrong field

WRONG = [
    (file_of(image_of(), fields={"OSTAID": ""}), r"file header: OSTAID is ''"),
    (
        file_of(image_of(), fields={"FTITLE": "x" * 81}),
        r"file header: FTITLE is .*\(81 characters\); expected at most 80",
    ),
    (file_of(image_of(), fields={"FDT": "20261301000000"}), r"file header: FDT is '20261301000000'"),
    (file_of(image_of(), fields={"FDT": "20260229------"}), r"file header: FDT is '20260229------'"),
    (file_of(image_of(), fields={"FSDCDT": "20260431"}), r"file header: FSDCDT is '20260431' .*expected CCYYMMDD"),
    (file_of(image_of(IDATIM="----0230------")), r"image 1: IDATIM is '----0230------'"),
    (file_of(image_of(), fields={"FBKGC": "ab"}), r"file header: FBKGC is 'ab' .*exactly 3 bytes"),
    (file_of(image_of(), fields={"FBKGC": "ab☃"}), r"file header: FBKGC is .*one character a byte"),
    (file_of(image_of(), fields={"FSCLAS": "X"}), r"file header: FSCLAS is 'X' .*one of T, S, C, R, U"),
    (file_of(image_of(), fields={"TITLE": "x"}), r"file header: no such field.*: TITLE"),
    (file_of(image_of(), fields={"FSCOP": 3}), r"file header: FSCOP is 3; values are text"),
    (file_of(image_of(), image_of(ISCLAS="X")), r"image 2: ISCLAS is 'X'"),
    (file_of(image_of(IID1="elevenchars")), r"image 1: IID1 is 'elevenchars'"),
    (file_of(image_of(ICORDS="G")), r"image 1: IGEOLO is missing"),
    (file_of(image_of(ICORDS="G", IGEOLO="+01.000+002.000" * 4)), r"IGEOLO is .*ddmmssXdddmmssY \(ICORDS G\)"),
    (file_of(image_of(ICORDS="D", IGEOLO="010203N0010203E" * 4)), r"IGEOLO is .*±dd.ddd±ddd.ddd \(ICORDS D\)"),
    (file_of(image_of(IGEOLO="010203N0010203E" * 4)), r"image 1: no such field, or none that the others allow: IGEOLO"),
    (file_of(image_of(ICOM2="second")), r"image 1: comments ICOM2; expected ICOM1 to ICOM9 without gaps"),
    (file_of(image_of(**{f"ICOM{n}": "x" for n in range(1, 11)})), r"image 1: comments ICOM1.*expected ICOM1 to ICOM9"),
    (file_of(image_of(IREPBAND2="M")), r"image 1: no such field.*IREPBAND2"),
    (file_of(image_of(NLUTS1="1")), r"image 1: NELUT1.*"),
    (file_of(image_of(NLUTS1="5")), r"image 1: NLUTS1 is '5' .*0 to 4"),
    (file_of(image_of(NLUTS1="1", NELUT1="4", LUTD11="abc")), r"image 1: LUTD11 is 'abc' .*exactly 4 bytes"),
    (file_of(image_of(IMAG="x2")), r"image 1: IMAG is 'x2'"),
    (NitfFile(texts=(TextSegment(fields={"TXTFMT": "DOC"}, data=b"x"),)), r"text 1: TXTFMT is 'DOC'"),
    (NitfFile(texts=(TextSegment(data=b""),)), r"LT1 is 0; expected 1 to 99999 bytes"),
    (NitfFile(texts=(TextSegment(data=b"x" * 100_000),)), r"LT1 is 100000; expected 1 to 99999 bytes"),
    (NitfFile(graphics=(GraphicSegment(fields={"SCOLOR": "X"}, data=b"x"),)), r"graphic 1: SCOLOR is 'X'"),
    (NitfFile(extensions=(DataExtension(fields={}, data=b"x"),)), r"data extension 1: DESID is missing"),
    (NitfFile(extensions=(DataExtension(fields={"DESID": "TRE_OVERFLOW"}, data=b"x"),)), r"TRE_OVERFLOW is made of"),
    (NitfFile(extensions=(DataExtension(fields={"DESID": "A"}),)), r"LD1 is 0; expected 1 to 999999999"),
    (
        NitfFile(extensions=(DataExtension(fields={"DESID": "A"}, user_header=b"x" * 9800, data=b"x"),)),
        r"data extension 1: DESSHL is '9800'.*0 to 9799",
    ),
    (NitfFile(version="NITF02.11"), r"file header: FVER is '02.11'"),
    (NitfFile(texts=(TextSegment(data=b"x"),) * 1000), r"NUMT is 1000; expected at most 999"),
]


@pytest.mark.parametrize(("file", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_a_wrong_field_is_refused_before_a_byte_is_written(file, message, tmp_path):
    from stacchip_osml.encode.nitf import write_nitf

    target = tmp_path / "a.ntf"
    target.write_bytes(b"old")
    with pytest.raises(EncodeError, match=message):
        write_nitf(target, file)
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


class Unwritable:
    """An open file that must not be touched."""

    def tell(self):
        return 0

    def __getattr__(self, name):
        raise AssertionError(f"{name} was asked for")


@pytest.mark.parametrize(("file", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_an_open_file_is_not_written_to_either(file, message):
    from stacchip_osml.encode.nitf import write_nitf

    with pytest.raises(EncodeError, match=message):
        write_nitf(Unwritable(), file)


def test_every_image_comment_and_look_up_table_is_kept():
    comments = {f"ICOM{n}": f"comment {n}" for n in range(1, 10)}
    tables = {"NLUTS1": "2", "NELUT1": "256", "LUTD11": bytes(range(256)).decode("latin-1"), "LUTD12": "\0" * 256}
    found = rewritten(file_of(image_of(**comments, **tables))).images[0].fields

    assert {**comments, **tables, "NELUT1": "00256"}.items() <= found.items()


# ---- what a parent has against the rules is the parent's


def test_a_copy_keeps_what_its_parent_has_against_the_rules():
    data = written(file_of(image_of(IDATIM="20260203040506", ICAT="SAR"), tres=(Tre("AA", b"1"),)))
    broken = data.replace(b"20260203040506", b"3 FEB 26      ").replace(b"unknown   ", b" " * 10)
    file = read_nitf(broken)

    assert file.fields["OSTAID"] == ""
    assert type(file.images[0].fields["IDATIM"]) is StoredText
    assert written(file) == broken
    with pytest.raises(EncodeError, match="IDATIM is '3 FEB 26'"):
        written(file_of(image_of(IDATIM=str(file.images[0].fields["IDATIM"]))))


@pytest.mark.parametrize("name", ["IID1", "IID2", "ICAT", "ISUBCAT1", "ICOM1", "ISCLAS"])
@pytest.mark.parametrize("value", [5, 5.5, b"x", True])
def test_a_field_of_an_image_that_is_no_text_is_named_with_its_clause(name, value):
    with pytest.raises(
        EncodeError, match=rf"^image 1: {name} is {value!r}; values are text \(MIL-STD-2500C table A-3;"
    ):
        written(file_of(image_of(**{name: value})))


def test_fields_of_storage_may_be_numbers_and_none_is_left_to_the_writer():
    data = written(file_of(image_of(NPPBH=4, NPPBV=4, ICAT=None, ISUBCAT1=None, IID1=None)))

    assert data == written(file_of(image_of(NPPBH="4", NPPBV="4")))


@pytest.mark.parametrize("moment", ["20280229235959", "----0229------", "202602--------", "--------------"])
def test_days_that_there_are_or_may_be_are_written(moment):
    assert rewritten(file_of(image_of(IDATIM=moment))).images[0].fields["IDATIM"] == moment
