"""Deterministic noise on the ground: the same place gives the same value, at any sampling.

Everything is a pure function of coordinates (metres) and a seed: no generator
state, so two images of one place agree whatever their size, order or grid.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Floats", "cell_noise", "fractal_noise", "gradient_noise", "hash_unit"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

Bits = NDArray[np.uint32]
Singles = NDArray[np.float32]

_DIAGONAL = 0.5**0.5
_EAST = np.array([1, _DIAGONAL, 0, -_DIAGONAL, -1, -_DIAGONAL, 0, _DIAGONAL], dtype=np.float32)
_NORTH = np.roll(_EAST, 2)
_TURN = (0.8, 0.6)  # each octave is turned by 37 degrees, so that no lattice direction shows


def hash_unit(col: Ints, row: Ints, seed: int) -> Floats:
    """Hash integer positions to numbers in [0, 1)."""
    return _mix(col, row, seed).astype(np.float64) * 2.0**-32


def gradient_noise(x: Floats, y: Floats, seed: int) -> Floats:
    """Smooth noise with features of about one unit, mostly within -0.7 to 0.7."""
    col, row = np.floor(x), np.floor(y)
    u, v = (x - col).astype(np.float32), (y - row).astype(np.float32)
    # The four corners share their products; take() on flat tables is what makes this quick.
    left, top = _spread(col, 0x9E3779B1), _spread(row, 0x85EBCA77) ^ _start(seed)
    right, under = left + np.uint32(0x9E3779B1), _spread(row + 1, 0x85EBCA77) ^ _start(seed)
    u1, v1 = u - np.float32(1), v - np.float32(1)
    a, b = _slope(left ^ top, u, v), _slope(right ^ top, u1, v)
    c, d = _slope(left ^ under, u, v1), _slope(right ^ under, u1, v1)
    u, v = _fade(u), _fade(v)
    a += u * (b - a)
    c += u * (d - c)
    return (a + v * (c - a)).astype(np.float64)


def fractal_noise(x: Floats, y: Floats, *, wavelength: float, octaves: int, seed: int, gain: float = 0.5) -> Floats:
    """Sum octaves of smooth noise, each half as long and ``gain`` as strong as the one before."""
    x, y = x / wavelength, y / wavelength
    total, strength = np.zeros_like(x), 1.0
    for octave in range(octaves):
        total += strength * gradient_noise(x, y, seed + 7919 * octave)
        x, y = 2 * (_TURN[0] * x - _TURN[1] * y), 2 * (_TURN[1] * x + _TURN[0] * y)
        strength *= gain
    return total


def cell_noise(x: Floats, y: Floats, *, size: float, seed: int) -> tuple[Floats, Floats]:
    """Find the nearest of scattered points, one a lattice square.

    Returns:
        A number in [0, 1) that names the cell, and the distance to its border in units of ``x``.
    """
    col, row = np.floor(x / size).astype(np.int64), np.floor(y / size).astype(np.int64)
    nearest, second, name = np.full(x.shape, np.inf), np.full(x.shape, np.inf), np.zeros(x.shape)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            px = (col + across + 0.15 + 0.7 * hash_unit(col + across, row + down, seed)) * size
            py = (row + down + 0.15 + 0.7 * hash_unit(col + across, row + down, seed + 1)) * size
            distance = np.hypot(x - px, y - py)
            closer = distance < nearest
            second = np.where(closer, nearest, np.minimum(second, distance))
            nearest = np.where(closer, distance, nearest)
            name = np.where(closer, hash_unit(col + across, row + down, seed + 2), name)
    return name, (second - nearest) / 2


def _mix(col: Ints, row: Ints, seed: int) -> Bits:
    """Mix three integers into 32 well-spread bits."""
    return _stir(_spread(col, 0x9E3779B1) ^ _spread(row, 0x85EBCA77) ^ _start(seed))


def _spread(index: NDArray[Any], factor: int) -> Bits:
    return index.astype(np.int64).astype(np.uint32) * np.uint32(factor)


def _start(seed: int) -> np.uint32:
    return np.uint32((seed * 0xC2B2AE3D + 0x27D4EB2F) & 0xFFFFFFFF)


def _stir(bits: Bits) -> Bits:
    bits = (bits ^ (bits >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    bits = (bits ^ (bits >> np.uint32(12))) * np.uint32(0x297A2D39)
    return bits ^ (bits >> np.uint32(15))


def _slope(bits: Bits, u: Singles, v: Singles) -> Singles:
    """Climb from a corner along its direction."""
    turn = _stir(bits) >> np.uint32(29)
    return _EAST.take(turn) * u + _NORTH.take(turn) * v


def _fade(t: Singles) -> Singles:
    return t * t * t * (t * (6 * t - 15) + 10)
