"""What a chip costs in a small index and in a large one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml import ChipIndex, Chipper, Indexer
from tests.benchmarks.imagery import BANDS, CHIP, FULL, QUICK, copies_of, make_scene, scene_item, turns_of
from tests.benchmarks.readers import CACHE_MB
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import alternate, timed

__all__ = ["run"]

ROWS, QUICK_ROWS = (1_000, 10_000, 100_000, 1_000_000), (10, 50)
LAYOUT = "deflate 512"
TURN = 32
FLAT = 1.1
"""Times what a chip of the smallest index costs."""


def run(options: Options) -> list[Report]:
    """Cut batches at random rows of indexes of ever more items, each of which has been met before."""
    side = QUICK if options.quick else FULL
    rounds = options.rounds or (3 if options.quick else 15)
    files = make_scene(options.folder, LAYOUT, side=side)
    sizes = QUICK_ROWS if options.quick else ROWS
    chippers: dict[tuple[str, int], Chipper] = {}
    for size in sizes:
        count = -(-size // (side // CHIP) ** 2)
        items = [scene_item(copy, side=side, number=number) for number, copy in enumerate(copies_of(files, count))]
        index = Indexer(items, CHIP, assets=BANDS, roots=["/"], headers=True).create_index()
        index = ChipIndex.from_table(index.to_arrow().slice(0, size), index.tables)
        path = options.folder / f"flat-{side}-{size}"
        index.save(path)
        chippers["in memory", size] = Chipper(index, threads=1, cache_bytes=CACHE_MB << 20)
        chippers["on disk", size] = Chipper(path, threads=1, cache_bytes=CACHE_MB << 20)
    orders = {key: np.random.default_rng(5).permutation(key[1]) for key in chippers}
    met = {key: _meet_items(chipper) for key, chipper in chippers.items()}
    sides = {key: _work(chipper, orders[key]) for key, chipper in chippers.items()}
    found = alternate({f"{where} {size}": timed(work) for (where, size), work in sides.items()}, rounds=rounds)
    rows: list[dict[str, Any]] = []
    targets = []
    for where in ("in memory", "on disk"):
        first = found[f"{where} {sizes[0]}"].median_cpu
        for size in sizes:
            samples = found[f"{where} {size}"]
            row = {"index": where, "rows": size, "ms a chip": samples.median * 1e3 / TURN}
            row |= {"CPU ms a chip": samples.median_cpu * 1e3 / TURN, "of the smallest": samples.median_cpu / first}
            first_chip = met[where, size]
            row["CPU ms of an item's first chip"] = None if first_chip is None else first_chip * 1e3
            rows.append(row)
        targets.append(
            Target(
                what=f"{where}: a chip of {sizes[-1]:,} rows, of one of {sizes[0]:,}",
                target=FLAT,
                reached=rows[-1]["of the smallest"],
                most=True,
            )
        )
    notes = [
        f"batches of {TURN} at random rows, {LAYOUT}, 1 thread, {rounds} rounds; every item has files of its own, "
        "and was met before; compared by CPU time"
    ]
    return [
        Report(title="flat: a chip in indexes of any size", rows=rows, notes=notes),
        report_targets("flat: targets", targets),
    ]


def _meet_items(chipper: Chipper) -> float | None:
    """Cut a chip of every item, and give the CPU seconds of each but the first."""
    names = chipper.index.to_arrow().column("item_id").combine_chunks().indices.to_numpy()
    _, rows = np.unique(names, return_index=True)
    chipper.batch(rows[:1])
    start = time.process_time()
    for row in rows[1:].tolist():
        chipper.batch([row])
    return (time.process_time() - start) / (len(rows) - 1) if len(rows) > 1 else None


def _work(chipper: Chipper, order: NDArray[np.int64]) -> Callable[[], Any]:
    def turns() -> Iterator[NDArray[np.int64]]:
        turn = 0
        while True:
            yield turns_of(order, TURN, turn)
            turn += 1

    mine = turns()
    return lambda: chipper.batch(next(mine))
