"""Readers of a caller's own: which files they open.

A reader is a function from the path of a local file to an image provider. The
first bytes of a file decide that it is asked, as they decide GDAL's driver, and
none is asked of a format that the package reads itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import NoneType
from typing import Any

from stacchip_osml.errors import ReadError
from stacchip_osml.extensions import load_extensions
from stacchip_osml.imagery.format import DRIVERS, HEAD_BYTES, MAGIC, sniff_driver
from stacchip_osml.pixel.arguments import of_kind

__all__ = ["READERS", "OwnReader", "image_kind", "is_own_type", "own_reader", "reader_named", "register_reader"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnReader:
    """One format that a caller's own code reads."""

    name: str
    begins: bytes
    """First bytes of its files."""
    open: Callable[[str], Any]
    """Absolute path → image provider."""
    media_type: str
    """As STAC assets name it."""


READERS: dict[str, OwnReader] = {}
"""Name → reader; those that were registered in this process."""


def register_reader(
    name: str,
    open: Callable[[str], Any],  # noqa: A002 - the everyday word for it
    *,
    begins: bytes,
    media_type: str | None = None,
) -> OwnReader:
    """Make a format of your own known to this process, so that its files are indexed and cut into chips.

    Whoever cuts chips of such files must have registered the reader, or have an extension installed that does
    (entry-point group ``stacchip_osml``).

    Args:
        name: of the format; none that GDAL's drivers have.
        open: absolute path of a local file → any object of the image provider protocol. It is called once for a file
            that is read, and its ``get_block`` by several threads at a time. A ``header`` that it has
            (:class:`ImageHeader`) says what the protocol does not: place, CRS, nodata, names of bands.
        begins: at least 2 bytes that files of this format, and of none that the package reads, begin with.
        media_type: by which STAC assets are known as images of this format; None: ``application/x-`` and the name.

    Raises:
        ReadError: the name is taken, or these are the first bytes of a format that has a reader.
        TypeError: a name or media type that is no text, ``open`` that is no function, ``begins`` that are no bytes.
    """
    of_kind("name", name, str, "text")
    if not callable(open):
        raise TypeError(f"open must be a function, not {type(open).__name__}: {open!r:.60}")
    of_kind("begins", begins, bytes, "bytes")
    of_kind("media_type", media_type, (str, NoneType), "text or None")
    kind = f"application/x-{name}" if media_type is None else media_type
    row = OwnReader(name=name, begins=begins, open=open, media_type=kind.lower())
    if not name or name in DRIVERS or READERS.get(name, row) != row:
        raise ReadError(f"the name {name!r} of a reader is taken")
    others = [*(magic for magic, _ in MAGIC), *(other.begins for other in READERS.values() if other != row)]
    if not 2 <= len(row.begins) <= HEAD_BYTES:
        raise ReadError(f"reader {name!r}: files are known by 2 to {HEAD_BYTES} bytes, got {row.begins!r}")
    if any(row.begins.startswith(other) or other.startswith(row.begins) for other in others):
        raise ReadError(f"reader {name!r}: files that begin with {row.begins!r} have a reader")
    READERS[name] = row
    return row


def own_reader(head: bytes) -> OwnReader | None:
    """Give the registered reader of files that begin with ``head``; None of formats that the package reads."""
    if not head or sniff_driver(head) is not None:
        return None
    load_extensions()
    return next((row for row in READERS.values() if head.startswith(row.begins)), None)


def image_kind(head: bytes) -> str | None:
    """Name GDAL's driver, or the registered reader, of files that begin with ``head``; None where there is neither."""
    found = sniff_driver(head) or own_reader(head)
    return found.name if isinstance(found, OwnReader) else found


def reader_named(name: str) -> OwnReader | None:
    """Give the registered reader of a name."""
    load_extensions()
    return READERS.get(name)


def is_own_type(media_type: str) -> bool:
    """Tell whether assets of a media type, in lower case, have a registered reader."""
    load_extensions()
    return any(row.media_type == media_type for row in READERS.values())
