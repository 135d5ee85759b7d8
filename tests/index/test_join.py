"""Rows that other programs chose and described, joined to the index they came from."""

import datetime as dt
import json
from decimal import Decimal

import duckdb
import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import AssetMissing, DecodeError, IndexSchemaError


@pytest.fixture(scope="module")
def index(make_item, tmp_path_factory):
    items = [make_item("A"), make_item("B", crs="EPSG:32601"), make_item("A", collection=None)]
    made = Indexer(items, 200).create_index().with_column("label", range(60))
    return ChipIndex.open(made.save(tmp_path_factory.mktemp("join") / "index.parquet"))


def by_duckdb(path, out):
    duckdb.sql(f"copy (select *, grid_col * 2 as twice from '{path}' where grid_row = 1 order by id desc) to '{out}'")
    return duckdb.sql(f"select * from '{out}'")


def by_geopandas(path, out):
    frame = geopandas.read_parquet(path)
    frame = frame[frame["grid_row"] == 1]
    frame.assign(twice=frame["grid_col"] * 2).to_parquet(out)
    return geopandas.read_parquet(out)


def by_pandas(path, out):
    frame = pd.read_parquet(path, columns=["id", "grid_row", "grid_col"])
    frame = frame[frame["grid_row"] == 1].sample(frac=1, random_state=1)
    frame = frame.assign(twice=frame["grid_col"] * 2)
    frame.to_parquet(out)
    return frame


def by_dataset(path, out):
    table = pyarrow.dataset.dataset(path).to_table(filter=pyarrow.dataset.field("grid_row") == 1)
    twice = pa.compute.multiply(table.column("grid_col"), 2)
    table = table.select(["id", "geometry"]).append_column("twice", twice)
    pq.write_table(table, out, compression="brotli")
    return pyarrow.dataset.dataset(out).to_table()


@pytest.mark.parametrize("program", [by_duckdb, by_geopandas, by_pandas, by_dataset])
def test_rows_of_any_program_come_back_with_its_columns(index, program, tmp_path):
    out = tmp_path / "out.parquet"
    table = program(str(index.path), str(out))
    wanted = index.query(where="grid_row == 1")

    for given in (table, str(out), out):
        found = index.join(given)
        assert found.to_arrow().select(index.columns).equals(wanted.to_arrow())
        assert found.columns == [*index.columns, "twice"]
        assert found.query(where="twice == 4").rows(range(3)) == found.query(where="grid_col == 2").rows(range(3))
        assert found.check() == []
        found.save(tmp_path / "again")
        assert ChipIndex.open(tmp_path / "again").to_arrow().equals(found.to_arrow())


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
    ids=str,
)
def test_names_are_text_in_any_of_arrows_ways(index, kind):
    ids = index.query(where="level == 0 and grid_col == 1", columns=["id"]).column("id")
    words = ids.cast(kind) if not pa.types.is_dictionary(kind) else ids.dictionary_encode().cast(kind)
    found = index.join({"id": words, "word": words})

    assert found.query(columns=["id"]).column("id").equals(ids)
    assert found.query(columns=["word"]).column("word").cast(pa.string()).equals(ids)
    assert len(found.query(where=f"word == {ids[0].as_py()!r}")) == 1
    united = merge(found, index.with_column("word", ["x"] * len(index)).query(where="grid_col == 2"))
    assert len(united) == 2 * len(ids)


def test_a_table_of_items_describes_all_their_chips(index):
    cover = pd.DataFrame({"item_id": ["B", "Z"], "cover": [7, 8], "label": ["own", "own"]})

    found = index.join(cover, on="item_id")
    assert {row["item_id"] for row in found.rows(range(len(found)))} == {"B"}
    assert set(found.query(columns=["cover"])["cover"].to_pylist()) == {7}
    assert set(found.query(columns=["label"])["label"].to_pylist()) == {"own"}

    every = index.join(cover, on="item_id", how="left")
    told = every.query(columns=["item_id", "cover"]).to_pylist()
    assert len(every) == len(index)
    assert all(row["cover"] == (7 if row["item_id"] == "B" else None) for row in told)


def test_of_a_whole_table_of_items_some_columns_are_taken(index):
    items = pd.DataFrame({"item_id": ["A", "B"], "id": "x", "assets": "none", "level": 7, "cover": [7, 8], "note": "n"})

    for columns in (["cover"], ["cover", "item_id"], ("cover", "cover")):
        found = index.join(items, on="item_id", columns=columns)
        assert found.columns == [*index.columns, "cover"]
        assert found.to_arrow().select(index.columns).equals(index.to_arrow())
        assert {(row["item_id"], row["cover"]) for row in found.rows(range(60))} == {("A", 7), ("B", 8)}
    assert index.join(items, on="item_id", columns=[]).to_arrow().equals(index.to_arrow())

    differ = r"column 'id' .* has x where chip .* has .*\(so differ 'assets', 'level'\).*say which columns to take"
    with pytest.raises(IndexSchemaError, match=differ):
        index.join(items, on="item_id")
    with pytest.raises(IndexSchemaError, match="column 'level' of the joined table has 7 where"):
        index.join(items, on="item_id", columns=["cover", "level"])


def test_columns_of_any_type_can_be_saved_queried_and_told_as_items(index, tmp_path):
    rows = index.head(2)
    table = {
        "id": rows.query(columns=["id"])["id"],
        "view": pa.array([b"\xff", b""], pa.binary_view()),
        "day": pa.array([dt.date(2025, 5, 1), None]),
        "time": pa.array([dt.datetime(2025, 5, 1, tzinfo=dt.UTC), None]),
        "nanos": pa.array([1, 2], pa.timestamp("ns")),
        "cost": pa.array([Decimal("1.50"), None]),
        "score": [float("nan"), float("inf")],
        "words": [["a"], []],
        "nothing": pa.nulls(2),
    }
    rows.join(table).save(tmp_path / "rows")
    found = ChipIndex.open(tmp_path / "rows").query(where="cost is not None or score > 0")

    told = [json.loads(json.dumps(item, allow_nan=False))["properties"] for item in found.to_stac()]
    assert {key: value for key, value in told[0].items() if key[5:] in table} == {
        "chip:view": "ff",
        "chip:day": "2025-05-01",
        "chip:time": "2025-05-01T00:00:00Z",
        "chip:nanos": "1970-01-01T00:00:00.000000001",
        "chip:cost": "1.50",
        "chip:words": ["a"],
    }
    assert "chip:score" not in told[1]


def test_columns_of_the_chip_schema_say_what_the_index_says(index):
    rows = index.query(columns=["id", "level", "datetime", "gsd", "collection"]).to_pandas()[::-1]
    rows["level"] = rows["level"].astype(float)  # as pandas has integers, once some were missing
    rows["collection"] = None
    rows["nodata_fraction"] = np.nan
    rows["geometry"] = "a shape in another CRS"

    assert index.join(rows).to_arrow().equals(index.to_arrow())
    assert index.join(rows.iloc[:2], how="left").to_arrow().equals(index.to_arrow())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("level", 9, "column 'level' of the joined table has 9 where chip 'sensor/.*' has 0; columns of the chip"),
        ("level", 1.5, "column 'level' of the joined table is no uint8; .* leave these out, or give them other names"),
        ("cloud_fraction", 0.25, "column 'cloud_fraction' of the joined table has 0.25 where chip '.*' has None"),
        ("datetime", dt.datetime(2020, 1, 1, tzinfo=dt.UTC), "column 'datetime' .* has 2020-01-01 .* has 2025-05-01"),
        ("item_id", "C", "column 'item_id' of the joined table has C where chip 'sensor/A.*' has A"),
        ("assets", {"red": {}}, "column 'assets' of the joined table is no string"),
    ],
)
@pytest.mark.parametrize("how", ["inner", "left"])
def test_columns_of_the_chip_schema_are_not_replaced(index, name, value, message, how):
    sensor = index.query(where="collection == 'sensor' and item_id == 'A'", columns=["id"])["id"]
    with pytest.raises(IndexSchemaError, match=message):
        index.join({"id": sensor[:1], name: [value]}, how=how)
    own = index.query(columns=["id", "level"]).to_pydict()
    changed = own | {"level": [*own["level"][:-1], 3]}
    with pytest.raises(IndexSchemaError, match="has 3 where chip"):
        index.join(changed, how=how)


def test_a_table_without_rows_chooses_none(index):
    none = {"id": pa.array([], pa.string()), "mark": pa.array([], pa.int8())}

    assert len(index.join(none)) == 0
    assert index.join(none, how="left").query(where="mark is None").to_arrow().num_rows == len(index)


@pytest.mark.parametrize(
    ("table", "options", "error", "message"),
    [
        ({"id": ["a", "a"]}, {}, IndexSchemaError, "has id 'a' more than once"),
        ({"name": ["a"]}, {}, IndexSchemaError, "has no column 'id'; it has name"),
        ({"id": [1]}, {}, IndexSchemaError, "column 'id' of the joined table must be text, is int64"),
        ({"id": ["a"]}, {"on": "place"}, IndexSchemaError, "on: no column 'place'"),
        ({"id": ["a"]}, {"how": "outer"}, ValueError, "how"),
        ({"id": ["a"]}, {"on": 3}, TypeError, "on"),
        ({"id": ["a"]}, {"columns": ["x"]}, IndexSchemaError, "the joined table has no column 'x'; it has id"),
        ({"id": ["a"]}, {"columns": "id"}, TypeError, "columns must be a list of words"),
        (3, {}, IndexSchemaError, "int: no table that can be joined"),
        ("nowhere.parquet", {}, AssetMissing, "nowhere.parquet: no such file"),
        (__file__, {}, DecodeError, "not a readable Parquet file"),
    ],
)
def test_what_cannot_be_joined_is_refused(index, table, options, error, message):
    with pytest.raises(error, match=message):
        index.join(table, **options)
