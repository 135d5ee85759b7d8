"""Merging chip tables: a union of rows by id, in the index's order.

The result depends on the set of rows only, so merging is associative,
commutative and idempotent. Columns are united by name; a row that stands in
several tables becomes one, its nulls filled from the others. What contradicts
is refused by name: one column with two types, one id with two values.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.arrays import is_text
from stacchip_osml.index.order import sort_rows
from stacchip_osml.index.schema import CHIP_SCHEMA
from stacchip_osml.index.tables import SideTables

__all__ = ["merge_rows", "unite_schemas", "widen"]


def unite_schemas(schemas: Sequence[pa.Schema]) -> pa.Schema:
    """Unite the columns of chip tables, users' columns in name order.

    Raises:
        IndexSchemaError: one name with two types.
    """
    extra: dict[str, pa.DataType] = {}
    for schema in schemas:
        for field in schema:
            if field.name in CHIP_SCHEMA.names:
                continue
            kind = _plain(field.type)
            known = extra.get(field.name)
            if known is None or pa.types.is_null(known):
                extra[field.name] = kind
            elif kind != known and not pa.types.is_null(kind):
                raise IndexSchemaError(f"column {field.name!r} is {known} in one index and {kind} in another")
    return pa.schema([*CHIP_SCHEMA, *(pa.field(name, extra[name]) for name in sorted(extra))])


def merge_rows(tables: Sequence[pa.Table], side: SideTables) -> pa.Table:
    """Unite chip tables.

    Args:
        tables: each with the chip schema, unique ids, and any users' columns.
        side: the united side tables (they give the order).

    Raises:
        IndexSchemaError: contradicting columns or rows.
    """
    schema = unite_schemas([table.schema for table in tables])
    united = [widen(table, schema) for table in tables]
    shared = _shared_items(united)
    if shared:
        alone, double = [], []
        for table in united:
            inside = pc.is_in(table.column("item_id").cast(pa.string()), value_set=pa.array(sorted(shared)))
            alone.append(table.filter(pc.invert(inside)))
            double.append(table.filter(inside))
        united = [*alone, _distinct(pa.concat_tables(double).unify_dictionaries())]
    return sort_rows(pa.concat_tables(united).unify_dictionaries(), side.places())


def _plain(kind: pa.DataType) -> pa.DataType:
    """Take dictionaries of users' columns for their values, and words for words, however they are laid out."""
    return pa.string() if is_text(kind) else kind.value_type if pa.types.is_dictionary(kind) else kind


def widen(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Give a table the columns of a schema, null where it has none."""
    columns = []
    for field in schema:
        if field.name not in table.schema.names:
            columns.append(pa.chunked_array([pa.nulls(table.num_rows, field.type)]))
            continue
        column = table.column(field.name)
        columns.append(column if column.type == field.type else column.cast(field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _shared_items(tables: Sequence[pa.Table]) -> set[str]:
    """Give the item ids that more than one table holds: only their rows can be duplicates."""
    seen: set[str] = set()
    shared: set[str] = set()
    for table in tables:
        here = set(pc.unique(table.column("item_id")).cast(pa.string()).to_pylist())
        shared |= here & seen
        seen |= here
    return shared


def _distinct(table: pa.Table) -> pa.Table:
    """Make rows with one id one row; nulls are filled from the row's duplicates.

    Raises:
        IndexSchemaError: two rows with one id differ in a value.
    """
    if table.column("id").null_count:
        raise IndexSchemaError("column 'id' must not be null: rows are merged by it")
    ids = table.column("id").to_numpy(zero_copy_only=False)
    order = np.argsort(ids, kind="stable")
    ids = ids[order]
    first = np.ones(len(ids), bool)
    first[1:] = ids[1:] != ids[:-1]
    if first.all():
        return table
    table = table.take(pa.array(order))
    starts = np.flatnonzero(first)
    group = np.cumsum(first) - 1
    columns = []
    for name in table.schema.names:
        column = table.column(name).combine_chunks()
        valid = np.asarray(column.is_valid())
        candidates = np.where(valid, np.arange(len(ids)), len(ids))
        chosen = np.minimum.reduceat(candidates, starts)
        chosen = np.where(chosen == len(ids), starts, chosen)
        _require_agreement(name, column, chosen[group], valid, ids)
        columns.append(column.take(pa.array(chosen)))
    return pa.Table.from_arrays(columns, schema=table.schema)


def _require_agreement(
    name: str, column: pa.Array, chosen: NDArray[np.int64], valid: NDArray[np.bool_], ids: NDArray[np.object_]
) -> None:
    others = np.flatnonzero(valid & (chosen != np.arange(len(chosen))))
    if not len(others):
        return
    mine, theirs = column.take(pa.array(others)), column.take(pa.array(chosen[others]))
    if mine.equals(theirs):
        return
    for position, (a, b) in enumerate(zip(mine.to_pylist(), theirs.to_pylist(), strict=True)):
        if a != b and not (a != a and b != b):  # noqa: PLR0124 - NaN agrees with NaN
            chip = ids[others[position]]
            raise IndexSchemaError(f"chip {chip!r} has two values of {name!r}: {_short(b)} and {_short(a)}")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
