"""An image on another grid, as a provider: every block is warped when it is asked for.

Rules:

- blocks are counted from (0, 0), as of any provider; ``tile_id`` and
  ``block_of`` say which tile of the set a block is. So windows, chips,
  statistics and writers work on it as on any image;
- validity goes along: nodata, alpha, mask bands and absent blocks of the source
  never bleed into what is valid, and what no source pixel falls in is not valid;
- a block is absent where nothing of the source, or nothing that is stored, falls
  in. It reads as the fill value: nodata where the source has one, else 0;
- where it lies is told as image files tell it, by ``header`` and
  ``sensor_facts``: chips and files made of it are georeferenced.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from stacchip_osml.errors import WindowError
from stacchip_osml.forked import ForkLock
from stacchip_osml.geometry.sensor_facts import SensorFacts
from stacchip_osml.geometry.warping.grids import GridBuilder, WarpGrid
from stacchip_osml.geometry.warping.sampler import SourceSampler
from stacchip_osml.geometry.warping.tile_sets import MapTileId
from stacchip_osml.geometry.warping.warped_header import warped_header
from stacchip_osml.imagery.adapters.identity import identity_of
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.display.palettes import shows_indices
from stacchip_osml.imagery.limits import ReadLimits, require_inside
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import dtype_of, fact, require_bands
from stacchip_osml.imagery.providers.gridded import GriddedImage
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.imagery.pyramids.pyramid import TiledImagePyramid
from stacchip_osml.imagery.windows.cut import fill_value, leave_empty
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number, whole_or_none
from stacchip_osml.pixel.nodata import nodata_by_band

__all__ = ["WarpedImageProvider"]

Nodata = float | complex | Sequence[float | complex | None] | None

GRID_BYTES = 64 << 20
"""Warp grids that a provider keeps."""


class WarpedImageProvider(GriddedImage):
    """A source seen through warp grids; safe for threads where the source is, and pickles where it does."""

    def __init__(
        self,
        source: TiledImagePyramid | Any,
        grid_builder: GridBuilder,
        num_bands: int | None = None,
        cache: TileCache | None = None,
        *,
        nodata: Nodata = None,
        threads: int | None = None,
    ) -> None:
        """Show ``source`` through grids; nothing is read yet but its header.

        Args:
            source: the image's levels; any provider is taken for a pyramid of its own levels.
            grid_builder: says where pixels come from.
            num_bands: of the source's, the first ones; None for all.
            cache: keeps blocks; None for nothing.
            nodata: value of source pixels that hold nothing, for all bands or each; None for what the image says.
            threads: that decode the source's blocks; None for as many as there are cores.

        Raises:
            WindowError: (a ValueError) grids of an image of another size, or more bands than there are.
            ValueError: ``threads`` is less than 1.
        """
        self.source = source if isinstance(source, TiledImagePyramid) else TiledImagePyramid.from_asset(source)
        self.grid_builder = of_kind("grid_builder", grid_builder, GridBuilder, "a builder of warp grids")
        self.cache = of_kind("cache", cache, (TileCache, type(None)), "a TileCache or None")
        self.threads = whole_or_none("threads", threads, least=1)
        self._again = partial(
            WarpedImageProvider, source, grid_builder, num_bands, cache, nodata=nodata, threads=threads
        )
        base = self.source.get_level(0)
        size, there = level_grid(base).image_size, int(base.num_bands)
        if size != grid_builder.source_size:
            raise WindowError(f"grids of an image of {grid_builder.source_size}, the source is {size}")
        self.num_bands = there if num_bands is None else whole_number("num_bands", num_bands, least=1)
        if not 1 <= self.num_bands <= there:
            raise WindowError(f"{num_bands} bands of a source of {there}")
        self._dtype = dtype_of(base)
        self._grid = BlockGrid(grid_builder.image_size, (grid_builder.tile_size.height, grid_builder.tile_size.width))
        self._kept: OrderedDict[tuple[int, int], WarpGrid | None] = OrderedDict()
        self._kept_bytes, self._lock = 0, ForkLock()
        self._nodata = None if nodata is None else nodata_by_band(nodata, there)
        self.header = warped_header(base, grid_builder, count=self.num_bands, nodata=self._nodata)
        """What the warped image says of itself: size, place, what its bands mean."""
        self._fill = tuple(fill_value(band.nodata, self._dtype) for band in self.header.bands)
        self._method = "nearest" if shows_indices(base) else grid_builder.options.remap_interpolation
        """Between entries of a colour table there are none."""
        self._sampler = SourceSampler(
            self.source,
            method=self._method,
            fill=self._fill,
            nodata=self._nodata,
            needs_masks=self.header.mask in {"alpha", "mask"},
            threads=self.threads,
        )
        ReadLimits().require_image(self.title, self._grid.size, self.num_bands)
        ReadLimits().require_block(self.title, self._grid.block_shape, self.num_bands, self._dtype.itemsize)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._again, ()

    def __repr__(self) -> str:
        return f"WarpedImageProvider({self.key!r})"

    # ---- which tile is which block

    def tile_id(self, block_row: int, block_col: int) -> MapTileId:
        """Give the id that a block has in the tile set.

        Raises:
            IndexError: no such block.
        """
        row, col = self._place(block_row, block_col)
        return self.grid_builder.tile_id(row, col)

    def block_of(self, tile_id: MapTileId) -> tuple[int, int]:
        """Give (row, col) of the block that a tile is.

        Raises:
            TileError: (a ValueError) the image does not reach into that tile, or it is of another scale.
        """
        row, col = self.grid_builder.place_of(tile_id)
        limits = self.grid_builder.tile_limits
        return row - limits.min_row, col - limits.min_col

    def grid(self, block_row: int, block_col: int) -> WarpGrid | None:
        """Give the warp grid of a block; None where nothing of the source falls in.

        Raises:
            IndexError: no such block.
        """
        place = self._place(block_row, block_col)
        with self._lock:
            if place in self._kept:
                self._kept.move_to_end(place)
                return self._kept[place]
        found = self.grid_builder.build(*place)
        with self._lock:
            if place not in self._kept:
                self._kept[place] = found
                self._kept_bytes += _bytes_of(found)
                while self._kept_bytes > GRID_BYTES and len(self._kept) > 1:
                    self._kept_bytes -= _bytes_of(self._kept.popitem(last=False)[1])
        return found

    def get_valid_mask(self, block_row: int, block_col: int) -> Mask:
        """Give ``(rows, cols)`` of a block, True where any band holds a measurement.

        Raises:
            IndexError: no such block.
            ReadError: the source could not be read.
        """
        window = self._grid.window(block_row, block_col)
        found = self._block(block_row, block_col, None)
        if found is None:
            return np.zeros((window.height, window.width), np.bool_)
        valid: Mask = np.logical_or.reduce(found.mask, axis=0)
        return valid

    # ---- PixelReader

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of the image, and where its blocks lie; IndexError of a level other than 0."""
        if whole_number("level", level) != 0:
            raise IndexError(f"{self.key}: no level {level}; it has 1")
        return self._grid

    def read(self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None) -> MaskedPixels | None:
        """Read a window, with what is valid of it.

        Args:
            window: inside the image.
            level: 0.
            bands: 0-based, in the order wanted; None for all.

        Returns:
            The pixels with their mask; None where nothing of the source falls in.

        Raises:
            WindowError: the window leaves the image.
            IndexError: no such level or band.
            LimitError: larger than may be read.
            ReadError: the source could not be read.
        """
        grid, chosen = self.level_grid(level), require_bands(self, bands)
        require_inside(self.title, window, grid.size, level)
        count = self.num_bands if chosen is None else len(chosen)
        ReadLimits().require_request(self.title, ImageSize(*window[2:]), count, self._dtype.itemsize)
        pixels = np.empty((count, window.height, window.width), self._dtype)
        mask = np.empty(pixels.shape, np.bool_)
        leave_empty(pixels, mask, self._fills(chosen))
        is_anything = False
        rows, cols = grid.under(window)
        for row, col in ((row, col) for row in rows for col in cols):
            found = self._block(row, col, chosen) if self.has_block(row, col) else None
            if found is None:
                continue
            is_anything = True
            x, y, width, height = grid.window(row, col)
            left, right = max(x, window.x), min(x + width, window.x + window.width)
            top, bottom = max(y, window.y), min(y + height, window.y + window.height)
            here = np.s_[:, top - window.y : bottom - window.y, left - window.x : right - window.x]
            there = np.s_[:, top - y : bottom - y, left - x : right - x]
            pixels[here], mask[here] = found.pixels[there], found.mask[there]
        return MaskedPixels(pixels, mask) if is_anything else None

    # ---- ImageProvider

    @property
    def pixel_identity(self) -> Hashable:
        """The source's levels, the grids, and the settings."""
        levels = tuple(identity_of(self.source.get_level(level)) for level in range(self.source.num_levels))
        return "warped", levels, self.grid_builder.pixel_identity, self.num_bands, repr(self._nodata)

    @property
    def key(self) -> str:
        """The source's, the grids', how pixels are taken, and nodata where it was given."""
        method, told = self._method, "" if self._nodata is None else f":{self._nodata}"
        source = fact(self.source.get_level(0), "key")
        return f"{source}:warped:{self.grid_builder.key}:{method}:{self.num_bands}{told}"

    @property
    def title(self) -> str:
        """The source's."""
        return str(fact(self.source.get_level(0), "title"))

    @property
    def description(self) -> str:
        """The source's."""
        return str(fact(self.source.get_level(0), "description"))

    @property
    def metadata(self) -> Mapping[str, Any]:
        """None: the source's tags tell its own place and size."""
        return MappingProxyType({})

    @property
    def num_bits_per_pixel(self) -> int:
        """Bits of one band's pixel as delivered."""
        return self._dtype.itemsize * 8

    @property
    def actual_bits_per_pixel(self) -> int:
        """The source's; all, where values between its own can overshoot them."""
        if self._method == "cubic":
            return self.num_bits_per_pixel
        return min(int(fact(self.source.get_level(0), "actual_bits_per_pixel")), self.num_bits_per_pixel)

    @property
    def num_resolution_levels(self) -> int:
        """One."""
        return 1

    @property
    def pixel_value_type(self) -> np.dtype[Any]:
        """The source's, as a numpy dtype."""
        return self._dtype

    @property
    def pad_pixel_value(self) -> float:
        """What stands where nothing is: the first band's nodata, 0 where it has none."""
        return float(np.real(self._fill[0]))

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid, and anything that the source stores falls in."""
        if whole_number("resolution_level", resolution_level) != 0 or not self._grid.has(block_row, block_col):
            return False
        grid = self.grid(block_row, block_col)
        return grid is not None and self._sampler.is_stored(grid)

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Warp one block.

        Args:
            block_row: of the block, from 0.
            block_col: of the block, from 0.
            resolution_level: 0.
            bands: 0-based, in the order wanted; None for all.

        Returns:
            ``(bands, rows, cols)``; the fill value where nothing falls in. It may be read-only.

        Raises:
            IndexError: no such block, level or band.
            ReadError: the source could not be read.
        """
        window = self.level_grid(resolution_level).window(block_row, block_col)
        chosen = require_bands(self, bands)
        found = self._block(block_row, block_col, chosen) if self.has_block(block_row, block_col) else None
        if found is not None:
            return found.pixels
        count = self.num_bands if chosen is None else len(chosen)
        pixels = np.empty((count, window.height, window.width), self._dtype)
        leave_empty(pixels, np.empty(pixels.shape, np.bool_), self._fills(chosen))
        return pixels

    def sensor_facts(self, asset_key: str | None = None) -> SensorFacts:  # noqa: ARG002 - it has one image
        """Say where the image is, for sensor models; nothing, where the target is no map."""
        return SensorFacts(size=self._grid.size, transform=self.header.transform, crs=self.header.crs)

    # ---- making blocks

    def _place(self, block_row: int, block_col: int) -> tuple[int, int]:
        self._grid.window(block_row, block_col)
        limits = self.grid_builder.tile_limits
        return limits.min_row + block_row, limits.min_col + block_col

    def _fills(self, bands: tuple[int, ...] | None) -> tuple[float | complex, ...]:
        return self._fill if bands is None else tuple(self._fill[band] for band in bands)

    def _block(self, row: int, col: int, bands: tuple[int, ...] | None) -> MaskedPixels | None:
        """Give a block, out of the cache where it is there; None where no pixel of it is valid."""
        if self.cache is None:
            return self._warped(row, col, bands)
        known = self.pixel_identity, row, col, bands
        mask = self.cache.get(("warped mask", *known))
        pixels = None if mask is None else self.cache.get(("warped", *known))
        if pixels is not None and mask is not None:
            return MaskedPixels(pixels, mask)
        found = self._warped(row, col, bands)
        if found is not None:
            self.cache.put(("warped", *known), found.pixels)
            self.cache.put(("warped mask", *known), found.mask)
        return found

    def _warped(self, row: int, col: int, bands: tuple[int, ...] | None) -> MaskedPixels | None:
        grid = self.grid(row, col)
        return None if grid is None else self._sampler.take(grid, bands or tuple(range(self.num_bands)))


def _bytes_of(grid: WarpGrid | None) -> int:
    return 1024 if grid is None else grid.map_x.nbytes + grid.map_y.nbytes + grid.valid_mask.nbytes
