"""How many directories a TIFF may have for GDAL to open it.

GDAL reads them all at every opening, and looks at sub-directories again and
again: a file of 300 kB can hold it up for hours. What cannot be made out is GDAL's
to judge.
"""

from __future__ import annotations

import os
from contextlib import suppress

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import ReadAt
from stacchip_osml.imagery.blocks.read_ahead import NotServedError
from stacchip_osml.imagery.location import local_stamp
from stacchip_osml.imagery.tiff.ifd import TiffBytes

__all__ = ["MOST_PAGES", "MOST_SUBS", "reading_on", "require_few_directories", "require_few_directories_of"]

MOST_PAGES = 1 << 13
"""Directories in the file's chain: pages, overviews, masks."""
MOST_SUBS = 1 << 9
"""Overviews and masks in the chain, and sub-directories of one directory; GDAL uses 30 overviews."""
KIND, SUB_IFDS = 254, 330
REDUCED, MASK = 1, 4


def require_few_directories(path: str, *, name: str) -> None:
    """Refuse a local TIFF of more directories than GDAL gets through in time.

    Args:
        path: of any file; one that is no TIFF, or is damaged, passes.
        name: of the file, for messages.

    Raises:
        AssetMissing: there is no such file.
        DecodeError: it is no regular file: opening a pipe would wait for somebody to write into it.
        LimitError: saying how many of what kind there are.
    """
    local_stamp(path)
    try:
        file = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        require_few_directories_of(lambda at, count: os.pread(file, count, at), name=name, size=os.fstat(file).st_size)
    except OSError:
        return
    finally:
        os.close(file)


def require_few_directories_of(read: ReadAt, *, name: str, size: int | None) -> None:
    """Refuse a TIFF of more directories than GDAL gets through in time.

    Args:
        read: gives the bytes of any file; one that is no TIFF, or is damaged, passes.
        name: of the file, for messages.
        size: of the file in bytes, where known.

    Raises:
        LimitError: saying how many of what kind there are.
        ReadError: as ``read``, but for what the bytes are.
    """
    with suppress(DecodeError, NotServedError):
        _look_through(TiffBytes(read, name=name, size=size))


def reading_on(head: bytes, size: int | None, read: ReadAt) -> ReadAt:
    """Read out of a file's first bytes what they hold, and else by ``read``; ``size`` is the file's, where known."""

    def read_at(offset: int, count: int) -> bytes:
        held = offset + count <= len(head) or len(head) == size
        return head[offset : offset + count] if held else bytes(read(offset, count))

    return read_at


def _look_through(file: TiffBytes) -> None:
    """Count the directories of each kind.

    Raises:
        LimitError: there are too many.
    """
    levels = 0
    for number, directory in enumerate(file.chain()):
        subs = directory.fields.get(SUB_IFDS)
        levels += bool(file.number(directory, KIND, 0) & (REDUCED | MASK))
        if number >= MOST_PAGES:
            raise LimitError(f"{file.name}: more than {MOST_PAGES} directories")
        if levels > MOST_SUBS or (subs is not None and subs[2] > MOST_SUBS):
            raise LimitError(f"{file.name}: more than {MOST_SUBS} overviews, masks or sub-directories")
