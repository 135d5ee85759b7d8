"""What a caller says, in any format: text as it is, a number as its digits, lists of either, or refused by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from numbers import Real
from typing import Any, TypeVar

from stacchip_osml.errors import EncodeError
from stacchip_osml.pixel.arguments import each_of

__all__ = ["dict_of", "list_of", "text_of"]

T = TypeVar("T")

PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?")


def text_of(value: Any, *, where: str) -> str:
    """Give a value as the text of its field.

    Args:
        value: text, which is taken as it is; or a number that prints in plain digits: 5 is ``5``, 1.5 is ``1.5``.
        where: which field it is, for messages.

    Raises:
        EncodeError: neither, or a number that its digits do not say: NaN, 1e-7, a fraction.
    """
    if isinstance(value, str):
        return value  # the very object: text as it was read knows that it was
    text = str(value)
    if isinstance(value, bool) or not isinstance(value, (Real, Decimal)) or not PLAIN.fullmatch(text):
        raise EncodeError(f"{where} is text or a number of plain digits, got {type(value).__name__} {text[:40]}")
    return text


def list_of(name: str, values: Iterable[T], kind: type | tuple[type, ...], wanted: str) -> tuple[T, ...]:
    """Give a list of things of a kind.

    Raises:
        EncodeError: it is none.
    """
    try:
        return each_of(name, values, kind, wanted)
    except TypeError as error:
        raise EncodeError(str(error)) from error


def dict_of(name: str, pairs: Mapping[str, Any] | Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Give values by their names.

    Raises:
        EncodeError: neither a mapping nor pairs of a name and a value.
    """
    try:
        found = dict(pairs)
    except (TypeError, ValueError):
        found = {"": ""}
    if not all(isinstance(key, str) and key for key in found):
        raise EncodeError(f"{name} are values by their names, got {pairs!r:.60}")
    return found
