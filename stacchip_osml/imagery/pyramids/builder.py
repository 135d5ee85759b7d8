"""All levels of a pyramid, made in one pass over the image.

Rules:

- each block of R0 is read once, and a few rows of blocks are held at a time;
- a level is bit for bit what reducing the whole level before it gives: so it
  depends neither on the number of threads nor on any block size;
- where the source has the levels already they are copied, and R0 is not read;
- the first level with a side below ``min_size`` is the last; an image that has
  such a side already gets no levels;
- what the image does not store, or a mask hides, has no weight in what lies beside it;
- what fails in a thread fails in the caller's, once the other threads are done.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from stacchip_osml.errors import LimitError
from stacchip_osml.imagery.adapters.view import WithMetadata
from stacchip_osml.imagery.display.palettes import shows_indices
from stacchip_osml.imagery.level_places import FULL_RESOLUTION, LevelPlace, level_place
from stacchip_osml.imagery.providers.block_grid import BlockGrid, level_grid
from stacchip_osml.imagery.providers.facts import absent_parts, dtype_of, num_levels, pad_number
from stacchip_osml.imagery.providers.protocol import Pixels
from stacchip_osml.imagery.pyramids.cascade import (
    ROOM,
    Cascade,
    LevelMaker,
    TileRows,
    blocks_needing,
    blocks_under,
)
from stacchip_osml.imagery.pyramids.levels import place_of, planned_sizes
from stacchip_osml.imagery.pyramids.reading import RowReader, Workers
from stacchip_osml.imagery.pyramids.store import BlockStore, FileBlocks, MemoryBlocks, OverviewLevel
from stacchip_osml.imagery.resampling.reduction import Reduction, reduction_of
from stacchip_osml.imagery.resampling.reduction_masked import MaskedImage, MaskedReduction, mask_bands, maskable
from stacchip_osml.imagery.resampling.reduction_values import held_nodata
from stacchip_osml.imagery.resampling.resamplers import ResampleFunc, nearest_neighbor_resample
from stacchip_osml.imagery.resampling.sips import sips_rrds_resample
from stacchip_osml.pixel.arguments import function_or_none, of_kind
from stacchip_osml.pixel.counts import whole_number, whole_or_none
from stacchip_osml.pixel.nodata import nodata_by_band

__all__ = ["ProgressCallback", "PyramidBlock", "PyramidBuilder", "require_target"]

STRIP_LIMIT = 4 << 30
"""Bytes of a row of blocks; a few are held."""
FOLDER = (str, os.PathLike, type(None))


class ProgressCallback(Protocol):
    """Is told after each source block how far a run is."""

    def __call__(self, completed: int, total: int, level: int, /) -> None:
        """Take the source blocks that are done and those in all, and the level of the source that they are of."""
        ...


class PyramidBlock(NamedTuple):
    """One finished block of a level."""

    level: int
    """0 is full resolution, 1 the first below it."""
    row: int
    """Of the level's block grid."""
    col: int
    """Of the level's block grid."""
    pixels: Pixels
    """``(bands, rows, cols)``, short at the right and bottom edge; the caller's own."""


class PyramidBuilder:
    """Makes every level of a pyramid in one pass."""

    def __init__(  # noqa: PLR0917 - the documented order
        self,
        source: Any,
        min_size: int = 256,
        scale_factor: int = 2,
        tile_width: int | None = None,
        tile_height: int | None = None,
        resample_func: ResampleFunc | None = None,
        num_workers: int = 2,
        use_native_levels: bool = True,
        progress: ProgressCallback | None = None,
        *,
        nodata: float | complex | None = None,
        valid: Any | None = None,
        levels: int | None = None,
    ) -> None:
        """Plan the levels; nothing is read yet.

        Args:
            source: any object of the image provider protocol.
            min_size: pixels: the first level with a side below it is the last.
            scale_factor: from one level to the next: 2.
            tile_width: columns of the levels' blocks; None for the source's.
            tile_height: rows of the levels' blocks; None for the source's.
            resample_func: how pixels are made; None for SIPS, of a palette's indices for the nearest. See
                :class:`stacchip_osml.imagery.adapters.downsampled.DownsampledImageProvider`.
            num_workers: threads that read blocks and make pixels; 0 for the caller's alone.
            use_native_levels: copy the levels that the source has, as far as each is half the one before.
            progress: called in the caller's thread after each source block; what it raises ends the run.
            nodata: value of pixels that hold no data, in all bands; they have no weight. None where all count, and what
                is beyond all floats of their type (1e300 of float32) is as None.
            valid: an image provider of the same size, of one band or of as many: pixels have no weight where it is 0,
                whatever nodata says. None where all count that the source stores. Functions that take no masks do
                not heed it, nor do levels that are made of one that it does not have.
            levels: below the source, at most; None for as many as ``min_size`` says.

        Raises:
            ValueError: another factor than 2, ``min_size`` or tiles that are not positive, a negative number of
                threads, or a resampler, nodata value or ``valid`` that does not go with the source.
            LimitError: a row of the source's blocks, of which a few are held, takes more than 4 GiB.
        """
        scale_factor = whole_number("scale_factor", scale_factor, least=1)
        if scale_factor != 2:
            raise ValueError(f"levels are half as large as the one before, but scale_factor is {scale_factor}")
        min_size = whole_number("min_size", min_size, least=1)
        num_workers = whole_number("num_workers", num_workers, least=0)
        tile_width = whole_or_none("tile_width", tile_width, least=1)
        tile_height = whole_or_none("tile_height", tile_height, least=1)
        grid = level_grid(source)
        height, width = grid.block_shape
        self.source = source
        self.min_size = min_size
        self.scale_factor = scale_factor
        self.num_workers = num_workers
        self.use_native_levels = of_kind("use_native_levels", use_native_levels, bool, "True or False")
        self.progress = function_or_none("progress", progress)
        function_or_none("resample_func", resample_func)
        self._tile = height if tile_height is None else tile_height, width if tile_width is None else tile_width
        most = whole_or_none("levels", levels, least=0)
        sizes = planned_sizes(grid.image_size, min_size=min_size, factor=scale_factor)
        self._sizes = sizes if most is None else sizes[: most + 1]
        self._dtype = dtype_of(source)
        (nodata,) = nodata_by_band(nodata, 1)
        self.nodata = nodata = held_nodata(nodata, self._dtype)
        self._bands = int(source.num_bands)
        strip = self._bands * (ROOM + height) * grid.image_size.width * self._dtype.itemsize
        if strip > STRIP_LIMIT:
            raise LimitError(
                f"levels of {grid.image_size.width} x {grid.image_size.height} pixels: a row of blocks takes "
                f"{strip >> 20} MiB, more than {STRIP_LIMIT >> 20}: its blocks are too large"
            )
        if resample_func is None and shows_indices(source):
            resample_func = nearest_neighbor_resample
        self._resample_func = resample_func
        self._native = self._native_levels() if use_native_levels else 0
        if valid is not None and (
            level_grid(valid).image_size != grid.image_size or valid.num_bands not in {1, self._bands}
        ):
            raise ValueError(f"valid is no mask of {self._bands} bands and {grid.image_size}")
        self._valid = valid if valid is not None and self._native < num_levels(valid) else None
        self._reduction = self._found_reduction(resample_func)
        self._fill: Any = pad_number(source) if nodata is None else self._dtype.type(nodata)
        self._cancelled: set[threading.Event] = set()

    @property
    def resample_func(self) -> ResampleFunc:
        """What makes the pixels of levels that the source does not have."""
        return sips_rrds_resample if self._resample_func is None else self._resample_func

    @property
    def level_grids(self) -> list[BlockGrid]:
        """Size and blocks of each level that is made, from the first below full resolution on."""
        return [BlockGrid(size, self._tile) for size in self._sizes[1:]]

    def pixel_place(self, level: int) -> LevelPlace:
        """Tell where the pixels of a level lie on the finest image: as the source says, as far as it has them."""
        place = level_place(self.source, min(level, self._native)).inside(place_of(self.source) or FULL_RESOLUTION)
        if self._reduction is None:
            return place
        for width, height in self._sizes[self._native : level]:
            place = LevelPlace(dx=self._reduction.pitch(width), dy=self._reduction.pitch(height)).inside(place)
        return place

    def blocks(self, *, base: bool = False) -> Iterator[PyramidBlock]:
        """Make the blocks of all levels, each given out as soon as it is complete.

        A few rows of source blocks are in memory, and what the caller keeps. Blocks of a level come in the order of
        its rows and columns, those of several levels interleaved; absent ones are left out. To close the iterator is
        to end the run.

        Args:
            base: also give the blocks of full resolution (level 0), cut as those of the levels are.

        Yields:
            Every stored block of every level.

        Raises:
            CancelledError: :meth:`cancel` was called.
            ReadError: the source could not be read; any other error of the source, the resampler or ``progress``.
        """
        cancelled = threading.Event()
        self._cancelled.add(cancelled)
        try:
            with Workers(self.num_workers, cancelled) as workers:
                yield from self._passes(workers, first=0 if base else 1)
        finally:
            self._cancelled.discard(cancelled)

    def cancel(self) -> None:
        """End the runs that are under way, from any thread: they raise ``concurrent.futures.CancelledError``."""
        for event in tuple(self._cancelled):
            event.set()

    def build(self, *, spill: bool = False, folder: Path | None = None) -> list[Any]:
        """Make every level, and hold them.

        Args:
            spill: hold them in temporary files, which are gone when the levels are; else in memory.
            folder: of those files; None for the usual place.

        Returns:
            The source itself and its levels, from fine to coarse.

        Raises:
            OSError: the temporary files do not fit on the disk.
            CancelledError, ReadError: as :meth:`blocks`.
        """
        of_kind("spill", spill, bool, "True or False")
        of_kind("folder", folder, FOLDER, "the path of a folder or None")
        stores: list[BlockStore] = [
            FileBlocks(grid, self._bands, self._dtype, folder=folder) if spill else MemoryBlocks()
            for grid in self.level_grids
        ]
        for level, row, col, pixels in self.blocks():
            stores[level - 1].put(row, col, pixels)
        levels = [
            OverviewLevel(
                self.source, store, level=number, grid=grid, fill=self._fill, pixel_place=self.pixel_place(number)
            )
            for number, (store, grid) in enumerate(zip(stores, self.level_grids, strict=True), start=1)
        ]
        return [self.source, *levels]

    def build_and_write(
        self,
        writer: Any,
        base_key: str = "image:0",
        file_metadata: Any | None = None,
        image_metadata_fn: Callable[[int], Any] | None = None,
        *,
        folder: Path | None = None,
    ) -> None:
        """Make every level, and give them to a writer as assets with the role ``overview``.

        Level 0 is the caller's: it is **not** written here, and a file without it has no base image. Add it to the
        writer first, or use :func:`~stacchip_osml.imagery.pyramids.writing.write_pyramid`, which does both.

        Args:
            writer: takes ``add_asset(key, provider, title, description, roles)``; it may read the provider at any
                later time, since the levels are in temporary files that live as long as their providers.
            base_key: key of the base image; levels are ``{base_key}:overview:1`` and so on.
            file_metadata: set as ``writer.metadata`` before anything is added; None leaves that alone.
            image_metadata_fn: gives the metadata of a level, 1 and above; None for the source's.
            folder: of the temporary files; None for the usual place.

        Raises:
            TypeError: an argument of another kind.
            OSError: the temporary files do not fit on the disk.
            CancelledError, ReadError: as :meth:`blocks`. The writer has got nothing then.
        """
        require_target(writer, base_key, image_metadata_fn, folder)
        levels = self.build(spill=True, folder=folder)[1:]
        if file_metadata is not None:
            writer.metadata = file_metadata
        for number, level in enumerate(levels, start=1):
            shown = level if image_metadata_fn is None else WithMetadata(level, image_metadata_fn(number))
            text = f"Reduced by {2**number}"
            writer.add_asset(
                f"{base_key}:overview:{number}", shown, f"{shown.title}, level {number}", text, ["overview"]
            )

    # ---- how

    def _native_levels(self) -> int:
        """Count the levels that the source has as they are planned."""
        count = 0
        for level in range(1, min(num_levels(self.source), len(self._sizes))):
            if level_grid(self.source, level).image_size != self._sizes[level]:
                break
            count = level
        return count

    def _found_reduction(self, function: ResampleFunc | None) -> Reduction | None:
        """Find how levels are made; None where there is none to make."""
        if self._native >= len(self._sizes) - 1:
            return None
        size = self._sizes[self._native]
        pixels = size.width * size.height * self._bands
        nodata = self.nodata if self._valid is None else None  # a mask alone decides
        return reduction_of(function, 2, dtype=self._dtype, nodata=nodata, source_pixels=pixels)

    def _passes(self, workers: Workers, *, first: int) -> Iterator[PyramidBlock]:
        """Copy the levels that the source has, from ``first`` on; the last, or R0, is what the others are made of."""
        if len(self._sizes) == first:
            return
        levels = range(min(self._native, first), self._native + 1)  # R0 is not read where there is a level below it
        reduces = first > self._native
        readers = {level: self._reader(level, self._reduction, reduces=reduces) for level in levels}
        reduction = self._found_masked(readers[self._native])
        if reduction is not self._reduction:
            readers[self._native] = self._reader(self._native, reduction, reduces=reduces)
        total = sum(reader.blocks for reader in readers.values())
        done = 0

        def passed() -> None:
            nonlocal done
            done += 1
            if self.progress is not None:
                self.progress(done, total, level)

        for level, reader in readers.items():
            given = level
            makers = self._makers(reader, reduction) if level == self._native else []
            copied = TileRows(self._grid(level), blocks_under(reader.grid, reader.stored, self._grid(level)))
            maker = None
            if reader.reduces:
                (given, maker, copied), *makers = makers
            cascade = Cascade(makers, workers.begin_all)
            for strip in reader.strips(workers, passed):
                if maker is not None:
                    maker.blank(strip)
                if given >= first:
                    yield from (self._block(given, *block) for block in copied.take(strip))
                yield from starmap(self._block, cascade.take(strip))
            yield from starmap(self._block, cascade.end())

    def _found_masked(self, reader: RowReader) -> Reduction | None:
        """Find how levels are made of what is there alone; as any others where nothing is missing."""
        plain = maskable(self._reduction)
        if plain is None or (self._valid is None and not self._misses_any(reader)):
            return self._reduction
        fill = np.zeros((self._bands + mask_bands(self._valid), 1, 1), self._dtype)
        fill[: self._bands] = self._fill
        return MaskedReduction(of=plain, masks=mask_bands(self._valid), fill=fill)

    def _misses_any(self, reader: RowReader) -> bool:
        if not reader.stored.all() or not hasattr(self.source, "absent_parts"):
            return not reader.stored.all()
        rows, cols = map(range, reader.stored.shape)
        return any(absent_parts(self.source, row, col, self._native) for row in rows for col in cols)

    def _reader(self, level: int, reduction: Reduction | None, *, reduces: bool) -> RowReader:
        """Prepare to read a level; perhaps to give rows of the next one in its place."""
        source, fill, fill_holes = self.source, self._fill, self.nodata is not None
        if isinstance(reduction, MaskedReduction):
            source, fill, fill_holes = MaskedImage(self.source, self._valid), reduction.fill, True
        return RowReader(source, level, fill=fill, fill_holes=fill_holes, reduction=reduction if reduces else None)

    def _makers(self, reader: RowReader, reduction: Reduction | None) -> list[tuple[int, LevelMaker, TileRows]]:
        """Prepare the levels that are made, each from the one before."""
        makers = []
        below, stored = reader.grid, reader.stored
        for number in range(self._native + 1, len(self._sizes)):
            if self._reduction is None or reduction is None:
                raise RuntimeError("a level to make, and nothing that makes it")
            grid = self._grid(number)
            stored = blocks_needing(self._reduction, below, stored, grid)
            source, below = below.image_size, grid
            fill = reduction.fill if isinstance(reduction, MaskedReduction) else self._fill
            maker = LevelMaker(reduction, source, grid=grid, stored=stored, fill=fill)
            makers.append((number, maker, TileRows(grid, stored)))
        return makers

    def _block(self, level: int, row: int, col: int, pixels: Pixels) -> PyramidBlock:
        """Give a block without what says which of its pixels are missing."""
        return PyramidBlock(level, row, col, pixels[: self._bands])

    def _grid(self, level: int) -> BlockGrid:
        return BlockGrid(self._sizes[level], self._tile)


def require_target(writer: Any, base_key: str, image_metadata_fn: Callable[[int], Any] | None, folder: Any) -> None:
    """Refuse what no levels can be given to, before any is made.

    Raises:
        TypeError: naming the argument; see :meth:`PyramidBuilder.build_and_write`.
    """
    if not callable(getattr(writer, "add_asset", None)):
        raise TypeError(f"writer must have add_asset(key, provider, …), not {type(writer).__name__}: {writer!r:.60}")
    of_kind("base_key", base_key, str, "the key of an image")
    function_or_none("image_metadata_fn", image_metadata_fn)
    of_kind("folder", folder, FOLDER, "the path of a folder or None")
