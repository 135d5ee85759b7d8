"""What options of writing must be, whatever a format makes of them: text, a number, a whole number, True or False."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Complex, Integral, Real
from typing import Any

from stacchip_osml.errors import EncodeError

__all__ = ["require_kinds"]

KINDS: dict[str, tuple[type, str]] = {
    **dict.fromkeys(("compression", "subsampling", "interleave", "version"), (str, "text")),
    **dict.fromkeys(("color_transform", "sparse"), (bool, "True or False")),
    "nodata": (Complex, "a number"),
    **dict.fromkeys(("quality", "ratio", "level"), (Real, "a finite number")),
    **dict.fromkeys(("bits", "workers"), (Integral, "a whole number of at least 1")),
    **dict.fromkeys(("levels", "layers"), (Integral, "a whole number")),
}
"""Option → what it must be."""


def require_kinds(given: Mapping[str, Any]) -> None:
    """Refuse values of options that are none; None is not given.

    Raises:
        EncodeError: naming the option, and what it must be.
    """
    for name, value in given.items():
        if value is None or name not in KINDS:
            continue
        kind, words = KINDS[name]
        is_one = isinstance(value, kind) and isinstance(value, bool) == (kind is bool)
        if not is_one or (kind is Real and not math.isfinite(value)) or (words.endswith("1") and value < 1):
            raise EncodeError(f"{name} is {words}, got {value!r:.60}")
