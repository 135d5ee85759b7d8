"""Building an index without statistics, against stacchip 0.1.38's ``NoStatsChipIndexer``."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from stacchip_osml import ChipIndex, Indexer
from tests.benchmarks.items import DATES, tile, tiles
from tests.benchmarks.peer import STACCHIP_HELP, Peer, open_stacchip
from tests.benchmarks.report import Options, Report
from tests.benchmarks.timing import Samples, alternate, timed

__all__ = ["run"]

Place = dict[str, Any]


def run(options: Options) -> list[Report]:
    """Time one item, items of one chip, six dates of a tile, and many items."""
    one: list[Place] = [{}]
    dates: list[Place] = [{"date": date} for date in DATES]
    many: list[Place] = [{"zone": zone, "col": col, "row": row} for zone, col, row in tiles(300)]
    with open_stacchip() as peer:
        rows = [
            _row("one tile of 10,980²", one, peer, rounds=options.rounds or 9),
            _row("one item of one chip", [{"side": 256}], peer, rounds=options.rounds or 25),
            _row("six dates of a tile", dates, peer, rounds=options.rounds or 5),
            _row("300 items of one chip", [place | {"side": 256} for place in many], peer, rounds=options.rounds or 3),
            _row("300 tiles", many, None, rounds=min(options.rounds or 3, 3)),
        ]
        notes = [_same_rows(peer)] if peer is not None else STACCHIP_HELP.splitlines()
    return [Report(title="build: rows of a new index, no statistics", rows=rows, notes=notes)]


def _row(what: str, places: list[Place], peer: Peer | None, *, rounds: int) -> dict[str, Any]:
    ours, theirs = [tile(**place) for place in places], [tile(**place, old=True) for place in places]
    made: list[ChipIndex] = []
    sides = {"ours": timed(lambda: made.append(Indexer(ours, 256, read_headers=False).create_index()))}
    if peer is not None:
        sides["stacchip"] = lambda: _ask(peer, theirs)
    found = alternate(sides, rounds=rounds)
    chips = len(made[-1])
    row = {"work": what, "chips": chips, **_speed("ours", found["ours"], chips)}
    row["ours ms an item"] = found["ours"].median * 1e3 / len(places)
    if "stacchip" in found:
        row |= _speed("stacchip", found["stacchip"], chips)
        row["times faster"] = found["stacchip"].median / found["ours"].median
        row["times less CPU"] = found["stacchip"].median_cpu / found["ours"].median_cpu
    return row


def _speed(name: str, samples: Samples, chips: int) -> dict[str, Any]:
    return {f"{name} ms": samples.median * 1e3, f"{name} rows/s": chips / samples.median}


def _ask(peer: Peer, items: list[dict[str, Any]]) -> tuple[float, float]:
    answer = peer.ask({"items": items})
    return answer["wall"], answer["cpu"]


def _same_rows(peer: Peer) -> str:
    """Compare the chips of one tile, refusing figures of two things that are not the same."""
    theirs = {(x, y): box for x, y, box in peer.ask({"items": [tile(old=True)], "rows": True})["rows"]}
    table = Indexer(tile(), 256, read_headers=False).create_index().to_arrow()
    boxes = shapely.bounds(shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False)))
    places = list(zip(table.column("grid_col").to_pylist(), table.column("grid_row").to_pylist(), strict=True))
    if set(places) != set(theirs):
        raise AssertionError(f"{len(places)} chips here, {len(theirs)} there, or other grid positions")
    worst = float(np.abs(boxes - np.array([theirs[place] for place in places])).max())
    if worst > 1e-6:
        raise AssertionError(f"bounds of a chip differ by {worst} degrees")
    return f"rows compared: the same {len(places):,} chips, bounds within {worst:.1e} degrees"
