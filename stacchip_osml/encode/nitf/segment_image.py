"""One image segment of a NITF file as provider, whichever of the file's it is, and wherever the file is.

Several that are one image (``joined``) are the same with fields and layout of all.
The first segment of a file that has a name is what GDAL opens, and is an
ordinary :class:`~stacchip_osml.imagery.blocks.BlockImage`. All others are read
by blocks only: what the block reader does not serve is an error that says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stacchip_osml.encode.nitf.file_bytes import HeldFile
from stacchip_osml.encode.nitf.records import NitfFile, ParentImage, is_decoded_to_rgb
from stacchip_osml.errors import DecodeError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.header import BandHeader, ImageHeader, PictureTags, nitf_time
from stacchip_osml.imagery.level_places import LevelPlace
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.imagery.nitf.blocks import KINDS
from stacchip_osml.imagery.nitf.said import BAND_COLORS, lut_brightness, lut_colors
from stacchip_osml.pixel import ImageSize

if TYPE_CHECKING:
    from stacchip_osml.imagery.gdal.image import GdalImage

__all__ = ["SegmentImage"]


class SegmentImage(BlockImage):
    """One image segment; safe for threads. Of bytes in memory it does not pickle."""

    def __init__(
        self,
        file: Any,
        fields: Mapping[str, str],
        number: int,
        *,
        limits: ReadLimits,
        layouts: Callable[[], tuple[ImageLayout, ...]],
        record: Callable[[], NitfFile],
        reopened: Callable[..., Any],
        sign: Callable[[str], str] | None = None,
        written: str = "",
    ) -> None:
        """Name the segment; its data is not looked at yet.

        Args:
            file: bytes of the file.
            fields: of its subheader.
            number: of the segment, from 0 on.
            limits: refused above these.
            layouts: gives where the blocks of all segments are.
            record: reads the file with all of its headers, once for all segments.
            reopened: gives the segment in another process, of location, number, limits and sign.
            sign: turns a URL into what is really opened.
            written: FDT of the file.
        """
        super().__init__(file.location, limits=limits, sign=sign)
        self._may_be_plain = False  # its file is no TIFF
        self._segment_file = file
        self._fields = fields
        self._number = number
        self._written = written
        self._layouts = layouts
        self._record, self._reopened = record, reopened
        self._parent: ParentImage | None = None
        self.name = f"{file.name}, image segment {number + 1}"
        if isinstance(file, HeldFile):
            self.remote = False

    def __reduce__(self) -> tuple[Any, ...]:
        if isinstance(self._segment_file, HeldFile):
            raise TypeError(f"{self.name}: bytes that are held by this process do not pickle")
        return self._reopened, (self.location, self._number, self.limits, self.sign)

    def __repr__(self) -> str:
        return f"SegmentImage({self.name!r})"

    @property
    def nitf_parent(self) -> ParentImage:
        """The file with all of its headers, and which image of it this is: what a chip of it carries on."""
        if self._parent is None:
            self._parent = ParentImage(file=self._record(), index=self._number)
        return self._parent

    @property
    def header(self) -> ImageHeader:
        """What the subheader says."""
        if self._header is None:
            self._header = self._made_header()
        return self._header

    @property
    def gdal(self) -> GdalImage:
        """Not there: GDAL opens the first segment of a named file only.

        Raises:
            DecodeError: always, with the reason why blocks do not serve it.
        """
        level = self._segment_layout().levels[0]
        reason = level.reason if isinstance(level, Unserved) else "GDAL opens the first image of a named file"
        raise DecodeError(f"{self.name}: {reason}")

    @property
    def version(self) -> tuple[object, ...]:
        """Of the file, which of its segments, and whether others belong to it."""
        return self.location, self._segment_file.version, self._number, self._fields["NROWS"]

    @property
    def key(self) -> str:
        """The location, and which segment."""
        return f"{self.location}#{self._number}"

    @property
    def description(self) -> str:
        """IID2."""
        return self._fields.get("IID2", "")

    @property
    def actual_bits_per_pixel(self) -> int:
        """ABPP."""
        return int(self._fields["ABPP"])

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The subheader's fields, as GDAL names them."""
        return {f"NITF_{name}": text for name, text in self._fields.items() if not name.startswith("LUTD")}

    @property
    def picture_tags(self) -> PictureTags:
        """Bands' subcategories; look-up tables of a band that is an index of colours."""
        count = len(self.header.bands)
        bands = tuple(
            {"NITF_IREPBAND": self._fields[f"IREPBAND{band}"], "NITF_ISUBCAT": self._fields[f"ISUBCAT{band}"]}
            for band in range(1, count + 1)
        )
        tables = [self._tables(band) for band in range(1, count + 1)]
        brightness = tuple(map(lut_brightness, tables))
        return PictureTags(
            bands=bands,
            structure={},
            color_tables=tuple(map(lut_colors, tables)),
            wavelengths=(None,) * count,
            brightness_tables=brightness if any(brightness) else (),
        )

    def _tables(self, band: int) -> list[bytes]:
        if self._fields[f"IREPBAND{band}"] != "LU":
            return []
        numbers = range(1, int(self._fields[f"NLUTS{band}"]) + 1)
        return [self._fields[f"LUTD{band}{table}"].encode("latin-1") for table in numbers]

    def _segment_layout(self) -> ImageLayout:
        layouts = self._layouts()
        return layouts[self._number] if self._number < len(layouts) else layouts[0]

    def _found_layout(self) -> ImageLayout:
        self._given = self._segment_layout()
        return super()._found_layout()

    def _made_file(self) -> Any:
        return self._segment_file

    def _made_header(self) -> ImageHeader:
        fields = self._fields
        size = ImageSize(int(fields["NCOLS"]), int(fields["NROWS"]))
        count = int(fields["NBANDS"]) or int(fields["XBANDS"])
        block = int(fields["NPPBV"]) or size.height, int(fields["NPPBH"]) or size.width
        levels: tuple[ImageSize, ...] = (size,)
        dtype, _ = KINDS.get((fields["PVTYPE"], int(fields["NBPP"])), ("uint8", ""))
        layout = self._segment_layout()
        first, pad = layout.levels[0], layout.pad
        places: tuple[LevelPlace, ...] = ()
        colors: tuple[str, ...] = ("red", "green", "blue")
        if not is_decoded_to_rgb(fields):
            colors = tuple(BAND_COLORS.get(fields[f"IREPBAND{band}"], "undefined") for band in range(1, count + 1))
        if isinstance(first, LevelLayout):
            dtype, block = first.codec.dtype, first.block_shape
            served = layout.served()
            levels = tuple(level.size for level in served.levels if isinstance(level, LevelLayout))
            places = served.places
        return ImageHeader(
            driver="NITF",
            levels=levels,
            bands=tuple(BandHeader(dtype=dtype, nodata=pad, color=color) for color in colors),
            block_shape=block,
            mask="none" if pad is None else "nodata",
            acquired=nitf_time(fields.get("IDATIM"), self._written),
            places=places,
        )
