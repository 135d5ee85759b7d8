"""Properties of items as columns of their chips, for as long as a question takes.

A question may name what the items say of themselves (``platform``,
``view:off_nadir``): such a name, where no column has it, becomes a column that
is looked up by each row's item. Nothing of it is stored: properties stand once
an item, among the items.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.arrays import column_of, positions, words_of
from stacchip_osml.index.order import codes
from stacchip_osml.index.parts import GroupBounds
from stacchip_osml.index.store import ChipStore
from stacchip_osml.index.tables import ItemKey
from stacchip_osml.index.where import no_such_name, parse_where
from stacchip_osml.pixel.arguments import words

__all__ = ["property_names", "with_properties"]

Items = Mapping[ItemKey, Mapping[str, Any]]
_INT64 = range(-(2**63), 2**63)
_KEY = ("collection", "item_id")


def property_names(items: Items) -> set[str]:
    """Name what the items say of themselves: a question may name it where no column has the name."""
    return set[str]().union(*(_properties(document) for document in items.values()))


def with_properties(
    store: ChipStore,
    items: Callable[[], Items],
    *,
    where: str | pc.Expression | None,
    columns: Sequence[str] | None,
) -> ChipStore:
    """Give a store that also has the properties of items that a question names.

    Args:
        store: the rows.
        items: gives the items; asked only where a name is no column's.
        where: a condition.
        columns: columns that are asked for.

    Raises:
        IndexSchemaError: a name that neither a column nor an item has.
    """
    own = store.schema.names
    lacking = [name for name in words("columns", () if columns is None else columns) if name not in own]
    if not lacking and (where is None or _is_about(where, store.schema)):
        return store
    text = "" if where is None else str(where)
    documents = items()
    said = property_names(documents).difference(own)
    for name in lacking:
        if name not in said:
            raise IndexSchemaError(no_such_name(name, own, said))
    # a name that only happens to stand in the text costs time, not correctness
    named = sorted(name for name in said if name in lacking or name in text)
    found: ChipStore = _Beside(store, documents, named) if named else store
    if isinstance(where, str):  # here it is known what else could have been meant
        parse_where(where, found.schema, said.difference(named))
    return found


def _is_about(where: str | pc.Expression, schema: pa.Schema) -> bool:
    """Tell whether a condition is one on these columns."""
    try:
        if isinstance(where, str):
            parse_where(where, schema)
        else:
            schema.empty_table().filter(where)
    except (IndexSchemaError, pa.ArrowException, ValueError, TypeError):
        return False
    return True


class _Beside:
    """Rows of a store, with columns of items beside them where those are asked for by name."""

    def __init__(self, store: ChipStore, items: Items, names: Sequence[str]) -> None:
        self._store = store
        self._numbers = {key: number for number, key in enumerate(items)}
        self._values = {
            name: _column([_properties(document).get(name) for document in items.values()]) for name in names
        }
        fields = [pa.field(name, column.type) for name, column in self._values.items()]
        self.schema = pa.schema([*store.schema, *fields])
        self.num_rows = store.num_rows

    @property
    def bounds(self) -> GroupBounds:
        return self._store.bounds

    def read_groups(self, groups: Sequence[int], columns: Sequence[str] | None = None) -> pa.Table:
        beside = [name for name in columns or () if name in self._values]
        if columns is None or not beside:
            return self._store.read_groups(groups, columns)
        stored = dict.fromkeys([*(name for name in columns if name not in self._values), *_KEY])
        table = self._store.read_groups(groups, list(stored))
        number = positions(self._items_of(table))
        for name in dict.fromkeys(beside):
            table = table.append_column(name, self._values[name].take(number))
        return table.select(list(columns))

    def _items_of(self, table: pa.Table) -> NDArray[np.int64]:
        """Give the number of each row's item; those of none have the last, whose values are null."""
        (collection, collections), (item, names) = (codes(table.column(name)) for name in _KEY)
        pairs = column_of(pa.int64(), collection * len(names) + item).dictionary_encode()
        found = [
            self._numbers.get((collections[pair // len(names)], names[pair % len(names)]), len(self._numbers))
            for pair in pairs.dictionary.to_pylist()
        ]
        return np.asarray(np.array(found, np.int64)[np.from_dlpack(pairs.indices)])


def _properties(document: Mapping[str, Any]) -> Mapping[str, Any]:
    found = document.get("properties")
    return found if isinstance(found, Mapping) else {}


def _column(values: Sequence[Any]) -> pa.Array:
    """Give the values of all items, and one null: truth values, numbers, or words where they are neither."""
    values = [*values, None]
    present = np.array([value is not None for value in values])
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {bool}:
        bits = np.packbits([value is True for value in values], bitorder="little")
        there = np.packbits(present, bitorder="little")
        return pa.Array.from_buffers(pa.bool_(), len(values), [pa.py_buffer(there), pa.py_buffer(bits)])
    if kinds and kinds <= {int, float}:
        numbers = [0 if value is None else value for value in values]
        if kinds == {int} and all(value in _INT64 for value in numbers):
            return column_of(pa.int64(), np.array(numbers, np.int64), present)
        return column_of(pa.float64(), np.array(numbers, np.float64), present)
    texts = [None if value is None else _text(value) for value in values]
    distinct = sorted({text for text in texts if text is not None})
    rank = {word: number for number, word in enumerate(distinct)}
    indices = np.array([0 if text is None else rank[text] for text in texts], np.int32)
    return pa.DictionaryArray.from_arrays(column_of(pa.int32(), indices, present), words_of(distinct))


def _text(value: Any) -> str:
    """Write a value as a word: text as it is, a list of words as ``assets`` has them, anything else as JSON."""
    if isinstance(value, list) and not any(isinstance(part, list | dict) for part in value):
        return ",".join(map(_text, value))
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
