"""Batches for a training loop: from the original COGs, and from copies that training libraries want."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from stacchip_osml import ChipIndex
from tests.benchmarks import readers
from tests.benchmarks.imagery import BANDS, FULL, LAYOUTS, QUICK, Scene, copies_of, make_scene, open_scene
from tests.benchmarks.report import Options, Report
from tests.benchmarks.stores import WRITERS, cut_chips, folder_bytes, make_store
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Side, alternate
from tests.benchmarks.training_ours import COPIES, WINDOW, decoded_store, from_originals, wide_index
from tests.benchmarks.training_sources import Batches, Loader, from_files, from_store

__all__ = ["require_chips", "run", "timed_batches"]

WORKERS = (0, 2)
BATCH, QUICK_BATCH = 32, 4
BATCHES, QUICK_BATCHES = 20, 1
"""Batches that are timed of each epoch; first come as many untimed ones as workers prepare ahead."""
Make = Callable[[int, int], Loader]
"""Makes a loader with some workers and chips a batch."""
STORE_MEMORY = "ours, decoded store in memory, from the second epoch"
STORE_FILE = "ours, decoded store in a file, from the second epoch"
STACCHIP, KEPT = "stacchip style, random", "rasterio, files kept open, random"


def run(options: Options) -> list[Report]:
    """Time batches of every source, without workers and with two."""
    side = QUICK if options.quick else FULL
    rounds = options.rounds or (1 if options.quick else 3)
    scenes = {
        name: open_scene(name, make_scene(options.folder, name, side=side), side=side, block=LAYOUTS[name]["blocksize"])
        for name in ("deflate 512", "zstd 512")
    }
    scene = scenes["deflate 512"]
    sources, sizes, missing = _sources(options, scenes, side)
    truth = cut_chips(options.folder, scene)
    speeds: dict[str, dict[int, float]] = {name: {} for name in sources}
    batches, batch = (QUICK_BATCHES, QUICK_BATCH) if options.quick else (BATCHES, BATCH)
    with rasterio.Env(GDAL_CACHEMAX=readers.CACHE_MB << 20), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        for workers in WORKERS:
            loaders = {name: make(workers, batch) for name, make in sources.items()}
            for name, loader in loaders.items():
                require_chips(name, loader, truth)
            sides = {name: timed_batches(loader, batches, workers) for name, loader in loaders.items()}
            for name, samples in alternate(sides, rounds=rounds, warmup=0).items():
                speeds[name][workers] = 1 / samples.median
    rows = [
        {
            "source": name,
            **{f"chips/s, {workers} workers": found[workers] for workers in WORKERS},
            "extra KiB a chip": sizes.get(name, 0) / len(scene.index) / 1024,
        }
        for name, found in speeds.items()
    ]
    notes = [
        f"{len(scene.index):,} chips of 256² × 4 bands uint16, batches of {batch}, shuffled; {batches} batches an "
        f"epoch, {rounds} epochs of each source in turn; pixels compared",
        f"ours, from the originals: {COPIES} times as many chips, caches empty at the begin of an epoch; "
        f"block-coherent: {WINDOW} blocks mixed and held",
        *(f"{name}: its library is not installed" for name in missing),
    ]
    return [
        Report(title="training: batches of a DataLoader", rows=rows, notes=notes),
        report_targets("training: targets", _targets(speeds)),
    ]


def _sources(
    options: Options, scenes: dict[str, Scene], side: int
) -> tuple[dict[str, Make], dict[str, int], list[str]]:
    """Name every source: how to load it with some workers, and the bytes of its copy."""
    scene = scenes["deflate 512"]
    found: dict[str, Make] = {
        STACCHIP: lambda workers, batch: from_files(scene, kept=False, workers=workers, batch=batch),
        KEPT: lambda workers, batch: from_files(scene, kept=True, workers=workers, batch=batch),
    }
    sizes: dict[str, int] = {}
    missing = []
    for layout, other in scenes.items():
        paths = {band: Path(href) for band, href in zip(BANDS, other.hrefs, strict=True)}
        index = wide_index(copies_of(paths, COPIES), side=side)
        for title, shuffle in (("random", "rows"), ("block-coherent", "blocks")):
            if shuffle == "blocks" or other is scene:
                found[f"ours, {title}, {layout}"] = _ours(index, other, shuffle, options)
    file = options.folder / "decoded.store"
    for title, path in ((STORE_MEMORY, None), (STORE_FILE, file)):
        found[title] = _store(scene, path, options)
    sizes[STORE_FILE] = file.stat().st_size
    for name in WRITERS:
        path = make_store(options.folder, name, scene)
        if path is None:
            missing.append(name)
            continue
        for title, each in ((name, True),) if name != "npy" else (("npy one by one", True), ("npy batched", False)):
            found[title] = lambda workers, batch, name=name, path=path, each=each: from_store(  # type: ignore[misc]
                name, path, workers=workers, batch=batch, each=each
            )
            sizes[title] = folder_bytes(path)
    return found, sizes, missing


def _ours(index: ChipIndex, scene: Scene, shuffle: str, options: Options) -> Make:
    return lambda workers, batch: from_originals(
        index, scene, shuffle=shuffle, workers=workers, batch=batch, quick=options.quick
    )


def _store(scene: Scene, path: Path | None, options: Options) -> Make:
    with_workers = decoded_store(scene, path, batch=QUICK_BATCH if options.quick else BATCH)
    return lambda workers, _: with_workers(workers)


def require_chips(name: str, loader: Loader, truth: NDArray[Any]) -> None:
    """Refuse to time a source that gives other pixels.

    Raises:
        AssertionError: naming the source.
    """
    numbers, images = next(iter(loader.begin()))
    places = [int(number) for number in numbers]
    if len(set(places)) != len(places) or not np.array_equal(np.asarray(images), truth[places]):
        raise AssertionError(f"{name} gives other pixels")


def timed_batches(loader: Loader, batches: int, workers: int) -> Side:
    """Time seconds a chip, once the workers run; the first batches were made while they started."""
    ahead = 2 * workers + loader.settle  # two batches a worker are prepared

    def side() -> tuple[float, float]:
        start, chips = 0.0, 0
        for number, (_, images) in enumerate(_endless(loader)):
            if number > ahead:
                chips += len(images)
            elif number == ahead:
                start = time.perf_counter()
            if number == ahead + batches:
                break
        return (time.perf_counter() - start) / chips, 0.0

    return side


def _endless(loader: Loader) -> Batches:
    """Go on with the next epoch: a try has few chips."""
    while True:
        yield from loader.begin()


def _targets(speeds: dict[str, dict[int, float]]) -> list[Target]:
    wanted = {0: {"LitData zstd": 1.3, "WebDataset npy": 1.0}, 2: {"LitData zstd": 1.0, "WebDataset npy": 0.8}}
    found = []
    for workers, peers in wanted.items():
        for layout in ("deflate 512", "zstd 512"):
            mine = speeds.get(f"ours, block-coherent, {layout}", {}).get(workers)
            for peer, target in peers.items():
                theirs = speeds.get(peer, {}).get(workers)
                reached = mine / theirs if mine and theirs else None
                what = f"block-coherent, {workers} workers: of {peer}"
                found.append(Target(what=what, case=layout, target=target, reached=reached))
        for name in (STORE_MEMORY, STORE_FILE):
            reached = speeds[name][workers] / speeds["npy batched"][workers]
            found.append(Target(what=f"{name}, {workers} workers: of npy batched", target=0.8, reached=reached))
    return found
