"""Where the half pixel is: pixel corners outside, pixel centres inside.

Everybody's positions have (0, 0) at the upper-left *corner* of the upper-left
pixel. The image coordinates of RPC, SICD, SIDD and of NITF's corner
coordinates are 0 at its *centre*. These two functions are the only ones that
know the difference.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["to_centres", "to_corners"]

Floats = NDArray[np.float64]
HALF = 0.5


def to_centres(cols: ArrayLike, rows: ArrayLike) -> tuple[Floats, Floats]:
    """Turn corner positions into ``(samples, lines)`` that are 0 at a pixel's centre."""
    return np.asarray(cols, np.float64) - HALF, np.asarray(rows, np.float64) - HALF


def to_corners(samples: ArrayLike, lines: ArrayLike) -> tuple[Floats, Floats]:
    """Turn positions that are 0 at a pixel's centre into ``(cols, rows)`` that are 0 at its corner."""
    return np.asarray(samples, np.float64) + HALF, np.asarray(lines, np.float64) + HALF
