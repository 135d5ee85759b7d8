"""Which batches of an epoch are whose: ranks and their workers take them in turn.

An epoch's order is cut into batches once, for all. Batch ``j`` is read by rank
``j % ranks``, and there by worker ``j // ranks % workers``. So what all ranks
have taken after the same number of steps is a beginning of the order, and one
number says where to go on, with however many ranks and workers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import WindowError
from stacchip_osml.pixel.arguments import one_of
from stacchip_osml.pixel.counts import whole_number

__all__ = ["TAILS", "Shard", "batch_bounds", "step_end"]

MOST = 2**31
"""Samples of a batch."""
TAILS = ("keep", "drop", "pad")
"""The rows that do not fill a batch on every rank: read as they are, left out, or filled up from the order's begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """One reader among all.

    Raises:
        WindowError: numbers that do not fit each other.
    """

    rank: int = 0
    ranks: int = 1
    """Processes that train together, each on its own batches."""
    worker: int = 0
    workers: int = 1
    """Readers that serve one rank."""

    def __post_init__(self) -> None:
        for name, least in (("rank", 0), ("ranks", 1), ("worker", 0), ("workers", 1)):
            whole_number(name, getattr(self, name), least=least)
        if not 0 <= self.rank < self.ranks:
            raise WindowError(f"rank must be in 0 … ranks - 1; got rank {self.rank} of {self.ranks}")
        if not 0 <= self.worker < self.workers:
            raise WindowError(f"worker must be in 0 … workers - 1; got worker {self.worker} of {self.workers}")


def batch_bounds(
    length: int, *, batch_size: int, start: int = 0, shard: Shard | None = None, tail: str = "keep"
) -> NDArray[np.int64]:
    """Give a shard its batches of an epoch, or of the rest of one.

    Args:
        length: rows of the epoch.
        batch_size: rows in a batch.
        start: where in the order to begin.
        shard: whose batches; None for all.
        tail: ``keep`` reads every row once, the last batch may be short and some ranks have one batch more than
            others; ``drop`` leaves out what does not give every rank a full batch; ``pad`` fills that up with rows
            from the order's begin.

    Returns:
        ``(batches, 2)``: first place in the order and the place after the last; places beyond ``length`` count on
        from the begin (``pad`` only).

    Raises:
        WindowError: an argument that is not what its name says.
    """
    one_of("tail", tail, TAILS)
    length = whole_number("length", length, least=0)
    batch_size = whole_number("batch_size", batch_size, least=1, most=MOST)
    start = whole_number("start", start, least=0, most=length)
    who = shard or Shard()
    left, step = length - start, who.ranks * batch_size
    if tail == "keep":
        count = -(-left // batch_size)
    elif tail == "drop":
        count = left // step * who.ranks
    else:
        count = -(-left // step) * who.ranks
    mine = np.arange(who.rank, count, who.ranks, dtype=np.int64)[who.worker :: who.workers]
    first = start + mine * batch_size
    after = first + batch_size
    return np.stack([first, after if tail == "pad" else np.minimum(after, length)], axis=1)


def step_end(number: int, *, length: int, batch_size: int, start: int = 0, ranks: int = 1) -> int:
    """Give the place in the order that is reached when every rank has taken ``number`` batches."""
    return min(start + number * batch_size * ranks, length)
