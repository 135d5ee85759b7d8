"""Chip grids: which windows an image is cut into.

A grid is separable, so it is two axes; the windows are their product. Every
rule below therefore holds per axis, in pixels of the level that the chips are
defined at, and is converted to R0 pixels at the end: windows begin and end on
pixel edges of their level, or on the image edge, and no sub-pixel shift can
arise.

Edge policies, for an axis of ``n`` pixels and chips of ``size``:

- ``drop``: only whole chips inside the image; a strip may stay uncovered.
- ``partial``: the image is covered; edge chips are cut off at the image edge.
- ``pad``: as ``partial``, but every chip has full size and may leave the image.
- ``shift``: the image is covered by whole chips of real pixels: an edge chip
  moves inward until it fits and overlaps its neighbour more. The others stay
  on the grid, so ids and alignment do not depend on the image size. An image
  smaller than a chip gives one truncated chip.

With a stride below the chip size, an edge chip that would add no pixel to
those before it is left out.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import WindowError
from stacchip_osml.pixel.arguments import one_of
from stacchip_osml.pixel.window import ImageSize

__all__ = ["ANCHORS", "EDGES", "ChipAxis", "ChipGrid", "ChipWindows", "GridSpec", "chip_axis", "chip_grid"]

EDGES = ("drop", "partial", "pad", "shift")
ANCHORS = ("image", "crs")

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class GridSpec:
    """How images are cut: validated once, then trusted."""

    size: ImageSize
    """Chip size in pixels of the chip's level."""
    stride: ImageSize
    """Step between chips in pixels of the chip's level; below ``size`` chips overlap, above they leave gaps."""
    edges: str = "drop"
    """One of ``EDGES``."""
    anchor: str = "image"
    """``image``: chip (0, 0) starts at the image corner; ``crs``: grid lines are multiples of the stride in the CRS."""

    def __post_init__(self) -> None:
        for what, (width, height) in (("chip_size", self.size), ("stride", self.stride)):
            if not (0 < width < 2**31 and 0 < height < 2**31):
                raise WindowError(f"{what} must be positive pixels below 2**31, got {width} x {height}")
        one_of("edges", self.edges, EDGES)
        one_of("anchor", self.anchor, ANCHORS)

    @classmethod
    def of(
        cls,
        size: int | tuple[int, int],
        *,
        stride: int | tuple[int, int] | None = None,
        edges: str = "drop",
        anchor: str = "image",
    ) -> GridSpec:
        """Build a spec from one side or ``(width, height)``; the default stride is the size."""
        chip = _size("chip_size", size)
        step = chip if stride is None else _size("stride", stride)
        return cls(size=chip, stride=step, edges=edges, anchor=anchor)


@dataclass(frozen=True, slots=True)
class ChipAxis:
    """The chips along one axis: int64 arrays of equal length, in order."""

    index: Ints
    """Position in the grid; may be negative or large for CRS-anchored grids."""
    offset: Ints
    """First R0 pixel; negative where a padded chip leaves the image."""
    length: Ints
    """Extent in R0 pixels."""


@dataclass(frozen=True, slots=True)
class ChipWindows:
    """All windows of a grid, row by row: int32 arrays of length rows × columns, in R0 pixels."""

    grid_col: NDArray[np.int32]
    grid_row: NDArray[np.int32]
    col_off: NDArray[np.int32]
    row_off: NDArray[np.int32]
    width: NDArray[np.int32]
    height: NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class ChipGrid:
    """A chip grid as the product of its two axes; equal to itself alone."""

    cols: ChipAxis
    rows: ChipAxis
    level: int
    """Pyramid level that the chips are defined at; the axes are in R0 pixels all the same."""

    def __len__(self) -> int:
        """Count the chips."""
        return len(self.cols.index) * len(self.rows.index)

    def parts(self, chips: int) -> Iterator[ChipGrid]:
        """Cut the grid into runs of whole rows with about ``chips`` chips each, in order."""
        step = max(1, chips // max(len(self.cols.index), 1))
        for first in range(0, len(self.rows.index), step):
            here = slice(first, first + step)
            rows = ChipAxis(self.rows.index[here], self.rows.offset[here], self.rows.length[here])
            yield ChipGrid(self.cols, rows, self.level)

    def windows(self) -> ChipWindows:
        """Expand to one entry a chip, row by row."""
        across, down = len(self.cols.index), len(self.rows.index)

        def tile(values: Ints) -> NDArray[np.int32]:
            return np.tile(values.astype(np.int32), down)

        def repeat(values: Ints) -> NDArray[np.int32]:
            return np.repeat(values.astype(np.int32), across)

        return ChipWindows(
            grid_col=tile(self.cols.index),
            grid_row=repeat(self.rows.index),
            col_off=tile(self.cols.offset),
            row_off=repeat(self.rows.offset),
            width=tile(self.cols.length),
            height=repeat(self.rows.length),
        )


def chip_axis(length: int, *, size: int, stride: int, edges: str, level: int = 0, origin: float = 0.0) -> ChipAxis:
    """Cut one axis into chips.

    Args:
        length: image extent in R0 pixels.
        size: chip extent in pixels of ``level``.
        stride: step in pixels of ``level``.
        edges: one of ``EDGES``.
        level: pyramid level the chips are defined at.
        origin: where chip 0 would start, in pixels of ``level`` from the image
            corner; chip ``k`` starts at the pixel edge nearest to
            ``origin + k * stride``.

    Returns:
        The chips in order, in R0 pixels.
    """
    pixels = -(-length >> level)
    reach = min(size, stride)
    first = int(np.floor((-reach - origin) / stride)) + 1
    last = int(np.ceil((pixels - origin) / stride))
    index = np.arange(first, last + 1, dtype=np.int64)
    start = np.floor(origin + index * stride + 0.5 + 1e-6).astype(np.int64)
    keep = (start + reach > 0) & (start < pixels)
    index, start = index[keep], start[keep]
    if edges == "drop":
        keep = (start >= 0) & (start + size <= pixels)
    else:
        keep = start + (size - reach) < pixels
        keep[:1] = True
    index, start = index[keep], start[keep]
    end = start + size
    if edges == "shift":
        start = np.clip(start, 0, max(pixels - size, 0))
        keep = np.diff(start, prepend=-1) > 0
        index, start = index[keep], start[keep]
        end = np.minimum(start + size, pixels)
    elif edges == "partial":
        start, end = np.maximum(start, 0), np.minimum(end, pixels)
    offset, stop = start << level, end << level
    if edges != "pad":
        stop = np.minimum(stop, length)
    return ChipAxis(index, offset, stop - offset)


def chip_grid(
    image: ImageSize, spec: GridSpec, *, level: int = 0, origin: tuple[float, float] = (0.0, 0.0)
) -> ChipGrid:
    """Cut an image into chips of one pyramid level.

    Args:
        image: size at R0.
        spec: chip size, stride, edge policy.
        level: pyramid level, 0 is full resolution.
        origin: ``(x, y)`` of the grid's zero in pixels of ``level``; non-zero for CRS-anchored grids.

    Raises:
        WindowError: the image is empty or too large, or the level is not one that a pyramid can have.
    """
    if not (0 < image.width < 2**31 and 0 < image.height < 2**31):
        raise WindowError(f"image sides must be 1 to 2**31 - 1 pixels, got {image.width} x {image.height}")
    if not 0 <= level <= 30:
        raise WindowError(f"level must be 0 to 30, got {level}")
    return ChipGrid(
        chip_axis(
            image.width,
            size=spec.size.width,
            stride=spec.stride.width,
            edges=spec.edges,
            level=level,
            origin=origin[0],
        ),
        chip_axis(
            image.height,
            size=spec.size.height,
            stride=spec.stride.height,
            edges=spec.edges,
            level=level,
            origin=origin[1],
        ),
        level,
    )


def _size(name: str, value: int | tuple[int, int]) -> ImageSize:
    sides: Any = value if isinstance(value, Sequence) else (value, value)
    try:
        width, height = map(operator.index, sides)
    except (TypeError, ValueError) as error:
        raise WindowError(f"{name} must be a whole number of pixels or (width, height), got {value!r}") from error
    return ImageSize(width, height)
