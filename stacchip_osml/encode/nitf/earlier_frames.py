"""Frames of raster products (CADRG and CIB in NITF 2.0) as images that need none of MIL-STD-2411's tables.

A frame's vector quantization is described by tables that are found at places
counted from the beginning of its file (``RPFHDR``, ``RPFIMG``, ``RPFDES``), which a
copy or a chip moves. Rules:

- pixels are decoded, which loses nothing: indices of the same colours,
  uncompressed, subframes that hold nothing not recorded, and transparent
  pixels the pad pixel. The table of colours gets an entry, black, for those;
- the three TREs are left out, and what they say of the frame is told: its name, standard,
  dates, markings. The image is classified as highly as they say;
- the place is GEOLOB with GEOPSB, exactly, and IGEOLO by today's rule, the centres of the
  corner pixels. Of frames about a pole, which are on a projection of the sphere that
  no TRE says, it is RPC00B through their map, where that holds to a hundredth of
  a pixel. Of the others, and of those whose pixels are no whole part of a circle,
  it is BLOCKA: the same corners to a tenth of a metre;

Vector quantization without these tables (MIL-STD-188-199) is copied as it is.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from affine import Affine

from stacchip_osml.encode.nitf.blocka import blocka_tre
from stacchip_osml.encode.nitf.chip_map import map_tres
from stacchip_osml.encode.nitf.earlier import EarlierFile
from stacchip_osml.encode.nitf.igeolo import igeolo_text
from stacchip_osml.encode.nitf.records import NitfImage, Tre
from stacchip_osml.encode.nitf.rpc_fit import fitted_rpc00b
from stacchip_osml.encode.nitf.security import RANK
from stacchip_osml.errors import ItemError
from stacchip_osml.geometry.locate import AffineLocator, Transform
from stacchip_osml.geometry.raster_frames import FRAME_TRES, LONLAT, frame_map
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.limits import ReadLimits
from stacchip_osml.pixel import ImageSize, PixelWindow

__all__ = ["FrameImage", "plain_frames"]

Tres = tuple[Tre, ...]
Sign = Callable[[str], str] | None
HEADER = struct.Struct(">3x12sB15s8sc2s2sI")
"""RPFHDR: name, whether new, standard, date, classification, country, release, place of the locations."""
QUANTIZED = frozenset({"C4", "M4"})
ATTRIBUTES = struct.Struct(">HHIH")
ATTRIBUTE = struct.Struct(">HBBI")
DATES = {1: "currency date", 2: "production date", 3: "significant date"}
DATE_BYTES = 8
BLACK = "\0"
INDICES = 256


class FrameImage(BlockImage):
    """A frame's pixels, of which blocks that are transparent all over are not stored."""

    def __init__(self, location: str, *, sign: Sign, limits: ReadLimits) -> None:
        """Name the file; arguments as of a block image."""
        super().__init__(location, sign=sign, limits=limits)
        self._holes: dict[tuple[int, int, int], PixelWindow | bool] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(FrameImage, self.location, sign=self.sign, limits=self.limits), ()

    def has_block(self, block_row: int, block_col: int, resolution_level: int = 0) -> bool:
        """Tell whether a block has a pixel that is not transparent."""
        if not super().has_block(block_row, block_col, resolution_level):
            return False
        return self._hole(block_row, block_col, resolution_level) is not True

    def absent_parts(self, block_row: int, block_col: int, resolution_level: int = 0) -> tuple[PixelWindow, ...]:
        """Give a transparent pixel, so that the pad pixel is declared."""
        hole = self._hole(block_row, block_col, resolution_level)
        return (hole,) if isinstance(hole, PixelWindow) else ()

    def _hole(self, row: int, col: int, level: int) -> PixelWindow | bool:
        """Give a transparent pixel of a block; True where all are so, False where none is."""
        found = self._holes.get((row, col, level))
        if found is None:
            empty = self.get_block(row, col, level)[0] == self.pad_pixel_value
            down, across = np.unravel_index(int(empty.argmax()), empty.shape)
            found = bool(empty.all()) or (bool(empty.any()) and PixelWindow(int(across), int(down), 1, 1))
            self._holes[row, col, level] = found
        return found


def plain_frames(
    images: tuple[NitfImage, ...], file_tres: Tres, earlier: EarlierFile
) -> tuple[tuple[NitfImage, ...], Tres]:
    """Turn the frames among the images of a file into plain images.

    Args:
        images: of a file of NITF 2.0, already mapped.
        file_tres: of its header.
        earlier: is told what is left out.

    Returns:
        The images, and the TREs of the file header.
    """
    headers = [tre for tre in file_tres if tre.tag == "RPFHDR"]
    if not headers or not any(tre.tag in FRAME_TRES for image in images for tre in image.tres):
        return images, file_tres
    level = _tell_header(headers[0], earlier)
    left = tuple(tre for tre in file_tres if tre.tag not in FRAME_TRES)
    plain = []
    for number, image in enumerate(images, 1):
        found, own = _plain(image, headers[0], f"image {number}", level, earlier)
        plain.append(found)
        left += tuple(tre for tre in own if tre not in left)
    return tuple(plain), left


def _plain(image: NitfImage, header: Tre, where: str, level: str, earlier: EarlierFile) -> tuple[NitfImage, Tres]:
    """Turn one image into a plain one; with the TREs that its map needs in the file header."""
    frame = [tre for tre in image.tres if tre.tag in FRAME_TRES]
    if not frame:
        return image, ()
    for tre in frame:
        earlier.tell(where, tre.tag, f"{len(tre.data)} bytes", "left out: its places are those of the file it was in")
        if tre.tag == "RPFDES":
            _tell_dates(tre.data, where, earlier)
    fields = dict(image.fields)
    if RANK.get(level, 0) > RANK.get(fields["ISCLAS"], 0):
        fields["ISCLAS"] = level
    kept, own = tuple(tre for tre in image.tres if tre.tag not in FRAME_TRES), Tres()
    size = ImageSize(int(fields["NCOLS"]), int(fields["NROWS"]))
    place = _place(frame, header, size)
    if place is not None:
        transform, crs = place
        earlier.tell(where, "IGEOLO", fields.get("IGEOLO", ""), "corners are those of the frame's map, pixel centres")
        corners = _corners(transform, crs, size)
        fields |= {"ICORDS": "G", "IGEOLO": igeolo_text(corners, "G")}
        found = map_tres(crs, Affine(*transform), size)
        if found is None:
            locator = AffineLocator(transform, crs)
            ratio = fitted_rpc00b(locator, size, corners) if crs != LONLAT else None
            one = blocka_tre(corners, rows=size.height) if ratio is None else ratio
            kept += () if one is None else (one,)
        else:
            kept, own = kept + found.image, found.file
    if fields["IC"] not in QUANTIZED:
        return replace(image, fields=fields, tres=kept), own
    earlier.tell(where, "IC", f"{fields['IC']} with COMRAT {fields.pop('COMRAT')}", "pixels are decoded, exactly")
    _add_black(fields)
    pixels = image.pixels
    if type(pixels) is BlockImage:
        pixels = FrameImage(pixels.location, sign=pixels.sign, limits=pixels.limits)
    return replace(image, pixels=pixels, fields=fields | {"IC": "NM"}, tres=kept, stored=None), own


def _place(frame: Sequence[Tre], header: Tre, size: ImageSize) -> tuple[Transform, str] | None:
    try:
        return frame_map({tre.tag: tre.data for tre in frame}, {header.tag: header.data}, size)
    except ItemError:  # what is damaged places nothing: the corners stay as they are
        return None


def _corners(transform: Transform, crs: str, size: ImageSize) -> list[tuple[float, float]]:
    """Give longitude and latitude of the centres of the corner pixels."""
    width, height = size
    cols, rows = (0.5, width - 0.5, width - 0.5, 0.5), (0.5, 0.5, height - 0.5, height - 0.5)
    lons, lats = AffineLocator(transform, crs)(cols, rows)
    return [((lon + 180.0) % 360.0 - 180.0, lat) for lon, lat in zip(lons.tolist(), lats.tolist(), strict=True)]


def _add_black(fields: dict[str, str]) -> None:
    """Give transparent pixels, the index after the last colour, a colour of their own."""
    tables, entries = int(fields["NLUTS1"]), int(fields.get("NELUT1", "0"))
    if tables and entries < INDICES:
        fields["NELUT1"] = f"{entries + 1:05d}"
        for table in range(1, tables + 1):
            fields[f"LUTD1{table}"] += BLACK


def _tell_header(header: Tre, earlier: EarlierFile) -> str:
    """Tell what RPFHDR says, and give its classification."""
    where = "file header"
    earlier.tell(where, "RPFHDR", f"{len(header.data)} bytes", "left out: its places are those of the file it was in")
    if len(header.data) < HEADER.size:
        return ""
    name, _, standard, date, level, country, release, _ = HEADER.unpack_from(header.data)
    said = {"name": name, "standard": standard, "date": date, "classification": level, "country": country}
    for what, data in {**said, "release marking": release}.items():
        if text := data.decode("latin-1").strip(" \0"):
            earlier.tell(where, f"{what} of RPFHDR", text, "left out with it")
    return str(level.decode("latin-1"))


def _tell_dates(data: bytes, where: str, earlier: EarlierFile) -> None:
    """Tell the dates among a frame's attributes (MIL-STD-2411, 5.1.8)."""
    if len(data) < ATTRIBUTES.size:
        return
    count, _, _, length = ATTRIBUTES.unpack_from(data)
    for number in range(count if length == ATTRIBUTE.size else 0):
        at = ATTRIBUTES.size + number * length
        if at + length > len(data):
            return
        kind, parameter, _, place = ATTRIBUTE.unpack_from(data, at)
        text = data[ATTRIBUTES.size + place :][:DATE_BYTES]
        if kind in DATES and parameter == 1 and text.isdigit():
            earlier.tell(where, f"{DATES[kind]} of RPFDES", text.decode("ascii"), "left out with it")
