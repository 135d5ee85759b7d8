"""Chips from COGs behind HTTP, every request 30 ms late: chips a second, requests and bytes a chip, the first chip."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator
from contextlib import ExitStack
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


def run(options: Options) -> list[Report]:
    """Time the readers on one server; then the first chip of fresh processes."""
    side = QUICK if options.quick else FULL
    rounds = options.rounds or (1 if options.quick else 5)
    turn = 2 if options.quick else 32
    files = make_scene(options.folder, LAYOUT, side=side)
    folder = files[BANDS[0]].parent
    with serving(options.folder) as server, rasterio.Env(**GDAL_SETTINGS, GDAL_CACHEMAX=readers.CACHE_MB << 20):
        hrefs = {band: server.address(path.relative_to(options.folder)) for band, path in files.items()}
        scene = open_scene(LAYOUT, hrefs, side=side, block=BLOCK, headers=True)
        bare = open_scene(LAYOUT, hrefs, side=side, block=BLOCK)
        speeds, rows = _throughput(scene, server, rounds=rounds, turn=turn, folder=folder)
        cold = _cold(scene, bare, server, options.folder, rounds=options.rounds or (1 if options.quick else 9))
        training, wanted = [], [Target(what=TRAINING, target=1.3, reached=None)]
        if readers.has("torch"):
            local = open_scene(LAYOUT, files, side=side, block=BLOCK)
            report, wanted = remote_training.measure(
                local, files, server, options.folder, rounds=min(rounds, 3), quick=options.quick
            )
            training = [report]
    notes = [
        f"{DELAY_S * 1e3:.0f} ms a request on loopback; deflate, blocks of 512, four assets a chip; turns of {turn} "
        f"chips, {rounds} rounds, the pixels of all readers compared",
        "stored bytes: of the blocks under the chips of a turn, each once",
    ]
    return [
        Report(title="remote: chips behind 30 ms a request", rows=rows, notes=notes),
        Report(title="remote: first chip of a fresh process", rows=cold_rows(cold)),
        *training,
        report_targets("remote: targets", [*_targets(speeds, rows, cold), *wanted]),
    ]


def _throughput(
    scene: Scene, server: RangeServer, *, rounds: int, turn: int, folder: Path
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
        sides[BATCH] = stack.enter_context(readers.ours_batch(scene, 2))
        sides[COHERENT] = stack.enter_context(readers.ours_batch(scene, 2))
        readers.compare(sides, turns_of(random, turn, 0))
        orders = {name: coherent if name == COHERENT else random for name in sides}
        logs: dict[str, list[Traffic]] = {name: [] for name in sides}
        works = {name: _side(read, orders[name], turn, server, logs[name]) for name, read in sides.items()}
        found = alternate(works, rounds=rounds)
    speeds = {name: turn / samples.median for name, samples in found.items()}
    stored = _StoredBytes(scene, folder)
    rows = []
    for name in sides:
        counted = logs[name][1:]  # without the warm-up round
        touched = [stored.touched(turns_of(orders[name], turn, number + 2)) for number in range(len(counted))]
        size = statistics.median(log.size / bytes_ for log, bytes_ in zip(counted, touched, strict=True))
        rows.append(
            {
                "reader": name,
                "chips/s": speeds[name],
                "of stacchip style": speeds[name] / speeds[STACCHIP],
                "requests a chip": statistics.median(log.requests for log in counted) / turn,
                "KiB a chip": statistics.median(log.size for log in counted) / turn / 1024,
                "of the stored bytes": size,
                "CPU ms a chip": found[name].median_cpu * 1e3 / turn,
                "server CPU ms a chip": _server_cpu(logs[name]) * 1e3 / turn,
            }
        )
    return speeds, rows


def _side(
    read: readers.Reader,
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


def _server_cpu(logs: list[Traffic]) -> float:
    return statistics.median(log.cpu_s for log in logs)


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
        """Add up the blocks under some chips, each once."""
        blocks = {block for position in positions.tolist() for block in self.scene.blocks(position)}
        return sum(int(counts[block]) for counts in self.counts for block in blocks)


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
    touched = max(row["of the stored bytes"] for row in rows if row["reader"] in {BATCH, COHERENT})
    mine = cold[OURS_STORED]
    return [
        Target(what="random batches, of stacchip style", target=45, reached=speeds[BATCH] / speeds[STACCHIP]),
        Target(what="random batches, of async-geotiff", target=2.2, reached=speeds[BATCH] / peer if peer else None),
        Target(what="block-coherent, of stacchip style", target=140, reached=speeds[COHERENT] / speeds[STACCHIP]),
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
