"""Where an href leads, and whether it may.

Rules, in order: text that could be anything but a plain path or URL is refused
(virtual file systems, XML, sub-dataset prefixes, chained schemes, unknown
schemes); a URL of a known scheme stands for itself; everything else is a path,
relative to the document that holds it, and a local path is followed only when
the document is local too and the target, symbolic links resolved, lies under
one of its roots. A document from elsewhere therefore never reaches a local
file, nor a host that only this machine can see.

``file:`` URLs are percent-decoded. A relative local href is taken as it is
spelled if such a file exists, else percent-decoded once; both spellings pass
the same check. ``..`` within a remote location stays on its server or bucket.
"""

from __future__ import annotations

import ipaddress
import os
import posixpath
import re
import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urlsplit

from stacchip_osml.errors import ItemError, redact

__all__ = ["TRUSTED", "alternate_href", "is_remote", "resolve_href"]

TRUSTED = ("/",)
"""Roots of a document that may name any local file."""

_REMOTE = frozenset({"http", "https", "s3", "s3a", "gs", "az", "abfs", "abfss"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-_]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VIRTUAL = re.compile(r"/+vsi", re.IGNORECASE)
_INTERNAL_NAMES = ("localhost", ".localhost", ".local", ".internal", ".localdomain")


def is_remote(location: str) -> bool:
    """Tell a URL of a known remote scheme from a local path."""
    scheme = _SCHEME.match(location)
    return scheme is not None and scheme[1].lower() in _REMOTE and location.startswith("://", scheme.end() - 1)


def resolve_href(href: object, *, base: str | None, roots: tuple[str, ...]) -> str:
    """Give the place that an href means: an absolute local path, or a URL.

    Args:
        href: as the document has it.
        base: path or URL of the document; None where it came from no file.
        roots: folders under which local targets may lie; empty: none.

    Raises:
        ItemError: the href is refused; the message says why.
    """
    if not isinstance(href, str) or not href.strip():
        raise ItemError(f"href must be text, got {href!r:.80}")
    _require_plain(href)
    if is_remote(href):
        return _remote(href, base=base, roots=roots)
    scheme = _SCHEME.match(href)
    if scheme is not None:
        if scheme[1].lower() != "file":
            raise _refused(href, f"{scheme[1]!r} is no scheme that images are read from")
        return _local(_file_url_path(href), href, roots)
    if base is not None and is_remote(base):
        return _remote_relative(href, base)
    if href.startswith("/"):
        return _local(href, href, roots)
    if base is None:
        raise _refused(href, "it is relative, and nothing says where its item lies: give the item's base")
    folder = posixpath.dirname(base if base.startswith("/") else os.path.abspath(base))  # noqa: PTH100 - text only
    return _local_relative(href, folder, roots)


def alternate_href(asset: Mapping[str, Any], *, prefer: str) -> str | None:
    """Give the href that an asset offers under ``alternate`` (alternate-assets extension), None where it does not."""
    alternates = asset.get("alternate")
    if not isinstance(alternates, Mapping):
        return None
    offered = alternates.get(prefer)
    href = offered.get("href") if isinstance(offered, Mapping) else None
    return href if isinstance(href, str) else None


def _refused(href: str, why: str) -> ItemError:
    return ItemError(f"href {redact(href)[:200]!r} is refused: {why}")


def _require_plain(href: str) -> None:
    if _CONTROL.search(href):
        raise _refused(href, "it holds control characters")
    text = href.lstrip(" \ufeff")
    if text.startswith(("<", "{", "[")):
        raise _refused(href, "it is a document, not a path")
    if text.startswith(("/", "%")) and _VIRTUAL.match(unquote(text)):
        raise _refused(href, "virtual file systems are not followed")
    if "\\" in href:
        raise _refused(href, "it holds a backslash; paths in items are written with /")


def _remote(href: str, *, base: str | None, roots: tuple[str, ...]) -> str:
    host = _host(href)
    if not host:
        raise _refused(href, "it names no host or bucket")
    if href.lower().startswith("http") and not roots and _is_internal(host):
        own = base is not None and is_remote(base) and _host(base) == host
        if not own:
            raise _refused(href, "a document from elsewhere may not name a host of this network")
    return _canonical(href)


def _canonical(url: str) -> str:
    """Write the schemes that mean one store in one way: ``http``, ``https``, ``s3``, ``gs``, ``az``."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme not in {"abfs", "abfss"}:
        return f"{'s3' if scheme == 's3a' else scheme}://{rest}"
    container, at, place = rest.partition("@")
    if not at:
        return f"az://{rest}"
    account, _, key = place.partition("/")
    return f"https://{account.replace('.dfs.', '.blob.', 1)}/{container}/{key}"


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:  # brackets that hold no IPv6 address
        return ""


@lru_cache(maxsize=1024)
def _is_internal(host: str) -> bool:
    """Whether a host, by its spelling alone, is this machine or its network; no name is looked up."""
    if host.endswith(_INTERNAL_NAMES):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.ip_address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None)
    return not (mapped or address).is_global


def _remote_relative(href: str, base: str) -> str:
    if href.startswith("/"):
        raise _refused(href, "an absolute path in a document that is not local")
    prefix, _, rest = base.partition("://")
    place, _, path = rest.partition("/")
    if prefix.lower() in {"http", "https"}:  # a bucket's keys may hold these characters
        path = re.split(r"[?#]", path, maxsplit=1)[0]
    target, mark, query = href.partition("?")
    joined = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target))
    if _climbs(posixpath.join(posixpath.dirname(path), target)):
        raise _refused(href, "it climbs above the root of its server")
    return f"{prefix}://{place}{joined}{mark}{query}"


def _climbs(path: str) -> bool:
    return posixpath.normpath(path).startswith("..")


def _file_url_path(href: str) -> str:
    rest = href[5:]
    if rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        if host.lower() not in {"", "localhost"}:
            raise _refused(href, "file: URLs name no other machine")
        rest = slash + path
    path = unquote(rest)
    if not path.startswith("/"):
        raise _refused(href, "file: URLs are absolute")
    _require_plain(path)
    return path


def _local_relative(href: str, folder: str, roots: tuple[str, ...]) -> str:
    path = posixpath.join(folder, href)
    decoded = posixpath.join(folder, unquote(href))
    if decoded != path and not os.path.lexists(path):
        _require_plain(unquote(href))
        if os.path.lexists(decoded) or not _is_under(path, roots):
            path = decoded
    return _local(path, href, roots)


def _local(path: str, href: str, roots: tuple[str, ...]) -> str:
    if not roots:
        raise _refused(href, "a document that is not local may not name a local file")
    target = os.path.realpath(path)
    if not _is_under(target, roots):
        raise _refused(href, f"it leads outside {', '.join(roots)}")
    if _VIRTUAL.match(target):
        raise _refused(href, "virtual file systems are not followed")
    return target


def _is_under(path: str, roots: tuple[str, ...]) -> bool:
    target = os.path.realpath(path)
    for root in roots:
        folder = os.path.realpath(root)
        if folder in {"/", target} or target.startswith(folder + "/"):
            return True
    return False
