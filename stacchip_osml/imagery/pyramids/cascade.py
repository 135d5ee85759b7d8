"""Levels made from rows that pass by once: each level keeps only the rows that it still needs.

A strip of rows of one level becomes a strip of the next as soon as the rows
around it are there; that one goes on to the level after it, and into blocks.
What a strip gives does not depend on where it was cut, so neither do the
levels depend on block sizes, or on how many threads there are.

All levels are worked on at once, each on the strip that the level before it
made a step earlier; and while they are, the strips of that earlier step are
cut into blocks. So threads need to wait for each other once a strip of R0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.resampling.reduction import Reduction, needed_box, reduced_size
from stacchip_osml.imagery.resampling.reduction_values import Box
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = [
    "Begin",
    "Cascade",
    "LevelMaker",
    "Strip",
    "Task",
    "TileRows",
    "blocks_needing",
    "blocks_under",
    "stored_grid",
]

ROOM = 24
"""Rows before a strip that the rows left over from the last one are copied into."""
PANEL, PANEL_ROWS = 1024, 64
"""Columns and rows of a level that are one task: little of what is read is halo."""
FEW = 32
"""Rows of a level: fewer than these are not made before the image ends."""

Task = Callable[[], None]
Begin = Callable[[Sequence[Task]], Task]
"""Has tasks done that know nothing of each other, in any order; what it gives returns when all are done."""
Stored = NDArray[np.bool_]


@dataclass(slots=True)
class Strip:
    """Rows of an image, of full width."""

    memory: Pixels
    """``(bands, room + rows, cols)``."""
    room: int
    """Rows at its beginning that hold nothing."""
    top: int
    """Row of the image that the first row after the room is."""

    @classmethod
    def empty(
        cls, bands: int, rows: int, cols: int, *, top: int, dtype: np.dtype[Any], memory: Pixels | None = None
    ) -> Strip:
        """Make a strip whose pixels are not set, in the memory of another that is done with if that is large enough."""
        if memory is None or memory.shape[1] < ROOM + rows:
            memory = np.empty((bands, ROOM + rows, cols), dtype)
        return cls(memory[:, : ROOM + rows], ROOM, top)

    @property
    def pixels(self) -> Pixels:
        """``(bands, rows, cols)``."""
        return self.memory[:, self.room :]

    @property
    def bottom(self) -> int:
        """Row of the image after the last one."""
        return self.top + int(self.memory.shape[1]) - self.room

    def after(self, earlier: Pixels | None) -> Strip:
        """Put rows before its own."""
        if earlier is None or earlier.shape[1] == 0:
            return self
        rows = earlier.shape[1]
        if rows > self.room:
            return Strip(np.concatenate((earlier, self.pixels), axis=1), 0, self.top - rows)
        self.memory[:, self.room - rows : self.room] = earlier
        return Strip(self.memory, self.room - rows, self.top - rows)


class LevelMaker:
    """Makes one level of the rows of the level before it."""

    def __init__(self, reduction: Reduction, source: ImageSize, *, grid: BlockGrid, stored: Stored, fill: Any) -> None:
        """Begin at the first row.

        Args:
            reduction: how rows are made.
            source: size of the level before.
            grid: size and blocks of this one.
            stored: ``(grid rows, grid cols)``, False where a block is absent: it is padding.
            fill: value of padding.
        """
        self.reduction = reduction
        self.grid = grid
        self._source = source
        self._size = reduced_size(source, reduction.factor)
        self._stored, self._fill = stored, fill
        self._left: Pixels | None = None
        self._made = 0

    def plan(self, strip: Strip) -> Planned | None:
        """Say what rows can be made now that ``strip`` is there; None where it is too early for any.

        Args:
            strip: the rows after those of the last call; its room is used, and its memory until the tasks are done.
        """
        held = strip.after(self._left)
        stop = self._stop(held.bottom)
        if stop == self._made or (stop - self._made < FEW and stop < self._size.height):
            self._left = held.pixels.copy() if held.memory is strip.memory else held.pixels
            return None
        made = Strip.empty(
            held.memory.shape[0], stop - self._made, self._size.width, top=self._made, dtype=held.memory.dtype
        )
        self._made = stop
        keep = self._keep() - held.top
        self._left = held.pixels[:, keep:].copy() if stop < self._size.height else None
        return Planned(made, [partial(self._reduce, held, made, box) for box in self._parts(made)])

    def _parts(self, made: Strip) -> Iterator[Box]:
        """Cut new rows into parts that know nothing of each other."""
        if self.reduction.whole:
            yield Box(made.top, made.bottom, 0, self._size.width)
            return
        for left in range(0, self._size.width, PANEL):
            for top in range(made.top, made.bottom, PANEL_ROWS):
                yield Box(top, min(top + PANEL_ROWS, made.bottom), left, min(left + PANEL, self._size.width))

    def _reduce(self, held: Strip, made: Strip, box: Box) -> None:
        needed = needed_box(self.reduction, box, self._source)
        part = held.pixels[(slice(None), *needed.seen_from(Box(held.top, held.bottom, 0, self._source.width)))]
        here = box.seen_from(Box(made.top, made.bottom, 0, self._size.width))
        self.reduction.reduce(part, needed, self._source, box, made.pixels[(slice(None), *here)])

    def _stop(self, bottom: int) -> int:
        """Tell up to which row this level can be made of source rows before ``bottom``."""
        if bottom == self._source.height:
            return self._size.height
        if self.reduction.whole:
            return self._made
        factor = self.reduction.factor
        stop = min(bottom // factor + 1, self._size.height)
        while stop > self._made:
            beyond = self.reduction.needs(stop - 1, stop, self._source.height)[1] - bottom
            if beyond <= 0:
                return stop
            stop -= -(-beyond // factor)
        return self._made

    def _keep(self) -> int:
        """Tell the first source row that is still needed, also by the last rows, which look at mirrored ones."""
        height = self._size.height
        next_ = self.reduction.needs(self._made, min(self._made + 1, height), self._source.height)[0]
        last = self.reduction.needs(height - 1, height, self._source.height)[0]
        return min(next_, last)

    def blank(self, made: Strip) -> None:
        """Make padding of absent blocks, so that the next level sees what its readers will."""
        if self._stored.all():
            return
        rows, cols = self.grid.under(PixelWindow(0, made.top, self._size.width, made.bottom - made.top))
        for row in rows:
            for col in cols:
                if not self._stored[row, col]:
                    place = self.grid.window(row, col)
                    top, bottom = max(place.y - made.top, 0), place.y + place.height - made.top
                    made.pixels[:, top:bottom, place.x : place.x + place.width] = self._fill


class Planned(NamedTuple):
    """Rows of a level that are still to be made."""

    made: Strip
    """Where they go."""
    tasks: list[Task]
    """What makes them; they know nothing of each other."""


class TileRows:
    """Cuts strips into blocks, a row of blocks at a time."""

    def __init__(self, grid: BlockGrid, stored: Stored) -> None:
        """Begin at the first row.

        Args:
            grid: of the level.
            stored: ``(grid rows, grid cols)``, False where a block is absent and not made.
        """
        self._grid, self._stored = grid, stored
        self._blocks: list[tuple[int, slice, Pixels]] = []
        self._row = 0

    def take(self, strip: Strip) -> Iterator[tuple[int, int, Pixels]]:
        """Give the blocks that ``strip`` makes complete: ``(row, col, pixels)``, new memory."""
        pixels, top = strip.pixels, strip.top
        while top < strip.bottom:
            here = self._grid.window(self._row, 0)
            if top == here.y:
                self._blocks = [
                    (col, slice(first, last), np.empty((len(pixels), here.height, last - first), pixels.dtype))
                    for col, first, last in self._grid.spans(1, np.flatnonzero(self._stored[self._row]).tolist())
                ]
            stop = min(strip.bottom, here.y + here.height)
            rows = pixels[:, top - strip.top : stop - strip.top]
            for _, cols, block in self._blocks:
                block[:, top - here.y : stop - here.y] = rows[:, :, cols]
            top = stop
            if stop == here.y + here.height:
                done, self._blocks = self._blocks, []
                while done:  # a block that was given out is the caller's alone
                    col, _, block = done.pop(0)
                    yield self._row, col, block
                self._row += 1


class Cascade:
    """Levels, each made of the rows of the one before it."""

    def __init__(self, levels: Sequence[tuple[int, LevelMaker, TileRows]], begin: Begin) -> None:
        """Begin with the first row.

        Args:
            levels: number, maker and blocks of each, from fine to coarse.
            begin: has work done.
        """
        self._levels, self._begin = levels, begin
        self._made: list[Strip | None] = [None] * len(levels)

    def take(self, strip: Strip) -> Iterator[tuple[int, int, int, Pixels]]:
        """Make what a strip of the level before the first allows: ``(level, row, col, pixels)`` of blocks."""
        return self._step(strip)

    def end(self) -> Iterator[tuple[int, int, int, Pixels]]:
        """Make what is left, after the last strip."""
        while any(self._made):
            yield from self._step(None)

    def _step(self, strip: Strip | None) -> Iterator[tuple[int, int, int, Pixels]]:
        before = self._made
        planned = [
            None if given is None else maker.plan(given)
            for (_, maker, _), given in zip(self._levels, [strip, *before], strict=False)
        ]
        wait = self._begin([task for plan in planned if plan is not None for task in plan.tasks])
        for (number, _, tiles), made in zip(self._levels, before, strict=True):
            if made is not None:
                yield from ((number, *block) for block in tiles.take(made))
        wait()
        self._made = [None if plan is None else plan.made for plan in planned]
        for (_, maker, _), made in zip(self._levels, self._made, strict=True):
            if made is not None:
                maker.blank(made)


def stored_grid(has_block: Callable[[int, int], bool], grid: BlockGrid) -> Stored:
    """Ask once for every block whether it is stored."""
    rows, cols = grid.shape
    return np.array([[has_block(row, col) for col in range(cols)] for row in range(rows)], np.bool_).reshape(rows, cols)


def blocks_needing(reduction: Reduction, source: BlockGrid, stored: Stored, grid: BlockGrid) -> Stored:
    """Tell which blocks of a level need any stored block of the one before."""

    def needs(box: Box) -> Box:
        return needed_box(reduction, box, source.image_size)

    return _touching(needs, source, stored, grid)


def blocks_under(source: BlockGrid, stored: Stored, grid: BlockGrid) -> Stored:
    """Tell which blocks of another grid over the same level hold any part of a stored block."""
    return _touching(lambda box: box, source, stored, grid)


def _touching(needs: Callable[[Box], Box], source: BlockGrid, stored: Stored, grid: BlockGrid) -> Stored:
    rows, cols = grid.shape
    if stored.all():
        return np.ones((rows, cols), np.bool_)
    across = []
    for col in range(cols):
        place = grid.window(0, col)
        box = needs(Box(0, 1, place.x, place.x + place.width))
        across.append(source.under(PixelWindow(box.left, 0, box.cols, 1))[1])
    found = np.zeros((rows, cols), np.bool_)
    for row in range(rows):
        place = grid.window(row, 0)
        box = needs(Box(place.y, place.y + place.height, 0, 1))
        under = source.under(PixelWindow(0, box.top, 1, box.rows))[0]
        found[row] = [bool(stored[under.start : under.stop, part.start : part.stop].any()) for part in across]
    return found
