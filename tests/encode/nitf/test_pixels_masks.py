"""Mask tables: blocks that are not recorded, pad pixels, and what readers make of them."""

from __future__ import annotations

import io
import struct

import jbpy.image_data
import numpy as np
import pytest
from pixel_readers import READERS, first_segment

from stacchip_osml.encode.nitf import pixels_raw
from stacchip_osml.encode.nitf.masks import NOT_RECORDED, MaskTable
from stacchip_osml.encode.nitf.pixels import prepare_image
from stacchip_osml.encode.nitf.records import NitfFile, NitfImage
from stacchip_osml.encode.nitf.write import write_nitf
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider


def sparse(
    dtype: str = "uint8", bands: int = 1, pad: float = 7, stored: tuple[int, ...] = (0, 3)
) -> BufferedImageAssetProvider:
    """Two by two blocks of 32, all samples 50 and more."""
    image = BufferedImageAssetProvider.create("sparse", 64, 64, bands, 32, 32, dtype, pad_pixel_value=pad)
    values = np.random.default_rng(1).integers(50, 120, (bands, 32, 32)).astype(dtype)
    for number in stored:
        image.set_block(*divmod(number, 2), values + np.asarray(number, dtype))
    return image


def written(image: BufferedImageAssetProvider, **fields: str) -> bytes:
    out = io.BytesIO()
    fields = {"IC": "NM", "NPPBH": "32", "NPPBV": "32", **fields}
    write_nitf(out, NitfFile(images=(NitfImage(pixels=image, fields=fields),)))
    return out.getvalue()


def table_of(data: bytes) -> jbpy.image_data.MaskTable:
    return jbpy.image_data.read_mask_table(first_segment(data), io.BytesIO(data))


def test_a_table_is_as_long_as_it_says():
    table = MaskTable(records=2, pad_bits=12, pad_code=b"\x00\x07", has_pad_records=True)

    data = table.pack([0, None], [True, True])

    assert len(data) == table.length == 28
    assert data == struct.pack(">IHHH2s4I", 28, 4, 4, 12, b"\x00\x07", 0, NOT_RECORDED, 0, NOT_RECORDED)


@pytest.mark.parametrize("ic", ["NM", "M8", "MD"])
def test_holes_are_not_recorded_and_the_pad_pixel_is_said(ic):
    table = table_of(written(sparse(), IC=ic))

    assert (table["BMRLNTH"].value, table["TMRLNTH"].value, table["TPXCDLNTH"].value) == (4, 4, 8)
    assert table["TPXCD"].value == b"\x07"
    assert [table[table.bmr_name(n, 0)].value == NOT_RECORDED for n in range(4)] == [False, True, True, False]
    assert [table[table.tmr_name(n, 0)].value for n in range(4)] == [NOT_RECORDED] * 4  # 7 is in no stored block


def test_gdal_takes_the_pad_pixel_for_nodata():
    data = written(sparse())

    found = READERS["gdal"](data, fill=7)

    assert (found[0, :32, 32:] == 7).all()
    np.testing.assert_array_equal(found, READERS["jbpy"](data, fill=7))


def test_an_image_without_holes_has_no_pad_pixel_that_data_could_be_taken_for():
    table = table_of(written(sparse(pad=60, stored=(0, 1, 2, 3))))

    assert (table["BMRLNTH"].value, table["TMRLNTH"].value, table["TPXCDLNTH"].value) == (4, 0, 0)


@pytest.mark.parametrize(("imode", "marked"), [("P", [True, False, False, False]), ("S", [True, False, False, False])])
def test_recorded_blocks_with_pad_pixels_are_marked(imode, marked):
    image = sparse(bands=2)
    block = np.array(image.get_block(0, 0))
    block[:, 4, 5] = 7
    image.set_block(0, 0, block)
    table = table_of(written(image, IMODE=imode))

    for band in range(2 if imode == "S" else 1):
        places = [table[table.bmr_name(n, band)].value for n in range(4)]
        marks = [table[table.tmr_name(n, band)].value for n in range(4)]
        assert [mark != NOT_RECORDED for mark in marks] == marked
        assert marks[0] == places[0]


def test_a_block_that_is_worked_on_in_strips_is_marked_by_any_of_them(monkeypatch):
    monkeypatch.setattr(pixels_raw, "STRIP_BYTES", 1)
    image = sparse()
    block = np.array(image.get_block(0, 0))
    block[:, 0, 5] = 7  # in the first strip, and in no later one
    image.set_block(0, 0, block)

    table = table_of(written(image))

    assert [table[table.tmr_name(n, 0)].value != NOT_RECORDED for n in range(4)] == [True, False, False, False]


@pytest.mark.parametrize(("imode", "axes"), [("B", (0, 1, 2)), ("P", (1, 2, 0)), ("R", (1, 0, 2)), ("S", (0, 1, 2))])
def test_blocks_beyond_the_images_edges_are_filled_with_the_pad_pixel(imode, axes):
    pixels = np.full((2, 5, 6), 3, np.uint8)
    image = BufferedImageAssetProvider.from_array(pixels, pad_pixel_value=9)
    data = written(image, IC="NC", IMODE=imode, NPPBH="4", NPPBV="4")
    whole = np.full((2, 8, 8), 9, np.uint8)
    whole[:, :5, :6] = 3

    stored = np.frombuffer(data[-whole.size :], np.uint8)

    blocks = [whole[:, row : row + 4, col : col + 4] for row in (0, 4) for col in (0, 4)]
    if imode == "S":
        blocks = [block[band : band + 1] for band in range(2) for block in blocks]
    np.testing.assert_array_equal(stored, np.concatenate([block.transpose(axes).reshape(-1) for block in blocks]))


def test_a_pixel_that_is_pad_in_one_band_only_is_data():
    image = sparse(bands=2)
    block = np.array(image.get_block(0, 0))
    block[0, 4, 5] = 7
    image.set_block(0, 0, block)

    table = table_of(written(image, IMODE="P"))

    assert table[table.tmr_name(0, 0)].value == NOT_RECORDED


def test_holes_within_a_block_of_the_file_are_padding_that_is_marked():
    data = written(sparse(), NPPBH="64", NPPBV="64")
    table = table_of(data)

    assert table[table.bmr_name(0, 0)].value == 0
    assert table[table.tmr_name(0, 0)].value == 0
    assert table["TPXCD"].value == b"\x07"
    assert (READERS["blocks"](data, fill=7)[0, :32, 32:] == 7).all()


def test_the_pad_pixel_of_other_types():
    for dtype, bits, code in (
        ("int16", 16, b"\xff\xfe"),
        ("float32", 32, struct.pack(">f", -2.0)),
        ("complex64", 64, struct.pack(">ff", -2.0, 0.0)),
    ):
        table = table_of(written(sparse(dtype, pad=-2), IMODE="B"))

        assert (table["TPXCDLNTH"].value, table["TPXCD"].value) == (bits, code)
    image = sparse("uint16", pad=9)
    table = table_of(written(image, NBPP="12", ABPP="12"))
    assert (table["TPXCDLNTH"].value, table["TPXCD"].value) == (12, b"\x00\x09")
    nan = table_of(written(sparse("float32", pad=float("nan"))))
    assert np.isnan(struct.unpack(">f", nan["TPXCD"].value)[0])


@pytest.mark.parametrize("ic", ["NM", "M3", "M8", "MD"])
def test_an_image_of_nothing_but_holes_is_written(ic):
    data = written(sparse(stored=()), IC=ic)

    assert (READERS["jbpy"](data, fill=7) == 7).all()


def test_blocks_of_one_band_have_records_of_their_own():
    image = sparse(bands=3)
    data = written(image, IMODE="S")
    table = table_of(data)

    places = [[table[table.bmr_name(n, band)].value for n in (0, 3)] for band in range(3)]
    assert places == [[band * 2048, band * 2048 + 1024] for band in range(3)]


def test_a_segment_of_a_masked_image_ends_where_offsets_do():
    image = BufferedImageAssetProvider.create("large", 70_000, 70_000, 1, 1024, 1024)

    plain = prepare_image(NitfImage(pixels=image, fields={}))
    masked = prepare_image(NitfImage(pixels=image, fields={"IC": "NM"}))

    assert len(plain) == 1
    assert [segment.window.height for segment in masked] == [60416, 9584]
