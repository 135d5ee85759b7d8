"""Where a chip in sensor geometry lies, for files that say it by a transform or by control points.

An affine is fitted to a grid of positions that the sensor model gives. Where
no pixel of the chip is farther than half a pixel from what the model says, it
is the chip's place; else control points are, which any distortion fits.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from stacchip_osml.encode.chip import Chip
from stacchip_osml.imagery.header import GroundControlPoint

__all__ = ["CRS", "ChipPlace", "chip_place"]

CRS = "EPSG:4326"
GRID = 7
"""Positions along each side of a chip."""
ENOUGH = 0.5
"""Chip pixels."""


class ChipPlace(NamedTuple):
    """Where a chip lies."""

    transform: Affine | None
    crs: str | None
    gcps: tuple[GroundControlPoint, ...] = ()
    """Chip pixel corners and the CRS's x and y, where no transform says it."""


def chip_place(chip: Chip) -> ChipPlace:
    """Tell where a chip lies: what it says itself, else what the sensor model of its image says.

    Returns:
        Longitude and latitude where the sensor model says it, those of a chip across the antimeridian beyond 180;
        no place where nothing does, or a position of the chip has none.
    """
    origin = chip.origin
    if chip.transform is not None or origin is None or origin.locator is None:
        return ChipPlace(chip.transform, chip.crs)
    width, height = chip.size
    cols, rows = (grid.ravel() for grid in np.meshgrid(np.linspace(0, width, GRID), np.linspace(0, height, GRID)))
    x, y, wide, high = origin.window
    lon, lat = origin.locator(x + cols * (wide / width), y + rows * (high / height))
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        return ChipPlace(None, None)
    lon = lon[0] + (lon - lon[0] + 180) % 360 - 180
    across, down = cols / width - 0.5, rows / height - 0.5
    terms = np.stack([across, down, np.ones_like(across)], axis=1)
    fitted = np.linalg.lstsq(terms, np.stack([lon, lat], axis=1), rcond=None)[0]
    linear = fitted[:2].T / (width, height)
    if (
        np.linalg.matrix_rank(linear) == 2
        and _farthest(linear, terms @ fitted - np.stack([lon, lat], axis=1)) <= ENOUGH
    ):
        (a, b), (d, e) = linear.tolist()
        c, f = (fitted[2] - linear @ (width / 2, height / 2)).tolist()
        return ChipPlace(Affine(a, b, c, d, e, f), CRS)
    points = zip(rows.tolist(), cols.tolist(), lon.tolist(), lat.tolist(), strict=True)
    return ChipPlace(None, CRS, tuple(GroundControlPoint(row=r, col=c, x=x, y=y, z=0.0) for r, c, x, y in points))


def _farthest(linear: NDArray[np.float64], residuals: NDArray[np.float64]) -> float:
    """Give the longest of residuals on the ground ``(N, 2)``, in chip pixels."""
    pixels = np.linalg.solve(linear, residuals.T)
    return float(np.hypot(*pixels).max())
