"""JPEG 2000 codestreams of one tile, out of arrays: OpenJPEG, OpenJPH, and OpenJPEG behind GDAL for rates.

Three encoders, because none does all: imagecodecs' OpenJPEG is reversible and
without the GIL, and takes away decomposition levels of narrow tiles; GDAL's has
rates, quality layers and any tile; OpenJPH is high throughput (part 15), and
takes away levels of the narrowest. Arrays are ``(bands, rows, cols)``. What
comes out is a codestream that stands alone, the same by any number of threads;
making one image of many is not this file's business.

References: ISO/IEC 15444-1 (JPEG 2000), 15444-15 (HTJ2K).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from functools import partial
from typing import Any

import imagecodecs
import numpy as np
from affine import Affine
from numpy.typing import NDArray

from stacchip_osml.encode.codecs import interleaved
from stacchip_osml.encode.jpeg2000.markers import EOC, SOC, SOD, SOT, SOT_HEAD, taken_apart
from stacchip_osml.errors import EncodeError
from stacchip_osml.imagery.blocks.workers import Work

__all__ = ["EXACT_BITS", "most_levels", "openjpeg_lossless", "openjpeg_tile", "openjph_tile"]

Array = NDArray[Any]

SOME_PLACE = Affine.scale(2.0)
SMALLEST_BLOCK = 32
EXACT_BITS = 24
"""Bits a sample that OpenJPEG keeps; the colour transform needs one more."""
ENCODER_BYTES = 16
"""Bytes a sample that an encoder has to have: OpenJPEG fails with 12, OpenJPH with 4."""
HEAP_BYTES = 64 << 20
"""What glibc may have put by for small requests: more is asked of the system itself."""
PRECINCT = 1 << 15
"""A side of OpenJPH's."""


def most_levels(rows: int, cols: int) -> int:
    """Give the decomposition levels that :func:`openjpeg_lossless` does of a tile: 8 pixels a side stay."""
    return max(min(rows, cols).bit_length() - 4, 0)


def openjpeg_lossless(pixels: Array, *, levels: int, bits: int, color_transform: bool, threads: int) -> bytes:
    """Compress integers reversibly.

    Args:
        pixels: ``(bands, rows, cols)``.
        levels: of decomposition, at most :func:`most_levels`.
        bits: of a sample.
        color_transform: RCT, of three bands.
        threads: that compress it.
    """
    pixels, bits = _in_bytes(pixels, bits)
    small = 8 if bits <= 8 else 16 if bits <= 16 else 32  # the encoder takes samples for as large as they need to be
    pixels = pixels.astype(f"{pixels.dtype.kind}{small // 8}", copy=False)
    try:
        return bytes(
            imagecodecs.jpeg2k_encode(
                interleaved(pixels),  # planar samples of one column come out wrong
                planar=False,  # else few rows of many bands are taken for planes
                codecformat="j2k",
                reversible=True,
                resolutions=levels + 1,
                bitspersample=bits,
                mct=color_transform,
                numthreads=threads,
            )
        )
    except (imagecodecs.Jpeg2kError, ValueError) as error:
        raise _refused(pixels, pixels, error) from error


def openjph_tile(
    pixels: Array,
    *,
    levels: int,
    tile: tuple[int, int],
    bits: int,
    step: float | None,
    color_transform: bool,
    threads: int,
) -> tuple[bytes, int]:
    """Compress integers with the high-throughput block coder.

    OpenJPH codes all bits of a type. Samples of fewer are given to it as signed ones, the level shift (G.1) done; where
    they are quantised, they are stretched over the type as well, as a step is a part of the range. So they are what
    ``bits`` in SIZ says, which is not written here.

    Args:
        pixels: ``(bands, rows, cols)``, no larger than ``tile``.
        levels: of decomposition.
        tile: (rows, cols); an array that is smaller than its levels need is coded as :func:`openjpeg_tile` does it.
        bits: of a sample.
        step: of quantisation, 1 is the whole range of the samples; None is reversible.
        color_transform: RCT or ICT, of three bands.
        threads: that compress it; bands that are not transformed together are shared out among them.

    Returns:
        The codestream, and the number of its tile that has the array.
    """
    if bits < pixels.dtype.itemsize * 8:
        middle = 1 << (bits - 1) if pixels.dtype.kind == "u" else 0
        depth = 8 if bits <= 8 else 16 if bits <= 16 else 32  # OpenJPEG reads no more bit-planes than of 16 bits
        pixels = (pixels.astype(np.int64) - middle).astype(f"i{depth // 8}")
        pixels = pixels if step is None else pixels << (depth - bits)
    settings = {
        "level": step,
        "rgb": color_transform,
        "tile": (tile[1], tile[0]),
        "resolutions": levels,
        "reversible": step is None,
    }
    canvas, number = _as_last(pixels, tile, least=1 << levels)
    try:
        if not number and min(threads, len(pixels)) > 1 and not color_transform and max(tile) <= PRECINCT:
            return _band_by_band(pixels, settings, threads), 0
        return _high_throughput(canvas, settings), number
    except (imagecodecs.Htj2kError, ValueError) as error:
        raise _refused(pixels, canvas, error) from error


def _high_throughput(pixels: Array, settings: Mapping[str, Any]) -> bytes:
    """Take planes as they are, which is quicker, where the encoder does."""
    if len(pixels) == 1 or settings["rgb"] or pixels.shape[2] == 1:  # as above
        return bytes(imagecodecs.htj2k_encode(interleaved(pixels), planar=False, **settings))
    planes = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    return bytes(imagecodecs.htj2k_encode(planes, planar=True, **settings))


def _band_by_band(pixels: Array, settings: Mapping[str, Any], threads: int) -> bytes:
    """Compress each band alone, and give the codestream of all of them.

    Packets stand by resolution, place and band (B.12.1.3), and each resolution is one place, the precinct. A band's
    own packets come in a tile-part a resolution.
    """
    found: dict[int, tuple[list[tuple[int, bytes]], list[memoryview]]] = {}

    def band(number: int) -> None:
        segments, parts = taken_apart(_high_throughput(pixels[number : number + 1], {**settings, "tilepart": 1}))
        found[number] = segments, [part.data[2:] for part in parts]

    work = Work(threads)  # whose threads stay: a new one would have to be given its memory by the system each time
    work.add((partial(band, number) for number in range(len(pixels))), mine=1)
    work.finish()
    segments = b"".join(segment for _, segment in found[0][0])
    resolutions = zip(*(found[number][1] for number in range(len(pixels))), strict=True)
    packets = [packet for resolution in resolutions for packet in resolution]
    head = SOT_HEAD.pack(SOT, 10, 0, SOT_HEAD.size + 2 + sum(map(len, packets)), 0, 1)
    return b"".join([_marker(SOC), segments, head, _marker(SOD), *packets, _marker(EOC)])


def _marker(marker: int) -> bytes:
    return struct.pack(">H", marker)


def openjpeg_tile(
    pixels: Array,
    *,
    levels: int,
    tile: tuple[int, int],
    bits: int,
    percents: tuple[float, ...],
    reversible: bool,
    color_transform: bool,
    threads: int,
) -> tuple[bytes, int]:
    """Compress integers at rates, or a tile too narrow for its levels.

    Args:
        pixels: ``(bands, rows, cols)``, no larger than ``tile``.
        levels: of decomposition; the sides of ``tile`` are at least ``2**(levels + 1)``, or GDAL makes none.
        tile: (rows, cols); a smaller array is coded as the last of an image of up to 2 × 2 tiles, so that it has all
            levels.
        bits: of a sample.
        percents: of the bytes of the raw samples, one a quality layer, rising; 100 of a reversible transform is
            lossless.
        reversible: the 5/3 transform, else 9/7.
        color_transform: of three bands.
        threads: that compress it.

    Returns:
        The codestream, and the number of its tile that has the array.
    """
    import rasterio
    import rasterio.shutil
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError
    from rasterio.io import MemoryFile

    if reversible and percents == (100.0,):
        pixels, bits = _in_bytes(pixels, bits)
    pixels = _unsigned(pixels, bits)
    canvas, number = _as_last(pixels, tile, least=2 << levels)
    block = tuple(max(side, SMALLEST_BLOCK) for side in tile)  # GDAL takes a smaller image as one
    options = {
        "codec": "J2K",
        "quality": ",".join(f"{percent:.6f}" for percent in percents),
        "reversible": "YES" if reversible else "NO",
        "resolutions": str(levels + 1),
        "blockxsize": str(block[1]),
        "blockysize": str(block[0]),
        "precincts": "",
        "ycc": "YES" if color_transform else "NO",
    }
    if bits != pixels.dtype.itemsize * 8:
        options["nbits"] = str(bits)
    shape = {"width": canvas.shape[2], "height": canvas.shape[1], "count": len(canvas), "dtype": canvas.dtype}
    try:
        with (
            rasterio.Env(GDAL_NUM_THREADS=str(threads), GDAL_PAM_ENABLED="NO"),
            MemoryFile(ext=".tif") as raw,
            MemoryFile(ext=".j2k") as memory,
        ):
            # without a place rasterio warns; this one is not written
            with raw.open(driver="GTiff", transform=SOME_PLACE, **shape) as image:
                image.write(canvas)
            with raw.open() as image:  # a copy, as that is what rasterio does without the GIL
                rasterio.shutil.copy(image, memory.name, driver="JP2OpenJPEG", **options)
            stream = bytes(memory.getbuffer())
    except (RasterioError, CPLE_BaseError) as error:
        raise _refused(pixels, canvas, error) from error
    return stream, number


def _as_last(pixels: Array, tile: tuple[int, int], *, least: int) -> tuple[Array, int]:
    """Make an array with a side of less than ``least`` the last tile of an image of up to 2 × 2, the others of zeros.

    Returns:
        The image, or the array itself, and the number of the tile.
    """
    bands, rows, cols = pixels.shape
    above, left = (side if have < min(side, least) else 0 for side, have in zip(tile, (rows, cols), strict=True))
    if not above and not left:
        return pixels, 0
    canvas = np.zeros((bands, above + rows, left + cols), pixels.dtype)
    canvas[:, above:, left:] = pixels
    across = 2 if left else 1
    return canvas, (across if above else 0) + (1 if left else 0)


def _in_bytes(pixels: Array, bits: int) -> tuple[Array, int]:
    """Give samples of fewer than 8 bits as signed ones of 8, the level shift (G.1) done; others as they are.

    OpenJPEG's room for a tile is reckoned by the bits that it is told, and noise of one or two bits does not fit into
    it: tiles fail, or are cut short. What SIZ says is not written here.
    """
    if bits >= 8:
        return pixels, bits
    middle = 1 << (bits - 1) if pixels.dtype.kind == "u" else 0
    return (pixels.astype(np.int16) - middle).astype(np.int8), 8


def _unsigned(pixels: Array, bits: int) -> Array:
    """Shift signed samples to unsigned ones of the smallest type: after the level shift (G.1) they are the same.

    GDAL's driver fails on signed samples of 8 bits, and where a larger type holds them.
    """
    kind = np.dtype(np.uint8 if bits <= 8 else np.uint16 if bits <= 16 else np.uint32)
    if pixels.dtype.kind == "u":
        return pixels.astype(kind, copy=False)
    return (pixels.astype(np.int64) + (1 << (bits - 1))).astype(kind)


def _refused(pixels: Array, coded: Array, error: Exception) -> EncodeError | MemoryError:
    """Tell samples that an encoder refuses from a lack of memory, of which none says that it is one."""
    shape = f"{pixels.dtype} samples of shape {pixels.shape}: {error}"
    try:
        np.empty(HEAP_BYTES + coded.size * ENCODER_BYTES, np.uint8)  # reserved and let go, never touched
    except MemoryError:
        return MemoryError(f"JPEG 2000 of {shape}")
    return EncodeError(f"JPEG 2000 cannot hold {shape}")
