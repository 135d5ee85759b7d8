"""What every reduction speaks of: parts of an image, and pixels that hold no data."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from stacchip_osml.imagery.providers.protocol import Mask, Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.nodata import EPSILON, differs_from, held_value

__all__ = ["Box", "Limits", "away_from_nodata", "held_nodata", "placed", "range_of", "require_nodata", "whole_box"]

Limits = tuple[float, float]


class Box(NamedTuple):
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of an image, half-open."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def of(cls, window: PixelWindow) -> Box:
        """Give the rows and columns of a window."""
        return cls(window.y, window.y + window.height, window.x, window.x + window.width)

    @property
    def window(self) -> PixelWindow:
        """The same as a window."""
        return PixelWindow(self.left, self.top, self.cols, self.rows)

    @property
    def rows(self) -> int:
        """Rows inside."""
        return self.bottom - self.top

    @property
    def cols(self) -> int:
        """Columns inside."""
        return self.right - self.left

    def seen_from(self, other: Box) -> tuple[slice, slice]:
        """Give its rows and columns in an array that holds ``other``."""
        return (
            slice(self.top - other.top, self.bottom - other.top),
            slice(self.left - other.left, self.right - other.left),
        )

    def meet(self, other: Box) -> Box:
        """Give what both hold; not positive rows or columns where they do not meet."""
        return Box(
            max(self.top, other.top),
            min(self.bottom, other.bottom),
            max(self.left, other.left),
            min(self.right, other.right),
        )


def whole_box(size: ImageSize) -> Box:
    """Give all of an image."""
    return Box(0, size.height, 0, size.width)


def placed(made: Pixels, out: Pixels | None) -> Pixels:
    """Copy pixels to where they are wanted, if that is anywhere."""
    if out is None:
        return made
    out[...] = made
    return out


def range_of(dtype: np.dtype[Any]) -> Limits | None:
    """Give the range that integers are clipped to, None for floats."""
    if dtype.kind not in "iu":
        return None
    info = np.iinfo(dtype)
    # The largest float64 below 2**63 or 2**64, which a cast to 64-bit integers still holds.
    return float(info.min), float(info.max) if dtype.itemsize < 8 else float(np.nextafter(float(info.max), 0))


def require_nodata(nodata: complex | None, dtype: DTypeLike) -> None:
    """Refuse a nodata value that pixels cannot take.

    Raises:
        ValueError: naming both.
    """
    if nodata is None:
        return
    kind = np.dtype(dtype)
    is_held = kind.kind == "c" or (kind.kind in "biuf" and not isinstance(nodata, complex))
    if is_held and kind.kind == "b":
        is_held = nodata in {0, 1}
    elif is_held and kind.kind in "iu":
        value = nodata.real
        is_held = float(value).is_integer() and np.iinfo(kind).min <= int(value) <= np.iinfo(kind).max
    if not is_held:
        raise ValueError(f"nodata {nodata!r} is no value of {kind} pixels")


def held_nodata(nodata: complex | None, dtype: np.dtype[Any]) -> complex | None:
    """Give the nodata value that pixels of a type may have: None of a float beyond all that the type holds.

    Raises:
        ValueError: as :func:`require_nodata`.
    """
    require_nodata(nodata, dtype)
    return None if nodata is None or held_value(nodata, dtype) is None else nodata


def away_from_nodata(pixels: Pixels, valid: Mask, nodata: complex) -> None:
    """Give invalid pixels the value of nodata, and valid ones that happen to have it the next one; in place."""
    meant = valid & ~differs_from(pixels, nodata)
    if meant.any():
        pixels[meant] = _next_to(nodata, pixels.dtype)
    pixels[~valid] = nodata


def _next_to(nodata: complex, dtype: np.dtype[Any]) -> Any:
    """Give a value beside nodata that is not taken for it."""
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        value = int(nodata.real)
        return value + 1 if value < info.max else value - 1
    if nodata == 0:
        return np.finfo(dtype).tiny
    if np.isinf(nodata):
        return np.copysign(np.finfo(dtype).max, nodata.real)
    near = dtype.type(nodata * (1 - 16 * EPSILON))  # values within 4 EPSILON are taken for nodata
    return near if near != nodata else np.nextafter(near, dtype.type(0))  # float16 is coarser than that
