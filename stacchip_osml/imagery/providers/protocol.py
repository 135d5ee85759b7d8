"""The image provider protocol: how pixels are asked for, whoever holds them.

Any object with these attributes is an image, an ``aws.osml.io`` asset
included. Arrays are ``(bands, rows, cols)``; blocks at the right and bottom
edge may be short; ``has_block`` is False where a block is not stored (sparse).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["ImageProvider", "MaskedPixels", "PixelReader"]

Pixels = NDArray[Any]
Mask = NDArray[np.bool_]


class MaskedPixels(NamedTuple):
    """Pixels with their validity."""

    pixels: Pixels
    """``(bands, rows, cols)`` in the source dtype."""
    mask: Mask
    """``(bands, rows, cols)``, True where the pixel is a measurement."""


@runtime_checkable
class ImageProvider(Protocol):
    """Block access to one image, all pyramid levels."""

    @property
    def key(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def num_rows(self) -> int: ...
    @property
    def num_columns(self) -> int: ...
    @property
    def num_bands(self) -> int: ...
    @property
    def num_bits_per_pixel(self) -> int: ...
    @property
    def actual_bits_per_pixel(self) -> int: ...
    @property
    def num_pixels_per_block_horizontal(self) -> int: ...
    @property
    def num_pixels_per_block_vertical(self) -> int: ...
    @property
    def num_resolution_levels(self) -> int: ...
    @property
    def block_grid_size(self) -> tuple[int, int]:
        """(rows, cols) of the R0 block grid."""
        ...

    @property
    def pixel_value_type(self) -> Any: ...
    @property
    def pad_pixel_value(self) -> float: ...
    @property
    def metadata(self) -> Mapping[str, Any]: ...
    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool: ...
    def get_block(
        self,
        block_row: int,
        block_col: int,
        resolution_level: int = 0,
        bands: Sequence[int] | None = None,
    ) -> Pixels: ...


@runtime_checkable
class PixelReader(Protocol):
    """Window access: what the Chipper asks of a reader."""

    def level_shape(self, level: int) -> ImageSize:
        """Give the size of a stored level."""
        ...

    def read(self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None) -> MaskedPixels | None:
        """Read pixels of one stored level (``window`` in that level's pixels, inside it); None where sparse."""
        ...
