"""One image file: what it says of itself, and what serves each of its levels.

Rules:

- with a stored header and layout nothing is opened but the file itself, and
  GDAL is not even imported;
- without them a plain TIFF (``tiff_plain``) is read by its own directories, and
  GDAL opens it for nothing but what else is asked of it;
- of any other file the header is GDAL's, and the layout is parsed; each level
  on which the two disagree is left to GDAL (``agreement``). Of an image in several
  NITF segments GDAL opens the first alone, and files next to it speak of that: blocks
  serve it;
- which of the two serves a level is decided by the file alone, and told by
  ``served_by``.

Pixels are read by ``engine``, which knows images by this alone.
"""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import TYPE_CHECKING, Any

from stacchip_osml.errors import AssetChanged, DecodeError, redact
from stacchip_osml.imagery.blocks.agreement import agreed_layout, unserved_layout
from stacchip_osml.imagery.blocks.files import LocalFile
from stacchip_osml.imagery.blocks.header_facts import HeaderFacts
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.blocks.parsing import joined_instead, parse_layout, plain_image, said_instead
from stacchip_osml.imagery.blocks.sources import LevelSource, LevelSources
from stacchip_osml.imagery.format import DRIVERS
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.imagery.limits import FetchLimits, ReadLimits, reading_limits
from stacchip_osml.imagery.location import is_remote, require_location
from stacchip_osml.imagery.providers.block_grid import BlockGrid
from stacchip_osml.pixel.arguments import of_kind

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.objects import RemoteObject
    from stacchip_osml.imagery.gdal.image import GdalImage
    from stacchip_osml.imagery.nitf.said import NitfSaid
    from stacchip_osml.imagery.providers.own_image import OwnImage

__all__ = ["HOW", "ServedImage"]

HOW = ("sign", "sidecars", "expect", "limits", "fetch")
"""Settings of both readers."""


class ServedImage(HeaderFacts):
    """One image file and what serves it; opened on first use."""

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
            TypeError, ValueError: naming the argument that is nothing of what it should be.
        """
        self.location = require_location(location)
        self.sign, self.sidecars, self.expect, self.etag = sign, sidecars, expect, etag
        self.limits, self.fetch = reading_limits(
            sign=sign, sidecars=sidecars, expect=expect, limits=limits, fetch=fetch
        )
        of_kind("etag", etag, (str, NoneType), "text or None")
        of_kind("layout", layout, (ImageLayout, NoneType), "an ImageLayout or None")
        of_kind("header", header, (ImageHeader, NoneType), "an ImageHeader or None")
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
        self._is_looked_at = self._is_joined = False
        self._file: LocalFile | RemoteObject | None = None

    def level_grid(self, level: int = 0) -> BlockGrid:
        """Tell the size of a stored level, and where its blocks lie."""
        return BlockGrid(self.level_shape(level), self._block_shape(level))

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
        """What says everything but pixels: GDAL, or the fields of kinds of NITF images that it does not open whole."""
        if self._said is None and not self._is_looked_at:
            try:
                _ = self.gdal.header
            except DecodeError as error:
                self._said = said_instead(error, self.file, name=self.name, limits=self.limits)
                self._gdal = None  # it cannot say more
            told = self.gdal if self._said is None else self._said
            joined = joined_instead(told, self.file, name=self.name, limits=self.limits)
            self._is_joined = joined is not None
            self._said = joined or self._said
        self._is_looked_at = True
        return self.gdal if self._said is None else self._said

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
            from stacchip_osml.imagery.providers.own_image import own_image

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
        if self._is_joined:  # GDAL has the first segment alone
            raise DecodeError(f"{self.name}: {self.served_by(0).partition(': ')[2]}, in an image of several segments")
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
        if source.level is None or source.late:
            return None
        if not all(part.layout.counts.any(axis=0).all() for part in source.parts):
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
        if self.sidecars and not (self.header.driver == "NITF" and self._told and self._is_joined):
            return unserved_layout(self.header, "files next to it are believed")
        if self._given is not None:
            return agreed_layout(self._given, self.pixel_header)
        parsed = self._parsed_layout()
        if not isinstance(self.file, LocalFile):
            self.file.forget_head()
        nodata = (
            None if self._gdal is None or self._is_joined else [level.nodata for level in self._gdal.stored_levels()]
        )
        return agreed_layout(parsed, self.header, nodata=nodata)

    def _parsed_layout(self) -> ImageLayout:
        if self._said is not None and self._said.layout is not None:
            return self._said.layout
        file = self.file
        return parse_layout(self.header, file.read_at, name=self.name, limits=self.limits, size=file.size)

    def _block_shape(self, level: int) -> tuple[int, int]:
        """Give the (rows, cols) of blocks: of R0 as the header has it, of others as they are stored."""
        layout = None if level == 0 else self.layout.levels[level]
        if isinstance(layout, LevelLayout):
            return layout.block_shape
        return self.pixel_header.block_shape if level == 0 else self.read_by_gdal.stored_levels()[level].block_shape
