"""Values that are given by mistake, and what is made of the errors that they meet."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from stacchip_osml.errors import ChipError

WRONG = [
    None, 0, -1, 8, 2**70, 1.5, math.nan, math.inf, True, "", "no such thing", b"bytes", (), [], {}, object(), len,
    [None], ["no such thing"], [-1], [1, 2], (1, 2, 3, 4), [math.nan] * 4, {"a": 1}, range(3), [[1, 2]],
    np.zeros(3), np.zeros((2, 2)), np.array("x"), np.zeros((0, 3, 3)), np.array([None]), np.zeros((3, 4, 4), complex),
]  # fmt: skip
ODD = [
    10**400, -1.5, 1e308, -math.inf, 1j, "1", "\0", "\ud800", int, slice(1), (0, 0), (2**70, 2**70), [math.inf] * 2,
    [math.nan] * 6, {0: 1}, {1, 2}, [[1], [1, 2]], [{}], [{"step": []}], np.float64(3), np.int64(-5), np.True_,
    np.array(5.0), np.array(["a", "b"]), np.zeros(0), np.array([1, "a"], object), np.zeros((1, 1, 1, 1)),
    np.zeros((1, 4, 4), "M8[s]"), np.zeros(2, [("a", "f4")]), np.full((2, 4, 4), np.nan), np.zeros((2, 0, 0)),
]  # fmt: skip
"""Fewer calls are given these."""


def refusal(call: Callable[..., object], name: str, value: Any) -> str | None:
    """Give the message of an error that is none of the package's own; None where it was, or where nothing was wrong.

    What no caller is to meet (AttributeError, KeyError, OverflowError, MemoryError) is left to fail the test.
    """
    try:
        call(**{name: value})
    except ChipError:
        return None
    except (TypeError, ValueError, IndexError) as error:
        return str(error)
    return None


def is_named(message: str | None, words: tuple[str, ...]) -> bool:
    """Tell whether a message says which argument it is about."""
    return message is None or any(word in message for word in words)


def laid_out_otherwise(values: np.ndarray) -> dict[str, Any]:
    """Give the same values in memory that is laid out in other ways: what takes the one has to take them all."""
    wide = np.repeat(values, 2, axis=-1)
    wide[..., 1::2] = 77 if values.dtype != bool else True
    fixed = values.copy()
    fixed.flags.writeable = False
    return {
        "every second": wide[..., ::2],
        "columns first": np.asfortranarray(values),
        "read-only": fixed,
        "byte-swapped": values.astype(values.dtype.newbyteorder(">")),
        "masked": np.ma.masked_array(values, np.zeros(values.shape, bool)),
    }
