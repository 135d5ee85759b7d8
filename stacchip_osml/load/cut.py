"""Planned rows to pixels: all windows of all rows are asked for in one call, then brought to the chips' grids.

Where a chip lies on a stored level, and what goes where in it, is told by
``imagery.window_cut``: the same stages that ``ChipFactory`` has. Where a chip's
pixels are stored pixels, they are read straight into the array that is given
out. What goes wrong with one row leaves the others alone.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import BandedPixels, apply_chain
from stacchip_osml.errors import ChipError, LimitError, ReadError, WindowError
from stacchip_osml.forked import ForkLock
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.location import is_remote
from stacchip_osml.imagery.turns import ReadingTurns
from stacchip_osml.imagery.windows.cut import (
    Cut,
    Destination,
    destination,
    leave_empty,
    place_cut,
    plan_cut,
)
from stacchip_osml.index import ChipIndex
from stacchip_osml.load.images import ImageShelf, ShelfRead
from stacchip_osml.load.plan import SourcePlan, plan_source
from stacchip_osml.load.ready import ReadySource, ReadyStack, ready_source
from stacchip_osml.load.rows import PlannedRows, RowPlans
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["CutChips", "Cutter"]

KEPT_SOURCES = 16_384

Mask = NDArray[np.bool_]
Kind = tuple[tuple[int, int, int], np.dtype[Any]]
"""Shape (bands, rows, cols) and type of a chip as its files give it."""


class CutChips(NamedTuple):
    """Chips of one shape, row by row."""

    pixels: NDArray[Any]
    """``(N, C, H, W)``."""
    mask: Mask
    """``(N, C, H, W)``."""
    present: Mask
    """``(N,)``."""
    sources: list[ReadySource | None]
    errors: dict[int, ChipError]
    chained: list[BandedPixels | None] | None
    """Each chip as its chain left it; None where no chain changes anything."""
    is_masked: bool
    """False where ``mask`` was not asked for, and holds anything."""

    def described(self, place: int) -> BandedPixels | None:
        """Give a chip with its nodata, scales and offsets; None where no file could be opened."""
        source = self.sources[place]
        if source is None:
            return None
        return _banded(source, self.pixels[place], self.mask[place]) if self.chained is None else self.chained[place]

    @property
    def band_names(self) -> tuple[str, ...]:
        """One name a band, of the first chip that could be opened."""
        place = next(place for place, source in enumerate(self.sources) if source is not None)
        described = self.described(place)
        return () if described is None else described.names


class _Part(NamedTuple):
    """Assets of one chip that are read together."""

    place: int
    stack: ReadyStack
    cut: Cut
    pixels: NDArray[Any]
    """The stack's bands of the chip."""
    mask: Mask
    there: Destination


class Cutter:
    """Cuts planned rows of one index; safe for threads, and picklable."""

    def __init__(self, index: ChipIndex, shelf: ImageShelf) -> None:
        self.index = index
        self.shelf = shelf
        self.rows = RowPlans(index)
        self._ready: OrderedDict[tuple[int, str | None], ReadySource] = OrderedDict()
        self._lock = ForkLock()
        self._turns = ReadingTurns()

    def ready(self, number: int, chain: str | None) -> ReadySource:
        """Open the files of a source, with another chain where one is named.

        Raises:
            ReadError: a file cannot be read.
            ItemError: a file is not what the rows were made from.
            IndexSchemaError: an asset has no header.
            ChainError: no such chain.
        """
        found = self._open([number], chain)[number]
        if isinstance(found, ChipError):
            raise found
        return found

    def _open(self, numbers: Sequence[int], chain: str | None) -> dict[int, ReadySource | ReadError | LimitError]:
        """Open the files of several sources, or tell why they cannot be read; remote ones are asked for together."""
        found: dict[int, ReadySource | ReadError | LimitError] = {}
        plans: dict[int, SourcePlan] = {}
        with self._lock:
            for number in numbers:
                held = self._ready.get((number, chain))
                if held is not None:
                    self._ready.move_to_end((number, chain))
                    found[number] = held
        for number in numbers:
            if number not in found:
                key = self.rows.keys[number]
                key = key if chain is None else key._replace(chain=chain)
                plans[number] = plan_source(key, self.index.tables.headers, self.index.chains)
        failures = self.shelf.open_together(asset.header for plan in plans.values() for asset in plan.assets)
        for number, plan in plans.items():
            try:
                made = found[number] = ready_source(plan, self.shelf, failures)
            except (ReadError, LimitError) as error:
                found[number] = error
                continue
            with self._lock:
                self._ready[number, chain] = made
                while len(self._ready) > KEPT_SOURCES:
                    self._ready.popitem(last=False)
        return found

    def turn(self, rows: PlannedRows) -> AbstractContextManager[object]:
        """Have a turn at the cores while rows are cut for which no server is asked."""
        return self._turns.turn() if self.is_local(rows) else nullcontext()

    def is_local(self, rows: PlannedRows) -> bool:
        """Tell whether no server is asked for any pixel of rows."""
        for number in np.flatnonzero(np.bincount(rows.sources)).tolist():
            key = self.rows.keys[number]
            headers = (self.index.tables.headers.get((*key[:2], asset)) for asset in key.assets.split(","))
            if any(header is not None and is_remote(header.image.location) for header in headers):
                return False
        return True

    def cut(
        self,
        rows: PlannedRows,
        *,
        chain: str | None = None,
        keep_going: bool = False,
        want_mask: bool = True,
        threads: int | None = None,
    ) -> CutChips:
        """Cut rows of one shape.

        Args:
            rows: at least one.
            chain: instead of each row's.
            keep_going: name rows that cannot be read in ``errors`` instead of raising.
            want_mask: False where nobody looks at the mask, which holds anything then.
            threads: that decode; None for those of the shelf.

        Raises:
            WindowError: the chips differ in shape, bands or type, after their chains.
            ReadError: a chip could not be read, unless ``keep_going``.
        """
        errors: dict[int, ChipError] = {}
        sources = self._sources(rows, chain, errors, keep_going=keep_going)
        windows = [PixelWindow(*values) for values in rows.windows.tolist()]
        kinds = _kinds(windows, sources)
        if not kinds:
            raise next(iter(errors.values()))
        if len(kinds) > 1:
            self._require_chains(rows, kinds, sources)
            how: dict[str, Any] = {"chain": chain, "keep_going": keep_going, "threads": threads}
            parted = [(group, self.cut(rows.some(group), **how)) for group in kinds.values()]
            return _joined(parted, len(windows))
        ((shape, dtype),) = kinds
        pixels = self.shelf.arena.take((len(windows), *shape), dtype)
        want_mask = want_mask or any(source is not None and source.has_steps for source in sources)
        mask = self.shelf.arena.take(pixels.shape, np.dtype(bool)) if want_mask else _one_byte(pixels.shape)
        parts = _parts(windows, sources, pixels, mask)
        present = np.zeros(len(windows), bool)
        reads = [
            # What is resampled is resampled from valid pixels.
            ShelfRead(
                stack.readers, stack.placing.level, cut.window, *there, want_mask or cut.target is None, stack.fill
            )
            for _, stack, cut, _, _, there in parts
        ]
        for part, found in zip(parts, self.shelf.read(reads, threads=threads), strict=True):
            stack = part.stack
            if isinstance(found, ChipError):
                if not keep_going or not isinstance(found, ReadError | LimitError):
                    raise found
                errors.setdefault(part.place, found)
            elif found is None:
                leave_empty(part.pixels, part.mask, stack.fill)
            else:
                present[part.place] = True
                place_cut(part.cut, stack.placing, found, part.pixels, part.mask, fill=stack.fill, there=part.there)
        for place in errors:
            present[place] = False
            mask[place] = False
            source = sources[place] or next(filter(None, sources))
            for asset in source.assets:
                leave_empty(pixels[place, asset.bands], mask[place, asset.bands], asset.fill)
        return _chained(CutChips(pixels, mask, present, sources, errors, None, want_mask))

    def _sources(
        self, rows: PlannedRows, chain: str | None, errors: dict[int, ChipError], *, keep_going: bool
    ) -> list[ReadySource | None]:
        found: dict[int, ReadySource | None] = {}
        for number, opened in self._open(np.flatnonzero(np.bincount(rows.sources)).tolist(), chain).items():
            if isinstance(opened, ReadySource):
                found[number] = opened
                continue
            if not keep_going:
                raise opened
            found[number] = None
            errors |= dict.fromkeys(np.flatnonzero(rows.sources == number).tolist(), opened)
        return [found[number] for number in rows.sources.tolist()]

    def _require_chains(
        self, rows: PlannedRows, kinds: dict[Kind, list[int]], sources: Sequence[ReadySource | None]
    ) -> None:
        """Refuse chips of several kinds that no chain could make alike."""
        if any(source is not None and source.has_steps for source in sources):
            return
        (one, first), (two, second), *_ = (
            (self.index.row(int(rows.positions[group[0]]))["id"], kind) for kind, group in kinds.items()
        )
        raise WindowError(
            f"chips of a batch must agree: {one!r} is {first[0]} {first[1]}, {two!r} is {second[0]} {second[1]}; "
            "choose rows of one kind, or index them with a chain that makes them alike (select, linear …)"
        )

    def __reduce__(self) -> tuple[object, ...]:
        return (Cutter, (self.index, self.shelf))


_LIMITS = ReadLimits()
"""What no band of a chip may take more memory than."""


def _kinds(windows: Sequence[PixelWindow], sources: Sequence[ReadySource | None]) -> dict[Kind, list[int]]:
    """Tell apart chips of several shapes and types, before any chain; those that cannot be read go with the first."""
    kinds: dict[Kind, list[int]] = {}
    seen: dict[tuple[int, int, int], Kind] = {}
    lost = []
    for place, (window, source) in enumerate(zip(windows, sources, strict=True)):
        if source is None:
            lost.append(place)
            continue
        key = (id(source), window.width, window.height)
        if key not in seen:
            size = source.plan.size(window)
            _LIMITS.require_request(source.plan.key.item_id, size, 1, source.dtype.itemsize)
            seen[key] = (len(source.nodata), size.height, size.width), source.dtype
        kinds.setdefault(seen[key], []).append(place)
    if lost and kinds:
        next(iter(kinds.values())).extend(lost)
    return kinds


def _joined(parted: Sequence[tuple[list[int], CutChips]], count: int) -> CutChips:
    """Put chips of several kinds together that their chains have made alike."""
    present = np.zeros(count, bool)
    sources: list[ReadySource | None] = [None] * count
    done: list[BandedPixels | None] = [None] * count
    errors: dict[int, ChipError] = {}
    for group, cut in parted:
        present[group] = cut.present
        errors |= {group[place]: error for place, error in cut.errors.items()}
        for at, place in enumerate(group):
            sources[place], done[place] = cut.sources[at], cut.described(at)
    return _together(done, present, sources, errors, is_masked=True)


def _parts(
    windows: Sequence[PixelWindow], sources: Sequence[ReadySource | None], pixels: NDArray[Any], mask: Mask
) -> list[_Part]:
    """Say what is read for each chip, and where to; what lies outside its image is left empty."""
    size = ImageSize(pixels.shape[3], pixels.shape[2])
    parts: list[_Part] = []
    for place, (window, source) in enumerate(zip(windows, sources, strict=True)):
        if source is None:
            mask[place] = False
            continue
        placing, cut = None, None
        for stack in source.stacks:
            if stack.placing is not placing:
                placing = stack.placing
                cut = plan_cut(placing, window.x, window.y, size)
            if cut is None:
                leave_empty(pixels[place, stack.bands], mask[place, stack.bands], stack.fill)
                continue
            # What is resampled takes an array besides: of one asset at a time.
            for each in stack.single if cut.target is None and stack.single else (stack,):
                where = pixels[place, each.bands], mask[place, each.bands]
                parts.append(_Part(place, each, cut, *where, destination(cut, *where, dtype=each.dtype)))
    return parts


def _one_byte(shape: tuple[int, ...]) -> Mask:
    """Give a mask that nobody looks at: it can be written to, and has no more memory than that."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, bool), shape, (0,) * len(shape), writeable=True)


def _chained(cut: CutChips) -> CutChips:
    """Run each row's chain; rows of several chains must come out alike."""
    if not any(source is not None and source.has_steps for source in cut.sources):
        return cut
    done: list[BandedPixels | None] = []
    for place, source in enumerate(cut.sources):
        if source is None:
            done.append(None)
            continue
        chip = _banded(source, cut.pixels[place], cut.mask[place])
        done.append(apply_chain(source.plan.definition, chip) if source.has_steps else chip)
    return _together(done, cut.present, cut.sources, cut.errors, is_masked=cut.is_masked)


def _together(
    done: list[BandedPixels | None],
    present: Mask,
    sources: list[ReadySource | None],
    errors: dict[int, ChipError],
    *,
    is_masked: bool,
) -> CutChips:
    """Put chips together as their chains left them."""
    first = next(filter(None, done))
    for other in filter(None, done):
        if (other.pixels.shape, other.pixels.dtype) != (first.pixels.shape, first.pixels.dtype):
            raise WindowError(
                f"chips of a batch must agree: their chains give {first.pixels.shape} {first.pixels.dtype} and "
                f"{other.pixels.shape} {other.pixels.dtype}"
            )
    pixels = np.empty((len(done), *first.pixels.shape), first.pixels.dtype)
    mask = np.empty(pixels.shape, bool)
    for place, chip_or_none in enumerate(done):
        chip = chip_or_none or first
        pixels[place], mask[place] = chip.pixels, chip.mask if chip_or_none else False
    return CutChips(pixels, mask, present, sources, errors, done, is_masked)


def _banded(source: ReadySource, pixels: NDArray[Any], mask: Mask) -> BandedPixels:
    return BandedPixels(
        pixels=pixels,
        mask=mask,
        scales=source.scales,
        offsets=source.offsets,
        nodata=source.nodata,
        names=source.band_names,
        colors=source.colors,
    )
