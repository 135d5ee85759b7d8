"""Fetching and decoding alone: obstore for the bytes, the decoders for the blocks; no predictor, no chips.

No reader of these blocks over this network library can be faster without
asking for less or decoding less.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray

from tests.benchmarks.imagery import Scene

__all__ = ["remote_ceiling"]

IN_FLIGHT = 64


@contextmanager
def remote_ceiling(scene: Scene, folder: Path, *, threads: int, batch: int) -> Iterator[Callable[[Any], None]]:
    """Fetch and decode the blocks under chips, those of a batch each once; deflate.

    Args:
        scene: its files behind HTTP.
        folder: the same files here: where the blocks are is looked up before the clock starts.
        threads: that decode.
        batch: chips.
    """
    from obstore.store import HTTPStore

    tables = []
    for href in scene.hrefs:
        place, _, name = href.rpartition("/")
        with tifffile.TiffFile(folder / name) as file:
            page = file.pages.first
            grid = -(-page.imagewidth // page.tilewidth)
            tables.append((name, grid, page.dataoffsets, page.databytecounts))
            size = page.tilewidth * page.tilelength * 2  # uint16
    store = HTTPStore.from_url(place, client_options={"allow_http": True})
    own = threading.local()

    def decode(data: Any) -> None:
        if not hasattr(own, "scratch"):
            own.scratch = np.empty(size, np.uint8)
        view: Any = memoryview(data)
        imagecodecs.deflate_decode(view, out=own.scratch)

    def ranges(positions: NDArray[np.int64]) -> Iterator[tuple[str, int, int]]:
        for first in range(0, len(positions), batch):
            chips = positions[first : first + batch].tolist()
            for row, col in dict.fromkeys(block for position in chips for block in scene.blocks(position)):
                for name, grid, offsets, counts in tables:
                    yield name, offsets[row * grid + col], counts[row * grid + col]

    async def all_of(positions: NDArray[np.int64]) -> None:
        loop, gate = asyncio.get_running_loop(), asyncio.Semaphore(IN_FLIGHT)

        async def one(name: str, offset: int, count: int) -> None:
            async with gate:
                data = await store.get_range_async(name, start=offset, length=count)
            await loop.run_in_executor(pool, decode, data)

        await asyncio.gather(*(one(*each) for each in ranges(positions)))

    with ThreadPoolExecutor(threads) as pool, asyncio.Runner() as runner:
        yield lambda positions: runner.run(all_of(positions))
