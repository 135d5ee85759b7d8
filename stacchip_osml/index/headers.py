"""The header table: what is known of every indexed image, so that no chip needs its item parsed again.

One row per (collection, item, asset, level); level 0 carries the facts of the
image. Nested facts (bands, GCPs, RPCs) are JSON text, everything that a query
could want is a column. Locations under the folder that holds the index are
stored relative to it, so that an index can be moved with its imagery.

An image whose header is stored has a row for each of its levels, with where
the level's blocks are in the file (``blocks``); another has the row of level 0
only. Of ``blocks`` nothing is looked at before it is unpacked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.imagery.blocks.layout import ImageLayout
from stacchip_osml.imagery.blocks.packing import look_at_level
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.index.arrays import numbers_of, positions
from stacchip_osml.index.header_images import image_from_row, image_row
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.stac.arrow_columns import arrow_column
from stacchip_osml.stac.source import SourceImage

__all__ = [
    "HEADER_SCHEMA",
    "AssetHeader",
    "HeaderKey",
    "headers_from_rows",
    "headers_from_table",
    "headers_to_rows",
    "headers_to_table",
]

HeaderKey = tuple[str, str, str]
"""(collection or empty, item id, asset key)."""

HEADER_SCHEMA = pa.schema(
    [
        ("collection", pa.string()),
        ("item_id", pa.string()),
        ("asset_key", pa.string()),
        ("level", pa.uint8()),
        ("href", pa.string()),
        ("location", pa.string()),
        ("rows", pa.int32()),
        ("cols", pa.int32()),
        ("proj:transform", pa.list_(pa.float64())),
        ("crs", pa.string()),
        ("gcps", pa.string()),
        ("gcps_crs", pa.string()),
        ("rpcs", pa.string()),
        ("sensor", pa.binary()),
        ("footprint", pa.string()),
        ("bands", pa.string()),
        ("media_type", pa.string()),
        ("roles", pa.list_(pa.string())),
        ("is_classes", pa.bool_()),
        ("gsd", pa.float64()),
        ("size_bytes", pa.int64()),
        ("modified_ns", pa.int64()),
        ("place", pa.uint32()),
        ("header", pa.string()),
        ("header_size_bytes", pa.int64()),
        ("header_modified_ns", pa.int64()),
        ("etag", pa.string()),
        ("last_modified", pa.string()),
        ("fingerprint", pa.string()),
        ("block_rows", pa.int32()),
        ("block_cols", pa.int32()),
        ("compression", pa.string()),
        ("blocks", pa.binary()),
    ]
)
KEY = ("collection", "item_id", "asset_key")
LATER = frozenset({"sensor", "footprint"})
"""Columns that indexes of the first kind do not have; they are null there."""
_STORED = {
    **dict.fromkeys(
        ("header", "etag", "last_modified", "fingerprint"),
        lambda kind: pa.types.is_string(kind) or pa.types.is_large_string(kind),
    ),
    **dict.fromkeys(("header_size_bytes", "header_modified_ns"), pa.types.is_int64),
    **dict.fromkeys(("sensor", "blocks"), lambda kind: pa.types.is_binary(kind) or pa.types.is_large_binary(kind)),
}
"""Columns of what is stored, each with the test that its type must pass; their values are not looked at one by one."""


def _plain(kind: pa.DataType) -> Callable[[Any], bool]:
    """Give the test that a plain value of an Arrow type passes."""
    if pa.types.is_list(kind):
        of = {int, float} if pa.types.is_floating(kind.value_type) else {str}
        return lambda value: isinstance(value, list) and of.issuperset(map(type, value))
    if pa.types.is_integer(kind):
        low, high = (0, 1 << kind.bit_width) if pa.types.is_unsigned_integer(kind) else (-(1 << 63), 1 << 63)
        return lambda value: type(value) is int and low <= value < high
    if pa.types.is_floating(kind):
        return lambda value: type(value) in {int, float}
    types = {pa.string(): str, pa.bool_(): bool, pa.binary(): bytes}[kind]
    return lambda value: isinstance(value, types)


_PLAIN = {field.name: _plain(field.type) for field in HEADER_SCHEMA}
_EMPTY: dict[str, Any] = dict.fromkeys(HEADER_SCHEMA.names)
_MAKE: dict[str, Callable[[Any], Any]] = {
    **{field.name: int for field in HEADER_SCHEMA if pa.types.is_integer(field.type)},
    **{"gsd": float, "is_classes": bool, "proj:transform": lambda values: [float(value) for value in values]},
}
"""How values of a row become the plain ones that JSON carries."""
_FACTS = [name for name in HEADER_SCHEMA.names if name not in {"block_rows", "block_cols", "compression", "blocks"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetHeader:
    """One indexed image."""

    collection: str | None
    item_id: str
    image: SourceImage
    place: int = 0
    """Hilbert index of the item's centre: the index is sorted by it."""
    stored: StoredHeader | None = None
    """The file's own header and where its blocks are; None where the file must be opened to know."""

    def unpack(self, *, limits: ReadLimits | None = None) -> tuple[ImageHeader, ImageLayout] | None:
        """Give the file's stored header and layout, None where none is stored.

        Raises:
            IndexSchemaError: damaged, or not possible.
            LimitError: the image is larger than ``limits``.
        """
        if self.stored is None:
            return None
        return self.stored.unpack(name="/".join(part for part in self.key if part), limits=limits)

    @property
    def key(self) -> HeaderKey:
        """What identifies the image in an index."""
        return (self.collection or "", self.item_id, self.image.asset_key)


def headers_to_table(headers: Iterable[AssetHeader], *, root: Path | None = None, portable: bool = False) -> pa.Table:
    """Write headers as a table, sorted by key and level; local locations under ``root`` become relative.

    ``portable`` leaves out modification times, which do not survive a copy or a checkout.
    """
    rows = _rows(headers, root, portable=portable)
    columns = [arrow_column([row.get(field.name) for row in rows], field.type) for field in HEADER_SCHEMA]
    return pa.Table.from_arrays(columns, schema=HEADER_SCHEMA)


def headers_to_rows(
    headers: Iterable[AssetHeader], *, root: Path | None = None, portable: bool = False
) -> Iterator[dict[str, Any]]:
    """Give the rows of :func:`headers_to_table` as plain values, without the nulls."""
    for row in _rows(headers, root, portable=portable):
        found = ((name, row.get(name)) for name in _EMPTY)
        yield {name: _MAKE[name](value) if name in _MAKE else value for name, value in found if value is not None}


def headers_from_table(table: pa.Table, *, root: Path | None, where: str) -> dict[HeaderKey, AssetHeader]:
    """Read what :func:`headers_to_table` wrote, in any order of rows.

    Args:
        table: any table with the header columns.
        root: what relative locations are relative to; None refuses every local location (a remote index).
        where: names the table in messages.

    Raises:
        IndexSchemaError: a column is missing or a value is not what its name promises.
    """
    missing = [name for name in HEADER_SCHEMA.names if name not in LATER.union(table.schema.names)]
    if missing:
        raise IndexSchemaError(f"{where}: header columns missing: {', '.join(missing)}")
    for name in LATER.difference(table.schema.names):
        kind = HEADER_SCHEMA.field(name).type
        table = table.append_column(name, pa.nulls(table.num_rows, kind))
    for name, is_kind in _STORED.items():
        kind = table.schema.field(name).type
        if not (is_kind(kind) or pa.types.is_null(kind)):
            raise IndexSchemaError(f"{where}: header column {name!r} is {kind}")
    try:
        table = table.select(HEADER_SCHEMA.names).combine_chunks()
        starts = _image_starts(table)
        if starts is None:
            table = table.sort_by([(name, "ascending") for name in (*KEY, "level")])
            starts = _image_starts(table)
    except (pa.ArrowException, TypeError) as error:
        raise IndexSchemaError(f"{where}: header columns are not what their names promise: {error}") from error
    if starts is None:
        raise IndexSchemaError(f"{where}: header rows of an image must be one for each of its levels, from 0 on")
    images = table.select(_FACTS)
    if len(starts) < table.num_rows:
        images = images.take(positions(starts))
    blocks = table.column("blocks").to_pylist()
    found = {}
    ends = np.append(starts[1:], table.num_rows)[: len(starts)].tolist()
    for first, end, row in zip(starts.tolist(), ends, images.to_pylist(), strict=True):
        try:
            header = _header(row, root, blocks[first:end])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise IndexSchemaError(f"{where}: header row {first}: {error}") from error
        found[header.key] = header
    return found


def headers_from_rows(
    rows: Iterable[Mapping[str, Any]], *, root: Path | None, where: str
) -> dict[HeaderKey, AssetHeader]:
    """Read what :func:`headers_to_table` wrote, its rows as plain values; those that are missing are null.

    Making a table of them would import pandas, half a second's work, before the first chip of a process.

    Args:
        rows: in any order.
        root: as for :func:`headers_from_table`.
        where: names the rows in messages.

    Raises:
        IndexSchemaError: a value is not what its name promises.
    """
    images: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for number, given in enumerate(rows):
        row = {**_EMPTY, **given}
        for name, value in given.items():
            if value is not None and name in _PLAIN and not _PLAIN[name](value):
                raise IndexSchemaError(f"{where}: header row {number}: {name} is {value!r:.40}")
        images.setdefault(tuple(row[name] or "" for name in KEY), []).append(row)
    found = {}
    for key, levels in images.items():
        levels.sort(key=lambda row: -1 if row["level"] is None else row["level"])
        if [row["level"] for row in levels] != list(range(len(levels))):
            raise IndexSchemaError(f"{where}: header rows of an image must be one for each of its levels, from 0 on")
        try:
            header = _header(levels[0], root, [row["blocks"] for row in levels])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise IndexSchemaError(f"{where}: header of {'/'.join(filter(None, key))}: {error}") from error
        found[header.key] = header
    return found


def _image_starts(table: pa.Table) -> NDArray[np.int64] | None:
    """Give the rows of level 0; None where the other rows of an image do not follow its own, level by level."""
    level = numbers_of(table.column("level").cast(pa.int64()), null=-1)
    starts = np.flatnonzero(level == 0)
    if len(starts) == len(level):
        return starts
    if not len(starts) or starts[0] != 0:
        return None
    owner = np.repeat(starts, np.diff([*starts, len(level)]))
    if not np.array_equal(level, np.arange(len(level)) - owner):
        return None
    for name in KEY:
        word = numbers_of(table.column(name).combine_chunks().dictionary_encode().indices, null=-1)
        if not np.array_equal(word, word[owner]):
            return None
    return starts


def _level_rows(header: AssetHeader) -> list[dict[str, Any]]:
    stored = header.stored
    if stored is None:
        return []
    key = {"collection": header.collection, "item_id": header.item_id, "asset_key": header.image.asset_key}
    rows = []
    for level, (data, (cols, height)) in enumerate(zip(stored.levels, stored.sizes, strict=True)):
        row = {**key, "level": level, "rows": height, "cols": cols, "blocks": data}
        if (seen := look_at_level(data)) is not None:
            (row["block_rows"], row["block_cols"]), row["compression"] = seen
        rows.append(row)
    return rows


def _rows(headers: Iterable[AssetHeader], root: Path | None, *, portable: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for header in sorted(headers, key=lambda header: header.key):
        row = _row(header, root)
        if portable:
            row["modified_ns"] = row["header_modified_ns"] = None
        levels = _level_rows(header)
        rows.append(row | levels[0] if levels else row)
        rows += levels[1:]
    return rows


def _row(header: AssetHeader, root: Path | None) -> dict[str, Any]:
    image, stored = header.image, header.stored
    return {
        "collection": header.collection,
        "item_id": header.item_id,
        "asset_key": image.asset_key,
        "level": 0,
        **image_row(image, root),
        "place": header.place,
        "header": None if stored is None else stored.facts,
        "header_size_bytes": None if stored is None else stored.size_bytes,
        "header_modified_ns": None if stored is None else stored.modified_ns,
        "etag": None if stored is None else stored.etag,
        "last_modified": None if stored is None else stored.last_modified,
        "fingerprint": None if stored is None else stored.fingerprint,
    }


def _header(row: Mapping[str, Any], root: Path | None, blocks: list[bytes | None]) -> AssetHeader:
    return AssetHeader(
        collection=row["collection"],
        item_id=str(row["item_id"]),
        place=int(row["place"] or 0),
        stored=_stored(row, blocks),
        image=image_from_row(row, root),
    )


def _stored(row: Mapping[str, Any], blocks: list[bytes | None]) -> StoredHeader | None:
    """Take what is stored as it is; it is looked at when it is used."""
    if row["header"] is None:
        if len(blocks) > 1 or blocks[0] is not None:
            raise ValueError("blocks without the header that they belong to")
        return None
    if None in blocks:
        raise ValueError("a level without its blocks")
    size, modified = row["header_size_bytes"], row["header_modified_ns"]
    if (size is not None and size < 0) or (modified is not None and modified < 0):
        raise ValueError(f"header_size_bytes is {size}, header_modified_ns is {modified}")
    return StoredHeader(
        facts=row["header"],
        levels=tuple(blocks),  # type: ignore[arg-type]  # none of them is None
        size_bytes=size,
        modified_ns=modified,
        etag=row["etag"],
        last_modified=row["last_modified"],
        fingerprint=row["fingerprint"],
    )
