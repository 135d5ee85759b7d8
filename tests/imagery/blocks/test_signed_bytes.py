"""Signed samples of 8 bits and less: never clipped, never taken for unsigned ones."""

import imagecodecs
import numpy as np
import pytest

from stacchip_osml.encode import BufferedImageAssetProvider
from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

ROWS, COLS = np.indices((300, 290))
HILLS = (40 * np.sin(ROWS / 9) + 80 * np.cos(COLS / 23)).round().astype(np.int8)[None]


def nitf(path, **fields):
    provider = BufferedImageAssetProvider.from_array(HILLS, block_width=128, block_height=128)
    write_nitf(path, NitfFile(images=(NitfImage(pixels=provider, fields=fields),)))
    return str(path)


def codestream(path, pixels=HILLS, bits=8):
    path.write_bytes(imagecodecs.jpeg2k_encode(pixels[0], level=0, codecformat="j2k", bitspersample=bits))
    return str(path)


def boxed(path):
    path.write_bytes(imagecodecs.jpeg2k_encode(HILLS[0], level=0, codecformat="jp2"))
    return str(path)


@pytest.mark.parametrize("kind", ["NC", "C8", "j2k", "jp2"])
def test_values_below_zero_are_read_as_they_were_written(tmp_path, kind):
    path = tmp_path / "image"
    written = {"j2k": codestream, "jp2": boxed}.get(kind, lambda path: nitf(path, IC=kind))(path)
    image = BlockImage(written)

    assert image.pixel_value_type == np.int8
    assert HILLS.min() < -100
    np.testing.assert_array_equal(image.read(PixelWindow(0, 0, 290, 300)).pixels, HILLS)
    np.testing.assert_array_equal(image.read(PixelWindow(120, 90, 33, 50)).pixels, HILLS[:, 90:140, 120:153])


@pytest.mark.parametrize("bits", [3, 8])
def test_smaller_resolutions_keep_the_sign(tmp_path, bits):
    top = 1 << (bits - 1)
    pixels = (HILLS.astype(int) * top // 128).astype(np.int8)
    image = BlockImage(codestream(tmp_path / "image.j2k", pixels, bits))

    half = image.read(PixelWindow(0, 0, *image.level_shape(1)), level=1).pixels.astype(int)

    assert half.min() < -0.6 * top
    assert np.abs(half[:, 1:, 1:] - pixels[:, 2::2, 2::2]).max() <= max(2, top // 8)


def test_gdal_gives_uncompressed_samples_with_their_sign_and_refuses_what_it_would_clip(tmp_path):
    window = PixelWindow(0, 0, 290, 300)

    np.testing.assert_array_equal(GdalImage(nitf(tmp_path / "raw.ntf", IC="NC")).read(window).pixels, HILLS)
    for path in (nitf(tmp_path / "c8.ntf", IC="C8"), codestream(tmp_path / "c8.j2k"), boxed(tmp_path / "c8.jp2")):
        with pytest.raises(DecodeError, match="signed and of 8 bits or less"):
            GdalImage(path).read(window)
