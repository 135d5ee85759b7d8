"""From a chip's place on an image to pixels: which level is read, where the chip lies on it, what goes where.

The stages that everything which cuts chips has in common. Rules:

- positions are those of pixel corners, (0, 0) the upper-left of the image; a
  chip may lie anywhere, between pixels and outside the image too;
- where a level truly lies on full resolution counts, for columns and rows by
  themselves, never a nominal power of two;
- a chip on the level's own pixel grid is copied, read straight into the memory
  that is given out where that has the image's type; any other is resampled from
  its true position;
- what lies outside the image is not valid, and holds a fill value.

Nothing here reads: readers are the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels
from stacchip_osml.imagery.resampling.resample import LATTICE, is_copied, resampled, source_window
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.nodata import held_value

__all__ = [
    "NOWHERE",
    "Cut",
    "Destination",
    "LevelPlacing",
    "coarsest_level",
    "destination",
    "even_step",
    "fill_value",
    "leave_empty",
    "place_cut",
    "plan_cut",
]

_HALF = 0.5 / LATTICE
_GROWTH = 1e-9
"""Of a pixel: ratios are floats."""


class Cut(NamedTuple):
    """What one chip needs of one level."""

    window: PixelWindow
    """Pixels of the level to be read, inside it."""
    corner: tuple[float, float]
    """``(x, y)`` of the chip in pixels of the level."""
    target: tuple[slice, slice] | None
    """(rows, cols) of the chip that these very pixels are; None where they have to be resampled."""


class Destination(NamedTuple):
    """Where a reader may put a chip's pixels; None where it has to give arrays of its own."""

    pixels: NDArray[Any] | None
    mask: Mask | None


NOWHERE = Destination(None, None)
"""The reader gives arrays of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelPlacing:
    """How chips of one pixel size lie on one level of one image."""

    level: int
    """Of the image, 0 is full resolution."""
    size: ImageSize
    """Of the level."""
    place: LevelPlace
    """Where the level lies on full resolution."""
    step: tuple[float, float]
    """Pixels of the level a chip pixel."""
    start: tuple[float, float] = (0.0, 0.0)
    """Where the positions that chips are given in begin, in full-resolution pixels of the image."""
    per_pixel: tuple[float, float] = (1.0, 1.0)
    """Full-resolution pixels of the image a unit of these positions."""
    method: str = "auto"
    """How chips are resampled (:data:`stacchip_osml.imagery.resampling.resample.METHODS`).

    No part where pixels are copied.
    """

    def corner(self, x: float, y: float) -> tuple[float, float]:
        """Give a chip's corner in pixels of the level."""
        return self.place.from_base(self.start[0] + x * self.per_pixel[0], self.start[1] + y * self.per_pixel[1])


def coarsest_level(ratios: Sequence[tuple[float, float]], step: tuple[float, float], *, slack: float = 1.0) -> int:
    """Choose the coarsest level whose pixels are no larger than a chip's.

    Args:
        ratios: ``(x, y)`` full-resolution pixels a pixel of each level, full resolution first.
        step: ``(x, y)`` full-resolution pixels a chip pixel.
        slack: how much larger they may be all the same.

    Returns:
        The level; 0 where all are larger.
    """
    most = step[0] * slack * (1 + _GROWTH), step[1] * slack * (1 + _GROWTH)
    for level in range(len(ratios) - 1, 0, -1):
        if ratios[level][0] <= most[0] and ratios[level][1] <= most[1]:
            return level
    return 0


def even_step(step: float, count: int) -> float:
    """Give exactly 1 where a step differs from it by less than positions are told apart over a whole chip."""
    return 1.0 if abs(step - 1) * count <= _HALF else step


def plan_cut(placing: LevelPlacing, x: float, y: float, size: ImageSize) -> Cut | None:
    """Say what to read for a chip: pure arithmetic.

    Args:
        placing: on the level that is read.
        x: of the chip's left edge, in the placing's positions.
        y: of its upper edge.
        size: of the chip.

    Returns:
        None where the chip needs none of the level's pixels.
    """
    corner = placing.corner(x, y)
    if not is_copied(corner, placing.step):
        needed = source_window(corner, placing.step, size, image=placing.size, method=placing.method)
        return None if needed is None else Cut(needed, corner, None)
    left, top = round(corner[0]), round(corner[1])
    width, height = size
    limit = placing.size
    if left >= 0 <= top and left + width <= limit.width and top + height <= limit.height:
        return Cut(PixelWindow(left, top, width, height), corner, (slice(0, height), slice(0, width)))
    first, right = max(left, 0), min(left + width, limit.width)
    upper, bottom = max(top, 0), min(top + height, limit.height)
    if first >= right or upper >= bottom:
        return None
    target = slice(upper - top, bottom - top), slice(first - left, right - left)
    return Cut(PixelWindow(first, upper, right - first, bottom - upper), corner, target)


def destination(cut: Cut, pixels: NDArray[Any], mask: Mask, *, dtype: np.dtype[Any]) -> Destination:
    """Give the parts of a chip that a reader may write to itself.

    Args:
        cut: of the chip.
        pixels: ``(bands, rows, cols)`` of the chip.
        mask: of the same shape.
        dtype: that the reader gives.
    """
    if cut.target is None:
        return NOWHERE
    if mask.shape[1] != cut.window.height or mask.shape[2] != cut.window.width:
        rows, cols = cut.target
        pixels, mask = pixels[:, rows, cols], mask[:, rows, cols]
    return Destination(pixels if pixels.dtype == dtype else None, mask)


def place_cut(
    cut: Cut,
    placing: LevelPlacing,
    found: MaskedPixels,
    pixels: NDArray[Any],
    mask: Mask,
    *,
    fill: Sequence[float | complex],
    there: Destination,
) -> None:
    """Bring what was read of a level to its place in a chip.

    Args:
        cut: of the chip.
        placing: as it was planned with.
        found: ``cut.window``, as it was read or as a chain left it.
        pixels: ``(bands, rows, cols)`` of the chip.
        mask: of the same shape; of no strides where nobody asks for it, and it may hold anything then.
        fill: value of pixels that hold nothing, a band each.
        there: what the reader was given to write to; arrays that are the very same are in their place.
    """
    if cut.target is None:
        size = ImageSize(mask.shape[2], mask.shape[1])
        inside = (cut.corner[0] - cut.window.x, cut.corner[1] - cut.window.y)
        # One byte may stand for all of a mask that nobody asked for: but what is resampled is filled by its mask.
        judged = mask if all(mask.strides) else np.empty(mask.shape, np.bool_)
        out = MaskedPixels(pixels, judged) if pixels.dtype == found.pixels.dtype else None
        done = resampled(found, start=inside, step=placing.step, size=size, method=placing.method, fill=fill, out=out)
        if done is not out:
            pixels[...], mask[...] = done
        return
    rows, cols = cut.target
    if mask.shape[1] != cut.window.height or mask.shape[2] != cut.window.width:
        outside = np.ones(mask.shape[1:], bool)
        outside[rows, cols] = False
        mask[:, outside] = False
        for plane, value in zip(pixels, fill, strict=True):
            plane[outside] = value
    if found.pixels is not there.pixels:
        pixels[:, rows, cols] = found.pixels
    if found.mask is not there.mask:
        mask[:, rows, cols] = found.mask


def leave_empty(pixels: NDArray[Any], mask: Mask, fill: Sequence[float | complex]) -> None:
    """Fill a chip of which nothing is stored."""
    mask[...] = False
    for plane, value in zip(pixels, fill, strict=True):
        plane[...] = value


def fill_value(nodata: float | complex | None, dtype: np.dtype[Any]) -> float | complex:
    """Give the value of pixels that hold nothing: nodata where the type can hold it, else 0."""
    return 0 if nodata is None or held_value(nodata, dtype) is None else nodata
