"""The table of an index, made of the rows of all its grids at once.

What a grid's rows have in common becomes a word or number that is repeated
here, so that an item of a few chips costs no column of its own. Grids are put
in the index's order; rows move only where several grids lie at one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.geometry import Footprints
from stacchip_osml.index.arrays import column_of, positions, words_of
from stacchip_osml.index.order import row_order
from stacchip_osml.index.rows import WINDOWS, GridRows
from stacchip_osml.index.schema import BBOX, CHIP_SCHEMA, DICTIONARY_COLUMNS, INTERVAL

__all__ = ["assemble"]

RUN_ROWS, RUN_BYTES = 1 << 13, 1 << 26
"""Grids are put into one batch up to this many rows, and bytes of text and geometry."""
_KINDS = {field.name: field.type for field in CHIP_SCHEMA}
_SIDE = pa.float32()

Bools = NDArray[np.bool_]


def assemble(grids: Mapping[tuple[str, int], Sequence[GridRows]]) -> pa.Table:
    """Make the table of all rows, in index order.

    Args:
        grids: by (collection or empty, place), each row by row.
    """
    places = [[rows for rows in grids[key] if len(rows)] for key in sorted(grids)]
    everything = [rows for place in places for rows in place]
    if not everything:
        return CHIP_SCHEMA.empty_table()
    words = {name: _Words(name, everything) for name in DICTIONARY_COLUMNS}
    tables = [_table(group, words, is_one_place=is_one_place) for group, is_one_place in _groups(places)]
    table = tables[0] if len(tables) == 1 else pa.concat_tables(tables)
    if table.column(0).num_chunks > 1:
        for position, field in enumerate(CHIP_SCHEMA):
            if field.name in words:
                table = table.set_column(position, field, table.column(position).combine_chunks())
    return table


def _groups(places: Sequence[list[GridRows]]) -> Iterator[tuple[list[GridRows], bool]]:
    """Give the grids of places that have one each together, those of another place by themselves."""
    alone: list[GridRows] = []
    for place in places:
        if len(place) < 2:
            alone += place
            continue
        if alone:
            yield alone, False
            alone = []
        yield place, True
    if alone:
        yield alone, False


def _table(grids: list[GridRows], words: Mapping[str, _Words], *, is_one_place: bool) -> pa.Table:
    table = pa.Table.from_batches([_batch(run, words) for run in _runs(grids)], schema=CHIP_SCHEMA)
    order = row_order(table, {}, one_place=True) if is_one_place else None
    return table if order is None else table.take(positions(order))


def _runs(grids: list[GridRows]) -> Iterator[list[GridRows]]:
    """Cut grids into runs that become one batch each; one whose rows do not all stay is its own."""
    if len(grids) == 1:
        yield grids
        return
    run: list[GridRows] = []
    rows = size = 0
    for grid in grids:
        own_rows, own_size = len(grid.ids), grid.ids.nbytes + (0 if grid.places is None else grid.places.wkb.nbytes)
        rows, size = rows + own_rows, size + own_size
        if run and (rows > RUN_ROWS or size > RUN_BYTES or not _go_together(run[-1], grid)):
            yield run
            run, rows, size = [], own_rows, own_size
        run.append(grid)
    yield run


def _go_together(one: GridRows, other: GridRows) -> bool:
    return one.keep is other.keep is None and (one.places is None) == (other.places is None)


def _batch(grids: list[GridRows], words: Mapping[str, _Words]) -> pa.RecordBatch:
    counts = [len(grid.ids) for grid in grids]
    gsds = [None if grid.plan.gsd is None else grid.plan.gsd * 2.0**grid.part.grid.level for grid in grids]
    present = _present(grids, counts)
    geometry, bbox = _geometry([grid.places for grid in grids if grid.places is not None], sum(counts), present)
    zeros = pa.py_buffer(np.zeros(sum(counts), np.int32))
    columns = {
        "id": _chained([grid.ids for grid in grids]),
        "datetime": _numbers("datetime", [grid.plan.datetime_us for grid in grids], counts, np.int64),
        **_intervals([grid.plan.interval_us for grid in grids], counts),
        **{name: _chained([grid.part.columns[name] for grid in grids]) for name in WINDOWS},
        "level": _numbers("level", [grid.part.grid.level for grid in grids], counts, np.uint8),
        "gsd": _numbers("gsd", gsds, counts, np.float32),
        "nodata_fraction": _fractions([grid.fractions.nodata for grid in grids], counts),
        "cloud_fraction": _fractions([grid.fractions.cloud for grid in grids], counts),
        "geometry": geometry,
        "bbox": bbox,
        **{name: column.of(grids, counts, present, zeros) for name, column in words.items()},
    }  # fmt: skip
    batch = pa.RecordBatch.from_arrays([columns[name] for name in _KINDS], schema=CHIP_SCHEMA)
    return batch if grids[0].keep is None else batch.filter(pa.array(grids[0].keep))


def _present(grids: list[GridRows], counts: list[int]) -> Bools | None:
    """Tell which chips have a place on the ground; None: all have what there is to have."""
    told = [None if grid.places is None else grid.places.present for grid in grids]
    if all(part is None for part in told):
        return None
    return _joined(
        [np.ones(count, np.bool_) if part is None else part for part, count in zip(told, counts, strict=True)]
    )


def _geometry(places: list[Footprints], count: int, present: Bools | None) -> tuple[pa.Array, pa.Array]:
    """Give WKB and bounding boxes, null where a chip has no place on the ground."""
    if not places:
        return pa.nulls(count, pa.binary()), pa.nulls(count, BBOX)
    bits = _bits(present)
    wkb = pa.py_buffer(_joined([part.wkb for part in places]))
    boxes = np.ascontiguousarray(_joined([part.bbox for part in places]).T)
    sides = [pa.Array.from_buffers(_SIDE, count, [bits, pa.py_buffer(side)]) for side in boxes]
    return (
        pa.Array.from_buffers(pa.binary(), count, [bits, pa.py_buffer(_offsets(places, count)), wkb]),
        pa.Array.from_buffers(BBOX, count, [bits], children=sides),
    )


def _offsets(places: list[Footprints], count: int) -> NDArray[np.int32]:
    """Tell where the WKB of each chip begins, and where the last ends."""
    if len(places) == 1:
        return places[0].offsets.astype(np.int32, copy=False)
    sizes = [int(part.offsets[-1]) for part in places]
    starts = accumulate(sizes[:-1], initial=0)
    offsets = np.empty(count + 1, np.int32)
    np.concatenate([part.offsets[:-1] + start for part, start in zip(places, starts, strict=True)], out=offsets[:-1])
    offsets[-1] = sum(sizes)
    return offsets


_WORDS: dict[str, Callable[[GridRows], str | None]] = {
    "collection": lambda rows: rows.plan.collection,
    "item_id": lambda rows: rows.plan.item_id,
    "assets": lambda rows: ",".join(rows.plan.assets),
    "reference": lambda rows: rows.plan.reference.asset_key,
    "chain": lambda rows: rows.chain,
    "proj:code": lambda rows: _code(rows.plan.reference.crs),
    "footprint": lambda rows: rows.plan.footprint,
}


@lru_cache(maxsize=64)
def _kept_dictionary(word: str) -> pa.StringArray:
    """Keep it: most columns of a small index have one word, and the next index has the same."""
    return words_of([word])


class _Words:
    """The words of one dictionary column, in order, each used."""

    def __init__(self, name: str, grids: Sequence[GridRows]) -> None:
        self.value = _WORDS[name]
        self.is_placed = name == "footprint"
        """Only chips with a place on the ground have one."""
        values = {self.value(rows) for rows in grids}
        used = {self.value(rows) for rows in grids if _any_placed(rows)} if self.is_placed else values
        words = sorted(word for word in used if word is not None)
        self.is_one = len(values) == len(words) == 1
        """Whether all rows have the same."""
        self.ranks: dict[str | None, int] = {word: rank for rank, word in enumerate(words)}
        self.dictionary = _kept_dictionary(words[0]) if len(words) == 1 else words_of(words)

    def of(
        self, grids: list[GridRows], counts: list[int], present: Bools | None, zeros: pa.Buffer
    ) -> pa.DictionaryArray:
        """Give the column of a run of grids.

        Args:
            grids: of the run.
            counts: chips of each.
            present: chips with a place on the ground; None: all.
            zeros: as many int32 as there are chips; columns of one word share them.
        """
        if self.is_one:
            return self._column(sum(counts), zeros, present if self.is_placed else None)
        ranks = np.array([self.ranks.get(self.value(rows), -1) for rows in grids], np.int32)
        indices = np.repeat(ranks, counts)
        there = present if self.is_placed else None
        if ranks.min() < 0:
            there = indices >= 0 if there is None else there & (indices >= 0)
            indices = np.maximum(indices, 0)
        return self._column(len(indices), pa.py_buffer(indices), there)

    def _column(self, count: int, indices: pa.Buffer, there: Bools | None) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_buffers(_KINDS["item_id"], count, [_bits(there), indices], self.dictionary)


def _any_placed(rows: GridRows) -> bool:
    if rows.places is None or rows.places.present is None:
        return True
    return bool((rows.places.present if rows.keep is None else rows.places.present & rows.keep).any())


def _code(crs: str | None) -> str | None:
    """Give an authority code as ``proj:code`` has it; WKT and PROJJSON have none."""
    return crs if crs is not None and len(crs) <= 32 and ":" in crs and "[" not in crs and "{" not in crs else None


def _numbers(name: str, values: Sequence[float | None], counts: list[int], dtype: DTypeLike) -> pa.Array:
    """Give a column of one number a grid, null where that is None."""
    if None not in values:
        return column_of(_KINDS[name], np.array(values, dtype).repeat(counts))
    told = np.array([value is not None for value in values]).repeat(counts)
    numbers = np.array([0 if value is None else value for value in values], dtype)
    return column_of(_KINDS[name], numbers.repeat(counts), told)


def _intervals(spans: Sequence[tuple[int, int] | None], counts: list[int]) -> dict[str, pa.Array]:
    """Give the columns of intervals; where there is none, which is most often, they share their nulls."""
    if all(span is None for span in spans):
        return dict.fromkeys(INTERVAL, pa.nulls(sum(counts), _KINDS["datetime"]))
    sides = zip(*((None, None) if span is None else span for span in spans), strict=True)
    return {name: _numbers(name, side, counts, np.int64) for name, side in zip(INTERVAL, sides, strict=True)}


def _fractions(parts: list[NDArray[np.float32] | None], counts: list[int]) -> pa.Array:
    if all(part is None for part in parts):
        return pa.nulls(sum(counts), _SIDE)
    filled = [
        np.full(count, np.nan, np.float32) if part is None else part for part, count in zip(parts, counts, strict=True)
    ]
    values = _joined(filled)
    unknown = np.isnan(values)
    return column_of(_SIDE, values, ~unknown if unknown.any() else None)


def _bits(present: Bools | None) -> pa.Buffer | None:
    return None if present is None else pa.py_buffer(np.packbits(present, bitorder="little"))


def _chained(parts: list[pa.Array]) -> pa.Array:
    return parts[0] if len(parts) == 1 else pa.concat_arrays(parts)


def _joined(parts: list[NDArray[Any]]) -> NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
