"""Compressed bytes out of arrays, by imagecodecs; deflate without a level by igzip, JPEG pictures by OpenCV.

Every function takes native-endian numpy arrays and gives bytes, releases the
GIL while it compresses, and keeps no state but scratch memory. Foreign errors become EncodeError
here. It must not know what a chip is.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Any, Literal

import imagecodecs
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from stacchip_osml.encode.scratch import scratch
from stacchip_osml.errors import EncodeError

__all__ = [
    "crc32",
    "deflate_bytes",
    "deflate_part",
    "float_predict",
    "integer_predict",
    "interleaved",
    "jpeg_bytes",
    "jpeg_stream",
    "jpegxl_bytes",
    "lerc_bytes",
    "lzma_bytes",
    "lzw_bytes",
    "packbits_bytes",
    "packed_integers",
    "raw_bytes",
    "webp_bytes",
    "zstd_bytes",
]

Array = NDArray[Any]

IGZIP = 2
"""Its level, of 0 to 3: imagery takes half the time of libdeflate's level 1, and 1 to 2 percent more bytes."""
KNOWN = 4
"""Bytes that stand in front uncompressed, and that igzip is told as its history: without any, it hashes what a register
happens to hold in place of the third byte, and bytes that come out differ from thread to thread (ISA-L 2.32)."""
STORED = struct.Struct("<BHH")
"""What stands before uncompressed bytes that others follow (RFC 1951, 3.2.4)."""
FASTEST = b"\x78\x01"
"""Header of a zlib stream with a window of 32 KiB, compressed by the fastest algorithm (RFC 1950, 2.2)."""
MERGED = frozenset(np.dtype(name).str for name in ("uint8", "uint16", "int16", "float32"))
"""Types of samples that OpenCV interleaves."""
BARE = -15
"""A window of 32 KiB, without zlib's header and check value."""


def interleaved(pixels: Array, *, passing: bool = False) -> Array:
    """Turn ``(bands, rows, cols)`` into contiguous native ``(rows, cols, bands)``; one band into ``(rows, cols)``.

    Args:
        pixels: of any memory layout.
        passing: what is given is this thread's scratch memory, or ``pixels`` itself, to be read at once.
    """
    native = pixels.dtype.newbyteorder("=")
    if len(pixels) == 1:
        return np.ascontiguousarray(pixels[0], dtype=native)
    shape = *pixels.shape[1:], len(pixels)
    samples = scratch("samples", shape, native) if passing else np.empty(shape, native)
    if pixels.dtype.str in MERGED and len(pixels) <= 4:  # other threads run once, and not plane by plane
        import cv2

        cv2.merge(tuple(pixels), samples)
        return samples
    for band, plane in enumerate(pixels):  # several times faster than a contiguous copy of the transposed array
        samples[..., band] = plane
    return samples


def jpeg_bytes(pixels: Array, *, quality: int, subsampling: str, interval: int = 0) -> bytes:
    """Compress ``(bands, rows, cols)`` uint8, one band or red, green and blue, as baseline JPEG.

    ``interval`` is that of restarts, in MCUs; 0 is without. OpenCV's libjpeg-turbo gives the bytes that imagecodecs'
    gives and takes a seventh less time; its merge lets other threads run once, not plane by plane.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or len(pixels) not in (1, 3):
        raise EncodeError(f"JPEG cannot hold {pixels.dtype} pixels of shape {pixels.shape}")
    import cv2

    samples = pixels[0] if len(pixels) == 1 else cv2.merge((pixels[2], pixels[1], pixels[0]))
    sampling = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{subsampling}")
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    if interval:
        options += [cv2.IMWRITE_JPEG_RST_INTERVAL, interval]
    try:
        is_done, data = cv2.imencode(".jpg", samples, options)
    except cv2.error as error:
        raise EncodeError(f"JPEG cannot hold pixels of shape {pixels.shape}: {error}") from error
    if not is_done:
        raise EncodeError(f"JPEG cannot hold pixels of shape {pixels.shape}")
    return data.tobytes()


def integer_predict(samples: Array, *, axis: int) -> Array:
    """Difference each sample to its left neighbour (TIFF predictor 2); ``axis`` is the columns'.

    What is given is this thread's scratch memory, to be read at once.
    """
    out = scratch("predicted", samples.shape, samples.dtype)
    return np.asarray(imagecodecs.delta_encode(samples, axis=axis, out=out))


def float_predict(samples: Array, *, axis: int) -> Array:
    """Split floats into byte planes and difference them (TIFF predictor 3); ``axis`` is the columns'."""
    return np.asarray(imagecodecs.floatpred_encode(samples, axis=axis))


# Any below: contiguous arrays go in by the buffer protocol, which imagecodecs takes and does not declare.
def raw_bytes(data: Any) -> bytes:
    """Give a contiguous array's bytes."""
    return bytes(memoryview(data).cast("B"))


def deflate_bytes(data: Any, level: int | None = None) -> bytes:
    """Compress to a zlib stream: by libdeflate at a level of 0 to 12, without one by igzip."""
    if level is None:
        pieces, check = deflate_part(data, last=True)
        return b"".join((FASTEST, *pieces, check.to_bytes(4, "big")))
    return bytes(imagecodecs.deflate_encode(data, level=level))


def deflate_part(data: Any, level: int | None = None, *, last: bool) -> tuple[tuple[bytes, ...], int]:
    """Compress a part of what stands between the header and the check value of a zlib stream.

    Args:
        data: each part is compressed alone; parts stand one behind the other.
        level: zlib's, 0 to 9, to 1 of runs alone; without one by igzip.
        last: nothing follows; else the part ends on a byte (RFC 1951, 3.2.4, an empty stored block).

    Returns:
        The bytes in pieces, and Adler-32 of ``data`` (RFC 1950, 8).
    """
    packer: Any
    first, rest = b"", data
    if level is None:
        view = memoryview(data).cast("B")
        known, rest = bytes(view[:KNOWN]), view[KNOWN:]
        packer = isal_zlib.compressobj(IGZIP, isal_zlib.DEFLATED, BARE, zdict=known)
        first = STORED.pack(0, len(known), len(known) ^ 0xFFFF) + known
    else:
        strategy = zlib.Z_RLE if level <= 1 else zlib.Z_FILTERED
        packer = zlib.compressobj(level, zlib.DEFLATED, BARE, zlib.DEF_MEM_LEVEL, strategy)
    packed = first, packer.compress(rest), packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
    return packed, isal_zlib.adler32(data)


def crc32(pieces: Iterable[bytes]) -> int:
    """Give the check value of bytes that stand one behind the other (PNG 5.5, annex D)."""
    value = 0
    for piece in pieces:
        value = isal_zlib.crc32(piece, value)
    return value


def zstd_bytes(data: Any, level: int) -> bytes:
    """Compress to a Zstandard frame."""
    return bytes(imagecodecs.zstd_encode(data, level=level))


def lzw_bytes(data: Any) -> bytes:
    """Compress as TIFF 6.0 section 13 says."""
    return bytes(imagecodecs.lzw_encode(data))


def packed_integers(samples: Array, *, bits: int) -> bytes:
    """Pack ``(rows, values)`` of ``bits`` each, the first one highest; each row begins on a byte."""
    return bytes(imagecodecs.packints_encode(np.ascontiguousarray(samples), bits, runlen=samples.shape[1]))


def packbits_bytes(rows: Any) -> bytes:
    """Run-length code ``(rows, bytes of a row)``; no run crosses a row."""
    return b"".join(bytes(imagecodecs.packbits_encode(row)) for row in rows)


def lzma_bytes(data: Any, level: int) -> bytes:
    """Compress to an ``.xz`` stream."""
    return bytes(imagecodecs.lzma_encode(data, level=level))


def lerc_bytes(samples: Array, *, error: float, then: Literal["deflate", "zstd"] | None) -> bytes:
    """Compress ``(rows, cols)`` or ``(rows, cols, bands)`` to a LERC blob, no value off by more than ``error``.

    Args:
        samples: NaN only where there is one band: such pixels are invalid in the blob.
        error: 0 keeps every bit of integers, and every float.
        then: ``deflate`` or ``zstd``, what the blob is compressed with.

    Raises:
        EncodeError: NaN in several bands together, which a LERC mask of all bands cannot say.
    """
    masks = None
    if samples.dtype.kind == "f":
        lost = np.isnan(samples)
        if lost.any():
            if samples.ndim == 3:
                raise EncodeError('LERC cannot hold NaN of bands stored together; give interleave="band"')
            masks, samples = ~lost, np.where(lost, samples.dtype.type(0), samples)
    try:
        return bytes(imagecodecs.lerc_encode(samples, level=error, masks=masks, compression=then))
    except (imagecodecs.LercError, ValueError) as failure:
        raise EncodeError(f"LERC cannot hold {samples.dtype} samples of shape {samples.shape}: {failure}") from failure


def webp_bytes(samples: Array, *, quality: float | None) -> bytes:
    """Compress ``(rows, cols, 3 or 4)`` uint8; without a quality every sample is kept, those under alpha 0 too."""
    try:
        if quality is None:
            return bytes(imagecodecs.webp_encode(samples, lossless=True))
        return bytes(imagecodecs.webp_encode(samples, level=quality, lossless=False))
    except (imagecodecs.WebpError, ValueError) as error:
        raise EncodeError(f"WebP cannot hold {samples.dtype} samples of shape {samples.shape}: {error}") from error


def jpegxl_bytes(samples: Array, *, quality: float | None) -> bytes:
    """Compress ``(rows, cols)`` or ``(rows, cols, 2 to 4)`` integers; without a quality every sample is kept."""
    try:
        if quality is None:
            return bytes(imagecodecs.jpegxl_encode(samples, lossless=True, numthreads=1))
        return bytes(imagecodecs.jpegxl_encode(samples, level=int(quality), numthreads=1))
    except (imagecodecs.JpegxlError, ValueError) as error:
        raise EncodeError(f"JPEG XL cannot hold {samples.dtype} samples of shape {samples.shape}: {error}") from error


def jpeg_stream(samples: Array, *, quality: int, subsampling: str, ycbcr: bool) -> bytes:
    """Compress ``(rows, cols)`` or ``(rows, cols, bands)`` uint8 as baseline JPEG with the standard Huffman tables.

    Args:
        samples: one band, three, or four.
        quality: 1 to 100.
        subsampling: of chroma: ``444``, ``422`` or ``420``.
        ycbcr: three bands are red, green, blue, and stored as luma and chroma; else bands are stored as they are.
    """
    inside = {2: "GRAYSCALE", 3: "YCBCR" if ycbcr else "RGB"}
    space = "GRAYSCALE" if samples.ndim == 2 else "CMYK" if samples.shape[2] == 4 else "RGB"
    outside = inside[samples.ndim] if space != "CMYK" else "CMYK"
    try:
        return bytes(
            imagecodecs.jpeg8_encode(
                samples,
                level=quality,
                colorspace=space,
                outcolorspace=outside,
                subsampling=subsampling if ycbcr else "444",
                optimize=False,
            )
        )
    except (imagecodecs.Jpeg8Error, ValueError) as error:
        raise EncodeError(f"JPEG cannot hold {samples.dtype} samples of shape {samples.shape}: {error}") from error
