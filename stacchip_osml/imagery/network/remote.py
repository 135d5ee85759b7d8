"""The first bytes of a remote object, which version of it they are, and how GDAL is told to fetch the rest.

Rules: every answer is asked for with time limits and a bounded number of
tries. Messages carry no credential: hrefs are redacted, and so is what a
foreign error said. The environment (read here and in ``stores``) names the S3
endpoint in the AWS tools' spelling (``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL``)
or in GDAL's (``AWS_S3_ENDPOINT``, ``AWS_HTTPS``), and both readers of bytes,
obstore and GDAL, are told the same.
"""

from __future__ import annotations

import os
import random
import time
from functools import lru_cache
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from stacchip_osml.errors import AssetMissing, ReadError, RemoteReadError, redact
from stacchip_osml.imagery.format import HEAD_BYTES
from stacchip_osml.imagery.limits import FetchLimits
from stacchip_osml.imagery.network.stores import (
    LONGEST_PAUSE_S,
    Patience,
    key_of,
    obstore,
    s3_endpoint,
    shared_store,
    virtual_hosting,
)
from stacchip_osml.imagery.network.version import TRANSIENT, RemoteStamp, require_redirect

__all__ = ["RemoteStamp", "gdal_fetch_options", "read_remote_head"]


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
    if location.startswith(("http://", "https://")):
        return _http_head(location, fetch, size)
    return _store_head(location, fetch, size)


def _http_head(url: str, fetch: FetchLimits, size: int) -> tuple[bytes, RemoteStamp]:
    request = Request(url, headers={"Range": f"bytes=0-{size - 1}", "Accept-Encoding": "identity"})  # noqa: S310
    deadline = time.monotonic() + fetch.total_s
    patience = min(max(fetch.connect_s, fetch.idle_s), fetch.try_s)
    for attempt in range(1, fetch.attempts + 1):
        status = None
        try:
            with _opener().open(request, timeout=patience) as answer:
                return answer.read(size), _http_stamp(answer.headers, is_whole=answer.status == 200)
        except HTTPError as error:
            # The cause keeps its class and loses its URL, which may be signed.
            status, cause = error.code, OSError(f"HTTP {error.code}")
            error.close()
        except ReadError:
            raise
        except (URLError, HTTPException, OSError) as error:
            cause = OSError(redact(str(error)))
        if status in (404, 410):
            raise AssetMissing(f"{redact(url)}: status {status}") from cause
        if status == 416:
            return b"", RemoteStamp(size_bytes=0)
        pause = min(fetch.backoff_s * 2 ** (attempt - 1) * (1 + random.random()), LONGEST_PAUSE_S)  # noqa: S311 - jitter
        hopeless = status is not None and status not in TRANSIENT
        if hopeless or attempt == fetch.attempts or time.monotonic() + pause >= deadline:
            raise RemoteReadError(url, status=status, attempts=attempt) from cause
        time.sleep(pause)
    raise ReadError(f"{redact(url)}: attempts must be 1 at least, got {fetch.attempts}")


class _GuardedRedirects(HTTPRedirectHandler):
    """Follows what ``require_redirect`` allows."""

    def redirect_request(  # noqa: PLR0917 - urllib's own signature
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        require_redirect(req.full_url, newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@lru_cache(maxsize=1)
def _opener() -> OpenerDirector:
    return build_opener(_GuardedRedirects)


def _http_stamp(headers: Any, *, is_whole: bool) -> RemoteStamp:
    """Read the whole object's size from a ranged answer, or from a server that ignored the range."""
    total = str(headers.get("Content-Range", "")).rpartition("/")[2] or str(headers.get("Content-Length", ""))
    return RemoteStamp(
        size_bytes=int(total) if total.isdigit() else None,
        etag=headers.get("ETag"),
        modified=headers.get("Last-Modified"),
        is_whole=is_whole,
    )


def _store_head(url: str, fetch: FetchLimits, size: int) -> tuple[bytes, RemoteStamp]:
    library = obstore()
    errors = library.exceptions
    try:
        store = shared_store(url, Patience.of(fetch))
        answer = library.get(store, key_of(url), options={"range": (0, size)})
        meta = answer.meta
        stamp = RemoteStamp(
            size_bytes=int(meta["size"]),
            etag=meta.get("e_tag"),
            modified=f"{meta['last_modified']:%a, %d %b %Y %H:%M:%S GMT}",
        )
        return bytes(answer.bytes()), stamp
    except FileNotFoundError as error:
        raise AssetMissing(f"{redact(url)}: no such object") from OSError(redact(str(error)))
    except (errors.PermissionDeniedError, errors.UnauthenticatedError, PermissionError) as error:
        status = 401 if isinstance(error, errors.UnauthenticatedError) else 403
        raise RemoteReadError(url, status=status, attempts=1) from OSError(redact(str(error)))
    except (errors.BaseError, OSError) as error:
        raise RemoteReadError(url, status=None, attempts=fetch.attempts) from OSError(redact(str(error)))


def gdal_fetch_options(fetch: FetchLimits, stamp: RemoteStamp | None) -> dict[str, str]:
    """Give GDAL's options for fetching one version of an object within the limits."""
    options = {
        "GDAL_HTTP_MAX_RETRY": str(fetch.attempts - 1),
        "GDAL_HTTP_RETRY_DELAY": f"{fetch.backoff_s:g}",
        "GDAL_HTTP_RETRY_CODES": ",".join(map(str, sorted(TRANSIENT))),
        "GDAL_HTTP_CONNECTTIMEOUT": _whole_seconds(fetch.connect_s),
        "GDAL_HTTP_LOW_SPEED_TIME": _whole_seconds(fetch.idle_s),
        "GDAL_HTTP_LOW_SPEED_LIMIT": "1",
        "GDAL_HTTP_TIMEOUT": _whole_seconds(fetch.try_s),
        # GDAL would keep an object's size and bytes for the life of the process, even after the object changed.
        "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/",
    }
    condition = None if stamp is None else stamp.condition()
    if condition is not None:
        quoted = '"{}"'.format(condition.replace('"', r"\""))
        own = os.environ.get("GDAL_HTTP_HEADERS")
        options["GDAL_HTTP_HEADERS"] = f"{own},{quoted}" if own else quoted
    endpoint = s3_endpoint(os.environ)
    if endpoint is not None:
        scheme, _, host = endpoint.partition("://")
        options["AWS_S3_ENDPOINT"] = host
        options["AWS_HTTPS"] = "YES" if scheme == "https" else "NO"
        options["AWS_VIRTUAL_HOSTING"] = "TRUE" if virtual_hosting(os.environ) else "FALSE"
    return options


def _whole_seconds(seconds: float) -> str:
    """GDAL reads these options as whole numbers, where 0 is no limit."""
    return str(max(1, round(seconds)))
