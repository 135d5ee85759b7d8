"""Heights of the ground: constant, or out of a raster.

Heights are metres above the WGS 84 ellipsoid, as sensor models take them.
Rasters of heights above a geoid (most national ones, SRTM) have to be brought
to the ellipsoid before: nothing here guesses which of the two they are.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.geometry.locate import AffineLocator, Transform, native_of, wrap_longitude
from stacchip_osml.geometry.sensor_model import broadcast
from stacchip_osml.imagery.adapters.identity import identity_of
from stacchip_osml.imagery.blocks.cache import BlockCache
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import key_of
from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.imagery.resampling.remap import remap, remap_window
from stacchip_osml.imagery.windows.reader import WindowReader
from stacchip_osml.pixel.counts import finite_number, real_number

__all__ = ["ConstantElevation", "ElevationModel", "RasterElevation"]

Floats = NDArray[np.float64]

_CACHE = 64 << 20


@runtime_checkable
class ElevationModel(Protocol):
    """Heights of many places at once."""

    def height(self, longitudes: ArrayLike, latitudes: ArrayLike) -> Floats:
        """Give heights.

        Args:
            longitudes: degrees.
            latitudes: degrees, of a shape that broadcasts.

        Returns:
            Metres above the WGS 84 ellipsoid, of the shape that both have together; NaN where no height is known.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConstantElevation:
    """One height everywhere."""

    elevation: float = 0.0
    """Metres above the ellipsoid."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "elevation", finite_number("elevation", self.elevation))

    def height(self, longitudes: ArrayLike, latitudes: ArrayLike) -> Floats:
        """Give heights; see :class:`ElevationModel`."""
        shape, _ = broadcast(longitudes=longitudes, latitudes=latitudes)
        return np.full(shape, float(self.elevation))


@dataclass(frozen=True, slots=True, eq=False)
class RasterElevation:
    """Heights of an image whose first band is heights; between pixel centres they are bilinear.

    It is safe for threads where the provider is, and pickles where it does. Two are equal where they are the same.
    """

    provider: Any
    """Any object of the image provider protocol; level 0 is read, block by block as it is needed."""
    transform: Transform
    """Affine a b c d e f: pixel corners → CRS x, y. (The transform that GDAL gives is this one, also of ``Point``.)"""
    crs: str
    nodata: float | None = None
    """Value of pixels without a height; None for what the image itself says."""
    fill: float = math.nan
    """Height where none is known, outside of the raster too; NaN leaves pixels there without data."""
    _reader: WindowReader = field(init=False, repr=False)
    _plane: AffineLocator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.nodata is not None:
            real_number("nodata", self.nodata)
        real_number("fill", self.fill)
        told = None if self.nodata is None else (self.nodata,) * int(self.provider.num_bands)
        reader = WindowReader.of(self.provider, nodata=told, cache=BlockCache(_CACHE))
        object.__setattr__(self, "_plane", AffineLocator(self.transform, self.crs))
        object.__setattr__(self, "_reader", reader)

    def __reduce__(self) -> tuple[Any, ...]:
        return RasterElevation, (self.provider, self.transform, self.crs, self.nodata, self.fill)

    @property
    def key(self) -> str:
        """A name for people."""
        return f"{key_of(self.provider)}:{self.transform}:{self.crs}:{self.nodata}:{self.fill}"

    @property
    def pixel_identity(self) -> Hashable:
        """What no model of other heights has."""
        return "raster", identity_of(self.provider), self.transform, self.crs, repr(self.nodata), repr(self.fill)

    def height(self, longitudes: ArrayLike, latitudes: ArrayLike) -> Floats:
        """Give heights; see :class:`ElevationModel`.

        Raises:
            LimitError: the places lie so far apart that too many pixels are between them.
            ReadError: the image could not be read.
        """
        shape, (lon, lat) = broadcast(longitudes=longitudes, latitudes=latitudes)
        size = level_grid(self.provider).image_size
        a, b, c, d, e, f = self._plane.transform
        with np.errstate(invalid="ignore", over="ignore"):
            x, y = native_of(self.crs, wrap_longitude(lon), lat, near=a * size.width / 2 + b * size.height / 2 + c)
            x, y, area = x - c, y - f, a * e - b * d
            map_x, map_y = (x * e - y * b) / area - 0.5, (y * a - x * d) / area - 0.5
        found = np.full(lon.shape, float(self.fill))
        window = remap_window(map_x, map_y, method="bilinear", image=size)
        pixels = None if window is None else self._reader.read(window, bands=(0,))
        if window is None or pixels is None:
            return found.reshape(shape)
        heights = MaskedPixels(pixels.pixels.astype(np.float64), pixels.mask & np.isfinite(pixels.pixels))
        corner = window.x, window.y
        here = remap(heights, map_x[None], map_y[None], method="bilinear", corner=corner, image=size)
        return np.where(here.mask[0, 0], here.pixels[0, 0], found).reshape(shape)
