"""Rows of blocks read ahead by threads, while the rows before them are worked on."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from functools import partial
from types import TracebackType
from typing import Any

import numpy as np

from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.imagery.providers.block_utils import fill_parts
from stacchip_osml.imagery.providers.facts import LevelBlocks, absent_parts
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.pyramids.cascade import Strip, Task, stored_grid
from stacchip_osml.imagery.resampling.reduction import Reduction, reduced_size
from stacchip_osml.imagery.resampling.reduction_values import Box
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
    """Reads one level of a provider from top to bottom, each stored block once.

    Where pixels of the next level are made of those alone that they replace, and no block is cut between such, blocks
    can be reduced as they are read: then the level itself is held nowhere.
    """

    def __init__(
        self, source: Any, level: int, *, fill: Any, fill_holes: bool, reduction: Reduction | None = None
    ) -> None:
        """Begin at the first row.

        Args:
            source: any object of the image provider protocol.
            level: of it.
            fill: value of what is absent.
            fill_holes: also of what is absent within blocks.
            reduction: makes the next level, whose rows are given in place of this one's if blocks allow it; None to
                give this one's.
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
        self._reduction = reduction if reduction is not None and self._is_reduced_by(reduction) else None
        self._factor = 1 if self._reduction is None else self._reduction.factor
        self._padding = fill
        if self._reduction is not None:
            hole = np.full((self._level.count, self._factor, self._factor), fill, self._level.dtype)
            self._padding = self._reduction.reduce(
                hole, Box(0, self._factor, 0, self._factor), self._size, Box(0, 1, 0, 1)
            )

    @property
    def reduces(self) -> bool:
        """Strips are of the next level."""
        return self._reduction is not None

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
            height = place.y + place.height - self.grid.window(first, 0).y
            if height >= self._factor * STRIP_ROWS or row == self._rows[-1]:
                yield range(first, row + 1)
                first = row + 1

    def _begin(self, rows: range, workers: Workers, memory: Pixels | None) -> tuple[Strip, list[tuple[Task, int]]]:
        """Begin to read a strip: what waits for each task, and of how many blocks that is."""
        top, last = self.grid.window(rows[0], 0).y, self.grid.window(rows[-1], 0)
        height = min(last.y + last.height, self._size.height) - top
        made = reduced_size(ImageSize(self._size.width, height), self._factor)
        strip = Strip.empty(
            self._level.count,
            made.height,
            made.width,
            top=top // self._factor,
            dtype=self._level.dtype,
            memory=memory,
        )
        if not self.stored[rows.start : rows.stop].all():
            strip.pixels[...] = self._padding
        places = [(span, cols) for span in self.grid.spans(0, rows) for cols in self._cols]
        share = min(max(len(places) // (SHARES * workers.count), 1), MOST) if workers.count else 1
        parts = [places[first : first + share] for first in range(0, len(places), share)]
        return strip, [(workers.begin(partial(self._read, strip, part)), len(part)) for part in parts]

    def _read(self, strip: Strip, places: list[tuple[Span, Span]]) -> None:
        """Read blocks at ``(index, first, stop)`` of their rows and columns."""
        for (row, top, bottom), (col, left, right) in places:
            if not self.stored[row, col]:
                continue
            block = self._level.read(row, col, (bottom - top, right - left))
            held = Box(top, bottom, left, right)
            wanted = Box(*(edge // self._factor for edge in held))
            there = strip.pixels[:, wanted.top - strip.top : wanted.bottom - strip.top, wanted.left : wanted.right]
            holes = absent_parts(self._level.provider, row, col, self._level.level) if self._fill_holes else ()
            if self._reduction is None:
                there[...] = block
                fill_parts(there, holes, self._fill)
            else:
                if holes:
                    block = fill_parts(block.copy(), holes, self._fill)
                self._reduction.reduce(block, held, self._size, wanted, there)

    def _is_reduced_by(self, reduction: Reduction) -> bool:
        """Tell whether every pixel that is made is made of one block."""
        is_even = all(
            block % reduction.factor == 0 or count == 1
            for block, count in zip(self.grid.block_shape, self.grid.shape, strict=True)
        )
        return is_even and reduction.is_within(self._size)
