"""Complex pixels in any encoding → real and imaginary parts, their power, and decibels.

Encodings are those of SICD (NGA.STND.0024-1, ImageData/PixelType) and of NITF
bands (ISUBCAT ``I``, ``Q``, ``M``, ``P``), besides numpy's own complex types.
The one form that remaps work on is ``(2, rows, cols)`` float32: real part,
imaginary part. Nothing here knows validity: a mask stays with the caller.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.errors import ChainError
from stacchip_osml.pixel.arguments import words
from stacchip_osml.pixel.counts import number_array

__all__ = [
    "ROLES",
    "ROLE_AMPLITUDE_INDEX",
    "ROLE_IMAGINARY",
    "ROLE_MAGNITUDE",
    "ROLE_PHASE",
    "ROLE_REAL",
    "complex_parts",
    "complex_to_power",
    "decode_to_iq",
    "power_to_decibels",
    "require_interpretation",
]

ROLE_REAL = "real"
"""In-phase part, I."""
ROLE_IMAGINARY = "imaginary"
"""Quadrature part, Q."""
ROLE_MAGNITUDE = "magnitude"
"""Length of the complex number."""
ROLE_PHASE = "phase"
"""Its angle: radians where float; a share of a full turn, raw / 2**bits, where integer."""
ROLE_AMPLITUDE_INDEX = "amplitude_index"
"""Place in a table of lengths."""
ROLES = (ROLE_REAL, ROLE_IMAGINARY, ROLE_MAGNITUDE, ROLE_PHASE, ROLE_AMPLITUDE_INDEX)
"""What a band of complex pixels may hold."""

PAIRS = (
    frozenset({ROLE_REAL, ROLE_IMAGINARY}),
    frozenset({ROLE_MAGNITUDE, ROLE_PHASE}),
    frozenset({ROLE_AMPLITUDE_INDEX, ROLE_PHASE}),
)
"""Two bands that make one complex number."""


def decode_to_iq(
    data: NDArray[Any],
    band_interpretation: Sequence[str] | None = None,
    amplitude_table: NDArray[Any] | None = None,
) -> NDArray[np.float32]:
    """Bring complex pixels of any encoding to real and imaginary parts.

    Args:
        data: ``(2, rows, cols)`` of integers or floats, or ``(rows, cols)`` or ``(1, rows, cols)`` of numpy's complex.
        band_interpretation: one of :data:`ROLES` for each band, in the order of the bands; None: complex pixels are
            what they are, two bands are real and imaginary part.
        amplitude_table: length for each index, where a band is ``amplitude_index``; None elsewhere.

    Returns:
        ``(2, rows, cols)`` float32, new memory: real part, imaginary part. Numbers beyond float32 become infinite,
        integers above 2**24 are rounded.

    Raises:
        ChainError: (a ValueError) another shape, roles that make no complex number, a table missing or too much, an
            index that the table does not have.
    """
    data = number_array("data", data, wanted="pixels")
    roles = require_interpretation(
        data.shape[0] if data.ndim == 3 else 1, data.dtype, band_interpretation, amplitude_table
    )
    with np.errstate(over="ignore", invalid="ignore"):
        if roles is None:
            return np.stack(complex_parts(data)).astype(np.float32)
        if data.ndim != 3:
            raise ChainError(f"pixels of two bands are (2, rows, cols), not {data.shape}")
        bands = dict(zip(roles, data, strict=True))
        found = np.empty(data.shape, np.float32)
        if ROLE_REAL in bands:
            found[0], found[1] = bands[ROLE_REAL], bands[ROLE_IMAGINARY]
            return found
        length = _lengths(bands, amplitude_table)
        cosine, sine = _directions(bands[ROLE_PHASE])
        found[0], found[1] = length * cosine, length * sine
    return found


def require_interpretation(
    num_bands: int,
    dtype: np.dtype[Any],
    band_interpretation: Sequence[str] | None,
    amplitude_table: NDArray[Any] | None,
) -> tuple[str, ...] | None:
    """Find out what each band holds; None where pixels are complex by themselves.

    Args:
        num_bands: of the pixels.
        dtype: of the pixels.
        band_interpretation: as in :func:`decode_to_iq`.
        amplitude_table: as there.

    Raises:
        ChainError: (a ValueError) these contradict each other, or make no complex number.
    """
    if dtype.kind == "c":
        if band_interpretation is not None or amplitude_table is not None:
            raise ChainError(f"{dtype.name} pixels are complex by themselves; they take no roles and no table")
        if num_bands != 1:
            raise ChainError(f"{num_bands} bands of complex pixels; choose one of them")
        return None
    if dtype.kind not in "iuf":
        raise ChainError(f"{dtype.name} pixels are no parts of complex numbers")
    if band_interpretation is None:
        if num_bands != 2:
            raise ChainError(f"{num_bands} bands of {dtype.name}: what they hold has to be said (band_interpretation)")
        roles: tuple[str, ...] = (ROLE_REAL, ROLE_IMAGINARY)
    else:
        try:
            roles = words("band_interpretation", band_interpretation)
        except TypeError as error:
            raise ChainError(str(error)) from error
    for role in roles:
        if role not in ROLES:
            raise ChainError(f"unknown role {role!r}; expected one of {', '.join(ROLES)}")
    if len(roles) != num_bands:
        raise ChainError(f"{len(roles)} roles for {num_bands} bands")
    if len(roles) != 2 or frozenset(roles) not in PAIRS:
        raise ChainError(f"{', '.join(roles)}: these bands make no complex number")
    _require_table(roles, dtype, amplitude_table)
    return roles


def _require_table(roles: Sequence[str], dtype: np.dtype[Any], table: NDArray[Any] | None) -> None:
    if ROLE_AMPLITUDE_INDEX not in roles:
        if table is not None:
            raise ChainError(f"an amplitude table belongs to the role {ROLE_AMPLITUDE_INDEX}, and there is none")
        return
    if table is None:
        raise ChainError(f"the role {ROLE_AMPLITUDE_INDEX} needs an amplitude table")
    if dtype.kind != "u":
        raise ChainError(f"an amplitude index is an unsigned integer, not {dtype.name}")
    entries = np.asarray(table)
    if entries.ndim != 1 or not entries.size or entries.dtype.kind not in "iuf" or not np.isfinite(entries).all():
        raise ChainError("an amplitude table is a list of finite numbers")


def _lengths(bands: dict[str, NDArray[Any]], table: NDArray[Any] | None) -> NDArray[np.float64]:
    if table is None:
        return bands[ROLE_MAGNITUDE].astype(np.float64)
    index, entries = bands[ROLE_AMPLITUDE_INDEX], np.asarray(table, np.float64)
    if index.size and int(index.max()) >= entries.size:
        raise ChainError(f"amplitude index {int(index.max())} of a table that has {entries.size} entries")
    return np.asarray(entries[index])


def _directions(phase: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the cosine and sine of phases; those of few bits are looked up."""
    bits = 8 * phase.dtype.itemsize
    if phase.dtype.kind in "iu" and bits <= 16:
        cosines, sines = _circle(bits)
        # a negative phase is the same angle as its two's complement
        place = phase.astype(phase.dtype.newbyteorder("="), copy=False).view(f"u{phase.dtype.itemsize}")
        return np.asarray(cosines[place]), np.asarray(sines[place])
    angle = phase.astype(np.float64)
    if phase.dtype.kind in "iu":
        angle *= 2 * math.pi / 2.0**bits
    return np.cos(angle), np.sin(angle)


@cache
def _circle(bits: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    angle = np.arange(1 << bits) * (2 * math.pi / (1 << bits))
    return np.cos(angle), np.sin(angle)


def complex_parts(data: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Give the real and imaginary parts, ``(rows, cols)`` each; they may be the very memory.

    Args:
        data: ``(2, rows, cols)`` real and imaginary part, or ``(rows, cols)`` or ``(1, rows, cols)`` complex.

    Raises:
        ChainError: (a ValueError) another shape or type.
    """
    data = number_array("data", data, wanted="pixels")
    if data.dtype.kind == "c":
        if data.ndim == 3 and len(data) == 1:
            data = data[0]
        if data.ndim != 2:
            raise ChainError(f"complex pixels are (rows, cols) or (1, rows, cols), not {data.shape}")
        return data.real, data.imag
    if data.dtype.kind not in "iuf":
        raise ChainError(f"{data.dtype.name} pixels are no parts of complex numbers")
    if data.ndim != 3 or len(data) != 2:
        raise ChainError(f"real and imaginary part are (2, rows, cols), not {data.shape}")
    return data[0], data[1]


def complex_to_power(data: NDArray[Any]) -> NDArray[np.float64]:
    """Compute power: real² + imaginary².

    Args:
        data: as in :func:`complex_parts`.

    Returns:
        ``(rows, cols)`` float64, in which no square of a float32 or an integer of 64 bits overflows.

    Raises:
        ChainError: (a ValueError) another shape or type.
    """
    real, imaginary = (part.astype(np.float64) for part in complex_parts(data))
    with np.errstate(over="ignore", invalid="ignore"):
        real *= real
        imaginary *= imaginary
        real += imaginary
    return real


def power_to_decibels(power: NDArray[Any]) -> NDArray[Any]:
    """Compute 10 log10 of power.

    Args:
        power: any shape, real.

    Returns:
        The same shape, dB against a power of 1: float32 for float32, else float64. -inf for 0 and below, NaN for NaN.

    Raises:
        ChainError: (a ValueError) complex numbers.
    """
    power = number_array("power", power)
    if power.dtype.kind not in "iufb":
        raise ChainError(f"power is a real number, not {power.dtype.name}; complex_to_power computes it")
    # in float64: a logarithm of float32 is off by more than its last digit
    with np.errstate(divide="ignore"):
        decibels: NDArray[Any] = 10 * np.log10(np.maximum(power.astype(np.float64), 0))
    return decibels.astype(np.float32) if power.dtype.newbyteorder("=") == np.float32 else decibels
