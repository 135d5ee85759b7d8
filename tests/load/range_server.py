"""An HTTP server of byte ranges on 127.0.0.1 that can refuse, stall, cut short, and change what it serves.

It is a process of its own: GDAL fetches some bytes while it holds Python's
lock, and a server under the same lock would never answer.
"""

from __future__ import annotations

import hashlib
import http.server
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RangeServer:
    """The server as the tests see it: what is set here, holds from the next request on.

    ``mode``: ``ok``, a status to answer with, ``cut`` (half of each body) or ``stall``; ``after``: requests still
    answered well before it applies; ``times``: how often it applies, None for ever; ``token``: the only query that
    is served, None for any; ``conditional``: whether If-Match is honoured; ``ranges``: whether Range is.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def set(self, **settings: Any) -> None:
        """Change ``mode``, ``after``, ``times``, ``token``, ``conditional`` or ``ranges``."""
        self._put("/", json.dumps(settings).encode())

    def serve(self, path: str, data: bytes) -> None:
        """Serve ``data`` at ``path``."""
        self._put(path, data)

    def _put(self, path: str, data: bytes) -> None:
        with urllib.request.urlopen(urllib.request.Request(self.url + path, data=data, method="PUT")) as answer:
            answer.read()


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.settings: dict[str, Any] = {"mode": "ok", "after": 0, "times": None, "token": None}
        self.settings |= {"conditional": True, "ranges": True}

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing when a client goes away."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server

    def log_message(self, *args: object) -> None:
        """Keep quiet."""

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/":
            self.server.settings |= json.loads(data)
        else:
            self.server.files[self.path] = data
        self.refuse(204)

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, *, body: bool) -> None:
        server = self.server
        settings = server.settings
        path, _, query = self.path.partition("?")
        mode = settings["mode"]
        if mode != "ok" and settings["after"] > 0:
            settings["after"] -= 1
            mode = "ok"
        elif mode != "ok" and settings["times"] is not None:
            mode = mode if settings["times"] > 0 else "ok"
            settings["times"] -= 1
        if mode == "stall":
            self.close_connection = True
            self.rfile.read(1)  # until the client hangs up
            return
        if isinstance(mode, int):
            self.refuse(mode)
            return
        if settings["token"] is not None and query != settings["token"]:
            self.refuse(403)
            return
        if path not in server.files:
            self.refuse(404)
            return
        data = server.files[path]
        etag = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
        if settings["conditional"] and self.headers.get("If-Match", etag) != etag:
            self.refuse(412)
            return
        wanted = self.headers.get("Range") if settings["ranges"] else None
        first, last = 0, len(data) - 1
        if wanted:
            start, _, stop = wanted.removeprefix("bytes=").partition("-")
            first, last = int(start), min(int(stop) if stop else last, last)
        self.send_response(206 if wanted else 200)
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(last + 1 - first))
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            part = data[first : last + 1]
            self.wfile.write(part[: len(part) // 2] if mode == "cut" else part)

    def refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def serving() -> Iterator[RangeServer]:
    """Run a server for as long as the block lasts."""
    with subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield RangeServer(f"http://127.0.0.1:{int(process.stdout.readline())}")
        finally:
            process.kill()


if __name__ == "__main__":
    with _Server() as running:
        sys.stdout.write(f"{running.server_port}\n")
        sys.stdout.flush()
        running.serve_forever()
