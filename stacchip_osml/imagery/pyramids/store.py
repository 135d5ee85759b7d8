"""Finished levels of a pyramid as images: their blocks in memory, or in a file that nobody else sees."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Hashable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from stacchip_osml.errors import ReadError
from stacchip_osml.imagery.adapters.identity import token_of
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.imagery.providers.facts import dtype_of, require_bands
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import PixelWindow

__all__ = ["BlockStore", "FileBlocks", "MemoryBlocks", "OverviewLevel"]


class BlockStore(Protocol):
    """Where the blocks of one level are kept."""

    def put(self, row: int, col: int, block: Pixels) -> None:
        """Keep a block; it is the store's own from now on."""
        ...

    def has(self, row: int, col: int) -> bool:
        """Tell whether a block was put."""
        ...

    def get(self, row: int, col: int, bands: tuple[int, ...] | None) -> Pixels:
        """Give bands of a block that was put; it may be read-only."""
        ...


class MemoryBlocks:
    """Blocks as arrays."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], Pixels] = {}

    def put(self, row: int, col: int, block: Pixels) -> None:
        """Keep a block."""
        block.flags.writeable = False
        self._blocks[row, col] = block

    def has(self, row: int, col: int) -> bool:
        """Tell whether a block was put."""
        return (row, col) in self._blocks

    def get(self, row: int, col: int, bands: tuple[int, ...] | None) -> Pixels:
        """Give bands of a block, read-only."""
        block = self._blocks[row, col]
        picked = block if bands is None else block[list(bands)]
        picked.flags.writeable = False
        return picked


class FileBlocks:
    """Blocks in a temporary file, which is gone with the store; each in a place of its own, bands one after another."""

    def __init__(self, grid: BlockGrid, num_bands: int, dtype: np.dtype[Any], *, folder: Path | None = None) -> None:
        """Make the file.

        Args:
            grid: of the level.
            num_bands: of every block.
            dtype: of the pixels.
            folder: on a disk that has the room; None for the usual place of temporary files.

        Raises:
            OSError: there is no such folder.
        """
        self._file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - lives as long as the store
        self._grid, self._bands, self._dtype = grid, num_bands, dtype
        self._slot = math.prod(grid.block_shape) * num_bands * dtype.itemsize
        self._put: set[tuple[int, int]] = set()

    def put(self, row: int, col: int, block: Pixels) -> None:
        """Write a block.

        Raises:
            OSError: the disk is full, or fails.
        """
        left = memoryview(np.ascontiguousarray(block).reshape(-1).view(np.uint8).data)
        place = self._place(row, col)
        while left:
            written = os.pwrite(self._file.fileno(), left, place)
            left, place = left[written:], place + written
        self._put.add((row, col))

    def has(self, row: int, col: int) -> bool:
        """Tell whether a block was put."""
        return (row, col) in self._put

    def get(self, row: int, col: int, bands: tuple[int, ...] | None) -> Pixels:
        """Read bands of a block.

        Raises:
            ReadError: the file is cut short.
        """
        window = self._grid.window(row, col)
        plane = window.height * window.width * self._dtype.itemsize
        runs = [(0, self._bands)] if bands is None else [(band, 1) for band in bands]
        data = b"".join(
            os.pread(self._file.fileno(), count * plane, self._place(row, col) + first * plane) for first, count in runs
        )
        count = sum(run[1] for run in runs)
        if len(data) != count * plane:
            raise ReadError(f"a temporary file of overview blocks is cut short at block ({row}, {col})")
        return np.frombuffer(data, self._dtype).reshape(count, window.height, window.width)

    def _place(self, row: int, col: int) -> int:
        return (row * self._grid.shape[1] + col) * self._slot


class OverviewLevel(ProviderView):
    """One finished level: its pixels from a store, everything else from the full-resolution image."""

    def __init__(
        self,
        source: Any,
        store: BlockStore,
        *,
        level: int,
        grid: BlockGrid,
        fill: Any,
        pixel_place: LevelPlace,
    ) -> None:
        """Show what is in ``store``.

        Args:
            source: the full-resolution image.
            store: of the level's blocks; one that is not in it is absent.
            level: 1 is the first below full resolution.
            grid: size and blocks of the level.
            fill: value of absent pixels.
            pixel_place: where its pixels lie on the finest image.
        """
        super().__init__(source)
        self._store, self._grid, self._fill = store, grid, fill
        self.level = level
        self._pixel_place = pixel_place

    @property
    def pixel_identity(self) -> Hashable:
        """What no provider of other pixels has."""
        return "overview", token_of(self._store)

    @property
    def key(self) -> str:
        """The source's with ``:overview:N``."""
        return f"{super().key}:overview:{self.level}"

    @property
    def num_resolution_levels(self) -> int:
        """One."""
        return 1

    @property
    def pad_pixel_value(self) -> float:
        """Nodata where it was given, else the source's."""
        return float(np.real(self._fill))

    @property
    def pixel_place(self) -> LevelPlace:
        """Where its pixels lie on the finest image."""
        return self._pixel_place

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of the image, and where its blocks lie.

        Raises:
            IndexError: another level than 0.
        """
        if level != 0:
            raise IndexError(f"{self.key}: no level {level}; it has 1")
        return self._grid

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid and stored."""
        return resolution_level == 0 and self._store.has(block_row, block_col)

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:  # noqa: ARG002
        """Give none: a block is stored as a whole."""
        return ()

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, short at the right and bottom edge; one that is absent is padding.

        Returns:
            ``(bands, rows, cols)``, perhaps read-only.

        Raises:
            IndexError: no such block, level or band.
        """
        window = self.level_grid(resolution_level).window(block_row, block_col)
        chosen = require_bands(self, bands)
        if self._store.has(block_row, block_col):
            return self._store.get(block_row, block_col, chosen)
        count = self.num_bands if chosen is None else len(chosen)
        return np.full((count, window.height, window.width), self._fill, dtype_of(self.source))
