"""Chips from local COGs through the GDAL reader, against rasterio with its files kept open, on one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import Affine
from rasterio.windows import Window

from stacchip_osml import Chipper, Indexer
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.items import tile
from tests.benchmarks.report import Options, Report
from tests.benchmarks.timing import alternate, timed

__all__ = ["run"]

BANDS = ("blue", "green", "red", "nir")
PIECE, REPEATS = 1024, 8
"""The scene is made once and laid side by side: blocks are as those of a scene that large."""
TURN = 32
"""Chips a turn."""
CACHE = 32
"""MB of GDAL's block cache: much less than the images, as with any real collection."""


def run(options: Options) -> list[Report]:
    """Cut chips in random order, one by one and in batches."""
    index = Indexer(_item(options.folder), 256).create_index()
    rounds = options.rounds or 15
    order = np.random.default_rng(0).permutation(len(index))
    with rasterio.Env(GDAL_CACHEMAX=CACHE << 20):
        chipper = Chipper(index)
        files = [rasterio.open(options.folder / f"{band}.tif") for band in BANDS]
        windows = index.rows(order)

        def kept(turn: int) -> NDArray[Any]:
            return np.stack([_read(files, windows[at]) for at in _positions(order, turn)])

        def single(turn: int) -> NDArray[Any]:
            return np.stack([_pixels(chipper, int(order[at])) for at in _positions(order, turn)])

        def batch(turn: int) -> NDArray[Any]:
            return chipper.batch(order[_positions(order, turn)]).pixels

        works = {"rasterio, files kept open": kept, "ours, one by one": single, "ours, batches of 32": batch}
        for name, work in works.items():
            if not np.array_equal(work(0), kept(0)):
                raise AssertionError(f"pixels of {name} differ")
        turns = {name: iter(range(1, 10_000)) for name in works}
        found = alternate({name: timed(_next(work, turns[name])) for name, work in works.items()}, rounds=rounds)
        for file in files:
            file.close()
    base = found["rasterio, files kept open"]
    rows = [
        {
            "reader": name,
            "chips/s": TURN / samples.median,
            "ms a chip": samples.median * 1e3 / TURN,
            "CPU ms a chip": samples.median_cpu * 1e3 / TURN,
            "of rasterio's speed": base.median / samples.median,
            "over rasterio, ms a chip": (samples.median - base.median) * 1e3 / TURN,
        }
        for name, samples in found.items()
    ]
    notes = [f"{len(index):,} chips of 256² × 4 bands uint16, deflate, blocks of 512; random order; pixels compared"]
    return [Report(title="cut: chips from local COGs, one thread", rows=rows, notes=notes)]


def _positions(order: NDArray[np.int64], turn: int) -> NDArray[np.int64]:
    return (np.arange(TURN) + turn * TURN) % len(order)


def _next(work: Callable[[int], NDArray[Any]], turns: Iterator[int]) -> Callable[[], NDArray[Any]]:
    return lambda: work(next(turns))


def _read(files: list[Any], row: dict[str, Any]) -> NDArray[Any]:
    window = Window(row["col_off"], row["row_off"], row["width"], row["height"])
    return np.concatenate([file.read(window=window) for file in files])


def _pixels(chipper: Chipper, position: int) -> NDArray[Any]:
    chip = chipper[position]
    if chip is None:
        raise AssertionError(f"chip {position} is sparse")
    return chip.pixels


def _item(folder: Path) -> dict[str, Any]:
    document = tile(side=PIECE * REPEATS)
    for band in BANDS:
        path = folder / f"{band}.tif"
        document["assets"][band]["href"] = str(path.resolve())
        if not path.exists():
            _write(path, band)
    return document


def _write(path: Path, band: str) -> None:
    piece = natural_scene(ImageSize(PIECE, PIECE), bands=(band,))
    pixels = np.tile(piece, (1, REPEATS, REPEATS))
    facts = tile()["properties"]
    profile = {"driver": "COG", "count": 1, "dtype": pixels.dtype, "crs": facts["proj:code"], "blocksize": 512}
    profile |= {"height": pixels.shape[1], "width": pixels.shape[2], "transform": Affine(*facts["proj:transform"])}
    with rasterio.open(path, "w", **profile, compress="deflate", predictor=2, overviews="none") as file:
        file.write(pixels)
