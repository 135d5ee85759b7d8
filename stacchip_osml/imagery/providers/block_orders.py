"""Orders in which the blocks of a grid can be visited.

- ``raster``: row by row, as most files store them: the order for one pass;
- ``column``: column by column;
- ``snake``: row by row, every second row backwards: each block touches the one before;
- ``hilbert``: along a Hilbert curve, so that blocks near each other in the image are near each other in the order: the
  order for work on neighbourhoods with a small cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from stacchip_osml.errors import LimitError

__all__ = ["ORDERS", "block_order"]

LARGEST_CURVE = 1 << 24
"""Blocks that are sorted in memory."""


def _raster(rows: int, cols: int) -> Iterator[tuple[int, int]]:
    return ((row, col) for row in range(rows) for col in range(cols))


def _column(rows: int, cols: int) -> Iterator[tuple[int, int]]:
    return ((row, col) for col in range(cols) for row in range(rows))


def _snake(rows: int, cols: int) -> Iterator[tuple[int, int]]:
    return ((row, cols - 1 - col if row % 2 else col) for row in range(rows) for col in range(cols))


def _hilbert(rows: int, cols: int) -> Iterator[tuple[int, int]]:
    if rows * cols > LARGEST_CURVE:
        raise LimitError(f"a grid of {rows} x {cols} blocks, more than {LARGEST_CURVE} to sort along a Hilbert curve")
    y, x = (axis.ravel().astype(np.int64) for axis in np.indices((rows, cols)))
    distance = np.zeros(rows * cols, np.int64)
    side = 1 << (max(rows, cols) - 1).bit_length()
    down, across = y, x
    step = side >> 1
    while step:
        right, below = (across & step) > 0, (down & step) > 0
        distance += step * step * ((3 * right) ^ below)
        # Each quadrant has the same curve, turned: the upper two transposed, the right one of them mirrored first.
        mirrored = right & ~below
        across, down = np.where(mirrored, side - 1 - across, across), np.where(mirrored, side - 1 - down, down)
        across, down = np.where(below, across, down), np.where(below, down, across)
        step >>= 1
    order = np.argsort(distance, kind="stable")
    return zip(y[order].tolist(), x[order].tolist(), strict=True)


ORDERS: dict[str, Callable[[int, int], Iterator[tuple[int, int]]]] = {
    "raster": _raster,
    "column": _column,
    "snake": _snake,
    "hilbert": _hilbert,
}
"""Name → the (row, col) of every block of a grid of (rows, cols), once each."""


def block_order(rows: int, cols: int, *, order: str = "raster") -> Iterator[tuple[int, int]]:
    """Visit the blocks of a grid.

    Args:
        rows: of the grid.
        cols: of the grid.
        order: one of ``ORDERS``.

    Raises:
        ValueError: an unknown order.
        LimitError: a grid too large for that order.
    """
    if not isinstance(order, str) or order not in ORDERS:
        raise ValueError(f"no order {order!r}; there are {', '.join(ORDERS)}")
    return ORDERS[order](rows, cols)
