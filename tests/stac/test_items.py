"""What every item must have, and how its time is read."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacchip_osml.errors import ItemError
from stacchip_osml.stac import StacItem, parse_datetime


def test_an_item_keeps_its_document_as_given(document):
    before = repr(document)
    item = StacItem(document, "/data/item.json", ("/data",))
    assert item.document is document
    assert (item.id, item.collection, item.bbox) == ("scene-1", "", (9.0, 48.0, 10.0, 49.0))
    assert item.datetime == datetime(2026, 3, 4, 5, 6, 7, 89_000, tzinfo=UTC)
    assert repr(document) == before


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("type",), "Collection", "type is 'Collection'"),
        (("id",), None, "no id"),
        (("id",), "", "no id"),
        (("id",), 7, "no id"),
        (("properties",), None, "properties must be an object"),
        (("assets",), None, "assets must be an object"),
        (("assets",), ["a"], "assets must be an object"),
        (("assets", "red"), "x.tif", "asset 'red' must be an object"),
        (("collection",), 3, "collection must be text"),
        (("bbox",), [1, 2, 3], "bbox must be"),
        (("bbox",), [1, 2, 3, float("nan")], "bbox must be"),
        (("bbox",), [True, 2, 3, 4], "bbox must be"),
        (("geometry",), "POINT (1 1)", "geometry must be"),
        (("properties", "datetime"), "yesterday", "datetime: expected a time"),
        (("properties", "datetime"), "2026-02-30T00:00:00Z", "no such time"),
        (("properties", "datetime"), 20260101, "datetime: expected a time"),
        (("properties", "datetime"), None, "no time"),
    ],
)
def test_what_no_item_may_lack_is_named(document, path, value, message):
    target = document
    for name in path[:-1]:
        target = target[name]
    target[path[-1]] = value
    with pytest.raises(ItemError, match=f"folder/item.json.*{message}"):
        StacItem(document, source="folder/item.json")


@pytest.mark.parametrize("name", ["geometry", "bbox"])
def test_an_item_without_a_place_is_an_item(document, name):
    document[name] = None
    assert getattr(StacItem(document), name) is None
    del document[name]
    assert getattr(StacItem(document), name) is None


def test_a_null_datetime_is_the_start_of_the_interval(document):
    start = datetime(2025, 12, 31, 22, tzinfo=UTC)
    document["properties"] |= {"datetime": None, "start_datetime": "2026-01-01T00:00:00+02:00"}
    assert (StacItem(document).datetime, StacItem(document).interval) == (start, None)
    document["properties"]["end_datetime"] = "2026-01-01"
    assert (StacItem(document).datetime, StacItem(document).interval) == (
        start,
        (start, datetime(2026, 1, 1, tzinfo=UTC)),
    )
    document["properties"]["end_datetime"] = "x"
    with pytest.raises(ItemError, match="'scene-1': end_datetime: expected a time such as"):
        StacItem(document)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-02T03:04:05Z", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)),
        ("2026-01-02t03:04:05.1234567z", datetime(2026, 1, 2, 3, 4, 5, 123456, tzinfo=UTC)),
        ("2026-01-02 03:04:05+0130", datetime(2026, 1, 2, 1, 34, 5, tzinfo=UTC)),
        ("2026-01-02T03:04", datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
        ("2026-01-02", datetime(2026, 1, 2, tzinfo=UTC)),
        ("2016-12-31T23:59:60Z", datetime(2017, 1, 1, tzinfo=UTC)),
    ],
)
def test_times_are_read_in_the_spellings_that_have_one_meaning(text, expected):
    assert parse_datetime(text) == expected


@pytest.mark.parametrize(
    "text", ["", "2026-13-01", "0000-01-01T00:00:00Z", "2026-01-01T25:00:00Z", "9999-12-31T23:59:59-23:00", None, 5]
)
def test_texts_that_are_no_time_are_refused(text):
    with pytest.raises(ValueError, match="time"):
        parse_datetime(text)


@given(st.datetimes(min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)), st.integers(-840, 840))
def test_every_time_survives_its_text(moment, minutes):
    zoned = moment.replace(tzinfo=UTC) + timedelta(minutes=0)
    shifted = (zoned + timedelta(minutes=minutes)).replace(tzinfo=None)
    sign, size = "-" if minutes < 0 else "+", abs(minutes)
    assert parse_datetime(f"{shifted.isoformat()}{sign}{size // 60:02d}:{size % 60:02d}") == zoned
