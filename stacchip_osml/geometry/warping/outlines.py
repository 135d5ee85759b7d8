"""The edges of an image on the ground, closely: what decides which tiles it needs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.geometry.sensor_model import SensorModel
from stacchip_osml.geometry.warping.elevation import ElevationModel
from stacchip_osml.geometry.warping.terrain import on_terrain
from stacchip_osml.pixel import ImageSize

__all__ = ["ground_rings"]

Floats = NDArray[np.float64]

EDGE_POSITIONS = 32
"""On one edge of an image."""


def ground_rings(model: SensorModel, size: ImageSize, elevation: ElevationModel | None) -> list[tuple[Floats, Floats]]:
    """Project the edges of an image to the ground.

    Args:
        model: of the image.
        size: of the image.
        elevation: heights of the ground; None for the model's own.

    Returns:
        Rings of ``(lon, lat)``, degrees, infinite where there is no place: one at the ground's heights, and over
        terrain two more, at the lowest and the highest that was met.
    """
    along = np.arange(EDGE_POSITIONS) / EDGE_POSITIONS
    width, height = float(size.width), float(size.height)
    cols = np.concatenate([along * width, np.full_like(along, width), (1 - along) * width, np.zeros_like(along)])
    rows = np.concatenate([np.zeros_like(along), along * height, np.full_like(along, height), (1 - along) * height])
    if elevation is None:
        lon, lat, _ = model.image_to_world(cols, rows)
        return [(lon, lat)]
    lon, lat, heights = on_terrain(model.image_to_world, elevation, cols, rows)
    known = np.isfinite(heights)
    if not known.any():
        lon, lat, _ = model.image_to_world(cols, rows)
        return [(lon, lat)]
    rings = [(np.where(known, lon, np.inf), np.where(known, lat, np.inf))]
    for level in sorted({float(heights[known].min()), float(heights[known].max())}):
        lon, lat, _ = model.image_to_world(cols, rows, level)
        rings.append((lon, lat))
    return rings
