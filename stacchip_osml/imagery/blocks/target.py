"""Where the pixels of one window go, and what is valid of them.

The rules of validity are those of ``stacchip_osml.imagery.masks``: the mask
band or, without one, nodata; the alpha band; and that the blocks are stored.
Where one nodata value decides for all bands, each patch is judged as it is
put, while it is in the processor's caches; else the window is, at the end.

Targets are filled by several threads, each its own patches: nothing here locks.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.plan import Hole, Pairs, Patch, pairs_of
from stacchip_osml.imagery.blocks.sources import LevelSource
from stacchip_osml.imagery.masks import valid_where
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.pixel.nodata import differs_from

__all__ = ["Target"]


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
            fill: ``(bands, 1, 1)``, for what is not stored.
            mask: the same shape as ``pixels``; None where validity is not asked.
            value: nodata of all bands; None where they have none.
            judged: patches are judged by ``value`` as they are put.
            failures: where errors are noted; None for a list of its own.
        """
        self.pixels = pixels
        self.mask = mask
        self.failures: list[tuple[tuple[int, ...], ChipError]] = [] if failures is None else failures
        self._fill = fill
        self._value = value
        self._judged = judged and mask is not None
        self._holes: list[Hole] = []

    def put(self, pairs: Pairs, patch: Patch, part: NDArray[Any]) -> None:
        """Copy a patch: its part of a decoded block, ``(samples, rows, cols)``."""
        rows, cols = patch.rows, patch.cols
        if isinstance(pairs, slice):
            self.pixels[pairs, rows, cols] = part
        else:
            for target, sample in pairs:
                self.pixels[target, rows, cols] = part[sample]
        if self._judged:
            self.judge(pairs, rows, cols)

    def judge(self, pairs: Pairs, rows: slice, cols: slice) -> None:
        """Tell what is valid of pixels that were put."""
        if not self._judged or self.mask is None:
            return
        for target in (pairs,) if isinstance(pairs, slice) else [target for target, _ in pairs]:
            if self._value is None:
                self.mask[target, rows, cols] = True
            else:
                differs_from(self.pixels[target, rows, cols], self._value, out=self.mask[target, rows, cols])

    def leave(self, hole: Hole) -> None:
        """Fill a part that no block covers."""
        for target, _ in pairs_of(hole.pairs):
            self.pixels[target, hole.rows, hole.cols] = self._fill[target]
        self._holes.append(hole)
        self._mask_hole(hole)

    def fill_all(self) -> None:
        """Make it a window that holds nothing."""
        self.pixels[...] = self._fill
        if self.mask is not None:
            self.mask.fill(False)

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
        for target, _ in pairs_of(hole.pairs):
            self.mask[target, hole.rows, hole.cols] = False
