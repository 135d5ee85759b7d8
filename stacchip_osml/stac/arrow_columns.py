"""Columns of a few documents, without pandas.

``pyarrow.array`` looks for pandas, and where it is installed imports it: half a second of a process that writes an
item or two. Few values are therefore laid out here; many are given to Arrow, which is faster at them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa

from stacchip_osml.stac.columns import Kind, has_column

__all__ = ["arrow_column", "arrow_kind"]

FEW = 512
"""Values up to which a column is laid out here."""
_KINDS = {
    "null": pa.null(),
    "bool": pa.bool_(),
    "int": pa.int64(),
    "float": pa.float64(),
    "str": pa.string(),
    "text": pa.string(),
}


def arrow_kind(kind: Kind) -> pa.DataType:
    """Give the Arrow type of a field whose values were made alike by :func:`.columns.shaper`."""
    if kind.name == "list":
        element = kind.element or Kind()
        return pa.list_(pa.string() if element.name == "dict" and not has_column(element) else arrow_kind(element))
    if kind.name == "dict":
        fields = [(name, part) for name, part in kind.fields.items() if has_column(part)]
        return pa.struct([(name, arrow_kind(part)) for name, part in fields])
    return _KINDS[kind.name]


def arrow_column(values: Sequence[Any], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """Give ``pyarrow.array(values, kind)``; microseconds are whole numbers where ``kind`` is a time."""
    return _column(values, kind) if len(values) <= FEW else pa.array(values, kind)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    count = len(values)
    there = [value is not None for value in values]
    bits = None if all(there) else pa.py_buffer(np.packbits(np.array(there, np.bool_), bitorder="little"))
    if pa.types.is_null(kind):
        return pa.nulls(count)
    if pa.types.is_struct(kind):
        parts = [_column([None if v is None else v.get(f.name) for v in values], f.type) for f in kind]
        return pa.Array.from_buffers(kind, count, [bits], children=parts)
    if pa.types.is_boolean(kind):
        flags = np.packbits(np.array([bool(value) for value in values], np.bool_), bitorder="little")
        return pa.Array.from_buffers(kind, count, [bits, pa.py_buffer(flags)])
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_timestamp(kind):
        numbers = np.array([0 if value is None else value for value in values], _dtype(kind))
        return pa.Array.from_buffers(kind, count, [bits, pa.py_buffer(numbers)])
    if pa.types.is_list(kind):
        lists = [value or () for value in values]
        inner = _column(list(chain.from_iterable(lists)), kind.value_type)
        return pa.Array.from_buffers(kind, count, [bits, _offsets(lists)], children=[inner])
    octets = [b"" if value is None else value.encode() if isinstance(value, str) else value for value in values]
    return pa.Array.from_buffers(kind, count, [bits, _offsets(octets), pa.py_buffer(b"".join(octets))])


def _dtype(kind: pa.DataType) -> np.dtype[Any]:
    letter = "f" if pa.types.is_floating(kind) else "u" if pa.types.is_unsigned_integer(kind) else "i"
    return np.dtype(f"{letter}{kind.bit_width // 8}")


def _offsets(parts: Sequence[Sequence[Any]]) -> pa.Buffer:
    return pa.py_buffer(np.array(list(accumulate(map(len, parts), initial=0)), np.int32))
