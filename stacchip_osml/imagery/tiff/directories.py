"""Pages of a TIFF: its further images, which are no levels and no masks of the first.

Rules:

- pages are numbered from 0 in the order of the file's directories; 0 is the
  first directory whatever it is, the others are those whose ``NewSubfileType``
  says neither reduced nor mask (TIFF 6.0 section 8: 0 or 2, one page of many).
  GDAL lists the same ones as ``GTIFF_DIR`` sub-datasets;
- a further page has one level and no mask directory, as in GDAL: which page an
  overview or mask belongs to, directories do not say.
"""

from __future__ import annotations

from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.layout import ReadAt
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.tiff.ifd import TiffBytes

__all__ = ["page_directories", "page_directory"]

KIND = 254
PAGE_KINDS = (0, 2)


def page_directories(read: ReadAt, *, name: str, size: int | None = None) -> list[int]:
    """Find the directories that hold pages.

    Args:
        read: gives the file's bytes.
        name: of the file, for messages.
        size: of the file in bytes, where known.

    Returns:
        Their numbers in the chain of directories, which GDAL counts from 1; one for each page.

    Raises:
        DecodeError: not a TIFF, its first directory is cut short, or there is too much to read.
        ReadError: as ``read``.
    """
    found: list[int] = []
    try:
        file = TiffBytes(read, name=name, size=size)
        for number, directory in enumerate(file.chain(), start=1):
            if number == 1 or file.number(directory, KIND, 0) in PAGE_KINDS:
                found.append(number)
    except NotServedError as error:
        raise DecodeError(f"{name}: its pages were not found: {error}") from error
    except DecodeError:
        if not found:  # a chain that breaks off later ends there
            raise
    return found


def page_directory(read: ReadAt, page: int, *, name: str, size: int | None = None) -> int:
    """Find the directory of a page, by its number in the chain, from 1.

    Raises:
        DecodeError: there is no such page, and the message says how many there are; or as ``page_directories``.
        ReadError: as ``read``.
    """
    found = page_directories(read, name=name, size=size)
    if not 0 <= page < len(found):
        raise DecodeError(f"{name}: no page {page}; it has {len(found)}, counted from 0")
    return found[page]
