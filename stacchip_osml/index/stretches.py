"""Stretches and runs: how rows of several stores come into one order, mostly without looking at each.

The order starts with collection and place, and a store is in order itself. So
whole stretches of rows that share both are ordered; rows are compared one by
one only where several stretches share a place, or where one is not seen to
climb by level, row and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.index.order import ORDER_COLUMNS, codes, integers, pack_keys, places_of, row_order
from stacchip_osml.index.store import ChipStore
from stacchip_osml.index.tables import ItemKey

__all__ = ["Runs", "Stretches", "order_runs", "stretches_of"]

BATCH = 32
"""Row groups that are looked at together."""
_CLIMBING = ("level", "grid_row", "grid_col")
_LOOKED_AT = ("collection", "item_id", *_CLIMBING)

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stretches:
    """Rows of one store that lie side by side and share collection and place, one entry a stretch."""

    start: Ints
    """First row; one more entry than stretches, the last is the number of rows."""
    collection: Ints
    """Position in ``collections``."""
    place: Ints
    """Hilbert index."""
    in_order: NDArray[np.bool_]
    """Whether the rows are seen to be in order: of one item, and climbing."""
    collections: tuple[str, ...]
    """Empty for rows without one."""
    items: frozenset[str]
    """Item ids of all rows."""


@dataclass(frozen=True, slots=True)
class Runs:
    """Rows of several stores in one order, as runs of rows that follow each other in their store."""

    source: NDArray[np.int32]
    """Number of the store."""
    row: Ints
    """First row in the store."""
    start: Ints
    """First row in the order; one more entry than runs, the last is the number of rows."""

    def within(self, first: int, end: int) -> Runs:
        """Give the runs of the rows ``first`` to ``end``, cut at both; ``start`` counts from ``first``."""
        low, high = np.searchsorted(self.start, (first, end - 1), side="right") - [1, 0]
        start = np.clip(self.start[low : high + 1], first, end)
        row = self.row[low:high] + (start[:-1] - self.start[low:high])
        return Runs(self.source[low:high], row, start - first)

    @property
    def count(self) -> Ints:
        """Rows of each run."""
        return np.diff(self.start)


def stretches_of(store: ChipStore, places: Mapping[ItemKey, int]) -> Stretches:
    """Find a store's stretches.

    Args:
        store: its columns of names and of grid positions are read.
        places: Hilbert index of each (collection, item id).
    """
    starts: list[Ints] = []
    collections: list[Ints] = []
    found_places: list[Ints] = []
    broken: list[Ints] = []
    words: dict[str, int] = {}
    items: set[str] = set()
    for first, table in _batches(store):
        collection, item = codes(table.column("collection")), codes(table.column("item_id"))
        changed = (collection[0][1:] != collection[0][:-1]) | (item[0][1:] != item[0][:-1])
        heads = np.concatenate([[0], np.flatnonzero(changed) + 1])
        mine, theirs = collection[0][heads], item[0][heads]
        place = places_of((mine, collection[1]), (theirs, item[1]), places)
        items.update(item[1][code] for code in np.unique(theirs).tolist())
        new = np.ones(len(heads), bool)
        new[1:] = (mine[1:] != mine[:-1]) | (place[1:] != place[:-1])
        broken.append(first + heads[~new])
        broken.append(first + np.setdiff1d(_falls(table), heads[new], assume_unique=True))
        new[0] = not starts  # later batches start with the last row of the one before
        starts.append(first + heads[new])
        found_places.append(place[new])
        number = np.array([words.setdefault(word, len(words)) for word in collection[1]], np.int64)
        collections.append(number[mine[new]])
    start = np.concatenate([*starts, [store.num_rows]]).astype(np.int64)
    in_order = np.ones(len(start) - 1, bool)
    in_order[np.searchsorted(start, _joined(broken), side="right") - 1] = False
    return Stretches(start, _joined(collections), _joined(found_places), in_order, tuple(words), frozenset(items))


def order_runs(stores: Sequence[ChipStore], stretches: Sequence[Stretches], places: Mapping[ItemKey, int]) -> Runs:
    """Put the rows of all stores in the index's order.

    Args:
        stores: where the rows are.
        stretches: of each store.
        places: as for :func:`stretches_of`.
    """
    source = np.repeat(np.arange(len(stores), dtype=np.int32), [len(one.place) for one in stretches])
    row = _joined([one.start[:-1] for one in stretches])
    count = _joined([np.diff(one.start) for one in stretches])
    key = _keys(stretches)
    alone = np.concatenate([np.zeros(0, bool), *(one.in_order for one in stretches)])
    alone &= np.bincount(key, minlength=1)[key] == 1 if len(key) else True
    loose = _sorted_rows(stores, source[~alone], row[~alone], count[~alone], places)
    # each of these keys is of one stretch, or of loose rows that are in order already
    key_of_loose = np.sort(np.repeat(key[~alone], count[~alone]))
    order = np.argsort(np.concatenate([key[alone], key_of_loose]), kind="stable")
    ones = np.ones(len(key_of_loose), np.int64)
    return _long_runs(
        np.concatenate([source[alone], loose[0]])[order],
        np.concatenate([row[alone], loose[1]])[order],
        np.concatenate([count[alone], ones])[order],
    )


def _batches(store: ChipStore) -> Iterator[tuple[int, pa.Table]]:
    """Read what is looked at, and the number of the first row; a batch starts with the last row of the one before."""
    starts = store.bounds.start
    last: list[pa.Table] = []
    for group in range(0, len(starts) - 1, BATCH):
        end = min(group + BATCH, len(starts) - 1)
        table = store.read_groups(range(group, end), list(_LOOKED_AT))
        if not table.num_rows:
            continue
        joined = pa.concat_tables([*last, table]).unify_dictionaries()
        yield int(starts[group]) - len(last), joined
        last = [table.slice(table.num_rows - 1)]


def _falls(table: pa.Table) -> Ints:
    """Give the rows that do not lie above the row before by level, row and column."""
    packed = pack_keys([partial(integers, table.column(name)) for name in _CLIMBING])
    if packed is None:
        return np.arange(1, table.num_rows)
    return np.flatnonzero(packed[1:] <= packed[:-1]) + 1


def _keys(stretches: Sequence[Stretches]) -> Ints:
    """Number collection and place of every stretch, in order."""
    rank = {word: number for number, word in enumerate(sorted({name for one in stretches for name in one.collections}))}
    ranks = [np.array([rank[name] for name in one.collections], np.int64)[one.collection] for one in stretches]
    found, place = np.unique(_joined([one.place for one in stretches]), return_inverse=True)
    return np.asarray(np.unique(_joined(ranks) * len(found) + place, return_inverse=True)[1], np.int64)


def _sorted_rows(
    stores: Sequence[ChipStore],
    source: NDArray[np.int32],
    row: Ints,
    count: Ints,
    places: Mapping[ItemKey, int],
) -> tuple[NDArray[np.int32], Ints]:
    """Sort the rows of some runs one by one; give store and row of each."""
    rows_of, tables = [], []
    for number in np.unique(source).tolist():
        mine = source == number
        rows = np.repeat(row[mine] - (np.cumsum(count[mine]) - count[mine]), count[mine]) + np.arange(count[mine].sum())
        tables.append(_read_rows(stores[number], rows))
        rows_of.append((np.full(len(rows), number, np.int32), rows))
    if not tables:
        return np.zeros(0, np.int32), np.zeros(0, np.int64)
    sources, rows = (np.concatenate(parts) for parts in zip(*rows_of, strict=True))
    order = row_order(pa.concat_tables(tables).unify_dictionaries(), places)
    return (sources, rows) if order is None else (sources[order], rows[order])


def _read_rows(store: ChipStore, rows: Ints) -> pa.Table:
    """Read what decides the order of some rows, which are given in the store's order."""
    starts = store.bounds.start
    groups = np.unique(np.searchsorted(starts, rows, side="right") - 1)
    table = store.read_groups(groups.tolist(), list(ORDER_COLUMNS))
    if table.num_rows == len(rows):
        return table
    before = np.cumsum(np.diff(starts)[groups]) - np.diff(starts)[groups]
    at = np.searchsorted(starts[groups], rows, side="right") - 1
    return table.take(pa.array(rows - starts[groups][at] + before[at]))


def _long_runs(source: NDArray[np.int32], row: Ints, count: Ints) -> Runs:
    """Join runs that follow each other in their store."""
    new = np.ones(len(row), bool)
    new[1:] = (source[1:] != source[:-1]) | (row[1:] != row[:-1] + count[:-1])
    start = np.concatenate([[0], np.cumsum(count)])
    return Runs(source[new], row[new], np.append(start[:-1][new], start[-1]))


def _joined(parts: Sequence[NDArray[np.int64]]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *parts])
