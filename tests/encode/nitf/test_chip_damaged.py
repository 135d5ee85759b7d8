"""Damaged parents: what says a place wrongly places nothing, and the chip is written; what has no pixels is told."""

import re
from pathlib import Path

import numpy as np
import pytest
from chip_sources import radar_extension, scene_pixels, sicd_xml, write_parent

from stacchip_osml.encode import ChipFactory
from stacchip_osml.encode.nitf import Tre, read_nitf, write_nitf
from stacchip_osml.errors import DecodeError, ItemError
from stacchip_osml.geometry import load_sensor_model
from stacchip_osml.imagery import GdalImage
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow

VENDOR = Tre("VENDOR", b"kept")
POLYNOMIALS = Tre("RPC00B", b"1" + b"0" * 1040)


def test_a_sicd_whose_geometry_is_none_is_chipped_with_the_corners_that_it_states(tmp_path):
    xml = re.sub(rb"(<UVectECF>).*?(</UVectECF>)", rb"\1<X>0</X><Y>0</Y><Z>0</Z>\2", sicd_xml(40, 50), flags=re.DOTALL)
    fields = {"IID1": "SICD000", "IREP": "NODISPLY", "ICAT": "SAR", "IMODE": "P", "ISUBCAT1": "I", "ISUBCAT2": "Q"}
    pixels = scene_pixels((2, 40, 50), "float32")
    path = write_parent(tmp_path / "a.ntf", pixels, fields=fields, extensions=(radar_extension(xml, "SICD"),))
    with pytest.raises(ItemError, match="UVectECF must be a unit vector, got one of length 0"):
        load_sensor_model(path)

    found = read_nitf(ChipFactory(BlockImage(path), output_format="nitf").create_chip((5, 6, 20, 10)))

    assert b"<FirstRow>6</FirstRow>" in found.extensions[0].data
    assert found.images[0].fields["ICORDS"] == "G"


def test_an_image_whose_polynomials_are_none_is_chipped_without_a_place(tmp_path):
    pixels = scene_pixels((1, 40, 50))
    path = write_parent(tmp_path / "a.ntf", pixels, tres=(VENDOR, POLYNOMIALS))

    found = read_nitf(ChipFactory(BlockImage(path), output_format="nitf").create_chip((5, 6, 20, 10))).images[0]

    assert not found.fields["ICORDS"].strip()
    assert found.tres[:2] == (VENDOR, POLYNOMIALS)
    assert [tre.tag for tre in found.tres[2:]] == ["ICHIPB"]
    np.testing.assert_array_equal(
        np.concatenate([found.pixels.get_block(row, 0) for row in range(10)], 1)[0], pixels[0, 6:16, 5:25]
    )


@pytest.mark.parametrize(
    ("name", "copies", "reason"),
    [
        ("six-library__GHSarNITF21_good.ntf", False, ""),  # its pixels, and a TRE that leaves its area, are damaged
        ("imaging-nitf__GHSarNITF21_good.ntf", False, ""),
        ("imaging-nitf__p1_07a.ntf", True, "JPEG 2000 components are subsampled by 4 x 1, 1 x 1"),
    ],
)
def test_a_real_file_without_readable_pixels_is_told_and_can_be_copied(real_data, tmp_path, name, copies, reason):
    path = real_data / "nitf" / name
    with pytest.raises(DecodeError, match=f"{re.escape(name)}.*{reason}"):
        ChipFactory(BlockImage(str(path)), output_format="nitf").create_chip((0, 0, 12, 8))
    if copies:
        write_nitf(tmp_path / "copy.ntf", read_nitf(path))
        parent, copy = read_nitf(path).images[0].stored, read_nitf(tmp_path / "copy.ntf").images[0].stored
        assert parent.read(parent.offset, parent.size) == copy.read(copy.offset, copy.size)


def test_a_chip_of_what_is_there_of_a_file_that_ends_early_is_cut_and_chipped_again(tmp_path):
    pixels = scene_pixels((3, 80, 90))
    path = Path(write_parent(tmp_path / "a.ntf", pixels, fields={"NPPBH": "32", "NPPBV": "32", "IC": "NC"}))
    path.write_bytes(path.read_bytes()[: -4 * 32 * 32 * 3])

    (tmp_path / "chip.ntf").write_bytes(chip(path, (3, 5, 60, 40)))
    again = read_nitf(chip(tmp_path / "chip.ntf", (1, 2, 30, 20))).images[0].pixels

    np.testing.assert_array_equal(again.read(PixelWindow(0, 0, 30, 20)).pixels, pixels[:, 7:27, 4:34])
    with pytest.raises(DecodeError, match=r"block \(2, 0\) of level 0: its bytes end before it does"):
        chip(path, (0, 60, 20, 20))


def test_a_real_file_that_ends_early_is_chipped_up_to_its_last_row(real_data, tmp_path):
    path = real_data / "nitf" / "imaging-nitf__rgb.ntf"  # three bytes of the last row of its last band are missing

    (tmp_path / "chip.ntf").write_bytes(chip(path, (3, 5, 40, 44)))
    again = read_nitf(chip(tmp_path / "chip.ntf", (1, 2, 30, 20))).images[0].pixels

    expected = GdalImage(str(path)).read(PixelWindow(4, 7, 30, 20)).pixels
    np.testing.assert_array_equal(again.read(PixelWindow(0, 0, 30, 20)).pixels, expected)
    with pytest.raises(DecodeError, match=r"its bytes end before it does, \d+ to 8432 of the file"):
        chip(path, (3, 5, 47, 45))


def chip(path, window):
    return ChipFactory(BlockImage(str(path)), output_format="nitf").create_chip(window)


@pytest.mark.parametrize("name", ["six-library__sicd_0.4.1.nitf", "six-library__sicd_1.1.0.nitf"])
def test_a_real_sicd_whose_geometry_is_none_is_chipped_twice(real_data, tmp_path, name):
    data = ChipFactory(BlockImage(str(real_data / "sicd_sidd" / name)), output_format="nitf").create_chip((0, 0, 2, 2))
    (tmp_path / "chip.ntf").write_bytes(data)
    again = ChipFactory(BlockImage(str(tmp_path / "chip.ntf")), output_format="nitf").create_chip((1, 1, 1, 1))
    assert re.search(rb"<FirstRow[^>]*>1<", read_nitf(again).extensions[0].data)
