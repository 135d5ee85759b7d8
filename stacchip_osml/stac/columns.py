"""JSON documents made alike, so that Arrow gives each field one type.

A field's kind is the join of the kinds it has in all documents: whole numbers
and floats join to floats; anything else that differs joins to ``text``, the
field's JSON. So do objects without fields inside lists, objects of very many
or very deep fields, and numbers beyond 64 bits: no table format holds them.
Objects that are empty in all documents get no column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stacchip_osml.errors import ItemError

__all__ = ["Kind", "has_column", "join_kind", "shape_value"]

MAX_FIELDS = 1024
MAX_DEPTH = 12
_INT64 = range(-(2**63), 2**63)


@dataclass(slots=True)
class Kind:
    """What a field is in the documents seen so far."""

    name: str = "null"
    """``null``, ``bool``, ``int``, ``float``, ``str``, ``list``, ``dict`` or ``text``."""
    fields: dict[str, Kind] = field(default_factory=dict)
    """Of a ``dict``."""
    element: Kind | None = None
    """Of a ``list``."""


def join_kind(kind: Kind, value: Any, *, depth: int = 0) -> None:
    """Widen a kind so that it holds one more value.

    Raises:
        ItemError: the value is nothing that JSON has.
    """
    name = _name(value)
    if name == "null":
        return
    if depth > MAX_DEPTH:
        name = "text"
    if kind.name not in ("null", name):
        name = "float" if {kind.name, name} == {"int", "float"} else "text"
    kind.name = name
    if name == "dict":
        for key, part in value.items():
            join_kind(kind.fields.setdefault(_text(key), Kind()), part, depth=depth + 1)
        if len(kind.fields) > MAX_FIELDS:
            kind.name, kind.fields = "text", {}
    elif name == "list":
        kind.element = kind.element or Kind()
        for part in value:
            join_kind(kind.element, part, depth=depth + 1)
            if kind.element.name == "null" and isinstance(part, dict | list):
                kind.element.name = "text"


def _name(value: Any) -> str:
    for name, types in _NAMES:
        if isinstance(value, types):
            return "text" if name == "int" and value not in _INT64 else name
    raise ItemError(f"a document holds a {type(value).__name__}, which JSON has not: {value!r:.80}")


_NAMES: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("str", str),
    ("bool", bool),
    ("int", int),
    ("float", float),
    ("dict", Mapping),
    ("list", (list, tuple)),
    ("null", type(None)),
)


def shape_value(kind: Kind, value: Any) -> Any:
    """Write a value the way its kind's column wants it; None where the column cannot hold it."""
    if value is None or kind.name == "null":
        return None
    shape = _SHAPES.get(kind.name)
    return value if shape is None else shape(kind, value)


def _dict(kind: Kind, value: Mapping[str, Any]) -> dict[str, Any] | None:
    fields = {_text(key): shape_value(kind.fields[_text(key)], part) for key, part in value.items()}
    # A field that is empty or null everywhere has no type, and an object of such fields no column.
    return {key: part for key, part in fields.items() if has_column(kind.fields[key])} or None


def has_column(kind: Kind) -> bool:
    """Whether any document gives the field a value that a column can hold."""
    if kind.name == "dict":
        return any(map(has_column, kind.fields.values()))
    return kind.name != "null"


def _list(kind: Kind, value: Iterable[Any]) -> list[Any]:
    element = kind.element or Kind()
    if element.name == "dict" and not has_column(element):
        element = Kind("text")
    return [shape_value(element, part) for part in value]


def _json(_: Kind, value: Any) -> str:
    return _text(json.dumps(value))


def _text(value: object) -> str:
    """Give text that is valid UTF-8: half a surrogate pair, which JSON can spell, is replaced."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


def _float(_: Kind, value: Any) -> float:
    return float(value)


def _plain(_: Kind, value: Any) -> str:
    return _text(value)


_SHAPES: dict[str, Callable[[Kind, Any], Any]] = {
    "dict": _dict,
    "list": _list,
    "text": _json,
    "str": _plain,
    "float": _float,
}
