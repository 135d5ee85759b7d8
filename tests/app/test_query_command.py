"""index query: rows that match, as a table, JSON, CSV, GeoJSON, or an index of their own."""

import csv
import io
import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from cli_scenes import only_error, run, run_json

from stacchip_osml import ChipIndex


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
        paths.append(shutil.copytree(path.parent, tmp_path / platform) / path.name)
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
    items = pa.table(table | {"level": [9], "cover": [3]})  # of which a column of the schema says another thing
    pq.write_table(items, tmp_path / "all.parquet")
    by_item = ["index", "query", index, "--join", tmp_path / "all.parquet", "--on", "item_id"]
    assert "column 'level' of the joined table has 9" in only_error(run(*by_item, code=3))
    taken = run_json(*by_item, "--join-columns", "cover", "--where", "cover == 3")
    assert taken["matched"] == 16
    assert "season" not in taken["rows"][0]
    for lonely in (["--on", "item_id"], ["--join-columns", "cover"]):
        assert "are of --join, which is not given" in only_error(run("index", "query", index, *lonely, code=2))
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
        (["--where", "proj_code == 'x'"], 3, "(did you mean 'proj:code'?)"),
        (["--where", "__import__('os').system('true')"], 3, "is not a condition"),
        (["--where", "collection == sentinel-2"], 3, "is not a literal; text stands in quotes"),
        (["--datetime", "yesterday"], 3, "is not RFC 3339"),
        (["--datetime", "2025-05-01..2025-06-01"], 3, "an interval is start/end"),
        (["--intersects", "."], 4, ".: a folder, not a file"),
        (["--columns", "no_such"], 3, "no column 'no_such'"),
        (["--intersects", "none.geojson"], 4, "none.geojson"),
    ],
)
def test_questions_that_make_no_sense_are_refused(index, args, code, message):
    assert message in only_error(run("index", "query", index, *args, code=code))


def test_a_seed_without_a_sample_is_refused(index):
    wrong = run("index", "query", index, "--seed", 3, code=2)

    assert "--seed is of --sample, which is not given" in only_error(wrong)
    assert run("explain", index, "--rows", "0", "--seed", 0, code=2).stdout == ""
    assert run_json("index", "query", index, "--sample", 3) == run_json(
        "index", "query", index, "--sample", 3, "--seed", 0
    )


def test_a_geojson_file_that_is_no_json_is_exit_code_3(index):
    assert "stdin: not JSON" in only_error(run("index", "query", index, "--intersects", "-", stdin="{", code=3))
