"""What `chip cut` says that a format has no place for."""

import numpy as np
import pytest
import rasterio
from cli_scenes import run, run_json

from stacchip_osml import Indexer

PIXELS = np.random.default_rng(5).choice(np.array([0, 7, 200], np.uint8), (1, 64, 64))


@pytest.fixture
def classes(tmp_path):
    """Give a function that makes the index of a palette image."""

    def made(**profile):
        path = tmp_path / "classes.tif"
        with rasterio.open(path, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint8", **profile) as file:
            file.write(PIXELS)
            file.write_colormap(1, {value: (value, 255 - value, 0) for value in range(256)})
        return Indexer(str(path), chip_size=32).create_index().save(tmp_path / "classes.parquet")

    return made


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
@pytest.mark.parametrize(
    ("kind", "profile", "expected"),
    [
        ("j2k", {}, ["colour table"]),
        ("jhc", {}, ["colour table"]),
        ("jp2", {}, []),
        ("jp2", {"nodata": 7}, ["colour table of chips with invalid pixels"]),
        ("png", {"nodata": 7}, []),
        ("geotiff", {}, []),
        ("nitf", {}, []),
    ],
)
def test_a_colour_table_that_is_lost_is_said_once(classes, tmp_path, kind, profile, expected):
    index = classes(**profile)
    options = [] if kind != "j2k" else ["--limit", 3]
    answer = run_json("chip", "cut", index, tmp_path / "out", "--format", kind, *options)
    assert answer["left_out"] == expected
    said = run("chip", "cut", index, tmp_path / "out", "--format", kind).stderr
    assert said.count("colour table") == len(expected)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_colours_that_are_shown_are_not_lost(classes, tmp_path):
    assert run_json("chip", "cut", classes(), tmp_path / "out", "--format", "j2k", "--display")["left_out"] == []


def test_other_images_lose_no_colours(index, tmp_path):
    assert run_json("chip", "cut", index, tmp_path / "out", "--limit", 1, "--format", "nitf")["left_out"] == []
