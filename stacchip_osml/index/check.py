"""Looking an index over: rows against the schema, the tables and, if asked, the imagery.

Every rule is one function over the whole table; findings name the column and
the first row, and count the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.errors import AssetChanged, ChipError
from stacchip_osml.index.arrays import numbers_of
from stacchip_osml.index.filling import READERS, Filler
from stacchip_osml.index.headers import AssetHeader
from stacchip_osml.index.order import row_order
from stacchip_osml.index.schema import CHIP_SCHEMA, INTERVAL
from stacchip_osml.index.tables import SideTables

__all__ = ["Finding", "check_index"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong with an index."""

    what: str
    column: str | None = None
    row: int | None = None
    """First row concerned, in index order."""
    count: int = 1
    """Rows concerned."""

    def to_json(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return asdict(self)

    def __str__(self) -> str:
        """Give one line."""
        place = "" if self.column is None else f"column {self.column!r}: "
        where = "" if self.row is None else f" (row {self.row}{'' if self.count == 1 else f', {self.count} rows'})"
        return f"{place}{self.what}{where}"


def check_index(table: pa.Table, tables: SideTables, *, files: bool = False) -> list[Finding]:
    """Look an index over.

    Args:
        table: the rows.
        tables: items, headers, chains.
        files: also open every image and compare version, size, CRS and place with what was indexed.
    """
    found = [
        *_nulls(table),
        *_ids(table),
        *_references(table, tables),
        *_intervals(table),
        *_windows(table, tables),
        *_fractions(table),
        *_geometry(table),
    ]
    if not found and row_order(table, tables.places()) is not None:
        found.append(Finding(what="rows are not in index order; merge the index, alone or with others, and save that"))
    if files:
        found += _files(tables)
    return found


def _nulls(table: pa.Table) -> Iterator[Finding]:
    for field in CHIP_SCHEMA:
        column = table.column(field.name)
        if not field.nullable and column.null_count:
            yield _at("must not be null", field.name, ~np.asarray(column.combine_chunks().is_valid()))


def _ids(table: pa.Table) -> Iterator[Finding]:
    counts = pc.value_counts(table.column("id"))
    repeated = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
    if len(repeated):
        mask = pc.is_in(table.column("id"), value_set=repeated).to_numpy()
        yield _at("ids are not unique", "id", mask)


def _references(table: pa.Table, tables: SideTables) -> Iterator[Finding]:
    columns = ["collection", "item_id", "assets", "reference", "chain"]
    groups = table.select(columns).group_by(columns).aggregate([]).to_pylist()
    for row in groups:
        item = (row["collection"] or "", row["item_id"])
        name = "/".join(part for part in item if part)
        if item not in tables.items:
            yield Finding(what=f"item {name!r} is not among the items", column="item_id")
        for key in {*(row["assets"] or "").split(","), row["reference"]}:
            if (*item, key) not in tables.headers:
                yield Finding(what=f"asset {key!r} of item {name!r} has no header", column="assets")
        if row["chain"] not in tables.chains:
            yield Finding(what=f"chain {row['chain']!r} is not in the registry", column="chain")


def _intervals(table: pa.Table) -> Iterator[Finding]:
    start, end = (table.column(side).combine_chunks() for side in INTERVAL)
    torn = np.asarray(start.is_valid()) != np.asarray(end.is_valid())
    if torn.any():
        yield _at("an interval has both ends, or none", "end_datetime", torn)
    backward = numbers_of(end) < numbers_of(start)
    if (backward & ~torn).any():
        yield _at("is before start_datetime", "end_datetime", backward & ~torn)


def _windows(table: pa.Table, tables: SideTables) -> Iterator[Finding]:
    for name in ("width", "height"):
        sides = table.column(name).to_numpy()
        if (sides <= 0).any():
            yield _at("must be positive", name, sides <= 0)
    cols, rows = _image_sizes(table, tables)
    for name, extent, limit in (("col_off", "width", cols), ("row_off", "height", rows)):
        start = table.column(name).to_numpy().astype(np.int64)
        outside = (start >= limit) | (start + table.column(extent).to_numpy() <= 0)
        outside &= limit > 0
        if outside.any():
            yield _at("window lies outside the image", name, outside)
    levels = table.column("level").to_numpy()
    if (levels > 30).any():
        yield _at("must be 0 to 30", "level", levels > 30)


def _image_sizes(table: pa.Table, tables: SideTables) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give columns and rows of each row's reference image; 0 where it has no header."""
    keys = [table.column(name).cast(pa.string()).fill_null("") for name in ("collection", "item_id", "reference")]
    joined = pc.binary_join_element_wise(*keys, "\0").combine_chunks().dictionary_encode()
    sizes = []
    for text in joined.dictionary.to_pylist():
        header = tables.headers.get(tuple(text.split("\0")))
        sizes.append((0, 0) if header is None else header.image.size)
    lookup = np.array(sizes, np.int64).reshape(-1, 2)
    found = lookup[joined.indices.to_numpy(zero_copy_only=False)]
    return found[:, 0], found[:, 1]


def _fractions(table: pa.Table) -> Iterator[Finding]:
    for name in ("nodata_fraction", "cloud_fraction"):
        values = table.column(name).fill_null(0).to_numpy()
        wrong = ~((values >= 0) & (values <= 1))
        if wrong.any():
            yield _at("must be 0 to 1", name, wrong)


def _geometry(table: pa.Table) -> Iterator[Finding]:
    import shapely

    shapes = shapely.from_wkb(table.column("geometry").to_numpy(zero_copy_only=False), on_invalid="ignore")
    there = np.asarray(table.column("geometry").combine_chunks().is_valid())
    broken = there & (shapely.is_missing(shapes) | ~shapely.is_valid(shapes))
    if broken.any():
        yield _at("is not a valid WKB geometry", "geometry", broken)
        return
    bounds = shapely.bounds(shapes)
    boxes = table.column("bbox").combine_chunks()
    for side, (name, sign) in enumerate((("xmin", 1), ("ymin", 1), ("xmax", -1), ("ymax", -1))):
        values = boxes.field(name).to_numpy(zero_copy_only=False).astype(np.float64)
        uncovered = there & ~((bounds[:, side] - values) * sign >= 0)
        if uncovered.any():
            yield _at(f"{name} does not cover the geometry", "bbox", uncovered)


def _files(tables: SideTables) -> Iterator[Finding]:
    """Open every image as the readers would: what they would refuse is found."""
    headers = list(tables.headers.values())
    with ThreadPoolExecutor(READERS, thread_name_prefix="check") as pool:
        for header, error in zip(headers, pool.map(_refused, headers), strict=True):
            if isinstance(error, AssetChanged):
                yield Finding(what=f"{_name(header)}: not the file that was indexed: {error}")
            elif error is not None:
                yield Finding(what=f"{_name(header)}: {error}")


def _refused(header: AssetHeader) -> ChipError | None:
    try:
        Filler().opened(header)
    except ChipError as error:
        return error
    return None


def _name(header: AssetHeader) -> str:
    return "/".join(part for part in header.key if part)


def _at(what: str, column: str, mask: NDArray[np.bool_]) -> Finding:
    rows = np.flatnonzero(mask)
    return Finding(what=what, column=column, row=int(rows[0]), count=len(rows))
