"""Rows chosen and described elsewhere come back: a table of any program, joined to an index by a name of its rows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stacchip_osml.errors import AssetMissing, DecodeError, IndexSchemaError
from stacchip_osml.index.arrays import is_text
from stacchip_osml.index.schema import CHIP_SCHEMA, own_column
from stacchip_osml.index.store import ChipStore, read_rows, take_rows
from stacchip_osml.pixel.arguments import of_kind, one_of, words
from stacchip_osml.stac.item_tables import arrow_stream

__all__ = ["HOW", "joined"]

HOW = ("inner", "left")
SHAPES = ("geometry", "bbox")
"""Columns that every program writes in its own way: those of a joined table are passed by."""


def joined(store: ChipStore, table: Any, *, on: str, how: str, columns: Sequence[str] | None) -> pa.Table:
    """Give the rows of a store with a table's columns beside them; see :meth:`ChipIndex.join`."""
    one_of("how", how, HOW)
    own = store.schema.names
    if of_kind("on", on, str, "a column's name") not in own:
        raise IndexSchemaError(f"on: no column {on!r}; there are {', '.join(own)}")
    chosen = None if columns is None else words("columns", columns)
    given = _chosen(_table_of(table), on, chosen)
    keys = given.column(on)
    if len(keys) and not is_text(keys.type):
        raise IndexSchemaError(f"column {on!r} of the joined table must be text, is {keys.type}")
    keys = keys.cast(pa.string()).combine_chunks()
    _require_unique(keys, on)
    place = pc.index_in(read_rows(store, [on]).column(on).cast(pa.string()), value_set=keys, skip_nulls=True)
    place = place.combine_chunks()
    if how == "inner":
        rows = take_rows(store, np.flatnonzero(np.asarray(place.is_valid())), lambda group: store.read_groups([group]))
        place = place.drop_null()
    else:
        rows = read_rows(store)
    schema = [name for name in given.column_names if name in CHIP_SCHEMA.names and name not in (on, *SHAPES)]
    _require_same(rows, given.select(schema), place)
    for name in given.column_names:
        if name not in CHIP_SCHEMA.names and name != on:
            rows = rows.drop_columns([name]) if name in rows.column_names else rows
            column = own_column(name, given.column(name), len(given))
            rows = rows.append_column(name, column.take(place))
    return rows


def _chosen(table: pa.Table, on: str, columns: Sequence[str] | None) -> pa.Table:
    """Give the column that names rows, and those that are asked for; None for all."""
    wanted = table.column_names if columns is None else dict.fromkeys((on, *columns))
    lacking = [name for name in (on, *wanted) if name not in table.column_names]
    if lacking:
        raise IndexSchemaError(f"the joined table has no column {lacking[0]!r}; it has {', '.join(table.column_names)}")
    return table.select(list(wanted))


def _require_same(rows: pa.Table, given: pa.Table, place: pa.Array) -> None:
    """Refuse columns of the schema with other values, at the place of each row, than the rows have."""
    found = {name: _difference(rows, name, given.column(name), place) for name in given.column_names}
    differing = {name: text for name, text in found.items() if text is not None}
    if differing:
        first, *others = differing
        also = f" (so differ {', '.join(map(repr, others))})" if others else ""
        raise IndexSchemaError(
            f"column {first!r} of the joined table {differing[first]}{also}; columns of the chip schema are not "
            "replaced: say which columns to take, leave these out, or give them other names"
        )


def _difference(rows: pa.Table, name: str, values: pa.ChunkedArray, place: pa.Array) -> str | None:
    """Say where a column has another value than the rows; null says none."""
    kind = CHIP_SCHEMA.field(name).type
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    own = rows.column(name).cast(kind)
    try:
        given = values.cast(kind).take(place)
    except pa.ArrowException:
        return f"is no {kind}"
    told = pc.and_not(given.is_valid(), given.is_null(nan_is_null=True))
    other = pc.and_(told, pc.invert(pc.fill_null(pc.equal(own, given), False)))
    at = pc.index(other, True).as_py()
    if at < 0:
        return None
    return f"has {given[at].as_py()} where chip {rows.column('id')[at].as_py()!r} has {own[at].as_py()}"


def _table_of(source: Any) -> pa.Table:
    """Give any program's table as Arrow has it, without the row numbers of pandas."""
    if isinstance(source, str | os.PathLike):
        table = _read(Path(source))
    else:
        try:
            table = pa.table(source if isinstance(source, Mapping) else arrow_stream(source))
        except (pa.ArrowException, ValueError, TypeError) as error:
            raise IndexSchemaError(f"{type(source).__name__}: no table that can be joined: {error!s:.300}") from error
    return table.select([name for name in table.column_names if not name.startswith("__index_level_")])


def _read(path: Path) -> pa.Table:
    if not path.is_file():
        raise AssetMissing(f"{path}: no such file")
    try:
        with pq.ParquetFile(path) as file:
            return file.read()
    except (OSError, pa.ArrowException) as error:
        raise DecodeError(f"{path}: not a readable Parquet file: {error}") from error


def _require_unique(keys: pa.Array, on: str) -> None:
    counts = pc.value_counts(keys.drop_null())
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        raise IndexSchemaError(
            f"the joined table has {on} {repeated[0].as_py()!r} more than once; a chip is joined to one row of it"
        )
