"""What an image may ask of its storage: fields, their rules, and errors that name them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pixel_readers import READERS, first_segment

from stacchip_osml.encode.nitf.pixels import PreparedSegment, prepare_image
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider


def prepared(pixels: np.ndarray, *, settings: dict[str, int] | None = None, **fields: str) -> PreparedSegment:
    provider = BufferedImageAssetProvider.from_array(pixels, **(settings or {}))
    return prepare_image(NitfImage(pixels=provider, fields=fields))[0]


def written(pixels: np.ndarray, **fields: str) -> bytes:
    out = io.BytesIO()
    provider = BufferedImageAssetProvider.from_array(pixels)
    write_nitf(out, NitfFile(images=(NitfImage(pixels=provider, fields=fields),)))
    return out.getvalue()


def ramp(dtype: str, bands: int = 1, shape: tuple[int, int] = (40, 56)) -> np.ndarray:
    return (np.arange(bands * shape[0] * shape[1]) % 200).reshape(bands, *shape).astype(dtype)


def test_fields_follow_from_the_pixels():
    fields = prepared(ramp("uint16", 3), settings={"actual_bits_per_pixel": 11}).fields

    assert {name: fields[name] for name in ("NROWS", "NCOLS", "PVTYPE", "NBPP", "ABPP", "PJUST", "IC", "IMODE")} == {
        "NROWS": "00000040",
        "NCOLS": "00000056",
        "PVTYPE": "INT",
        "NBPP": "16",
        "ABPP": "11",
        "PJUST": "R",
        "IC": "NC",
        "IMODE": "B",
    }
    assert (fields["NBANDS"], fields["IREP"], fields["ICAT"], fields["IREPBAND1"]) == ("3", "MULTI", "MS", "")
    assert (fields["NBPR"], fields["NBPC"], fields["NPPBH"], fields["NPPBV"]) == ("0001", "0001", "0056", "0040")
    assert "COMRAT" not in fields


def test_many_bands_are_counted_in_xbands():
    fields = prepared(ramp("uint8", 12)).fields

    assert (fields["NBANDS"], fields["XBANDS"], fields["ISUBCAT12"]) == ("0", "00012", "")


@pytest.mark.parametrize(
    ("dtype", "bands", "more", "irep", "names"),
    [
        ("uint8", 1, {}, "MONO", ["M"]),
        ("uint8", 3, {}, "RGB", ["R", "G", "B"]),
        ("uint8", 3, {"IC": "C3"}, "YCbCr601", ["Y", "Cb", "Cr"]),
        ("uint8", 3, {"IC": "C3", "IMODE": "B"}, "MULTI", ["", "", ""]),
        ("uint8", 3, {"IREPBAND2": "B", "IREPBAND3": "G"}, "RGB", ["R", "B", "G"]),
        ("uint16", 3, {}, "MULTI", ["", "", ""]),
        ("float32", 2, {}, "NODISPLY", ["", ""]),
        ("complex64", 1, {}, "NODISPLY", [""]),
        ("uint8", 1, {"IREP": "RGB/LUT", "NLUTS1": "3"}, "RGB/LUT", ["LU"]),
    ],
)
def test_the_representation_follows_from_bands_and_type(dtype, bands, more, irep, names):
    fields = prepared(ramp(dtype, bands), **more).fields

    assert fields["IREP"] == irep
    assert [fields[f"IREPBAND{band + 1}"] for band in range(bands)] == names


@pytest.mark.parametrize(
    ("dtype", "given", "written_bits"), [("uint8", "4", 8), ("uint16", "8", 16), ("int32", "12", 32)]
)
def test_fewer_stored_bits_than_the_type_has_are_an_encoders_business_but_for_12_of_16(dtype, given, written_bits):
    fields = prepared(ramp(dtype), NBPP=given, ABPP=given).fields

    assert (fields["NBPP"], fields["ABPP"]) == (f"{written_bits:02d}", f"{int(given):02d}")


REFUSED = [
    ("uint8", 1, {"IC": "C5"}, r"IC=C5 is not written here; NC, NM, .*MIL-STD-2500C, table A-3"),
    ("uint8", 1, {"PVTYPE": "R"}, r"PVTYPE=R: the pixels are uint8, which is INT .*2500C"),
    ("float64", 1, {"PVTYPE": "INT"}, r"PVTYPE=INT: the pixels are float64, which is R"),
    ("uint8", 1, {"NBPP": "16"}, r"NBPP=16: the pixels are uint8, of 8 bits"),
    ("uint8", 1, {"IC": "C8", "PVTYPE": "SI"}, r"PVTYPE=SI: the pixels are uint8, which is INT"),
    ("uint8", 1, {"NBPP": "a"}, r"NBPP is digits .*, got 'a'"),
    ("uint8", 1, {"ABPP": "9"}, r"ABPP of uint8 pixels is 1 to NBPP, 8 .*, got 9"),
    ("float32", 1, {"ABPP": "16"}, r"ABPP of float32 pixels is 32 .*, got 16"),
    ("uint8", 1, {"PJUST": "C"}, r"PJUST is L or R .*, got 'C'"),
    ("uint64", 1, {"IC": "C8", "ABPP": "20"}, r"IC=C8 holds pixels of up to 32 bits, got uint64; .*BPJ2K01.20"),
    ("uint8", 1, {"IC": "C3", "ABPP": "7", "PJUST": "L"}, r"PJUST=L .* no meaning in IC=C3 .*188-198A"),
    ("uint8", 1, {"IREP": "GREY"}, r"IREP is one of MONO, .*, got 'GREY'"),
    ("uint8", 4, {"IREP": "RGB"}, r"IREP=RGB has 3 bands, not 4 .*table A-2"),
    ("uint8", 2, {"IREP": "RGB/LUT"}, r"IREP=RGB/LUT has 1 band, not 2"),
    ("uint8", 1, {"IREPBAND1": "MMM"}, r"IREPBAND1 is up to 2 printable characters .*, got 'MMM'"),
    ("uint8", 2, {"IMODE": "S"}, r"IMODE of an image of one block is B where S is meant"),
    ("uint8", 2, {"IMODE": "X"}, r"IMODE of IC=NC is B, P, R, S, got 'X'"),
    ("uint8", 4, {"IC": "C3", "IMODE": "P"}, r"IMODE=P of IC=C3 is for IREP=RGB and YCbCr601, .*MIL-STD-188-198A"),
    ("uint8", 3, {"IC": "C3", "IMODE": "B"}, None),
    ("uint8", 3, {"IC": "C3", "IREP": "YCbCr601", "IMODE": "B"}, r"IREP=YCbCr601 of IC=C3 has IMODE=P"),
    ("uint8", 1, {"IC": "C3", "COMRAT": "85"}, r"COMRAT of JPEG is XX.Y .*, got '85'"),
    ("uint8", 1, {"IC": "C8", "COMRAT": "N1.000"}, r"COMRAT of JPEG 2000 is Nxyz, Vxyz or wxyz .*, got 'N1.000'"),
    ("uint8", 1, {"IC": "C8", "COMRAT": "0000"}, r"COMRAT of JPEG 2000 is above 0 and at most 99.99 bits"),
    ("uint8", 1, {"IC": "C8", "J2K_DECOMPOSITION_LEVELS": "7"}, r"LEVELS of IC=C8 is 0 to 4 for blocks of"),
    ("uint8", 1, {"IC": "CD", "J2K_DECOMPOSITION_LEVELS": "0"}, r"LEVELS of IC=CD is 1 to 5 for blocks of"),
    ("uint8", 1, {"IC": "C8", "J2K_QUALITY_LAYERS": "200"}, r"J2K_QUALITY_LAYERS of IC=C8 is 1 to 32, got 200"),
    ("uint8", 1, {"IC": "CD", "J2K_QUALITY_LAYERS": "2"}, r"J2K_QUALITY_LAYERS of IC=CD is 1, got 2"),
    ("uint8", 1, {"IC": "C8", "NPPBH": "20"}, r"NPPBH of IC=C8 is a power of two .*15444-1, B.5 to B.7\); got 20"),
    ("uint8", 1, {"NPPBH": "9000"}, r"NPPBH is 1 to 8192, or 0000 for one block .*, got 9000"),
    ("uint8", 2, {"IC": "I1"}, r"IC=I1 holds one band, not 2"),
    ("uint16", 1, {"IC": "I1", "ABPP": "12"}, r"IC=I1 holds NBPP 8, and the pixels are uint16"),
    ("uint8", 1, {"IC": "I1", "NPPBH": "32"}, r"IC=I1 is for images of one block of at most 2048 x 2048 pixels"),
]


@pytest.mark.parametrize(("dtype", "bands", "fields", "message"), REFUSED)
def test_what_a_field_may_not_say_is_refused_by_name(dtype, bands, fields, message):
    if message is None:  # the standard allows it
        prepared(ramp(dtype, bands), **fields | {"IREP": "MULTI"})
        return
    with pytest.raises(EncodeError, match=message):
        prepared(ramp(dtype, bands), **fields)


def test_too_many_blocks_and_too_large_ones_are_refused():
    wide = BufferedImageAssetProvider.create("wide", 20_000, 8, 1, 512, 8)

    with pytest.raises(EncodeError, match=r"NBPR ends at 9999 .*: 20000 pixels in blocks of 2"):
        prepare_image(NitfImage(pixels=wide, fields={"NPPBH": "2"}))
    with pytest.raises(EncodeError, match=r"NPPBH is 1 to 8192, or 0000 for one block with this IC .*, got 20000"):
        prepare_image(NitfImage(pixels=wide, fields={"NPPBH": "0", "IC": "C3"}))
    large = BufferedImageAssetProvider.create("large", 2049, 2048, 1, 512, 512)
    with pytest.raises(EncodeError, match=r"IC=I1 is for images of one block .*, not 2049 x 2048"):
        prepare_image(NitfImage(pixels=large, fields={"IC": "I1"}))
    deep = BufferedImageAssetProvider.create("deep", 4096, 4096, 1, 512, 512, "uint16", actual_bits_per_pixel=12)
    with pytest.raises(EncodeError, match=r"blocks of 12-bit JPEG hold at most 65535 MCUs"):
        prepare_image(NitfImage(pixels=deep, fields={"IC": "C3", "NPPBH": "2048", "NPPBV": "2048"}))


def test_one_block_that_is_longer_than_8192_has_0000():
    data = written(ramp("uint8", 2, (3, 9000)), NPPBH="0000", NPPBV="0000", IMODE="B")
    subheader = first_segment(data)["subheader"]

    assert (subheader["NPPBH"].value, subheader["NPPBV"].value, subheader["NBPR"].value) == (0, 3, 1)
    for reader in ("gdal", "jbpy", "blocks"):
        np.testing.assert_array_equal(READERS[reader](data, fill=0), ramp("uint8", 2, (3, 9000)))


def test_colours_without_tables_samples_without_bits_and_images_without_layers_are_refused():
    with pytest.raises(EncodeError, match=r"IREP=RGB/LUT has three tables of colours: NLUTS1 3, .* table A-3"):
        prepared(ramp("uint8"), IREP="RGB/LUT")
    with pytest.raises(EncodeError, match=r"J2K_QUALITY_LAYERS of IC=C8 is 1 to \d+, got 0"):
        prepared(ramp("uint8"), IC="C8", J2K_QUALITY_LAYERS="0")
    with pytest.raises(EncodeError, match=r"ABPP is 1 to 96 \(MIL-STD-2500C, table A-3\), got 0"):
        prepared(ramp("uint8"), ABPP="00")


@pytest.mark.parametrize(("ic", "most"), [("C8", 7), ("CD", 8)])
def test_decomposition_levels_are_as_many_as_a_tile_has_room_for(ic, most):
    pixels = np.arange(256 * 256).reshape(1, 256, 256).astype(np.uint8)
    fields = {"IC": ic, "NPPBH": "256", "NPPBV": "256"}

    prepared(pixels, **fields, J2K_DECOMPOSITION_LEVELS=str(most)).write(io.BytesIO())
    with pytest.raises(EncodeError, match=rf"J2K_DECOMPOSITION_LEVELS of IC={ic} is \d to {most} for blocks of 256"):
        prepared(pixels, **fields, J2K_DECOMPOSITION_LEVELS=str(most + 1))


def test_an_image_of_one_row_has_no_decomposition_levels():
    pixels = np.arange(50, dtype=np.uint8).reshape(1, 1, 50)
    data = written(pixels, IC="C8", J2K_DECOMPOSITION_LEVELS="0")

    np.testing.assert_array_equal(READERS["gdal"](data, fill=0), pixels)


@pytest.mark.parametrize("ic", ["NC", "C8"])
def test_samples_of_more_bits_than_they_say_are_refused(ic):
    pixels = ramp("uint16")
    pixels[0, 7, 9] = 4096
    image = prepared(pixels, IC=ic, ABPP="12")

    with pytest.raises(EncodeError, match=r"ABPP=12, PVTYPE=INT: samples from 0 to 4096 do not fit into 0 to 4095"):
        image.write(io.BytesIO())


def test_signed_samples_of_fewer_bits_are_checked_by_their_sign():
    pixels = ramp("int16") - np.int16(100)
    data = written(pixels, ABPP="11")

    np.testing.assert_array_equal(READERS["gdal"](data, fill=0), pixels)
    with pytest.raises(EncodeError, match=r"samples from -100 to 99 do not fit into -64 to 63"):
        prepared(pixels, ABPP="7").write(io.BytesIO())


def test_left_justified_samples_are_stored_as_they_are():
    pixels = ramp("uint16") << np.uint16(5)
    data = written(pixels, ABPP="11", PJUST="L")

    assert first_segment(data)["subheader"]["PJUST"].value == "L"
    np.testing.assert_array_equal(READERS["jbpy"](data, fill=0), pixels)
    with pytest.raises(EncodeError, match=r"ABPP=11, PJUST=L: samples have bits below the upper 11 of 16"):
        prepared(pixels + np.uint16(1), ABPP="11", PJUST="L").write(io.BytesIO())


def test_bytes_may_be_stored_as_bits_if_they_are():
    pixels = ramp("uint8") % 2
    data = written(pixels, PVTYPE="B")

    assert first_segment(data)["subheader"]["NBPP"].value == 1
    for reader in ("gdal", "blocks", "jbpy"):
        np.testing.assert_array_equal(READERS[reader](data, fill=0), pixels)
    with pytest.raises(EncodeError, match=r"ABPP=1, PVTYPE=B: samples from 0 to 199 do not fit into 0 to 1"):
        prepared(ramp("uint8"), PVTYPE="B").write(io.BytesIO())


def test_complex_pixels_may_be_stored_as_two_real_bands():
    pixels = (ramp("float32", 2) + 1j * ramp("float32", 2)[:, ::-1]).astype(np.complex64)
    data = written(pixels, PVTYPE="R", IMODE="P", NPPBH="32", NPPBV="32")
    subheader = first_segment(data)["subheader"]

    assert (subheader["NBANDS"].value, subheader["PVTYPE"].value, subheader["NBPP"].value) == (4, "R", 32)
    assert [subheader[f"ISUBCAT{band:05d}"].value for band in (1, 2, 3, 4)] == ["I", "Q", "I", "Q"]
    for reader in ("gdal", "blocks", "jbpy"):
        found = READERS[reader](data, fill=0)
        np.testing.assert_array_equal(found[0::2] + 1j * found[1::2], pixels)
