"""Chips of types that NITF has and readers do not know: refused with what to do, or written where that is asked for."""

from dataclasses import replace

import numpy as np
import pytest
from chip_sources import cut, jbpy_of, scene_pixels, write_parent

from stacchip_osml.encode import encode_chip
from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf import encode_nitf, read_nitf
from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel import PixelWindow


def chip_of(dtype):
    pixels = scene_pixels((1, 8, 9)).astype(dtype)
    return Chip(pixels=pixels, mask=np.ones(pixels.shape, bool), window=PixelWindow(0, 0, 9, 8))


@pytest.mark.parametrize(
    ("dtype", "instead"), [("int8", "write int16, or .tif"), ("int64", "write .tif"), ("uint64", "write .tif")]
)
def test_a_type_that_readers_do_not_know_is_refused_unless_it_is_asked_for(dtype, instead):
    chip, pvtype = chip_of(dtype), "INT" if dtype[0] == "u" else "SI"
    with pytest.raises(EncodeError, match=rf"NITF of {dtype}: .*{instead}; or give PVTYPE"):
        encode_nitf(chip)

    data = encode_nitf(chip, overrides={"PVTYPE": pvtype})
    jbpy_of(data)
    image = read_nitf(data).images[0]
    assert image.fields["PVTYPE"].strip() == pvtype
    np.testing.assert_array_equal(image.pixels.read(chip.window).pixels, chip.pixels)


def test_a_parents_own_type_stays(tmp_path):
    path = write_parent(tmp_path / "a.ntf", scene_pixels((1, 32, 40), "int8"), fields={"PVTYPE": "SI"})
    chip = cut(path, (3, 4, 20, 10))

    image = read_nitf(encode_nitf(chip)).images[0]
    np.testing.assert_array_equal(image.pixels.read(chip.window._replace(x=0, y=0)).pixels, chip.pixels)
    with pytest.raises(EncodeError, match="NITF of int8"):
        encode_nitf(replace(chip, origin=None))


@pytest.mark.parametrize("kind", ["jp2", "j2k", "jph", "jhc"])
def test_what_jpeg_2000_does_not_hold_is_refused_with_what_to_do(kind):
    with pytest.raises(EncodeError, match=r"not float32; .*display=True \(--display\), or write GeoTIFF"):
        encode_chip(chip_of("float32"), kind)
    assert encode_chip(chip_of("float32"), kind, display=True)
