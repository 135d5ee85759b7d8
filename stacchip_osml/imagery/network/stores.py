"""Object stores: one client a bucket, with the settings that GDAL reads from the environment too.

Rules:

- stores are made once for each bucket, limits and environment, and shared: a
  store holds connections and credentials;
- the library's own retries are a setting here, because who counts tries
  exactly makes them itself;
- the library runs on threads that a forked child does not have, and would wait
  for them for ever. A child whose parent had loaded it loads it anew, from a
  copy: the system gives one file's state once to each process.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from stacchip_osml.errors import ReadError
from stacchip_osml.imagery.limits import FetchLimits

__all__ = ["LONGEST_PAUSE_S", "Patience", "key_of", "obstore", "s3_endpoint", "shared_store", "virtual_hosting"]

LONGEST_PAUSE_S = 5.0
YOUNG_S = 10.0
"""Credentials of a store made so lately are not asked for again."""
_ON = frozenset({"YES", "TRUE", "ON", "1"})
_LIBRARY, _BINARY = "obstore", "obstore._obstore"


class Patience(NamedTuple):
    """How long and how often a store asks."""

    connect_s: float
    idle_s: float | None
    """Longest wait between two pieces of an answer; None: not limited."""
    try_s: float
    """Longest time for one try."""
    total_s: float
    """No try is begun after it."""
    attempts: int
    backoff_s: float

    @staticmethod
    def of(fetch: FetchLimits) -> Patience:
        """Let the store make the tries itself."""
        return Patience(fetch.connect_s, None, fetch.try_s, fetch.total_s, fetch.attempts, fetch.backoff_s)

    @staticmethod
    def once(fetch: FetchLimits, *, again: bool) -> Patience:
        """Let the store try once; a first try may take all the time, further ones their share."""
        longest = fetch.try_s if again else fetch.total_s
        return Patience(fetch.connect_s, fetch.idle_s, longest, fetch.total_s, 1, fetch.backoff_s)


class _Kept(NamedTuple):
    store: Any
    made: float


class _Stores:
    """The stores of this process, and the library that they are of."""

    def __init__(self) -> None:
        self.library: Any = None
        self.must_reload = False
        self.abandoned: list[object] = []
        self.reset()

    def reset(self) -> None:
        self.lock = threading.RLock()
        self.kept: dict[object, _Kept] = {}

    def before_fork(self) -> None:
        # A fork waits while a thread imports the library: its child would wait for ever for that thread's import lock.
        self.lock.acquire()

    def after_fork_here(self) -> None:
        self.lock.release()

    def after_fork(self) -> None:
        # A child keeps what its parent made: ending it, the library may wait for threads that are not there.
        self.abandoned.append(self.kept)
        self.reset()
        self.must_reload = self.must_reload or _BINARY in sys.modules
        self.library = None


_STORES = _Stores()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_STORES.before_fork, after_in_parent=_STORES.after_fork_here, after_in_child=_STORES.after_fork
    )


def obstore() -> Any:
    """Give the library, in a state that works in this process."""
    with _STORES.lock:
        if _STORES.library is None:
            _STORES.library = _reloaded() if _STORES.must_reload else importlib.import_module(_LIBRARY)
            importlib.import_module("obstore.store")
        return _STORES.library


def shared_store(url: str, patience: Patience, *, instead_of: Any = None) -> Any:
    """Give the store of a URL's bucket.

    Args:
        url: ``s3://``, ``gs://`` or ``az://``.
        patience: how long and how often it asks.
        instead_of: a store whose credentials were refused: where it is not young, another takes its place.
    """
    parts = urlsplit(url)
    key = (parts.scheme, parts.netloc, patience, *map(os.environ.get, _NAMES))
    with _STORES.lock:
        kept = _STORES.kept.get(key)
        refused = kept is not None and kept.store is instead_of and time.monotonic() - kept.made > YOUNG_S
        if kept is None or refused:
            made = _made(parts.scheme, parts.netloc, patience, environment=os.environ)
            kept = _STORES.kept[key] = _Kept(made, time.monotonic())
        return kept.store


def key_of(url: str) -> str:
    """Give an object's key in its bucket."""
    return url.split("://", 1)[1].partition("/")[2]


_NAMES = (
    "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_VIRTUAL_HOSTING",
    "AWS_NO_SIGN_REQUEST", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_ACCOUNT_KEY", "GOOGLE_APPLICATION_CREDENTIALS",
    "AWS_REQUEST_PAYER", "AZURE_STORAGE_ENDPOINT", "AZURE_ALLOW_HTTP", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_ALLOW_HTTP",
)  # fmt: skip
"""What of the environment makes another store."""


def _made(scheme: str, bucket: str, patience: Patience, *, environment: Mapping[str, str]) -> Any:
    stores = obstore().store
    backoff: Any = {
        "init_backoff": timedelta(seconds=patience.backoff_s),
        "max_backoff": timedelta(seconds=LONGEST_PAUSE_S),
        "base": 2,
    }
    retry: Any = {
        "max_retries": patience.attempts - 1,
        "retry_timeout": timedelta(seconds=patience.total_s),
        "backoff": backoff,
    }
    client: Any = {
        "connect_timeout": timedelta(seconds=patience.connect_s),
        "timeout": timedelta(seconds=patience.try_s),
    }
    if patience.idle_s is not None:
        client["read_timeout"] = timedelta(seconds=patience.idle_s)
    if scheme == "gs":
        client["allow_http"] = _is_on(environment, "GOOGLE_ALLOW_HTTP")
        return stores.GCSStore(bucket, retry_config=retry, client_options=client)
    if scheme == "az":
        client["allow_http"] = _is_on(environment, "AZURE_ALLOW_HTTP")
        account = environment.get("AZURE_STORAGE_ACCOUNT")
        named: dict[str, Any] = {} if account is None else {"account_name": account}
        return stores.AzureStore(bucket, retry_config=retry, client_options=client, **named)
    settings: dict[str, Any] = {"skip_signature": _is_on(environment, "AWS_NO_SIGN_REQUEST")}
    endpoint = s3_endpoint(environment)
    if endpoint is not None:
        settings |= {"endpoint": endpoint, "virtual_hosted_style_request": virtual_hosting(environment)}
        client["allow_http"] = endpoint.startswith("http://")
    return stores.S3Store(bucket, retry_config=retry, client_options=client, **settings)


def s3_endpoint(environment: Mapping[str, str]) -> str | None:
    """Find the endpoint URL in either spelling; None is Amazon's own."""
    named = environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL")
    if named:
        return named.rstrip("/")
    host = environment.get("AWS_S3_ENDPOINT")
    if not host:
        return None
    secure = environment.get("AWS_HTTPS", "YES").upper() in _ON
    return host if "://" in host else f"{'https' if secure else 'http'}://{host}"


def virtual_hosting(environment: Mapping[str, str]) -> bool:
    """Tell whether the bucket is part of the host name; at an endpoint of one's own it seldom is."""
    return _is_on(environment, "AWS_VIRTUAL_HOSTING")


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "NO").upper() in _ON


class _FromCopy:
    """Finds the library's binary part at another place."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Answer the import system."""
        return importlib.util.spec_from_file_location(name, self.place) if name == _BINARY else None


def _reloaded() -> Any:
    """Load the library a second time; everybody else's modules stay as they are.

    Raises:
        ReadError: the system does not let it.
    """
    spec = importlib.util.find_spec(_BINARY)
    try:
        return _loaded_from_copy("" if spec is None or spec.origin is None else spec.origin)
    except (ImportError, OSError) as error:
        raise ReadError(
            f"object stores cannot be read in this forked process, start it by spawn instead: {_LIBRARY} does not "
            f"load again, {error}"
        ) from error


def _loaded_from_copy(binary: str) -> Any:
    import shutil
    import tempfile

    before = {name: module for name, module in sys.modules.items() if name.split(".")[0] == _LIBRARY}
    with tempfile.TemporaryDirectory(prefix="stacchip-osml-") as folder:
        finder = _FromCopy(Path(shutil.copy(binary, folder)))
        for name in before:
            del sys.modules[name]
        sys.meta_path.insert(0, finder)
        try:
            library = importlib.import_module(_LIBRARY)
            importlib.import_module(f"{_LIBRARY}.store")
            importlib.import_module(f"{_LIBRARY}.exceptions")
        finally:
            sys.meta_path.remove(finder)
            for name in [name for name in sys.modules if name.split(".")[0] == _LIBRARY]:
                del sys.modules[name]
            sys.modules.update(before)
    return library
