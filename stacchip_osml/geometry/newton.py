"""Newton's method for two unknowns, many positions at once.

Derivatives are differences over one pixel: the maps solved here are nearly
straight over that distance, and what is left of the error goes in the next
round. A position that does not settle is marked, never guessed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["solve_plane"]

Floats = NDArray[np.float64]
Plane = Callable[[Floats, Floats], tuple[Floats, Floats]]

SETTLED = 1e-7
"""Pixels: the last step of a position that needs no more."""
ARRIVED = 1e-6
"""Pixels: the last step of a position that is taken as found; rounding keeps some from ``SETTLED``."""
ROUNDS = 16
FRESH = 2
"""First rounds, each with derivatives of its own; then every third has."""


def solve_plane(function: Plane, wanted: tuple[Floats, Floats], start: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Find where ``function`` has the wanted values.

    Args:
        function: pixels ``(n,), (n,)`` to two values each.
        wanted: the values, ``(n,)``.
        start: pixels to begin at, ``(n,)``.

    Returns:
        The pixels; infinite where the method does not arrive.
    """
    x, y = np.array(start[0], np.float64), np.array(start[1], np.float64)
    size = np.full(x.shape, np.inf)
    inverse: tuple[Floats, Floats, Floats, Floats] | None = None
    with np.errstate(all="ignore"):  # what overflows does not arrive
        for number in range(ROUNDS):
            u, v = function(x, y)
            if inverse is None or number < FRESH or number % 3 == 0:
                inverse = _inverse(function, x, y, u, v)
            across, down = wanted[0] - u, wanted[1] - v
            dx, dy = inverse[0] * across + inverse[1] * down, inverse[2] * across + inverse[3] * down
            x, y = x + dx, y + dy
            size = np.maximum(np.abs(dx), np.abs(dy))
            if not (size > SETTLED).any():
                break
    lost = ~(size <= ARRIVED)
    return np.where(lost, np.inf, x), np.where(lost, np.inf, y)


def _inverse(function: Plane, x: Floats, y: Floats, u: Floats, v: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Invert the matrix of derivatives: x by u, x by v, y by u, y by v."""
    right, below = function(x + 1.0, y), function(x, y + 1.0)
    ux, vx, uy, vy = right[0] - u, right[1] - v, below[0] - u, below[1] - v
    size = ux * vy - uy * vx
    return vy / size, -uy / size, -vx / size, ux / size
