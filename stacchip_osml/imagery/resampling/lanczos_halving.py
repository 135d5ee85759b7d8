"""Halving of parts of an image by Lanczos' kernel of four lobes, in tiles that stay in the processor's cache.

Rules:

- the pixels are those of ``lanczos`` (:mod:`stacchip_osml.imagery.resampling.resample`) to the bit: of each axis the
  products of the eight pixels around are added one after the other, rows first, in float64, or in float32 of samples
  of 8 bits;
- beyond the image's edges its outermost pixels go on;
- sides are even, so that all pixels have the same eight weights.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.resampling.reduction_values import Box
from stacchip_osml.imagery.resampling.sums import even_weight, store, working_dtype
from stacchip_osml.imagery.resampling.taps import find_taps
from stacchip_osml.imagery.resampling.thread_kept import kept_by_thread
from stacchip_osml.pixel import ImageSize

__all__ = ["lanczos_halved", "lanczos_needed"]

_BEFORE, _AFTER = 3, 4
"""Pixels that are looked at before the first of the two that are replaced, and from that one on, itself left out."""
_AROUND = _BEFORE + _AFTER - 1
"""Pixels of an axis that are needed, more than those that are replaced."""
_ROWS, _COLS = 32, 256
"""Of a tile of the result, at most: what it is made in is about 1 MB."""


def lanczos_halved(part: Pixels, held: Box, size: ImageSize, wanted: Box, out: Pixels) -> None:
    """Weigh the 64 pixels around each four.

    Args:
        part: ``(bands, rows, cols)``: source pixels ``held``, at least those that are looked at.
        held: where the part lies in the source.
        size: of the source; its sides are even.
        wanted: in pixels of the result.
        out: ``(bands, wanted rows, wanted cols)`` of the same dtype, where pixels go.
    """
    for left in range(wanted.left, wanted.right, _COLS):
        for top in range(wanted.top, wanted.bottom, _ROWS):
            place = Box(top, min(top + _ROWS, wanted.bottom), left, min(left + _COLS, wanted.right))
            rows, above = _held(place.top, place.bottom, size.height, held.top)
            cols, before = _held(place.left, place.right, size.width, held.left)
            tile = _kept_tile(place.rows, place.cols, part.dtype)
            here = place.seen_from(wanted)
            with np.errstate(over="ignore", invalid="ignore"):  # pixels may be infinite
                for band, made in zip(part, out, strict=True):
                    tile.fill(band[rows, cols], above, before)
                    for step in tile.steps:
                        step()
                    store(tile.result, made[here], overshoots=True)


def lanczos_needed(first: int, stop: int, length: int) -> tuple[int, int]:
    """Give the source pixels of one axis, half-open, that outputs ``first`` to ``stop`` are made of."""
    return max(2 * first - _BEFORE, 0), min(2 * stop - 1 + _AFTER, length)


def _held(first: int, stop: int, length: int, origin: int) -> tuple[slice, int]:
    """Say where an axis of a part holds the pixels that outputs are made of, and how many lie before the image."""
    low, high = lanczos_needed(first, stop, length)
    return slice(low - origin, high - origin), max(_BEFORE - 2 * first, 0)


class _Tile:
    """The steps that halve a tile, each on views of its own memory."""

    def __init__(self, rows: int, cols: int, dtype: np.dtype[Any]) -> None:
        """Plan the steps.

        Args:
            rows: that are made.
            cols: that are made.
            dtype: of the image.
        """
        working = working_dtype(dtype)
        _, taps = find_taps(_BEFORE, 2.0, 1, method="lanczos", limit=_AROUND + 2)
        weights = taps.weight[:, 0].astype(np.zeros((), working).real.dtype)
        tall, wide = 2 * rows + _AROUND, 2 * cols + _AROUND
        self.source: Pixels = np.empty((tall, wide), working)
        """Its pixels are to be set before the steps are done."""
        sums, product = (np.empty((rows, wide), working) for _ in range(2))
        halves = [np.empty((rows, wide // 2), working) for _ in range(2)]
        self.result: Pixels = np.empty((rows, cols), working)
        """``(rows, cols)`` after them."""
        down = [self.source[tap : tap + 2 * rows : 2] for tap in range(len(weights))]
        across = [halves[tap % 2][:, tap // 2 : tap // 2 + cols] for tap in range(len(weights))]
        self.steps: list[Callable[[], object]] = [
            *_weighing(down, weights, sums, product),
            *(partial(np.copyto, half, sums[:, phase::2]) for phase, half in enumerate(halves)),
            *_weighing(across, weights, self.result, product[:, :cols]),
        ]
        if dtype.kind in "fc":
            self.steps.append(partial(np.add, self.result, 0, self.result))  # no -0, as of any other sum
        total = even_weight(taps.weight, taps.weight, overshoots=True)[0, 0]
        if total != 1:
            self.steps.append(partial(np.divide, self.result, total, self.result))

    def fill(self, pixels: Pixels, above: int, left: int) -> None:
        """Set the source pixels; the outermost go on above and left of what there is, and below and right of it."""
        rows, cols = pixels.shape
        bottom, right = above + rows, left + cols
        np.copyto(self.source[above:bottom, left:right], pixels, casting="unsafe")
        self.source[above:bottom, :left] = self.source[above:bottom, left : left + 1]
        self.source[above:bottom, right:] = self.source[above:bottom, right - 1 : right]
        self.source[:above] = self.source[above]
        self.source[bottom:] = self.source[bottom - 1]


def _weighing(
    views: Sequence[Pixels], weights: Pixels, total: Pixels, product: Pixels
) -> Iterator[Callable[[], object]]:
    """Add up shifted views, each times its weight."""
    for number, (view, weight) in enumerate(zip(views, weights, strict=True)):
        yield partial(np.multiply, view, weight, total if number == 0 else product)
        if number:
            yield partial(np.add, total, product, total)


_kept_tile = kept_by_thread(8)(_Tile)
