"""Files that GDAL sees with other bytes in some place: pieces of memory and of the file, joined.

Rules:

- the first bytes of a remote file, where they are there already, are not asked for again;
- JPEG 2000 whose components are all subsampled alike is an error to GDAL, unless its SIZ is told in samples
  (``blocks.jpeg2000_sampling``). Then it reads the same samples as any decoder does.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from xml.sax.saxutils import escape

from rasterio.io import MemoryFile

from stacchip_osml.errors import LimitError, ReadError
from stacchip_osml.imagery.gdal.library import Dataset, open_dataset
from stacchip_osml.imagery.limits import ReadLimits

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.files import LocalFile
    from stacchip_osml.imagery.blocks.objects import RemoteObject

__all__ = ["Change", "open_joined", "sizes_in_samples"]


class Change(NamedTuple):
    """Bytes of a file that are seen as others."""

    at: int
    bytes: bytes
    size: int
    """Of the whole file."""


def open_joined(change: Change, name: str, *, driver: str, overview: int | None, head: bytes = b"") -> Dataset:
    """Open one stored level of a file with some bytes changed, inside ``environment``; the caller closes it.

    Args:
        change: the bytes; GDAL does not ask for what they replace.
        name: of the file, as GDAL spells it.
        driver: the only one that may open it.
        overview: GDAL's overview index, None for R0.
        head: the file's first bytes, where they may say more than GDAL.
    """
    held = MemoryFile(change.bytes)
    end = change.at + len(change.bytes)
    pieces = [(name, 0, 0, change.at), (held.name, 0, change.at, end), (name, end, end, change.size)]
    joined = MemoryFile(_description(pieces, change.size), ext=".xml")
    dataset = open_dataset(f"/vsisparse/{joined.name}", driver=driver, overview=overview, head=head)
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


def sizes_in_samples(file: LocalFile | RemoteObject, *, driver: str, name: str) -> Change | None:
    """Find out whether a file that GDAL does not open is JPEG 2000 of components that are all subsampled alike.

    Args:
        file: its bytes.
        driver: GDAL's.
        name: of the file, for messages.

    Returns:
        Its SIZ marker segment in samples; None where it is another kind of file, one whose own header counts other
        rows and columns, or cannot be read.
    """
    from stacchip_osml.imagery.blocks.jpeg2000 import siz_in_samples
    from stacchip_osml.imagery.blocks.nitf_fields import read_segments, read_subheader
    from stacchip_osml.imagery.blocks.nitf_places import read_mask_table
    from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead

    with suppress(ReadError, LimitError, NotServedError):
        size = file.size
        ahead = ReadAhead(file.read_at, name=name, size=size, reads=READS)
        start, end, stated = 0, size, None
        if driver == "NITF":
            segment = read_segments(ahead)[0]
            image = read_subheader(ahead, segment, ReadLimits())
            if image.ic not in {"C8", "M8", "CD", "MD"}:
                return None
            stated = image.size
            masked = image.ic.startswith("M")
            start = read_mask_table(ahead, segment, replace(image, imode="B")).data if masked else segment.data
            end = segment.end if size is None else min(segment.end, size)
        found = siz_in_samples(ahead, start, end)
        if found is not None and size is not None and stated in {None, found[0]}:
            return Change(start + 2, found[1], size)
    return None
