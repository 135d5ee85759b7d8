"""Chips one after the other, whatever their shapes, worked on ahead of who takes them.

Rules:

- a task is one thread's: some rows, read together and worked on there, so that threads meet once a task;
- a task has no more than ``TASK_ROWS`` rows and ``TASK_BYTES`` of pixels, and few enough rows that every core has
  several tasks left;
- threads beyond the cores are for waiting, for servers, disks or in ``work``: what computes takes turns at the cores, a
  task at a time (``turns``);
- rows that cannot be cut together are cut apart, and what goes wrong with one row is its own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError, LimitError, ReadError
from stacchip_osml.imagery.machine import usable_cores
from stacchip_osml.imagery.turns import CORES
from stacchip_osml.load.batch import ChipBatch
from stacchip_osml.load.cut import Cutter
from stacchip_osml.load.rows import PlannedRows
from stacchip_osml.load.stream import ahead

__all__ = ["Done", "Work", "each"]

TASK_ROWS = 32
TASK_BYTES = 64 << 20
SAMPLE_BYTES = 5
"""Of a sample and its mask, before files are opened: a guess."""
TASKS_A_CORE = 2
"""Of the rows that are left."""
SLAB = 4096
"""Rows that are planned together."""

T = TypeVar("T")
Positions = NDArray[np.int64] | range
Work = Callable[[ChipBatch, int], T]
"""Makes something of a chip, told by its batch and its place there; raises ChipError."""


class Done(NamedTuple, Generic[T]):
    """What came of one row."""

    position: int
    """Row of the index."""
    result: T | None
    error: ChipError | None


def each(
    cutter: Cutter,
    positions: Positions,
    work: Work[T],
    *,
    chain: str | None,
    threads: int | None,
    computes: bool = False,
) -> Generator[Done[T]]:
    """Cut rows and do work on each chip, in threads.

    Args:
        cutter: of the index.
        positions: in the order wanted, none negative.
        work: done in any thread.
        chain: instead of each row's.
        threads: at work at once; None for one a core, and two at least.
        computes: whether ``work`` waits for nothing but a core.

    Yields:
        What came of each row, in order. Who stops early closes the generator.
    """
    cores = usable_cores()
    at_once = max(cores, 2) if threads is None else threads
    busy = min(at_once, cores) if computes else at_once
    job = _Job(cutter, work, chain, at_once > cores, computes)
    for some in ahead(job.task, _tasks(cutter, positions, busy), in_flight=at_once + -(-at_once // 2), threads=at_once):
        yield from some


def _tasks(cutter: Cutter, positions: Positions, cores: int) -> Iterator[PlannedRows]:
    """Share out rows; the fewer are left, the smaller the tasks, so that no core waits long for the last one."""
    for first in range(0, len(positions), SLAB):
        rows = cutter.rows.rows(positions[first : first + SLAB])
        keys = cutter.rows.keys
        sources = rows.sources.tolist()
        pixel = {source: (keys[source].assets.count(",") + 1) / 4 ** keys[source].level for source in set(sources)}
        sizes = (rows.windows[:, 2].astype(np.int64) * rows.windows[:, 3] * SAMPLE_BYTES).tolist()
        begin, held, most = 0, 0.0, _most(len(positions) - first, cores)
        for end, (source, size) in enumerate(zip(sources, sizes, strict=True)):
            bytes_ = pixel[source] * size
            if end - begin == most or (held and held + bytes_ > TASK_BYTES):
                yield rows.some(slice(begin, end))
                begin, held, most = end, 0.0, _most(len(positions) - first - end, cores)
            held += bytes_
        yield rows.some(slice(begin, None))


def _most(left: int, cores: int) -> int:
    """Give the rows of a task."""
    return min(max(-(-left // (TASKS_A_CORE * cores)), 1), TASK_ROWS)


@dataclass(frozen=True, slots=True)
class _Job(Generic[T]):
    """What is done with rows."""

    cutter: Cutter
    work: Work[T]
    chain: str | None
    in_turns: bool
    """There are more threads than cores."""
    computes: bool

    def task(self, rows: PlannedRows) -> list[Done[T]]:
        """Cut what can be cut together, and work on it."""
        found: dict[int, Done[T]] = {}
        kinds: dict[tuple[object, ...], list[int]] = {}
        keys = self.cutter.rows.keys
        for place, (source, window) in enumerate(zip(rows.sources.tolist(), rows.windows.tolist(), strict=True)):
            kinds.setdefault((keys[source]._replace(item_id=""), *window[2:]), []).append(place)
        for places in kinds.values():
            found.update(zip(places, self._together(rows.some(np.array(places))), strict=True))
        return [found[place] for place in range(len(found))]

    def _together(self, rows: PlannedRows) -> list[Done[T]]:
        """Cut rows that seem to be alike; those that are not, or that fail all together, each on its own."""
        try:
            batch = self._cut(rows)
        except ChipError as error:
            apart = [np.flatnonzero(rows.sources == source) for source in dict.fromkeys(rows.sources.tolist())]
            if len(apart) == 1:
                if len(rows.positions) == 1 or isinstance(error, ReadError | LimitError):  # of its files
                    return [Done(position, None, error) for position in rows.positions.tolist()]
                apart = [np.array([place]) for place in range(len(rows.positions))]
            found: dict[int, Done[T]] = {}
            for places in apart:
                found.update(zip(places.tolist(), self._together(rows.some(places)), strict=True))
            return [found[place] for place in range(len(found))]
        with CORES if self.in_turns and self.computes else nullcontext():
            return [_worked(batch, place, self.work) for place in range(len(batch))]

    def _cut(self, rows: PlannedRows) -> ChipBatch:
        threads = 1 if self.in_turns and self.cutter.is_local(rows) else None
        with self.cutter.turn(rows):
            cut = self.cutter.cut(rows, chain=self.chain, keep_going=True, threads=threads)
        return ChipBatch(self.cutter.index, rows, cut)


def _worked(batch: ChipBatch, place: int, work: Work[T]) -> Done[T]:
    position, error = int(batch.positions[place]), batch.errors.get(place)
    if error is None:
        try:
            return Done(position, work(batch, place), None)
        except ChipError as failure:
            error = failure
    return Done(position, None, error)
