"""Reading many windows of many images at once.

The one way pixels are read from blocks: a single window is a batch of one.
Windows are prepared (checked, given their arrays), planned together
(``plan``), carried out (``local``, ``remote``), judged and handed back. Windows
of levels that the block reader does not serve are read by GDAL meanwhile.

Rules: what concerns one window is its result and no one else's; files are
looked at before and after, so that pixels of two versions never mix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError, DecodeError, ReadError
from stacchip_osml.imagery.blocks.arena import Arena, default_arena
from stacchip_osml.imagery.blocks.batch import Batch
from stacchip_osml.imagery.blocks.cache import Block, BlockCache
from stacchip_osml.imagery.blocks.local import local_tasks
from stacchip_osml.imagery.blocks.plan import BlockJob, LevelRead, RawPiece, plan_reads
from stacchip_osml.imagery.blocks.sources import LevelSource
from stacchip_osml.imagery.blocks.stored import StoredLevel
from stacchip_osml.imagery.blocks.target import Target
from stacchip_osml.imagery.blocks.workers import Work, usable_cores
from stacchip_osml.imagery.limits import require_inside
from stacchip_osml.imagery.provider import MaskedPixels
from stacchip_osml.pixel import ImageSize, PixelWindow

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.image import BlockImage

__all__ = ["WindowRead", "read_windows"]

BOOL = np.dtype(np.bool_)
Outcome = MaskedPixels | ChipError | None


class WindowRead(NamedTuple):
    """One window to read, and where to; a tuple, because a batch makes a hundred."""

    image: BlockImage
    window: PixelWindow
    """Pixels of the level, inside it."""
    level: int = 0
    bands: tuple[int, ...] | None = None
    """0-based, in the order wanted; None for all."""
    pixels: NDArray[Any] | None = None
    """Destination ``(bands, rows, cols)`` of the image's dtype, a slice of a larger array say; None for a new one."""
    mask: NDArray[np.bool_] | None = None
    """Destination of the validity, the same shape."""
    judged: bool = True
    """False where nobody asks which pixels are valid: ``mask`` may hold anything then."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Window:
    """A window on its way."""

    read: WindowRead
    number: int
    image: int
    source: LevelSource
    level: StoredLevel | None
    """None where GDAL serves it."""
    target: Target
    absent: bool = False
    alpha: NDArray[Any] | None = None
    shared: NDArray[Any] | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Call:
    """All windows of one call, and the images they are of."""

    outcomes: list[Outcome]
    arena: Arena
    is_cached: bool
    windows: list[_Window] = field(default_factory=list)
    images: list[BlockImage] = field(default_factory=list)
    keys: list[tuple[object, ...] | None] = field(default_factory=list)
    """What the cache knows each image by, where there is one."""
    places: dict[int, int | ReadError] = field(default_factory=dict)
    """``id`` of an image → its position, or why it cannot be read: it is not tried again for each window."""


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
    call = _Call(
        outcomes=[None] * len(reads), arena=default_arena() if arena is None else arena, is_cached=cache is not None
    )
    for number, read in enumerate(reads):
        try:
            call.windows.append(_prepared(call, number, read))
        except ChipError as error:
            call.outcomes[number] = error
    _carry_out(call, threads=usable_cores() if threads is None else max(threads, 1), cache=cache)
    _conclude(call)
    return call.outcomes


def _prepared(call: _Call, number: int, read: WindowRead) -> _Window:
    """Check a window and give it its arrays."""
    image = read.image
    place = call.places.get(id(image))
    if place is None:
        place = call.places[id(image)] = _first_seen(call, image)
    if isinstance(place, ReadError):
        raise place
    source = image.source(read.level, read.bands)
    x, y, width, height = read.window
    if not (0 <= x < x + width <= source.size[0] and 0 <= y < y + height <= source.size[1]):
        require_inside(image.name, read.window, source.size, read.level)
    if width * height > source.most_pixels:
        image.limits.require_request(image.name, ImageSize(width, height), len(source.bands), source.dtype.itemsize)
    shape = (len(source.bands), height, width)
    pixels = _destination(read.pixels, shape, source.dtype, call.arena)
    mask = _destination(read.mask, shape, BOOL, call.arena) if read.judged else None
    target = Target(pixels, fill=source.fill, mask=mask, value=source.value, judged=not source.late)
    return _Window(read=read, number=number, image=place, source=source, level=source.level, target=target)


def _first_seen(call: _Call, image: BlockImage) -> int | ReadError:
    """Look at an image, the first time in this call; gives its position."""
    try:
        image.check()
        _ = image.layout
        key = image.version if call.is_cached else None
    except ReadError as error:
        return error
    call.images.append(image)
    call.keys.append(key)
    return len(call.images) - 1


def _destination(
    given: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any], arena: Arena
) -> NDArray[Any]:
    if given is None:
        return arena.take(shape, dtype)
    if given.shape != shape or given.dtype != dtype:
        raise ValueError(f"a destination of {shape} {dtype} is needed, got {given.shape} {given.dtype}")
    return given


def _carry_out(call: _Call, *, threads: int, cache: BlockCache | None) -> None:
    """Read all pixels of all windows."""
    reads, targets = _level_reads(call)
    plan = plan_reads(reads)
    for hole in plan.holes:
        targets[hole.read].leave(hole)
    for window, absent in zip((each for each in call.windows if each.level is not None), plan.absent, strict=False):
        window.absent = absent
    batch = Batch(targets, names=[image.name for image in call.images], keys=call.keys, cache=cache)
    tasks: list[Callable[[], None]] = [
        partial(_read_by_gdal, window) for window in call.windows if window.level is None
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


def _work_off(call: _Call, batch: Batch, todo: _Todo, *, threads: int) -> None:
    """Do what has been claimed, local files' and remote objects' side by side."""
    remote = [image.remote for image in call.images]
    files = [image.file for image in call.images]
    jobs, pieces = todo.jobs, todo.pieces
    far_jobs = [job for job in jobs if remote[job.image]] if any(remote) else []
    far_pieces = [piece for piece in pieces if remote[piece.image]] if any(remote) else []
    is_far = bool(far_jobs or far_pieces)
    if is_far:
        jobs = [job for job in jobs if not remote[job.image]]
        pieces = [piece for piece in pieces if not remote[piece.image]]
    work = Work(threads)
    try:
        near = local_tasks(batch, jobs, pieces, todo.held, files=files, threads=threads)
        work.add([*todo.tasks, *near], mine=0 if is_far else 1)
        if is_far:
            from stacchip_osml.imagery.blocks.objects import RemoteObject
            from stacchip_osml.imagery.blocks.remote import read_remote

            objects = {place: file for place, file in enumerate(files) if isinstance(file, RemoteObject)}
            read_remote(work, batch, far_jobs, far_pieces, objects=objects, threads=threads)
    except BaseException:
        work.drop()
        raise
    finally:
        work.finish()


def _level_reads(call: _Call) -> tuple[list[LevelRead], list[Target]]:
    """List what is read of stored levels: each window, then the alpha and mask bands that some of them need besides."""
    reads: list[LevelRead] = []
    targets: list[Target] = []
    extra: list[tuple[LevelRead, Target]] = []
    for window in call.windows:
        source, level, place = window.source, window.level, window.read.window
        if level is None:
            continue
        reads.append(LevelRead(level, place, source.bands, window.image))
        targets.append(window.target)
        if not source.late or not window.read.judged:
            continue
        shape = (1, place.height, place.width)
        if source.extra_alpha and source.alpha is not None:
            window.alpha = call.arena.take(shape, source.dtype)
            extra.append(_extra(window, level, (source.alpha,), window.alpha))
        if source.mask is not None:
            window.shared = call.arena.take(shape, source.mask.dtype)
            extra.append(_extra(window, source.mask, (0,), window.shared))
    reads += [read for read, _ in extra]
    targets += [target for _, target in extra]
    return reads, targets


def _extra(
    window: _Window, level: StoredLevel, bands: tuple[int, ...], pixels: NDArray[Any]
) -> tuple[LevelRead, Target]:
    target = Target(pixels, fill=np.zeros((1, 1, 1), level.dtype), failures=window.target.failures)
    return LevelRead(level, window.read.window, bands, window.image), target


def _read_by_gdal(window: _Window) -> None:
    """Read a window of a level that blocks do not serve."""
    read = window.read
    try:
        found = read.image.read_by_gdal.read(read.window, level=read.level, bands=read.bands)
    except DecodeError as error:
        window.target.fail((), DecodeError(f"{error} (read by {read.image.served_by(read.level)})"))
        return
    except ChipError as error:
        window.target.fail((), error)
        return
    if found is None:
        window.absent = True
        window.target.fill_all()
    else:
        window.target.take_over(found)


def _settle(call: _Call, threads: int) -> None:
    """Judge the windows whose validity could not be told patch by patch."""
    late = [window for window in call.windows if window.level is not None and window.source.late]
    if late:
        work = Work(threads)
        work.add([partial(_settle_one, window) for window in late], mine=1)
        work.finish()


def _settle_one(window: _Window) -> None:
    if not window.absent and not window.target.failures:
        window.target.settle(window.source, alpha=window.alpha, shared=window.shared)


def _conclude(call: _Call) -> None:
    """Look at the files again, and say what came of each window."""
    changed: dict[int, ChipError] = {}
    for place, image in enumerate(call.images):
        try:
            image.check()
        except ChipError as error:
            changed[place] = error
    for window in call.windows:
        call.outcomes[window.number] = _outcome(window, changed.get(window.image))


def _outcome(window: _Window, changed: ChipError | None) -> Outcome:
    if changed is not None:
        return changed
    target = window.target
    if target.failures:
        return min(target.failures, key=lambda failure: failure[0])[1]
    if window.absent:
        return None
    mask = window.read.mask if target.mask is None else target.mask
    return MaskedPixels(target.pixels, np.ones(target.pixels.shape, bool) if mask is None else mask)
