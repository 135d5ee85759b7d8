"""A command loads the libraries that its work needs, and no others: they are most of what a short command takes."""

import json
import subprocess
import sys

import pytest
from cli_scenes import run

HEAVY = {"geopandas", "matplotlib", "pandas", "pystac", "pystac_client", "requests", "sarkit", "tifffile", "torch"}
"""What no command of these needs."""
IMAGERY = {"affine", "attrs", "cv2", "imagecodecs", "obstore", "pyproj", "rasterio", "shapely", "tqdm", "urllib3"}
TABLES = {"pyarrow"}

CODE = """
import json, sys
from stacchip_osml.app.cli import main
try:
    main()
finally:
    print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})), file=sys.stderr)
"""


def loaded_by(*args):
    done = subprocess.run([sys.executable, "-c", CODE, *map(str, args)], capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.fixture(scope="module")
def folder(index, tmp_path_factory):
    """The same index as a directory."""
    out = tmp_path_factory.mktemp("imports") / "index"
    run("index", "merge", index, out)
    return out


@pytest.mark.parametrize(
    "words",
    [["info"], ["query"], ["query", "--bbox", "-180,-90,180,90", "--json"], ["query", "--datetime", "2025-05-01/.."]],
    ids=" ".join,
)
def test_asking_an_index_loads_no_imagery_library(words, index):
    assert loaded_by("index", words[0], index, *words[1:]) & (HEAVY | IMAGERY) == set()


@pytest.mark.parametrize("words", [["info"], ["query"]], ids=" ".join)
def test_asking_a_directory_index_loads_no_imagery_library(words, folder):
    assert loaded_by("index", words[0], folder, *words[1:]) & (HEAVY | IMAGERY) - {"shapely"} == set()


@pytest.mark.parametrize("name", ["index.parquet", "index"])
def test_building_an_index_of_stated_facts_loads_no_reader_of_images(name, two_dates, tmp_path):
    settings = ["--assets", "red", "--chip-size", "16", "--no-read-headers"]
    found = loaded_by("index", "build", *two_dates, tmp_path / name, *settings)

    assert found & (HEAVY | IMAGERY) - {"pyproj", "shapely", "tqdm"} == set()


def test_cutting_a_chip_loads_no_pandas(index, tmp_path):
    found = loaded_by("chip", "cut", index, tmp_path / "chips", "--rows", "0")

    assert found & HEAVY == set()


def test_describing_an_image_loads_no_library_of_tables(two_dates):
    image = next(two_dates[0].parent.glob("*.tif"))

    assert loaded_by("info", image) & (HEAVY | TABLES | {"cv2", "imagecodecs", "shapely"}) == set()


def test_the_everyday_names_are_those_of_the_rooms_and_need_no_torch():
    names = {
        "Chipper": "load",
        "ChipSource": "load",
        "Indexer": "index",
        "split_by_place": "index",
        "write_chip": "encode",
    }
    code = f"""
import importlib, sys, stacchip_osml
from stacchip_osml import *
for name, room in {names!r}.items():
    assert getattr(importlib.import_module("stacchip_osml." + room), name) is globals()[name], name
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
