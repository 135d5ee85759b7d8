"""Y'CbCr that a decoder turns into red, green and blue: what is written again says what its pixels are."""

import numpy as np
import pytest
import rasterio
from nitf_files import image_of, written

from stacchip_osml.encode import IO, BufferedMetadataProvider, ChipFactory, imsave
from stacchip_osml.encode.io.converting import convert
from stacchip_osml.encode.nitf import NitfFile, NitfImage, read_nitf, write_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery import BufferedImageAssetProvider, DisplayChainFactory, read_window

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")

PICTURE = np.stack([np.full((64, 96), value, np.uint8) for value in (200, 60, 20)])
RAW = {"IC": "NC", "IREP": "YCbCr601", "IREPBAND1": "Cr", "IREPBAND2": "Cb", "IREPBAND3": "Y"}


@pytest.fixture
def jpeg(tmp_path):
    path = tmp_path / "jpeg.ntf"
    imsave(path, PICTURE, compression="jpeg", quality=95)
    assert read_nitf(path).images[0].fields["IREP"] == "YCbCr601"
    return path


def bands_of(fields):
    return [fields[f"IREPBAND{band}"] for band in (1, 2, 3)]


@pytest.mark.parametrize("compression", ["none", "NM", "jpeg2000", "htj2k"])
def test_jpeg_that_is_decoded_says_red_green_and_blue(jpeg, tmp_path, compression):
    target = tmp_path / "out.ntf"
    convert(jpeg, target, compression=compression)

    fields = read_nitf(target).images[0].fields
    assert (fields["IREP"], bands_of(fields)) == ("RGB", ["R", "G", "B"])
    with IO.open(target) as dataset:
        image = dataset.get_asset("image:0")
        assert not DisplayChainFactory.build(image).steps
        np.testing.assert_allclose(read_window(image, (0, 0, 96, 64))[:, 9, 9], PICTURE[:, 9, 9], atol=3)


def test_jpeg_that_stays_jpeg_stays_what_it_is(jpeg, tmp_path):
    convert(jpeg, tmp_path / "copy.ntf")
    convert(jpeg, tmp_path / "again.ntf", compression="jpeg", block_size=(32, 32))

    for name in ("copy.ntf", "again.ntf"):
        fields = read_nitf(tmp_path / name).images[0].fields
        assert (fields["IREP"], bands_of(fields)) == ("YCbCr601", ["Y", "Cb", "Cr"])


@pytest.mark.parametrize("ending", ["tif", "jp2", "png"])
def test_other_formats_have_the_colours_of_the_pixels(jpeg, tmp_path, ending):
    convert(jpeg, tmp_path / f"out.{ending}")

    with rasterio.open(tmp_path / f"out.{ending}") as image:
        assert [color.name for color in image.colorinterp] == ["red", "green", "blue"]


def test_every_segment_has_the_colours_of_its_pixels(jpeg, tmp_path):
    first, path = read_nitf(jpeg).images[0], tmp_path / "two.ntf"
    write_nitf(path, NitfFile(images=(image_of(), first)))

    second = read_nitf(path).images[1].pixels
    assert [band.color for band in second.header.bands] == ["red", "green", "blue"]
    assert not DisplayChainFactory.build(second).steps


def test_components_that_no_decoder_turned_stay_what_they_are(tmp_path):
    image = NitfImage(pixels=BufferedImageAssetProvider.from_array(PICTURE), fields=RAW)
    source, target = tmp_path / "raw.ntf", tmp_path / "out.ntf"
    source.write_bytes(written(NitfFile(images=(image,))))

    convert(source, target, compression="jpeg2000")
    with IO.open(source) as dataset:
        chip = ChipFactory(dataset.get_asset("image:0"), output_format="nitf").create_chip((0, 0, 32, 32))

    for made in (target.read_bytes(), chip):
        fields = read_nitf(made).images[0].fields
        assert (fields["IREP"], bands_of(fields)) == ("YCbCr601", ["Cr", "Cb", "Y"])


def test_metadata_that_were_copied_are_not_believed_of_pixels_that_were_decoded(jpeg, tmp_path):
    with IO.open(jpeg) as dataset:
        image = dataset.get_asset("image:0")
        metadata = BufferedMetadataProvider(source=image.metadata)
        copy = BufferedImageAssetProvider.from_array(read_window(image, (0, 0, 96, 64)), metadata=metadata)
    metadata["IC"] = "NC"

    with (
        pytest.raises(EncodeError, match=r"image:0: IREP=YCbCr601 is of JPEG .*, and IC is NC: .* so say IREP RGB"),
        IO.open(tmp_path / "out.ntf", "w") as writer,
    ):
        writer.add_asset("image:0", copy)
    metadata.update({"IREP": "RGB", "IREPBAND1": "R", "IREPBAND2": "G", "IREPBAND3": "B"})
    with IO.open(tmp_path / "out.ntf", "w") as writer:
        writer.add_asset("image:0", copy)
