"""An image file through a registered reader, in the place of one that GDAL opens.

What the provider says beside its pixels (place, CRS, nodata, names of bands) it
says by an attribute ``header``, an ``ImageHeader``; without one it has the
numbers of the protocol and no place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from stacchip_osml.errors import ChipError, DecodeError
from stacchip_osml.forked import cached_property
from stacchip_osml.imagery.blocks.files import LocalFile
from stacchip_osml.imagery.format import HEAD_BYTES
from stacchip_osml.imagery.header import BandHeader, ImageHeader, PictureTags
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import dtype_of, fact, num_levels, require_bands, stores_any
from stacchip_osml.imagery.providers.own_readers import OwnReader, own_reader
from stacchip_osml.imagery.providers.protocol import MaskedPixels, Pixels
from stacchip_osml.imagery.providers.windows import read_by_blocks
from stacchip_osml.pixel import ImageSize, PixelWindow

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.objects import RemoteObject

__all__ = ["OwnImage", "own_image"]

T = TypeVar("T")


def own_image(file: LocalFile | RemoteObject, *, limits: ReadLimits) -> OwnImage | None:
    """Give a file through its registered reader; None of one that has none, and of what is not local.

    Raises:
        ReadError: the file cannot be read.
    """
    if not isinstance(file, LocalFile):
        return None
    reader = own_reader(file.read_at(0, min(HEAD_BYTES, file.size)))
    return None if reader is None else OwnImage(reader, file, limits=limits)


class OwnImage:
    """One local file through a registered reader, as ``BlockImage`` asks GDAL's; opened on first use.

    What the reader raises is a ``DecodeError`` that names the file and the reader, with its cause.
    """

    def __init__(self, reader: OwnReader, file: LocalFile, *, limits: ReadLimits) -> None:
        self.reader, self.file, self.limits = reader, file, limits

    @cached_property
    def provider(self) -> Any:
        """What the reader made of the file."""
        return self._called(lambda: self.reader.open(self.file.location))

    @cached_property
    def header(self) -> ImageHeader:
        """What the provider says; its ``header`` where it has one."""
        provider = self.provider
        found = self._called(lambda: self._header(provider))
        self.limits.require_image(self.file.name, found.size, len(found.bands))
        has_nodata = any(band.nodata is not None for band in found.bands)
        mask = "nodata" if has_nodata and found.mask == "none" else found.mask
        size, modified = self.file.stamp.size_bytes, self.file.stamp.modified_ns
        places = tuple(found.place(level) for level in range(len(found.levels))) if len(found.levels) > 1 else ()
        facts: dict[str, Any] = {"driver": self.reader.name, "mask": mask, "places": places}
        return replace(found, **facts, size_bytes=size, modified_ns=modified)

    def _header(self, provider: Any) -> ImageHeader:
        grids = [level_grid(provider, level) for level in range(num_levels(provider))]
        dtype, count = dtype_of(provider).name, int(provider.num_bands)
        said = getattr(provider, "header", None)
        if not isinstance(said, ImageHeader):
            return ImageHeader(
                driver=self.reader.name,
                levels=tuple(grid.image_size for grid in grids),
                bands=(BandHeader(dtype=dtype),) * count,
                block_shape=grids[0].block_shape,
            )
        if said.levels != tuple(grid.image_size for grid in grids) or [b.dtype for b in said.bands] != [dtype] * count:
            raise DecodeError(
                f"its header says {list(said.levels)}, {len(said.bands)} bands; the image has "
                f"{[grid.image_size for grid in grids]}, {count} bands of {dtype}"
            )
        return said

    # ---- what BlockImage asks

    def stored_levels(self) -> list[OwnLevel]:
        """List the levels from fine to coarse; blocks of all are as large as those of the first."""
        header = self.header
        nodata = tuple(band.nodata for band in header.bands)
        return [OwnLevel(size=size, block_shape=header.block_shape, nodata=nodata) for size in header.levels]

    @property
    def num_bands(self) -> int:
        """Bands, alpha included."""
        return len(self.header.bands)

    @property
    def pixel_value_type(self) -> np.dtype[Any]:
        """The numpy dtype of blocks."""
        return dtype_of(self.provider)

    @property
    def description(self) -> str:
        """As the provider has it."""
        return self._fact("description", str)

    @property
    def actual_bits_per_pixel(self) -> int:
        """As the provider has it."""
        return self._fact("actual_bits_per_pixel", int)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """As the provider has it; keys are text."""
        return self._fact("metadata", lambda found: {str(key): value for key, value in dict(found).items()})

    def _fact(self, name: str, kind: Callable[[Any], T]) -> T:
        provider = self.provider
        return self._called(lambda: kind(fact(provider, name)))

    @property
    def picture_tags(self) -> PictureTags:
        """Nothing: readers of one's own say no more than the header."""
        none = (None,) * self.num_bands
        return PictureTags(bands=({},) * self.num_bands, structure={}, color_tables=none, wavelengths=none)

    def read(self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None) -> MaskedPixels | None:
        """Read one window of one level; see :meth:`stacchip_osml.imagery.GdalImage.read`."""
        dtype, count = self.pixel_value_type, self.num_bands
        chosen = require_bands(self.provider, bands)
        self.limits.require_block(self.file.name, self.header.block_shape, count, dtype.itemsize)
        size = ImageSize(window.width, window.height)
        self.limits.require_request(self.file.name, size, count if bands is None else len(bands), dtype.itemsize)
        provider, nodata = self.provider, [band.nodata for band in self.header.bands]
        told = nodata if chosen is None else [nodata[band] for band in chosen]
        return self._called(lambda: read_by_blocks(provider, window, level=level, bands=chosen, nodata=told))

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether anything under a block of the grid is stored."""
        window, provider = self._window(block_row, block_col, resolution_level), self.provider
        return self._called(lambda: stores_any(provider, window, resolution_level))

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, cut off at the level's edge; an absent one reads as nodata or 0."""
        window = self._window(block_row, block_col, resolution_level)
        found = self.read(window, level=resolution_level, bands=bands)
        if found is not None:
            return found.pixels
        told = [band.nodata for band in self.header.bands]
        values = [value or 0 for value in (told if bands is None else [told[band] for band in bands])]
        empty = np.empty((len(values), window.height, window.width), self.pixel_value_type)
        empty[...] = np.array(values).astype(empty.dtype)[:, None, None]
        return empty

    def _window(self, row: int, col: int, level: int) -> PixelWindow:
        return BlockGrid(self.header.levels[level], self.header.block_shape).window(row, col)

    def _called(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except MemoryError:
            raise
        except Exception as error:  # whatever code of one's own raises: told once
            if isinstance(error, ChipError) and not isinstance(error, DecodeError):
                raise
            how = "" if isinstance(error, DecodeError) else f" with {type(error).__name__}"
            raise DecodeError(f"{self.file.name}: reader {self.reader.name!r} failed{how}: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLevel:
    """One level, as the block reader compares it."""

    size: ImageSize
    block_shape: tuple[int, int]
    nodata: tuple[float | complex | None, ...]
