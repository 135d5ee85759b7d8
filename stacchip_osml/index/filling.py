"""Filling an index with what its files say of themselves, so that nobody has to open them again.

Each file is opened once, its grid compared with what was indexed, and its
header and block layout packed. Files are waited for, not computed on, so
several are read at a time.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from stacchip_osml.errors import ChipError, DecodeError
from stacchip_osml.imagery.blocks.fingerprint import fingerprint
from stacchip_osml.index.headers import AssetHeader
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.index.tables import SideTables
from stacchip_osml.pixel.arguments import one_of
from stacchip_osml.pixel.counts import whole_number

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.image import BlockImage
    from stacchip_osml.imagery.limits import FetchLimits

__all__ = ["READERS", "Filler", "fill_tables", "filled_in_order"]

READERS = 16
"""Files read at a time."""
Subject = TypeVar("Subject")


class Filler:
    """Reads headers and layouts; safe for threads."""

    def __init__(self, *, sign: Callable[[str], str] | None = None, fetch: FetchLimits | None = None) -> None:
        self.sign = sign
        self.fetch = fetch

    def opened(self, header: AssetHeader) -> BlockImage:
        """Open an image that is the one indexed, and look at its header.

        Raises:
            ItemError: the file's grid is not the indexed one.
            ReadError: the file cannot be read, or is not the one that was indexed.
            LimitError: the file is larger than a reader takes on.
        """
        from stacchip_osml.imagery.blocks.image import BlockImage
        from stacchip_osml.stac.facts import require_agreement

        image = header.image
        expect = (image.size_bytes, image.modified_ns)
        source = BlockImage(image.location, sign=self.sign, fetch=self.fetch, expect=expect)
        # The version is noted first, so the header is of the one indexed.
        source.check()
        require_agreement(image, source.header)
        return source

    def filled(self, header: AssetHeader) -> AssetHeader:
        """Give an image's header with what its file says.

        Raises:
            ItemError: the file's grid is not the indexed one.
            ReadError: the file cannot be read, or is not the one that was indexed.
            LimitError: the file is larger than a reader takes on, or has too many blocks to be stored.
        """
        from stacchip_osml.imagery.blocks.files import LocalFile

        source = self.opened(header)
        file = source.file
        remote = None if isinstance(file, LocalFile) else file.stamp
        found, layout = source.header, source.layout
        mark = fingerprint(file.read_at, file.size) if isinstance(file, LocalFile) else None
        if remote is not None:
            file.read_at(0, 1)
        # The version is looked at again, so header and layout are of one.
        source.check()
        try:
            stored = StoredHeader.of(found, layout, remote=remote, fingerprint=mark)
        except ValueError as error:
            raise DecodeError(f"{source.name}: its header cannot be stored: {error}") from error
        return replace(header, stored=stored)


def fill_tables(
    tables: SideTables,
    filler: Filler,
    *,
    threads: int = READERS,
    on_error: str = "raise",
    progress: Callable[[str], None] | None = None,
) -> tuple[SideTables, list[ChipError]]:
    """Fill the headers that have nothing stored, or not all that readers need by now.

    Returns:
        The tables, and what could not be read, where ``on_error`` is ``skip``.

    Raises:
        ChipError: the first that could not be read, where ``on_error`` is ``raise``.
        ValueError: ``threads`` is less than 1.
    """
    one_of("on_error", on_error, ("raise", "skip"))
    threads = whole_number("threads", threads, least=1)
    headers, problems = dict(tables.headers), list[ChipError]()
    lacking = [header for header in headers.values() if header.stored is None or header.stored.lacks_places]
    work = ((header, [partial(filler.filled, header)]) for header in lacking)
    for header, found in filled_in_order(work, threads=threads):
        if isinstance(found, ChipError):
            if on_error == "raise":
                raise found
            problems.append(found)
        else:
            headers[header.key] = found[0]
        if progress is not None:
            progress("/".join(part for part in header.key if part))
    return replace(tables, headers=headers), problems


def filled_in_order(
    work: Iterable[tuple[Subject, Sequence[Callable[[], AssetHeader]]]], *, threads: int = READERS
) -> Iterator[tuple[Subject, tuple[AssetHeader, ...] | ChipError]]:
    """Read the headers of one subject after the other, several ahead of the one that is asked for.

    Args:
        work: subjects, each with what reads its headers; taken while others are waited for.
        threads: headers read at a time.

    Yields:
        Each subject with its headers, or with the first error among them.
    """
    waiting: deque[tuple[Subject, list[Future[AssetHeader]]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="headers")
    try:
        for subject, readers in work:
            waiting.append((subject, [pool.submit(reader) for reader in readers]))
            while sum(len(futures) for _, futures in waiting) >= 2 * threads or len(waiting) > 2 * threads:
                yield _first(waiting)
        while waiting:
            yield _first(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _first(
    waiting: deque[tuple[Subject, list[Future[AssetHeader]]]],
) -> tuple[Subject, tuple[AssetHeader, ...] | ChipError]:
    subject, futures = waiting.popleft()
    try:
        return subject, tuple(future.result() for future in futures)
    except ChipError as error:
        for future in futures:
            future.cancel()
        return subject, error
