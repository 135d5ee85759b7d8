"""A provider whose pixels are a function of another's."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from stacchip_osml.errors import ChainError
from stacchip_osml.imagery.adapters.identity import identity_of, token_of
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import (
    absent_parts,
    as_pixel_dtype,
    dtype_of,
    fact,
    has_block,
    key_of,
    pad_number,
    read_block,
    require_bands,
)
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel.arguments import each_of, of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["MappedImageProvider"]

Function = Callable[[Pixels], Pixels]


class MappedImageProvider(ProviderView):
    """The source's blocks, each through a function.

    The function is called with ``(bands, rows, cols)`` of one block, which it may not write to, and gives
    ``(num_bands, rows, cols)``. It is not called for padding: blocks are cut off at the image's edge before, and
    absent blocks are not read; where part of a block is absent, the function's result there is replaced by the pad
    pixel value. What a pixel becomes must depend on that pixel alone: how the source is cut into blocks is nothing
    that a result should show.
    """

    def __init__(  # noqa: PLR0917 - the documented order
        self,
        source: Any,
        func: Function,
        cache: TileCache | None = None,
        name: str | None = None,
        num_bands: int | None = None,
        pixel_value_type: Any = None,
        source_bands: Sequence[int] | None = None,
        *,
        per_band: bool = False,
        actual_bits_per_pixel: int | None = None,
        pad_pixel_value: float | None = None,
    ) -> None:
        """Show ``source`` through ``func``.

        Args:
            source: any object of the image provider protocol.
            func: from pixels to pixels; picklable, where the provider is to be.
            cache: keeps results; None for nothing.
            name: of the function, for people; None for its own.
            num_bands: that the function gives; None for as many as it gets.
            pixel_value_type: of what the function gives, in any form that
                :func:`stacchip_osml.imagery.providers.facts.as_pixel_dtype` knows; None for the source's.
            source_bands: 0-based bands of the source that the function gets, in this order; None for all.
            per_band: each band of the result depends on one band alone, the one at its place; then only the bands
                asked for are read.
            actual_bits_per_pixel: bits that carry information in the result; None for all that the type has.
            pad_pixel_value: of the result; None for the source's, as near as the type holds it.

        Raises:
            DecodeError: an unknown pixel value type.
            ValueError: ``per_band`` with another number of bands than there are.
        """
        super().__init__(source)
        self.func, self.name = func, name
        self.cache = of_kind("cache", cache, (TileCache, type(None)), "a TileCache or None")
        self.source_bands = (
            None
            if source_bands is None
            else tuple(
                whole_number("source_bands", band) for band in each_of("source_bands", source_bands, object, "bands")
            )
        )
        self.per_band = of_kind("per_band", per_band, bool, "True or False")
        self._num_bands = num_bands
        self._type = pixel_value_type
        self._dtype = None if pixel_value_type is None else as_pixel_dtype(pixel_value_type)
        self._bits, self._pad = actual_bits_per_pixel, pad_pixel_value
        if per_band and num_bands is not None and num_bands != self._bands_in():
            raise ValueError(f"{num_bands} bands, each of one of {self._bands_in()}")

    @property
    def pixel_identity(self) -> Hashable:
        """The source's, the function itself, and the settings."""
        settings = self.source_bands, self._num_bands, self._dtype, self.per_band, repr(self._pad)
        return "mapped", identity_of(self.source), token_of(self.func), settings

    @property
    def key(self) -> str:
        """The source's, and the function's name."""
        name = self.name or getattr(self.func, "__name__", None) or type(self.func).__name__
        return f"{fact(self.source, 'key')}:mapped:{name}"

    @property
    def num_bands(self) -> int:
        """Bands that the function gives."""
        return self._bands_in() if self._num_bands is None else int(self._num_bands)

    @property
    def pixel_value_type(self) -> Any:
        """What was given for it, else the source's own."""
        return self.source.pixel_value_type if self._type is None else self._type

    @property
    def num_bits_per_pixel(self) -> int:
        """Bits of one band's pixel as delivered."""
        return dtype_of(self).itemsize * 8

    @property
    def actual_bits_per_pixel(self) -> int:
        """Bits that carry information: all, unless something else was said."""
        return self.num_bits_per_pixel if self._bits is None else int(self._bits)

    @property
    def pad_pixel_value(self) -> float:
        """What stands where nothing is stored."""
        return super().pad_pixel_value if self._pad is None else float(self._pad)

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block through the function.

        Args:
            block_row: of the block.
            block_col: of the block.
            resolution_level: 0 is full resolution.
            bands: 0-based bands of the result, in the order wanted; None for all.

        Returns:
            ``(bands, rows, cols)``; it may be read-only.

        Raises:
            IndexError: no such block, level or band.
            ChainError: the function gave something else than was said.
            DecodeError: the source gave something else than it says it has.
        """
        chosen = require_bands(self, bands)
        grid = level_grid(self.source, resolution_level)
        if not has_block(self.source, block_row, block_col, resolution_level, grid=grid):
            return self.padding(block_row, block_col, resolution_level, chosen)
        place = block_row, block_col, resolution_level
        made = chosen if self.per_band else None
        if self.cache is None:
            block = self._made(grid, place, made)
        else:
            key = ("mapped", self.pixel_identity, place, made)
            block = self.cache.fetch(key, lambda: self._made(grid, place, made))
        return block if chosen is None or self.per_band else block[list(chosen)]

    def _made(self, grid: BlockGrid, place: tuple[int, int, int], bands: tuple[int, ...] | None) -> Pixels:
        row, col, level = place
        wanted = self.source_bands
        if bands is not None:
            wanted = bands if wanted is None else tuple(wanted[band] for band in bands)
        window, real = grid.window(row, col), grid.image_size
        height = max(min(window.height, real.height - window.y), 0)
        width = max(min(window.width, real.width - window.x), 0)
        if not height or not width:
            return self.padding(row, col, level, bands)
        block = read_block(self.source, row, col, level, wanted, grid=grid)
        seen = block[:, :height, :width].view()
        seen.flags.writeable = False
        result = self._checked(self.func(seen), self.num_bands if bands is None else len(bands), (height, width))
        holes = absent_parts(self.source, row, col, level)
        if not holes and result.shape[1:] == (window.height, window.width):
            return result
        whole = np.full((result.shape[0], window.height, window.width), pad_number(self), result.dtype)
        whole[:, :height, :width] = result
        for hole in holes:
            whole[:, hole.y : hole.y + hole.height, hole.x : hole.x + hole.width] = pad_number(self)
        return whole

    def _checked(self, result: Any, count: int, shape: tuple[int, int]) -> Pixels:
        dtype, expected = dtype_of(self), (count, *shape)
        if not isinstance(result, np.ndarray) or result.dtype != dtype or result.shape != expected:
            kind = f"{result.dtype} {result.shape}" if isinstance(result, np.ndarray) else type(result).__name__
            raise ChainError(f"{key_of(self)}: the function gave {kind}, {dtype} {expected} was said")
        return result

    def _bands_in(self) -> int:
        return int(self.source.num_bands) if self.source_bands is None else len(self.source_bands)
