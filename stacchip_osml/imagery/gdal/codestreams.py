"""What GDAL does not read, or reads otherwise, of JPEG 2000 data, told by the data's own header.

Rules:

- components that are all subsampled alike are an error to GDAL, unless their size is told in samples
  (``blocks.jpeg2000_sampling``). Then it reads the same samples as any decoder does;
- the type of the first component is that of all to GDAL, and what does not fit is cut off. Where components do not
  fit, the image is refused;
- of tiles that are no regular grid from the image's corner it takes some for others, or asserts; with packed packet
  headers (PPM) it reads none but the first. Then the header is GDAL's, R0 the only level, and pixels are refused.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from stacchip_osml.errors import DecodeError, LimitError, ReadError
from stacchip_osml.imagery.gdal.joined import Change
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.pixel import ImageSize

if TYPE_CHECKING:
    from stacchip_osml.imagery.blocks.files import LocalFile
    from stacchip_osml.imagery.blocks.layout import ReadAt
    from stacchip_osml.imagery.blocks.objects import RemoteObject
    from stacchip_osml.imagery.blocks.read_ahead import ReadAhead
    from stacchip_osml.imagery.gdal.library import Dataset
    from stacchip_osml.imagery.jpeg2000.main_header import Component

__all__ = ["StreamFacts", "holds_codestream", "sizes_in_samples", "stream_facts", "told_origin"]

HOLDERS = frozenset({"C8", "M8", "CD", "MD"})
"""IC of NITF images that are JPEG 2000."""


class StreamFacts(NamedTuple):
    """What GDAL does not tell of the JPEG 2000 data that it reads."""

    unread: str = ""
    """Which tiles it gives other pixels of, or none, for a message; nothing where it reads them."""
    origin: tuple[int, int] | None = None
    """(XOsiz, YOsiz); None where the pixels are no JPEG 2000."""


class _Place(NamedTuple):
    """Where the JPEG 2000 data of a file lies."""

    start: int
    end: int | None
    size: ImageSize | None
    """As the file around it says, where it does."""


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
    from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead
    from stacchip_osml.imagery.jpeg2000.blocks import siz_in_samples

    with suppress(ReadError, LimitError, NotServedError):
        size = file.size
        ahead = ReadAhead(file.read_at, name=name, size=size, reads=READS)
        place = _place(ahead, driver)
        found = None if place is None else siz_in_samples(ahead, place.start, place.end)
        if found is not None and place is not None and size is not None and place.size in {None, found[0]}:
            return Change(place.start + 2, found[1], size)
    return None


def told_origin(change: Change) -> tuple[int, int]:
    """Give the origin of the image, in samples, that :func:`sizes_in_samples` found."""
    from stacchip_osml.imagery.jpeg2000.main_header import SIZ_HEAD

    x, y = SIZ_HEAD.unpack_from(change.bytes)[5:7]
    return int(x), int(y)


def holds_codestream(dataset: Dataset) -> bool:
    """Tell whether the pixels of an open dataset are JPEG 2000."""
    if dataset.driver == "NITF":
        return (dataset.get_tag_item("NITF_IC") or "").strip() in HOLDERS
    return bool(dataset.driver == "JP2OpenJPEG")


def stream_facts(read: ReadAt, *, size: int | None, driver: str, name: str) -> StreamFacts:
    """Find out what of a JPEG 2000 image GDAL reads as something else, and where the image begins.

    Args:
        read: its file.
        size: of the file; None where unknown.
        driver: GDAL's, which has made an image of it.
        name: of the file, for messages.

    Returns:
        The facts; those of an ordinary image at the origin where its header cannot be made out.

    Raises:
        DecodeError: a component is wider than the first one, or signed where that is not, or the other way round.
    """
    from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead
    from stacchip_osml.imagery.jpeg2000.blocks import unread_by_gdal
    from stacchip_osml.imagery.jpeg2000.boxes import find_codestream
    from stacchip_osml.imagery.jpeg2000.main_header import read_main_header

    ahead = ReadAhead(read, name=name, size=size, reads=READS)
    try:
        place = _place(ahead, driver)
        if place is None:
            return StreamFacts()
        stream = read_main_header(ahead, find_codestream(ahead, place.start, place.end).start)
    except (DecodeError, LimitError, NotServedError):  # GDAL has made an image of it, and may judge it
        return StreamFacts(origin=(0, 0))
    first, *others = stream.siz.components
    if any(each.signed != first.signed or _width(each) > _width(first) for each in others):
        told = ", ".join(f"{each.bits} bits{', signed' * each.signed}" for each in dict.fromkeys((first, *others)))
        raise DecodeError(f"{name}: JPEG 2000 components of {told}: GDAL cuts off what does not fit into the first.")
    return StreamFacts(unread_by_gdal(stream), stream.siz.origin)


def _width(component: Component) -> int:
    return 8 if component.bits <= 8 else 16 if component.bits <= 16 else 32


def _place(ahead: ReadAhead, driver: str) -> _Place | None:
    """Find the JPEG 2000 data of a file, None where its first image is of another kind.

    Raises:
        DecodeError: it is damaged.
        LimitError: the image is larger than the limits.
        NotServedError: it cannot be made out.
    """
    if driver != "NITF":
        return _Place(0, ahead.size, None)
    from stacchip_osml.imagery.nitf.fields import read_segments, read_subheader
    from stacchip_osml.imagery.nitf.places import read_mask_table

    segment = read_segments(ahead)[0]
    image = read_subheader(ahead, segment, ReadLimits())
    if image.ic not in HOLDERS:
        return None
    masked = image.ic.startswith("M")
    start = read_mask_table(ahead, segment, replace(image, imode="B")).data if masked else segment.data
    return _Place(start, segment.end if ahead.size is None else min(segment.end, ahead.size), image.size)
