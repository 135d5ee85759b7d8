"""One try to get a byte range of one version of an object, from an HTTP server or an object store.

Rules:

- a version already known is sent as a condition (RFC 9110 section 13.1), and
  what the answer says of itself is compared with it before its body is taken;
- an answer counts only where it says that it is the range asked for. A server
  that ignores ranges is read up to the range, where that is less than ``WHOLE``
  bytes, and hung up on;
- redirects are followed to where ``require_redirect`` allows, and nowhere else;
- memory is taken for what an answer says it holds, never for more than was
  asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urljoin

import numpy as np

from stacchip_osml.errors import ReadError, redact
from stacchip_osml.imagery.network.connection_pool import connected, rest
from stacchip_osml.imagery.network.connections import Body, Call, Connection
from stacchip_osml.imagery.network.http1 import AnswerError, Head, place_of
from stacchip_osml.imagery.network.stores import Patience, key_of, obstore, shared_store
from stacchip_osml.imagery.network.version import TRANSIENT, RemoteStamp, require_redirect

__all__ = ["WHOLE", "Ask", "Part", "RangeError", "get_range"]

WHOLE = 1 << 24
"""Bytes read of an object at most to get at a range of it where the server ignores ranges."""
HOPS = 5
REDIRECTS = frozenset({301, 302, 303, 307, 308})
_STATUS_SAID = re.compile(r"status code: ([1-5][0-9]{2})\b")

Admit = Callable[[RemoteStamp], None]
"""Compares an answer's version with the one wanted; raises AssetChanged."""


class Ask(NamedTuple):
    """What is asked for in one try."""

    offset: int
    """First byte."""
    size: int
    """Bytes, at least 1."""
    version: RemoteStamp | None
    """The one wanted, as far as it is known."""
    admit: Admit
    """Is shown the version of what came, before its body is taken."""
    call: Call
    """Until when."""
    again: bool = False
    """This is not the first try."""
    refused: bool = False
    """The try before was refused: a store is to look for new credentials."""


class Part(NamedTuple):
    """What one try got."""

    data: memoryview
    """Fewer bytes than asked for only where the object ends."""
    size_bytes: int | None
    """Of the whole object, where the answer says."""
    url: str
    """Where it came from in the end."""


class RangeError(Exception):
    """A try that failed. Never leaves the package."""

    def __init__(self, why: str, *, status: int | None, again: bool, pause_s: float = 0.0) -> None:
        """Say what happened.

        Args:
            why: for people, without secrets.
            status: of the answer; None where there was none.
            again: another try may go well.
            pause_s: how long the server wants to be left alone.
        """
        super().__init__(why)
        self.status = status
        self.again = again
        self.pause_s = pause_s


def get_range(url: str, ask: Ask) -> Part:
    """Try to get bytes of an object.

    Args:
        url: ``http(s)://``, ``s3://``, ``gs://`` or ``az://``, signed where it needs to be.
        ask: which bytes, of which version, until when.

    Raises:
        RangeError: it failed.
        ReadError: it leads where images are not read from; what ``ask.admit`` raises.
        CancelledError: nobody waits any more.
    """
    return _http_range(url, ask) if url.startswith(("http://", "https://")) else _store_range(url, ask)


# ---- HTTP


def _http_range(url: str, ask: Ask) -> Part:
    condition = None if ask.version is None else ask.version.condition()
    name, _, value = (condition or "").partition(": ")
    more = {name: value} if value else {}
    for _ in range(HOPS + 1):
        found = _once(url, ask, more)
        if isinstance(found, Part):
            return found
        require_redirect(url, found)
        url = found
    raise RangeError(f"more than {HOPS} redirects, one after the other", status=None, again=False)


def _once(url: str, ask: Ask, more: dict[str, str]) -> Part | str:
    """Ask one server; gives what it gave, or where it leads."""
    place, call = place_of(url), ask.call
    head: Head | None = None
    connection: Connection | None = None
    keep = False
    try:
        connection = connected(place, call)
        call.use(connection)
        connection.ask(place, ask.offset, ask.size, more=more, call=call)
        head = connection.read_head(call)
        body = Body(connection, head, call)
        try:
            found = _taken(url, head, body, ask)
        except RangeError:
            keep = body.is_over()
            raise
        keep = body.is_over()
    except ReadError:
        raise
    except OSError as error:
        # A certificate that is not trusted is not trusted the next time either.
        again = "CERTIFICATE_VERIFY_FAILED" not in str(error)
        why = redact(str(error)) or type(error).__name__
    else:
        return found
    finally:
        if connection is not None:
            call.use(None)
            if keep and not call.cancelled:
                rest(connection)
            elif not call.cancelled:
                connection.close()
    # Out here, because what it comes from holds the stack, and so the connection and bytes.
    raise RangeError(why, status=None if head is None else head.status, again=again)


def _taken(url: str, head: Head, body: Body, ask: Ask) -> Part | str:
    if head.status in REDIRECTS and "location" in head.headers:
        return urljoin(url, head.headers["location"])
    span = head.span
    if head.status == 416 and span is not None and span.total is not None and ask.offset >= span.total:
        ask.admit(_stamp_of(head, span.total))
        return Part(memoryview(b""), span.total, url)
    if head.status not in {200, 206}:
        again = head.status in TRANSIENT
        raise RangeError(f"status {head.status}", status=head.status, again=again, pause_s=_pause_wanted(head))
    if head.headers.get("content-encoding", "identity").lower() != "identity":
        raise RangeError("the answer is compressed, though that was not asked for", status=head.status, again=False)
    if head.status == 200:
        return _taken_from_whole(url, head, body, ask)
    if span is None or span.first != ask.offset or span.last is None:
        raise RangeError("the answer is another range than was asked for", status=206, again=True)
    held = span.last + 1 - ask.offset
    wanted = ask.size if span.total is None else min(ask.size, span.total - ask.offset)
    if head.length not in {None, held} or held < wanted:
        raise RangeError(
            f"an answer of {head.length} bytes says that it has {held} of {wanted}", status=206, again=True
        )
    ask.admit(_stamp_of(head, span.total))
    data = _memory(min(held, wanted))
    if body.read_into(data) < len(data):
        raise AnswerError("the body is shorter than its range")
    return Part(data, span.total, url)


def _taken_from_whole(url: str, head: Head, body: Body, ask: Ask) -> Part:
    """Read a range out of an answer that is the whole object."""
    ask.admit(replace(_stamp_of(head, head.length), is_whole=True))
    wanted = ask.size if head.length is None else min(ask.size, max(head.length - ask.offset, 0))
    if wanted > 0 and ask.offset + wanted > WHOLE:
        raise RangeError(
            f"the server ignores ranges, and bytes {ask.offset} to {ask.offset + wanted} lie beyond the first {WHOLE}",
            status=200,
            again=False,
        )
    if wanted == 0 or body.skip(ask.offset) < ask.offset:
        return Part(memoryview(b""), head.length, url)
    data = _memory(wanted)
    return Part(data[: body.read_into(data)], head.length, url)


def _memory(size: int) -> memoryview:
    return np.empty(size, np.uint8).data


def _stamp_of(head: Head, total: int | None) -> RemoteStamp:
    return RemoteStamp(size_bytes=total, etag=head.headers.get("etag"), modified=head.headers.get("last-modified"))


def _pause_wanted(head: Head) -> float:
    said = head.headers.get("retry-after", "")
    return float(said) if said.isdigit() and len(said) < 6 else 0.0


# ---- object stores


def _store_range(url: str, ask: Ask) -> Part:
    library = obstore()
    try:
        ask.call.patience(0)
        answer = library.get(_store_for(url, ask), key_of(url), options=_options(ask))
        meta = answer.meta
        size = int(meta["size"])
        ask.admit(RemoteStamp(size_bytes=size, etag=meta.get("e_tag"), modified=_http_date(meta["last_modified"])))
        first, stop = answer.range
        wanted = min(ask.offset + ask.size, size)
        if first == ask.offset and stop >= wanted:
            data = memoryview(answer.bytes())[: wanted - ask.offset]
            if len(data) == wanted - ask.offset:
                return Part(data, size, url)
        failure = RangeError("the answer is another range than was asked for", status=206, again=True)
    except (library.exceptions.BaseError, OSError, ValueError) as error:
        if isinstance(error, ReadError):
            raise
        if _is_past_end(error):
            return Part(memoryview(b""), None, url)
        failure = _failure_of(error, library)
    raise failure  # out here, so that what the library said does not go along


def _store_for(url: str, ask: Ask) -> Any:
    patience = Patience.once(ask.call.fetch, again=ask.again)
    store = shared_store(url, patience)
    return shared_store(url, patience, instead_of=store) if ask.refused else store


def _options(ask: Ask) -> dict[str, Any]:
    options: dict[str, Any] = {"range": (ask.offset, ask.offset + ask.size)}
    name, _, value = ((None if ask.version is None else ask.version.condition()) or "").partition(": ")
    if name == "If-Match":
        options["if_match"] = value
    elif name:
        from email.utils import parsedate_to_datetime

        options["if_unmodified_since"] = parsedate_to_datetime(value).astimezone(UTC)
    return options


def _http_date(when: datetime) -> str | None:
    """Spell a time as HTTP does; the library says 1970 where the store said nothing."""
    return f"{when:%a, %d %b %Y %H:%M:%S GMT}" if when.timestamp() > 0 else None


def _is_past_end(error: BaseException) -> bool:
    return "status code: 416" in str(error)


def _failure_of(error: BaseException, library: Any) -> RangeError:
    """Translate what a store said; its text may hold a signature, and so is left out."""
    errors = library.exceptions
    if isinstance(error, FileNotFoundError):
        return RangeError("no such object", status=404, again=False)
    if isinstance(error, errors.PreconditionError):
        return RangeError("another version", status=412, again=False)
    if isinstance(error, errors.NotSupportedError) or "non-partial response" in str(error):
        return RangeError("the store ignores ranges", status=200, again=False)
    if isinstance(error, ValueError | errors.InvalidPathError):
        return RangeError("a key that the store's library does not know how to ask for", status=None, again=False)
    said = _STATUS_SAID.search(str(error))
    if said is not None:
        status = int(said[1])
    elif isinstance(error, errors.UnauthenticatedError):
        status = 401
    elif isinstance(error, errors.PermissionDeniedError | PermissionError):
        status = 403
    else:
        why = redact(str(error).partition("\n")[0])
        return RangeError(why, status=None, again=True)
    return RangeError(f"status {status}", status=status, again=status in TRANSIENT)
