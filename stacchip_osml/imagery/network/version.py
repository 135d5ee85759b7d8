"""Which version of a remote object an answer is of, which failures may pass, and where an object may lead.

A version is known by its size, ETag and Last-Modified. Later requests carry it
as a condition (If-Match, else If-Unmodified-Since: RFC 9110 section 13.1), which
a server may ignore.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from stacchip_osml.errors import ReadError, redact

__all__ = ["TRANSIENT", "RemoteStamp", "require_redirect"]

TRANSIENT = frozenset({429, 500, 502, 503, 504})
_STRONG_ETAG = re.compile(r'"[!#-+\--\[\]-~]*"')
"""RFC 9110 section 8.8.3, without commas and backslashes, which a GDAL option would need to escape."""
_HTTP_DATE = re.compile(r"[A-Za-z0-9 :,]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteStamp:
    """What tells one version of a remote object from the next; None where the server does not say."""

    size_bytes: int | None = None
    etag: str | None = None
    modified: str | None = None
    """Last-Modified as the server spells it."""
    is_whole: bool = False
    """The server answered with the whole object, though a part was asked for."""

    def differs_from(self, other: RemoteStamp) -> bool:
        """Tell whether two stamps are surely of different versions."""
        for mine, theirs in ((self.size_bytes, other.size_bytes), (self.etag, other.etag)):
            if mine is not None and theirs is not None and mine != theirs:
                return True
        if self.etag is not None and other.etag is not None:
            return False  # the ETag decides: some servers touch Last-Modified without a change
        return None not in {self.modified, other.modified} and self.modified != other.modified

    def condition(self) -> str | None:
        """Give the request header under which a server must answer with this version or not at all."""
        if self.etag is not None and _STRONG_ETAG.fullmatch(self.etag):
            return f"If-Match: {self.etag}"
        if self.modified is not None and _HTTP_DATE.fullmatch(self.modified):
            return f"If-Unmodified-Since: {self.modified}"
        return None


def require_redirect(url: str, target: str) -> None:
    """Allow a redirect over HTTP, to no internal host but the one that was asked.

    Raises:
        ReadError: it leads elsewhere.
    """
    from stacchip_osml.imagery.network.hosts import host_of, may_lead_to

    host = host_of(target) if target.lower().startswith(("http://", "https://")) else ""
    if not host or not may_lead_to(host, own=host_of(url)):
        raise ReadError(f"{redact(url)} redirects to {redact(target)}, where images are not read from")
