"""Windows and sizes in pixels: the two value types that every room speaks.

Rules: x is the column and y the row; windows are half-open, in R0 pixels
(level 0, full resolution), with (0, 0) at the upper-left corner of the
upper-left pixel. Arrays are ``(bands, rows, cols)``.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ImageSize", "PixelWindow", "Transform", "level_size", "level_window", "window_transform"]

Transform = tuple[float, float, float, float, float, float]
"""Affine a b c d e f, row-major as STAC has it: x = a·col + b·row + c, y = d·col + e·row + f."""


class ImageSize(NamedTuple):
    """Extent of an image in pixels."""

    width: int
    """Columns."""
    height: int
    """Rows."""


class PixelWindow(NamedTuple):
    """A half-open rectangle of R0 pixels; it may leave the image."""

    x: int
    """First column."""
    y: int
    """First row."""
    width: int
    """Columns."""
    height: int
    """Rows."""


def level_size(size: ImageSize, level: int) -> ImageSize:
    """Give the nominal size of a pyramid level: each side divided by ``2**level``, rounded up."""
    return ImageSize(-(-size.width >> level), -(-size.height >> level))


def level_window(window: PixelWindow, level: int) -> PixelWindow:
    """Give the pixels of ``level`` that an R0 window covers: the start floored, the end rounded up."""
    x, y = window.x >> level, window.y >> level
    return PixelWindow(
        x,
        y,
        -(-(window.x + window.width) >> level) - x,
        -(-(window.y + window.height) >> level) - y,
    )


def window_transform(transform: Transform, window: PixelWindow, *, level: int = 0) -> Transform:
    """Give the affine of a window's own pixels, of the size that ``level`` has.

    Args:
        transform: affine a b c d e f of the image, R0 pixel corner (col, row) → CRS (x, y).
        window: R0 pixels.
        level: 0 is full resolution; a pixel of level 2 is four R0 pixels wide.
    """
    a, b, c, d, e, f = transform
    scale = 2**level
    return (
        a * scale,
        b * scale,
        a * window.x + b * window.y + c,
        d * scale,
        e * scale,
        d * window.x + e * window.y + f,
    )
