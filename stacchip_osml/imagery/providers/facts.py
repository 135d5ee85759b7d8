"""What any provider says of itself, and what is meant where it says nothing.

Providers come from elsewhere too, and few have every attribute of the
protocol. What is missing is filled in here and nowhere else. Two things are
never guessed: the type of pixels, and the size of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.pixel import PixelWindow
from stacchip_osml.pixel.arguments import each_of
from stacchip_osml.pixel.counts import whole_number

__all__ = [
    "LevelBlocks",
    "absent_parts",
    "as_pixel_dtype",
    "dtype_of",
    "fact",
    "has_absent",
    "has_block",
    "key_of",
    "num_levels",
    "pad_number",
    "read_block",
    "require_bands",
    "stores_any",
    "whole_bands",
]

PIXEL_DTYPES = {
    name: np.dtype(name)
    for name in (
        *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *("float16", "float32", "float64", "complex64", "complex128", "bool"),
    )
}
"""Types that a pixel can have, by numpy's names."""
NATIVE = frozenset(PIXEL_DTYPES.values())
SPELLINGS = {"byte": "uint8", "cint16": "complex64", "cfloat32": "complex64", "cfloat64": "complex128"}
"""Other names in use → numpy's."""


def dtype_of(provider: Any) -> np.dtype[Any]:
    """Give the numpy type of a provider's pixels, in native byte order.

    Raises:
        DecodeError: ``pixel_value_type`` is missing, or nothing that is known.
    """
    return as_pixel_dtype(getattr(provider, "pixel_value_type", None), name=key_of(provider))


def as_pixel_dtype(value: Any, *, name: str = "pixel_value_type") -> np.dtype[Any]:
    """Turn a pixel value type into a numpy type, in native byte order.

    Args:
        value: a numpy dtype or scalar type; a name in any case (``UINT16``, ``byte``); an object with
            ``to_numpy_dtype()`` (``aws.osml.io.PixelType``) or ``numpy_dtype``.
        name: what the error names.

    Raises:
        DecodeError: nothing of these.
    """
    told: Any = value
    if isinstance(told, np.dtype) and told in NATIVE:
        return told
    if hasattr(told, "to_numpy_dtype"):
        told = told.to_numpy_dtype()
    elif hasattr(told, "numpy_dtype"):
        told = told.numpy_dtype
    if isinstance(told, str):
        word = told.strip().lower()
        told = PIXEL_DTYPES.get(SPELLINGS.get(word, word))
    elif isinstance(told, type) and issubclass(told, np.generic):
        told = PIXEL_DTYPES.get(told.__name__, PIXEL_DTYPES.get(told.__name__.rstrip("_")))
    if isinstance(told, np.dtype) and told.name in PIXEL_DTYPES:
        return PIXEL_DTYPES[told.name]
    raise DecodeError(f"{name}: pixels of an unknown type {value!r}")


def num_levels(provider: Any) -> int:
    """Count a provider's resolution levels, R0 included."""
    return max(int(getattr(provider, "num_resolution_levels", 1)), 1)


def has_block(provider: Any, row: int, col: int, level: int = 0, *, grid: BlockGrid | None = None) -> bool:
    """Tell whether a block is in the grid and stored; one that says nothing of it stores every block.

    Args:
        provider: any object of the image provider protocol.
        row: of the block, any integer.
        col: of the block, any integer.
        level: any integer.
        grid: of that level, where the caller has it.
    """
    if grid is None:
        if not 0 <= level < num_levels(provider):
            return False
        grid = level_grid(provider, level)
    if not grid.has(row, col):
        return False
    asked = getattr(provider, "has_block", None)
    return asked is None or bool(asked(row, col, level))


@dataclass(frozen=True, slots=True)
class LevelBlocks:
    """What reading many blocks of one level needs to know, found out once."""

    provider: Any
    grid: BlockGrid
    level: int
    bands: tuple[int, ...] | None
    """None for all, in their order."""
    count: int
    """Bands of a block as it is read."""
    dtype: np.dtype[Any]
    asked: Callable[[int, int, int], bool] | None
    """The provider's own ``has_block``; None where it stores every block."""

    @classmethod
    def of(
        cls, provider: Any, level: int = 0, bands: Sequence[int] | None = None, *, grid: BlockGrid | None = None
    ) -> LevelBlocks:
        """Ask a provider.

        Args:
            provider: any object of the image provider protocol.
            level: 0 is full resolution.
            bands: 0-based, in the order wanted; None for all.
            grid: of that level, where the caller has it.

        Raises:
            IndexError: no such level or band.
            DecodeError: the provider's numbers are no image.
        """
        grid = level_grid(provider, level) if grid is None else grid
        chosen = require_bands(provider, bands)
        count = int(provider.num_bands) if chosen is None else len(chosen)
        return cls(provider, grid, level, chosen, count, dtype_of(provider), getattr(provider, "has_block", None))

    def stores(self, row: int, col: int) -> bool:
        """Tell whether a block is in the grid and stored."""
        return self.grid.has(row, col) and self.holds(row, col)

    def holds(self, row: int, col: int) -> bool:
        """Tell whether a block of the grid is stored."""
        return self.asked is None or bool(self.asked(row, col, self.level))

    def read(self, row: int, col: int, size: tuple[int, int] | None = None) -> Pixels:
        """Read one block, cut off at the level's edge; see :func:`read_block`.

        Args:
            row: of the block.
            col: of the block.
            size: its rows and columns, where the caller knows them.
        """
        if size is None:
            window = self.grid.window(row, col)
            size = window.height, window.width
        if self.bands is None:
            block = self.provider.get_block(row, col, self.level)
        else:
            block = self.provider.get_block(row, col, self.level, bands=self.bands)
        shape = (self.count, *size)
        if isinstance(block, np.ndarray) and block.shape == shape and block.dtype == self.dtype:
            return block
        return self._cut(block, shape, row, col)

    def _cut(self, block: Any, shape: tuple[int, int, int], row: int, col: int) -> Pixels:
        """Cut off what a padded block has too much; refuse what has too little, or another type."""
        place = f"{key_of(self.provider)}: block ({row}, {col}) of level {self.level}"
        if not isinstance(block, np.ndarray) or block.dtype.newbyteorder("=") != self.dtype:
            kind = block.dtype.name if isinstance(block, np.ndarray) else type(block).__name__
            raise DecodeError(f"{place} is {kind}, not {self.dtype.name}")
        if block.ndim != 3 or block.shape[0] != shape[0] or block.shape[1] < shape[1] or block.shape[2] < shape[2]:
            raise DecodeError(f"{place} is {block.shape}, not {shape}")
        return block[:, : shape[1], : shape[2]]


def read_block(
    provider: Any,
    row: int,
    col: int,
    level: int = 0,
    bands: Sequence[int] | None = None,
    *,
    grid: BlockGrid | None = None,
) -> Pixels:
    """Read one block of any provider, and cut off what it has beyond the level's edge.

    Args:
        provider: any object of the image provider protocol.
        row: of the block.
        col: of the block.
        level: 0 is full resolution.
        bands: 0-based, in the order wanted; None for all.
        grid: of that level, where the caller has it.

    Returns:
        ``(bands, rows, cols)`` of exactly the shape that the block has in ``grid``; it may be the provider's own
        memory.

    Raises:
        IndexError: no such block, level or band.
        DecodeError: the provider gave something else than it says it has.
    """
    return LevelBlocks.of(provider, level, bands, grid=grid).read(row, col)


def require_bands(provider: Any, bands: Sequence[int] | None) -> tuple[int, ...] | None:
    """Check what bands are asked for; None where they are all bands in their order.

    Raises:
        IndexError: none, or one that the provider does not have.
        SettingError: (a ValueError) what is no whole number; True and False are none.
        TypeError: no list.
    """
    if bands is None:
        return None
    count = int(provider.num_bands)
    chosen = whole_bands(bands)
    if not chosen or min(chosen) < 0 or max(chosen) >= count:
        raise IndexError(f"{key_of(provider)}: bands {chosen} of an image that has {count}")
    return None if chosen == tuple(range(count)) else chosen


def whole_bands(bands: Sequence[int]) -> tuple[int, ...]:
    """Give a list of bands as whole numbers, whichever the image has.

    Raises:
        SettingError: (a ValueError) what is no whole number; True and False are none.
        TypeError: no list.
    """
    return tuple(whole_number("bands", band) for band in each_of("bands", bands, object, "whole numbers"))


def key_of(provider: Any) -> str:
    """Give a provider's key, its type's name where it has none."""
    return str(getattr(provider, "key", None) or type(provider).__name__)


def absent_parts(provider: Any, row: int, col: int, level: int) -> tuple[PixelWindow, ...]:
    """Give the parts of a stored block of which nothing is stored, in the block's own pixels; none where unsaid.

    Only a provider whose blocks are made of several others (a retiled one) has such parts.
    """
    asked = getattr(provider, "absent_parts", None)
    parts: tuple[PixelWindow, ...] = () if asked is None else asked(row, col, level)
    return parts


def stores_any(provider: Any, window: PixelWindow, level: int = 0) -> bool:
    """Tell whether any block under a window of a level is stored."""
    grid = level_grid(provider, level)
    rows, cols = grid.under(window)
    return any(has_block(provider, row, col, level, grid=grid) for row in rows for col in cols)


def has_absent(image: Any, level: int = 0) -> bool:
    """Tell whether an image leaves out any pixel of a level.

    Raises:
        ReadError: the image could not be read.
    """
    blocks = LevelBlocks.of(image, level)
    rows, cols = blocks.grid.under(PixelWindow(0, 0, *blocks.grid.image_size))
    return any(not blocks.holds(row, col) or bool(absent_parts(image, row, col, level)) for row in rows for col in cols)


def pad_number(provider: Any) -> np.generic:
    """Give the pad pixel value in the type of the pixels, as near as that holds it."""
    from stacchip_osml.imagery.blocks.sources import fill_values

    number: np.generic = fill_values((fact(provider, "pad_pixel_value"),), dtype_of(provider))[0]
    return number


def _bits(provider: Any) -> int:
    return dtype_of(provider).itemsize * 8


WHERE_MISSING: dict[str, Callable[[Any], Any]] = {
    "actual_bits_per_pixel": lambda provider: fact(provider, "num_bits_per_pixel"),
    "description": lambda _: "",
    "key": key_of,
    "metadata": lambda _: {},
    "num_bits_per_pixel": _bits,
    "pad_pixel_value": lambda _: 0.0,
    "title": key_of,
}
"""What a provider means that does not have an attribute, or has None there."""


def fact(provider: Any, name: str) -> Any:
    """Give an attribute of the protocol that a provider may leave out.

    Args:
        provider: any object of the image provider protocol.
        name: ``key``, ``title``, ``description``, ``num_bits_per_pixel``, ``actual_bits_per_pixel``,
            ``pad_pixel_value`` or ``metadata``.
    """
    value = getattr(provider, name, None)
    return WHERE_MISSING[name](provider) if value is None else value
