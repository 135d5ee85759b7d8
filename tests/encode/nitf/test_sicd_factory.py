"""Chips of a SICD by a chip factory: pixel by pixel as NITF, at any size as a picture."""

import numpy as np
import pytest
from chip_sources import radar_extension, scene_pixels, sicd_xml, write_parent

from stacchip_osml.encode import ChipFactory
from stacchip_osml.encode.nitf import read_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.blocks.image import BlockImage


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("sicd") / "sicd.ntf"
    pixels = scene_pixels((2, 60, 80), "float32")
    fields = {"IID1": "SICD000", "ICAT": "SAR", "IREP": "NODISPLY", "ISUBCAT1": "I", "ISUBCAT2": "Q", "IMODE": "P"}
    write_parent(path, pixels, fields=fields, extensions=(radar_extension(sicd_xml(60, 80), "SICD"),))
    return BlockImage(str(path)), pixels


@pytest.mark.parametrize(
    ("window", "size"), [((0, 0, 40, 40), (20, 20)), ((3.5, 0, 40, 40), None), ((0, 0, 20, 20), (40, 40))]
)
@pytest.mark.parametrize("name", ["nitf", "nsif"])
def test_phase_history_is_never_resampled(image, name, window, size):
    factory = ChipFactory(image[0], output_format=name)

    with pytest.raises(EncodeError, match="SICD") as caught:
        factory.create_chip(window, size)

    assert isinstance(caught.value, ValueError)


def test_one_to_one_chips_keep_pixels_and_document(image):
    data = ChipFactory(image[0], output_format="nitf").create_chip((7, 9, 40, 30))

    file = read_nitf(data)
    assert b"<FirstRow>9</FirstRow>" in file.extensions[0].data
    assert b"<NumCols>40</NumCols>" in file.extensions[0].data
    found = ChipFactory(file.images[0].pixels, output_format="geotiff").read_chip((0, 0, 40, 30))
    np.testing.assert_array_equal(found.pixels, image[1][:, 9:39, 7:47])


def test_a_chain_makes_a_picture_of_any_size_without_the_document(image):
    def magnitude(pixels):
        return np.hypot(pixels[:1], pixels[1:]).clip(0, 255).astype(np.uint8)

    factory = ChipFactory(image[0], output_format="nitf", processing_chain=magnitude)

    file = read_nitf(factory.create_chip((0, 0, 60, 60), (30, 30)))

    assert file.extensions == ()
    assert (file.images[0].pixels.num_bands, file.images[0].pixels.num_rows) == (1, 30)


def test_arrays_of_any_size_are_read_all_the_same(image):
    assert ChipFactory(image[0], output_format="nitf").read_chip((0, 0, 40, 40), (20, 20)).shape == (2, 20, 20)
