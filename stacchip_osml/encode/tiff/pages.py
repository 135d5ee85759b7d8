"""Directories with their pixels: blocks in, a TIFF out, encoded by threads.

Rules:

- blocks are taken one after the other from whoever makes them and put in that order,
  so the bytes do not depend on the number of threads;
- no more blocks wait to be encoded than threads need;
- with ``order_of_data`` the encoded blocks of each directory wait in a temporary file
  until those before it are there: so a COG is written from one pass over its pixels.

It must not know where blocks come from.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, BinaryIO, NamedTuple

from numpy.typing import NDArray

from stacchip_osml.encode.file_memory import room_for
from stacchip_osml.encode.in_order import in_order
from stacchip_osml.encode.tiff.codecs import BlockCoder
from stacchip_osml.encode.tiff.file import CLASSIC_BYTES, Container, Directory, Tags, TiffFile
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.pixel import ImageSize

__all__ = ["Page", "PageBlock", "needs_big", "write_pages"]

TASK_BYTES = 1 << 20
"""Pixels that a thread takes at once: handing work over, and its result back, is worth some thousand of them."""
IN_MEMORY = 4 << 20
"""Encoded bytes of a directory that wait in memory before they go to a temporary file."""
WORST_GROWTH = 1.5
"""What a compression may make of pixels that it cannot make smaller (LZW, of noise)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One directory: how its blocks are cut and encoded, and its tags."""

    size: ImageSize
    block: tuple[int, int]
    """Rows and columns of a tile, or of a strip."""
    tiled: bool
    bands: int
    planes: int
    """1 where bands are stored together, else one a band."""
    coder: BlockCoder
    tags: Tags
    """That say what the pixels are."""
    level: int = 0

    @property
    def grid(self) -> BlockGrid:
        """Where its blocks lie."""
        return _grid(self.size, self.block)

    @property
    def raw_bytes(self) -> int:
        """Of all its blocks, not compressed."""
        rows, cols = self.grid.shape
        row = -(-self.block[1] * (self.bands // self.planes) * self.coder.bits // 8)
        return rows * cols * self.planes * self.block[0] * row

    def directory(self) -> Directory:
        """Give its tags, with those of its structure, and the number of its blocks."""
        rows, cols = self.grid.shape
        height, width = self.block
        tags: Tags = {
            256: ("I", [self.size.width]),
            257: ("I", [self.size.height]),
            277: ("H", [self.bands]),
            284: ("H", [2 if self.planes > 1 else 1]),
            **({322: ("I", [width]), 323: ("I", [height])} if self.tiled else {278: ("I", [height])}),
            **self.coder.tags,
            **self.tags,
        }
        for number in (258, 339):  # one for each band, also of other planes
            kind, values = tags[number]
            tags[number] = kind, [values[0]] * self.bands
        return Directory(tags=tags, blocks=self.planes * rows * cols, tiled=self.tiled)

    def encode(self, row: int, col: int, pixels: NDArray[Any]) -> list[tuple[int, bytes]]:
        """Encode one block of all bands: its number in the table, and its bytes, for each plane."""
        rows, cols = self.grid.shape
        shape = self.block if self.tiled else (pixels.shape[1], self.block[1])
        place, count = row * cols + col, rows * cols
        parts = self.coder.encode(pixels, shape, planes=self.planes)
        return [(band * count + place, data) for band, data in enumerate(parts)]


@lru_cache(maxsize=256)  # asked for at every block, and alike for chips that are as large
def _grid(size: ImageSize, block: tuple[int, int]) -> BlockGrid:
    return BlockGrid(size, block)


class PageBlock(NamedTuple):
    """Pixels of one block."""

    page: int
    row: int
    col: int
    pixels: NDArray[Any]
    """``(bands, rows, cols)`` in native byte order, short at the right and bottom edge."""


def needs_big(pages: Sequence[Page]) -> bool:
    """Tell whether a file might pass what classic TIFF can point to."""
    growth = 1.0 if all(page.coder.compression.name == "none" for page in pages) else WORST_GROWTH
    tables = sum(48 * page.directory().blocks for page in pages)
    return sum(page.raw_bytes for page in pages) * growth + tables + (1 << 20) > CLASSIC_BYTES


def write_pages(
    out: BinaryIO,
    pages: Sequence[Page],
    blocks: Iterable[PageBlock],
    *,
    container: Container,
    workers: int = 1,
    progress: Callable[[int, int, int], None] | None = None,
    folder: Path | None = None,
) -> None:
    """Write a whole TIFF.

    Args:
        out: seekable; written from its position on.
        pages: in the order of the directories.
        blocks: of all pages, each at most once; those that do not come are sparse.
        container: what kind of TIFF it is.
        workers: threads that encode; 1 for the caller's alone.
        progress: called with blocks done, blocks in all, and their level.
        folder: of temporary files; None for the usual place.

    Raises:
        EncodeError: a block cannot be encoded, or the file would pass 4 GiB.
        OSError: there is no room. What ``blocks`` raises comes as it is.
    """
    with ExitStack() as stack:
        stack.enter_context(room_for(out, sum(page.raw_bytes for page in pages)))
        directories = [page.directory() for page in pages]
        file = TiffFile(out, directories, container)
        total = sum(page.grid.shape[0] * page.grid.shape[1] for page in pages)
        done = 0
        waiting = None if container.order_of_data is None else [stack.enter_context(_Spool(folder)) for _ in pages]
        for number, parts in _encoded(pages, blocks, workers=workers):
            for place, data in parts:
                if waiting is None:
                    file.put(number, place, data)
                else:
                    waiting[number].put(place, data)
            done += 1
            if progress is not None:
                progress(done, total, pages[number].level)
        if waiting is not None:
            for number in container.order_of_data or ():
                for place, data in waiting[number].in_order():
                    file.put(number, place, data)
        file.finish()
        if progress is not None and done < total:
            progress(total, total, 0)  # the others are sparse


def _encoded(
    pages: Sequence[Page], blocks: Iterable[PageBlock], *, workers: int
) -> Iterator[tuple[int, list[tuple[int, bytes]]]]:
    """Encode blocks, and give each one's directory and bytes in their order."""

    def encode(task: list[PageBlock]) -> list[tuple[int, list[tuple[int, bytes]]]]:
        return [(block.page, pages[block.page].encode(block.row, block.col, block.pixels)) for block in task]

    for encoded in in_order(_tasks(blocks), encode, workers=workers):
        yield from encoded


def _tasks(blocks: Iterable[PageBlock]) -> Iterator[list[PageBlock]]:
    """Gather blocks to what is worth a thread's while."""
    task: list[PageBlock] = []
    size = 0
    for block in blocks:
        task.append(block)
        size += block.pixels.nbytes
        if size >= TASK_BYTES:
            yield task
            task, size = [], 0
    if task:
        yield task


class _Spool:
    """Encoded blocks of one directory that wait for their turn."""

    def __init__(self, folder: Path | None) -> None:
        self._file: IO[bytes] = tempfile.SpooledTemporaryFile(IN_MEMORY, dir=None if folder is None else str(folder))  # noqa: SIM115 - closed on exit
        self._places: list[tuple[int, int, int]] = []
        self._end = 0

    def __enter__(self) -> _Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, place: int, data: bytes) -> None:
        """Keep one block."""
        self._places.append((place, self._end, len(data)))
        self._file.write(data)
        self._end += len(data)

    def in_order(self) -> Iterator[tuple[int, bytes]]:
        """Give the blocks in the order of their numbers: row by row, plane after plane."""
        for place, start, length in sorted(self._places):
            self._file.seek(start)
            yield place, self._file.read(length)
