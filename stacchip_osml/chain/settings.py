"""Settings of steps, parsed to the one JSON value that stands for their meaning.

Rules: 1 and 1.0 are one number; a number, and a list of that number alone,
both mean "for every band"; types go by numpy's full names.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import numbers
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain.kinds import Settings, Spec
from stacchip_osml.errors import ChainError, SettingError
from stacchip_osml.pixel.counts import finite_number

__all__ = [
    "a_choice",
    "a_dtype",
    "a_number",
    "a_positive",
    "a_table",
    "band_numbers",
    "bands_of",
    "between",
    "finite",
    "for_each_band",
    "highest_of",
    "lowest_of",
    "sorted_texts",
    "table_of",
    "to_table",
    "whole_number",
]

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64")
"""Types that steps may write."""


def a_number(value: Any) -> int | float:
    """Parse a finite number: a whole one becomes an int."""
    if type(value) is int:
        return value
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"expected a number, got {value!r}")
    number = float(value)
    if not np.isfinite(number):
        raise ValueError(f"expected a finite number, got {value!r}")
    if isinstance(value, numbers.Integral):
        return int(value)
    # a float32 setting means the number it holds, not the digits it was written with
    return int(number) if number.is_integer() else number


def finite(name: str, value: Any) -> float:
    """Give a finite number as float; ChainError names what is none."""
    try:
        return finite_number(name, value)
    except SettingError as error:
        raise ChainError(str(error)) from error


def a_positive(value: Any) -> int | float:
    """Parse a number above 0."""
    number = a_number(value)
    if number <= 0:
        raise ValueError(f"expected a number above 0, got {value!r}")
    return number


def whole_number(value: Any) -> int:
    """Parse a band number or count: an int from 0."""
    number = a_number(value)
    if not isinstance(number, int) or number < 0:
        raise ValueError(f"expected a whole number from 0, got {value!r}")
    return number


def between(low: float, high: float) -> Callable[[Any], int | float]:
    """Give a parser of numbers from ``low`` to ``high``."""

    def parse(value: Any) -> int | float:
        number = a_number(value)
        if not low <= number <= high:
            raise ValueError(f"expected a number from {low} to {high}, got {value!r}")
        return number

    return parse


def band_numbers(value: Any) -> int | float | list[int | float]:
    """Parse one number for all bands, or a list of one a band."""
    if not isinstance(value, (Sequence, np.ndarray)) or isinstance(value, str):
        return a_number(value)
    found = [a_number(part) for part in value]
    if not found:
        raise ValueError("expected a number, or one a band, got an empty list")
    return found[0] if len(found) == 1 else found


def bands_of(value: Any) -> list[int]:
    """Parse a list of 0-based bands."""
    if isinstance(value, str) or not isinstance(value, (Sequence, np.ndarray)):
        raise TypeError(f"expected a list of bands such as [0, 1], got {value!r}")
    found = [whole_number(part) for part in value]
    if not found:
        raise ValueError("expected a list of bands such as [0, 1], got an empty one")
    return found


def a_choice(*names: str) -> Callable[[Any], str]:
    """Give a parser of one of some words."""

    def parse(value: Any) -> str:
        if value not in names:
            raise ValueError(f"expected one of {', '.join(names)}; got {value!r}")
        return str(value)

    return parse


def a_dtype(value: Any) -> str:
    """Parse a type that steps may write."""
    if isinstance(value, str) and value in DTYPES:
        return value
    name = ""
    with contextlib.suppress(TypeError):
        name = str(np.dtype(value).name)
    if name not in DTYPES:
        raise ValueError(f"expected one of {', '.join(DTYPES)}; got {value!r}")
    return name


def lowest_of(settings: Settings) -> int:
    """Give black of the type that a step writes: 0."""
    del settings
    return 0


def highest_of(settings: Settings) -> int:
    """Give white of the type that a step writes: an integer type's largest value, 1 for float."""
    dtype: np.dtype[Any] = np.dtype(settings["dtype"])
    return int(np.iinfo(dtype).max) if dtype.kind in "iu" else 1


def a_table(value: Any) -> str:
    """Parse a table's entries: base64 of their little-endian bytes."""
    if not isinstance(value, str):
        raise TypeError(f"expected base64 text, got {type(value).__name__}; lut_step writes it from an array")
    return value


def to_table(entries: NDArray[Any]) -> str:
    """Write a table's entries as text: exactly, and in one way only."""
    return base64.b64encode(np.ascontiguousarray(entries, entries.dtype.newbyteorder("<")).tobytes()).decode("ascii")


@lru_cache(maxsize=64)
def table_of(text: str, dtype: str) -> NDArray[Any]:
    """Read what :func:`to_table` wrote.

    Raises:
        ChainError: not base64 of whole entries.
    """
    try:
        data = base64.b64decode(text, validate=True)
        if base64.b64encode(data).decode("ascii") != text:
            raise ChainError("a table is written in more than one way: its base64 has bits to spare")
        found = np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype)
    except (binascii.Error, ValueError) as error:
        if isinstance(error, ChainError):
            raise
        raise ChainError(f"a table must be base64 of {dtype} entries: {error}") from error
    found.flags.writeable = False
    return found


def for_each_band(settings: Settings, key: str, spec: Spec) -> list[int | float]:
    """Give a setting's number for each band.

    Raises:
        ChainError: it lists another number of bands.
    """
    value = settings[key]
    if not isinstance(value, list):
        return [value] * spec.bands
    if len(value) != spec.bands:
        raise ChainError(f"step {settings['step']!r}: {key!r} has a number for each of {len(value)} bands, not {spec}")
    return list(value)


def sorted_texts(value: Any) -> dict[str, str]:
    """Parse an object of texts, its keys in order."""
    if not isinstance(value, Mapping) or not all(isinstance(part, str) for pair in value.items() for part in pair):
        raise ValueError(f"expected an object of texts, got {value!r}")
    return dict(sorted(value.items()))
