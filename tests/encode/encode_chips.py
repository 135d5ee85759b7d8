"""Chips to write: natural-looking, deterministic, of any dtype."""

from __future__ import annotations

import numpy as np
from affine import Affine

from stacchip_osml.encode import Chip
from stacchip_osml.pixel import PixelWindow

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 4_000_000)
ALL_DTYPES = (
    *("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"),
    *("float16", "float32", "float64", "complex64", "complex128"),
)


def pixels_of(dtype, shape=(3, 40, 50), seed=0):
    """Waves that use most of the dtype's range, never 0."""
    rng = np.random.default_rng(seed)
    bands, rows, cols = shape
    y, x = np.mgrid[:rows, :cols] / 16
    wave = np.stack([0.5 + 0.3 * np.sin(x + b) * np.cos(y - b) for b in range(bands)])
    wave += 0.01 * rng.random(shape)
    kind = np.dtype(dtype)
    if kind.kind == "c":
        return ((wave - 0.5) * 1e3 + 1j * wave[::-1] * 7).astype(kind)
    if kind.kind == "f":
        return ((wave - 0.55) * 1e3).astype(kind)
    top = np.iinfo(kind).max
    values = 1 + (wave * (top - 2)).astype(kind)
    if kind.kind == "i":
        values[:, ::2] *= -1
    return values


def chip_of(dtype="uint16", shape=(3, 40, 50), *, holes="none", seed=0, **fields):
    """Build a chip; holes: none, shared by all bands, or other ones in each band."""
    pixels = pixels_of(dtype, shape, seed)
    mask = np.ones(shape, bool)
    if holes == "shared":
        mask[:, 3:9, 5:20] = False
    elif holes == "each":
        for band in range(shape[0]):
            mask[band, band : band + 5, 2 : 9 + 2 * band] = False
    fields.setdefault("window", PixelWindow(128, 64, shape[2], shape[1]))
    return Chip(pixels=pixels, mask=mask, **fields)
