"""A large index opened, and asked for a box and a cloud limit, against pyarrow and DuckDB on the same files."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from stacchip_osml import ChipIndex, Indexer
from stacchip_osml.geometry import AffineLocator, centre, hilbert
from stacchip_osml.index import files
from stacchip_osml.index.headers import AssetHeader, HeaderKey
from stacchip_osml.index.query import Query, matching_groups
from stacchip_osml.index.tables import ItemKey, SideTables
from stacchip_osml.pixel import ImageSize
from tests.benchmarks.items import DATES, PLACES, SIDE, index_of, tile, tiles
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import alternate, timed

__all__ = ["run", "write_large"]

CHIPS = 1764
PART = 600
"""Tiles of a part file; a multiple of any number of dates, so that a place's rows stand in one file."""
COLUMNS = ["id", "item_id", "cloud_fraction"]
Box = tuple[float, float, float, float]
Ask = Callable[[Box], pa.Table]

OPENING = {
    "ours": "index = ChipIndex.open(path); index.run_starts",
    "pyarrow, footers": "footers = [pq.read_metadata(part) for part in sorted(path.glob('chips/**/*.parquet'))]",
}
OPENING_FRAME = """
import json, sys, time
from pathlib import Path
import pyarrow.parquet as pq
import stacchip_osml.index.files
from stacchip_osml import ChipIndex
path = Path(sys.argv[1])
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024 / 1e6
before, wall, cpu = peak(), time.perf_counter(), time.process_time()
{work}
times = {{"ms": (time.perf_counter() - wall) * 1e3, "CPU ms": (time.process_time() - cpu) * 1e3}}
sys.stdout.write(json.dumps(times | {{"MB more": peak() - before, "peak MB": peak()}}))
"""


def run(options: Options) -> list[Report]:
    """Ask the same questions of three readers; their answers must be the same ids."""
    wanted = options.rows or 10_000_000
    path = options.folder / f"large-{wanted}"
    if not path.exists():
        write_large(path, wanted)
    rounds = options.rounds or 15
    parts = sorted(path.glob("chips/**/*.parquet"))
    opened = _opened(path, rounds=min(rounds, 5))
    index = ChipIndex.open(path)
    boxes = _boxes(index, rounds + 1)
    readers: dict[str, Ask] = {"ours": _ours(index), "pyarrow": _pyarrow(parts), "DuckDB": _duckdb(parts)}
    for box in boxes[:3]:
        answers = {name: sorted(ask(box).column("id").to_pylist()) for name, ask in readers.items()}
        if not answers["ours"] or any(answer != answers["ours"] for answer in answers.values()):
            raise AssertionError(f"answers differ for {box}: { {name: len(ids) for name, ids in answers.items()} }")
    turns = {name: iter(boxes) for name in readers}
    found = alternate({name: timed(_turn(readers[name], turns[name])) for name in readers}, rounds=rounds)
    bounds = index._store.bounds
    groups = [len(matching_groups(bounds, Query.of(bbox=box))) for box in boxes]
    size = sum(part.stat().st_size for part in parts)
    rows = [
        {
            "reader": name,
            "query ms": samples.median * 1e3,
            "CPU ms": samples.median_cpu * 1e3,
            "ours is faster, times": samples.median / found["ours"].median,
        }
        for name, samples in found.items()
    ]
    notes = [
        f"{len(index):,} rows, {size / len(index):.1f} B a row, {len(parts)} files of {len(bounds.bbox)} row groups; "
        f"a query matches {statistics.median(groups):.0f} of them (most: {max(groups)})",
        f"three boxes compared: the same ids; the boxes are 0.1 degrees a side, cloud_fraction < 0.2, {COLUMNS}",
    ]
    ours = next(row for row in opened if row["reader"] == "ours")
    pace = [found["pyarrow"].median / found["ours"].median, found["pyarrow"].median_cpu / found["ours"].median_cpu]
    targets = [
        Target(what="opening, ms", target=100, reached=ours["ms"], cpu=ours["CPU ms"], most=True),
        Target(what="opening, MB of the process", target=200, reached=ours["peak MB"], most=True),
        Target(what="queries, against pyarrow", target=3, reached=pace[0], cpu=pace[1]),
        Target(what="row groups a query, median", target=4, reached=statistics.median(groups), most=True),
    ]
    note = "each in a process of its own, imports left out of the time; pyarrow reads the footers of all files"
    return [
        Report(title="query: opening the index", rows=opened, notes=[note]),
        Report(title="query: a box and a cloud limit", rows=rows, notes=notes),
        report_targets("query: targets", targets),
    ]


def write_large(path: Path, rows: int) -> None:
    """Write an index of many tiles in its own order, a part at a time, so that memory stays small.

    Where there are more tiles than places, every place has several dates.
    """
    count = -(-rows // CHIPS)
    dates = DATES[: -(-count // PLACES)]
    places = sorted(tiles(-(-count // len(dates))), key=_place)
    passes = [(place, date) for place in places for date in dates]
    sample = Indexer(tile(*places[0]), 256, read_headers=False).create_index()
    items: dict[ItemKey, dict[str, Any]] = {}
    headers: dict[HeaderKey, AssetHeader] = {}

    def parts() -> Iterator[tuple[str, list[pa.Table]]]:
        for first in range(0, len(passes), PART):
            index = index_of([tile(*place, date=date) for place, date in passes[first : first + PART]])
            items.update(index.tables.items)
            headers.update(index.tables.headers)
            yield "sentinel-2-l2a", [index.to_arrow()]

    # items and headers are written after the rows, so they may be gathered meanwhile
    tables = SideTables(items, headers, sample.chains)
    files.write_directory(path, parts(), tables, schema=sample.to_arrow().schema)


def _place(place: tuple[int, int, int]) -> int:
    facts = tile(*place)["properties"]
    middle = centre(ImageSize(SIDE, SIDE), AffineLocator(tuple(facts["proj:transform"]), facts["proj:code"]))
    return int(hilbert(*middle))


def _opened(path: Path, *, rounds: int) -> list[dict[str, Any]]:
    """Open the index in new processes; give medians."""
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in OPENING}
    for _ in range(rounds):
        for name, work in OPENING.items():
            command = [sys.executable, "-c", OPENING_FRAME.format(work=work), str(path)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            runs[name].append(json.loads(done.stdout))
    return [
        {"reader": name, **{mark: statistics.median(run[mark] for run in found) for mark in found[0]}}
        for name, found in runs.items()
    ]


def _boxes(index: ChipIndex, count: int) -> list[Box]:
    """Draw boxes around clear chips: each of them has an answer."""
    drawn = index.take(np.random.default_rng(1).integers(0, len(index), 4 * count))
    boxes = drawn.filter(pc.field("cloud_fraction") < 0.2).column("bbox").to_pylist()[:count]
    return [(box["xmin"] - 0.05, box["ymin"] - 0.05, box["xmin"] + 0.05, box["ymin"] + 0.05) for box in boxes]


def _turn(ask: Ask, boxes: Iterator[Box]) -> Callable[[], pa.Table]:
    return lambda: ask(next(boxes))


def _ours(index: ChipIndex) -> Ask:
    return lambda box: index.query(bbox=box, where="cloud_fraction < 0.2", columns=COLUMNS)


def _pyarrow(parts: Sequence[Path]) -> Ask:
    table = ds.dataset([str(part) for part in parts])
    field = {side: pc.field("bbox", side) for side in ("xmin", "ymin", "xmax", "ymax")}

    def ask(box: Box) -> pa.Table:
        west, south, east, north = box
        inside = (field["xmin"] <= east) & (field["xmax"] >= west) & (field["ymin"] <= north) & (field["ymax"] >= south)
        return table.to_table(columns=COLUMNS, filter=inside & (pc.field("cloud_fraction") < 0.2))

    return ask


def _duckdb(parts: Sequence[Path]) -> Ask:
    connection: Any = duckdb.connect()
    connection.execute("SET parquet_metadata_cache = true")
    names = [str(part) for part in parts]
    text = (
        f"SELECT {', '.join(COLUMNS)} FROM read_parquet({names}) WHERE bbox.xmin <= ? AND bbox.xmax >= ? "
        "AND bbox.ymin <= ? AND bbox.ymax >= ? AND cloud_fraction < 0.2"
    )

    def ask(box: Box) -> pa.Table:
        west, south, east, north = box
        return connection.sql(text, params=[east, west, north, south]).to_arrow_table()

    return ask
