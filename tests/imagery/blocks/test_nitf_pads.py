"""Pad pixels of masked NITF images: codes of every width are nodata, whichever reader serves, in every segment."""

import base64
import pickle
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import jbpy
import jbpy.image_data
import numpy as np
import pytest
from nitf_block_files import Reads, blocks_of, fields_of, masked, packed, write_nitf

from stacchip_osml.encode.nitf import read_nitf
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.fields import of_first_image
from stacchip_osml.imagery.nitf.pads import pad_pixel
from stacchip_osml.imagery.pyramids.files import open_segments
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.pixel import PixelWindow

RANDOM = np.random.default_rng(3)
NAN = float("nan")
PADS = [
    ("uint8", 200),
    ("int8", -3),
    ("uint16", 0),
    ("uint16", 65535),
    ("int16", -32768),
    ("int16", -2),
    ("uint32", 4294967295),
    ("int32", -70000),
    ("float32", -9999.5),
    ("float32", NAN),
    ("float64", 1e300),
    ("complex64", 9 - 2j),
    ("complex64", complex(NAN, 0)),
]


def scene(dtype: str, pad: Any, shape: tuple[int, int, int] = (2, 40, 70)) -> np.ndarray:
    """Pixels with a part that is the pad pixel, and some pixels alone, not the same in all bands."""
    pixels = RANDOM.integers(1, 100, shape).astype(dtype)
    pixels[:, 5:20, 10:30] = pad
    pixels[:, -1, ::7] = pad
    pixels[0, 30, 40] = pad
    return pixels


def is_pad(pixels: np.ndarray, pad: Any) -> np.ndarray:
    return np.isnan(pixels) if pad != pad else pixels == np.asarray(pad, pixels.dtype)


def coded(pixels: np.ndarray, code: bytes, *, imode: str = "P", bits: int | None = None, **fields: Any) -> Any:
    """Subheader fields and data of a masked image of blocks of 32 x 48."""
    data = masked(list(blocks_of(pixels, (32, 48), imode)), pad=code, bits=bits, padded=True)
    return fields_of(pixels, (32, 48), imode, IC="NM", **fields), data


def plain_code(value: Any, dtype: str) -> bytes:
    return np.array(value, np.dtype(dtype).newbyteorder(">")).tobytes()


def table_of(path: Path) -> jbpy.image_data.MaskTable:
    file = jbpy.Jbp()
    with path.open("rb") as data:
        file.load(data)
        return jbpy.image_data.read_mask_table(file["ImageSegments"][0], data)


def whole(image: Any) -> PixelWindow:
    return PixelWindow(0, 0, image.num_columns, image.num_rows)


@pytest.mark.parametrize("nsif", [False, True])
@pytest.mark.parametrize("imode", ["P", "S"])  # of masked blocks with several bands in IMODE B, GDAL repeats the first
@pytest.mark.parametrize(("dtype", "pad"), PADS)
def test_a_pad_pixel_of_any_type_is_nodata_of_both_readers(tmp_path, dtype, pad, imode, nsif):
    pixels, path = scene(dtype, pad), tmp_path / "a.ntf"
    write_nitf(path, [coded(pixels, plain_code(pad, dtype), imode=imode)], nsif=nsif)
    valid = ~is_pad(pixels, pad)
    assert table_of(path)["TPXCD"].value == plain_code(pad, dtype)
    assert valid.any(axis=(1, 2)).all()

    blocks, gdal = BlockImage(str(path)), GdalImage(str(path))

    assert blocks.served_by(0) == "block/none"
    np.testing.assert_array_equal([band.nodata for band in blocks.header.bands], [pad, pad])
    assert repr(blocks.header) == repr(gdal.header)
    assert blocks.header.mask == "nodata"
    for image in (blocks, gdal):
        found = image.read(whole(image))
        np.testing.assert_array_equal(found.mask, valid)
        np.testing.assert_array_equal(found.pixels, pixels)


@pytest.mark.parametrize(("pvtype", "pad"), [("INT", 4095), ("INT", 7), ("SI", -2048), ("SI", -1)])
@pytest.mark.parametrize("width", [12, 16, 32])
def test_a_code_of_12_bits_stands_right_in_its_bytes(tmp_path, pvtype, pad, width):
    pixels = scene("int16" if pvtype == "SI" else "uint16", pad, (1, 32, 48))
    code = (pad & ((1 << width) - 1)).to_bytes(-(-width // 8), "big")
    fields = fields_of(pixels, (32, 48), "B", IC="NM", NBPP=12)
    path = tmp_path / "a.ntf"
    write_nitf(path, [(fields, masked([packed(pixels & 0xFFF, 12)], pad=code, bits=width))])
    assert table_of(path)["TPXCDLNTH"].value == width

    image = BlockImage(str(path))

    assert image.header.bands[0].nodata == GdalImage(str(path)).header.bands[0].nodata == pad
    np.testing.assert_array_equal(image.read(whole(image)).pixels, pixels)
    np.testing.assert_array_equal(image.read(whole(image)).mask, pixels != pad)


def test_a_code_of_one_bit_is_one_of_bi_level_pixels(tmp_path):
    pixels = RANDOM.integers(0, 2, (1, 32, 48), np.uint8)
    fields = fields_of(pixels, (32, 48), "B", IC="NM", NBPP=1) | {"PVTYPE": "B"}
    path = tmp_path / "a.ntf"
    write_nitf(path, [(fields, masked([packed(pixels, 1)], pad=b"\1", bits=1))])

    for image in (BlockImage(str(path)), GdalImage(str(path))):
        np.testing.assert_array_equal(image.read(whole(image)).mask, pixels == 0)


@pytest.mark.parametrize(
    ("dtype", "code", "bits", "nodata"),
    [
        ("uint16", b"\xc8", 8, 200),  # as GDAL has always taken it
        ("int16", b"\xc8", 8, 200),
        ("uint16", b"\x05\xc8", 9, 0x1C8),
        ("uint16", b"\0\x01\0\0", 32, None),  # no pixel can be 65536
        ("uint16", b"\0\0\0\x07", 32, 7),
        ("float32", b"\0\x07", 16, None),
        ("float32", plain_code(7, "float64"), 64, None),
        ("complex64", plain_code(7 - 2j, "complex64"), 64, 7 - 2j),
        ("complex64", plain_code(7, "float32"), 32, None),
        ("uint16", b"", 0, None),
        ("uint16", b"\0" * 9, 72, None),
    ],
)
def test_a_code_that_no_pixel_can_be_is_none(tmp_path, dtype, code, bits, nodata):
    pixels, path = scene(dtype, 7, (1, 32, 48)), tmp_path / "a.ntf"
    write_nitf(path, [coded(pixels, code, bits=bits)])

    for image in (BlockImage(str(path)), GdalImage(str(path))):
        assert image.header.bands[0].nodata == nodata
        assert image.header.mask == ("none" if nodata is None else "nodata")
        expected = np.ones(pixels.shape, np.bool_) if nodata is None else pixels != nodata
        np.testing.assert_array_equal(image.read(whole(image)).mask, expected)


def test_an_image_without_a_mask_table_has_no_pad_pixel(tmp_path):
    pixels, path = scene("uint16", 0), tmp_path / "a.ntf"
    write_nitf(path, [(fields_of(pixels, (40, 70), "B"), b"".join(blocks_of(pixels, (40, 70), "B")))])

    assert BlockImage(str(path)).header.mask == GdalImage(str(path)).header.mask == "none"


def test_a_table_that_is_cut_short_or_no_table_says_no_pad_pixel(tmp_path):
    pixels, path = scene("uint16", 7), tmp_path / "a.ntf"
    write_nitf(path, [coded(pixels, b"\0\x07")])
    data = path.read_bytes()
    start = data.index(struct.pack(">HHHH", 4, 4, 16, 7)) - 4
    wrong = data[:start] + bytes(4) + data[start + 4 :]

    def found(data: bytes) -> float | None:
        return of_first_image(Reads(data), pad_pixel, name="a.ntf", limits=ReadLimits(), size=len(data))

    assert found(data) == 7
    assert [found(data[: start + length]) for length in range(12)] == [None] * 12
    assert found(data[: start + 12]) == 7
    assert found(wrong) is None
    assert found(b"no NITF file") is None


def test_every_segment_has_its_own_pad_pixel(tmp_path):
    pads = [("uint16", 7), ("uint16", 9), ("int16", -5), ("uint8", 11), ("float32", 2.5)]
    scenes = [scene(dtype, pad) for dtype, pad in pads]
    path = tmp_path / "a.ntf"
    write_nitf(path, [coded(pixels, plain_code(pad, dtype)) for pixels, (dtype, pad) in zip(scenes, pads, strict=True)])

    for source in (str(path), path.read_bytes()):
        images = [image.pixels for image in read_nitf(source).images]
        assert len(images) == len(pads)
        for image, pixels, (_, pad) in zip(images, scenes, pads, strict=True):
            assert [band.nodata for band in image.header.bands] == [pad, pad]
            assert image.pad_pixel_value == pad
            np.testing.assert_array_equal(image.read(whole(image)).mask, pixels != pad)


def test_a_level_that_is_a_segment_has_its_own_pad_pixel(tmp_path):
    path = tmp_path / "a.ntf"
    scenes = {7: scene("uint16", 7, (1, 80, 140)), 9: scene("uint16", 9, (1, 40, 70))}
    write_nitf(path, [coded(pixels, plain_code(pad, "uint16")) for pad, pixels in scenes.items()])

    levels = open_segments(path)

    assert len(levels) == 2
    for image, (pad, pixels) in zip(levels, scenes.items(), strict=True):
        again = pickle.loads(pickle.dumps(image))
        np.testing.assert_array_equal(again.read(whole(image)).mask, pixels != pad)


@pytest.mark.parametrize(("dtype", "pad"), [("uint16", 7), ("int16", -5), ("float32", NAN), ("complex64", 3 - 4j)])
def test_a_stored_header_has_the_pad_pixel_and_needs_no_gdal(tmp_path, dtype, pad):
    pixels, path = scene(dtype, pad), tmp_path / "a.ntf"
    write_nitf(path, [coded(pixels, plain_code(pad, dtype))])
    fresh = BlockImage(str(path))

    header, layout = StoredHeader.of(fresh.header, fresh.layout).unpack(name="a")

    assert repr(header) == repr(fresh.header)
    script = (
        "import base64, pickle, sys; from stacchip_osml.pixel import PixelWindow\n"
        "image, expected = pickle.loads(base64.b64decode(sys.stdin.read()))\n"
        "assert (image.read(PixelWindow(0, 0, 70, 40)).mask == expected).all()\n"
        "assert 'rasterio' not in sys.modules"
    )
    image = BlockImage(str(path), header=header, layout=layout)
    text = base64.b64encode(pickle.dumps((image, ~is_pad(pixels, pad))))
    subprocess.run([sys.executable, "-c", script], input=text, check=True)


@pytest.mark.parametrize("image_class", [BlockImage, GdalImage])
def test_the_pad_pixel_of_a_remote_image_takes_few_bytes(server, tmp_path, image_class):
    pixels, path = scene("int16", -5, (1, 640, 960)), tmp_path / "a.ntf"
    write_nitf(path, [coded(pixels, plain_code(-5, "int16"))])
    image = image_class(server.serve("/a.ntf", path.read_bytes()))
    header = image.header
    asked = sum(length for _, length in (each.range for each in server.asked() if each.range))
    np.testing.assert_array_equal(image.read(whole(image)).mask, pixels != -5)

    assert header.bands[0].nodata == -5
    assert asked < 130_000 < path.stat().st_size


def test_nodata_that_gdal_knows_is_not_replaced(tmp_path):
    pixels, path = scene("uint16", 7), tmp_path / "a.ntf"
    write_nitf(path, [coded(pixels, plain_code(7, "uint16"))])
    bands = "".join(f'<PAMRasterBand band="{n}"><NoDataValue>9</NoDataValue></PAMRasterBand>' for n in (1, 2))
    (tmp_path / "a.ntf.aux.xml").write_text(f"<PAMDataset>{bands}</PAMDataset>")

    assert [band.nodata for band in GdalImage(str(path), sidecars=True).header.bands] == [9, 9]
    assert [band.nodata for band in GdalImage(str(path)).header.bands] == [7, 7]
