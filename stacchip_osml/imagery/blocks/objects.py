"""Bytes of one version of a remote object: asked for again where that may help, never of two versions.

Rules:

- the version is what was expected, and what the first answer said. Every later
  request carries it as a condition, and every answer is compared with it, so
  that a server that ignores conditions is noticed too. **Not noticed** is a
  change that leaves size, ETag and Last-Modified alike;
- transient failures (``TRANSIENT`` statuses, a lost connection, a short body, a
  wait too long) are tried again ``FetchLimits.attempts`` times in all, with
  pauses; nothing is begun after ``total_s``, and nothing lasts longer but a try
  of a store that was begun late (``try_s`` more);
- a refusal (401, 403) has the object signed again, or the store look for new
  credentials, once for each request; together for all that were refused at once;
- where a redirect led is remembered for ``REDIRECT_S``, and forgotten when it
  fails;
- messages name the object, unsigned.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from stacchip_osml.errors import AssetChanged, AssetMissing, DecodeError, LimitError, ReadError, RemoteReadError, redact
from stacchip_osml.imagery.blocks.ranges import Ask, Part, RangeError, get_range
from stacchip_osml.imagery.format import HEAD_BYTES, OPENING_BYTES
from stacchip_osml.imagery.limits import FetchLimits
from stacchip_osml.imagery.location import is_remote, require_location
from stacchip_osml.imagery.network.connections import Call
from stacchip_osml.imagery.network.stores import LONGEST_PAUSE_S
from stacchip_osml.imagery.network.version import RemoteStamp

__all__ = ["MOST_BYTES", "RemoteObject", "read_remote_head"]

MOST_BYTES = 1 << 30
"""Of one request."""
REDIRECT_S = 60.0
REFUSED = frozenset({401, 403})
GONE = frozenset({404, 410})


class _Target(NamedTuple):
    """What is really asked, and where that led lately."""

    url: str
    led_to: str
    until: float
    """``time.monotonic()`` when the redirect is forgotten."""


class _Turn:
    """A lock that a forked child does not inherit locked."""

    __slots__ = ("_lock", "_pid")

    def __init__(self) -> None:
        self._lock, self._pid = threading.Lock(), os.getpid()

    def lock(self) -> threading.Lock:
        """Give the lock of this process."""
        if self._pid != os.getpid():
            self._lock, self._pid = threading.Lock(), os.getpid()
        return self._lock


class RemoteObject:
    """One remote object; safe for threads, asked for when first read."""

    __slots__ = ("_expect", "_head", "_seen", "_sign", "_target", "_turn", "fetch", "location", "name")

    def __init__(
        self,
        location: str,
        *,
        sign: Callable[[str], str] | None = None,
        fetch: FetchLimits | None = None,
        expect_size: int | None = None,
        expect_etag: str | None = None,
    ) -> None:
        """Name the object; nothing is asked for yet.

        Args:
            location: ``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL, unsigned.
            sign: turns ``location`` into what is really asked for; picklable if the object is to be.
            fetch: how long and how often to ask; None for the defaults.
            expect_size: bytes when indexed, None where unknown.
            expect_etag: ETag when indexed, with its quotes; None where unknown.

        Raises:
            ReadError: not a URL that is served.
        """
        self.location = require_location(location)
        self.name = redact(location)
        if not is_remote(location):
            raise ReadError(f"{self.name}: not a remote object")
        self.fetch = FetchLimits() if fetch is None else fetch
        self._sign = sign
        self._expect = RemoteStamp(size_bytes=expect_size, etag=expect_etag)
        self._seen: list[RemoteStamp] = []  # the first one counts, whichever thread was first
        self._head: bytes | None = None
        self._target: _Target | None = None
        self._turn = _Turn()

    def __reduce__(self) -> tuple[object, ...]:
        expect: dict[str, Any] = {"expect_size": self._expect.size_bytes, "expect_etag": self._expect.etag}
        return partial(RemoteObject, self.location, sign=self._sign, fetch=self.fetch, **expect), ()

    def __repr__(self) -> str:
        return f"RemoteObject({self.name!r})"

    # ---- which version

    @property
    def stamp(self) -> RemoteStamp:
        """What the server says of the version that is read; it is asked the first time only.

        What it is asked for are the first bytes, which the next read of the object's head then has already.

        Raises:
            ReadError: as ``read_at``.
        """
        if not self._seen:
            self._head = self.read_at(0, OPENING_BYTES)
        return self._seen[0] if self._seen else self._expect

    def opening(self) -> tuple[bytes, RemoteStamp]:
        """Give the first bytes, and the version that they are of; held until ``forget_head`` or pixels are read.

        Raises:
            ReadError: as ``read_at``.
        """
        stamp = self.stamp
        if self._head is None:
            self._head = self.read_at(0, OPENING_BYTES)
        return self._head, stamp

    def forget_head(self) -> None:
        """Let go of the first bytes: there may be very many objects."""
        self._head = None

    @property
    def version(self) -> tuple[object, ...]:
        """What no other version of the object has, the same before and after it was first read.

        Raises:
            ReadError: as ``read_at``, where the server must be asked.
        """
        etag = self._expect.etag or self.stamp.etag
        return (self.stamp.size_bytes, self.stamp.modified) if etag is None else (etag,)

    @property
    def size(self) -> int | None:
        """Bytes of the object; None where the server does not say.

        Raises:
            ReadError: as ``read_at``, where it must be asked for.
        """
        known = self._expect.size_bytes
        return self.stamp.size_bytes if known is None else known

    def check(self) -> None:
        """Do nothing: every answer is checked when it comes."""

    def _wanted(self) -> RemoteStamp:
        return self._seen[0] if self._seen else self._expect

    def _admit(self, found: RemoteStamp) -> None:
        if found.differs_from(self._expect):
            raise AssetChanged(f"{self.name}: the object is not the one that was indexed")
        if not self._seen:
            self._seen.append(found)
        if found.differs_from(self._seen[0]):
            raise AssetChanged(f"{self.name}: the object changed since it was first read")

    # ---- bytes

    def read_at(self, offset: int, size: int) -> bytes:
        """Read bytes, fewer at the end of the object.

        Raises:
            AssetMissing: there is no such object.
            AssetChanged: it is another version.
            RemoteReadError: the server did not give them.
            LimitError: more than ``MOST_BYTES``.
        """
        head = self._head
        if head is not None and (offset + size <= len(head) or len(head) == self._wanted().size_bytes):
            return head[offset : offset + size]
        return bytes(self.part(offset, size, Call(self.fetch)))

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Read bytes into a buffer; returns how many there were, fewer at the end of the object.

        Raises:
            ReadError: as ``read_at``.
        """
        found = self.part(offset, len(buffer), Call(self.fetch))
        buffer[: len(found)] = found
        return len(found)

    def read_exactly(self, offset: int, size: int, call: Call | None = None) -> memoryview:
        """Read bytes that must be there.

        Raises:
            DecodeError: the object ends before, naming the range and where it ends.
            ReadError: as ``read_at``.
        """
        self._head = None
        found = self.part(offset, size, Call(self.fetch) if call is None else call)
        if len(found) < size:
            total = self._wanted().size_bytes
            end = offset + len(found) if total is None else total
            raise DecodeError(f"{self.name}: bytes {offset} to {offset + size} are wanted, the object ends at {end}")
        return found

    def part(self, offset: int, size: int, call: Call) -> memoryview:
        """Read bytes, fewer at the end of the object.

        Args:
            offset: first byte.
            size: bytes, at most ``MOST_BYTES``.
            call: until when, and how to end it from another thread.

        Raises:
            ReadError: as ``read_at``.
            CancelledError: ``call`` was cancelled.
        """
        known = self._wanted().size_bytes
        within = size if known is None else min(size, known - offset)
        if offset < 0 or within <= 0:
            return memoryview(b"")
        if within > MOST_BYTES:
            raise LimitError(f"{self.name}: a request of {within} bytes, more than {MOST_BYTES}")
        return self._persistently(offset, within, call).data

    def _persistently(self, offset: int, size: int, call: Call) -> Part:
        """Try until it succeeds, cannot succeed, or was tried often enough."""
        tries, failed, refused = 0, 0, False
        while True:
            target = self._led()
            tries += 1
            ask = Ask(offset, size, self._wanted(), self._admit, call, again=failed > 0, refused=refused)
            try:
                part = get_range(target.led_to, ask)
            except RangeError as error:
                failure = error.with_traceback(None)  # it would hold this frame, and so itself and the bytes
            else:
                self._remember(target, part.url)
                return part
            if target.led_to != target.url:  # where the redirect led does not serve it any more: ask anew
                self._forget(target)
                if failure.status in REFUSED | GONE:
                    continue
            if failure.status in REFUSED and not refused and self._renewed(target):
                refused = True
                continue
            failed += 1
            pause = min(self.fetch.backoff_s * 2 ** (failed - 1) * (1 + random.random()), LONGEST_PAUSE_S)  # noqa: S311 - jitter
            pause = max(pause, min(failure.pause_s, LONGEST_PAUSE_S))
            if not failure.again or failed >= self.fetch.attempts or call.left <= pause:
                raise self._final(failure, tries) from OSError(str(failure))
            call.pause(pause)

    def _final(self, failure: RangeError, tries: int) -> ReadError:
        if failure.status in GONE:
            return AssetMissing(f"{self.name}: status {failure.status}")
        if failure.status == 412:
            return AssetChanged(f"{self.name}: the object changed since it was first read")
        return RemoteReadError(self.location, status=failure.status, attempts=tries)

    # ---- what is really asked

    def _led(self) -> _Target:
        """Give what to ask: signed, and where a redirect led lately."""
        target = self._target
        if target is None:
            with self._turn.lock():
                target = self._target
                if target is None:
                    target = self._target = self._signed()
        if target.led_to != target.url and time.monotonic() > target.until:
            return target._replace(led_to=target.url)
        return target

    def _signed(self) -> _Target:
        if self._sign is None:
            return _Target(self.location, self.location, 0.0)
        try:
            url = require_location(self._sign(self.location))
        except ReadError:
            raise
        except Exception as error:  # whatever a caller's function raises, one object fails and the others do not
            raise ReadError(f"{self.name}: signing it failed, {type(error).__name__}") from error
        if not is_remote(url):
            raise ReadError(f"{self.name}: signing it gave a local file")
        return _Target(url, url, 0.0)

    def _renewed(self, refused: _Target) -> bool:
        """Sign again, unless somebody did since; tell whether there is something new to try."""
        if self._sign is None:
            return not self.location.startswith(("http://", "https://"))
        with self._turn.lock():
            if self._target is None or self._target.url == refused.url:
                self._target = self._signed()
        return True

    def _remember(self, target: _Target, led_to: str) -> None:
        if led_to != target.led_to:
            self._target = _Target(target.url, led_to, time.monotonic() + REDIRECT_S)

    def _forget(self, target: _Target) -> None:
        if self._target == target:
            self._target = target._replace(led_to=target.url)


def read_remote_head(location: str, fetch: FetchLimits, *, size: int = HEAD_BYTES) -> tuple[bytes, RemoteStamp]:
    """Read the first bytes of an object.

    Args:
        location: as ``require_location`` accepts it, signed where it needs to be.
        fetch: how long and how often to ask.
        size: how many.

    Returns:
        The bytes (fewer where the object is shorter), and which version they are of.

    Raises:
        AssetMissing: there is no such object.
        RemoteReadError: the server did not give it.
    """
    target = RemoteObject(location, fetch=fetch)
    return target.read_at(0, size), target.stamp
