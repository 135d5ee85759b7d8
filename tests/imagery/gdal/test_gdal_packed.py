"""Packed samples of NITF: read as they were written, or refused; never taken apart in another way."""

import numpy as np
import pytest
import rasterio

from stacchip_osml.encode import BufferedImageAssetProvider
from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

WINDOW = PixelWindow(0, 0, 64, 48)
RANDOM = np.random.default_rng(5)
PIXELS = {
    "bool": RANDOM.random((3, 48, 64)) > 0.5,
    "uint16": RANDOM.integers(0, 4096, (3, 48, 64), dtype=np.uint16),
    "int16": RANDOM.integers(-2048, 2048, (3, 48, 64), dtype=np.int16),
}
TWELVE = {"NBPP": "12", "ABPP": "12"}


def nitf(path, pixels, **fields):
    provider = BufferedImageAssetProvider.from_array(pixels)
    write_nitf(path, NitfFile(images=(NitfImage(pixels=provider, fields={"IC": "NC"} | fields),)))
    return str(path)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("bool", {"IMODE": "P"}),
        ("bool", {"IMODE": "R"}),
        ("uint16", {"IMODE": "P"} | TWELVE),
        ("uint16", {"IMODE": "R"} | TWELVE),
        ("int16", {"IMODE": "B"} | TWELVE),
    ],
)
def test_what_gdal_takes_apart_wrongly_is_refused_and_read_by_blocks(tmp_path, kind, fields):
    path = nitf(tmp_path / "packed.ntf", PIXELS[kind], **fields)
    with rasterio.open(path) as dataset:
        assert (dataset.read() != PIXELS[kind]).any()  # else there would be no reason to refuse

    found = BlockImage(path).read(WINDOW)

    assert found.pixels.dtype == ("uint8" if kind == "bool" else kind)
    assert (found.pixels == PIXELS[kind]).all()
    assert found.mask.all()
    with pytest.raises(DecodeError, match=rf"GDAL does not read packed samples of NBPP=1.*IMODE={fields['IMODE']}"):
        GdalImage(path).read(WINDOW)


@pytest.mark.parametrize("image_class", [BlockImage, GdalImage])
def test_what_gdal_reads_as_it_was_written_is_given(tmp_path, image_class):
    bits = nitf(tmp_path / "bits.ntf", PIXELS["bool"][:1])
    few = nitf(tmp_path / "few.ntf", PIXELS["uint16"], ABPP="12", IMODE="P")  # in samples of 16 bits

    assert (image_class(bits).read(WINDOW).pixels == PIXELS["bool"][:1]).all()
    assert (image_class(few).read(WINDOW).pixels == PIXELS["uint16"]).all()


@pytest.mark.parametrize("ic", ["NC", "NM"])
@pytest.mark.parametrize("imode", ["B", "P", "R", "S"])
@pytest.mark.parametrize("kind", PIXELS)
def test_bands_that_do_not_end_on_bytes_are_read_as_they_were_written(tmp_path, kind, imode, ic):
    fields = {"IC": ic, "IMODE": imode, "NPPBH": "13", "NPPBV": "9"} | ({} if kind == "bool" else TWELVE)
    path = nitf(tmp_path / "odd.ntf", PIXELS[kind][:, :41, :61], **fields)

    found = BlockImage(path).read(PixelWindow(0, 0, 61, 41))

    assert (found.pixels == PIXELS[kind][:, :41, :61]).all()
    assert found.mask.all()


def test_gdal_finds_every_band_of_bits_that_were_written(tmp_path):
    path = nitf(tmp_path / "bits.ntf", PIXELS["bool"][:, :41, :61], NPPBH="0", NPPBV="0")

    with rasterio.open(path) as dataset:
        assert (dataset.read() == PIXELS["bool"][:, :41, :61]).all()
