"""What a NITF image says of itself, for kinds of images that blocks serve and GDAL does not open, or opens in part.

Those are 64-bit integers, masked and high-throughput JPEG 2000, JPEG with a
stream a band, masked blocks of several bands, and bands with two or four look-up
tables or more than 256 entries of each, after which GDAL reads on at the wrong
byte. Of an image in several segments GDAL opens the first (``product_segments``).
Anything else that GDAL does not open is damaged, or not served: GDAL is the judge of it.

Rules: what is said is said by the image's subheader. Where the image lies on
the ground is not looked at here: fields and extensions that tell it are read by
those who place images.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, ReadAt
from stacchip_osml.imagery.blocks.read_ahead import READS, NotServedError, ReadAhead
from stacchip_osml.imagery.header import BandHeader, ImageHeader, PictureTags, nitf_time
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import joined_layout, segment_layout
from stacchip_osml.imagery.nitf.fields import Segment, Subheader, read_segments, read_subheader
from stacchip_osml.imagery.nitf.product_segments import joined_segments

if TYPE_CHECKING:
    from stacchip_osml.imagery.gdal.image import GdalImage
    from stacchip_osml.imagery.providers.own_image import OwnImage

__all__ = ["BAND_COLORS", "NitfSaid", "joined_said", "lut_brightness", "lut_colors", "nitf_said", "with_brightness"]

BAND_COLORS = {"R": "red", "G": "green", "B": "blue", "M": "gray", "LU": "palette", "Y": "y", "Cb": "cb", "Cr": "cr"}
"""IREPBAND → what GDAL calls it."""
GDAL_ENTRIES = 256
"""Of a look-up table, at most: it steps over no more."""
IDATIM = slice(12, 26)
"""Bytes of a subheader."""
FDT = slice(25, 39)
"""Bytes of a file header, of every version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NitfSaid:
    """What an image provider asks of an image besides its pixels."""

    header: ImageHeader
    metadata: Mapping[str, str]
    """Fields that say how pixels are stored, as GDAL names them."""
    actual_bits_per_pixel: int
    """ABPP, NBPP where it is no number."""
    picture_tags: PictureTags
    description: str = ""
    layout: ImageLayout | None = None
    """Where its blocks are, where that was found on the way."""


def nitf_said(
    read: ReadAt, *, name: str, limits: ReadLimits, size: int | None, modified_ns: int | None
) -> NitfSaid | None:
    """Read what a file's first image says; None where it is of no kind that GDAL does not open, or blocks do not serve.

    Args:
        read: gives the file's bytes.
        name: of the file, for messages.
        limits: refused above these.
        size: of the file in bytes, where known.
        modified_ns: of a local file.

    Raises:
        ReadError: as ``read``, but for what the bytes are.
    """
    ahead = ReadAhead(read, name=name, size=size, reads=READS)
    try:
        segments = read_segments(ahead)
        image = read_subheader(ahead, segments[0], limits)
        if not _is_beyond_gdal(image):
            return None
        taken = ahead.exactly(segments[0].subheader, IDATIM.stop)[IDATIM].decode("latin-1").strip()
        written = ahead.exactly(0, FDT.stop)[FDT].decode("latin-1").strip()
        layout = segment_layout(ahead, segments[0], limits)
    except (DecodeError, LimitError, NotServedError):
        return None
    served = layout.served()
    levels = [level for level in served.levels if isinstance(level, LevelLayout)]
    if not levels or levels[0] is not layout.levels[0]:
        return None
    kind, pad = levels[0].codec.kind.name, layout.pad
    header = ImageHeader(
        driver="NITF",
        levels=tuple(level.size for level in levels),
        bands=tuple(
            BandHeader(dtype=kind, nodata=pad, color=BAND_COLORS.get(of_band, "undefined"))
            for of_band in image.irepbands
        ),
        block_shape=levels[0].block_shape,
        mask="none" if pad is None else "nodata",
        acquired=nitf_time(taken, written),
        images=len(segments),
        size_bytes=size,
        modified_ns=modified_ns,
        places=served.places,
    )
    return NitfSaid(
        header=header,
        metadata=_metadata(image, segments[0], taken, written),
        actual_bits_per_pixel=int(image.abpp) if image.abpp.isdigit() else image.bits,
        picture_tags=PictureTags(
            bands=tuple({"NITF_IREPBAND": of_band} for of_band in image.irepbands),
            structure={},
            color_tables=tuple(_colors(ahead, image, band) for band in range(image.bands)),
            wavelengths=(None,) * image.bands,
            brightness_tables=_brightness(ahead, image),
        ),
    )


def joined_said(
    told: GdalImage | OwnImage | NitfSaid, read: ReadAt, *, name: str, limits: ReadLimits, size: int | None
) -> NitfSaid | None:
    """Say of an image that is stored in several segments what is said of the first of them.

    Corners and polynomials of that one are left out: where the image lies, its XML says.

    Args:
        told: GDAL's image of the file, or what stands for it.
        read: gives the file's bytes.
        name: of the file, for messages.
        limits: refused above these.
        size: of the file in bytes, where known.

    Returns:
        None where the first segment is an image of its own.

    Raises:
        LimitError: the image is larger than ``limits``.
        ReadError: as ``read``, but for what the bytes are.
    """
    header = told.header
    ahead = ReadAhead(read, name=name, size=size, reads=READS * header.images)
    try:
        segments = read_segments(ahead)
    except (DecodeError, NotServedError):
        return None
    joined = joined_segments(ahead, segments, first=0)
    if not joined:
        return None
    layout = joined_layout(read, segments, joined[0], name=name, limits=limits, size=size)
    level = layout.levels[0]
    return NitfSaid(
        header=replace(
            header,
            levels=(joined[0].size,),
            bands=tuple(
                replace(band, nodata=layout.pad if band.nodata is None else band.nodata) for band in header.bands
            ),
            mask="none" if layout.pad is None else "nodata",
            block_shape=level.block_shape if isinstance(level, LevelLayout) else header.block_shape,
            images=header.images - len(joined[0].numbers) + 1,
            transform=None,
            crs=None,
            gcps=(),
            gcps_crs=None,
            rpcs=(),
            places=(),
        ),
        metadata=told.metadata,
        actual_bits_per_pixel=told.actual_bits_per_pixel,
        picture_tags=told.picture_tags,
        description=told.description,
        layout=layout,
    )


def with_brightness(tags: PictureTags, read: ReadAt, *, name: str, limits: ReadLimits, size: int | None) -> PictureTags:
    """Put right what GDAL says of bands with two look-up tables: it takes the second one for colours.

    Raises:
        ReadError: as ``read``, or the file is damaged.
    """
    ahead = ReadAhead(read, name=name, size=size, reads=READS)
    image = read_subheader(ahead, read_segments(ahead)[0], limits)
    tables = _brightness(ahead, image)
    if not tables or len(tags.color_tables) != len(tables):
        return tags
    colors = tuple(None if found else table for found, table in zip(tables, tags.color_tables, strict=True))
    return replace(tags, color_tables=colors, brightness_tables=tables)


def lut_colors(tables: Sequence[bytes]) -> tuple[tuple[int, int, int, int], ...] | None:
    """Give red, green, blue and 255 of each value by LUTDnm of a band: of one table grey, of three colours.

    Two are the upper and the lower bytes of 16-bit brightness (MIL-STD-2500C, table A-3, NLUTSn), and no colours.
    """
    if len(tables) not in {1, 3}:
        return None
    red, green, blue = tables if len(tables) > 1 else (tables[0],) * 3
    return tuple((r, g, b, 255) for r, g, b in zip(red, green, blue, strict=True))


def lut_brightness(tables: Sequence[bytes]) -> tuple[int, ...] | None:
    """Give 0 to 65,535 of each value by LUTDnm of a band that has two of them; see :func:`lut_colors`."""
    if len(tables) != 2:
        return None
    return tuple(upper << 8 | lower for upper, lower in zip(*tables, strict=True))


def _colors(ahead: ReadAhead, image: Subheader, band: int) -> tuple[tuple[int, int, int, int], ...] | None:
    return lut_colors(_tables(ahead, image, band))


def _brightness(ahead: ReadAhead, image: Subheader) -> tuple[tuple[int, ...] | None, ...]:
    found = tuple(lut_brightness(_tables(ahead, image, band)) for band in range(image.bands))
    return found if any(found) else ()


def _tables(ahead: ReadAhead, image: Subheader, band: int) -> list[bytes]:
    """Read the tables of a band whose values are entries of them."""
    number, entries, start = image.tables[band]
    if image.irepbands[band] != "LU":
        return []
    return [ahead.exactly(start + table * entries, entries) for table in range(number)]


def _is_beyond_gdal(image: Subheader) -> bool:
    if image.ic in {"M8", "CD", "MD"} or (image.pvtype in {"INT", "SI"} and image.bits == 64):
        return True
    if any(tables.number in {2, 4} or tables.entries > GDAL_ENTRIES for tables in image.tables):
        return True
    apart = {"C3": "BS", "M3": "BS", "NM": "BR"}.get(image.ic, "")
    return image.bands > 1 and image.imode in set(apart)


def _metadata(image: Subheader, segment: Segment, taken: str, written: str) -> dict[str, str]:
    return {
        "NITF_FHDR": segment.version.decode("latin-1"),
        "NITF_FDT": written,
        "NITF_IDATIM": taken,
        "NITF_PVTYPE": image.pvtype,
        "NITF_IREP": image.irep,
        "NITF_ABPP": image.abpp,
        "NITF_IC": image.ic,
        "NITF_IMODE": image.imode,
    }
