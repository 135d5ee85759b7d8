"""IDATIM of chips of images that are no NITF: what is known of their time."""

from datetime import UTC, datetime

import numpy as np
import pytest
from chip_sources import jbpy_of, scene_pixels

from stacchip_osml.encode.chip import Chip
from stacchip_osml.encode.nitf import encode_nitf, read_nitf
from stacchip_osml.pixel import PixelWindow


@pytest.mark.parametrize(
    ("last", "idatim"),
    [
        (datetime(2024, 2, 29, 23, 59, 59, tzinfo=UTC), "202402--------"),
        (datetime(2024, 2, 1, 0, 0, 7, tzinfo=UTC), "202402010000--"),
        (datetime(2025, 1, 1, tzinfo=UTC), "--------------"),
    ],
)
def test_of_an_interval_the_digits_that_are_known_are_written(last, idatim):
    first = datetime(2024, 2, 1, tzinfo=UTC)
    pixels = scene_pixels((1, 8, 9))
    row = {"datetime": first, "start_datetime": first, "end_datetime": last, "item_id": "a"}
    chip = Chip(pixels=pixels, mask=np.ones(pixels.shape, bool), window=PixelWindow(0, 0, 9, 8), row=row)

    data = encode_nitf(chip)

    jbpy_of(data)
    assert read_nitf(data).images[0].fields["IDATIM"] == idatim
