"""Which GDAL driver may open a file, decided by its first bytes alone.

A name ends in anything, and GDAL's own probing would open a virtual format
that points elsewhere. So only formats that hold their own pixels are listed;
whatever is not listed (VRT, XML, HDF5, archives) has no driver.
"""

from __future__ import annotations

from stacchip_osml.pixel.arguments import of_kind

__all__ = ["DRIVERS", "HEAD_BYTES", "OPENING_BYTES", "sniff_driver"]

HEAD_BYTES = 256
"""How much of a file's beginning is enough to tell, and to know the samples of most JPEG 2000 files."""
OPENING_BYTES = 1 << 15
"""How much of a remote file is asked for at first: all directories of a COG of 500 blocks a band, mostly."""

MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"II\x2a\x00", "GTiff"),
    (b"MM\x00\x2a", "GTiff"),
    (b"II\x2b\x00\x08\x00\x00\x00", "GTiff"),  # BigTIFF: version 43, offset size 8, reserved 0
    (b"MM\x00\x2b\x00\x08\x00\x00", "GTiff"),
    (b"NITF0", "NITF"),
    (b"NSIF0", "NITF"),
    (b"\x00\x00\x00\x0cjP\x20\x20\x0d\x0a\x87\x0a", "JP2OpenJPEG"),  # ISO/IEC 15444-1 I.5.1, signature box
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),  # SOC then SIZ, which must come second (A.4)
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
)

DRIVERS = frozenset(driver for _, driver in MAGIC)


def sniff_driver(head: bytes) -> str | None:
    """Name the GDAL driver for a file that begins with ``head``.

    Args:
        head: the first ``HEAD_BYTES`` bytes, fewer if the file is shorter.

    Returns:
        ``GTiff``, ``NITF``, ``JP2OpenJPEG``, ``PNG`` or ``JPEG``; None for everything else.
    """
    of_kind("head", head, bytes, "bytes")
    return next((driver for magic, driver in MAGIC if head.startswith(magic)), None)
