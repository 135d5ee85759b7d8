"""Chip indexes on disk: one file, or a directory of versions.

Single file: a GeoParquet file whose footer carries items, headers and chains.

Directory::

    versions/00000007.json                       the commit: names every file below, holds the chains
    chips/collection=…/part-00000007-00000.parquet
    items-00000007.parquet                       stac-geoparquet
    headers-00000007.parquet

A version file is created exclusively, so of two writers one wins and the other
gets CommitConflict; files are complete and synced before the version that
names them exists, so a reader sees one committed version, and a killed writer
leaves the old one. Files of the version before last are removed at a commit;
a reader that opened an older version has to open again.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from stacchip_osml.chain import ChainRegistry
from stacchip_osml.errors import ChipError, CommitConflict, IndexSchemaError
from stacchip_osml.index.headers import headers_from_table, headers_to_table
from stacchip_osml.index.schema import (
    CHIP_SCHEMA,
    COLUMN_ENCODING,
    DICTIONARY_COLUMNS,
    FORMAT_VERSION,
    file_metadata,
    require_format,
)
from stacchip_osml.index.store import ParquetStore
from stacchip_osml.index.tables import SideTables, items_by_key, pack, unpack
from stacchip_osml.stac.geoparquet import items_to_table, table_to_items

__all__ = ["ROW_GROUP", "Opened", "open_directory", "open_file", "write_directory", "write_file"]

_KINDS = {1: "Point", 3: "Polygon", 6: "MultiPolygon"}

ROW_GROUP = 32_768
"""Rows a row group: the unit that a query reads."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An index as found on disk: rows lazily, tables on first use."""

    store: ParquetStore
    tables: Callable[[], SideTables]
    version: int
    """Committed version of a directory; 0 for a single file."""


def write_file(
    path: Path, chunks: Iterable[pa.Table], tables: SideTables, *, schema: pa.Schema, portable: bool = False
) -> int:
    """Write a single-file index; give the number of rows.

    Raises:
        LimitError: the items and headers are too large for a footer.
        OSError: the disk is full, or the folder cannot be written; the old file stays.
    """
    packed = pack(tables, root=path.parent.resolve(), portable=portable)
    with _replacing(path) as temporary:
        return _write_parquet(temporary, chunks, schema, packed)


def write_directory(
    path: Path,
    parts: Iterable[tuple[str | None, Iterable[pa.Table]]],
    tables: SideTables,
    *,
    schema: pa.Schema,
    portable: bool = False,
) -> int:
    """Write and commit the next version of a directory index; give the number of rows.

    Args:
        path: the index; made if it is not there.
        parts: (collection, chunks of rows in order), one part file each.
        tables: items, headers and chains of all parts.
        schema: columns of the chunks.
        portable: leave out modification times of local files.

    Raises:
        CommitConflict: another writer committed this version first.
        IndexSchemaError: the folder exists and holds something else.
        OSError: the disk is full, or the folder cannot be written; the old version stays.
    """
    previous = latest_version(path)
    if previous == 0 and path.is_dir() and any(not name.name.startswith(".") for name in path.iterdir()):
        raise IndexSchemaError(f"{path}: the folder is not empty and is no chip index; choose another")
    version = previous + 1
    token = f"{version:08d}-{uuid.uuid4().hex[:8]}"
    names: list[str] = []
    rows = 0
    try:
        for number, (collection, chunks) in enumerate(parts):
            name = f"chips/{_hive(collection)}part-{token}-{number:05d}.parquet"
            names.append(name)
            with _replacing(path / name) as temporary:
                rows += _write_parquet(temporary, chunks, schema, None)
        root = path.parent.resolve()
        document: dict[str, Any] = {"format": FORMAT_VERSION, "chips": list(names), "rows": rows}
        for kind, table in (
            ("items", items_to_table(list(tables.items.values())) if tables.items else None),
            ("headers", headers_to_table(tables.headers.values(), root=root, portable=portable)),
        ):
            if table is None:
                continue
            document[kind] = f"{kind}-{token}.parquet"
            names.append(document[kind])
            with _replacing(path / document[kind]) as temporary:
                pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)
        document["chains"] = tables.chains.to_json()
        _commit(path / "versions" / f"{version:08d}.json", document)
    except BaseException:
        for name in names:
            (path / name).unlink(missing_ok=True)
        raise
    _vacuum(path, keep=(version, previous))
    return rows


def open_file(path: Path) -> Opened:
    """Open a single-file index: its footer is read, its rows are not.

    Raises:
        IndexSchemaError: not a chip index, or damaged.
    """
    file = _parquet(path)
    own = require_format(file[2].schema_arrow, file[2].metadata.metadata, str(path))
    if "tables" not in own:
        raise IndexSchemaError(f"{path}: a part of an index directory, which cannot be read alone; open the directory")
    store = ParquetStore.from_files([file])
    return Opened(store, partial(unpack, own["tables"], root=path.parent.resolve(), where=str(path)), 0)


def open_directory(path: Path) -> Opened:
    """Open the last committed version of a directory index.

    Raises:
        IndexSchemaError: no index there, or a file of it is missing or damaged.
    """
    version = latest_version(path)
    if version == 0:
        raise IndexSchemaError(f"{path}: not a chip index (no committed version under versions/)")
    where = path / "versions" / f"{version:08d}.json"
    try:
        document = json.loads(where.read_bytes())
        written, names = int(document["format"]), [str(name) for name in document["chips"]]
        chains = ChainRegistry.from_json(document["chains"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise IndexSchemaError(f"{where}: not readable: {error}") from error
    if written > FORMAT_VERSION:
        raise IndexSchemaError(f"{where}: chip index format {written}, this version reads up to {FORMAT_VERSION}")
    files = [_parquet(_inside(path, name)) for name in names]
    for name, _, handle in files:
        require_format(handle.schema_arrow, handle.metadata.metadata, name)
    store = ParquetStore.from_files(files)
    if not files:
        store.schema = CHIP_SCHEMA
    return Opened(store, partial(_side_tables, path, document, chains), version)


def latest_version(path: Path) -> int:
    """Give the number of the last commit, 0 where there is none."""
    try:
        names = [entry.name for entry in (path / "versions").iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return max((int(name[:8]) for name in names if name[8:] == ".json" and name[:8].isdigit()), default=0)


def _side_tables(path: Path, document: dict[str, Any], chains: ChainRegistry) -> SideTables:
    items: list[dict[str, Any]] = []
    headers = pa.table({})
    where = str(path)
    try:
        if "items" in document:
            items = table_to_items(pq.read_table(_inside(path, document["items"])))
        headers = pq.read_table(_inside(path, document["headers"]))
    except (OSError, KeyError, TypeError, pa.ArrowException) as error:
        raise IndexSchemaError(f"{where}: its items or headers are not readable: {error}") from error
    return SideTables(items_by_key(items), headers_from_table(headers, root=path.parent.resolve(), where=where), chains)


def _write_parquet(path: Path, chunks: Iterable[pa.Table], schema: pa.Schema, packed: str | None) -> int:
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
        compression_level=3,
        use_dictionary=[name for name in schema.names if name in DICTIONARY_COLUMNS or name not in CHIP_SCHEMA.names],
        column_encoding=COLUMN_ENCODING,
        write_statistics=[name for name in _leaves(schema) if name != "geometry"],
        write_page_checksum=True,
        data_page_version="2.0",
        version="2.6",
    ) as writer:
        for chunk in _grouped(itertools.chain(head, chunks)):
            writer.write_table(chunk.replace_schema_metadata(geo), row_group_size=ROW_GROUP)
            rows += chunk.num_rows
        writer.add_key_value_metadata(own)
    return rows


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


def _parquet(path: Path) -> tuple[str, pa.NativeFile, pq.ParquetFile]:
    """Open one file, and read its footer."""
    try:
        source = pa.OSFile(str(path))
        return str(path), source, pq.ParquetFile(source)
    except FileNotFoundError as error:
        raise IndexSchemaError(f"{path}: no such file") from error
    except (OSError, pa.ArrowException) as error:
        raise IndexSchemaError(f"{path}: not a Parquet file: {error}") from error


def _inside(path: Path, name: Any) -> Path:
    """Resolve a name of a version file; it may not leave the index."""
    target = path / str(name)
    if not target.resolve().is_relative_to(path.resolve()):
        raise IndexSchemaError(f"{path}: version names the file {name!r} outside the index")
    return target


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on success sync it and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _commit(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        temporary.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
        _sync(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError as error:
            raise CommitConflict(f"{path}: another writer committed first; open again and retry") from error
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
                raise
            raise ChipError(f"{path}: this file system has no hard links, which a safe commit needs") from error
        _sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _vacuum(path: Path, *, keep: tuple[int, ...]) -> None:
    """Remove committed files of versions that are not kept; what cannot be removed is left."""
    kept: set[str] = set()
    stale: set[str] = set()
    for entry in sorted((path / "versions").glob("[0-9]*.json")):
        with suppress(OSError, ValueError):
            document = json.loads(entry.read_bytes())
            named = {*document.get("chips", ()), document.get("items"), document.get("headers")} - {None}
            if int(entry.name[:8]) in keep:
                kept |= named
            else:
                stale |= named | {f"versions/{entry.name}"}
    for name in stale - kept:
        with suppress(OSError, IndexSchemaError):
            _inside(path, name).unlink()


def _hive(collection: str | None) -> str:
    """Give the partition folder; rows without a collection have none, for readers differ on null partitions."""
    return "" if collection is None else f"collection={urllib.parse.quote(collection, safe=' ')}/"
