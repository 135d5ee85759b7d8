"""Large merges without a second copy: rows stay in their indexes, and are put in order as they are read.

Only the columns that decide the order are held; a row group of the result is
gathered from the groups of its sources, each of which is in order itself, so
every source group is read about once when the whole is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.index.merging import unite_schemas, widen
from stacchip_osml.index.order import ORDER_COLUMNS, row_order
from stacchip_osml.index.store import ChipStore, GroupBounds
from stacchip_osml.index.tables import ItemKey

__all__ = ["MergedStore", "are_disjoint"]

GROUP = 32_768


class MergedStore:
    """Rows of several stores that share no item, in index order."""

    def __init__(self, stores: Sequence[ChipStore], places: Mapping[ItemKey, int]) -> None:
        """Order the rows.

        Raises:
            IndexSchemaError: one column with two types.
        """
        self.stores = tuple(stores)
        self.schema = unite_schemas([store.schema for store in stores])
        self.num_rows = sum(store.num_rows for store in stores)
        self._held: list[tuple[int, tuple[str, ...] | None, pa.Table] | None] = [None] * len(self.stores)
        starts = np.cumsum([0, *(store.num_rows for store in stores)])
        order = row_order(order_columns(self.stores), places)
        if order is None:
            order = np.arange(self.num_rows)
        source = (np.searchsorted(starts, order, side="right") - 1).astype(np.int32)
        self._source = source
        self._row = order - starts[source]

    @cached_property
    def bounds(self) -> GroupBounds:
        """Groups of equal size, whose extent is not known before they are written."""
        count = max(1, -(-self.num_rows // GROUP))
        start = np.minimum(np.arange(count + 1) * GROUP, self.num_rows).astype(np.int64)
        anywhere = np.array([-np.inf, -np.inf, np.inf, np.inf], np.float32)
        always = np.array([np.iinfo(np.int64).min, np.iinfo(np.int64).max])
        return GroupBounds(start, np.tile(anywhere, (count, 1)), np.tile(always, (count, 1)))

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Gather whole groups, in the order given."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        tables = [self._gather(slice(*self.bounds.start[group : group + 2].tolist()), schema) for group in groups]
        return pa.concat_tables([schema.empty_table(), *tables]).unify_dictionaries()

    def _gather(self, rows: slice, schema: pa.Schema) -> pa.Table:
        source, row = self._source[rows], self._row[rows]
        parts, places = [], []
        for number in np.unique(source).tolist():
            here = np.flatnonzero(source == number)
            parts.append(self._take(number, row[here], schema))
            places.append(here)
        if not parts:
            return schema.empty_table()
        back = np.empty(len(source), np.int64)
        back[np.concatenate(places)] = np.arange(len(source))
        table = pa.concat_tables(parts).unify_dictionaries()
        return table if len(parts) == 1 else table.take(pa.array(back))

    def _take(self, number: int, rows: NDArray[np.int64], schema: pa.Schema) -> pa.Table:
        """Take rows of one source; its last group is kept, for the next rows are mostly in it."""
        store = self.stores[number]
        starts = store.bounds.start
        group = np.searchsorted(starts, rows, side="right") - 1
        # a table of no column has no rows either
        names = tuple(name for name in schema.names if name in store.schema.names) or ("level",)
        tables = []
        for one in np.unique(group).tolist():
            held = self._held[number]
            if held is None or held[:2] != (one, names):
                held = (one, names, store.read_groups([one], list(names)))
                self._held[number] = held
            tables.append(held[2].take(pa.array(rows[group == one] - starts[one])))
        return widen(pa.concat_tables(tables).unify_dictionaries(), schema)


def order_columns(stores: Sequence[ChipStore]) -> pa.Table:
    """Read the columns that decide the order, of all stores one after the other."""
    names = list(ORDER_COLUMNS)
    tables = [store.read_groups(range(len(store.bounds.start) - 1), names) for store in stores]
    return pa.concat_tables(tables).unify_dictionaries()


def are_disjoint(stores: Sequence[ChipStore]) -> bool:
    """Whether no item id stands in two stores, so that no row can stand in two."""
    seen: set[str] = set()
    for store in stores:
        column = store.read_groups(range(len(store.bounds.start) - 1), ["item_id"]).column("item_id")
        here = set(pc.unique(column).cast(pa.string()).to_pylist())
        if seen & here:
            return False
        seen |= here
    return True
