"""Decoded blocks in memory, shared by all readers of a process.

Rules:

- bounded in bytes, the least recently used block out first; a block larger
  than a quarter of the bound is handed to whoever waits for it and not kept;
- single flight: who asks for a block that is not there claims it, and has to
  deliver, fail or abandon it; whoever asks meanwhile waits for that. A claimant
  works off all its claims before it waits for anyone else's, so nobody waits
  in a circle;
- a block may be held in part, its first rows. Whoever needs more decodes all of it.
  Where that happens so often that decoding all of them at once had been less work
  (chips of neighbouring rows, batch after batch), they are from then on: what
  became of the blocks last held in part, or that could have been, decides;
- keeping costs, too: memory outside the processor's caches, and turns at a lock. Once the cache is full, and few of
  the requests of late were for blocks that were asked for not long ago, a block that is quickly decoded is left to
  whoever asked, and kept when it is asked for again (chips at random of more imagery than the cache holds);
- errors are told to those who wait, and are not kept;
- the key is the caller's, and must hold everything that changes pixels: the
  file and its version, level, plane, place.

A forked child starts empty: a lock or a claim may have been held by a thread
that does not exist there.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.arena import MIB, Arena, default_arena
from stacchip_osml.imagery.blocks.differences import Differences

__all__ = ["Block", "BlockCache", "CacheCounts", "Claim", "Found"]

Block = NDArray[Any] | Differences
LARGEST_SHARE = 4
"""A block may take one part in this many of the cache."""
MEMORY = 16
"""Blocks by whose fate others are decoded in part or whole."""
ASKED = 64
"""Requests by which those to come are judged."""
OFTEN = 0.4
"""Share of requests for blocks that are held: of blocks asked for twice, a half."""
SELDOM = 0.1
"""Share below which it does not pay to keep what is quickly decoded: keeping takes as much of the decoding's time."""


class CacheCounts(NamedTuple):
    """What a cache did so far."""

    hits: int
    misses: int
    """Blocks that had to be decoded."""
    waits: int
    """Blocks that another thread was decoding already."""
    evictions: int


class Claim:
    """A block that one thread decodes and others may wait for."""

    __slots__ = ("_arrived", "asked", "block", "done", "error", "key", "rows")

    def __init__(self, key: Hashable, rows: int, asked: int) -> None:
        self.key = key
        self.rows = rows
        """Leading rows that are being decoded."""
        self.asked = asked
        """Leading rows that would do; 0 where it is of no interest whether more are asked for later."""
        self.block: Block | None = None
        self.error: ChipError | None = None
        self.done = False
        self._arrived: threading.Event | None = None


class Found(NamedTuple):
    """The state of a block that was asked for."""

    state: Literal["held", "claimed", "busy", "left"]
    """``held``: here it is. ``claimed``: the caller must decode it. ``busy``: another thread does.

    ``left``: the caller decodes it for itself, and the cache does not want it."""
    block: Block | None
    """``(samples, rows, cols)``, read-only, where held; as it was delivered."""
    claim: Claim | None
    """What to deliver, or to wait for."""


class _Held:
    """A block in the cache."""

    __slots__ = ("asked", "block")

    def __init__(self, block: Block, asked: int) -> None:
        self.block = block
        self.asked = asked
        """Leading rows that did until now; 0 once it is known whether more are wanted."""


class BlockCache:
    """Decoded blocks, least recently used out first; safe for threads."""

    def __init__(self, capacity: int = 256 * MIB, *, arena: Arena | None = None) -> None:
        """Hold at most ``capacity`` bytes of decoded blocks.

        Args:
            capacity: bytes; 0 keeps nothing, and still lets no block be decoded twice at the same time.
            arena: where the memory comes from, and goes to when blocks go or the cache does; None for the process's
                own, so that the next cache need not have fresh memory, which costs more than a block's predictor.
        """
        self.capacity = capacity
        self.arena = default_arena() if arena is None else arena
        self._reset()
        _CACHES.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[Hashable, _Held] = OrderedDict()
        self._claims: dict[Hashable, Claim] = {}
        self._bytes = 0
        self._wanted_more = 0.0
        """Share of the blocks of which some rows did at first, and more were asked for while they were held."""
        self._found = 0.0
        """Share of the requests of late that were for blocks held."""
        self._known = 1.0
        """Share of as many requests as blocks are held that were for one of them, or for one left not long ago."""
        self._left: OrderedDict[Hashable, None] = OrderedDict()
        """Blocks that were not kept, as many as are held at most."""
        self._is_full = False
        self._hits = self._misses = self._waits = self._evictions = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of the blocks held."""
        return self._bytes

    @property
    def counts(self) -> CacheCounts:
        """Tell what was asked so far."""
        with self._lock:
            return CacheCounts(self._hits, self._misses, self._waits, self._evictions)

    @property
    def is_asked_again(self) -> bool:
        """Whether blocks are, as things go, asked for again while they are held: worth making ready at once."""
        return self._found > OFTEN

    def __len__(self) -> int:
        """Count the blocks held."""
        return len(self._held)

    def __reduce__(self) -> tuple[object, ...]:
        return BlockCache, (self.capacity,)

    def find(self, key: Hashable, *, rows: int, whole: int, is_quick: bool = False) -> Found:
        """Ask for a block's first rows; claim it where nobody has it.

        Args:
            key: everything that changes pixels.
            rows: leading rows needed.
            whole: rows of the whole block: claimed at once where fewer than needed are held or being decoded, or
                where that is less work as things go.
            is_quick: it is decoded in not much more time than keeping it takes: it may be ``left``.
        """
        with self._lock:
            asked = rows if rows < whole else 0
            held = self._held.get(key)
            if held is not None:
                if held.asked and rows > held.asked:
                    held.asked = 0
                    self._learn(1)
                if held.block.shape[1] >= rows:
                    self._held.move_to_end(key)
                    self._hits += 1
                    self._note(is_held=True, is_known=True)
                    return Found("held", held.block, None)
                rows, asked = whole, 0
            claim = self._claims.get(key)
            if claim is not None:
                if claim.rows >= rows:
                    self._waits += 1
                    return Found("busy", None, claim)
                rows, asked = whole, 0
            self._misses += 1
            again = self._left.pop(key, self) is None
            self._note(is_held=False, is_known=again)
            if is_quick and self._is_full and held is None and not again and self._known < SELDOM:
                self._left[key] = None
                if len(self._left) > len(self._held):
                    self._left.popitem(last=False)
                return Found("left", None, None)
            # In part, what is wanted more costs all of it again: rows + share * whole, against whole.
            if asked and self._wanted_more * whole > whole - rows:
                rows = whole
            claim = self._claims[key] = Claim(key, rows, asked)
            return Found("claimed", None, claim)

    def deliver(self, claim: Claim, block: Block) -> None:
        """Hand in a decoded block ``(samples, rows, cols)``; it must not change from now on."""
        if isinstance(block, np.ndarray):
            block.flags.writeable = False
        claim.block = block
        dropped = []
        with self._lock:
            self._finish(claim)
            held = self._held.get(claim.key)
            larger = held is None or held.block.shape[1] < block.shape[1]
            if larger and block.nbytes * LARGEST_SHARE <= self.capacity:
                if held is not None:
                    self._bytes -= self._held.pop(claim.key).block.nbytes
                self._held[claim.key] = _Held(block, claim.asked)
                self._bytes += block.nbytes
                while self._bytes > self.capacity:
                    self._is_full = True
                    dropped.append(self._held.popitem(last=False)[1])
                    self._bytes -= dropped[-1].block.nbytes
                    self._evictions += 1
                    if dropped[-1].asked:
                        self._learn(0)
        # `dropped` ends here, outside the lock: its memory goes back to the arena.

    def fail(self, claim: Claim, error: ChipError) -> None:
        """Tell those who wait that a block cannot be had."""
        claim.error = error
        with self._lock:
            self._finish(claim)

    def abandon(self, claim: Claim) -> None:
        """Give up a claim without a result; those who wait ask again. Without effect once delivered or failed."""
        with self._lock:
            self._finish(claim)

    def wait(self, claim: Claim) -> Block | ChipError | None:
        """Wait for what another thread decodes.

        Returns:
            The block, or the error that the other thread met; None where it gave up and the caller has to ask again.
        """
        with self._lock:
            if not claim.done and claim._arrived is None:
                claim._arrived = threading.Event()
            arrived = None if claim.done else claim._arrived
        if arrived is not None:
            arrived.wait()
        return claim.block if claim.error is None else claim.error

    def clear(self) -> None:
        """Forget every block."""
        with self._lock:
            forgotten, self._held = self._held, OrderedDict()
            self._left.clear()
            self._bytes, self._is_full = 0, False
        forgotten.clear()

    def _note(self, *, is_held: bool, is_known: bool) -> None:
        """Note what a request was for; the caller holds the lock."""
        self._found += (is_held - self._found) / ASKED
        self._known += (is_known - self._known) / max(ASKED, len(self._held))

    def _learn(self, wanted_more: int) -> None:
        """Note what became of a block of which some rows did; the caller holds the lock."""
        self._wanted_more += (wanted_more - self._wanted_more) / MEMORY

    def _finish(self, claim: Claim) -> None:
        """Let go those who wait; the caller holds the lock."""
        claim.done = True
        if self._claims.get(claim.key) is claim:
            del self._claims[claim.key]
        if claim._arrived is not None:
            claim._arrived.set()


_CACHES: weakref.WeakSet[BlockCache] = weakref.WeakSet()


def _after_fork() -> None:
    for cache in list(_CACHES):
        cache._reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
