"""Paths and names of every kind on the command line: what works, and what is refused without anything lost."""

import shutil

import numpy as np
import pytest
import rasterio
from cli_scenes import only_error, run, run_json

from stacchip_osml.encode import imsave

PIXELS = np.arange(4096, dtype=np.uint8).reshape(1, 64, 64)
NAMES = [
    "a b.tif",
    "ä ö.tif",
    "100%.tif",
    "a%20b.tif",
    "what?.tif",
    "x#1.tif",
    "q'u\"o.tif",
    "a&b;c.tif",
    "[a]*.tif",
    "n",
]


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("odd") / "a.tif"
    imsave(path, PIXELS, transform=(0.1, 0, 10, 0, -0.1, 20), crs="EPSG:4326")
    return path


@pytest.mark.parametrize("name", NAMES)
def test_files_of_any_name_are_read_indexed_cut_and_written(image, tmp_path, name):
    source, index = tmp_path / name, tmp_path / f"{name} index.parquet"
    shutil.copy(image, source)

    assert run_json("info", source)["format"] == "tiff"
    run("convert", source, tmp_path / f"out {name}.png")
    run("index", "build", source, index, "--chip-size", 32)
    cut = run_json("chip", "cut", index, tmp_path / f"cut {name}", "--rows", "3")
    with rasterio.open(cut["written"][0]) as chip:
        assert (chip.read() == PIXELS[:, 32:, 32:]).all()


def test_a_name_with_a_leading_dash_stands_behind_two_dashes(image, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(image, "-a.tif")

    assert "No such option" in only_error(run("info", "-a.tif", code=2))
    run("convert", "--", "-a.tif", "-b.png")
    assert (tmp_path / "-b.png").exists()


@pytest.mark.parametrize("nothing", ["", " "])
def test_nothing_is_no_path_and_not_the_folder_that_the_program_runs_in(image, tmp_path, monkeypatch, nothing):
    monkeypatch.chdir(tmp_path)
    shutil.copy(image, "a.tif")
    run("index", "build", "a.tif", "i.parquet", "--chip-size", 32)
    before = sorted(path.name for path in tmp_path.iterdir())

    for args in (
        ("index", "build", nothing, "x.parquet"),
        ("index", "build", "a.tif", nothing, "x.parquet"),
        ("index", "build", "a.tif", nothing, "--force"),
        ("index", "merge", "i.parquet", nothing),
        ("index", "info", nothing),
        ("index", "query", nothing),
        ("index", "query", "i.parquet", "--out", nothing, "--force"),
        ("demo", "--out", nothing),
        ("chip", "cut", "i.parquet", nothing),
        ("chip", "sheet", "i.parquet", nothing, "--force"),
        ("convert", nothing, "x.png"),
        ("convert", "a.tif", nothing, "--force"),
        ("info", nothing),
        ("explain", nothing),
    ):
        assert "a path or URL is expected, got nothing" in only_error(run(*args, code=2))
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_an_index_over_its_own_image_is_refused_and_the_image_stays(image, tmp_path):
    path = tmp_path / "a.tif"
    shutil.copy(image, path)
    before = path.read_bytes()

    only_error(run("index", "build", path, path, code=2))
    assert "choose another" in only_error(run("index", "build", path, path, "--force", code=3))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["a.tif"]
