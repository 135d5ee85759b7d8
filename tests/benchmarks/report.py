"""What a benchmark gives: rows of a table, and notes; as text and as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Options", "Report", "save", "table_lines", "to_text"]

LIBRARIES = (
    "numpy", "pyarrow", "pyproj", "shapely", "rasterio", "duckdb", "imagecodecs", "tifffile", "obstore", "jbpy",
    "torch", "async-geotiff", "zarr", "webdataset", "litdata", "mosaicml-streaming",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a caller may change."""

    rounds: int | None = None
    """Rounds of each side; None = the benchmark's own."""
    rows: int | None = None
    """Rows of the index, where that is a choice; None = the benchmark's own."""
    quick: bool = False
    """Small data and few rounds: shows that the benchmark works; the figures say nothing."""
    folder: Path
    """Data is made here, and found again if it is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One table."""

    title: str
    rows: list[dict[str, Any]]
    notes: list[str] = field(default_factory=list)


def to_text(report: Report) -> str:
    """Write a table as Markdown, which is text too."""
    names = list(dict.fromkeys(name for row in report.rows for name in row))
    lines = table_lines(report.rows, names)
    return "\n".join([f"## {report.title}", "", *lines, "", *(f"- {note}" for note in report.notes), ""])


def table_lines(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[str]:
    """Write columns of rows as the lines of a Markdown table."""
    cells = [list(names), *([_cell(row.get(name)) for name in names] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(names))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines[1:1] = ["|" + "|".join("-" * (width + 2) for width in widths) + "|"]
    return lines


def save(reports: Sequence[Report], path: Path) -> None:
    """Write tables as JSON, with the machine and the versions they were made with."""
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES if _installed(name)}
    machine = {"python": platform.python_version(), "cpus": os.cpu_count(), "load": os.getloadavg(), **versions}
    document = {"command": sys.argv[1:], "machine": machine, "reports": [asdict(report) for report in reports]}
    path.write_text(json.dumps(document, indent=1, default=str), encoding="utf-8")


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
