"""A smaller image made of another one, block by block, when it is asked for.

Rules:

- a block is bit for bit the part of the whole smaller image that it covers,
  whatever the tile size; blocks at the right and bottom edge are short;
- of a source that has the level already, that level is read and nothing is
  resampled. Of a smaller image of a smaller image only the pixels needed are
  made, so a block reads each source block under it once;
- a block is stored where any source block that it needs is; others are
  padding. Pixels that the source does not store never bleed into others, nor
  do they into those of a level that is made of this one. They have the value
  ``nodata`` where it is given, else the source's pad value; a function that
  takes no masks sees pixels of that value;
- only the bands asked for are read.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from stacchip_osml.imagery.adapters.identity import identity_of, token_of
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.display.palettes import shows_indices
from stacchip_osml.imagery.level_places import FULL_RESOLUTION, LevelPlace, level_place
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.block_utils import fill_parts, holes_in, paste_blocks
from stacchip_osml.imagery.providers.facts import dtype_of, num_levels, pad_number, require_bands, stores_any
from stacchip_osml.imagery.providers.protocol import Mask, MaskedPixels, Pixels
from stacchip_osml.imagery.pyramids.levels import place_of
from stacchip_osml.imagery.resampling.reduction import (
    FunctionReduction,
    Reduction,
    needed_box,
    reduced_size,
    reduction_of,
    require_factor,
)
from stacchip_osml.imagery.resampling.reduction_masked import maskable
from stacchip_osml.imagery.resampling.reduction_values import Box, held_nodata, whole_box
from stacchip_osml.imagery.resampling.resamplers import ResampleFunc, nearest_neighbor_resample
from stacchip_osml.pixel import PixelWindow
from stacchip_osml.pixel.arguments import function_or_none, of_kind
from stacchip_osml.pixel.counts import whole_number, whole_or_none
from stacchip_osml.pixel.nodata import nodata_by_band

__all__ = ["DownsampledImageProvider", "NoLevelError"]

PART_PIXELS = 1 << 25
"""Source pixels, all bands counted, that are held at once where a block covers more of them."""


class NoLevelError(IndexError, ValueError):
    """A resolution level that an image does not have."""


@dataclass(slots=True)
class _Found:
    """What was found out of a source, true as long as its pixels do not change."""

    pixels: Hashable
    """The source's identity."""
    stored: dict[tuple[int, int, int], bool] = field(default_factory=dict)
    """(level, row, col) → whether the block is stored."""
    whole: Pixels | None = None
    """The whole result, of a resampler that sees the whole image."""


class DownsampledImageProvider(ProviderView):
    """Another provider, smaller by a power of two; nothing is read before a block is."""

    def __init__(  # noqa: PLR0917 - the documented order
        self,
        source: Any,
        scale_factor: int = 2,
        resample_func: ResampleFunc | None = None,
        tile_width: int | None = None,
        tile_height: int | None = None,
        cache: TileCache | None = None,
        *,
        nodata: float | complex | None = None,
        use_native_levels: bool = True,
    ) -> None:
        """Show ``source`` smaller.

        Args:
            source: any object of the image provider protocol.
            scale_factor: a power of two; sides are divided by it and rounded up.
            resample_func: how pixels are made; None for SIPS, of a palette's indices for the nearest. SIPS, nearest,
                bilinear, area and lanczos are exact on parts, and so is any function with ``halo_pixels``
                (:mod:`stacchip_osml.imagery.resampling.reduction`); another one is given the whole image, which has to
                be small (``WHOLE_LIMIT``), and its result is held.
            tile_width: columns of a block; None for the source's divided by the factor.
            tile_height: rows of a block; None for the source's divided by the factor.
            cache: holds blocks that were made; None makes them anew.
            nodata: value of pixels that hold no data, in all bands; they have no weight. None where all count: the
                pad pixel value alone does not say that pixels of that value are none. What is beyond all floats of
                the pixels' type (1e300 of float32) is the value of none, and counts as None.
            use_native_levels: read the level where the source has it.

        Raises:
            ValueError: a factor that is no power of two, tiles without pixels, a nodata value that pixels do not hold
                or the resampler does not heed, or a resampler that needs the whole of too large an image.
        """
        scale_factor = require_factor(scale_factor)
        tile_width = whole_or_none("tile_width", tile_width, least=1)
        tile_height = whole_or_none("tile_height", tile_height, least=1)
        super().__init__(source)
        grid = level_grid(source)
        function_or_none("resample_func", resample_func)
        self.scale_factor = scale_factor
        if resample_func is None and shows_indices(source):
            resample_func = nearest_neighbor_resample
        self.resample_func = resample_func
        self.cache = of_kind("cache", cache, (TileCache, type(None)), "a TileCache or None")
        self.use_native_levels = of_kind("use_native_levels", use_native_levels, bool, "True or False")
        self._source_size = grid.image_size
        self._size = reduced_size(self._source_size, scale_factor)
        rows, cols = (-(-side // scale_factor) for side in grid.block_shape)
        self._tile = rows if tile_height is None else tile_height, cols if tile_width is None else tile_width
        self._given_tile = tile_width, tile_height
        self._dtype = dtype_of(source)
        (nodata,) = nodata_by_band(nodata, 1)
        self.nodata = nodata = held_nodata(nodata, self._dtype)
        self._native = self._native_levels() if use_native_levels else ()
        self._reduction: Reduction | None = None
        if not self._native:
            pixels = self._source_size.width * self._source_size.height * int(source.num_bands)
            self._reduction = reduction_of(
                resample_func, scale_factor, dtype=self._dtype, nodata=nodata, source_pixels=pixels
            )
        self._masked = maskable(self._reduction)
        self._fill: Any = pad_number(source) if nodata is None else self._dtype.type(nodata)
        self._lock = threading.Lock()
        self._found = _Found(None)

    def __reduce__(self) -> tuple[Any, ...]:
        settings: dict[str, Any] = {"nodata": self.nodata, "use_native_levels": self.use_native_levels}
        given = (self.source, self.scale_factor, self.resample_func, *self._given_tile, self.cache)
        return partial(DownsampledImageProvider, *given, **settings), ()

    # ---- what it is

    @property
    def pixel_identity(self) -> Hashable:
        """What no provider of other pixels has."""
        if self._reduction is None:
            how: Hashable = ("native", self._native[0], repr(self.nodata))
        elif isinstance(self._reduction, FunctionReduction):
            how = (token_of(self._reduction.function), self.scale_factor)
        else:
            how = self._reduction.name
        return "downsampled", identity_of(self.source), how, self._tile

    @property
    def key(self) -> str:
        """The source's, with the factor, how pixels are made, and the tile size."""
        how = "native" if self._reduction is None else self._reduction.name.partition("/")[0]
        return f"{super().key}:downsample:{self.scale_factor}:{how}:{self._tile[1]}x{self._tile[0]}"

    @property
    def num_resolution_levels(self) -> int:
        """The source's levels from this one on; 1 where pixels are resampled."""
        return max(len(self._native), 1)

    @property
    def pad_pixel_value(self) -> float:
        """Nodata where it is given, else the source's."""
        return float(np.real(self._fill))

    @property
    def pixel_place(self) -> LevelPlace:
        """Where its pixels lie on the finest image."""
        below = place_of(self.source) or FULL_RESOLUTION
        if self._reduction is None:
            return level_place(self.source, self._native[0]).inside(below)
        width, height = self._source_size
        return LevelPlace(dx=self._reduction.pitch(width), dy=self._reduction.pitch(height)).inside(below)

    def level_place(self, level: int = 0) -> LevelPlace:
        """Tell where a level lies on level 0."""
        self.level_grid(level)
        if level == 0:
            return FULL_RESOLUTION
        first, here = (level_place(self.source, self._native[number]) for number in (0, level))
        return here.seen_from(first)

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of a level, and where its blocks lie; all levels have tiles of one size.

        Raises:
            NoLevelError: no such level; it is an IndexError and a ValueError.
        """
        if not 0 <= whole_number("level", level) < self.num_resolution_levels:
            raise NoLevelError(f"{self.key}: no level {level}; it has {self.num_resolution_levels}")
        size = self._size if level == 0 else level_grid(self.source, self._native[level]).image_size
        return BlockGrid(size, self._tile)

    # ---- blocks

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid, and any source block that it needs is stored."""
        if not 0 <= whole_number("resolution_level", resolution_level) < self.num_resolution_levels:
            return False
        grid = self.level_grid(resolution_level)
        if not grid.has(block_row, block_col):
            return False
        place, known = (resolution_level, block_row, block_col), self._found_out().stored
        is_stored = known.get(place)
        if is_stored is None:
            is_stored = known[place] = self._is_stored(Box.of(grid.window(block_row, block_col)), resolution_level)
        return is_stored

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:  # noqa: ARG002
        """Give none: what a stored block has no source pixels for was made of padding."""
        return ()

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Make one block, short at the right and bottom edge; one that is not stored is padding.

        Args:
            block_row: of the block.
            block_col: of the block.
            resolution_level: of ``num_resolution_levels``.
            bands: 0-based, in the order wanted; None for all.

        Returns:
            ``(bands, rows, cols)`` in the source's type; read-only where there is a cache.

        Raises:
            IndexError: no such block, level or band.
            NoLevelError: no such level; it is a ValueError too.
            DecodeError: the source gave something else than it says it has.
        """
        box = Box.of(self.level_grid(resolution_level).window(block_row, block_col))
        chosen = require_bands(self, bands)
        if self.cache is None or not self.has_block(block_row, block_col, resolution_level):
            return self.read_part(box, chosen, level=resolution_level)
        key = ("downsampled", self.pixel_identity, resolution_level, block_row, block_col)
        if chosen is not None:
            held = self.cache.get((*key, None))
            if held is not None:
                picked = held[list(chosen)]
                picked.flags.writeable = False
                return picked
        return self.cache.fetch((*key, chosen), lambda: self.read_part(box, chosen, level=resolution_level), owned=True)

    def read_part(self, box: Box, bands: tuple[int, ...] | None = None, *, level: int = 0) -> Pixels:
        """Make any part of the image, however it lies in the grid.

        Args:
            box: rows and columns of the level, inside it.
            bands: 0-based, in the order wanted; None for all.
            level: of ``num_resolution_levels``.

        Returns:
            ``(bands, rows, cols)``: new memory.
        """
        count = int(self.source.num_bands) if bands is None else len(bands)
        if self._reduction is None:
            return self._source_part(box, bands, count, self._native[level])
        made = np.full((count, box.rows, box.cols), self._fill, self._dtype)
        if self._is_stored(box, level):
            self._make(self._reduction, box, bands, made)
            self._blank(box, made)
        return made

    # ---- how

    def _native_levels(self) -> tuple[int, ...]:
        """Find the source's levels from this one's size on; none where it has no level of this size."""
        step, levels = self.scale_factor.bit_length() - 1, []
        for level in range(max(step, 1), num_levels(self.source)):
            if level_grid(self.source, level).image_size != reduced_size(self._source_size, 1 << level):
                break
            levels.append(level)
        return tuple(levels) if step else ()

    def _found_out(self) -> _Found:
        """Give what is known of the source as it is now."""
        pixels, found = identity_of(self.source), self._found
        if found.pixels != pixels:
            found = self._found = _Found(pixels)
        return found

    def _is_stored(self, box: Box, level: int) -> bool:
        """Tell whether any source block that a part needs is stored."""
        below = 0
        if self._reduction is None:
            below = self._native[level]
        else:
            box = needed_box(self._reduction, box, self._source_size)
        return stores_any(self.source, box.window, below)

    def _make(self, reduction: Reduction, box: Box, bands: tuple[int, ...] | None, out: Pixels) -> None:
        """Make a part, in halves where it needs more source pixels than are held at once."""
        if reduction.whole:
            out[...] = self._part_of_whole(reduction, box, bands)
            return
        needed = needed_box(self._masked or reduction, box, self._source_size)
        most = max(PART_PIXELS, 4 * math.prod(level_grid(self.source).block_shape) * len(out))
        if needed.rows * needed.cols * len(out) <= most or box.rows * box.cols == 1:
            valid = self._source_valid(needed)
            if self._masked is None or valid is None:
                needed = needed_box(reduction, box, self._source_size)
                part = self._source_part(needed, bands, len(out), 0)
                out[...] = reduction.reduce(part, needed, self._source_size, box)
                return
            part = self._source_part(needed, bands, len(out), 0)
            masked = MaskedPixels(part, np.broadcast_to(valid, part.shape))
            done = self._masked.reduce_masked(masked, needed, self._source_size, box)
            out[...] = np.where(done.mask, done.pixels, self._fill)
        elif box.rows >= box.cols:
            middle = box.rows // 2
            self._make(reduction, box._replace(bottom=box.top + middle), bands, out[:, :middle])
            self._make(reduction, box._replace(top=box.top + middle), bands, out[:, middle:])
        else:
            middle = box.cols // 2
            self._make(reduction, box._replace(right=box.left + middle), bands, out[..., :middle])
            self._make(reduction, box._replace(left=box.left + middle), bands, out[..., middle:])

    def _part_of_whole(self, reduction: Reduction, box: Box, bands: tuple[int, ...] | None) -> Pixels:
        """Take a part of the whole result, which is made once."""
        found = self._found_out()
        with self._lock:
            if found.whole is None:
                everything = whole_box(self._source_size)
                part = self._source_part(everything, None, int(self.source.num_bands), 0)
                found.whole = reduction.reduce(part, everything, self._source_size, whole_box(self._size))
            held = found.whole
        chosen: Any = slice(None) if bands is None else list(bands)
        return held[(chosen, *box.seen_from(whole_box(self._size)))]

    def _source_part(self, box: Box, bands: tuple[int, ...] | None, count: int, level: int) -> Pixels:
        """Read source pixels; those that are not stored have the fill value."""
        below = self.source
        if isinstance(below, DownsampledImageProvider) and below.cache is None and below.is_resampled:
            part = below.read_part(box, bands)
        else:
            part = np.full((count, box.rows, box.cols), self._fill, self._dtype)
            paste_blocks(below, level_grid(below, level), box.window, part, level=level, bands=bands)
        if self.nodata is not None:
            fill_parts(part, holes_in(below, level_grid(below, level), box.window, level=level), self._fill)
        return part

    def _source_valid(self, box: Box) -> Mask | None:
        """Tell which source pixels are there; None where all count."""
        below = self.source
        if isinstance(below, DownsampledImageProvider) and below.is_resampled:
            return below.valid_part(box)
        if self._masked is None:
            return None
        holes = list(holes_in(below, level_grid(below), box.window, level=0))
        return fill_parts(np.ones((1, box.rows, box.cols), np.bool_), holes, False) if holes else None

    def valid_part(self, box: Box) -> Mask | None:
        """Tell of which pixels of a part enough is stored, ``(1, rows, cols)``; None where all count."""
        if self._masked is None:
            return None
        needed = needed_box(self._masked, box, self._source_size)
        if (valid := self._source_valid(needed)) is None:
            return None
        return self._masked.reduce_masked(
            MaskedPixels(valid.view(np.uint8), valid), needed, self._source_size, box
        ).mask

    @property
    def is_resampled(self) -> bool:
        """Pixels are made, and not those of a level that the source has."""
        return self._reduction is not None

    def _blank(self, box: Box, made: Pixels) -> None:
        """Make padding of the blocks that are not stored, also where they were made to reduce them further."""
        grid = self.level_grid(0)
        rows, cols = grid.under(box.window)
        for row in rows:
            for col in cols:
                if not self.has_block(row, col):
                    shared = Box.of(grid.window(row, col)).meet(box)
                    made[(slice(None), *shared.seen_from(box))] = self._fill
