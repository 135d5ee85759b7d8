"""An image in memory, block by block: dense, or sparse where no block was set.

Blocks are copied in and given out read-only, so that nobody changes a block
that someone else holds: a block is only ever replaced, and then the image has
another ``pixel_identity``, so that a cache gives no old one.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.block_utils import iter_blocks
from stacchip_osml.imagery.providers.facts import as_pixel_dtype, fact, pad_number, require_bands
from stacchip_osml.imagery.providers.gridded import GriddedImage
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import number_array, real_number, whole_number, whole_or_none

__all__ = ["BufferedImageAssetProvider"]

_VERSIONS = itertools.count()
"""A number for every change of every image of this process."""


class BufferedImageAssetProvider(GriddedImage):
    """One resolution level of pixels in memory; blocks may be set while others read."""

    def __init__(
        self,
        key: str,
        *,
        grid: BlockGrid,
        num_bands: int,
        pixel_value_type: Any,
        actual_bits_per_pixel: int | None = None,
        pad_pixel_value: float = 0.0,
        metadata: Mapping[str, Any] | None = None,
        title: str | None = None,
        description: str | None = None,
    ) -> None:
        """Make an image without any block; see :meth:`create` for plain numbers.

        Args:
            key: a name for people.
            grid: its size and blocks; not reduced.
            num_bands: at least one.
            pixel_value_type: in any form that :func:`stacchip_osml.imagery.providers.facts.as_pixel_dtype` knows.
            actual_bits_per_pixel: bits that carry information; None for all that the type has.
            pad_pixel_value: of blocks that are not set.
            metadata: the image's own tags, the very object.
            title: None for the key.
            description: None for nothing.

        Raises:
            DecodeError: an unknown type, or no pixels.
            LimitError: larger than an image may be.
        """
        self._dtype = as_pixel_dtype(pixel_value_type, name=of_kind("key", key, str, "a name"))
        num_bands = whole_number("num_bands", num_bands)
        bits = whole_or_none("actual_bits_per_pixel", actual_bits_per_pixel, least=0)
        of_kind("description", description, (str, type(None)), "text or None")
        limits = ReadLimits()
        limits.require_image(key, grid.size, num_bands)
        limits.require_block(key, grid.block_shape, num_bands, self._dtype.itemsize)
        if num_bands < 1 or grid.reduction != 1:
            raise LimitError(f"{key}: {num_bands} bands, blocks reduced by {grid.reduction}")
        self._grid = grid
        self._blocks: dict[tuple[int, int], Pixels] = {}
        self._version = next(_VERSIONS)
        self.key = key
        self.title = key if title is None else title
        self.description = description or ""
        self.metadata: Mapping[str, Any] = {} if metadata is None else metadata
        self.num_bands = int(num_bands)
        self.pixel_value_type = pixel_value_type
        self.pad_pixel_value = real_number("pad_pixel_value", pad_pixel_value)
        self.num_bits_per_pixel = self._dtype.itemsize * 8
        self.actual_bits_per_pixel = bits or self.num_bits_per_pixel
        self.num_resolution_levels = 1

    def __repr__(self) -> str:
        return f"BufferedImageAssetProvider({self.key!r}, {self.num_bands} x {self.num_rows} x {self.num_columns})"

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Come out of a pickle, or copy another: from now on its blocks are its own."""
        self.__dict__.update(state)
        self._blocks = dict(self._blocks)
        for block in self._blocks.values():
            block.flags.writeable = False
        self._version = next(_VERSIONS)

    @classmethod
    def create(  # noqa: PLR0917 - the documented order
        cls,
        key: str,
        num_columns: int,
        num_rows: int,
        num_bands: int = 1,
        block_width: int = 256,
        block_height: int = 256,
        pixel_type: Any = "uint8",
        actual_bits_per_pixel: int | None = None,
        metadata: Mapping[str, Any] | None = None,
        title: str | None = None,
        description: str | None = None,
        *,
        pad_pixel_value: float = 0.0,
    ) -> BufferedImageAssetProvider:
        """Make an image without any block.

        Args:
            key: a name for people.
            num_columns: pixels.
            num_rows: pixels.
            num_bands: at least one.
            block_width: pixels; 0 for one block.
            block_height: pixels; 0 for one block.
            pixel_type: as ``pixel_value_type`` of the class.
            actual_bits_per_pixel: as in the class.
            metadata: as in the class.
            title: as in the class.
            description: as in the class.
            pad_pixel_value: as in the class.

        Raises:
            DecodeError, LimitError: as the class.
        """
        columns, rows = whole_number("num_columns", num_columns), whole_number("num_rows", num_rows)
        wide = whole_number("block_width", block_width, least=0)
        high = whole_number("block_height", block_height, least=0)
        return cls(
            key,
            grid=BlockGrid(ImageSize(columns, rows), (high or rows, wide or columns)),
            num_bands=num_bands,
            pixel_value_type=pixel_type,
            actual_bits_per_pixel=actual_bits_per_pixel,
            pad_pixel_value=pad_pixel_value,
            metadata=metadata,
            title=title,
            description=description,
        )

    @classmethod
    def from_array(
        cls, pixels: Pixels, *, key: str = "array", block_width: int = 256, block_height: int = 256, **settings: Any
    ) -> BufferedImageAssetProvider:
        """Make an image of an array, which is copied.

        Args:
            pixels: ``(bands, rows, cols)``.
            key: a name for people.
            block_width: pixels; 0 for one block.
            block_height: pixels; 0 for one block.
            settings: others of :meth:`create`.

        Raises:
            DecodeError, LimitError: as the class.
        """
        pixels = number_array("pixels", pixels)
        if pixels.ndim != 3:
            raise DecodeError(f"pixels are (bands, rows, cols), got an array of {pixels.shape}")
        count, rows, cols = pixels.shape
        image = cls.create(key, cols, rows, count, block_width, block_height, pixels.dtype, **settings)
        image.set_full_image(pixels)
        return image

    @classmethod
    def from_provider(
        cls, source: Any, *, key: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> BufferedImageAssetProvider:
        """Copy R0 of any provider, its absent blocks left out.

        Args:
            source: any object of the image provider protocol.
            key: None for the source's.
            metadata: None for the source's.

        Raises:
            DecodeError, LimitError: as the class.
        """
        image = cls(
            fact(source, "key") if key is None else key,
            grid=level_grid(source),
            num_bands=int(source.num_bands),
            pixel_value_type=source.pixel_value_type,
            actual_bits_per_pixel=fact(source, "actual_bits_per_pixel"),
            pad_pixel_value=fact(source, "pad_pixel_value"),
            metadata=fact(source, "metadata") if metadata is None else metadata,
            title=fact(source, "title"),
            description=fact(source, "description"),
        )
        for row, col, block in iter_blocks(source):
            image.set_block(row, col, block)
        return image

    @property
    def pixel_identity(self) -> Hashable:
        """What changes with every block set."""
        return "buffered", self._version

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of the image, and where its blocks lie.

        Raises:
            IndexError: a level other than 0.
        """
        if whole_number("level", level) != 0:
            raise IndexError(f"{self.key}: no level {level}; it has 1")
        return self._grid

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block was set."""
        is_there = self._grid.has(block_row, block_col)
        return (
            is_there
            and whole_number("resolution_level", resolution_level) == 0
            and (block_row, block_col) in self._blocks
        )

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Give one block, short at the right and bottom edge; one that was not set is padding.

        Returns:
            ``(bands, rows, cols)``, read-only.

        Raises:
            IndexError: no such block, level or band.
        """
        window = self.level_grid(resolution_level).window(block_row, block_col)
        chosen = require_bands(self, bands)
        block = self._blocks.get((block_row, block_col))
        if block is None:
            count = self.num_bands if chosen is None else len(chosen)
            block = np.full((count, window.height, window.width), pad_number(self), self._dtype)
        elif chosen is not None:
            block = block[list(chosen)]
        view = block.view()
        view.flags.writeable = False
        return view

    def set_block(self, block_row: int, block_col: int, block: Pixels) -> None:
        """Put a copy of one block in its place.

        Args:
            block_row: of the block.
            block_col: of the block.
            block: ``(bands, rows, cols)`` in the image's type; at the right and bottom edge short or of the full
                block shape, the rest is cut off.

        Raises:
            IndexError: no such block.
            ValueError: another shape or type.
        """
        window = self._grid.window(block_row, block_col)
        block = number_array("block", block)
        short, full = (self.num_bands, window.height, window.width), (self.num_bands, *self._grid.block_shape)
        if block.dtype.newbyteorder("=") != self._dtype or block.shape not in {short, full}:
            place = f"{self.key}: block ({block_row}, {block_col})"
            raise ValueError(f"{place} is {self._dtype} {short}, not {block.dtype} {block.shape}")
        kept = np.array(block[:, : window.height, : window.width], self._dtype, order="C")
        kept.flags.writeable = False
        self._blocks[block_row, block_col] = kept
        self._version = next(_VERSIONS)  # after the block is there: who reads meanwhile knows it by the old number

    def set_full_image(self, pixels: Pixels) -> None:
        """Put all blocks in their places.

        Args:
            pixels: ``(bands, rows, cols)`` in the image's type.

        Raises:
            ValueError: another shape or type.
        """
        pixels = number_array("pixels", pixels)
        if pixels.shape != (self.num_bands, self.num_rows, self.num_columns):
            raise ValueError(
                f"{self.key}: pixels are {self.num_bands, self.num_rows, self.num_columns}, not {pixels.shape}"
            )
        rows, cols = self._grid.shape
        for row in range(rows):
            for col in range(cols):
                x, y, width, height = self._grid.window(row, col)
                self.set_block(row, col, pixels[:, y : y + height, x : x + width])
