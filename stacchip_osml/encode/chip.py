"""The chip: pixels that travel with what describes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from stacchip_osml.pixel import PixelWindow

__all__ = ["Chip"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chip:
    """One chip of one image, with its place on the ground."""

    pixels: NDArray[Any]
    """``(bands, rows, cols)``."""
    mask: NDArray[np.bool_]
    """``(bands, rows, cols)``; True where the pixel is a measurement."""
    window: PixelWindow
    """R0 pixels of the reference asset."""
    level: int = 0
    """Pyramid level, 0 is full resolution."""
    chain: str = "raw"
    """Processing-chain id."""
    transform: Affine | None = None
    """Chip pixel corner (col, row) → CRS (x, y); None in sensor geometry."""
    crs: str | None = None
    """``EPSG:n`` or WKT2; None in sensor geometry."""
    band_names: tuple[str, ...] = ()
    """One name a band."""
    nodata: tuple[float | complex | None, ...] = ()
    """Nodata value of each band as stored; None where the band has none."""
    scales: tuple[float, ...] = ()
    """Physical value = stored × scale + offset, a band each; 1 where already applied."""
    offsets: tuple[float, ...] = ()
    colors: tuple[str, ...] = ()
    """Colour interpretation of each band: ``red``, ``gray``, ``alpha``, ``undefined`` …"""
    row: Mapping[str, Any] = field(default_factory=dict)
    """The index row this chip was cut for."""
