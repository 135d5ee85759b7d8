"""Rows of an Arrow table as plain Python values, without pandas.

Arrow's own ``to_pylist`` looks for pandas at the first time of day, and where it is installed imports it: half a
second of a process that has no other use for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import pyarrow as pa

__all__ = ["moment", "plain_rows"]

_TIME = pa.timestamp("us", tz="UTC")
_EPOCH = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))


def moment(micros: int | None) -> datetime | None:
    """Give the time that lies so many microseconds after 1970 began, UTC."""
    return None if micros is None else _EPOCH + timedelta(microseconds=micros)


def plain_rows(
    table: pa.Table | pa.RecordBatch, *, maps: Literal["lossy", "strict"] | None = None
) -> list[dict[str, Any]]:
    """Give what ``to_pylist`` gives; ``maps`` is its ``maps_as_pydicts``.

    Raises:
        OverflowError: a time is before the year 1 or after 9999.
    """
    times = [field.name for field in table.schema if field.type == _TIME]
    for name in times:
        position = table.schema.get_field_index(name)
        table = table.set_column(position, name, table.column(position).cast(pa.int64()))
    rows: list[dict[str, Any]] = table.to_pylist(maps_as_pydicts=maps)
    for name in times:
        for row in rows:
            row[name] = moment(row[name])
    return rows
