"""Windows of one call, checked and given their arrays.

Images whose bands follow each other in one result, and whose blocks lie alike,
are read as if they were one image: what is looked up, checked and planned for
a window is then the same for all of them, and done once. Others are read side
by side into parts of the result, and the parts of an image that have blocks of
their own one below the other.

Rules: what windows of the same images and level have in common is found out
once a call; what concerns one window is its result and no one else's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError, ReadError
from stacchip_osml.imagery.blocks.arena import Arena
from stacchip_osml.imagery.blocks.plan import Layer, layers_of
from stacchip_osml.imagery.blocks.served import ServedImage
from stacchip_osml.imagery.blocks.sources import LevelSource, alike, share_of
from stacchip_osml.imagery.blocks.target import Target
from stacchip_osml.imagery.limits import require_inside
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["Call", "Outcome", "ReadyWindow", "Slab", "WindowRead"]

BOOL = np.dtype(np.bool_)
Outcome = MaskedPixels | ChipError | None


class WindowRead(NamedTuple):
    """One window to read, and where to; a tuple, because a batch makes a hundred."""

    image: ServedImage | tuple[ServedImage, ...]
    """One; or several of one type, whose bands follow each other. One object for all windows of the same images."""
    window: PixelWindow
    """Pixels of the level, inside it."""
    level: int = 0
    bands: tuple[int, ...] | None = None
    """0-based, in the order wanted; None for all. Of one image."""
    pixels: NDArray[Any] | None = None
    """Destination ``(bands, rows, cols)`` of the image's dtype, a slice of a larger array say; None for a new one."""
    mask: NDArray[np.bool_] | None = None
    """Destination of the validity, the same shape."""
    judged: bool = True
    """False where nobody asks which pixels are valid: ``mask`` may hold anything then."""
    empty: tuple[float | complex, ...] | None = None
    """A band each: what an image that stores nothing there reads as beside others that do; None for its nodata or 0."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slab:
    """Bands of a read that are read in one way: those of one image, or of several whose blocks lie alike."""

    images: tuple[int, ...]
    """Positions in the call."""
    spans: tuple[slice, ...]
    """Bands of each image, in the slab."""
    bands: slice
    """Of the read."""
    rows: range
    """Of the level: all, or those of a part that has blocks of its own."""
    source: LevelSource
    """Of the first image; the others' are alike in all that decides which pixels are valid."""
    layers: tuple[Layer, ...]
    """Empty where GDAL serves the level."""
    fill: NDArray[Any]
    """``(bands, 1, 1)``: what pixels of absent blocks read as."""
    alpha: tuple[Layer, ...]
    """The alpha band, where it has to be read besides."""
    shared: tuple[Layer, ...]
    """The level's mask band."""


class Kind(NamedTuple):
    """What windows of the same images, level and bands have in common."""

    images: tuple[ServedImage, ...]
    sources: tuple[LevelSource, ...]
    slabs: tuple[Slab, ...]
    bands: int
    """Of all images."""
    dtype: np.dtype[Any]
    size: ImageSize
    """Of the level: of the smallest one."""
    most_pixels: int
    """Of one window, by the limits."""


@dataclass(slots=True, kw_only=True, eq=False)
class ReadyWindow:
    """A window on its way: one slab of a read."""

    read: WindowRead
    number: int
    slab: Slab
    target: Target
    absent: frozenset[int] = frozenset()
    """Images of which nothing is stored there."""
    alpha: NDArray[Any] | None = None
    shared: NDArray[Any] | None = None

    @property
    def is_absent(self) -> bool:
        """Nothing is stored there."""
        return len(self.absent) > 0 and self.absent.issuperset(self.slab.images)

    def leave_empty(self) -> None:
        """Give the bands of images that store nothing there the values that the reader wants."""
        if self.read.empty is None:
            return
        for place, span in zip(self.slab.images, self.slab.spans, strict=True):
            for band in range(span.start, span.stop) if place in self.absent else ():
                self.target.pixels[band] = self.read.empty[self.slab.bands.start + band]


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """All windows of one call, and the images they are of."""

    outcomes: list[Outcome]
    arena: Arena
    is_cached: bool
    windows: list[ReadyWindow] = field(default_factory=list)
    images: list[ServedImage] = field(default_factory=list)
    keys: list[tuple[object, ...] | None] = field(default_factory=list)
    """What the cache knows each image by, where there is one."""
    wholes: dict[int, MaskedPixels] = field(default_factory=dict)
    """The arrays of reads that have several slabs."""
    _places: dict[int, int | ReadError] = field(default_factory=dict)
    """``id`` of an image → its position, or why it cannot be read: it is not tried again for each window."""
    _kinds: dict[tuple[int, int, tuple[int, ...] | None], Kind | ChipError] = field(default_factory=dict)

    def add(self, number: int, read: WindowRead) -> None:
        """Check a window and give it its arrays.

        Raises:
            ChipError: it cannot be read.
            IndexError: no such level or band.
            ValueError: a destination of another shape or dtype; bands of several images, or images of several types.
        """
        key = (id(read.image), read.level, read.bands)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = self._kind(read)
        if isinstance(kind, ChipError):
            raise kind
        _, _, slabs, bands, dtype, size, most_pixels = kind
        x, y, width, height = read.window
        if not (0 <= x < x + width <= size[0] and 0 <= y < y + height <= size[1]) or width * height > most_pixels:
            _require(kind, read)
        shape = (bands, height, width)
        pixels = _destination(read.pixels, shape, dtype, self.arena)
        mask = _destination(read.mask, shape, BOOL, self.arena) if read.judged else None
        if len(slabs) == 1:
            self.windows.append(_ready(read, number, slabs[0], pixels, mask))
            return
        for slab in slabs:
            if (share := share_of(read.window, slab.rows)) is None:
                continue
            top = slab.rows.start + share.y - y
            at = slab.bands, slice(top, top + share.height)
            part = read._replace(window=share)
            self.windows.append(_ready(part, number, slab, pixels[at], None if mask is None else mask[at]))
        self.wholes[number] = MaskedPixels(pixels, _some_mask(read, pixels, mask))

    def outcome(self, window: ReadyWindow, changed: dict[int, ChipError]) -> Outcome:
        """Say what came of a window; ``changed`` files are told by their position."""
        target, read = window.target, window.read
        if changed or target.failures:
            for place in window.slab.images:
                if place in changed:
                    return changed[place]
                own = [failure for failure in target.failures if not failure[0] or failure[0][0] == place]
                if own:
                    return min(own, key=lambda failure: failure[0])[1]
        if window.absent:
            if window.is_absent:
                return None
            window.leave_empty()
        return MaskedPixels(target.pixels, _some_mask(read, target.pixels, target.mask))

    def _kind(self, read: WindowRead) -> Kind | ChipError:
        """Find out what windows of some images have in common."""
        images = read.image if isinstance(read.image, tuple) else (read.image,)
        if not images or (len(images) > 1 and read.bands is not None):
            raise ValueError(f"bands {read.bands} of {len(images)} images")
        try:
            places = tuple(self._place(image) for image in images)
            sources = tuple(image.source(read.level, read.bands) for image in images)
        except ChipError as error:
            return error
        if any(source.dtype != sources[0].dtype for source in sources):
            raise ValueError(f"images of {', '.join(sorted({str(source.dtype) for source in sources}))} in one array")
        return Kind(
            images=images,
            sources=sources,
            slabs=_slabs(places, sources),
            bands=sum(len(source.bands) for source in sources),
            dtype=sources[0].dtype,
            size=ImageSize(min(source.size.width for source in sources), min(source.size.height for source in sources)),
            most_pixels=min(source.most_pixels for source in sources),
        )

    def _place(self, image: ServedImage) -> int:
        """Give an image its position, and look at it the first time in this call.

        Raises:
            ReadError: it cannot be read.
        """
        place = self._places.get(id(image))
        if place is None:
            place = self._places[id(image)] = self._first_seen(image)
        if isinstance(place, ReadError):
            raise place
        return place

    def _first_seen(self, image: ServedImage) -> int | ReadError:
        try:
            image.check()
            _ = image.layout
            key = image.version if self.is_cached else None
        except ReadError as error:
            return error
        self.images.append(image)
        self.keys.append(key)
        return len(self.images) - 1


@lru_cache(maxsize=4)  # window after window of the same images, a call each
def _slabs(places: tuple[int, ...], sources: tuple[LevelSource, ...]) -> tuple[Slab, ...]:
    """Join images that follow each other and can be read as one."""
    runs: list[list[int]] = []
    for number, source in enumerate(sources):
        if runs and _joins(sources[runs[-1][0]], source):
            runs[-1].append(number)
        else:
            runs.append([number])
    slabs: list[Slab] = []
    first = 0
    for run in runs:
        lead, there = sources[run[0]], [places[number] for number in run]
        if lead.below:
            parts = [[replace(lead, level=part, below=())] for part in lead.parts]
        else:
            parts = [[sources[number] for number in run]]
        slabs += [_slab(there, part, rows, first) for part, rows in zip(parts, lead.rows, strict=True)]
        first = slabs[-1].bands.stop
    return tuple(slabs)


def _slab(places: Sequence[int], sources: Sequence[LevelSource], rows: range, first: int) -> Slab:
    """Put together some rows of images that are read as one; ``first`` is their first band in the read."""
    layers: list[Layer] = []
    spans: list[slice] = []
    count = 0
    for place, source in zip(places, sources, strict=True):
        if source.level is not None:
            layers += layers_of(source.level, source.bands, image=place, first=count)
        spans.append(slice(count, count + len(source.bands)))
        count = spans[-1].stop
    lead, place = sources[0], places[0]
    alpha = lead.level is not None and lead.alpha is not None and lead.extra_alpha
    return Slab(
        images=tuple(places),
        spans=tuple(spans),
        bands=slice(first, first + count),
        rows=rows,
        source=lead,
        layers=tuple(layers),
        fill=np.concatenate([source.fill for source in sources]),
        alpha=tuple(layers_of(lead.level, (lead.alpha,), image=place)) if alpha else (),  # type: ignore[arg-type]
        shared=() if lead.mask is None else tuple(layers_of(lead.mask, (0,), image=place)),
    )


def _joins(one: LevelSource, other: LevelSource) -> bool:
    """Tell whether two images are read as one: same grid of blocks, and one rule for what is valid."""
    if one.level is None or other.level is None or one.late or other.late or one.below or other.below:
        return False
    grids = [(level.rows, level.cols, level.grid_rows, level.grid_cols) for level in (one.level, other.level)]
    return grids[0] == grids[1] and alike(one.value, other.value)


def _require(kind: Kind, read: WindowRead) -> None:
    """Refuse a window that leaves an image, or is larger than the limits.

    Raises:
        WindowError: it leaves an image.
        LimitError: it is larger.
    """
    _, _, width, height = read.window
    for image, source in zip(kind.images, kind.sources, strict=True):
        require_inside(image.name, read.window, source.size, read.level)
        image.limits.require_request(image.name, ImageSize(width, height), len(source.bands), source.dtype.itemsize)


def _ready(
    read: WindowRead, number: int, slab: Slab, pixels: NDArray[Any], mask: NDArray[np.bool_] | None
) -> ReadyWindow:
    source = slab.source
    target = Target(pixels, fill=slab.fill, mask=mask, value=source.value, judged=not source.late)
    return ReadyWindow(read=read, number=number, slab=slab, target=target)


def _destination(
    given: NDArray[Any] | None, shape: tuple[int, ...], dtype: np.dtype[Any], arena: Arena
) -> NDArray[Any]:
    if given is None:
        return arena.take(shape, dtype)
    if given.shape != shape or given.dtype != dtype:
        raise ValueError(f"a destination of {shape} {dtype} is needed, got {given.shape} {given.dtype}")
    return given


def _some_mask(read: WindowRead, pixels: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
    """Give the mask that was made, or any where none was asked for."""
    if mask is None:
        mask = read.mask
    return np.broadcast_to(np.True_, pixels.shape) if mask is None else mask
