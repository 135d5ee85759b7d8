"""Resampling of the Softcopy Image Processing Standard (SIPS, NGA.STND.0014 v2.4, section 2).

Rules:

- kernels are separable, so each axis is filtered by itself: seven passes instead of 49 products a pixel;
- borders mirror without repeating the edge pixel ("Mirror Edge - Odd", section 2.2.1);
- sums are float32 up to 16 bits a sample and float64 above, added in one fixed order, pixel by pixel: a part of an
  image gives bit for bit what the same part of the whole gives, however it was cut;
- integers are rounded to the nearest (halves to even) and clipped to their range, or to ``bit_depth`` bits.

A reduced pixel ``(r, c)`` lies at ``(2 r + 0.5, 2 c + 0.5)`` of the source, in pixel indices: the centre of the four
pixels that it replaces, so levels do not drift.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery.resampling.reduction_values import Box, range_of, whole_box
from stacchip_osml.imagery.resampling.sips_halving import halved
from stacchip_osml.pixel import ImageSize

__all__ = [
    "SIPS_ANTIALIAS_KERNEL_7x7",
    "build_lagrange_kernel_2d",
    "compute_compromise_coefficients",
    "compute_lagrange_coefficients",
    "sips_convolve",
    "sips_correlate",
    "sips_rrds_resample",
]

Pixels = NDArray[Any]
Floats = NDArray[np.float64]

_A, _B, _C, _D, _E, _F = 0.00694389, -0.02777640, -0.04166500, 0.11110900, 0.16666500, 0.25000000

SIPS_ANTIALIAS_KERNEL_7x7: Floats = np.array(
    [
        [_A, 0, _B, _C, _B, 0, _A],
        [0, 0, 0, 0, 0, 0, 0],
        [_B, 0, _D, _E, _D, 0, _B],
        [_C, 0, _E, _F, _E, 0, _C],
        [_B, 0, _D, _E, _D, 0, _B],
        [0, 0, 0, 0, 0, 0, 0],
        [_A, 0, _B, _C, _B, 0, _A],
    ]
)
"""The anti-alias filter as table 2.2 prints it; not writable."""
SIPS_ANTIALIAS_KERNEL_7x7.setflags(write=False)


def compute_lagrange_coefficients(d: float) -> Floats:
    """Give the cubic LaGrange coefficients of a fractional position (section 2.3).

    Args:
        d: distance from the second of four pixels, in ``[0, 1)``.

    Returns:
        ``(4,)``, their sum is 1.

    Raises:
        ValueError: ``d`` outside ``[0, 1)``.
    """
    _require_fraction(d)
    return np.array(
        [
            -d * (d - 1) * (d - 2) / 6,
            (d + 1) * (d - 1) * (d - 2) / 2,
            -d * (d + 1) * (d - 2) / 2,
            d * (d + 1) * (d - 1) / 6,
        ]
    )


def build_lagrange_kernel_2d(row: float, col: float) -> Floats:
    """Give the 4 x 4 LaGrange kernel of a position between pixels.

    Args:
        row: fraction along the rows, in ``[0, 1)``.
        col: fraction along the columns, in ``[0, 1)``.

    Raises:
        ValueError: a fraction outside ``[0, 1)``.
    """
    return np.outer(compute_lagrange_coefficients(row), compute_lagrange_coefficients(col))


def compute_compromise_coefficients(d: float) -> Floats:
    """Give the compromise coefficients (table 2.8) of a fractional position, in steps of 1/64.

    Args:
        d: distance from the second of four pixels, in ``[0, 1)``; rounded down to a multiple of 1/64.

    Returns:
        ``(4,)``, a new array; the sums of the printed table differ from 1 by up to 5e-6.

    Raises:
        ValueError: ``d`` outside ``[0, 1)``.
    """
    _require_fraction(d)
    return np.array(_compromise_table()[int(64 * d)])


@lru_cache(maxsize=1)
def _compromise_table() -> tuple[tuple[float, ...], ...]:
    """Make the 64 rows of table 2.8: straight lines up to the middle, mirrored after it, rounded as printed."""
    rows = [_compromise_line(number) for number in range(32)]
    rows[15] = (0.007312, *rows[15][1:])  # as printed; the line gives 0.0073125, which rounds up elsewhere
    rows.append(_compromise_line(31.5)[::-1])
    rows += [rows[64 - number][::-1] for number in range(33, 64)]
    return tuple(rows)


def _compromise_line(number: float) -> tuple[float, ...]:
    exact = (
        0.087 - 0.0053125 * number,
        0.731 - 0.0025 * number,
        0.277 + 0.0053125 * number,
        -0.095 + 0.0025 * number,
    )
    # Six digits, five for negative ones, halves away from minus infinity; 1e-9 undoes binary rounding of the halves.
    return tuple(float(np.floor(value * 10**n + 0.5 + 1e-9) / 10**n) for value in exact for n in (5 + (value >= 0),))


def sips_convolve(image: Pixels, kernel: Pixels) -> Pixels:
    """Convolve with a kernel of any size (section 2.2): the kernel is turned by 180 degrees, then correlated.

    Args:
        image: ``(rows, cols)`` or ``(bands, rows, cols)``, any integer or float dtype.
        kernel: ``(kernel rows, kernel cols)``; of an even side, the pixel after the middle is the anchor.

    Returns:
        The image's shape and dtype; integers rounded and clipped to their range.

    Raises:
        ValueError: an image or kernel of other dimensions, or of a dtype that is no number.
    """
    used = _require_kernel(kernel)
    rows, cols = used.shape
    return _correlated(image, used[::-1, ::-1], anchor=(rows - 1 - rows // 2, cols - 1 - cols // 2))


def sips_correlate(image: Pixels, kernel: Pixels) -> Pixels:
    """Correlate with a kernel of any size (section 2.3); of an even side, the pixel before the middle is the anchor.

    Args:
        image: ``(rows, cols)`` or ``(bands, rows, cols)``, any integer or float dtype.
        kernel: ``(kernel rows, kernel cols)``.

    Returns:
        The image's shape and dtype; integers rounded and clipped to their range.

    Raises:
        ValueError: an image or kernel of other dimensions, or of a dtype that is no number.
    """
    used = _require_kernel(kernel)
    return _correlated(image, used, anchor=((used.shape[0] - 1) // 2, (used.shape[1] - 1) // 2))


def sips_rrds_resample(image: Pixels, target_rows: int, target_cols: int, *, bit_depth: int | None = None) -> Pixels:
    """Halve an image as a reduced-resolution data set (section 2.2): anti-alias filter, then LaGrange at (½, ½).

    Args:
        image: ``(rows, cols)`` or ``(bands, rows, cols)``, any integer, float or complex dtype.
        target_rows: must be ``ceil(rows / 2)``.
        target_cols: must be ``ceil(cols / 2)``.
        bit_depth: bits that the samples use; the filtered image is rounded and clipped to them before it is
            interpolated. Integers without it are rounded and clipped to their dtype's range, floats not at all.

    Returns:
        ``(target_rows, target_cols)`` or ``(bands, …)``, dtype of the image.

    Raises:
        ValueError: other dimensions or targets, or a bit depth that is not a positive integer.
    """
    if image.ndim not in (2, 3):
        raise ValueError(f"an image must be (rows, cols) or (bands, rows, cols), got {image.ndim} dimensions")
    rows, cols = image.shape[-2:]
    if (target_rows, target_cols) != ((rows + 1) // 2, (cols + 1) // 2):
        raise ValueError(
            f"an RRDS halves an image: {rows} x {cols} gives {(rows + 1) // 2} x {(cols + 1) // 2}, "
            f"not {target_rows} x {target_cols}"
        )
    if bit_depth is not None and (isinstance(bit_depth, bool) or not isinstance(bit_depth, int) or bit_depth <= 0):
        raise ValueError(f"bit_depth must be a positive integer, got {bit_depth!r}")
    whole, size = image.reshape(-1, rows, cols), ImageSize(cols, rows)
    made = halved(whole, whole_box(size), size, Box(0, target_rows, 0, target_cols), bit_depth=bit_depth)
    return made.reshape(*image.shape[:-2], target_rows, target_cols)


def _correlated(image: Pixels, kernel: Floats, *, anchor: tuple[int, int]) -> Pixels:
    if image.ndim not in (2, 3):
        raise ValueError(f"an image must be (rows, cols) or (bands, rows, cols), got {image.ndim} dimensions")
    if image.dtype.kind not in "iufc":
        raise ValueError(f"pixels must be numbers, got {image.dtype}")
    rows, cols = image.shape[-2:]
    pads = [(at, side - 1 - at) for at, side in zip(anchor, kernel.shape, strict=True)]
    working = np.complex128 if image.dtype.kind == "c" else np.float64
    source = np.pad(image.astype(working), [(0, 0)] * (image.ndim - 2) + pads, mode="reflect")
    total: Pixels = np.zeros(image.shape, working)
    for row, col in zip(*np.nonzero(kernel), strict=True):
        total += source[..., row : row + rows, col : col + cols] * kernel[row, col]
    return _as_stored(total, image.dtype)


def _require_kernel(kernel: Pixels) -> Floats:
    used: Floats = np.asarray(kernel, dtype=np.float64)
    if used.ndim != 2:
        raise ValueError(f"a kernel must be (rows, cols), got {used.ndim} dimensions")
    return used


def _as_stored(values: Pixels, dtype: np.dtype[Any]) -> Pixels:
    clip = range_of(dtype)
    return (values if clip is None else np.clip(np.rint(values), *clip)).astype(dtype, copy=False)


def _require_fraction(d: float) -> None:
    if not 0 <= d < 1:
        raise ValueError(f"a fractional position must be in [0, 1), got {d}")
