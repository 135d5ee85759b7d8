"""Index rows as training samples: numpy only, so that any framework can stand on it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.errors import ChipError, IndexSchemaError, ReadError, WindowError
from stacchip_osml.forked import ForkLock
from stacchip_osml.imagery.machine import fitting
from stacchip_osml.index import ChipIndex
from stacchip_osml.load.chipper import Chipper
from stacchip_osml.load.decoded_store import DecodedStore
from stacchip_osml.load.faults import Faults, require_policy
from stacchip_osml.load.order import SHUFFLES, spare_draws
from stacchip_osml.load.row_groups import (
    SampleRows,
    balanced,
    block_groups,
    column_codes,
    label_rows,
    row_numbers,
    rows_digest,
)
from stacchip_osml.load.sample_block import ChipReading, SampleBlock
from stacchip_osml.load.samples import RowFacts, SampleBatch, as_type, sample_type
from stacchip_osml.load.schedule import SPARES, DrawnBatch, EpochSchedule, SampleOrder
from stacchip_osml.load.stream import ahead
from stacchip_osml.pixel.arguments import of_kind, one_of
from stacchip_osml.pixel.counts import chosen_rows

__all__ = ["ChipSource"]

CACHE_BYTES = fitting(1 << 30)
"""Decoded blocks kept unless a Chipper is given: a window of 256 blocks of 512² pixels, four bands of 16 bits."""
_VALID = ("pixels", "bands")


class ChipSource:
    """Samples of an index by number: dicts of arrays, or whole batches of them; safe for threads, and picklable.

    Example:
        >>> source = ChipSource("chips.parquet", dtype="float32")
        >>> for batch in source.batches(source.schedule(batch_size=32)):
        ...     batch.arrays["image"]
    """

    def __init__(
        self,
        chips: Chipper | ChipIndex | str | os.PathLike[str],
        *,
        samples: SampleRows | None = None,
        mask: str | ChipSource | Chipper | None = None,
        mask_rows: Sequence[int] | NDArray[np.integer] | None = None,
        mask_dtype: DTypeLike | None = np.int64,
        mask_fill: int | None = None,
        label: str | None = None,
        dtype: DTypeLike | None = None,
        valid: str | None = "pixels",
        ids: bool = True,
        on_sparse: str = "raise",
        on_error: str = "raise",
        store: DecodedStore | None = None,
    ) -> None:
        """Hold rows, and say what a sample is.

        Args:
            chips: what cuts the rows; or the index, for a Chipper that keeps 1 GiB of decoded blocks.
            samples: several rows a sample, see :func:`group_rows`; None makes every row one.
            mask: label pixels: the band of that name, which then is no band of the image; or other chips (of label
                rasters), one for the ground of each row; where there are several, that of the row's time or interval.
            mask_rows: row of those other chips for each row, wherever they lie: see :func:`pair_chips`.
            mask_dtype: of ``mask``; None as stored. No value may change but by the rounding of floats.
            mask_fill: value of label pixels that are not valid; None leaves what is stored.
            label: column that labels a whole row: numbers as they are, words as numbers in ascending order.
            dtype: of ``image``; None as stored. No value may change but by the rounding of floats.
            valid: ``pixels`` gives ``valid`` as (H, W), True where every band is valid; ``bands`` as (C, H, W); None
                leaves it out.
            ids: give each sample its ``id``.
            on_sparse: what is done where the image holds nothing: ``raise``, ``skip``, ``replace`` or ``keep``.
            on_error: the same where a file is missing or cannot be read.
            store: where chips are kept for the next epoch.

        Raises:
            ChipError: an argument that is not what its name says.
            IndexSchemaError: no such column; or a row without label chip.
        """
        self.chipper = chips if isinstance(chips, Chipper) else Chipper(chips, cache_bytes=CACHE_BYTES)
        self.samples = None if samples is None else of_kind("samples", samples, SampleRows, "what group_rows gives")
        self.dtype = sample_type("dtype", dtype)
        self.mask_dtype = sample_type("mask_dtype", mask_dtype)
        self.mask_fill = mask_fill
        self.on_sparse = require_policy("on_sparse", on_sparse)
        self.on_error = require_policy("on_error", on_error)
        self.valid = None if valid is None else one_of("valid", valid, _VALID)
        self.ids = ids
        self.store = None if store is None else of_kind("store", store, DecodedStore, "a DecodedStore")
        self._labels: NDArray[Any] | None = None
        self.classes: tuple[Any, ...] = ()
        """Values that ``label`` numbers."""
        if label is not None:
            self._labels, self.classes = row_numbers(self.index, label)
        self._facts = RowFacts(self.index)
        self._mask_band = mask if isinstance(mask, str) else None
        self._mask_reading: ChipReading | None = None
        if mask is not None and not isinstance(mask, str):
            other = mask if isinstance(mask, ChipSource) else ChipSource(mask)
            self._mask_reading = ChipReading(other.chipper, other._facts, store=other.store, want_mask=True)
            self._mask_rows = label_rows(self._facts, other._facts, mask_rows)
        elif mask_rows is not None:
            raise WindowError("mask_rows are rows of other chips, and mask= names none")
        wanted = valid is not None or (self._mask_band is not None and mask_fill is not None)
        # A store is filled with masks, whatever this source makes of them.
        self._reading = ChipReading(self.chipper, self._facts, store=store, want_mask=wanted)
        self._counts = Faults()
        self._lock = ForkLock()

    @property
    def index(self) -> ChipIndex:
        """The rows."""
        return self.chipper.index

    @property
    def counts(self) -> Faults:
        """Samples that were not what they should be, among those read by this process."""
        return self._counts

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.index) if self.samples is None else len(self.samples)

    def __getitem__(self, number: int) -> dict[str, Any]:
        """Give one sample.

        Raises:
            IndexError: no such sample.
            ReadError: it could not be read, or is sparse, and the policy is ``raise`` or ``skip``.
        """
        found = self.load([number])
        if not len(found):
            raise ReadError(f"sample {number} cannot be used, and a single one cannot be skipped: ask for batches")
        return found[0]

    def __getitems__(self, numbers: Sequence[int] | NDArray[np.integer] | DrawnBatch) -> SampleBatch:
        """Give several samples."""
        return self.load(numbers)

    def schedule(
        self,
        *,
        batch_size: int,
        shuffle: str = "blocks",
        seed: int = 0,
        window: int = 256,
        lanes: int = 1,
        weights: NDArray[np.floating] | Sequence[float] | str | None = None,
        balance: str | None = None,
        draws: int | None = None,
        block_shape: tuple[int, int] | None = None,
        rank: int = 0,
        ranks: int = 1,
        tail: str = "keep",
    ) -> EpochSchedule:
        """Say in which order and batches epochs visit the samples.

        Args:
            batch_size: samples in a batch.
            shuffle: ``none``; ``rows``; or ``blocks``, which reads each stored block about once an epoch.
            seed: which of all shuffles.
            window: blocks that are mixed with each other, see :func:`epoch_order`.
            lanes: parts of an epoch that share no blocks: as many as there are ranks; where workers take whole
                batches in turn, as many as there are reading processes on all ranks.
            weights: how often each sample is drawn, with replacement: an array, or a column of the index.
            balance: column whose values are drawn equally often.
            draws: samples an epoch with weights; None for as many as there are.
            block_shape: see :func:`block_groups`.
            rank: which of the processes that train together this is.
            ranks: how many they are.
            tail: ``keep``, ``drop`` or ``pad``, see :func:`batch_bounds`.

        Raises:
            WindowError: arguments that do not fit each other.
            IndexSchemaError: no such column.
        """
        if weights is not None and balance is not None:
            raise WindowError("give weights or balance, not both")
        shares = self._shares(weights, balance)
        blocks = None
        if one_of("shuffle", shuffle, SHUFFLES) == "blocks":
            blocks = self._of_first_rows(block_groups(self.chipper, block_shape=block_shape))
        order = SampleOrder(
            count=len(self),
            shuffle=shuffle,
            seed=seed,
            window=window,
            lanes=lanes,
            chunk=batch_size,
            blocks=blocks,
            weights=shares,
            draws=draws,
        )
        return EpochSchedule(order, batch_size=batch_size, rank=rank, ranks=ranks, tail=tail, rows=self.digest)

    def digest(self) -> str:
        """Tell these samples from others, by the ids of their rows."""
        return rows_digest(self.index, self.samples)

    def batches(self, schedule: EpochSchedule, *, in_flight: int = 2) -> Iterator[SampleBatch]:
        """Read the current epoch from where it stands, some batches ahead of the consumer.

        The schedule is told what was given out, so that its ``state_dict`` says where to go on, and goes to the next
        epoch when this one is used up.

        Args:
            schedule: from :meth:`schedule`.
            in_flight: batches being read or waiting, at most.

        Raises:
            ReadError: a sample could not be read, and the policy is ``raise``.
        """
        of_kind("schedule", schedule, EpochSchedule, "what ChipSource.schedule gives")
        for batch in ahead(self.load, schedule.begin(), in_flight=in_flight):
            schedule.reached(batch.position or 0)
            if len(batch):
                yield batch
        schedule.finish()

    def load(self, numbers: Sequence[int] | NDArray[np.integer] | DrawnBatch) -> SampleBatch:
        """Read samples of one shape.

        Args:
            numbers: samples in the order wanted; or a schedule's batch, whose spares replace what cannot be used.

        Raises:
            IndexError: no such sample.
            WindowError: the chips differ in shape, bands or type.
            ReadError: a sample could not be read, or is sparse, and the policy is ``raise``; or no spare could.
        """
        drawn = numbers if isinstance(numbers, DrawnBatch) else None
        wanted = self._numbers(numbers.samples if isinstance(numbers, DrawnBatch) else numbers)
        epoch = 0 if drawn is None else drawn.epoch
        position = None if drawn is None else drawn.position
        if not len(wanted):
            return SampleBatch({"index": wanted}, position=position)
        block = self._read(wanted, epoch)
        faults = Faults()
        if block.faults:
            # What stands in for samples that no schedule has drawn is for one sample always the same.
            spares = spare_draws(wanted, SPARES, len(self)) if drawn is None else drawn.spares
            faults = self._put_right(block, spares, epoch)
        if not len(block.samples):
            empty = np.empty(0, np.int64)
            return SampleBatch({"index": empty}, faults=faults, position=position, places=empty)
        return SampleBatch(self._arrays(block), faults=faults, position=position, places=block.places)

    def work_beside(self, others: int, *, divided: bool) -> None:
        """Read as one of several processes; see :meth:`Chipper.work_beside`."""
        for reading in filter(None, (self._reading, self._mask_reading)):
            reading.chipper.work_beside(others, divided=divided)

    def _read(self, samples: NDArray[np.int64], epoch: int) -> SampleBlock:
        block = SampleBlock(samples, samples[:, None] if self.samples is None else self.samples.rows[samples])
        block.read(self._reading, epoch=epoch)
        if self._mask_reading is not None:
            block.read_labels(self._mask_reading, self._mask_rows[_first_rows(block.rows)], epoch=epoch)
        return block

    def _put_right(self, block: SampleBlock, spares: NDArray[np.int64], epoch: int) -> Faults:
        """Do what the policies say about samples that cannot be used."""
        faults, left_out, to_replace = Faults(), set[int](), list[int]()
        refused: ChipError | None = None
        for place, error in sorted(block.faults.items()):
            faults = faults.noting(error)
            policy = self.on_sparse if error is None else self.on_error
            if policy == "skip":
                left_out.add(place)
            elif policy == "replace":
                to_replace.append(place)
            elif policy == "raise" or block.pixels is None:
                refused = (
                    refused or error or ReadError(f"the image of chip {self._name(block, place)!r} is sparse there")
                )
        faults = faults._replace(replaced=len(to_replace), skipped=len(left_out))
        with self._lock:
            self._counts = self._counts.plus(faults)
        if refused is not None:
            raise refused
        self._replace(block, to_replace, spares, epoch)
        if left_out:
            block.only([place for place in range(len(block.samples)) if place not in left_out])
        return faults

    def _replace(self, block: SampleBlock, lacking: list[int], spares: NDArray[np.int64], epoch: int) -> None:
        """Put the spares that can be used in the places of samples that cannot, as many turns as spares were drawn."""
        for drawn in spares.T:
            if not lacking:
                return
            others = self._read(drawn[lacking], epoch)
            for at, place in enumerate(lacking):
                if at not in others.faults:
                    block.put(place, others, at)
            lacking = [lacking[at] for at in sorted(others.faults)]
        if lacking:
            raise ReadError(
                f"chip {self._name(block, lacking[0])!r} cannot be used, nor any of {spares.shape[1]} drawn for it"
            ) from block.faults[lacking[0]]

    def _arrays(self, block: SampleBlock) -> dict[str, Any]:
        """Give a batch's arrays; pixels are not copied unless the type changes or a band is taken out of the middle."""
        if block.pixels is None:
            raise WindowError("samples without pixels make no batch")
        image, mask, labels, label_mask = block.pixels, block.mask, block.labels, block.label_mask
        if self._mask_band is not None:
            image, mask, labels, label_mask = self._split(image, mask)
        single = self.samples is None
        lead = _first_rows(block.rows)
        rows = self._facts.rows(lead)
        transform = self._facts.transforms(rows)
        bounds = self._facts.bounds(rows, transform)
        image = image[:, 0] if single else image
        arrays: dict[str, Any] = {"image": as_type("dtype", image, self.dtype)}
        if labels is not None:
            if self.mask_fill is not None and label_mask is not None:
                labels = np.where(label_mask, labels, np.asarray(self.mask_fill, self.mask_dtype or labels.dtype))
            labels = labels[:, 0] if self._mask_band is not None and single else labels
            arrays["mask"] = as_type("mask_dtype", labels, self.mask_dtype)
        if self._labels is not None:
            arrays["label"] = self._labels[lead]
        if self.valid is not None:
            valid = np.ones(image.shape, bool) if mask is None else mask[:, 0] if single else mask
            arrays["valid"] = valid if self.valid == "bands" else valid.all(axis=-3)
        arrays |= {"bounds": bounds, "transform": transform, "index": block.rows[:, 0] if single else block.rows}
        if not single:
            times = self._facts.times_of(block.rows)
            arrays |= {"present": block.present, "time": times}
            bounds[:, 6:8] = self._facts.spans_of(block.rows)
        if self.ids:
            arrays["id"] = self._facts.ids(block.rows[:, 0]) if single else self._facts.ids_of(block.rows)
        return arrays

    def _split(
        self, pixels: NDArray[Any], mask: NDArray[np.bool_] | None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None, NDArray[Any], NDArray[np.bool_] | None]:
        """Take the label band out of the image."""
        names = self._reading.band_names
        if self._mask_band not in names or len(names) < 2:
            raise IndexSchemaError(f"no band {self._mask_band!r} beside others to be the mask; there are {names}")
        at = names.index(self._mask_band)
        rest: Any = slice(1, None) if at == 0 else slice(at) if at == len(names) - 1 else np.arange(len(names)) != at
        return (
            pixels[:, :, rest],
            None if mask is None else mask[:, :, rest],
            pixels[:, :, at],
            None if mask is None else mask[:, :, at],
        )

    def _numbers(self, numbers: Sequence[int] | NDArray[np.integer]) -> NDArray[np.int64]:
        return chosen_rows(numbers, len(self), what="sample")

    def _name(self, block: SampleBlock, place: int) -> str:
        return str(self._facts.ids(_first_rows(block.rows[place : place + 1]))[0])

    def _shares(self, weights: Any, balance: str | None) -> NDArray[np.float64] | None:
        if balance is not None:
            codes, values = column_codes(self.index, balance)
            return balanced(self._of_first_rows(codes), len(values))
        if isinstance(weights, str):
            weights = self._of_first_rows(row_numbers(self.index, weights)[0])
        try:
            return None if weights is None else np.asarray(weights).astype(np.float64, casting="same_kind")
        except (TypeError, ValueError) as error:
            raise WindowError(f"weights must be numbers, one a sample: {error}") from error

    def _of_first_rows(self, values: NDArray[Any]) -> NDArray[Any]:
        """Give what the first row of each sample has."""
        return values if self.samples is None else values[_first_rows(self.samples.rows)]

    def __repr__(self) -> str:
        skipped = 0 if self.samples is None else self.samples.skipped
        lacking = f", {skipped} that lack rows left out" if skipped else ""
        return f"ChipSource({len(self)} samples of {len(self.index)} chips{lacking})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._lock = ForkLock()


def _first_rows(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the first row that each sample has."""
    return np.asarray(rows[np.arange(len(rows)), (rows >= 0).argmax(axis=1)])
