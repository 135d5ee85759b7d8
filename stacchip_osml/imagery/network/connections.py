"""Connections to HTTP servers: blocking sockets, every wait limited.

Rules:

- a connection serves one thread and one request at a time;
- each wait ends after ``idle_s``, and at the request's deadline, whichever is
  first, for heads and bodies alike: a server that drips gains no time;
- a request is hung up from any thread, at once, whatever it waits for; but not
  from the child of a fork, whose parent has the same connection.
"""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import NamedTuple

from stacchip_osml.imagery.limits import FetchLimits
from stacchip_osml.imagery.network.http1 import AnswerError, Head, Place, chunk_size, parse_head, request_for

__all__ = ["Body", "Call", "CancelledError", "Connection", "Server"]

REST_S = 30.0
"""Longest rest: servers hang up after a minute or less."""
MOST_HEAD = 1 << 16
"""Bytes of an answer's head."""
PIECE = 1 << 14
"""Bytes received at a time while it is not known what comes."""
SMALL = 1 << 16
"""Bytes of a body that is read to its end for the sake of the connection."""


class CancelledError(Exception):
    """Nobody waits for this request any more. Never leaves the package."""


class Call:
    """One request on its way: until when, and what to hang up when nobody wants it any more.

    There is no lock in it: ``cancel`` may come from the end of an object, in
    the middle of anything. Whoever carries the request out looks at
    ``cancelled`` after it let go of a connection, and if so neither uses nor
    closes it: it closes when the last who holds it lets go.
    """

    __slots__ = ("_connection", "_pid", "_wake", "cancelled", "deadline", "fetch")

    def __init__(self, fetch: FetchLimits) -> None:
        """Start the clock."""
        self.fetch = fetch
        self.deadline = time.monotonic() + fetch.total_s
        self.cancelled = False
        self._pid = os.getpid()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._connection: Connection | None = None

    @property
    def left(self) -> float:
        """Seconds until the deadline; negative after it."""
        return self.deadline - time.monotonic()

    def patience(self, most: float) -> float:
        """Give the seconds that may be waited now.

        Raises:
            TimeoutError: none.
            CancelledError: nobody waits.
        """
        if self.cancelled:
            raise CancelledError
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the time for this request is over")
        return min(most, left)

    def pause(self, seconds: float) -> None:
        """Wait before the next try.

        Raises:
            CancelledError: nobody waits.
        """
        with suppress(Empty):
            self._wake.get(timeout=seconds)
        if self.cancelled:
            raise CancelledError

    def use(self, connection: Connection | None) -> None:
        """Say which connection the request is on.

        Raises:
            CancelledError: nobody waits.
        """
        self._connection = connection
        if connection is not None and self.cancelled:
            raise CancelledError

    def cancel(self) -> None:
        """Hang up; whoever carries the request out sees ``CancelledError``, or an error of the connection."""
        if self._pid != os.getpid():  # the child of a fork: the connection is its parent's
            return
        self.cancelled = True
        self._wake.put(None)
        connection = self._connection
        if connection is not None:
            connection.hang_up()


class Server(NamedTuple):
    """Who is at the other end."""

    secure: bool
    host: str
    port: int


class Connection:
    """A socket to one server, and what came on it and was not read yet."""

    __slots__ = ("_held", "_proxy", "_socket", "rested", "server")

    def __init__(self, server: Server, connected_socket: socket.socket, *, proxy: Place | None = None) -> None:
        """Take over a connected socket.

        Args:
            server: who is at the other end.
            connected_socket: closed with this.
            proxy: who reads the requests and passes them on, unless nobody does.
        """
        self.server = server
        self.rested = 0.0
        self._socket: socket.socket | None = connected_socket
        self._proxy = proxy
        self._held = b""

    def ask(self, place: Place, offset: int, size: int, *, more: Mapping[str, str], call: Call) -> None:
        """Ask for ``size`` bytes from ``offset``, with further headers."""
        if self._proxy is not None:
            place = place._replace(target=f"http://{place.authority}{place.target}")
            if self._proxy.credentials is not None:
                more = {**more, "Proxy-Authorization": self._proxy.credentials}
        self.send(request_for(place, offset, size, more=more), call)

    def send(self, data: bytes, call: Call) -> None:
        """Send bytes."""
        self._ready(call).sendall(data)

    def read_head(self, call: Call) -> Head:
        """Receive an answer's head.

        Raises:
            AnswerError: the server hung up before, or it is none.
            TimeoutError: it did not come in time.
        """
        while True:
            data = self._held
            while (end := data.find(b"\r\n\r\n")) < 0:
                if len(data) > MOST_HEAD:
                    raise AnswerError(f"a head of more than {MOST_HEAD} bytes")
                data += self._receive(call)
            self._held = data[end + 4 :]
            head = parse_head(data[:end])
            if head.status >= 200:
                return head

    def read_line(self, call: Call) -> bytes:
        """Receive a line of a chunked body, without its end."""
        data = self._held
        while (end := data.find(b"\r\n")) < 0:
            if len(data) > PIECE:
                raise AnswerError("a chunk without a size")
            data += self._receive(call)
        self._held = data[end + 2 :]
        return data[:end]

    def read_some(self, view: memoryview, call: Call) -> int:
        """Receive up to ``len(view)`` bytes; 0 where the server hung up."""
        held = self._held
        if held:
            count = min(len(held), len(view))
            view[:count] = held[:count]
            self._held = held[count:]
            return count
        return self._ready(call).recv_into(view)

    def _receive(self, call: Call) -> bytes:
        got = self._ready(call).recv(PIECE)
        if not got:
            raise AnswerError("the server hung up")
        return got

    def _ready(self, call: Call) -> socket.socket:
        """Give the socket, set to wait no longer than the request may."""
        if self._socket is None:
            raise AnswerError("the connection is closed")
        wait = call.patience(call.fetch.idle_s)
        if wait != self._socket.gettimeout():
            self._socket.settimeout(wait)
        return self._socket

    def is_fresh(self) -> bool:
        """Whether a connection at rest may still be used."""
        if self._socket is None or self._held or time.monotonic() - self.rested > REST_S:
            return False
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        return not poll.poll(0)

    def hang_up(self) -> None:
        """End whatever a thread waits for on this connection."""
        waiting = self._socket
        if waiting is not None:
            with suppress(OSError):  # it is over already
                socket.socket.shutdown(waiting, socket.SHUT_RDWR)  # past TLS, which another thread is in

    def let_go(self) -> None:
        """Leave the socket to somebody else."""
        self._socket = None

    def close(self) -> None:
        """Give the descriptor back."""
        if self._socket is not None:
            self._socket.close()

    def __del__(self) -> None:
        self.close()


class Body:
    """The body of an answer, read to its end or not."""

    __slots__ = ("_call", "_chunked", "_connection", "_first", "_keeps", "_left")

    def __init__(self, connection: Connection, head: Head, call: Call) -> None:
        self._connection, self._call = connection, call
        self._chunked, self._first, self._keeps = head.chunked, True, head.keeps_alive
        self._left = 0 if head.chunked else head.length
        """Bytes to the end of the body or chunk; None: to the end of the connection."""

    def read_into(self, view: memoryview) -> int:
        """Receive ``len(view)`` bytes, fewer where the body ends.

        Raises:
            AnswerError: the server hung up before the end that it had named.
            TimeoutError: they did not come in time.
        """
        done = 0
        while done < len(view):
            if self._left == 0 and not self._next_chunk():
                break
            wanted = view[done:] if self._left is None else view[done : done + self._left]
            count = self._connection.read_some(wanted, self._call)
            done += count
            if self._left is not None:
                self._left -= count
            if count == 0:
                if self._left is None:
                    self._left, self._keeps = 0, False
                    break
                raise AnswerError(f"the body ends {self._left} bytes before its end")
        return done

    def skip(self, size: int) -> int:
        """Receive and drop up to ``size`` bytes; returns how many there were."""
        scratch, done = memoryview(bytearray(min(size, SMALL))), 0
        while done < size:
            count = self.read_into(scratch[: size - done])
            if count == 0:
                break
            done += count
        return done

    def is_over(self) -> bool:
        """Read on where little is left; tell whether the connection may be used again."""
        if not self._keeps or self._left is None or self._left > SMALL:
            return False
        if self._left == 0 and not self._chunked:
            return True
        try:
            self.skip(SMALL)
        except (OSError, ValueError):
            return False
        return self._left == 0 and not self._chunked

    def _next_chunk(self) -> bool:
        if not self._chunked:
            return False
        if not self._first and self._connection.read_line(self._call):
            raise AnswerError("a chunk longer than its size")
        self._first = False
        self._left = chunk_size(self._connection.read_line(self._call))
        if self._left:
            return True
        for _ in range(64):
            if not self._connection.read_line(self._call):
                self._chunked = False
                return False
        raise AnswerError("trailers without end")
