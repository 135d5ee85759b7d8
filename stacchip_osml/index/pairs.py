"""Pairs of chips: two sensors, or two dates, that show the same ground at about the same time."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import SettingError
from stacchip_osml.index.chip_index import ChipIndex
from stacchip_osml.index.pairing import ALWAYS, KEEP, SHARES, Rule, pairs_of
from stacchip_osml.index.store import take_rows
from stacchip_osml.pixel.arguments import of_kind, one_of
from stacchip_osml.pixel.counts import number_within, whole_number

__all__ = ["ChipPairs", "pair_chips"]

_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ChipPairs:
    """Rows of two indexes that belong together, in the order of the first index, then of the second."""

    one: ChipIndex
    other: ChipIndex
    rows: NDArray[np.int64]
    """``(pairs, 2)``: row of ``one``, row of ``other``."""
    overlap: NDArray[np.float64]
    """``(pairs,)``: the common share of the ground, above 0 and at most 1."""
    offset_s: NDArray[np.float64]
    """``(pairs,)``: seconds from the time of ``one`` to that of ``other``, below 0 where that was earlier; 0 where
    their intervals meet; NaN where one has no time."""

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self.rows)

    def __repr__(self) -> str:
        return f"ChipPairs({len(self)} of {len(self.one)} and {len(self.other)} chips)"

    def head(self, n: int | None) -> ChipPairs:
        """Give the first ``n`` pairs; None gives all."""
        some = slice(None if n is None else whole_number("n", n, least=0))
        return replace(self, rows=self.rows[some], overlap=self.overlap[some], offset_s=self.offset_s[some])

    def to_arrow(self) -> pa.Table:
        """Give a table: ``id`` of the first chip, ``other_id``, ``overlap``, and ``offset_s``, null where not known.

        Where each chip of the first index has one pair at most, :meth:`ChipIndex.join` takes it.
        """
        ids = (_ids(index, self.rows[:, side]) for side, index in enumerate((self.one, self.other)))
        offset = pa.array(self.offset_s, mask=np.isnan(self.offset_s))
        return pa.table(dict(zip(("id", "other_id", "overlap", "offset_s"), (*ids, self.overlap, offset), strict=True)))


def pair_chips(
    one: ChipIndex,
    other: ChipIndex,
    *,
    overlap: float = 0.5,
    of: str = "smaller",
    within: dt.timedelta | None = None,
    keep: str = "all",
) -> ChipPairs:
    """Find the chips of two indexes that show the same ground at about the same time.

    A chip is no partner of itself, so an index can be paired with itself: of two dates each is then the other's
    partner. Chips without a place have no partner; with ``within``, those without a time have none either.
    Memory grows with the pairs, not with the indexes.

    Args:
        one: rows that partners are looked for.
        other: rows that may be partners.
        overlap: least share of the ground that is common, 0 to 1; with 0 chips that merely touch are no pair.
        of: what it is a share of: the ``smaller`` chip of the two, ``one``, ``other``, or their ``union``.
        within: most time between the two, 0 where their intervals meet; None for any.
        keep: ``all`` pairs; or of each row of ``one`` a single one: the ``nearest`` in time, and of several such that
            of the most common ground; or the ``largest`` common ground, and of several such the nearest in time.
            Of those that are equal in both the first row of ``other`` counts.

    Raises:
        SettingError: (a ValueError) a share that is none, a word that is none of those, or a time below 0.
        IndexSchemaError: a footprint that cannot be read.
    """
    sides = [of_kind(name, side, ChipIndex, "a ChipIndex") for name, side in (("one", one), ("other", other))]
    if within is not None and of_kind("within", within, dt.timedelta, "a timedelta or None") < dt.timedelta(0):
        raise SettingError(f"within must be a time of at least 0, got {within}")
    rule = Rule(
        overlap=number_within("overlap", overlap, least=0, most=1),
        of=one_of("of", of, SHARES),
        within=None if within is None else min(within // _MICROSECOND, ALWAYS),
        keep=one_of("keep", keep, KEEP),
    )
    found = pairs_of(sides[0]._store, sides[1]._store, rule)
    return ChipPairs(one=one, other=other, rows=found.rows, overlap=found.overlap, offset_s=found.offset_us * 1e-6)


def _ids(index: ChipIndex, rows: NDArray[np.int64]) -> pa.ChunkedArray:
    """Give the ids of rows; of each run of rows its ids alone are read."""
    table = take_rows(index._store, rows, lambda run: index.read_run(run, ["id"]))
    return table.column("id")
