"""Where an image may be read from, and what a local file looks like from outside.

Rules: a location is an absolute path of a regular local file, or an
``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL. GDAL's own names
(``/vsi…``, ``<VRT…``, ``DRIVER:…`` sub-datasets) and chained schemes
(``zip+…``) are refused: they reach other files than the one named. Messages
carry no credential: every href is redacted.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from stacchip_osml.errors import AssetMissing, DecodeError, ReadError, redact
from stacchip_osml.imagery.format import HEAD_BYTES
from stacchip_osml.pixel.arguments import of_kind

__all__ = [
    "REMOTE_PREFIXES",
    "FileStamp",
    "gdal_name",
    "is_remote",
    "local_stamp",
    "read_local_head",
    "require_location",
]

REMOTE_PREFIXES = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
}
"""URL scheme → what GDAL calls it."""


class FileStamp(NamedTuple):
    """What tells one version of a local file from the next; a tuple, because every read makes and compares two."""

    size_bytes: int
    modified_ns: int
    inode: int


def require_location(location: str) -> str:
    """Return ``location`` if it is one that may be read.

    Raises:
        ReadError: it is relative, or names a scheme, a virtual file system or a sub-dataset that is not served.
    """
    shown = redact(of_kind("location", location, str, "a path or URL as text"))
    if "\0" in location:
        raise ReadError(f"{shown!r}: a location has no NUL byte")
    if is_remote(location):
        if not urlsplit(location).netloc:
            raise ReadError(f"{shown!r}: a URL needs a host or bucket")
        return location
    if location.lower().startswith("/vsi"):
        raise ReadError(
            f"{shown!r}: GDAL virtual file systems are not served; give a path or an http(s), s3, gs, az URL"
        )
    if not Path(location).is_absolute():
        raise ReadError(
            f"{shown!r}: expected an absolute path or an http(s), s3, gs, az URL; other schemes, archives, "
            "virtual formats and sub-dataset names are not served"
        )
    return location


def is_remote(location: str) -> bool:
    """Tell whether a location is one of the URLs that are served."""
    scheme, colon, _ = location.partition("://")
    return bool(colon) and scheme in REMOTE_PREFIXES


def gdal_name(location: str) -> str:
    """Give GDAL's name for a location that passed ``require_location``."""
    if not is_remote(location):
        return location
    scheme, _, rest = location.partition("://")
    return REMOTE_PREFIXES[scheme] + rest


def local_stamp(location: str) -> FileStamp:
    """Look at a local file without opening it.

    Raises:
        AssetMissing: there is no such file, or it may not be reached.
        DecodeError: it is a directory, device or pipe.
    """
    try:
        found = os.stat(location)  # noqa: PTH116 - once a read, Path.stat is three times slower
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AssetMissing(f"{location}: no such file") from error
    except UnicodeEncodeError as error:  # half of a character
        raise AssetMissing(f"{location!a}: no file has such a name") from error
    except OSError as error:
        raise AssetMissing(f"{location}: {error.strerror or error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise DecodeError(f"{location}: not a regular file")
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


def read_local_head(location: str) -> bytes:
    """Read the first ``HEAD_BYTES`` bytes of a local file, fewer where it is shorter.

    Raises:
        AssetMissing: there is no such file.
        DecodeError: it is a pipe, a socket or a device, which would be waited for.
    """
    if _is_waited_for(location):
        raise DecodeError(f"{location}: not a regular file")
    try:
        with Path(location).open("rb", buffering=0) as file:
            return file.read(HEAD_BYTES)
    except IsADirectoryError as error:
        raise AssetMissing(f"{location}: a folder, and an image is a file") from error
    except OSError as error:
        raise AssetMissing(f"{location}: {error.strerror or error}") from error


def _is_waited_for(location: str) -> bool:
    try:
        mode = os.stat(location).st_mode  # noqa: PTH116 - once a read, Path.stat is three times slower
    except (OSError, UnicodeEncodeError):  # opening says why
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
