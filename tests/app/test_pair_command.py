"""index pair: chips of two indexes that show the same ground, shown or saved as a table."""

import pyarrow.parquet as pq
import pytest
from cli_scenes import only_error, run, run_json

from stacchip_osml import ChipIndex
from stacchip_osml.app.pair import pair_command
from stacchip_osml.index import pair_chips, pairing

DAYS = 92
"""Between the two dates of the catalog."""


@pytest.fixture(scope="module")
def dates(index, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dates")
    for name in ("first", "second"):
        run("index", "query", index, "--where", f"item_id == '{name}'", "-o", folder / name)
    return folder / "first", folder / "second"


def test_pairs_are_those_of_the_library(dates):
    answer = run_json("index", "pair", *dates, "--overlap", 0.9)
    wanted = pair_chips(*map(ChipIndex.open, dates), overlap=0.9).to_arrow()

    assert answer == {"pairs": 16, "rows": wanted.to_pylist()}
    assert {row["offset_s"] for row in answer["rows"]} == {DAYS * 86_400}
    assert run_json("index", "pair", *dates, "--within", f"{DAYS - 1}d") == {"pairs": 0, "rows": []}
    assert run_json("index", "pair", *dates, "--within", f"{DAYS * 24}h", "--limit", 3)["rows"] == answer["rows"][:3]
    assert run_json("index", "pair", *dates, "--overlap", 0.9, "--of", "union", "--keep", "largest") == answer


def test_the_table_shows_twenty_pairs_and_says_how_many_there_are(index):
    result = run("index", "pair", index, index)

    assert result.stdout.split()[:4] == ["id", "other_id", "overlap", "offset_s"]
    assert len(result.stdout.splitlines()) == 1 + 20
    assert result.stderr == "12 of 32 pairs are not shown; --limit shows more\n"
    assert run("index", "pair", index, index, "--limit", 40).stderr == "32 pairs\n"


def test_a_saved_table_is_joined_to_the_first_index(dates, tmp_path):
    out = tmp_path / "pairs.parquet"
    assert run_json("index", "pair", *dates, "--keep", "nearest", "-o", out) == {"path": str(out), "pairs": 16}

    rows = run_json("index", "query", dates[0], "--join", out, "--where", "overlap > 0.9", "--columns", "other_id")
    ids = ChipIndex.open(dates[1]).query(columns=["id"])["id"].to_pylist()
    assert [row["other_id"] for row in rows["rows"]] == ids
    assert "exists already" in only_error(run("index", "pair", *dates, "-o", out, code=2))
    assert len(run("index", "pair", *dates, "--within", "9999999.9d").stdout.splitlines()) == 17
    assert run("index", "pair", *dates, "-o", out, "--force", "--within", "0s").stderr == "0 pairs\n"
    assert pq.read_table(out).num_rows == 0


def test_seconds_of_a_table_have_all_their_digits(dates):
    assert run("index", "pair", *dates, "--limit", 1).stdout.split()[-1] == str(DAYS * 86_400)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--out", "pairs.csv"], "OUT is written as Parquet: its name must end in .parquet"),
        (["--within", "two weeks"], "'two weeks' is not a time such as 14d, 6h, 30m or 90s"),
        (["--within", "99999999d"], "'99999999d' is not a time"),
        (["--overlap", "2"], "--overlap"),
        (["--limit", "2", "-o", "pairs.parquet"], "-o saves all pairs"),
    ],
)
def test_options_that_make_no_sense_are_refused(index, args, message):
    assert message in only_error(run("index", "pair", index, index, *args, code=2))


def test_the_options_have_all_words_of_the_library():
    choices = {option.name: option.type for option in pair_command.params}

    assert (tuple(choices["of"].choices), tuple(choices["keep"].choices)) == (tuple(pairing.SHARES), pairing.KEEP)
