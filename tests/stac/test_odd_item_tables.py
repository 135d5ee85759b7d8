"""Tables of items as other programs lay them out: the same items, or an error that says what is wrong."""

import datetime as dt
import decimal
import json
import uuid

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from stacchip_osml.errors import ItemError
from stacchip_osml.stac import iter_items
from stacchip_osml.stac.geoparquet import items_to_table, read_items, table_to_items
from stacchip_osml.stac.items import parse_datetime

NESTED = {"a": ["2020-01-02"], "t": "2020-01-01T00:00:00"}


def changed(document, name, values):
    """The document's table, as another writer has it: without our metadata, and with a column of another kind."""
    table = items_to_table([document]).replace_schema_metadata(None)
    position = table.schema.get_field_index(name)
    return table.append_column(name, values) if position < 0 else table.set_column(position, name, values)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (pa.array([decimal.Decimal("1.5")]), 1.5),
        (pa.array([5], pa.duration("us")), "0:00:00.000005"),
        (pa.array([dt.time(1, 2, 3)]), "01:02:03"),
        (pa.array([dt.date(2020, 1, 2)]), "2020-01-02"),
        (pa.array([b"\xff\xfe"]), "fffe"),
        (pa.array([uuid.UUID(int=5).bytes], pa.uuid()), str(uuid.UUID(int=5))),
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), {"a": 1}),
        (pa.array([{"a": [dt.date(2020, 1, 2)], "t": dt.datetime(2020, 1, 1)}]), NESTED),
    ],
)  # fmt: skip
def test_values_that_json_has_not_are_written_as_those_it_has(document, value, written):
    (item,) = table_to_items(changed(document, "odd", value))

    assert item["properties"]["odd"] == written
    assert json.loads(json.dumps(item)) == item


def test_assets_may_be_a_map(document):
    fields = pa.struct([("href", pa.string()), ("type", pa.string()), ("roles", pa.list_(pa.string()))])
    assets = {
        key: {name: asset[name] for name in ("href", "type", "roles")} for key, asset in document["assets"].items()
    }
    table = changed(document, "assets", pa.array([list(assets.items())], pa.map_(pa.string(), fields)))

    assert table_to_items(table)[0]["assets"] == assets


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("geometry", pa.array([b"junk"]), "column 'geometry' is no WKB"),
        (
            "datetime",
            pa.array([2**62], pa.int64()).view(pa.timestamp("us", "UTC")),
            "a time before the year 1 or after",
        ),
        ("datetime", pa.array([-(2**62)], pa.int64()).view(pa.timestamp("us")), "a time before the year 1 or after"),
        ("updated", pa.array([2**40], pa.int64()).view(pa.timestamp("s", "UTC")), "a time before the year 1 or after"),
    ],
)
def test_what_a_table_cannot_say_is_refused_in_memory_and_with_the_name_of_its_file(
    document, tmp_path, name, values, message
):
    table = changed(document, name, values)
    pq.write_table(table, tmp_path / "items.parquet")

    with pytest.raises(ItemError, match=message):
        list(iter_items(table))
    with pytest.raises(ItemError, match=f"items.parquet: {message}"):
        read_items(str(tmp_path / "items.parquet"))


@pytest.mark.parametrize("text", ["2025-05-14 10:27:31+00", "2025-05-14 12:27:31.0+02", "2025-05-14T10:27:31Z"])
def test_times_are_read_as_databases_write_them(text):
    assert parse_datetime(text) == dt.datetime(2025, 5, 14, 10, 27, 31, tzinfo=dt.UTC)
