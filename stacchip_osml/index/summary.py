"""What an index holds, told to a person: text, HTML and JSON from the same facts."""

from __future__ import annotations

import html
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from stacchip_osml.index.arrays import column_of, numbers_of
from stacchip_osml.index.order import item_keys
from stacchip_osml.index.schema import INTERVAL
from stacchip_osml.index.tables import SideTables
from stacchip_osml.pixel.wording import counted
from stacchip_osml.stac.plain_rows import moment

__all__ = ["SUMMARY_COLUMNS", "IndexSummary", "size_on_disk", "summarize"]

SUMMARY_COLUMNS = [
    *("collection", "item_id", "level", "footprint", "chain", "assets", "width", "height", "bbox"),
    *("datetime", *INTERVAL),
]
"""Columns of chips that are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSummary:
    """Counts and extents of an index."""

    chips: int
    items: int
    collections: dict[str, int]
    """Chips a collection."""
    first: str | None
    """Earliest time of an item or start of its interval, RFC 3339."""
    last: str | None
    """Latest time or end."""
    bbox: tuple[float, float, float, float] | None
    """Planar bounds, degrees."""
    levels: dict[int, int]
    """Chips a level."""
    sizes: dict[str, int]
    """Chips a window size, R0 pixels."""
    footprints: dict[str, int]
    """Chips by how their footprint was made; ``none`` for those without one."""
    chains: dict[str, int]
    """Chips a processing chain."""
    assets: tuple[str, ...]
    """Distinct sets of assets cut together."""
    size_bytes: int | None
    """On disk; None while in memory."""
    path: str | None

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """Give a few lines for a terminal."""
        width = max(len(name) for name, _ in self._lines())
        head = f"ChipIndex of {counted(self.chips, 'chip')} from {counted(self.items, 'item')}"
        return "\n".join([head, *(f"  {name:<{width}}  {value}" for name, value in self._lines())])

    def to_html(self) -> str:
        """Give a small table for a notebook; everything is escaped."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{html.escape(value)}</td></tr>"
            for name, value in self._lines()
        )
        head = f"<b>ChipIndex</b> {counted(self.chips, 'chip')}, {counted(self.items, 'item')}"
        return f"<div>{head}<table>{rows}</table></div>"

    def _lines(self) -> list[tuple[str, str]]:
        box = "unknown" if self.bbox is None else ", ".join(f"{side:.5f}" for side in self.bbox)
        size = "in memory" if self.size_bytes is None else _size_text(self.size_bytes, self.chips)
        return [
            ("collections", _counts(self.collections)),
            ("time", "unknown" if self.first is None else f"{self.first} to {self.last}"),
            ("bounds", box),
            ("footprints", _counts(self.footprints)),
            ("levels", _counts(self.levels)),
            ("windows", _counts(self.sizes)),
            (
                "assets",
                "; ".join(self.assets[:4] or ("none",))
                + (f"; {len(self.assets) - 4} more" if len(self.assets) > 4 else ""),
            ),
            ("chains", _counts(self.chains)),
            ("size", size if self.path is None else f"{size} in {self.path}"),
        ]


def summarize(table: pa.Table, tables: SideTables, *, path: Path | None) -> IndexSummary:
    """Count what a chip table holds (it needs the columns it counts only)."""
    start, end = (pc.min_max(pc.coalesce(table.column(side), table.column("datetime"))) for side in INTERVAL)
    return IndexSummary(
        chips=table.num_rows,
        items=len(item_keys(table)) if table.num_rows else len(tables.items),
        collections=_count(table.column("collection"), "(none)"),
        first=_moment(start["min"].value),
        last=_moment(end["max"].value),
        bbox=_bounds(table.column("bbox")),
        levels={int(key): value for key, value in _count(table.column("level").drop_null(), "").items()},
        sizes=_sizes(table),
        footprints=_count(table.column("footprint"), "none"),
        chains=_count(table.column("chain"), ""),
        assets=tuple(_count(table.column("assets"), "")),
        size_bytes=None if path is None else size_on_disk(path),
        path=None if path is None else str(path),
    )


def _count(column: pa.ChunkedArray, null: str) -> dict[str, int]:
    if pa.types.is_dictionary(column.type):
        column = column.cast(pa.string())
    found = pc.value_counts(column).to_pylist()
    pairs = [(null if row["values"] is None else str(row["values"]), row["counts"]) for row in found]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _sizes(table: pa.Table) -> dict[str, int]:
    width, height = (numbers_of(table.column(name)).astype(np.int64) for name in ("width", "height"))
    found = pc.value_counts(column_of(pa.int64(), width << 32 | height)).to_pylist()
    pairs = [(f"{row['values'] >> 32}x{row['values'] & 0xFFFFFFFF}", row["counts"]) for row in found]
    return dict(sorted(pairs, key=lambda pair: (-pair[1], pair[0])))


def _bounds(column: pa.ChunkedArray) -> tuple[float, float, float, float] | None:
    sides = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        span = pc.min_max(pc.struct_field(column, name))
        sides.append(span["min" if name.endswith("min") else "max"].as_py())
    return None if None in sides else (sides[0], sides[1], sides[2], sides[3])


def size_on_disk(path: Path) -> int:
    """Add up the bytes of an index; a file that goes meanwhile, another writer's, counts as none."""
    size = 0
    for entry in [path] if path.is_file() else path.rglob("*"):
        with suppress(FileNotFoundError):
            size += entry.stat().st_size if entry.is_file() else 0
    return size


def _moment(micros: int | None) -> str | None:
    time = moment(micros)
    return None if time is None else time.isoformat().replace("+00:00", "Z")


def _counts(counts: dict[Any, int], *, most: int = 4) -> str:
    parts: Sequence[str] = [f"{name} ({count:,})" for name, count in counts.items()]
    return ", ".join(parts[:most]) + (f", {len(parts) - most} more" if len(parts) > most else "") or "none"


def _size_text(size: int, chips: int) -> str:
    scale = next((s for s in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if size >= s[0]), (1, "B"))
    each = f", {size / chips:.1f} B a chip" if chips else ""
    return f"{size / scale[0]:.4g} {scale[1]}{each}"
