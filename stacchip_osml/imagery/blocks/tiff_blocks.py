"""The block grid of one TIFF directory: positions and sizes of its strips or tiles.

Rules:

- an absent block is one of size 0; entries that a table lacks are absent blocks;
- uncompressed blocks have the size that their samples need. Where a file says
  less for a single strip, or sizes that cannot be, libtiff puts that size in
  their place, and so does this file; where it says more, the rest is not read;
- one uncompressed strip is cut into strips of 8 KiB, as libtiff does.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import BlockCodec, LevelLayout, Unserved
from stacchip_osml.imagery.blocks.tiff_codec import ImageTags
from stacchip_osml.imagery.blocks.tiff_ifd import Directory, TiffBytes
from stacchip_osml.imagery.limits import ReadLimits

__all__ = ["OFFSET_TAGS", "level_of"]

MAX_BLOCKS = 1 << 22
"""Of one level: 64 MiB of positions and sizes."""
CHOPPED_BYTES = 1 << 13
OFFSET_TAGS, COUNT_TAGS = (324, 273), (325, 279)
"""Those of tiles and of strips; libtiff takes either for either."""

Table = NDArray[np.int64]


def level_of(
    file: TiffBytes, directory: Directory, tags: ImageTags, codec: BlockCodec, *, limits: ReadLimits
) -> LevelLayout | Unserved:
    """Read where the blocks of one directory are.

    Raises:
        DecodeError: its tables are cut short or absent.
    """
    tiled = bool({322, 323} & directory.fields.keys())
    whole = _block_shape(file, directory, tags, tiled=tiled)
    planes = tags.samples if tags.planar == 2 else 1
    grid = -(-tags.size.height // whole[0]), -(-tags.size.width // whole[1])
    row_bytes = -(-whole[1] * codec.samples * codec.bits // 8)
    plain = codec.compression == "none"
    lone = grid == (1, 1) and planes == 1 and not tiled
    shape = _chopped(whole, row_bytes) if plain and lone and tags.planar == 1 else whole
    try:
        limits.require_block(file.name, shape, codec.samples, codec.kind.itemsize)
    except LimitError as error:
        return Unserved(reason=str(error))
    if max(planes * grid[0] * grid[1], -(-whole[0] // shape[0])) > MAX_BLOCKS:
        return Unserved(reason=f"{planes} x {grid[0]} x {grid[1]} blocks, more than {MAX_BLOCKS}")
    offsets = _table(file, directory, OFFSET_TAGS, (planes, *grid))
    counts = _table(file, directory, COUNT_TAGS, (planes, *grid))
    if offsets is None or (counts is None and grid != (1, 1)):
        raise DecodeError(f"{file.name}: {planes} x {grid[0]} x {grid[1]} blocks without their positions or sizes")
    if plain:
        needed = _needed(tags.size.height, whole[0], row_bytes, padded=tiled)
        counts = _plain_counts(offsets, counts, needed, lone=lone)
        if shape != whole:
            starts = np.arange(0, whole[0], shape[0])
            offsets = (offsets + starts[:, np.newaxis] * row_bytes).astype(np.int64)
            counts = np.where(counts == 0, 0, _needed(tags.size.height, shape[0], row_bytes, padded=False))
    elif counts is None or (lone and not counts.any() and offsets.any()):
        return Unserved(reason="a compressed block of unknown size")
    return LevelLayout(
        size=tags.size,
        block_shape=shape,
        short_edge=not tiled,
        codec=codec,
        offsets=offsets[np.newaxis],
        counts=counts[np.newaxis],
    )


def _block_shape(file: TiffBytes, directory: Directory, tags: ImageTags, *, tiled: bool) -> tuple[int, int]:
    """Give (rows, cols) of a block: a tile, or a strip as wide as the image."""
    if tiled:
        shape = file.number(directory, 323, 0), file.number(directory, 322, 0)
    else:
        shape = min(file.number(directory, 278, tags.size.height), tags.size.height), tags.size.width
    if shape[0] < 1 or shape[1] < 1:
        raise DecodeError(f"{file.name}: blocks of {shape[1]} x {shape[0]} pixels")
    return shape


def _table(file: TiffBytes, directory: Directory, names: tuple[int, int], shape: tuple[int, int, int]) -> Table | None:
    """Read positions or sizes ``(planes, rows, cols)``, 0 where the table is too short; None where there is none."""
    field = next((directory.fields[tag] for tag in names if tag in directory.fields), None)
    if field is None:
        return None
    blocks = shape[0] * shape[1] * shape[2]
    values = file.numbers(field, most=blocks)
    if values.size < blocks:
        values = np.concatenate([values, np.zeros(blocks - values.size, dtype=np.int64)])
    return values.reshape(shape)


def _needed(height: int, rows: int, row_bytes: int, *, padded: bool) -> Table:
    """Give the bytes of uncompressed blocks ``(grid rows, 1)``; the last strip holds only rows of the image."""
    needed = np.full((-(-height // rows), 1), rows * row_bytes, dtype=np.int64)
    if not padded:
        needed[-1] = (height - (len(needed) - 1) * rows) * row_bytes
    return needed


def _plain_counts(offsets: Table, counts: Table | None, needed: Table, *, lone: bool) -> Table:
    """Put right the sizes ``(planes, rows, cols)`` of uncompressed blocks."""
    if counts is None:
        return np.broadcast_to(needed, offsets.shape).copy()
    first = counts[0, :2, 0] if counts.shape[2] == 1 else counts[0].reshape(-1)[:2]
    invented = counts.shape[0] == 1 and counts.size > 2 and first[0] != first[1] and first.all()
    if invented or (lone and offsets.any()):
        return np.broadcast_to(needed, offsets.shape).copy()
    return np.minimum(counts, needed)


def _chopped(whole: tuple[int, int], row_bytes: int) -> tuple[int, int]:
    """Give (rows, cols) of the strips that libtiff makes of one uncompressed strip."""
    return min(whole[0], max(CHOPPED_BYTES // row_bytes, 1)), whole[1]
