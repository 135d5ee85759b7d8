"""From windows to blocks: what has to be fetched and decoded, and where the pixels go.

Pure: numbers in, numbers out. Rules:

- each block once, however many windows share it, and only the leading rows
  that any of them needs (streams decode from the top);
- of uncompressed blocks only the bytes of the rows wanted, and only the columns
  wanted where leaving out the rest saves more than a read costs (``gap``);
- byte ranges of one file that touch, or lie no more than ``gap`` apart, are one
  read, up to ``most`` bytes.

Windows must lie inside their level, bands must exist: the caller has checked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from stacchip_osml.imagery.blocks.stored import StoredLevel
from stacchip_osml.pixel import PixelWindow

__all__ = [
    "BlockJob",
    "Hole",
    "Layer",
    "LevelRead",
    "Pairs",
    "Patch",
    "RawPiece",
    "ReadPlan",
    "Run",
    "coalesced",
    "layers_of",
    "pairs_of",
    "plan_reads",
    "sliced",
]

Pairs = slice | tuple[tuple[int, int], ...]
"""``(band of the result, sample)``; or the bands of the result that all samples are, in order."""


class Layer(NamedTuple):
    """A plane of a stored level, and which bands of a result its samples are."""

    level: StoredLevel
    plane: int
    pairs: Pairs
    image: int = 0
    """Which file; plans keep files apart by it."""


class LevelRead(NamedTuple):
    """A window of one stored level, or of several that are cut alike into blocks."""

    layers: tuple[Layer, ...]
    """One object for all reads of the same layers: what it takes to plan a block is then done once."""
    window: PixelWindow


class Patch(NamedTuple):
    """Part of a block, and where it goes."""

    read: int
    """Position among the reads planned."""
    block_rows: slice
    block_cols: slice
    rows: slice
    """Of the result."""
    cols: slice


class Hole(NamedTuple):
    """Part of a result that no stored block covers."""

    read: int
    pairs: Pairs
    rows: slice
    cols: slice


class BlockJob:
    """One block to fetch and decode, for all who need it."""

    __slots__ = ("col", "image", "level", "needed", "parts", "plane", "row", "shape", "uses")

    def __init__(
        self, level: StoredLevel, image: int, place: tuple[int, int, int], parts: list[tuple[int, int]]
    ) -> None:
        self.image = image
        self.level = level
        self.plane, self.row, self.col = place
        self.parts = parts
        """``(offset, size)`` of the stored pieces, in order."""
        self.shape = level.shape_of(self.row, self.col)
        """(rows, cols) that the stream holds."""
        self.needed = 0
        """Leading rows needed."""
        self.uses: list[tuple[Pairs, list[Patch]]] = []
        """Which samples are wanted as which bands, and where; blocks of other files share the list of patches."""

    @property
    def decoded_bytes(self) -> int:
        """What decoding makes, as far as it is needed."""
        return self.needed * self.shape[1] * self.level.samples * self.level.dtype.itemsize


class RawPiece(NamedTuple):
    """A rectangle of uncompressed samples: ``rows`` spans of ``span`` bytes, ``stride`` bytes apart."""

    read: int
    pairs: tuple[tuple[int, int], ...]
    """``(band of the result, sample)``; one pair for samples that lie apart."""
    level: StoredLevel
    image: int
    block: tuple[int, int, int]
    """(plane, row, col), for messages."""
    offset: int
    """First byte, in the file."""
    rows: int
    span: int
    stride: int
    end: int
    """Where the block's bytes end in the file."""
    target_rows: slice
    """Of the result."""
    target_cols: slice

    @property
    def size(self) -> int:
        """Bytes from the first of the first row to the last of the last."""
        return (self.rows - 1) * self.stride + self.span


class ReadPlan(NamedTuple):
    """All that a batch of windows needs."""

    jobs: list[BlockJob]
    """Blocks to decode, in the order of the reads."""
    pieces: list[RawPiece]
    """Uncompressed rectangles to copy."""
    holes: list[Hole]
    absent: set[tuple[int, int]]
    """Read and file of which no block under the window is stored."""


class Run(NamedTuple):
    """A byte range of one file that serves several spans."""

    start: int
    size: int
    first: int
    """The spans served: ``first`` up to, not including, ``last``."""
    last: int


class _Spot:
    """The blocks of several layers at one place of their grid."""

    __slots__ = ("absent", "jobs", "needed", "patches", "raw")

    def __init__(self) -> None:
        self.jobs: list[BlockJob] = []
        self.patches: list[Patch] = []
        """Of each of the jobs."""
        self.needed = 0
        self.raw: list[tuple[Layer, tuple[int, int]]] = []
        """Uncompressed blocks, and where they are."""
        self.absent: list[Layer] = []


def layers_of(level: StoredLevel, bands: tuple[int, ...], *, image: int = 0, first: int = 0) -> list[Layer]:
    """Tell which planes hold bands of a level, which then are bands of a result, beginning with ``first``."""
    layers = []
    for plane, pairs in level.groups(bands):
        shifted: Pairs = slice(first, first + len(bands))
        if pairs is not None:
            shifted = tuple((first + band, sample) for band, sample in pairs)
            if level.samples == 1 and len(shifted) == 1:
                shifted = slice(shifted[0][0], shifted[0][0] + 1)
        layers.append(Layer(level, plane, shifted, image))
    return layers


def pairs_of(pairs: Pairs) -> tuple[tuple[int, int], ...]:
    """Write ``(band of the result, sample)`` out."""
    if isinstance(pairs, slice):
        return tuple((band, sample) for sample, band in enumerate(range(pairs.start, pairs.stop)))
    return pairs


def plan_reads(reads: Sequence[LevelRead]) -> ReadPlan:
    """Find the blocks under all windows, each once, and where their pixels go."""
    jobs: dict[tuple[StoredLevel, int, int, int, int], BlockJob] = {}
    plan = ReadPlan([], [], [], set())
    spots: dict[tuple[int, int, int], _Spot] = {}
    known: dict[tuple[int, int, PixelWindow], list[_Share]] = {}  # images of one scene are cut alike
    for number, (layers, window) in enumerate(reads):
        level, which = layers[0].level, id(layers)
        cut = (level.rows, level.cols, window)
        shares = known.get(cut)
        if shares is None:
            shares = known[cut] = _shares(level, window)
        before = len(plan.holes)
        for row, col, block_rows, block_cols, rows, cols in shares:
            spot = spots.get((which, row, col))
            if spot is None:
                spot = spots[which, row, col] = _spot(jobs, layers, row, col)
            patch = Patch(number, block_rows, block_cols, rows, cols)
            spot.patches.append(patch)
            if spot.needed < block_rows.stop:  # noqa: PLR1730 - a quarter of what max() takes, for every patch
                spot.needed = block_rows.stop
            for layer, part in spot.raw:
                plan.pieces.extend(_raw_pieces(layer, (row, col), part, patch))
            for layer in spot.absent:
                plan.holes.append(Hole(number, layer.pairs, rows, cols))
        if len(plan.holes) > before:
            plan.absent.update((number, image) for image in _absent(spots, layers, shares))
    for spot in spots.values():
        for job in spot.jobs:
            job.needed = max(job.needed, spot.needed)
    plan.jobs.extend(jobs.values())
    return plan


def _spot(
    jobs: dict[tuple[StoredLevel, int, int, int, int], BlockJob], layers: tuple[Layer, ...], row: int, col: int
) -> _Spot:
    """Find the blocks of layers at one place; those that other layers have found already are theirs, too."""
    spot = _Spot()
    for layer in layers:
        level, plane, pairs, image = layer
        key = (level, image, plane, row, col)
        job = jobs.get(key)
        if job is None:
            parts = _parts(level, plane, row, col)
            if not parts:
                spot.absent.append(layer)
                continue
            if level.raw is not None:
                spot.raw.append((layer, parts[0]))
                continue
            job = jobs[key] = BlockJob(level, image, (plane, row, col), parts)
        job.uses.append((pairs, spot.patches))
        spot.jobs.append(job)
    return spot


def _absent(spots: dict[tuple[int, int, int], _Spot], layers: tuple[Layer, ...], shares: list[_Share]) -> set[int]:
    """Tell which files store nothing under a window."""
    there = set()
    for share in shares:
        absent = set(map(id, spots[id(layers), share[0], share[1]].absent))
        there |= {layer.image for layer in layers if id(layer) not in absent}
    return {layer.image for layer in layers} - there


_Share = tuple[int, int, slice, slice, slice, slice]
"""Row and column of a block, the rows and columns of it under a window, and those of the window over it."""


def _shares(level: StoredLevel, window: PixelWindow) -> list[_Share]:
    """Give the blocks under a window, row by row, with their share of it."""
    x, y, width, height = window
    down = _spans(y, height, level.rows)
    across = _spans(x, width, level.cols)
    return [
        (row, col, block_rows, block_cols, rows, cols)
        for row, block_rows, rows in down
        for col, block_cols, cols in across
    ]


def _spans(start: int, length: int, side: int) -> list[tuple[int, slice, slice]]:
    """Cut one axis of a window by blocks: which block, its part of the block, its part of the window."""
    stop = start + length
    first, last = start // side, (stop - 1) // side
    if first == last:
        base = first * side
        return [(first, slice(start - base, stop - base), slice(0, length))]
    spans = []
    for number in range(first, last + 1):
        base = number * side
        low, high = max(start, base), min(stop, base + side)
        spans.append((number, slice(low - base, high - base), slice(low - start, high - start)))
    return spans


def _parts(level: StoredLevel, plane: int, row: int, col: int) -> list[tuple[int, int]]:
    """Give where a block's stored pieces are, none for an absent block."""
    offsets, counts = level.layout.offsets, level.layout.counts
    if level.parts == 1:
        count = counts.item(0, plane, row, col)
        return [(offsets.item(0, plane, row, col), count)] if count else []
    sizes = counts[:, plane, row, col].tolist()
    return [(start, size) for start, size in zip(offsets[:, plane, row, col].tolist(), sizes, strict=True) if size]


def _raw_pieces(layer: Layer, place: tuple[int, int], part: tuple[int, int], patch: Patch) -> Iterator[RawPiece]:
    """Give the rectangles of an uncompressed block: one where a pixel's samples lie together, else one a sample."""
    level = layer.level
    form = level.raw
    if form is None:
        return
    apart = form.sample or level.samples == 1
    rows = patch.block_rows.stop - patch.block_rows.start
    span = (patch.block_cols.stop - patch.block_cols.start) * form.pixel
    # The samples of the last strip lie closer where it holds fewer rows than the others.
    sample = form.sample if level.codec.order != "band" else level.shape_of(*place)[0] * form.row
    base = part[0] + patch.block_rows.start * form.row + patch.block_cols.start * form.pixel
    for each in [(pair,) for pair in pairs_of(layer.pairs)] if apart else [pairs_of(layer.pairs)]:
        yield RawPiece(
            read=patch.read,
            pairs=each,
            level=level,
            image=layer.image,
            block=(layer.plane, *place),
            offset=base + (each[0][1] * sample if apart else 0),
            rows=rows,
            span=span,
            stride=form.row,
            end=part[0] + part[1],
            target_rows=patch.rows,
            target_cols=patch.cols,
        )


def sliced(piece: RawPiece, *, most: int) -> Iterator[RawPiece]:
    """Cut a rectangle into bands of rows that span ``most`` bytes at most, one row at least."""
    step = max(1, most // piece.stride)
    for first in range(0, piece.rows, step):
        rows = min(step, piece.rows - first)
        top = piece.target_rows.start + first
        yield piece._replace(offset=piece.offset + first * piece.stride, rows=rows, target_rows=slice(top, top + rows))


def coalesced(spans: Iterable[tuple[int, int]], *, gap: int, most: int) -> Iterator[Run]:
    """Join byte ranges that touch, overlap or lie no more than ``gap`` apart.

    Args:
        spans: ``(offset, size)``, by offset.
        gap: bytes that are read and thrown away rather than asking twice.
        most: a run does not grow beyond this by joining; one span may be larger.
    """
    start = stop = first = number = 0
    for number, (offset, size) in enumerate(spans):
        end = offset + size
        if number > first and offset - stop <= gap and max(end, stop) - start <= most:
            stop = max(end, stop)
            continue
        if number > first:
            yield Run(start, stop - start, first, number)
        start, stop, first = offset, end, number
    if stop > start:
        yield Run(start, stop - start, first, number + 1)
