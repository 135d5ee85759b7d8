"""TREs as fields: from bytes to names and text, and back.

The layouts are published ones (``tre_layouts``); a TRE that nobody knows stays
bytes. Rules:

- text is as it stands in the TRE, without trailing spaces; binary fields are
  hexadecimal digits;
- what a TRE is made of has to be all of its fields, each of which fits: a field
  that is left out, or is no field, is an error;
- fields that do not fill a TRE, or that it does not hold, are no reading of it:
  an error, not a guess. Work is bounded by the TRE's bytes, whatever it counts.
"""

from __future__ import annotations

from collections.abc import Mapping

from stacchip_osml.encode.nitf.fields import read_fields, written_fields
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.encode.nitf.tre_layouts import TRE_LAYOUTS
from stacchip_osml.errors import DecodeError, EncodeError

__all__ = ["make_tre", "tre_fields"]


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
    if layout is None:
        return None
    values, end = read_fields(layout, tre.data, where=tre.tag)
    if end != len(tre.data):
        raise DecodeError(f"{tre.tag}: {len(tre.data)} bytes, its fields are {end}")
    return values


def make_tre(tag: str, fields: Mapping[str, str]) -> Tre:
    """Make a TRE of fields.

    Args:
        tag: ``CETAG``.
        fields: all of its fields, as :func:`tre_fields` gives them.

    Raises:
        EncodeError: nobody knows the tag; or a field is missing, is none of it, or does not fit: naming its rule.
    """
    layout = TRE_LAYOUTS.get(tag)
    if layout is None:
        raise EncodeError(f"{tag}: no layout is known; make it of bytes: Tre({tag!r}, data)")
    return Tre(tag, written_fields(layout, fields, where=tag, given=fields))
