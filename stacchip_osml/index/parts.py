"""Parquet files of chip rows: held open, their footers read when rows are first asked for.

A version of a directory index says of each of its files all that a query needs
to pass it by: rows, box and times of every row group. So opening an index reads
no footer but one, however many rows there are. What is said is tied to its file
by the size, which is looked at when the index is opened, and by a digest of the
footer, looked at before the first row is read; the footer in turn holds where
every page is, and pages have checksums of their own.
"""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError
from stacchip_osml.forked import cached_property
from stacchip_osml.index.schema import INTERVAL, require_format

__all__ = ["GroupBounds", "Part", "PartRecord", "bounds_of"]

_SIDES = ("xmin", "ymin", "xmax", "ymax")
_ANYWHERE = (-np.inf, -np.inf, np.inf, np.inf)
_ALWAYS = (int(np.iinfo(np.int64).min), int(np.iinfo(np.int64).max))
_GROUP = np.dtype([("rows", "<i8"), ("bbox", "<f4", 4), ("times", "<i8", 2)])
"""A row group, as a version stores it."""
_TAIL = 8
"""Bytes after a footer: its length, and the magic."""


@dataclass(frozen=True, slots=True)
class GroupBounds:
    """What row groups hold, one entry a group."""

    start: NDArray[np.int64]
    """First row; one more entry than groups, the last is the number of rows."""
    bbox: NDArray[np.float32]
    """``(groups, 4)`` xmin ymin xmax ymax; infinite where the footer does not say."""
    times: NDArray[np.int64]
    """``(groups, 2)`` first and last time, those of intervals too, µs since the epoch."""

    @classmethod
    def unknown(cls, start: NDArray[np.int64]) -> GroupBounds:
        """Give groups that could hold anything."""
        count = len(start) - 1
        return cls(start, np.tile(np.array(_ANYWHERE, np.float32), (count, 1)), np.tile(_ALWAYS, (count, 1)))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartRecord:
    """What a version says of one of its files."""

    name: str
    """Path below the index."""
    size_bytes: int
    footer: str
    """BLAKE2b (16 bytes) of the Parquet footer, hexadecimal."""
    groups: NDArray[Any]
    """Rows, bbox and times of each row group."""

    @classmethod
    def of(cls, name: str, path: Path) -> PartRecord:
        """Read what there is to say of a file that was just written."""
        part = Part(path)
        return cls(name=name, size_bytes=part.size_bytes, footer=_digest(part.footer), groups=part.groups)

    @classmethod
    def from_json(cls, document: Any, *, where: str) -> PartRecord:
        """Parse what :meth:`to_json` wrote.

        Raises:
            IndexSchemaError: damaged, or no such record.
        """
        try:
            raw = base64.b64decode(document["groups"], validate=True)
            record = cls(
                name=str(document["name"]),
                size_bytes=int(document["size_bytes"]),
                footer=str(document["footer"]),
                groups=np.frombuffer(raw, _GROUP),
            )
            seal = str(document["checksum"])
        except (ValueError, KeyError, TypeError) as error:
            raise IndexSchemaError(f"{where}: not readable: {error}") from error
        if seal != record._seal():
            raise IndexSchemaError(f"{where}: what it says of {record.name} is damaged: it fails its checksum")
        return record

    def to_json(self) -> dict[str, Any]:
        """Give the record as JSON carries it."""
        return {
            "name": self.name,
            "size_bytes": self.size_bytes,
            "footer": self.footer,
            "groups": base64.b64encode(self.groups.tobytes()).decode(),
            "checksum": self._seal(),
        }

    def _seal(self) -> str:
        """Bind the groups to name, size and footer, so that nothing of another file passes for them."""
        facts = f"{self.name}\0{self.size_bytes}\0{self.footer}\0".encode()
        return blake2b(facts + self.groups.tobytes(), digest_size=8).hexdigest()


class Part:
    """One Parquet file, held open: a file that is replaced or removed meanwhile stays readable."""

    def __init__(self, path: Path, record: PartRecord | None = None) -> None:
        """Open a file.

        Args:
            path: where it is.
            record: what its version says of it; None where there is only the file.

        Raises:
            IndexSchemaError: no such file, or not the one of the record.
        """
        self.name = str(path)
        self.record = record
        if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 - a pipe would be waited for
            raise IndexSchemaError(f"{path}: cannot be opened: not a regular file")
        try:
            self.source = pa.OSFile(self.name)  # read at positions only, so threads can share it
            self.size_bytes = int(self.source.size())
        except FileNotFoundError as error:
            raise IndexSchemaError(f"{path}: no such file") from error
        except OSError as error:
            raise IndexSchemaError(f"{path}: cannot be opened: {error}") from error
        if record is not None and record.size_bytes != self.size_bytes:
            raise self._changed(f"it has {self.size_bytes} bytes, not {record.size_bytes}")
        self._handles = threading.local()

    @cached_property
    def groups(self) -> NDArray[Any]:
        """Rows, bbox and times of each row group: from the record, or from the footer's statistics.

        Raises:
            IndexSchemaError: no Parquet, or no chip index.
        """
        return _groups(self.metadata) if self.record is None else self.record.groups

    @property
    def footer(self) -> bytes:
        """The Parquet footer, read again whenever it is asked for.

        Raises:
            IndexSchemaError: no Parquet.
        """
        try:
            tail = self.source.read_at(_TAIL, max(self.size_bytes - _TAIL, 0))
            length = int.from_bytes(tail[:4], "little")
            if tail[4:] != b"PAR1" or length > self.size_bytes - _TAIL:
                raise IndexSchemaError(f"{self.name}: not a Parquet file: it does not end as one")
            return bytes(self.source.read_at(length, self.size_bytes - _TAIL - length))
        except OSError as error:
            raise IndexSchemaError(f"{self.name}: not readable: {error}") from error

    @cached_property
    def metadata(self) -> pq.FileMetaData:
        """The footer, parsed.

        Raises:
            IndexSchemaError: no Parquet, or not the file of the record.
        """
        footer = self.footer
        if self.record is not None and _digest(footer) != self.record.footer:
            raise self._changed("its footer is another")
        whole = b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1"
        try:
            return pq.read_metadata(pa.BufferReader(whole))
        except MemoryError:  # pyarrow's too, which says nothing of the file
            raise
        except (OSError, pa.ArrowException) as error:
            raise IndexSchemaError(f"{self.name}: not a Parquet file: {error}") from error

    @cached_property
    def head(self) -> tuple[pa.Schema, Mapping[str, Any]]:
        """Columns, and our own metadata.

        Raises:
            IndexSchemaError: no Parquet, no chip index, or one that this version cannot read.
        """
        try:
            schema = self.metadata.schema.to_arrow_schema()
            _ = schema.names
        except (ValueError, TypeError, KeyError, OSError, pa.ArrowException) as error:  # also names that are no UTF-8
            raise IndexSchemaError(f"{self.name}: its columns are not readable: {error}") from error
        return schema, require_format(schema, self.metadata.metadata, self.name)

    def open(self, schema: pa.Schema) -> pq.ParquetFile:
        """Give this thread's own handle; the footer is not read again.

        Raises:
            IndexSchemaError: no Parquet, not the file of the record, or its columns are not those of ``schema``.
        """
        handle: pq.ParquetFile | None = getattr(self._handles, "handle", None)
        if handle is None:
            extra = sorted({*self.head[0].names} ^ {*schema.names})
            if extra:
                raise IndexSchemaError(f"{self.name}: its columns differ from the first part's in {', '.join(extra)}")
            handle = pq.ParquetFile(self.source, metadata=self.metadata, page_checksum_verification=True)
            self._handles.handle = handle
        return handle

    def _changed(self, how: str) -> IndexSchemaError:
        return IndexSchemaError(f"{self.name}: not the file that was committed: {how}")


def bounds_of(parts: Sequence[Part]) -> GroupBounds:
    """Give the row groups of several files, one after the other."""
    groups = np.concatenate([np.zeros(0, _GROUP), *(part.groups for part in parts)])
    start = np.concatenate([[0], np.cumsum(groups["rows"])]).astype(np.int64)
    return GroupBounds(start, np.ascontiguousarray(groups["bbox"]), np.ascontiguousarray(groups["times"]))


def _digest(footer: bytes) -> str:
    return blake2b(footer, digest_size=16).hexdigest()


def _groups(metadata: pq.FileMetaData) -> NDArray[Any]:
    """Take what a query prunes by from the statistics of a footer."""
    where = {metadata.schema.column(i).path: i for i in range(metadata.num_columns)}
    found = np.zeros(metadata.num_row_groups, _GROUP)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        found[number] = group.num_rows, _box(group, where), _times(group, where)
    return found


def _box(group: pq.RowGroupMetaData, where: Mapping[str, int]) -> list[float]:
    sides = []
    for side, unknown in zip(_SIDES, _ANYWHERE, strict=True):
        found = _statistics(group, where, f"bbox.{side}")
        low = side.endswith("min")
        sides.append(unknown if found is None else float(found.min if low else found.max))
    return sides


def _times(group: pq.RowGroupMetaData, where: Mapping[str, int]) -> tuple[int, int]:
    """Give the least and the greatest of all times, which no row's interval exceeds."""
    named = [name for name in ("datetime", *INTERVAL) if not _is_null(group, where, name)]
    found = [one for name in named if (one := _statistics(group, where, name)) is not None]
    if not found or len(found) < len(named):
        return _ALWAYS
    return min(one.min_raw for one in found), max(one.max_raw for one in found)


def _is_null(group: pq.RowGroupMetaData, where: Mapping[str, int], path: str) -> bool:
    """Whether a column is known to have no value."""
    found = group.column(where[path]).statistics if path in where else None
    return found is not None and found.has_null_count and found.null_count == group.num_rows


def _statistics(group: pq.RowGroupMetaData, where: Mapping[str, int], path: str) -> Any:
    position = where.get(path)
    if position is None:
        return None
    found = group.column(position).statistics
    return found if found is not None and found.has_min_max else None
