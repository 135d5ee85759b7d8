"""What a sample tells beside its pixels, and how samples stand together in a batch.

The keys are torchgeo's: ``image``, ``mask`` or ``label``, ``bounds`` (xmin,
xmax, xres, ymin, ymax, yres, tmin, tmax, tres; times in seconds since 1970) and
``transform`` (nine numbers, row by row, pixel corner (col, row) → CRS). Beside
them stand ``valid``, ``index`` (row of the chip index) and ``id``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import numpy as np
import pyarrow as pa
from numpy.typing import DTypeLike, NDArray

from stacchip_osml.errors import ChipError
from stacchip_osml.forked import cached_property
from stacchip_osml.index import ChipIndex
from stacchip_osml.index.schema import INTERVAL
from stacchip_osml.load.faults import Faults
from stacchip_osml.load.rows import PlannedRows, RowPlans

__all__ = ["RowFacts", "SampleBatch", "as_type", "sample_type"]

_MICROSECOND = 1e-6


class SampleBatch(Sequence[dict[str, Any]]):
    """Samples of one shape as arrays of the whole batch; also a sequence of the single samples, none of them copied."""

    def __init__(
        self,
        arrays: Mapping[str, Any],
        *,
        faults: Faults | None = None,
        position: int | None = None,
        places: NDArray[np.int64] | None = None,
    ) -> None:
        """Hold arrays whose first axis is the sample; ``id`` is a list."""
        self.arrays = dict(arrays)
        self.faults = faults or Faults()
        """What was wrong with the samples asked for."""
        self.position = position
        """Where in its epoch's order the next step begins; None for samples that were asked for one by one."""
        self.places = np.arange(len(self)) if places is None else places
        """``(N,)``: where its samples stood in what was asked for; some may have been skipped."""

    def __len__(self) -> int:
        return len(self.arrays["index"])

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        """Give one sample, or several."""
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(f"sample {place} of a batch of {len(self)}")
        return {name: values[place] for name, values in self.arrays.items()}

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self[place] for place in range(len(self)))

    def __repr__(self) -> str:
        shapes = ", ".join(
            f"{name} {'x'.join(map(str, values.shape))} {values.dtype}"
            for name, values in self.arrays.items()
            if isinstance(values, np.ndarray)
        )
        return f"SampleBatch({len(self)}: {shapes})"


class RowFacts:
    """Where the rows of an index lie and what they are called; columns are read when first used."""

    def __init__(self, index: ChipIndex) -> None:
        self.index = index
        self.plans = RowPlans(index)
        self._affines = np.empty((0, 6))

    @cached_property
    def times(self) -> NDArray[np.float64]:
        """``(rows,)``: seconds since 1970, NaN where a row has no time."""
        return _seconds(self.index.query(columns=["datetime"]).column(0))

    @cached_property
    def ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """First and last time of rows' intervals, ``(rows,)`` each; where there is none, both are the row's time."""
        start, end = self.index.query(columns=list(INTERVAL)).columns
        if start.null_count == len(start):
            return self.times, self.times
        sides = [_seconds(side) for side in (start, end)]
        first, last = (np.where(np.isnan(side), self.times, side) for side in sides)
        return first, last

    @cached_property
    def _ids(self) -> pa.ChunkedArray:
        return self.index.query(columns=["id"]).column(0)

    def ids(self, positions: NDArray[np.int64]) -> list[str]:
        """Give rows' ids."""
        return list(self._ids.take(pa.array(positions)).to_pylist())

    def ids_of(self, rows: NDArray[np.int64]) -> list[tuple[str, ...]]:
        """Give the ids of ``(N, T)`` rows, sample by sample; of a row below 0 there is none, and it is empty."""
        names = np.array(self.ids(np.maximum(rows, 0).reshape(-1)), object).reshape(rows.shape)
        return [tuple(each) for each in np.where(rows >= 0, names, "").tolist()]

    def times_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the times of ``(N, T)`` rows; of a row below 0 there is none, and it is NaN."""
        return np.where(rows >= 0, self.times[rows], np.nan)

    def spans_of(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give ``(N, 2)``: first and last time of samples of ``(N, T)`` rows, of their intervals; NaN without any."""
        first, last = (side[rows] for side in self.ends)
        known = (rows >= 0) & np.isfinite(first)
        ends = np.where(known, first, np.inf).min(1), np.where(known, last, -np.inf).max(1)
        return np.where(known.any(1, keepdims=True), np.stack(ends, axis=1), np.nan)

    def rows(self, positions: NDArray[np.int64]) -> PlannedRows:
        """Give rows' windows and sources."""
        return self.plans.rows(positions)

    def transforms(self, rows: PlannedRows) -> NDArray[np.float64]:
        """Give ``(N, 9)``: a b c d e f 0 0 1, chip pixel corner to CRS; NaN in sensor geometry."""
        affines = self._affines
        new = [self._affine(key) for key in self.plans.keys[len(affines) :]]
        if new:
            affines = self._affines = np.vstack([affines, new])
        a, b, c, d, e, f = affines[rows.sources].T
        scale = 2.0 ** np.array([key.level for key in self.plans.keys])[rows.sources]
        x, y = rows.windows[:, 0], rows.windows[:, 1]
        zero = np.zeros(len(x))
        corner = a * x + b * y + c, d * x + e * y + f
        return np.stack(
            [a * scale, b * scale, corner[0], d * scale, e * scale, corner[1], zero, zero, zero + 1], axis=1
        )

    def sizes(self, rows: PlannedRows) -> NDArray[np.int64]:
        """Give ``(N, 2)``: width and height in chip pixels."""
        level = np.array([key.level for key in self.plans.keys], np.int64)[rows.sources]
        return -(-rows.windows[:, 2:].astype(np.int64) >> level[:, None])

    def bounds(self, rows: PlannedRows, transforms: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give ``(N, 9)``: xmin xmax xres ymin ymax yres tmin tmax tres."""
        a, b, c, d, e, f = transforms[:, :6].T
        width, height = self.sizes(rows).T
        xs = np.stack([c, c + a * width, c + b * height, c + a * width + b * height])
        ys = np.stack([f, f + d * width, f + e * height, f + d * width + e * height])
        first, last = self.spans_of(rows.positions[:, None]).T
        return np.stack(
            [xs.min(0), xs.max(0), np.hypot(a, d), ys.min(0), ys.max(0), np.hypot(b, e), first, last, np.ones(len(a))],
            axis=1,
        )

    def grounds(self) -> NDArray[np.int64]:
        """Number the places: rows of one number have the same CRS, transform and size, to a thousandth of a pixel.

        Rows in sensor geometry, which have no place, each have a number of their own.
        """
        keys, _ = self.ground_keys({})
        _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        back = np.empty(len(first), np.int64)
        back[np.argsort(first)] = np.arange(len(first))
        return np.asarray(back[inverse], np.int64)

    def ground_keys(self, names: dict[str | None, int]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Give each row what tells its place from others, and whether it has one.

        Args:
            names: CRS by number; several indexes are compared with one such table.
        """
        rows = self.rows(np.arange(len(self.index)))
        a, b, c, d, e, f = self.transforms(rows)[:, :6].T
        with np.errstate(invalid="ignore"):
            across, down = np.hypot(a, d), np.hypot(b, e)
            # Directions and sizes of a pixel to 1e-9 of themselves, corners to 1e-3 of a pixel.
            directions = np.stack([a / across, d / across, b / down, e / down, np.log(across), np.log(down)], axis=1)
            values = np.hstack([directions * 1e9, np.stack([c / across, f / down], axis=1) * 1e3])
        placed = np.asarray(np.isfinite(values).all(axis=1))
        code = np.zeros((len(values), 12), np.int64)
        code[placed, :8] = np.rint(values[placed]).astype(np.int64)
        code[:, 8:10] = self.sizes(rows)
        code[:, 10] = self._codes_of_crs(names)[rows.sources]
        code[~placed, 11] = 1 + np.flatnonzero(~placed)
        return np.ascontiguousarray(code).view([("", np.int64)] * code.shape[1]).reshape(-1), placed

    def _codes_of_crs(self, names: dict[str | None, int]) -> NDArray[np.int64]:
        headers = self.index.tables.headers
        found = [headers[key.collection, key.item_id, key.reference].image.crs for key in self.plans.keys]
        return np.array([names.setdefault(name, len(names)) for name in found], np.int64)

    def _affine(self, key: Any) -> tuple[float, ...]:
        transform = self.index.tables.headers[key.collection, key.item_id, key.reference].image.transform
        return (np.nan,) * 6 if transform is None else transform

    def __reduce__(self) -> tuple[object, ...]:
        return (RowFacts, (self.index,))


def _seconds(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.asarray(column.cast(pa.int64()).to_numpy(), np.float64) * _MICROSECOND


def sample_type(name: str, dtype: DTypeLike | None) -> np.dtype[Any] | None:
    """Look up what type samples are to have; None as stored.

    Raises:
        ChipError: numpy has no such type.
    """
    try:
        return None if dtype is None else np.dtype(dtype)
    except TypeError as error:
        raise ChipError(
            f"{name} must be the name of a numpy type, such as 'float32', or None; got {dtype!r}"
        ) from error


def as_type(name: str, values: NDArray[Any], dtype: np.dtype[Any] | None) -> NDArray[Any]:
    """Give values in another type; floats may round, nothing else changes a value.

    Raises:
        ChipError: the type cannot hold a value.
    """
    if dtype is None:
        return values
    into = dtype.kind if values.dtype.kind != "c" else "c" if dtype.kind == "c" else "?"
    if np.can_cast(values.dtype, dtype) or into in "fc":
        return values.astype(dtype, copy=False)
    if into != "?":
        with np.errstate(invalid="ignore"):
            given = values.astype(dtype)
        if np.array_equal(given, values):
            return given
    raise ChipError(
        f"{name} {dtype}: cannot hold all values of these {values.dtype} pixels; take a type that can, such as "
        "float32, None for the stored one, or a chain that scales or fills them"
    )
