"""Where an image may be read from, and its first bytes.

Rules: a location is an absolute path of a regular local file, or an
``http(s)://``, ``s3://``, ``gs://`` or ``az://`` URL. GDAL's own names
(``/vsi…``, ``<VRT…``, ``DRIVER:…`` sub-datasets) and chained schemes
(``zip+…``) are refused: they reach other files than the one named. The bytes
read here choose the driver, so GDAL never guesses. Messages carry no
credential: every href is redacted, and so is what a foreign error said.
"""

from __future__ import annotations

import os
import random
import stat
import time
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from stacchip_osml.errors import AssetMissing, DecodeError, ReadError, RemoteReadError, redact
from stacchip_osml.imagery.format import HEAD_BYTES

__all__ = ["REMOTE_PREFIXES", "FileStamp", "gdal_name", "is_remote", "local_stamp", "read_head", "require_location"]

REMOTE_PREFIXES = {
    "http": "/vsicurl/http://",
    "https": "/vsicurl/https://",
    "s3": "/vsis3/",
    "gs": "/vsigs/",
    "az": "/vsiaz/",
}
"""URL scheme → what GDAL calls it."""

ATTEMPTS = 4
CONNECT_SECONDS = 10.0
BACKOFF_SECONDS = 0.1
TRANSIENT = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class FileStamp:
    """What tells one version of a local file from the next."""

    size_bytes: int
    modified_ns: int
    inode: int


def require_location(location: str) -> str:
    """Return ``location`` if it is one that may be read.

    Raises:
        ReadError: it is relative, or names a scheme, a virtual file system or a sub-dataset that is not served.
    """
    shown = redact(location)
    if "\0" in location:
        raise ReadError(f"{shown!r}: a location has no NUL byte")
    if is_remote(location):
        if not urlsplit(location).netloc:
            raise ReadError(f"{shown!r}: a URL needs a host or bucket")
        return location
    if location.lower().startswith("/vsi"):
        raise ReadError(
            f"{shown!r}: GDAL virtual file systems are not served; give a path or an http(s), s3, gs, az URL"
        )
    if not Path(location).is_absolute():
        raise ReadError(
            f"{shown!r}: expected an absolute path or an http(s), s3, gs, az URL; other schemes, archives, "
            "virtual formats and sub-dataset names are not served"
        )
    return location


def is_remote(location: str) -> bool:
    """Tell whether a location is one of the URLs that are served."""
    scheme, colon, _ = location.partition("://")
    return bool(colon) and scheme in REMOTE_PREFIXES


def gdal_name(location: str) -> str:
    """Give GDAL's name for a location that passed ``require_location``."""
    if not is_remote(location):
        return location
    scheme, _, rest = location.partition("://")
    return REMOTE_PREFIXES[scheme] + rest


def local_stamp(location: str) -> FileStamp:
    """Look at a local file without opening it.

    Raises:
        AssetMissing: there is no such file, or it may not be reached.
        DecodeError: it is a directory, device or pipe.
    """
    try:
        found = os.stat(location)  # noqa: PTH116 - once a read, Path.stat is three times slower
    except (FileNotFoundError, NotADirectoryError) as error:
        raise AssetMissing(f"{location}: no such file") from error
    except OSError as error:
        raise AssetMissing(f"{location}: {error.strerror or error}") from error
    if not stat.S_ISREG(found.st_mode):
        raise DecodeError(f"{location}: not a regular file")
    return FileStamp(found.st_size, found.st_mtime_ns, found.st_ino)


def read_head(location: str) -> tuple[bytes, int | None]:
    """Read the first ``HEAD_BYTES`` bytes of a file.

    Args:
        location: as ``require_location`` accepts it, signed where it needs to be.

    Returns:
        The bytes (fewer where the file is shorter), and the file's size where it is known.

    Raises:
        AssetMissing: there is no such file or object.
        RemoteReadError: the server did not give it.
    """
    if not is_remote(location):
        try:
            with Path(location).open("rb", buffering=0) as file:
                return file.read(HEAD_BYTES), os.fstat(file.fileno()).st_size
        except OSError as error:
            raise AssetMissing(f"{location}: {error.strerror or error}") from error
    if location.startswith(("http://", "https://")):
        return _http_head(location)
    return _store_head(location)


def _http_head(url: str) -> tuple[bytes, int | None]:
    request = Request(url, headers={"Range": f"bytes=0-{HEAD_BYTES - 1}", "Accept-Encoding": "identity"})  # noqa: S310
    for attempt in range(1, ATTEMPTS + 1):
        status = None
        try:
            with urlopen(request, timeout=CONNECT_SECONDS) as answer:  # noqa: S310 - the scheme is http or https
                return answer.read(HEAD_BYTES), _total_size(answer)
        except HTTPError as error:
            # The cause keeps its class and loses its URL, which may be signed.
            status, cause = error.code, OSError(f"HTTP {error.code}")
            error.close()
        except (URLError, HTTPException, OSError) as error:
            cause = OSError(redact(str(error)))
        if status in (404, 410):
            raise AssetMissing(f"{redact(url)}: status {status}") from cause
        if status == 416:
            return b"", 0
        if attempt == ATTEMPTS or (status is not None and status not in TRANSIENT):
            raise RemoteReadError(url, status=status, attempts=attempt) from cause
        time.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) * (1 + random.random()))  # noqa: S311 - jitter
    raise RemoteReadError(url, status=None, attempts=ATTEMPTS)


def _total_size(answer: Any) -> int | None:
    """Read the whole object's size from a ranged answer, or from a server that ignored the range."""
    total = str(answer.headers.get("Content-Range", "")).rpartition("/")[2] or answer.headers.get("Content-Length", "")
    return int(total) if str(total).isdigit() else None


def _store_head(url: str) -> tuple[bytes, int | None]:
    from obstore.exceptions import BaseError, NotFoundError

    key = urlsplit(url).path.lstrip("/")
    try:
        answer = _store(url).get(key, options={"range": (0, HEAD_BYTES)})
        return bytes(answer.bytes()), int(answer.meta["size"])
    except (NotFoundError, FileNotFoundError) as error:
        raise AssetMissing(f"{redact(url)}: no such object") from OSError(redact(str(error)))
    except (BaseError, PermissionError, OSError) as error:
        raise RemoteReadError(url, status=None, attempts=ATTEMPTS) from OSError(redact(str(error)))


def _store(url: str) -> Any:
    """Open the object store of a URL, with the settings that GDAL reads from the environment too."""
    from obstore.store import AzureStore, GCSStore, S3Store

    scheme, bucket = urlsplit(url).scheme, urlsplit(url).netloc
    retry: Any = {"max_retries": ATTEMPTS - 1}
    client: Any = {"connect_timeout": f"{CONNECT_SECONDS:g}s"}
    if scheme == "gs":
        return GCSStore(bucket, retry_config=retry, client_options=client)
    if scheme == "az":
        account = os.environ.get("AZURE_STORAGE_ACCOUNT")
        named: dict[str, Any] = {} if account is None else {"account_name": account}
        return AzureStore(bucket, retry_config=retry, client_options=client, **named)
    unsigned = os.environ.get("AWS_NO_SIGN_REQUEST", "NO").upper() in {"YES", "TRUE", "ON", "1"}
    return S3Store(bucket, retry_config=retry, client_options=client, skip_signature=unsigned)
