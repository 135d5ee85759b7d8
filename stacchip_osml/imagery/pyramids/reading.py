"""Rows of blocks read ahead by threads, while the rows before them are worked on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

from stacchip_osml.imagery.block_grid import BlockGrid
from stacchip_osml.imagery.provider import Pixels
from stacchip_osml.imagery.provider_facts import LevelBlocks, absent_parts
from stacchip_osml.imagery.pyramids.cascade import Strip, Task, stored_grid
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["RowReader", "Workers"]

STRIP_ROWS = 256
"""Rows of a strip: as many rows of blocks as reach it."""

SHARES, MOST = 2, 4
"""Tasks a thread that the blocks of a strip are dealt out in, and blocks of one at most."""

Span = tuple[int, int, int]


class Workers:
    """A number of threads for one run; with none, tasks are done by whoever waits for them."""

    def __init__(self, count: int, cancelled: threading.Event) -> None:
        """Plan the threads.

        Args:
            count: 0 for none.
            cancelled: no task is begun after it is set.
        """
        self.count = count
        self.meanwhile: Task | None = None
        """What else can be begun after what :meth:`begin_all` begins."""
        self._cancelled = cancelled
        self._pool = ThreadPoolExecutor(count, "pyramid") if count else None

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def begin(self, task: Task) -> Task:
        """Have a task done, and say how to wait for it: what is given raises what the task raised."""

        def unless_cancelled() -> None:
            if self._cancelled.is_set():
                raise CancelledError("the pyramid was cancelled")
            task()

        return unless_cancelled if self._pool is None else self._pool.submit(unless_cancelled).result

    def begin_all(self, tasks: Sequence[Task]) -> Task:
        """Have tasks done that know nothing of each other, and say how to wait for all."""
        waits = [self.begin(task) for task in tasks]
        if self._pool is not None and self.meanwhile is not None:
            self.meanwhile()

        def wait_for_all() -> None:
            for wait in waits:
                wait()

        return wait_for_all


class RowReader:
    """Reads one level of a provider from top to bottom, each stored block once."""

    def __init__(self, source: Any, level: int, *, fill: Any, fill_holes: bool) -> None:
        """Begin at the first row.

        Args:
            source: any object of the image provider protocol.
            level: of it.
            fill: value of what is absent.
            fill_holes: also of what is absent within blocks.
        """
        self._level = LevelBlocks.of(source, level)
        self.grid: BlockGrid = self._level.grid
        """Of the level."""
        self.stored = stored_grid(self._level.holds, self.grid)
        """``(grid rows, grid cols)``, False where a block is absent."""
        self._fill, self._fill_holes = fill, fill_holes
        self._size: ImageSize = self.grid.image_size
        self._rows, cols = self.grid.under(PixelWindow(0, 0, *self._size))
        self._cols = self.grid.spans(1, cols)

    @property
    def blocks(self) -> int:
        """Blocks in all, absent ones too."""
        return len(self._rows) * len(self._cols)

    def strips(self, workers: Workers, passed: Callable[[], None]) -> Iterator[Strip]:
        """Read strips of rows; the next one is begun while the caller runs tasks on this one.

        The memory of a strip is another's once the caller asks for the next.

        Args:
            workers: read the blocks.
            passed: called once for each block that is there.
        """
        groups = self._groups()
        begun: deque[tuple[Strip, list[tuple[Task, int]]]] = deque()
        spare: list[Pixels] = []

        def read_ahead() -> None:
            group = None if begun else next(groups, None)
            if group is not None:
                begun.append(self._begin(group, workers, spare.pop() if spare else None))

        read_ahead()
        while begun:
            strip, waits = begun.popleft()
            for wait, blocks in waits:
                wait()
                for _ in range(blocks):
                    passed()
            workers.meanwhile = read_ahead
            yield strip
            workers.meanwhile = None
            spare.append(strip.memory)
            read_ahead()

    def _groups(self) -> Iterator[range]:
        """Put rows of blocks together until they reach the height of a strip."""
        first = self._rows.start
        for row in self._rows:
            place = self.grid.window(row, 0)
            if place.y + place.height - self.grid.window(first, 0).y >= STRIP_ROWS or row == self._rows[-1]:
                yield range(first, row + 1)
                first = row + 1

    def _begin(self, rows: range, workers: Workers, memory: Pixels | None) -> tuple[Strip, list[tuple[Task, int]]]:
        """Begin to read a strip: what waits for each task, and of how many blocks that is."""
        top, last = self.grid.window(rows[0], 0).y, self.grid.window(rows[-1], 0)
        height = min(last.y + last.height, self._size.height) - top
        strip = Strip.empty(
            self._level.count, height, self._size.width, top=top, dtype=self._level.dtype, memory=memory
        )
        if not self.stored[rows.start : rows.stop].all():
            strip.pixels[...] = self._fill
        places = [(span, cols) for span in self.grid.spans(0, rows) for cols in self._cols]
        share = min(max(len(places) // (SHARES * workers.count), 1), MOST) if workers.count else 1
        parts = [places[first : first + share] for first in range(0, len(places), share)]
        return strip, [(workers.begin(partial(self._read, strip, part)), len(part)) for part in parts]

    def _read(self, strip: Strip, places: list[tuple[Span, Span]]) -> None:
        """Read blocks at ``(index, first, stop)`` of their rows and columns."""
        pixels = strip.pixels
        for (row, top, bottom), (col, left, right) in places:
            if not self.stored[row, col]:
                continue
            block = self._level.read(row, col, (bottom - top, right - left))
            there = pixels[:, top - strip.top : bottom - strip.top, left:right]
            there[...] = block[:, : there.shape[1], : there.shape[2]]
            if self._fill_holes:
                for hole in absent_parts(self._level.provider, row, col, self._level.level):
                    there[:, hole.y : hole.y + hole.height, hole.x : hole.x + hole.width] = self._fill
