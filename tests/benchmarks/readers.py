"""Readers of chips side by side: rows of a scene in, ``(N, C, H, W)`` out.

Each stands for a way people work: a file opened per asset and chip (as
stacchip does), files kept open, an asynchronous reader, and ours. What a
reader keeps between calls lives in its context.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from stacchip_osml import Chipper
from tests.benchmarks.imagery import Scene

__all__ = [
    "CACHE_MB",
    "Reader",
    "async_geotiff",
    "has",
    "ours_batch",
    "ours_single",
    "ours_stream",
    "rasterio_kept",
    "stacchip_style",
    "tifffile_zarr",
]

Positions = NDArray[np.int64]
Reader = Callable[[Positions], NDArray[Any]]
CACHE_MB = 32
"""What a reader may keep of decoded blocks, GDAL and ours alike: much less than the images, as with any collection."""


def has(module: str) -> bool:
    """Tell whether a peer is installed."""
    try:
        __import__(module)
    except ImportError:
        return False
    return True


@contextmanager
def stacchip_style(scene: Scene) -> Iterator[Reader]:
    """Open every asset for every chip: the algorithm of stacchip's Chipper."""

    def read(positions: Positions) -> NDArray[Any]:
        chips = []
        for x, y, width, height in scene.windows[positions].tolist():
            bands = []
            for href in scene.hrefs:
                with rasterio.open(href) as file:
                    bands.append(file.read(window=Window(x, y, width, height)))
            chips.append(np.vstack(bands))
        return np.stack(chips)

    yield read


@contextmanager
def rasterio_kept(scene: Scene, threads: int = 1) -> Iterator[Reader]:
    """Keep the files open, a handle for each thread, and share the chips out evenly."""
    with ExitStack() as stack:
        files = [[stack.enter_context(rasterio.open(href)) for href in scene.hrefs] for _ in range(threads)]
        pool = stack.enter_context(ThreadPoolExecutor(threads))

        def part(number: int, positions: Positions, chips: NDArray[Any]) -> None:
            for place in range(number, len(positions), threads):
                x, y, width, height = scene.windows[positions[place]].tolist()
                for band, file in enumerate(files[number]):
                    chips[place, band] = file.read(1, window=Window(x, y, width, height))

        def read(positions: Positions) -> NDArray[Any]:
            chips = _room(scene, positions)
            if threads == 1:
                part(0, positions, chips)
            else:
                list(pool.map(lambda number: part(number, positions, chips), range(threads)))
            return chips

        yield read


@contextmanager
def async_geotiff(scene: Scene, in_flight: int = 1) -> Iterator[Reader]:
    """Read with async-geotiff: four assets of a chip at once, and that many chips."""
    import async_geotiff as peer
    from obstore.store import HTTPStore, LocalStore

    async def opened() -> list[Any]:
        files = []
        for href in scene.hrefs:
            place, _, name = href.rpartition("/")
            store = (
                HTTPStore.from_url(place, client_options={"allow_http": True})
                if "://" in href
                else LocalStore(Path(place))
            )
            files.append(await peer.GeoTIFF.open(name, store=store))
        return files

    async def one(place: int, position: int, chips: NDArray[Any], gate: asyncio.Semaphore) -> None:
        x, y, width, height = scene.windows[position].tolist()
        window = peer.Window(col_off=x, row_off=y, width=width, height=height)
        async with gate:
            parts = await asyncio.gather(*(file.read(window=window) for file in files))
        for band, part in enumerate(parts):
            chips[place, band] = part.data[0]

    async def all_of(positions: Positions) -> NDArray[Any]:
        chips, gate = _room(scene, positions), asyncio.Semaphore(in_flight)
        await asyncio.gather(*(one(place, int(at), chips, gate) for place, at in enumerate(positions)))
        return chips

    with asyncio.Runner() as runner:
        files = runner.run(opened())
        yield lambda positions: runner.run(all_of(positions))


@contextmanager
def tifffile_zarr(scene: Scene) -> Iterator[Reader]:
    """Read windows through tifffile's zarr store, its files kept open."""
    import tifffile
    import zarr

    with ExitStack() as stack:
        arrays: list[Any] = []
        for href in scene.hrefs:
            file = stack.enter_context(tifffile.TiffFile(href))
            arrays.append(zarr.open(file.aszarr(level=0), mode="r"))

        def read(positions: Positions) -> NDArray[Any]:
            chips = _room(scene, positions)
            for place, (x, y, width, height) in enumerate(scene.windows[positions].tolist()):
                for band, array in enumerate(arrays):
                    chips[place, band] = array[y : y + height, x : x + width]
            return chips

        yield read


@contextmanager
def ours_batch(scene: Scene, threads: int = 1) -> Iterator[Reader]:
    """Cut batches with the Chipper."""
    chipper = Chipper(scene.index, threads=threads, cache_bytes=CACHE_MB << 20)
    yield lambda positions: chipper.batch(positions).pixels


@contextmanager
def ours_stream(scene: Scene, threads: int = 1, *, batch: int = 32, in_flight: int = 3) -> Iterator[Reader]:
    """Cut batch after batch with the Chipper, some of them ahead."""
    chipper = Chipper(scene.index, threads=threads, cache_bytes=CACHE_MB << 20)

    def read(positions: Positions) -> NDArray[Any]:
        chips, place = _room(scene, positions), 0
        for found in chipper.stream(positions, batch_size=batch, in_flight=in_flight):
            chips[place : place + len(found)] = found.pixels
            place += len(found)
        return chips

    yield read


@contextmanager
def ours_single(scene: Scene, threads: int = 1) -> Iterator[Reader]:
    """Cut one chip after the other with the Chipper."""
    chipper = Chipper(scene.index, threads=threads, cache_bytes=CACHE_MB << 20)

    def read(positions: Positions) -> NDArray[Any]:
        chips = _room(scene, positions)
        for place, position in enumerate(positions.tolist()):
            chip = chipper[position]
            if chip is None:
                raise AssertionError(f"chip {position} is sparse")
            chips[place] = chip.pixels
        return chips

    yield read


def compare(readers: dict[str, Reader], positions: Positions) -> None:
    """Refuse to time readers that do not give the same pixels.

    Raises:
        AssertionError: naming the reader that differs.
    """
    first: NDArray[Any] | None = None
    for name, read in readers.items():
        pixels = read(positions)
        first = pixels if first is None else first
        if not np.array_equal(pixels, first):
            raise AssertionError(f"pixels of {name} differ from those of {next(iter(readers))}")


def _room(scene: Scene, positions: Sequence[int] | Positions) -> NDArray[Any]:
    height, width = int(scene.windows[0, 3]), int(scene.windows[0, 2])
    return np.empty((len(positions), len(scene.hrefs), height, width), np.uint16)
