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
ARRIVED = 0.5
"""Metres: farther apart after all rounds, a line of sight has no place that could be told."""


def on_terrain(
    to_ground: ToGround, elevation: ElevationModel, cols: Floats, rows: Floats
) -> tuple[Floats, Floats, Floats]:
    """Give the places of positions on the ground.

    Each round takes the ground's height at the place found before. On a slope that is steeper than the line of sight
    that goes back and forth, so half steps are taken once it does.

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
    last = np.full(high.shape, np.inf)
    with np.errstate(invalid="ignore"):
        for _ in range(ROUNDS):
            off = elevation.height(lon, lat) - high
            if not (np.abs(off) > SETTLED).any():
                break
            turned = np.sign(off) == -np.sign(last)
            high = high + np.where(turned, 0.5 * off, off)
            last = off
            lon, lat, _ = to_ground(cols, rows, high)
        lost = ~(np.abs(elevation.height(lon, lat) - high) <= ARRIVED)
    return np.where(lost, np.nan, lon), np.where(lost, np.nan, lat), np.where(lost, np.nan, high)
