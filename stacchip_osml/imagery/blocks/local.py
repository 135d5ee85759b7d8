"""Carrying out a plan on local files: which reads become which tasks.

Rules:

- blocks that lie together are one ``pread``, up to ``MOST`` bytes; a block is
  decoded from the buffer it was read into;
- a task is one such read, or several that decode to little, so that threads
  meet seldom and none waits long for the last one;
- uncompressed rectangles are read straight into the result where all of it lies
  there as in the file; row by row where that leaves out more than ``GAP`` bytes
  a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import numpy as np

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.batch import Batch
from stacchip_osml.imagery.blocks.cache import Block
from stacchip_osml.imagery.blocks.desk import own_desk
from stacchip_osml.imagery.blocks.plan import BlockJob, RawPiece, coalesced, sliced
from stacchip_osml.imagery.blocks.stored import RawForm

__all__ = ["LocalSource", "local_tasks"]

GAP = 1 << 13
"""Bytes that are copied from the page cache in the time of one more call."""
NEAR = 1 << 12
"""Bytes between blocks that are read with them."""
MOST = 1 << 18
"""Bytes of one read that serves several blocks: they stay in the processor's caches until they are decoded."""
PIECE = 1 << 22
"""Bytes of one task that copies uncompressed rows."""
TASK_BYTES = 1 << 17
"""Decoded bytes that a task is worth: some tenths of a millisecond."""
TASKS_A_THREAD = 16
"""So that no thread waits long for the last task of another."""


class LocalSource(Protocol):
    """An open local file, or bytes in memory that are read like one."""

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read bytes into a buffer; returns how many there were, fewer at the end of the file."""
        ...

    def read_spans(self, offsets: range, size: int) -> bytes:
        """Read spans of some bytes each, joined; fewer bytes, or none, where the file ends before."""
        ...


class _Costed(NamedTuple):
    cost: int
    """Bytes decoded or copied."""
    action: Callable[[], None]


def local_tasks(
    batch: Batch,
    jobs: Sequence[BlockJob],
    pieces: Sequence[RawPiece],
    held: Sequence[tuple[BlockJob, Block]],
    *,
    files: Mapping[int, LocalSource],
    threads: int,
) -> list[Callable[[], None]]:
    """Make tasks of blocks to decode, rectangles to copy and blocks to take from the cache."""
    costed = [_Costed(job.decoded_bytes // 8, partial(batch.place, job, block)) for job, block in held]
    costed += _decoding(batch, jobs, files)
    for piece in pieces:
        for part in sliced(piece, most=PIECE):
            costed.append(_Costed(part.rows * part.span, partial(_copy, batch, part, files[part.image])))
    if threads == 1:
        return [each.action for each in costed]
    return list(_bundled(costed, threads))


def _decoding(batch: Batch, jobs: Sequence[BlockJob], files: Mapping[int, LocalSource]) -> Iterator[_Costed]:
    by_image: dict[int, list[BlockJob]] = {}
    for job in jobs:
        if len(job.parts) == 1:
            by_image.setdefault(job.image, []).append(job)
        else:
            yield _Costed(job.decoded_bytes, partial(_decode_parts, batch, job, files[job.image]))
    for image, several in by_image.items():
        several.sort(key=_offset)
        for run in coalesced([job.parts[0] for job in several], gap=NEAR, most=MOST):
            members = several[run.first : run.last]
            cost = sum(job.decoded_bytes for job in members)
            yield _Costed(cost, partial(_decode_run, batch, members, files[image], run.start, run.size))


def _offset(job: BlockJob) -> int:
    return job.parts[0][0]


def _bundled(costed: Iterable[_Costed], threads: int) -> Iterator[Callable[[], None]]:
    """Join actions to tasks of about equal cost."""
    actions = list(costed)
    worth = max(sum(each.cost for each in actions) // (threads * TASKS_A_THREAD), TASK_BYTES)
    bundle: list[Callable[[], None]] = []
    cost = 0
    for each in actions:
        bundle.append(each.action)
        cost += each.cost
        if cost >= worth:
            yield partial(_all, bundle)
            bundle, cost = [], 0
    if bundle:
        yield partial(_all, bundle)


def _all(actions: list[Callable[[], None]]) -> None:
    for action in actions:
        action()


def _decode_run(batch: Batch, jobs: Sequence[BlockJob], file: LocalSource, start: int, size: int) -> None:
    """Read what lies together, and decode block by block."""
    buffer = own_desk().bytes_of(size)
    try:
        found = file.read_into(start, buffer)
    except ChipError as error:
        for job in jobs:
            batch.fail(job, error)
        return
    for job in jobs:
        offset, count = job.parts[0]
        first = offset - start
        if first + count > found:
            batch.fail(job, batch.cut_off(job))
        else:
            batch.decode(job, buffer[first : first + count])


def _decode_parts(batch: Batch, job: BlockJob, file: LocalSource) -> None:
    """Read the parts of a block one after the other, and decode them."""
    buffer = own_desk().bytes_of(sum(size for _, size in job.parts))
    at = 0
    for offset, size in job.parts:
        try:
            found = file.read_into(offset, buffer[at : at + size])
        except ChipError as error:
            batch.fail(job, error)
            return
        if found < size:
            batch.fail(job, batch.cut_off(job))
            return
        at += size
    batch.decode(job, buffer)


def _copy(batch: Batch, piece: RawPiece, file: LocalSource) -> None:
    """Copy an uncompressed rectangle from the file to its result."""
    form = piece.level.raw
    if form is None or piece.offset + piece.size > piece.end:
        batch.fail_piece(piece, batch.cut_off(piece))
        return
    try:
        # Bytes in another order are turned on their way: in place takes twice as long, and Python's lock.
        read = _read_direct if form.direct and not form.swapped else _read_buffered
        whole = read(batch, piece, form, file)
    except ChipError as error:
        batch.fail_piece(piece, error)
        return
    if not whole:
        batch.fail_piece(piece, batch.cut_off(piece))


def _read_direct(batch: Batch, piece: RawPiece, form: RawForm, file: LocalSource) -> bool:
    """Read into the result itself, where all of it lies there as in the file; False if the file ends."""
    part = batch.target_of(piece)
    if piece.span != piece.stride or not part.flags.c_contiguous:
        return _read_buffered(batch, piece, form, file)
    whole = file.read_into(piece.offset, part.reshape(-1).view(np.uint8).data) == piece.size
    batch.judge(piece)
    return whole


def _read_buffered(batch: Batch, piece: RawPiece, form: RawForm, file: LocalSource) -> bool:
    """Read into a buffer and copy from there; False if the file ends."""
    data: bytes | memoryview
    if piece.stride - piece.span <= GAP:
        data, stride = own_desk().bytes_of(piece.size), piece.stride
        whole = file.read_into(piece.offset, data) == piece.size
    else:
        offsets = range(piece.offset, piece.offset + piece.rows * piece.stride, piece.stride)
        data, stride = file.read_spans(offsets, piece.span), piece.span
        whole = len(data) == piece.rows * stride
    if whole:
        batch.copy(piece, form, data, stride=stride)
    return whole
