"""Which parser finds the blocks of which format; each is imported when first used."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.agreement import unserved_layout
from stacchip_osml.imagery.blocks.files import LocalFile
from stacchip_osml.imagery.blocks.layout import ImageLayout, ReadAt, Unserved
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.header import ImageHeader, PictureTags
from stacchip_osml.imagery.limits import ReadLimits

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.objects import RemoteObject
    from stacchip_osml.imagery.gdal.image import GdalImage
    from stacchip_osml.imagery.nitf.said import NitfSaid
    from stacchip_osml.imagery.providers.own_image import OwnImage
    from stacchip_osml.imagery.tiff.plain import PlainTiff

__all__ = ["joined_instead", "parse_layout", "picture_tags_of", "plain_image", "said_instead"]


class Parser(Protocol):
    """Finds the blocks of a file."""

    def __call__(self, read: ReadAt, *, name: str, limits: ReadLimits, size: int | None) -> ImageLayout:
        """Read the layout of all levels."""
        ...


def parse_layout(header: ImageHeader, read: ReadAt, *, name: str, limits: ReadLimits, size: int | None) -> ImageLayout:
    """Read where the blocks of a file are; nothing is served of a file whose structure cannot be made out.

    Args:
        header: tells the format.
        read: gives the file's bytes.
        name: of the file, for messages.
        limits: refused above these.
        size: of the file in bytes, where known.

    Raises:
        ReadError: as ``read``, but for what the bytes are.
    """
    parser = PARSERS.get(header.driver)
    if parser is None:
        return unserved_layout(header, f"{header.driver} files have no blocks that can be read apart")
    try:
        return parser()(read, name=name, limits=limits, size=size)
    except (DecodeError, LimitError) as error:  # GDAL made a header of it, so GDAL may judge it
        return unserved_layout(header, str(error))


def plain_image(file: LocalFile | RemoteObject, *, name: str, limits: ReadLimits) -> PlainTiff | None:
    """Give what decides the pixels of a file that says it so plainly that GDAL need not be asked; None of any other.

    Args:
        file: the file.
        name: of the file, for messages.
        limits: refused above these.

    Raises:
        ReadError: it cannot be read.
    """
    head = file.read_at(0, 4) if isinstance(file, LocalFile) else file.opening()[0]
    if head[:4] not in TIFF_BEGINNINGS:
        return None
    from stacchip_osml.imagery.tiff.plain import plain_tiff

    found = plain_tiff(file.read_at, name=name, limits=limits, size=file.size)
    if found is not None and not isinstance(file, LocalFile):
        file.forget_head()
    return found


def said_instead(error: DecodeError, file: LocalFile | RemoteObject, *, name: str, limits: ReadLimits) -> NitfSaid:
    """Give what a file says of itself that GDAL cannot open, where blocks serve it.

    Args:
        error: GDAL's.
        file: the file.
        name: of the file, for messages.
        limits: refused above these.

    Raises:
        DecodeError: GDAL's, and what in the file blocks do not serve either.
        ReadError: GDAL's, or that the file cannot be read.
    """
    head = file.read_at(0, 12)
    driver = next((driver for begin, driver in BEGINNINGS.items() if head.startswith(begin)), None)
    if driver is None:
        raise error
    if driver == "NITF":
        from stacchip_osml.imagery.nitf.said import nitf_said

        modified = file.stamp.modified_ns if isinstance(file, LocalFile) else None
        found = nitf_said(file.read_at, name=name, limits=limits, size=file.size, modified_ns=modified)
        if found is not None:
            return found
    try:
        level = PARSERS[driver]()(file.read_at, name=name, limits=limits, size=file.size).levels[0]
    except (DecodeError, LimitError):  # it is damaged, as GDAL says
        raise error from None
    if isinstance(level, Unserved):
        raise DecodeError(f"{str(error).rstrip('. ')}; by its markers: {level.reason}") from error
    raise error


def joined_instead(
    told: GdalImage | OwnImage | NitfSaid, file: LocalFile | RemoteObject, *, name: str, limits: ReadLimits
) -> NitfSaid | None:
    """Give what a file says of an image that it stores in several parts; None where the first is the whole.

    Args:
        told: what says it of the first.
        file: the file.
        name: of the file, for messages.
        limits: refused above these.

    Raises:
        LimitError: the image is larger than ``limits``.
        ReadError: the file cannot be read.
    """
    if told.header.driver != "NITF" or told.header.images < 2:
        return None
    from stacchip_osml.imagery.nitf.said import joined_said

    return joined_said(told, file.read_at, name=name, limits=limits, size=file.size)


def picture_tags_of(
    told: GdalImage | OwnImage | NitfSaid, file: LocalFile | RemoteObject, *, name: str, limits: ReadLimits
) -> PictureTags:
    """Give what is said of how an image is to be shown, GDAL's put right where it is known to be wrong.

    Args:
        told: says it.
        file: the image's.
        name: of the file, for messages.
        limits: refused above these.

    Raises:
        ReadError: the file cannot be read.
    """
    tags = told.picture_tags
    if told.header.driver != "NITF" or tags.brightness_tables or not any(tags.color_tables):
        return tags
    from stacchip_osml.imagery.nitf.said import with_brightness

    try:
        return with_brightness(tags, file.read_at, name=name, limits=limits, size=file.size)
    except (DecodeError, LimitError, NotServedError):  # GDAL alone makes something of it
        return tags


def _tiff() -> Parser:
    from stacchip_osml.imagery.tiff.levels import parse_tiff

    return parse_tiff


def _nitf() -> Parser:
    from stacchip_osml.imagery.nitf.blocks import parse_nitf

    return parse_nitf


def _jpeg2000() -> Parser:
    from stacchip_osml.imagery.jpeg2000.blocks import parse_jpeg2000

    return parse_jpeg2000


PARSERS: dict[str, Callable[[], Parser]] = {"GTiff": _tiff, "NITF": _nitf, "JP2OpenJPEG": _jpeg2000}
"""GDAL driver → what finds the blocks of its files."""
TIFF_BEGINNINGS = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})
BEGINNINGS = {
    b"NITF": "NITF",
    b"NSIF": "NITF",
    b"\xff\x4f\xff\x51": "JP2OpenJPEG",
    b"\0\0\0\x0cjP  ": "JP2OpenJPEG",
}
"""First bytes of files that say what they have → GDAL driver."""
