"""Items of an interval: what their rows say, and that a question of time finds what its interval meets.

The oracle reads the items' own texts and compares them as Python's datetimes.
"""

import datetime as dt
import pickle

import geopandas
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pystac
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stacchip_osml import ChipIndex, Indexer, merge
from stacchip_osml.errors import IndexSchemaError, ItemError
from stacchip_osml.index import parquet
from stacchip_osml.index.merged import MergedStore
from stacchip_osml.stac import StacItem

COLUMNS = ["datetime", "start_datetime", "end_datetime"]
MAY = {"datetime": None, "start_datetime": "2025-05-01T00:00:00Z", "end_datetime": "2025-05-31T23:59:59Z"}
FIRST = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)


def moment(day):
    return FIRST + dt.timedelta(days=day)


def text(day):
    return moment(day).isoformat()


def dated(make_item, name, times, *, place=0, size=(400, 400)):
    """Give an item of some chips with these properties of time, and no others."""
    document = make_item(name, size=size, transform=(10, 0, 300_000 + 90_000 * place, 0, -10, 5_000_000))
    del document["properties"]["datetime"]
    document["properties"] |= times
    return document


def stated(document):
    """Give first and last time of an item, from its text alone."""
    facts = document["properties"]
    sides = [facts.get("start_datetime"), facts.get("end_datetime")]
    if None in sides:
        sides = [facts.get("datetime") or facts.get("start_datetime")] * 2
    return [dt.datetime.fromisoformat(side) for side in sides]


def expected(documents, first=None, last=None):
    """Name the items that an interval, both ends included, meets."""
    found = set()
    for document in documents:
        start, end = stated(document)
        if (last is None or start <= last) and (first is None or end >= first):
            found.add(document["id"])
    return found


def found(index, question):
    return set(index.query(datetime=question, columns=["item_id"]).column(0).to_pylist())


def times_of(index):
    (row,) = index.query(columns=COLUMNS).to_pylist()
    return tuple(row.values())


@pytest.fixture(scope="module")
def documents(make_item):
    """Months, years, moments, and moments beside an interval, of three places."""
    days = {
        "may": MAY,
        "year": {"datetime": None, "start_datetime": text(0), "end_datetime": text(364)},
        "instant": {"datetime": None, "start_datetime": text(120), "end_datetime": text(120)},
        "moment": {"datetime": "2025-05-20T12:00:00Z"},
        "beside": {"datetime": text(140), "start_datetime": text(130), "end_datetime": text(150)},
        "outside": {"datetime": text(10), "start_datetime": text(200), "end_datetime": text(210)},
        "ends late": {"datetime": None, "start_datetime": text(300), "end_datetime": "9999-12-31T23:59:59.999999Z"},
    }  # fmt: skip
    return [
        dated(make_item, f"{name} {place}", times, place=place) for place in range(3) for name, times in days.items()
    ]


@pytest.fixture(scope="module")
def index(documents):
    return Indexer(documents, 50).create_index()


@pytest.fixture(scope="module")
def stores(index, documents, tmp_path_factory):
    """Hold the same rows in memory, as a file and a directory of small row groups, and merged where they lie."""
    folder = tmp_path_factory.mktemp("intervals")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "ROW_GROUP", 50)
        index.save(folder / "one.parquet")
        index.save(folder / "directory")
        halves = [Indexer(half, 50).create_index() for half in (documents[:9], documents[9:])]
        halves[0] = ChipIndex.open(halves[0].save(folder / "half"))
        tables = halves[0].tables.union(halves[1].tables)
        merged = ChipIndex(MergedStore.of([half._store for half in halves], tables.places()), tables)
    opened = [ChipIndex.open(folder / name) for name in ("one.parquet", "directory")]
    return {"memory": index, "file": opened[0], "directory": opened[1], "merged": merged}


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("times", "row"),
    [
        ({"datetime": "2025-05-01T00:00:00Z"}, (utc(2025, 5, 1), None, None)),
        (MAY, (utc(2025, 5, 1), utc(2025, 5, 1), utc(2025, 5, 31, 23, 59, 59))),
        (MAY | {"datetime": "2025-05-09T01:02:03Z"},
         (utc(2025, 5, 9, 1, 2, 3), utc(2025, 5, 1), utc(2025, 5, 31, 23, 59, 59))),
        # STAC asks for both ends; one alone makes no interval
        ({"datetime": None, "start_datetime": "2025-05-01T00:00:00Z"}, (utc(2025, 5, 1), None, None)),
        (MAY | {"end_datetime": None}, (utc(2025, 5, 1), None, None)),
        ({"datetime": "2025-05-09T00:00:00Z", "end_datetime": "2025-05-31T00:00:00Z"}, (utc(2025, 5, 9), None, None)),
        ({"datetime": "2025-05-09T00:00:00Z", "start_datetime": "2025-05-31T00:00:00Z"}, (utc(2025, 5, 9), None, None)),
        # the first and the last microsecond that there are
        ({"start_datetime": "0001-01-01T00:00:00Z", "end_datetime": "9999-12-31T23:59:59.999999Z"},
         (utc(1, 1, 1), utc(1, 1, 1), utc(9999, 12, 31, 23, 59, 59, 999999))),
        # other zones, a fraction beyond microseconds, a leap second
        ({"start_datetime": "2025-05-01T02:00:00+03:00", "end_datetime": "2025-06-30T23:59:60Z"},
         (utc(2025, 4, 30, 23), utc(2025, 4, 30, 23), utc(2025, 7, 1))),
        ({"start_datetime": "2025-05-01T00:00:00.123456789Z", "end_datetime": "2025-05-01T00:00:00.123456001Z"},
         (utc(2025, 5, 1, 0, 0, 0, 123456),) * 3),
    ],
)  # fmt: skip
def test_a_row_has_the_time_of_its_item_and_the_interval_where_there_is_one(make_item, tmp_path, times, row):
    made = Indexer([dated(make_item, "A", times)], 400).create_index()
    assert times_of(made) == row

    made.save(tmp_path / "a.parquet")
    assert times_of(ChipIndex.open(tmp_path / "a.parquet")) == row


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({}, "no time: datetime is null or missing"),
        ({"datetime": None}, "no time"),
        ({"datetime": None, "end_datetime": "2025-05-31T00:00:00Z"}, "no time"),
        (MAY | {"end_datetime": "2025-04-30T23:59:59Z"}, "end_datetime 2025-04-30T23:59:59.* before start_datetime"),
        (MAY | {"end_datetime": "2025-05-01T01:00:00+02:00"}, "end_datetime 2025-04-30T23:00:00.* is before start"),
        (MAY | {"end_datetime": "soon"}, "end_datetime: expected a time such as .* got 'soon'"),
        (MAY | {"end_datetime": 20250531}, "end_datetime: expected a time such as .* got 20250531"),
        (MAY | {"datetime": "2025-05-09T00:00:00Z", "end_datetime": "2025-02-30T00:00:00Z"}, "end_datetime: no such"),
        (MAY | {"start_datetime": "0001-01-01T00:00:00+01:00"}, "start_datetime: no such time"),
        (MAY | {"end_datetime": "9999-12-31T23:59:59-01:00"}, "end_datetime: no such time"),
        (MAY | {"end_datetime": "9999-12-31T23:59:60Z"}, "end_datetime: no such time"),
    ],
)  # fmt: skip
def test_an_interval_that_is_none_is_refused_by_name(make_item, times, message):
    items = [dated(make_item, "A", times), dated(make_item, "B", MAY, place=1)]
    with pytest.raises(ItemError, match=f"'A': {message}"):
        Indexer(items, 400).create_index()

    made = Indexer(items, 400, on_error="skip").create_index()
    assert [len(made), len(made.problems)] == [1, 1]


@pytest.mark.parametrize("store", ["memory", "file", "directory", "merged"])
@pytest.mark.parametrize(
    ("question", "first", "last"),
    [
        ("2025-05-20", "2025-05-20T00:00:00Z", "2025-05-20T23:59:59.999999Z"),
        ("2025-05-20T12:00:00Z", "2025-05-20T12:00:00Z", "2025-05-20T12:00:00Z"),
        ("2025-05-31T23:59:59Z", "2025-05-31T23:59:59Z", "2025-05-31T23:59:59Z"),
        ("2025-05-31T23:59:59.000001Z/2025-06-30", "2025-05-31T23:59:59.000001Z", "2025-06-30T23:59:59.999999Z"),
        ("2025-06", "2025-06-01T00:00:00Z", "2025-06-30T23:59:59.999999Z"),
        ("2025-07-20/2025-07-21", "2025-07-20T00:00:00Z", "2025-07-21T23:59:59.999999Z"),
        ("2025-01-11", "2025-01-11T00:00:00Z", "2025-01-11T23:59:59.999999Z"),
        ("../2020", None, "2020-12-31T23:59:59.999999Z"),
        ("/2025-01-01T00:00:00Z", None, "2025-01-01T00:00:00Z"),
        ("2026-01-01/..", "2026-01-01T00:00:00Z", None),
        ("../..", None, None),
        ("9999", "9999-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("0001/2024-12", "0001-01-01T00:00:00Z", "2024-12-31T23:59:59.999999Z"),
        ("2025-05-31T22:00:00-02:00/..", "2025-06-01T00:00:00Z", None),
    ],
)
def test_a_question_finds_the_items_whose_interval_it_meets(stores, documents, store, question, first, last):
    wanted = expected(documents, *(side and dt.datetime.fromisoformat(side) for side in (first, last)))
    assert found(stores[store], question) == wanted


ends = st.none() | st.floats(-40, 420).map(moment)


@settings(max_examples=60)
@given(span=st.tuples(ends, ends).filter(lambda span: None in span or span[0] <= span[1]))
def test_all_stores_find_what_looking_at_every_item_finds(stores, documents, span):
    wanted = expected(documents, *span)
    for index in stores.values():
        assert found(index, span) == wanted
        assert len(index.query(datetime=span)) == 64 * len(wanted)


def test_the_last_and_first_days_there_are_can_be_asked_for(index):
    assert found(index, "9999-12") == found(index, "9999-12-31") == {f"ends late {place}" for place in range(3)}
    assert found(index, "0001-01-01") == set()


@pytest.mark.parametrize(
    "question",
    ["../2020/..", "2025-13", "10000", "0000", "2025-05-02/2025-05-01", "P1M/2025", "2025-05-01T25:00Z/..", pd.NaT],
)
def test_a_question_that_is_no_time_is_refused(index, question):
    with pytest.raises(IndexSchemaError, match="datetime"):
        index.query(datetime=question)


def test_only_row_groups_whose_intervals_could_meet_are_read(stores, make_item, tmp_path, monkeypatch):
    """Each place of a time of its own; an interval that begins before its group's datetime, and one that ends after."""
    items = [
        dated(make_item, f"{place}", {"datetime": text(20 * place), "start_datetime": text(20 * place - 5),
              "end_datetime": text(20 * place + 5)}, place=place)
        for place in range(8)
    ]  # fmt: skip
    monkeypatch.setattr(parquet, "ROW_GROUP", 64)
    Indexer(items, 50).create_index().save(tmp_path / "index")
    opened = ChipIndex.open(tmp_path / "index")
    read = set()
    original = type(opened._store).read_groups

    def counting(self, groups, columns=None):
        read.update(groups)
        return original(self, groups, columns)

    monkeypatch.setattr(type(opened._store), "read_groups", counting)
    for place in range(8):
        for day in (-5, 0, 5):
            read.clear()
            assert found(opened, text(20 * place + day)) == {str(place)}
            assert len(read) == 1
    read.clear()
    assert found(opened, text(10)) == set()
    assert not read


def test_what_a_version_says_of_its_row_groups_covers_their_intervals(stores):
    store = stores["directory"]._store
    for number, (first, last) in enumerate(store.bounds.times.tolist()):
        table = store.read_groups([number], COLUMNS)
        columns = {name: [value for value in table[name].cast(pa.int64()).to_pylist() if value] for name in COLUMNS}
        assert first == min(columns["datetime"] + columns["start_datetime"])
        assert last == max(columns["datetime"] + columns["end_datetime"])


def test_intervals_outlive_whatever_is_done_with_rows(index, documents, tmp_path):
    wanted = {row["id"]: row for row in index.query(columns=["id", *COLUMNS]).to_pylist()}

    def require(other, *, count=None):
        rows = other.query(columns=["id", *COLUMNS]).to_pylist()
        assert len(rows) == (count or len(index))
        assert all(row == wanted[row["id"]] for row in rows)

    require(index.select(np.arange(0, len(index), 3)), count=len(range(0, len(index), 3)))
    require(index.sample(100), count=100)
    require(index.with_column("label", range(len(index))))
    require(pickle.loads(pickle.dumps(index)))
    halves = [Indexer(half, 50).create_index() for half in (documents[:9], documents[5:])]
    require(merge(*halves))
    assert merge(*halves).to_arrow().equals(index.to_arrow())
    halves[0].save(tmp_path / "grown")
    require(ChipIndex.open(tmp_path / "grown").append(halves[1]))
    require(ChipIndex.open(tmp_path / "grown"))
    require(merge(halves[0], index, replace=True))
    assert index.check() == []


def test_rows_of_items_without_an_interval_are_as_if_there_were_none(make_item):
    days = ("2025-05-03T00:00:00Z", "2025-05-01T00:00:00Z", "2025-05-02T00:00:00Z")
    alone = [dated(make_item, f"M{day}", {"datetime": day}) for day in days]
    index = Indexer([*alone, dated(make_item, "I", MAY)], 100).create_index()
    without = Indexer(alone, 100).create_index()

    kept = index.query(where="end_datetime is None").to_arrow()
    assert kept.column("id").to_pylist() == without.to_arrow().column("id").to_pylist()
    assert kept.select(["datetime", "grid_row", "grid_col"]).equals(
        without.to_arrow().select(["datetime", "grid_row", "grid_col"])
    )
    assert [without.to_arrow().column(name).null_count for name in COLUMNS] == [0, len(without), len(without)]


def test_conditions_may_name_the_ends(index):
    late = index.query(where="end_datetime > '2025-07-01' and start_datetime < '2025-07-01'")
    assert set(late.to_arrow().column("item_id").to_pylist()) == {f"year {place}" for place in range(3)}


def test_the_summary_covers_the_intervals(index):
    assert (index.summary.first, index.summary.last) == ("2025-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z")


def test_chips_of_an_interval_become_items_of_it(index, documents):
    by_id = {document["id"]: document["properties"] for document in documents}
    rows = {row["id"]: row for row in index.query(columns=["id", *COLUMNS]).to_pylist()}
    for document in index.to_stac():
        facts, source = document["properties"], by_id[document["properties"]["chip:item_id"]]
        interval = StacItem(document).interval
        assert (interval or (None, None)) == tuple(rows[document["id"]][name] for name in COLUMNS[1:])
        assert (facts["datetime"] is None) == (source["datetime"] is None)
        assert StacItem(document).datetime == rows[document["id"]]["datetime"]
        assert not {"chip:start_datetime", "chip:end_datetime"} & set(facts)
        assert ("start_datetime" in facts) == ("start_datetime" in source)
        pystac.Item.from_dict(document)


def test_a_chip_whose_item_is_gone_keeps_time_and_interval(index):
    lonely = ChipIndex.from_table(index.to_arrow(), index.tables.only([]))
    for document, row in zip(lonely.to_stac(), index.query(columns=COLUMNS).to_pylist(), strict=True):
        assert StacItem(document).datetime == row["datetime"]
        assert (StacItem(document).interval or (None, None)) == (row["start_datetime"], row["end_datetime"])


def test_items_go_through_stac_geoparquet_with_their_intervals(index, tmp_path):
    pq.write_table(index.items_table(), tmp_path / "items.parquet")
    again = Indexer(tmp_path / "items.parquet", 50).create_index()

    assert again.to_arrow().equals(index.to_arrow())
    assert again.items == index.items


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_intervals_of_a_foreign_items_table_are_read_in_any_unit(make_item, tmp_path, unit):
    document = dated(make_item, "A", MAY)
    table = Indexer([document], 400).create_index().items_table().replace_schema_metadata(None)
    for name in COLUMNS:
        kind = pa.timestamp(unit, "UTC")
        table = table.set_column(table.column_names.index(name), name, table.column(name).cast(kind))
    pq.write_table(table, tmp_path / "items.parquet")

    assert times_of(Indexer(tmp_path / "items.parquet", 400).create_index()) == (
        utc(2025, 5, 1), utc(2025, 5, 1), utc(2025, 5, 31, 23, 59, 59)
    )  # fmt: skip


def test_geopandas_gives_the_intervals_back(index, stores, tmp_path):
    rows = index.query(columns=COLUMNS).to_pylist()
    index.to_geodataframe().to_parquet(tmp_path / "frame.parquet")
    index.save(tmp_path / "index.parquet")
    for path in (tmp_path / "frame.parquet", tmp_path / "index.parquet"):
        frame = geopandas.read_parquet(path)
        for name in COLUMNS:
            micros = frame[name].astype("datetime64[us, UTC]")
            assert [None if value is pd_nat(value) else value for value in micros] == [row[name] for row in rows]


def pd_nat(value):
    """Give the value back where it is pandas' missing time, which equals nothing."""
    return value if value != value else None


@pytest.mark.parametrize("name", ["start_datetime", "end_datetime"])
def test_a_file_without_the_columns_is_refused_by_name(index, tmp_path, name):
    index.save(tmp_path / "old.parquet")
    table = pq.read_table(tmp_path / "old.parquet")
    metadata = pq.read_metadata(tmp_path / "old.parquet").metadata
    pq.write_table(table.drop_columns([name]).replace_schema_metadata(metadata), tmp_path / "old.parquet")
    with pytest.raises(IndexSchemaError, match=rf"old.parquet: column '{name}' is missing"):
        ChipIndex.open(tmp_path / "old.parquet")


def test_the_ends_are_no_columns_of_a_users_own(index):
    with pytest.raises(IndexSchemaError, match="column 'end_datetime' belongs to the chip schema"):
        index.with_column("end_datetime", [None] * len(index))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("end_datetime", None, "an interval has both ends, or none"),
        ("start_datetime", None, "an interval has both ends, or none"),
        ("end_datetime", utc(2001, 1, 1), "is before start_datetime"),
    ],
)
def test_check_finds_intervals_that_are_none(make_item, name, value, message):
    index = Indexer([dated(make_item, "A", MAY)], 200).create_index()
    table = index.to_arrow()
    values = [value, *table.column(name).to_pylist()[1:]]
    column = pa.array(values, table.schema.field(name).type)
    changed = ChipIndex.from_table(table.set_column(table.column_names.index(name), name, column), index.tables)

    assert index.check() == []
    assert [str(finding) for finding in changed.check()] == [f"column 'end_datetime': {message} (row 0)"]
