"""Where chip rows lie: in memory, or in Parquet files.

Both stores answer the same three questions: how many rows, which row groups
could match a box, and the rows themselves. Row-group bounds are kept as
arrays, so that pruning a hundred million rows is one comparison.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.forked import cached_property
from stacchip_osml.index.arrays import positions
from stacchip_osml.index.parts import GroupBounds, Part, bounds_of
from stacchip_osml.index.schema import conform

__all__ = ["ChipStore", "MemoryStore", "ParquetStore", "read_rows", "take_rows"]

FEW = 4
"""Columns of a row group, up to which one thread reads them."""


class ChipStore(Protocol):
    """Rows of a chip table, read on demand."""

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema, users' columns included."""
        ...

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        ...

    @property
    def bounds(self) -> GroupBounds:
        """What each row group holds."""
        ...

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Read whole row groups, in the order given."""
        ...


class MemoryStore:
    """Rows held as an Arrow table; one row group."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema, users' columns included."""
        return self.table.schema

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self.table.num_rows)

    @cached_property
    def bounds(self) -> GroupBounds:
        """One group, of unknown extent: reading it costs nothing."""
        return GroupBounds.unknown(np.array([0, self.num_rows], np.int64))

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Give the table, or an empty one where no group is asked for."""
        table = self.table if columns is None else self.table.select(list(columns))
        return table if len(groups) else table.slice(0, 0)


class ParquetStore:
    """Rows in one or more Parquet files."""

    def __init__(self, parts: Sequence[Part], schema: pa.Schema) -> None:
        """Hold files of one schema."""
        self.parts = tuple(parts)
        self.schema = schema

    @property
    def num_rows(self) -> int:
        """Number of rows."""
        return int(self.bounds.start[-1])

    @cached_property
    def bounds(self) -> GroupBounds:
        """What all row groups hold."""
        return bounds_of(self.parts)

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Read whole row groups, in the order given.

        Raises:
            IndexSchemaError: a file is not the one that was committed, ends early, or a page fails its checksum.
        """
        tables = [self._read(part, numbers, columns) for part, numbers in self._by_part(groups)]
        if not tables:
            schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
            return schema.empty_table()
        return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()

    @cached_property
    def _firsts(self) -> NDArray[np.int64]:
        """Number of each file's first row group."""
        return np.cumsum([0, *(len(part.groups) for part in self.parts)])[:-1]

    def _by_part(self, groups: Sequence[int]) -> Iterator[tuple[Part, list[int]]]:
        """Cut row groups into runs of one file, numbered as they are there."""
        position = (np.searchsorted(self._firsts, groups, side="right") - 1).tolist()
        for number, run in itertools.groupby(zip(position, groups, strict=True), key=itemgetter(0)):
            yield self.parts[number], [int(group - self._firsts[number]) for _, group in run]

    def _read(self, part: Part, numbers: list[int], columns: Sequence[str] | None) -> pa.Table:
        # handing a few columns of one group to other threads takes longer than to read them
        threads = columns is None or len(columns) * len(numbers) > FEW
        handle = part.open(self.schema)
        try:
            table = handle.read_row_groups(
                numbers, columns=None if columns is None else list(columns), use_threads=threads
            )
        except MemoryError:  # pyarrow's too, which says nothing of the file
            raise
        except (OSError, pa.ArrowException) as error:
            raise IndexSchemaError(f"{part.name}: row groups {numbers} cannot be read: {error}") from error
        return table.replace_schema_metadata(None) if columns is not None else conform(table)


def read_rows(store: ChipStore, columns: Sequence[str] | None = None) -> pa.Table:
    """Read all rows."""
    return store.read_groups(range(len(store.bounds.start) - 1), columns)


def take_rows(store: ChipStore, wanted: NDArray[np.int64], read_group: Callable[[int], pa.Table]) -> pa.Table:
    """Give rows in the order asked for; each row group is read once.

    Args:
        store: where the rows are.
        wanted: positions, none of them outside.
        read_group: reads a row group.
    """
    starts = store.bounds.start
    group = np.searchsorted(starts, wanted, side="right") - 1
    parts, order = [], []
    for number in np.unique(group).tolist():
        here = np.flatnonzero(group == number)
        parts.append(read_group(number).take(positions(wanted[here] - starts[number])))
        order.append(here)
    if not parts:
        return store.schema.empty_table()
    table = parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="permissive")
    places = np.concatenate(order)
    if bool((np.diff(places) == 1).all()):
        return table
    back = np.empty(len(places), np.int64)
    back[places] = np.arange(len(places))
    return table.unify_dictionaries().take(positions(back))
