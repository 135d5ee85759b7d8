"""What reading chosen bands of one level takes: found out once, looked up by every window."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise, starmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout
from stacchip_osml.imagery.blocks.stored import StoredLevel
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["LevelSource", "LevelSources", "alike", "fill_values", "share_of"]

Nodata = float | complex | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelSource:
    """Chosen bands of one level, and what decides which of their pixels are measurements."""

    size: ImageSize
    dtype: np.dtype[Any]
    bands: tuple[int, ...]
    most_pixels: int
    """Of one window, by the limits."""
    fill: NDArray[Any]
    """``(bands, 1, 1)``: what pixels of absent blocks read as."""
    level: StoredLevel | None
    """None where GDAL serves it; the rest does not count then."""
    nodata: tuple[Nodata, ...]
    """One value a band of the image; None where the mask band outranks it."""
    alpha: int | None
    """The alpha band of the image; None where the mask band outranks it."""
    mask: StoredLevel | None
    """The level's mask band."""
    late: bool
    """Validity can only be told when the whole window is there."""
    value: Nodata
    """Else: the one nodata value of all bands chosen."""
    below: tuple[StoredLevel, ...] = ()
    """Rows below those of ``level``, in blocks of their own."""

    @property
    def parts(self) -> tuple[StoredLevel, ...]:
        """From top to bottom what has blocks of its own; none where GDAL serves the level."""
        return () if self.level is None else (self.level, *self.below)

    @property
    def rows(self) -> tuple[range, ...]:
        """Of the level, those of each part; all where GDAL serves it."""
        edges = [0, *accumulate(part.size.height for part in self.parts)] if self.below else [0, self.size.height]
        return tuple(starmap(range, pairwise(edges)))

    def stores(self, window: PixelWindow) -> bool:
        """Tell whether any block under a window of the level is stored."""
        shares = (share_of(window, rows) for rows in self.rows)
        return any(share is not None and part.stores(share) for part, share in zip(self.parts, shares, strict=True))

    @property
    def extra_alpha(self) -> bool:
        """The alpha band has to be read besides."""
        return self.alpha is not None and self.alpha not in self.bands


class LevelSources:
    """The levels of one image, made ready when first read."""

    __slots__ = ("_found", "_header", "_layout", "_levels", "_limits", "_name")

    def __init__(self, header: ImageHeader, layout: ImageLayout, *, name: str, limits: ReadLimits) -> None:
        """Hold what is known of an image; ``layout`` has a level for each of ``header``'s."""
        self._header = header
        self._layout = layout
        self._name = name
        self._limits = limits
        self._levels: dict[str, StoredLevel] = {}
        self._found: dict[tuple[int, tuple[int, ...] | None], LevelSource] = {}

    def find(self, level: int, bands: tuple[int, ...] | None) -> LevelSource:
        """Give bands of a level; None for all.

        Raises:
            IndexError: no such level or band.
            LimitError: its blocks are larger than the limits.
        """
        found = self._found.get((level, bands))
        if found is None:
            found = self._found[level, bands] = self._made(level, bands)
        return found

    def _made(self, level: int, bands: tuple[int, ...] | None) -> LevelSource:
        header = self._header
        count = len(header.bands)
        if not 0 <= level < len(header.levels):
            raise IndexError(f"{self._name}: no level {level}; it has {len(header.levels)}")
        chosen = tuple(range(count)) if bands is None else bands
        if not chosen or not all(0 <= band < count for band in chosen):
            raise IndexError(f"{self._name}: bands {chosen} of an image that has {count}")
        dtype = np.dtype(header.bands[0].dtype)
        nodata = tuple(band.nodata for band in header.bands)
        layout = self._layout.levels[level]
        colors = [band.color for band in header.bands]
        parts = layout.apart if isinstance(layout, LevelLayout) else ()
        mask = layout.mask if isinstance(layout, LevelLayout) else None
        masked = mask is not None
        alpha = colors.index("alpha") if "alpha" in colors and not masked else None
        judging = (None,) * count if masked else nodata
        title = f"level {level}"
        below = [self._stored(part, f"{title}, part {number}") for number, part in enumerate(parts[1:], 2)]
        return LevelSource(
            size=header.levels[level],
            dtype=dtype,
            bands=chosen,
            most_pixels=self._limits.request_bytes // (len(chosen) * dtype.itemsize),
            fill=fill_values(tuple(nodata[band] for band in chosen), dtype)[:, None, None],
            level=self._stored(parts[0], title) if parts else None,
            nodata=judging,
            alpha=alpha,
            mask=None if mask is None else self._stored(mask, f"the mask of {title}"),
            late=alpha is not None or masked or not all(alike(judging[band], judging[chosen[0]]) for band in chosen),
            value=judging[chosen[0]],
            below=tuple(below),
        )

    def _stored(self, layout: LevelLayout, title: str) -> StoredLevel:
        """Make a level ready, once for all choices of its bands."""
        stored = self._levels.get(title)
        if stored is None:
            stored = StoredLevel(layout, title=title)
            if stored.raw is None:  # of uncompressed blocks only the rows wanted are read
                shape = stored.rows, stored.cols
                self._limits.require_block(self._name, shape, stored.samples, stored.dtype.itemsize)
            self._levels[title] = stored
        return stored


def share_of(window: PixelWindow, rows: range) -> PixelWindow | None:
    """Give what some rows of a level have of a window, counted from the first of them; None of no row."""
    top, bottom = max(window.y, rows.start), min(window.y + window.height, rows.stop)
    return PixelWindow(window.x, top - rows.start, window.width, bottom - top) if top < bottom else None


def fill_values(nodata: tuple[Nodata, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give what absent blocks read as, one value a band: 0, or nodata as near as the type holds it (as GDAL has it)."""
    numbers = [0.0 if value is None else value for value in nodata]
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return np.array([_clipped(value.real, info.min, info.max) for value in numbers], dtype)
    with np.errstate(over="ignore"):
        return np.array(numbers if dtype.kind == "c" else [value.real for value in numbers]).astype(dtype)


def _clipped(value: float, low: int, high: int) -> int:
    if math.isnan(value):
        return 0
    if value <= low:
        return low
    return high if value >= high else math.floor(value + 0.5)


def alike(one: Nodata, other: Nodata) -> bool:
    """Tell whether two nodata values are the same; NaN is NaN."""
    if one is None or other is None:
        return one is other
    return one == other or (bool(np.isnan(one)) and bool(np.isnan(other)))
