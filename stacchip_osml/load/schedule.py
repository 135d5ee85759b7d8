"""Where an epoch stands: batches drawn from an order, for one rank, resumable.

Rules: what is saved is a place in the order, counted in rows that all ranks
have taken, and a digest of what the order is made of. So a saved state means
the same with any number of ranks and workers, and a state of other rows or
settings is refused. Nothing here reads pixels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ResumeError, WindowError
from stacchip_osml.load.order import SEEDS, draw_rows, epoch_order, spare_draws
from stacchip_osml.load.sharding import Shard, batch_bounds, step_end
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import whole_number, whole_or_none

__all__ = ["SPARES", "DrawnBatch", "EpochSchedule", "SampleOrder"]

SPARES = 8
"""Samples drawn beside each place, to stand in for one that cannot be used."""
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DrawnBatch:
    """The samples of one batch; pickles small, so it can be sent to a worker."""

    samples: NDArray[np.int64]
    """``(N,)``."""
    spares: NDArray[np.int64]
    """``(N, SPARES)``: what stands in for each, in turn."""
    epoch: int
    position: int
    """Where in the order the epoch goes on when every rank has taken its batch of this step."""

    def __len__(self) -> int:
        return len(self.samples)

    def at(self, places: NDArray[np.integer]) -> DrawnBatch:
        """Give a part of it: the samples at these places."""
        return replace(self, samples=self.samples[places], spares=self.spares[places])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleOrder:
    """Which samples every epoch visits, in which order: settings of :func:`epoch_order` and :func:`draw_rows`.

    Raises:
        WindowError: settings that do not fit each other.
    """

    count: int
    """Samples there are."""
    shuffle: str = "blocks"
    seed: int = 0
    window: int = 256
    lanes: int = 1
    chunk: int = 1
    """Samples taken from a lane at a time: the batch size."""
    blocks: NDArray[np.int64] | None = None
    """``(count,)``: the block of each sample, for ``shuffle="blocks"``."""
    weights: NDArray[np.float64] | None = None
    """``(count,)``: draw with replacement, in these shares; None visits every sample once."""
    draws: int | None = None
    """Samples an epoch with weights; None for ``count``."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", whole_number("seed", self.seed, least=-SEEDS))
        for name, values in (("blocks", self.blocks), ("weights", self.weights)):
            if values is not None and values.shape != (self.count,):
                raise WindowError(f"{name} must be one value a sample, ({self.count},); got {values.shape}")
        if whole_or_none("draws", self.draws, least=0) is not None and self.weights is None:
            raise WindowError("draws says how many samples to draw by weights: 0 or more, and only with weights")
        # What the first epoch would refuse is refused before workers are started.
        epoch_order(0, shuffle=self.shuffle, window=self.window, lanes=self.lanes)
        if self.weights is not None:
            draw_rows(self.weights, 0)

    @property
    def length(self) -> int:
        """Places in an epoch."""
        return self.count if self.draws is None else self.draws

    def epoch(self, number: int) -> NDArray[np.int64]:
        """Give the samples of an epoch, in order."""
        drawn = None
        if self.weights is not None:
            drawn = draw_rows(self.weights, self.length, seed=self.seed, epoch=number)
            if self.shuffle != "blocks":
                return drawn  # as random an order as any
        blocks = self.blocks if drawn is None or self.blocks is None else self.blocks[drawn]
        order = epoch_order(
            self.length if blocks is None else blocks,
            seed=self.seed,
            epoch=number,
            shuffle=self.shuffle,
            window=self.window,
            lanes=self.lanes,
            chunk=self.chunk,
        )
        return order if drawn is None else drawn[order]

    def digest(self) -> str:
        """Tell this order from others: the same settings and arrays, the same text."""
        mixed = self.shuffle == "blocks"
        words = [self.count, self.shuffle, self.seed, self.draws]
        words += [self.window, self.lanes, self.chunk if self.lanes > 1 else 1] if mixed else []
        found = hashlib.blake2b(repr(words).encode(), digest_size=16)
        for values, kind in ((self.blocks if mixed else None, "<i8"), (self.weights, "<f8")):
            found.update(b"-" if values is None else np.ascontiguousarray(values, kind).data)
        return found.hexdigest()


class EpochSchedule:
    """The batches of one rank, epoch after epoch; iterating gives those of the current epoch.

    It serves as the ``batch_sampler`` of a ``torch.utils.data.DataLoader``, and keeps no track of what was used:
    who hands batches to the consumer calls :meth:`reached`.
    """

    def __init__(
        self,
        order: SampleOrder,
        *,
        batch_size: int,
        rank: int = 0,
        ranks: int = 1,
        tail: str = "keep",
        rows: Callable[[], str] | None = None,
    ) -> None:
        """Hold an order.

        Args:
            order: of all samples.
            batch_size: samples in a batch.
            rank: which of the processes that train together this is.
            ranks: how many they are.
            tail: what is done with samples that do not fill a batch on every rank, see :func:`batch_bounds`.
            rows: gives the digest of what the samples are, when a state is saved or loaded.

        Raises:
            WindowError: an argument that is not what its name says.
        """
        self.order = of_kind("order", order, SampleOrder, "a SampleOrder: ChipSource.schedule makes one")
        self.batch_size = whole_number("batch_size", batch_size, least=1)
        self.shard = Shard(rank=rank, ranks=ranks)
        self.tail = tail
        self.epoch = 0
        self.position = 0
        """Where in the current epoch's order the next iteration begins."""
        self._rows = rows
        self._made: tuple[int, NDArray[np.int64]] | None = None
        self._reached = 0
        _ = len(self)

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return len(self._bounds(0, self.shard))

    def __repr__(self) -> str:
        order, shard = self.order, self.shard
        rank = "" if shard.ranks == 1 else f", rank {shard.rank} of {shard.ranks}"
        where = f"epoch {self.epoch} at {self.position} of {order.length} samples"
        return f"EpochSchedule({where}, batches of {self.batch_size}, shuffle {order.shuffle}, seed {order.seed}{rank})"

    def __iter__(self) -> Iterator[DrawnBatch]:
        """Give the batches of the current epoch from where it stands; beginning again starts at the same place."""
        return self.batches()

    def batches(
        self, *, worker: int = 0, workers: int = 1, epoch: int | None = None, position: int | None = None
    ) -> Iterator[DrawnBatch]:
        """Give one worker's batches of an epoch; the workers' first ones, then their second ones, make the rank's.

        Args:
            worker: which of the rank's workers.
            workers: how many read for the rank.
            epoch: which epoch; None for the current one.
            position: where in its order to begin; None for where it stands.
        """
        # Looked at now, and not when the first batch is taken: the schedule may have moved on by then.
        epoch, position = whole_or_none("epoch", epoch, least=0), whole_or_none("position", position, least=0)
        return self._batches(
            self.epoch if epoch is None else epoch, self.position if position is None else position, worker, workers
        )

    def _batches(self, number: int, start: int, worker: int, workers: int) -> Iterator[DrawnBatch]:
        order = self._order(number)
        shard = Shard(rank=self.shard.rank, ranks=self.shard.ranks, worker=worker, workers=workers)
        bounds = batch_bounds(len(order), batch_size=self.batch_size, start=start, shard=shard, tail=self.tail)
        for step, (first, after) in enumerate(bounds.tolist()):
            places = np.arange(first, after) % len(order)
            spares = spare_draws(places, SPARES, len(order), seed=self.order.seed, epoch=number)
            yield DrawnBatch(
                samples=order[places],
                spares=order[spares],
                epoch=number,
                position=step_end(
                    step * workers + worker + 1,
                    length=len(order),
                    batch_size=self.batch_size,
                    start=start,
                    ranks=self.shard.ranks,
                ),
            )

    def set_epoch(self, epoch: int) -> None:
        """Go to the begin of an epoch; the epoch that is under way goes on where it stands."""
        if whole_number("epoch", epoch, least=0) != self.epoch:
            self.epoch, self.position, self._reached = int(epoch), 0, 0

    def begin(self) -> Iterator[DrawnBatch]:
        """Begin an iteration where the epoch stands; the next one begins at the begin of this epoch, or of the next.

        An epoch whose last batch was given out is over, also where nobody asked for one more.
        """
        if self._reached and not len(self._bounds(self._reached, self.shard)):
            self.finish()
        drawn = self.batches()
        self._reached, self.position = self.position, 0
        return drawn

    def reached(self, position: int) -> None:
        """Note how far the consumer has come: what :meth:`state_dict` saves."""
        self._reached = position

    def finish(self) -> None:
        """Note that an epoch was used up: the next iteration is of the next one."""
        self.epoch, self.position, self._reached = self.epoch + 1, 0, 0

    def state_dict(self, *, position: int | None = None) -> dict[str, Any]:
        """Say where the epoch stands: plain values, the same on every rank after the same number of batches.

        Args:
            position: a batch's own ``position``, where the schedule was not told what was used.
        """
        at = (self._reached or self.position) if position is None else whole_number("position", position, least=0)
        over = len(self._bounds(at, Shard(ranks=self.shard.ranks))) == 0
        return {
            "version": _VERSION,
            "seed": self.order.seed,
            "epoch": self.epoch + over,
            "position": 0 if over else at,
            "rows": "" if self._rows is None else self._rows(),
            "order": self.order.digest(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a saved epoch stands; ranks, workers and ``tail`` may be others than when it was saved.

        Raises:
            ResumeError: the state is of other rows, of another order, or none at all.
        """
        try:
            version, epoch, position = int(state["version"]), int(state["epoch"]), int(state["position"])
            rows, order = str(state["rows"]), str(state["order"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ResumeError(f"not the state of a schedule: {error}") from error
        if version != _VERSION:
            raise ResumeError(f"the state is of version {version}; this one reads version {_VERSION}")
        if rows != ("" if self._rows is None else self._rows()):
            raise ResumeError("the state is of other rows: the index or the grouping has changed since")
        if order != self.order.digest():
            raise ResumeError(
                "the state is of another order: seed, shuffle, window, lanes (with several, the batch size), blocks, "
                "weights or draws differ"
            )
        if not 0 <= position <= self.order.length:
            raise ResumeError(f"the state stands at {position} of an epoch of {self.order.length} samples")
        self.epoch, self.position, self._reached = epoch, position, 0

    def _bounds(self, start: int, shard: Shard) -> NDArray[np.int64]:
        return batch_bounds(self.order.length, batch_size=self.batch_size, start=start, shard=shard, tail=self.tail)

    def _order(self, number: int) -> NDArray[np.int64]:
        if self._made is None or self._made[0] != number:
            self._made = (number, self.order.epoch(number))
        return self._made[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_made": None}
