"""Exit codes, and what each failure is in them; no library beyond click."""

from __future__ import annotations

import click

from stacchip_osml.errors import (
    ChainError,
    ChipError,
    CommitConflict,
    EncodeError,
    IndexSchemaError,
    ItemError,
    LimitError,
    ReadError,
    WindowError,
)

__all__ = ["DEBUG", "EXIT_CODES", "EXIT_EPILOG", "failure"]

DEBUG = "stacchip_osml.debug"
"""Key of the context's shared notes: whether tracebacks are wanted."""

FOUND = 1
USAGE = 2
BAD_DATA = 3
UNREADABLE = 4
CONFLICT = 5
NOT_WRITTEN = 6
INTERNAL = 70
NO_MEANS = 71
INTERRUPTED = 130
PIPE_CLOSED = 141
ENDED = 143

EXIT_CODES = {
    0: "done",
    FOUND: "done, with findings: a check found something, or items or chips were left out",
    USAGE: "wrong usage: an unknown option, an impossible value, an output that exists already",
    BAD_DATA: "bad data: an item, index, condition, window, chain, format or size that is refused",
    UNREADABLE: "a file or URL could not be read",
    CONFLICT: "another writer committed to the index first; run again",
    NOT_WRITTEN: "the output could not be written: no space, no permission",
    INTERNAL: "a fault of this program; run again with --debug and report it",
    NO_MEANS: "no more memory, or no more threads",
    INTERRUPTED: "interrupted from the keyboard",
    PIPE_CLOSED: "the reader of the output went away",
    ENDED: "ended by SIGTERM",
}
"""Exit code → what it says."""

EXIT_EPILOG = "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {text}" for code, text in EXIT_CODES.items())

_CODES: tuple[tuple[type[ChipError], int], ...] = (
    (CommitConflict, CONFLICT),
    (ReadError, UNREADABLE),
    *((kind, BAD_DATA) for kind in (ItemError, IndexSchemaError, WindowError, ChainError, EncodeError, LimitError)),
)


def failure(error: Exception) -> tuple[str, int]:
    """Give the message and exit code of a failure."""
    if isinstance(error, click.ClickException):
        return _usage(error), error.exit_code if isinstance(error, click.UsageError) else USAGE
    if isinstance(error, IndexSchemaError) and isinstance(error.__cause__, OSError):
        return str(error), UNREADABLE
    for kind, code in _CODES:
        if isinstance(error, kind):
            return str(error), code
    if isinstance(error, ChipError):
        # neither data nor reading: a setting, or the file system while writing
        return str(error), NOT_WRITTEN if isinstance(error.__cause__, OSError) else USAGE
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", NOT_WRITTEN
    return _none_of_ours(error)


def _none_of_ours(error: Exception) -> tuple[str, int]:
    """Tell what the system refuses from a fault of this program."""
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}".rstrip(": "), NO_MEANS
    if isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        return "the system gives this process no more threads", NO_MEANS
    return f"{type(error).__name__}: {error} (a fault of this program; --debug shows where)", INTERNAL


def _usage(error: click.ClickException) -> str:
    message = error.format_message()
    if isinstance(error, click.UsageError) and error.ctx is not None:
        return f"{message.rstrip('.')} (see {error.ctx.command_path} --help)"
    return message
