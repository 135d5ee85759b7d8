"""The first chip of a fresh process: ``python -m tests.benchmarks.first_chip READER HREFS-OR-INDEX``.

Prints one line of JSON: seconds of importing and seconds from there to the
pixels, by the clock and of CPU, and a digest of them.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["READERS"]

WINDOW = (512, 768, 256, 256)
"""x, y, width, height of the chip: inside one block of 512."""
POSITION = "col_off == 512 and row_off == 768"


def rasterio_first(threads: int) -> Callable[[list[str]], NDArray[Any]]:
    """Read with rasterio, an asset a thread."""
    from concurrent.futures import ThreadPoolExecutor

    import rasterio
    from rasterio.windows import Window

    def one(href: str) -> NDArray[Any]:
        with rasterio.open(href) as file:
            return np.asarray(file.read(window=Window(*WINDOW)))

    def read(hrefs: list[str]) -> NDArray[Any]:
        with ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(one, hrefs)))

    return read


def async_geotiff_first() -> Callable[[list[str]], NDArray[Any]]:
    """Read with async-geotiff, all assets at once."""
    import asyncio

    from async_geotiff import GeoTIFF, Window
    from obstore.store import HTTPStore, LocalStore

    async def one(href: str) -> NDArray[Any]:
        place, _, name = href.rpartition("/")
        remote = "://" in href
        store = HTTPStore.from_url(place, client_options={"allow_http": True}) if remote else LocalStore(place)
        file = await GeoTIFF.open(name, store=store)
        x, y, width, height = WINDOW
        found = await file.read(window=Window(col_off=x, row_off=y, width=width, height=height))
        return np.asarray(found.data)

    async def all_of(hrefs: list[str]) -> NDArray[Any]:
        return np.concatenate(await asyncio.gather(*(one(href) for href in hrefs)))

    return lambda hrefs: asyncio.run(all_of(hrefs))


def ours_first() -> Callable[[list[str]], NDArray[Any]]:
    """Open the index and cut one of its rows."""
    from stacchip_osml import ChipIndex, Chipper

    def read(paths: list[str]) -> NDArray[Any]:
        index = ChipIndex.open(paths[0])
        chip = Chipper(index)[int(paths[1])]
        if chip is None:
            raise AssertionError("the chip is sparse")
        return chip.pixels

    return read


READERS: dict[str, Callable[[], Callable[[list[str]], NDArray[Any]]]] = {
    "rasterio": lambda: rasterio_first(1),
    "rasterio-4-threads": lambda: rasterio_first(4),
    "async-geotiff": async_geotiff_first,
    "ours": ours_first,
}


def main() -> None:
    """Import, read, tell."""
    start = time.perf_counter()
    read = READERS[sys.argv[1]]()
    imported, before = time.perf_counter(), time.process_time()
    pixels = np.ascontiguousarray(read(sys.argv[2:]))
    done, after = time.perf_counter(), time.process_time()
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    told = {"import_s": imported - start, "first_s": done - imported, "cpu_s": after - before, "digest": digest}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
