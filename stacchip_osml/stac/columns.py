"""JSON documents made alike, so that Arrow gives each field one type.

A field's kind is the join of the kinds it has in all documents: whole numbers
and floats join to floats; anything else that differs joins to ``text``, the
field's JSON. So do objects without fields inside lists, objects of very many
or very deep fields, and numbers beyond 64 bits: no table format holds them.
Objects that are empty in all documents get no column.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stacchip_osml.errors import ItemError

__all__ = ["Kind", "has_column", "join_kind", "shaper"]

MAX_FIELDS = 1024
MAX_DEPTH = 12
_INT64 = range(-(2**63), 2**63)
Shape = Callable[[Any], Any]
"""Writes a value that is not None as its column has it."""


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
    if _PLAIN.get(type(value)) == kind.name in _SETTLED:
        return
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
            text = _text(key)
            found = kind.fields.get(text)
            if found is None:
                found = kind.fields[text] = Kind()
            join_kind(found, part, depth=depth + 1)
        if len(kind.fields) > MAX_FIELDS:
            kind.name, kind.fields = "text", {}
    elif name == "list":
        kind.element = kind.element or Kind()
        for part in value:
            join_kind(kind.element, part, depth=depth + 1)
            if kind.element.name == "null" and isinstance(part, dict | list):
                kind.element.name = "text"


def _name(value: Any) -> str:
    name = _PLAIN.get(type(value)) or next((name for name, types in _NAMES if isinstance(value, types)), None)
    if name is not None:
        return "text" if name == "int" and value not in _INT64 else name
    raise ItemError(f"a document holds a {type(value).__name__}, which JSON has not: {value!r:.80}")


_PLAIN = {str: "str", bool: "bool", int: "int", float: "float", dict: "dict", list: "list", type(None): "null"}
"""What nearly all values are; the types of others are asked one after the other."""
_SETTLED = frozenset({"str", "bool", "float"})
"""Kinds that another value of their type changes nothing of."""
_NAMES: tuple[tuple[str, type | tuple[type, ...]], ...] = (
    ("str", str),
    ("bool", bool),
    ("int", int),
    ("float", float),
    ("dict", Mapping),
    ("list", (list, tuple)),
)


def shaper(kind: Kind) -> Shape:
    """Give what writes values the way a kind's column wants them: made once, when the kind is known.

    A field that is empty or null everywhere has no type, and an object of such fields no column: it becomes None.
    """
    if kind.name == "dict":
        return _dict({name: shaper(part) for name, part in kind.fields.items() if has_column(part)})
    if kind.name == "list":
        element = kind.element or Kind()
        return _list(shaper(Kind("text") if element.name == "dict" and not has_column(element) else element))
    return _SHAPES.get(kind.name, _same)


def _dict(parts: Mapping[str, Shape]) -> Shape:
    def shape(value: Mapping[str, Any]) -> dict[str, Any] | None:
        found = {}
        for key, part in value.items():
            name = _text(key)
            if name in parts:
                found[name] = None if part is None else parts[name](part)
        return found or None

    return shape


def _list(element: Shape) -> Shape:
    return lambda value: [None if part is None else element(part) for part in value]


def has_column(kind: Kind) -> bool:
    """Whether any document gives the field a value that a column can hold."""
    if kind.name == "dict":
        return any(map(has_column, kind.fields.values()))
    return kind.name != "null"


def _text(value: object) -> str:
    """Give text that is valid UTF-8: half a surrogate pair, which JSON can spell, is replaced."""
    text = str(value)
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _same(value: Any) -> Any:
    return value


_SHAPES: dict[str, Shape] = {
    "null": lambda _: None,
    "text": lambda value: _text(json.dumps(value)),
    "str": _text,
    "float": float,
}
