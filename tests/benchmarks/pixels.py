"""Chips from local COGs against stacchip's way, rasterio, async-geotiff, tifffile and the decoders alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray

from tests.benchmarks import readers
from tests.benchmarks.ceiling import Ceiling
from tests.benchmarks.imagery import FULL, LAYOUTS, QUICK, Scene, make_scene, open_scene, turns_of, unaligned
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Side, alternate, timed

__all__ = ["run"]

TURN, QUICK_TURN = 32, 4
"""Chips a turn, and of a batch."""


class Speed(NamedTuple):
    """How fast a reader was."""

    wall: float
    """Chips a second."""
    cpu: float
    """Chips a second of CPU time, all threads together: on a busy machine, what can still be compared."""


Speeds = dict[str, dict[str, Speed]]
"""Reader → case → speed."""

STACCHIP, KEPT = "stacchip style (a file opened per asset)", "rasterio, files kept open"
ASYNC, TIFFFILE = "async-geotiff", "tifffile's zarr store, files kept open"
RAW, RAW_ONCE = "decoding the same blocks, no more", "decoding each block once, no more"
SINGLE, BATCH = "ours, one by one", "ours, batches of 32"


def run(options: Options) -> list[Report]:
    """Time chips in random order, then in an order that finishes one block before the next."""
    side = QUICK if options.quick else FULL
    rounds, turn = options.rounds or (1 if options.quick else 9), QUICK_TURN if options.quick else TURN
    random: Speeds = {}
    coherent: Speeds = {}
    with rasterio.Env(GDAL_CACHEMAX=readers.CACHE_MB << 20):
        for name, layout in LAYOUTS.items():
            scene = open_scene(name, make_scene(options.folder, name, side=side), side=side, block=layout["blocksize"])
            cases = [scene, unaligned(scene, side=side)] if name == "deflate 512" else [scene]
            for case in cases:
                _add(random, case.name, _random(case, rounds, turn))
            _add(coherent, name, _coherent(scene, rounds, turn))
    notes = [
        f"chips/s; {len(scene.index):,} chips of 256², four single-band uint16 COGs of {side:,}², predictor 2; "
        f"turns of {turn} chips, {rounds} rounds, the pixels of all readers compared",
        *_missing(),
    ]
    return [
        Report(title="pixels: random order", rows=_rows(random), notes=notes),
        Report(title="pixels: block-coherent order", rows=_rows(coherent), notes=notes[:1]),
        Report(title="pixels: CPU ms a chip, random order", rows=_cpu_rows(random)),
        Report(title="pixels: CPU ms a chip, block-coherent order", rows=_cpu_rows(coherent)),
        report_targets("pixels: targets", _targets(random, coherent)),
    ]


def _random(scene: Scene, rounds: int, turn: int) -> dict[str, Speed]:
    with ExitStack() as stack:
        sides: dict[str, readers.Reader] = {
            STACCHIP: stack.enter_context(readers.stacchip_style(scene)),
            f"{KEPT}, 1 thread": stack.enter_context(readers.rasterio_kept(scene, 1)),
            f"{KEPT}, 2 threads": stack.enter_context(readers.rasterio_kept(scene, 2)),
        }
        if readers.has("async_geotiff"):
            sides[f"{ASYNC}, one at a time"] = stack.enter_context(readers.async_geotiff(scene, 1))
            sides[f"{ASYNC}, 16 in flight"] = stack.enter_context(readers.async_geotiff(scene, 16))
        if readers.has("zarr"):
            sides[TIFFFILE] = stack.enter_context(readers.tifffile_zarr(scene))
        sides[f"{SINGLE}, 1 thread"] = stack.enter_context(readers.ours_single(scene, 1))
        sides[f"{BATCH}, 1 thread"] = stack.enter_context(readers.ours_batch(scene, 1))
        sides[f"{BATCH}, 2 threads"] = stack.enter_context(readers.ours_batch(scene, 2))
        ceilings = {f"{RAW}, {n} thread{'s' * (n > 1)}": Ceiling(scene, threads=n) for n in (1, 2)}
        return _time(sides, ceilings, scene.shuffled(), rounds, turn)


def _coherent(scene: Scene, rounds: int, turn: int) -> dict[str, Speed]:
    with ExitStack() as stack:
        sides: dict[str, readers.Reader] = {
            STACCHIP: stack.enter_context(readers.stacchip_style(scene)),
            f"{KEPT}, 1 thread": stack.enter_context(readers.rasterio_kept(scene, 1)),
            f"{KEPT}, 2 threads": stack.enter_context(readers.rasterio_kept(scene, 2)),
            f"{SINGLE}, 1 thread": stack.enter_context(readers.ours_single(scene, 1)),
            f"{BATCH}, 1 thread": stack.enter_context(readers.ours_batch(scene, 1)),
            f"{BATCH}, 2 threads": stack.enter_context(readers.ours_batch(scene, 2)),
        }
        ceilings = {f"{RAW_ONCE}, {n} thread{'s' * (n > 1)}": Ceiling(scene, threads=n, once=True) for n in (1, 2)}
        return _time(sides, ceilings, scene.coherent(), rounds, turn)


def _time(
    sides: dict[str, readers.Reader], ceilings: dict[str, Ceiling], order: NDArray[np.int64], rounds: int, turn: int
) -> dict[str, Speed]:
    """Give the speed of each side; in a round, every side cuts the same chips."""
    readers.compare(sides, turns_of(order, turn, 0))
    works: dict[str, Side] = {name: _timed(read, order, turn) for name, read in sides.items()}
    works |= {name: _decoding(ceiling, order, turn) for name, ceiling in ceilings.items()}
    found = alternate(works, rounds=rounds)
    return {name: Speed(turn / samples.median, turn / samples.median_cpu) for name, samples in found.items()}


def _timed(read: readers.Reader, order: NDArray[np.int64], turn: int) -> Side:
    turns = _turns(order, turn)
    return timed(lambda: read(next(turns)))


def _decoding(ceiling: Ceiling, order: NDArray[np.int64], turn: int) -> Side:
    turns = _turns(order, turn)

    def side() -> tuple[float, float]:
        stored = ceiling.load(next(turns))
        return timed(lambda: ceiling.run(stored))()

    return side


def _turns(order: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    turn = 0
    while True:
        turn += 1
        yield turns_of(order, size, turn)


def _add(speeds: Speeds, case: str, found: dict[str, Speed]) -> None:
    for name, value in found.items():
        speeds.setdefault(name, {})[case] = value


def _rows(speeds: Speeds) -> list[dict[str, Any]]:
    return [{"reader": name, **{case: speed.wall for case, speed in cases.items()}} for name, cases in speeds.items()]


def _cpu_rows(speeds: Speeds) -> list[dict[str, Any]]:
    return [
        {"reader": name, **{case: 1e3 / speed.cpu for case, speed in cases.items()}} for name, cases in speeds.items()
    ]


def _missing() -> list[str]:
    peers = {"async_geotiff": "async-geotiff", "zarr": "zarr"}
    return [
        f"{name} is not installed: its row is left out" for module, name in peers.items() if not readers.has(module)
    ]


def _targets(random: Speeds, coherent: Speeds) -> list[Target]:
    found: list[Target] = []
    for case in next(iter(random.values())):
        for threads in ("1 thread", "2 threads"):
            mine = random[f"{BATCH}, {threads}"]
            kept, raw = random[f"{KEPT}, {threads}"], random[f"{RAW}, {threads}"]
            what = f"random, {threads}: of"
            found.append(_ratio(f"{what} rasterio kept", case, 1.9, mine, kept))
            found.append(_ratio(f"{what} decoding whole blocks", case, 0.95, mine, raw))
        peers = [speeds[case] for name, speeds in random.items() if name.startswith(ASYNC)]
        best = {case: max(peers)} if peers else {}
        mine = random[f"{BATCH}, 2 threads"]
        found.append(_ratio("random, 2 threads: of async-geotiff at its best", case, 4, mine, best))
    for case in next(iter(coherent.values())):
        mine = coherent[f"{BATCH}, 2 threads"]
        wide = "1024" in case
        what = "coherent, 2 threads: of"
        found.append(_ratio(f"{what} stacchip style", case, 45 if wide else 16, mine, coherent[STACCHIP]))
        kept = random[f"{KEPT}, 2 threads"]
        found.append(_ratio(f"{what} rasterio kept in random order", case, 7, mine, kept))
        share = 0.8 if case.startswith("zstd") else 0.85
        found.append(_ratio(f"{what} decoding each block once", case, share, mine, coherent[f"{RAW_ONCE}, 2 threads"]))
    return found


def _ratio(what: str, case: str, target: float, mine: dict[str, Speed], peer: dict[str, Speed]) -> Target:
    if case not in peer:
        return Target(what=what, case=case, target=target, reached=None)
    ours, theirs = mine[case], peer[case]
    return Target(what=what, case=case, target=target, reached=ours.wall / theirs.wall, cpu=ours.cpu / theirs.cpu)
