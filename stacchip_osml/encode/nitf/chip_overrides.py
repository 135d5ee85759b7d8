"""What a caller says of a chip's file instead of what its parent says: fields of image and file, and TREs.

Rules:

- a name is a field of the image subheader or of the file header, a hint of the
  encoder, or the tag of a TRE; anything else is refused by name;
- what follows from pixels and segments cannot be said;
- a chip is never less marked than its source: see ``security``;
- the caller's mapping is only read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stacchip_osml.encode.field_text import dict_of, text_of
from stacchip_osml.encode.nitf.chip_fields import KEPT_FIELDS
from stacchip_osml.encode.nitf.records import Tre
from stacchip_osml.encode.nitf.tables import FILE_FIELDS
from stacchip_osml.errors import EncodeError

__all__ = ["Overrides", "overrides_of"]

IMAGE_FIELDS = frozenset(
    (*KEPT_FIELDS, "IREP", "PVTYPE", "ABPP", "PJUST", "ICORDS", "IGEOLO", "IC", "COMRAT", "IMODE", "NPPBH", "NPPBV")
) | {"NBPP", "IMAG", "J2K_DECOMPOSITION_LEVELS", "J2K_QUALITY_LAYERS"}
NUMBERED = re.compile(r"(ICOM|IREPBAND|ISUBCAT|IFC|IMFLT|NLUTS|NELUT|LUTD)0*([1-9]\d*)")
COMPUTED = frozenset(
    ("NROWS", "NCOLS", "NBANDS", "XBANDS", "NBPR", "NBPC", "NICOM", "ISYNC", "IDLVL", "IALVL", "ILOC", "CLEVEL")
) | {"FHDR", "FVER", "STYPE", "FL", "HL", "IM", "ENCRYP"}
TAG = re.compile(r"[ -~]{1,6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a caller says, by where it goes."""

    image: dict[str, str] = field(default_factory=dict)
    file: dict[str, str] = field(default_factory=dict)
    tres: dict[str, Tre | None] = field(default_factory=dict)
    """Tag → the TRE, or None for no TRE of that tag."""
    without: frozenset[str] = frozenset()
    """Fields that are left to the writer."""


def overrides_of(given: Mapping[str, Any] | None) -> Overrides:
    """Sort what a caller says.

    Args:
        given: field name → text (of a number, its digits; None leaves the field to the writer); TRE tag →
            mapping of its fields, its data as bytes, a :class:`Tre` of any bytes, or None for none.

    Raises:
        EncodeError: a name that is none, one that is computed, a value that is neither text nor a number, or a TRE
            whose fields or bytes are wrong.
    """
    image: dict[str, str] = {}
    file: dict[str, str] = {}
    tres: dict[str, Tre | None] = {}
    without: set[str] = set()
    for name, value in dict_of("metadata overrides", given or {}).items():
        numbered = NUMBERED.fullmatch(name)
        plain = f"{numbered[1]}{numbered[2]}" if numbered else name
        if name in COMPUTED:
            raise EncodeError(f"{name} follows from the pixels and segments that are written; it cannot be set")
        place = image if plain in IMAGE_FIELDS or numbered else file if plain in FILE_FIELDS else None
        if place is not None and value is None:
            without.add(plain)
        elif place is not None:
            place[plain] = text_of(value, where=name)
        elif TAG.fullmatch(name) and (value is None or isinstance(value, (Mapping, bytes, Tre))):
            tres[name.strip()] = _tre(name.strip(), value)
        else:
            raise EncodeError(
                f"{name} is no field of a NITF image subheader or file header (MIL-STD-2500C, tables A-1 and A-3); "
                "a TRE is given as a mapping of its fields, or as bytes"
            )
    return Overrides(image=image, file=file, tres=tres, without=frozenset(without))


def _tre(tag: str, value: Any) -> Tre | None:
    if value is None or isinstance(value, Tre):
        return value
    from stacchip_osml.encode.nitf.tres import make_tre, tre_of_bytes

    if isinstance(value, bytes):
        return tre_of_bytes(tag, value)
    return make_tre(tag, {name: text_of(each, where=f"{tag}: {name}") for name, each in dict_of(tag, value).items()})
