"""Bytes a row on disk, all columns filled, and what each column takes."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from stacchip_osml import ChipIndex
from tests.benchmarks.items import DATES, index_of, tile, tiles
from tests.benchmarks.report import Options, Report

__all__ = ["run"]

CHIPS = 1764


def run(options: Options) -> list[Report]:
    """Write one date of many tiles and six dates of fewer, as a file and as a directory."""
    wanted = (options.rows or 500_000) // CHIPS
    many = [tile(zone, col, row) for zone, col, row in tiles(wanted)]
    places = list(tiles(max(wanted // len(DATES), 1)))
    dates = [tile(zone, col, row, date=date) for zone, col, row in places for date in DATES]
    totals: list[dict[str, Any]] = []
    columns: dict[str, dict[str, float]] = {}
    for what, documents in (("one date", many), ("six dates", dates)):
        index = index_of(documents)
        columns[what] = _write(what, index, options.folder / f"{what.replace(' ', '-')}.parquet", totals)
        _write(what, index, options.folder / what.replace(" ", "-"), totals)
    names = list(dict.fromkeys(name for found in columns.values() for name in found))
    names.sort(key=lambda name: -columns["one date"].get(name, 0.0))
    rows = [{"column": name, **{what: found.get(name, 0.0) for what, found in columns.items()}} for name in names]
    return [
        Report(title="size: bytes a row on disk", rows=totals, notes=["all columns, fractions filled"]),
        Report(title="size: bytes a row of each column, single file", rows=rows),
    ]


def _write(what: str, index: ChipIndex, path: Path, totals: list[dict[str, Any]]) -> dict[str, float]:
    start = time.perf_counter()
    index.save(path)
    seconds = time.perf_counter() - start
    rows, size = len(index), _disk(path)
    if ChipIndex.open(path).to_arrow().slice(0, 1000) != index.to_arrow().slice(0, 1000):
        raise AssertionError(f"{path}: the rows read back are not the rows written")
    totals.append(
        {
            "index": what,
            "form": "file" if path.is_file() else "directory",
            "rows": rows,
            "bytes": size,
            "bytes a row": size / rows,
            "written rows/s": rows / seconds,
        }
    )
    return _columns(path) if path.is_file() else {}


def _columns(path: Path) -> dict[str, float]:
    """Add up the compressed bytes of each column's chunks, and what is left for footer, items and headers."""
    metadata = pq.ParquetFile(path).metadata
    found: Counter[str] = Counter()
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        for position in range(group.num_columns):
            chunk = group.column(position)
            found[chunk.path_in_schema.partition(".")[0]] += chunk.total_compressed_size
    found["(footer)"] = path.stat().st_size - sum(found.values())
    return {name: size / metadata.num_rows for name, size in found.items()}


def _disk(path: Path) -> int:
    files = [path] if path.is_file() else [entry for entry in path.rglob("*") if entry.is_file()]
    return sum(entry.stat().st_size for entry in files)
