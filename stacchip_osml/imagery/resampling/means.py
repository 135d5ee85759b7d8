"""The mean of each four pixels, made in tiles that stay in the processor's cache.

Rules:

- the pixels are those of ``area`` (:mod:`stacchip_osml.imagery.resampling.resample`) to the bit, whatever part of an
  image they are made of: the two pixels of a column are added first, integers are rounded half to even;
- sums are float64, and float32 of integers of up to 16 bits, where they are exact;
- OpenCV shares results of more than 65,536 pixels among threads of its own: tiles are not larger.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.resampling.thread_kept import kept_by_thread

__all__ = ["halves_exactly", "mean_of_four"]

_PIXELS, _COLS = 1 << 15, 1024
"""Of the result, in one tile, at most."""


def halves_exactly(dtype: np.dtype[Any]) -> bool:
    """Tell whether pixels of a type are taken: integers of up to 32 bits, and floats."""
    return dtype.kind == "f" or (dtype.kind in "iu" and dtype.itemsize <= 4)


def mean_of_four(part: Pixels, out: Pixels) -> None:
    """Average squares of four pixels.

    Args:
        part: ``(bands, 2 rows, 2 cols)``, of a type that ``halves_exactly``.
        out: ``(bands, rows, cols)``, the same dtype.
    """
    kind = _Short if part.dtype.kind in "iu" and part.dtype.itemsize <= 2 else _Long
    height, width = out.shape[1:]
    for left in range(0, width, _COLS):
        right = min(left + _COLS, width)
        step = _PIXELS // (right - left)
        for top in range(0, height, step):
            bottom = min(top + step, height)
            tile = _tile(kind, bottom - top, right - left)
            for band, made in zip(part, out, strict=True):
                tile(band[2 * top : 2 * bottom, 2 * left : 2 * right], made[top:bottom, left:right])


class _Short(NamedTuple):
    """Memory for one tile of integers of up to 16 bits."""

    source: Pixels
    mean: Pixels

    @classmethod
    def of(cls, rows: int, cols: int) -> _Short:
        """Take memory for a tile of the result."""
        return cls(np.empty((2 * rows, 2 * cols), np.float32), np.empty((rows, cols), np.float32))

    def __call__(self, source: Pixels, made: Pixels) -> None:
        """Add exactly: as float32 the sum of four such integers is one, too."""
        import cv2  # slow to load, and not needed before an image is halved

        np.copyto(self.source, source)
        cv2.resize(self.source, made.shape[::-1], dst=self.mean, interpolation=cv2.INTER_AREA)
        np.rint(self.mean, self.mean)
        np.copyto(made, self.mean, casting="unsafe")


class _Long(NamedTuple):
    """Memory for one tile of other numbers."""

    sums: Pixels
    mean: Pixels

    @classmethod
    def of(cls, rows: int, cols: int) -> _Long:
        """Take memory for a tile of the result."""
        return cls(np.empty((rows, 2 * cols)), np.empty((rows, cols)))

    def __call__(self, source: Pixels, made: Pixels) -> None:
        """Add rows, then columns."""
        with np.errstate(over="ignore", invalid="ignore"):  # pixels may be infinite
            np.add(source[0::2], source[1::2], out=self.sums, dtype=np.float64)
            np.add(self.sums[:, 0::2], self.sums[:, 1::2], out=self.mean)
            np.multiply(self.mean, 0.25, out=self.mean)
            if made.dtype.kind == "f":
                np.add(self.mean, 0, out=self.mean)  # no -0, as of any other mean
            else:
                np.rint(self.mean, self.mean)
            np.copyto(made, self.mean, casting="unsafe")


@kept_by_thread(8)
def _tile(kind: type[_Short | _Long], rows: int, cols: int) -> _Short | _Long:
    """Give what makes a tile of that many pixels."""
    return kind.of(rows, cols)
