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
- a segment's own marking is written as it is given;
- of a chip, what its source says in a security field is never left out. A lower
  classification is refused, another control of handling, the loss of a
  codeword; and what allows more than the source does: release to others,
  downgrading or declassification that the source does not have, or earlier.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

from stacchip_osml.encode.nitf.tables import SECURITY
from stacchip_osml.errors import EncodeError

__all__ = ["RANK", "file_marking", "require_marking", "require_no_less"]

NEVER_LESS = "a chip is never less marked than what it was cut from"
RANK = {letter: rank for rank, letter in enumerate("URCST")}
CLASSES = {"T": "top secret", "S": "secret", "C": "confidential", "R": "restricted", "U": "unclassified"}
RESTRICTIONS = ("CODE", "CTLH")
FIXED = frozenset({"CTLH", "DCTP", "DCXM", "DG"})
"""Fields whose values are not more or less than each other."""
DATES = frozenset({"DCDT", "DGDT"})
ALLOWING = frozenset({"REL", "DCTP", "DCDT", "DCXM", "DG", "DGDT"})
"""Fields that let more people see what they mark, at once or later."""


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


def require_no_less(prefix: str, said: Mapping[str, str | None], source: Mapping[str, str]) -> None:
    """Refuse security fields that mark less than those of a source.

    Args:
        prefix: ``I`` or ``F``.
        said: field → text, None where it is left out; other fields are not looked at.
        source: fields of what is marked anew; those that it does not have say nothing.

    Raises:
        EncodeError: naming the field, what is said and what the source says.
    """
    parts = _parts(prefix)
    if parts.keys().isdisjoint(said):  # mostly: chips are written by the thousand
        return
    is_open = source.get(f"{prefix}SCLAS", "U") == "U"
    for name, part in parts.items():
        old = source.get(name, "").strip()
        if name not in said or (is_open and not old):
            continue
        new = (said[name] or "").strip()
        if old and not new:
            raise EncodeError(f"{name} cannot be left out, the source's is {old!r}: {NEVER_LESS}")
        if part == "CLAS":
            require_marking(name, new, old)
        elif not _is_as_strict(part, new, old):
            raise EncodeError(f"{name} {new!r} allows more than the source's {old!r}: {NEVER_LESS}")


@lru_cache(maxsize=8)
def _parts(prefix: str) -> Mapping[str, str]:
    """Give security field → its name without the prefix."""
    return {f"{prefix}S{each.name}": each.name for each in SECURITY}


def _is_as_strict(part: str, new: str, old: str) -> bool:
    """Tell whether a value marks no less than another; one that is blank allows nothing."""
    if part == "CODE":
        return set(old.split()) <= set(new.split())
    if part == "REL":
        return set(new.split()) <= set(old.split())
    if part in ALLOWING and not old:
        return not new
    if part in FIXED:
        return new == old or not old
    return part not in DATES or new >= old


def require_marking(name: str, new: str, old: str) -> None:
    """Refuse a lower classification.

    Raises:
        EncodeError: it is lower than the source's.
    """
    if RANK.get(new, len(RANK)) < RANK.get(old, -1):
        told = f"{name} {new!r} ({CLASSES[new]}) is below the source's {old!r} ({CLASSES[old]})"
        raise EncodeError(f"{told}: {NEVER_LESS}")
