"""Providers from anywhere, as writers use them: complete, cut to their blocks, their failures told apart.

A writer asks for all of the protocol's attributes once, when an asset is added;
a missing one is a TypeError then, not a failure in the middle of a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, TypeVar

import numpy as np

from stacchip_osml.errors import ChipError, EncodeError, ProviderError
from stacchip_osml.imagery.adapters.tile_cache import TileCache
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.block_utils import gather_blocks
from stacchip_osml.imagery.providers.facts import LevelBlocks, fact, key_of, pad_number
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["REQUIRED", "CheckedProvider", "ProviderSource", "require_provider"]

T = TypeVar("T")

REQUIRED = (
    "key",
    "title",
    "description",
    "get_block",
    "num_rows",
    "num_columns",
    "num_bands",
    "num_bits_per_pixel",
    "actual_bits_per_pixel",
    "pixel_value_type",
    "num_pixels_per_block_horizontal",
    "num_pixels_per_block_vertical",
    "num_resolution_levels",
    "pad_pixel_value",
)
"""Attributes that an object must have to be written as an image."""
WHOLE = (
    *("num_rows", "num_columns", "num_bands", "num_resolution_levels"),
    *("num_pixels_per_block_horizontal", "num_pixels_per_block_vertical"),
)
"""Those that count, the first three from 1."""
KEPT_BYTES = 256 << 20
"""Of decoded blocks, where a reader of rows comes back to them."""


def require_provider(provider: Any) -> None:
    """Refuse what is no image provider.

    Raises:
        TypeError: naming the attributes that are missing.
        EncodeError: an image without rows, columns or bands, or with sides that are no whole numbers.
    """
    if isinstance(provider, np.ndarray):
        raise TypeError("an array is no image provider: BufferedImageAssetProvider.from_array makes one of it")
    missing = [name for name in REQUIRED if not hasattr(provider, name)]
    if missing:
        raise TypeError(
            f"{type(provider).__name__} is no image provider: it has no {', '.join(missing)} "
            f"(required are {', '.join(REQUIRED)})"
        )
    for name in WHOLE:
        try:
            is_whole = int(getattr(provider, name)) == getattr(provider, name)
        except (TypeError, ValueError, OverflowError):
            is_whole = False
        if not is_whole:
            raise EncodeError(f"{key_of(provider)}: {name} is a whole number, got {getattr(provider, name)!r:.60}")
    for name in ("num_bits_per_pixel", "actual_bits_per_pixel", "pad_pixel_value"):
        value = getattr(provider, name)
        if value is not None and (not isinstance(value, Real) or (name != "pad_pixel_value" and math.isnan(value))):
            raise EncodeError(f"{key_of(provider)}: {name} is a number, got {value!r:.60}")
    for name in WHOLE[:3]:
        if getattr(provider, name) < 1:
            raise EncodeError(f"{key_of(provider)}: {name} is {getattr(provider, name)}; an image has at least 1")
    if not callable(provider.get_block):
        raise TypeError(f"{type(provider).__name__} is no image provider: its get_block is no method")


class CheckedProvider(ProviderView):
    """The source; what its methods raise comes up as :class:`~stacchip_osml.errors.ProviderError`, with its cause."""

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block; bands are chosen here where the source's method takes none."""
        place = f"block ({block_row}, {block_col})"
        block: Pixels = self._asked(lambda: self.source.get_block(block_row, block_col, resolution_level), place)
        if not isinstance(block, np.ndarray):
            raise ProviderError(f"{key_of(self.source)}: {place} is a {type(block).__name__}, not an array")
        return block if bands is None else block[list(bands)]

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is stored; one that has no such method stores all."""
        if not hasattr(self.source, "has_block"):
            return self.level_grid(resolution_level).has(block_row, block_col)
        return bool(
            self._asked(
                lambda: self.source.has_block(block_row, block_col, resolution_level),
                f"has_block({block_row}, {block_col})",
            )
        )

    def _asked(self, ask: Callable[[], T], place: str) -> T:
        try:
            return ask()
        except ChipError:
            raise
        except Exception as error:  # whatever a caller's own code raises: told once, with its cause
            raise ProviderError(f"{key_of(self.source)}: {place} failed: {type(error).__name__}: {error}") from error


class ProviderSource:
    """A level of a provider, asked for window after window from the top; its blocks are kept for the next window."""

    def __init__(self, provider: Any, *, level: int = 0, cache: TileCache | None = None) -> None:
        """Look at a level.

        Args:
            provider: any object of the image provider protocol.
            level: 0 is full resolution.
            cache: of decoded blocks; None for one of its own, as large as two rows of blocks and at most 256 MiB.
        """
        from stacchip_osml.imagery.adapters.cached import CachedImageProvider

        blocks = LevelBlocks.of(provider, level)
        self.size: ImageSize = blocks.grid.size
        self.bands, self.dtype = blocks.count, blocks.dtype
        self.fill = pad_number(provider)
        if cache is None:
            height, width = (side // blocks.grid.reduction + 1 for side in blocks.grid.block_shape)
            kept_columns = max(2 * self.size.width, 4 * width)  # no tile is kept that is more than a quarter of all
            cache = TileCache(min(height * kept_columns * self.bands * self.dtype.itemsize, KEPT_BYTES))
        self._blocks = LevelBlocks.of(CachedImageProvider(provider, cache), level, grid=blocks.grid)
        self.bits = min(
            int(fact(provider, "actual_bits_per_pixel")) or 8 * self.dtype.itemsize, 8 * self.dtype.itemsize
        )

    def read(self, window: PixelWindow) -> Pixels:
        """Give ``(bands, rows, cols)`` of a window inside the level; what is not stored is padding."""
        return gather_blocks(self._blocks, window, fill=self.fill)
