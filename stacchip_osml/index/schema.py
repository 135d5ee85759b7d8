"""The chip table: its columns, its file metadata, and what is refused at the door.

Names follow STAC where STAC has one. Users' own columns may stand beside
these; they are kept by every operation. A table from elsewhere is checked
once, when it is opened; everything after that trusts it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.pixel.arguments import of_kind

__all__ = [
    "CHIP_SCHEMA",
    "COLUMN_ENCODING",
    "DICTIONARY_COLUMNS",
    "FORMAT_KEY",
    "FORMAT_VERSION",
    "INTERVAL",
    "EarlierFormatError",
    "conform",
    "file_metadata",
    "own_column",
    "require_format",
    "require_version",
]

FORMAT_KEY = b"stacchip_osml"
"""Parquet key-value metadata key of a chip table."""
FORMAT_VERSION = 2
"""Raised when a reader of the last version would misread."""

INTERVAL = ("start_datetime", "end_datetime")
"""Columns of an item's interval, both ends included; both null where it has none."""

VIEWS = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
"""Types that few of Arrow's functions take, and those that hold the same."""
_REMEDY = "rows that another program wrote are joined to the index they are of: ChipIndex.join, index query --join"
_WORD = pa.dictionary(pa.int32(), pa.string())
_TIME = pa.timestamp("us", "UTC")
BBOX = pa.struct([(side, pa.float32()) for side in ("xmin", "ymin", "xmax", "ymax")])

_COLUMNS: dict[str, tuple[pa.DataType, bool, str]] = {
    "id": (pa.string(), False, "unique, stable, readable: collection, item, grid, level, row, column, chain"),
    "collection": (_WORD, True, "STAC collection; null where the item has none"),
    "item_id": (_WORD, False, "STAC item id; with collection the key into items"),
    "assets": (_WORD, False, "asset keys cut together, in band order, comma-joined"),
    "reference": (_WORD, False, "the asset whose R0 pixels the window counts"),
    "datetime": (_TIME, True, "item time; the start where that is an interval"),
    "start_datetime": (_TIME, True, "first time of the item's interval; null where it states none"),
    "end_datetime": (_TIME, True, "last time of the item's interval; null where it states none"),
    "grid_col": (pa.int32(), False, "column in the item's chip grid"),
    "grid_row": (pa.int32(), False, "row in the item's chip grid"),
    "col_off": (pa.int32(), False, "first column of the window, R0 pixels of reference"),
    "row_off": (pa.int32(), False, "first row of the window, R0 pixels of reference"),
    "width": (pa.int32(), False, "columns of the window, R0 pixels"),
    "height": (pa.int32(), False, "rows of the window, R0 pixels"),
    "level": (pa.uint8(), False, "pyramid level the chip is defined at; 0 is full resolution"),
    "chain": (_WORD, False, "processing-chain id; raw is the empty chain"),
    "gsd": (pa.float32(), True, "ground sample distance at level, metres"),
    "proj:code": (_WORD, True, "CRS of the reference grid; null in sensor geometry or where it has no code"),
    "footprint": (
        _WORD,
        True,
        "how geometry was made: projected (exact), sidd, sicd, rpcs, gcps, blocka, cscrna, igeolo, item; null: none",
    ),
    "nodata_fraction": (pa.float32(), True, "0-1; null = not computed"),
    "cloud_fraction": (pa.float32(), True, "0-1 of the valid pixels; null = not computed"),
    "geometry": (pa.binary(), True, "footprint, WKB polygon, CRS84"),
    "bbox": (BBOX, True, "planar bounds of geometry, rounded outward"),
}

CHIP_SCHEMA = pa.schema(
    [pa.field(name, kind, nullable, {"description": text}) for name, (kind, nullable, text) in _COLUMNS.items()]
)

DICTIONARY_COLUMNS = tuple(name for name, (kind, _, _) in _COLUMNS.items() if kind == _WORD)

_BBOX_PATHS = tuple(f"bbox.{side}" for side in ("xmin", "ymin", "xmax", "ymax"))
COLUMN_ENCODING = {
    "id": "DELTA_BYTE_ARRAY",
    "gsd": "BYTE_STREAM_SPLIT",
    **dict.fromkeys(("datetime", *INTERVAL), "DELTA_BINARY_PACKED"),
    **dict.fromkeys(("grid_col", "grid_row", "col_off", "row_off", "width", "height"), "DELTA_BINARY_PACKED"),
    **dict.fromkeys(("nodata_fraction", "cloud_fraction", *_BBOX_PATHS), "BYTE_STREAM_SPLIT"),
}
"""Parquet encoding by column path; the rest are dictionaries, or plain where they hardly repeat."""


def geo_metadata(geometry_types: list[str], bbox: list[float] | None) -> bytes:
    """Write the GeoParquet 1.1 file metadata (``geo`` key) for a chip table."""
    covering = {side: ["bbox", side] for side in ("xmin", "ymin", "xmax", "ymax")}
    column: dict[str, Any] = {
        "encoding": "WKB",
        "geometry_types": geometry_types,
        "orientation": "counterclockwise",
        "covering": {"bbox": covering},
    }
    if bbox is not None:
        column["bbox"] = bbox
    document = {"version": "1.1.0", "primary_column": "geometry", "columns": {"geometry": column}}
    return json.dumps(document, separators=(",", ":")).encode()


def file_metadata(
    *, geometry_types: list[str], bbox: list[float] | None, tables: str | None
) -> tuple[dict[bytes, bytes], dict[bytes, bytes]]:
    """Give GeoParquet's and our own metadata; ``tables`` is set where the file carries items, headers and chains."""
    own: dict[str, Any] = {"version": FORMAT_VERSION}
    if tables is not None:
        own["tables"] = tables
    geo = {b"geo": geo_metadata(geometry_types, bbox)}
    return geo, {FORMAT_KEY: json.dumps(own, separators=(",", ":")).encode()}


def require_format(schema: pa.Schema, metadata: Mapping[bytes, bytes] | None, where: str) -> dict[str, Any]:
    """Check that a Parquet file is a chip table that this version reads; give its own metadata.

    Args:
        schema: its columns.
        metadata: its key-value metadata.
        where: names the file in messages.

    Raises:
        IndexSchemaError: no chip index, another format, or a column missing or of another type.
    """
    raw = (metadata or {}).get(FORMAT_KEY)
    if raw is None:
        remedy = f"; {_REMEDY}" if {"id", "item_id", "col_off"} <= set(schema.names) else ""
        raise IndexSchemaError(
            f"{where}: not a chip index (its Parquet metadata has no {FORMAT_KEY.decode()!r} key){remedy}"
        )
    try:
        own = json.loads(raw)
        version = own["version"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IndexSchemaError(f"{where}: its {FORMAT_KEY.decode()!r} metadata is not readable: {error}") from error
    require_version(version, where)
    twice = sorted({name for name in schema.names if schema.names.count(name) > 1})
    if twice:
        raise IndexSchemaError(f"{where}: {', '.join(map(repr, twice))} are names of more than one column")
    for field in CHIP_SCHEMA:
        position = schema.get_field_index(field.name)
        if position < 0:
            raise IndexSchemaError(f"{where}: column {field.name!r} is missing; {_REMEDY}")
        if not _same(schema.field(position).type, field.type):
            raise IndexSchemaError(
                f"{where}: column {field.name!r} must be {field.type}, is {schema.field(position).type}; {_REMEDY}"
            )
    return dict(own)


class EarlierFormatError(IndexSchemaError):
    """A chip index that an earlier version wrote: it cannot be read, but replaced."""


def require_version(version: object, where: str) -> None:
    """Refuse a format that this version does not write.

    Raises:
        IndexSchemaError: it is newer, or no number; an ``EarlierFormatError`` where it is older.
    """
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise IndexSchemaError(f"{where}: chip index format {version}, this version reads {FORMAT_VERSION}; upgrade it")
    if version < FORMAT_VERSION:
        raise EarlierFormatError(f"{where}: an index of an earlier version (format {version}); build it again")


def conform(table: pa.Table) -> pa.Table:
    """Put the columns in the schema's order and exact types, users' columns after them.

    Plain strings become dictionaries; nothing else is cast.
    """
    columns, fields = [], []
    for field in CHIP_SCHEMA:
        column = table.column(field.name)
        if column.type != field.type:
            column = column.cast(field.type)
        columns.append(column)
        fields.append(field)
    for extra in table.schema:
        if extra.name not in _COLUMNS:
            columns.append(table.column(extra.name))
            fields.append(extra.remove_metadata())
    return pa.Table.from_arrays(columns, schema=pa.schema(fields))


def own_column(name: str, values: Any, rows: int) -> pa.Array | pa.ChunkedArray:
    """Make a column of a user's own.

    Raises:
        IndexSchemaError: a column of the schema, values that no column holds, or not one a row.
        TypeError: no values, or a name that is no text.
    """
    if of_kind("name", name, str, "a column's name") in _COLUMNS:
        raise IndexSchemaError(f"column {name!r} belongs to the chip schema and cannot be replaced")
    if np.ndim(values) > 1 and isinstance(values, np.ndarray):
        raise IndexSchemaError(f"column {name!r} must be one value a row, ({rows},); got {values.shape}")
    try:
        column = values if isinstance(values, (pa.Array, pa.ChunkedArray)) else pa.array(values)
    except (pa.ArrowException, TypeError) as error:
        raise IndexSchemaError(f"column {name!r} must be one value a row, all of a kind: {error}") from error
    if len(column) != rows:
        raise IndexSchemaError(f"column {name!r} has {len(column)} values, the index {rows} chips")
    known = VIEWS.get(column.type)
    return column if known is None else column.cast(known)


def _same(found: pa.DataType, wanted: pa.DataType) -> bool:
    if wanted == _WORD:
        value = found.value_type if pa.types.is_dictionary(found) else found
        return bool(pa.types.is_string(value) or pa.types.is_large_string(value))
    if wanted == pa.binary():
        return bool(pa.types.is_binary(found) or pa.types.is_large_binary(found))
    if wanted == pa.string():
        return bool(pa.types.is_string(found) or pa.types.is_large_string(found))
    return bool(found == wanted)
