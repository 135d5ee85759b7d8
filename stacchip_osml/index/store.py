"""Where chip rows lie: in memory, or in Parquet files of which only footers are read.

Both stores answer the same three questions: how many rows, which row groups
could match a box, and the rows themselves. Row-group bounds are kept as
arrays, so that pruning a hundred million rows is one comparison.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.schema import conform

__all__ = ["ChipStore", "GroupBounds", "MemoryStore", "ParquetStore", "take_rows"]

FEW = 4
"""Columns of a row group, up to which one thread reads them."""
_SIDES = ("xmin", "ymin", "xmax", "ymax")


@dataclass(frozen=True, slots=True)
class GroupBounds:
    """What row groups hold, one entry a group."""

    start: NDArray[np.int64]
    """First row; one more entry than groups, the last is the number of rows."""
    bbox: NDArray[np.float32]
    """``(groups, 4)`` xmin ymin xmax ymax; infinite where the footer does not say."""
    times: NDArray[np.int64]
    """``(groups, 2)`` first and last time, µs since the epoch."""


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
        return GroupBounds(
            np.array([0, self.num_rows], np.int64),
            np.array([[-np.inf, -np.inf, np.inf, np.inf]], np.float32),
            np.array([[np.iinfo(np.int64).min, np.iinfo(np.int64).max]], np.int64),
        )

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Give the table, or an empty one where no group is asked for."""
        table = self.table if columns is None else self.table.select(list(columns))
        return table if len(groups) else table.slice(0, 0)


@dataclass(slots=True)
class _Part:
    """One Parquet file, held open: a file that is replaced or removed meanwhile stays readable."""

    name: str
    source: pa.NativeFile
    """Read at positions only, so threads can share it."""
    metadata: pq.FileMetaData
    first_group: int = 0
    handles: threading.local = field(default_factory=threading.local)

    def open(self) -> pq.ParquetFile:
        """Give this thread's own handle; the footer is not read again."""
        handle: pq.ParquetFile | None = getattr(self.handles, "handle", None)
        if handle is None:
            handle = pq.ParquetFile(self.source, metadata=self.metadata, page_checksum_verification=True)
            self.handles.handle = handle
        return handle


@dataclass
class ParquetStore:
    """Rows in one or more Parquet files."""

    parts: list[_Part] = field(default_factory=list)
    schema: pa.Schema = field(default_factory=lambda: pa.schema([]))

    @classmethod
    def from_files(cls, files: Sequence[tuple[str, pa.NativeFile, pq.ParquetFile]]) -> ParquetStore:
        """Hold files of one schema: name, open file, and the Parquet handle that read its footer."""
        store = cls()
        group = 0
        for name, source, handle in files:
            metadata, schema = handle.metadata, handle.schema_arrow
            if not store.parts:
                store.schema = schema
            elif set(schema.names) != set(store.schema.names):
                extra = sorted(set(schema.names) ^ set(store.schema.names))
                raise IndexSchemaError(f"{name}: its columns differ from the first part's in {', '.join(extra)}")
            store.parts.append(_Part(name, source, metadata, group))
            group += metadata.num_row_groups
        return store

    @property
    def num_rows(self) -> int:
        """Number of rows, from the footers."""
        return sum(part.metadata.num_rows for part in self.parts)

    @cached_property
    def bounds(self) -> GroupBounds:
        """Bounds of all row groups, from the footers' statistics."""
        counts: list[int] = []
        boxes: list[list[float]] = []
        times: list[list[int]] = []
        for part in self.parts:
            where = {part.metadata.schema.column(i).path: i for i in range(part.metadata.num_columns)}
            for number in range(part.metadata.num_row_groups):
                group = part.metadata.row_group(number)
                counts.append(group.num_rows)
                boxes.append(_box(group, where))
                times.append(_times(group, where))
        return GroupBounds(
            np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64),
            np.array(boxes, np.float32).reshape(-1, 4),
            np.array(times, np.int64).reshape(-1, 2),
        )

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        """Read whole row groups, in the order given.

        Raises:
            IndexSchemaError: a page fails its checksum, or the file ends early.
        """
        tables = [self._read(part, numbers, columns) for part, numbers in self._by_part(groups)]
        if not tables:
            schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
            return schema.empty_table()
        return pa.concat_tables(tables, promote_options="permissive").unify_dictionaries()

    def _by_part(self, groups: Sequence[int]) -> Iterator[tuple[_Part, list[int]]]:
        firsts = np.array([part.first_group for part in self.parts])
        current, numbers = -1, list[int]()
        for group in groups:
            position = int(np.searchsorted(firsts, group, side="right")) - 1
            if position != current and numbers:
                yield self.parts[current], numbers
                numbers = []
            current = position
            numbers.append(int(group) - self.parts[position].first_group)
        if numbers:
            yield self.parts[current], numbers

    @staticmethod
    def _read(part: _Part, numbers: list[int], columns: Sequence[str] | None) -> pa.Table:
        # handing a few columns of one group to other threads takes longer than to read them
        threads = columns is None or len(columns) * len(numbers) > FEW
        try:
            table = part.open().read_row_groups(
                numbers, columns=None if columns is None else list(columns), use_threads=threads
            )
        except (OSError, pa.ArrowException) as error:
            raise IndexSchemaError(f"{part.name}: row groups {numbers} cannot be read: {error}") from error
        return table.replace_schema_metadata(None) if columns is not None else conform(table)


def _box(group: pq.RowGroupMetaData, where: dict[str, int]) -> list[float]:
    sides = []
    for side, unknown in zip(_SIDES, (-np.inf, -np.inf, np.inf, np.inf), strict=True):
        found = _statistics(group, where, f"bbox.{side}")
        low = side.endswith("min")
        sides.append(unknown if found is None else float(found.min if low else found.max))
    return sides


def _times(group: pq.RowGroupMetaData, where: dict[str, int]) -> list[int]:
    found = _statistics(group, where, "datetime")
    if found is None:
        return [int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max)]
    return [found.min_raw, found.max_raw]


def _statistics(group: pq.RowGroupMetaData, where: dict[str, int], path: str) -> Any:
    position = where.get(path)
    if position is None:
        return None
    found = group.column(position).statistics
    return found if found is not None and found.has_min_max else None


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
        parts.append(read_group(number).take(pa.array(wanted[here] - starts[number])))
        order.append(here)
    if not parts:
        return store.schema.empty_table()
    table = parts[0] if len(parts) == 1 else pa.concat_tables(parts, promote_options="permissive")
    places = np.concatenate(order)
    if bool((np.diff(places) == 1).all()):
        return table
    back = np.empty(len(places), np.int64)
    back[places] = np.arange(len(places))
    return table.unify_dictionaries().take(pa.array(back))
