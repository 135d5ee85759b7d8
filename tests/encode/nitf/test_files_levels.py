"""Display levels, complexity level and markings of a whole file."""

import numpy as np
import pytest
from nitf_files import file_of, image_of, jbpy_of, pixels_of, rewritten, written

from stacchip_osml.encode.nitf import DataExtension, GraphicSegment, NitfFile, NitfImage, TextSegment, read_nitf
from stacchip_osml.encode.nitf.levels import Place, bytes_level, complexity_level, place_segments
from stacchip_osml.encode.nitf.security import file_marking
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.pixel import PixelWindow


def levels_of(file):
    return [tuple(image.fields[name] for name in ("IDLVL", "IALVL", "ILOC")) for image in rewritten(file).images]


def test_levels_are_counted_and_unique():
    file = file_of(image_of(), image_of(), image_of(), graphics=(GraphicSegment(data=b"g"),))

    assert levels_of(file) == [(f"00{n}", "000", "0" * 10) for n in (1, 2, 3)]
    assert rewritten(file).graphics[0].fields["SDLVL"] == "004"


def test_levels_that_agree_are_kept():
    stated = [("007", "000", "0000500006"), ("010", "007", "-000100002")]
    images = [image_of(IDLVL=level, IALVL=attached, ILOC=place) for level, attached, place in stated]

    assert levels_of(file_of(*images)) == stated


@pytest.mark.parametrize(
    "stated",
    [
        [("001", "000"), ("001", "000")],  # not unique
        [("001", "002"), ("002", "000")],  # attached to a higher one
        [("005", "004"), ("006", "000")],  # attached to none that there is: a chip of one of several images
        [("005", "000"), ("", "")],
        [("0", "000"), ("2", "0")],
        [("one", "000"), ("2", "0")],
    ],
)
def test_levels_that_do_not_agree_are_counted_anew(stated):
    images = [image_of(IDLVL=level, IALVL=attached) for level, attached in stated]

    assert levels_of(file_of(*images)) == [("001", "000", "0" * 10), ("002", "000", "0" * 10)]


def test_images_without_levels_are_attached_and_placed_by_their_numbers():
    images = [image_of(), image_of(IALVL="001", ILOC="0000300004"), image_of(IALVL="002", ILOC="-0001-0002")]

    assert levels_of(file_of(*images)) == [
        ("001", "000", "0000000000"),
        ("002", "001", "0000300004"),
        ("003", "002", "-0001-0002"),
    ]


def test_images_counted_anew_stay_where_they_are_if_they_were_attached_to_none():
    places = [("001", "000", "0000100002"), ("001", "000", "0000300004"), ("001", "001", "0000500006")]
    images = [image_of(IDLVL=level, IALVL=attached, ILOC=place) for level, attached, place in places]

    assert levels_of(file_of(*images)) == [
        ("001", "000", "0000100002"),
        ("002", "000", "0000300004"),
        ("003", "000", "0000000000"),
    ]


def test_segments_of_one_image_stand_in_a_column(monkeypatch):
    monkeypatch.setattr("stacchip_osml.encode.nitf.pixels.MOST_PLACED_ROWS", 4)
    pixels = pixels_of((1, 10, 6), "uint16")
    provider = BufferedImageAssetProvider.from_array(pixels, block_width=0, block_height=0)
    tall = NitfImage(pixels=provider, fields={"IC": "NC", "IID1": "SICD000", "ISORCE": "radar"})
    found = rewritten(file_of(tall, image_of()))

    assert [image.fields["IID1"] for image in found.images] == ["SICD001", "SICD002", "SICD003", ""]
    places = [tuple(image.fields[name] for name in ("IDLVL", "IALVL", "ILOC")) for image in found.images]
    assert places == [
        ("001", "000", "0000000000"),
        ("002", "001", "0000400000"),
        ("003", "002", "0000400000"),
        ("004", "000", "0000000000"),
    ]
    assert {image.fields["ISORCE"] for image in found.images[:3]} == {"radar"}
    rows = [image.pixels.read(PixelWindow(0, 0, 6, image.pixels.num_rows)).pixels for image in found.images[:3]]
    np.testing.assert_array_equal(np.concatenate(rows, axis=1), pixels)


def test_more_segments_than_levels_and_rows_beyond_a_location_are_refused():
    with pytest.raises(EncodeError, match=r"1000 image and graphic segments; display levels end at 999 \(MIL-STD"):
        place_segments([({}, [1] * 1000)], [])
    with pytest.raises(EncodeError, match=r"ILOC: a segment 100000 rows below another; it ends at 99999"):
        place_segments([({}, [100_000, 1])], [])


# ---- CLEVEL


def fields_of(rows=100, cols=100, bands=1, nbpp=8, block=(100, 100), irep="MONO"):
    count = {"NBANDS": str(bands)} if bands < 10 else {"NBANDS": "0", "XBANDS": str(bands)}
    sizes = {"NROWS": str(rows), "NCOLS": str(cols), "NPPBV": str(block[0]), "NPPBH": str(block[1])}
    return {**sizes, **count, "NBPP": str(nbpp), "IREP": irep, "IC": "NC"}


FIRST = Place(1, 0, (0, 0))


@pytest.mark.parametrize(
    ("fields", "level"),
    [
        (fields_of(), 3),
        (fields_of(2048, 2048), 3),
        (fields_of(2049, 10), 5),
        (fields_of(10, 8192), 5),
        (fields_of(8193, 10), 6),
        (fields_of(65_536, 65_536), 6),
        (fields_of(65_537, 10), 7),
        (fields_of(block=(2048, 2049)), 5),
        (fields_of(block=(0, 100)), 9),
        (fields_of(bands=9), 3),
        (fields_of(bands=10), 5),
        (fields_of(bands=255), 5),
        (fields_of(bands=256), 7),
        (fields_of(bands=999), 7),
        (fields_of(bands=1000), 9),
        (fields_of(bands=3, irep="RGB"), 3),
        (fields_of(bands=3, irep="RGB", nbpp=16), 6),
    ],
)
def test_the_complexity_level_follows_the_image(fields, level):
    assert complexity_level(images=[(fields, FIRST)]) == level


@pytest.mark.parametrize(
    ("facts", "level"),
    [
        ({"graphics": 1, "graphic_bytes": 2**20 + 1}, 5),
        ({"graphics": 101}, 9),
        ({"texts": 33}, 9),
        ({"extensions": 101}, 9),
    ],
)
def test_the_complexity_level_follows_the_file(facts, level):
    assert complexity_level(images=[(fields_of(), FIRST)], **facts) == level


@pytest.mark.parametrize(
    ("length", "level"),
    [(1000, 3), (50 * 2**20 - 1, 3), (50 * 2**20, 5), (2**30, 6), (2 * 2**30, 7), (10 * 2**30, 9)],
)
def test_the_complexity_level_follows_the_length_of_the_file(length, level):
    assert bytes_level(length) == level


def test_images_far_apart_make_a_complex_file():
    far = [(fields_of(), FIRST), (fields_of(), Place(2, 1, (8100, 0)))]

    assert complexity_level(images=far) == 6
    assert complexity_level(images=[(fields_of(), FIRST)] * 21) == 5


@pytest.mark.parametrize(
    "image",
    [
        image_of((1, 6, 8)),
        image_of((12, 6, 8), IREP="MULTI"),
        image_of((1, 3000, 2), NPPBV="64"),
        image_of((3, 4, 4), IREP="RGB"),
    ],
)
def test_jbpy_finds_the_same_complexity_level(image):
    found = jbpy_of(written(file_of(image)))
    ours = found["FileHeader"]["CLEVEL"].value
    found.update_clevel()

    assert found["FileHeader"]["CLEVEL"].value == ours


# ---- markings


def test_a_file_is_marked_at_least_as_high_as_what_is_in_it():
    low, high = image_of(ISCLAS="U"), image_of(ISCLAS="S", ISCLSY="US", ISREL="GB", ISCTLH="XX", ISDCDT="20501231")
    found = rewritten(file_of(low, high, fields={"FSCLAS": "C", "FSCAUT": "me"}))

    assert found.fields["FSCLAS"] == "S"
    assert [found.fields[f"FS{name}"] for name in ("CLSY", "CTLH", "DCDT", "CAUT")] == ["US", "XX", "20501231", "me"]
    assert found.fields["FSREL"] == ""
    assert [image.fields["ISCLAS"] for image in found.images] == ["U", "S"]


@pytest.mark.parametrize(
    "parts",
    [
        {"texts": (TextSegment(fields={"TSCLAS": "T"}, data=b"t"),)},
        {"graphics": (GraphicSegment(fields={"SSCLAS": "T"}, data=b"t"),)},
        {"extensions": (DataExtension(fields={"DESID": "A", "DESCLAS": "T"}, data=b"t"),)},
    ],
)
def test_every_kind_of_segment_raises_the_marking(parts):
    assert rewritten(NitfFile(**parts)).fields["FSCLAS"] == "T"


def test_a_marking_is_never_lowered_and_codewords_are_not_mixed():
    assert file_marking({"FSCLAS": "T"}, [("I", {"ISCLAS": "S"})]) == {}
    assert file_marking({"FSCLAS": "S"}, [("I", {"ISCLAS": "S", "ISCODE": "AB"})]) == {"FSCODE": "AB"}
    assert file_marking({"FSCLAS": "S"}, [("I", {"ISCODE": "AB"}), ("I", {"ISCODE": "CD"})]) == {}
    assert file_marking({"FSCLAS": "S", "FSCODE": "ZZ"}, [("I", {"ISCODE": "AB"})]) == {}


def test_a_copy_keeps_the_marking():
    file = file_of(image_of(ISCLAS="R", ISCTLH="NO"), fields={"FSCLAS": "T", "FSCLSY": "US", "FSCRSN": "A"})
    data = written(file)

    assert written(read_nitf(data)) == data
