"""One image file as provider and reader, through its blocks; what they do not serve, through GDAL.

Rules:

- pixels, masks and errors are those of ``GdalImage``. One difference is meant:
  a NITF block that is not stored is absent, as in a sparse GeoTIFF; GDAL cannot
  tell it from one that holds zeros;
- nothing that fails in one of the two readers is tried in the other; which of them
  serves a level is decided in ``served``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from stacchip_osml.errors import ChipError
from stacchip_osml.forked import cached_property
from stacchip_osml.imagery.blocks.cache import LARGEST_SHARE, BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.layout import LevelLayout
from stacchip_osml.imagery.blocks.parsing import picture_tags_of
from stacchip_osml.imagery.blocks.served import HOW, ServedImage
from stacchip_osml.imagery.header import PictureTags
from stacchip_osml.imagery.providers.facts import whole_bands
from stacchip_osml.imagery.providers.protocol import MaskedPixels, Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["BlockImage"]


class BlockImage(ServedImage):
    """One image file as provider and reader; safe for threads, cheap to pickle, opened on first use."""

    _streams: BlockCache | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        settings: dict[str, Any] = {name: getattr(self, name) for name in (*HOW, "etag")}
        settings |= {"layout": self._given if self._layout is None else self._layout, "header": self._header}
        return partial(BlockImage, self.location, **settings), (), {"_plain": self._plain}

    def __repr__(self) -> str:
        return f"BlockImage({self.name!r})"

    def read(
        self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None, judged: bool = True
    ) -> MaskedPixels | None:
        """Read one window of one stored level; see :meth:`stacchip_osml.imagery.GdalImage.read`.

        Several windows at once are read faster by :func:`stacchip_osml.imagery.blocks.engine.read_windows`. The mask
        of one that is not ``judged`` may hold anything.
        """
        of_kind("window", window, PixelWindow, "a PixelWindow")
        level = whole_number("level", level)
        bands = None if bands is None else whole_bands(bands)
        (found,) = read_windows([WindowRead(image=self, window=window, level=level, bands=bands, judged=judged)])
        if isinstance(found, ChipError):
            raise found
        return found

    # ---- ImageProvider

    @property
    def key(self) -> str:
        """The location, unsigned."""
        return self.location

    @cached_property
    def title(self) -> str:
        """The file's name."""
        return PurePosixPath(self.name.partition("?")[0]).name

    @property
    def description(self) -> str:
        """What the file says it shows, empty where it says nothing."""
        return self._told.description

    @property
    def actual_bits_per_pixel(self) -> int:
        """Bits that carry information, where the file says so."""
        return self._told.actual_bits_per_pixel

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's own tags, as GDAL names them."""
        return self._told.metadata

    @property
    def picture_tags(self) -> PictureTags:
        """What the file says of how it is to be shown, and the statistics stored with it."""
        return picture_tags_of(self._told, self.file, name=self.name, limits=self.limits)

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid and stored."""
        if not 0 <= whole_number("resolution_level", resolution_level) < self.num_resolution_levels:
            return False
        grid = self.level_grid(resolution_level)
        if not grid.has(block_row, block_col):
            return False
        source = self.source(resolution_level)
        if source.level is None:
            return self.read_by_gdal.has_block(block_row, block_col, resolution_level)
        return source.stores(grid.window(block_row, block_col))

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, short at the right and bottom edge; an absent one reads as nodata or 0.

        Returns:
            ``(bands, rows, cols)``.

        Raises:
            IndexError: no such block, level or band.
            ReadError: as ``read``.
            LimitError: as ``read``.
        """
        window = self.level_grid(resolution_level).window(block_row, block_col, name=self.name)
        if self.source(resolution_level).level is None:
            return self.read_by_gdal.get_block(block_row, block_col, resolution_level, bands)
        chosen = None if bands is None else whole_bands(bands)
        source = self.source(resolution_level, chosen)
        self.limits.require_request(
            self.name, ImageSize(window.width, window.height), len(source.bands), source.dtype.itemsize
        )
        pixels = np.empty((len(source.bands), window.height, window.width), source.dtype)
        (found,) = read_windows(
            [WindowRead(image=self, window=window, level=resolution_level, bands=chosen, pixels=pixels)],
            cache=self._kept_streams(resolution_level),
        )
        if isinstance(found, ChipError):
            raise found
        return pixels

    def _kept_streams(self, level: int) -> BlockCache | None:
        """Give what holds the stored block last decoded, where it is several of the grid's, as of JPEG in one piece."""
        stored = self.layout.levels[level]
        if not isinstance(stored, LevelLayout) or stored.codec.compression == "none":
            return None
        pixels = math.prod(stored.block_shape)
        if pixels <= math.prod(self._block_shape(level)):
            return None
        if self._streams is None:
            codec = stored.codec
            self._streams = BlockCache(LARGEST_SHARE * pixels * codec.samples * np.dtype(codec.dtype).itemsize)
        return self._streams
