"""One page of a TIFF as an image: its blocks, or GDAL's sub-dataset."""

from __future__ import annotations

from functools import partial
from typing import Any

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.agreement import unserved_layout
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout
from stacchip_osml.imagery.tiff.directories import page_directory
from stacchip_osml.imagery.tiff.levels import parse_tiff_directory

__all__ = ["TiffPage"]


class TiffPage(BlockImage):
    """One page of a TIFF, not the first, as provider and reader."""

    def __init__(self, location: str, page: int, *, directory: int | None = None, **how: Any) -> None:
        """Name the page; nothing is opened yet.

        Args:
            location: as of :class:`BlockImage`.
            page: from 1 on, in the order of the file.
            directory: that holds it, as ``page_directories`` gave it; None to find out.
            how: settings of :class:`BlockImage`.

        Raises:
            ReadError: not a location that is served.
        """
        super().__init__(location, **how)
        self.page, self._directory = page, directory
        self._may_be_plain = False  # that is the first page

    def __reduce__(self) -> tuple[Any, ...]:
        made, arguments, _ = super().__reduce__()
        return partial(TiffPage, self.location, self.page, directory=self._directory, **made.keywords), arguments

    def __repr__(self) -> str:
        return f"TiffPage({self.name!r}, {self.page})"

    @property
    def key(self) -> str:
        """The location, and which page."""
        return f"{self.location}:image:{self.page}"

    @property
    def version(self) -> tuple[object, ...]:
        """What no other version of this file, no other file and no other page has."""
        return *super().version, self.page

    @property
    def directory(self) -> int:
        """The number of its directory, from 1.

        Raises:
            DecodeError: there is no such page.
        """
        if self._directory is None:
            file = self.file
            self._directory = page_directory(file.read_at, self.page, name=self.name, size=file.size)
        return self._directory

    def _parsed_layout(self) -> ImageLayout:
        file = self.file
        try:
            return parse_tiff_directory(
                file.read_at, self.directory, name=self.name, limits=self.limits, size=file.size
            )
        except (DecodeError, LimitError) as error:  # GDAL made a header of it, so GDAL may judge it
            return unserved_layout(self.header, str(error))
