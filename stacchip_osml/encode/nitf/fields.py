"""One field of a header: its length, its characters, its values, and text to bytes and back.

Rules:

- a field's value is text without its padding; text goes on the left and is
  filled with spaces, whole numbers go on the right and are filled with zeros;
- what a standard forbids is refused before a byte is written, by the name of
  the field, the rule and the standard's clause;
- what a file holds is read as it stands: readers judge lengths only. A value
  that the standard forbids is a :class:`StoredText`, and is written back as it
  was: a copy is no place to repair a parent. Any other text is judged;
- a layout is a generator of fields which looks at the values before it: that is
  how a standard's tables say which fields there are. One layout drives writer
  and reader.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from stacchip_osml.errors import DecodeError, EncodeError

__all__ = [
    "BYTES",
    "HEX",
    "Field",
    "Header",
    "Layout",
    "NotNumberError",
    "Rule",
    "StoredText",
    "between",
    "counted",
    "field_bytes",
    "header_of",
    "numbered",
    "of_calendar",
    "one_of",
    "pattern",
    "read_fields",
    "written_fields",
]

Values = Mapping[str, str]
Layout = Callable[[Values], Iterator["Field"]]

BYTES, HEX = "bytes", "hex"
CHARSETS = {
    "BCS-A": (re.compile(r"[ -~]*"), "printable ASCII (BCS-A)"),
    "ECS-A": (re.compile(r"[ -~\xa0-\xff]*"), "printable Latin-1 (ECS-A)"),
    "BCS-N": (re.compile(r"[0-9+\-./]*"), "digits, plus, minus, point and slash (BCS-N)"),
    "BCS-NPI": (re.compile(r"[0-9]*"), "digits (BCS-N positive integer)"),
    BYTES: (re.compile(r"[\x00-\xff]*", re.DOTALL), "one character a byte"),
    HEX: (re.compile(r"([0-9a-f]{2})*"), "two hexadecimal digits a byte"),
}
"""Name → what its text matches, and what that is (MIL-STD-2500C, 5.1.7 and appendix B)."""


class NotNumberError(Exception):
    """A count that is none; never leaves this package."""


class StoredText(str):
    """A value of a file that breaks a rule, or is padded in a way of its own: the text, and the bytes that it was."""

    stored: bytes

    @classmethod
    def of(cls, text: str, stored: bytes) -> StoredText:
        """Join a text and its bytes."""
        made = cls(text)
        made.stored = stored
        return made


class Rule(NamedTuple):
    """What values a field may have."""

    allows: Callable[[str], object]
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field of a table of the standard."""

    name: str
    length: int
    charset: str = "BCS-A"
    """A key of ``CHARSETS``."""
    default: str | None = ""
    """Where nothing is given; None: it has to be."""
    rule: Rule | None = None
    blank: bool = False
    """May be all spaces, whatever the rule."""
    clause: str = ""
    """The table that has it."""
    exact: bool = False
    """Text has to fill it: numbers with a sign or a point, whose padding is the caller's."""


def one_of(*values: str) -> Rule:
    """Allow some values."""
    return Rule(frozenset(values).__contains__, "one of " + ", ".join(values) if len(values) > 1 else values[0])


def between(low: int, high: int) -> Rule:
    """Allow whole numbers, both ends included."""
    return Rule(lambda text: text.isdigit() and low <= int(text) <= high, f"{low} to {high}")


def pattern(expression: str, words: str) -> Rule:
    """Allow what an expression matches wholly."""
    return Rule(re.compile(expression).fullmatch, words)


def of_calendar(expression: str, words: str) -> Rule:
    """Allow CCYYMMDD… that an expression matches, if its month has the day, as far as they are known."""
    matches = re.compile(expression).fullmatch

    def allows(text: str) -> bool:
        if matches(text) is None:
            return False
        year, month, day = text[:4], text[4:6], text[6:8]
        if "--" in {month, day} or int(day) < 29:
            return True
        return int(day) <= monthrange(int(year) if year.isdigit() else 2000, int(month))[1]

    return Rule(allows, words)


@lru_cache(maxsize=4096)
def numbered(field: Field, number: int | str) -> Field:
    """Give the n-th of a field that is repeated: ``IREPBAND`` → ``IREPBAND2``."""
    return replace(field, name=f"{field.name}{number}")


def counted(values: Values, name: str) -> int:
    """Read a count among values.

    Raises:
        NotNumberError: it is none.
    """
    text = values[name]
    if not (text.isascii() and text.isdigit()):
        raise NotNumberError(f"{name} is {text!r}, not a whole number")
    return int(text)


@lru_cache(maxsize=8192)
def field_bytes(field: Field, text: str) -> bytes:
    """Encode one value, padded to the field's length.

    Raises:
        EncodeError: naming field, value, rule and clause.
    """
    if not isinstance(text, str):
        raise EncodeError(f"{field.name} is {text!r}; values are text ({field.clause})")
    matches, characters = CHARSETS[field.charset]
    if not matches.fullmatch(text):
        raise _refusal(field, text, characters)
    if field.charset == BYTES:
        return _raw(field, text)
    if field.charset == HEX:
        if len(text) != 2 * field.length:
            raise _refusal(field, text, f"{field.length} bytes as hexadecimal digits")
        return bytes.fromhex(text)
    if len(text) > field.length:
        raise _refusal(field, text, f"at most {field.length} characters")
    bare = text.rstrip(" ")
    if field.blank and not bare:
        return b" " * field.length
    if field.charset == "BCS-NPI":
        if not bare:
            raise _refusal(field, text, "a whole number")
        bare = bare.zfill(field.length)
    elif (field.exact or field.charset == "BCS-N") and len(bare) != field.length:
        raise _refusal(field, text, f"exactly {field.length} characters")
    if field.rule is not None and not field.rule.allows(bare):
        raise _refusal(field, text, field.rule.words)
    return bare.ljust(field.length).encode("latin-1")


class Header(NamedTuple):
    """A header as it is written, and where its fields are."""

    data: bytes
    places: Mapping[str, tuple[Field, int]]
    """Name → the field, and where it begins."""

    def changed(self, texts: Mapping[str, str], *, where: str) -> Header:
        """Write other texts of fields that do not decide which fields there are.

        Raises:
            EncodeError: a text is not what the standard allows.
        """
        data = bytearray(self.data)
        try:
            for name, text in texts.items():
                field, at = self.places[name]
                data[at : at + field.length] = _encoded(field, text)
        except EncodeError as error:
            raise EncodeError(f"{where}: {error}") from error
        return Header(bytes(data), self.places)


def written_fields(layout: Layout, values: Values, *, where: str, given: Iterable[str] = ()) -> bytes:
    """Encode all fields of a layout; see :func:`header_of`."""
    return header_of(layout, values, where=where, given=given).data


def header_of(layout: Layout, values: Values, *, where: str, given: Iterable[str] = ()) -> Header:
    """Encode all fields of a layout.

    Args:
        layout: which fields, in which order.
        values: name → text; fields without have their default.
        where: which part of the file it is, for messages.
        given: names of values that a caller gave, all of which have to be fields of the layout.

    Raises:
        EncodeError: a value is missing, is not what the standard allows, or is of no field.
    """
    known = dict(values)
    parts: list[bytes] = []
    places: dict[str, tuple[Field, int]] = {}
    at = 0
    try:
        for field in layout(known):
            text = known.get(field.name)
            if text is None:
                text = known[field.name] = _default(field)
            parts.append(_encoded(field, text))
            places[field.name] = field, at
            at += field.length
    except (EncodeError, NotNumberError) as error:
        raise EncodeError(f"{where}: {error}") from error
    if left := set(given) - places.keys():
        raise EncodeError(f"{where}: no such field, or none that the others allow: {', '.join(sorted(left))}")
    return Header(b"".join(parts), places)


def _encoded(field: Field, text: str) -> bytes:
    """Encode a value, or give the bytes that it was stored as."""
    if field.charset == BYTES:  # tables and extensions: not to be cached
        return _raw(field, text)
    if type(text) is StoredText and len(text.stored) == field.length:
        return text.stored
    return field_bytes(field, text)


def read_fields(
    layout: Layout, data: bytes, *, where: str, into: dict[str, str] | None = None
) -> tuple[dict[str, str], int]:
    """Read all fields of a layout.

    Args:
        layout: which fields, in which order.
        data: holds them.
        where: which part of which file it is, for messages.
        into: filled as far as fields can be read.

    Returns:
        Name → text without trailing spaces (:class:`StoredText` where it breaks a rule), and where they end.

    Raises:
        DecodeError: the data ends before the fields do, or a count is no number.
    """
    values: dict[str, str] = {} if into is None else into
    at = 0
    try:
        for field in layout(values):
            end = at + field.length
            if end > len(data):
                raise DecodeError(f"{where}: ends within {field.name}")
            values[field.name] = _text(field, data[at:end])
            at = end
    except NotNumberError as error:
        raise DecodeError(f"{where}: {error}") from error
    return values, at


def _text(field: Field, data: bytes) -> str:
    """Read one value; see :class:`StoredText`."""
    text = data.decode("latin-1")
    if field.charset == BYTES:
        return text
    if field.charset == HEX:
        return data.hex()
    text = text.rstrip(" ")
    try:
        kept = field_bytes(field, text) == data
    except EncodeError:
        kept = False
    return text if kept else StoredText.of(text, data)


def _default(field: Field) -> str:
    if field.default is None:
        raise EncodeError(f"{field.name} is missing; it has no default ({field.clause})")
    return field.default


def _raw(field: Field, text: str) -> bytes:
    """Encode a field of bytes."""
    if not isinstance(text, str) or len(text) != field.length:
        raise _refusal(field, str(text), f"exactly {field.length} bytes, one character each")
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise _refusal(field, text, CHARSETS[BYTES][1]) from error


def _refusal(field: Field, text: str, expected: str) -> EncodeError:
    shown = text if len(text) <= 80 else text[:77] + "…"
    clause = f" ({field.clause})" if field.clause else ""
    return EncodeError(f"{field.name} is {shown!r} ({len(text)} characters); expected {expected}{clause}")
