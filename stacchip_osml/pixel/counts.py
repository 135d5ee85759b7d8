"""Numbers that callers give: threads, bytes, sides; any integer is a whole number, NumPy's too, and nothing else."""

from __future__ import annotations

import math
from numbers import Real
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import SettingError

__all__ = ["chosen_rows", "number_within", "whole_number", "whole_or_none"]


def whole_number(name: str, value: Any, *, least: int, most: int | None = None) -> int:
    """Give a whole number as int.

    Args:
        name: of the parameter, for the message.
        value: as given; True and False are none.
        least: the smallest that is taken.
        most: the largest; None for any.

    Raises:
        SettingError: (a ValueError) naming the parameter, its range and what came.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        range_ = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise SettingError(f"{name} must be a whole number {range_}, got {value!r}")
    return number


def whole_or_none(name: str, value: Any, *, least: int) -> int | None:
    """Give a whole number as :func:`whole_number`, or None as it is."""
    return None if value is None else whole_number(name, value, least=least)


def number_within(name: str, value: Any, *, least: float, most: float) -> float:
    """Give a number as float.

    Args:
        name: of the parameter, for the message.
        value: as given; True and False are none, nor is NaN.
        least: the smallest that is taken.
        most: the largest.

    Raises:
        SettingError: (a ValueError) naming the parameter, its range and what came.
    """
    try:
        number = float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
    except OverflowError:  # an integer beyond all floats
        number = math.inf
    if not least <= number <= most:
        raise SettingError(f"{name} must be a number from {least:g} to {most:g}, got {value!r}")
    return number


def chosen_rows(values: ArrayLike, count: int, *, what: str = "row", whole: str | None = None) -> NDArray[np.int64]:
    """Give the numbers of rows that a caller chooses, in the caller's order.

    Args:
        values: numbers, negative ones counted from the end; or a truth value for each row.
        count: rows there are.
        what: one of them, for messages.
        whole: what they are of, for messages; None for their number.

    Returns:
        ``(N,)``, from 0 to ``count - 1``.

    Raises:
        IndexError: no such row; neither whole numbers nor truth values; or not one truth value for each row.
    """
    given = np.asarray(values)
    if given.ndim > 1:
        raise IndexError(f"{what}s are chosen by one list of numbers, got {given.shape}")
    given = given.reshape(-1)
    if given.dtype == bool:
        if len(given) != count:
            raise IndexError(f"truth values choose of {count}, one for each {what}; got {len(given)}")
        return np.flatnonzero(given)
    if given.dtype.kind not in "iu" and len(given):
        raise IndexError(f"a {what} is chosen by a whole number, got {given[0]!r}")
    wanted = given.astype(np.int64, copy=False)
    if len(wanted) and wanted.min() < 0:
        wanted = np.where(wanted < 0, wanted + count, wanted)
    if len(wanted) and not 0 <= wanted.min() <= wanted.max() < count:
        outside = wanted[(wanted < 0) | (wanted >= count)]
        raise IndexError(f"{what} {int(outside[0])} of {whole or count}")
    return wanted
