"""Files written as streams, whose lengths stand at their end: read like others, refused where they are not whole."""

import numpy as np
import pytest
from chip_sources import cut
from nitf_files import file_of, image_of, jbpy_complaints, pixels_of, written

from stacchip_osml.encode.nitf import DataExtension, TextSegment, Tre, encode_nitf, read_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery.blocks.image import BlockImage

DELIMITERS = bytes.fromhex("0a6e1d97"), bytes.fromhex("0eca14bf")
IGEOLO = "480000N0110000E480000N0120000E470000N0120000E470000N0110000E"
OTHER = DataExtension(fields={"DESID": "OTHER", "DESVER": "01"}, data=b"kept")


def streamed(**parts):
    """A file with lengths of nines, and what a stream's writer puts at its end when it knows them."""
    image = image_of((1, 40, 60), tres=[Tre("VENDOR", b"bytes")], ICORDS="G", IGEOLO=IGEOLO)
    length = 388
    for _ in range(2):  # the first time tells how long the header is
        last = DataExtension(fields={"DESID": "STREAMING_FILE_HEADER", "DESVER": "01"}, data=bytes(length + 22))
        whole = written(file_of(image, extensions=(OTHER, last), **parts))
        length = int(whole[354:360])
    data = bytearray(whole)
    header, digits = bytes(data[:length]), b"%07d" % length
    data[-length - 22 :] = digits + DELIMITERS[0] + header + DELIMITERS[1] + digits
    data[342:354], data[369:379] = b"9" * 12, b"9" * 10
    return bytes(data)


def only_other(file):
    return [(each.fields["DESID"], each.data) for each in file.extensions] == [("OTHER", b"kept")]


@pytest.fixture(scope="module")
def data():
    return streamed(texts=(TextSegment(fields={"TEXTID": "note"}, data=b"hello"),))


def test_it_is_read_as_if_its_header_had_the_lengths(data):
    found = read_nitf(data)

    assert np.array_equal(found.images[0].pixels.get_block(7, 0), pixels_of((1, 40, 60))[:, 7:8])
    assert found.images[0].tres == (Tre("VENDOR", b"bytes"),)
    assert found.texts[0].data == b"hello"
    assert only_other(found)  # lengths of this file are nobody else's


def test_a_copy_is_no_stream(data):
    copy = written(read_nitf(data))

    assert copy[342:354] == b"%012d" % len(copy)
    assert b"STREAMING_FILE_HEADER" not in copy
    assert not jbpy_complaints(copy)
    assert only_other(read_nitf(copy))


def test_blocks_place_and_chips_are_those_of_any_file(data, tmp_path):
    path = tmp_path / "stream.ntf"
    path.write_bytes(data)
    image = BlockImage(str(path))

    assert image.served_by(0).startswith("block/")
    lon, lat, _ = load_sensor_model(str(path)).image_to_world([0.5], [0.5])
    assert (lon[0], lat[0]) == pytest.approx((11, 48))
    chip = cut(str(path), (10, 10, 20, 20))
    found = read_nitf(encode_nitf(chip))
    assert np.array_equal(found.images[0].pixels.read(chip.window._replace(x=0, y=0)).pixels, chip.pixels)
    assert {tre.tag for tre in found.images[0].tres} == {"VENDOR", "ICHIPB", "BLOCKA"}
    assert only_other(found)


def test_a_header_at_the_end_may_say_the_lengths_alone(data, tmp_path):
    """The rest of it is that at the beginning (table A-8(B): SFH-DR replaces as many bytes as it has)."""
    length, kept = int(data[354:360]), int(data[354:360]) - 10
    path = tmp_path / "stream.ntf"
    header, digits = data[-11 - length : -11][:kept], b"%07d" % kept
    short = data[: -length - 22] + bytes(10) + digits + DELIMITERS[0] + header + DELIMITERS[1] + digits
    path.write_bytes(short)

    assert BlockImage(str(path)).served_by(0).startswith("block/")
    assert load_sensor_model(str(path)).kind == "IGEOLO"
    assert read_nitf(path).images[0].tres == (Tre("VENDOR", b"bytes"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-1], "LI1 is 9999999999, as of a file that is still written: no STREAMING_FILE_HEADER"),
        (lambda data: data[: len(data) // 2], "still written"),
        (lambda data: data[:-7] + b"9999999", r"STREAMING_FILE_HEADER at -\d+: 9999999 bytes do not fit"),
        (lambda data: data[:-7] + b"0000400", r"begins with .*, not its length and delimiter"),
        (lambda data: data.replace(DELIMITERS[0], b"    "), "not its length and delimiter"),
        (lambda data: data.replace(DELIMITERS[1], b"    "), "still written"),
        (lambda data: data[:360] + data[360:].replace(b"NITF02.10", b"NITF02.00"), "begins with b'NITF02.00' and FL"),
        (lambda data: data[:600] + data[601:], r"FL is b'\d+'; the file has \d+ bytes"),
    ],
)
def test_what_is_not_whole_is_refused(data, change, message):
    with pytest.raises(DecodeError, match=message):
        read_nitf(change(data))
