"""Files that appear under their name whole, or not at all.

Rules:

- bytes go to a temporary name in the same folder, are synced, and take the name
  in one step: a reader, and a process that is killed at any moment, sees the old
  file or the new one;
- a file that is replaced keeps its permissions, and a link to it stays a link;
- nothing is left behind by a failure, but for the temporary file of a killed
  process: ``.writing-….tmp``, which no reader takes for an image. Whoever next
  writes in that folder, a day later at least, removes it. Age alone decides: what
  else tells a dead writer from a living one (locks, process numbers) says nothing
  of another machine or container, and files without a name are not everywhere.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from stacchip_osml.errors import ChipError

__all__ = ["atomic_file", "opened", "remove_begun", "temporary_beside"]

TEMPORARY = re.compile(r"\.writing-[0-9a-f]{16}\.tmp")
ABANDONED_S = 86_400
"""Seconds that no living writer lets pass between two of its writes."""

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What writing says, and reading never does."""

_BEGUN: set[Path] = set()
"""Temporary names in use."""


@contextmanager
def atomic_file(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Open a file for writing (``w+b``) that gets its name when the block ends without an exception.

    Args:
        path: of a regular file, new or to be replaced; its folder exists.

    Yields:
        The open file, seekable and readable, buffered.

    Raises:
        ChipError: the file system refused: no folder, no permission, no room. What was under the name is still there.
    """
    try:
        target = Path(os.path.realpath(path))  # Path.resolve raises on loops
    except ValueError as error:  # NUL, or letters that the file system's encoding does not have
        raise ChipError(f"cannot write {os.fspath(path)!r:.200}: {error}") from error
    with temporary_beside(target) as temporary:
        mode = _mode_to_keep(target)
        try:
            file = temporary.open("x+b")
        except OSError as error:
            raise _refused(target, error) from error
        try:
            try:
                yield file
            except OSError as error:  # of the caller's writes, or of what it reads from, which speaks for itself
                if isinstance(error, ChipError) or error.errno not in NO_ROOM:
                    raise
                raise _refused(target, error) from error
            try:
                file.flush()
                if mode is not None:
                    temporary.chmod(mode)
                os.fsync(file.fileno())
                file.close()
                temporary.replace(target)
            except OSError as error:
                raise _refused(target, error) from error
        finally:
            with suppress(OSError):  # what could not be written is still in the buffer
                file.close()
    _sync_folder(target.parent)


@contextmanager
def opened(target: str | os.PathLike[str] | BinaryIO) -> Iterator[BinaryIO]:
    """Open a path as :func:`atomic_file` does; an open file that a failure leaves half written is cut back.

    Args:
        target: a path, or a binary file that can be sought, written to from where it stands.
    """
    if isinstance(target, (str, os.PathLike)):
        with atomic_file(target) as file:
            yield file
        return
    start = target.tell()
    try:
        yield target
    except BaseException:
        with suppress(OSError, ValueError, BufferError):  # the failure is told, not that its traces stay
            target.seek(start)
            target.truncate()
        raise
    target.flush()


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """Give a name, in the folder of a file, that it has until it is whole; a file that still has it is removed."""
    _clear(str(target.parent))
    temporary = target.with_name(f".writing-{secrets.token_hex(8)}.tmp")
    try:
        _BEGUN.add(temporary)
        yield temporary
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        _BEGUN.discard(temporary)


def remove_begun() -> None:
    """Remove the files that are being written, whoever writes them: for a process that ends this moment."""
    for temporary in list(_BEGUN):
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@lru_cache(maxsize=1024)
def _clear(folder: str) -> None:
    """Remove what killed writers left in a folder; once a process, for a folder may be large."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    if time.time() - entry.stat().st_mtime > ABANDONED_S:
                        Path(entry.path).unlink()


def _mode_to_keep(target: Path) -> int | None:
    """Permissions of what is there; refuse what is no regular file."""
    try:
        found = target.stat().st_mode
    except OSError:  # not there, or not to be looked at: opening the temporary file will tell
        return None
    if not stat.S_ISREG(found):
        raise ChipError(f"cannot write {target}: not a regular file")
    return stat.S_IMODE(found)


def _sync_folder(folder: Path) -> None:
    """Make the new name outlive a power cut, where the system can."""
    with suppress(OSError):  # some file systems sync no folders; the file itself is synced
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _refused(target: Path, error: OSError) -> ChipError:
    return ChipError(f"cannot write {target}: {error.strerror or error}")
