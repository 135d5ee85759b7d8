"""What a chip's headers have of its parent's: markings, comments, bands, TREs; what a caller says instead."""

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from chip_sources import cut, jbpy_of, scene_pixels, write_parent
from rasterio.io import MemoryFile

from stacchip_osml.encode import FORMATS, encode_chip
from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf import (
    Tre,
    chip_account,
    chip_file,
    encode_nitf,
    read_nitf,
    tre_fields,
)
from stacchip_osml.encode.nitf.chip_fields import magnification
from stacchip_osml.encode.nitf.ichipb import chip_in_image, ichipb_tre
from stacchip_osml.encode.nitf.security import require_marking
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow

SECRET = {
    **{"ISCLAS": "S", "ISCLSY": "US", "ISCODE": "CODEWORD", "ISCTLH": "XX", "ISREL": "USA GBR", "ISDCTP": "DD"},
    **{"ISDCDT": "20501231", "ISCLTX": "text", "ISCAUT": "authority", "ISCRSN": "A", "ISSRDT": "20200102"},
}
NAMES = {"IID1": "ABC", "IDATIM": "20200304050607", "TGTID": "0123456789ABCDEUS", "IID2": "long name", "ISORCE": "eye"}


def bandsb(count, *, aux=False):
    """BANDSB of bands with an identifier and a central wavelength, and two parameters of all kinds."""
    mask = (1 << 28) | (1 << 24) | (1 if aux else 0)
    head = b"%05d" % count + b"RADIANCE".ljust(24) + b"S" + struct.pack(">ff", 2.0, 1.0) + b"0001.00M" * 4 + b" " * 48
    bands = b"".join((b"band %d" % band).ljust(50) + b"%07.3f" % band for band in range(count))
    tail = b""
    if aux:
        tail = b"0301" + b"I" + b"seconds" + b"".join(b"%010d" % band for band in range(count))
        tail += b"R" + b"metres " + b"".join(struct.pack(">f", band) for band in range(count))
        tail += b"A" + b"text   " + b"".join((b"text of band %d" % band).ljust(20) for band in range(count))
        tail += b"I" + b"cubes  " + b"%010d" % 7
    return Tre("BANDSB", head + struct.pack(">I", mask) + b"U" + bands + tail)


def bandsa(count):
    head = b"0001.00M" * 2 + b"000001" + b"%04d" % count
    return Tre("BANDSA", head + b"".join(b"%05d" % band + b"x" * 41 for band in range(count)))


@pytest.fixture(scope="module")
def colors(tmp_path_factory):
    """A parent of four bands with everything."""
    marks = {f"IREPBAND{n}": mark for n, mark in enumerate(("B", "G", "R", ""), 1)}
    waves = {f"ISUBCAT{n}": f"{n}00" for n in range(1, 5)}
    return write_parent(
        tmp_path_factory.mktemp("parents") / "colors.ntf",
        scene_pixels((4, 60, 80)),
        fields={**SECRET, **NAMES, **marks, **waves, "ICAT": "MS", "ICOM1": "first", "ICOM2": "second"},
        tres=(bandsb(4), Tre("PIAIMC", b"p" * 362), Tre("XYZABC", b"unknown"), Tre("J2KLRA", b"x" * 40), bandsa(4)),
        file_fields={"OSTAID": "HERE", "FTITLE": "title", "FSCLAS": "T", "FSCODE": "FILECODE", "ONAME": "me"},
        file_tres=(Tre("CSDIDA", b"c" * 70),),
    )


def test_names_and_markings_are_the_parents(colors):
    data = encode_nitf(cut(colors, (10, 20, 30, 16)))
    jbpy_of(data)
    file = read_nitf(data)

    fields = file.images[0].fields
    assert {name: fields[name] for name in SECRET | NAMES} == SECRET | NAMES
    assert (file.fields["FSCLAS"], file.fields["FSCODE"]) == ("T", "FILECODE")
    assert (file.fields["OSTAID"], file.fields["FTITLE"], file.fields["ONAME"]) == ("HERE", "title", "me")
    assert [tre.tag for tre in file.tres] == ["CSDIDA"]


def test_every_tre_of_the_parent_is_accounted_for(colors):
    chip = cut(colors, (10, 20, 30, 16))

    fates = [(fate.tag, fate.fate) for fate in chip_account(chip).tres]
    tags = [tre.tag for tre in read_nitf(encode_nitf(chip)).images[0].tres]

    kept = ["BANDSB", "PIAIMC", "XYZABC", "BANDSA"]
    assert fates == [*((tag, "kept") for tag in kept[:3]), ("J2KLRA", "left out"), ("BANDSA", "kept")]
    assert tags == [*kept, "ICHIPB"]


def test_bands_that_are_chosen_take_what_is_said_of_them_along(colors):
    image = BlockImage(colors)
    pixels = image.read(PixelWindow(10, 20, 30, 16), bands=(2, 1, 0)).pixels
    rgb = cut(colors, (10, 20, 30, 16), pixels=pixels, bands=(2, 1, 0))
    one = cut(colors, (10, 20, 30, 16), pixels=pixels[:1], bands=(3,))
    two = cut(colors, (10, 20, 30, 16), pixels=pixels[:2], bands=(3, 0))

    found = [read_nitf(encode_nitf(chip)).images[0] for chip in (rgb, one, two)]

    bands = [
        [(image.fields[f"IREPBAND{n}"], image.fields[f"ISUBCAT{n}"]) for n in range(1, count + 1)]
        for image, count in zip(found, (3, 1, 2), strict=True)
    ]
    assert bands == [[("R", "300"), ("G", "200"), ("B", "100")], [("M", "400")], [("", "400"), ("B", "100")]]
    assert [image.fields["IREP"] for image in found] == ["RGB", "MONO", "MULTI"]
    texts = {tre.tag: tre.data for tre in found[0].tres}
    assert texts["BANDSB"][:5] == b"00003"
    assert texts["BANDSB"][-171:].split() == [b"band", b"2", b"002.000band", b"1", b"001.000band", b"0", b"000.000"]
    assert texts["BANDSA"][22:26] == b"0003"
    assert texts["BANDSA"][26:31] == b"00002"


@pytest.mark.parametrize("aux", [False, True])
def test_gdal_reads_the_selected_bands_of_bandsb(tmp_path, aux):
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((4, 20, 20)), tres=(bandsb(4, aux=aux),))
    chip = cut(parent, (0, 0, 9, 9), pixels=scene_pixels((2, 9, 9)), bands=(3, 1))

    with MemoryFile(encode_nitf(chip)) as memory, memory.open() as file:
        (xml,) = (text for name, text in file.tags(ns="xml:TRE").items())

    names = [part.split('"')[0] for part in xml.split('name="BANDID" value="')[1:]]
    assert [name.strip() for name in names] == ["band 3", "band 1"]
    if aux:
        assert [part[:10] for part in xml.split('name="APN" value="')[1:]] == ["0000000003", "0000000001", "0000000007"]
        assert "text of band 3" in xml
        assert "text of band 0" not in xml


@pytest.mark.parametrize("tre", [bandsb(3), bandsa(2), Tre("BANDSB", b"00004"), Tre("BANDSA", b"none")])
def test_a_band_tre_that_is_not_of_these_bands_is_left_out(tmp_path, tre):
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((4, 20, 20)), tres=(tre,))

    (fate,) = chip_account(cut(parent, (0, 0, 9, 9), pixels=scene_pixels((1, 9, 9)), bands=(3,))).tres

    assert (fate.fate, fate.reason) == ("left out", "damaged, or not of the image's bands")


def test_bands_that_a_chain_made_have_none_of_the_parents(colors):
    chip = cut(colors, (10, 20, 30, 16), pixels=scene_pixels((3, 16, 30)), bands=None, is_processed=True)

    image = read_nitf(encode_nitf(chip)).images[0]

    assert (image.fields["IREP"], image.fields["IREPBAND2"], image.fields["ISUBCAT2"]) == ("RGB", "G", "")
    assert [tre.tag for tre in image.tres] == ["PIAIMC", "XYZABC", "ICHIPB"]
    assert image.fields["ISCLAS"] == "S"


def test_a_long_chain_id_is_told_whole(colors):
    chain = "select-scale-clip-display-0123456789ab"
    image = chip_file(replace(cut(colors, (10.25, 20, 30.5, 16), size=(30, 16)), chain=chain)).images[0]

    told = [text for name, text in sorted(image.fields.items()) if name.startswith("ICOM")]

    assert told[-2] == "Chip window x 10.25, y 20, w 30.5, h 16; level 0"
    assert told[-1].startswith(f"Chip chain {chain}; stacchip-osml ")
    assert told[-1].endswith(version("stacchip-osml"))


def test_comments_tell_where_a_chip_comes_from(colors, tmp_path):
    (tmp_path / "b.ntf").write_bytes(encode_nitf(cut(colors, (10, 20, 30, 16))))
    chips = [cut(str(tmp_path / "b.ntf"), (1, 2, 20.5, 12), size=(10, 6))]
    for number in range(5):
        (tmp_path / f"{number}.ntf").write_bytes(encode_nitf(chips[-1]))
        chips.append(replace(cut(str(tmp_path / f"{number}.ntf"), (0, 0, 10, 6)), chain="display", level=2))

    def comments(chip):
        fields = chip_file(chip).images[0].fields
        return [fields[f"ICOM{n}"] for n in range(1, 10) if f"ICOM{n}" in fields]

    assert comments(chips[0])[:5] == [
        *("first", "second", "Chip of colors.ntf"),
        comments(chips[0])[3],
        "Chip of b.ntf",
    ]
    assert comments(chips[0])[3].startswith("Chip window x 10, y 20, w 30, h 16; level 0; chain raw; stacchip-osml")
    assert comments(chips[0])[5].startswith("Chip window x 1, y 2, w 20.5, h 12; level 0")
    last = comments(chips[-1])
    assert len(last) == 9
    assert last[:2] == ["first", "second"]
    assert "level 2; chain display" in last[-1]
    assert all(len(line) <= 80 for line in last)


@pytest.mark.parametrize(
    ("bands", "written", "found", "irep"),
    [
        (3, "RGB", "rgb", "RGB"),
        (3, "RGB", "N/A", "RGB"),
        (3, "MULTI", "multi", "MULTI"),
        (4, "MULTI", "RGB", "MULTI"),
        (2, "MULTI", "RGB/LUT", "MULTI"),
        (1, "MONO", "YCbCr601", "MONO"),
        (1, "MONO", "1D", "MONO"),
    ],
)
def test_a_representation_that_is_none_of_these_bands_is_told_by_the_bands(tmp_path, bands, written, found, irep):
    marks = {f"IREPBAND{band}": mark for band, mark in enumerate("RGB", 1)} if written == "RGB" else {}
    path = write_parent(tmp_path / "a.ntf", scene_pixels((bands, 30, 40)), fields={"IREP": written, **marks})
    data = Path(path).read_bytes()
    assert data.count(f"{written:8}VIS".encode()) == 1
    Path(path).write_bytes(data.replace(f"{written:8}VIS".encode(), f"{found:8}VIS".encode()))

    chip = jbpy_of(encode_nitf(cut(path, (3, 4, 20, 10))))["ImageSegments"][0]["subheader"]

    assert chip["IREP"].value == irep
    assert [chip[f"IREPBAND{band:05d}"].value or "" for band in range(1, bands + 1)] == (
        ["R", "G", "B"] if marks else ["M"] if bands == 1 else [""] * bands
    )


@pytest.mark.parametrize(
    ("parent", "scale", "text"),
    [
        *(("1.0", (1, 1), "1.0"), ("1.0", (2, 2), "/2"), ("/2", (4, 4), "/8"), ("2.0", (2, 2), "1.0")),
        *(("1.0", (3, 3), "0.33"), ("1.0", (0.5, 0.5), "2.00"), ("1.0", (20_000, 20_000), ".001"), ("", (1, 1), "1.0")),
        *(("0000", (2, 2), "1.0"), ("/0", (1, 1), "1.0"), ("nan", (1, 1), "1.0"), ("inf", (1, 1), "1.0")),
    ],
)
def test_imag_is_the_magnification_to_the_original(parent, scale, text):
    assert magnification(parent, scale) == text


def test_a_caller_sets_fields_and_tres_and_keeps_the_mapping(colors):
    said = {"IC": "C8", "COMRAT": "N1.0", "ICAT": "VIS", "FTITLE": "mine", "ICHIPB": None, "PIAIMC": b"q" * 362}
    before = dict(said)

    file = read_nitf(encode_nitf(cut(colors, (10, 20, 30, 16)), overrides=said))

    fields = file.images[0].fields
    assert (fields["IC"], fields["COMRAT"][0], fields["ICAT"]) == ("C8", "N", "VIS")
    assert file.fields["FTITLE"] == "mine"
    tres = {tre.tag: tre.data for tre in file.images[0].tres}
    assert "ICHIPB" not in tres
    assert tres["PIAIMC"] == b"q" * 362
    assert said == before


def test_a_tre_given_as_bytes_has_to_be_what_its_layout_says(colors):
    chip = cut(colors, (10, 20, 30, 16))
    other = Tre("SECTGA", b"another version")

    with pytest.raises(EncodeError, match=r"SECTGA: ends within SEC_BE \(15 bytes are given; it has 28;"):
        encode_nitf(chip, overrides={"SECTGA": other.data})
    assert other in read_nitf(encode_nitf(chip, overrides={"SECTGA": other})).images[0].tres


def test_bands_that_say_another_wavelength_than_the_centre_have_its_unit_too(tmp_path):
    data = bytearray(bandsb(4).data)
    data[118:122] = struct.pack(">I", (1 << 28) | (1 << 23))  # FWHM in the place of CWAVE
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((4, 20, 20)), tres=(Tre("BANDSB", bytes(data)),))

    chip = cut(parent, (0, 0, 9, 9), pixels=scene_pixels((2, 9, 9)), bands=(3, 1))

    (selected,) = [tre for tre in read_nitf(encode_nitf(chip)).images[0].tres if tre.tag == "BANDSB"]
    fields = tre_fields(selected)
    assert [fields[name] for name in ("WAVE_LENGTH_UNIT", "FWHM1", "FWHM2")] == ["U", "003.000", "001.000"]


def test_two_chips_with_the_same_overrides_have_each_their_own_place(colors):
    said = {"IC": "NC"}

    grids = [
        next(
            tre.data
            for tre in chip_file(cut(colors, (x, 0, 9, 9)), overrides=said).images[0].tres
            if tre.tag == "ICHIPB"
        )
        for x in (3, 30)
    ]

    assert grids == [ichipb_tre(chip_in_image((x, 0, 9, 9), ImageSize(9, 9), ImageSize(80, 60))).data for x in (3, 30)]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"ISCLAS": "U"}, r"ISCLAS 'U' \(unclassified\) is below the source's 'S' \(secret\)"),
        ({"FSCLAS": "C"}, r"FSCLAS 'C' \(confidential\) is below the source's 'T'"),
        ({"ISCLAS": None}, "ISCLAS cannot be left out"),
        ({"NROWS": 5}, "NROWS follows from the pixels"),
        ({"IDLVL": "001"}, "IDLVL follows from the pixels"),
        ({"Compression": "x"}, "Compression is no field of a NITF image subheader or file header"),
        ({"ICHIPB": "text"}, "ICHIPB is no field"),
        ({"IC": "ZZ"}, "IC"),
        ({"IID1": True}, "IID1 is text or a number of plain digits, got bool True"),
        ({"FTITLE": [1]}, r"FTITLE is text or a number of plain digits, got list \[1\]"),
        ({"ICHIPB": {"XFRM_FLAG": None}}, "ICHIPB: XFRM_FLAG is text or a number of plain digits, got NoneType"),
    ],
)
def test_what_a_caller_may_not_say_is_refused_by_name(colors, said, message):
    with pytest.raises(EncodeError, match=message):
        encode_nitf(cut(colors, (10, 20, 30, 16)), overrides=said)


def test_a_higher_marking_raises_the_files(tmp_path):
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((1, 20, 20)))

    file = read_nitf(encode_nitf(cut(parent, (0, 0, 9, 9)), overrides={"ISCLAS": "S"}))

    assert (file.images[0].fields["ISCLAS"], file.fields["FSCLAS"]) == ("S", "S")


@pytest.mark.parametrize(
    ("name", "head"), [("nitf", b"NITF02.10"), ("NTF", b"NITF02.10"), ("nsif", b"NSIF01.00"), (".nsf", b"NSIF01.00")]
)
def test_formats_have_their_rows(colors, name, head):
    data = encode_chip(cut(colors, (10, 20, 30, 16)), name, overrides={"FTITLE": "row"})

    assert data.startswith(head)
    assert read_nitf(data).fields["FTITLE"] == "row"
    assert FORMATS["nitf"].takes_overrides


def test_a_chip_of_anything_is_a_file_of_its_own():
    pixels = scene_pixels((3, 12, 14))
    chip = Chip(
        pixels=pixels,
        mask=np.ones(pixels.shape, bool),
        window=PixelWindow(0, 0, 14, 12),
        colors=("red", "green", "blue"),
    )

    data = encode_nitf(chip)
    jbpy_of(data)

    file = read_nitf(data)
    assert (file.fields["FSCLAS"], file.images[0].fields["IREP"], file.images[0].tres) == ("U", "RGB", ())
    with MemoryFile(data) as memory, memory.open() as opened:
        np.testing.assert_array_equal(opened.read(), pixels)


def test_the_item_names_and_dates_a_chip_of_an_image_that_is_no_nitf():
    moment = datetime(2025, 5, 14, 12, 27, 31, tzinfo=timezone(timedelta(hours=2)))
    pixels = scene_pixels((1, 8, 9))
    chip = Chip(
        pixels=pixels,
        mask=np.ones(pixels.shape, bool),
        window=PixelWindow(0, 0, 9, 8),
        row={"datetime": moment, "item_id": "SEN_32UNA_20250514"},
    )

    fields = chip_file(chip).images[0].fields
    longest = chip_file(replace(chip, row={"datetime": None, "item_id": "é" * 9})).images[0].fields
    long_ago = {"datetime": datetime(850, 3, 4, tzinfo=UTC), "item_id": "a"}
    oldest = chip_file(replace(chip, row=long_ago)).images[0].fields

    assert (fields["IDATIM"], fields["IID2"]) == ("20250514102731", "SEN_32UNA_20250514")
    assert oldest["IDATIM"] == "08500304000000"
    assert not {"IDATIM", "IID2"} & set(longest)


@pytest.mark.parametrize(("dtype", "ic"), [("uint16", "CD"), ("uint32", "NC"), ("float32", "NC")])
def test_a_parents_lossless_compression_stays_where_it_keeps_the_chips_pixels(tmp_path, dtype, ic):
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((1, 64, 64), "uint16"), fields={"IC": "CD"})
    chip = cut(parent, (0, 0, 40, 30), pixels=scene_pixels((1, 30, 40), dtype))

    found = read_nitf(encode_nitf(chip)).images[0]

    assert found.fields["IC"] == ic
    np.testing.assert_array_equal(found.pixels.read(PixelWindow(0, 0, 40, 30)).pixels, chip.pixels)


@pytest.mark.parametrize(("ic", "comrat"), [("C3", "00.0"), ("C8", "N")])
def test_a_rate_of_the_parents_is_not_taken_for_one_of_another_compression(tmp_path, ic, comrat):
    fields = {"IC": "CD", "COMRAT": "N1.0"}
    parent = write_parent(tmp_path / "a.ntf", scene_pixels((1, 64, 64)), fields=fields)

    found = read_nitf(encode_nitf(cut(parent, (0, 0, 40, 30)), overrides={"IC": ic})).images[0].fields

    assert (found["IC"], found["COMRAT"][: len(comrat)]) == (ic, comrat)


@pytest.mark.parametrize("name", ["ISCLAS", "FSCLAS"])
def test_of_two_markings_the_lower_is_refused_whichever_they_are(name):
    order = "URCST"
    for old in order:
        for new in order:
            if order.index(new) >= order.index(old):
                require_marking(name, new, old)
                continue
            with pytest.raises(EncodeError, match=f"{name} '{new}' .* is below the source's '{old}'"):
                require_marking(name, new, old)
