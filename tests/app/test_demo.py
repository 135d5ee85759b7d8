"""The demo, from end to end: on a miniature of the sample imagery, and on the real one."""

import json
import shutil

import cv2
import numpy as np
import pytest
import rasterio
from cli_scenes import make_item, only_error, run, run_process, write_tif
from rasterio.transform import from_origin

from stacchip_osml import ChipIndex


def collection(folder, name, items):
    links = [{"rel": "item", "href": f"./{item.relative_to(folder)}"} for item in items]
    document = {"type": "Collection", "id": name, "stac_version": "1.1.0", "license": "other", "links": links}
    (folder / "collection.json").write_text(json.dumps(document))


@pytest.fixture
def miniature(tmp_path):
    """The folders that the demo wants, with images of 192 and 256 pixels."""
    rng = np.random.default_rng(0)
    for sensor, keys, side, pixel in (
        ("sentinel-like", ("red", "green", "blue", "nir"), 192, 10),
        ("aerial-like", ("image",), 256, 5),
    ):
        folder = tmp_path / "data" / "imagery" / sensor
        items = []
        for date in ("2025-05-01", "2025-08-01"):
            path = make_item(folder, f"{sensor}-{date}", seed=1, date=f"{date}T10:00:00Z", collection=sensor)
            document = json.loads(path.read_text())
            transform = from_origin(500_000, 5_500_000, pixel, pixel)
            facts = {"type": "image/tiff; application=geotiff", "roles": ["data"], "proj:shape": [side, side]}
            document["assets"] = {}
            for key in (*keys, *(["scl"] if len(keys) > 1 else [])):
                shape = (4 if key == "image" else 1, side, side)
                pixels = np.full(shape, 4, np.uint8) if key == "scl" else rng.integers(1, 255, shape, np.uint8)
                kind = np.uint16 if len(keys) > 1 and key != "scl" else np.uint8
                write_tif(path.parent / f"{key}.tif", pixels.astype(kind), transform=transform, nodata=0)
                document["assets"][key] = {**facts, "href": f"./{key}.tif", "proj:transform": list(transform)[:6]}
            path.write_text(json.dumps(document))
            items.append(path)
        collection(folder, sensor, items)
    return tmp_path / "data"


def test_the_demo_does_the_whole_job_and_tells_it(miniature, tmp_path):
    out = tmp_path / "out"
    text = run("demo", "--data", miniature, "--out", out).stdout

    assert len(ChipIndex.open(out / "merged")) == len(ChipIndex.open(out / "merged.parquet")) == 2 * 4 + 2 * 4
    assert 0 < len(ChipIndex.open(out / "found.parquet")) <= 16
    assert text.startswith("Sample imagery of an invented place")
    assert "  stacchip-osml index build IMAGERY chips.parquet" in text
    assert "pixels (8, 4, 96, 96) uint16" in text
    for call in (
        "Indexer(",
        "merge(",
        ".save(",
        "ChipIndex.open(",
        ".check(",
        ".query(",
        ".batch(",
        "contact_sheet(",
        "write_chip(",
    ):
        assert call in text
    assert cv2.imread(str(out / "sentinel-like.png")).shape[2] == 3
    chips = list((out / "chips").iterdir())
    assert len(chips) == 6
    for path in chips:
        with rasterio.open(path) as chip:
            assert chip.crs.to_epsg() == 32632
    for line in text.split("Look at:\n")[1].split("\n\n")[0].splitlines():
        assert (tmp_path / line.split()[0]).exists()


def test_the_demo_can_run_again(miniature, tmp_path):
    args = ["demo", "--data", miniature, "--out", tmp_path / "out"]
    run(*args)
    run(*args)

    assert len(ChipIndex.open(tmp_path / "out" / "merged")) == 16


def test_the_demo_says_when_the_index_does_not_fit_the_images(miniature, tmp_path):
    for path in (miniature / "imagery" / "aerial-like").glob("*/image.tif"):
        shutil.copy(next((miniature / "imagery" / "sentinel-like").glob("*/scl.tif")), path)

    assert "error:" in run("demo", "--data", miniature, "--out", tmp_path / "out", code=3).stderr


def test_the_demo_needs_its_folders(tmp_path):
    assert "sentinel-like" in only_error(run("demo", "--data", tmp_path, "--out", tmp_path / "out", code=2))
    assert not (tmp_path / "out").exists()


def test_the_demo_runs_on_the_committed_imagery_from_the_checkout(root, tmp_path):
    if not (root / "indexes" / "imagery" / "catalog.json").is_file():
        pytest.skip("no sample imagery in this checkout")
    done = run_process("demo", "--out", tmp_path / "out", cwd=root)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "nothing wrong" in done.stdout
    picture = cv2.imread(str(tmp_path / "out" / "sentinel-like.png"))
    assert picture.std() > 30
