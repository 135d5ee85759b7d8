"""Where the pixels of one window go, and what is valid of them.

The rules of validity are those of ``stacchip_osml.imagery.masks``: the mask
band or, without one, nodata; the alpha band; and that the blocks are stored.
Where one nodata value decides for all bands, each patch is judged as it is
put, while it is in the processor's caches; else the window is, at the end.

Targets are filled by several threads, each its own patches: nothing here locks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.plan import Hole, Pairs, Patch
from stacchip_osml.imagery.blocks.stored import StoredLevel
from stacchip_osml.imagery.masks import differs_from, valid_where
from stacchip_osml.imagery.provider import Mask, MaskedPixels, Pixels

__all__ = ["LevelSource", "Target", "fill_values"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LevelSource:
    """Chosen bands of one stored level, and what decides which of their pixels are measurements."""

    level: StoredLevel
    bands: tuple[int, ...]
    nodata: tuple[float | complex | None, ...]
    """One value a band of the image; None where the mask band outranks it."""
    fill: NDArray[Any]
    """``(chosen bands,)``: what pixels of absent blocks read as."""
    alpha: int | None = None
    """The alpha band of the image."""
    mask: StoredLevel | None = None
    """The level's mask band; it outranks nodata."""

    late: bool
    """Validity can only be told when the whole window is there."""
    value: float | complex | None
    """Else: the one nodata value of all bands chosen."""

    @property
    def extra_alpha(self) -> bool:
        """The alpha band has to be read besides."""
        return self.alpha is not None and self.alpha not in self.bands

    @classmethod
    def of(
        cls,
        level: StoredLevel,
        bands: tuple[int, ...],
        *,
        nodata: tuple[float | complex | None, ...],
        alpha: int | None,
        mask: StoredLevel | None,
    ) -> LevelSource:
        """Find out how the pixels of ``bands`` are judged; ``nodata`` has one value a band of the image."""
        judging = tuple(None for _ in nodata) if mask is not None else nodata
        value = judging[bands[0]]
        return cls(
            level=level,
            bands=bands,
            nodata=judging,
            fill=fill_values(tuple(nodata[band] for band in bands), level.dtype),
            alpha=alpha,
            mask=mask,
            late=alpha is not None or mask is not None or not all(_alike(judging[band], value) for band in bands),
            value=value,
        )


def fill_values(nodata: tuple[float | complex | None, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Give what absent blocks read as, one value a band: 0, or nodata as near as the type holds it (as GDAL has it)."""
    numbers = [0.0 if value is None else value for value in nodata]
    if dtype.kind not in "iu":
        with np.errstate(over="ignore"):
            return np.array(numbers if dtype.kind == "c" else [value.real for value in numbers]).astype(dtype)
    info = np.iinfo(dtype)
    return np.array([_clipped(value.real, info.min, info.max) for value in numbers], dtype)


def _clipped(value: float, low: int, high: int) -> int:
    if math.isnan(value):
        return 0
    if value <= low:
        return low
    return high if value >= high else math.floor(value + 0.5)


class Target:
    """The arrays of one window."""

    __slots__ = ("_fill", "_holes", "_judged", "_value", "failures", "mask", "pixels")

    def __init__(
        self,
        pixels: Pixels,
        *,
        fill: NDArray[Any],
        mask: Mask | None = None,
        value: float | complex | None = None,
        judged: bool = False,
        failures: list[tuple[tuple[int, ...], ChipError]] | None = None,
    ) -> None:
        """Hold where pixels go.

        Args:
            pixels: ``(bands, rows, cols)``.
            fill: ``(bands,)``, for what is not stored.
            mask: the same shape as ``pixels``; None where validity is not asked.
            value: nodata of all bands.
            judged: patches are judged by ``value`` as they are put.
            failures: where errors are noted; None for a list of its own.
        """
        self.pixels = pixels
        self.mask = mask
        self.failures: list[tuple[tuple[int, ...], ChipError]] = [] if failures is None else failures
        self._fill = fill[:, None, None]
        self._value = value
        self._judged = judged and mask is not None and value is not None
        self._holes: list[Hole] = []
        if mask is not None and judged and value is None:
            mask[...] = True

    def put(self, patch: Patch, block: NDArray[Any]) -> None:
        """Copy a patch of a decoded block ``(samples, rows, cols)``."""
        _, pairs, block_rows, block_cols, rows, cols = patch
        if pairs is None:
            self.pixels[:, rows, cols] = block[:, block_rows, block_cols]
        else:
            for target, sample in pairs:
                self.pixels[target, rows, cols] = block[sample, block_rows, block_cols]
        if self._judged:
            self.judge(pairs, rows, cols)

    def judge(self, pairs: Pairs, rows: slice, cols: slice) -> None:
        """Compare pixels that were put with nodata."""
        if not self._judged or self.mask is None or self._value is None:
            return
        if pairs is None:
            differs_from(self.pixels[:, rows, cols], self._value, out=self.mask[:, rows, cols])
        else:
            for target, _ in pairs:
                differs_from(self.pixels[target, rows, cols], self._value, out=self.mask[target, rows, cols])

    def leave(self, hole: Hole) -> None:
        """Fill a part that no block covers."""
        for target in range(len(self.pixels)) if hole.pairs is None else [target for target, _ in hole.pairs]:
            self.pixels[target, hole.rows, hole.cols] = self._fill[target]
        self._holes.append(hole)
        self._mask_hole(hole)

    def fill_all(self) -> None:
        """Make it a window that holds nothing."""
        self.pixels[...] = self._fill
        if self.mask is not None:
            self.mask[...] = False

    def take_over(self, found: MaskedPixels) -> None:
        """Copy a window that was read elsewhere."""
        np.copyto(self.pixels, found.pixels)
        if self.mask is not None:
            np.copyto(self.mask, found.mask)

    def settle(self, source: LevelSource, *, alpha: Pixels | None, shared: Pixels | None) -> None:
        """Judge the whole window, when all its pixels are there.

        Args:
            source: what decides.
            alpha: pixels of the alpha band ``(1, rows, cols)``, where it is not among the bands.
            shared: those of the mask band, 0 where pixels hold nothing.
        """
        if self.mask is None:
            return
        if alpha is None and source.alpha is not None:
            alpha = self.pixels[source.bands.index(source.alpha)][None]
        self.mask[...] = valid_where(
            self.pixels,
            source.bands,
            nodata=source.nodata,
            alpha_band=source.alpha,
            alpha=None if alpha is None else alpha[0],
        )
        if shared is not None:
            self.mask &= shared != 0
        for hole in self._holes:
            self._mask_hole(hole)

    def fail(self, place: tuple[int, ...], error: ChipError) -> None:
        """Note what went wrong; of several, the one of the first place is told."""
        self.failures.append((place, error))

    def _mask_hole(self, hole: Hole) -> None:
        if self.mask is None:
            return
        for target in range(len(self.mask)) if hole.pairs is None else [target for target, _ in hole.pairs]:
            self.mask[target, hole.rows, hole.cols] = False


def _alike(one: float | complex | None, other: float | complex | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other or (bool(np.isnan(one)) and bool(np.isnan(other)))
