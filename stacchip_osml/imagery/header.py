"""What an image file says of itself, read once from its header.

The record is plain values, so it pickles, compares and prints. It must not
know how it was read: readers fill it, everyone else trusts it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stacchip_osml.imagery.level_places import FULL_RESOLUTION, LevelPlace
from stacchip_osml.pixel import ImageSize
from stacchip_osml.pixel.counts import whole_number

__all__ = ["BandHeader", "GroundControlPoint", "ImageHeader", "PictureTags", "colors_of_pixels", "nitf_time"]

LUMA_CHROMA = ("y", "cb", "cr")
DECODED = frozenset(("JPEG", "JPEG2000"))
"""Codecs whose decoders give red, green and blue where a file says Y'CbCr, as long as the bands are in that order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandHeader:
    """One band as stored."""

    dtype: str
    """numpy name: ``uint16``, ``complex64`` …"""
    nodata: float | complex | None = None
    """Value of pixels that hold no measurement; may be NaN."""
    scale: float = 1.0
    """Physical value = stored × scale + offset."""
    offset: float = 0.0
    description: str | None = None
    """The band's own name, None when the file gives none."""
    color: str = "undefined"
    """Colour interpretation in lower case: ``gray``, ``red``, ``alpha``, ``palette`` …"""

    def __post_init__(self) -> None:
        if isinstance(self.nodata, float) and math.isnan(self.nodata):
            object.__setattr__(self, "nodata", math.nan)  # always the same one, which a tuple takes for equal to itself

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BandHeader) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values)

    @property
    def _values(self) -> tuple[object, ...]:
        return self.dtype, self.nodata, self.scale, self.offset, self.description, self.color


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundControlPoint:
    """One tie between a pixel position and the ground."""

    row: float
    col: float
    x: float
    y: float
    z: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureTags:
    """What only display and statistics ask for, so it is read when they do."""

    bands: tuple[Mapping[str, str], ...]
    """Each band's own tags, as GDAL names them: ``STATISTICS_MEAN``, ``NITF_ISUBCAT`` …"""
    structure: Mapping[str, str]
    """GDAL's ``IMAGE_STRUCTURE``: ``MINISWHITE``, ``SOURCE_COLOR_SPACE`` …"""
    color_tables: tuple[tuple[tuple[int, int, int, int], ...] | None, ...]
    """Red, green, blue and alpha (0 to 255) of each value from 0 on, a table for each band that has one."""
    wavelengths: tuple[float | None, ...]
    """Centre of each band in micrometres, where GDAL knows it."""
    brightness_tables: tuple[tuple[int, ...] | None, ...] = ()
    """0 to 65,535 of each value from 0 on, for each band whose two NITF look-up tables say so; none at all where no
    band has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageHeader:
    """Everything about an image that is not pixels."""

    driver: str
    """GDAL driver short name: ``GTiff``, ``NITF``, ``JP2OpenJPEG``, ``PNG``, ``JPEG``."""
    levels: tuple[ImageSize, ...]
    """Size of each stored pyramid level, R0 first."""
    bands: tuple[BandHeader, ...]
    block_shape: tuple[int, int]
    """(rows, cols) of one stored block of R0."""
    transform: tuple[float, float, float, float, float, float] | None = None
    """Affine a b c d e f, pixel corner (col, row) → CRS (x, y); None when the file has none."""
    crs: str | None = None
    """``EPSG:n`` where the authority is known, else WKT2; None when the file has none."""
    gcps: tuple[GroundControlPoint, ...] = ()
    gcps_crs: str | None = None
    """CRS of the GCPs' x and y."""
    rpcs: tuple[tuple[str, str], ...] = ()
    """RPC00B coefficients by GDAL's names (``LINE_OFF`` …), as text."""
    area_or_point: str = "Area"
    mask: str = "none"
    """Where validity is stored: ``none``, ``nodata``, ``alpha`` or ``mask`` (a mask band)."""
    compression: str | None = None
    interleave: str | None = None
    acquired: str | None = None
    """The file's own time as it spells it (TIFF DateTime; NITF IDATIM, FDT where that says nothing); None when it gives
    none."""
    images: int = 1
    """Images that the file holds: pages of a TIFF, segments of a NITF file; this is the first, of one segment or
    several."""
    size_bytes: int | None = None
    """Size of the file."""
    modified_ns: int | None = None
    """Modification time of a local file, ns since the epoch."""
    places: tuple[LevelPlace, ...] = ()
    """Where each level lies on R0, R0 first; none at all where every level stretches its outer edges to R0's."""

    @property
    def size(self) -> ImageSize:
        """R0 size."""
        return self.levels[0]

    def place(self, level: int) -> LevelPlace:
        """Tell where a level lies on R0.

        Raises:
            IndexError: no such level.
        """
        if not 0 <= whole_number("level", level) < len(self.levels):
            raise IndexError(f"no level {level}; there are {len(self.levels)}")
        if level == 0:
            return FULL_RESOLUTION
        return self.places[level] if self.places else LevelPlace.stretched(self.levels[level], self.levels[0])


def colors_of_pixels(colors: Sequence[str], compression: str | None) -> tuple[str, ...]:
    """Tell the colours that decoded pixels have.

    Args:
        colors: of the bands, as the file has them.
        compression: GDAL's name of it.
    """
    is_decoded = tuple(colors) == LUMA_CHROMA and compression in DECODED
    return ("red", "green", "blue") if is_decoded else tuple(colors)


def nitf_time(image: str | None, file: str | None) -> str | None:
    """Give the time that a NITF file states of an image: IDATIM or, where that says nothing, FDT; None for neither."""
    return next((text for text in (image, file) if text and text.strip("-0Z \0")), None)
