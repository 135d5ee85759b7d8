"""Chip indexes on disk: one file, or a directory of versions.

Single file: a GeoParquet file whose footer carries items, headers and chains.

Directory::

    versions/00000007.json                       the commit: names every file below, says what their row groups
                                                 hold, and has the chains
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
import json
import os
import urllib.parse
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from stacchip_osml.chain import ChainRegistry
from stacchip_osml.encode.atomic import temporary_beside
from stacchip_osml.errors import ChipError, CommitConflict, IndexSchemaError, ItemError, redact
from stacchip_osml.index.headers import headers_from_table, headers_to_table
from stacchip_osml.index.leftovers import inside, removed_unless_named, vacuum
from stacchip_osml.index.parquet import write_parquet
from stacchip_osml.index.parts import Part, PartRecord
from stacchip_osml.index.schema import CHIP_SCHEMA, FORMAT_VERSION, EarlierFormatError, require_version
from stacchip_osml.index.store import ParquetStore
from stacchip_osml.index.tables import SideTables, items_by_key, pack, unpack
from stacchip_osml.pixel.arguments import of_kind

__all__ = [
    "Opened",
    "local_path",
    "open_directory",
    "open_file",
    "replace_headers",
    "require_replaceable",
    "write_directory",
    "write_file",
]

OTHER_FILES = frozenset({".csv", ".geojson", ".geoparquet", ".gpkg", ".json", ".pq", ".tif"})
"""Endings of what no index is: a folder of such a name would be taken for the file."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An index as found on disk: rows lazily, tables on first use."""

    store: ParquetStore
    tables: Callable[[], SideTables]
    version: int
    """Committed version of a directory; of a file its inode, which none has that takes its place while it is open."""


def local_path(path: str | os.PathLike[str]) -> Path:
    """Take the path of an index.

    Raises:
        IndexSchemaError: it is a URL, or a name that is no UTF-8, which Arrow does not open.
    """
    if "://" in str(of_kind("an index", path, (str, os.PathLike), "a ChipIndex or the path of one")):
        raise IndexSchemaError(f"{redact(str(path))}: an index is opened and saved on a local path, copy it there")
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise IndexSchemaError(f"{str(path)!a}: a name that is no UTF-8 is not opened") from error
    return Path(path)


def require_replaceable(path: Path) -> None:
    """Refuse to write an index where something else is: a table of items, an image, a folder of other files.

    Raises:
        IndexSchemaError: what is there is no chip index.
    """
    if path.suffix == ".parquet":
        if path.is_file() and path.stat().st_size:
            try:
                open_file(path)
            except EarlierFormatError:
                return
            except IndexSchemaError as error:
                raise IndexSchemaError(f"{path}: what is there is no chip index; choose another: {error}") from error
    elif path.suffix.lower() in OTHER_FILES and not path.exists():
        raise IndexSchemaError(f"{path}: an index is a file that ends in .parquet or a folder; name it so")
    elif path.is_file():
        said = "a file is there, and an index is a folder unless its name ends in .parquet"
        raise IndexSchemaError(f"{path}: {said}; choose another")
    elif latest_version(path) == 0 and path.is_dir() and any(not e.name.startswith(".") for e in path.iterdir()):
        raise IndexSchemaError(f"{path}: the folder is not empty and is no chip index; choose another")


def write_file(
    path: Path,
    chunks: Iterable[pa.Table],
    tables: SideTables,
    *,
    schema: pa.Schema,
    portable: bool = False,
    after: int | None = None,
) -> int:
    """Write a single-file index; give the number of rows.

    Args:
        path: the index.
        chunks: rows in order.
        tables: items, headers and chains.
        schema: columns of the chunks.
        portable: leave out modification times of local files.
        after: what the rows were made from (:attr:`Opened.version`); another file there now is a conflict.

    Raises:
        CommitConflict: another writer replaced the file since.
        IndexSchemaError: the file exists and is something else.
        LimitError: the items and headers are too large for a footer.
        OSError: the disk is full, or the folder cannot be written; the old file stays.
    """
    require_replaceable(path)
    packed = pack(tables, root=path.parent.resolve(), portable=portable)
    with _replacing(path) as temporary:
        rows = write_parquet(temporary, chunks, schema, packed)
        if after is not None and path.stat().st_ino != after:
            raise _conflict(path)
        return rows


def write_directory(
    path: Path,
    parts: Iterable[tuple[str | None, Iterable[pa.Table]]],
    tables: SideTables,
    *,
    schema: pa.Schema,
    portable: bool = False,
    after: int | None = None,
) -> int:
    """Write and commit the next version of a directory index; give the number of rows.

    Args:
        path: the index; made if it is not there.
        parts: (collection, chunks of rows in order), one part file each.
        tables: items, headers and chains of all parts.
        schema: columns of the chunks.
        portable: leave out modification times of local files.
        after: the version that the rows were made from; a later one is a conflict. None: whichever is there.

    Raises:
        CommitConflict: another writer committed this version first.
        IndexSchemaError: the folder exists and holds something else.
        OSError: the disk is full, or the folder cannot be written; the old version stays.
    """
    previous = latest_version(path)
    if after is not None and previous != after:
        raise _conflict(path)
    require_replaceable(path)
    version = previous + 1
    token = f"{version:08d}-{uuid.uuid4().hex[:8]}"
    records: list[PartRecord] = []
    rows = 0
    with removed_unless_named(path, _version_name(path, version)) as names:

        def beside(name: str, table: pa.Table) -> str:
            names.append(name)
            _write_table(path / name, table)
            return name

        for number, (collection, chunks) in enumerate(parts):
            name = f"chips/{_hive(collection)}part-{token}-{number:05d}.parquet"
            names.append(name)
            with _replacing(path / name) as temporary:
                rows += write_parquet(temporary, chunks, schema, None)
                records.append(PartRecord.of(name, temporary))
        root = path.parent.resolve()
        chips = [record.to_json() for record in records]
        document: dict[str, Any] = {"format": FORMAT_VERSION, "chips": chips, "rows": rows}
        if tables.items:
            from stacchip_osml.stac.geoparquet import items_to_table

            document["items"] = beside(f"items-{token}.parquet", items_to_table(list(tables.items.values())))
        headers = headers_to_table(tables.headers.values(), root=root, portable=portable)
        document["headers"] = beside(f"headers-{token}.parquet", headers)
        document["chains"] = tables.chains.to_json()
        _commit(_version_name(path, version), document)
    vacuum(path, keep=(version, previous))
    return rows


def replace_headers(path: Path, version: int, tables: SideTables, *, portable: bool = False) -> None:
    """Commit the version after ``version`` of a directory index: the same rows and items, other headers.

    Args:
        path: the index.
        version: what the headers were made for.
        tables: the headers.
        portable: leave out modification times of local files.

    Raises:
        CommitConflict: another writer committed since.
        IndexSchemaError: that version is not there any more, or damaged.
        OSError: the disk is full, or the folder cannot be written; the old version stays.
    """
    if latest_version(path) != version:
        raise _conflict(path)
    document = _version_document(path, version)
    name = f"headers-{version + 1:08d}-{uuid.uuid4().hex[:8]}.parquet"
    with removed_unless_named(path, _version_name(path, version + 1)) as names:
        names.append(name)
        table = headers_to_table(tables.headers.values(), root=path.parent.resolve(), portable=portable)
        _write_table(path / name, table)
        _commit(_version_name(path, version + 1), {**document, "headers": name})
    vacuum(path, keep=(version + 1, version))


def open_file(path: Path) -> Opened:
    """Open a single-file index: its footer is read, its rows are not.

    Raises:
        IndexSchemaError: not a chip index, or damaged.
    """
    part = Part(path)
    schema, own = part.head
    if "tables" not in own:
        raise IndexSchemaError(f"{path}: a part of an index directory, which cannot be read alone; open the directory")
    tables = partial(unpack, own["tables"], root=path.parent.resolve(), where=str(path))
    return Opened(ParquetStore([part], schema), tables, path.stat().st_ino)


def open_directory(path: Path) -> Opened:
    """Open the last committed version of a directory index: its files are opened, the footer of the first is read.

    Raises:
        IndexSchemaError: no index there, or a file of it is missing or is not the one that was committed.
    """
    while True:
        version = latest_version(path)
        if version == 0:
            raise IndexSchemaError(f"{path}: not a chip index (no committed version under versions/)")
        try:
            return _open_version(path, version)
        except IndexSchemaError:
            if latest_version(path) == version:  # else it became old meanwhile, and its files were removed
                raise


def _open_version(path: Path, version: int) -> Opened:
    where, document = _version_name(path, version), _version_document(path, version)
    try:
        written, listed = int(document["format"]), list(document["chips"])
        chains = ChainRegistry.from_json(document["chains"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise IndexSchemaError(f"{where}: not readable: {error}") from error
    require_version(written, str(where))
    records = [PartRecord.from_json(entry, where=str(where)) for entry in listed]
    parts = [Part(inside(path, record.name), record) for record in records]
    store = ParquetStore(parts, parts[0].head[0] if parts else CHIP_SCHEMA)
    return Opened(store, partial(_side_tables, path, document, chains), version)


def latest_version(path: Path) -> int:
    """Give the number of the last commit, 0 where there is none."""
    try:
        names = [entry.name for entry in (path / "versions").iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return 0
    return max((int(name[:8]) for name in names if name[8:] == ".json" and name[:8].isdigit()), default=0)


def _version_name(path: Path, version: int) -> Path:
    return path / "versions" / f"{version:08d}.json"


def _version_document(path: Path, version: int) -> dict[str, Any]:
    where = _version_name(path, version)
    try:
        return dict(json.loads(where.read_bytes()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise IndexSchemaError(f"{where}: not readable: {error}") from error


def _side_tables(path: Path, document: dict[str, Any], chains: ChainRegistry) -> SideTables:
    items: list[dict[str, Any]] = []
    headers = pa.table({})
    where = str(path)
    try:
        if "items" in document:
            from stacchip_osml.stac.geoparquet import table_to_items

            items = table_to_items(_read_table(inside(path, document["items"])))
        headers = _read_table(inside(path, document["headers"]))
    except MemoryError:  # pyarrow's too, which says nothing of the file
        raise
    except (OSError, KeyError, TypeError, ValueError, ItemError, pa.ArrowException) as error:
        raise IndexSchemaError(f"{where}: its items or headers are not readable: {error}") from error
    return SideTables(items_by_key(items), headers_from_table(headers, root=path.parent.resolve(), where=where), chains)


def _read_table(path: Path) -> pa.Table:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:  # read_table would import pandas
        return file.read()


def _write_table(path: Path, table: pa.Table) -> None:
    with _replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on success sync it and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(path) as temporary:
        try:
            yield temporary
            _sync(temporary)
            temporary.replace(path)
            _sync(path.parent)
        except OSError as error:
            if error.filename is not None:
                raise
            raise OSError(error.errno, str(error), str(path)) from error  # Arrow's says not which file it is


def _commit(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with temporary_beside(path) as temporary:
        temporary.write_text(json.dumps(document, separators=(",", ":"), ensure_ascii=False), encoding="utf-8")
        _sync(temporary)
        if latest_version(path.parents[1]) >= int(path.stem):  # a name can be free because it was removed as old
            raise _conflict(path)
        try:
            os.link(temporary, path)
        except FileExistsError as error:
            raise _conflict(path) from error
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP):
                raise
            raise ChipError(f"{path}: this file system has no hard links, which a safe commit needs") from error
        _sync(path.parent)


def _conflict(path: Path) -> CommitConflict:
    return CommitConflict(f"{path}: another writer committed first; open again and retry")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _hive(collection: str | None) -> str:
    """Give the partition folder; rows without a collection have none, for readers differ on null partitions."""
    return "" if collection is None else f"collection={urllib.parse.quote(collection, safe=' ')}/"
