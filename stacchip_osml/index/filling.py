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
from typing import TYPE_CHECKING, TypeVar

from stacchip_osml.errors import ChipError, DecodeError
from stacchip_osml.imagery.blocks.fingerprint import fingerprint
from stacchip_osml.index.headers import AssetHeader
from stacchip_osml.index.layouts import StoredHeader
from stacchip_osml.stac.facts import require_agreement

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.image import BlockImage
    from stacchip_osml.imagery.limits import FetchLimits

__all__ = ["READERS", "Filler", "filled_in_order"]

READERS = 16
"""Files read at a time."""
Subject = TypeVar("Subject")


class Filler:
    """Reads headers and layouts; safe for threads."""

    def __init__(self, *, sign: Callable[[str], str] | None = None, fetch: FetchLimits | None = None) -> None:
        self.sign = sign
        self.fetch = fetch

    def open(self, location: str, expect: tuple[int | None, int | None] = (None, None)) -> BlockImage:
        """Name an image; it is opened on first use."""
        from stacchip_osml.imagery.blocks.image import BlockImage

        return BlockImage(location, sign=self.sign, fetch=self.fetch, expect=expect)

    def filled(self, header: AssetHeader, source: BlockImage | None = None) -> AssetHeader:
        """Give an image's header with what its file says.

        Args:
            header: what was indexed.
            source: the file, where it is open already.

        Raises:
            ItemError: the file's grid is not the indexed one.
            ReadError: the file cannot be read, or is not the one that was indexed.
            LimitError: the file is larger than a reader takes on, or has too many blocks to be stored.
        """
        image = header.image
        if source is None:
            source = self.open(image.location, (image.size_bytes, image.modified_ns))
        found = source.header
        require_agreement(image, found)
        file = source.file
        is_local = not source.remote and found.size_bytes is not None
        try:
            stored = StoredHeader.of(
                found,
                source.layout,
                etag=getattr(file, "etag", None),
                fingerprint=fingerprint(file.read_at, found.size_bytes) if is_local else None,
            )
        except ValueError as error:
            raise DecodeError(f"{source.name}: its header cannot be stored: {error}") from error
        source.end()
        return replace(header, stored=stored)


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
