"""An HTTP server of byte ranges on 127.0.0.1 that fails in every way a server can, and tells what it was asked.

It is a process of its own: what it is asked by a library that holds Python's
lock must be answered too.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import select
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

CONTROL = "/-/"
MOST_WAIT_S = 60.0
"""Of answers that come together, for those that are missing."""
FAULTS = """
a status | reset: without an answer | hang up: without an answer | short: half of the body
stall: no answer until the client hangs up or the fault is taken back | stall body: the same after half of the body
drip: the body byte by byte | drip head | whole: the range is ignored
whole chunked | chunked | until close: the end of the connection ends the body | other range | wrong length
two lengths | compressed | junk: not HTTP | redirect | endless head
""".strip()


SETTINGS: dict[str, Any] = {
    "conditional": True,
    "token": None,
    "etag": True,
    "modified": None,
    "delay": 0,
    "together": 1,
}


class Asked(NamedTuple):
    """One request that came."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    """By lower-case name."""
    time: float
    """``time.monotonic()`` of this machine."""
    connection: int
    """Which connection it came on."""

    @property
    def range(self) -> tuple[int, int] | None:
        """(offset, size) asked for."""
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return None if found is None else (int(found[1]), int(found[2]) + 1 - int(found[1]))


class FaultServer:
    """The server as the tests see it: what is set here holds from the next request on."""

    def __init__(self, url: str) -> None:
        self.url = url

    def serve(self, path: str, data: bytes) -> str:
        """Serve ``data`` at ``path``; returns the URL."""
        self._put(path, data)
        return self.url + path

    def reset(self) -> None:
        """Take all files, faults and settings back, and forget what was asked."""
        self._put(f"{CONTROL}reset", b"")

    def set(self, **settings: Any) -> None:
        """Change ``conditional`` (is If-Match honoured), ``token`` (the only query served), ``etag`` (is one given),
        ``modified`` (Last-Modified), ``delay`` (s), ``together`` (so many requests, from now on, wait for each other
        before the first of them is answered; 500 where the others do not come).
        """
        self._put(f"{CONTROL}settings", json.dumps(settings).encode())

    def fault(
        self, kind: str | int, *, times: int | None = None, after: int = 0, path: str = "/", **detail: Any
    ) -> None:
        """Fail ``times`` times (None: for ever) after ``after`` good answers, at paths that begin with ``path``.

        Args:
            kind: see ``FAULTS``; ``ok`` takes all faults back.
            times: how often.
            after: answers before the first.
            path: where.
            detail: ``every`` (s) of a drip, ``to`` of a redirect, ``headers`` of a status.
        """
        rule = {"kind": kind, "times": times, "after": after, "path": path, **detail}
        self._put(f"{CONTROL}fault", json.dumps(rule).encode())

    def asked(self) -> list[Asked]:
        """Give what came since the last time."""
        with urllib.request.urlopen(f"{self.url}{CONTROL}log") as answer:
            return [Asked(*each) for each in json.load(answer)]

    def _put(self, path: str, data: bytes) -> None:
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data, method="PUT")) as answer:
            answer.read()


class Signing:
    """Signs with a token, with the next one at each call as long as there are more; counts the calls."""

    def __init__(self, *tokens: str) -> None:
        self.tokens, self.asked = list(tokens), 0

    def __call__(self, href: str) -> str:
        self.asked += 1
        token = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
        return f"{href}?{token}"


def told_by(error: BaseException) -> str:
    """Everything that an error says, with what it came from."""
    return "".join(traceback.format_exception(error))


@contextmanager
def serving_faults() -> Iterator[FaultServer]:
    """Run a server for as long as the block lasts."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield FaultServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.came = threading.Condition()
        self.reset()

    def reset(self) -> None:
        self.files: dict[str, bytes] = {}
        self.settings = dict(SETTINGS)
        self.rules: list[dict[str, Any]] = []
        self.log: list[list[Any]] = []
        self.count = 0
        """Requests since a setting was last changed."""

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client goes away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == f"{CONTROL}reset":
            with self.server.came:
                self.server.reset()
        elif self.path == f"{CONTROL}settings":
            with self.server.came:
                self.server.settings |= json.loads(data)
                self.server.count = 0
        elif self.path == f"{CONTROL}fault":
            rule = json.loads(data)
            self.server.rules = [] if rule["kind"] == "ok" else [*self.server.rules, rule]
        else:
            self.server.files[self.path] = data
        self.plain(204)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.path == f"{CONTROL}log":
            with self.server.came:
                log, self.server.log = self.server.log, []
            self.plain(200, json.dumps(log).encode())
            return
        path, _, query = self.path.partition("?")
        path = re.sub(r"^http://[^/]*", "", path)  # asked as a proxy
        path = path.replace("%2E", ".")  # as Google's store is asked
        headers = {name.lower(): value for name, value in self.headers.items()}
        with self.server.came:
            came = time.monotonic()
            self.server.log.append([self.command, path, query, headers, came, self.client_address[1]])
            rule = self.due(path)
            are_together = self.gathered()
        time.sleep(self.server.settings["delay"])
        if not are_together:
            self.plain(500)
        elif self.server.settings["token"] not in {None, query}:
            self.plain(403)
        elif rule is not None and (isinstance(rule["kind"], int) or rule["kind"] == "redirect"):
            more = rule.get("headers", {}) | ({"Location": rule["to"]} if "to" in rule else {})
            self.plain(302 if rule["kind"] == "redirect" else rule["kind"], b"sorry, sig=HUSHHUSH", more)
        elif path not in self.server.files:
            self.plain(404)
        else:
            self.give(self.server.files[path], rule or {"kind": "ok"})

    def gathered(self) -> bool:
        """Wait until as many requests as are to be answered together have come; the caller holds the lock."""
        self.server.count += 1
        self.server.came.notify_all()
        together: int = self.server.settings["together"]
        all_of_them = -(-self.server.count // together) * together
        return self.server.came.wait_for(lambda: self.server.count >= all_of_them, MOST_WAIT_S)

    def due(self, path: str) -> dict[str, Any] | None:
        """Find the first fault that applies; the caller holds the lock."""
        for rule in self.server.rules:
            if not path.startswith(rule["path"]) or rule["times"] == 0:
                continue
            if rule["after"] > 0:
                rule["after"] -= 1
                continue
            if rule["times"] is not None:
                rule["times"] -= 1
            return rule
        return None

    def give(self, data: bytes, rule: dict[str, Any]) -> None:
        kind = rule["kind"]
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if kind in {"reset", "hang up", "stall", "junk", "endless head"}:
            self.no_answer(rule)
            return
        if self.server.settings["conditional"] and self.headers.get("If-Match", etag) != etag:
            self.plain(412)
            return
        first, stop = 0, len(data)
        wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        ranged = wanted is not None and not kind.startswith("whole")
        if wanted is not None and ranged:
            first, stop = int(wanted[1]), min(int(wanted[2]) + 1, len(data))
            if first >= stop:
                self.plain(416, b"", {"Content-Range": f"bytes */{len(data)}"})
                return
        body = data[first:stop]
        headers = {"ETag": etag} if self.server.settings["etag"] else {}
        modified = self.server.settings["modified"]
        headers |= {} if modified is None else {"Last-Modified": modified}
        if ranged:
            shift = 7 if kind == "other range" else 0
            headers["Content-Range"] = f"bytes {first + shift}-{stop - 1 + shift}/{len(data) + shift}"
        headers |= {"Content-Encoding": "gzip"} if kind == "compressed" else {}
        length = len(body) - (3 if kind == "wrong length" else 0)
        if "chunked" in kind:
            headers["Transfer-Encoding"] = "chunked"
        elif kind == "until close":
            headers["Connection"] = "close"
        else:
            headers["Content-Length"] = str(length)
        if kind == "two lengths":
            headers["Transfer-Encoding"] = "chunked"
        self.send(206 if ranged else 200, headers, body, rule)

    def send(self, status: int, headers: dict[str, str], body: bytes, rule: dict[str, Any]) -> None:
        kind, every = rule["kind"], rule.get("every", 0.1)
        lines = [f"HTTP/1.1 {status} X", *(f"{name}: {value}" for name, value in headers.items())]
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if kind == "drip head":
            self.drip(head, every)
        self.wfile.write(b"" if kind == "drip head" else head)
        if self.command == "HEAD":
            return
        if "chunked" in kind:
            for start in range(0, len(body), 1000):
                piece = body[start : start + 1000]
                self.wfile.write(f"{len(piece):x};x=y\r\n".encode() + piece + b"\r\n")
            self.wfile.write(b"0\r\nTrailer: x\r\n\r\n")
        elif kind == "drip":
            self.drip(body, every)
        elif kind in {"short", "stall body"}:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if kind == "stall body":
                self.stall(rule)
        else:
            self.wfile.write(body)
        self.wfile.flush()
        self.close_connection = kind in {"short", "stall body", "until close", "drip", "two lengths"}

    def drip(self, data: bytes, every: float) -> None:
        for number in range(len(data)):
            self.wfile.write(data[number : number + 1])
            self.wfile.flush()
            time.sleep(every)

    def stall(self, rule: dict[str, Any]) -> None:
        """Wait until the client hangs up, or the fault is taken back."""
        while any(each is rule for each in self.server.rules):
            if select.select([self.connection], [], [], 0.02)[0]:
                return

    def no_answer(self, rule: dict[str, Any]) -> None:
        kind = rule["kind"]
        self.close_connection = True
        if kind == "stall":
            self.stall(rule)
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif kind == "junk":
            self.wfile.write(b"220 mail.example.com ESMTP\r\n\r\n")
        elif kind == "endless head":
            self.wfile.write(b"HTTP/1.1 206 X\r\n" + b"X-Filler: y\r\n" * 20_000)

    def plain(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode() + (b"" if self.command == "HEAD" else body))
        self.wfile.flush()


if __name__ == "__main__":
    with _Server() as running:
        sys.stdout.write(f"{running.server_port}\n")
        sys.stdout.flush()
        running.serve_forever()
