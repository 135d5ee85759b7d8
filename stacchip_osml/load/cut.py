"""Planned rows to pixels: all windows of all rows are asked for in one call, then brought to the chips' grids.

Where a chip's pixels are stored pixels, they are read straight into the array
that is given out. What goes wrong with one row leaves the others alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import BandedPixels, apply_chain
from stacchip_osml.chain.steps import ALIGN
from stacchip_osml.errors import ChipError, LimitError, ReadError, WindowError
from stacchip_osml.imagery import MaskedPixels
from stacchip_osml.imagery.resample import is_copied, resample, source_window
from stacchip_osml.index import ChipIndex
from stacchip_osml.load.images import ImageReader, ImageShelf, ShelfRead
from stacchip_osml.load.plan import SourcePlan, plan_source, stored_level
from stacchip_osml.load.rows import PlannedRows, RowPlans
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["CutChips", "Cutter", "ReadyAsset", "ReadySource", "fill_value"]

KEPT_SOURCES = 16_384

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadyAsset:
    """One asset of a source, opened, with the level that its chips are read from."""

    reader: ImageReader
    level: int
    size: ImageSize
    """Of the level."""
    start: tuple[float, float]
    """``(x, y)`` of the reference's corner in R0 pixels of the asset."""
    per_pixel: tuple[float, float]
    """R0 pixels of the asset an R0 pixel of the reference."""
    ratio: tuple[float, float]
    """Pixels of the level an R0 pixel of the asset."""
    step: tuple[float, float]
    """Pixels of the level a chip pixel."""
    method: str
    bands: slice
    """Where its bands stand in the chip."""
    fill: tuple[float | complex, ...]
    """Value of pixels that hold nothing, a band each."""

    def corner(self, window: PixelWindow) -> tuple[float, float]:
        """Give a chip's corner in pixels of the level."""
        return (
            (self.start[0] + window.x * self.per_pixel[0]) * self.ratio[0],
            (self.start[1] + window.y * self.per_pixel[1]) * self.ratio[1],
        )


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


class _Part(NamedTuple):
    """One asset of one chip."""

    place: int
    asset: ReadyAsset
    window: PixelWindow
    """Pixels of the level to be read."""
    corner: tuple[float, float]
    target: tuple[slice, slice] | None
    """Where they stand in the chip; None where they have to be resampled."""
    pixels: NDArray[Any] | None
    mask: Mask | None


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
        with self._lock:
            held = self._ready.get((number, chain))
            if held is not None:
                self._ready.move_to_end((number, chain))
                return held
        key = self.rows.keys[number]
        plan = plan_source(
            key if chain is None else key._replace(chain=chain), self.index.tables.headers, self.index.chains
        )
        made = _opened(plan, self.shelf)
        with self._lock:
            self._ready[number, chain] = made
            while len(self._ready) > KEPT_SOURCES:
                self._ready.popitem(last=False)
        return made

    def cut(self, rows: PlannedRows, *, chain: str | None = None, keep_going: bool = False) -> CutChips:
        """Cut rows of one shape.

        Args:
            rows: at least one.
            chain: instead of each row's.
            keep_going: name rows that cannot be read in ``errors`` instead of raising.

        Raises:
            WindowError: the chips differ in shape, bands or type.
            ReadError: a chip could not be read, unless ``keep_going``.
        """
        errors: dict[int, ChipError] = {}
        sources = self._sources(rows, chain, errors, keep_going=keep_going)
        windows = [PixelWindow(*values) for values in rows.windows.tolist()]
        shape, dtype = self._agreed(rows, windows, sources, errors)
        pixels = self.shelf.arena.take((len(windows), *shape), dtype)
        mask = self.shelf.arena.take(pixels.shape, np.dtype(bool))
        parts: list[_Part] = []
        for place, (window, source) in enumerate(zip(windows, sources, strict=True)):
            if source is None:
                mask[place] = False
                continue
            for asset in source.assets:
                part = _part(place, asset, window, pixels[place, asset.bands], mask[place, asset.bands])
                if part is None:
                    _leave_empty(asset, pixels[place], mask[place])
                else:
                    parts.append(part)
        present = np.zeros(len(windows), bool)
        reads = [ShelfRead(part.asset.reader, part.asset.level, part.window, part.pixels, part.mask) for part in parts]
        for part, found in zip(parts, self.shelf.read(reads), strict=True):
            if isinstance(found, ChipError):
                if not keep_going or not isinstance(found, ReadError | LimitError):
                    raise found
                errors.setdefault(part.place, found)
            elif found is None:
                _leave_empty(part.asset, pixels[part.place], mask[part.place])
            else:
                present[part.place] = True
                _place(part, found, pixels[part.place, part.asset.bands], mask[part.place, part.asset.bands])
        for place in errors:
            present[place] = False
            mask[place] = False
            source = sources[place] or next(filter(None, sources))
            for asset in source.assets:
                _leave_empty(asset, pixels[place], mask[place])
        return _chained(CutChips(pixels, mask, present, sources, errors, []))

    def _sources(
        self, rows: PlannedRows, chain: str | None, errors: dict[int, ChipError], *, keep_going: bool
    ) -> list[ReadySource | None]:
        found: dict[int, ReadySource | None] = {}
        for number in np.unique(rows.sources).tolist():
            try:
                found[number] = self.ready(number, chain)
            except (ReadError, LimitError) as error:
                if not keep_going:
                    raise
                found[number] = None
                errors |= dict.fromkeys(np.flatnonzero(rows.sources == number).tolist(), error)
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


def fill_value(nodata: float | complex | None, dtype: np.dtype[Any]) -> float | complex:
    """Give the value of pixels that hold nothing: nodata where the type can hold it, else 0."""
    if nodata is None:
        return 0
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        real = float(nodata.real)
        return int(nodata.real) if real.is_integer() and limits.min <= real <= limits.max else 0
    return nodata


def _opened(plan: SourcePlan, shelf: ImageShelf) -> ReadySource:
    readers = [shelf.reader(asset.header) for asset in plan.assets]
    scale = 2**plan.level
    ready, at = [], 0
    for grid, reader in zip(plan.assets, readers, strict=True):
        level = stored_level(reader.levels, (grid.step[0] * scale, grid.step[1] * scale))
        base, size = reader.levels[0], reader.levels[level]
        ratio = (size.width / base.width, size.height / base.height)
        bands = slice(at, at + len(reader.nodata))
        at = bands.stop
        ready.append(
            ReadyAsset(
                reader=reader,
                level=level,
                size=size,
                start=grid.start,
                per_pixel=grid.step,
                ratio=ratio,
                step=(grid.step[0] * scale * ratio[0], grid.step[1] * scale * ratio[1]),
                method=grid.method,
                bands=bands,
                fill=tuple(fill_value(value, kind) for value, kind in zip(reader.nodata, reader.dtypes, strict=True)),
            )
        )
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
    )


def _part(place: int, asset: ReadyAsset, window: PixelWindow, pixels: NDArray[Any], mask: Mask) -> _Part | None:
    """Say what to read for one asset of a chip, None where the chip lies off it."""
    rows, cols = mask.shape[1:]
    corner = asset.corner(window)
    if not is_copied(corner, asset.step):
        needed = source_window(corner, asset.step, ImageSize(cols, rows), image=asset.size, method=asset.method)
        return None if needed is None else _Part(place, asset, needed, corner, None, None, None)
    x, y = round(corner[0]), round(corner[1])
    left, right = max(x, 0), min(x + cols, asset.size.width)
    top, bottom = max(y, 0), min(y + rows, asset.size.height)
    if left >= right or top >= bottom:
        return None
    target = slice(top - y, bottom - y), slice(left - x, right - x)
    direct = pixels.dtype == asset.reader.dtypes[0]
    return _Part(
        place,
        asset,
        PixelWindow(left, top, right - left, bottom - top),
        corner,
        target,
        pixels[:, target[0], target[1]] if direct else None,
        mask[:, target[0], target[1]],
    )


def _place(part: _Part, found: MaskedPixels, pixels: NDArray[Any], mask: Mask) -> None:
    """Bring what was read to its place in the chip."""
    asset = part.asset
    if part.target is None:
        size = ImageSize(mask.shape[2], mask.shape[1])
        inside = (part.corner[0] - part.window.x, part.corner[1] - part.window.y)
        done = resample(found, start=inside, step=asset.step, size=size, method=asset.method, fill=asset.fill)
        pixels[...], mask[...] = done
        return
    rows, cols = part.target
    if (rows.stop - rows.start, cols.stop - cols.start) != mask.shape[1:]:
        outside = np.ones(mask.shape[1:], bool)
        outside[rows, cols] = False
        mask[:, outside] = False
        for plane, value in zip(pixels, asset.fill, strict=True):
            plane[outside] = value
    if found.pixels is not part.pixels:
        pixels[:, rows, cols] = found.pixels
    if found.mask is not part.mask:
        mask[:, rows, cols] = found.mask


def _leave_empty(asset: ReadyAsset, pixels: NDArray[Any], mask: Mask) -> None:
    mask[asset.bands] = False
    for plane, value in zip(pixels[asset.bands], asset.fill, strict=True):
        plane[...] = value


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
