"""Rows of a table as plain values are those that Arrow gives."""

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from stacchip_osml.stac.json_values import plain
from stacchip_osml.stac.plain_rows import moment, plain_rows

MOMENTS = [datetime(2025, 5, 1, 10, tzinfo=UTC), None, datetime(1906, 1, 1, 0, 0, 0, 1, tzinfo=UTC)]


@pytest.mark.parametrize("kind", [pa.timestamp("us", "UTC"), pa.timestamp("ms", "UTC"), pa.timestamp("us", "+01:00")])
@pytest.mark.parametrize("form", [lambda table: table, lambda table: table.to_batches()[0]], ids=["table", "batch"])
def test_rows_are_those_that_arrow_gives(kind, form):
    whole = [None if moment is None else moment.replace(microsecond=0) for moment in MOMENTS]
    times = pa.array(whole if kind.unit == "ms" else MOMENTS, kind)
    given = form(pa.table({"id": ["a", "b", "c"], "datetime": times, "box": [{"x": 1.0}, None, {"x": 2.0}]}))

    rows = plain_rows(given)

    assert rows == given.to_pylist()
    assert [list(row) for row in rows] == [["id", "datetime", "box"]] * 3
    assert repr(rows) == repr(given.to_pylist())


def test_a_moment_of_nothing_is_nothing():
    assert moment(None) is None
    assert moment(0) == datetime(1970, 1, 1, tzinfo=UTC)


def test_plain_values_are_json():
    assert plain({"a": (float("nan"), b"\x01\xff"), 1: float("inf")}) == {"a": [None, "01ff"], "1": None}
