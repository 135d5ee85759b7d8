"""One image file as provider and reader, through its blocks; what they do not serve, through GDAL.

Rules:

- with a stored header and layout nothing is opened but the file itself, and
  GDAL is not even imported;
- without them a plain TIFF (``tiff_plain``) is read by its own directories, and
  GDAL opens it for nothing but what else is asked of it;
- of any other file the header is GDAL's, and the layout is parsed; each level
  on which the two disagree is left to GDAL (``agreement``);
- pixels, masks and errors are those of ``GdalImage``. One difference is meant:
  a NITF block that is not stored is absent, as in a sparse GeoTIFF; GDAL cannot
  tell it from one that holds zeros;
- which of the two serves a level is decided by the file alone, and told by
  ``served_by``. Nothing that fails in one is tried in the other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from stacchip_osml.errors import AssetChanged, ChipError, DecodeError, redact
from stacchip_osml.imagery.block_grid import BlockGrid
from stacchip_osml.imagery.blocks.agreement import agreed_layout, unserved_layout
from stacchip_osml.imagery.blocks.cache import LARGEST_SHARE, BlockCache
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.files import LocalFile
from stacchip_osml.imagery.blocks.header_facts import HeaderFacts
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.blocks.parsing import parse_layout, picture_tags_of, plain_image, said_instead
from stacchip_osml.imagery.blocks.sources import LevelSource, LevelSources
from stacchip_osml.imagery.format import DRIVERS
from stacchip_osml.imagery.header import ImageHeader, PictureTags
from stacchip_osml.imagery.limits import FetchLimits, ReadLimits
from stacchip_osml.imagery.location import is_remote, require_location
from stacchip_osml.imagery.provider import MaskedPixels, Pixels
from stacchip_osml.pixel import ImageSize, PixelWindow

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.nitf_said import NitfSaid
    from stacchip_osml.imagery.blocks.objects import RemoteObject
    from stacchip_osml.imagery.gdal.image import GdalImage
    from stacchip_osml.imagery.own_image import OwnImage

__all__ = ["BlockImage"]

HOW = ("sign", "sidecars", "expect", "limits", "fetch")
"""Settings of both readers."""


class BlockImage(HeaderFacts):
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
        etag: str | None = None,
        layout: ImageLayout | None = None,
        header: ImageHeader | None = None,
    ) -> None:
        """Name the image; nothing is opened yet.

        Args:
            location: absolute path, or ``http(s)://``, ``s3://``, ``gs://``, ``az://`` URL, unsigned.
            sign: turns ``location`` into what is really opened; hashable, and picklable if the image is to be.
            sidecars: also believe the files next to it; GDAL serves such an image.
            expect: ``(size_bytes, modified_ns)`` when indexed, None where unknown.
            limits: refused above these; None for the defaults.
            fetch: how long and how often a server is asked; None for the defaults.
            etag: of a remote object when indexed, with its quotes, None where unknown.
            layout: where its blocks are, as ``layout`` of an image of the same file gave it; None to find out.
            header: what it says of itself, as ``header`` gave it; None to find out.

        Raises:
            ReadError: not a location that is served.
        """
        self.location = require_location(location)
        self.sign, self.sidecars, self.expect, self.etag = sign, sidecars, expect, etag
        self.limits = ReadLimits() if limits is None else limits
        self.fetch = FetchLimits() if fetch is None else fetch
        self.name = redact(location)
        self.remote = is_remote(location)
        self._header = header
        self._given, self.page = layout, 0
        self._may_be_plain = layout is None and not sidecars
        self._is_one = False
        self._layout: ImageLayout | None = None
        self._plain: ImageHeader | None = None
        self._sources: LevelSources | None = None
        self._gdal: GdalImage | OwnImage | None = None
        self._said: NitfSaid | None = None
        self._streams: BlockCache | None = None
        self._file: LocalFile | RemoteObject | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        settings: dict[str, Any] = {name: getattr(self, name) for name in (*HOW, "etag")}
        settings |= {"layout": self._given if self._layout is None else self._layout, "header": self._header}
        return partial(BlockImage, self.location, **settings), (), {"_plain": self._plain}

    def __repr__(self) -> str:
        return f"BlockImage({self.name!r})"

    def level_grid(self, level: int) -> BlockGrid:
        """Tell the size of a stored level, and where its blocks lie."""
        return BlockGrid(self.level_shape(level), self._block_shape(level))

    def read(
        self, window: PixelWindow, *, level: int = 0, bands: Sequence[int] | None = None, judged: bool = True
    ) -> MaskedPixels | None:
        """Read one window of one stored level; see :meth:`stacchip_osml.imagery.GdalImage.read`.

        Several windows at once are read faster by :func:`stacchip_osml.imagery.blocks.engine.read_windows`. The mask
        of one that is not ``judged`` may hold anything.
        """
        chosen = None if bands is None else tuple(bands)
        (found,) = read_windows([WindowRead(image=self, window=window, level=level, bands=chosen, judged=judged)])
        if isinstance(found, ChipError):
            raise found
        return found

    # ---- what serves it

    @property
    def header(self) -> ImageHeader:
        """Everything about the image that is not pixels."""
        if self._header is None:
            if not self.remote:  # of a remote one GDAL makes its header of the bytes that are there
                self._look_for_plain()
            self._header = self._told.header
            self._is_one = True
        return self._header

    @property
    def pixel_header(self) -> ImageHeader:
        """What decides its pixels: ``header`` or, before that was asked for, what a plain TIFF says of them alone."""
        if self._header is None:
            self._look_for_plain()
        return self.header if self._plain is None else self._plain

    def _look_for_plain(self) -> None:
        if self._may_be_plain:
            found = plain_image(self.file, name=self.name, limits=self.limits)
            if found is not None:
                self._layout, self._plain = found.layout, found.header
            self._may_be_plain = False

    @property
    def _told(self) -> GdalImage | OwnImage | NitfSaid:
        """What says everything but pixels: GDAL, or the fields of kinds of NITF images that it does not open."""
        if self._said is None:
            try:
                _ = self.gdal.header
            except DecodeError as error:
                self._said = said_instead(error, self.file, name=self.name, limits=self.limits)
                self._gdal = None  # it cannot say more
            else:
                return self.gdal
        return self._said

    @property
    def layout(self) -> ImageLayout:
        """Where its blocks are; levels that GDAL serves are ``Unserved``, with the reason."""
        _ = self.pixel_header
        if self._layout is None:
            self._layout = self._found_layout()
        return self._layout

    @property
    def gdal(self) -> GdalImage | OwnImage:
        """The same image through GDAL or, of a format that was registered, through its reader."""
        if self._gdal is None:
            from stacchip_osml.imagery.gdal.image import GdalImage
            from stacchip_osml.imagery.own_image import own_image

            if (own := own_image(self.file, limits=self.limits)) is not None:
                self._gdal = own
                return own
            how: dict[str, Any] = {name: getattr(self, name) for name in HOW}
            opening = None if isinstance(self.file, LocalFile) else self.file.opening
            told = 0 if self._plain is None else len(self._plain.levels)
            levels = [self.level_grid(level) for level in range(told)]
            self._gdal = GdalImage(self.location, **how, opening=opening, page=self.page, levels=levels)
        return self._gdal

    @property
    def read_by_gdal(self) -> GdalImage | OwnImage:
        """``gdal``, seen to be what the header says: pixels of another image would go to the wrong places.

        Raises:
            AssetChanged: it has other levels or bands than the header that was given.
            ReadError: GDAL cannot open it.
        """
        gdal, header = self.gdal, self.header
        if not self._is_one:
            sizes = tuple(level.size for level in gdal.stored_levels())
            if (sizes, gdal.num_bands, gdal.pixel_value_type) != (header.levels, self.num_bands, self.pixel_value_type):
                raise AssetChanged(f"{self.name}: its header is another image's: {header.levels}, found {sizes}")
            self._is_one = True
        return gdal

    def served_by(self, level: int) -> str:
        """Say what reads a level: ``block/deflate``; ``gdal/NITF: `` and why; ``reader/`` and its name.

        Raises:
            IndexError: the image has no such level.
        """
        self.level_shape(level)
        stored = self.layout.levels[level]
        if isinstance(stored, Unserved):
            driver = self.pixel_header.driver
            return f"gdal/{driver}: {stored.reason}" if driver in DRIVERS else f"reader/{driver}"
        return f"block/{stored.codec.compression}"

    def source(self, level: int, bands: tuple[int, ...] | None = None) -> LevelSource:
        """Give bands of a level as the engine reads them; None for all.

        Raises:
            IndexError: no such level or band.
            LimitError: its blocks are larger than the limits.
        """
        if self._sources is None:
            self._sources = LevelSources(self.pixel_header, self.layout, name=self.name, limits=self.limits)
        return self._sources.find(level, bands)

    def empty_values(self, level: int, band: int) -> tuple[float | complex, ...] | None:
        """Say by which values pixels of a band hold nothing: none or one; None where values alone do not say it.

        Raises:
            IndexError: no such level or band.
            LimitError: its blocks are larger than the limits.
        """
        source = self.source(level, (band,))
        if source.level is None or source.late or not source.level.layout.counts.any(axis=0).all():
            return None
        return () if source.value is None else (source.value,)

    @property
    def file(self) -> LocalFile | RemoteObject:
        """The file's bytes."""
        if self._file is None:
            self._file = self._made_file()
        return self._file

    @property
    def version(self) -> tuple[object, ...]:
        """What no other version of this file, and no other file, has: what a cache knows its blocks by.

        Raises:
            ReadError: it has to be asked for, and could not be.
        """
        return self.location, self.file.version

    def check(self) -> None:
        """See that the file is the one expected, and the one that was first read.

        Raises:
            AssetMissing: it is gone.
            AssetChanged: it is another version. Of a remote object, each answer says so itself.
        """
        self.file.check()

    def _made_file(self) -> LocalFile | RemoteObject:
        if not self.remote:
            return LocalFile(self.location, expect=self.expect)
        from stacchip_osml.imagery.blocks.objects import RemoteObject

        return RemoteObject(
            self.location, sign=self.sign, fetch=self.fetch, expect_size=self.expect[0], expect_etag=self.etag
        )

    def _found_layout(self) -> ImageLayout:
        if self.sidecars:
            return unserved_layout(self.header, "files next to it are believed")
        if self._given is not None:
            return agreed_layout(self._given, self.pixel_header)
        parsed = self._parsed_layout()
        if not isinstance(self.file, LocalFile):
            self.file.forget_head()
        nodata = None if self._gdal is None else [level.nodata for level in self._gdal.stored_levels()]
        return agreed_layout(parsed, self.header, nodata=nodata)

    def _parsed_layout(self) -> ImageLayout:
        file = self.file
        return parse_layout(self.header, file.read_at, name=self.name, limits=self.limits, size=file.size)

    # ---- ImageProvider

    @property
    def key(self) -> str:
        """The location, unsigned."""
        return self.location

    @property
    def title(self) -> str:
        """The file's name."""
        return PurePosixPath(self.name.partition("?")[0]).name

    @property
    def description(self) -> str:
        """What the file says it shows, empty where it says nothing."""
        return self._told.description

    @property
    def actual_bits_per_pixel(self) -> int:
        """Bits that carry information, where the file says so."""
        return self._told.actual_bits_per_pixel

    @property
    def block_grid_size(self) -> tuple[int, int]:
        """(rows, cols) of the R0 block grid."""
        return self.level_grid(0).shape

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The file's own tags, as GDAL names them."""
        return self._told.metadata

    @property
    def picture_tags(self) -> PictureTags:
        """What the file says of how it is to be shown, and the statistics stored with it."""
        return picture_tags_of(self._told, self.file, name=self.name, limits=self.limits)

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block is in the grid and stored."""
        if not 0 <= resolution_level < self.num_resolution_levels:
            return False
        grid = self.level_grid(resolution_level)
        if not grid.has(block_row, block_col):
            return False
        stored = self.source(resolution_level).level
        if stored is None:
            return self.read_by_gdal.has_block(block_row, block_col, resolution_level)
        return stored.stores(grid.window(block_row, block_col))

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
        grid = self.level_grid(resolution_level)
        if not grid.has(block_row, block_col):
            raise IndexError(
                f"{self.name}: no block ({block_row}, {block_col}) in a grid of {' x '.join(map(str, grid.shape))}"
            )
        if self.source(resolution_level).level is None:
            return self.read_by_gdal.get_block(block_row, block_col, resolution_level, bands)
        window = grid.window(block_row, block_col)
        chosen = None if bands is None else tuple(bands)
        source = self.source(resolution_level, chosen)
        self.limits.require_request(
            self.name, ImageSize(window.width, window.height), len(source.bands), source.dtype.itemsize
        )
        pixels = np.empty((len(source.bands), window.height, window.width), source.dtype)
        (found,) = read_windows(
            [WindowRead(image=self, window=window, level=resolution_level, bands=chosen, pixels=pixels)],
            cache=self._kept_streams(resolution_level),
        )
        if isinstance(found, ChipError):
            raise found
        return pixels

    def _kept_streams(self, level: int) -> BlockCache | None:
        """Give what holds the stored block last decoded, where it is several of the grid's, as of JPEG in one piece."""
        stored = self.layout.levels[level]
        if not isinstance(stored, LevelLayout) or stored.codec.compression == "none":
            return None
        pixels = math.prod(stored.block_shape)
        if pixels <= math.prod(self._block_shape(level)):
            return None
        if self._streams is None:
            codec = stored.codec
            self._streams = BlockCache(LARGEST_SHARE * pixels * codec.samples * np.dtype(codec.dtype).itemsize)
        return self._streams

    def _block_shape(self, level: int) -> tuple[int, int]:
        """Give the (rows, cols) of blocks: of R0 as the header has it, of others as they are stored."""
        layout = None if level == 0 else self.layout.levels[level]
        if isinstance(layout, LevelLayout):
            return layout.block_shape
        return self.pixel_header.block_shape if level == 0 else self.read_by_gdal.stored_levels()[level].block_shape
