"""Batches by worker processes: who reads which samples, and how they come together again.

Where samples are mixed block by block, every worker reads a part of each
batch: the samples of its own blocks. So no block is decoded by two of them, in
whatever order samples come, and all hold together what one process would.
Where there are no blocks, or a transform wants its batch whole, workers take
whole batches in turn.

What a worker makes is written into a slot that it shares with the consumer
(``shared_slots``). Small arrays, the first batches, of which nobody knows the size
yet, and those that find no free slot are pickled in the worker: torch would do so
in a thread whose failures nobody hears of, and by sockets in the temporary folder,
whose name must not be long.
"""

from __future__ import annotations

import gc
import io
import itertools
import pickle
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset, get_worker_info

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.arena import default_arena
from stacchip_osml.load.faults import Faults
from stacchip_osml.load.shared_slots import Slot, SlotLease, SlotMap, SlotPool, offsets_of

if TYPE_CHECKING:
    from stacchip_osml.load.schedule import DrawnBatch, EpochSchedule
    from stacchip_osml.load.source import ChipSource

__all__ = ["Loaded", "WorkerCrew", "as_tensors"]

LARGE = 1 << 16
"""Bytes a batch: smaller arrays are sent with the message."""
HELD = 3
"""Batches that a consumer may keep before others have to find memory of their own."""
Sample = dict[str, Any]


class Loaded(NamedTuple):
    """A batch that was read, or why it was not."""

    batch: Sample
    size: int
    position: int
    faults: Faults
    error: ChipError | None = None


class _Task(NamedTuple):
    """What a worker is told to read."""

    drawn: DrawnBatch
    places: NDArray[np.int64] | None
    """Where its samples stand in the batch; None for all of them."""
    size: int
    """Samples of the batch."""
    slot: Slot | None


class _Field(NamedTuple):
    """An array of a whole batch in a slot."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


class _Sent(NamedTuple):
    """What a worker sends: a batch, or its part of one."""

    values: Sample
    """By name, in order: ``_Field`` for what lies in the slot."""
    loaded: Loaded
    """Without its batch."""
    places: NDArray[np.int64] | None
    """Where its samples stand in the batch; None for all of them."""
    room: int
    """Bytes that a slot needs for the batch."""


class WorkerCrew:
    """Processes that read for a loader, kept from epoch to epoch."""

    def __init__(
        self,
        source: ChipSource,
        schedule: EpochSchedule,
        *,
        workers: int,
        prefetch: int,
        transform: Callable[[Sample], Sample] | None,
        context: str | None,
    ) -> None:
        """Plan for workers; they are started when batches are first asked for.

        Args:
            source: samples.
            schedule: whose blocks are divided among the workers.
            workers: 1 or more.
            prefetch: batches read ahead of the consumer, for each worker.
            transform: called with whole batches.
            context: how workers are started.
        """
        owners = None if transform is not None else _owners(schedule, workers)
        self._parts = 1 if owners is None else workers
        self._pool = SlotPool(prefetch * workers + HELD)
        # It knows nothing of the crew: a circle would keep the workers until it is found.
        self._tasks = _Tasks(owners, self._pool, parts=self._parts, length=len(schedule))
        self._loader: DataLoader[Any] = DataLoader(
            _Reader(source, transform, divided=self._parts > 1),
            batch_sampler=self._tasks,  # type: ignore[arg-type] # a task is asked for as one object, not as numbers
            collate_fn=_as_it_is,
            num_workers=workers,
            prefetch_factor=prefetch * self._parts,
            multiprocessing_context=context,
            persistent_workers=True,
            worker_init_fn=_begin,
        )

    def batches(self, drawn: Iterator[DrawnBatch]) -> Iterator[Loaded]:
        """Read batches, in their order."""
        self._tasks.drawn = drawn
        incoming = iter(self._loader)
        for sent in incoming:
            following = itertools.islice(incoming, self._parts - 1)
            parts = [pickle.loads(each) for each in (sent, *following)]  # noqa: S301 - from our own workers
            loaded = self._together(self._tasks.asked.popleft(), parts)
            del sent, parts
            yield loaded
            del loaded

    def _together(self, task: _Task, parts: Sequence[_Sent]) -> Loaded:
        """Make one batch of its parts."""
        self._pool.need(max(part.room for part in parts))
        lease = None if task.slot is None else self._pool.lend(task.slot)
        faults = Faults()
        for part in parts:
            faults = faults.plus(part.loaded.faults)
        made = Loaded({}, sum(part.loaded.size for part in parts), task.drawn.position, faults)
        error = next((part.loaded.error for part in parts if part.loaded.error is not None), None)
        if error is not None or not made.size:
            return made._replace(size=0, error=error)
        if parts[0].places is None:
            return made._replace(batch=as_tensors(_opened(parts[0].values, lease)))
        return made._replace(batch=as_tensors(_joined([part for part in parts if part.loaded.size], lease, task.size)))


class _Tasks:
    """What torch takes for the sampler of an epoch: the tasks of the batches that are to be given."""

    def __init__(self, owners: NDArray[np.int64] | None, pool: SlotPool, *, parts: int, length: int) -> None:
        self.drawn: Iterator[DrawnBatch] = iter(())
        self.asked: deque[_Task] = deque()
        """A task for each batch that is under way: all of it."""
        self._owners = owners
        self._pool = pool
        self._parts = parts
        self._length = length

    def __len__(self) -> int:
        """Count those of a whole epoch, more or less."""
        return self._length * self._parts

    def __iter__(self) -> Iterator[_Task]:
        """Make tasks; torch first asks when its workers have ended what was asked of them before."""
        self.asked.clear()
        self._pool.recover()
        for drawn in self.drawn:
            task = _Task(drawn, None, len(drawn), self._pool.take())
            self.asked.append(task)
            if self._owners is None:
                yield task
                continue
            owner = self._owners[drawn.samples]
            for part in range(self._parts):
                places = np.flatnonzero(owner == part)
                yield task._replace(drawn=drawn.at(places), places=places)


class _Reader(Dataset[Any]):
    """What a worker does: pickled parts of batches.

    Errors are sent as they are, since torch would make new ones of their texts.
    """

    def __init__(self, source: ChipSource, transform: Callable[[Sample], Sample] | None, *, divided: bool) -> None:
        self.source = source
        self.transform = transform
        self.divided = divided
        self._slots = SlotMap()

    def __getitems__(self, task: _Task) -> bytes:
        out = io.BytesIO()
        _Pickler(out, pickle.HIGHEST_PROTOCOL).dump(self._read(task))
        return out.getvalue()

    def _read(self, task: _Task) -> _Sent:
        nothing = Loaded({}, 0, task.drawn.position, Faults())
        try:
            batch = self.source.load(task.drawn)
        except ChipError as error:
            return _Sent({}, nothing._replace(error=error), task.places, 0)
        loaded = nothing._replace(size=len(batch), faults=batch.faults)
        places = None if task.places is None else task.places[batch.places]
        made: Any = batch.arrays
        if not loaded.size:
            return _Sent({}, loaded, places, 0)
        if self.transform is not None:
            made = self.transform(as_tensors(made))
        return self._put(task, loaded, made, places)

    def _put(self, task: _Task, loaded: Loaded, made: Any, places: NDArray[np.int64] | None) -> _Sent:
        """Write what is large into the slot."""
        arrays = {name: _array_of(value) for name, value in made.items()} if isinstance(made, Mapping) else {}
        shapes = {
            name: array.shape if places is None else (task.size, *array.shape[1:])
            for name, array in arrays.items()
            if array is not None
        }
        sizes = {name: int(np.prod(shape)) * arrays[name].dtype.itemsize for name, shape in shapes.items()}
        large = [name for name, size in sizes.items() if size >= LARGE]
        offsets, room = offsets_of([sizes[name] for name in large])
        memory = None if task.slot is None or room > task.slot.size else self._slots.bytes_of(task.slot)
        if not arrays:
            return _Sent(made, loaded, places, room)
        values = {name: value if arrays[name] is None else arrays[name] for name, value in made.items()}
        if memory is None:
            return _Sent(values, loaded, places, room)
        for name, offset in zip(large, offsets, strict=True):
            array, shape = arrays[name], shapes[name]
            there = memory[offset : offset + sizes[name]].view(array.dtype).reshape(shape)
            if places is None:
                np.copyto(there, array)
            else:
                for place, row in zip(places.tolist(), array, strict=True):
                    there[place] = row
            values[name] = _Field(offset, shape, array.dtype)
        return _Sent(values, loaded, places, room)


class _Pickler(pickle.Pickler):
    """Pickles tensors as their numbers: torch's own way makes nothing of those of unsigned 16 bits that it can read."""

    def reducer_override(self, value: Any) -> Any:
        array = _array_of(value) if isinstance(value, torch.Tensor) else None
        return NotImplemented if array is None else (torch.from_numpy, (array,))


def as_tensors(batch: Any) -> Any:
    """Make tensors of a batch's arrays, without copying."""
    if not isinstance(batch, Mapping):
        return batch
    return {
        name: torch.from_numpy(values) if isinstance(values, np.ndarray) else values for name, values in batch.items()
    }


def _as_it_is(sent: Any) -> Any:
    return sent


def _begin(worker: int) -> None:  # noqa: ARG001 - torch's signature
    """Settle in a new process: its share of the machine, and nothing of its parent's for the garbage collector."""
    about = get_worker_info()
    reader = None if about is None else about.dataset
    if about is not None and isinstance(reader, _Reader):
        reader.source.work_beside(about.num_workers, divided=reader.divided)
    gc.freeze()  # a forked process would copy what it looks at


def _owners(schedule: EpochSchedule, workers: int) -> NDArray[np.int64] | None:
    """Say which worker reads each sample; None where samples have no blocks to tell them apart."""
    blocks = schedule.order.blocks
    if blocks is None or workers == 1:
        return None
    _, codes = np.unique(blocks, return_inverse=True)
    return np.asarray(codes % workers, np.int64)


def _array_of(value: Any) -> Any:
    """Give the array that a value is; None where it is none, or one that only torch knows."""
    if isinstance(value, np.ndarray):
        return value if not value.dtype.hasobject else None
    if type(value) is not torch.Tensor or value.requires_grad or value.device.type != "cpu":
        return None
    try:
        return value.numpy()
    except (TypeError, RuntimeError):  # a type that numpy has not, or another layout
        return None


def _opened(values: Any, lease: SlotLease | None) -> Any:
    """Give what was sent, with the arrays that lie in a slot."""
    if lease is None or not isinstance(values, Mapping):
        return values
    return {name: lease.array(*value) if isinstance(value, _Field) else value for name, value in values.items()}


def _joined(parts: Sequence[_Sent], lease: SlotLease | None, size: int) -> Sample:
    """Put the samples of all parts into their order; what lies whole in the slot stays there."""
    places = np.concatenate([part.places for part in parts if part.places is not None])
    order = np.argsort(places, kind="stable")
    joined: Sample = {}
    for name, first in parts[0].values.items():
        found = [part.values[name] for part in parts]
        if isinstance(first, list):
            flat = [value for each in found for value in each]
            joined[name] = [flat[at] for at in order.tolist()]
        elif lease is not None and len(places) == size and all(_is_same_field(each, first) for each in found):
            joined[name] = lease.array(*first)
        else:
            joined[name] = _stacked([_rows(*each, lease) for each in zip(found, parts, strict=True)], order)
    return joined


def _is_same_field(one: Any, other: Any) -> bool:
    return isinstance(one, _Field) and isinstance(other, _Field) and one == other


def _stacked(arrays: Sequence[NDArray[Any]], order: NDArray[np.intp]) -> NDArray[Any]:
    """Join arrays to one whose rows are in this order."""
    whole = default_arena().take((len(order), *arrays[0].shape[1:]), arrays[0].dtype)
    rows = [row for array in arrays for row in array]
    for place, at in enumerate(order.tolist()):
        whole[place] = rows[at]
    return whole


def _rows(value: Any, part: _Sent, lease: SlotLease | None) -> NDArray[Any]:
    """Give the samples of one part."""
    if isinstance(value, _Field) and lease is not None:
        return lease.array(*value)[part.places]
    return value.numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
