"""Decoded tiles in memory, shared by the adapters that are given one.

Rules:

- bounded in bytes, the least recently used tile out first; a tile larger than a
  quarter of the bound is handed to whoever waits for it and not kept;
- single flight: of several threads that miss a tile, one makes it and the
  others wait. An error is told to those who wait, and is not kept; of a thread that is interrupted they hear
  nothing, and try themselves;
- what is held is a copy that nobody else has, and is given out read-only: the
  array that a caller put in stays the caller's, and writeable;
- a key stands for one tile, for ever: it holds everything that changes pixels
  (:func:`stacchip_osml.imagery.adapters.identity.identity_of`).

A pickled or forked cache starts empty.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.cache import Block, BlockCache, CacheCounts, Claim
from stacchip_osml.imagery.machine import fitting
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number

__all__ = ["TileCache"]

Tile = NDArray[Any]
MOST_BYTES = fitting(1 << 30)


class _Foreign(ChipError):
    """What another library raised, on its way to those who wait."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


class TileCache:
    """Tiles by key, bounded in bytes; safe for threads."""

    def __init__(self, max_bytes: int = MOST_BYTES) -> None:
        """Hold at most ``max_bytes`` of tiles.

        Args:
            max_bytes: 0 keeps nothing, and still lets no tile be made twice at the same time.
                The default is 1 GiB, less where memory is limited.

        Raises:
            ValueError: a negative bound, or none that is whole.
        """
        self._tiles = BlockCache(whole_number("max_bytes", max_bytes, least=0))
        self._own = threading.local()

    def __reduce__(self) -> tuple[object, ...]:
        return TileCache, (self.max_bytes,)

    def __repr__(self) -> str:
        return f"TileCache(max_bytes={self.max_bytes})"

    def __len__(self) -> int:
        """Count the tiles held."""
        return len(self._tiles)

    @property
    def max_bytes(self) -> int:
        """The bound."""
        return self._tiles.capacity

    @property
    def current_bytes(self) -> int:
        """Bytes of the tiles held."""
        return self._tiles.held_bytes

    @property
    def counts(self) -> CacheCounts:
        """Hits, misses (tiles made, or asked for with ``get``), waits (for another thread's) and evictions so far."""
        return self._tiles.counts

    def get(self, key: Hashable) -> Tile | None:
        """Give a held tile, read-only; None where it is not held."""
        of_kind("key", key, Hashable, "hashable")
        found = self._tiles.find(key, rows=0, whole=0)
        if found.state == "claimed" and found.claim is not None:
            self._tiles.abandon(found.claim)
        return None if found.block is None else _tile(found.block)

    def put(self, key: Hashable, tile: Tile) -> None:
        """Hold a copy of a tile ``(bands, rows, cols)``; without effect where the key is held or being made."""
        _require_tile(tile)
        of_kind("key", key, Hashable, "hashable")
        found = self._tiles.find(key, rows=0, whole=0)
        if found.state == "claimed" and found.claim is not None:
            self._deliver(found.claim, tile, owned=False)

    def fetch(self, key: Hashable, make: Callable[[], Tile], *, owned: bool = False) -> Tile:
        """Give a tile, made where it is not held.

        Args:
            key: everything that changes pixels.
            make: makes the tile ``(bands, rows, cols)``.
            owned: nobody else has the memory of what ``make`` gives, so that no copy is needed.

        Returns:
            The tile, read-only.

        Raises:
            Exception: what ``make`` raised, in this thread or in the one that was waited for.
        """
        of_kind("key", key, Hashable, "hashable")
        making: set[Hashable] = self._own.__dict__.setdefault("keys", set())
        if key in making:  # a provider that asks for the tile that it is making: nobody would ever deliver it
            return make()
        while True:
            found = self._tiles.find(key, rows=0, whole=0)
            if found.block is not None:
                return _tile(found.block)
            claim = found.claim
            if claim is None:
                raise RuntimeError("neither a tile nor a claim to one")
            if found.state == "claimed":
                making.add(key)
                try:
                    return self._deliver(claim, _require_tile(make()), owned=owned)
                except Exception as error:  # whatever a provider raises, it is told to all who wait, and raised
                    self._tiles.fail(claim, error if isinstance(error, ChipError) else _Foreign(error))
                    raise
                finally:
                    making.discard(key)
                    self._tiles.abandon(claim)
            result = self._tiles.wait(claim)
            if isinstance(result, ChipError):
                raise result.error if isinstance(result, _Foreign) else result
            if result is not None:
                return _tile(result)

    def clear(self) -> None:
        """Forget every tile."""
        self._tiles.clear()

    def _deliver(self, claim: Claim, tile: Tile, *, owned: bool) -> Tile:
        if not owned:
            kept = self._tiles.arena.take(tile.shape, tile.dtype)
            np.copyto(kept, tile)
            tile = kept
        self._tiles.deliver(claim, tile)
        return tile.view()


def _tile(block: Block) -> Tile:
    """Give a tile as it was put there."""
    return cast("Tile", block).view()


def _require_tile(tile: Tile) -> Tile:
    """Refuse what is no tile: a cache keeps whole rows of bands."""
    if not isinstance(tile, np.ndarray) or tile.ndim != 3:
        raise TypeError(f"make and put give a tile (bands, rows, cols), not {type(tile).__name__}: {tile!r:.60}")
    return tile
