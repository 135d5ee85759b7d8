"""Masked NITF images through GDAL: blocks that are not recorded are no measurements, as the block reader has it."""

import pickle

import imagecodecs
import numpy as np
import pytest

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow
from tests.imagery.blocks.nitf_block_files import blocks_of, fields_of, masked, write_nitf

RANDOM = np.random.default_rng(11)
BLOCK = (16, 24)
SHAPE = (40, 70)
WHOLE = PixelWindow(0, 0, 70, 40)
ABSENT = np.array([[False, True, False], [True, True, False], [False, False, True]])
WINDOWS = [WHOLE, PixelWindow(5, 3, 30, 20), PixelWindow(23, 15, 2, 2), PixelWindow(24, 16, 24, 16)]


def scene(dtype, bands):
    values = RANDOM.integers(1, 100, (bands, *SHAPE))
    return (values + 1j * values[:, ::-1] if dtype == "complex64" else values).astype(dtype)


def absent_of(bands, imode):
    """``(bands, 3, 3)``: other blocks of each band where bands have records of their own."""
    return np.stack([np.roll(ABSENT, band if imode == "S" else 0, axis=1) for band in range(bands)])


def sparse(path, pixels, imode, *, pad=None, bits=None):
    """Write a masked image by jbpy; give what is recorded of its pixels."""
    absent = absent_of(len(pixels), imode)
    places = absent if imode == "S" else absent[:1]
    blocks = zip(blocks_of(pixels, BLOCK, imode), places.ravel().tolist(), strict=True)
    data = masked([None if gone else block for block, gone in blocks], pad=pad, bits=bits)
    write_nitf(path, [(fields_of(pixels, BLOCK, imode, IC="NM"), data)])
    return ~np.repeat(np.repeat(absent, BLOCK[0], 1), BLOCK[1], 2)[:, : SHAPE[0], : SHAPE[1]]


@pytest.mark.parametrize("image_class", [GdalImage, BlockImage])
@pytest.mark.parametrize(("imode", "bands"), [("B", 1), ("P", 2), ("P", 3), ("S", 2), ("S", 3)])
@pytest.mark.parametrize(
    ("dtype", "pad"),
    [
        ("uint8", None),
        ("uint8", 7),
        ("int16", -5),
        ("uint16", None),
        ("float32", np.nan),
        ("complex64", None),
        ("complex64", 0),
        ("complex64", 3 + 60j),
        ("complex64", complex(np.nan, 1)),
    ],
)
def test_blocks_that_are_not_recorded_are_filled_and_invalid(tmp_path, image_class, imode, bands, dtype, pad):
    path, pixels = tmp_path / "a.ntf", scene(dtype, bands)
    stray = pixels.dtype.type(0 if pad is None else pad)
    if pad is not None:
        pixels[:, 2, 3] = stray
    code = None if pad is None else np.array(stray, pixels.dtype.newbyteorder(">")).tobytes()
    recorded = sparse(path, pixels, imode, pad=code)
    is_pad = np.zeros(pixels.shape, bool) if pad is None else (np.isnan(pixels) if pad != pad else pixels == stray)
    image = pickle.loads(pickle.dumps(image_class(str(path))))

    for window in WINDOWS:
        for bands_wanted in (None, (bands - 1,)):
            here = np.s_[list(bands_wanted or range(bands)), window.y : window.y + window.height]
            here = (*here, slice(window.x, window.x + window.width))
            found = image.read(window, bands=bands_wanted)
            if not recorded[here].any():
                assert found is None
                continue
            np.testing.assert_array_equal(found.pixels, np.where(recorded, pixels, stray)[here])
            np.testing.assert_array_equal(found.mask, (recorded & ~is_pad)[here])
    grid = absent_of(bands, imode).all(axis=0)
    assert [[image.has_block(row, col) for col in range(3)] for row in range(3)] == (~grid).tolist()
    np.testing.assert_array_equal(image.get_block(1, 1), np.where(recorded, pixels, stray)[:, 16:32, 24:48])


@pytest.mark.parametrize("image_class", [GdalImage, BlockImage])
def test_blocks_of_masked_jpeg_are_left_out_too(tmp_path, image_class):
    path = tmp_path / "a.ntf"
    pixels = np.full((1, 64, 96), 90, np.uint8)
    stream = imagecodecs.jpeg8_encode(pixels[0, :32, :32], level=95)
    fields = fields_of(pixels, (32, 32), "B", IC="M3", COMRAT="00.0")
    write_nitf(path, [(fields, masked([stream, None, stream, None, stream, stream]))])

    found = image_class(str(path)).read(PixelWindow(0, 0, 96, 64))

    assert (found.pixels[found.mask] == 90).all()
    assert not found.pixels[~found.mask].any()
    np.testing.assert_array_equal(found.mask[0, ::32, ::32], [[True, False, True], [False, True, True]])


@pytest.mark.parametrize("imode", ["B", "R"])
@pytest.mark.parametrize("bands", [2, 3])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "complex64"])
def test_masked_blocks_of_bands_that_gdal_does_not_find_are_refused_and_read_by_blocks(tmp_path, dtype, bands, imode):
    path, pixels = tmp_path / "a.ntf", scene(dtype, bands)
    recorded = sparse(path, pixels, imode)

    found = BlockImage(str(path)).read(WHOLE)

    np.testing.assert_array_equal(found.pixels, np.where(recorded, pixels, 0))
    np.testing.assert_array_equal(found.mask, recorded)
    with pytest.raises(DecodeError, match=f"GDAL does not read masked blocks of IMODE={imode} and {bands} bands"):
        GdalImage(str(path)).read(WHOLE)


def test_one_of_several_jpeg_streams_is_not_taken_for_the_image(tmp_path):
    path = tmp_path / "a.ntf"
    pixels = np.full((3, 64, 64), 90, np.uint8)
    data = imagecodecs.jpeg8_encode(pixels[0], level=95) * 3
    write_nitf(path, [(fields_of(pixels, (64, 64), "B", IC="C3", COMRAT="00.0"), data)])

    with pytest.raises(DecodeError, match="GDAL shows one of 3 bands"):
        _ = GdalImage(str(path)).header


def test_the_mask_table_of_a_remote_image_is_asked_for_once(server, tmp_path):
    path, pixels = tmp_path / "a.ntf", scene("complex64", 1)
    recorded = sparse(path, pixels, "B")
    image = GdalImage(server.serve("/a.ntf", path.read_bytes()))
    first = image.read(WHOLE)
    asked = len(server.asked())
    again = image.read(WHOLE)
    assert len(server.asked()) <= asked + 1

    for found in (first, again):
        np.testing.assert_array_equal(found.mask, recorded)
