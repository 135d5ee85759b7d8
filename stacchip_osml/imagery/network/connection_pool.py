"""Connections that are kept open between requests, and how new ones are made.

Rules:

- those at rest wait, ``MOST_RESTING`` at most, for the next request to the same
  server. One that has something to say while at rest was closed by the server,
  and is not used;
- looking up a name waits as long as the system's resolver does; whatever comes
  after is within the request's deadline;
- proxies are those of the environment (``https_proxy``, ``no_proxy`` …), trust is
  the system's (``SSL_CERT_FILE`` …), as for the GDAL reader;
- a forked child forgets its parent's connections without touching them.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import OrderedDict
from functools import lru_cache
from typing import TYPE_CHECKING

from stacchip_osml.imagery.network.connections import Call, Connection, Server
from stacchip_osml.imagery.network.http1 import AnswerError, Place, place_of

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["MOST_RESTING", "close_idle_connections", "connected", "rest"]

MOST_RESTING = 64
"""Connections kept open while no request uses them; each thread in a request has one more."""


class _Resting:
    """Connections that no request uses; the one used longest ago goes first."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.lock = threading.Lock()
        self.by_server: OrderedDict[Server, list[Connection]] = OrderedDict()
        self.count = 0

    def take(self, server: Server) -> Connection | None:
        while True:
            with self.lock:
                waiting = self.by_server.get(server)
                if not waiting:
                    return None
                found = waiting.pop()
                self.count -= 1
                if not waiting:
                    del self.by_server[server]
            if found.is_fresh():
                return found
            found.close()

    def put(self, connection: Connection) -> None:
        connection.rested = time.monotonic()
        surplus = None
        with self.lock:
            self.by_server.setdefault(connection.server, []).append(connection)
            self.by_server.move_to_end(connection.server)
            self.count += 1
            if self.count > MOST_RESTING:
                server, waiting = next(iter(self.by_server.items()))
                surplus = waiting.pop(0)
                self.count -= 1
                if not waiting:
                    del self.by_server[server]
        if surplus is not None:
            surplus.close()

    def clear(self) -> None:
        with self.lock:
            waiting = [each for several in self.by_server.values() for each in several]
            self.by_server.clear()
            self.count = 0
        for each in waiting:
            each.close()


_RESTING = _Resting()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_RESTING.reset)


def close_idle_connections() -> None:
    """Close every connection that no request is using."""
    _RESTING.clear()


def rest(connection: Connection) -> None:
    """Keep a connection whose last answer was read to its end."""
    _RESTING.put(connection)


def connected(place: Place, call: Call) -> Connection:
    """Give a connection to a server: one at rest, or a new one.

    Raises:
        OSError: the server, or the proxy before it, cannot be reached in time, or its certificate is not trusted.
    """
    server = Server(place.secure, place.host, place.port)
    found = _RESTING.take(server)
    if found is not None:
        return found
    proxy = _proxy_for(place)
    opened = _dial(place if proxy is None else proxy, call)
    try:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if place.secure:
            if proxy is not None:
                _tunnel(opened, place, proxy, call)
            opened.settimeout(call.patience(call.fetch.connect_s))
            opened = _trust().wrap_socket(opened, server_hostname=place.host)
    except BaseException:
        opened.close()
        raise
    return Connection(server, opened, proxy=None if place.secure else proxy)


def _proxy_for(place: Place) -> Place | None:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None
    from urllib.request import getproxies, proxy_bypass

    proxy = getproxies().get("https" if place.secure else "http")
    if not proxy or proxy_bypass(place.host):
        return None
    return place_of(proxy if "://" in proxy else f"http://{proxy}")


def _dial(goal: Place, call: Call) -> socket.socket:
    until = time.monotonic() + call.patience(call.fetch.connect_s)
    failure: OSError = OSError(f"{goal.host} has no address")
    name = goal.host.encode("ascii")  # as text it would be made ASCII once more, by a codec that has to be imported
    for family, kind, protocol, _, address in socket.getaddrinfo(name, goal.port, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(max(until - time.monotonic(), 0.001))
            opened.connect(address)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure


def _tunnel(opened: socket.socket, place: Place, proxy: Place, call: Call) -> None:
    """Have a proxy pass everything on (RFC 9110 section 9.3.6)."""
    through = f"{place.authority}" if ":" in place.authority.rpartition("]")[2] else f"{place.authority}:{place.port}"
    lines = f"CONNECT {through} HTTP/1.1\r\nHost: {through}\r\n"
    if proxy.credentials is not None:
        lines += f"Proxy-Authorization: {proxy.credentials}\r\n"
    connection = Connection(Server(proxy.secure, proxy.host, proxy.port), opened)
    connection.send(f"{lines}\r\n".encode("latin-1"), call)
    status = connection.read_head(call).status
    connection.let_go()
    if status != 200:
        raise AnswerError(f"the proxy answered with status {status}")


@lru_cache(maxsize=1)
def _trust() -> SSLContext:
    import ssl

    return ssl.create_default_context()
