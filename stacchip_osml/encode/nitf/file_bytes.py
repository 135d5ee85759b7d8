"""The bytes of a file to be read, wherever they are: a path, a URL, memory, an open file, a function.

All look like a local file to the block reader. What is in memory or behind a
function has one version: it is the caller's to keep it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stacchip_osml.errors import AssetMissing, DecodeError, ReadError
from stacchip_osml.imagery.location import FileStamp, is_remote

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.files import LocalFile
    from stacchip_osml.imagery.blocks.objects import RemoteObject

__all__ = ["HeldFile", "open_bytes"]


class HeldFile:
    """Bytes behind a function ``(offset, size)``, with the methods of a local file."""

    __slots__ = ("_read", "location", "name", "size")

    def __init__(self, read: Callable[[int, int], bytes], *, name: str, size: int | None) -> None:
        """Hold what gives the bytes.

        Args:
            read: fewer bytes at the end of the file.
            name: for messages.
            size: of the file, None where unknown.
        """
        self._read = read
        self.name = name
        self.size = size
        self.location = f"/nitf-in-memory/{id(self):x}"

    @property
    def version(self) -> tuple[int, ...]:
        """It is one as long as it lives."""
        return (id(self),)

    def check(self) -> FileStamp:
        """Nothing outside can change it."""
        return FileStamp(self.size or 0, 0, id(self))

    def unchanged(self, stamp: FileStamp) -> None:
        """See ``check``."""

    def read_at(self, offset: int, size: int) -> bytes:
        """Read bytes, fewer at the end of the file.

        Raises:
            ReadError: the function failed.
        """
        within = size if self.size is None else min(size, self.size - offset)
        if offset < 0 or within <= 0:
            return b""
        try:
            return bytes(self._read(offset, within))
        except OSError as error:
            if isinstance(error, ReadError):
                raise
            raise ReadError(f"{self.name}: bytes {offset} to {offset + within}: {error}") from error

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read bytes into a buffer; gives how many there were."""
        found = self.read_at(offset, len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def read_spans(self, offsets: range, size: int) -> bytes:
        """Read spans of some bytes each, joined; fewer bytes where the file ends before."""
        return b"".join([self.read_at(offset, size) for offset in offsets])

    def read_exactly(self, offset: int, size: int) -> bytes:
        """Read bytes that must be there.

        Raises:
            DecodeError: the file ends before.
        """
        found = self.read_at(offset, size)
        if len(found) < size:
            raise DecodeError(f"{self.name}: bytes {offset} to {offset + size} are wanted, {len(found)} are there")
        return found


def open_bytes(source: Any, *, sign: Callable[[str], str] | None = None) -> LocalFile | RemoteObject | HeldFile:
    """Give the bytes of a source.

    Args:
        source: a path, or ``http(s)://``, ``s3://`` … URL; bytes; an open binary file that can be sought; or a function
            ``(offset, size) -> bytes``.
        sign: turns a URL into what is really opened.

    Raises:
        ReadError: it is none of these, or may not be read.
    """
    if isinstance(source, (str, os.PathLike)):
        location = os.fspath(source)
        if is_remote(location):
            from stacchip_osml.imagery.blocks.objects import RemoteObject
            from stacchip_osml.imagery.limits import FetchLimits

            return RemoteObject(location, sign=sign, fetch=FetchLimits(), expect_size=None, expect_etag=None)
        from stacchip_osml.imagery.blocks.files import LocalFile

        return LocalFile(location if "://" in location else os.path.abspath(location))  # noqa: PTH100 - links stay
    if isinstance(source, (bytes, bytearray, memoryview)):
        held = memoryview(bytes(source))
        return HeldFile(lambda offset, size: bytes(held[offset : offset + size]), name="bytes", size=len(held))
    if hasattr(source, "seek") and hasattr(source, "read"):
        return _open_file(source)
    if callable(source):
        return HeldFile(source, name=getattr(source, "__name__", "function"), size=None)
    raise ReadError(f"expected a path, a URL, bytes, an open binary file or a function, got {type(source).__name__}")


def _open_file(file: Any) -> HeldFile:
    """Read through an open file, one thread at a time; its position is put back."""
    lock = threading.Lock()
    try:
        here = file.tell()
        size = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (OSError, ValueError) as error:
        raise AssetMissing(f"an open file that cannot be sought: {error}") from error

    def read(offset: int, count: int) -> bytes:
        with lock:
            try:
                before = file.tell()
                file.seek(offset)
                parts, left = [], count
                while left and (part := file.read(left)):
                    parts.append(part)
                    left -= len(part)
                file.seek(before)
            except ValueError as error:  # closed
                raise ReadError(f"an open file: {error}") from error
            return b"".join(parts)

    return HeldFile(read, name=str(getattr(file, "name", "file")), size=size)
