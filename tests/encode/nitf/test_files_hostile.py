"""Damaged and hostile files: typed errors, quickly, and no memory for sizes that are only claimed."""

import random
import re
import tracemalloc
from dataclasses import replace

import pytest
from nitf_files import file_of, image_of, written

from stacchip_osml.encode.nitf import DataExtension, NitfFile, TextSegment, Tre, nitf_info, read_nitf
from stacchip_osml.errors import ChipError, DecodeError, LimitError, ReadError
from stacchip_osml.imagery.limits import ReadLimits

FILE = file_of(
    image_of(ICOM1="c", ICORDS="G", IGEOLO="010203N0010203E" * 4, tres=[Tre("AAAAAA", b"12345")]),
    tres=(Tre("BBBBBB", b"xyz"),),
    texts=(TextSegment(data=b"text"),),
    extensions=(DataExtension(fields={"DESID": "A"}, user_header=b"123", data=b"data"),),
)
DATA = written(FILE)


def patched(at, text):
    return DATA[:at] + text + DATA[at + len(text) :]


def test_every_way_to_cut_a_file_short_is_told():
    kept = 0
    for size in range(len(DATA)):
        try:
            read_nitf(DATA[:size])
        except ReadError:
            continue
        kept += 1
    assert kept == 0  # the last segment is an extension, whose data is read


def test_any_damage_is_a_typed_error_or_another_file():
    chance = random.Random(5)
    for _ in range(500):
        data = bytearray(DATA)
        for _ in range(chance.choice((1, 1, 2, 5))):
            data[chance.randrange(len(data))] = chance.choice(b"09 -A\0\xff")
        try:
            nitf_info(bytes(data))
            written(read_nitf(bytes(data)))
        except ChipError:
            continue


IMAGE_AT = int(DATA[354:360])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a NITF 2.1, NSIF 1.0 or NITF 2.0 file"),
        (b"NITF01.10" + DATA[9:], r"not a NITF 2.1, NSIF 1.0 or NITF 2.0 file: it begins with 'NITF01.10'"),
        (b"NITF02.10garbage", "cut short: 16 bytes, a NITF file header has 388 or more"),
        (patched(354, b"000001"), "HL is b'000001', not the length of a file header, 388 or more"),
        (patched(354, b"-00400"), "HL is b'-00400'"),
        (patched(354, b"999999"), "ends where 999999 bytes of its header should be"),
        (patched(360, b"9x9"), "NUMI is '9x9', not a whole number"),
        (patched(360, b"999"), "file header: ends within"),
        (patched(363, b"      "), r"LISH1 and LI1 are .*not numbers"),
        (patched(369, b"9" * 10), r"LI1 is 9999999999, as of a file that is still written: .* get the whole file"),
        (patched(369, b"9" * 9 + b"8"), "ends where"),
        (patched(IMAGE_AT, b"XX"), r"image 1: no subheader at byte \d+: it begins with b'XX'"),
        (patched(IMAGE_AT + 333, b"00000000"), "0 pixels"),
        (patched(IMAGE_AT + 333, b"     x  "), "NROWS is '     x', not a number"),
        (patched(IMAGE_AT + 290, b"1"), "ENCRYP is '1'"),
        (DATA.replace(b"BBBBBB00003", b"BBBBBB00009"), "'BBBBBB' of 9 bytes leaves its area of 14 bytes"),
        (DATA.replace(b"BBBBBB00003", b"BBBBBB-0003"), "no TRE at byte 0 of its extensions"),
        (DATA.replace(b"BBBBBB00003", b"\0BBBBB00003"), "CETAG is 1 to 6 printable"),
    ],
)
def test_what_is_wrong_is_named(data, message):
    with pytest.raises(DecodeError, match=message):
        read_nitf(data)


def test_of_a_file_with_damaged_parts_the_others_are_told():
    second = image_of(IID1="SECOND", tres=[Tre("CCCCCC", b"1"), Tre("DDDDDD", b"2")])
    data = written(replace(FILE, images=(*FILE.images, second)))
    damaged = bytearray(data.replace(b"DDDDDD00001", b"DDDDDD00002").replace(b"TE     ", b"XX     "))
    rows = int(data[354:360]) + 333  # NROWS of the first image
    damaged[rows : rows + 8] = b"00000000"
    with pytest.raises(DecodeError, match="image 1"):
        read_nitf(bytes(damaged))

    told = nitf_info(bytes(damaged))

    assert [image["fields"]["IID1"].strip() for image in told["images"]] == ["SECOND"]
    assert [tre["tag"] for tre in told["images"][0]["tres"]] == ["CCCCCC"]
    assert (told["fields"]["FTITLE"].strip(), [tre["tag"] for tre in told["tres"]]) == ("", ["BBBBBB"])
    assert (told["texts"], [each["data_bytes"] for each in told["extensions"]]) == ([], [4])
    for part, fault in zip(("8 x 0 pixels", "'DDDDDD' of 2 bytes", "text 1: no sub"), told["faults"], strict=True):
        assert part in fault


def of_reserved_segment():
    """The file, its data extension made a reserved extension: two bytes less in the file header."""
    lengths = re.search(rb"001(\d{4})(\d{9})000(?=\d{5})", DATA)
    header = b"000001" + lengths[1] + lengths[2][2:]
    data = DATA[: lengths.start()] + header + DATA[lengths.end() :].replace(b"DEA ", b"REA ", 1)
    return data[:354] + f"{int(DATA[354:360]) - 2:06d}".encode() + data[360:]


@pytest.mark.parametrize(
    ("data", "segment", "field", "fault", "left"),
    [
        (patched(IMAGE_AT + 290, b"1"), "image 1", ("ICAT", "VIS"), "ENCRYP is '1'", (0, 1, 1)),
        (patched(369, b"9" * 10), "image 1", ("NROWS", "00000006"), "still written", (0, 0, 0)),
        (patched(IMAGE_AT + 333, b"     x  "), "image 1", ("ISCLAS", "U"), "not a number", (0, 1, 1)),
        (DATA.replace(b"DEA ", b"XXA ", 1), "data extension 1", None, "no subheader", (1, 1, 0)),
        (of_reserved_segment(), "reserved extension 1", ("RESID", "A"), "not served", (1, 1, 0)),
    ],
)
def test_a_segment_that_is_left_out_is_told_with_its_place_and_what_of_it_is_intact(data, segment, field, fault, left):
    told = nitf_info(data)
    (one,) = told["left_out"]

    assert (one["segment"], one["fault"]) == (segment, next(each for each in told["faults"] if fault in each))
    assert data[one["offset"] :][:2] in {b"IM", b"RE", b"DE", b"XX"}
    assert one["header_bytes"] > 0
    assert field is None or one["fields"][field[0]].strip() == field[1]
    assert tuple(len(told[kind]) for kind in ("images", "texts", "extensions")) == left


def test_of_a_damaged_file_header_the_fields_before_the_damage_are_told():
    told = nitf_info(patched(360, b"9x9"))

    assert (told["fields"]["FSCLAS"], told["fields"]["HL"]) == ("U", DATA[354:360].decode())
    assert ("NUMI is '9x9'" in told["faults"][0], told["images"]) == (True, [])
    with pytest.raises(DecodeError, match="not a NITF"):
        nitf_info(b"no file" + DATA)


def test_a_claimed_size_takes_no_memory():
    huge = patched(IMAGE_AT + 333, b"99999999" * 2)
    tracemalloc.start()
    with pytest.raises(ReadError, match=r"."):
        read_nitf(huge).images[0].pixels.get_block(0, 0)
    for data in (patched(369, b"9999999998"), patched(360, b"998"), patched(354, b"999998")):
        with pytest.raises(ChipError, match=r"."):
            written(read_nitf(data))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 20e6


def test_limits_are_checked_before_a_segment_is_read():
    with pytest.raises(LimitError, match=r"image 1: 8 x 6 pixels, more than 7 a side"):
        read_nitf(DATA, limits=ReadLimits(side=7))
    with pytest.raises(LimitError, match=r"data extension 1: 4 bytes, more than 3"):
        read_nitf(DATA, limits=ReadLimits(block_bytes=3))


def test_reserved_extensions_are_refused_because_a_copy_would_lose_them():
    data = written(NitfFile())
    with_one = data[:342] + b"%012d%06d" % (388 + 11 + 201, 399) + data[360:375]
    with_one += b"001" + b"0200" + b"0000001" + data[378:388] + b"RE" + b" " * 199
    with pytest.raises(DecodeError, match="reserved extension 1: not served: what it holds is reserved"):
        read_nitf(with_one)


@pytest.mark.parametrize("source", [3, None, object()])
def test_what_is_no_source_is_told(source):
    with pytest.raises(ReadError, match="expected a path, a URL, bytes, an open binary file or a function"):
        read_nitf(source)


def test_a_missing_file_and_a_failing_function_are_read_errors(tmp_path):
    with pytest.raises(ReadError, match="no such file"):
        read_nitf(tmp_path / "none.ntf")

    def fails(offset, size):
        raise OSError("socket closed")

    with pytest.raises(ReadError, match=r"fails: bytes 0 to .*: socket closed"):
        read_nitf(fails)


def test_overflowed_tres_of_no_segment_are_told():
    tres = tuple(Tre(f"T{number}", bytes(60_000)) for number in range(4))
    data = written(file_of(image_of(tres=tres)))
    with pytest.raises(DecodeError, match="TRE_OVERFLOW of IXSHD of segment 7, which it does not have"):
        read_nitf(data.replace(b"IXSHD 001", b"IXSHD 007"))
