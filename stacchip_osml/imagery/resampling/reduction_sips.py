"""SIPS halving of parts of an image, with pixels that hold no data.

The anti-alias filter and the interpolation look ``RRDS_HALO`` pixels around a
part. Where some of those hold no data, they are filled first: each with the
mean of the valid pixels at most ``FILL_REACH`` rows and columns away, weighed
by ``4 ** -(rows away)`` times ``4 ** -(columns away)``, so that near ones
decide. Farther pixels are never needed: an output is valid where at least half
of the four source pixels that it replaces are, and whatever it looks at is at
most ``FILL_REACH`` away from those. So a part needs ``RRDS_HALO + FILL_REACH``
pixels around it, and gives what the whole image gives.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.imagery.resampling.reduction_values import Box, away_from_nodata, placed, range_of, whole_box
from stacchip_osml.imagery.resampling.sips_halving import RRDS_HALO, halved, needed
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.nodata import differs_from

__all__ = ["FILL_REACH", "SipsReduction"]

FILL_REACH = RRDS_HALO + 1
"""Rows and columns: how far a filled pixel is at most from a valid one of the four that an output replaces."""

_NEAR = tuple(4.0 ** (FILL_REACH - abs(away)) for away in range(-FILL_REACH, FILL_REACH + 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class SipsReduction:
    """Halve an image, and the result again, until ``factor`` is reached."""

    factor: int
    nodata: float | complex | None = None
    masked: bool = False
    """The source misses pixels, whatever their values are."""
    bit_depth: int | None = None
    whole: bool = False

    @property
    def name(self) -> str:
        """What tells its pixels from those of others."""
        return f"sips/{self.factor}/{self.bit_depth}/{self.nodata!r}"

    def pitch(self, length: int) -> float:  # noqa: ARG002 - the same for every length
        """Give the source pixels from one pixel to the next."""
        return float(self.factor)

    def needs(self, first: int, stop: int, length: int) -> tuple[int, int]:
        """Give the source pixels of one axis that outputs ``first`` to ``stop`` need."""
        for halving in reversed(range(self._halvings)):
            first, stop = self._half_needs(first, stop, _ceil_shift(length, halving))
        return first, stop

    def is_within(self, size: ImageSize) -> bool:  # noqa: ARG002 - the same for every size
        """Deny it: pixels are filtered with those around them."""
        return False

    def reduce(self, part: Pixels, held: Box, size: ImageSize, wanted: Box, out: Pixels | None = None) -> Pixels:
        """Make ``wanted`` pixels of the result from the ``held`` ones of an image."""
        if self.factor == 1:
            return placed(part[(slice(None), *wanted.seen_from(held))].copy(), out)
        for source, box in self._halved(size, wanted):
            part, held = self._halve(part, held, source, box, out if box is wanted else None), box
        return part

    def reduce_masked(self, part: MaskedPixels, held: Box, size: ImageSize, wanted: Box) -> MaskedPixels:
        """Make ``wanted`` pixels of those alone that a mask leaves, and tell which have enough of them."""
        if self.factor == 1:
            there = (slice(None), *wanted.seen_from(held))
            return MaskedPixels(part.pixels[there], part.mask[there])
        for source, box in self._halved(size, wanted):
            part, held = self._halve_masked(part, held, source, box), box
        return part

    def _halved(self, size: ImageSize, wanted: Box) -> Iterator[tuple[ImageSize, Box]]:
        """Give what is halved, one after the other: the size before, and the part that is made."""
        steps = [wanted]
        sizes = [ImageSize(_ceil_shift(size.width, n), _ceil_shift(size.height, n)) for n in range(self._halvings)]
        for source in reversed(sizes[1:]):
            box = steps[-1]
            rows = self._half_needs(box.top, box.bottom, source.height)
            cols = self._half_needs(box.left, box.right, source.width)
            steps.append(Box(*rows, *cols))
        return zip(sizes, reversed(steps), strict=True)

    @property
    def _halvings(self) -> int:
        return self.factor.bit_length() - 1

    def _half_needs(self, first: int, stop: int, length: int) -> tuple[int, int]:
        low, high = needed(first, stop, length)
        if self.nodata is None and not self.masked:
            return low, high
        return max(low - FILL_REACH, 0), min(high + FILL_REACH, length)

    def _halve(self, part: Pixels, held: Box, size: ImageSize, wanted: Box, out: Pixels | None) -> Pixels:
        if self.nodata is None:
            return halved(part, held, size, wanted, bit_depth=self.bit_depth, out=out)
        done, valid = self._halve_masked(MaskedPixels(part, differs_from(part, self.nodata)), held, size, wanted, out)
        away_from_nodata(done, valid, self.nodata)
        return done

    def _halve_masked(
        self, part: MaskedPixels, held: Box, size: ImageSize, wanted: Box, out: Pixels | None = None
    ) -> MaskedPixels:
        filled = part.pixels if part.mask.all() else _filled(*part)
        done = halved(filled, held, size, wanted, bit_depth=self.bit_depth, out=out)
        return MaskedPixels(done, _half_valid(part.mask, held, size, wanted))


def _ceil_shift(length: int, halvings: int) -> int:
    return -(-length >> halvings)


def _filled(part: Pixels, valid: Mask) -> Pixels:
    """Fill pixels without data from the valid ones near them; 0 where there are none."""
    working: Any = np.complex128 if part.dtype.kind == "c" else np.float64
    known = np.where(valid, part, 0).astype(working)
    total = _spread(_spread(known, axis=1), axis=2)
    weight = _spread(_spread(valid.astype(np.float64), axis=1), axis=2)
    means = np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)
    if (limits := range_of(part.dtype)) is not None:
        np.clip(np.rint(means, out=means), *limits, out=means)
    filled: Pixels = np.where(valid, part, means.astype(part.dtype))
    return filled


def _spread(values: Pixels, *, axis: int) -> Pixels:
    """Add up each pixel's neighbours along an axis by ``_NEAR``, in one order wherever the part begins."""
    length = values.shape[axis]
    total = np.zeros_like(values)
    for away, weight in zip(range(-FILL_REACH, FILL_REACH + 1), _NEAR, strict=True):
        first, stop = max(-away, 0), min(length - away, length)
        if first < stop:
            before = (slice(None),) * axis
            total[(*before, slice(first, stop))] += weight * values[(*before, slice(first + away, stop + away))]
    return total


def _half_valid(valid: Mask, held: Box, size: ImageSize, wanted: Box) -> Mask:
    """Tell where at least half of the pixels that a halved one replaces are valid; at an odd edge there are fewer."""
    under = Box(2 * wanted.top, 2 * wanted.bottom, 2 * wanted.left, 2 * wanted.right)
    valid = valid[(slice(None), *under.meet(whole_box(size)).seen_from(held))]
    total = np.add.reduceat(valid.astype(np.uint8), np.arange(0, valid.shape[1], 2), axis=1)
    total = np.add.reduceat(total, np.arange(0, valid.shape[2], 2), axis=2)
    there = np.minimum(2, valid.shape[1] - np.arange(0, valid.shape[1], 2))[:, None] * np.minimum(
        2, valid.shape[2] - np.arange(0, valid.shape[2], 2)
    )
    mask: Mask = 2 * total >= there
    return mask
