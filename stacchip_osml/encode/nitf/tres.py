"""TREs as fields: from bytes to names and text, and back.

Published layouts of our own (``tre_layouts``) come first, then those of jbpy;
every other TRE stays bytes. Rules:

- text is as it stands in the TRE, without trailing spaces; binary fields are
  hexadecimal digits;
- what a TRE is made of has to be all of its fields, each of which fits: a field
  that is left out, or is no field, is an error;
- fields that do not fill a TRE, or that it does not hold, are no reading of it:
  an error, not a guess.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from stacchip_osml.encode.nitf.fields import read_fields, written_fields
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.encode.nitf.tre_layouts import TRE_LAYOUTS
from stacchip_osml.errors import DecodeError, EncodeError

__all__ = ["make_tre", "tre_fields"]

TAGS = 2
"""Fields of jbpy's TREs before the data: tag and length."""
LIBRARY_ERRORS = (ValueError, KeyError, IndexError, AssertionError, TypeError, OverflowError, AttributeError)
"""What jbpy says of bytes that are not what it expects."""


def tre_fields(tre: Tre) -> Mapping[str, str] | None:
    """Take a TRE apart.

    Args:
        tre: of any tag.

    Returns:
        Name → text, in order; None where nobody knows the tag.

    Raises:
        DecodeError: its data is not what its layout says.
    """
    layout = TRE_LAYOUTS.get(tre.tag)
    if layout is not None:
        values, end = read_fields(layout, tre.data, where=tre.tag)
        if end != len(tre.data):
            raise DecodeError(f"{tre.tag}: {len(tre.data)} bytes, its fields are {end}")
        return values
    if tre.tag not in _library():
        return None
    return _library_fields(tre)


def make_tre(tag: str, fields: Mapping[str, str]) -> Tre:
    """Make a TRE of fields.

    Args:
        tag: ``CETAG``.
        fields: all of its fields, as :func:`tre_fields` gives them.

    Raises:
        EncodeError: nobody knows the tag; or a field is missing, is none of it, or does not fit: naming its rule.
    """
    layout = TRE_LAYOUTS.get(tag)
    if layout is not None:
        return Tre(tag, written_fields(layout, fields, where=tag, given=fields))
    if tag not in _library():
        raise EncodeError(f"{tag}: no layout is known; make it of bytes: Tre({tag!r}, data)")
    return _library_tre(tag, fields)


@cache
def _library() -> Mapping[str, Callable[[], Any]]:
    """List jbpy's TREs: looking for them takes longer than all else."""
    from jbpy.core import available_tres

    return available_tres()


def _library_fields(tre: Tre) -> dict[str, str]:
    """Read a TRE with jbpy.

    Raises:
        DecodeError: it does not hold its fields, no more and no less.
    """
    made = _library()[tre.tag]()
    stored = b"%-6s%05d%s" % (tre.tag.encode("ascii"), len(tre.data), tre.data)
    try:
        made.load(io.BytesIO(stored))
        values = {field.name: field.encoded_value for field in made.values()}
    except LIBRARY_ERRORS as error:
        raise DecodeError(f"{tre.tag}: {error or 'not what its layout says'}") from error
    if b"".join(values.values()) != stored:
        raise DecodeError(f"{tre.tag}: {len(tre.data)} bytes, not what its fields are")
    return {name: value.decode("latin-1").rstrip(" ") for name, value in list(values.items())[TAGS:]}


def _library_tre(tag: str, fields: Mapping[str, str]) -> Tre:
    """Make a TRE with jbpy, field by field: those that come later depend on those before.

    Raises:
        EncodeError: see :func:`make_tre`.
    """
    made = _library()[tag]()
    names = list(made)[:TAGS]
    at = TAGS
    while at < len(made):
        name = list(made)[at]
        if name not in fields:
            raise EncodeError(f"{tag}: {name} is missing")
        _set(tag, made[name], fields[name])
        names.append(name)
        at += 1
    if left := sorted(set(fields) - set(names)):
        raise EncodeError(f"{tag}: no such field, or none that the others allow: {', '.join(left)}")
    return Tre(tag, b"".join(made[name].encoded_value for name in names[TAGS:]))


def _set(tag: str, field: Any, text: str) -> None:
    """Give a field of jbpy's its value, if it fits.

    Raises:
        EncodeError: it does not.
    """
    from jbpy.core import BCSN_PI

    try:
        data = text.encode("latin-1")
    except (UnicodeEncodeError, AttributeError) as error:
        raise EncodeError(f"{tag}: {field.name} is {text!r}; expected Latin-1 text") from error
    data = data.rjust(field.size, b"0") if field._charset == BCSN_PI and data else data.ljust(field.size)
    if len(data) != field.size:
        raise EncodeError(f"{tag}: {field.name} is {text!r} ({len(data)} characters); expected {field.size}")
    try:
        field.load(io.BytesIO(data))
        fits = field.isvalid()
    except LIBRARY_ERRORS:
        fits = False
    if not fits:
        raise EncodeError(f"{tag}: {field.name} is {text!r}; expected {field.description} ({type(field).__name__})")
