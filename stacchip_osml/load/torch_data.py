"""Samples for PyTorch: datasets, collating without a copy, and a loader that says where it stands.

The only file that knows torch. Arrays become tensors that share their memory;
what is loaded in a worker process crosses to the consumer in shared memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from stacchip_osml.errors import MissingExtraError
from stacchip_osml.load.faults import Faults
from stacchip_osml.load.samples import SampleBatch
from stacchip_osml.load.schedule import DrawnBatch, EpochSchedule
from stacchip_osml.load.source import ChipSource
from stacchip_osml.load.stream import ahead
from stacchip_osml.pixel.arguments import function_or_none, of_kind
from stacchip_osml.pixel.counts import whole_number

try:
    import torch
    from torch.utils.data import Dataset, IterableDataset, default_collate, get_worker_info

    from stacchip_osml.load.torch_crew import Loaded, WorkerCrew, as_tensors
except ImportError as error:
    raise MissingExtraError("torch", purpose="feeding PyTorch") from error

__all__ = ["ChipDataset", "ChipIterableDataset", "ChipLoader", "collate", "rank_and_ranks"]

MOST = 1 << 15
"""Processes, and batches that each reads ahead."""
Sample = dict[str, Any]
"""Tensors by torchgeo's names: ``image``, ``mask``, ``label``, ``bounds``, ``transform``; and our own."""


def collate(batch: SampleBatch | Sequence[Mapping[str, Any]]) -> Sample:
    """Give one dict of tensors: of a :class:`SampleBatch` without copying, of single samples by stacking them."""
    if not isinstance(batch, SampleBatch):
        if not isinstance(batch, Sequence) or not batch:
            raise TypeError(f"batch must be a SampleBatch or a list of samples, got {batch!r:.60}")
        stacked: Sample = default_collate(list(batch))
        return stacked
    tensors: Sample = as_tensors(batch.arrays)
    return tensors


def rank_and_ranks() -> tuple[int, int]:
    """Give this process's place in ``torch.distributed``; (0, 1) where that is not in use."""
    distributed = torch.distributed
    if not (distributed.is_available() and distributed.is_initialized()):
        return 0, 1
    return distributed.get_rank(), distributed.get_world_size()


class ChipDataset(Dataset[Sample]):
    """A map-style dataset of a :class:`ChipSource`.

    ``DataLoader`` asks it for whole batches, which are read together. With ``batch_sampler=source.schedule(…)`` and
    ``collate_fn=collate`` nothing is copied on the way; any other sampler and collating work as well.
    """

    def __init__(self, source: ChipSource) -> None:
        self.source = source

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.source)

    def __getitem__(self, number: int) -> Sample:
        """Give one sample as tensors."""
        return _tensors(self.source[number])

    def __getitems__(self, numbers: Sequence[int] | DrawnBatch) -> SampleBatch:
        """Read a batch of samples together."""
        return self.source.load(numbers)


class ChipIterableDataset(IterableDataset[Sample]):
    """An iterable dataset that gives whole batches: use it with ``DataLoader(…, batch_size=None)``.

    Its batches carry ``position``; what resumes after a batch is ``state_dict(position)``. Every worker reads its own
    batches, and the loader puts them back into their order. Epochs are chosen by :meth:`set_epoch`, which workers
    that are already running see when they begin again.
    """

    def __init__(self, source: ChipSource, schedule: EpochSchedule) -> None:
        _require(source, schedule)
        self.source = source
        self.schedule = schedule
        self._at = torch.tensor([schedule.epoch, schedule.position])
        self._at.share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return len(self.schedule)

    def __iter__(self) -> Iterator[Sample]:
        """Read this worker's batches of the epoch."""
        who = get_worker_info()
        worker, workers = (0, 1) if who is None else (who.id, who.num_workers)
        epoch, position = self._at.tolist()
        for drawn in self.schedule.batches(worker=worker, workers=workers, epoch=epoch, position=position):
            batch = self.source.load(drawn)
            yield {**collate(batch), "position": torch.tensor(drawn.position)}

    def set_epoch(self, epoch: int) -> None:
        """Go to the begin of an epoch; the epoch that is under way goes on where it stands."""
        self.schedule.set_epoch(epoch)
        self._tell()

    def state_dict(self, position: torch.Tensor | int | None = None) -> dict[str, Any]:
        """Say where to go on after the batch that has this ``position``; None before the first."""
        return self.schedule.state_dict(position=None if position is None else int(position))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a saved epoch stands.

        Raises:
            ResumeError: the state is of other rows or of another order.
        """
        self.schedule.load_state_dict(state)
        self._tell()

    def _tell(self) -> None:
        # In memory that workers share: those kept from the last epoch have a copy of everything else.
        self._at.copy_(torch.tensor([self.schedule.epoch, self.schedule.position]))


class ChipLoader:
    """Batches as dicts of tensors, epoch after epoch, which can be stopped and resumed anywhere.

    It counts what its consumer has been given, not what workers have read ahead. Iterating again gives the next
    epoch, or, where the consumer stopped early, the same epoch from its begin.
    """

    def __init__(
        self,
        source: ChipSource,
        schedule: EpochSchedule,
        *,
        num_workers: int = 0,
        prefetch: int = 2,
        transform: Callable[[Sample], Sample] | None = None,
        pin_memory: bool = False,
        context: str | None = None,
    ) -> None:
        """Load batches in this process, or in workers.

        Args:
            source: samples.
            schedule: their order, from ``source.schedule``.
            num_workers: processes that read; 0 reads on threads of this one, which is faster unless ``transform``
                takes long, since decoding uses all cores either way. Where samples are mixed by blocks and nothing
                is to be transformed, each worker reads the samples of its own blocks.
            prefetch: batches read ahead of the consumer, by each worker.
            transform: batch → batch: called in the worker that read the batch; without workers in the consumer's
                thread, one batch after the other.
            pin_memory: give tensors in memory that an accelerator copies faster from; nothing happens without one.
            context: how workers are started: ``fork``, ``spawn`` or ``forkserver``; None for the system's way.

        Raises:
            ValueError: fewer than 0 workers, or nothing read ahead.
        """
        num_workers = whole_number("num_workers", num_workers, least=0, most=MOST)
        prefetch = whole_number("prefetch", prefetch, least=1, most=MOST)
        _require(source, schedule)
        function_or_none("transform", transform)
        self.source = source
        self.schedule = schedule
        self.counts = Faults()
        """Samples that were not what they should be, among the batches given out."""
        self._prefetch = prefetch
        self._transform = transform
        self._pin = pin_memory and torch.cuda.is_available()
        self._crew: WorkerCrew | None = None
        if num_workers:
            self._crew = WorkerCrew(
                source, schedule, workers=num_workers, prefetch=prefetch, transform=transform, context=context
            )

    def __len__(self) -> int:
        """Count the batches of a whole epoch."""
        return len(self.schedule)

    def __repr__(self) -> str:
        return f"ChipLoader({self.source!r}, {self.schedule!r})"

    def __iter__(self) -> Iterator[Sample]:
        """Give the batches of the current epoch from where it stands.

        Raises:
            ReadError: a sample could not be read, and the source's policy is ``raise``.
        """
        drawn = self.schedule.begin()
        loaded = self._here(drawn) if self._crew is None else self._crew.batches(drawn)
        if self._pin:
            loaded = ahead(_pinned, loaded, in_flight=2)
        for batch, size, position, faults, error in loaded:
            if error is not None:
                try:
                    raise error
                finally:
                    # The error knows this frame: together they would keep the workers until they are found.
                    del error, loaded
            self.schedule.reached(position)
            self.counts = self.counts.plus(faults)
            if size:
                yield batch
        self.schedule.finish()

    def set_epoch(self, epoch: int) -> None:
        """Go to the begin of an epoch; the epoch that is under way goes on where it stands."""
        self.schedule.set_epoch(epoch)

    def state_dict(self) -> dict[str, Any]:
        """Say where to go on after the last batch given out: the same on all ranks after as many batches."""
        return self.schedule.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to where a saved epoch stands, with any number of ranks and workers.

        Raises:
            ResumeError: the state is of other rows or of another order.
        """
        self.schedule.load_state_dict(state)

    def _here(self, drawn: Iterator[DrawnBatch]) -> Iterator[Loaded]:
        for loaded in ahead(partial(_loaded, self.source), drawn, in_flight=self._prefetch):
            # Not where it was read: threads that draw from the process's random numbers draw in any order.
            if self._transform is None or not loaded.size:
                yield loaded
            else:
                yield loaded._replace(batch=self._transform(loaded.batch))


def _require(source: ChipSource, schedule: EpochSchedule) -> None:
    """Refuse what is no source and no schedule before it is asked for batches."""
    of_kind("source", source, ChipSource, "a ChipSource")
    of_kind("schedule", schedule, EpochSchedule, "what ChipSource.schedule gives")


def _loaded(source: ChipSource, drawn: DrawnBatch) -> Loaded:
    """Read a batch in this process."""
    found = source.load(drawn)
    return Loaded(collate(found) if len(found) else {}, len(found), drawn.position, found.faults)


def _tensors(sample: Mapping[str, Any]) -> Sample:
    return {
        name: torch.as_tensor(value) if isinstance(value, np.ndarray | np.generic) else value
        for name, value in sample.items()
    }


def _pinned(loaded: Loaded) -> Loaded:
    batch = loaded.batch.items()
    return loaded._replace(
        batch={name: value.pin_memory() if isinstance(value, torch.Tensor) else value for name, value in batch}
    )
