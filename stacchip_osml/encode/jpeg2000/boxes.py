"""JP2 and JPH files: the boxes around a JPEG 2000 codestream that say size, colour and place.

Rules:

- boxes come as ISO/IEC 15444-1 annex I orders them: signature, file type, JP2
  header (image header, colour, palette, component mapping, channel definition), then UUID boxes, and the
  codestream last, so that whoever streams the file knows all before pixels;
- the place goes into a GeoJP2 box: a GeoTIFF of one pixel, whose transform,
  control points and geo keys are those of the image (GDAL and most others read it);
- JP2 has no colours but grey and RGB here: further bands are channels of no
  defined meaning, but for alpha. With a palette the one band's samples are its
  entries, whose three columns are the channels of red, green and blue. Alpha
  besides is written nowhere: readers take it for green, or fail.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import BinaryIO

import numpy as np
from affine import Affine
from numpy.typing import NDArray

from stacchip_osml.encode.jpeg2000.tiles import Jpeg2000Options, PixelSource, write_codestream
from stacchip_osml.encode.placement import Placement
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider

__all__ = ["write_jp2"]

SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"
GEOJP2 = bytes.fromhex("b14bf8bd083d4b43a5ae8cd7d5a6ce03")
"""UUID of a degenerate GeoTIFF (GeoJP2 1.0.3)."""
SRGB, GREY = 16, 17
"""EnumCS (table I.10)."""
COLOR, OPACITY, UNSPECIFIED = 0, 1, 65535
"""Typ of a channel (table I.16)."""
MAPPING = b"".join(struct.pack(">HBB", 0, 1, column) for column in range(3))
"""Each channel is a column of the palette, at the entries that component 0 has (I.5.3.5)."""
WHOLE_IMAGE = 0


def write_jp2(
    out: BinaryIO,
    source: PixelSource,
    options: Jpeg2000Options | None = None,
    *,
    colors: Sequence[str] = (),
    table: NDArray[np.uint8] | None = None,
    placement: Placement | None = None,
    workers: int = 1,
    progress: Callable[[int, int], object] | None = None,
) -> int:
    """Compress an image into a JP2 file, of high-throughput options into a JPH file.

    Args:
        out: written from where it stands; seekable.
        source: as :func:`~stacchip_osml.encode.jpeg2000.tiles.write_codestream`.
        options: None for lossless.
        colors: of each band, as a chip has them; empty where unknown: three bands of 8 or 16 bits are then taken for
            red, green and blue.
        table: ``(entries, 3)`` colours of the samples, which are then of one band of 8 bits.
        placement: where it lies.
        workers: threads that compress.
        progress: is told the tiles done and their number.

    Returns:
        Bytes written.

    Raises:
        EncodeError: the pixels are not JPEG 2000's, or the place cannot be said exactly.
    """
    options = Jpeg2000Options() if options is None else options
    start = out.tell()
    brand = b"jph " if options.high_throughput else b"jp2 "
    out.write(SIGNATURE + _box(b"ftyp", brand + struct.pack(">I", 0) + brand))
    out.write(_header(source, options, colors, table))
    if placement is not None:
        out.write(_box(b"uuid", GEOJP2 + _degenerate_geotiff(placement)))
    at = out.tell()
    out.write(struct.pack(">I4sQ", 1, b"jp2c", 0))  # with room for a long length
    length = 16 + write_codestream(out, source, options, workers=workers, progress=progress)
    end = out.tell()
    out.seek(at + 8)
    out.write(struct.pack(">Q", length))
    out.seek(end)
    return end - start


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _header(
    source: PixelSource, options: Jpeg2000Options, colors: Sequence[str], table: NDArray[np.uint8] | None
) -> bytes:
    """Write the JP2 header superbox (I.5.3)."""
    bands, size = source.bands, source.size
    bits = source.dtype.itemsize * 8 if options.bits is None else options.bits
    depth = (bits - 1) | (0x80 if source.dtype.kind == "i" else 0)
    if not colors:
        is_picture = bands == 3 and source.dtype.kind == "u" and bits in (8, 16)
        colors = ("red", "green", "blue") if is_picture else ("gray", *["undefined"] * (bands - 1))
    is_rgb = table is not None or tuple(colors[:3]) == ("red", "green", "blue")
    image = struct.pack(">IIHBBBB", size.height, size.width, bands, depth, 7, 0, 0)
    color = struct.pack(">BBBI", 1, 0, 0, SRGB if is_rgb else GREY)
    boxes = [_box(b"ihdr", image), _box(b"colr", color)]
    if table is not None:
        boxes += [_box(b"pclr", _palette(table)), _box(b"cmap", MAPPING)]
    known = 3 if is_rgb else 1
    if bands > known:
        boxes.append(_box(b"cdef", _channels(colors, bands, known)))
    return _box(b"jp2h", b"".join(boxes))


def _palette(table: NDArray[np.uint8]) -> bytes:
    """Say what colours the entries have (I.5.3.4)."""
    entries, columns = table.shape
    return struct.pack(">HB", entries, columns) + bytes([7] * columns) + table.tobytes()


def _channels(colors: Sequence[str], bands: int, known: int) -> bytes:
    """Say what each channel is (I.5.3.6)."""
    rows = []
    has_opacity = False
    for band in range(bands):
        if band < known:
            rows.append((band, COLOR, band + 1))
        elif colors[band] == "alpha" and not has_opacity:  # one channel may say it of the whole image
            rows.append((band, OPACITY, WHOLE_IMAGE))
            has_opacity = True
        else:
            rows.append((band, UNSPECIFIED, UNSPECIFIED))
    return struct.pack(">H", bands) + b"".join(struct.pack(">HHH", *row) for row in rows)


def _degenerate_geotiff(placement: Placement) -> bytes:
    """Give a GeoTIFF of one pixel that says the place of the image; those of north-up images differ in four numbers."""
    if placement.transform is None and not placement.gcps:
        raise EncodeError("a CRS alone says no place: give a transform, corners or control points with it")
    if placement.transform is not None:
        across, turned, x, bent, down, y = (float(number) for number in placement.transform[:6])
        if across > 0 and down < 0 and turned == bent == 0:
            data, places = _north_up_geotiff(placement.crs)
            filled = bytearray(data)
            for at, number in zip(places, (across, -down, x, y), strict=True):
                struct.pack_into("<d", filled, at, number)
            return bytes(filled)
    return _written_geotiff(placement)


@lru_cache(maxsize=32)
def _north_up_geotiff(crs: str | None) -> tuple[bytes, tuple[int, ...]]:
    """Write it once for a CRS, and find where pixel width, pixel height, x and y stand."""
    numbers = (0.1234567, 0.2345678, 0.3456789, 0.4567891)  # found by their bytes, which nothing else has
    width, height, x, y = numbers
    data = _written_geotiff(Placement(transform=Affine(width, 0, x, 0, -height, y), crs=crs))
    return data, tuple(data.index(struct.pack("<d", number)) for number in numbers)


def _written_geotiff(placement: Placement) -> bytes:
    """Write it."""
    from stacchip_osml.encode.tiff.image import write_tiff

    out = io.BytesIO()
    write_tiff(
        out,
        BufferedImageAssetProvider.from_array(np.zeros((1, 1, 1), np.uint8), block_width=0, block_height=0),
        compression="none",
        rows_per_strip=1,
        crs=placement.crs,
        transform=placement.transform,
        gcps=placement.gcps,
        sparse=False,
    )
    return out.getvalue()
