"""Markings of NITF 2.0 in the fields of 2.1: nothing is cut, and no part is less marked than it was.

MIL-STD-2500A, tables I to XII, and MIL-STD-2500C, table A-1. Rules:

- the classification stays; one that is none is refused;
- codewords, handling, release, authority and control number stay where they fit
  into their fields of today (11, 2, 20, 40 and 15 characters). What does not is
  not shortened: it is told whole, and ``CLTX``, the text about the
  classification, points to where;
- ``DWNG`` 999999 (the originating agency decides) is ``DCTP`` O. A date or an
  event of ``DWNG`` may be that of declassifying or of downgrading, and nothing
  says to which level: it becomes words in ``CLTX``, never a date or an event
  by which a reader of today would lower the marking.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from stacchip_osml.encode.nitf.earlier_dates import century_of, is_date
from stacchip_osml.encode.nitf.earlier_tables import EVENT, SECURITY
from stacchip_osml.encode.nitf.security import RANK
from stacchip_osml.encode.nitf.tables import FIELDS
from stacchip_osml.errors import DecodeError

__all__ = ["POINTER", "markings"]

POINTER = "SEE TEXT SEGMENT NITF2.0"
AGENCY = "999999"
Tell = Callable[[str, str, str], object]
"""``(name, text, why)``: tells what has no place."""


def markings(fields: Mapping[str, str], prefix: str, *, to: str, where: str, tell: Tell) -> dict[str, str]:
    """Map the security fields of one header.

    Args:
        fields: of NITF 2.0.
        prefix: of their names: ``F``, ``I``, ``S``, ``L``, ``T`` or ``DE``.
        to: the prefix in NITF 2.1, which has no labels.
        where: which header, for messages.
        tell: takes what has no place.

    Raises:
        DecodeError: the classification is none.
    """
    level = str(fields[f"{prefix}SCLAS"])
    if level not in RANK:
        raise DecodeError(f"{where}: {prefix}SCLAS is {level!r}, no classification")
    found = {f"{to}SCLAS": level}
    told = False
    for name, _ in SECURITY[:-1]:
        text = str(fields[f"{prefix}S{name}"]).strip()
        if not text:
            continue
        room = FIELDS[f"FS{name}"].length
        if len(text) <= room and text.isprintable():
            found[f"{to}S{name}"] = text
        else:
            tell(f"{prefix}S{name}", text, f"a marking is not cut, and {to}S{name} holds {room} characters")
            told = True
    words, kept = _downgrade(fields, prefix, tell)
    found |= {f"{to}S{name}": text for name, text in kept.items()}
    if told and words:
        tell(f"{prefix}SDWNG", words, "what points here has its place")
    if told or words:
        found[f"{to}SCLTX"] = POINTER if told else words
    return found


def _downgrade(fields: Mapping[str, str], prefix: str, tell: Tell) -> tuple[str, dict[str, str]]:
    """Give what is said of a fall of the classification in words, and what in fields."""
    code = str(fields[f"{prefix}SDWNG"]).strip()
    if code == AGENCY:
        return "", {"DCTP": "O"}
    if code == EVENT:
        text = str(fields[f"{prefix}SDEVT"]).strip()
        return (text or "DOWNGRADE OR DECLASSIFY ON AN EVENT"), {}
    if is_date(code):
        return f"DOWNGRADE OR DECLASSIFY ON {century_of(code[:2])}{code}", {}
    if code:
        tell(f"{prefix}SDWNG", code, "it is neither a date nor one of the numbers that the standard knows")
    return "", {}
