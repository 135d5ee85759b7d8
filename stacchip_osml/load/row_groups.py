"""Rows that belong together: in one stored block, on one ground, in one class.

Everything here reads columns of the index and gives arrays, a value a row; no
pixel is read. Block shapes are looked up in the files' headers, once for each
kind of image.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from stacchip_osml.errors import IndexSchemaError, ReadError, WindowError
from stacchip_osml.index import ChipIndex
from stacchip_osml.load.chipper import Chipper
from stacchip_osml.load.rows import RowPlans
from stacchip_osml.load.samples import RowFacts
from stacchip_osml.pixel.arguments import of_kind, one_of, words
from stacchip_osml.pixel.counts import chosen_rows, whole_number

__all__ = [
    "SampleRows",
    "balanced",
    "block_groups",
    "column_codes",
    "group_rows",
    "label_rows",
    "row_numbers",
    "rows_digest",
]

MISSING = ("skip", "pad", "raise")
MOST = 2**31
"""Rows of a sample; pixels of a block's side."""
_COMPARED = 65_536
"""Rows whose times are compared with those of all labels of their ground together."""
_TRIES = 8
"""Images of a kind that are asked for their blocks before their errors are believed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SampleRows:
    """Samples of several rows each."""

    rows: NDArray[np.int64]
    """``(samples, times)``: rows of the index, -1 where a sample has none."""
    slots: tuple[Any, ...] = ()
    """What each of the times is, where a column says it."""
    left_out: int = 0
    """Rows that are in no sample."""
    skipped: int = 0
    """Samples that were left out for want of rows, theirs among ``left_out``."""

    def __repr__(self) -> str:
        full = int((self.rows >= 0).all(axis=1).sum())
        skipped = f", {self.skipped} that lack rows left out" if self.skipped else ""
        left_out = f", {self.left_out} rows in none" if self.left_out else ""
        return f"SampleRows({len(self)} samples of {self.rows.shape[1]} rows, {full} of them full{skipped}{left_out})"

    def __len__(self) -> int:
        return len(self.rows)


def block_groups(chips: Chipper, *, block_shape: tuple[int, int] | None = None) -> NDArray[np.int64]:
    """Number the stored blocks that rows begin in: rows of one number are decoded together.

    Args:
        chips: rows, and how their images are reached.
        block_shape: (rows, cols) in R0 pixels of the reference asset; None looks the blocks up of one image of each
            kind (collection, assets, level), of the asset that costs most to decode.

    Returns:
        ``(rows,)``.

    Raises:
        ReadError: no image of a kind could be opened.
    """
    plans = RowPlans(of_kind("chips", chips, Chipper, "a Chipper").index)
    rows = plans.rows(np.arange(len(chips.index)))
    shapes = np.empty((len(plans.keys), 2), np.int64)
    if block_shape is not None:
        shapes[:] = _given_shape(block_shape)
    else:
        _, first = np.unique(rows.sources, return_index=True)
        kinds: dict[tuple[Any, ...], list[int]] = {}
        for number, key in enumerate(plans.keys):
            kinds.setdefault((key.collection, key.reference, key.assets, key.level), []).append(number)
        for numbers in kinds.values():
            shapes[numbers] = _block_shape(chips, [int(first[number]) for number in numbers[:_TRIES]])
    here = shapes[rows.sources]
    return _combined([rows.sources, rows.windows[:, 0] // here[:, 1], rows.windows[:, 1] // here[:, 0]])


def group_rows(
    index: ChipIndex,
    by: str | Sequence[str] | None = None,
    *,
    slots: str | None = None,
    size: int | None = None,
    missing: str = "skip",
) -> SampleRows:
    """Group rows into samples of several dates or sensors.

    Args:
        index: rows.
        by: columns whose equal values make a sample; None for the same ground: CRS, transform and chip size.
        slots: column whose values, in order, are the places in a sample (``datetime``, ``collection``, one of the
            user's own); None places a sample's rows by time.
        size: rows of a sample, the earliest where there are more; None for as many as the largest has. Not with
            ``slots``.
        missing: what is done with samples that lack rows: ``skip``, ``pad`` with -1, or ``raise``.

    Returns:
        Samples in index order of their first rows. It counts the samples that were skipped, and the rows that are in
        no sample, and shows both when it is printed; so does a :class:`ChipSource` of it.

    Raises:
        IndexSchemaError: no such column; two rows for one place; or a sample lacks rows under ``raise``.
    """
    one_of("missing", missing, MISSING)
    size = None if size is None else whole_number("size", size, least=1, most=MOST)
    if size is not None and slots is not None:
        raise WindowError(f"size is not given with slots, which say it; got {size}")
    of_kind("index", index, ChipIndex, "a ChipIndex")
    columns = (by,) if isinstance(by, str) else None if by is None else words("by", by)
    if columns == ():
        raise WindowError("by must name a column at least; None is the same ground")
    codes = RowFacts(index).grounds() if columns is None else _combined([column_codes(index, n)[0] for n in columns])
    facts = RowFacts(index)
    names: tuple[Any, ...] = ()
    if slots is None:
        order = np.lexsort((np.arange(len(codes)), np.nan_to_num(facts.times, nan=-np.inf), codes))
        place = np.empty(len(codes), np.int64)
        place[order] = _ranks(codes[order])
        width = size or int(place.max(initial=0)) + 1
    else:
        place, names = column_codes(index, slots)
        width = len(names)
        _require_single(index, codes * (width + 1) + place, slots)
    used = (place >= 0) & (place < width)
    table = np.full((int(codes.max(initial=-1)) + 1, width), -1, np.int64)
    table[codes[used], place[used]] = np.flatnonzero(used)
    lacking = (table < 0).any(axis=1)
    if missing == "raise" and lacking.any():
        first = index.row(int(table[int(np.flatnonzero(lacking)[0])].max()))["id"]
        raise IndexSchemaError(
            f"{int(lacking.sum())} of {len(table)} samples lack rows; the first is that of {first!r}"
        )
    kept = table if missing == "pad" else table[~lacking]
    kept = kept[(kept >= 0).any(axis=1)]
    begin = np.where(kept < 0, np.iinfo(np.int64).max, kept).min(axis=1, initial=np.iinfo(np.int64).max)
    kept = kept[np.argsort(begin, kind="stable")]
    skipped = int(lacking.sum()) if missing == "skip" else 0
    return SampleRows(rows=kept, slots=names, left_out=len(codes) - int((kept >= 0).sum()), skipped=skipped)


def balanced(codes: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """Give weights by which all of ``count`` values are drawn equally often; what has the number -1 never is."""
    counts = np.bincount(codes[codes >= 0], minlength=count)
    return np.where(codes >= 0, 1 / np.maximum(counts, 1)[codes], 0.0) if count else np.zeros(len(codes))


def row_numbers(index: ChipIndex, column: str) -> tuple[NDArray[Any], tuple[Any, ...]]:
    """Give a column as numbers: integers and floats as they are, anything else as by :func:`column_codes`.

    Returns:
        ``(rows,)``, and the values that were numbered; none where they are numbers themselves.

    Raises:
        IndexSchemaError: no such column, or integers with nulls among them.
    """
    _require_column(index, column)
    values = index.query(columns=[column]).column(0)
    if pa.types.is_floating(values.type):
        return np.asarray(values.cast(pa.float64()).to_numpy(), np.float64), ()
    if not pa.types.is_integer(values.type):
        return column_codes(index, column)
    if values.null_count:
        raise IndexSchemaError(f"column {column!r} has {values.null_count} rows without a value")
    return np.asarray(values.to_numpy(), np.int64), ()


def column_codes(index: ChipIndex, column: str) -> tuple[NDArray[np.int64], tuple[Any, ...]]:
    """Number a column's values in ascending order; a null is -1.

    Returns:
        ``(rows,)`` numbers, and the values.

    Raises:
        IndexSchemaError: no such column, or values that have no order.
    """
    _require_column(index, column)
    values = index.query(columns=[column]).column(0).combine_chunks()
    if not pa.types.is_dictionary(values.type):
        try:
            values = values.dictionary_encode()
        except pa.ArrowException as error:
            raise IndexSchemaError(f"column {column!r} of type {values.type} has no classes") from error
    words = values.dictionary.to_pylist()
    numbers = values.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    used = [words[number] for number in np.unique(numbers[numbers >= 0])]
    ascending = sorted(set(used))
    rank = {word: place for place, word in enumerate(ascending)}
    lookup = np.array([rank.get(word, -1) for word in words] + [-1], np.int64)
    return lookup[numbers], tuple(ascending)


def rows_digest(index: ChipIndex, samples: SampleRows | None = None) -> str:
    """Tell an index's rows, and their grouping, from others, by the ids in their order."""
    lengths, text = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8)
    for run in range(len(index.run_starts) - 1):
        for chunk in index.read_run(run, ["id"]).column(0).chunks:
            ids = chunk.cast(pa.large_string())
            ends = np.frombuffer(ids.buffers()[1], np.int64)[ids.offset : ids.offset + len(ids) + 1]
            lengths.update(np.diff(ends).astype("<i8").data)
            text.update(memoryview(ids.buffers()[2] or b"")[int(ends[0]) : int(ends[-1])])
    if samples is not None:
        lengths.update(np.ascontiguousarray(samples.rows, "<i8").data)
    return lengths.hexdigest() + text.hexdigest()


def label_rows(facts: RowFacts, others: RowFacts, given: Any = None) -> NDArray[np.int64]:
    """Find the one row of another index that lies exactly where each row does; where several do, that of its time.

    That is the one of the same time or interval, or if there is none the one whose time or interval meets the row's.

    Args:
        facts: the rows.
        others: those of the labels.
        given: row of the labels for each row, where the caller knows better.

    Returns:
        ``(rows,)``.

    Raises:
        IndexSchemaError: there is none, or there are several; or not one is given for each row.
        IndexError: no such row is given.
    """
    if given is not None:
        found = chosen_rows(given, len(others.index), what="mask_row", whole=f"an index of {len(others.index)} chips")
        if len(found) != len(facts.index):
            raise IndexSchemaError(f"mask_rows must be one for each of {len(facts.index)} chips, got {len(found)}")
        return found
    names: dict[str | None, int] = {}
    wanted, placed = facts.ground_keys(names)
    there, known = others.ground_keys(names)
    _, code = np.unique(np.concatenate([there, wanted]), return_inverse=True)
    mine, theirs = code[len(there) :], code[: len(there)]
    order = np.flatnonzero(known)
    order = order[np.argsort(theirs[order], kind="stable")]
    begin, end = (np.searchsorted(theirs[order], mine, side) for side in ("left", "right"))
    count = np.where(placed, end - begin, 0)
    found = np.full(len(mine), -1, np.int64)
    found[count == 1] = order[begin[count == 1]]
    several = np.flatnonzero(count > 1)
    for at in range(0, len(several), _COMPARED):
        rows = several[at : at + _COMPARED]
        which = np.repeat(np.arange(len(rows)), count[rows])
        labels = order[begin[rows][which] + _ranks(which)]
        found[rows] = _of_one_time(facts, rows, others, which, labels)
    lacking = found < 0
    if lacking.any():
        row = int(np.flatnonzero(lacking)[0])
        time = " (and, where there are several, time)" if len(several) else ""
        raise IndexSchemaError(
            f"{int(lacking.sum())} of {len(mine)} chips have no label chip of the same CRS, transform and size{time}, "
            f"the first is {facts.ids(np.array([row]))[0]!r}"
        )
    return found


def _of_one_time(
    facts: RowFacts, rows: NDArray[np.int64], others: RowFacts, which: NDArray[np.int64], labels: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Choose the label of each row's time among those of its ground, ``which`` of ``rows`` each is for; -1: none."""
    first, last = (side[rows][which] for side in facts.ends)
    begin, end = (side[labels] for side in others.ends)
    same = ((first == begin) & (last == end)) | (np.isnan(first) & np.isnan(begin))
    exact = np.bincount(which[same], minlength=len(rows)) > 0
    good = np.where(exact[which], same, (begin <= last) & (end >= first))
    counts = np.bincount(which[good], minlength=len(rows))
    if (counts > 1).any():
        name = facts.ids(rows[np.flatnonzero(counts > 1)[:1]])[0]
        raise IndexSchemaError(f"several label chips of one time lie where {name!r} does")
    found = np.full(len(rows), -1, np.int64)
    found[which[good]] = labels[good]
    return found


def _given_shape(block_shape: tuple[int, int]) -> tuple[int, int]:
    """Take the (rows, cols) of blocks as a caller gives them."""
    if not isinstance(block_shape, Sequence) or len(block_shape) != 2:
        raise WindowError(f"block_shape must be (rows, cols), 1 at least; got {block_shape!r}")
    rows, cols = (whole_number("block_shape", side, least=1, most=MOST) for side in block_shape)
    return rows, cols


def _require_column(index: ChipIndex, column: str) -> None:
    if not isinstance(column, str) or column not in index.columns:
        raise IndexSchemaError(f"no column {column!r}; there are {', '.join(index.columns)}")


def _block_shape(chips: Chipper, positions: Sequence[int]) -> tuple[int, int]:
    """Ask one of some images for the blocks of the asset that costs most."""
    for last, position in enumerate(positions, start=1):
        try:
            (told,) = chips.explain([position])
        except ReadError:
            if last == len(positions):
                raise
            continue
        reads = [read for read in told["reads"] if read["window"][2] and read["window"][3]] or told["reads"]
        dear = max(reads, key=lambda read: read["decoded_bytes"])
        rows, cols = dear["block_shape"]
        across, down = (told["window"][axis] / max(dear["window"][axis], 1) for axis in (2, 3))
        return max(round(rows * down), 1), max(round(cols * across), 1)
    raise IndexSchemaError("no rows of this kind")


def _combined(parts: Sequence[NDArray[np.integer]]) -> NDArray[np.int64]:
    """Number the combinations of values."""
    code = np.zeros(len(parts[0]), np.int64)
    for part in parts:
        values = part.astype(np.int64) - int(part.min(initial=0))
        radix = int(values.max(initial=0)) + 1
        if int(code.max(initial=0)) > np.iinfo(np.int64).max // radix - 1:
            _, code = np.unique(code, return_inverse=True)
        code = code * radix + values
    return np.asarray(np.unique(code, return_inverse=True)[1], np.int64)


def _ranks(ascending: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count within runs of equal values."""
    starts = np.flatnonzero(np.concatenate([[True], np.diff(ascending) != 0])) if len(ascending) else np.zeros(0, int)
    lengths = np.diff(np.append(starts, len(ascending)))
    return np.arange(len(ascending)) - np.repeat(starts, lengths)


def _require_single(index: ChipIndex, places: NDArray[np.int64], slots: str) -> None:
    values, counts = np.unique(places, return_counts=True)
    if (counts > 1).any():
        at = int(np.flatnonzero(counts > 1)[0])
        one, two = np.flatnonzero(places == values[at])[:2].tolist()
        raise IndexSchemaError(
            f"two rows for one place of a sample ({slots}): {index.row(one)['id']!r} and {index.row(two)['id']!r}"
        )
