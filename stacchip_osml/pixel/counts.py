"""Numbers that callers give: threads, bytes, sides; any integer is a whole number, NumPy's too, and nothing else."""

from __future__ import annotations

import math
from numbers import Real
from operator import index
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from stacchip_osml.errors import SettingError

__all__ = [
    "chosen_rows",
    "finite_number",
    "finite_numbers",
    "number_array",
    "number_within",
    "real_number",
    "real_numbers",
    "truth_array",
    "whole_number",
    "whole_numbers",
    "whole_or_none",
]


def whole_number(name: str, value: Any, *, least: int | None = None, most: int | None = None) -> int:
    """Give a whole number as int.

    Args:
        name: of the parameter, for the message.
        value: as given; True and False are none.
        least: the smallest that is taken; None for any.
        most: the largest; None for any.

    Raises:
        SettingError: (a ValueError) naming the parameter, its range and what came.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None or (least is not None and number < least) or (most is not None and number > most):
        range_ = "" if least is None else f" of at least {least}" if most is None else f" from {least} to {most}"
        raise SettingError(f"{name} must be a whole number{range_}, got {value!r:.60}")
    return number


def whole_numbers(name: str, values: Any, count: int, *, least: int | None = None) -> tuple[int, ...]:
    """Give so many whole numbers; see :func:`whole_number`."""
    return tuple(whole_number(name, value, least=least) for value in _some(name, values, count))


def finite_numbers(name: str, values: Any, count: int) -> tuple[float, ...]:
    """Give so many finite numbers; see :func:`finite_number`."""
    return tuple(finite_number(name, value) for value in _some(name, values, count))


def _some(name: str, values: Any, count: int) -> tuple[Any, ...]:
    try:
        found = tuple(values)
    except TypeError:
        found = ()
    if len(found) != count or isinstance(values, (str, bytes)):
        raise SettingError(f"{name} must be {count} numbers, got {values!r:.60}")
    return found


def finite_number(name: str, value: Any) -> float:
    """Give a number as float.

    Raises:
        SettingError: (a ValueError) not finite, text, or True and False.
    """
    number = _real(value)
    if number is None or not math.isfinite(number):
        raise SettingError(f"{name} must be a finite number, got {value!r:.60}")
    return number


def real_number(name: str, value: Any) -> float:
    """Give a number as float, NaN and infinity too.

    Raises:
        SettingError: (a ValueError) text, a complex number, or True and False.
    """
    number = _real(value)
    if number is None:
        raise SettingError(f"{name} must be a real number, got {value!r:.60}")
    return number


def _real(value: Any) -> float | None:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real):
        return None
    try:
        return float(value)
    except OverflowError:  # an integer beyond all floats
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]


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
    number = _real(value)
    if number is None or not least <= number <= most:
        raise SettingError(f"{name} must be a number from {least:g} to {most:g}, got {value!r}")
    return number


def real_numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Give real numbers of any shape as float64: the very memory, where they are that.

    Args:
        name: of the parameter, for the message.
        values: a number, an array, or lists of numbers; of a masked array all that it holds.

    Raises:
        TypeError: text, truth values, complex numbers, dates, objects, lists of unlike lengths.
    """
    if type(values) is np.ndarray and values.dtype == np.float64:  # once a call of every model
        return np.asarray(values, np.float64)
    return np.asarray(number_array(name, values, kinds="iuf", wanted="real numbers"), np.float64)


def number_array(
    name: str, values: ArrayLike, *, kinds: str = "biufc", wanted: str = "an array of numbers"
) -> NDArray[Any]:
    """Give numbers as an array, in the memory that they have where they are one.

    Args:
        name: of the parameter, for the message.
        values: a number, an array, or lists of numbers; of a masked array all that it holds.
        kinds: of numpy's types that are taken.
        wanted: the same in words.

    Raises:
        TypeError: text, dates, objects, lists of unlike lengths, numbers of another kind.
    """
    try:
        given = np.asarray(values)
    except ValueError:  # lists of unlike lengths
        given = np.asarray(None)
    if given.dtype.kind not in kinds:
        raise TypeError(f"{name} must be {wanted}, not {type(values).__name__}: {values!r:.60}")
    return given


def truth_array(name: str, values: ArrayLike) -> NDArray[np.bool_]:
    """Give truth values as an array; TypeError for anything else, 0 and 1 too."""
    return number_array(name, values, kinds="b", wanted="an array of bool")


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
