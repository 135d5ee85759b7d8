"""What a caller says of a field that holds text, in any format: text as it is, a number as its digits."""

from __future__ import annotations

import re
from decimal import Decimal
from numbers import Real
from typing import Any

from stacchip_osml.errors import EncodeError

__all__ = ["text_of"]

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
