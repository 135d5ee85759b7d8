"""How layouts of TREs are written down: rows of words, that name fields, loops and conditions.

``NAME length kind`` is a field: ``a`` text, ``d`` a whole number filled with zeros, ``r`` a number with sign, point or
exponent, which has to fill its field, ``x`` binary. All but the last may be blank, as sensors leave out what they do
not know. A length ``=NAME`` is what that field says, 1 at least. Around fields stand

- ``( COUNT … )``: as many times as a field says; ``A*B`` is the product of two, ``A/2`` the pairs of A with and without
  itself, A (A + 1) / 2, and ``A-1`` one less. Their fields are numbered at the end of their names, in loops within
  loops as ``NAME1_2``;
- ``[ NAME=VALUE … ]``: only where that field is VALUE, or one of several with ``|`` between them.

What a count or condition names is the field of the same turn of the loops around it, or of the loops outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from stacchip_osml.encode.nitf.fields import HEX, Field, Layout, NotNumberError, counted, numbered, pattern

__all__ = ["clause_of", "fixed", "layout_of_rows", "row"]

Values = Mapping[str, str]

NUMBER = pattern(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]?\d+)?", "a number")
KINDS = {"a": ("BCS-A", None), "d": ("BCS-NPI", None), "r": ("BCS-A", NUMBER), "x": (HEX, None)}


class _Sized(NamedTuple):
    """A field whose length another one says."""

    field: Field
    length: str


class _Loop(NamedTuple):
    times: str
    items: tuple[_Item, ...]


class _Case(NamedTuple):
    name: str
    allowed: frozenset[str]
    items: tuple[_Item, ...]


_Item = Field | _Sized | _Loop | _Case


def clause_of(tag: str, appendix: str) -> str:
    """Name where a TRE is published."""
    return f"STDI-0002 volume 1 {appendix}, {tag}"


def row(text: str, clause: str) -> tuple[Field, ...]:
    """Read fields of fixed length."""
    words = text.split()
    return tuple(
        _field(name, int(length), kind, clause)
        for name, length, kind in zip(words[::3], words[1::3], words[2::3], strict=True)
    )


def fixed(fields: tuple[Field, ...], _: Values) -> Iterator[Field]:
    """Give the same fields, whatever their values; a layout where the first argument is bound."""
    return iter(fields)


def layout_of_rows(text: str, clause: str) -> Layout:
    """Read a layout of fields, loops and conditions."""
    words = text.split()[::-1]
    items = _items(words, clause, end="")
    return partial(_fields, items)


def _items(words: list[str], clause: str, *, end: str) -> tuple[_Item, ...]:
    """Take items off a stack of words, up to a closing word."""
    found: list[_Item] = []
    while words and (word := words.pop()) != end:
        if word == "(":
            found.append(_Loop(words.pop(), _items(words, clause, end=")")))
        elif word == "[":
            name, _, allowed = words.pop().partition("=")
            found.append(_Case(name, frozenset(allowed.split("|")), _items(words, clause, end="]")))
        else:
            length, kind = words.pop(), words.pop()
            is_fixed = not length.startswith("=")
            field = _field(word, int(length) if is_fixed else 0, kind, clause)
            found.append(field if is_fixed else _Sized(field, length[1:]))
    return tuple(found)


def _field(name: str, length: int, kind: str, clause: str) -> Field:
    charset, rule = KINDS[kind]
    return Field(name, length, charset, None, rule, blank=kind != "x", clause=clause, exact=kind == "r")


def _fields(items: Sequence[_Item], values: Values, turns: tuple[int, ...] = ()) -> Iterator[Field]:
    at = "_".join(map(str, turns))
    for item in items:
        if isinstance(item, Field):
            yield numbered(item, at) if at else item
        elif isinstance(item, _Sized):
            told = _nearest(item.length, values, turns)
            length = counted(values, told)
            if length == 0:
                raise NotNumberError(f"{told} is 0, and {item.field.name}{at} is not without length")
            yield replace(item.field, name=f"{item.field.name}{at}", length=length)
        elif isinstance(item, _Loop):
            for number in range(1, _count(item.times, values, turns) + 1):
                yield from _fields(item.items, values, (*turns, number))
        elif values[_nearest(item.name, values, turns)] in item.allowed:
            yield from _fields(item.items, values, turns)


def _count(count: str, values: Values, turns: tuple[int, ...]) -> int:
    first, sign, other = count.partition("*") if "*" in count else (count[:-2], count[-2:], "")
    if sign not in {"*", "/2", "-1"}:
        return counted(values, _nearest(count, values, turns))
    number = counted(values, _nearest(first, values, turns))
    if sign == "*":
        return number * counted(values, _nearest(other, values, turns))
    return number * (number + 1) // 2 if sign == "/2" else max(number - 1, 0)


def _nearest(name: str, values: Values, turns: tuple[int, ...]) -> str:
    """Give the full name of a field: of this turn of all loops, of the outer ones', or of none."""
    for depth in range(len(turns), 0, -1):
        full = name + "_".join(map(str, turns[:depth]))
        if full in values:
            return full
    return name
