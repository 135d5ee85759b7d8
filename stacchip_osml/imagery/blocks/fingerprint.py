"""What tells one version of a file from the next where no time does: its size, and the bytes of its headers.

A checkout or a copy gives files new times and leaves their bytes. TIFF keeps
its directories and block tables at the beginning, or at the end when it was
written in place; NITF and JPEG 2000 begin with theirs. Compressed pixels that
change bring other lengths into those tables, or another size. **Not noticed**
are pixels that change where they lie, at the same length, in the middle of a
file.
"""

from __future__ import annotations

from hashlib import blake2b

from stacchip_osml.imagery.blocks.layout import ReadAt

__all__ = ["FINGERPRINT_HEAD", "FINGERPRINT_TAIL", "fingerprint"]

FINGERPRINT_HEAD = 1 << 15
"""Bytes from the beginning that count."""
FINGERPRINT_TAIL = 1 << 12
"""Bytes before the end that count."""


def fingerprint(read: ReadAt, size: int) -> str:
    """Name the version of a file by two short reads: 32 hexadecimal digits.

    Args:
        read: gives its bytes.
        size: how many it has.
    """
    digest = blake2b(size.to_bytes(8, "little"), digest_size=16)
    head = min(size, FINGERPRINT_HEAD)
    tail = min(size - head, FINGERPRINT_TAIL)
    digest.update(read(0, head))
    if tail:
        digest.update(read(size - tail, tail))
    return digest.hexdigest()
