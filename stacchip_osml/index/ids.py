"""Chip ids: readable paths, unique by construction, stable for ever.

``collection/item/grid/level/row/column/chain``, where *grid* names chip size,
stride, edge policy and anchor, and six hex digits over the assets and the
reference. Rows and columns have five digits at least, so ids of one grid sort
as their numbers do; a slash in a name is percent-encoded.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import LimitError
from stacchip_osml.index.arrays import words_of
from stacchip_osml.pixel import ChipGrid, GridSpec

__all__ = ["chip_ids", "grid_token"]

_TEXT = pa.string()


@lru_cache(maxsize=64)
def grid_token(spec: GridSpec, *, assets: tuple[str, ...], reference: str) -> str:
    """Name a grid: ``256-drop-3fa2c1``, ``512x256s128-pad-crs-…``."""
    size = _side(spec.size)
    stride = "" if spec.stride == spec.size else f"s{_side(spec.stride)}"
    anchor = "" if spec.anchor == "image" else f"-{spec.anchor}"
    digest = hashlib.sha256("\0".join([reference, *assets]).encode()).hexdigest()[:6]
    return f"{size}{stride}-{spec.edges}{anchor}-{digest}"


def chip_ids(grid: ChipGrid, *, collection: str, item_id: str, token: str, chain: str) -> pa.Array:
    """Make the ids of a grid's chips, row by row, as an Arrow string array.

    Raises:
        LimitError: the ids are more text than an Arrow array holds.
    """
    head = f"{_escape(collection)}/{_escape(item_id)}/{token}/{grid.level}/".encode()
    down = [b"%b%05d/" % (head, index) for index in grid.rows.index.tolist()]
    across = [b"%05d/%b" % (index, chain.encode()) for index in grid.cols.index.tolist()]
    count = len(down) * len(across)
    width = max(map(len, down), default=0) + max(map(len, across), default=0)
    if count * width >= 2**31:
        raise LimitError(f"ids of {count:,} chips, up to {width} bytes each, are more than 2 GiB of text")
    if not (_one_width(down) and _one_width(across)):
        # a grid that crosses zero, or beyond five digits
        return words_of([(first + last).decode() for first in down for last in across])
    text = down[0] + across[0] if count == 1 else _products(down, across)
    offsets = np.arange(0, (count + 1) * width, width, dtype=np.int32)
    return pa.Array.from_buffers(_TEXT, count, [None, pa.py_buffer(offsets), pa.py_buffer(text)])


def _products(down: list[bytes], across: list[bytes]) -> NDArray[np.void]:
    """Join each first half, all of one width, to each second."""
    halves = np.dtype([("down", f"V{len(down[0])}"), ("across", f"V{len(across[0])}")])
    text = np.empty((len(down), len(across)), halves)
    text["down"] = np.frombuffer(b"".join(down), halves["down"])[:, None]
    text["across"] = np.frombuffer(b"".join(across), halves["across"])
    return text


def _one_width(words: list[bytes]) -> bool:
    return len(set(map(len, words))) == 1


def _escape(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2F")


def _side(size: tuple[int, int]) -> str:
    return str(size[0]) if size[0] == size[1] else f"{size[0]}x{size[1]}"
