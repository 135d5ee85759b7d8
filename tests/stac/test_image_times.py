"""Items of image files take the image's own time where the file states one."""

import os

import numpy as np
import pytest
import rasterio
from pystac import Item

from stacchip_osml.encode import BufferedImageAssetProvider
from stacchip_osml.encode.io.informing import image_info
from stacchip_osml.encode.nitf import NitfFile, NitfImage, write_nitf
from stacchip_osml.stac.collect import iter_items
from tests.encode.nitf import earlier_files as earlier


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


def earlier_nitf(path, date, *, file_date=""):
    pixels = np.ones((1, 8, 8), np.uint8)
    path.write_bytes(earlier.file(images=[earlier.image(pixels, date=date)], date=file_date))
    return path


@pytest.mark.parametrize(
    ("stated", "moment"),
    [
        ("12000000ZFEB94", "1994-02-12T00:00:00Z"),
        ("31121728ZDEC69", "1969-12-31T12:17:28Z"),
        ("01224428ZMAR68", "2068-03-01T22:44:28Z"),
    ],
)
def test_a_nitf_2_0_states_its_time(tmp_path, stated, moment):
    path = earlier_nitf(tmp_path / "a.ntf", stated)
    (item,) = iter_items(path)

    assert item.document["properties"] == {"datetime": moment, "stacchip_osml:datetime_from": "image"}
    (image,) = image_info(path)["images"]
    assert (image["acquired"], image["time"]) == (stated, moment)


@pytest.mark.parametrize("stated", ["", "-" * 14, "\0" * 14])
def test_a_nitf_2_0_image_that_states_no_time_has_that_of_its_file_s_header(tmp_path, stated):
    path = earlier_nitf(tmp_path / "a.ntf", stated, file_date="06165926ZAPR93")
    (item,) = iter_items(path)

    assert item.document["properties"]["datetime"] == "1993-04-06T16:59:26Z"
    assert image_info(path)["images"][0]["time"] == "1993-04-06T16:59:26Z"


@pytest.mark.parametrize(
    ("stated", "written"),
    [("", ""), ("-" * 14, "-" * 14), ("30000000ZFEB94", ""), ("29000000ZFEB93", ""), ("--------Z---94", "")],
)
def test_a_nitf_2_0_file_that_states_no_time_has_that_of_its_last_change(tmp_path, stated, written):
    path = earlier_nitf(tmp_path / "a.ntf", stated, file_date=written)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    (item,) = iter_items(path)

    assert item.document["properties"]["datetime"] == "2001-09-09T01:46:40Z"
    assert image_info(path)["images"][0]["time"] is None


@pytest.mark.parametrize("dtype", ["uint16", "uint64"])  # GDAL opens the first
def test_every_image_that_states_no_time_has_that_of_its_file_s_header(tmp_path, dtype):
    pixels = BufferedImageAssetProvider.from_array(np.ones((1, 8, 8), dtype))
    images = tuple(NitfImage(pixels=pixels, fields=fields) for fields in ({}, {"IDATIM": "20190704123456"}, {}))
    write_nitf(tmp_path / "a.ntf", NitfFile(fields={"FDT": "20200102030405"}, images=images))
    (item,) = iter_items(tmp_path / "a.ntf")

    assert item.document["properties"]["datetime"] == "2020-01-02T03:04:05Z"
    times = [image["time"] for image in image_info(tmp_path / "a.ntf")["images"]]
    assert times == ["2020-01-02T03:04:05Z", "2019-07-04T12:34:56Z", "2020-01-02T03:04:05Z"]


@pytest.mark.parametrize(
    ("stated", "first", "last"),
    [
        ("20190704------", "2019-07-04T00:00:00Z", "2019-07-04T23:59:59Z"),
        ("202402--------", "2024-02-01T00:00:00Z", "2024-02-29T23:59:59Z"),
        ("2019----------", "2019-01-01T00:00:00Z", "2019-12-31T23:59:59Z"),
        ("2019070412----", "2019-07-04T12:00:00Z", "2019-07-04T12:59:59Z"),
    ],
)
def test_a_time_that_is_known_in_part_is_an_interval(tmp_path, stated, first, last):
    write(tmp_path / "a.ntf", driver="NITF", IDATIM=stated)
    (item,) = iter_items(tmp_path / "a.ntf")

    properties = item.document["properties"]
    assert properties["datetime"] is None
    assert (properties["start_datetime"], properties["end_datetime"]) == (first, last)
    assert Item.from_dict(item.document | {"stac_extensions": []}).validate()
    assert image_info(tmp_path / "a.ntf")["images"][0]["time"] == [first, last]


def test_an_interval_of_nitf_2_0_has_its_day(tmp_path):
    (item,) = iter_items(earlier_nitf(tmp_path / "a.ntf", "12------ZFEB94"))

    assert item.document["properties"]["start_datetime"] == "1994-02-12T00:00:00Z"
    assert item.document["properties"]["end_datetime"] == "1994-02-12T23:59:59Z"


def test_an_hour_of_an_unknown_day_dates_nothing(tmp_path):
    (item,) = iter_items(earlier_nitf(tmp_path / "a.ntf", "  001500ZFEB94"))

    assert item.document["properties"]["stacchip_osml:datetime_from"] == "file modification time"


def test_real_files_of_nitf_2_0_are_of_their_own_century(real_data):
    (item,) = iter_items(real_data / "nitf/imaging-nitf__U_3058B.NTF")

    assert item.document["properties"]["datetime"] == "1994-02-12T00:00:00Z"


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
