"""What a written file is made of: lengths, levels, extensions, texts, graphics, as jbpy and GDAL read them."""

import io

import numpy as np
import pytest
import rasterio
from nitf_files import NOW, file_of, image_of, jbpy_complaints, jbpy_of, pixels_of, rewritten, written
from rasterio.io import MemoryFile

from stacchip_osml.encode.nitf import (
    DataExtension,
    GraphicSegment,
    NitfFile,
    TextSegment,
    Tre,
    make_tre,
    read_nitf,
    write_nitf,
    xml_fields,
    xml_user_header,
)
from stacchip_osml.errors import DecodeError, EncodeError
from stacchip_osml.pixel import PixelWindow

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

GRAPHIC = GraphicSegment(
    fields={"SID": "g1", "SNAME": "arrow", "SLOC": "0000300004", "SCOLOR": "M", "SBND2": "0001000010"}, data=b"CGM!"
)
TEXT = TextSegment(fields={"TEXTID": "t1", "TXTITL": "Note on it", "TXTFMT": "UT1"}, data="schön".encode("latin-1"))
XML = DataExtension(
    fields={"DESID": "XML_DATA_CONTENT", "DESVER": "01", "DESCLAS": "U", "DESCLSY": "US"},
    user_header=xml_user_header({"DESSHTN": "urn:SICD:1.4.0", "DESSHDT": "2026-01-02T03:04:05Z"}),
    data=b"<SICD xmlns='urn:SICD:1.4.0'/>",
)
EVERYTHING = NitfFile(
    fields={"OSTAID": "here", "FTITLE": "All of it", "ONAME": "Zoe", "FBKGC": "\x7f\x00\xff", "FSCTLN": "42"},
    tres=(Tre("AAAAAA", b"123"), Tre("BB", b"\0\xff")),
    images=(
        image_of(
            IID1="first", ICOM1="one", ICOM2="two", ICORDS="D", IGEOLO="+01.000+002.000" * 4, tres=[Tre("CCC", b"x")]
        ),
        image_of((3, 5, 4), "uint16", IID1="second", ISCLAS="U", ISORCE="camera", IREP="MULTI"),
    ),
    graphics=(GRAPHIC,),
    texts=(TEXT,),
    extensions=(XML, DataExtension(fields={"DESID": "OTHER"}, user_header=b"abc", data=b"\0" * 10)),
)


def test_jbpy_reads_every_part_and_finds_nothing_wrong():
    data = written(EVERYTHING)
    found = jbpy_of(data)
    header = found["FileHeader"]

    assert jbpy_complaints(data) == []
    assert header["FL"].value == len(data)
    assert header["FDT"].value == "20260304050607"
    assert [header[name].value for name in ("OSTAID", "FTITLE", "ONAME")] == ["here", "All of it", "Zoe"]
    assert header["FBKGC"].value == (127, 0, 255)
    assert [header[name].value for name in ("NUMI", "NUMS", "NUMT", "NUMDES")] == [2, 1, 1, 2]
    assert [tre.name for tre in header["XHD"]] == ["AAAAAA", "BB"]
    first, second = (segment["subheader"] for segment in found["ImageSegments"])
    assert (first["ICOM2"].value, first["IGEOLO"].value) == ("two", "+01.000+002.000" * 4)
    assert first["IXSHD"][0]["TREL"].value == 1
    assert [second[name].value for name in ("NBANDS", "NBPP", "ISORCE")] == [3, 16, "camera"]
    assert found["GraphicSegments"][0]["subheader"]["SNAME"].value == "arrow"
    assert found["TextSegments"][0]["subheader"]["TXTITL"].value == "Note on it"
    des = found["DataExtensionSegments"][0]["subheader"]
    assert (des["DESSHL"].value, des["DESSHTN"].value) == (773, "urn:SICD:1.4.0")
    at = found["DataExtensionSegments"][1]["DESDATA"].get_offset()
    assert data[at - 3 : at + 10] == b"abc" + b"\0" * 10


@pytest.mark.parametrize("version", ["NITF02.10", "NSIF01.00"])
def test_gdal_reads_the_pixels_of_every_image(version, tmp_path):
    path = tmp_path / "a.ntf"
    write_nitf(path, NitfFile(version=version, images=EVERYTHING.images, texts=(TEXT,)))
    with MemoryFile(path.read_bytes()) as memory, memory.open(driver="NITF") as dataset:
        names = dataset.subdatasets
        assert len(names) == 2
        assert dataset.tags()["NITF_FHDR"] == version
    for number, (shape, dtype) in enumerate((((1, 6, 8), "uint8"), ((3, 5, 4), "uint16"))):
        with rasterio.open(f"NITF_IM:{number}:{path}") as dataset:
            np.testing.assert_array_equal(dataset.read(), pixels_of(shape, dtype))
        ours = read_nitf(path).images[number].pixels.read(PixelWindow(0, 0, shape[2], shape[1]))
        np.testing.assert_array_equal(ours.pixels, pixels_of(shape, dtype))


def test_names_beyond_ascii_are_latin_1():
    found = rewritten(NitfFile(fields={"ONAME": "Zoë"}, texts=(TEXT,)))

    assert found.fields["ONAME"] == "Zoë"
    assert b"Zo\xeb" in written(NitfFile(fields={"ONAME": "Zoë"}))


def test_what_was_written_is_what_is_read():
    found = rewritten(EVERYTHING)

    assert found.tres == EVERYTHING.tres
    assert found.fields["FSCTLN"] == "42"
    assert [image.tres for image in found.images] == [(Tre("CCC", b"x"),), ()]
    for ours, theirs in ((EVERYTHING.graphics, found.graphics), (EVERYTHING.texts, found.texts)):
        assert [each.data for each in ours] == [each.data for each in theirs]
        assert ours[0].fields.items() <= theirs[0].fields.items()
    for ours, theirs in zip(EVERYTHING.extensions, found.extensions, strict=True):
        assert (ours.user_header, ours.data) == (theirs.user_header, theirs.data)
        assert ours.fields.items() <= theirs.fields.items()


def test_a_copy_of_a_copy_has_the_same_bytes():
    data = written(EVERYTHING)

    assert written(read_nitf(data)) == data
    assert written(read_nitf(io.BytesIO(data))) == data
    assert written(read_nitf(lambda offset, size: data[offset : offset + size])) == data


def test_the_clock_can_be_given_and_is_not_asked_where_the_file_says_when():
    file = file_of(image_of())

    assert written(file) == written(file)
    dated = NitfFile(fields={"FDT": "2001--------02"}, images=file.images)
    out = io.BytesIO()
    write_nitf(out, dated)
    assert out.getvalue() == written(dated)
    assert read_nitf(out.getvalue()).fields["FDT"] == "2001--------02"


def test_a_file_is_written_from_where_an_open_file_stands():
    out = io.BytesIO(b"before")
    out.seek(6)
    write_nitf(out, EVERYTHING, now=NOW)

    assert out.getvalue() == b"before" + written(EVERYTHING)
    assert out.tell() == len(out.getvalue())


def test_a_file_without_images_is_a_file():
    data = written(NitfFile(texts=(TEXT,)))

    assert jbpy_complaints(data) == []
    assert read_nitf(data).images == ()


# ---- TREs


def big(count, size=50_000):
    return tuple(Tre(f"BIG{number:03d}", bytes([number]) * size) for number in range(count))


@pytest.mark.parametrize("count", [2, 3, 5])
def test_tres_beyond_an_area_overflow_in_order(count):
    tres = big(count)
    file = file_of(image_of(tres=tres), image_of(tres=big(2)), tres=tres, extensions=(XML,))
    data = written(file)
    found, theirs = read_nitf(data), jbpy_of(data)

    assert found.tres == tres
    assert [image.tres for image in found.images] == [tres, big(2)]
    assert [extension.data for extension in found.extensions] == [XML.data]
    header, image = theirs["FileHeader"], theirs["ImageSegments"][0]["subheader"]
    overflows = theirs["DataExtensionSegments"][1:]
    assert len(overflows) == 2 * (count > 2)
    if count > 2:
        assert (header["XHDLOFL"].value, image["IXSOFL"].value) == (2, 3)
        places = [(each["subheader"]["DESOFLW"].value, each["subheader"]["DESITEM"].value) for each in overflows]
        assert places == [("XHD", 0), ("IXSHD", 1)]
        assert [tre.name for tre in overflows[0]["DESDATA"]] == [tre.tag for tre in tres[2:]]
        assert [tre.name for tre in image["UDID"]] == ["BIG000"]
        assert [tre.name for tre in image["IXSHD"]] == ["BIG001"]
    assert jbpy_complaints(data) == []


def test_the_longest_tre_fills_an_area():
    tre = Tre("LONGES", b"x" * 99_985)

    assert rewritten(file_of(image_of(tres=[tre, tre, tre]))).images[0].tres == (tre, tre, tre)


def test_tres_of_texts_and_graphics_overflow_too():
    tres = big(2, 6000)
    file = NitfFile(texts=(TextSegment(tres=tres, data=b"t"),), graphics=(GraphicSegment(tres=tres, data=b"g"),))
    found = rewritten(file)

    assert (found.texts[0].tres, found.graphics[0].tres) == (tres, tres)
    assert len(jbpy_of(written(file))["DataExtensionSegments"]) == 2


def test_an_overflow_is_marked_like_what_it_continues():
    marked = image_of(ISCLAS="C", ISCLSY="US", tres=big(3))
    des = jbpy_of(written(file_of(marked)))["DataExtensionSegments"][0]["subheader"]

    assert (des["DESCLAS"].value, des["DESCLSY"].value) == ("C", "US")


def test_typed_and_unknown_tres_keep_every_byte():
    known = make_tre(
        "GEOLOB", {"ARV": "000360000", "BRV": "000360000", "LSO": "+00000000000.00", "PSO": "-00000000000.50"}
    )
    odd = Tre("ZZ9999", bytes(range(256)))

    assert rewritten(file_of(image_of(tres=[odd, known, odd]))).images[0].tres == (odd, known, odd)


# ---- XML_DATA_CONTENT


def test_the_header_of_xml_has_773_bytes_and_is_read_back():
    header = xml_user_header({"DESSHTN": "urn:SIDD:3.0.0", "DESSHABS": "Über"})

    assert len(header) == 773
    assert xml_fields(header)["DESSHABS"] == "Über"
    assert xml_fields(header[:283])["DESSHTN"] == "urn:SIDD:3.0.0"
    assert list(xml_fields(header[:5])) == ["DESCRC"]
    with pytest.raises(EncodeError, match=r"DESSHLPT is .*at most 25 characters .*STDI-0002"):
        xml_user_header({"DESSHLPT": "1" * 26})
    with pytest.raises(EncodeError, match=r"DESSHXX.* are no fields"):
        xml_user_header({"DESSHXX": "1"})
    short = DataExtension(fields={"DESID": "XML_DATA_CONTENT"}, user_header=b"123", data=b"<a/>")
    with pytest.raises(EncodeError, match=r"data extension 1: DESSHF has 3 bytes; expected one of \(0, 5, 283, 773\)"):
        written(NitfFile(extensions=(short,)))


def test_rows_that_lie_far_apart_are_read_of_bytes_in_memory():
    data = written(file_of(image_of((1, 5, 20_000), NPPBH="0", NPPBV="0")))
    pixels = read_nitf(data).images[0].pixels

    found = pixels.read(PixelWindow(70, 1, 9, 3)).pixels

    np.testing.assert_array_equal(found, pixels_of((1, 5, 20_000))[:, 1:4, 70:79])
    cut = read_nitf(data[:-19_925]).images[0].pixels
    with pytest.raises(DecodeError, match="its bytes end before it does"):
        cut.read(PixelWindow(70, 1, 9, 4))


def test_a_text_as_long_as_its_length_can_say_is_no_stream():
    text = TextSegment(fields={"TEXTID": "long"}, data=b"x" * 99_999)

    found = rewritten(NitfFile(texts=(text, TEXT))).texts
    assert [each.data for each in found] == [text.data, TEXT.data]
