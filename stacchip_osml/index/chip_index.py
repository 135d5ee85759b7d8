"""The chip index as its users hold it: rows, with the tables that make them readable."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stacchip_osml.chain import ChainRegistry
from stacchip_osml.errors import ChipError, IndexSchemaError
from stacchip_osml.forked import cached_property
from stacchip_osml.index import files
from stacchip_osml.index.check import Finding, check_index
from stacchip_osml.index.filling import READERS, Filler, fill_tables
from stacchip_osml.index.join import joined
from stacchip_osml.index.merged import MergedStore, united
from stacchip_osml.index.order import by_part
from stacchip_osml.index.properties import with_properties
from stacchip_osml.index.query import Query, select_rows
from stacchip_osml.index.schema import own_column
from stacchip_osml.index.store import ChipStore, MemoryStore, read_rows, take_rows
from stacchip_osml.index.summary import SUMMARY_COLUMNS, IndexSummary, summarize
from stacchip_osml.index.tables import ItemKey, SideTables
from stacchip_osml.pixel.counts import chosen_rows, whole_number
from stacchip_osml.stac.plain_rows import plain_rows

if TYPE_CHECKING:
    import geopandas

    from stacchip_osml.imagery.limits import FetchLimits

__all__ = ["ChipIndex"]

COUNTED = 10_000_000
"""Rows up to which an index counts what it holds merely to show itself."""


class ChipIndex:
    """Rows that each say how to cut one chip, with their items, image headers and chains.

    Immutable: every operation gives a new index. Rows of an index opened from
    disk are read when they are asked for; opening reads what the index says of them.
    """

    def __init__(
        self,
        store: ChipStore,
        tables: SideTables | Callable[[], SideTables],
        *,
        path: Path | None = None,
        problems: Sequence[ChipError] = (),
        rows_of: tuple[Path, int] | None = None,
    ) -> None:
        """Hold rows and tables; use :class:`Indexer` or :meth:`open` to get an index."""
        self._store = store
        self._tables = tables
        self.path = path
        self.problems = tuple(problems)
        """Items that were left out when the index was built, with the reason."""
        self._rows_of = rows_of
        """The directory and version that all rows are of, and no others."""
        self._group: tuple[int, pa.Table] | None = None

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> ChipIndex:
        """Open an index, a directory or a single file; rows stay on disk.

        Raises:
            IndexSchemaError: there is no chip index, or one that this version cannot read.
        """
        where = files.local_path(path)
        if where.is_dir():
            opened = files.open_directory(where)
        elif where.exists():
            opened = files.open_file(where)
        else:
            raise IndexSchemaError(f"{where}: no such file or directory") from FileNotFoundError(where)
        return cls(opened.store, opened.tables, path=where, rows_of=(where.resolve(), opened.version))

    @classmethod
    def from_table(cls, table: pa.Table, tables: SideTables, *, problems: Sequence[ChipError] = ()) -> ChipIndex:
        """Hold rows in memory; they must have the chip schema and be in order."""
        return cls(MemoryStore(table), tables, problems=problems)

    def save(self, path: str | os.PathLike[str], *, portable: bool = False) -> Path:
        """Write the index: a single file where ``path`` ends in ``.parquet``, a directory otherwise.

        An existing index is replaced in one step: a reader sees the old or the new one. Imagery under the folder
        that holds the index is named relative to it, so both can be moved together.

        Args:
            path: where to.
            portable: leave out modification times of local files, which do not survive a copy or a checkout;
                a changed file of the same size is then not noticed.

        Raises:
            LimitError: too many items for a single file.
            CommitConflict: another writer committed first.
            OSError: the place cannot be written; what was there stays.
            IndexSchemaError: what is there is no chip index; it stays.
        """
        return self._write(files.local_path(path), portable=portable)

    def _write(self, where: Path, *, portable: bool = False, after: int | None = None) -> Path:
        if self.path is None and self._rows_of is not None and self._rows_of[0] == where.resolve() and where.is_dir():
            files.replace_headers(where, self._rows_of[1], self.tables, portable=portable)
            return where
        if isinstance(self._store, MergedStore):
            groups = range(len(self._store.bounds.start) - 1)
            chunks: Iterable[pa.Table] = (self._store.read_groups([group]) for group in groups)
            kept, schema = self.tables, self._store.schema
        else:
            table = self.to_arrow()
            chunks, kept, schema = [table], self.tables.of_rows(table), table.schema
        if where.suffix == ".parquet":
            files.write_file(where, chunks, kept, schema=schema, portable=portable, after=after)
        else:
            files.write_directory(where, by_part(chunks), kept, schema=schema, portable=portable, after=after)
        return where

    @cached_property
    def tables(self) -> SideTables:
        """Items, headers and chains."""
        return self._tables() if callable(self._tables) else self._tables

    @property
    def items(self) -> Mapping[ItemKey, dict[str, Any]]:
        """STAC item documents by (collection or empty, item id), as they were given."""
        return self.tables.items

    @property
    def chains(self) -> ChainRegistry:
        """The processing chains that rows may name."""
        return self.tables.chains

    @property
    def columns(self) -> list[str]:
        """Column names, users' own last."""
        return list(self._store.schema.names)

    def __len__(self) -> int:
        """Count the chips."""
        return self._store.num_rows

    def row(self, position: int) -> dict[str, Any]:
        """Give one row as plain Python values.

        Raises:
            IndexError: no such row.
        """
        return self.rows([position])[0]

    def rows(self, positions: Sequence[int] | NDArray[np.integer]) -> list[dict[str, Any]]:
        """Give rows as plain Python values, in the order asked for; negative positions count from the end.

        Raises:
            IndexError: no such row.
        """
        table = self.take(positions)
        return plain_rows(table.select([name for name in table.schema.names if name != "geometry"]))

    def take(self, positions: Sequence[int] | NDArray[np.integer]) -> pa.Table:
        """Give rows as a table, in the order asked for.

        Raises:
            IndexError: no such row.
        """
        wanted = chosen_rows(positions, len(self), whole=f"an index of {len(self)} chips")
        starts = self._store.bounds.start
        if len(wanted) == 1:
            number = int(np.searchsorted(starts, wanted[0], side="right")) - 1
            return self._read_group(number).slice(int(wanted[0] - starts[number]), 1)
        return take_rows(self._store, wanted, self._read_group)

    @property
    def run_starts(self) -> NDArray[np.int64]:
        """First row of each run of rows that is stored and read together; one entry more, the number of rows."""
        return self._store.bounds.start

    def read_run(self, number: int, columns: Sequence[str]) -> pa.Table:
        """Read some columns of one run of rows; see ``run_starts``."""
        return self._store.read_groups([number], columns)

    def query(
        self,
        *,
        bbox: Sequence[float] | None = None,
        intersects: Any = None,
        datetime: Any = None,
        where: str | pc.Expression | None = None,
        columns: Sequence[str] | None = None,
    ) -> Any:
        """Choose rows.

        Args:
            bbox: ``xmin ymin xmax ymax``, degrees; ``xmin > xmax`` crosses the antimeridian.
            intersects: GeoJSON, shapely, or anything with ``__geo_interface__``.
            datetime: a moment, ``(start, end)``, or STAC text such as ``2024-05-01/..``, both ends included; as in a
                search of a STAC API, an item of an interval is found where that meets it.
            where: a condition: ``"cloud_fraction < 0.2 and level == 0"``; a name that no column has is a property of
                the items: ``"platform == 'landsat-8' and view:off_nadir < 20"``.
            columns: give these columns, or properties of the items, as an Arrow table instead of an index.

        Returns:
            A :class:`ChipIndex` of the matching rows; an Arrow table where ``columns`` is given.

        Raises:
            IndexSchemaError: a name that neither a column nor an item has, or a value that is not what its name says.
        """
        question = Query.of(bbox=bbox, intersects=intersects, datetime=datetime, where=where)
        store = with_properties(self._store, lambda: self.items, where=where, columns=columns)
        found = select_rows(store, question, columns)
        return found if columns is not None else ChipIndex(MemoryStore(found), lambda: self.tables)

    def select(self, positions: Sequence[int] | NDArray[np.integer | np.bool_]) -> ChipIndex:
        """Choose rows by number, or by one truth value a row; each once, and in index order.

        Raises:
            IndexError: no such row; or fewer or more truth values than rows.
        """
        found = np.unique(chosen_rows(positions, len(self), whole=f"an index of {len(self)} chips"))
        return ChipIndex(MemoryStore(self.take(found)), lambda: self.tables)

    def head(self, n: int = 5) -> ChipIndex:
        """Give the first ``n`` rows."""
        return self.select(np.arange(min(whole_number("n", n, least=0), len(self))))

    def sample(self, n: int, *, seed: int = 0) -> ChipIndex:
        """Give ``n`` rows drawn without replacement, in index order; the same seed gives the same rows.

        Raises:
            IndexSchemaError: more rows asked for than there are.
        """
        if whole_number("n", n, least=0) > len(self):
            raise IndexSchemaError(f"sample of {n} chips asked of an index of {len(self)}")
        drawn = np.random.default_rng(whole_number("seed", seed, least=0))
        return self.select(drawn.choice(len(self), size=n, replace=False))

    def join(
        self, table: Any, *, on: str = "id", how: str = "inner", columns: Sequence[str] | None = None
    ) -> ChipIndex:
        """Choose the rows that a table names, with its columns beside them: what another program found out.

        Args:
            table: anything that Arrow takes over (DuckDB, Polars, pandas, a GeoDataFrame, a dict of columns), or the
                path of a Parquet file. Its columns become the user's own, in place of such of the same name; those of
                the chip schema must say what the index says, or null, and of its shapes nothing is taken.
            on: the column of both that tells which row belongs to which: ``id``, or ``item_id`` for a table of items.
            how: ``inner``, or ``left`` to keep rows that the table does not name, with null.
            columns: of the table that count, besides ``on``; None for all.

        Raises:
            IndexSchemaError: no table, without ``on`` or one of ``columns``, or a value of ``on`` twice; or a column of
                the chip schema with another value.
        """
        rows = joined(self._store, table, on=on, how=how, columns=columns)
        return ChipIndex(MemoryStore(rows), lambda: self.tables)

    def with_column(self, name: str, values: Any) -> ChipIndex:
        """Add or replace a column of the user's own: labels, splits, weights.

        Raises:
            IndexSchemaError: a column of the schema, or not one value a row.
        """
        column = own_column(name, values, len(self))
        table = self.to_arrow()
        if name in table.schema.names:
            table = table.drop_columns([name])
        return ChipIndex.from_table(table.append_column(name, column), self.tables)

    def with_headers(
        self,
        *,
        sign: Callable[[str], str] | None = None,
        fetch: FetchLimits | None = None,
        threads: int = READERS,
        on_error: str = "raise",
        progress: Callable[[str], None] | None = None,
    ) -> ChipIndex:
        """Store the header and block layout of each image that lacks them, so that no reader has to open it for them.

        Saved where it came from, a directory keeps its rows as they are and gets other headers.

        Args:
            sign: href → href, applied when bytes are read and never stored.
            fetch: how long and how often a server is asked; None for the defaults.
            threads: images read at a time.
            on_error: ``raise``, or ``skip`` to leave such images without and list them in ``problems``.
            progress: called after each image with its name.

        Raises:
            ItemError: a file's grid is not the indexed one, and ``on_error`` is ``raise``.
            ReadError: a file cannot be read, or is not the one that was indexed, and ``on_error`` is ``raise``.
        """
        filler = Filler(sign=sign, fetch=fetch)
        tables, problems = fill_tables(self.tables, filler, threads=threads, on_error=on_error, progress=progress)
        return ChipIndex(self._store, tables, problems=[*self.problems, *problems], rows_of=self._rows_of)

    def merge(self, *others: ChipIndex | str | os.PathLike[str], replace: bool = False) -> ChipIndex:
        """Unite with other indexes (or paths of them): see :func:`merge`."""
        indexes = [self, *(other if isinstance(other, ChipIndex) else ChipIndex.open(other) for other in others)]
        store, tables = united([(index._store, index.tables) for index in indexes], replace=replace)
        return ChipIndex(store, tables, problems=[problem for index in indexes for problem in index.problems])

    def append(
        self, other: ChipIndex | str | os.PathLike[str], *, replace: bool = False, portable: bool = False
    ) -> ChipIndex:
        """Add another index's rows; an index opened from disk is written back in one step.

        Args:
            other: an index, or the path of one.
            replace: of an item that both hold, only the other's chips and definition stay.
            portable: leave out modification times of local files, as :meth:`save` does.

        Raises:
            IndexSchemaError: what contradicts.
            CommitConflict: another writer committed since; nothing is lost, open again and retry.
        """
        united = self.merge(other, replace=replace)
        if self.path is None or self._rows_of is None:
            return united
        return ChipIndex.open(united._write(self.path, portable=portable, after=self._rows_of[1]))

    def check(self, *, files: bool = False) -> list[Finding]:
        """Look for rows that contradict the tables, each other, or (``files``) the imagery; empty when sound."""
        return check_index(self.to_arrow(), self.tables, files=files)

    def to_arrow(self) -> pa.Table:
        """Give all rows as an Arrow table."""
        return read_rows(self._store)

    def to_geodataframe(self) -> geopandas.GeoDataFrame:
        """Give all rows as a GeoDataFrame in CRS84 degrees."""
        from stacchip_osml.index.export import geo_frame

        return geo_frame(self.to_arrow())

    def items_table(self) -> pa.Table:
        """Give the items as a stac-geoparquet table."""
        from stacchip_osml.stac.geoparquet import items_to_table

        return items_to_table(list(self.items.values()))

    def to_stac(self) -> Iterator[dict[str, Any]]:
        """Give every chip as a STAC item that names its source item."""
        from stacchip_osml.index.export import chip_items

        return chip_items(self.to_arrow(), self.tables)

    @cached_property
    def summary(self) -> IndexSummary:
        """What is in the index, as plain values."""
        return summarize(read_rows(self._store, SUMMARY_COLUMNS), self.tables, path=self.path)

    def __repr__(self) -> str:
        if len(self) <= COUNTED:
            return self.summary.to_text()
        return f"ChipIndex of {len(self):,} chips{'' if self.path is None else f' in {self.path}'}; see .summary"

    def _repr_html_(self) -> str:
        return self.summary.to_html()

    def __getstate__(self) -> dict[str, Any]:
        if self.path is not None and not isinstance(self._store, MemoryStore):
            return {"path": self.path}
        return {"table": self.to_arrow(), "tables": self.tables, "problems": self.problems}

    def __setstate__(self, state: dict[str, Any]) -> None:
        if "path" in state:
            self.__dict__.update(ChipIndex.open(state["path"]).__dict__)
        else:
            self.__init__(MemoryStore(state["table"]), state["tables"], problems=state["problems"])  # type: ignore[misc]

    def _read_group(self, number: int) -> pa.Table:
        """Read a row group, keeping the last one: rows are mostly asked for in runs."""
        held = self._group
        if held is None or held[0] != number:
            held = (number, self._store.read_groups([number]))
            self._group = held
        return held[1]
