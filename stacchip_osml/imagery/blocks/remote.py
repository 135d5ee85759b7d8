"""Carrying out a plan on remote objects: which requests are made, and what is done as they are answered.

Rules:

- byte ranges of one object that lie no more than ``GAP`` apart are one request,
  up to ``MOST`` bytes. ``GAP`` is what a connection carries in the time that a
  request more costs both sides, some tenths of a millisecond with many under
  way; blocks of one image mostly touch or lie further apart. ``MOST`` is what
  it carries in one round trip: larger ranges come sooner by several connections;
- all requests of a batch are under way together, within the bounds of
  ``fetch``. What has come is decoded by helpers, and by the caller where
  nothing else has come and there is more than the helpers can begin with, or
  where more than ``HELD`` bytes wait;
- of a request that reaches beyond the end of its object, what lies before the
  end is asked for again by itself.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from stacchip_osml.errors import ChipError, DecodeError
from stacchip_osml.imagery.blocks.batch import Batch
from stacchip_osml.imagery.blocks.decode import get_ready
from stacchip_osml.imagery.blocks.fetch import Ranged, RangeRequest, fetch_ranges
from stacchip_osml.imagery.blocks.plan import BlockJob, RawPiece, coalesced, sliced
from stacchip_osml.imagery.blocks.workers import Work

__all__ = ["read_remote"]

GAP = 1 << 16
MOST = 1 << 21
HELD = 1 << 25


class _Span(NamedTuple):
    """A byte range, and who wants it."""

    offset: int
    size: int
    wanted: BlockJob | RawPiece
    part: int
    """Which part of a block."""


class Waiting(Protocol):
    """Requests under way."""

    @property
    def ready(self) -> bool:
        """Whether a result has come that nobody has taken."""
        ...


class _Held:
    """Bytes that have come and are not decoded."""

    __slots__ = ("_lock", "bytes")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.bytes = 0

    def change(self, by: int) -> None:
        """Count more, or less."""
        with self._lock:
            self.bytes += by


def read_remote(
    work: Work,
    batch: Batch,
    jobs: Sequence[BlockJob],
    pieces: Sequence[RawPiece],
    *,
    objects: Mapping[int, Ranged],
    threads: int,
) -> None:
    """Fetch blocks and uncompressed rectangles, and add to ``work`` what is to be done with them."""
    spans = [_Span(offset, size, job, part) for job in jobs for part, (offset, size) in enumerate(job.parts)]
    for piece in pieces:
        if piece.offset + piece.size > piece.end:
            batch.fail_piece(piece, batch.cut_off(piece))
            continue
        most = 1 if piece.stride - piece.span > GAP else MOST
        spans += [_Span(part.offset, part.size, part, 0) for part in sliced(piece, most=most)]
    reading = _Reading(work, batch, jobs, threads)
    apart: list[_Span] = []
    with fetch_ranges(_requests(spans, objects)) as answers:
        get_ready([level.codec for level in {job.level for job in jobs}])
        for members, data in answers:
            if isinstance(data, DecodeError) and len(members) > 1:
                apart += members
            else:
                reading.take(members, data)
            reading.work_until(answers)
    with fetch_ranges(
        RangeRequest(objects[span.wanted.image], span.offset, span.size, [span]) for span in apart
    ) as answers:
        for members, data in answers:
            reading.take(members, data)
            reading.work_until(answers)


def _requests(spans: Iterable[_Span], objects: Mapping[int, Ranged]) -> Iterator[RangeRequest[list[_Span]]]:
    """Join what lies together."""
    by_image: dict[int, list[_Span]] = {}
    for span in spans:
        by_image.setdefault(span.wanted.image, []).append(span)
    for image, several in by_image.items():
        several.sort(key=_place)
        for run in coalesced([(span.offset, span.size) for span in several], gap=GAP, most=MOST):
            yield RangeRequest(objects[image], run.start, run.size, several[run.first : run.last])


def _place(span: _Span) -> tuple[int, int]:
    return span.offset, span.size


class _Reading:
    """What has come of one batch, and what becomes of it."""

    __slots__ = ("_batch", "_held", "_parts", "_threads", "_work")

    def __init__(self, work: Work, batch: Batch, jobs: Iterable[BlockJob], threads: int) -> None:
        self._work = work
        self._batch = batch
        self._threads = threads
        self._held = _Held()
        self._parts: dict[BlockJob, list[memoryview | None]] = {
            job: [None] * len(job.parts) for job in jobs if len(job.parts) > 1
        }

    def take(self, members: Sequence[_Span], data: memoryview | ChipError) -> None:
        """Have decoded what has come."""
        if isinstance(data, ChipError):
            for span in members:
                _fail(self._batch, span, data)
            return
        start = members[0].offset
        ready: list[tuple[_Span, memoryview | bytes]] = []
        for span in members:
            whole = self._completed(span, data[span.offset - start : span.offset - start + span.size])
            if whole is not None:
                ready.append((span, whole))
        if ready:
            size = sum(len(view) for _, view in ready)
            self._held.change(size)
            self._work.add([partial(_finish, self._batch, ready, self._held, size)])

    def work_until(self, answers: Waiting) -> None:
        """Decode in this thread while it would only wait, or too much waits for it."""
        # One task is left to each helper, so that none goes away while this thread is in a long one.
        while (self._held.bytes > HELD or (self._work.waiting >= self._threads and not answers.ready)) and (
            self._work.do_one()
        ):
            pass

    def _completed(self, span: _Span, view: memoryview) -> memoryview | bytes | None:
        """Give all bytes of what a span is of, None while parts of it are missing."""
        come = self._parts.get(span.wanted) if isinstance(span.wanted, BlockJob) else None
        if come is None:
            return view
        come[span.part] = view
        there = [part for part in come if part is not None]
        return b"".join(there) if len(there) == len(come) else None


def _finish(batch: Batch, ready: Sequence[tuple[_Span, memoryview | bytes]], held: _Held, size: int) -> None:
    for span, data in ready:
        wanted = span.wanted
        if isinstance(wanted, BlockJob):
            batch.decode(wanted, data)
        elif wanted.level.raw is not None:
            batch.copy(wanted, wanted.level.raw, data, stride=wanted.stride)
    held.change(-size)


def _fail(batch: Batch, span: _Span, error: ChipError) -> None:
    wanted = span.wanted
    if isinstance(wanted, BlockJob):
        batch.fail(wanted, error)
    else:
        batch.fail_piece(wanted, error)
