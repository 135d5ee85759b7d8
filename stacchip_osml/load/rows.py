"""What cutting needs of an index's rows, as arrays; the rest of a row is read only when it is looked at.

Rows are read a run at a time (a row group of the file), only the columns that
decide what is cut, and the runs used last are kept. So planning costs the same
in an index of a thousand rows and of a hundred million.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.forked import ForkLock
from stacchip_osml.imagery.machine import fitting
from stacchip_osml.index import ChipIndex
from stacchip_osml.index.arrays import numbers_of
from stacchip_osml.pixel.counts import chosen_rows

__all__ = ["IndexRow", "PlannedRows", "RowPlans", "RowReader", "SourceKey"]

KEPT_BYTES = fitting(256 << 20)
"""Planned runs that are kept: about ten million rows."""

STRETCH = 32
"""Rows that are read together when one of them is looked at: all of them take the time of four that are read alone."""
_WORDS = ("collection", "item_id", "reference", "assets", "chain")
MAX_LEVEL = 30
_UNKNOWN = (0, 0)
_NUMBERS = ("level", "col_off", "row_off", "width", "height")


class SourceKey(NamedTuple):
    """What rows that are cut alike have in common."""

    collection: str
    """Empty where the item has none."""
    item_id: str
    reference: str
    assets: str
    chain: str
    level: int


class PlannedRows(NamedTuple):
    """Rows in the order asked for."""

    positions: NDArray[np.int64]
    """``(N,)`` in the index, none negative."""
    sources: NDArray[np.int32]
    """``(N,)`` into ``RowPlans.keys``."""
    windows: NDArray[np.int32]
    """``(N, 4)`` col_off, row_off, width, height: R0 pixels of the reference asset."""

    def some(self, places: slice | Sequence[int] | NDArray[np.integer]) -> PlannedRows:
        """Give those at some places."""
        return PlannedRows(self.positions[places], self.sources[places], self.windows[places])


class RowPlans:
    """The deciding columns of an index; safe for threads."""

    def __init__(self, index: ChipIndex) -> None:
        self.index = index
        self.keys: list[SourceKey] = []
        """Every source met so far; grows only."""
        self._numbers: dict[SourceKey, int] = {}
        self._runs: OrderedDict[int, tuple[NDArray[np.int32], NDArray[np.int32]]] = OrderedDict()
        self._bytes = 0
        self._lock = ForkLock()

    def rows(self, positions: Sequence[int] | NDArray[np.integer]) -> PlannedRows:
        """Give the rows asked for: see :func:`chosen_rows`.

        Raises:
            IndexError: no such row.
            IndexSchemaError: rows that no index has: nulls, no pixels, windows outside of the image.
        """
        count = len(self.index)
        wanted = chosen_rows(positions, count, whole=f"an index of {count} chips")
        starts = self.index.run_starts
        run = np.searchsorted(starts, wanted, side="right") - 1
        sources = np.empty(len(wanted), np.int32)
        windows = np.empty((len(wanted), 4), np.int32)
        for number in np.flatnonzero(np.bincount(run)).tolist():
            here = run == number
            which, where = self._run(number)
            at = wanted[here] - starts[number]
            sources[here], windows[here] = which[at], where[at]
        return PlannedRows(wanted, sources, windows)

    def _run(self, number: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        with self._lock:
            held = self._runs.get(number)
            if held is not None:
                self._runs.move_to_end(number)
                return held
        table = self.index.read_run(number, [*_WORDS, *_NUMBERS])
        made = self._planned(table, int(self.index.run_starts[number]))
        with self._lock:
            if number not in self._runs:
                self._runs[number] = made
                self._bytes += sum(part.nbytes for part in made)
            while self._bytes > KEPT_BYTES and len(self._runs) > 1:
                _, old = self._runs.popitem(last=False)
                self._bytes -= sum(part.nbytes for part in old)
        return made

    def _planned(self, table: pa.Table, start: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        _require_values(table, start)
        level = numbers_of(table["level"])
        code = level.astype(np.int64)
        radix = 256
        words = []
        for name in _WORDS:
            column = table[name].combine_chunks()
            if not pa.types.is_dictionary(column.type):
                column = column.dictionary_encode()
            spelled = [word or "" for word in column.dictionary.to_pylist()] + [""]
            index = numbers_of(column.indices, null=len(spelled) - 1)
            code += index.astype(np.int64) * radix
            radix *= len(spelled)
            words.append((spelled, index))
        first, inverse = _distinct(code)
        spellings = [[spelled[index[at]] for spelled, index in words] for at in first]
        keys = [SourceKey._make([*spelled, int(level[at])]) for spelled, at in zip(spellings, first, strict=True)]
        with self._lock:
            numbers = np.array([self._number(key) for key in keys], np.int32)
        window = np.stack([numbers_of(table[name]) for name in _NUMBERS[1:]], axis=1).astype(np.int32, copy=False)
        headers = [self.index.tables.headers.get((key.collection, key.item_id, key.reference)) for key in keys]
        sizes = np.array([_UNKNOWN if header is None else header.image.size for header in headers], np.int64)
        _require_windows(window, sizes[inverse], start)
        return numbers[inverse].astype(np.int32, copy=False), window

    def _number(self, key: SourceKey) -> int:
        number = self._numbers.setdefault(key, len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
        return number

    def __reduce__(self) -> tuple[object, ...]:
        return (RowPlans, (self.index,))


def _require_values(table: pa.Table, start: int) -> None:
    """Refuse rows that lack what decides how they are cut, or whose level no image has."""
    for name in (*_WORDS[1:], *_NUMBERS):
        if table[name].null_count:
            raise IndexSchemaError(f"column {name!r} must not be null, in one of the rows from {start} on")
    _require("level", numbers_of(table["level"]), numbers_of(table["level"]) > MAX_LEVEL, start, "no level of an image")


def _require_windows(window: NDArray[np.int32], sizes: NDArray[np.int64], start: int) -> None:
    """Refuse windows without pixels, and those that lie outside of their image."""
    for axis, (offset, extent) in enumerate((("col_off", "width"), ("row_off", "height"))):
        first, length = window[:, axis].astype(np.int64), window[:, axis + 2]
        _require(extent, length, length <= 0, start, "not positive")
        outside = (first >= sizes[:, axis]) | (first + length <= 0)
        _require(offset, first, outside & (sizes[:, axis] > 0), start, "outside of the image")


def _require(name: str, values: NDArray[Any], wrong: NDArray[np.bool_], start: int, what: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise IndexSchemaError(f"column {name!r}: row {start + row} is {values[row]}, {what}")


def _distinct(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give where each distinct value stands first, and which of them each value is; ``unique`` imports ``numpy.ma``."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.ones(len(values), bool)
    np.not_equal(ordered[1:], ordered[:-1], out=begins[1:])
    inverse = np.empty(len(values), np.int64)
    inverse[order] = np.cumsum(begins) - 1
    return order[begins], inverse


class RowReader:
    """Rows of an index at some positions, read a stretch at a time when one of it is first looked at."""

    def __init__(self, index: ChipIndex, positions: NDArray[np.int64]) -> None:
        self._index, self._positions = index, positions
        self._stretches: dict[int, list[dict[str, Any]]] = {}

    def row(self, place: int) -> dict[str, Any]:
        """Give the row of a place among the positions."""
        stretch, within = divmod(place, STRETCH)
        rows = self._stretches.get(stretch)
        if rows is None:  # threads may read one twice
            first = stretch * STRETCH
            rows = self._stretches[stretch] = self._index.rows(self._positions[first : first + STRETCH])
        return rows[within]


class IndexRow(Mapping[str, Any]):
    """One row of an index, read when it is first looked at."""

    __slots__ = ("_place", "_reader", "_values")

    def __init__(self, reader: RowReader, place: int) -> None:
        self._reader: RowReader | None = reader
        self._place = place
        self._values: dict[str, Any] = {}

    def _read(self) -> dict[str, Any]:
        reader = self._reader
        if reader is not None:
            self._values = reader.row(self._place)
            self._reader = None
        return self._values

    def __getitem__(self, name: str) -> Any:
        return self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read())

    def __len__(self) -> int:
        return len(self._read())

    def __repr__(self) -> str:
        return repr(self._read())

    def __reduce__(self) -> tuple[object, ...]:
        return (dict, (self._read(),))
