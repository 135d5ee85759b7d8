"""What GDAL does not read, or reads otherwise, of JPEG 2000 data, told by the data's own header.

Rules:

- components that are all subsampled alike are an error to GDAL, unless their size is told in samples
  (``blocks.jpeg2000_sampling``). Then it reads the same samples as any decoder does;
- the type of the first component is that of all to GDAL, and what does not fit is cut off. Where components do not
  fit, the image is refused.
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
    from stacchip_osml.imagery.blocks.jpeg2000_codestream import Component
    from stacchip_osml.imagery.blocks.objects import RemoteObject
    from stacchip_osml.imagery.blocks.read_ahead import ReadAhead
    from stacchip_osml.imagery.gdal.library import Dataset

__all__ = ["may_hold_several_types", "require_one_type", "sizes_in_samples"]

HOLDERS = frozenset({"C8", "M8", "CD", "MD"})
"""IC of NITF images that are JPEG 2000."""
DIFFERENT = 255
"""BPC of the image header box where depths differ (ISO/IEC 15444-1, I.5.3.1)."""


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
    from stacchip_osml.imagery.blocks.jpeg2000 import siz_in_samples
    from stacchip_osml.imagery.blocks.read_ahead import NotServedError

    with suppress(ReadError, LimitError, NotServedError):
        size, ahead = file.size, _header_of(file, name)
        place = _place(ahead, driver)
        found = None if place is None else siz_in_samples(ahead, place.start, place.end)
        if found is not None and place is not None and size is not None and place.size in {None, found[0]}:
            return Change(place.start + 2, found[1], size)
    return None


def may_hold_several_types(dataset: Dataset, head: bytes) -> bool:
    """Tell whether it is worth looking at the components of an open dataset.

    Args:
        dataset: of any level.
        head: the file's first bytes.
    """
    if dataset.count < 2:
        return False
    if dataset.driver != "JP2OpenJPEG":
        return (dataset.get_tag_item("NITF_IC") or "").strip() in HOLDERS
    at = head.find(b"ihdr")
    return not 0 < at < len(head) - 14 or head[at + 14] == DIFFERENT


def require_one_type(file: LocalFile | RemoteObject, *, driver: str, name: str) -> None:
    """Refuse JPEG 2000 whose components do not all fit into the type of the first one.

    Args:
        file: its bytes, of which GDAL has made an image.
        driver: GDAL's.
        name: of the file, for messages.

    Raises:
        DecodeError: a component is wider, or signed where the first is not, or the other way round.
    """
    from stacchip_osml.imagery.blocks.jp2 import find_codestream
    from stacchip_osml.imagery.blocks.jpeg2000_codestream import read_main_header
    from stacchip_osml.imagery.blocks.read_ahead import NotServedError

    components: tuple[Component, ...] = ()
    with suppress(DecodeError, LimitError, NotServedError):  # GDAL has made an image of it, and may judge it
        ahead = _header_of(file, name)
        place = _place(ahead, driver)
        if place is not None:
            components = read_main_header(ahead, find_codestream(ahead, place.start, place.end).start).siz.components
    if any(each.signed != components[0].signed or _width(each) > _width(components[0]) for each in components):
        told = ", ".join(dict.fromkeys(f"{each.bits} bits{', signed' * each.signed}" for each in components))
        raise DecodeError(f"{name}: JPEG 2000 components of {told}: GDAL cuts off what does not fit into the first.")


def _width(component: Component) -> int:
    return 8 if component.bits <= 8 else 16 if component.bits <= 16 else 32


def _header_of(file: LocalFile | RemoteObject, name: str) -> ReadAhead:
    from stacchip_osml.imagery.blocks.read_ahead import READS, ReadAhead

    return ReadAhead(file.read_at, name=name, size=file.size, reads=READS)


def _place(ahead: ReadAhead, driver: str) -> _Place | None:
    """Find the JPEG 2000 data of a file, None where its first image is of another kind.

    Raises:
        DecodeError: it is damaged.
        LimitError: the image is larger than the limits.
        NotServedError: it cannot be made out.
    """
    if driver != "NITF":
        return _Place(0, ahead.size, None)
    from stacchip_osml.imagery.blocks.nitf_fields import read_segments, read_subheader
    from stacchip_osml.imagery.blocks.nitf_places import read_mask_table

    segment = read_segments(ahead)[0]
    image = read_subheader(ahead, segment, ReadLimits())
    if image.ic not in HOLDERS:
        return None
    masked = image.ic.startswith("M")
    start = read_mask_table(ahead, segment, replace(image, imode="B")).data if masked else segment.data
    return _Place(start, segment.end if ahead.size is None else min(segment.end, ahead.size), image.size)
