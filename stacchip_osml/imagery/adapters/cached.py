"""A provider whose blocks are kept, decoded, for the next who asks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from stacchip_osml.imagery.adapters.identity import identity_of
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.imagery.providers.facts import has_block, read_block, require_bands
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["CachedImageProvider", "read_cached"]


class CachedImageProvider(ProviderView):
    """The source, with its blocks in a cache; the pixels and the key are the source's."""

    shows_source = True

    def __init__(self, source: Any, cache: TileCache | None = None) -> None:
        """Keep blocks of ``source``.

        Args:
            source: any object of the image provider protocol; its pixels must not change, unless it says so by its
                ``pixel_identity``.
            cache: where; shared with others as one likes. None keeps nothing.
        """
        super().__init__(source)
        self.cache = of_kind("cache", cache, (TileCache, type(None)), "a TileCache or None")

    pixel_identity = ProviderView.pixel_identity  # said anew: the pixels are the same

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block; read-only where there is a cache. See :meth:`ProviderView.get_block`."""
        return read_cached(
            self.source,
            self.cache,
            block_row,
            block_col,
            resolution_level,
            bands=bands,
            grid=self.level_grid(resolution_level),
        )


def read_cached(
    provider: Any,
    cache: TileCache | None,
    row: int,
    col: int,
    level: int = 0,
    *,
    bands: Sequence[int] | None = None,
    grid: BlockGrid | None = None,
) -> Pixels:
    """Read one block through a cache.

    All bands and some are apart, because they are read apart; some are taken from all where those are held. A block
    that is not stored is not kept.

    Args:
        provider: any object of the image provider protocol.
        cache: None to read without.
        row: of the block.
        col: of the block.
        level: 0 is full resolution.
        bands: 0-based, in the order wanted; None for all.
        grid: of that level, where the caller has it.

    Returns:
        ``(bands, rows, cols)``, read-only where there is a cache.

    Raises:
        IndexError: no such block, level or band.
        DecodeError: the provider gave something else than it says it has.
    """
    while type(provider) is CachedImageProvider and provider.cache is cache:
        provider = provider.source
    if cache is None:
        return read_block(provider, row, col, level, bands, grid=grid)
    chosen = require_bands(provider, bands)
    whole = ("block", identity_of(provider), level, row, col, None)
    held = cache.get(whole)
    if held is not None:
        if chosen is None:
            return held
        picked = held[list(chosen)]
        picked.flags.writeable = False
        return picked
    if not has_block(provider, row, col, level, grid=grid):
        return read_block(provider, row, col, level, chosen, grid=grid)
    key = whole if chosen is None else (*whole[:-1], chosen)
    return cache.fetch(key, lambda: read_block(provider, row, col, level, chosen, grid=grid))
