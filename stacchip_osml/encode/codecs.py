"""The only file of this room that calls imagecodecs: compressed bytes out of arrays.

Every function takes native-endian numpy arrays and gives bytes, releases the
GIL while it compresses, and keeps no state. Foreign errors become EncodeError
here. It must not know what a chip is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import EncodeError

__all__ = ["COMPRESSORS", "float_predict", "integer_predict", "interleaved", "jpeg_bytes", "png_bytes"]

Array = NDArray[Any]

PNG_RLE = 3
"""zlib's run-length strategy: with the sub filter, the fastest that still compresses imagery."""
PNG_SUB = 16
"""libpng's filter mask of the sub filter (difference to the pixel on the left)."""


def interleaved(pixels: Array) -> Array:
    """Turn ``(bands, rows, cols)`` into contiguous native ``(rows, cols, bands)``; one band into ``(rows, cols)``.

    Plane by plane: several times faster than a contiguous copy of the transposed array.
    """
    native = pixels.dtype.newbyteorder("=")
    if len(pixels) == 1:
        return np.ascontiguousarray(pixels[0], dtype=native)
    samples = np.empty((*pixels.shape[1:], len(pixels)), native)
    for band, plane in enumerate(pixels):
        samples[..., band] = plane
    return samples


def png_bytes(samples: Array, *, level: int = 1) -> bytes:
    """Compress ``(rows, cols)`` or ``(rows, cols, 1..4)`` uint8 or uint16 samples.

    Level 1 uses run-length matching only, which is several times faster than zlib's
    full search; a higher level searches.
    """
    strategy = PNG_RLE if level <= 1 else None
    try:
        return bytes(imagecodecs.png_encode(samples, level=level, strategy=strategy, filter=PNG_SUB))
    except (imagecodecs.PngError, ValueError) as error:
        raise EncodeError(f"PNG cannot hold {samples.dtype} samples of shape {samples.shape}: {error}") from error


def jpeg_bytes(samples: Array, *, quality: int, subsampling: str) -> bytes:
    """Compress ``(rows, cols)`` or ``(rows, cols, 3)`` uint8 samples as baseline JPEG."""
    try:
        return bytes(imagecodecs.jpeg8_encode(samples, level=quality, subsampling=subsampling))
    except (imagecodecs.Jpeg8Error, ValueError) as error:
        raise EncodeError(f"JPEG cannot hold {samples.dtype} samples of shape {samples.shape}: {error}") from error


def integer_predict(samples: Array, *, axis: int) -> Array:
    """Difference each sample to its left neighbour (TIFF predictor 2); ``axis`` is the columns'."""
    return np.asarray(imagecodecs.delta_encode(samples, axis=axis))


def float_predict(samples: Array, *, axis: int) -> Array:
    """Split floats into byte planes and difference them (TIFF predictor 3); ``axis`` is the columns'."""
    return np.asarray(imagecodecs.floatpred_encode(samples, axis=axis))


# Any below: contiguous arrays go in by the buffer protocol, which imagecodecs takes and does not declare.
def _none(data: Any, level: int) -> bytes:  # noqa: ARG001 - a compressor's signature
    return bytes(memoryview(data).cast("B"))


def _deflate(data: Any, level: int) -> bytes:
    return bytes(imagecodecs.deflate_encode(data, level=level))


def _zstd(data: Any, level: int) -> bytes:
    return bytes(imagecodecs.zstd_encode(data, level=level))


def _lzw(data: Any, level: int) -> bytes:  # noqa: ARG001 - LZW has no levels
    return bytes(imagecodecs.lzw_encode(data))


COMPRESSORS: dict[str, tuple[int, range, Callable[[Any, int], bytes]]] = {
    "none": (1, range(100), _none),
    "lzw": (5, range(100), _lzw),
    "deflate": (8, range(1, 13), _deflate),
    "zstd": (50000, range(1, 20), _zstd),
}
"""name → (TIFF compression code, levels it knows, contiguous array and level → bytes)."""
