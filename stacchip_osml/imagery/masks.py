"""From what a file declares to which pixels are measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.providers.protocol import Mask, Pixels
from stacchip_osml.pixel.nodata import differs_from

__all__ = ["valid_where"]


def valid_where(
    pixels: Pixels,
    bands: Sequence[int],
    *,
    nodata: Sequence[float | complex | None],
    alpha_band: int | None = None,
    alpha: NDArray[Any] | None = None,
) -> Mask:
    """Mark the pixels that neither nodata nor the alpha band rules out.

    Args:
        pixels: ``(bands, rows, cols)``.
        bands: which band of the image each plane is.
        nodata: one value a band of the image; None where it has none.
        alpha_band: which band of the image is alpha; always valid itself.
        alpha: its pixels ``(rows, cols)``, 0 where the others hold nothing.

    Returns:
        ``(bands, rows, cols)``, True where valid.
    """
    values = [nodata[band] for band in bands]
    first = values[0]
    alike = first is not None and alpha is None and all(value is first or value == first for value in values)
    if first is not None and alike:  # the usual case, several times faster
        return differs_from(pixels, first)
    mask = np.ones(pixels.shape, dtype=np.bool_)
    for position, (band, value) in enumerate(zip(bands, values, strict=True)):
        if value is not None:
            mask[position] = differs_from(pixels[position], value)
        if alpha is not None and band != alpha_band:
            mask[position] &= alpha != 0
    return mask
