"""Where an href leads, and whether it may.

Rules, in order: text that could be anything but a plain path or URL is refused
(virtual file systems, XML, sub-dataset prefixes, chained schemes, unknown
schemes); a URL of a known scheme stands for itself; everything else is a path,
relative to the document that holds it, and a local path is followed only when
the document is local too and the target, symbolic links resolved, lies under
one of its roots. A document from elsewhere therefore never reaches a local
file, nor a host that only this machine or its network can see, but the one it
was read from (loopback names stand for each other: ``localhost`` may name
``127.0.0.1``). Hosts are judged by their spelling: no name is looked up.

A host is letters, digits, ``.``, ``-``, ``_`` or a bracketed IPv6 address,
nothing that two programs could read in two ways; a bucket likewise. What is
not ASCII in the rest of an ``http`` URL is percent-encoded as UTF-8. An href
longer than ``MAX_HREF`` is refused unread.

``file:`` URLs are percent-decoded. A relative local href is taken as it is
spelled if such a file exists, else percent-decoded once; both spellings pass
the same check. ``..`` within a remote location stays on its server or bucket.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from stacchip_osml.errors import ItemError, redact
from stacchip_osml.imagery.network.hosts import host_of, may_lead_to
from stacchip_osml.pixel.arguments import each_of, of_kind

__all__ = [
    "MAX_HREF",
    "TRUSTED",
    "alternate_href",
    "document_place",
    "folder_of",
    "given_roots",
    "is_remote",
    "resolve_href",
    "roots_of",
]

MAX_HREF = 8192
"""Characters; no server or file system takes longer ones."""

TRUSTED = ("/",)
"""Roots of a document that may name any local file."""

_REMOTE = frozenset({"http", "https", "s3", "s3a", "gs", "az", "abfs", "abfss"})
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-_]*):")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_VIRTUAL = re.compile(r"/+vsi", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9_$][A-Za-z0-9._$\-]*")
_PLAIN_URL = re.compile(r"https?://([A-Za-z0-9.:_\-]+)/[!-\[\]-~]*")
"""What stands for itself where its host may be named: nearly all hrefs, and the rules take ten times as long."""
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


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
    if isinstance(href, str) and len(href) > MAX_HREF:
        raise ItemError(f"href of {len(href)} characters is refused: the limit is {MAX_HREF}")
    plain = _PLAIN_URL.fullmatch(href) if isinstance(href, str) else None
    if plain is not None and (_is_public(plain[1]) or (roots and _is_host(plain[1]))):
        return plain[0]
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
    return _local_relative(href, folder_of(base), roots)


@lru_cache(maxsize=1024)
def _is_host(authority: str) -> bool:
    return bool(host_of(f"https://{authority}/"))


@lru_cache(maxsize=1024)
def _is_public(authority: str) -> bool:
    """Whether any document may name a host."""
    return _is_host(authority) and may_lead_to(host_of(f"https://{authority}/"), own="")


def document_place(base: str | os.PathLike[str] | None) -> str | None:
    """Give where a document without a place of its own counts as lying: in ``base`` if that is a folder, else at it."""
    if base is None:
        return None
    text = os.fspath(of_kind("base", base, (str, os.PathLike), "a path or URL"))
    is_folder = not is_remote(text) and Path(text).is_dir()
    return os.path.abspath(text) + "/" if is_folder else text  # noqa: PTH100 - a Path drops the slash


def given_roots(roots: Iterable[str | os.PathLike[str]] | None) -> tuple[str, ...] | None:
    """Give the folders that a caller lets assets lie under; None where it says nothing of them.

    Raises:
        TypeError: no list of paths; a single one is none.
    """
    if roots is None:
        return None
    return tuple(str(root) for root in each_of("roots", roots, (str, os.PathLike), "a list of folders"))


def folder_of(base: str) -> str:
    """Give the folder of a local document, absolute."""
    return posixpath.dirname(base if base.startswith("/") else os.path.abspath(base))  # noqa: PTH100 - text only


def roots_of(base: str | None) -> tuple[str, ...]:
    """Give the folders that a document may name files of, by its own place; None where it came as an object."""
    if base is None:
        return TRUSTED
    return () if is_remote(base) else (folder_of(base),)


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
    if _SURROGATE.search(href):
        raise _refused(href, "it holds half a character (a lone surrogate)")
    if _SCHEME.match(href.strip()) and not _SCHEME.match(href):
        raise _refused(href, "white space stands before its scheme")
    text = href.lstrip(" \ufeff")
    if text.startswith(("<", "{", "[")):
        raise _refused(href, "it is a document, not a path")
    if text.startswith(("/", "%")) and _VIRTUAL.match(unquote(text)):
        raise _refused(href, "virtual file systems are not followed")
    if "\\" in href:
        raise _refused(href, "it holds a backslash; paths in items are written with /")


def _remote(href: str, *, base: str | None, roots: tuple[str, ...]) -> str:
    location = _canonical(href)
    host = _require_authority(location, href)
    if _is_http(location) and not roots and not may_lead_to(host, own=_own_host(base)):
        raise _refused(href, "a document from elsewhere may not name a host of this network")
    return location


def _is_http(url: str) -> bool:
    return url.partition("://")[0].lower() in {"http", "https"}


def _canonical(url: str) -> str:
    """Write the schemes that mean one store in one way: ``http``, ``https``, ``s3``, ``gs``, ``az``."""
    scheme, _, rest = url.partition("://")
    scheme = scheme.lower()
    if scheme in {"http", "https"}:
        return f"{scheme}://{quote(rest, safe=_PRINTABLE)}"
    if scheme not in {"abfs", "abfss"}:
        return f"{'s3' if scheme == 's3a' else scheme}://{rest}"
    authority, slash, key = rest.partition("/")
    container, at, account = authority.partition("@")
    if not at:
        return f"az://{rest}"
    if not _BUCKET.fullmatch(container):
        raise _refused(url, f"{container!r:.80} is no name of a container")
    return f"https://{account.replace('.dfs.', '.blob.', 1)}/{quote(container + slash + key, safe=_PRINTABLE)}"


def _require_authority(location: str, href: str) -> str:
    """Give the host or bucket of a URL whose spelling has one meaning."""
    rest = location.partition("://")[2]
    if not _is_http(location):
        bucket, _, key = rest.partition("/")
        if not bucket:
            raise _refused(href, "it names no host or bucket")
        if not _BUCKET.fullmatch(bucket):
            raise _refused(href, f"{bucket!r:.80} is no name of a bucket")
        if not {".", ".."}.isdisjoint(key.split("/")):
            raise _refused(href, "it climbs: the key of an object holds no . or .. part")
        return bucket
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if not authority:
        raise _refused(href, "it names no host or bucket")
    host = host_of(location)
    if not host:
        why = "its host is not spelled with letters, digits, '.', '-', '_' alone, nor as [IPv6], or its port is none"
        raise _refused(href, why)
    return host


def _own_host(base: str | None) -> str:
    """Give the host that a document was read from over HTTP; empty where it was not."""
    return host_of(base) if base is not None and is_remote(base) and _is_http(base) else ""


def _remote_relative(href: str, base: str) -> str:
    if href.startswith("/"):
        raise _refused(href, "an absolute path in a document that is not local")
    _require_plain(base)
    prefix, _, rest = base.partition("://")
    place, _, path = rest.partition("/")
    if prefix.lower() in {"http", "https"}:  # a bucket's keys may hold these characters
        path = re.split(r"[?#]", path, maxsplit=1)[0]
    target, mark, query = href.partition("?")
    joined = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target))
    if _climbs(posixpath.join(posixpath.dirname(path), target)):
        raise _refused(href, "it climbs above the root of its server")
    location = _canonical(f"{prefix}://{place}{joined}{mark}{query}")
    _require_authority(location, href)
    return location


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
        raise _refused(href, f"it leads outside {', '.join(roots)} (roots=, --root name other folders)")
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
