"""What stands beside the chip rows: items, headers and chains, as one immutable value."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from stacchip_osml.chain import ChainRegistry
from stacchip_osml.errors import ChipError, IndexSchemaError, LimitError
from stacchip_osml.index.headers import AssetHeader, HeaderKey, headers_from_rows, headers_to_rows
from stacchip_osml.index.order import ItemKey, item_keys
from stacchip_osml.stac.difference import different_places

__all__ = ["MAX_FOOTER_BYTES", "ItemKey", "SideTables", "pack", "unpack"]


MAX_FOOTER_BYTES = 8 * 2**20
"""Largest compressed items, headers and chains that a single file carries; above it, save a directory."""
MAX_UNPACKED_BYTES = 2**30
BINARY = ("sensor", "blocks")
"""Columns of headers that JSON carries as base64."""
SHOWN = 4
"""Differing fields of items that a message names."""
_REMEDY = "rename or drop one, or let the last one replace the others (replace=True, --replace)"


@dataclass(frozen=True, slots=True)
class SideTables:
    """The index's own tables."""

    items: Mapping[ItemKey, dict[str, Any]] = field(default_factory=dict)
    """STAC item documents, exactly as they were given."""
    headers: Mapping[HeaderKey, AssetHeader] = field(default_factory=dict)
    chains: ChainRegistry = field(default_factory=ChainRegistry)

    def union(self, *others: SideTables) -> SideTables:
        """Merge sets of tables.

        Raises:
            IndexSchemaError: the same item or image stands in several with different content.
        """
        items, headers = dict(self.items), dict(self.headers)
        chains = self.chains
        for other in others:
            for key, document in other.items.items():
                known_item = items.setdefault(key, document)
                if known_item != document and (places := different_places(known_item, document)):
                    raise IndexSchemaError(
                        f"two different items under one name: {_name(key)}; they differ in"
                        f" {', '.join(places[:SHOWN])}; {_REMEDY}"
                    )
            for image, header in other.headers.items():
                known = headers.setdefault(image, header)
                if known != header:
                    headers[image] = _united(known, header)
            chains = chains if chains == other.chains else chains.union(other.chains)
        return SideTables(items, headers, chains)

    def only(self, keys: Iterable[ItemKey]) -> SideTables:
        """Keep the items named, with their headers; all chains stay."""
        wanted = set(keys)
        return SideTables(
            {key: document for key, document in self.items.items() if key in wanted},
            {key: header for key, header in self.headers.items() if key[:2] in wanted},
            self.chains,
        )

    def of_rows(self, table: pa.Table) -> SideTables:
        """Keep the items that rows refer to, with their headers; all chains stay."""
        keys = item_keys(table)
        return self if keys == set(self.items) else self.only(keys)

    def places(self) -> dict[ItemKey, int]:
        """Give each item's Hilbert index."""
        return {key[:2]: header.place for key, header in self.headers.items()}


def pack(tables: SideTables, *, root: Path, portable: bool = False) -> str:
    """Compress the tables into text for a Parquet footer.

    Raises:
        LimitError: they are too large for a footer.
    """
    headers = headers_to_rows(tables.headers.values(), root=root, portable=portable)
    document = {
        "items": [tables.items[key] for key in sorted(tables.items)],
        "headers": [_text_row(row) for row in headers],
        "chains": tables.chains.to_json(),
    }
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
    packed = pa.compress(text, codec="zstd", asbytes=True)
    if len(packed) > MAX_FOOTER_BYTES:
        layouts = any(header.stored is not None for header in tables.headers.values())
        raise LimitError(
            f"items and headers take {len(packed)} bytes compressed, a single file carries at most {MAX_FOOTER_BYTES}; "
            f"save to a directory (a path without .parquet) instead{', or leave block layouts out' if layouts else ''}"
        )
    return f"{len(text)}:{base64.b64encode(packed).decode()}"


def unpack(text: str, *, root: Path | None, where: str) -> SideTables:
    """Read what :func:`pack` wrote.

    Raises:
        IndexSchemaError: damaged, or larger than any footer that :func:`pack` writes.
    """
    size, _, body = text.partition(":")
    if not size.isdecimal() or int(size) > MAX_UNPACKED_BYTES or len(body) > 2 * MAX_FOOTER_BYTES:
        raise IndexSchemaError(f"{where}: its items and headers claim {size:.20} bytes, at most {MAX_UNPACKED_BYTES}")
    try:
        raw = pa.decompress(base64.b64decode(body, validate=True), int(size), codec="zstd", asbytes=True)
        document = json.loads(raw)
        return SideTables(
            items_by_key(document["items"]),
            headers_from_rows(map(_binary_row, document["headers"]), root=root, where=where),
            ChainRegistry.from_json(document["chains"]),
        )
    except (ValueError, KeyError, TypeError, OSError, RecursionError, AttributeError, ChipError) as error:
        raise IndexSchemaError(f"{where}: its items and headers are not readable: {error}") from error


def _text_row(row: dict[str, Any]) -> dict[str, Any]:
    """Give a row as JSON can carry it: bytes as base64."""
    return row | {name: base64.b64encode(row[name]).decode() for name in BINARY if name in row}


def _binary_row(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: base64.b64decode(row[name], validate=True) for name in BINARY if name in row}


def items_by_key(documents: Iterable[dict[str, Any]]) -> dict[ItemKey, dict[str, Any]]:
    """Key documents by collection and id."""
    return {(str(document.get("collection") or ""), str(document["id"])): document for document in documents}


def _united(one: AssetHeader, two: AssetHeader) -> AssetHeader:
    """Take the later look at one image, whose facts must be the same, and the better of what is stored of its file."""
    bare = [replace(header, image=replace(header.image, modified_ns=None), stored=None) for header in (one, two)]
    if bare[0] != bare[1] and repr(bare[0]) != repr(bare[1]):  # a nodata value of NaN is not equal to itself
        raise IndexSchemaError(f"two different images under one name: {_name(one.key)}; {_REMEDY}")
    times = [header.image.modified_ns or 0 for header in (one, two)]
    stored = [header.stored for header in (one, two) if header.stored is not None]
    return replace(
        two if times[1] > times[0] else one, stored=max(stored, key=lambda header: header.rank, default=None)
    )


def _name(key: tuple[str, ...]) -> str:
    return "/".join(part for part in key if part)
