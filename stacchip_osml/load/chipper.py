"""The Chipper: index rows in, chips out."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode import Chip
from stacchip_osml.errors import ChipError, WindowError
from stacchip_osml.imagery import FetchLimits
from stacchip_osml.imagery.machine import fitting
from stacchip_osml.index import ChipIndex
from stacchip_osml.load.batch import ChipBatch
from stacchip_osml.load.cut import CutChips, Cutter
from stacchip_osml.load.each import Done, Work, each
from stacchip_osml.load.images import ImageShelf
from stacchip_osml.load.stream import ahead
from stacchip_osml.pixel.arguments import function_or_none, of_kind, one_of
from stacchip_osml.pixel.counts import chosen_rows, whole_number
from stacchip_osml.pixel.wording import counted

__all__ = ["CACHE_BYTES", "ChipFile", "Chipper"]

CACHE_BYTES = fitting(256 << 20)
"""Decoded blocks that a Chipper keeps, unless told otherwise."""

Positions = Sequence[int] | NDArray[np.integer]
T = TypeVar("T")


class ChipFile(NamedTuple):
    """What :meth:`Chipper.encoded` gives of one row."""

    position: int
    """Row of the index."""
    data: bytes | None
    """The file; None where the image is sparse, or the chip failed."""
    error: ChipError | None
    """Why there is no file."""


class Chipper:
    """Cuts the pixels of index rows; safe for threads, and picklable.

    Example:
        >>> chipper = Chipper("my_index.parquet")
        >>> chip = chipper[0]
    """

    def __init__(
        self,
        index: ChipIndex | str | os.PathLike[str],
        *,
        chain: str | None = None,
        sign: Callable[[str], str] | None = None,
        fetch: FetchLimits | None = None,
        threads: int | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Hold an index, or open one.

        Args:
            index: rows with their tables, or where they are saved.
            chain: processing chain instead of each row's, by its id in the index's registry.
            sign: href → href, applied when a file is opened and never stored.
            fetch: how long and how often a server is asked; None for the defaults.
            threads: that decode; None for as many as there are cores to use.
            cache_bytes: decoded blocks kept for the chips that come next; 0 keeps none. The default is less where
                memory is limited.

        Raises:
            IndexSchemaError: there is no chip index at that path.
            ChainError: no such chain.
            ValueError: ``threads`` is less than 1, or ``cache_bytes`` less than 0.
        """
        self.index = index if isinstance(index, ChipIndex) else ChipIndex.open(index)
        self.chain = chain
        if chain is not None:
            _ = self.index.chains[of_kind("chain", chain, str, "the id of a chain")]
        function_or_none("sign", sign)
        shelf = ImageShelf(sign=sign, fetch=fetch, threads=threads, cache_bytes=cache_bytes)
        self._cutter = Cutter(self.index, shelf)

    def __len__(self) -> int:
        """Count the chips."""
        return len(self.index)

    def __getitem__(self, position: int) -> Chip | None:
        """Cut the chip of one row; None where its image is sparse there.

        Raises:
            IndexError: no such row.
            ReadError: the pixels could not be fetched or decoded.
            ItemError: the file is not what the row was made from.
        """
        return self._cut(self._cutter, [position], self.chain).chip(0)

    def __iter__(self) -> Iterator[Chip | None]:
        """Cut all chips in index order, some ahead of who takes them; None where an image is sparse."""
        with closing(self._each(_own, computes=True)) as found:
            for done in found:
                if done.error is not None:
                    raise done.error
                yield done.result

    def __repr__(self) -> str:
        place = "" if self.index.path is None else f" in {self.index.path}"
        return f"Chipper({counted(len(self), 'chip')}{place})"

    def chip(self, *, x: int, y: int, item_id: str | None = None) -> Chip | None:
        """Cut the chip at a grid position.

        Args:
            x: ``grid_col``.
            y: ``grid_row``.
            item_id: which item; needed where several have that position.

        Raises:
            WindowError: no such chip, or more than one.
        """
        where = f"grid_col == {int(x)} and grid_row == {int(y)}"
        if item_id is not None:
            where += f" and item_id == {item_id!r}"
        found = self.index.query(where=where)
        if len(found) != 1:
            ids = ", ".join(repr(row["id"]) for row in found.head(3).rows(np.arange(min(3, len(found)))))
            hint = f"{len(found)} chips, among them {ids}; give item_id= or cut by row" if len(found) else "no chip"
            raise WindowError(f"grid position x={x}, y={y}{'' if item_id is None else f' of {item_id!r}'}: {hint}")
        return self._cut(Cutter(found, self._cutter.shelf), [0], self.chain).chip(0)

    def batch(self, positions: Positions, *, on_error: str = "raise") -> ChipBatch:
        """Cut several chips of one shape into one array; each stored block is fetched and decoded once.

        Args:
            positions: rows, in the order wanted.
            on_error: ``raise``, or ``none`` to leave a chip that cannot be read empty and name it in ``errors``.

        Raises:
            WindowError: the chips differ in shape, bands or type; or there are none.
            ReadError: a chip could not be read and ``on_error`` is ``raise``; or none could.
        """
        return self._cut(self._cutter, positions, self.chain, keep_going=_keeps_going(on_error))

    def stream(
        self, positions: Positions, *, batch_size: int = 32, in_flight: int = 2, on_error: str = "raise"
    ) -> Iterator[ChipBatch]:
        """Cut batch after batch, some ahead of the consumer and no more than that.

        Args:
            positions: rows, in the order wanted.
            batch_size: chips of a batch; the last may have fewer.
            in_flight: batches being read or waiting to be taken, at most.
            on_error: as in :meth:`batch`.

        Raises:
            ValueError: ``batch_size`` or ``in_flight`` is less than 1.
            WindowError: as :meth:`batch`, when its turn comes.
            ReadError: as :meth:`batch`, when its turn comes.
        """
        batch_size = whole_number("batch_size", batch_size, least=1)
        in_flight = whole_number("in_flight", in_flight, least=1)
        keep_going = _keeps_going(on_error)
        wanted = chosen_rows(positions, len(self))
        batches = [wanted[first : first + batch_size] for first in range(0, len(wanted), batch_size)]
        return ahead(
            lambda rows: self._cut(self._cutter, rows, self.chain, keep_going=keep_going), batches, in_flight=in_flight
        )

    def encode(
        self,
        position: int,
        *,
        format: str = "geotiff",  # noqa: A002 - the word users know
        chain: str | None = None,
        metadata_overrides: Mapping[str, Any] | None = None,
        drop_marking: bool = False,
        **options: Any,
    ) -> bytes | None:
        """Cut one chip and write it as an image file.

        Args:
            position: row of the index.
            format: any name that :func:`stacchip_osml.encode.image_format` knows.
            chain: processing chain instead of the row's, by its id in the index's registry.
            metadata_overrides: fields of the file that come before those that the chip has; not changed.
            drop_marking: let a NITF image's security marking be lost where the format has no place for it.
            options: of the format, see :func:`stacchip_osml.encode.encode_chip`.

        Returns:
            The file's bytes; None where the image is sparse.

        Raises:
            EncodeError: the format cannot carry these pixels, or the marking of an image that they are of.
            ChainError: no such chain.
            ReadError: the pixels could not be fetched or decoded.
        """
        write = _writer(format, metadata_overrides, options, drop_marking=drop_marking)
        return write(self._cut(self._cutter, [position], chain or self.chain), 0)

    def encoded(
        self,
        positions: Positions | None = None,
        *,
        format: str = "geotiff",  # noqa: A002 - the word users know
        chain: str | None = None,
        metadata_overrides: Mapping[str, Any] | None = None,
        drop_marking: bool = False,
        on_error: str = "raise",
        **options: Any,
    ) -> Generator[ChipFile]:
        """Cut chips and write them as image files, on all cores, some ahead of who takes them.

        Chips may be of any shapes; those that lie together are read together.

        Args:
            positions: rows, in the order wanted; None for all.
            format: as in :meth:`encode`.
            chain: as there.
            metadata_overrides: as there, of every file.
            drop_marking: as there.
            on_error: ``raise``, or ``none`` to name what went wrong with a chip beside it.
            options: as there.

        Returns:
            For each row its file: closing what is returned, or leaving it, ends the work.

        Raises:
            EncodeError: no such format or option; or as :meth:`encode`, when its turn comes.
            ChainError: as there.
            ReadError: as there.
        """
        keep_going = _keeps_going(on_error)
        write = _writer(format, metadata_overrides, options, drop_marking=drop_marking)
        return _files(self._each(write, positions, chain=chain, computes=True), keep_going=keep_going)

    def each(
        self, work: Work[T], positions: Positions | None = None, *, chain: str | None = None
    ) -> Generator[Done[T]]:
        """Cut chips and do something with each, on all cores, some ahead of who takes what comes of them.

        Args:
            work: is called in some thread with a :class:`ChipBatch` and a place in it: ``batch.chip(place)`` is the
                chip, ``batch.pixels[place]`` its array, good until ``work`` returns unless it is kept. What it raises
                of :class:`ChipError` is the chip's error, anything else ends it all.
            positions: rows, in the order wanted, of chips of any shapes; None for all.
            chain: processing chain instead of the rows', by its id in the index's registry.

        Returns:
            For each row, in order, what ``work`` gave, or what went wrong with it: ReadError, ItemError, and what
            ``work`` raised. Closing what is returned, or leaving it, ends the work.

        Raises:
            ChainError: no such chain.
            IndexError: no such row.
            TypeError: ``work`` is no function.
        """
        if not callable(work):
            raise TypeError(f"work must be a function of a batch and a place in it, not {work!r:.60}")
        return self._each(work, positions, chain=chain)

    def _each(
        self, work: Work[T], positions: Positions | None = None, *, chain: str | None = None, computes: bool = False
    ) -> Generator[Done[T]]:
        chain = chain or self.chain
        if chain is not None:
            _ = self.index.chains[chain]
        wanted = range(len(self)) if positions is None else chosen_rows(positions, len(self))
        threads = self._cutter.shelf.threads
        return each(self._cutter, wanted, work, chain=chain, threads=threads, computes=computes)

    def cut_rows(self, positions: Positions, *, want_mask: bool) -> CutChips:
        """Cut as :meth:`batch` with ``on_error="none"`` does, where asked without telling what is valid."""
        return self._cutter.cut(
            self._cutter.rows.rows(positions), chain=self.chain, keep_going=True, want_mask=want_mask
        )

    def work_beside(self, others: int, *, divided: bool) -> None:
        """Settle for a share of the machine, as one of several processes that read together.

        Args:
            others: how many processes, this one among them: they share the cores, unless ``threads`` was said.
            divided: each reads blocks of its own, and holds so many fewer of them.
        """
        self._cutter.shelf.work_beside(others, divided=divided)

    def explain(self, positions: Positions) -> list[dict[str, Any]]:
        """Say what would be read for some rows: files, reader, stored level, blocks and bytes; no pixel is read."""
        from stacchip_osml.load.explain import explain_rows

        return explain_rows(self._cutter, self._cutter.rows.rows(positions), self.chain)

    @staticmethod
    def _cut(cutter: Cutter, positions: Positions, chain: str | None, *, keep_going: bool = False) -> ChipBatch:
        rows = cutter.rows.rows(positions)
        if not len(rows.positions):
            raise WindowError("a batch needs one chip at least")
        with cutter.turn(rows):
            cut = cutter.cut(rows, chain=chain, keep_going=keep_going)
        return ChipBatch(cutter.index, rows, cut)


def _own(batch: ChipBatch, place: int) -> Chip | None:
    """Give a chip with pixels of its own: kept for long, it keeps no batch."""
    chip = batch.chip(place)
    return None if chip is None else replace(chip, pixels=chip.pixels.copy(), mask=chip.mask.copy())


def _writer(
    kind: str, overrides: Mapping[str, Any] | None, options: Mapping[str, Any], *, drop_marking: bool
) -> Work[bytes | None]:
    """Check what is said of files before any is written, and give what writes one."""
    from stacchip_osml.encode.formats import encode_chip, require_fields
    from stacchip_osml.encode.nitf.marks import require_marks

    name, fields = require_fields(kind, overrides, options).name, overrides or {}

    def write(batch: ChipBatch, place: int) -> bytes | None:
        chip = batch.chip(place)
        if chip is None:
            return None
        require_marks(batch.images(place), kind=name, overrides=fields, drop_marking=drop_marking)
        return encode_chip(chip, name, overrides=overrides, **options)

    return write


def _files(found: Generator[Done[bytes | None]], *, keep_going: bool) -> Generator[ChipFile]:
    with closing(found):
        for done in found:
            if done.error is not None and not keep_going:
                raise done.error
            yield ChipFile(done.position, done.result, done.error)


def _keeps_going(on_error: str) -> bool:
    return one_of("on_error", on_error, ("raise", "none")) == "none"
