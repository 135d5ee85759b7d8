"""NITF 2.0 files, written from the standard's tables, read as the NITF 2.1 files that their copies are."""

import io

import earlier_files as earlier
import numpy as np
import pytest
from chip_sources import cut
from nitf_files import jbpy_complaints, jbpy_of
from rasterio.io import MemoryFile

from stacchip_osml.encode.nitf import encode_nitf, nitf_info, read_nitf, write_nitf
from stacchip_osml.encode.nitf.earlier_dates import is_date, moment_of
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.imagery.blocks.layout import Unserved
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import parse_nitf
from stacchip_osml.pixel import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
PIXELS = np.arange(6 * 8, dtype=np.uint8).reshape(1, 6, 8)


def copied(data):
    """The bytes of a copy, which jbpy finds nothing wrong with."""
    out = io.BytesIO()
    write_nitf(out, read_nitf(data))
    assert jbpy_complaints(out.getvalue()) == []
    return out.getvalue()


def told(file):
    """What the text about NITF 2.0 says; nothing where there is none."""
    notes = [text.data.decode("ascii") for text in file.texts if text.fields["TEXTID"] == "NITF2.0"]
    return notes[0].splitlines() if notes else []


def test_fields_of_today_hold_what_the_file_says():
    data = earlier.file(
        images=[earlier.image(PIXELS, comments=("one", "two"))], copies=(1, 2), marks={"DWNG": "999999"}
    )

    copy = read_nitf(copied(data))

    assert copy.version == "NITF02.10"
    assert {name: copy.fields[name] for name in ("OSTAID", "FDT", "FTITLE", "ONAME", "OPHONE", "FSCOP", "FSCPYS")} == {
        **{"OSTAID": "STATION", "FDT": "19930406165926", "FTITLE": "A file", "ONAME": "An office"},
        **{"OPHONE": "555 1234", "FSCOP": "00001", "FSCPYS": "00002"},
    }
    assert (copy.fields["FSCLAS"], copy.fields["FSDCTP"], copy.fields["FBKGC"]) == ("U", "O", "\0\0\0")
    fields = copy.images[0].fields
    wanted = {"IID1": "IMAGE 1", "IID2": "A title", "IDATIM": "19930201120000", "TGTID": "TARGET", "ICORDS": ""}
    wanted |= {"ISORCE": "A source", "ICOM1": "one", "ICOM2": "two", "IREPBAND1": "M", "PVTYPE": "INT", "IC": "NC"}
    assert {name: fields[name] for name in wanted} == wanted
    assert "IGEOLO" not in fields
    assert told(copy) == []
    assert nitf_info(data)["version"] == "NITF02.00"


def test_pixels_are_those_that_gdal_reads_of_the_original(tmp_path):
    data = earlier.file(images=[earlier.image(PIXELS)], marks={"DWNG": "999998", "DEVT": "an event"})
    path = tmp_path / "a.ntf"
    path.write_bytes(data)

    with MemoryFile(data) as one, MemoryFile(copied(data)) as other, one.open() as parent, other.open() as copy:
        np.testing.assert_array_equal(parent.read(), PIXELS)
        np.testing.assert_array_equal(copy.read(), PIXELS)
    assert not isinstance(
        parse_nitf(lambda at, size: data[at : at + size], name="a", limits=ReadLimits()).levels[0], Unserved
    )
    np.testing.assert_array_equal(read_nitf(path).images[0].pixels.get_block(0, 0), PIXELS[:, :1])


# ---- markings


def test_markings_that_fit_stay_where_they_are():
    marks = {"CODE": "ALPHA BRAVO", "CTLH": "NF", "REL": "GBR CAN", "CAUT": "AUTHORITY 20 LETTERS", "CTLN": "A-1"}

    fields = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS, level="S", marks=marks)]))).images[0].fields

    assert {name: fields[f"IS{name}"] for name in marks} == marks
    assert (fields["ISCLAS"], fields["ISCLTX"]) == ("S", "")


def test_markings_that_do_not_fit_are_told_whole_and_pointed_to():
    marks = {"CODE": "A CODEWORD OF MORE THAN ELEVEN LETTERS", "CTLH": "NO FOREIGN DISSEMINATION", "REL": "GBR"}

    file = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS, level="T", marks=marks)], level="S")))

    fields, note = file.images[0].fields, next(text for text in file.texts if text.fields["TEXTID"] == "NITF2.0")
    assert (fields["ISCODE"], fields["ISCTLH"], fields["ISREL"]) == ("", "", "GBR")
    assert fields["ISCLTX"] == "SEE TEXT SEGMENT NITF2.0"
    assert [line.split("'")[1] for line in told(file)] == [marks["CODE"], marks["CTLH"]]
    assert note.fields["TSCLAS"] == file.fields["FSCLAS"] == "T"


@pytest.mark.parametrize(
    ("marks", "words", "kind"),
    [
        ({"DWNG": "999999"}, "", "O"),
        ({"DWNG": "991231"}, "DOWNGRADE OR DECLASSIFY ON 19991231", ""),
        ({"DWNG": "300101"}, "DOWNGRADE OR DECLASSIFY ON 20300101", ""),
        ({"DWNG": "999998", "DEVT": "the end of the exercise"}, "the end of the exercise", ""),
        ({"DWNG": "999998", "DEVT": ""}, "DOWNGRADE OR DECLASSIFY ON AN EVENT", ""),
        ({"DWNG": ""}, "", ""),
    ],
)
def test_no_date_or_event_lowers_a_marking_by_a_reader_of_today(marks, words, kind):
    file = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS, level="S", marks=dict(marks))])))

    fields = file.images[0].fields
    assert (fields["ISCLTX"], fields["ISDCTP"]) == (words, kind)
    assert [fields[f"IS{name}"] for name in ("DCDT", "DG", "DGDT")] == ["", "", ""]


def test_a_downgrade_that_is_none_is_told():
    file = read_nitf(earlier.file(images=[earlier.image(PIXELS)], marks={"DWNG": "SOON"}))

    assert told(file) == [
        "file header: FSDWNG was 'SOON': it is neither a date nor one of the numbers that the standard knows"
    ]


@pytest.mark.parametrize("level", ["", "X"])
def test_a_classification_that_is_none_is_refused(level):
    with pytest.raises(DecodeError, match=rf"image 1: ISCLAS is '{level}', no classification"):
        read_nitf(earlier.file(images=[earlier.image(PIXELS, level=level)]))


# ---- values that are other ones today


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("31121728ZJAN94", "19940131121728"),
        ("01000000ZJAN26", "20260101000000"),
        ("01000000ZJAN68", "20680101000000"),
        ("01000000ZJAN69", "19690101000000"),
        ("29000000ZFEB00", "20000229000000"),
        ("30000000ZFEB00", None),
        ("01240000ZJAN94", None),
        ("01000000ZXXX94", None),
        ("12------ZFEB94", "19940212------"),
        ("  001500ZFEB94", "199402--001500"),
        ("--------Z---94", None),
        ("19940131121728", None),
        ("", None),
    ],
)
def test_two_digits_of_a_year_are_of_1969_to_2068(text, moment):
    assert moment_of(text) == moment


@pytest.mark.parametrize(("text", "is_one"), [("991231", True), ("991301", False), ("990132", False), ("99123", False)])
def test_days_are_told_from_other_numbers(text, is_one):
    assert is_date(text) is is_one


def test_a_moment_that_is_none_is_unknown_and_told():
    file = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS, date=" \0\0\0")], date="yesterday")))

    assert (file.fields["FDT"], file.images[0].fields["IDATIM"]) == ("-" * 14, "-" * 14)
    assert told(file) == ["file header: FDT was 'yesterday': it is no moment"]


@pytest.mark.parametrize(
    ("owner", "color", "name", "lines"),
    [
        ("An office", "\0\0\0", "An office", 0),
        (b"\x00\x10\xffAn office", "\x00\x10\xff", "An office", 0),
        ("A name of twenty-seven signs", "\0\0\0", "A name of twenty-seven s", 1),
    ],
)
def test_three_bytes_of_the_owner_that_are_no_text_are_a_color(owner, color, name, lines):
    file = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS)], owner=owner[:27])))

    assert (file.fields["FBKGC"], file.fields["ONAME"], len(told(file))) == (color, name, lines)


def test_nothing_is_no_hemisphere():
    assert read_nitf(earlier.file(images=[earlier.image(PIXELS, icords="N")])).images[0].fields["ICORDS"] == ""


def test_geocentric_latitudes_become_geodetic():
    corners = "450000N0100000E450000N0110000E440000N0110000E440000N0100000E"

    file = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS, icords="C", igeolo=corners)])))

    fields = file.images[0].fields  # at 45 degrees the two are apart by 11' 32" and a half
    assert (fields["ICORDS"], fields["IGEOLO"][:15]) == ("G", "451133N0100000E")
    assert told(file)[0].startswith(f"image 1: ICORDS C and IGEOLO was '{corners}'")


@pytest.mark.parametrize("kind", ["G", "U"])
def test_places_that_both_have_stay(kind):
    corners = {"G": "450000N0100000E450000N0110000E440000N0110000E440000N0100000E", "U": "32TNR5000049000" * 4}[kind]

    fields = (
        read_nitf(copied(earlier.file(images=[earlier.image(PIXELS, icords=kind, igeolo=corners)]))).images[0].fields
    )

    assert (fields["ICORDS"], fields["IGEOLO"]) == (kind, corners)


def test_a_table_of_colors_is_one_for_readers_of_today():
    tables = [bytes(range(start, start + 48)) for start in (0, 50, 100)]
    data = earlier.file(images=[earlier.image(PIXELS, irep="RGB/LUT", bands=[earlier.lookup(*tables)])])

    fields = read_nitf(copied(data)).images[0].fields
    with MemoryFile(data) as one, MemoryFile(copied(data)) as other, one.open() as parent, other.open() as copy:
        assert copy.colormap(1) == parent.colormap(1)
    assert (fields["IREPBAND1"], fields["LUTD13"]) == ("LU", tables[2].decode("latin-1"))


def test_bits_are_of_their_own_type_today():
    fax = earlier.image(PIXELS, bits=1, ic="C1", comrat="2DH", data=b"fax data")

    fields = read_nitf(copied(earlier.file(images=[fax]))).images[0].fields

    assert (fields["PVTYPE"], fields["IC"], fields["COMRAT"]) == ("B", "C1", "2DH")


@pytest.mark.parametrize("ic", ["C0", "C2", "M0"])
def test_a_compression_that_nobody_has_today_is_refused_by_its_clause(ic):
    file = read_nitf(earlier.file(images=[earlier.image(PIXELS, ic=ic, comrat="1.0", data=b"?")]))

    with pytest.raises(EncodeError, match=rf"image 1: IC is '{ic}' .* \(MIL-STD-2500C table A-3"):
        write_nitf(io.BytesIO(), file)


# ---- segments


def test_a_symbol_in_cgm_is_a_graphic():
    file = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS)], symbols=[earlier.symbol(b"CGM", level="C")])))

    (graphic,) = file.graphics
    wanted = {"SID": "SYM 1", "SNAME": "A symbol", "SFMT": "C", "SDLVL": "002", "SLOC": "0000300004", "SCOLOR": "C"}
    assert {name: graphic.fields[name] for name in wanted} == wanted
    assert (graphic.data, graphic.fields["SSCLAS"], file.fields["FSCLAS"]) == (b"CGM", "C", "C")


def test_what_a_graphic_has_no_field_for_is_told():
    file = read_nitf(earlier.file(symbols=[earlier.symbol(b"CGM", scolor="R", number_of=12)]))

    assert told(file) == [
        "symbol 1: SNUM was '000012': graphics have no such field",
        "symbol 1: SCOLOR was 'R': a graphic is in colour or not",
    ]


@pytest.mark.parametrize("kind", ["B", "O"])
def test_another_symbol_is_read_and_no_copy_is_made_of_it(kind):
    file = read_nitf(earlier.file(images=[earlier.image(PIXELS)], symbols=[earlier.symbol(b"bits", kind=kind)]))

    assert file.graphics[0].data == b"bits"
    with pytest.raises(EncodeError, match=rf"graphic 1: SFMT is '{kind}' .*expected C \(MIL-STD-2500C table A-5"):
        write_nitf(io.BytesIO(), file)


def test_a_label_is_a_text_and_its_place_is_told():
    file = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS)], labels=[earlier.label("HILL 60", level="R")])))

    text, note = file.texts
    assert (text.data, text.fields["TEXTID"], text.fields["TXTITL"]) == (b"HILL 60", "LABEL01", "Label LABEL ID")
    assert (text.fields["TSCLAS"], note.fields["TSCLAS"]) == ("R", "R")
    assert "label 1: LLOC was '0000500006': text LABEL01 has its characters, and no place" in told(file)
    assert "label 1: LTC was '\\xff\\x00\\x00': text LABEL01 has its characters, and no place" in told(file)


@pytest.mark.parametrize(
    ("name", "today", "lines"), [("0000000012", "0000012", 0), ("PIDF Text", "TEXT001", 1), ("short", "short", 0)]
)
def test_names_of_texts_are_shorter_today(name, today, lines):
    file = read_nitf(copied(earlier.file(texts=[earlier.text(b"words", name=name)])))

    assert (file.texts[0].fields["TEXTID"], file.texts[0].fields["TXTDT"], len(told(file))) == (
        *(today, "19891127235536"),
        lines,
    )


@pytest.mark.parametrize("tag", ["Registered Extensions", "Controlled Extensions"])
def test_extensions_that_go_on_a_header_are_its_tres(tag):
    image = earlier.image(PIXELS, tres=earlier.tre("FIRST", b"1"), overflow=1)
    going_on = earlier.extension(earlier.tre("SECOND", b"2"), tag=tag)

    file = read_nitf(copied(earlier.file(images=[image], extensions=[going_on])))

    assert [(tre.tag, tre.data) for tre in file.images[0].tres] == [("FIRST", b"1"), ("SECOND", b"2")]
    assert file.extensions == ()


def test_other_extensions_are_extensions_still():
    other = earlier.extension(b"data", tag="SOMETHING", header=b"user", level="C")

    (found,) = read_nitf(copied(earlier.file(images=[earlier.image(PIXELS)], extensions=[other]))).extensions

    assert (found.data, found.user_header, found.fields["DESID"], found.fields["DESCLAS"]) == (
        *(b"data", b"user"),
        *("SOMETHING", "C"),
    )


def test_tres_of_the_file_stay_and_jbpy_reads_them():
    data = copied(earlier.file(images=[earlier.image(PIXELS)], tres=earlier.tre("VENDOR", b"bytes")))

    assert [(tre.tag, tre.data) for tre in read_nitf(data).tres] == [("VENDOR", b"bytes")]
    assert jbpy_of(data)["FileHeader"]["XHDL"].value == 19


# ---- chips


def test_a_chip_of_a_chip_is_never_less_marked_and_carries_what_is_told(tmp_path):
    marks = {"CTLH": "NO FOREIGN DISSEMINATION", "DWNG": "999999"}
    image = earlier.image(PIXELS, level="S", marks=marks)
    (tmp_path / "0.ntf").write_bytes(earlier.file(images=[image], level="S", marks={"REL": "GBR"}))
    for step in (1, 2):
        source = str(tmp_path / f"{step - 1}.ntf")
        (tmp_path / f"{step}.ntf").write_bytes(encode_nitf(cut(source, (1, 1, 4, 3) if step == 1 else (1, 1, 2, 2))))

        found = read_nitf(tmp_path / f"{step}.ntf")
        fields = found.images[0].fields
        assert (found.fields["FSCLAS"], found.fields["FSREL"], fields["ISCLAS"], fields["ISDCTP"]) == (
            "S",
            "GBR",
            "S",
            "O",
        )
        assert fields["ISCLTX"] == "SEE TEXT SEGMENT NITF2.0"
        assert told(found) == told(read_nitf(tmp_path / "0.ntf"))
        assert "NO FOREIGN DISSEMINATION" in told(found)[0]
    window = PIXELS[:, 2:4, 2:4]
    np.testing.assert_array_equal(found.images[0].pixels.read(PixelWindow(0, 0, 2, 2)).pixels, window)


def test_the_second_image_of_a_file_is_chipped_too(tmp_path):
    path = tmp_path / "two.ntf"
    second = PIXELS[:, ::-1] + 1
    images = [earlier.image(PIXELS), earlier.image(second, level="C", title="The second")]
    path.write_bytes(earlier.file(images=images, level="C"))

    chip = read_nitf(encode_nitf(cut(read_nitf(path).images[1].pixels, (2, 1, 3, 4), locate=False)))

    np.testing.assert_array_equal(chip.images[0].pixels.read(PixelWindow(0, 0, 3, 4)).pixels, second[:, 1:5, 2:5])
    assert (chip.images[0].fields["ISCLAS"], chip.images[0].fields["IID2"]) == ("C", "The second")


# ---- hostile


@pytest.mark.parametrize("length", [0, 9, 100, 300, 388, 420, 700, 800])
def test_a_file_that_ends_early_is_told(length):
    data = earlier.file(images=[earlier.image(PIXELS)], texts=[earlier.text(b"words")])[:length]

    with pytest.raises(DecodeError):
        read_nitf(data)


def test_no_byte_of_the_headers_does_anything_but_a_named_error():
    data = earlier.file(images=[earlier.image(PIXELS)], symbols=[earlier.symbol(b"CGM")], labels=[earlier.label("A")])
    rng = np.random.default_rng(5)
    for at in rng.integers(9, len(data), 400):
        damaged = bytearray(data)
        damaged[at] = rng.integers(0, 256)
        try:
            write_nitf(io.BytesIO(), read_nitf(bytes(damaged)))
        except (DecodeError, EncodeError):
            continue
