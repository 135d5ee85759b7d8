"""Which footprints of two stores share ground at about the same time.

Rows are compared a block of each side at a time, and only such blocks as the
bounds of their row groups let meet, so that memory does not grow with the
stores. In a block the dates of a place have one footprint, which is read,
sought in an R-tree and measured once; what the boxes already rule out is not
measured at all. Rows of footprints that fit are found by their times.

Areas are those of a sphere: a footprint's latitudes become their sines, which
is an equal-area map. A footprint that is split at the antimeridian is two
pieces of one area.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.arrays import numbers_of, positions
from stacchip_osml.index.query import sides_of, spans_of
from stacchip_osml.index.schema import INTERVAL
from stacchip_osml.index.store import ChipStore

__all__ = ["KEEP", "SHARES", "Pairs", "Rule", "pairs_of"]

BLOCK = 32_768
"""Rows of a side that are compared at a time, at most."""
ASKED = 256
"""Footprints that an R-tree is asked for together: what they meet at worst, a block each, fits memory."""
MEASURED = 65_536
"""Intersections that are held at a time."""
EXPANDED = 1_000_000
"""Pairs of rows that are looked at together, about."""
HELD = 6
"""Blocks of the other side that are kept: in the order of an index neighbours need the same."""
DECIMALS = 9
"""Of shares: beyond, an intersection is no more exact."""
ALWAYS = 2**61
"""µs, longer than the years that there are."""

Floats = NDArray[np.float64]

SHARES: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
    "smaller": lambda common, one, other: common / np.minimum(one, other),
    "one": lambda common, one, _: common / one,
    "other": lambda common, _, other: common / other,
    "union": lambda common, one, other: common / (one + other - common),
}
"""What the common ground is a share of."""

KEEP = ("all", "nearest", "largest")


class Rule(NamedTuple):
    """What makes a pair."""

    overlap: float
    """Least share of common ground, 0-1."""
    of: str
    """A key of ``SHARES``."""
    within: int | None
    """Most µs between the times; None: any, or no time at all."""
    keep: str
    """One of ``KEEP``."""


class Pairs(NamedTuple):
    """Pairs of rows, by the first row and then the second."""

    rows: NDArray[np.int64]
    """``(N, 2)``."""
    overlap: Floats
    """``(N,)``."""
    offset_us: Floats
    """``(N,)``: from the time of the first to that of the second, 0 where they meet; NaN where one has none."""

    def some(self, places: NDArray[Any]) -> Pairs:
        """Give those at some places."""
        return Pairs(*(values[places] for values in self))


class _Blocks(NamedTuple):
    """Where the blocks of a store are, and what they hold."""

    place: NDArray[np.int64]
    """``(N, 3)``: row group, first row in it, rows."""
    start: NDArray[np.int64]
    """``(N,)``: number of the first row."""
    bbox: Floats
    """``(N, 4)``; NaN where no row has a place."""
    times: NDArray[np.int64]
    """``(N, 2)``, µs."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Block:
    """The rows of a block that could be of a pair, by their footprint and then their first time."""

    rows: NDArray[np.int64]
    """``(N,)``: their numbers in the store."""
    ids: pa.Array
    first: NDArray[np.int64]
    """µs, with ``last`` the row's time."""
    last: NDArray[np.int64]
    dated: NDArray[np.bool_]
    moments: NDArray[np.int64]
    """``first``, ascending."""
    keys: NDArray[np.int64]
    """``(N,)``, ascending: a number of the row's footprint and, among ``moments``, its first time."""
    begin: NDArray[np.int64]
    """``(footprints + 1,)``: place of the first row of each footprint."""
    shapes: NDArray[Any]
    """shapely geometries: longitude in degrees, sine of the latitude."""
    boxes: Floats
    """``(footprints, 4)``."""
    areas: Floats
    tree: Any
    """shapely's R-tree of the footprints."""

    def near(
        self, shapes: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Give the run of rows, begin and end, of each of some footprints that begin within a span of time."""
        keys = shapes * (len(self.rows) + 1)
        since = np.searchsorted(self.keys, keys + np.searchsorted(self.moments, first))
        until = np.searchsorted(self.keys, keys + np.searchsorted(self.moments, last, side="right"))
        return since, until


def pairs_of(one: ChipStore, other: ChipStore, rule: Rule) -> Pairs:
    """Find all pairs of rows of two stores.

    Raises:
        IndexSchemaError: a footprint that cannot be read.
    """
    return _joined(list(_each(one, other, rule)))


def _each(one: ChipStore, other: ChipStore, rule: Rule) -> Iterator[Pairs]:
    """Give the pairs of one block of the first store after the other."""
    ours, theirs = _blocks(one), _blocks(other)
    held = lru_cache(HELD)(lambda number: _load(other, theirs, number, rule))
    for number in range(len(ours.start)):
        meeting = _meeting(ours, number, theirs, rule.within).tolist()
        if not meeting:
            continue
        block = _load(one, ours, number, rule)
        found: list[Pairs] = []
        for pairs in chain.from_iterable(_matches(block, held(there), rule) for there in meeting):
            found = [*found, pairs] if rule.keep == "all" else [_best(_joined([*found, pairs]), rule.keep)]
        united = _joined(found)
        yield united.some(np.lexsort(united.rows.T[::-1]))


def _blocks(store: ChipStore) -> _Blocks:
    """Cut row groups into blocks; those of which the footer says nothing are looked at."""
    bounds = store.bounds
    counts = np.diff(bounds.start).tolist()
    place, start, bbox, times = [], [], [], []
    for group, count in enumerate(counts):
        known = bool(np.isfinite(bounds.bbox[group]).all())
        whole = known and count <= BLOCK
        table = None if whole else store.read_groups([group], ["bbox", "datetime", *INTERVAL])
        for low in range(0, count, BLOCK):
            rows = min(BLOCK, count - low)
            place.append((group, low, rows))
            start.append(int(bounds.start[group]) + low)
            if table is None:
                bbox.append(bounds.bbox[group].astype(np.float64))
                times.append(bounds.times[group])
            else:
                part = table.slice(low, rows)
                bbox.append(_box(np.stack(sides_of(part.column("bbox").combine_chunks()), axis=1)))
                first, last, dated = spans_of(part)
                times.append([first[dated].min(initial=ALWAYS), last[dated].max(initial=-ALWAYS)])
    return _Blocks(
        np.array(place, np.int64).reshape(-1, 3),
        np.array(start, np.int64),
        np.array(bbox, np.float64).reshape(-1, 4),
        np.clip(np.array(times, np.int64).reshape(-1, 2), -ALWAYS, ALWAYS),
    )


def _box(boxes: Floats) -> Floats:
    """Give the box around boxes, of which some may be NaN."""
    boxes = boxes[np.isfinite(boxes).all(axis=1)]
    if not len(boxes):
        return np.full(4, np.nan)
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _meeting(ours: _Blocks, number: int, theirs: _Blocks, within: int | None) -> NDArray[np.int64]:
    """Give the blocks of the other side that a block could have a pair in."""
    near = _overlapping(ours.bbox[number], theirs.bbox)
    if within is not None:
        first, last = ours.times[number]
        near &= (theirs.times[:, 0] <= last + within) & (theirs.times[:, 1] >= first - within)
    return np.flatnonzero(near)


def _overlapping(box: Floats, boxes: Floats) -> NDArray[np.bool_]:
    """Tell which boxes a box meets; NaN meets none."""
    west, south, east, north = boxes.T
    return np.asarray((west <= box[2]) & (east >= box[0]) & (south <= box[3]) & (north >= box[1]))


def _load(store: ChipStore, blocks: _Blocks, number: int, rule: Rule) -> _Block:
    """Read a block: its rows that have a place and, where times count, a time."""
    import shapely

    group, low, count = blocks.place[number].tolist()
    table = store.read_groups([group], ["id", "geometry", "datetime", *INTERVAL]).slice(low, count)
    first, last, dated = spans_of(table)
    start = int(blocks.start[number])
    rows = np.flatnonzero(np.asarray(table.column("geometry").is_valid()) & (dated | (rule.within is None)))
    stored = table.column("geometry").take(positions(rows)).combine_chunks().dictionary_encode()
    try:
        shapes = shapely.from_wkb(stored.dictionary.to_numpy(zero_copy_only=False))
    except shapely.errors.ShapelyError as error:
        raise IndexSchemaError(f"column 'geometry': one of rows {start} to {start + count - 1}: {error}") from error
    crossed = ~shapely.is_valid(shapes)
    shapes[crossed] = shapely.make_valid(shapes[crossed])
    shapes = shapely.transform(shapes, _equal_area)
    areas = shapely.area(shapes)
    shape = numbers_of(stored.indices)
    order = np.lexsort((first[rows], shape))
    order = order[areas[shape[order]] > 0]
    rows, shape = rows[order], (np.cumsum(areas > 0) - 1)[shape[order]]
    shapes, areas = shapes[areas > 0], areas[areas > 0]
    moments = np.sort(first[rows])
    return _Block(
        rows=rows + start,
        ids=table.column("id").take(positions(rows)).combine_chunks(),
        first=first[rows],
        last=last[rows],
        dated=dated[rows],
        moments=moments,
        keys=shape * (len(rows) + 1) + np.searchsorted(moments, first[rows]),
        begin=np.searchsorted(shape, np.arange(len(shapes) + 1)),
        shapes=shapes,
        boxes=shapely.bounds(shapes),
        areas=areas,
        tree=shapely.STRtree(shapes),
    )


def _equal_area(points: Floats) -> Floats:
    return np.stack([points[:, 0], np.sin(np.radians(points[:, 1]))], axis=1)


def _matches(one: _Block, other: _Block, rule: Rule) -> Iterator[Pairs]:
    """Give the pairs of two blocks, some at a time."""
    longest = int((other.last - other.first).max(initial=0))
    for mine, theirs, share in _fitting(one, other, rule):
        rows = np.diff(one.begin)[mine]
        which = np.repeat(np.arange(len(mine)), rows)
        here = one.begin[mine][which] + _ranks(rows)
        if rule.within is None:
            since, until = other.begin[theirs[which]], other.begin[theirs[which] + 1]
        else:
            first, last = one.first[here] - rule.within - longest, one.last[here] + rule.within
            since, until = other.near(theirs[which], first, last)
        total = np.cumsum(until - since)
        cuts = np.searchsorted(total, np.arange(EXPANDED, total[-1] if len(total) else 0, EXPANDED))
        for part in np.split(np.arange(len(here)), cuts):
            count = until[part] - since[part]
            again = np.repeat(part, count)
            i, j = here[again], since[again] + _ranks(count)
            offset = _offsets(one, i, other, j)
            good = ~np.asarray(pc.equal(one.ids.take(positions(i)), other.ids.take(positions(j))))
            if rule.within is not None:
                good &= np.abs(offset) <= rule.within
            yield Pairs(np.stack([one.rows[i], other.rows[j]], axis=1), share[which[again]], offset).some(good)


def _fitting(one: _Block, other: _Block, rule: Rule) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Floats]]:
    """Give pairs of footprints that have enough ground in common, and how much, some at a time."""
    import shapely

    share = SHARES[rule.of]
    least = round(rule.overlap, DECIMALS)
    for some in _cut(np.flatnonzero(_overlapping(_box(other.boxes), one.boxes)), ASKED):
        asked, theirs = other.tree.query(one.shapes[some])
        mine = some[asked]
        low = np.maximum(one.boxes[mine, :2], other.boxes[theirs, :2])
        high = np.minimum(one.boxes[mine, 2:], other.boxes[theirs, 2:])
        areas = one.areas[mine], other.areas[theirs]
        most = np.minimum(np.prod(high - low, axis=1), np.minimum(*areas))
        could = (most > 0) & (np.round(share(most, *areas), DECIMALS) >= least)
        for at in _cut(np.flatnonzero(could), MEASURED):
            here, there = mine[at], theirs[at]
            common = shapely.area(shapely.intersection(one.shapes[here], other.shapes[there]))
            found = np.minimum(np.round(share(common, one.areas[here], other.areas[there]), DECIMALS), 1.0)
            good = (found > 0) & (found >= least)
            yield here[good], there[good], found[good]


def _cut(values: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """Give values some at a time."""
    return (values[begin : begin + size] for begin in range(0, len(values), size))


def _ranks(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count from 0 in runs of these lengths."""
    return np.asarray(np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts))


def _offsets(one: _Block, mine: NDArray[np.int64], other: _Block, theirs: NDArray[np.int64]) -> Floats:
    """Give the µs from the times of some rows to those of others; NaN where one has none."""
    after = other.first[theirs] - one.last[mine]
    before = one.first[mine] - other.last[theirs]
    offset = np.where(after > 0, after, np.where(before > 0, -before, 0)).astype(np.float64)
    offset[~(one.dated[mine] & other.dated[theirs])] = np.nan
    return offset


def _best(pairs: Pairs, keep: str) -> Pairs:
    """Choose one pair of each first row: of equals, the one whose second row comes first."""
    away = np.nan_to_num(np.abs(pairs.offset_us), nan=np.inf, posinf=np.inf)
    first, second = (away, -pairs.overlap) if keep == "nearest" else (-pairs.overlap, away)
    order = np.lexsort((pairs.rows[:, 1], second, first, pairs.rows[:, 0]))
    return pairs.some(order[np.diff(pairs.rows[order, 0], prepend=-1) > 0])


def _joined(parts: Sequence[Pairs]) -> Pairs:
    none = Pairs(np.empty((0, 2), np.int64), np.empty(0), np.empty(0))
    return Pairs(*(np.concatenate(values) for values in zip(none, *parts, strict=True)))
