"""The block grid of one TIFF directory: positions and sizes of its strips or tiles.

Rules:

- an absent block is one of size 0; entries that a table lacks are absent blocks;
- uncompressed blocks have the size that their samples need, whatever the file
  says of those that are not absent: libtiff reads that many bytes;
- one uncompressed strip is cut into strips of 8 KiB, as libtiff does.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout, Unserved
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.tiff.codec import ImageTags
from stacchip_osml.imagery.tiff.ifd import Directory, TiffBytes

__all__ = ["OFFSET_TAGS", "level_of"]

MAX_BLOCKS = 1 << 22
"""Of one level: 64 MiB of positions and sizes."""
CHOPPED_BYTES = 1 << 13
MAX_CHOPPED = 1 << 16
"""Strips made of one; taller than libtiff's where those would be more."""
WORST_RATIO, WORST_HEAD = 4, 1 << 20
"""No codec needs more bytes for a block than so many times its samples, and its own head: room for all of a file's
size fields to be believed when memory is planned."""
OFFSET_TAGS, COUNT_TAGS = (324, 273), (325, 279)
"""Those of tiles and of strips; libtiff takes either for either."""

Table = NDArray[np.int64]
"""``(planes, rows, cols)`` of the grid, or what broadcasts to that."""


class _Grid(NamedTuple):
    """The blocks that a directory announces."""

    planes: int
    rows: int
    cols: int
    shape: tuple[int, int]
    """(rows, cols) of a block."""
    row_bytes: int
    """One row of an uncompressed block."""
    height: int
    tiled: bool

    @property
    def lone(self) -> bool:
        """The image is one strip."""
        return self[:3] == (1, 1, 1) and not self.tiled

    def needed(self, rows: int) -> Table:
        """Give the bytes of uncompressed blocks of ``rows`` rows, ``(grid rows, 1)``; the last strip may be shorter."""
        needed = np.full((-(-self.height // rows), 1), rows * self.row_bytes, dtype=np.int64)
        if not self.tiled:
            needed[-1] = (self.height - (len(needed) - 1) * rows) * self.row_bytes
        return needed


def level_of(
    file: TiffBytes, directory: Directory, tags: ImageTags, codec: BlockCodec, *, limits: ReadLimits
) -> LevelLayout | Unserved:
    """Read where the blocks of one directory are.

    Raises:
        DecodeError: its tables are cut short or absent.
    """
    try:
        grid = _grid(file, directory, tags, codec)
        plain = codec.compression == "none"
        shape = _chopped(grid) if plain and grid.lone and tags.planar == 1 else grid.shape
        limits.require_block(file.name, shape, codec.samples, codec.kind.itemsize)
        offsets, counts = _tables(file, directory, grid, plain=plain)
        _require_believable(counts, grid.shape[0] * grid.shape[1] * codec.samples * codec.kind.itemsize)
    except (NotServedError, LimitError) as left:
        return Unserved(reason=str(left))
    if shape != grid.shape:
        offsets = offsets + np.arange(0, grid.height, shape[0])[:, np.newaxis] * grid.row_bytes
        counts = np.where(counts == 0, 0, grid.needed(shape[0])[np.newaxis])
    return LevelLayout(
        size=tags.size,
        block_shape=shape,
        short_edge=not grid.tiled,
        codec=codec,
        offsets=offsets[np.newaxis],
        counts=counts[np.newaxis],
    )


def _grid(file: TiffBytes, directory: Directory, tags: ImageTags, codec: BlockCodec) -> _Grid:
    """Read the sides of tiles, or the rows of strips, which are as wide as the image."""
    size = tags.size
    tiled = 322 in directory.fields
    if tiled != (323 in directory.fields):
        raise NotServedError("tiles of which one side is not given")
    if tiled:
        shape = file.number(directory, 323, 0), file.number(directory, 322, 0)
    else:
        shape = min(file.number(directory, 278, size.height), size.height), size.width
    if shape[0] < 1 or shape[1] < 1:
        raise DecodeError(f"{file.name}: blocks of {shape[1]} x {shape[0]} pixels")
    planes, rows, cols = (
        tags.samples if tags.planar == 2 else 1,
        -(-size.height // shape[0]),
        -(-size.width // shape[1]),
    )
    if planes * rows * cols > MAX_BLOCKS:
        raise NotServedError(f"{planes} x {rows} x {cols} blocks, more than {MAX_BLOCKS}")
    row_bytes = -(-shape[1] * codec.samples * codec.bits // 8)
    return _Grid(planes, rows, cols, shape, row_bytes, size.height, tiled)


def _tables(file: TiffBytes, directory: Directory, grid: _Grid, *, plain: bool) -> tuple[Table, Table]:
    """Read positions and sizes ``(planes, rows, cols)``, with what is wrong put right as far as libtiff does."""
    offsets = _table(file, directory, OFFSET_TAGS, grid)
    counts = _table(file, directory, COUNT_TAGS, grid)
    if offsets is None or (counts is None and (grid.rows, grid.cols) != (1, 1)):
        said = f"{grid.planes} x {grid.rows} x {grid.cols} blocks"
        raise DecodeError(f"{file.name}: {said} without their positions or sizes")
    if plain:
        counts = _plain_counts(grid, offsets, counts)
    elif counts is None or (grid.lone and not counts.any() and offsets.any()):
        raise NotServedError("a compressed block of unknown size")
    if ((offsets == 0) & (counts > 0)).any():
        raise NotServedError("blocks that would lie at the head of the file")
    return offsets, counts


def _require_believable(counts: Table, decoded: int) -> None:
    """Leave it to GDAL to read blocks that take more bytes than ``decoded`` ones can need."""
    most = WORST_RATIO * decoded + WORST_HEAD
    if int(counts.max()) > most:
        raise NotServedError(f"blocks of up to {counts.max()} bytes, where {most} would hold any")


def _table(file: TiffBytes, directory: Directory, names: tuple[int, int], grid: _Grid) -> Table | None:
    """Read one table, 0 where it is too short; None where there is none."""
    field = next((directory.fields[tag] for tag in names if tag in directory.fields), None)
    if field is None:
        return None
    blocks = grid.planes * grid.rows * grid.cols
    values = file.numbers(field, most=blocks)
    if values.size < blocks:
        if grid.planes > 1:  # whole bands may be missing, which is no sparse file
            raise NotServedError(f"{values.size} places or sizes of {blocks} blocks in {grid.planes} planes")
        values = np.concatenate([values, np.zeros(blocks - values.size, dtype=np.int64)])
    return values.reshape(grid[:3])


def _plain_counts(grid: _Grid, offsets: Table, counts: Table | None) -> Table:
    """Give the bytes that libtiff reads of uncompressed blocks."""
    needed = grid.needed(grid.shape[0])
    every = np.broadcast_to(needed, offsets.shape).copy()
    if counts is None or (grid.lone and offsets.any()):
        return every
    every[counts == 0] = 0
    if grid.tiled:  # those at the bottom may hold no more than the rows of the image
        every[:, -1] = np.minimum(counts[:, -1], needed[-1])
    return every


def _chopped(grid: _Grid) -> tuple[int, int]:
    """Give (rows, cols) of the strips that libtiff makes of one uncompressed strip."""
    rows = max(CHOPPED_BYTES // grid.row_bytes, 1, -(-grid.height // MAX_CHOPPED))
    return min(grid.height, rows), grid.shape[1]
