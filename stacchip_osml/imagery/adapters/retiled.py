"""A provider in tiles of another size."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from stacchip_osml.imagery.adapters.cached import CachedImageProvider, read_cached
from stacchip_osml.imagery.adapters.identity import identity_of
from stacchip_osml.imagery.adapters.mapped import MappedImageProvider
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.imagery.providers.block_utils import gather_blocks, holes_in
from stacchip_osml.imagery.providers.facts import (
    LevelBlocks,
    fact,
    has_block,
    key_of,
    num_levels,
    pad_number,
    require_bands,
    stores_any,
)
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["RetiledImageProvider"]


class RetiledImageProvider(ProviderView):
    """The source's pixels in tiles of another size.

    Tile ``k`` of level ``n`` covers what tile ``k`` of R0 covers, as blocks of reduced levels do elsewhere: it is
    ``2**n`` times smaller. Levels have the sizes that the source's have. A tile is absent where everything under it
    is; where some of it is, that part holds the pad pixel value.
    """

    shows_source = True

    def __init__(
        self,
        source: Any,
        tile_width: int = 1024,
        tile_height: int = 1024,
        pad_edges: bool = False,
        cache: TileCache | None = None,
    ) -> None:
        """Cut ``source`` anew.

        Args:
            source: any object of the image provider protocol.
            tile_width: columns of an R0 tile.
            tile_height: rows of an R0 tile.
            pad_edges: make the image larger, to whole tiles, with the pad pixel value; ``level_grid`` tells how much
                of it is image.
            cache: keeps tiles, and the source's blocks where those belong to several tiles; None for nothing.

        Raises:
            ValueError: a tile without pixels.
        """
        super().__init__(source)
        self.tile_width = whole_number("tile_width", tile_width, least=1)
        self.tile_height = whole_number("tile_height", tile_height, least=1)
        self.pad_edges = of_kind("pad_edges", pad_edges, bool, "True or False")
        self.cache = of_kind("cache", cache, (TileCache, type(None)), "a TileCache or None")
        self._stored = _behind(source)

    @property
    def pixel_identity(self) -> Hashable:
        """The source's, and how it is cut."""
        return "retiled", identity_of(self.source), self.tile_width, self.tile_height, self.pad_edges

    @property
    def key(self) -> str:
        """The source's, and how it is cut."""
        edges = ":padded" if self.pad_edges else ""
        return f"{fact(self.source, 'key')}:retiled:{self.tile_width}x{self.tile_height}{edges}"

    @property
    def num_resolution_levels(self) -> int:
        """The source's, as long as a tile has a pixel."""
        return min(num_levels(self.source), min(self.tile_width, self.tile_height).bit_length())

    def _level_grid(self, level: int) -> BlockGrid:
        if not 0 <= whole_number("level", level) < self.num_resolution_levels:
            raise IndexError(f"{key_of(self)}: no level {level}; it has {self.num_resolution_levels}")
        below = self.source_grid(level)
        grid = BlockGrid(below.size, (self.tile_height, self.tile_width), 1 << level, below.content)
        if not self.pad_edges:
            return grid
        rows, cols = grid.shape
        padded = ImageSize(-(-cols * self.tile_width >> level), -(-rows * self.tile_height >> level))
        return BlockGrid(padded, grid.block_shape, grid.reduction, below.image_size)

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a tile is in the grid, and anything of the image under it stored."""
        if not 0 <= whole_number("resolution_level", resolution_level) < self.num_resolution_levels:
            return False
        grid = self.level_grid(resolution_level)
        if not grid.has(block_row, block_col):
            return False
        x, y, width, height = grid.window(block_row, block_col)
        real = grid.image_size
        window = PixelWindow(x, y, min(width, real.width - x), min(height, real.height - y))
        return stores_any(self._stored, window, resolution_level)

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:
        """Give the parts of a tile under which the source stores nothing, in the tile's own pixels."""
        window = self.level_grid(resolution_level).window(block_row, block_col)
        below = self.source_grid(resolution_level)
        return tuple(holes_in(self.source, below, window, level=resolution_level))

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one tile, short at the right and bottom edge unless those are padded.

        Args:
            block_row: of the tile.
            block_col: of the tile.
            resolution_level: 0 is full resolution.
            bands: 0-based, in the order wanted; None for all.

        Returns:
            ``(bands, rows, cols)``; it may be read-only.

        Raises:
            IndexError: no such tile, level or band.
            LimitError: a tile of more than 512 MiB.
            DecodeError: the source gave something else than it says it has.
        """
        grid, below = self.level_grid(resolution_level), self.source_grid(resolution_level)
        window, chosen = grid.window(block_row, block_col), require_bands(self.source, bands)
        here = block_row, block_col, resolution_level
        key = None if self.cache is None else ("tile", self.pixel_identity, here, chosen)
        held = None if self.cache is None else self.cache.get(key)
        if held is not None:
            return held
        rows, cols = below.under(window)
        if len(rows) == len(cols) == 1 and below.window(rows[0], cols[0]) == window:
            if not has_block(self.source, rows[0], cols[0], resolution_level, grid=below):
                return self.padding(block_row, block_col, resolution_level, chosen)
            return read_cached(self.source, self.cache, rows[0], cols[0], resolution_level, bands=chosen, grid=below)
        if self.cache is None:
            return self._made(self.source, window, resolution_level, chosen)
        once = _holds_whole_blocks(grid, below)
        source = self.source if once else CachedImageProvider(self.source, self.cache)
        if not self.has_block(*here):
            return self.padding(*here, chosen)
        return self.cache.fetch(key, lambda: self._made(source, window, resolution_level, chosen), owned=True)

    def _made(self, source: Any, window: PixelWindow, level: int, bands: tuple[int, ...] | None) -> Pixels:
        blocks = LevelBlocks.of(source, level, bands, grid=self.source_grid(level))
        ReadLimits().require_block(key_of(self), (window.height, window.width), blocks.count, blocks.dtype.itemsize)
        return gather_blocks(blocks, window, fill=pad_number(self))


def _behind(provider: Any) -> Any:
    """Give what is behind adapters that show each pixel at its place: its blocks say more exactly what is absent."""
    while type(provider) in {CachedImageProvider, MappedImageProvider, RetiledImageProvider}:
        provider = provider.source
    return provider


def _holds_whole_blocks(grid: BlockGrid, below: BlockGrid) -> bool:
    """Tell whether no source block belongs to two tiles."""
    if grid.shape == (1, 1):
        return True
    same = grid.reduction == below.reduction
    return same and all(tile % block == 0 for tile, block in zip(grid.block_shape, below.block_shape, strict=True))
