"""Planned rows to pixels: all windows of all rows are asked for in one call, then brought to the chips' grids.

Where a chip lies on a stored level, and what goes where in it, is told by
``imagery.window_cut``: the same stages that ``ChipFactory`` has. Where a chip's
pixels are stored pixels, they are read straight into the array that is given
out. What goes wrong with one row leaves the others alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import BandedPixels, apply_chain
from stacchip_osml.chain.arithmetic import SELECT
from stacchip_osml.chain.steps import ALIGN
from stacchip_osml.errors import ChipError, LimitError, ReadError, WindowError
from stacchip_osml.imagery.window_cut import (
    Cut,
    Destination,
    LevelPlacing,
    destination,
    fill_value,
    leave_empty,
    place_cut,
    plan_cut,
)
from stacchip_osml.index import ChipIndex
from stacchip_osml.index.headers import HeaderKey
from stacchip_osml.load.images import ImageReader, ImageShelf, ShelfRead
from stacchip_osml.load.plan import SourcePlan, plan_source, stored_level
from stacchip_osml.load.rows import PlannedRows, RowPlans
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["CutChips", "Cutter", "ReadyAsset", "ReadySource"]

KEPT_SOURCES = 16_384

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyAsset:
    """One asset of a source, opened, with the level that its chips are read from."""

    reader: ImageReader
    placing: LevelPlacing
    """Of chips of the source on that level, by R0 pixels of the reference; one object for assets that lie alike."""
    bands: slice
    """Where its bands stand in the chip."""
    fill: tuple[float | complex, ...]
    """Value of pixels that hold nothing, a band each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadySource:
    """A source with its files opened and compared with the index."""

    plan: SourcePlan
    assets: tuple[ReadyAsset, ...]
    dtype: np.dtype[Any]
    nodata: tuple[float | complex | None, ...]
    scales: tuple[float, ...]
    offsets: tuple[float, ...]
    band_names: tuple[str, ...]
    colors: tuple[str, ...]
    shown_bands: tuple[int, ...] | None
    """0-based bands of its one asset that chips show; None of several assets, or where a chain makes others."""

    @property
    def has_steps(self) -> bool:
        """Whether pixels change after they were read."""
        return any(step["step"] != ALIGN for step in self.plan.definition)


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
    described: list[BandedPixels | None]
    """Each chip as its chain left it: nodata, scales and offsets; None where no file could be opened."""
    is_masked: bool
    """False where ``mask`` was not asked for, and holds anything."""


class _Part(NamedTuple):
    """One asset of one chip."""

    place: int
    asset: ReadyAsset
    cut: Cut
    pixels: NDArray[Any]
    """The asset's bands of the chip."""
    mask: Mask
    there: Destination


class Cutter:
    """Cuts planned rows of one index; safe for threads, and picklable."""

    def __init__(self, index: ChipIndex, shelf: ImageShelf) -> None:
        self.index = index
        self.shelf = shelf
        self.rows = RowPlans(index)
        self._ready: OrderedDict[tuple[int, str | None], ReadySource] = OrderedDict()
        self._lock = threading.Lock()

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
                made = found[number] = _opened(plan, self.shelf, failures)
            except (ReadError, LimitError) as error:
                found[number] = error
                continue
            with self._lock:
                self._ready[number, chain] = made
                while len(self._ready) > KEPT_SOURCES:
                    self._ready.popitem(last=False)
        return found

    def cut(
        self, rows: PlannedRows, *, chain: str | None = None, keep_going: bool = False, want_mask: bool = True
    ) -> CutChips:
        """Cut rows of one shape.

        Args:
            rows: at least one.
            chain: instead of each row's.
            keep_going: name rows that cannot be read in ``errors`` instead of raising.
            want_mask: False where nobody looks at the mask, which holds anything then.

        Raises:
            WindowError: the chips differ in shape, bands or type.
            ReadError: a chip could not be read, unless ``keep_going``.
        """
        errors: dict[int, ChipError] = {}
        sources = self._sources(rows, chain, errors, keep_going=keep_going)
        windows = [PixelWindow(*values) for values in rows.windows.tolist()]
        shape, dtype = self._agreed(rows, windows, sources, errors)
        pixels = self.shelf.arena.take((len(windows), *shape), dtype)
        want_mask = want_mask or any(source is not None and source.has_steps for source in sources)
        mask = self.shelf.arena.take(pixels.shape, np.dtype(bool)) if want_mask else _one_byte(pixels.shape)
        parts = _parts(windows, sources, pixels, mask)
        present = np.zeros(len(windows), bool)
        reads = [
            # What is resampled is resampled from valid pixels.
            ShelfRead(asset.reader, asset.placing.level, cut.window, *there, want_mask or cut.target is None)
            for _, asset, cut, _, _, there in parts
        ]
        for part, found in zip(parts, self.shelf.read(reads), strict=True):
            asset = part.asset
            if isinstance(found, ChipError):
                if not keep_going or not isinstance(found, ReadError | LimitError):
                    raise found
                errors.setdefault(part.place, found)
            elif found is None:
                leave_empty(part.pixels, part.mask, asset.fill)
            else:
                present[part.place] = True
                place_cut(part.cut, asset.placing, found, part.pixels, part.mask, fill=asset.fill, there=part.there)
        for place in errors:
            present[place] = False
            mask[place] = False
            source = sources[place] or next(filter(None, sources))
            for asset in source.assets:
                leave_empty(pixels[place, asset.bands], mask[place, asset.bands], asset.fill)
        return _chained(CutChips(pixels, mask, present, sources, errors, [], want_mask))

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

    def _agreed(
        self,
        rows: PlannedRows,
        windows: Sequence[PixelWindow],
        sources: Sequence[ReadySource | None],
        errors: dict[int, ChipError],
    ) -> tuple[tuple[int, int, int], np.dtype[Any]]:
        """Give the one shape and type of all chips."""
        first: tuple[int, tuple[int, int, int], np.dtype[Any]] | None = None
        for place, (window, source) in enumerate(zip(windows, sources, strict=True)):
            if source is None:
                continue
            size = source.plan.size(window)
            shape = (len(source.nodata), size.height, size.width)
            if first is None:
                first = (place, shape, source.dtype)
            elif (shape, source.dtype) != first[1:]:
                one, two = (self.index.row(int(rows.positions[at]))["id"] for at in (first[0], place))
                raise WindowError(
                    f"chips of a batch must agree: {one!r} is {first[1]} {first[2]}, {two!r} is {shape} {source.dtype}"
                )
        if first is None:
            raise next(iter(errors.values()))
        return first[1:]

    def __reduce__(self) -> tuple[object, ...]:
        return (Cutter, (self.index, self.shelf))


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
        for asset in source.assets:
            if asset.placing is not placing:
                placing = asset.placing
                cut = plan_cut(placing, window.x, window.y, size)
            where = pixels[place, asset.bands], mask[place, asset.bands]
            if cut is None:
                leave_empty(*where, asset.fill)
            else:
                there = destination(cut, *where, dtype=asset.reader.dtypes[0])
                parts.append(_Part(place, asset, cut, *where, there))
    return parts


def _one_byte(shape: tuple[int, ...]) -> Mask:
    """Give a mask that nobody looks at: it can be written to, and has no more memory than that."""
    return np.lib.stride_tricks.as_strided(np.zeros(1, bool), shape, (0,) * len(shape), writeable=True)


def _opened(plan: SourcePlan, shelf: ImageShelf, failures: Mapping[HeaderKey, ChipError]) -> ReadySource:
    headers = [asset.header for asset in plan.assets]
    for header in headers:
        if header.key in failures:
            raise failures[header.key]
    readers = [shelf.reader(header) for header in headers]
    scale = 2**plan.level
    ready: list[ReadyAsset] = []
    at = 0
    for grid, reader in zip(plan.assets, readers, strict=True):
        level = stored_level(reader.places, (grid.step[0] * scale, grid.step[1] * scale))
        place = reader.places[level]
        bands = slice(at, at + len(reader.nodata))
        at = bands.stop
        step = grid.step[0] * scale / place.dx, grid.step[1] * scale / place.dy
        placing = LevelPlacing(
            level=level,
            size=reader.levels[level],
            place=place,
            step=step,
            start=grid.start,
            per_pixel=grid.step,
            method=grid.method,
        )
        placing = next((other.placing for other in ready if other.placing == placing), placing)
        fill = tuple(fill_value(value, kind) for value, kind in zip(reader.nodata, reader.dtypes, strict=True))
        ready.append(ReadyAsset(reader=reader, placing=placing, bands=bands, fill=fill))
    scales = [pair for reader in readers for pair in reader.scales]
    return ReadySource(
        plan=plan,
        assets=tuple(ready),
        dtype=np.result_type(*(kind for reader in readers for kind in reader.dtypes)),
        nodata=tuple(value for reader in readers for value in reader.nodata),
        scales=tuple(scale for scale, _ in scales),
        offsets=tuple(offset for _, offset in scales),
        band_names=_band_names(readers),
        colors=_colors(readers),
        shown_bands=_shown_bands(plan, at),
    )


def _shown_bands(plan: SourcePlan, count: int) -> tuple[int, ...] | None:
    """Give the bands of the one asset that a chain, if there is any, does nothing but choose."""
    if len(plan.assets) > 1:
        return None
    bands = list(range(count))
    for step in plan.definition:
        if step["step"] == SELECT.name:
            bands = [bands[band] for band in step["bands"]]
        elif step["step"] != ALIGN:
            return None
    return tuple(bands)


def _chained(cut: CutChips) -> CutChips:
    """Run each row's chain; rows of several chains must come out alike."""
    done: list[BandedPixels | None] = []
    for place, source in enumerate(cut.sources):
        if source is None:
            done.append(None)
            continue
        chip = BandedPixels(
            pixels=cut.pixels[place],
            mask=cut.mask[place],
            scales=source.scales,
            offsets=source.offsets,
            nodata=source.nodata,
            names=source.band_names,
            colors=source.colors,
        )
        done.append(apply_chain(source.plan.definition, chip) if source.has_steps else chip)
    if not any(source is not None and source.has_steps for source in cut.sources):
        return cut._replace(described=done)
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
    return cut._replace(pixels=pixels, mask=mask, described=done)


def _band_names(readers: Sequence[ImageReader]) -> tuple[str, ...]:
    """Name bands: the asset key for an asset of one band, the band's own name else; unique in any case."""
    names = []
    for reader in readers:
        own = [band.name for band in reader.bands]
        if len(own) == 1:
            own = [reader.image.asset_key]
        elif len(readers) > 1:
            own = [f"{reader.image.asset_key}.{name}" for name in own]
        names += own
    return tuple(names)


def _colors(readers: Sequence[ImageReader]) -> tuple[str, ...]:
    """Give the colour each band is shown in: what the file says, else the band's common name."""
    colors = []
    for reader in readers:
        for stored, band in zip(reader.colors, reader.bands, strict=True):
            common = band.common_name if band.common_name in {"red", "green", "blue"} else None
            colors.append(common if common and stored in {"undefined", "gray"} else stored)
    return tuple(colors)
