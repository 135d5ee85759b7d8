"""The order of rows: collection, place, level, row, column, time.

Rows of one place lie side by side whatever their date, so repeated footprints
compress and a box query reads few row groups. Ties are broken by the columns
that make up an id, so the order of a set of rows does not depend on how they
came together.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.index.arrays import column_of, numbers_of, positions, valid_of, words_of

__all__ = [
    "ORDER_COLUMNS",
    "ItemKey",
    "by_part",
    "codes",
    "integers",
    "item_keys",
    "pack_keys",
    "places_of",
    "row_order",
    "sort_rows",
]

ORDER_COLUMNS = (
    "collection", "item_id", "assets", "reference", "chain",
    "level", "grid_row", "grid_col", "datetime", "width", "height",
)  # fmt: skip
"""Columns that decide the order of rows."""
PART_ROWS = 64 * 32_768
"""Rows a file of a directory index, at most: its footer, which the first query of its rows parses, stays small."""

ItemKey = tuple[str, str]
"""(collection or empty, item id)."""
Ints = NDArray[np.int64]


def sort_rows(table: pa.Table, places: Mapping[ItemKey, int]) -> pa.Table:
    """Put rows in the index's order, and the words of dictionary columns in theirs.

    Two tables of the same rows are then equal, however they came together.
    """
    order = row_order(table, places)
    return _sorted_words(table if order is None else table.take(positions(order)))


def row_order(table: pa.Table, places: Mapping[ItemKey, int], *, one_place: bool = False) -> Ints | None:
    """Give the permutation that sorts the rows, None where they are in order.

    Args:
        table: at least ``ORDER_COLUMNS``.
        places: Hilbert index of each (collection, item id).
        one_place: all rows are of one collection and place, whatever ``places`` says.
    """
    if table.num_rows < 2 or _is_one_grid(table):
        return None
    keys = _keys(table, places)[2 if one_place else 0 :]
    packed = pack_keys(keys)
    if packed is not None:
        if bool((packed[1:] >= packed[:-1]).all()):
            return None
        return np.argsort(packed, kind="stable").astype(np.int64, copy=False)
    order = np.lexsort([key() for key in reversed(keys)])
    return None if bool((np.diff(order) == 1).all()) else order.astype(np.int64, copy=False)


def _keys(table: pa.Table, places: Mapping[ItemKey, int]) -> list[Callable[[], Ints]]:
    """Give what rows are ordered by, first things first; each is made when it is asked for."""

    def ranks(name: str) -> Ints:
        return codes(table.column(name))[0]

    def numbers(name: str) -> Ints:
        return integers(table.column(name))

    def place() -> Ints:
        return places_of(codes(table.column("collection")), codes(table.column("item_id")), places)

    def time() -> Ints:
        return integers(table.column("datetime"))

    return [
        partial(ranks, "collection"),
        place,
        *(partial(numbers, name) for name in ("level", "grid_row", "grid_col")),
        time,
        *(partial(ranks, name) for name in ("item_id", "assets", "reference", "chain")),
        *(partial(numbers, name) for name in ("width", "height")),
    ]


def _is_one_grid(table: pa.Table) -> bool:
    """Whether the rows are of one item and climb by level, row and column: in order, whatever the other keys say."""
    for name in ("collection", "item_id"):
        column = table.column(name)
        if column.num_chunks != 1 or not pa.types.is_dictionary(column.type):
            return False
        if column.null_count != len(column) and (column.null_count or len(column.chunk(0).dictionary) != 1):
            return False
    packed = pack_keys([partial(integers, table.column(name)) for name in ("level", "grid_row", "grid_col")])
    return packed is not None and bool((packed[1:] > packed[:-1]).all())


def codes(column: pa.ChunkedArray) -> tuple[Ints, list[str]]:
    """Give a string column as ranks of its sorted words; null is the empty word."""
    chunks = _encoded(column)
    words = [str(word) for word in chunks[0].dictionary.to_pylist()] if chunks else []
    order = sorted({"", *words})
    rank = {word: position for position, word in enumerate(order)}
    table = np.array([rank[word] for word in words] + [rank[""]], np.int64)
    parts = [table[_indices(chunk, null=len(words))] for chunk in chunks]
    return (parts[0] if len(parts) == 1 else np.concatenate([np.zeros(0, np.int64), *parts])), order


def _encoded(column: pa.ChunkedArray) -> list[pa.DictionaryArray]:
    """Give the chunks that hold rows, with one dictionary."""
    encoded = column.unify_dictionaries() if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return [chunk for chunk in encoded.chunks if len(chunk)]


def _indices(chunk: pa.DictionaryArray, *, null: int) -> NDArray[np.int32]:
    return numbers_of(chunk.indices, null=null)


def _sorted_words(table: pa.Table) -> pa.Table:
    for position, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and not _is_sorted(table.column(position)):
            table = table.set_column(position, field, _with_sorted_words(table.column(position)))
    return table


def _is_sorted(column: pa.ChunkedArray) -> bool:
    """Whether the words stand in order, and each is used."""
    chunks = _encoded(column)
    words = chunks[0].dictionary.to_pylist() if chunks else []
    if column.num_chunks > 1 or None in words or any(a >= b for a, b in itertools.pairwise(words)):
        return False
    if len(words) < 2:
        return not words or chunks[0].null_count < len(chunks[0])
    return len(np.unique(_indices(chunks[0], null=0))) == len(words) and not chunks[0].null_count


def _with_sorted_words(column: pa.ChunkedArray) -> pa.DictionaryArray:
    ranks, words = codes(column)
    null = np.concatenate([np.zeros(0, bool), *(~valid_of(chunk) for chunk in column.chunks)])
    used = np.zeros(len(words), bool)
    used[ranks[~null]] = True
    narrow = (np.cumsum(used) - 1)[ranks].astype(np.int32)
    kept = [word for word, keep in zip(words, used.tolist(), strict=True) if keep]
    return pa.DictionaryArray.from_arrays(column_of(pa.int32(), narrow, ~null if null.any() else None), words_of(kept))


def places_of(
    collections: tuple[Ints, list[str]], items: tuple[Ints, list[str]], places: Mapping[ItemKey, int]
) -> Ints:
    """Give the Hilbert index of each row; collection and item are ranks and words, as :func:`codes` gives them."""
    pair = collections[0] * len(items[1]) + items[0]
    found, where = np.unique(pair, return_inverse=True)
    known = [places.get((collections[1][key // len(items[1])], items[1][key % len(items[1])]), 0) for key in found]
    return np.array(known, np.int64)[where]


def item_keys(table: pa.Table) -> set[ItemKey]:
    """Name the items that rows are of."""
    (collection, collections), (item, items) = (codes(table.column(name)) for name in ("collection", "item_id"))
    pairs = pc.unique(column_of(pa.int64(), collection * len(items) + item)).to_pylist()
    return {(collections[pair // len(items)], items[pair % len(items)]) for pair in pairs}


def integers(column: pa.ChunkedArray) -> Ints:
    """Give a column of integers as numpy has it, nulls below all others."""
    wide = column if column.type.bit_width == 64 or not column.null_count else column.cast(pa.int64())
    return np.asarray(numbers_of(wide, null=-(2**62)), dtype=np.int64)


def pack_keys(keys: Sequence[Callable[[], Ints]]) -> Ints | None:
    """Combine keys into one integer in which they compare in order; None where 63 bits are too few."""
    total = 0
    packed: Ints | None = None
    for make in keys:
        key = make()
        low, high = int(key.min()), int(key.max())
        if high - low >= 2**40:
            # far-spread values (times): ranks compare alike
            _, key = np.unique(key, return_inverse=True)
            low, high = 0, int(key.max())
        bits = (high - low).bit_length()
        total += bits
        if total > 63:
            return None
        if packed is None:
            packed = np.zeros(len(key), np.int64)
        if bits:
            packed <<= bits
            packed |= key - low
    return packed


def by_part(chunks: Iterable[pa.Table]) -> Iterator[tuple[str | None, Iterable[pa.Table]]]:
    """Cut tables in index order into parts of one collection; each part must be used up before the next."""
    runs = _counted(run for chunk in chunks for run in _runs(chunk))
    for (value, _), group in itertools.groupby(runs, key=lambda run: run[:2]):
        yield value, (table for _, _, table in group)


def _counted(runs: Iterable[tuple[str | None, pa.Table]]) -> Iterator[tuple[str | None, int, pa.Table]]:
    """Number the parts of each collection, and cut tables where a part is full."""
    for value, group in itertools.groupby(runs, key=lambda run: run[0]):
        rows = 0
        for _, table in group:
            first = 0
            while first < len(table):
                number, held = divmod(rows, PART_ROWS)
                piece = table.slice(first, PART_ROWS - held)
                yield value, number, piece
                rows += len(piece)
                first += len(piece)


def _runs(table: pa.Table) -> Iterator[tuple[str | None, pa.Table]]:
    column = table.column("collection")
    values = pc.unique(column).cast(pa.string()).to_pylist()
    if len(values) == 1:
        yield values[0], table
        return
    for value in values:
        mask = column.is_null() if value is None else pc.equal(column.cast(pa.string()), value).fill_null(False)
        yield value, table.filter(mask)
