"""Values of TIFF's tags as a caller says them: checked against the tag's type, or refused by its number.

Reference: TIFF 6.0, sections 2 and 8.
"""

from __future__ import annotations

import ast
import math
import re
from numbers import Real
from typing import Any

import numpy as np

from stacchip_osml.encode.field_text import text_of
from stacchip_osml.encode.tiff.gdal_tags import GDAL_METADATA, GDAL_NODATA
from stacchip_osml.encode.tiff.tag_names import TAG_KINDS
from stacchip_osml.errors import EncodeError

__all__ = ["tag_number", "tag_numbers", "tag_text", "told_value"]

DATE_TIME, DATE = 306, re.compile(r"\d{4}:\d\d:\d\d \d\d:\d\d:\d\d")
UTF8 = frozenset({GDAL_METADATA, GDAL_NODATA})
WHOLE = {"B": (0, 255), "H": (0, 65535), "I": (0, 2**32 - 1)}


def told_value(number: int, value: Any) -> tuple[str, Any]:
    """Turn a value of the metadata into what is stored, by its tag's type or else its own.

    Raises:
        EncodeError: it is none of its tag's.
    """
    kind = TAG_KINDS.get(number)
    if isinstance(value, bytes):
        return ("s" if kind == "s" else "B" if kind == "B" else "U"), value
    if kind == "s" or (kind is None and isinstance(value, str)):
        return "s", tag_text(number, value)
    numbers = tag_numbers(number, value)
    if kind is None:
        whole = all(float(each).is_integer() and 0 <= each < 2**32 for each in numbers)
        kind = "I" if whole else "d"
    if kind in WHOLE:
        low, high = WHOLE[kind]
        if not all(float(each).is_integer() and low <= each <= high for each in numbers):
            raise EncodeError(
                f"tag {number} holds whole numbers from {low} to {high} (TIFF 6.0, section 2): {value!r:.80}"
            )
        return kind, [int(each) for each in numbers]
    if kind == "R" and not all(0 <= each < 2**32 for each in numbers):
        raise EncodeError(f"tag {number} holds rationals from 0 (TIFF 6.0, section 2): {value!r:.80}")
    return kind, [float(each) for each in numbers]


def tag_text(number: int, value: Any) -> str:
    """Check a text.

    Raises:
        EncodeError: it is none that the tag can hold.
    """
    if isinstance(value, bytes):
        text = value.decode("utf-8", "replace")
    elif number == GDAL_NODATA and isinstance(value, Real):
        text = str(value)  # NaN and 1e-7 are values, and a GDAL reader knows them so
    else:
        text = text_of(value, where=f"tag {number}")
    if "\0" in text:
        raise EncodeError(f"tag {number} is a text and cannot hold NUL (TIFF 6.0, section 2)")
    if number not in UTF8 and not text.isascii():
        raise EncodeError(
            f"tag {number} is ASCII (TIFF 6.0, section 2), got {text[:80]!r}; bytes are written as they are"
        )
    if number == DATE_TIME and not DATE.fullmatch(text):
        raise EncodeError(f"DateTime (306) is YYYY:MM:DD HH:MM:SS (TIFF 6.0, section 8), got {text[:80]!r}")
    return text


def tag_numbers(number: int, value: Any) -> list[Any]:
    """Read numbers, out of a text too.

    Raises:
        EncodeError: they are none.
    """
    told = value
    try:
        if isinstance(told, str):
            told = ast.literal_eval(told) if len(told) <= 1 << 20 else None
        numbers = [told] if isinstance(told, (int, float, np.number)) else list(told)
        if numbers and all(math.isfinite(each) or TAG_KINDS.get(number) == "d" for each in numbers):
            return [each.item() if isinstance(each, np.number) else each for each in numbers]
    except (TypeError, ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    raise EncodeError(f"tag {number} holds numbers (TIFF 6.0, section 2), got {value!r:.80}")


def tag_number(number: int, value: Any) -> int:
    """Read one whole number.

    Raises:
        EncodeError: it is none.
    """
    numbers = tag_numbers(number, value)
    if len(numbers) != 1 or not float(numbers[0]).is_integer():
        raise EncodeError(f"tag {number} holds one whole number (TIFF 6.0, section 8), got {value!r:.80}")
    return int(numbers[0])
