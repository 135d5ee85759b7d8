"""Fifty indexes into one, each side in a process of its own: seconds and memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.benchmarks.items import index_of, tile, tiles
from tests.benchmarks.report import Options, Report

__all__ = ["run"]

PARTS = 50
CHIPS = 1764

OURS = """
from stacchip_osml import merge
made = merge(*parts)
marks["before writing s"] = time.perf_counter() - start
made.save(out)
rows = len(made)
"""
PYARROW = """
import pyarrow as pa, pyarrow.parquet as pq
made = pa.concat_tables([pq.read_table(part) for part in parts]).unify_dictionaries()
marks["before writing s"] = time.perf_counter() - start
pq.write_table(made, out, compression="zstd", row_group_size=32768)
rows = made.num_rows
"""
FRAME = """
import json, resource, sys, time
parts, out = sys.argv[2:], sys.argv[1]
start, marks = time.perf_counter(), {{}}
{work}
marks["seconds"] = time.perf_counter() - start
marks["CPU s"] = time.process_time()
marks["peak GB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
sys.stdout.write(json.dumps(marks | {{"rows": rows}}))
"""


def run(options: Options) -> list[Report]:
    """Merge and save; beside it, pyarrow reads, concatenates and writes the same rows without order or checks."""
    parts = _parts(options.folder, options.rows or 5_000_000)
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "pyarrow, concatenated only": []}
    for _ in range(options.rounds or 3):
        for name, work in zip(found, (OURS, PYARROW), strict=True):
            found[name].append(_child(work, parts, options.folder / f"merged-{name[:4]}.parquet"))
    rows = [
        {"side": name, **{mark: statistics.median(run[mark] for run in runs) for mark in runs[0]}}
        for name, runs in found.items()
    ]
    if rows[0]["rows"] != rows[1]["rows"]:
        raise AssertionError(f"{rows[0]['rows']} rows here, {rows[1]['rows']} there")
    for row in rows:
        row["CPU, of pyarrow's"] = row["CPU s"] / rows[1]["CPU s"]
    notes = [
        "seconds: import, merge and save; before writing: of these, until merge gives an index (ours reads its rows "
        "while it writes) or all rows stand in one table (pyarrow)"
    ]
    return [Report(title=f"merge: {PARTS} indexes into one", rows=rows, notes=notes)]


def _parts(folder: Path, rows: int) -> list[str]:
    each = max(rows // PARTS // CHIPS, 1)
    names = []
    for number in range(PARTS):
        path = folder / f"merge-{rows}-{number:02d}.parquet"
        if not path.exists():
            index_of([tile(zone, col, row) for zone, col, row in tiles(each, first=number * each)]).save(path)
        names.append(str(path))
    return names


def _child(work: str, parts: list[str], out: Path) -> dict[str, Any]:
    command = [sys.executable, "-c", FRAME.format(work=work), str(out), *parts]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
