"""Items of an interval on the command line: found by any time within, and shown with their ends."""

import csv
import io
import json

import pytest
from cli_scenes import make_item, only_error, run, run_json

ENDS = {"start_datetime": "2025-05-01T00:00:00Z", "end_datetime": "2025-05-31T23:59:59Z"}


def composite(folder, name, **times):
    path = make_item(folder, name, seed=1, date=None)
    document = json.loads(path.read_text())
    document["properties"] |= times
    path.write_text(json.dumps(document))
    return path


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Give an index of four chips of a day of August, and four of a mosaic of May."""
    folder = tmp_path_factory.mktemp("intervals")
    day = make_item(folder, "day", seed=2, date="2025-08-01T10:00:00Z")
    out = folder / "index.parquet"
    run("index", "build", composite(folder, "may", **ENDS), day, out, "--chip-size", 32, "--assets", "red")
    return out


@pytest.mark.parametrize(
    ("time", "names"),
    [
        ("2025-05-20", {"may"}),
        ("2025-06-01/..", {"day"}),
        ("../2025-05-01", {"may"}),
        ("2025", {"may", "day"}),
        ("2025-05-31T23:59:59.000001Z/2025-07", set()),
    ],
)
def test_a_time_finds_what_its_interval_meets(index, time, names):
    answer = run_json("index", "query", index, "--datetime", time)
    assert answer["matched"] == 4 * len(names)
    assert {row["item_id"] for row in answer["rows"]} == names


def test_rows_are_shown_with_both_ends(index):
    rows = run_json("index", "query", index, "--datetime", "2025-05-20")["rows"]
    assert {tuple(row[name] for name in ("datetime", *ENDS)) for row in rows} == {
        (ENDS["start_datetime"], *ENDS.values())
    }
    table = run("index", "query", index, "--format", "csv", "--columns", "item_id,end_datetime").stdout
    found = {row["item_id"]: row["end_datetime"] for row in csv.DictReader(io.StringIO(table))}
    assert found == {"may": ENDS["end_datetime"], "day": ""}
    assert run_json("index", "info", index)["last"] == "2025-08-01T10:00:00Z"


def test_an_interval_that_ends_before_it_starts_is_refused(tmp_path):
    wrong = composite(tmp_path, "wrong", **ENDS | {"end_datetime": "2025-04-01T00:00:00Z"})
    done = run("index", "build", wrong, tmp_path / "out.parquet", "--assets", "red", code=3)
    assert "end_datetime 2025-04-01T00:00:00+00:00 is before start_datetime" in only_error(done)
