"""Does a provider keep the image provider protocol? A suite that anyone runs on their own.

``check_provider(provider)`` tries every rule of ``RULES`` on some of the blocks
of every level and raises :class:`NotConforming` with all that it found. Every
rule is one function here: its docstring is the rule.

What is asked of a provider is what adapters, windows, pyramids and writers rely
on, and no more: blocks at the right and bottom edge may be short or padded to
full size; an absent block may be refused or read as one value; a negative
index may be any error. Providers of other libraries pass, where they keep it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery import BlockGrid, dtype_of, level_grid, read_window
from stacchip_osml.imagery.providers.facts import fact, key_of, num_levels, read_block

__all__ = ["RULES", "ConformanceReport", "Finding", "NotConforming", "Subject", "check_provider"]

Place = tuple[int, int, int]
LOOKED_AT = 64
"""Blocks that are asked whether they are stored, for one that is tried."""
REFUSALS = (ChipError, LookupError, ValueError, ArithmeticError, OSError)
"""How a provider may refuse what it does not have."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that is not kept."""

    rule: str
    message: str


class NotConforming(ChipError, AssertionError):
    """A provider that breaks rules of the protocol; ``findings`` has all that were found."""

    def __init__(self, name: str, findings: tuple[Finding, ...]) -> None:
        self.name = name
        self.findings = findings
        text = "\n".join(f"  {finding.rule}: {finding.message}" for finding in findings)
        super().__init__(f"{name} breaks {len(findings)} rules of the provider protocol\n{text}")

    def __reduce__(self) -> tuple[object, ...]:
        return NotConforming, (self.name, self.findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformanceReport:
    """What was tried on a provider that keeps the protocol."""

    name: str
    rules: tuple[str, ...]
    """The rules that were tried."""
    blocks: int
    """Stored blocks that were read."""
    absent: int
    """Blocks of the grid that are not stored, of those tried."""
    levels: int


@dataclass(frozen=True, slots=True)
class Subject:
    """The provider under test, and the blocks to try."""

    provider: Any
    grids: tuple[BlockGrid, ...]
    """Of every level."""
    stored: tuple[Place, ...]
    """``(row, col, level)`` of blocks that it says it has."""
    absent: tuple[Place, ...]
    pickles: bool
    """Whether it has to pickle; else it is tried where it can."""

    def read(self, place: Place, bands: tuple[int, ...] | None = None) -> np.ndarray[Any, Any]:
        """Read a block as adapters do: without what lies beyond the level's edge."""
        return read_block(self.provider, *place, bands, grid=self.grids[place[2]])


Rule = Callable[[Subject], Iterator[str]]


def check_provider(
    provider: Any, *, blocks: int = 24, seed: int = 0, pickles: bool = False, needs_all: bool = False
) -> ConformanceReport:
    """Try all rules of the provider protocol.

    Args:
        provider: any object.
        blocks: tried of each level, of those stored and of those absent; corners first, the others drawn.
        seed: of the draw.
        pickles: it has to pickle; otherwise that is only tried where it can.
        needs_all: every attribute of the protocol has to be there, as writers of images ask.

    Returns:
        What was tried.

    Raises:
        NotConforming: rules are broken; ``findings`` has all of them.
    """
    name = key_of(provider)
    findings = [Finding("attributes", message) for message in _attributes(provider, needs_all)]
    if findings:
        raise NotConforming(name, tuple(findings))
    grids = tuple(level_grid(provider, level) for level in range(num_levels(provider)))
    chosen = [_chosen(provider, grid, level, count=blocks, seed=seed) for level, grid in enumerate(grids)]
    stored = tuple(place for level in chosen for place in level[True])
    absent = tuple(place for level in chosen for place in level[False])
    subject = Subject(provider, grids, stored, absent, pickles)
    for rule, check in RULES.items():
        try:
            findings += [Finding(rule, message) for message in check(subject)]
        except (*REFUSALS, TypeError, AttributeError, RuntimeError) as error:
            findings.append(Finding(rule, f"{type(error).__name__}: {error}"))
    if findings:
        raise NotConforming(name, tuple(findings))
    return ConformanceReport(
        name=name,
        rules=("attributes", *RULES),
        blocks=len(subject.stored),
        absent=len(subject.absent),
        levels=len(grids),
    )


REQUIRED = {"num_rows": int, "num_columns": int, "num_bands": int, "get_block": Callable, "pixel_value_type": object}
ALL = {
    "key": str,
    "title": str,
    "description": str,
    "num_bits_per_pixel": int,
    "actual_bits_per_pixel": int,
    "num_pixels_per_block_horizontal": int,
    "num_pixels_per_block_vertical": int,
    "num_resolution_levels": int,
    "pad_pixel_value": (float, int),
}


def _attributes(provider: Any, needs_all: bool) -> Iterator[str]:
    for name, kind in {**REQUIRED, **ALL}.items():
        value = getattr(provider, name, None)
        if value is None:
            if name in REQUIRED or needs_all:
                yield f"{name} is missing"
        elif not isinstance(value, kind):  # type: ignore[arg-type]
            yield f"{name} is {value!r}"
        elif name in {"num_rows", "num_columns", "num_bands", "num_resolution_levels"} and value < 1:
            yield f"{name} is {value}"


def _chosen(provider: Any, grid: BlockGrid, level: int, *, count: int, seed: int) -> dict[bool, list[Place]]:
    """Draw stored and absent blocks of a level, ``count`` of each where there are as many; corners come first."""
    rows, cols = grid.shape
    rng = np.random.default_rng((seed, level))
    looked_at = count * LOOKED_AT
    drawn = rng.permutation(rows * cols) if rows * cols <= looked_at else rng.integers(0, rows * cols, looked_at)
    corners = [(row, col) for row in (0, rows - 1) for col in (0, cols - 1)]
    found: dict[bool, list[Place]] = {True: [], False: []}
    for row, col in dict.fromkeys([*corners, *(divmod(int(number), cols) for number in drawn)]):
        place = row, col, level
        if min(map(len, found.values())) >= count:
            break
        found[_has(provider, place)].append(place)
    return {stored: places[:count] for stored, places in found.items()}


def _has(provider: Any, place: Place) -> bool:
    asked = getattr(provider, "has_block", None)
    return asked is None or bool(asked(*place))


def _types(subject: Subject) -> Iterator[str]:
    """``pixel_value_type`` is a known type; 1 <= actual bits <= bits <= those of the type."""
    provider = subject.provider
    bits, actual = fact(provider, "num_bits_per_pixel"), fact(provider, "actual_bits_per_pixel")
    most = dtype_of(provider).itemsize * 8
    if not 1 <= actual <= bits <= most:
        yield f"{actual} actual bits of {bits}, in a type of {most}"


def _grid(subject: Subject) -> Iterator[str]:
    """``block_grid_size`` counts the blocks of R0; levels shrink, none is empty; blocks of a level cover it once."""
    said = getattr(subject.provider, "block_grid_size", None)
    if said is not None and tuple(said) != subject.grids[0].shape:
        yield f"block_grid_size is {tuple(said)}, the numbers say {subject.grids[0].shape}"
    for level, (finer, coarser) in enumerate(zip(subject.grids, subject.grids[1:], strict=False), 1):
        if coarser.size.width > finer.size.width or coarser.size.height > finer.size.height:
            yield f"level {level} is {coarser.size}, the one before {finer.size}"
    for level, grid in enumerate(subject.grids):
        rows, cols = grid.shape
        heights = sum(grid.window(row, 0).height for row in range(min(rows, 4096)))
        widths = sum(grid.window(0, col).width for col in range(min(cols, 4096)))
        if (rows <= 4096 and heights != grid.size.height) or (cols <= 4096 and widths != grid.size.width):
            yield f"the blocks of level {level} cover {widths} x {heights} of {grid.size}"


def _outside(subject: Subject) -> Iterator[str]:
    """There is no block outside the grid, nor at a level that is not there; asking for it is refused."""
    provider = subject.provider
    for level, grid in enumerate(subject.grids):
        rows, cols = grid.shape
        for place in ((rows, 0, level), (0, cols, level), (rows + 7, cols + 7, level), (-1, 0, level), (0, -1, level)):
            yield from _refused(provider, place)
    yield from _refused(provider, (0, 0, len(subject.grids)))


def _refused(provider: Any, place: Place) -> Iterator[str]:
    try:
        if hasattr(provider, "has_block") and provider.has_block(*place):
            yield f"has_block{place} is true outside the grid"
    except REFUSALS as error:
        if min(place) >= 0:
            yield f"has_block{place} raises {type(error).__name__}"
    try:
        provider.get_block(*place)
    except REFUSALS as error:
        if min(place) >= 0 and not isinstance(error, (LookupError, ValueError)):
            yield f"get_block{place} raises {type(error).__name__}, not IndexError"
        return
    yield f"get_block{place} gives pixels from outside the grid"


def _blocks(subject: Subject) -> Iterator[str]:
    """A block is an array ``(bands, rows, cols)`` of the type and shape that were said."""
    for place in subject.stored:
        subject.read(place)
        block = subject.provider.get_block(*place)
        window, full = subject.grids[place[2]].window(*place[:2]), subject.grids[place[2]].window(0, 0)
        most = max(full.height, window.height), max(full.width, window.width)
        if block.shape[1] > most[0] + 1 or block.shape[2] > most[1] + 1:
            yield f"block {place} is {block.shape}, larger than a block"


def _bands(subject: Subject) -> Iterator[str]:
    """Selecting bands commutes with reading: one, several, in any order; a band that is not there is refused."""
    count = int(subject.provider.num_bands)
    for place in subject.stored[:8]:
        whole = subject.read(place)
        for bands in {(0,), (count - 1,), tuple(range(count)), tuple(reversed(range(count)))}:
            block = subject.provider.get_block(*place, bands=bands)
            part = block[:, : whole.shape[1], : whole.shape[2]]
            if not _equal(part, whole[list(bands)]):
                yield f"block {place} with bands={bands} is not those bands of the whole block"
    for place in subject.stored[:1]:
        try:
            subject.provider.get_block(*place, bands=(count,))
        except REFUSALS:
            continue
        yield f"block {place} with bands=({count},) of {count} is not refused"


def _own_memory(subject: Subject) -> Iterator[str]:
    """Blocks are read alike every time; one that may be written to is the caller's own."""
    for place in subject.stored[:8]:
        before = subject.read(place).copy()
        block = subject.read(place)
        if not _equal(block, before):
            yield f"block {place} is another the second time"
        if block.flags.writeable:
            block[...] = np.where(block == 0, 1, 0).astype(block.dtype)
            if not _equal(subject.read(place), before):
                yield f"writing to block {place} changes the image"


def _absent(subject: Subject) -> Iterator[str]:
    """A block that is not stored is refused, or reads as one value a band."""
    for row, col, level in subject.absent[:8]:
        try:
            block = subject.provider.get_block(row, col, level)
        except REFUSALS:
            continue
        if not all(_equal(band, np.full_like(band, band.flat[0])) for band in block if band.size):
            yield f"block {(row, col, level)} is not stored, and has pixels"


def _threads(subject: Subject) -> Iterator[str]:
    """Several threads read what one does."""
    places = subject.stored[:12]
    alone = [subject.read(place).copy() for place in places]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(2):
            for place, block, expected in zip(places, pool.map(subject.read, places), alone, strict=True):
                if not _equal(block, expected):
                    yield f"block {place} is another in a thread"


def _windows(subject: Subject) -> Iterator[str]:
    """A window put together from blocks has, under each stored block, that block."""
    for row, col, level in subject.stored[:6]:
        x, y, width, height = subject.grids[level].window(row, col)
        around = (max(x - 3, 0), max(y - 2, 0), width + 5, height + 4)
        window = read_window(subject.provider, around, level)
        part = window[:, y - around[1] :, x - around[0] :][:, :height, :width]
        if not _equal(part, subject.read((row, col, level))):
            yield f"the window around block {(row, col, level)} does not have it"


def _pickled(subject: Subject) -> Iterator[str]:
    """A copy that went through pickle reads the same."""
    try:
        data = pickle.dumps(subject.provider)
    except (TypeError, pickle.PicklingError, AttributeError) as error:
        if subject.pickles:
            yield f"does not pickle: {error}"
        return
    copy = pickle.loads(data)  # noqa: S301 - made in the line above
    for place in subject.stored[:4]:
        if not _equal(read_block(copy, *place), subject.read(place)):
            yield f"block {place} of the copy is another"


def _metadata(subject: Subject) -> Iterator[str]:
    """``metadata``, where it is there, turns into a dict with names as keys."""
    tags: Mapping[Any, Any] = dict(fact(subject.provider, "metadata"))
    for name in tags:
        if not isinstance(name, str):
            yield f"metadata has the key {name!r}"


def _equal(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> bool:
    return np.array_equal(one, other, equal_nan=one.dtype.kind in "fc")


RULES: dict[str, Rule] = {
    "types": _types,
    "grid": _grid,
    "outside": _outside,
    "blocks": _blocks,
    "bands": _bands,
    "own memory": _own_memory,
    "absent blocks": _absent,
    "threads": _threads,
    "windows": _windows,
    "pickle": _pickled,
    "metadata": _metadata,
}
"""Name → what it tries; yields a message for everything that is wrong."""
