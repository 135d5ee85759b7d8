"""How red, green and blue are found: each sign on its own, in real files where GDAL can write them."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from foreign_provider import Foreign

from stacchip_osml.imagery import CachedImageProvider, GdalImage, MappedImageProvider, TileCache
from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider
from stacchip_osml.imagery.display.picture import picture_of, rgb_bands
from tests.imagery.gdal.gdal_files import write

PIXELS = np.zeros((5, 16, 16), np.uint16)
NM = [443.0, 490.0, 560.0, 665.0, 842.0]


def found_in(image, **settings):
    return rgb_bands(picture_of(image, **settings))


def foreign(**metadata):
    return Foreign(PIXELS, metadata=metadata)


@pytest.mark.parametrize(
    "metadata",
    [
        {"IREPBAND": ["M", "B", "G", "R", "N"]},
        {"IREPBAND": " M,B ,G,R,N"},
        {"BAND_INFO": [{"IREPBAND": f"{word} "} for word in "MBGRN"]},
        {f"IREPBAND{number}": f"{word} " for number, word in enumerate("MBGRN", 1)},
    ],
)
def test_by_irepband(metadata):
    assert found_in(foreign(**metadata)) == ((3, 2, 1), "IREPBAND")


@pytest.mark.parametrize("key", ["262", 262, "PhotometricInterpretation"])
def test_by_photometric_interpretation(key):
    assert found_in(Foreign(PIXELS, metadata={key: "2"})) == ((0, 1, 2), "PhotometricInterpretation")


def test_by_the_colour_interpretation_of_a_file(tmp_path):
    path = write(tmp_path / "a.tif", PIXELS[:4], photometric="RGB")
    nitf = write(tmp_path / "a.ntf", PIXELS[:3], driver="NITF", IREP="RGB")

    assert found_in(GdalImage(path)) == ((0, 1, 2), "colour interpretation")
    assert found_in(GdalImage(nitf)) == ((0, 1, 2), "colour interpretation")


def test_by_the_colour_interpretation_in_gdals_metadata():
    items = "".join(
        f'<Item name="COLORINTERP" sample="{band}" role="colorinterp">{word}</Item>'
        for band, word in ((1, "Blue"), (2, "Green"), (4, "Red"))
    )

    assert found_in(foreign(**{"42112": f"<GDALMetadata>{items}</GDALMetadata>"})) == (
        (4, 2, 1),
        "colour interpretation",
    )
    assert found_in(foreign(**{"42112": "<GDALMetadata"})) is None


def test_by_the_wavelengths_of_a_nitfs_bandsb(tmp_path):
    record = b"00005" + b"RADIANCE".ljust(24) + b"F" + struct.pack(">ff", 1, 0) + b"1.00000M" * 4 + b" " * 48
    record += struct.pack(">I", 1 << 24) + b"U" + b"".join(b"%07.5f" % (nm / 1000) for nm in NM)
    path = write(tmp_path / "a.ntf", PIXELS, driver="NITF", IREP="MULTI", TRE=f"HEX/BANDSB={record.hex()}")

    image = GdalImage(path)

    assert picture_of(image).wavelengths == pytest.approx(NM)
    assert found_in(image) == ((3, 2, 1), "wavelengths")


@pytest.mark.parametrize(
    "metadata",
    [
        {"BANDSB": {"center_wavelengths": NM}},
        {"BANDSB_CENTER_WAVELENGTHS": NM},
        {"eo:bands": [{"center_wavelength": nm / 1000} for nm in NM]},
        {"bands": [{"eo:center_wavelength": nm / 1000} for nm in NM]},
        {"bands": [{"wavelength": nm, "wavelength_units": "Nanometers"} for nm in NM]},
    ],
)
def test_by_wavelengths(metadata):
    assert found_in(foreign(**metadata)) == ((3, 2, 1), "wavelengths")


@pytest.mark.parametrize(
    "wavelengths",
    [
        [1600.0, 1650.0, 2100.0, 2200.0, 2300.0],
        [500.0, 500.0, 500.0, 665.0, 842.0],
        ["red", None, -3.0, float("nan"), float("inf")],
        [443.0, 490.0, 560.0],
    ],
)
def test_wavelengths_that_are_not_of_three_colours_tell_nothing(wavelengths):
    assert found_in(foreign(BANDSB={"center_wavelengths": wavelengths})) is None


def test_a_wavelength_without_its_unit_tells_nothing():
    assert found_in(foreign(bands=[{"wavelength": nm} for nm in NM])) is None


def test_by_common_names(tmp_path):
    names = ["coastal", "blue", "green", "red", "nir"]
    path = write(tmp_path / "a.tif", PIXELS, descriptions=names)

    assert found_in(foreign(**{"eo:bands": [{"common_name": name} for name in names]})) == ((3, 2, 1), "common names")
    assert found_in(foreign(bands=[{"eo:common_name": name} for name in names])) == ((3, 2, 1), "common names")
    assert found_in(foreign(), common_names=names) == ((3, 2, 1), "common names")
    assert found_in(GdalImage(path)) == ((3, 2, 1), "common names")


def test_by_isubcat():
    assert found_in(foreign(ISUBCAT=["", "B", "G", "R", ""])) == ((3, 2, 1), "ISUBCAT")
    assert found_in(foreign(BAND_INFO=[{"ISUBCAT": word} for word in " BGR "])) == ((3, 2, 1), "ISUBCAT")


def test_the_first_sign_counts():
    metadata = {"ISUBCAT": list("RGBXX"), "BANDSB": {"center_wavelengths": NM}, "IREPBAND": list("MBGRN")}

    assert found_in(foreign(**metadata))[1] == "IREPBAND"
    del metadata["IREPBAND"]
    assert found_in(foreign(**metadata))[1] == "wavelengths"


def test_a_list_for_another_number_of_bands_tells_nothing():
    assert found_in(foreign(IREPBAND=["R", "G", "B"])) is None


def test_adapters_of_the_same_bands_have_their_sources_facts_and_mapped_images_none(tmp_path):
    image = GdalImage(write(tmp_path / "a.tif", PIXELS[:3], photometric="RGB"))

    assert picture_of(CachedImageProvider(image, TileCache())).colors == ("red", "green", "blue")
    assert picture_of(DownsampledImageProvider(image, 2)).colors == ("red", "green", "blue")
    assert picture_of(MappedImageProvider(image, np.negative)).colors == (None, None, None)
