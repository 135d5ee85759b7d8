"""index build, merge, query, info, check."""

import csv
import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
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

    assert "16 chips from 1 items" in result.stdout
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


def test_query_by_condition_gives_the_clear_half(index):
    answer = run_json("index", "query", index, "--where", "cloud_fraction < 0.2")

    assert answer["matched"] == len(answer["rows"]) == 16
    assert {row["grid_col"] for row in answer["rows"]} == {2, 3}
    assert "geometry" not in answer["rows"][0]
    assert len(answer["rows"][0]["bbox"]) == 4


def test_properties_of_items_are_conditions_and_columns(two_dates, tmp_path):
    paths = []
    for path, platform in zip(two_dates, ("s-2a", "s-2b"), strict=True):
        item = json.loads(path.read_text())
        item["properties"] |= {"platform": platform, "view:off_nadir": 7.5}
        paths.append(path.with_name(f"{platform}.json"))
        paths[-1].write_text(json.dumps(item))
    run("index", "build", *paths, tmp_path / "index", "--chip-size", 32, "--assets", "red")

    where = "platform == 's-2b' and view:off_nadir < 8 and grid_row == 0"
    answer = run_json("index", "query", tmp_path / "index", "--where", where, "--columns", "item_id,platform")
    assert answer["rows"] == [{"item_id": "second", "platform": "s-2b"}] * answer["matched"]
    assert answer["matched"] == 2
    assert "s-2a" in run("index", "query", tmp_path / "index", "--columns", "id,platform").stdout
    assert {"platform", "view:off_nadir"} < set(run_json("index", "info", tmp_path / "index")["properties"])


def test_rows_of_another_program_are_joined_and_asked_for(index, tmp_path):
    rows = pq.read_table(index, columns=["id", "item_id", "grid_col"])
    pq.write_table(rows.slice(3, 5).append_column("score", [[0.5, 0.1, 0.9, 0.2, 0.7]]), tmp_path / "rows.parquet")
    table = {"item_id": ["second"], "season": ["summer"]}
    pq.write_table(pa.table(table), tmp_path / "items.parquet")

    joined = run_json("index", "query", index, "--join", tmp_path / "rows.parquet", "--where", "score > 0.4")
    assert [row["score"] for row in joined["rows"]] == [0.5, 0.9, 0.7]
    assert [row["id"] for row in joined["rows"]] == [rows["id"][number].as_py() for number in (3, 5, 7)]
    run("index", "query", index, "--join", tmp_path / "items.parquet", "--on", "item_id", "-o", tmp_path / "out")
    assert set(ChipIndex.open(tmp_path / "out").query(columns=["season"])["season"].to_pylist()) == {"summer"}
    assert len(ChipIndex.open(tmp_path / "out")) == 16
    assert "no such file" in only_error(run("index", "query", index, "--join", tmp_path / "none.parquet", code=4))
    wrong = run("index", "query", index, "--join", tmp_path / "items.parquet", code=3)
    assert "the joined table has no column 'id'" in only_error(wrong)


def test_query_by_time_box_and_shape_agree_with_the_library(index, tmp_path):
    box = ChipIndex.open(index).query(where="grid_col == 0 and grid_row == 0").summary.bbox
    shape = {
        "type": "FeatureCollection",
        "features": [{"type": "Feature", "properties": {}, "geometry": shapely.box(*box).__geo_interface__}],
    }
    (tmp_path / "area.geojson").write_text(json.dumps(shape))
    text = ",".join(map(str, box))

    by_box = run_json("index", "query", index, "--bbox", text)
    by_file = run_json("index", "query", index, "--intersects", tmp_path / "area.geojson")
    by_stdin = run_json("index", "query", index, "--intersects", "-", stdin=json.dumps(shape))
    by_time = run_json("index", "query", index, "--bbox", text, "--datetime", "2025-05-01")

    ids = [row["id"] for row in ChipIndex.open(index).query(intersects=shapely.box(*box)).rows(range(8))]
    assert by_file == by_stdin
    assert [row["id"] for row in by_file["rows"]] == ids
    assert {row["id"] for row in by_file["rows"]} <= {row["id"] for row in by_box["rows"]}
    assert {row["item_id"] for row in by_time["rows"]} == {"first"}


def test_the_table_shows_twenty_rows_and_says_how_many_there_are(index):
    result = run("index", "query", index)

    assert len(result.stdout.splitlines()) == 1 + 20
    assert result.stderr == "12 of 32 matches are not shown; --limit shows more\n"
    assert len(run("index", "query", index, "--limit", 32, "--columns", "id,geometry").stdout.splitlines()) == 33


def test_csv_has_one_line_a_row_and_four_columns_for_the_box(index):
    rows = list(csv.DictReader(io.StringIO(run("index", "query", index, "--format", "csv").stdout)))

    assert len(rows) == 32
    assert float(rows[0]["xmin"]) < float(rows[0]["xmax"])
    assert rows[0]["id"] == ChipIndex.open(index).row(0)["id"]
    assert rows[0]["datetime"] in {"2025-05-01T10:00:00Z", "2025-08-01T10:00:00Z"}


def test_geojson_is_features_whose_shapes_are_the_footprints(index):
    answer = json.loads(run("index", "query", index, "--format", "geojson", "--limit", 3).stdout)

    frame = ChipIndex.open(index).head(3).to_geodataframe()
    assert answer["type"] == "FeatureCollection"
    assert [feature["id"] for feature in answer["features"]] == list(frame["id"])
    for feature, shape in zip(answer["features"], frame.geometry, strict=True):
        assert shapely.geometry.shape(feature["geometry"]).equals_exact(shape, 1e-9)
        assert feature["bbox"][0] <= shape.bounds[0]
        assert feature["properties"]["level"] == 0


def test_rows_are_shown_by_number_and_saved_at_random(index, tmp_path):
    shown = run_json("index", "query", index, "--rows", "9,0", "--columns", "id")
    saved = run_json("index", "query", index, "--sample", 5, "--seed", 1, "--limit", 4, "-o", tmp_path / "some.parquet")

    whole = ChipIndex.open(index)
    assert [row["id"] for row in shown["rows"]] == [whole.row(9)["id"], whole.row(0)["id"]]
    assert (saved["matched"], saved["summary"]["chips"]) == (5, 4)
    assert ChipIndex.open(tmp_path / "some.parquet").to_arrow() == whole.sample(5, seed=1).head(4).to_arrow()


def test_matches_are_saved_as_an_index_that_can_be_opened(index, tmp_path):
    answer = run_json("index", "query", index, "--where", "grid_row == 0", "-o", tmp_path / "some.parquet")

    assert answer["matched"] == answer["summary"]["chips"] == 8
    assert len(ChipIndex.open(tmp_path / "some.parquet")) == 8


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--where", "no_such < 1"], 3, "no column 'no_such'"),
        (["--where", "__import__('os').system('true')"], 3, "is not a condition"),
        (["--datetime", "yesterday"], 3, "is not RFC 3339"),
        (["--columns", "no_such"], 3, "no column 'no_such'"),
        (["--intersects", "none.geojson"], 4, "none.geojson"),
    ],
)
def test_questions_that_make_no_sense_are_refused(index, args, code, message):
    assert message in only_error(run("index", "query", index, *args, code=code))


def test_a_geojson_file_that_is_no_json_is_exit_code_3(index):
    assert "stdin: not JSON" in only_error(run("index", "query", index, "--intersects", "-", stdin="{", code=3))


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
