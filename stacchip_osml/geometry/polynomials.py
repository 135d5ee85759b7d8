"""Polynomials as SICD and SIDD write them: coefficients of one or two variables, and of x, y, z over time.

Coefficients are tuples of floats, so that the records they are in compare,
hash and pickle; arrays are made of them once. Index = exponent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["derived", "poly", "poly2", "vector_poly"]

Floats = NDArray[np.float64]


def poly(coefficients: Floats, x: Floats) -> Floats:
    """Evaluate a polynomial of one variable; a constant stays of shape ``(1,)``."""
    if coefficients.size == 1:
        return coefficients[:1]
    value = np.full(x.shape, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= x
        value += coefficient
    return value


def poly2(coefficients: Floats, x: Floats, y: Floats) -> Floats:
    """Evaluate a polynomial of two variables, coefficients ``[exponent of x, exponent of y]``."""
    if coefficients.size == 1:
        return coefficients[0, :1]
    value = poly(coefficients[-1], y)
    for row in coefficients[-2::-1]:
        value = value * x + poly(row, y)
    return value


def vector_poly(coefficients: Floats, t: Floats) -> Floats:
    """Evaluate x, y, z over time: coefficients ``(3, exponents)`` at ``(n,)`` give ``(3, n)``."""
    value = coefficients[:, -1:] * np.ones_like(t)
    for power in range(coefficients.shape[1] - 2, -1, -1):
        value *= t
        value += coefficients[:, power : power + 1]
    return value


def derived(coefficients: Floats) -> Floats:
    """Give the derivative by the last axis' variable."""
    count = coefficients.shape[-1]
    if count == 1:
        return np.zeros_like(coefficients)
    return coefficients[..., 1:] * np.arange(1, count)
