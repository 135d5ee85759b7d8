"""Chips from COGs behind HTTP, every request 30 ms late: chips a second, requests and bytes a chip, the first chip."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import tifffile
from numpy.typing import NDArray

from tests.benchmarks import readers, remote_training
from tests.benchmarks.cold import Cold, cold_rows, measure_cold
from tests.benchmarks.first_chip import WINDOW
from tests.benchmarks.imagery import BANDS, FULL, QUICK, Scene, make_scene, open_scene, turns_of
from tests.benchmarks.late_server import DELAY_S, RangeServer, Traffic, serving
from tests.benchmarks.remote_ceiling import remote_ceiling
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Side, alternate, timed

__all__ = ["GDAL_SETTINGS", "run"]

LAYOUT, BLOCK = "deflate 512", 512
GDAL_SETTINGS = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_HTTP_MULTIPLEX": "YES"}
"""What everybody is told to set; without the first, GDAL asks for a list of the folder."""
STACCHIP, KEPT, KEPT_16 = "stacchip style", "rasterio, files kept open", "rasterio, files kept open, 16 threads"
ASYNC, ASYNC_16 = "async-geotiff, one at a time", "async-geotiff, 16 in flight"
TRAINING = "training input, of WebDataset npy over HTTP"
OURS_STORED, OURS_BARE = "ours, headers stored in the index", "ours, headers read first"
SINGLE, BATCH, COHERENT = "ours, one at a time", "ours, batches of 32", "ours, batches of 32, block-coherent"
STREAM, COHERENT_STREAM = "ours, a stream of batches of 32", "ours, a stream of batches of 32, block-coherent"
BOUND, COHERENT_BOUND = "obstore and the decoders, no more", "obstore and the decoders, no more, block-coherent"
COHERENT_ONES = {COHERENT, COHERENT_STREAM, COHERENT_BOUND}
ONE_BY_ONE = {STACCHIP, KEPT, KEPT_16, ASYNC, SINGLE}
"""Readers that gain nothing by longer turns."""
SIZE, LONG = 32, 128
"""Chips of a batch, and of a turn of readers that have many under way."""


def run(options: Options) -> list[Report]:
    """Time the readers on one server; then the first chip of fresh processes."""
    side = QUICK if options.quick else FULL
    rounds = options.rounds or (1 if options.quick else 5)
    files = make_scene(options.folder, LAYOUT, side=side)
    folder = files[BANDS[0]].parent
    with serving(options.folder) as server, rasterio.Env(**GDAL_SETTINGS, GDAL_CACHEMAX=readers.CACHE_MB << 20):
        hrefs = {band: server.address(path.relative_to(options.folder)) for band, path in files.items()}
        scene = open_scene(LAYOUT, hrefs, side=side, block=BLOCK, headers=True)
        bare = open_scene(LAYOUT, hrefs, side=side, block=BLOCK)
        speeds, rows = _throughput(scene, server, rounds=rounds, quick=options.quick, folder=folder)
        cold = _cold(scene, bare, server, options.folder, rounds=options.rounds or (1 if options.quick else 9))
        training, wanted = [], [Target(what=TRAINING, target=1.3, reached=None)]
        if readers.has("torch"):
            local = open_scene(LAYOUT, files, side=side, block=BLOCK)
            report, wanted = remote_training.measure(
                local, files, server, options.folder, rounds=min(rounds, 3), quick=options.quick
            )
            training = [report]
    notes = [
        f"{DELAY_S * 1e3:.0f} ms a request on loopback; deflate, blocks of 512, four assets a chip; turns of {LONG} "
        f"chips, {SIZE} for who gains nothing by more; {rounds} rounds, the pixels of all readers compared",
        "stored bytes: of the blocks under the chips of a batch, each once",
        "streams: three batches under way or ready, as with prefetch=3 of a loader",
        f"{BOUND}: the same blocks, 64 requests in flight, two threads; no predictor, no chips",
    ]
    return [
        Report(title="remote: chips behind 30 ms a request", rows=rows, notes=notes),
        Report(title="remote: first chip of a fresh process", rows=cold_rows(cold)),
        *training,
        report_targets("remote: targets", [*_targets(speeds, rows, cold), *wanted]),
    ]


def _throughput(
    scene: Scene, server: RangeServer, *, rounds: int, quick: bool, folder: Path
) -> tuple[dict[str, float], list[dict[str, Any]]]:
    random, coherent = scene.shuffled(), scene.coherent()
    with ExitStack() as stack:
        sides: dict[str, readers.Reader] = {
            STACCHIP: stack.enter_context(readers.stacchip_style(scene)),
            KEPT: stack.enter_context(readers.rasterio_kept(scene, 1)),
            KEPT_16: stack.enter_context(readers.rasterio_kept(scene, 16)),
        }
        if readers.has("async_geotiff"):
            sides[ASYNC] = stack.enter_context(readers.async_geotiff(scene, 1))
            sides[ASYNC_16] = stack.enter_context(readers.async_geotiff(scene, 16))
        sides[SINGLE] = stack.enter_context(readers.ours_single(scene, 2))
        sides[BATCH] = stack.enter_context(_in_batches(readers.ours_batch(scene, 2)))
        sides[STREAM] = stack.enter_context(readers.ours_stream(scene, 2, batch=SIZE))
        sides[COHERENT] = stack.enter_context(_in_batches(readers.ours_batch(scene, 2)))
        sides[COHERENT_STREAM] = stack.enter_context(readers.ours_stream(scene, 2, batch=SIZE))
        readers.compare(sides, turns_of(random, 2 if quick else SIZE, 0))
        bounds = (BOUND, COHERENT_BOUND)
        reads: dict[str, Callable[[NDArray[np.int64]], Any]] = {
            **sides,
            **{name: stack.enter_context(remote_ceiling(scene, folder, threads=2, batch=SIZE)) for name in bounds},
        }
        orders = {name: coherent if name in COHERENT_ONES else random for name in reads}
        turns = {name: 2 if quick else SIZE if name in ONE_BY_ONE else LONG for name in reads}
        logs: dict[str, list[Traffic]] = {name: [] for name in reads}
        works = {name: _side(read, orders[name], turns[name], server, logs[name]) for name, read in reads.items()}
        found = alternate(works, rounds=rounds)
    speeds = {name: turns[name] / samples.median for name, samples in found.items()}
    stored = _StoredBytes(scene, folder)
    rows = []
    for name, turn in turns.items():
        counted = logs[name][1:]  # without the warm-up round
        touched = [stored.touched(turns_of(orders[name], turn, number + 2)) for number in range(len(counted))]
        size = statistics.median(log.size / bytes_ for log, bytes_ in zip(counted, touched, strict=True))
        own, others = found[name].median_cpu / turn, statistics.median(log.cpu_s for log in counted) / turn
        rows.append(
            {
                "reader": name,
                "chips/s": speeds[name],
                "of stacchip style": speeds[name] / speeds[STACCHIP],
                "of obstore and the decoders": speeds[name]
                / speeds[COHERENT_BOUND if name in COHERENT_ONES else BOUND],
                "requests a chip": statistics.median(log.requests for log in counted) / turn,
                "KiB a chip": statistics.median(log.size for log in counted) / turn / 1024,
                "of the stored bytes": size,
                "CPU ms a chip": own * 1e3,
                "server CPU ms a chip": others * 1e3,
                "cores busy": (own + others) * speeds[name],
            }
        )
    return speeds, rows


@contextmanager
def _in_batches(reader: AbstractContextManager[readers.Reader]) -> Iterator[readers.Reader]:
    """Read one batch after the other, each when the one before is there."""
    with reader as read:

        def turn(positions: NDArray[np.int64]) -> NDArray[Any]:
            return np.concatenate([read(positions[at : at + SIZE]) for at in range(0, len(positions), SIZE)])

        yield turn


def _side(
    read: Callable[[NDArray[np.int64]], Any],
    order: NDArray[np.int64],
    turn: int,
    server: RangeServer,
    log: list[Traffic],
) -> Side:
    def turns() -> Iterator[NDArray[np.int64]]:
        number = 0
        while True:
            number += 1
            yield turns_of(order, turn, number)

    mine = turns()

    def side() -> tuple[float, float]:
        before = server.traffic().cpu_s
        seconds = timed(lambda: read(next(mine)))()
        after = server.traffic()
        log.append(Traffic(requests=after.requests, size=after.size, trips=after.trips, cpu_s=after.cpu_s - before))
        return seconds

    return side


class _StoredBytes:
    """The stored bytes of blocks, from the files themselves."""

    def __init__(self, scene: Scene, folder: Path) -> None:
        self.scene = scene
        self.counts = []
        for band in BANDS:
            with tifffile.TiffFile(folder / f"{band}.tif") as file:
                page = file.pages.first
                self.counts.append(np.reshape(page.databytecounts, (-(-page.imagelength // page.tilelength), -1)))

    def touched(self, positions: NDArray[np.int64]) -> int:
        """Add up the blocks under chips, of a batch each once."""
        total = 0
        for first in range(0, len(positions), SIZE):
            chips = positions[first : first + SIZE].tolist()
            blocks = {block for position in chips for block in self.scene.blocks(position)}
            total += sum(int(counts[block]) for counts in self.counts for block in blocks)
        return total


def _cold(scene: Scene, bare: Scene, server: RangeServer, folder: Path, *, rounds: int) -> dict[str, Cold]:
    """Start readers that know the hrefs, and ours that has an index on disk."""
    path, without = folder / "remote-index.parquet", folder / "remote-index-without.parquet"
    scene.index.save(path)
    bare.index.save(without)
    x, y = WINDOW[:2]
    (position,) = np.flatnonzero((scene.windows[:, 0] == x) & (scene.windows[:, 1] == y)).tolist()
    commands = {
        "rasterio": ["rasterio", *scene.hrefs],
        "rasterio, 4 threads": ["rasterio-4-threads", *scene.hrefs],
        "async-geotiff": ["async-geotiff", *scene.hrefs],
        OURS_STORED: ["ours", str(path), str(position)],
        OURS_BARE: ["ours", str(without), str(position)],
    }
    if not readers.has("async_geotiff"):
        del commands["async-geotiff"]
    return measure_cold(commands, rounds=rounds, server=server, env=os.environ | GDAL_SETTINGS)


def _targets(speeds: dict[str, float], rows: list[dict[str, Any]], cold: dict[str, Cold]) -> list[Target]:
    peer, first = speeds.get(ASYNC_16), cold.get("async-geotiff")
    ours = {BATCH, STREAM, COHERENT, COHERENT_STREAM}
    touched = max(row["of the stored bytes"] for row in rows if row["reader"] in ours)
    mine = cold[OURS_STORED]
    return [
        Target(what="random, of stacchip style", target=45, reached=speeds[STREAM] / speeds[STACCHIP]),
        Target(what="random, of async-geotiff", target=2.2, reached=speeds[STREAM] / peer if peer else None),
        Target(
            what="block-coherent, of stacchip style", target=140, reached=speeds[COHERENT_STREAM] / speeds[STACCHIP]
        ),
        Target(what="bytes read, of the stored bytes touched", target=1.05, reached=touched, most=True),
        Target(
            what="cold first chip, of async-geotiff",
            target=0.6,
            reached=mine.median / first.median if first else None,
            most=True,
        ),
        Target(
            what="cold first chip, requests one after another",
            target=2,
            reached=statistics.median(one.trips for one in mine.traffic),
            most=True,
        ),
    ]
