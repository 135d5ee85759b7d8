"""Where a dataset is written: files that appear whole or not at all, together; or open binary files.

Several files are committed in order, the base first, after all have been
written: none appears if one of them fails. An open file that a failure leaves
half written is cut back to where it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from io import TextIOBase
from typing import Any, BinaryIO, cast
from urllib.parse import unquote, urlsplit

from stacchip_osml.encode.atomic import opened
from stacchip_osml.errors import EncodeError

__all__ = ["Target", "as_target", "local_path", "opened_for_writing"]

Target = str | BinaryIO
"""A local path, or a file open for writing."""


def as_target(value: Any) -> Target:
    """Take a path or ``file://`` URL, or a binary file that can be written and sought.

    Raises:
        TypeError: it is neither.
        EncodeError: a URL of another kind, or a file that is closed, cannot be sought, or is not written to.
    """
    if isinstance(value, (str, os.PathLike)):
        return local_path(os.fspath(value))
    if not (hasattr(value, "write") and hasattr(value, "seek")) or isinstance(value, TextIOBase):
        raise TypeError(f"a target is a path or a binary file open for writing, not a {type(value).__name__}")
    try:
        value.seek(value.tell())
    except (OSError, ValueError) as error:  # UnsupportedOperation is both
        raise EncodeError("a file to write to must be open and seekable; io.BytesIO is") from error
    if hasattr(value, "writable") and not value.writable():
        raise EncodeError("a file to write to must be open for writing; io.BytesIO is")
    return cast("BinaryIO", value)


def local_path(path: str | bytes) -> str:
    """Give the path that a path or ``file://`` URL names.

    Raises:
        EncodeError: another URL, or bytes.
    """
    if isinstance(path, bytes):
        raise EncodeError(f"a path is text, got {path!r}")
    scheme, separator, _ = path.partition("://")
    if not separator:
        return path
    if scheme.lower() != "file":
        raise EncodeError(f"{scheme}:// is not written to; write to a local file or io.BytesIO and upload that")
    return unquote(urlsplit(path).path)


@contextmanager
def opened_for_writing(targets: Sequence[Target]) -> Iterator[list[BinaryIO]]:
    """Open all targets; they are complete when the block ends without an exception, else as they were.

    Raises:
        ChipError: the file system refused.
    """
    with ExitStack() as stack:
        # the stack commits in reverse
        files = [stack.enter_context(opened(target)) for target in reversed(targets)]
        yield files[::-1]
