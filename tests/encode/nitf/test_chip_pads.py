"""Chips of which some pixels hold nothing, written as NITF, read, and chipped again: none comes to hold something."""

import struct

import earlier_files as earlier
import numpy as np
import pytest

from stacchip_osml.encode import ChipFactory, imsave
from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf, write_nitf
from stacchip_osml.imagery import BufferedImageAssetProvider, GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.pixel import PixelWindow

NAN = float("nan")


def image_of(path, dtype, nodata, bands=1):
    """A TIFF image with a hole in it."""
    pixels = np.random.default_rng(0).integers(1, 100, (bands, 64, 64)).astype(dtype)
    pixels[:, 10:20, 10:30] = nodata
    imsave(path, pixels, nodata=nodata)
    return BlockImage(str(path))


@pytest.mark.parametrize("bands", [1, 3])
@pytest.mark.parametrize(
    ("dtype", "nodata"),
    [
        *(("uint8", 0), ("uint16", 0), ("uint16", 65535), ("int16", -9999), ("int16", 0), ("int32", -1)),
        *(("uint32", 4294967295), ("float32", 0), ("float32", -9999.0), ("float32", NAN), ("float64", NAN)),
    ],
)
def test_a_chip_of_a_chip_keeps_its_mask(tmp_path, dtype, nodata, bands):
    image = image_of(tmp_path / "a.tif", dtype, nodata, bands)
    expected, box = image.read(PixelWindow(4, 4, 40, 40)), (4, 4, 40, 40)
    assert not expected.mask.all()

    for turn in range(3):
        path = tmp_path / f"{turn}.ntf"
        path.write_bytes(ChipFactory(image, output_format="nitf").create_chip(box))
        image, box = BlockImage(str(path)), (0, 0, 40, 40)
        for reader in (image, GdalImage(str(path)), read_nitf(path.read_bytes()).images[0].pixels):
            found = reader.read(PixelWindow(0, 0, 40, 40))
            np.testing.assert_array_equal(found.mask, expected.mask)
            np.testing.assert_array_equal(found.pixels, expected.pixels)


@pytest.mark.parametrize(
    ("dtype", "stored", "low", "high"),
    [
        ("uint16", {"ABPP": "11"}, 0, 2047),
        ("uint16", {"ABPP": "11", "PJUST": "L"}, 0, 2047),
        ("int16", {"ABPP": "12"}, -2048, 2047),
        ("uint8", {"PVTYPE": "B"}, 0, 1),
    ],
)
def test_a_pad_pixel_may_have_more_bits_than_the_parent_uses(tmp_path, dtype, stored, low, high):
    pixels = np.random.default_rng(1).integers(low, high, (1, 80, 80), dtype=dtype, endpoint=True)
    pixels[0, 0, :3] = low, 0, high
    pixels <<= 5 if "PJUST" in stored else 0
    image = NitfImage(pixels=BufferedImageAssetProvider.from_array(pixels), fields={"IC": "NC", **stored})
    write_nitf(tmp_path / "a.ntf", NitfFile(images=(image,)))

    data = ChipFactory(BlockImage(str(tmp_path / "a.ntf")), output_format="nitf").create_chip((-8, -8, 40, 40))

    (tmp_path / "chip.ntf").write_bytes(data)
    found = BlockImage(str(tmp_path / "chip.ntf")).read(PixelWindow(0, 0, 40, 40))
    np.testing.assert_array_equal(found.pixels[:, 8:, 8:], pixels[:, :32, :32])
    assert found.mask[:, 8:, 8:].all()
    assert not found.mask[:, :8].any()
    assert not found.mask[:, :, :8].any()
    assert read_nitf(data).images[0].fields["ABPP"] == f"{8 * pixels.itemsize:02d}"


@pytest.mark.parametrize("ic", ["NM", "M8", "MD"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16"])
def test_pad_pixels_of_compressed_chips_hold_nothing_too(tmp_path, dtype, ic):
    image = image_of(tmp_path / "a.tif", dtype, 0)
    chips = ChipFactory(image, output_format="nitf", metadata_overrides={"IC": ic})
    path = tmp_path / "chip.ntf"
    path.write_bytes(chips.create_chip((0, 0, 40, 40)))

    found = BlockImage(str(path))

    assert read_nitf(path).images[0].fields["IC"] == ic
    assert found.header.bands[0].nodata == 0
    np.testing.assert_array_equal(
        found.read(PixelWindow(0, 0, 40, 40)).mask, image.read(PixelWindow(0, 0, 40, 40)).mask
    )


def test_a_pad_pixel_of_nitf_20_holds_nothing_and_neither_does_it_in_a_chip(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 5, (1, 32, 48), np.uint16)
    table = struct.pack(">IHHHHI", 16, 4, 0, 16, 3, 0)
    path = tmp_path / "a.ntf"
    path.write_bytes(
        earlier.file(images=[earlier.image(pixels, ic="NM", bits=16, data=table + pixels.astype(">u2").tobytes())])
    )

    for image in (BlockImage(str(path)), GdalImage(str(path))):
        assert image.header.bands[0].nodata == 3
        np.testing.assert_array_equal(image.read(PixelWindow(0, 0, 48, 32)).mask, pixels != 3)
    chip = ChipFactory(BlockImage(str(path)), output_format="nitf").create_chip((8, 0, 48, 32))
    found = read_nitf(chip).images[0].pixels.read(PixelWindow(0, 0, 40, 32))
    np.testing.assert_array_equal(found.mask, pixels[..., 8:] != 3)


@pytest.mark.parametrize("nodata", [0, NAN])
def test_complex_pixels_that_hold_nothing_stay_so(tmp_path, nodata):
    image = image_of(tmp_path / "a.tif", "complex64", nodata)
    expected = image.read(PixelWindow(4, 4, 40, 40))

    (tmp_path / "chip.ntf").write_bytes(ChipFactory(image, output_format="nitf").create_chip((4, 4, 40, 40)))

    found = BlockImage(str(tmp_path / "chip.ntf")).read(PixelWindow(0, 0, 40, 40))
    assert not expected.mask.all()
    np.testing.assert_array_equal(found.mask, expected.mask)
    np.testing.assert_array_equal(found.pixels[found.mask], expected.pixels[expected.mask])


def test_a_chip_read_by_its_stored_header_is_the_same(tmp_path):
    image = image_of(tmp_path / "a.tif", "uint16", 0)
    path = tmp_path / "chip.ntf"
    path.write_bytes(ChipFactory(image, output_format="nitf").create_chip((0, 0, 40, 40)))
    fresh = BlockImage(str(path))
    header, layout = StoredHeader.of(fresh.header, fresh.layout).unpack(name="chip")

    stored = BlockImage(str(path), header=header, layout=layout)

    chips = [ChipFactory(each, output_format="nitf").create_chip((5, 5, 30, 30)) for each in (fresh, stored)]
    masks = [read_nitf(chip).images[0].pixels.read(PixelWindow(0, 0, 30, 30)).mask for chip in chips]
    np.testing.assert_array_equal(masks[0], masks[1])
    np.testing.assert_array_equal(masks[0], image.read(PixelWindow(5, 5, 30, 30)).mask)


@pytest.mark.parametrize("dtype", ["uint16", "int16"])
@pytest.mark.parametrize("justified", ["L", "R"])
def test_a_smaller_chip_uses_bits_that_its_parent_leaves_empty(tmp_path, dtype, justified):
    """Means fill the lower ones; lanczos reaches beyond the upper ones."""
    path, info = tmp_path / "a.ntf", np.iinfo(dtype)
    spare = 6
    pixels = np.random.default_rng(2).choice(np.array([info.min >> spare, info.max >> spare], dtype), (1, 64, 64))
    pixels = pixels << spare if justified == "L" else pixels
    fields = {"IC": "NC", "ABPP": "10", "PJUST": justified}
    image = NitfImage(pixels=BufferedImageAssetProvider.from_array(pixels), fields=fields)
    write_nitf(path, NitfFile(images=(image,)))
    factory = ChipFactory(BlockImage(str(path)), output_format="nitf", resampling="lanczos")

    for window, size, kept in (((3, 2, 40, 40), (40, 40), True), ((3, 2, 40, 40), (27, 31), False)):
        found = read_nitf(factory.create_chip(window, size)).images[0]
        np.testing.assert_array_equal(
            found.pixels.read(PixelWindow(0, 0, *size)).pixels, factory.read_chip(window, size).pixels
        )
        assert (found.fields["ABPP"], found.fields["PJUST"]) == (("10", justified) if kept else ("16", "R"))
