"""JPEG 2000 chips, read by GDAL: pixels, place, transparency, refusals."""

import warnings

import numpy as np
import pytest
from affine import Affine
from rasterio.io import MemoryFile

from stacchip_osml.encode import ChipOrigin, encode_chip, image_format
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import ImageSize
from tests.encode.encode_chips import chip_of

BOXED, BARE = ("jp2", "jph"), ("j2k", "jhc")


def read(data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MemoryFile(data) as memory, memory.open() as image:
            colors = [each.name for each in image.colorinterp]
            return image.read(), colors, image.transform, image.crs


@pytest.mark.parametrize("form", [*BOXED, *BARE])
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16"])
@pytest.mark.parametrize("bands", [1, 2, 3, 5])
def test_pixels_are_exact(form, kind, bands):
    chip = chip_of(kind, (bands, 40, 50))
    assert np.array_equal(read(encode_chip(chip, form))[0], chip.pixels)


@pytest.mark.parametrize("form", BOXED)
@pytest.mark.parametrize("transform", [Affine(10, 0, 500_000, 0, -10, 4_000_000), Affine(3, 1, 5, 2, -4, 6)], ids=str)
def test_the_place_is_in_the_file(form, transform):
    chip = chip_of(transform=transform, crs="EPSG:32632")
    _, _, found, crs = read(encode_chip(chip, form))
    assert (found, crs.to_epsg()) == (transform, 32632)


@pytest.mark.parametrize("form", BOXED)
@pytest.mark.parametrize("transform", [Affine(10, 0, 5, 0, -10, 4), Affine(3, 1, 5, 2, -4, 6)], ids=str)
def test_a_transform_is_in_the_file_without_a_crs_too(form, transform):
    _, _, found, crs = read(encode_chip(chip_of(transform=transform, crs=None), form))
    assert (found, crs) == (transform, None)


@pytest.mark.parametrize("form", BOXED)
@pytest.mark.parametrize("bend", [0.0, 5.0], ids=["straight", "bent"])
def test_the_place_of_a_sensor_model_is_in_the_file(form, bend):
    def locator(cols, rows):
        return 9 + 0.001 * cols + 1e-5 * bend * np.sin(cols), 50 - 0.001 * rows + 1e-3 * bend * (cols / 40) ** 2

    origin = ChipOrigin(name="x", image_size=ImageSize(900, 900), window=(100, 200, 50, 40), locator=locator)
    data = encode_chip(chip_of(origin=origin), form)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with MemoryFile(data) as memory, memory.open() as image:
            points, crs = image.gcps
            transform = image.transform
    if not bend:
        assert np.allclose(transform[:6], (0.001, 0, 9.1, 0, -0.001, 49.8), rtol=0, atol=1e-9)
    else:
        assert (len(points), crs.to_epsg()) == (49, 4326)
        for point in points:
            assert (point.x, point.y) == pytest.approx(locator(100 + point.col, 200 + point.row), abs=1e-9)


@pytest.mark.parametrize("form", BOXED)
@pytest.mark.parametrize("bands", [1, 3])
def test_invalid_pixels_are_transparent(form, bands):
    chip = chip_of("uint8", (bands, 40, 50), holes="shared")
    pixels, colors, *_ = read(encode_chip(chip, form))
    assert np.array_equal(pixels[:-1], chip.pixels)
    assert np.array_equal(pixels[-1] > 0, chip.mask[0])
    assert colors[-1] == "alpha"
    assert len(read(encode_chip(chip, form, mask="ignore"))[0]) == bands
    assert len(read(encode_chip(chip_of("uint8", (bands, 40, 50)), form, mask="alpha"))[0]) == bands + 1


@pytest.mark.parametrize(
    ("form", "chip", "options", "message"),
    [
        ("j2k", chip_of(holes="shared"), {}, "this chip has invalid pixels.*mask='ignore'"),
        ("jp2", chip_of("int16", holes="shared"), {}, "this chip has invalid pixels"),
        ("jp2", chip_of("uint16", (5, 40, 50), holes="shared"), {}, "this chip has invalid pixels"),
        ("jp2", chip_of("float32"), {}, "uint8, uint16 or int16, not float32"),
        ("jp2", chip_of("int8"), {}, "not int8"),
        ("j2k", chip_of(), {"mask": "alpha"}, "does not say which band is alpha"),
        ("jp2", chip_of(), {"mask": "never"}, "mask must be one of auto, alpha, ignore"),
        ("jp2", chip_of(), {"ratio": 0.1}, "ratio is above 1"),
        ("jph", chip_of(), {"layers": 2}, "jph has no option layers"),
    ],
)
def test_what_cannot_be_said_is_refused(form, chip, options, message):
    with pytest.raises(EncodeError, match=message):
        encode_chip(chip, form, **options)


@pytest.mark.parametrize("form", [*BOXED, *BARE])
def test_several_workers_write_the_file_that_one_writes(form):
    chip = chip_of("uint16", (3, 200, 170))
    assert encode_chip(chip, form, workers=2) == encode_chip(chip, form)


def test_ratios_and_pictures_of_any_type():
    chip = chip_of("uint16", (3, 256, 256))
    assert len(encode_chip(chip, "jp2", ratio=20)) == pytest.approx(chip.pixels.nbytes / 20, rel=0.2)
    pixels, colors, *_ = read(encode_chip(chip_of("float32", (7, 40, 50)), "jp2", display=True))
    assert (pixels.dtype, colors[0]) == (np.uint8, "red")
    holed = chip_of("float32", (3, 40, 50), holes="shared")
    assert len(read(encode_chip(holed, "jp2", display=True))[0]) == 4
    with pytest.raises(EncodeError, match="cannot say which pixels are valid"):
        encode_chip(holed, "j2k", display=True)


def test_names_of_the_formats():
    assert [image_format(name).name for name in ("jpeg2000", "JP2", ".j2k", "htj2k", "jhc")] == [
        *("jp2", "jp2", "j2k", "jph", "jhc")
    ]
