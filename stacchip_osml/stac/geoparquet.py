"""Items ↔ stac-geoparquet tables, without losing a character of their JSON.

Arrow columns hold what fits: one type a field, times as timestamps, shapes as
WKB, no difference between a null and a missing key. Other readers see a valid
stac-geoparquet 1.1 table. What the columns cannot say of a document (how its
times are spelled, its nulls, fields that are text elsewhere, top-level fields
of its own) is kept aside as an exact difference, compressed, under the schema
metadata key ``stacchip_osml:exact``; with it, :func:`table_to_items` gives back
documents equal to those put in. Differences are filed by collection and id, so
that filtering or reordering rows does not separate them from their items.

Where documents disagree on a field's type, its column holds JSON text. Of more
than ``MAX_ASSET_KEYS`` distinct asset keys, only the most frequent get columns.
"""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
import shapely.geometry

from stacchip_osml.errors import AssetMissing, ChipError, DecodeError, IndexSchemaError, ItemError, redact
from stacchip_osml.stac.arrow_columns import arrow_column, arrow_kind
from stacchip_osml.stac.columns import Kind, has_column, join_kind, shaper
from stacchip_osml.stac.difference import apply_difference, difference
from stacchip_osml.stac.documents import read_bytes
from stacchip_osml.stac.hrefs import is_remote
from stacchip_osml.stac.items import parse_datetime
from stacchip_osml.stac.json_values import plain
from stacchip_osml.stac.plain_rows import plain_rows

__all__ = [
    "EXACT_KEY",
    "MAX_ASSET_KEYS",
    "items_to_table",
    "read_items",
    "stream_to_items",
    "table_to_items",
]

EXACT_KEY = b"stacchip_osml:exact"
STAC_KEY = b"stac-geoparquet"
STAC_GEOPARQUET_VERSION = "1.1.0"
MAX_ASSET_KEYS = 1024
MAX_EXACT_BYTES = 2**30
MAX_REMOTE_BYTES = 2**29

_TOP = ("type", "stac_version", "stac_extensions", "id", "geometry", "bbox", "links", "assets", "collection")
_TIMES = ("datetime", "start_datetime", "end_datetime", "created", "updated", "expires", "published", "unpublished")
_SPECIAL = frozenset({*_TOP, *_TIMES, "proj:geometry"})
_PLAIN = frozenset({str, int, float, bool, type(None)})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LINK = pa.struct([("href", pa.string()), ("rel", pa.string())])
_Document = dict[str, Any]


def items_to_table(documents: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Put item documents into one stac-geoparquet 1.1 table, a row each, in their order.

    Raises:
        ItemError: a document holds a value that JSON has not, or two have one collection and id.
    """
    rows = [dict(document) for document in documents]
    table = _to_table(rows)
    exact: dict[str, Any] = {}
    for have, want in zip(_plain_items(table), rows, strict=True):
        key = _file_key(want)
        if key in exact:
            raise ItemError(
                f"two documents of collection {want.get('collection')!r} have the id {want.get('id')!r:.120}"
            )
        exact[key] = difference(have, want)
    kept = {key: change for key, change in exact.items() if change is not None}
    return _with_metadata(table, kept)


def table_to_items(table: pa.Table) -> list[dict[str, Any]]:
    """Turn a stac-geoparquet table back into documents; those written by :func:`items_to_table` exactly.

    Raises:
        ItemError: the table has no ``id`` or no ``geometry``: no items are in it.
        IndexSchemaError: the exact part is damaged, or does not fit the rows.
    """
    if not {"id", "geometry"} <= set(table.column_names):
        raise ItemError(
            f"no stac-geoparquet table: no columns 'id' and 'geometry' among {', '.join(table.column_names[:20])}"
        )
    exact = _read_exact((table.schema.metadata or {}).get(EXACT_KEY))
    try:
        documents = list(_plain_items(table))
    except OverflowError as error:
        raise ItemError(f"a time before the year 1 or after 9999: {error}") from error
    except shapely.errors.ShapelyError as error:
        raise ItemError(f"column 'geometry' is no WKB: {error}") from error
    return [apply_difference(document, exact.get(_file_key(document))) for document in documents]


def stream_to_items(stream: Any) -> list[dict[str, Any]]:
    """Turn any Arrow stream of a stac-geoparquet table into documents.

    Raises:
        ItemError: no items are in it.
        ValueError: it is none; TypeError likewise.
    """
    return table_to_items(pa.table(stream))


def read_items(location: str) -> list[dict[str, Any]]:
    """Read the items of a stac-geoparquet file, ours or another writer's.

    Raises:
        ItemError: it holds no items.
        DecodeError: it is no readable Parquet file.
        ReadError: it could not be fetched.
    """
    if not is_remote(location) and not Path(location).is_file():
        raise AssetMissing(f"{location}: no such file")
    source = pa.BufferReader(read_bytes(location, max_bytes=MAX_REMOTE_BYTES)) if is_remote(location) else location
    try:
        table = pq.read_table(source, partitioning=None, page_checksum_verification=True)
        return table_to_items(table)
    except (ItemError, IndexSchemaError) as error:
        error.args = (f"{redact(location)}: {error}",)
        raise
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, ChipError):
            raise
        raise DecodeError(f"{redact(location)}: not a readable stac-geoparquet file: {error!s:.300}") from error


def _file_key(document: Mapping[str, Any]) -> str:
    return f"{document.get('collection') or ''}\0{document.get('id')}"


# Documents → columns


def _to_table(rows: Sequence[_Document]) -> pa.Table:
    """Give the columns: core fields, then properties; each field of the kind that all documents can share."""
    counted = Counter(key for row in rows for key in _dict(row, "assets"))
    frequent = {key for key, _ in counted.most_common(MAX_ASSET_KEYS)}
    bodies = [_body(row, frequent) for row in rows]
    kind = Kind()
    for body in bodies:
        join_kind(kind, body)
    shape = shaper(kind)
    shaped = [shape(body) or {} for body in bodies]
    columns = {
        name: arrow_column([body.get(name) for body in shaped], arrow_kind(field))
        for name, field in kind.fields.items()
        if has_column(field)
    }
    for name in _TIMES:
        times = [_time(_dict(row, "properties").get(name)) for row in rows]
        if name == "datetime" or any(time is not None for time in times):
            columns[name] = arrow_column(times, pa.timestamp("us", tz="UTC"))
    # Readers take a geometry column as whole: this one is there for every row, or not at all.
    projected = [_wkb(_dict(row, "properties").get("proj:geometry")) for row in rows]
    if all(projected):
        columns["proj:geometry"] = arrow_column(projected, pa.binary())
    columns["geometry"] = arrow_column([_wkb(row.get("geometry")) for row in rows], pa.binary())
    columns["bbox"] = _bbox_column([row.get("bbox") for row in rows])
    for name in ("id", "collection", "type", "stac_version"):
        columns.setdefault(name, pa.nulls(len(rows), pa.string()))
    columns.setdefault("stac_extensions", pa.nulls(len(rows), pa.list_(pa.string())))
    columns.setdefault("links", pa.nulls(len(rows), pa.list_(_LINK)))
    names = [name for name in _TOP if name in columns] + [name for name in columns if name not in _TOP]
    return pa.Table.from_arrays([columns[name] for name in names], names)


def _body(row: _Document, asset_keys: set[str]) -> _Document:
    """Give what becomes plain columns: neither times nor shapes, and no name twice."""
    properties = _dict(row, "properties")
    body = {key: value for key, value in properties.items() if key not in _SPECIAL}
    body |= {name: row[name] for name in ("type", "stac_version", "id", "collection") if isinstance(row.get(name), str)}
    for name in ("stac_extensions", "links"):
        if isinstance(row.get(name), list):
            body[name] = row[name]
    body["assets"] = {
        key: {name: value for name, value in asset.items() if name != "proj:geometry"}
        for key, asset in _dict(row, "assets").items()
        if key in asset_keys and isinstance(asset, Mapping)
    }
    return body


def _dict(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def _time(value: object) -> int | None:
    """Give the microseconds since 1970 began; None where it is no time."""
    try:
        return (parse_datetime(value) - _EPOCH) // timedelta(microseconds=1)
    except ValueError:
        return None


def _wkb(geometry: object) -> bytes | None:
    """Write a GeoJSON geometry as WKB; None where it is none, which the exact part then keeps."""
    if not isinstance(geometry, Mapping):
        return None
    try:
        shape = shapely.geometry.shape(dict(geometry))
        return bytes(shapely.to_wkb(shape, flavor="iso"))
    except (shapely.errors.ShapelyError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError):
        return None


def _bbox_column(values: Sequence[object]) -> pa.StructArray:
    """Give the boxes as structs, of three dimensions only where all that there are have three."""
    boxes = [_numbers(value) for value in values]
    solid = any(boxes) and all(len(box) == 6 for box in boxes if box)
    names = ("xmin", "ymin", "zmin", "xmax", "ymax", "zmax") if solid else ("xmin", "ymin", "xmax", "ymax")
    flat = [box if solid or len(box) != 6 else [*box[:2], *box[3:5]] for box in boxes]
    rows = [dict(zip(names, box, strict=True)) if box else None for box in flat]
    return arrow_column(rows, pa.struct([(name, pa.float64()) for name in names]))


def _numbers(value: object) -> list[float]:
    is_box = isinstance(value, list | tuple) and len(value) in {4, 6}
    if not is_box or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):  # type: ignore[attr-defined]
        return []
    return [float(v) for v in value]  # type: ignore[attr-defined]


# Columns → documents


def _plain_items(table: pa.Table) -> Iterator[_Document]:
    """Go through the rows as documents, as far as columns tell: a null is a key that is not there."""
    for row in plain_rows(table, maps="lossy"):
        document: _Document = {"type": "Feature", "properties": {}, "assets": {}, "links": []}
        properties: _Document = {}
        for name, value in row.items():
            if name in _TOP:
                document[name] = value
            else:
                properties[name] = value
        document["geometry"] = _geojson(row.get("geometry"))
        document = {name: _pruned(value) for name, value in document.items() if value is not None or name == "geometry"}
        document["properties"] = {"datetime": None} | {k: _pruned(v) for k, v in properties.items() if v is not None}
        if isinstance(properties.get("proj:geometry"), bytes):
            document["properties"]["proj:geometry"] = _geojson(properties["proj:geometry"])
        if isinstance(row.get("bbox"), dict):
            document["bbox"] = [value for value in row["bbox"].values() if value is not None]
        yield document


def _pruned(value: Any) -> Any:
    """Leave out what is null, and write as JSON what is none; most values are plain, and not asked one by one."""
    if isinstance(value, dict):
        parts = value.items()
        return {key: part if type(part) in _PLAIN else _pruned(part) for key, part in parts if part is not None}
    if isinstance(value, list):
        return [part if type(part) in _PLAIN else _pruned(part) for part in value]
    if isinstance(value, datetime):
        return _text_of(value)
    if isinstance(value, Decimal):
        return float(value)
    return value if type(value) in _PLAIN else plain(value)


def _text_of(moment: datetime) -> str:
    text = moment.isoformat()
    if moment.tzinfo:  # strftime writes no zeros before a year
        text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    micro = moment.microsecond
    fraction = "" if micro == 0 else f".{micro // 1000:03d}" if micro % 1000 == 0 else f".{micro:06d}"
    return f"{text}{fraction}Z" if moment.tzinfo else text


def _geojson(wkb: object) -> _Document | None:
    if not isinstance(wkb, bytes):
        return None
    geometry: _Document = json.loads(shapely.to_geojson(shapely.from_wkb(wkb)))
    return geometry


# Metadata


def _with_metadata(table: pa.Table, exact: Mapping[str, Any]) -> pa.Table:
    columns: dict[str, Any] = {
        "geometry": {
            "encoding": "WKB",
            "geometry_types": [],
            "edges": "planar",
            "covering": {"bbox": {name: ["bbox", name] for name in ("xmin", "ymin", "xmax", "ymax")}},
        }
    }
    if "proj:geometry" in table.column_names:
        columns["proj:geometry"] = {"encoding": "WKB", "geometry_types": [], "crs": None}
    geo = {"version": "1.1.0", "primary_column": "geometry", "columns": columns}
    metadata = {
        b"geo": json.dumps(geo).encode(),
        STAC_KEY: json.dumps({"version": STAC_GEOPARQUET_VERSION}).encode(),
    }
    if exact:
        # Base 64, because readers take metadata for text.
        metadata[EXACT_KEY] = base64.b64encode(zlib.compress(json.dumps({"version": 1, "items": exact}).encode(), 9))
    return table.replace_schema_metadata(metadata)


def _read_exact(value: bytes | None) -> dict[str, Any]:
    if value is None:
        return {}
    try:
        unpacker = zlib.decompressobj()
        text = unpacker.decompress(base64.b64decode(value, validate=True), MAX_EXACT_BYTES)
        if not unpacker.eof:
            raise IndexSchemaError(f"{EXACT_KEY.decode()}: cut off, or longer than {MAX_EXACT_BYTES} bytes")
        content = json.loads(text)
        if content["version"] != 1:
            raise IndexSchemaError(f"{EXACT_KEY.decode()}: version {content['version']!r:.40}, this package knows 1")
        items = content["items"]
    except (binascii.Error, zlib.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IndexSchemaError(f"{EXACT_KEY.decode()}: damaged: {error!s:.120}") from error
    if not isinstance(items, dict):
        raise IndexSchemaError(f"{EXACT_KEY.decode()}: damaged: not one difference an item")
    return items
