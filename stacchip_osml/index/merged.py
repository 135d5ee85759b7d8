"""Merges; large ones without a second copy: rows stay in their indexes, and are put in order as they are read.

Only where runs of rows lie is held; a row group of the result is gathered from
the groups of its sources, each of which is in order itself, so every source
group is read about once when the whole is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.forked import cached_property
from stacchip_osml.index.merging import merge_rows, unite_schemas, widen
from stacchip_osml.index.parts import GroupBounds
from stacchip_osml.index.replacing import latest_items
from stacchip_osml.index.store import ChipStore, MemoryStore, read_rows
from stacchip_osml.index.stretches import Runs, Stretches, order_runs, stretches_of
from stacchip_osml.index.tables import ItemKey, SideTables

__all__ = ["MergedStore", "are_disjoint", "united"]

IN_MEMORY = 1_000_000
"""Rows above which indexes without a common item are merged without reading them all."""
GROUP = 32_768
LONG = 64
"""Rows a run from which slices of its group cost less than the rows taken one by one."""


def united(indexes: Sequence[tuple[ChipStore, SideTables]], *, replace: bool) -> tuple[ChipStore, SideTables]:
    """Unite the rows and tables of indexes; see :func:`merge`."""
    indexes = latest_items(indexes) if replace else indexes
    stores = [store for store, _ in indexes]
    _, first = indexes[0]
    tables = first.union(*(others for _, others in indexes[1:]))
    if sum(store.num_rows for store in stores) > IN_MEMORY:
        merged = MergedStore.of(stores, tables.places())
        if merged is not None:
            return merged, tables
    return MemoryStore(merge_rows([read_rows(store) for store in stores], tables)), tables


class MergedStore:
    """Rows of several stores that share no item, in index order."""

    def __init__(self, stores: Sequence[ChipStore], runs: Runs) -> None:
        """Hold the order; see :meth:`of`.

        Raises:
            IndexSchemaError: one column with two types.
        """
        self.stores = tuple(stores)
        self.schema = unite_schemas([store.schema for store in stores])
        self.num_rows = int(runs.start[-1])
        self._runs = runs
        self._held: list[tuple[int, tuple[str, ...], pa.Table] | None] = [None] * len(self.stores)

    @classmethod
    def of(cls, stores: Sequence[ChipStore], places: Mapping[ItemKey, int]) -> MergedStore | None:
        """Order the rows of several stores, None where two of them hold the same item.

        Raises:
            IndexSchemaError: one column with two types.
        """
        stretches = [stretches_of(store, places) for store in stores]
        return cls(stores, order_runs(stores, stretches, places)) if are_disjoint(stretches) else None

    @cached_property
    def bounds(self) -> GroupBounds:
        """Groups of equal size, whose extent is not known before they are written."""
        count = max(1, -(-self.num_rows // GROUP))
        return GroupBounds.unknown(np.minimum(np.arange(count + 1) * GROUP, self.num_rows).astype(np.int64))

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Gather whole groups, in the order given."""
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        starts = self.bounds.start.tolist()
        tables = [self._gather(starts[group], starts[group + 1], schema) for group in groups]
        return pa.concat_tables([schema.empty_table(), *tables]).unify_dictionaries()

    def _gather(self, first: int, end: int, schema: pa.Schema) -> pa.Table:
        if first == end:
            return schema.empty_table()
        runs = self._runs.within(first, end)
        if end - first < LONG * len(runs.row):
            return self._take(runs, schema)
        parts = [
            part
            for source, row, count in zip(runs.source.tolist(), runs.row.tolist(), runs.count.tolist(), strict=True)
            for part in self._slices(source, row, count, schema)
        ]
        return pa.concat_tables(parts)

    def _slices(self, number: int, row: int, count: int, schema: pa.Schema) -> list[pa.Table]:
        """Slice consecutive rows of one source out of their groups."""
        starts = self.stores[number].bounds.start
        end = row + count
        parts = []
        while row < end:
            group = int(np.searchsorted(starts, row, side="right")) - 1
            low, high = starts[group : group + 2].tolist()
            parts.append(self._group(number, group, schema).slice(row - low, min(end, high) - row))
            row = min(end, high)
        return parts

    def _take(self, runs: Runs, schema: pa.Schema) -> pa.Table:
        """Take rows one by one, source by source, and put them in order."""
        source = np.repeat(runs.source, runs.count)
        row = np.repeat(runs.row - runs.start[:-1], runs.count) + np.arange(len(source))
        parts, order = [], []
        for number in np.unique(source).tolist():
            here = np.flatnonzero(source == number)
            here = here[np.argsort(row[here], kind="stable")]  # climbing already, but for a source out of order
            parts.append(self._take_of(number, row[here], schema))
            order.append(here)
        table = pa.concat_tables(parts).unify_dictionaries()
        places = np.concatenate(order)
        if bool((np.diff(places) == 1).all()):
            return table
        back = np.empty(len(places), np.int64)
        back[places] = np.arange(len(places))
        return table.take(pa.array(back))

    def _take_of(self, number: int, rows: NDArray[np.int64], schema: pa.Schema) -> pa.Table:
        """Take rows of one source, which climb."""
        starts = self.stores[number].bounds.start
        group = np.searchsorted(starts, rows, side="right") - 1
        return pa.concat_tables(
            self._group(number, one, schema).take(pa.array(rows[group == one] - starts[one]))
            for one in np.unique(group).tolist()
        )

    def _group(self, number: int, group: int, schema: pa.Schema) -> pa.Table:
        """Read a group of one source; the last one is kept, for the next rows are mostly in it."""
        store = self.stores[number]
        # a table of no column has no rows either
        names = tuple(name for name in schema.names if name in store.schema.names) or ("level",)
        held = self._held[number]
        if held is None or held[:2] != (group, tuple(schema.names)):
            table = widen(store.read_groups([group], list(names)), schema)
            held = (group, tuple(schema.names), table)
            self._held[number] = held
        return held[2]


def are_disjoint(stretches: Sequence[Stretches]) -> bool:
    """Whether no item id stands in two stores, so that no row can stand in two."""
    return sum(len(one.items) for one in stretches) == len(frozenset().union(*(one.items for one in stretches)))
