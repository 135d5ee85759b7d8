"""Hosts of URLs, judged by their spelling alone: no name is looked up.

A host is letters, digits, ``.``, ``-``, ``_`` or a bracketed IPv6 address,
nothing that two programs could read in two ways. Internal is what only this
machine or its network can see.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from functools import lru_cache

__all__ = ["host_of", "is_internal_host", "is_loopback_host", "may_lead_to"]

_HOST = re.compile(
    r"(?:[A-Za-z0-9._~!$&'()*+,;=:%\-]*@)?"
    r"(?P<host>(?:[A-Za-z0-9_\-]{1,63}\.)*[A-Za-z0-9_\-]{1,63}\.?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{0,5}))?"
)
_INTERNAL_NAMES = (
    ".localhost", ".local", ".internal", ".localdomain", ".lan", ".intranet", ".private", ".corp", ".home",
    ".home.arpa", ".svc",
)  # fmt: skip
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def host_of(url: str) -> str:
    """Give an HTTP URL's host: a name in lower case or an address in its usual spelling; empty where it is neither."""
    rest = url.partition("://")[2]
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    match = _HOST.fullmatch(authority)
    if match is None or len(match["host"]) > 253 or int(match["port"] or 0) > 65535:
        return ""
    if rest[len(authority) :].startswith("#"):  # some programs read on to a later @
        return ""
    host = match["host"].strip("[]").rstrip(".").lower()
    address = _address(host)
    if match["host"].startswith("[") and not isinstance(address, ipaddress.IPv6Address):
        return ""
    return host if address is None else str(address)


@lru_cache(maxsize=1024)
def _address(host: str) -> _Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    try:
        return ipaddress.ip_address(socket.inet_aton(host))  # 127.1, 0x7f000001, 2130706433
    except OSError:
        return None


def _addresses(host: str) -> list[_Address]:
    """List the address that a host is, and the IPv4 addresses that an IPv6 one leads on to."""
    address = _address(host)
    if address is None:
        return []
    found: list[_Address | None] = [address]
    if isinstance(address, ipaddress.IPv6Address):
        found += [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped is not None:
            found.remove(address)  # it is the IPv4 address and nothing else
    return [part for part in found if part is not None]


@lru_cache(maxsize=1024)
def is_internal_host(host: str) -> bool:
    """Whether a host, by its spelling alone, is this machine or its network; no name is looked up."""
    addresses = _addresses(host)
    if addresses:
        return not all(address.is_global and not address.is_multicast for address in addresses)
    return "." not in host or host.endswith(_INTERNAL_NAMES)


def is_loopback_host(host: str) -> bool:
    """Whether a host is this machine."""
    return host == "localhost" or host.endswith(".localhost") or any(part.is_loopback for part in _addresses(host))


def may_lead_to(host: str, *, own: str) -> bool:
    """Whether what came from the host ``own`` (empty: no HTTP host) may lead to another.

    Any public host; of the internal ones only its own, where loopback names stand for each other.
    """
    return not is_internal_host(host) or own == host or (is_loopback_host(own) and is_loopback_host(host))
