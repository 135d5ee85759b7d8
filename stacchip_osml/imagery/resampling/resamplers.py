"""Whole images to another size: the resamplers that pyramids and chips take as an argument.

A resampler is a function ``(image, target_rows, target_cols) → image``; any
callable of that form will do. These keep layout and dtype, take bool and every
integer, float and complex dtype, never change what they are given, and give the
very input back where nothing is to be done. They stretch the image's outer edges to
the target's, so positions scale by the true ratio of the sizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.providers.protocol import MaskedPixels
from stacchip_osml.imagery.resampling.resample import resampled
from stacchip_osml.pixel import ImageSize

__all__ = [
    "ResampleFunc",
    "area_resample",
    "bilinear_resample",
    "lanczos_resample",
    "nearest_neighbor_resample",
]

Pixels = NDArray[Any]
ResampleFunc = Callable[[Pixels, int, int], Pixels]
"""``(image, target_rows, target_cols)`` → the image at that size, same layout and dtype."""


def nearest_neighbor_resample(image: Pixels, target_rows: int, target_cols: int) -> Pixels:
    """Take the pixel under each target pixel's centre.

    Args:
        image: ``(rows, cols)`` or ``(bands, rows, cols)``.
        target_rows: rows of the result.
        target_cols: columns of the result.

    Raises:
        ValueError: an image of other dimensions, or a target that is not positive.
    """
    return _resized(image, target_rows, target_cols, "nearest")


def bilinear_resample(image: Pixels, target_rows: int, target_cols: int) -> Pixels:
    """Weigh the four pixels around each target pixel's centre.

    Arguments and errors are those of :func:`nearest_neighbor_resample`.
    """
    return _resized(image, target_rows, target_cols, "bilinear")


def area_resample(image: Pixels, target_rows: int, target_cols: int) -> Pixels:
    """Average what each target pixel covers; along an axis that grows, the same as nearest but for shared edges.

    Arguments and errors are those of :func:`nearest_neighbor_resample`.
    """
    return _resized(image, target_rows, target_cols, "area")


def lanczos_resample(image: Pixels, target_rows: int, target_cols: int) -> Pixels:
    """Weigh the 64 pixels around each target pixel's centre by a sinc windowed to four lobes.

    Arguments and errors are those of :func:`nearest_neighbor_resample`.
    """
    return _resized(image, target_rows, target_cols, "lanczos")


def _resized(image: Pixels, target_rows: int, target_cols: int, method: str) -> Pixels:
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ValueError(f"an image must be (rows, cols) or (bands, rows, cols), none of them 0; got {image.shape}")
    if image.dtype.kind not in "biufc":
        raise ValueError(f"pixels must be numbers, got {image.dtype}")
    if target_rows <= 0 or target_cols <= 0:
        raise ValueError(f"a target must be positive, got {target_rows} x {target_cols}")
    rows, cols = image.shape[-2:]
    if (rows, cols) == (target_rows, target_cols):
        return image
    stacked = image if image.ndim == 3 else image[None]
    whole = MaskedPixels(stacked, np.ones(stacked.shape, np.bool_))
    done = resampled(
        whole,
        start=(0.0, 0.0),
        step=(cols / target_cols, rows / target_rows),
        size=ImageSize(target_cols, target_rows),
        method=method,
    ).pixels
    return done if image.ndim == 3 else done[0]
