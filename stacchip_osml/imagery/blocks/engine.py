"""Reading many windows of many images at once.

The one way pixels are read from blocks: a single window is a batch of one.
Windows are prepared (``windows``), planned together
(``plan``), carried out (``local``, ``remote``), judged and handed back. Windows
of levels that the block reader does not serve are read by GDAL meanwhile.

Rules: what concerns one window is its result and no one else's; files are
looked at before and after, so that pixels of two versions never mix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError, DecodeError
from stacchip_osml.imagery.blocks.arena import Arena, default_arena
from stacchip_osml.imagery.blocks.batch import Batch
from stacchip_osml.imagery.blocks.cache import Block, BlockCache
from stacchip_osml.imagery.blocks.local import LocalSource, local_tasks
from stacchip_osml.imagery.blocks.plan import BlockJob, Layer, LevelRead, RawPiece, plan_reads
from stacchip_osml.imagery.blocks.served import ServedImage
from stacchip_osml.imagery.blocks.target import Target
from stacchip_osml.imagery.blocks.windows import Call, Outcome, ReadyWindow, WindowRead
from stacchip_osml.imagery.blocks.workers import Work
from stacchip_osml.imagery.machine import usable_cores

__all__ = ["WindowRead", "read_windows"]


class _Todo(NamedTuple):
    """What can be done at once."""

    tasks: list[Callable[[], None]]
    jobs: list[BlockJob]
    pieces: list[RawPiece]
    held: list[tuple[BlockJob, Block]]


def read_windows(
    reads: Sequence[WindowRead],
    *,
    threads: int | None = None,
    cache: BlockCache | None = None,
    arena: Arena | None = None,
) -> list[Outcome]:
    """Read windows of any images; each block is fetched and decoded once for all of them.

    Args:
        reads: in any order; the same window may come twice.
        threads: that decode, the caller's included; None for one a core that this process may use.
        cache: decoded blocks to use and to add to; None for none.
        arena: memory for new arrays; None for the process's own.

    Returns:
        For each read: pixels ``(bands, rows, cols)`` with their mask, as ``GdalImage.read`` gives them; None where
        every block under the window is absent (destinations are filled with nodata or 0 then, and False); or what
        went wrong with this window: ``WindowError``, ``LimitError``, ``AssetMissing``, ``AssetChanged``,
        ``DecodeError``, ``RemoteReadError``. Its destinations then hold anything.

    Raises:
        IndexError: no such level or band.
        ValueError: a destination of another shape or dtype.
    """
    call = Call(
        outcomes=[None] * len(reads), arena=default_arena() if arena is None else arena, is_cached=cache is not None
    )
    for number, read in enumerate(reads):
        try:
            call.add(number, read)
        except ChipError as error:
            call.outcomes[number] = error
    _carry_out(call, threads=usable_cores() if threads is None else max(threads, 1), cache=cache)
    _conclude(call)
    return call.outcomes


def _carry_out(call: Call, *, threads: int, cache: BlockCache | None) -> None:
    """Read all pixels of all windows."""
    reads, targets = _level_reads(call)
    plan = plan_reads(reads)
    for hole in plan.holes:
        targets[hole.read].leave(hole)
    if plan.absent:
        by_blocks = [window for window in call.windows if window.slab.layers]
        for number, place in plan.absent:
            if number < len(by_blocks):  # else of an alpha or mask band
                by_blocks[number].absent |= {place}
    batch = Batch(
        targets,
        names=[image.name for image in call.images],
        keys=call.keys,
        remote=[image.remote for image in call.images],
        cache=cache,
    )
    tasks: list[Callable[[], None]] = [
        partial(_read_by_gdal, window, call.images[window.slab.images[0]])
        for window in call.windows
        if not window.slab.layers
    ]
    jobs, pieces = plan.jobs, plan.pieces
    try:
        while jobs or pieces or tasks:
            claimed, held = batch.claim(jobs)
            _work_off(call, batch, _Todo(tasks, claimed, pieces, held), threads=threads)
            jobs, pieces, tasks = batch.wait(), [], []
    finally:
        batch.abandon()
    _settle(call, threads)


def _work_off(call: Call, batch: Batch, todo: _Todo, *, threads: int) -> None:
    """Do what has been claimed, local files' and remote objects' side by side."""
    remote = [image.remote for image in call.images]
    files = dict(enumerate(image.file for image in call.images))
    local = {place: cast("LocalSource", file) for place, file in files.items() if not remote[place]}
    jobs, pieces = todo.jobs, todo.pieces
    far_jobs = [job for job in jobs if remote[job.image]] if any(remote) else []
    far_pieces = [piece for piece in pieces if remote[piece.image]] if any(remote) else []
    is_far = bool(far_jobs or far_pieces)
    if is_far:
        jobs = [job for job in jobs if not remote[job.image]]
        pieces = [piece for piece in pieces if not remote[piece.image]]
    tasks = [*todo.tasks, *local_tasks(batch, jobs, pieces, todo.held, files=local, threads=threads)]
    if len(tasks) == 1 and not is_far:
        tasks[0]()
        return
    work = Work(threads)
    try:
        work.add(tasks, mine=0 if is_far else 1)
        if is_far:
            from stacchip_osml.imagery.blocks.objects import RemoteObject
            from stacchip_osml.imagery.blocks.remote import read_remote

            objects = {place: file for place, file in files.items() if isinstance(file, RemoteObject)}
            read_remote(work, batch, far_jobs, far_pieces, objects=objects, threads=threads)
    except BaseException:
        work.drop()
        raise
    finally:
        work.finish()


def _level_reads(call: Call) -> tuple[list[LevelRead], list[Target]]:
    """List what is read of stored levels: each window, then the alpha and mask bands that some of them need besides."""
    reads: list[LevelRead] = []
    targets: list[Target] = []
    extra: list[tuple[LevelRead, Target]] = []
    for window in call.windows:
        slab, place = window.slab, window.read.window
        if not slab.layers:
            continue
        reads.append(LevelRead(slab.layers, place))
        targets.append(window.target)
        if not slab.source.late or not window.read.judged:
            continue
        if slab.alpha:
            window.alpha, read, target = _extra(call, window, slab.alpha)
            extra.append((read, target))
        if slab.shared:
            window.shared, read, target = _extra(call, window, slab.shared)
            extra.append((read, target))
    reads += [read for read, _ in extra]
    targets += [target for _, target in extra]
    return reads, targets


def _extra(call: Call, window: ReadyWindow, layers: tuple[Layer, ...]) -> tuple[NDArray[Any], LevelRead, Target]:
    place, dtype = window.read.window, layers[0].level.dtype
    pixels = call.arena.take((1, place.height, place.width), dtype)
    target = Target(pixels, fill=np.zeros((1, 1, 1), dtype), failures=window.target.failures)
    return pixels, LevelRead(layers, place), target


def _read_by_gdal(window: ReadyWindow, image: ServedImage) -> None:
    """Read a window of a level that blocks do not serve."""
    read = window.read
    try:
        found = image.read_by_gdal.read(read.window, level=read.level, bands=read.bands)
    except DecodeError as error:
        window.target.fail((), DecodeError(f"{error} (read by {image.served_by(read.level)})"))
        return
    except ChipError as error:
        window.target.fail((), error)
        return
    if found is None:
        window.absent = frozenset(window.slab.images)
        window.target.fill_all()
    else:
        window.target.take_over(found)


def _settle(call: Call, threads: int) -> None:
    """Judge the windows whose validity could not be told patch by patch."""
    late = [window for window in call.windows if window.slab.layers and window.slab.source.late]
    if late:
        work = Work(threads)
        work.add([partial(_settle_one, window) for window in late], mine=1)
        work.finish()


def _settle_one(window: ReadyWindow) -> None:
    if not window.is_absent and not window.target.failures:
        window.target.settle(window.slab.source, alpha=window.alpha, shared=window.shared)


def _conclude(call: Call) -> None:
    """Look at the files again, and say what came of each window."""
    changed: dict[int, ChipError] = {}
    for place, image in enumerate(call.images):
        try:
            image.check()
        except ChipError as error:
            changed[place] = error
    for window in call.windows:
        if window.number not in call.wholes:
            call.outcomes[window.number] = call.outcome(window, changed)
    if call.wholes:
        _join(call, changed)


def _join(call: Call, changed: dict[int, ChipError]) -> None:
    """Make one outcome of those of the slabs of a read."""
    slabs: dict[int, list[tuple[ReadyWindow, Outcome]]] = {}
    for window in call.windows:
        if window.number in call.wholes:
            slabs.setdefault(window.number, []).append((window, call.outcome(window, changed)))
    for number, found in slabs.items():
        failure = next((outcome for _, outcome in found if isinstance(outcome, ChipError)), None)
        if failure is not None:
            call.outcomes[number] = failure
        elif any(outcome is not None for _, outcome in found):
            for window, outcome in found:
                if outcome is None:
                    window.leave_empty()
            call.outcomes[number] = call.wholes[number]
