"""HTTP/1.1 as bytes: what is sent for a range, what an answer's head says, how its body ends (RFC 9110, RFC 9112).

Pure: bytes in, values out; sockets are elsewhere. An answer that could be read
in two ways (two lengths, a length and chunks, folded lines) is refused.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import quote, unquote, urlsplit

from stacchip_osml.errors import ReadError, redact

__all__ = ["AnswerError", "Head", "Place", "Span", "chunk_size", "parse_head", "place_of", "request_for"]

_STATUS_LINE = re.compile(r"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [^\r\n]*)?")
_CONTENT_RANGE = re.compile(r"bytes (?:([0-9]{1,19})-([0-9]{1,19})|\*)/(?:([0-9]{1,19})|\*)")
_DIGITS = re.compile(r"[0-9]{1,19}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;.*)?")
_LEGAL = "/%:@!$&'()*+,;=~-._"
"""Kept in a path as it stands; a percent sign too: the path is taken as escaped already."""


class AnswerError(OSError):
    """What came is not HTTP, or not to be trusted."""


class Place(NamedTuple):
    """A URL as a request needs it."""

    secure: bool
    host: str
    """In ASCII, without brackets."""
    port: int
    authority: str
    """The Host header."""
    target: str
    """Path and query."""
    credentials: str | None
    """Authorization header for the user named in the URL."""


class Span(NamedTuple):
    """A Content-Range: bytes ``first`` to ``last`` of ``total``; None where it does not say."""

    first: int | None
    last: int | None
    total: int | None


class Head(NamedTuple):
    """Status and headers of an answer."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name; of repeated ones, joined by commas."""
    length: int | None
    """Content-Length; None where the body ends otherwise."""
    chunked: bool
    keeps_alive: bool
    """Whether the connection may be used again once the body is read."""

    @property
    def span(self) -> Span | None:
        """The Content-Range, None where there is none that makes sense."""
        found = _CONTENT_RANGE.fullmatch(self.headers.get("content-range", ""))
        if found is None:
            return None
        first, last, total = (None if each is None else int(each) for each in found.groups())
        if first is not None and last is not None and not first <= last < (last + 1 if total is None else total):
            return None
        return Span(first, last, total)


@lru_cache(maxsize=4096)
def place_of(url: str) -> Place:
    """Take an ``http(s)://`` URL apart.

    Raises:
        ReadError: it has no host, or a port that is none.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        ascii_host = host if host.isascii() else host.encode("idna").decode("ascii")
    except ValueError as error:  # UnicodeError is one
        raise ReadError(f"{redact(url)}: not a URL that can be read") from error
    if not host or not re.fullmatch(r"[!-~]+", ascii_host):
        raise ReadError(f"{redact(url)}: a URL needs a host")
    secure = parts.scheme == "https"
    shown = f"[{ascii_host}]" if ":" in ascii_host else ascii_host
    target = quote(parts.path, safe=_LEGAL) or "/"
    if parts.query:
        target += "?" + quote(parts.query, safe=_LEGAL + "?[]")
    credentials = None
    if parts.username is not None:
        user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        credentials = "Basic " + b64encode(user.encode()).decode("ascii")
    return Place(
        secure=secure,
        host=ascii_host,
        port=port or (443 if secure else 80),
        authority=shown if port is None else f"{shown}:{port}",
        target=target,
        credentials=credentials,
    )


def request_for(place: Place, offset: int, size: int, *, more: Mapping[str, str]) -> bytes:
    """Write a GET of ``size`` bytes from ``offset``."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in more.items()])
    return f"{_beginning(place)}Range: bytes={offset}-{offset + size - 1}\r\n{lines}\r\n".encode("latin-1")


@lru_cache(maxsize=4096)
def _beginning(place: Place) -> str:
    """Write what all requests to one place begin with."""
    headers = {
        "Host": place.authority,
        "Accept": "*/*",
        "Accept-Encoding": "identity",
        "User-Agent": "stacchip-osml",
    }
    if place.credentials is not None:
        headers["Authorization"] = place.credentials
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    return f"GET {place.target} HTTP/1.1\r\n{lines}"


def parse_head(raw: bytes) -> Head:
    """Read an answer's status line and headers, without the empty line that ends them.

    Raises:
        AnswerError: not HTTP/1, or contradictory.
    """
    text = raw.decode("latin-1")
    first, *lines = text.split("\r\n")
    found = _STATUS_LINE.fullmatch(first)
    if found is None:
        raise AnswerError(f"not an HTTP/1 answer; it begins {text[:20]!r}")
    if text.count("\n") + text.count("\r") != 2 * len(lines):
        raise AnswerError("a header line that is none")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name[-1] in " \t" or name[0] in " \t":
            raise AnswerError("a header line that is none")
        name, value = name.lower(), value.strip(" \t")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    status = int(found[2])
    coding = headers.get("transfer-encoding", "").lower()
    length = headers.get("content-length")
    if coding not in {"", "chunked"} or (coding and length is not None):
        raise AnswerError("a body whose end can be read in two ways")
    if length is not None and (_DIGITS.fullmatch(length) is None):
        raise AnswerError("a Content-Length that is no number")
    if status < 200 or status in {204, 304}:
        length, coding = "0", ""
    options = headers.get("connection", "").lower()
    keeps_alive = "close" not in options if found[1] == "1" else "keep-alive" in options
    return Head(
        status=status,
        headers=headers,
        length=None if length is None else int(length),
        chunked=bool(coding),
        keeps_alive=keeps_alive,
    )


def chunk_size(line: bytes) -> int:
    """Read the line before a chunk (RFC 9112 section 7.1).

    Raises:
        AnswerError: not such a line.
    """
    found = _CHUNK.fullmatch(line)
    if found is None:
        raise AnswerError("a chunk without a size")
    return int(found[1], 16)
