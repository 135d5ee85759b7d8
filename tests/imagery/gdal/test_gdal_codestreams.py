"""JPEG 2000 components that do not fit into the type of the first one are refused, not cut off."""

import io
import struct

import imagecodecs
import numpy as np
import pytest
import rasterio

from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider
from stacchip_osml.pixel import PixelWindow
from tests.imagery.blocks.jpeg2000_files import tile_part_starts

WINDOW = PixelWindow(0, 0, 64, 48)
PIXELS = np.random.default_rng(5).integers(0, 4096, (3, 48, 64), dtype=np.uint16)
DEEP = bytes((11, 11, 11))
"""Ssiz of 12 bits."""


def stream_of(depths):
    """Lossless components of 12 bits whose header says ``depths``: decoders move and cut off samples by those."""
    plain = imagecodecs.jpeg2k_encode(
        np.moveaxis(PIXELS, 0, -1), codecformat="J2K", mct=False, bitspersample=12, reversible=True
    )
    start = tile_part_starts(plain)[0]
    changed = bytearray(plain[:start])
    for number, depth in enumerate(depths):
        changed[42 + 3 * number] = depth
    return bytes(changed) + plain[start:]


def box(kind, body):
    return struct.pack(">I4s", 8 + len(body), kind) + body


def boxed(depths, bpc=None):
    bpc = bpc or (depths[0] if len(set(depths)) == 1 else 255)
    boxes = box(b"ihdr", struct.pack(">IIHBBBB", 48, 64, 3, bpc, 7, 0, 0)) + box(b"bpcc", bytes(depths))
    header = box(b"jp2h", boxes + box(b"colr", b"\1\0\0" + struct.pack(">I", 16)))
    opening = box(b"jP  ", b"\r\n\x87\n") + box(b"ftyp", b"jp2 \0\0\0\0jp2 ")
    return opening + header + box(b"jp2c", stream_of(depths))


def nitf(depths):
    provider = BufferedImageAssetProvider.from_array(PIXELS)
    out = io.BytesIO()
    write_nitf(out, NitfFile(images=(NitfImage(pixels=provider, fields={"IC": "C8", "ABPP": "12"}),)))
    data = bytearray(out.getvalue())
    at = data.index(b"\xff\x4f\xff\x51")
    for number, depth in enumerate(depths):
        data[at + 42 + 3 * number] = depth
    return bytes(data)


MAKERS = {"bare": stream_of, "boxed": boxed, "nitf": nitf}


def saved(tmp_path, kind, depths):
    path = tmp_path / f"image.{kind}"
    path.write_bytes(MAKERS[kind](depths))
    return str(path)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("depths", [(7, 11, 11), (11, 11, 16), (11, 0x8B, 11), (0x8B, 11, 11)])
def test_components_that_do_not_fit_into_the_first_are_refused(tmp_path, kind, depths):
    path = saved(tmp_path, kind, depths)
    with rasterio.open(path) as dataset:
        assert len(set(dataset.dtypes)) == 1  # else there would be no reason to refuse

    for image in (BlockImage(path), GdalImage(path)):
        with pytest.raises(DecodeError, match=r"JPEG 2000 components of .* bits.*: GDAL cuts off what does not fit"):
            _ = image.header


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("depths", [(11, 11, 11), (11, 7, 0), (11, 11, 15)])
def test_components_that_fit_are_read(tmp_path, kind, depths):
    path = saved(tmp_path, kind, depths)

    for image in (BlockImage(path), GdalImage(path)):
        found = image.read(WINDOW).pixels
        assert found.dtype == np.uint16
        np.testing.assert_array_equal(found[0], PIXELS[0])
        assert found[1].max() == (1 << depths[1] + 1) - 1 or depths[1] == 11


def test_a_remote_image_is_looked_at_too(server, tmp_path):
    refused, read = (GdalImage(server.serve(f"/{depths[0]}.ntf", nitf(depths))) for depths in ((7, 11, 11), DEEP))

    with pytest.raises(DecodeError, match="components of 8 bits, 12 bits: GDAL cuts off"):
        _ = refused.header
    np.testing.assert_array_equal(read.read(WINDOW).pixels, PIXELS)


def test_a_real_file_of_split_numbers_is_refused(real_data):
    path = str(real_data / "j2k" / "gdal__float32_ieee754_split_reversible.jp2")

    with pytest.raises(DecodeError, match="components of 1 bits, signed, 8 bits, 23 bits"):
        _ = GdalImage(path).header
