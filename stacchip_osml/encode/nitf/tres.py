"""TREs as fields: from bytes to names and text, and back.

The layouts are published ones (``tre_layouts``); a TRE that nobody knows stays
bytes. Rules:

- text is as it stands in the TRE, without trailing spaces; binary fields are
  hexadecimal digits;
- what a TRE is made of has to be all of its fields, each of which fits: a field
  that is left out, or is no field, is an error;
- fields that do not fill a TRE, or that it does not hold, are no reading of it:
  an error, not a guess. Work is bounded by the TRE's bytes, whatever it counts;
- of a tag with several layouts that one counts which the TRE's length says; to
  make one, that which has these fields, in their order where several have them.
"""

from __future__ import annotations

from collections.abc import Mapping

from stacchip_osml.encode.nitf.fields import header_of, read_fields
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.encode.nitf.tre_layouts import TRE_ROWS, layouts_of
from stacchip_osml.encode.nitf.tre_rows import fixed_length
from stacchip_osml.errors import DecodeError, EncodeError

__all__ = ["make_tre", "tre_fields", "tre_of_bytes"]


def tre_fields(tre: Tre) -> Mapping[str, str] | None:
    """Take a TRE apart.

    Args:
        tre: of any tag.

    Returns:
        Name → text, in order; None where nobody knows the tag.

    Raises:
        DecodeError: its data is not what its layout says.
    """
    faults: list[DecodeError] = []
    for layout in layouts_of(tre.tag):
        try:
            values, end = read_fields(layout, tre.data, where=tre.tag)
        except DecodeError as fault:
            faults.append(fault)
            continue
        if end == len(tre.data):
            return values
        faults.append(DecodeError(f"{tre.tag}: {len(tre.data)} bytes, its fields are {end}"))
    if faults:
        raise faults[0]
    return None


def make_tre(tag: str, fields: Mapping[str, str]) -> Tre:
    """Make a TRE of fields.

    Args:
        tag: ``CETAG``.
        fields: all of its fields, as :func:`tre_fields` gives them.

    Raises:
        EncodeError: nobody knows the tag; or a field is missing, is none of it, or does not fit: naming its rule.
    """
    made: list[Tre] = []
    faults: list[EncodeError] = []
    for layout in layouts_of(tag):
        try:
            header = header_of(layout, fields, where=tag, given=fields)
        except EncodeError as fault:
            faults.append(fault)
        else:
            place = 0 if list(header.places) == list(fields) else len(made)
            made.insert(place, Tre(tag, header.data))
    if made:
        return made[0]
    if faults:
        raise faults[0]
    raise EncodeError(f"{tag}: no layout is known; make it of bytes: Tre({tag!r}, data)")


def tre_of_bytes(tag: str, data: bytes) -> Tre:
    """Make a TRE of the bytes that a caller gives: of a tag that is known, they have to be its fields.

    Which values its fields may have is not judged, as nothing is that is read from a file; one that is meant to be
    something else is given as a :class:`Tre`.

    Raises:
        EncodeError: they are not, naming how many there are and where they end.
    """
    tre = Tre(tag, data)
    try:
        tre_fields(tre)
    except DecodeError as fault:
        raise EncodeError(
            f"{fault} ({len(data)} bytes are given; {_required(tag)}; {TRE_ROWS[tag][0]}); "
            f"what is meant to be so is given as Tre({tag!r}, data)"
        ) from fault
    return tre


def _required(tag: str) -> str:
    """Tell how long the TREs of a tag are."""
    lengths = [fixed_length(layout) for layout in layouts_of(tag)]
    if None in lengths:
        return "its length follows from its fields"
    return f"it has {' or '.join(map(str, lengths))}"
