"""Items of image files take the image's own time where the file states one."""

import os

import numpy as np
import pytest
import rasterio

from stacchip_osml.stac.collect import iter_items


def write(path, **options):
    profile = {"width": 8, "height": 8, "count": 1, "dtype": "uint8"} | options
    with rasterio.open(path, "w", **profile) as file:
        file.write(np.ones((1, 8, 8), np.uint8))


def test_a_tiff_states_its_time(tmp_path):
    write(tmp_path / "a.tif", driver="GTiff")
    with rasterio.open(tmp_path / "a.tif", "r+") as file:
        file.update_tags(TIFFTAG_DATETIME="2019:07:04 12:34:56")
    (item,) = iter_items(tmp_path / "a.tif")

    assert item.document["properties"]["datetime"] == "2019-07-04T12:34:56Z"


def test_a_nitf_states_its_time(tmp_path):
    write(tmp_path / "a.ntf", driver="NITF", IDATIM="20190704123456")
    (item,) = iter_items(tmp_path / "a.ntf")

    assert item.document["properties"]["datetime"] == "2019-07-04T12:34:56Z"


@pytest.mark.parametrize("stated", [None, "0000:00:00 00:00:00", "soon"])
def test_an_image_without_a_time_has_that_of_its_file(tmp_path, stated):
    write(tmp_path / "a.tif", driver="GTiff")
    if stated:
        with rasterio.open(tmp_path / "a.tif", "r+") as file:
            file.update_tags(TIFFTAG_DATETIME=stated)
    os.utime(tmp_path / "a.tif", (1_000_000_000, 1_000_000_000))
    (item,) = iter_items(tmp_path / "a.tif")

    assert item.document["properties"]["datetime"] == "2001-09-09T01:46:40Z"
    assert "file modification time" in item.document["properties"].values()
