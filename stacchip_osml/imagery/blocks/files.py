"""Bytes of one version of a local file.

Rules:

- the version (size, modification time, inode) is noted at first sight; ``check``
  looks at the path again, so that a batch which checks before and after reads
  one version. **Not noticed** is a rewrite in place that leaves size and time;
- bytes are read with ``pread``, never mapped: a file cut under a reader is an
  error, not the end of the process;
- descriptors are shared by threads (``pread`` has no position) and by all files
  of the process: ``MOST_OPEN`` are kept, the one used longest ago is given up
  first. One that is given up closes when its last reader is done. A forked
  child goes on with its parent's.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache, partial

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, ReadError, redact
from stacchip_osml.imagery.location import FileStamp, is_remote, local_stamp, require_location

__all__ = ["MOST_OPEN", "LocalFile", "close_idle_files"]

MOST_OPEN = 96
"""Descriptors kept open by one process; each thread that reads may hold one more for a moment."""
MOST_AT_ONCE = 1 << 30
"""Bytes of one call; Linux reads less than 2 GiB at a time."""
TOGETHER = 1 << 16
"""Bytes that a disk gives in about the time of its first one."""


class LocalFile:
    """One local file; safe for threads, opened when first read."""

    __slots__ = ("_expect", "_seen", "location", "name")

    def __init__(self, location: str, *, expect: tuple[int | None, int | None] = (None, None)) -> None:
        """Name the file; nothing is opened yet.

        Args:
            location: absolute path.
            expect: ``(size_bytes, modified_ns)`` when indexed, None where unknown.

        Raises:
            ReadError: not a path that is served.
        """
        self.location = require_location(location)
        self.name = redact(location)
        if is_remote(location):
            raise ReadError(f"{self.name}: not a local file")
        self._expect = expect
        self._seen: list[FileStamp] = []  # the first one counts, whichever thread was first

    def __reduce__(self) -> tuple[object, ...]:
        return partial(LocalFile, self.location, expect=self._expect), ()

    def __repr__(self) -> str:
        return f"LocalFile({self.name!r})"

    @property
    def size(self) -> int:
        """Bytes of the file.

        Raises:
            ReadError: as ``check``.
        """
        return self.stamp.size_bytes

    @property
    def stamp(self) -> FileStamp:
        """The version that is read; the file is looked at the first time only.

        Raises:
            ReadError: as ``check``.
        """
        return self._seen[0] if self._seen else self.check()

    version = stamp

    def check(self) -> FileStamp:
        """See that the file is still the version that was first seen, and the one expected.

        Raises:
            AssetMissing: it is gone, or may not be reached.
            AssetChanged: it is another version.
            DecodeError: it is a directory, device or pipe.
        """
        found = local_stamp(self.location)
        if not self._seen:
            for what, expected, is_now in zip(("bytes", "ns mtime"), self._expect, found[:2], strict=True):
                if expected is not None and expected != is_now:
                    raise AssetChanged(f"{self.name}: expected {expected} {what}, found {is_now}")
            self._seen.append(found)
        if found != self._seen[0]:
            raise AssetChanged(f"{self.name}: the file changed since it was first read")
        return found

    def unchanged(self, stamp: FileStamp) -> None:
        """See that the file is still the version that ``stamp`` is of.

        Raises:
            AssetMissing: it is gone.
            AssetChanged: it is another version.
        """
        if local_stamp(self.location) != stamp:
            raise AssetChanged(f"{self.name}: the file changed while it was read")

    def read_at(self, offset: int, size: int) -> bytes:
        """Read bytes, fewer at the end of the file.

        Raises:
            AssetMissing: the file is gone.
            AssetChanged: the file that opens is another version.
            ReadError: the system could not read.
        """
        within = min(size, self.size - offset)  # the request is checked against the file before memory is taken
        if offset < 0 or within <= 0:
            return b""
        if within <= MOST_AT_ONCE:
            found = self._descriptor()
            try:
                return os.pread(found.number, within, offset)
            except OSError as error:
                raise self._failed(error, offset, within) from error
        buffer = bytearray(within)
        return bytes(memoryview(buffer)[: self.read_into(offset, memoryview(buffer))])

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read bytes into a buffer.

        Args:
            offset: first byte, from the start of the file.
            buffer: contiguous bytes, writeable.

        Returns:
            How many there were: ``len(buffer)``, fewer at the end of the file.

        Raises:
            ReadError: as ``read_at``.
        """
        stamp, found, done = self.stamp, self._descriptor(), 0
        if not 0 <= offset < stamp.size_bytes:
            return 0
        try:
            while done < len(buffer):
                part = buffer[done : done + MOST_AT_ONCE] if done or len(buffer) > MOST_AT_ONCE else buffer
                count = os.preadv(found.number, [part], offset + done)
                if count == 0:
                    break
                done += count
        except OSError as error:
            raise self._failed(error, offset, len(buffer)) from error
        return done

    def read_spans(self, offsets: range, size: int) -> bytes:
        """Read short spans that lie apart, all of them asked for before the first is waited for.

        Args:
            offsets: first byte of each.
            size: bytes of each.

        Returns:
            All of them joined; fewer bytes, or none, where the file ends before.

        Raises:
            ReadError: as ``read_at``.
        """
        if offsets[0] < 0 or offsets[-1] >= self.size:
            return b""
        found = self._descriptor()
        number, read = found.number, os.pread
        try:
            if hasattr(os, "posix_fadvise"):
                several = max(TOGETHER // offsets.step, 1)
                length = (several - 1) * offsets.step + size
                for first in offsets[::several]:
                    os.posix_fadvise(number, first, length, os.POSIX_FADV_WILLNEED)
            return b"".join([read(number, size, offset) for offset in offsets])
        except OSError as error:
            raise self._failed(error, offsets[0], offsets[-1] + size - offsets[0]) from error

    def read_exactly(self, offset: int, size: int) -> bytes:
        """Read bytes that must be there.

        Raises:
            DecodeError: the file ends before, naming the range and where it ends.
            ReadError: as ``read_at``.
        """
        found = self.read_at(offset, size)
        if len(found) < size:
            end = min(offset + len(found), self.size)
            raise DecodeError(f"{self.name}: bytes {offset} to {offset + size} are wanted, the file ends at {end}")
        return found

    def _descriptor(self) -> _Descriptor:
        return _opened(self.location, self.stamp)

    def _failed(self, error: OSError, offset: int, size: int) -> ReadError:
        return ReadError(f"{self.name}: bytes {offset} to {offset + size}: {error.strerror or error}")


class _Descriptor:
    """An open file, closed when nobody holds it any more."""

    __slots__ = ("_close", "number")

    def __init__(self, number: int) -> None:
        self.number = number
        self._close: Callable[[int], None] = os.close  # held, because modules go first when the interpreter ends

    def __del__(self) -> None:
        self._close(self.number)


@lru_cache(maxsize=MOST_OPEN)
def _opened(location: str, stamp: FileStamp) -> _Descriptor:
    """Open one version of a file; a reader in the middle of a read keeps what the cache has given up."""
    try:
        # Should a pipe stand there by now, opening it does not wait for a writer.
        found = _Descriptor(os.open(location, os.O_RDONLY | os.O_NONBLOCK))
        facts = os.fstat(found.number)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AssetMissing(f"{redact(location)}: no such file") from error
    except PermissionError as error:
        raise AssetMissing(f"{redact(location)}: {error.strerror}") from error
    except OSError as error:
        raise ReadError(f"{redact(location)}: {error.strerror or error}") from error
    if FileStamp(facts.st_size, facts.st_mtime_ns, facts.st_ino) != stamp:
        raise AssetChanged(f"{redact(location)}: the file changed since it was first read")
    return found


def close_idle_files() -> None:
    """Close every file that no thread is reading; the next read opens it again."""
    _opened.cache_clear()
