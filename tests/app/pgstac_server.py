"""A STAC API on PostgreSQL, and a file server for its images: real ones, on this machine, for as long as a test runs.

Everything listens on 127.0.0.1 alone and lives in one temporary folder.
``timeout`` ends a server whose test was killed and could not end it.
"""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
LIFETIME_S = 1200
START_S = 240


class ServerError(Exception):
    """A server did not start; the message holds the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StacApi:
    """A STAC API that answers."""

    url: str
    log: Path

    def requests(self) -> list[str]:
        """List the requests answered so far, as ``POST /search 200``."""
        found = re.findall(r'"([A-Z]+) (\S+) HTTP/[\d.]+" (\d+)', self.log.read_text())
        return [" ".join(parts) for parts in found]


def api_python() -> Path:
    """Give the interpreter of the API's environment, there or not."""
    return ROOT / os.environ.get("VENV_PGSTAC", ".venv-pgstac") / "bin" / "python"


def postgres_programs() -> Path | None:
    """Find the programs of the newest PostgreSQL that has PostGIS."""
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    for initdb in reversed(servers):
        if Path(f"/usr/share/postgresql/{initdb.parts[-3]}/extension/postgis.control").is_file():
            return initdb.parent
    return None


def what_is_missing() -> str | None:
    """Say why no API can be started here; None where one can."""
    if postgres_programs() is None:
        return "no PostgreSQL with PostGIS is installed; .ci/postgres.sh installs it"
    if not api_python().is_file():
        return f"no environment of the STAC API at {api_python().parents[1]}; .ci/postgres.sh makes it"
    if _server_user() is None:
        return "PostgreSQL does not run as root, and there is no user 'postgres' to run it as"
    return None


def _server_user() -> str | None:
    """Name the user that PostgreSQL runs as: it refuses root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    return next((entry.pw_name for entry in pwd.getpwall() if entry.pw_name == "postgres"), None)


def _as_server_user() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(str(_server_user()))
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


@contextmanager
def stac_api(collections: Sequence[Mapping[str, Any]], items: Sequence[Mapping[str, Any]]) -> Iterator[StacApi]:
    """Serve some collections and items with stac-fastapi-pgstac until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="pgstac-"))
    try:
        with _postgres(folder) as database:
            _load(database, folder, collections, items)
            with _api(database, folder) as api:
                yield api
    finally:
        shutil.rmtree(folder)


@contextmanager
def _postgres(folder: Path) -> Iterator[dict[str, str]]:
    """Run a database of its own, and give the environment that clients connect with."""
    programs = postgres_programs()
    assert programs is not None
    data, secret, log = folder / "data", folder / "password", folder / "postgres.log"
    password = secrets.token_urlsafe(16)
    secret.write_text(password)
    runs_as = _as_server_user()
    if runs_as:
        for path in (folder, secret):
            os.chown(path, runs_as["user"], runs_as["group"])
    make = [programs / "initdb", "--pgdata", data, "--username=stac", "--auth=scram-sha-256", "--pwfile", secret]
    _run([*make, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"], cwd=folder, **runs_as)
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 20,
        "shared_buffers": "32MB",
        "fsync": "off",
        "full_page_writes": "off",
        "synchronous_commit": "off",
        "jit": "off",
    }
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    command = [str(programs / "postgres"), "-D", str(data), *options]
    client = {"PGHOST": "127.0.0.1", "PGPORT": str(port), "PGUSER": "stac", "PGPASSWORD": password}
    ready = [str(programs / "pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={port}"]
    # SIGINT: PostgreSQL ends its sessions and shuts down, instead of waiting for them.
    with _server(command, log, end=signal.SIGINT, cwd=folder, **runs_as) as server:
        _wait(lambda: subprocess.run(ready, check=False).returncode == 0, server, log)
        yield client | {"PGDATABASE": "postgres"}


def _load(
    database: Mapping[str, str],
    folder: Path,
    collections: Sequence[Mapping[str, Any]],
    items: Sequence[Mapping[str, Any]],
) -> None:
    tool = [api_python().with_name("pypgstac")]
    environment = {**os.environ, **database}
    _run([*tool, "migrate"], env=environment)
    for kind, documents in (("collections", collections), ("items", items)):
        file = folder / f"{kind}.ndjson"
        file.write_text("".join(json.dumps(document) + "\n" for document in documents))
        _run([*tool, "load", kind, file, "--method", "insert"], env=environment)


@contextmanager
def _api(database: Mapping[str, str], folder: Path) -> Iterator[StacApi]:
    log = folder / "api.log"
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # The socket is handed over open: no other process can take the port in between.
        command = [str(api_python()), "-m", "uvicorn", "stac_fastapi.pgstac.app:create_app", "--factory"]
        command += ["--fd", str(listener.fileno()), "--no-use-colors"]
        environment = {**os.environ, **database}
        with _server(command, log, env=environment, cwd=folder, pass_fds=[listener.fileno()]) as server:
            _wait(lambda: _answers(f"{url}/_mgmt/ping"), server, log)
            yield StacApi(url=url, log=log)


@contextmanager
def _server(
    command: Sequence[str], log: Path, *, end: signal.Signals = signal.SIGTERM, **options: Any
) -> Iterator[subprocess.Popen[bytes]]:
    bounded = ["timeout", "--kill-after=60", str(LIFETIME_S), *command]
    with log.open("wb") as output:
        server = subprocess.Popen(
            bounded,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            **options,
        )
    try:
        yield server
    finally:
        server.send_signal(end)  # timeout hands it on
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait(is_ready: Any, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while not is_ready():
        if server.poll() is not None or time.monotonic() > deadline:
            raise ServerError(f"{log.name} says why a server did not start:\n{log.read_text()[-3000:]}")
        time.sleep(0.1)


def _run(command: Sequence[Any], **options: Any) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=START_S, check=False, **options
    )
    if done.returncode != 0:
        raise ServerError(f"{command[0]} failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Ranges(SimpleHTTPRequestHandler):
    """Files with byte ranges, as image readers ask for them."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data = path.read_bytes()
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = 0, len(data) - 1
        if asked is not None:
            first, last = int(asked[1]), min(last, int(asked[2] or last))
            if first > last:
                self.send_error(416)
                return
        self.send_response(200 if asked is None else 206)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(last - first + 1))
        if asked is not None:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.end_headers()
        self.wfile.write(data[first : last + 1])

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def file_server(folder: Path) -> Iterator[str]:
    """Serve a folder's files until the block ends, and give its URL."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Ranges, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
