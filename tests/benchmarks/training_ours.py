"""Our loader as a source of batches: from the original files, and from the decoded store that it fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.load.decoded_store import DecodedStore
from stacchip_osml.load.source import ChipSource
from stacchip_osml.load.torch_data import ChipLoader
from tests.benchmarks.imagery import BANDS, CHIP, Scene, scene_item
from tests.benchmarks.readers import CACHE_MB
from tests.benchmarks.training_sources import Batches, Loader

__all__ = ["COPIES", "WINDOW", "decoded_store", "from_originals", "wide_index"]

COPIES = 4
"""Items of the index, each with files of its own: an epoch is much more than a cache holds."""
WINDOW, QUICK_WINDOW = 256, 2
"""Blocks that are mixed."""
HELD_MB = 768
"""Decoded blocks that are kept: those of the window, 2 MB each for four bands of 512², and half as much again."""


def wide_index(files: Sequence[Mapping[str, Any]], *, side: int) -> ChipIndex:
    """Index an item for each set of files, and store their headers; see :func:`copies_of`."""
    items = [scene_item(hrefs, side=side, number=number) for number, hrefs in enumerate(files)]
    return Indexer(items, CHIP, assets=BANDS, roots=["/"], headers=True).create_index()


def from_originals(
    index: ChipIndex, scene: Scene, *, shuffle: str, workers: int, batch: int, quick: bool = False
) -> Loader:
    """Load the original files: ``rows`` at random, or ``blocks`` mixed within a window.

    Every epoch begins with empty caches, and is timed once as many batches have been given out as fill the window.
    """
    coherent = shuffle == "blocks"
    names = _numbers(index, scene)
    window = QUICK_WINDOW if quick else WINDOW
    epoch = 0

    def begin() -> Batches:
        nonlocal epoch
        epoch += 1
        cache = HELD_MB if coherent else CACHE_MB
        chipper = Chipper(index, cache_bytes=cache << 20)
        source = ChipSource(chipper, valid=None, ids=False)
        schedule = source.schedule(batch_size=batch, shuffle=shuffle, seed=epoch, window=window, tail="drop")
        loader = ChipLoader(source, schedule, num_workers=workers)
        for made in loader:
            yield names[made["index"].numpy()], made["image"]

    blocks = window if coherent else 0
    return Loader(begin, settle=-(-blocks * (scene.block // CHIP) ** 2 // batch))


def decoded_store(scene: Scene, path: Path | None, *, batch: int) -> Callable[[int], Loader]:
    """Fill a store in one epoch, in memory or in a file, and load from it afterwards; workers → loader."""
    budget = int(len(scene.index) * scene.windows[0, 2] * scene.windows[0, 3] * len(scene.hrefs) * 2 * 1.1) + (1 << 20)
    if path is not None:
        path.unlink(missing_ok=True)
    store = DecodedStore(budget, path)
    source = ChipSource(Chipper(scene.index), valid=None, ids=False, store=store)
    for _ in source.batches(source.schedule(batch_size=batch)):
        pass
    if store.counts.stored != len(scene.index):
        raise AssertionError(f"the store has {store.counts.stored} of {len(scene.index)} chips")

    def with_workers(workers: int) -> Loader:
        epoch = 0

        def begin() -> Batches:
            nonlocal epoch
            epoch += 1
            schedule = source.schedule(batch_size=batch, shuffle="rows", seed=epoch, tail="drop")
            for made in ChipLoader(source, schedule, num_workers=workers):
                yield made["index"].numpy(), made["image"]

        return Loader(begin)

    return with_workers


def _numbers(index: ChipIndex, scene: Scene) -> NDArray[np.int64]:
    """Give each row the number of the chip with the same pixels."""
    table = index.to_arrow()
    places: list[Any] = [table.column(name).to_numpy() // CHIP for name in ("row_off", "col_off")]
    wide = int(scene.windows[:, 0].max()) // CHIP + 1
    known = np.empty(len(scene.windows), np.int64)
    known[scene.windows[:, 1] // CHIP * wide + scene.windows[:, 0] // CHIP] = np.arange(len(known))
    return known[places[0] * wide + places[1]]
