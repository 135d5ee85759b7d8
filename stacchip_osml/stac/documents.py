"""JSON documents, from a path or a URL, within limits.

Rules: size and nesting are checked before anything is parsed, so that a
hostile document costs a scan and no recursion. Remote text is fetched with
time limits and a bounded number of tries; every failure is a typed error
naming the place without its secrets. ``NaN`` and ``Infinity``, which JSON
does not know and some writers emit, are read as floats: whoever uses such a
number decides (a nodata value may be NaN, a bounding box may not).
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from stacchip_osml.errors import AssetMissing, ItemError, LimitError, ReadError, RemoteReadError, redact
from stacchip_osml.imagery.limits import FetchLimits
from stacchip_osml.imagery.network.stores import Patience, key_of, obstore, shared_store
from stacchip_osml.stac.hrefs import is_remote, resolve_href

__all__ = ["FetchLimits", "parse_json", "parse_json_lines", "read_bytes", "read_json", "require_shallow"]

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 64
_NESTED = (dict, list, tuple, Mapping)
_LEAVES = frozenset({str, int, float, bool, type(None)})
"""What most values are: asking an abstract class of each takes most of the time."""
_REDIRECTS = 5
_RETRY_STATUS = frozenset({408, 429, 500, 502, 503, 504})
# Every quote starts a match, closed or not: an unclosed string costs one scan, not one a quote.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_NOT_BRACKETS = bytes(b for b in range(256) if b not in b"[]{}")


def parse_json(data: bytes, *, source: str) -> Any:
    """Parse one JSON text of at most 16 MiB and 64 levels.

    Raises:
        LimitError: too long or too deep; nothing was parsed.
        ItemError: not JSON; the message says where.
    """
    require_limits(data, source=source)
    try:
        return json.loads(data)
    except json.JSONDecodeError as error:
        raise ItemError(f"{redact(source)}: not JSON: {error.msg} (line {error.lineno})") from error
    except UnicodeDecodeError as error:
        raise ItemError(f"{redact(source)}: not JSON: bytes that are no UTF-8 text at {error.start}") from error
    except ValueError as error:  # an integer of more digits than Python turns into a number
        raise ItemError(f"{redact(source)}: not JSON: {error}") from error


def parse_json_lines(data: bytes, *, source: str) -> list[Any]:
    """Parse newline-delimited JSON, one document a line; empty lines are skipped."""
    lines = enumerate(data.splitlines(), start=1)
    return [parse_json(line, source=f"{source} line {number}") for number, line in lines if line.strip()]


def require_limits(data: bytes, *, source: str) -> None:
    """Refuse a JSON text that is too long or nested too deep."""
    if len(data) > MAX_BYTES:
        raise LimitError(f"{redact(source)}: JSON of {len(data)} bytes; the limit is {MAX_BYTES}")
    brackets = np.frombuffer(_STRING.sub(b"", data).translate(None, _NOT_BRACKETS), dtype=np.uint8)
    # "[" and "{" are 0x5b and 0x7b, "]" and "}" 0x5d and 0x7d: bit 2 says which way the level goes.
    depth = int(np.cumsum(np.where(brackets & 0x04, -1, 1), dtype=np.int64).max(initial=0))
    if depth > MAX_DEPTH:
        raise LimitError(f"{redact(source)}: JSON nested {depth} levels deep; the limit is {MAX_DEPTH}")


def require_shallow(document: Any, *, source: str) -> None:
    """Refuse a document given as an object that is nested deeper than JSON text may be."""
    level, nodes = 0, [document] if isinstance(document, _NESTED) else []
    while nodes:
        if level > MAX_DEPTH:
            raise LimitError(f"{redact(source)}: nested more than {MAX_DEPTH} levels deep")
        parts = [node.values() if isinstance(node, dict | Mapping) else node for node in nodes]
        nodes = [value for part in parts for value in part if type(value) not in _LEAVES and isinstance(value, _NESTED)]
        level += 1


def read_json(location: str, *, limits: FetchLimits | None = None) -> Any:
    """Read one JSON document from a local path, ``http(s)://`` or an object store."""
    return parse_json(read_bytes(location, limits=limits), source=location)


def read_bytes(location: str, *, limits: FetchLimits | None = None, max_bytes: int = MAX_BYTES) -> bytes:
    """Read a whole small object.

    Raises:
        AssetMissing: there is none, or it may not be read.
        LimitError: it is longer than ``max_bytes``.
        RemoteReadError: the server did not give it within the limits.
    """
    if not is_remote(location):
        return _read_local(Path(location), max_bytes)
    limits = limits or FetchLimits()
    scheme = urlsplit(location).scheme.lower()
    if scheme in {"http", "https"}:
        return _read_http(location, limits, max_bytes)
    return _read_object(location, limits, max_bytes)


def _read_local(path: Path, max_bytes: int) -> bytes:
    try:
        is_file = path.is_file()  # a pipe or device would be waited for
        data = _read_some(path, max_bytes + 1) if is_file else b""
    except PermissionError as error:
        raise AssetMissing(f"{path}: may not be read") from error
    except (OSError, ValueError) as error:
        raise ReadError(f"{path}: {error}") from error
    if not is_file:
        raise AssetMissing(f"{path}: a folder, not a file" if path.is_dir() else f"{path}: no such file")
    _require_length(len(data), max_bytes, str(path))
    return data


def _read_some(path: Path, length: int) -> bytes:
    with path.open("rb") as file:
        return file.read(length)


def _read_http(url: str, limits: FetchLimits, max_bytes: int) -> bytes:
    """Fetch with retries; redirects are followed by hand so that each target passes the href rules."""
    deadline = time.monotonic() + limits.total_s
    status: int | None = None
    for attempt in range(1, limits.attempts + 1):
        if attempt > 1:
            pause = min(limits.backoff_s * 2 ** (attempt - 2), 5.0)
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
        try:
            status, data = _http_once(url, limits, max_bytes, deadline)
        except _NoAnswer:
            status = None
        else:
            if status == 200:
                return data
            if status in {401, 403, 404, 410}:
                raise AssetMissing(f"{redact(url)}: status {status}")
            if status not in _RETRY_STATUS:
                raise RemoteReadError(url, status=status, attempts=attempt)
        if time.monotonic() >= deadline:
            raise RemoteReadError(url, status=status, attempts=attempt)
    raise RemoteReadError(url, status=status, attempts=limits.attempts)


class _NoAnswer(Exception):
    """The connection failed, stalled or was cut."""


def _http_once(url: str, limits: FetchLimits, max_bytes: int, deadline: float) -> tuple[int, bytes]:
    import urllib3

    timeout = urllib3.Timeout(connect=limits.connect_s, read=limits.idle_s)
    for _ in range(_REDIRECTS + 1):
        try:
            answer = _pool(url).request(
                "GET", url, timeout=timeout, retries=False, redirect=False, preload_content=False
            )
            try:
                target = answer.get_redirect_location()
                if not target:
                    return answer.status, _body(answer, max_bytes, deadline, url) if answer.status == 200 else b""
            finally:
                answer.drain_conn() if answer.status != 200 else answer.close()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise _NoAnswer from error
        url = resolve_href(_absolute(url, target), base=url, roots=())
    raise RemoteReadError(url, status=310, attempts=1)


def _absolute(url: str, target: str) -> str:
    """A redirect may name a path of the same server, which an asset href may not."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{target}" if target.startswith("/") and target[1:2] != "/" else target


def _body(answer: Any, max_bytes: int, deadline: float, url: str) -> bytes:
    chunks, total = [], 0
    for chunk in answer.stream(1 << 16, decode_content=True):
        total += len(chunk)
        _require_length(total, max_bytes, url)
        if time.monotonic() > deadline:
            raise _NoAnswer
        chunks.append(chunk)
    return b"".join(chunks)


_pools: dict[str | None, Any] = {}


def _pool(url: str) -> Any:
    """Give the connection pool for a URL: straight, or through the proxy that the environment names."""
    import urllib.request

    import urllib3

    parts = urlsplit(url)
    proxy = urllib.request.getproxies().get(parts.scheme)
    if proxy and urllib.request.proxy_bypass(parts.hostname or ""):
        proxy = None
    if proxy not in _pools:
        agent = {"User-Agent": "stacchip-osml"}
        pool = urllib3.ProxyManager(proxy, headers=agent) if proxy else urllib3.PoolManager(headers=agent)
        _pools.setdefault(proxy, pool)
    return _pools[proxy]


def _read_object(location: str, limits: FetchLimits, max_bytes: int) -> bytes:
    library = obstore()
    errors = library.exceptions
    try:
        answer = library.get(shared_store(location, Patience.of(limits)), key_of(location))
        _require_length(answer.meta["size"], max_bytes, location)
        return bytes(answer.bytes())
    except (errors.NotFoundError, FileNotFoundError, errors.PermissionDeniedError) as error:
        raise AssetMissing(f"{redact(location)}: no such object, or it may not be read") from error
    except (errors.BaseError, OSError, ValueError) as error:
        raise RemoteReadError(location, status=None, attempts=limits.attempts) from OSError(redact(str(error)))


def _require_length(length: int, max_bytes: int, source: str) -> None:
    if length > max_bytes:
        raise LimitError(f"{redact(source)}: more than {max_bytes} bytes, the limit of a document")
