"""Chip ids: readable paths, unique by construction, stable for ever.

``collection/item/grid/level/row/column/chain``, where *grid* names chip size,
stride, edge policy and anchor, and six hex digits over the assets and the
reference. Rows and columns have five digits at least, so ids of one grid sort
as their numbers do; a slash in a name is percent-encoded.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.errors import LimitError
from stacchip_osml.pixel import ChipGrid, GridSpec

__all__ = ["chip_ids", "grid_token"]


def grid_token(spec: GridSpec, *, assets: Sequence[str], reference: str) -> str:
    """Name a grid: ``256-drop-3fa2c1``, ``512x256s128-pad-crs-…``."""
    size = _side(spec.size)
    stride = "" if spec.stride == spec.size else f"s{_side(spec.stride)}"
    anchor = "" if spec.anchor == "image" else f"-{spec.anchor}"
    digest = hashlib.sha256("\0".join([reference, *assets]).encode()).hexdigest()[:6]
    return f"{size}{stride}-{spec.edges}{anchor}-{digest}"


def chip_ids(grid: ChipGrid, *, collection: str, item_id: str, token: str, chain: str) -> pa.Array:
    """Make the ids of a grid's chips, row by row, as an Arrow string array."""
    head = f"{_escape(collection)}/{_escape(item_id)}/{token}/{grid.level}/".encode()
    rows, cols = (np.array([b"%05d/" % i for i in axis.index.tolist()]) for axis in (grid.rows, grid.cols))
    tail = chain.encode()
    count = len(rows) * len(cols)
    longest = len(head) + rows.dtype.itemsize + cols.dtype.itemsize + len(tail)
    if count * longest >= 2**31:
        raise LimitError(f"ids of {count:,} chips, up to {longest} bytes each, are more than 2 GiB of text")
    if not _one_width(rows) or not _one_width(cols):
        return _ragged(head, rows, cols, tail)
    shape = (len(rows), len(cols))
    parts = [
        np.frombuffer(head, np.uint8),
        rows.view(np.uint8).reshape(shape[0], 1, -1),
        cols.view(np.uint8).reshape(1, shape[1], -1),
        np.frombuffer(tail, np.uint8),
    ]
    width = sum(part.shape[-1] for part in parts)
    text = np.empty((*shape, width), np.uint8)
    at = 0
    for part in parts:
        text[:, :, at : at + part.shape[-1]] = part
        at += part.shape[-1]
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _ragged(head: bytes, rows: NDArray[np.bytes_], cols: NDArray[np.bytes_], tail: bytes) -> pa.Array:
    """Join numbers of different widths (a grid that crosses zero, or beyond five digits)."""
    down = pa.array(np.repeat(rows, len(cols)).astype(str))
    across = pa.array(np.tile(cols, len(rows)).astype(str))
    return pc.binary_join_element_wise(pa.scalar(head.decode()), down, across, pa.scalar(tail.decode()), "")


def _one_width(words: NDArray[np.bytes_]) -> bool:
    return bool(len(words)) and bool((np.char.str_len(words) == words.dtype.itemsize).all())


def _escape(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def _side(size: tuple[int, int]) -> str:
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
