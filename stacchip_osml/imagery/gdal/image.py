"""One image file as provider and reader, through GDAL.

Rules:

- sizes are checked against ``ReadLimits`` before GDAL allocates for them;
- a mask is True where everything the file declares says valid: the mask band
  or, without one, nodata and the alpha band; and that the block is stored, which
  GeoTIFF and NITF may leave out. The alpha band itself is a band like the others.
  A complex pixel is nodata when both its parts say so;
- how the file is reached, and what is promised of files that change, is
  ``access``'s to say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import PurePosixPath
from typing import Any, TypeVar

import numpy as np

from stacchip_osml.imagery.gdal.access import FileAccess
from stacchip_osml.imagery.gdal.directories import require_few_directories
from stacchip_osml.imagery.gdal.facts import Facts, Level, level_of
from stacchip_osml.imagery.gdal.library import (
    Dataset,
    UnsureError,
    declared_mask,
    read_header_of,
    read_stored,
    stores_block,
)
from stacchip_osml.imagery.gdal.mask_band import MaskBand
from stacchip_osml.imagery.gdal.pads import MaskTable, read_facts
from stacchip_osml.imagery.gdal.picture_tags import read_picture_tags
from stacchip_osml.imagery.header import ImageHeader, PictureTags
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.limits import FetchLimits, ReadLimits, reading_limits, require_inside
from stacchip_osml.imagery.network.version import RemoteStamp
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.imagery.providers.facts import whole_bands
from stacchip_osml.imagery.providers.gridded import GriddedImage
from stacchip_osml.imagery.providers.protocol import MaskedPixels, Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.pixel.arguments import each_of
from stacchip_osml.pixel.counts import whole_number

__all__ = ["GdalImage"]

T = TypeVar("T")


class GdalImage(GriddedImage):
    """One image file as provider and reader; safe for threads, cheap to pickle, opened on first use."""

    def __init__(
        self,
        location: str,
        *,
        sign: Callable[[str], str] | None = None,
        sidecars: bool = False,
        expect: tuple[int | None, int | None] = (None, None),
        limits: ReadLimits | None = None,
        fetch: FetchLimits | None = None,
        opening: Callable[[], tuple[bytes, RemoteStamp]] | None = None,
        page: int = 0,
        levels: Sequence[BlockGrid] = (),
    ) -> None:
        """Name the image; nothing is opened yet.

        Args:
            location: absolute path, or ``http(s)://``, ``s3://``, ``gs://``, ``az://`` URL, unsigned.
            sign: turns ``location`` into what is really opened, anew for each handle and once more after a refusal
                (401, 403); hashable, and picklable if the image is to be.
            sidecars: also believe the files next to it.
            expect: ``(size_bytes, modified_ns)`` when indexed, None where unknown.
            limits: refused above these; None for the defaults.
            fetch: how long and how often a server is asked; None for the defaults.
            opening: gives a remote object's first bytes and version, where somebody has them; None to ask for them.
            page: of a TIFF, from 0: which of its images that are no levels or masks; further ones have one level.
            levels: of a plain TIFF (``tiff_plain``), R0 first, where somebody has them; none to open each.

        Raises:
            ReadError: not a location that is served.
            TypeError, ValueError: naming the argument that is nothing of what it should be.
        """
        self.limits, fetch = reading_limits(sign=sign, sidecars=sidecars, expect=expect, limits=limits, fetch=fetch)
        how: dict[str, Any] = {"sign": sign, "sidecars": sidecars, "expect": expect, "fetch": fetch}
        self._access = FileAccess(location, **how, opening=opening, page=page)
        self.location = location
        self.sign, self.sidecars, self.expect = sign, sidecars, expect
        self._name = self._access.name
        self._table = MaskTable(self._access, self.limits)
        self._mask_band = MaskBand(self._access)
        self._known: Facts | None = None
        self._stored: tuple[Level, ...] | None = None
        self._levels = each_of("levels", levels, BlockGrid, "BlockGrids")
        self._header: ImageHeader | None = None
        self._tags: Mapping[str, Any] | None = None
        self._picture_tags: PictureTags | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        how = self._access
        settings: dict[str, Any] = {
            name: getattr(how, name) for name in ("sign", "sidecars", "expect", "fetch", "page")
        }
        return partial(GdalImage, how.location, **settings, limits=self.limits), ()

    def __repr__(self) -> str:
        return f"GdalImage({self._name!r})"

    # ---- PixelReader

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the true size of a stored level, and where its blocks lie; IndexError of a level it does not have."""
        return self._level(level).grid

    def level_place(self, level: int) -> LevelPlace:
        """Tell where a stored level lies on R0."""
        return self.header.place(level)

    def read(self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None) -> MaskedPixels | None:
        """Read one window of one stored level.

        Args:
            window: pixels of that level, inside it.
            level: 0 is full resolution.
            bands: 0-based, in the order wanted; None for all.

        Returns:
            ``(bands, rows, cols)`` in the source dtype with its mask; None where every block under the
            window is absent from a sparse GeoTIFF or a masked NITF image.

        Raises:
            WindowError: ``window`` is empty or leaves the level.
            IndexError: no such level or band.
            LimitError: the blocks or the request are larger than the limits.
            AssetMissing: the file is gone.
            AssetChanged: the file is not the one expected, or changed under the read.
            DecodeError: the bytes are not a readable image.
            RemoteReadError: the server did not give them.
        """
        facts, stored = self._facts(), self._level(level)
        chosen = self._bands(facts, bands)
        require_inside(self._name, window, stored.size, level)
        self._require_small(facts, stored, ImageSize(window.width, window.height), len(chosen))
        found = self._certain(stored, partial(self._read, facts, stored, window, chosen))
        if found is not None and facts.shared_mask:
            mask = self._mask_band.read(facts, stored, window, self.stored_levels)
            np.logical_and(found.mask, mask, out=found.mask)
        return self._table.masked(found, facts, stored, window, chosen)

    def _read(
        self, facts: Facts, stored: Level, window: PixelWindow, chosen: tuple[int, ...], dataset: Dataset, *, sure: bool
    ) -> MaskedPixels | None:
        pixels, holes = read_stored(dataset, facts, stored, window, chosen, sure=sure)
        if holes is None:
            return None
        mask = declared_mask(dataset, facts, stored, window=window, chosen=chosen, pixels=pixels)
        for hole in holes:
            mask[hole] = False
        return MaskedPixels(pixels, mask)

    def _certain(self, stored: Level, action: Callable[..., T]) -> T:
        """Run ``action(dataset, sure=…)``; on a remote object once more where blocks are absent or were not fetched.

        Which of the two is told by a new handle alone, when it is asked for the blocks' places before anything else.
        """
        if self._access.remote:
            with suppress(UnsureError):
                return self._access.on(stored.overview, partial(action, sure=False))
        return self._access.on(stored.overview, partial(action, sure=True), anew=self._access.remote)

    # ---- ImageProvider

    @property
    def key(self) -> str:
        """The location, unsigned."""
        return self.location

    @property
    def title(self) -> str:
        """The file's name."""
        return PurePosixPath(self._name.partition("?")[0]).name

    @property
    def description(self) -> str:
        """What the file says it shows, empty where it says nothing."""
        return str(self.metadata.get("TIFFTAG_IMAGEDESCRIPTION", ""))

    @property
    def num_bands(self) -> int:
        """Bands, alpha included."""
        return self._facts().count

    @property
    def num_bits_per_pixel(self) -> int:
        """Bits of one band's pixel as delivered."""
        return self._facts().dtype.itemsize * 8

    @property
    def actual_bits_per_pixel(self) -> int:
        """Bits that carry information, where the file says so."""
        return self._facts().actual_bits

    @property
    def num_resolution_levels(self) -> int:
        """Stored levels, R0 included."""
        return 1 + self._facts().overviews

    @property
    def pixel_value_type(self) -> np.dtype[Any]:
        """The numpy dtype of blocks."""
        return self._facts().dtype

    @property
    def pad_pixel_value(self) -> float:
        """The first band's nodata, 0 where it has none."""
        nodata = self._facts().base.nodata[0]
        return 0.0 if nodata is None else float(nodata.real)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's own tags, as GDAL names them."""
        if self._tags is None:
            self._tags = self._access.on(None, lambda dataset: dict(dataset.tags()))
        return self._tags

    @property
    def picture_tags(self) -> PictureTags:
        """What the file says of how it is to be shown, and the statistics stored with it."""
        if self._picture_tags is None:
            self._picture_tags = self._access.on(None, read_picture_tags)
        return self._picture_tags

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid and stored (False where a GeoTIFF or a masked NITF image is sparse)."""
        facts = self._facts()
        if not 0 <= whole_number("resolution_level", resolution_level) < self.num_resolution_levels:
            return False
        stored = self._level(resolution_level)
        if not stored.grid.has(block_row, block_col):
            return False
        if facts.driver != "GTiff":
            return self._table.stores(facts, stored, block_row, block_col)
        place = block_row, block_col
        return self._certain(stored, lambda dataset, sure: stores_block(dataset, facts, *place, sure=sure))

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> Pixels:
        """Read one block, short at the right and bottom edge; an absent one reads as nodata or 0.

        Returns:
            ``(bands, rows, cols)``.

        Raises:
            IndexError: no such block, level or band.
            ReadError: as ``read``.
            LimitError: as ``read``.
        """
        facts, stored = self._facts(), self._level(resolution_level)
        chosen = self._bands(facts, bands)
        window = stored.grid.window(block_row, block_col, name=self._name)
        self._require_small(facts, stored, ImageSize(window.width, window.height), len(chosen))
        wanted = facts, stored, window, chosen
        pixels, _ = self._certain(stored, lambda dataset, sure: read_stored(dataset, *wanted, sure=sure))
        return self._table.filled(pixels, *wanted)

    # ---- header

    @property
    def header(self) -> ImageHeader:
        """Everything about the image that is not pixels."""
        if self._header is None:
            facts = self._facts()
            read = partial(read_header_of, facts=facts, levels=self.stored_levels(), sidecars=self.sidecars)
            header = self._access.on(None, read, facts=True)
            self._access.head = None
            self._header = replace(header, size_bytes=self._access.size_bytes, modified_ns=self._access.modified_ns)
        return self._header

    def _facts(self) -> Facts:
        if self._known is None:
            if not self._access.remote:
                require_few_directories(self.location, name=self._name)
            self._known = read_facts(self._access, self.limits)
        return self._known

    def stored_levels(self) -> tuple[Level, ...]:
        """List the stored levels from fine to coarse, whatever order the file has them in."""
        if self._stored is None:
            facts, on, told = self._facts(), self._access.on, self._levels
            if len(told) == 1 + facts.overviews and told[0].size == facts.base.size:
                nodata = facts.base.nodata
                coarse = [Level(grid.size, grid.block_shape, n, nodata) for n, grid in enumerate(told[1:])]
            else:
                read = partial(level_of, pad=facts.pad)
                coarse = [on(n, partial(read, overview=n), facts=True) for n in range(facts.overviews)]
            self._stored = facts.base, *sorted(coarse, key=lambda level: -level.size.width * level.size.height)
        return self._stored

    def _level(self, level: int) -> Level:
        if whole_number("level", level) == 0:
            return self._facts().base
        if not 0 < level < self.num_resolution_levels:
            raise IndexError(f"{self._name}: no level {level}; it has {self.num_resolution_levels}")
        return self.stored_levels()[level]

    def _bands(self, facts: Facts, bands: Sequence[int] | None) -> tuple[int, ...]:
        if bands is None:
            return tuple(range(facts.count))
        chosen = whole_bands(bands)
        if not chosen or not all(0 <= band < facts.count for band in chosen):
            raise IndexError(f"{self._name}: bands {chosen} of an image that has {facts.count}")
        return chosen

    def _require_small(self, facts: Facts, stored: Level, size: ImageSize, bands: int) -> None:
        itemsize = facts.dtype.itemsize
        self.limits.require_block(self._name, stored.block_shape, 1 if facts.planar else facts.count, itemsize)
        self.limits.require_request(self._name, size, bands, itemsize)
