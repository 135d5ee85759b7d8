"""Rows into training, validation and test by their place, so that no ground is in two of them.

Rules: the Earth is cut into cells, and a cell belongs to one part by its place
and the seed alone, not by what else is in the index. So all dates, sensors and
CRSs of a place, and rows that are added later, fall to the same part. A chip
that meets cells of two parts is in none.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.errors import WindowError
from stacchip_osml.index.chip_index import ChipIndex
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import number_within, whole_number

__all__ = ["split_by_place"]

SMALLEST, LARGEST = 1e-3, 1e9
"""Metres of a cell; the larger one bounds shares, too."""
SEEDS = 2**127
"""Seeds lie above its negative."""
_DEGREE_M = 110_574.0
"""The shortest degree of latitude, metres: cells and gaps are never smaller than asked for."""


def split_by_place(
    index: ChipIndex,
    shares: Mapping[str, float],
    *,
    cell_m: float,
    gap_m: float = 0.0,
    seed: int = 0,
    column: str = "split",
) -> ChipIndex:
    """Name the part that each row falls to: cells of the ground are drawn, not chips.

    Args:
        index: rows.
        shares: part → share of the cells; ``{"train": 8, "val": 1, "test": 1}`` is eight to one to one. The fewer cells
            there are, the further from it.
        cell_m: side of a cell, metres. Make it many times a chip's: chips at the borders between parts are lost, and
            small parts have more of them.
        gap_m: least distance of two chips of different parts, metres.
        seed: which of all draws.
        column: that holds the names.

    Returns:
        The index with that column: null where a chip meets two parts, or has no place. Where that is more than half of
        the chips that have one, a warning says so.

    Raises:
        WindowError: there are no shares, one is 0, or ``cell_m`` is smaller than the chips and the gap.
        SettingError: (a ValueError) a share, length or seed that is none.
        IndexSchemaError: ``column`` is one of the schema.
    """
    of_kind("shares", shares, Mapping, "a mapping of parts to their shares")
    each = [number_within("shares", share, least=0, most=LARGEST) for share in shares.values()]
    if not each or not min(each) or not all(isinstance(part, str) for part in shares):
        raise WindowError(f"shares must be one part or more by name, with positive numbers, got {dict(shares)}")
    cell_m = number_within("cell_m", cell_m, least=SMALLEST, most=LARGEST)
    gap_m = number_within("gap_m", gap_m, least=0, most=LARGEST)
    seed = whole_number("seed", seed, least=-SEEDS)
    boxes = _boxes(index)
    step, gap = cell_m / _DEGREE_M, gap_m / _DEGREE_M
    boxes[:, [1, 3]] += np.array([-0.5, 0.5]) * gap
    tallest = float(np.nanmax(boxes[:, 3] - boxes[:, 1], initial=0.0))
    if tallest > step:
        raise WindowError(f"cell_m must be as large as chips and gap, {tallest * _DEGREE_M:.0f} m; got {cell_m:g}")
    limits = np.cumsum(each)
    parts = np.stack([_parts(boxes, side, step, gap, limits=limits / limits[-1], seed=seed) for side in (1, 3)], axis=1)
    parts = parts.reshape(len(boxes), 4)
    one = (parts >= 0).all(axis=1) & (parts == parts[:, :1]).all(axis=1)
    placed = ~np.isnan(boxes[:, 0])
    lost = int((placed & ~one).sum())
    if 2 * lost > placed.sum():
        warnings.warn(
            f"{lost:,} of {placed.sum():,} chips with a place are in no part: cells of {cell_m:g} m are small for "
            f"chips of {tallest * _DEGREE_M:.0f} m, gap included; make cell_m many times that",
            stacklevel=2,
        )
    names = pa.array(list(shares)).take(pa.array(parts[:, 0], mask=~one))
    return index.with_column(column, names)


def _boxes(index: ChipIndex) -> NDArray[np.float64]:
    """Give ``(N, 4)``: xmin, ymin, xmax, ymax in degrees; NaN where a row has no place."""
    column = index.query(columns=["bbox"])["bbox"].combine_chunks()
    sides = [pc.struct_field(column, name).cast(pa.float64()) for name in ("xmin", "ymin", "xmax", "ymax")]
    return np.stack([pc.fill_null(side, np.nan).to_numpy(zero_copy_only=False) for side in sides], axis=1)


def _parts(
    boxes: NDArray[np.float64], side: int, step: float, gap: float, *, limits: NDArray[np.float64], seed: int
) -> NDArray[np.int64]:
    """Give ``(N, 2)``: the parts at both ends of a horizontal side; -1 where it exceeds a cell or leaves the map."""
    row = np.floor(np.nan_to_num(boxes[:, side]) / step)
    shrink = np.maximum(np.cos(np.radians((row + 0.5) * step)), 0.01)
    ends = boxes[:, [0, 2]] + np.array([-0.5, 0.5]) * (gap / shrink)[:, None]
    width = step / shrink
    col = np.floor(np.nan_to_num(ends) / width[:, None])
    found = np.searchsorted(limits, _chances(np.broadcast_to(row[:, None], col.shape), col, seed), side="right")
    across = ends[:, 1] - ends[:, 0]
    whole = (across >= 0) & (across <= width) & (np.abs(ends) <= 180).all(axis=1)
    return np.where(whole[:, None], np.minimum(found, len(limits) - 1), -1)


def _chances(row: NDArray[np.float64], col: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Draw a number from 0 to 1 for each cell, from its place and the seed alone."""
    word = row.astype(np.int64).astype(np.uint64) << np.uint64(32)
    word ^= col.astype(np.int64).astype(np.uint64) & np.uint64(0xFFFFFFFF)
    word += np.uint64((seed + 1) * 0x9E3779B97F4A7C15 % 2**64)
    # The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    word ^= word >> np.uint64(31)
    return np.asarray((word >> np.uint64(11)).astype(np.float64) * 2.0**-53)
