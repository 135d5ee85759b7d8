"""Chip rows as one GeoParquet file: how it is encoded, and its footer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.index.schema import CHIP_SCHEMA, COLUMN_ENCODING, DICTIONARY_COLUMNS, file_metadata

__all__ = ["ROW_GROUP", "write_parquet"]

_KINDS = {1: "Point", 3: "Polygon", 6: "MultiPolygon"}

ROW_GROUP = 32_768
"""Rows a row group: the unit that a query reads."""
LEVEL = 3
LEVELS = {"geometry": 1}
"""Levels of zstd; footprints repeat at short range, which the first finds as well, in two thirds of the time."""


def write_parquet(path: Path, chunks: Iterable[pa.Table], schema: pa.Schema, packed: str | None) -> int:
    """Write chip rows, in whole row groups; give their number.

    Args:
        path: where to.
        chunks: rows in order, in pieces of any size.
        schema: columns of the chunks.
        packed: items, headers and chains for the footer; None for a part of a directory.
    """
    chunks = iter(chunks)
    head = list(itertools.islice(chunks, 2))
    # what is written in one piece states its extent; of a stream it is not known before the end
    whole = len(head) < 2
    geo, own = file_metadata(
        geometry_types=_kinds(head) if whole else [], bbox=_bounds(head) if whole else None, tables=packed
    )
    rows = 0
    with pq.ParquetWriter(
        path,
        # readers of a folder look for geo in the Arrow schema; our own key would stand there twice
        schema.with_metadata(geo),
        compression="zstd",
        compression_level={name: LEVELS.get(name, LEVEL) for name in _leaves(schema)},
        use_dictionary=[name for name in schema.names if name in DICTIONARY_COLUMNS or name not in CHIP_SCHEMA.names],
        column_encoding=COLUMN_ENCODING,
        write_statistics=[name for name in _leaves(schema) if name != "geometry"],
        write_page_checksum=True,
        data_page_version="2.0",
        version="2.6",
    ) as writer:
        for chunk in _one_ahead(_grouped(itertools.chain(head, chunks))):
            _require_values(chunk)
            writer.write_table(chunk.replace_schema_metadata(geo), row_group_size=ROW_GROUP)
            rows += chunk.num_rows
        writer.add_key_value_metadata(own)
    return rows


def _require_values(chunk: pa.Table) -> None:
    for field in CHIP_SCHEMA:
        if not field.nullable and chunk.column(field.name).null_count:
            raise IndexSchemaError(f"column {field.name!r} must not be null")


def _grouped(chunks: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Regroup chunks to whole row groups, so that groups are full whatever the chunks were."""
    held: list[pa.Table] = []
    count = 0
    for chunk in chunks:
        held.append(chunk)
        count += chunk.num_rows
        if count >= ROW_GROUP:
            table = pa.concat_tables(held).unify_dictionaries()
            whole = count - count % ROW_GROUP
            yield table.slice(0, whole)
            held, count = [table.slice(whole)], count - whole
    if count:
        yield pa.concat_tables(held).unify_dictionaries()


def _one_ahead(chunks: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Make the next chunk while this one is used: rows of a large merge are read while others are encoded."""
    with ThreadPoolExecutor(1, thread_name_prefix="stacchip-osml-rows") as pool:
        coming = pool.submit(next, chunks, None)
        while (chunk := coming.result()) is not None:
            coming = pool.submit(next, chunks, None)
            yield chunk


def _bounds(chunks: Sequence[pa.Table]) -> list[float] | None:
    sides = []
    for name in ("xmin", "ymin", "xmax", "ymax"):
        low = name.endswith("min")
        spans = [pc.min_max(pc.struct_field(chunk.column("bbox"), name)) for chunk in chunks]
        values = [span["min" if low else "max"].as_py() for span in spans]
        values = [value for value in values if value is not None]
        if not values:
            return None
        sides.append(min(values) if low else max(values))
    return sides


def _kinds(chunks: Sequence[pa.Table]) -> list[str]:
    """Give the geometry types: the fifth to second byte of little-endian WKB."""
    heads = {
        head for chunk in chunks for head in pc.unique(pc.binary_slice(chunk.column("geometry"), 1, 5)).to_pylist()
    }
    return sorted(name for code, name in _KINDS.items() if code.to_bytes(4, "little") in heads)


def _leaves(schema: pa.Schema) -> list[str]:
    names = []
    for column in schema:
        if pa.types.is_struct(column.type):
            names += [f"{column.name}.{child.name}" for child in column.type]
        else:
            names.append(column.name)
    return names
