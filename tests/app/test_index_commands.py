"""index build, merge, info, check."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from cli_scenes import make_item, only_error, run, run_json, write_tif
from rasterio.transform import from_origin

from stacchip_osml import ChipIndex, Indexer


def test_build_gives_the_same_index_as_the_library(two_dates, index):
    built = Indexer([str(path) for path in two_dates], 16, assets=["red", "nir"], quality="scl").create_index()

    opened = ChipIndex.open(index)
    assert len(opened) == 2 * 16
    assert opened.to_arrow().equals(built.to_arrow())


def test_every_build_option_reaches_the_library(two_dates, tmp_path):
    out = tmp_path / "out.parquet"
    run(
        "index", "build", two_dates[0], out, "--chip-size", "16x8", "--assets", "nir,red", "--reference", "nir",
        "--levels", "0,1", "--stride", "8", "--edges", "shift", "--anchor", "crs", "--resampling", "red=bilinear",
        "--quality", "scl:scl@0", "--max-nodata", "0.5", "--scale-offset", "--root", two_dates[0].parent,
    )  # fmt: skip
    from stacchip_osml.chain import scale_offset_step
    from stacchip_osml.index.statistics import preset

    wanted = Indexer(
        str(two_dates[0]), (16, 8), assets=["nir", "red"], reference="nir", levels=(0, 1), stride=8, edges="shift",
        anchor="crs", resampling={"red": "bilinear"}, quality=preset("scl", asset="scl"), max_nodata=0.5,
        chain=[scale_offset_step()], roots=[str(two_dates[0].parent)],
    ).create_index()  # fmt: skip

    assert ChipIndex.open(out).to_arrow().equals(wanted.to_arrow())
    assert set(wanted.to_arrow().column("level").to_pylist()) == {0, 1}


def test_build_as_json_says_where_how_many_and_what_was_left_out(two_dates, tmp_path):
    answer = run_json("index", "build", *two_dates, tmp_path / "out", "--chip-size", 32, "--assets", "red")

    assert answer["path"] == str(tmp_path / "out")
    assert answer["summary"]["chips"] == 8
    assert answer["problems"] == []
    assert answer["summary"]["size_bytes"] == sum(
        f.stat().st_size for f in (tmp_path / "out").rglob("*") if f.is_file()
    )


def test_a_dry_run_tells_chips_of_each_item_and_writes_nothing(two_dates, tmp_path):
    out = tmp_path / "out.parquet"
    args = ["index", "build", *two_dates, out, "--chip-size", 16, "--levels", "0,1", "--dry-run"]
    answer = run_json(*args)

    assert [(item["item_id"], item["chips"]) for item in answer["items"]] == [
        ("first", {"0": 16, "1": 4}),
        ("second", {"0": 16, "1": 4}),
    ]
    assert answer["chips"] == 40
    text = run(*args).stdout
    assert "40 chips from 2 items; nothing was written" in text
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def broken(two_dates, tmp_path):
    """One good item and twelve without images."""
    folder = tmp_path / "mixed"
    shutil.copytree(two_dates[0].parent, folder / "good")
    for number in range(12):
        path = make_item(folder, f"bad{number}", seed=number, date="2025-01-01T00:00:00Z")
        document = json.loads(path.read_text())
        document["assets"] = {}
        path.write_text(json.dumps(document))
    return folder


def test_an_item_that_cannot_be_indexed_stops_the_build_with_exit_code_3(broken, tmp_path):
    result = run("index", "build", broken, tmp_path / "out.parquet", "--assets", "red", code=3)

    assert "bad0" in only_error(result)
    assert not (tmp_path / "out.parquet").exists()


def test_skipped_items_are_counted_and_listed_and_give_exit_code_1(broken, tmp_path):
    args = [
        "index",
        "build",
        broken,
        tmp_path / "out.parquet",
        "--assets",
        "red",
        "--chip-size",
        16,
        "--on-error",
        "skip",
    ]
    result = run(*args, code=1)

    assert "16 chips from 1 item\n" in result.stdout
    assert result.stderr.splitlines()[0] == "12 left out:"
    assert len(result.stderr.splitlines()) == 1 + 10 + 1
    answer = run_json(*args, "--force", code=1)
    assert len(answer["problems"]) == 12
    assert {problem["error"] for problem in answer["problems"]} == {"ItemError"}


def test_when_every_item_is_refused_no_index_is_written(broken, tmp_path):
    shutil.rmtree(broken / "good")
    result = run("index", "build", broken, tmp_path / "out.parquet", "--on-error", "skip", code=3)

    assert "none of 12 items could be indexed; the first: " in only_error(result)
    assert not (tmp_path / "out.parquet").exists()


def test_a_missing_source_is_exit_code_4(tmp_path):
    assert "none.json" in only_error(run("index", "build", tmp_path / "none.json", tmp_path / "out", code=4))


def test_images_smaller_than_a_chip_are_noted(two_dates, tmp_path):
    result = run("index", "build", two_dates[0], tmp_path / "out.parquet", "--assets", "red")

    assert "--edges partial" in result.stderr
    assert len(ChipIndex.open(tmp_path / "out.parquet")) == 0


def test_items_without_chips_among_others_are_noted(tmp_path):
    images = tmp_path / "images"
    images.mkdir()
    for name, side in (("small", 8), ("large", 32)):
        write_tif(images / f"{name}.tif", np.ones((1, side, side), np.uint8), transform=from_origin(0, 0, 10, 10))
    args = ["index", "build", images, tmp_path / "out.parquet", "--chip-size", 16]

    note = "note: 1 of 2 items gave no chips: images smaller than a chip need --edges partial, pad or shift\n"
    assert run(*args).stderr == note
    assert run_json(*args, "--force")["items_without_chips"] == 1


@pytest.mark.parametrize("name", ["FeatureCollection", "Catalog"])
def test_sources_without_an_item_are_noted(tmp_path, name):
    nothing = tmp_path / "nothing.json"
    nothing.write_text(json.dumps({"type": name, "stac_version": "1.1.0", "id": "a", "features": [], "links": []}))
    result = run("index", "build", nothing, tmp_path / "out.parquet")

    assert result.stderr == "note: the index is empty: no item was found\n"


@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_an_index_that_exists_is_replaced_only_by_force(two_dates, tmp_path, name):
    args = ["index", "build", two_dates[0], tmp_path / name, "--assets", "red"]
    run(*args, "--chip-size", 16)
    assert "exists already; --force replaces it" in only_error(run(*args, "--chip-size", 32, code=2))
    assert len(ChipIndex.open(tmp_path / name)) == 16
    run(*args, "--chip-size", 32, "--force")

    assert len(ChipIndex.open(tmp_path / name)) == 4


def test_force_does_not_make_an_index_of_a_folder_that_holds_something_else(two_dates, tmp_path):
    (tmp_path / "keep").write_text("mine")
    result = run("index", "build", two_dates[0], tmp_path, "--assets", "red", "--chip-size", 16, "--force", code=3)

    assert "is no chip index" in only_error(result)
    assert [path.name for path in tmp_path.iterdir()] == ["keep"]


@pytest.mark.parametrize("name", ["red.tif", "items.parquet"])
def test_force_replaces_no_file_that_is_no_index(two_dates, tmp_path, name):
    (tmp_path / name).write_bytes(b"pixels")
    for command in (["build", two_dates[0], "--assets", "red"], ["merge", tmp_path / "no.parquet"]):
        assert "choose another" in only_error(run("index", *command, tmp_path / name, "--force", code=3))

    assert (tmp_path / name).read_bytes() == b"pixels"


def test_an_output_that_cannot_be_written_is_exit_code_6(two_dates, tmp_path):
    (tmp_path / "file").write_text("")
    args = ["index", "build", two_dates[0], tmp_path / "file" / "out.parquet", "--assets", "red", "--chip-size", 16]

    assert "file" in only_error(run(*args, code=6))


@pytest.mark.skipif(sys.platform == "win32", reason="files have no limit to set")
@pytest.mark.parametrize("name", ["out.parquet", "out"])
def test_a_disk_that_is_full_is_exit_code_6_and_names_the_file(index, tmp_path, name):
    limit = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)"
    limit += "; resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000)); from stacchip_osml.app.cli import main; main()"
    command = [sys.executable, "-c", limit, "index", "merge", index, tmp_path / name]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 6, done.stderr
    assert done.stderr.startswith(f"error: {tmp_path / name}")
    assert "File too large" in done.stderr
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_search_options_reach_the_api(monkeypatch, two_dates, tmp_path):
    asked = {}

    def search(url, *, limits, on_error, **parameters):
        asked.update(parameters, url=url)
        return iter(())

    monkeypatch.setattr("stacchip_osml.stac.collect.search_api", search)
    run(
        "index", "build", "https://api.test/", tmp_path / "out.parquet", "--collections", "a,b", "--bbox", "-1,2,3,4",
        "--datetime", "2025-01-01/..", "--query", '{"eo:cloud_cover": {"lt": 5}}', "--filter", "gsd < 20",
        "--max-items", 7,
    )  # fmt: skip

    assert asked == {
        "url": "https://api.test/",
        "collections": ["a", "b"],
        "bbox": (-1.0, 2.0, 3.0, 4.0),
        "datetime": "2025-01-01/..",
        "query": {"eo:cloud_cover": {"lt": 5}},
        "filter": "gsd < 20",
        "max_items": 7,
    }


def test_a_search_over_a_shape_sends_the_geometry_of_the_file(monkeypatch, tmp_path):
    asked = []

    def search(url, *, limits, on_error, **parameters):
        asked.append(parameters)
        return iter(())

    monkeypatch.setattr("stacchip_osml.stac.collect.search_api", search)
    field = {"type": "Polygon", "coordinates": [[[9, 49], [9.1, 49], [9, 49.1], [9, 49]]]}
    feature = {"type": "Feature", "properties": {}, "geometry": field}
    (tmp_path / "field.json").write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    args = ("index", "build", "https://api.test/", tmp_path / "out.parquet", "--intersects")
    run(*args, tmp_path / "field.json")
    run(*args, "-", "--force", stdin=json.dumps(feature))

    assert asked == [{"intersects": field}] * 2
    assert "takes one of them" in only_error(run(*args, "-", "--force", "--bbox", "9,49,10,50", stdin="{}", code=2))
    assert "is none; query the index" in only_error(run("index", "build", tmp_path, *args[3:], "-", stdin="{}", code=2))


def test_merge_unites_indexes_and_drops_repetitions(two_dates, index, tmp_path):
    for number, path in enumerate(two_dates):
        run(
            "index", "build", path, tmp_path / f"{number}.parquet", "--chip-size", 16, "--assets", "red,nir",
            "--quality", "scl",
        )  # fmt: skip
    answer = run_json("index", "merge", tmp_path / "0.parquet", tmp_path / "1.parquet", index, tmp_path / "all")

    assert answer["summary"]["chips"] == 32
    assert ChipIndex.open(tmp_path / "all").to_arrow().equals(ChipIndex.open(index).to_arrow())
    assert "exists already" in only_error(run("index", "merge", index, tmp_path / "all", code=2))


def test_merging_two_definitions_under_one_name_is_exit_code_3(index, tmp_path):
    other = make_item(tmp_path / "other", "first", seed=9, date="2024-01-01T00:00:00Z")
    run("index", "build", other, tmp_path / "other.parquet", "--chip-size", 16, "--assets", "red")

    result = run("index", "merge", index, tmp_path / "other.parquet", tmp_path / "out", code=3)
    assert "two different" in only_error(result)
    assert not (tmp_path / "out").exists()


def test_merge_adds_to_an_index_and_replaces_what_changed(two_dates, index, tmp_path):
    out, new = tmp_path / "out", tmp_path / "new.parquet"
    run("index", "merge", index, out)
    document = json.loads(two_dates[0].read_text())
    document["properties"]["eo:cloud_cover"] = 40
    changed = two_dates[0].with_name("changed.json")
    changed.write_text(json.dumps(document))
    run("index", "build", changed, new, "--chip-size", 32, "--assets", "red")
    changed.unlink()
    told = only_error(run("index", "merge", out, new, out, "--force", code=3))
    assert "differ in properties.eo:cloud_cover; rename or drop one, or let the last one replace the others" in told
    answer = run_json("index", "merge", out, new, out, "--force", "--replace")

    assert answer["summary"]["sizes"] == {"16x16": 16, "32x32": 4}
    assert len(ChipIndex.open(out)) == 20


def test_info_tells_counts_and_definitions(index):
    answer = run_json("index", "info", index)

    assert (answer["chips"], answer["items"], answer["collections"]) == (32, 2, {"small": 32})
    assert answer["chain_definitions"]["raw"] == []
    assert "cloud_fraction" in answer["columns"]
    assert "ChipIndex of 32 chips from 2 items" in run("index", "info", index).stdout


def test_info_of_something_else_is_exit_code_3(two_dates):
    assert "not a Parquet file" in only_error(run("index", "info", two_dates[0], code=3))


def test_check_of_a_sound_index_finds_nothing(index):
    assert run_json("index", "check", index, "--files") == {"path": str(index), "chips": 32, "findings": []}
    assert run("index", "check", index).stdout == "nothing wrong in rows and tables of 32 chips\n"


def test_check_names_what_is_wrong_and_exits_with_1(index, tmp_path):
    notes = {key: text for key, text in pq.ParquetFile(index).metadata.metadata.items() if key != b"ARROW:schema"}
    copies = tmp_path / "copies.parquet"
    pq.write_table(pq.read_table(index).take([0, 0, 1]).replace_schema_metadata(notes), copies)

    result = run("index", "check", copies, code=1)
    assert "ids are not unique" in result.stdout
    (finding, *_) = run_json("index", "check", copies, code=1)["findings"]
    assert (finding["column"], finding["row"], finding["count"]) == ("id", 0, 2)


def test_check_of_files_sees_an_image_that_is_gone(tmp_path):
    item = make_item(tmp_path / "data", "moved", seed=1, date="2025-01-01T00:00:00Z")
    run("index", "build", item, tmp_path / "out.parquet", "--chip-size", 16, "--assets", "red")
    (item.parent / "red.tif").unlink()

    run("index", "check", tmp_path / "out.parquet")
    assert "red.tif" in run("index", "check", tmp_path / "out.parquet", "--files", code=1).stdout


def test_an_index_that_is_taken_for_items_or_an_image_is_told_from_them(index, tmp_path):
    run("index", "query", index, "-o", tmp_path / "folder")

    for place in (index, tmp_path / "folder"):
        for args, code in ((["index", "build", place, tmp_path / "b.parquet"], 3), (["info", place], 4)):
            assert "(it is a chip index: index info, query and merge take it)" in only_error(run(*args, code=code))


def test_no_file_takes_the_place_of_a_folder(two_dates, index, tmp_path):
    (tmp_path / "a.parquet").mkdir()
    (tmp_path / "a.png").mkdir()

    for args in (
        ["index", "build", *two_dates, tmp_path / "a.parquet"],
        ["index", "query", index, "-o", tmp_path / "a.parquet"],
        ["index", "pair", index, index, "-o", tmp_path / "a.parquet"],
        ["chip", "sheet", index, tmp_path / "a.png"],
    ):
        assert "is a folder; name a file in it" in only_error(run(*args, "--force", code=2))
