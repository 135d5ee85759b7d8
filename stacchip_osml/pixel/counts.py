"""Whole numbers that callers give: threads, bytes, sides; any integer is one, NumPy's too, and nothing else."""

from __future__ import annotations

from operator import index
from typing import Any

__all__ = ["whole_number", "whole_or_none"]


def whole_number(name: str, value: Any, *, least: int) -> int:
    """Give a whole number as int.

    Args:
        name: of the parameter, for the message.
        value: as given; True and False are none.
        least: the smallest that is taken.

    Raises:
        ValueError: naming the parameter, its range and what came.
    """
    try:
        number = None if isinstance(value, bool) else index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number


def whole_or_none(name: str, value: Any, *, least: int) -> int | None:
    """Give a whole number as :func:`whole_number`, or None as it is."""
    return None if value is None else whole_number(name, value, least=least)
