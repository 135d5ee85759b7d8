"""How layouts of TREs are written down: rows of words, that name fields, loops and conditions.

``NAME length kind`` is a field: ``a`` text, ``e`` text with letters of Latin-1, ``d`` a whole number filled with zeros,
``r`` a number with sign, point or exponent, which has to fill its field, ``x`` binary, shown as hexadecimal digits, and
``b`` any bytes, shown as one character each. All but the last two may be blank, as sensors leave out what they do not
know. A length ``=NUMBER`` is what other fields say, 1 at least. Around fields stand

- ``( NUMBER … )``: as many times. Their fields are numbered at the end of their names, in loops within loops as
  ``NAME1_2``. A turn that has no fields is the last: what decides that stands outside of the loop;
- ``[ CONDITION … ]``: only where it holds. ``NAME`` says something: neither blanks nor zeros alone; ``NAME=VALUE`` and
  ``NAME!VALUE`` are, or are not, VALUE or one of several with ``|`` between them; of ``NAME:BIT``, binary, that bit is
  set, counted from the last one, which is 0.

A NUMBER is a field's, ``#NAME`` that of a binary one; ``A*B`` is the product of two, ``A/2`` the pairs of A with and
without itself, A (A + 1) / 2; ``A-1`` is one less, ``A+1`` one more. What a NUMBER or a condition names is the field of
the same turn of the loops around it, or of the loops outside.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from stacchip_osml.encode.nitf.fields import BYTES, HEX, Field, Layout, NotNumberError, counted, numbered, pattern

__all__ = ["fixed_length", "layout_of_rows"]

Values = Mapping[str, str]

NUMBER = pattern(r"[+-]?(\d+\.?\d*|\.\d+)([Ee][+-]?\d+)?", "a number")
KINDS = {
    "a": ("BCS-A", None),
    "e": ("ECS-A", None),
    "d": ("BCS-NPI", None),
    "r": ("BCS-A", NUMBER),
    "x": (HEX, None),
    "b": (BYTES, None),
}
CONDITION = re.compile(r"(\w+)([=!:]?)(.*)")


class _Sized(NamedTuple):
    """A field whose length others say."""

    field: Field
    length: str


class _Loop(NamedTuple):
    times: str
    items: tuple[_Item, ...]


class _Case(NamedTuple):
    name: str
    sign: str
    allowed: frozenset[str]
    items: tuple[_Item, ...]


_Item = Field | _Sized | _Loop | _Case


def layout_of_rows(text: str, clause: str) -> Layout:
    """Read a layout of fields, loops and conditions.

    Args:
        text: words, as above.
        clause: where it is published, for messages.
    """
    words = text.split()[::-1]
    items = _items(words, clause, end="")
    return partial(_fields, items)


def fixed_length(layout: Layout) -> int | None:
    """Give the length of a TRE whose fields do not depend on their values; of others None."""
    try:
        return sum(field.length for field in layout({}))
    except KeyError:
        return None


def _items(words: list[str], clause: str, *, end: str) -> tuple[_Item, ...]:
    """Take items off a stack of words, up to a closing word."""
    found: list[_Item] = []
    while words and (word := words.pop()) != end:
        if word == "(":
            found.append(_Loop(words.pop(), _items(words, clause, end=")")))
        elif word == "[":
            name, sign, allowed = CONDITION.fullmatch(words.pop()).groups()  # type: ignore[union-attr]
            found.append(_Case(name, sign, frozenset(allowed.split("|")), _items(words, clause, end="]")))
        else:
            length, kind = words.pop(), words.pop()
            is_fixed = not length.startswith("=")
            field = _field(word, int(length) if is_fixed else 0, kind, clause)
            found.append(field if is_fixed else _Sized(field, length[1:]))
    return tuple(found)


def _field(name: str, length: int, kind: str, clause: str) -> Field:
    charset, rule = KINDS[kind]
    return Field(name, length, charset, None, rule, blank=kind not in "xb", clause=clause, exact=kind == "r")


def _fields(items: Sequence[_Item], values: Values, turns: tuple[int, ...] = ()) -> Iterator[Field]:
    at = "_".join(map(str, turns))
    for item in items:
        if isinstance(item, Field):
            yield numbered(item, at) if at else item
        elif isinstance(item, _Sized):
            length = _number(item.length, values, turns)
            if length == 0:
                raise NotNumberError(f"{item.length}{at} is 0, and {item.field.name}{at} is not without length")
            yield replace(item.field, name=f"{item.field.name}{at}", length=length)
        elif isinstance(item, _Loop):
            for number in range(1, _number(item.times, values, turns) + 1):
                turn = _fields(item.items, values, (*turns, number))
                first = next(turn, None)
                if first is None:
                    break
                yield first
                yield from turn
        elif _holds(item, values[_nearest(item.name, values, turns)]):
            yield from _fields(item.items, values, turns)


def _holds(case: _Case, text: str) -> bool:
    if case.sign == ":":
        return any(int(text, 16) >> int(bit) & 1 for bit in case.allowed)
    if case.sign:
        return (text in case.allowed) == (case.sign == "=")
    return bool(text.strip("0 "))


def _number(said: str, values: Values, turns: tuple[int, ...]) -> int:
    if "*" in said:
        first, _, other = said.partition("*")
        return _number(first, values, turns) * _number(other, values, turns)
    if said.endswith("/2"):
        count = _number(said[:-2], values, turns)
        return count * (count + 1) // 2
    if said.endswith(("-1", "+1")):
        return max(_number(said[:-2], values, turns) + int(said[-2:]), 0)
    if said.startswith("#"):
        return int(values[_nearest(said[1:], values, turns)], 16)
    return counted(values, _nearest(said, values, turns))


def _nearest(name: str, values: Values, turns: tuple[int, ...]) -> str:
    """Give the full name of a field: of this turn of all loops, of the outer ones', or of none."""
    for depth in range(len(turns), 0, -1):
        full = name + "_".join(map(str, turns[:depth]))
        if full in values:
            return full
    return name
