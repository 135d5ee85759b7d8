"""Markings: a file is never less marked than what is in it.

Rules (MIL-STD-2500C, 5.1.3 and table A-1: ``FSCLAS`` is that of the file as a
whole):

- ``FSCLAS`` is raised to the highest classification of any segment; it is never
  lowered;
- where it had to be raised, security fields of which the file says nothing
  (system, authority, declassification …) are those of the segment that is
  classified so; of several, the first;
- codewords and control of handling of which the file says nothing are the
  segments', where all that have them have the same. Releasing instructions are
  never taken over: what allows is not spread;
- a segment's own marking is written as it is given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from stacchip_osml.encode.nitf.tables import SECURITY

__all__ = ["file_marking"]

RANK = {letter: rank for rank, letter in enumerate("URCST")}
RESTRICTIONS = ("CODE", "CTLH")


def file_marking(fields: Mapping[str, str], segments: Iterable[tuple[str, Mapping[str, str]]]) -> dict[str, str]:
    """Give the security fields of a file.

    Args:
        fields: of the file, with those that it says itself.
        segments: letters before the names of each one's security fields (``I``, ``DE`` …), and its fields.

    Returns:
        ``FS…`` → text, only those that are not as the file says them.
    """
    marked = list(segments)
    levels = [fields_of.get(f"{prefix}SCLAS", "") for prefix, fields_of in marked]
    own = fields.get("FSCLAS", "U")
    # A letter that is none is left to the check of its field, which names it.
    highest = max(levels, key=lambda letter: RANK.get(letter, -1), default="U")
    raised: dict[str, str] = {}
    if RANK.get(highest, -1) > RANK.get(own, len(RANK)):
        prefix, source = marked[levels.index(highest)]
        said_there = {each.name: source.get(f"{prefix}S{each.name}", "") for each in SECURITY}
        raised = {
            f"FS{name}": text
            for name, text in said_there.items()
            if text and name != "REL" and not fields.get(f"FS{name}")
        }
        raised["FSCLAS"] = highest
    for name in RESTRICTIONS:
        said = {fields_of.get(f"{prefix}S{name}", "") for prefix, fields_of in marked} - {""}
        if len(said) == 1 and not fields.get(f"FS{name}"):
            raised[f"FS{name}"] = said.pop()
    return raised
