"""The error tree: every failure a caller can act on has one class here.

Rules: messages say what was expected, what came, and which row, item or href;
credentials and signatures are removed from an href before it enters a message
(:func:`redact`). A foreign library's exception is translated once, at the
adapter that called it, with ``raise … from``.
"""

from __future__ import annotations

import re

__all__ = [
    "AssetChanged",
    "AssetMissing",
    "ChainError",
    "ChipError",
    "CommitConflict",
    "DecodeError",
    "EncodeError",
    "IndexSchemaError",
    "ItemError",
    "LimitError",
    "MissingExtraError",
    "ProviderError",
    "ReadError",
    "RemoteReadError",
    "ResumeError",
    "SettingError",
    "WindowError",
    "redact",
]


class ChipError(Exception):
    """Any failure of this package; catch it to catch them all."""


class ItemError(ChipError):
    """A STAC item cannot be indexed: no usable asset, or facts that contradict its file."""


class IndexSchemaError(ChipError):
    """Not a chip index, a newer schema, or a value that the schema forbids."""


class WindowError(ChipError, ValueError):
    """A pixel window that leaves the image, is empty, or is not aligned to its level."""


class ChainError(ChipError, ValueError):
    """An unknown processing-chain id, or a step that rejects these pixels."""


class EncodeError(ChipError, ValueError):
    """The output format cannot carry these pixels, or the product forbids it."""


class ProviderError(ChipError, RuntimeError):
    """A caller's own image provider raised, or gave no pixels; its exception is the cause."""


class ReadError(ChipError, OSError):
    """Pixels could not be fetched or decoded."""


class AssetMissing(ReadError):
    """The file behind an asset does not exist, or may not be reached."""


class AssetChanged(ReadError):
    """The file behind an asset is no longer the one that was indexed."""


class DecodeError(ReadError):
    """The bytes are there, and are not a readable image."""


class RemoteReadError(ReadError):
    """A remote read failed after its retries."""

    def __init__(self, href: str, *, status: int | None, attempts: int) -> None:
        """Name the object, its last HTTP status (None: no answer) and the tries spent."""
        self.href = redact(href)
        self.status = status
        self.attempts = attempts
        answer = "no answer" if status is None else f"status {status}"
        super().__init__(f"{self.href}: {answer} after {attempts} attempts")

    def __reduce__(self) -> tuple[object, ...]:
        return (_remote_read_error, (self.href, self.status, self.attempts))


class LimitError(ChipError):
    """Refused before decoding: too many pixels, bytes, bands, or too deep."""


class ResumeError(ChipError, ValueError):
    """A saved place in an epoch that belongs to other rows or another order."""


class SettingError(ChipError, ValueError):
    """A parameter that is none of its range: threads, bytes, sides, limits of reading."""


class CommitConflict(ChipError):
    """Another writer committed first."""


class MissingExtraError(ChipError, ImportError):
    """An optional dependency is not installed."""

    def __init__(self, extra: str, *, purpose: str) -> None:
        """Say which extra to install, and what for."""
        self.extra = extra
        self.purpose = purpose
        install = f"pip install 'stacchip-osml[{extra}]', or in a checkout pip install '.[{extra}]'"
        super().__init__(f"{purpose} needs an extra: {install}")

    def __reduce__(self) -> tuple[object, ...]:
        return (_missing_extra_error, (self.extra, self.purpose))


def _remote_read_error(href: str, status: int | None, attempts: int) -> RemoteReadError:
    return RemoteReadError(href, status=status, attempts=attempts)


def _missing_extra_error(extra: str, purpose: str) -> MissingExtraError:
    return MissingExtraError(extra, purpose=purpose)


_USERINFO = re.compile(r"((?<=:)[/\\]+|(?<![^\s'\"(=,])[/\\]{2,})[^/\\?#\s]*@")
"""User and password, after a scheme or at the start of an href that leaves its scheme out."""
_NO_PORT = re.compile(r"((?<=:)[/\\]+)[^/\\?#\s@:\[]*:(?!\d*(?:[\s/?#'\"<>,.;:)\]}]|\Z))\S*")
"""A colon that no port follows: a password with a slash or question mark in it."""
_MARK = (
    r"(\?|%3[Ff]|(?<=\S)#(?=\S)|;(?=[^\s/;]*=)"
    r"|(?i:sig|signature|token|password|passwd|pwd|secret|credential|access_?key|account_?key|api_?key)(?:=|%3[Dd]))"
)
"""What stands before a secret: a query, a fragment, a parameter of the path, a name that says so."""
_HREF_TAIL = re.compile(_MARK + r"\S*")
_TEXT_TAIL = re.compile(_MARK + r"(?:[^\s'\"<>]|['\"<>](?=[\w%&=+/.\-]))*")


def redact(href: str) -> str:
    """Remove what may be secret from an href, or from the hrefs in a message: host and path stay.

    User names and passwords go, and everything from a query, a fragment, a
    parameter of the path (``;sig=…``) or a telling name (``token=…``) to the
    end: that of the href, or in a message the next white space or closing quote.
    """
    tail = _TEXT_TAIL if any(map(str.isspace, href)) else _HREF_TAIL
    return _NO_PORT.sub(r"\1…", tail.sub(r"\1…", _USERINFO.sub(r"\1", href)))
