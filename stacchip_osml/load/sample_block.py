"""Pixels of samples on their way into a batch: read from the store or the imagery, and put right where one fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChipError, LimitError, ReadError, WindowError
from stacchip_osml.load.chipper import Chipper
from stacchip_osml.load.decoded_store import ChipKeys, DecodedStore
from stacchip_osml.load.samples import RowFacts

__all__ = ["ChipReading", "CutRows", "SampleBlock"]


class CutRows(NamedTuple):
    """Chips of some rows."""

    pixels: NDArray[Any] | None
    """``(N, C, H, W)``; None where no file could be opened, so that nobody knows the shape."""
    mask: NDArray[np.bool_] | None
    """``(N, C, H, W)``; None where everything is valid, or was not asked for."""
    present: NDArray[np.bool_]
    """``(N,)``."""
    errors: dict[int, ChipError]


class ChipReading:
    """Reads rows of one index, from a store where they are in it; what was read goes there. Safe for threads."""

    def __init__(self, chipper: Chipper, facts: RowFacts, *, store: DecodedStore | None, want_mask: bool) -> None:
        self.chipper = chipper
        self.store = store
        self.want_mask = want_mask
        self._facts = facts
        self._keys = ChipKeys(chipper.index.tables.headers, chipper.index.chains, chain=chipper.chain)
        self._band_names: tuple[str, ...] = ()

    @property
    def band_names(self) -> tuple[str, ...]:
        """Bands of the chips; empty until one was read."""
        return self._band_names or (() if self.store is None else self.store.band_names)

    def rows(self, positions: NDArray[np.int64], *, epoch: int = 0) -> CutRows:
        """Read rows of one shape.

        Raises:
            WindowError: the chips differ in shape, bands or type.
        """
        store = self.store
        if store is None:
            return self._cut(positions)
        keys = self._keys.of(
            self._facts.rows(positions), self._facts.plans.keys, epoch=epoch, lasting=not store.in_memory
        )
        places = store.find(keys)
        absent = [row for row, place in enumerate(places) if place is None]
        held = [place for place in places if place is not None]
        if not absent:
            found = store.read(held, want_mask=self.want_mask)
            return CutRows(found.pixels, found.mask, found.present, {})
        cut = self._cut(positions[absent])
        if cut.pixels is not None:
            good = [at for at in range(len(absent)) if at not in cut.errors]
            mask = np.broadcast_to(True, cut.pixels.shape) if cut.mask is None else cut.mask
            store.put(
                [keys[absent[at]] for at in good],
                cut.pixels if len(good) == len(absent) else cut.pixels[good],
                mask if len(good) == len(absent) else mask[good],
                cut.present[good],
                band_names=self._band_names,
            )
        return cut if not held else self._merged(places, held, absent, cut)

    def _merged(
        self,
        places: Sequence[tuple[int, int] | None],
        held: Sequence[tuple[int, int]],
        absent: Sequence[int],
        cut: CutRows,
    ) -> CutRows:
        """Put rows from the store and rows just read into their order."""
        assert self.store is not None  # noqa: S101 - only called with one
        found = self.store.read(held, want_mask=self.want_mask)
        there = [row for row, place in enumerate(places) if place is not None]
        if cut.pixels is not None and cut.pixels.shape[1:] != found.pixels.shape[1:]:
            raise WindowError(
                f"chips of a batch must agree: {found.pixels.shape[1:]} in the store, {cut.pixels.shape[1:]} read"
            )
        pixels = np.zeros((len(places), *found.pixels.shape[1:]), found.pixels.dtype)
        present = np.zeros(len(places), bool)
        pixels[there], present[there] = found.pixels, found.present
        if cut.pixels is not None:
            pixels[absent], present[absent] = cut.pixels, cut.present
        mask = None
        if self.want_mask:
            mask = np.zeros(pixels.shape, bool)
            mask[there] = True if found.mask is None else found.mask
            if cut.pixels is not None:
                mask[absent] = True if cut.mask is None else cut.mask
        return CutRows(pixels, mask, present, {absent[at]: error for at, error in cut.errors.items()})

    def _cut(self, positions: NDArray[np.int64]) -> CutRows:
        try:
            cut = self.chipper.cut_rows(positions, want_mask=self.want_mask or self.store is not None)
        except (ReadError, LimitError) as error:  # no file of the batch could be opened
            errors: dict[int, ChipError] = {0: error}
            for place in range(len(positions)) if len(positions) > 1 else ():
                errors[place] = self._cut(positions[place : place + 1]).errors[0]
            return CutRows(None, None, np.zeros(len(positions), bool), errors)
        self._band_names = cut.band_names
        return CutRows(cut.pixels, cut.mask if cut.is_masked else None, cut.present, cut.errors)


class SampleBlock:
    """Samples of one shape, a row or several each, with what is wrong with them."""

    def __init__(self, samples: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
        """Begin with nothing read.

        Args:
            samples: ``(N,)`` numbers.
            rows: ``(N, T)`` rows of the index, -1 for none.
        """
        self.places = np.arange(len(samples))
        """``(N,)``: where the samples stood in what was asked for."""
        self.samples = samples.copy()
        self.rows = rows.copy()
        self.pixels: NDArray[Any] | None = None
        """``(N, T, C, H, W)``."""
        self.mask: NDArray[np.bool_] | None = None
        """``(N, T, C, H, W)``; None where everything is valid, or was not asked for."""
        self.present = np.zeros(rows.shape, bool)
        """``(N, T)``."""
        self.labels: NDArray[Any] | None = None
        """``(N, H, W)`` label pixels of another source."""
        self.label_mask: NDArray[np.bool_] | None = None
        self.faults: dict[int, ChipError | None] = {}
        """What is wrong, by place; None: a row is sparse."""

    def read(self, reading: ChipReading, *, epoch: int) -> None:
        """Read all rows."""
        have = self.rows >= 0
        cut = reading.rows(self.rows[have], epoch=epoch)
        self.present[have] = cut.present
        owner = np.nonzero(have)[0]
        for place in np.flatnonzero(~cut.present).tolist():
            number = int(owner[place])
            error = cut.errors.get(place)
            if error is not None or number not in self.faults:
                self.faults[number] = error
        if cut.pixels is None:
            return
        self.pixels = _spread(cut.pixels, have)
        if have.all():
            self.mask = None if cut.mask is None else _spread(cut.mask, have)
        elif reading.want_mask:
            self.mask = _spread(np.ones(cut.pixels.shape, bool) if cut.mask is None else cut.mask, have)

    def read_labels(self, reading: ChipReading, rows: NDArray[np.int64], *, epoch: int) -> None:
        """Read the label chip of each sample, row ``(N,)`` of the labels' index."""
        cut = reading.rows(rows, epoch=epoch)
        for place, error in cut.errors.items():
            self.faults.setdefault(place, error)
        if cut.pixels is not None:
            band: Any = 0 if cut.pixels.shape[1] == 1 else slice(None)
            self.labels = cut.pixels[:, band]
            self.label_mask = None if cut.mask is None else cut.mask[:, band]

    def put(self, place: int, other: SampleBlock, other_place: int) -> None:
        """Take a sample of another block for one of this.

        Raises:
            WindowError: it is of another shape or type.
        """
        if other.pixels is None:
            raise WindowError("a sample without pixels replaces nothing")
        if self.pixels is None:
            self.pixels = np.zeros((len(self.samples), *other.pixels.shape[1:]), other.pixels.dtype)
            self.mask = None if other.mask is None else np.zeros(self.pixels.shape, bool)
        if (other.pixels.shape[1:], other.pixels.dtype) != (self.pixels.shape[1:], self.pixels.dtype):
            raise WindowError(
                f"chips of a batch must agree: {self.pixels.shape[1:]} {self.pixels.dtype}, and in its place "
                f"{other.pixels.shape[1:]} {other.pixels.dtype}"
            )
        self.pixels[place] = other.pixels[other_place]
        if other.mask is not None and self.mask is None:
            self.mask = np.ones(self.pixels.shape, bool)
        if self.mask is not None:
            self.mask[place] = True if other.mask is None else other.mask[other_place]
        if other.labels is not None:
            self._put_labels(place, other.labels, other.label_mask, other_place)
        self.samples[place], self.rows[place] = other.samples[other_place], other.rows[other_place]
        self.present[place] = other.present[other_place]
        self.faults.pop(place, None)

    def _put_labels(self, place: int, labels: NDArray[Any], valid: NDArray[np.bool_] | None, other_place: int) -> None:
        if self.labels is None:
            self.labels = np.zeros((len(self.samples), *labels.shape[1:]), labels.dtype)
        if valid is not None and self.label_mask is None:
            self.label_mask = np.ones(self.labels.shape, bool)
        self.labels[place] = labels[other_place]
        if self.label_mask is not None:
            self.label_mask[place] = True if valid is None else valid[other_place]

    def only(self, places: Sequence[int]) -> None:
        """Keep some samples."""
        kept = list(places)
        for name in ("places", "samples", "rows", "pixels", "mask", "present", "labels", "label_mask"):
            values = getattr(self, name)
            setattr(self, name, None if values is None else values[kept])


def _spread(values: NDArray[Any], have: NDArray[np.bool_]) -> NDArray[Any]:
    """Give rows their places ``(N, T)``; no copy where every place has one."""
    if have.all():
        return values.reshape(*have.shape, *values.shape[1:])
    spread = np.zeros((*have.shape, *values.shape[1:]), values.dtype)
    spread[have] = values
    return spread
