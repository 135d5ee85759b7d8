"""Windows and sizes in pixels: the two value types that every room speaks.

Rules: x is the column and y the row; windows are half-open, in R0 pixels
(level 0, full resolution), with (0, 0) at the upper-left corner of the
upper-left pixel. Arrays are ``(bands, rows, cols)``.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ImageSize", "PixelWindow", "level_size", "level_window"]


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
