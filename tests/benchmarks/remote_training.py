"""Training input over HTTP: our loader from the original COGs, WebDataset from tars of the same chips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.benchmarks.imagery import Scene, copies_of
from tests.benchmarks.late_server import RangeServer
from tests.benchmarks.readers import has
from tests.benchmarks.report import Report
from tests.benchmarks.stores import cut_chips, make_store
from tests.benchmarks.targets import Target
from tests.benchmarks.timing import alternate

__all__ = ["measure"]

OURS, PEER = "ours, block-coherent, from the original COGs", "WebDataset npy"


def measure(
    scene: Scene, paths: Mapping[str, Path], server: RangeServer, folder: Path, *, rounds: int, quick: bool
) -> tuple[Report, list[Target]]:
    """Time batches of one process.

    Args:
        scene: the local files.
        paths: band → the local file.
        server: serves ``folder``.
        folder: of the benchmark's data.
        rounds: epochs of each.
        quick: few chips.
    """
    from tests.benchmarks.training import BATCH, BATCHES, QUICK_BATCH, QUICK_BATCHES, require_chips, timed_batches
    from tests.benchmarks.training_ours import COPIES, from_originals, wide_index
    from tests.benchmarks.training_sources import Loader, from_tars

    batch, batches = (QUICK_BATCH, QUICK_BATCHES) if quick else (BATCH, BATCHES)
    hrefs = [
        {band: server.address(path.relative_to(folder)) for band, path in copy.items()}
        for copy in copies_of(paths, COPIES)
    ]
    side = int((scene.windows[:, 0] + scene.windows[:, 2]).max())
    index = wide_index(hrefs, side=side)
    loaders: dict[str, Loader] = {
        OURS: from_originals(index, scene, shuffle="blocks", workers=0, batch=batch, quick=quick)
    }
    store = make_store(folder, PEER, scene)
    notes = ["no workers; our caches are empty at the begin of an epoch, and timed once the window is full"]
    if store is not None and has("webdataset"):
        tars = [server.address(tar.relative_to(folder)) for tar in sorted(store.glob("*.tar"))]
        loaders[PEER] = from_tars(tars, "npy", workers=0, batch=batch)
    else:
        notes.append("webdataset is not installed: its row is left out")
    truth = cut_chips(folder, scene)
    for name, loader in loaders.items():
        require_chips(name, loader, truth)
    sides = {name: timed_batches(loader, batches, 0) for name, loader in loaders.items()}
    found = alternate(sides, rounds=rounds, warmup=0)
    rows: list[dict[str, Any]] = [{"source": name, "chips/s": 1 / samples.median} for name, samples in found.items()]
    reached = found[PEER].median / found[OURS].median if PEER in found else None
    target = Target(what="training input, of WebDataset npy over HTTP", target=1.3, reached=reached)
    return Report(title="remote: training input", rows=rows, notes=notes), [target]
