"""Arrow arrays out of numpy's and the other way, without pandas.

``pyarrow.array``, ``pyarrow.scalar``, ``fill_null`` and ``to_numpy`` look for pandas, and where it is installed they
import it: half a second of a process that has no other use for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError

__all__ = ["column_of", "is_text", "numbers_of", "positions", "shapes_of", "valid_of", "words_of"]

Bools = NDArray[np.bool_]


def column_of(kind: pa.DataType, values: NDArray[Any], present: Bools | None = None) -> pa.Array:
    """Take numbers as a column.

    Args:
        kind: Arrow type of the values' width.
        values: contiguous, one a row.
        present: False where a row is null; None: none is.
    """
    return pa.Array.from_buffers(kind, len(values), [_bits(present), pa.py_buffer(values)])


def positions(rows: NDArray[np.integer]) -> pa.Array:
    """Take row numbers as Arrow's ``take`` wants them."""
    return column_of(pa.int64(), np.ascontiguousarray(rows, np.int64))


def words_of(words: Sequence[str]) -> pa.Array:
    """Take words as a column."""
    text = [word.encode() for word in words]
    offsets = np.array(list(accumulate(map(len, text), initial=0)), np.int32)
    return pa.Array.from_buffers(pa.string(), len(text), [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(text))])


def is_text(kind: pa.DataType) -> bool:
    """Tell whether a column holds words, in any of the ways that Arrow has for them."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def numbers_of(column: pa.Array | pa.ChunkedArray, *, null: float = 0) -> NDArray[Any]:
    """Give a column of integers, floats or times as numpy has it: times as int64 in their unit.

    Args:
        column: the values.
        null: what stands where there is none.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    kind = pa.int64() if pa.types.is_timestamp(column.type) else column.type
    parts = [_numbers(chunk, kind, null) for chunk in chunks if len(chunk)]
    if not parts:
        return np.zeros(0, np.float64 if pa.types.is_floating(kind) else np.int64)
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _numbers(array: pa.Array, kind: pa.DataType, null: float) -> NDArray[Any]:
    bare = pa.Array.from_buffers(kind, len(array), [None, array.buffers()[1]], offset=array.offset)
    numbers: NDArray[Any] = np.from_dlpack(bare)
    return np.where(valid_of(array), numbers, numbers.dtype.type(null)) if array.null_count else numbers


def valid_of(array: pa.Array) -> Bools:
    """Tell which rows are not null."""
    bits = array.buffers()[0]
    if bits is None:
        return np.ones(len(array), np.bool_)
    flags = np.unpackbits(np.frombuffer(bits, np.uint8), bitorder="little", count=array.offset + len(array))
    return flags[array.offset :].astype(np.bool_)


def _bits(present: Bools | None) -> pa.Buffer | None:
    return None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))


def shapes_of(column: pa.ChunkedArray, first: int | None = None) -> NDArray[Any]:
    """Give the geometries of rows, ``(rows,)`` of shapely's, None where there is none.

    Args:
        column: WKB.
        first: number of its first row, for the message; None: not known.

    Raises:
        IndexSchemaError: a value is no WKB.
    """
    import shapely

    stored = column.to_numpy(zero_copy_only=False)
    try:
        return np.asarray(shapely.from_wkb(stored))
    except shapely.errors.ShapelyError as error:
        lost = np.flatnonzero(shapely.is_missing(shapely.from_wkb(stored, on_invalid="ignore"))).tolist()
        row = "a row" if first is None else f"row {first + next(row for row in lost if stored[row] is not None)}"
        raise IndexSchemaError(f"column 'geometry': {row} is no WKB: {error}") from error
