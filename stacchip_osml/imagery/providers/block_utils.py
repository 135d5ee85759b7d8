"""Windows of any provider, put together from its blocks.

Rules:

- each block under the window is asked for once, with the bands wanted and no
  others; a block that is not stored is not asked for;
- blocks lie where :func:`stacchip_osml.imagery.providers.block_grid.level_grid` says, at
  every level;
- what is outside the level, or not stored, holds the fill value. It is given in
  the type of the pixels or refused, never wrapped.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from stacchip_osml.errors import SettingError, WindowError
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.block_orders import block_order
from stacchip_osml.imagery.providers.facts import (
    LevelBlocks,
    absent_parts,
    as_pixel_dtype,
    has_block,
    key_of,
    require_bands,
)
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import of_kind
from stacchip_osml.pixel.counts import finite_numbers, real_number, whole_numbers, whole_or_none

__all__ = [
    "fill_parts",
    "gather_blocks",
    "holes_in",
    "iter_blocks",
    "paste_blocks",
    "read_block_or_pad",
    "read_window",
    "stitch_source_blocks",
]


def read_window(
    provider: Any,
    window: tuple[int, int, int, int],
    resolution_level: int = 0,
    fill_value: float = 0,
    bands: Sequence[int] | None = None,
    *,
    limits: ReadLimits | None = None,
) -> Pixels:
    """Read one window of one level of any provider.

    Args:
        provider: any object of the image provider protocol.
        window: ``(x, y, width, height)`` in pixels of that level; it may leave the level, or be empty.
        resolution_level: 0 is full resolution.
        fill_value: of pixels outside the level, and of blocks that are not stored.
        bands: 0-based, in the order wanted; None for all.
        limits: refused above these; None for the defaults.

    Returns:
        ``(bands, height, width)`` in the provider's type: new memory, the caller's own.

    Raises:
        WindowError: (a ValueError) a negative width or height, or a part of a pixel.
        ValueError: a fill value that the type of the pixels does not hold.
        IndexError: no such level or band.
        LimitError: more bytes than ``limits``.
        DecodeError: the provider gave something else than it says it has.
    """
    place = _whole_window(provider, window)
    blocks = LevelBlocks.of(provider, resolution_level, bands)
    of_kind("limits", limits, (ReadLimits, type(None)), "ReadLimits or None")
    (ReadLimits() if limits is None else limits).require_request(
        key_of(provider), ImageSize(place.width, place.height), blocks.count, blocks.dtype.itemsize
    )
    return gather_blocks(blocks, place, fill=_held(fill_value, blocks.dtype))


def stitch_source_blocks(  # noqa: PLR0917 - the documented order
    provider: Any,
    row_range: tuple[int, int],
    col_range: tuple[int, int],
    tile_height: int | None = None,
    tile_width: int | None = None,
    num_bands: int | None = None,
    pad_value: float = 0,
    dtype: DTypeLike | None = None,
    resolution_level: int = 0,
    bands: Sequence[int] | None = None,
) -> Pixels:
    """Put together half-open ranges of pixel rows and columns of one level.

    The same as :func:`read_window` for callers that know the provider's numbers already.

    Args:
        provider: any object of the image provider protocol.
        row_range: ``(first, stop)`` in pixels of the level; it may leave it.
        col_range: the same of columns.
        tile_height: rows from one source block to the next at this level; None for what the provider says.
        tile_width: the same of columns.
        num_bands: bands expected, of the provider or of the result; None for whatever they are.
        pad_value: of pixels outside the level, and of blocks that are not stored.
        dtype: of the result; None for the provider's.
        resolution_level: 0 is full resolution.
        bands: 0-based, in the order wanted; None for all.

    Returns:
        ``(bands, rows, cols)``; empty where a range is, or runs backwards.

    Raises:
        ValueError: other bands than expected, or a pad value that ``dtype`` does not hold.
        IndexError: no such level or band.
        LimitError: more bytes than the default limits.
        DecodeError: the provider gave something else than it says it has.
    """
    grid, chosen = level_grid(provider, resolution_level), require_bands(provider, bands)
    tile_height = whole_or_none("tile_height", tile_height, least=0)
    tile_width = whole_or_none("tile_width", tile_width, least=0)
    if tile_height or tile_width:
        rows, cols = grid.block_shape
        shape = tile_height or -(-rows // grid.reduction), tile_width or -(-cols // grid.reduction)
        grid = BlockGrid(grid.size, shape, content=grid.content)
    has = int(provider.num_bands)
    whole_or_none("num_bands", num_bands, least=1)
    if num_bands not in {None, has, has if chosen is None else len(chosen)}:
        raise ValueError(f"{key_of(provider)}: {num_bands} bands expected of an image that has {has}")
    top, bottom = whole_numbers("row_range", row_range, 2)
    left, right = whole_numbers("col_range", col_range, 2)
    place = PixelWindow(left, top, max(right - left, 0), max(bottom - top, 0))
    blocks = LevelBlocks.of(provider, resolution_level, chosen, grid=grid)
    kind = _kind_of(blocks, dtype)
    size = ImageSize(place.width, place.height)
    ReadLimits().require_request(key_of(provider), size, blocks.count, kind.itemsize)
    return gather_blocks(blocks, place, fill=_held(pad_value, kind), dtype=kind)


def read_block_or_pad(  # noqa: PLR0917 - the documented order
    provider: Any,
    tile_row: int,
    tile_col: int,
    resolution_level: int = 0,
    tile_height: int | None = None,
    tile_width: int | None = None,
    num_bands: int | None = None,
    pad_value: float = 0,
    dtype: DTypeLike | None = None,
    *,
    bands: Sequence[int] | None = None,
) -> Pixels:
    """Read one block, or make one of padding where it is not stored or outside the grid.

    Args:
        provider: any object of the image provider protocol.
        tile_row: of the block.
        tile_col: of the block.
        resolution_level: 0 is full resolution.
        tile_height: rows of the result; None for those that a whole block of the level has.
        tile_width: the same of columns.
        num_bands: bands expected; None for whatever they are.
        pad_value: of what the result has more than the image.
        dtype: of the result; None for the provider's.
        bands: 0-based, in the order wanted; None for all.

    Returns:
        ``(bands, tile_height, tile_width)``, blocks at the right and bottom edge too: new memory.

    Raises:
        ValueError, IndexError, LimitError, DecodeError: as :func:`stitch_source_blocks`.
    """
    tile_height = whole_or_none("tile_height", tile_height, least=0)
    tile_width = whole_or_none("tile_width", tile_width, least=0)
    whole_or_none("num_bands", num_bands, least=1)
    blocks = LevelBlocks.of(provider, resolution_level, bands)
    if num_bands not in {None, blocks.count}:
        raise ValueError(f"{key_of(provider)}: {num_bands} bands expected where there are {blocks.count}")
    rows, cols = (-(-side // blocks.grid.reduction) for side in blocks.grid.block_shape)
    size = ImageSize(tile_width or cols, tile_height or rows)
    kind = _kind_of(blocks, dtype)
    ReadLimits().require_request(key_of(provider), size, blocks.count, kind.itemsize)
    out = np.full((blocks.count, size.height, size.width), _held(pad_value, kind), kind)
    if blocks.stores(tile_row, tile_col):
        block = blocks.read(tile_row, tile_col)[:, : size.height, : size.width]
        np.copyto(out[:, : block.shape[1], : block.shape[2]], block, casting="same_kind")
    return out


def iter_blocks(
    provider: Any, order: str = "raster", resolution_level: int = 0, *, bands: Sequence[int] | None = None
) -> Iterator[tuple[int, int, Pixels]]:
    """Read all stored blocks of a level, one after the other.

    Args:
        provider: any object of the image provider protocol.
        order: ``raster``, ``column``, ``snake`` or ``hilbert`` (:mod:`stacchip_osml.imagery.providers.block_orders`).
        resolution_level: 0 is full resolution.
        bands: 0-based, in the order wanted; None for all.

    Yields:
        ``(block_row, block_col, block)``; the block without what lies outside the level, perhaps read-only.

    Raises:
        ValueError: an unknown order.
        IndexError: no such level or band.
    """
    blocks = LevelBlocks.of(provider, resolution_level, bands)
    return (
        (row, col, blocks.read(row, col))
        for row, col in block_order(*blocks.grid.shape, order=order)
        if blocks.stores(row, col)
    )


def paste_blocks(
    provider: Any, grid: BlockGrid, window: PixelWindow, out: Pixels, *, level: int, bands: tuple[int, ...] | None
) -> None:
    """Copy the stored blocks under a window to where they belong in ``out``; the rest of it stays as it is.

    Args:
        provider: any object of the image provider protocol.
        grid: of that level.
        window: pixels of that level.
        out: ``(bands, window.height, window.width)``.
        level: 0 is full resolution.
        bands: as :func:`stacchip_osml.imagery.providers.facts.require_bands` gives them.
    """
    _paste(LevelBlocks.of(provider, level, bands, grid=grid), window, out)


def gather_blocks(blocks: LevelBlocks, window: PixelWindow, *, fill: Any, dtype: np.dtype[Any] | None = None) -> Pixels:
    """Put a window together in new memory.

    Args:
        blocks: of the level.
        window: pixels of that level; it may leave it.
        fill: what stands where there is no pixel, a number that ``dtype`` holds.
        dtype: of the result; None for the provider's.

    Returns:
        ``(bands, window.height, window.width)``.
    """
    size, kind = blocks.grid.size, blocks.dtype if dtype is None else dtype
    shape = blocks.count, window.height, window.width
    inside = window.x >= 0 and window.y >= 0
    if inside and window.x + window.width <= size.width and window.y + window.height <= size.height:
        out = np.empty(shape, kind)  # every pixel is some block's
        _paste(blocks, window, out, fill=fill)
    else:
        out = np.full(shape, fill, kind)
        _paste(blocks, window, out)
    return out


def _paste(blocks: LevelBlocks, window: PixelWindow, out: Pixels, *, fill: Any = None) -> None:
    """Copy stored blocks to their places; put ``fill``, where it is given, in those of the others."""
    left, top, width, height = window
    rows, cols = blocks.grid.under(window)
    across = [
        (col, first, stop, max(first, left), min(stop, left + width)) for col, first, stop in blocks.grid.spans(1, cols)
    ]
    for row, first, stop in blocks.grid.spans(0, rows):
        y, bottom = max(first, top), min(stop, top + height)
        for col, start, end, x, right in across:
            if right <= x or bottom <= y:  # a block without a pixel of this level
                continue
            here = out[:, y - top : bottom - top, x - left : right - left]
            if blocks.holds(row, col):
                block = blocks.read(row, col, (stop - first, end - start))
                np.copyto(here, block[:, y - first : bottom - first, x - start : right - start], casting="same_kind")
            elif fill is not None:
                here[...] = fill


def holes_in(provider: Any, grid: BlockGrid, window: PixelWindow, *, level: int) -> Iterator[PixelWindow]:
    """Give the parts of a window of which the provider stores nothing, in the window's own pixels.

    Args:
        provider: any object of the image provider protocol.
        grid: of that level.
        window: pixels of that level.
        level: 0 is full resolution.
    """
    rows, cols = grid.under(window)
    for row in rows:
        for col in cols:
            place = grid.window(row, col)
            if has_block(provider, row, col, level, grid=grid):
                parts = [
                    PixelWindow(place.x + part.x, place.y + part.y, part.width, part.height)
                    for part in absent_parts(provider, row, col, level)
                ]
            else:
                parts = [place]
            for part in parts:
                x, y = max(part.x, window.x), max(part.y, window.y)
                width = min(part.x + part.width, window.x + window.width) - x
                height = min(part.y + part.height, window.y + window.height) - y
                if width > 0 and height > 0:
                    yield PixelWindow(x - window.x, y - window.y, width, height)


def fill_parts(pixels: Pixels, parts: Iterable[PixelWindow], value: Any) -> Pixels:
    """Set parts of an array ``(bands, rows, cols)``, in place, and give it."""
    for part in parts:
        pixels[:, part.y : part.y + part.height, part.x : part.x + part.width] = value
    return pixels


def _whole_window(provider: Any, window: Sequence[float]) -> PixelWindow:
    """Give a window of whole pixels."""
    try:
        values = finite_numbers("window", window, 4)
    except SettingError as error:
        raise WindowError(f"{key_of(provider)}: {error}") from error
    if any(value % 1 for value in values):
        raise WindowError(f"{key_of(provider)}: expected whole pixels x, y, width, height, got {values}")
    place = PixelWindow(*map(int, values))
    if place.width < 0 or place.height < 0:
        raise WindowError(f"{key_of(provider)}: {place} has a negative size")
    return place


def _kind_of(blocks: LevelBlocks, dtype: DTypeLike | None) -> np.dtype[Any]:
    """Give the type of a result; the provider's where None is given."""
    if dtype is None:
        return blocks.dtype
    return as_pixel_dtype(np.dtype(dtype) if isinstance(dtype, type) else dtype, name="dtype")


def _held(value: float, dtype: np.dtype[Any]) -> Any:
    """Give a number in a type that holds it."""
    if dtype.kind != "c":
        real_number("fill_value or pad_value", value)
    if dtype.kind in "iub":
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        if not (low <= value <= high and value == int(value)):  # NaN is in no range
            raise ValueError(f"fill_value or pad_value {value!r} is one that {dtype.name} does not hold")
        return int(value)
    return value
