"""Where lines of sight meet the ground: positions whose place depends on the height there, found by iteration."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.warping.elevation import ConstantElevation, ElevationModel

__all__ = ["on_terrain"]

Floats = NDArray[np.float64]
ToGround = Callable[[Floats, Floats, Floats | float | None], tuple[Floats, Floats, Floats]]
"""Positions and heights → longitudes, latitudes, and the heights taken (those of its own where None is given)."""

ROUNDS = 30
SETTLED = 1e-3
"""Metres between the height taken and the ground's: then the two have met."""
STEEPEST = -0.25
"""Metres nearer to the ground a metre of height; on slopes that a line of sight hardly meets, steps are whole."""
ARRIVED = 0.5
"""Metres: farther apart after all rounds, a line of sight has no place that could be told."""


def on_terrain(
    to_ground: ToGround, elevation: ElevationModel, cols: Floats, rows: Floats
) -> tuple[Floats, Floats, Floats]:
    """Give the places of positions on the ground.

    Each round goes to the ground's height at the place found before, corrected by what the last round's step came to
    (the secant method): on flat ground it is all of the way, on a slope that faces the sensor less.

    Args:
        to_ground: from positions and heights to places.
        elevation: heights of the ground.
        cols: positions, of one shape.
        rows: the same.

    Returns:
        Degrees and metres; NaN where no height is known, or the ground is not met.
    """
    lon, lat, high = to_ground(cols, rows, None)
    if isinstance(elevation, ConstantElevation):
        lon, lat, high = to_ground(cols, rows, float(elevation.elevation))
        return lon, lat, np.broadcast_to(high, lon.shape)
    high = np.array(np.broadcast_to(high, lon.shape), np.float64)
    off = elevation.height(lon, lat) - high
    rate = np.full(high.shape, -1.0)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        for _ in range(ROUNDS):
            if not (np.abs(off) > SETTLED).any():
                break
            step = off / np.where(rate < STEEPEST, -rate, 1.0)
            high = high + step
            lon, lat, _ = to_ground(cols, rows, high)
            now = elevation.height(lon, lat) - high
            rate, off = (now - off) / step, now
        lost = ~(np.abs(off) <= ARRIVED)
    return np.where(lost, np.nan, lon), np.where(lost, np.nan, lat), np.where(lost, np.nan, high)
