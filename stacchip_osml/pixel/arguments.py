"""What callers give that is no number: one of some words, words, things of a kind; anything else is refused by name.

An error says which argument it is and what it should be; nothing further down then has to look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from os import PathLike
from typing import Any, TypeVar

from stacchip_osml.errors import SettingError

__all__ = ["each_of", "function_or_none", "of_kind", "one_of", "words"]

T = TypeVar("T")


def of_kind(name: str, value: T, kind: type | tuple[type, ...], wanted: str) -> T:
    """Give back what is of a kind.

    Args:
        name: of the parameter, for the message.
        value: as given.
        kind: what it must be an instance of.
        wanted: the same in words: "an index or the path of one".

    Raises:
        TypeError: it is not.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {wanted}, not {type(value).__name__}: {value!r:.60}")
    return value


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """Give back a word that is one of some.

    Raises:
        SettingError: (a ValueError) it is none of them.
    """
    if not isinstance(value, str) or value not in choices:
        raise SettingError(f"{name} must be one of {', '.join(choices)}; got {value!r}")
    return value


def each_of(name: str, values: Iterable[T], kind: type | tuple[type, ...], wanted: str) -> tuple[T, ...]:
    """Give a list of things of a kind as a tuple.

    Raises:
        TypeError: it is none; or one text alone, whose letters would be taken for them.
    """
    if isinstance(values, Iterable) and not isinstance(values, (str, bytes, PathLike)):
        try:
            found = tuple(values)
        except TypeError:  # an array of no dimension
            found = (values,)  # type: ignore[assignment]
        if all(isinstance(value, kind) for value in found):
            return found
    raise TypeError(f"{name} must be {wanted}, not {type(values).__name__}: {values!r:.60}")


def words(name: str, values: Iterable[str]) -> tuple[str, ...]:
    """Give a list of words as a tuple.

    Raises:
        TypeError: no list of words.
    """
    return each_of(name, values, str, "a list of words")


def function_or_none(name: str, value: T) -> T:
    """Give back what can be called, or None.

    Raises:
        TypeError: it is neither.
    """
    if value is not None and not callable(value):
        raise TypeError(f"{name} must be a function or None, not {type(value).__name__}: {value!r:.60}")
    return value
