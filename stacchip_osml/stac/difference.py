"""The exact difference between two JSON values, itself a JSON value.

Law: ``apply_difference(a, difference(a, b))`` is ``b``, to the letter: 1, 1.0
and true are three values; NaN is itself. ``None`` means no difference.

A difference is ``{"=": value}`` (take this instead), ``{"o": {key: …},
"-": [key …]}`` (an object: changed or new keys, keys to remove), or
``{"l": {index: …}}`` (a list of the same length).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stacchip_osml.errors import IndexSchemaError

__all__ = ["apply_difference", "difference", "different_places"]

Difference = dict[str, Any]
_MISSING = object()
_PLAIN = frozenset({str, bool, int, float})
"""What most values of objects are: compared without a call of their own."""


def difference(have: Any, want: Any) -> Difference | None:
    """Say how to get from one JSON value to another; None where they are the same."""
    if isinstance(have, dict) and isinstance(want, dict):
        changed = {}
        for key, value in want.items():
            old = have.get(key, _MISSING)
            if type(old) is type(value) and type(value) in _PLAIN and old == value:
                continue
            part = {"=": value} if old is _MISSING else difference(old, value)
            if part is not None:
                changed[key] = part
        removed = [key for key in have if key not in want]
        if not changed and not removed:
            return None
        return {"o": changed, "-": removed} if removed else {"o": changed}
    if isinstance(have, list) and isinstance(want, list | tuple) and len(have) == len(want):
        parts = {str(i): part for i, (a, b) in enumerate(zip(have, want, strict=True)) if (part := difference(a, b))}
        # A list that differs everywhere is shorter written out.
        return {"=": want} if parts and len(parts) == len(want) else {"l": parts} if parts else None
    same = type(have) is type(want) and (have == want or (have != have and want != want))  # noqa: PLR0124 - NaN
    return None if same else {"=": want}


def different_places(have: Any, want: Any) -> list[str]:
    """Name the fields in which two JSON values differ, as ``properties.eo:cloud_cover`` or ``links[0].href``."""
    return [place.lstrip(".") for place in _places(difference(have, want), "")]


def _places(change: Difference | None, place: str) -> Iterator[str]:
    if change is None:
        return
    if "=" in change:
        yield place
    for key, part in change.get("o", {}).items():
        yield from _places(part, f"{place}.{key}")
    for key in change.get("-", ()):
        yield f"{place}.{key}"
    for number, part in change.get("l", {}).items():
        yield from _places(part, f"{place}[{number}]")


def apply_difference(have: Any, change: Any) -> Any:
    """Make the wanted value from what there is and a difference; nothing is changed in place.

    Raises:
        IndexSchemaError: the difference does not fit the value: it belongs to another one.
    """
    if change is None:
        return have
    if not isinstance(change, Mapping):
        raise IndexSchemaError(f"not a difference: {change!r:.80}")
    if "=" in change:
        return change["="]
    if "o" in change and isinstance(have, dict):
        removed = set(change.get("-", ()))
        kept = {key: value for key, value in have.items() if key not in removed}
        return kept | {key: apply_difference(have.get(key), part) for key, part in change["o"].items()}
    if "l" in change and isinstance(have, list) and all(int(i) < len(have) for i in change["l"]):
        parts = change["l"]
        return [apply_difference(value, parts.get(str(i))) for i, value in enumerate(have)]
    raise IndexSchemaError("an item's difference does not fit its columns: the table was changed elsewhere")
