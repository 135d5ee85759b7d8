"""An HTTP/1.1 server of byte ranges on 127.0.0.1 that answers late, and knows what it was asked.

A process of its own with one thread: late answers wait in a timer, so that it
takes next to nothing of the cores that readers are measured on. ``GET /-/log``
gives and forgets what was asked since the last time.
"""

from __future__ import annotations

import asyncio
import email.utils
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

__all__ = ["DELAY_S", "RangeServer", "Traffic", "serving"]

DELAY_S = 0.03
_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """What was asked of the server."""

    requests: int
    size: int
    """Bytes of bodies."""
    trips: int
    """Requests that follow one another: the next one came after the answer to the one before."""
    cpu_s: float
    """What the server itself took."""


class RangeServer:
    """The server as the benchmarks see it."""

    def __init__(self, url: str, delay_s: float) -> None:
        self.url = url
        self._delay_s = delay_s

    def address(self, path: Path) -> str:
        """Give the URL of a path in the folder that is served."""
        return f"{self.url}/{path.as_posix()}"

    def traffic(self) -> Traffic:
        """Give what was asked since the last time."""
        with urllib.request.urlopen(f"{self.url}/-/log") as answer:
            found: dict[str, Any] = json.load(answer)
        trips, free = 0, float("-inf")
        for came, _ in found["log"]:
            if came >= free:
                trips, free = trips + 1, came + self._delay_s
        size = sum(size for _, size in found["log"])
        return Traffic(requests=len(found["log"]), size=size, trips=trips, cpu_s=found["cpu"])


@contextmanager
def serving(folder: Path, *, delay_s: float = DELAY_S) -> Iterator[RangeServer]:
    """Serve a folder for as long as the block lasts; a folder in it is a path in the URL."""
    command = [sys.executable, __file__, str(folder), str(delay_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        if process.stdout is None:
            raise RuntimeError("the server was started without a pipe")
        try:
            yield RangeServer(f"http://127.0.0.1:{int(process.stdout.readline())}", delay_s)
        finally:
            process.kill()


class _Files:
    """Open files and what was asked of them."""

    def __init__(self, folder: Path, delay_s: float) -> None:
        self.folder, self.delay_s = folder.resolve(), delay_s
        self.log: list[tuple[float, int]] = []
        self._open: dict[str, tuple[int, os.stat_result]] = {}

    def find(self, target: str) -> tuple[int, os.stat_result] | None:
        """Open a file under the folder, or find it open."""
        held = self._open.get(target)
        if held is None:
            path = (self.folder / unquote(urlsplit(target).path).lstrip("/")).resolve()
            if not path.is_relative_to(self.folder) or not path.is_file():
                return None
            number = os.open(path, os.O_RDONLY)
            held = self._open[target] = (number, os.fstat(number))
        return held


class _Connection(asyncio.Protocol):
    """One client: its requests are answered one after the other, each late."""

    def __init__(self, files: _Files) -> None:
        self.files = files
        self.waiting = b""
        self.busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self.waiting += data
        self.next()

    def next(self) -> None:
        """Take up the next request; requests have no body."""
        head, end, rest = self.waiting.partition(b"\r\n\r\n")
        if self.busy or not end:
            return
        self.busy, self.waiting = True, rest
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if target == "/-/log":
            body = json.dumps({"log": self.files.log, "cpu": time.process_time()}).encode()
            self.files.log.clear()
            self.send("200 OK", {}, body)
            return
        came = time.monotonic()
        loop = asyncio.get_running_loop()
        loop.call_later(self.files.delay_s, self.answer, came, method, target, headers)

    def answer(self, came: float, method: str, target: str, headers: dict[str, str]) -> None:
        """Send what was asked for."""
        found = self.files.find(target)
        if found is None:
            self.files.log.append((came, 0))
            self.send("404 Not Found", {}, b"")
            return
        number, facts = found
        etag = f'"{facts.st_mtime_ns:x}-{facts.st_size:x}"'
        told = {
            "ETag": etag,
            "Last-Modified": email.utils.formatdate(facts.st_mtime, usegmt=True),
            "Accept-Ranges": "bytes",
            "Content-Type": "image/tiff",
        }
        if headers.get("if-match", etag) not in {etag, "*"}:
            self.send("412 Precondition Failed", told, b"")
            return
        start, stop, status = 0, facts.st_size, "200 OK"
        wanted = _RANGE.fullmatch(headers.get("range", ""))
        if wanted is not None:
            start, stop = _span(wanted[1], wanted[2], facts.st_size)
            if start >= stop:
                self.send("416 Range Not Satisfiable", told | {"Content-Range": f"bytes */{facts.st_size}"}, b"")
                return
            status = "206 Partial Content"
            told["Content-Range"] = f"bytes {start}-{stop - 1}/{facts.st_size}"
        if method == "HEAD":
            self.files.log.append((came, 0))
            self.send(status, told | {"Content-Length": str(stop - start)}, b"")
            return
        self.files.log.append((came, stop - start))
        self.send(status, told, os.pread(number, stop - start, start))

    def send(self, status: str, headers: dict[str, str], body: bytes) -> None:
        """Send an answer and look whether another request has come meanwhile."""
        lines = {"Content-Length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.transport.write(f"HTTP/1.1 {status}\r\n{head}\r\n".encode())
        if body:
            self.transport.write(body)
        self.busy = False
        self.next()


def _span(first: str, last: str, size: int) -> tuple[int, int]:
    """Give the bytes of a range, half-open (RFC 9110 section 14.1.2)."""
    if not first:
        return max(size - int(last or 0), 0), size
    return int(first), min(int(last) + 1 if last else size, size)


async def _main(folder: Path, delay_s: float) -> None:
    files = _Files(folder, delay_s)
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(files), "127.0.0.1", 0, backlog=512)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), float(sys.argv[2])))
