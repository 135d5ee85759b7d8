"""Entropy decoding alone: no reader of these blocks can be faster without decoding less."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.benchmarks.imagery import Scene

__all__ = ["Ceiling"]

_DECODERS: dict[int, Callable[..., Any]] = {8: imagecodecs.deflate_decode, 50000: imagecodecs.zstd_decode}
"""TIFF compression tag → decoder; both write into memory that is used again."""


class Ceiling:
    """Decodes the blocks under chips to bytes, which lie in memory before the clock starts; no predictor, no chips."""

    def __init__(self, scene: Scene, *, threads: int, once: bool = False) -> None:
        """Learn where the blocks are.

        Args:
            scene: local files.
            threads: that share the blocks.
            once: decode a block once a turn, however many chips lie in it.
        """
        self.scene, self.once = scene, once
        self._pool = ThreadPoolExecutor(threads)
        self._threads = threads
        self._tables = []
        for href in scene.hrefs:
            with tifffile.TiffFile(href) as file:
                page = file.pages.first
                grid = -(-page.imagewidth // page.tilewidth)
                self._tables.append((Path(href), grid, page.dataoffsets, page.databytecounts))
                self._decode = _DECODERS[int(page.compression)]
                self._size = page.tilewidth * page.tilelength * 2  # uint16
        self._scratch = [np.empty(self._size, np.uint8) for _ in range(threads)]

    def load(self, positions: NDArray[np.int64]) -> list[bytes]:
        """Read the stored bytes of the blocks under some chips."""
        blocks = [block for position in positions.tolist() for block in self.scene.blocks(position)]
        if self.once:
            blocks = list(dict.fromkeys(blocks))
        stored = []
        for path, grid, offsets, counts in self._tables:
            with path.open("rb") as file:
                for row, col in blocks:
                    number = row * grid + col
                    file.seek(offsets[number])
                    stored.append(file.read(counts[number]))
        return stored

    def run(self, stored: Sequence[bytes]) -> None:
        """Decode them all: this is what is timed."""
        if self._threads == 1:
            self._part(0, stored)
        else:
            list(self._pool.map(lambda number: self._part(number, stored), range(self._threads)))

    def _part(self, number: int, stored: Sequence[bytes]) -> None:
        out = self._scratch[number]
        for data in stored[number :: self._threads]:
            self._decode(data, out=out)
