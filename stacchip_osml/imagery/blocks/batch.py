"""The work of one batch, whatever brought the bytes: decode a block, put its patches, copy uncompressed rectangles.

Every failure is noted at the windows that it concerns, so that the others go
on. A block that another thread is decoding for the cache is waited for at the
very end, when this batch owes nobody anything any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError, DecodeError
from stacchip_osml.imagery.blocks.cache import Block, BlockCache, Claim
from stacchip_osml.imagery.blocks.decode import decode_block, decode_differences, decode_sums
from stacchip_osml.imagery.blocks.desk import own_desk
from stacchip_osml.imagery.blocks.differences import Differences
from stacchip_osml.imagery.blocks.plan import BlockJob, Patch, RawPiece
from stacchip_osml.imagery.blocks.stored import TILED_STREAMS, RawForm
from stacchip_osml.imagery.blocks.target import Target
from stacchip_osml.imagery.jpeg2000.codestream import decode_jpeg2000
from stacchip_osml.pixel import PixelWindow

__all__ = ["Batch", "Bytes"]

Bytes = bytes | bytearray | memoryview


class Batch:
    """Targets of several windows, and what fills them. Its methods are called from several threads."""

    __slots__ = ("_busy", "_cache", "_claims", "_keys", "_names", "_remote", "_targets")

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        names: Sequence[str],
        keys: Sequence[object],
        remote: Sequence[bool],
        cache: BlockCache | None,
    ) -> None:
        """Hold what blocks are decoded into.

        Args:
            targets: one a read of the plan.
            names: of the files, for messages.
            keys: of the files, one for each version: what the cache knows them by.
            remote: whether the files' bytes are far away.
            cache: None for none.
        """
        self._targets = targets
        self._names = names
        self._keys = keys
        self._remote = remote
        self._cache = cache
        self._claims: dict[BlockJob, Claim] = {}
        self._busy: list[tuple[BlockJob, Claim]] = []

    # ---- the cache

    def claim(self, jobs: Iterable[BlockJob]) -> tuple[list[BlockJob], list[tuple[BlockJob, Block]]]:
        """Ask the cache for blocks.

        Returns:
            The jobs to do now, and those whose blocks are held. What other threads do meanwhile is left to ``wait``.
        """
        if self._cache is None:
            return list(jobs), []
        todo, held = [], []
        for job in jobs:
            is_quick = job.level.is_quick and not self._remote[job.image]
            found = self._cache.find(self._key(job), rows=job.needed, whole=job.shape[0], is_quick=is_quick)
            if found.block is not None:
                held.append((job, found.block))
            elif found.claim is None:
                todo.append(job)
            elif found.state == "claimed":
                self._claims[job] = found.claim
                todo.append(job)
            else:
                self._busy.append((job, found.claim))
        return todo, held

    def wait(self) -> list[BlockJob]:
        """Take over the blocks that other threads were decoding; returns those that they gave up on."""
        given_up = []
        for job, claim in self._busy:
            block = None if self._cache is None else self._cache.wait(claim)
            if block is None:
                given_up.append(job)
            elif isinstance(block, ChipError):
                self.fail(job, block)
            else:
                self.place(job, block)
        self._busy.clear()
        return given_up

    def abandon(self) -> None:
        """Give up what was claimed and not delivered, so that nobody waits for it."""
        if self._cache is not None:
            for claim in self._claims.values():
                self._cache.abandon(claim)

    def _key(self, job: BlockJob) -> tuple[object, ...]:
        return self._keys[job.image], job.level.title, job.plane, job.row, job.col

    # ---- decoded blocks

    def decode(self, job: BlockJob, data: Bytes) -> None:
        """Decode a block and put its patches."""
        claim = self._claims.get(job)
        codec, scratch = job.level.codec, own_desk().scratch
        try:
            if claim is not None and self._cache is not None:
                block = self._kept(job, data, claim, self._cache)
            elif codec.compression in TILED_STREAMS:
                block = decode_jpeg2000(
                    codec, data, shape=job.shape, rows=job.needed, scratch=scratch, window=_used(job)
                )
            elif not job.level.has_differences:
                block = decode_block(codec, data, shape=job.shape, rows=job.needed, scratch=scratch)
            elif (patch := _only_patch(job)) is None:
                block = decode_sums(codec, data, shape=job.shape, rows=job.needed, scratch=scratch)
            else:
                _, rows, cols, _, _ = patch
                part = decode_sums(
                    codec, data, shape=job.shape, rows=rows.stop, scratch=scratch, first=rows.start, cols=cols.stop
                )
                self._targets[patch.read].put(job.uses[0][0], patch, part[:, :, cols])
                return
        except ChipError as error:
            self.fail(job, DecodeError(f"{self.place_of(job)}: {error}"))
            return
        self.place(job, block)

    def _kept(self, job: BlockJob, data: Bytes, claim: Claim, cache: BlockCache) -> Block:
        """Decode a block into the cache's memory, and hand it in."""
        codec, scratch, rows = job.level.codec, own_desk().scratch, claim.rows
        block: Block
        if job.level.has_differences and not cache.is_asked_again and _is_little(job, rows):
            block = decode_differences(codec, data, shape=job.shape, rows=rows, scratch=scratch, arena=cache.arena)
        else:
            out = cache.arena.take((job.level.samples, rows, job.shape[1]), job.level.dtype)
            block = decode_block(codec, data, shape=job.shape, rows=rows, scratch=scratch, out=out)
        cache.deliver(claim, block)
        return block

    def place(self, job: BlockJob, block: Block) -> None:
        """Put the patches of a decoded block."""
        for pairs, patches in job.uses:
            for patch in patches:
                rows, cols = patch.block_rows, patch.block_cols
                if isinstance(block, Differences):
                    part = block.cut(rows, cols, own_desk().scratch)
                else:
                    part = block[:, rows, cols]
                self._targets[patch.read].put(pairs, patch, part)

    def fail(self, job: BlockJob, error: ChipError) -> None:
        """Note at all who need a block that it cannot be had."""
        claim = self._claims.get(job)
        if claim is not None and self._cache is not None:
            self._cache.fail(claim, error)
        for read in {patch.read for _, patches in job.uses for patch in patches}:
            self._targets[read].fail((job.image, job.plane, job.row, job.col), error)

    def place_of(self, job: BlockJob | RawPiece) -> str:
        """Name a block and its file."""
        row, col = (job.row, job.col) if isinstance(job, BlockJob) else job.block[1:]
        return f"{self._names[job.image]}: block ({row}, {col}) of {job.level.title}"

    def cut_off(self, wanted: BlockJob | RawPiece) -> DecodeError:
        """Say that the file ends before all bytes of a block."""
        parts = wanted.parts if isinstance(wanted, BlockJob) else [(wanted.offset, wanted.size)]
        places = ", ".join(f"{offset} to {offset + size}" for offset, size in parts)
        return DecodeError(f"{self.place_of(wanted)}: its bytes end before it does, {places} of the file")

    # ---- uncompressed rectangles

    def target_of(self, piece: RawPiece) -> NDArray[Any]:
        """Give the part ``(rows, cols)`` of a result that a piece of samples lying apart is."""
        part: NDArray[Any] = self._targets[piece.read].pixels[piece.pairs[0][0], piece.target_rows, piece.target_cols]
        return part

    def copy(self, piece: RawPiece, form: RawForm, data: Bytes, *, stride: int) -> None:
        """Copy a rectangle out of bytes as stored, its rows ``stride`` bytes apart."""
        per_pixel = form.pixel // form.item
        parts = 2 if form.pairs else 1
        shape = (piece.rows, piece.span // form.pixel, per_pixel, parts)
        strides = (stride, form.pixel, form.item, form.stored.itemsize)
        stored: NDArray[Any] = np.ndarray(shape, form.stored, buffer=data, strides=strides)
        pixels = self._targets[piece.read].pixels
        for band, sample in piece.pairs:
            part = pixels[band, piece.target_rows, piece.target_cols]
            source = stored[:, :, sample if per_pixel > 1 else 0]
            if form.pairs:
                part.real, part.imag = source[..., 0], source[..., 1]
            else:
                part[...] = source[..., 0]
        self.judge(piece)

    def judge(self, piece: RawPiece) -> None:
        """Mark what is valid of a piece whose pixels are there."""
        self._targets[piece.read].judge(piece.pairs, piece.target_rows, piece.target_cols)

    def fail_piece(self, piece: RawPiece, error: ChipError) -> None:
        """Note that a piece cannot be had."""
        self._targets[piece.read].fail((piece.image, *piece.block), error)


def _only_patch(job: BlockJob) -> Patch | None:
    """Give the one patch that a block is decoded for; None where there are several."""
    patch, *others = job.uses[0][1]
    return None if others or len(job.uses) > 1 else patch


def _used(job: BlockJob) -> PixelWindow:
    """Give the part of a block that all patches lie in."""
    patches = [patch for _, several in job.uses for patch in several]
    left = min(patch.block_cols.start for patch in patches)
    top = min(patch.block_rows.start for patch in patches)
    return PixelWindow(left, top, max(patch.block_cols.stop for patch in patches) - left, job.needed - top)


def _is_little(job: BlockJob, rows: int) -> bool:
    """Tell whether less of a block is needed than its first rows, and by one window.

    Where windows of a batch share a block, those of the next often do, too.
    """
    patch = _only_patch(job)
    if patch is None:
        return False
    height: int = patch.block_rows.stop - patch.block_rows.start
    width: int = patch.block_cols.stop
    return height * width < rows * job.shape[1]
