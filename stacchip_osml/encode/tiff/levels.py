"""The levels of an image as blocks to write: those given, those the image has, those to be made.

Rules:

- each source block is read about once: overviews are made in the pass that writes full
  resolution (:class:`stacchip_osml.imagery.PyramidBuilder`);
- what the source does not store stays out of the file where a reader finds the same in
  its place: the nodata value, or 0 where there is none;
- in memory are a row of source blocks, a row of blocks to write, and what overviews need.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from stacchip_osml.encode.array_provider import ArrayProvider
from stacchip_osml.encode.tiff.pages import PageBlock
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.block_grid import level_grid
from stacchip_osml.imagery.providers.facts import dtype_of, has_block, num_levels, pad_number, read_block
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.pyramids.builder import PyramidBlock, PyramidBuilder
from stacchip_osml.imagery.resampling.resamplers import ResampleFunc, nearest_neighbor_resample
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["Levels", "MaskBytes", "MaskView", "fits_gdal", "holds", "levels_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Every level of one image, to be read once."""

    sizes: tuple[ImageSize, ...]
    builders: tuple[PyramidBuilder, ...]
    """One that makes all levels, or one for each that was given."""
    block: tuple[int, int] | None
    """Rows and columns of the blocks to write; None for each image's own size."""
    stays_sparse: bool
    """What the image does not store is left out."""
    most: int | None = None
    """Largest sample that the file's bits hold, where those are fewer than the type's: overviews may overshoot."""

    def blocks(self, pages: Sequence[int], *, as_mask: bool = False) -> Iterator[PageBlock]:
        """Read and make the blocks of all levels.

        Args:
            pages: the directory of each level.
            as_mask: give what is not 0.
        """
        single = len(self.builders) == 1
        for number, builder in enumerate(self.builders):
            for level, row, col, made in self._blocks_of(builder):
                page = pages[level if single else number]
                overshoots = level and self.most is not None
                pixels = np.minimum(made, made.dtype.type(self.most)) if overshoots else made
                yield PageBlock(page, row, col, pixels != 0 if as_mask else pixels)

    def _blocks_of(self, builder: PyramidBuilder) -> Iterable[PyramidBlock]:
        """Give the blocks of a builder's levels; of an array that is the only one, in the array's own memory."""
        image = builder.source
        if len(self.sizes) > 1 or not isinstance(image, ArrayProvider):
            return builder.blocks(base=True)
        pixels = image.pixels
        _, height, width = pixels.shape
        rows, cols = self.block or (height, width)
        return (
            PyramidBlock(0, row, col, pixels[:, y : y + rows, x : x + cols])
            for row, y in enumerate(range(0, height, rows))
            for col, x in enumerate(range(0, width, cols))
        )


def levels_of(
    images: Any,
    *,
    block: tuple[int, int] | None,
    overviews: int | None,
    layout: str,
    nodata: float | None,
    sparse: bool,
    resampling: ResampleFunc | None,
    workers: int,
    valid: Any = None,
    most: int | None = None,
) -> Levels:
    """Plan the levels; nothing is read yet.

    Args:
        images: an image provider, or a sequence of them from fine to coarse.
        block: rows and columns of the file's tiles, or of its strips.
        overviews: how many below full resolution; None for all that a COG needs, and for none in other files.
        layout: ``tiff`` or ``cog``.
        nodata: what absent blocks hold in the file; None for 0.
        sparse: leave out what the source does not store.
        resampling: how overviews are made; None for the usual way.
        workers: threads that read and make them, beside the caller's; 1 for the caller's alone.
        valid: an image that is 0 where pixels have no weight in overviews; None where all that is stored has.
        most: largest sample that the file's bits hold; None where they hold all of the type.

    Raises:
        EncodeError: levels that do not belong together, or more overviews than there can be.
    """
    given = list(images) if isinstance(images, (list, tuple)) else [images]
    if not given:
        raise EncodeError("no image to write")
    if len(given) > 1 and overviews not in {None, len(given) - 1}:
        raise EncodeError(f"{len(given) - 1} overviews are given, and {overviews} asked for")
    base = given[0]
    dtype, bands = dtype_of(base), int(base.num_bands)
    for level in given[1:]:
        if dtype_of(level) != dtype or int(level.num_bands) != bands:
            raise EncodeError(
                f"an overview of {level.num_bands} bands of {dtype_of(level).name}, not {bands} of {dtype.name}"
            )
    kept = nodata if nodata is not None and holds(dtype, nodata) else None
    absent_reads_the_same = kept is not None or (nodata is None and pad_number(base) == 0)
    stays_sparse = sparse and absent_reads_the_same
    if not stays_sparse:
        given = [each if isinstance(each, ArrayProvider) else DenseView(each) for each in given]
    if resampling is None and (dtype.kind in "bc"):
        resampling = nearest_neighbor_resample
    count = _count(level_grid(base).image_size, block, overviews, layout) if len(given) == 1 else 0
    builders = []
    for image in given:
        size = level_grid(image).image_size
        rows, cols = (size.height, size.width) if block is None else block
        try:
            builder = PyramidBuilder(
                image,
                1,
                tile_width=cols,
                tile_height=rows,
                resample_func=resampling,
                num_workers=workers if workers > 1 else 0,
                nodata=kept,
                valid=valid if len(given) == 1 else None,
                levels=count,
            )
        except ValueError as error:
            raise EncodeError(f"overviews cannot be made: {error}") from error
        builders.append(builder)
    sizes = [level_grid(image).image_size for image in given]
    if len(given) == 1:
        sizes += [grid.size for grid in builders[0].level_grids]
    _require_sizes(sizes, overviews)
    return Levels(sizes=tuple(sizes), builders=tuple(builders), block=block, stays_sparse=stays_sparse, most=most)


def _require_sizes(sizes: Sequence[ImageSize], overviews: int | None) -> None:
    for before, after in pairwise(sizes):
        if after == before or after.width > before.width or after.height > before.height:
            raise EncodeError(
                f"an overview of {after.width} x {after.height} of {before.width} x {before.height} pixels"
            )
    if overviews is not None and len(sizes) != overviews + 1:
        width, height = sizes[0]
        raise EncodeError(f"{overviews} overviews of {width} x {height} pixels; there can be {len(sizes) - 1}")


def holds(dtype: np.dtype[Any], value: float) -> bool:
    """Tell whether pixels of a type can have a value."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        return limits.min <= value <= limits.max and float(value).is_integer()
    if dtype.kind == "b":
        return value in {0, 1}
    with np.errstate(over="ignore"):
        return dtype.kind in "fc" and (not math.isfinite(value) or bool(np.isfinite(dtype.type(value))))


def fits_gdal(dtype: np.dtype[Any], value: float | complex) -> bool:
    """Tell whether GDAL reads a nodata value as what it is.

    Those that integers of 64 bits cannot have become 0, those beyond all floats of a type infinite: a value that
    pixels can have, and would be invalid then.
    """
    return (dtype.name not in {"int64", "uint64"} and dtype.kind not in "fc") or holds(dtype, value.real)


def _count(size: ImageSize, block: tuple[int, int] | None, overviews: int | None, layout: str) -> int:
    """Count the overviews to make: of a COG until one is a single tile."""
    if overviews is not None:
        if overviews < 0:
            raise EncodeError(f"the number of overviews must be 0 or more, got {overviews}")
        return overviews
    if layout != "cog" or block is None:
        return 0
    count, (width, height) = 0, size
    while height > block[0] or width > block[1]:
        width, height, count = -(-width // 2), -(-height // 2), count + 1
    return count


class DenseView(ProviderView):
    """An image whose absent blocks are padding like any other pixels."""

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether there is such a place in the grid."""
        inside = 0 <= resolution_level < num_levels(self.source)
        return inside and self.level_grid(resolution_level).has(block_row, block_col)

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, or make one of padding."""
        if has_block(self.source, block_row, block_col, resolution_level):
            return read_block(self.source, block_row, block_col, resolution_level, bands)
        window = self.level_grid(resolution_level).window(block_row, block_col)
        count = self.num_bands if bands is None else len(bands)
        return np.full((count, window.height, window.width), pad_number(self.source), dtype_of(self.source))


class MaskBytes(ProviderView):
    """What is valid of an image, or stored, as an image of its own: 255 where it is."""

    @property
    def num_bands(self) -> int:
        """One for all bands."""
        return 1

    @property
    def pixel_value_type(self) -> np.dtype[np.uint8]:
        """uint8."""
        return np.dtype(np.uint8)

    @property
    def num_bits_per_pixel(self) -> int:
        """8."""
        return 8

    @property
    def pad_pixel_value(self) -> float:
        """0: what is not stored is not valid."""
        return 0.0


class MaskView(MaskBytes):
    """The validity of an image that knows it (``read(window, level=…)``): 255 where a pixel is valid."""

    def __init__(self, source: Any, *, per_band: bool) -> None:
        """Look at the validity of ``source``: one for all bands, or of each."""
        super().__init__(source)
        self.per_band = per_band

    @property
    def num_bands(self) -> int:
        """One, or the image's."""
        return int(self.source.num_bands) if self.per_band else 1

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read the mask of one block.

        Raises:
            EncodeError: one mask is wanted, and bands differ in what is valid.
        """
        del bands
        window = self.level_grid(resolution_level).window(block_row, block_col)
        found = self.source.read(PixelWindow(*window), level=resolution_level)
        if found is None:
            return np.zeros((self.num_bands, window.height, window.width), np.uint8)
        mask = found.mask
        if not self.per_band:
            if not (mask == mask[:1]).all():
                raise EncodeError('bands differ in what is valid: give mask="bands" for a mask of each')
            mask = mask[:1]
        octets: Pixels = mask.astype(np.uint8) * np.uint8(255)
        return octets
