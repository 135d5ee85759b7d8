"""Files that GDAL sees with other bytes in some place: pieces of memory and of the file, joined.

For the first bytes of a remote file, which are there already, and for JPEG 2000 that GDAL reads only if its size is
told otherwise (``codestreams``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from rasterio.io import MemoryFile

from stacchip_osml.imagery.gdal.library import Dataset, open_dataset

__all__ = ["Change", "open_joined"]


class Change(NamedTuple):
    """Bytes of a file that are seen as others."""

    at: int
    bytes: bytes
    size: int
    """Of the whole file."""


def open_joined(
    change: Change, name: str, *, driver: str, overview: int | None, head: bytes = b"", prefix: str = ""
) -> Dataset:
    """Open one stored level of a file with some bytes changed, inside ``environment``; the caller closes it.

    Args:
        change: the bytes; GDAL does not ask for what they replace.
        name: of the file, as GDAL spells it.
        driver: the only one that may open it.
        overview: GDAL's overview index, None for R0.
        head: the file's first bytes, where they may say more than GDAL.
        prefix: what stands before the file's name for a part of it.
    """
    held = MemoryFile(change.bytes)
    end = change.at + len(change.bytes)
    pieces = [(name, 0, 0, change.at), (held.name, 0, change.at, end), (name, end, end, change.size)]
    joined = MemoryFile(_description(pieces, change.size), ext=".xml")
    dataset = open_dataset(f"{prefix}/vsisparse/{joined.name}", driver=driver, overview=overview, head=head)
    dataset.held = (held, joined)  # read from as long as it is open
    return dataset


def _description(pieces: Sequence[tuple[str, int, int, int]], size: int) -> bytes:
    """Write what ``/vsisparse/`` reads, of ``(file, place in it, first byte, end)``."""
    regions = [
        f'<SubfileRegion><Filename relative="0">{escape(name)}</Filename>'
        f"<DestinationOffset>{start}</DestinationOffset><SourceOffset>{source}</SourceOffset>"
        f"<RegionLength>{end - start}</RegionLength></SubfileRegion>"
        for name, source, start, end in pieces
        if end > start
    ]
    return f"<VSISparseFile><Length>{size}</Length>{''.join(regions)}</VSISparseFile>".encode()
