"""Where the segments of a NITF file lie, and which of them are left out of a look at the rest.

They lie one after the other behind the file header, which says their lengths.
A copy takes all of them or none; a look (``nitf_info``) tells of each that it cannot
take what of it is intact: where it is, how long, its fields up to what is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from stacchip_osml.errors import DecodeError, LimitError
from stacchip_osml.imagery.nitf.fields import LENGTHS

__all__ = ["LeftOut", "Looked", "Part", "list_parts", "require_whole", "told_in"]

WORDS = {
    "NUMI": "image",
    "NUMS": "graphic",
    "NUML": "label",
    "NUMT": "text",
    "NUMDES": "data extension",
    "NUMRES": "reserved extension",
}


class Part(NamedTuple):
    """Where one segment lies."""

    number: int
    """Of its kind, from 1 on."""
    where: str
    segment: str
    """Kind and number."""
    at: int
    header: int
    data: int
    fault: str | None = None
    """Why its data cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A segment that is not among those of the file's record."""

    part: Part
    fields: Mapping[str, str]
    """Of its subheader, up to what is wrong with it."""
    fault: str


@dataclass(slots=True)
class Looked:
    """What was found wrong in a look at a file."""

    faults: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


@contextmanager
def told_in(looked: Looked | None, part: Part | None = None) -> Iterator[dict[str, str]]:
    """End a part of the file where it is damaged, and go on after it where there is a look to tell it in.

    Gives what the fields of the part are read into.
    """
    fields: dict[str, str] = {}
    try:
        yield fields
    except (DecodeError, LimitError) as error:
        if looked is None:
            raise
        looked.faults.append(str(error))
        if part is not None:
            looked.left_out.append(LeftOut(part=part, fields=fields, fault=str(error)))


def require_whole(part: Part) -> None:
    """Refuse a segment whose length is not known.

    Raises:
        DecodeError: saying why.
    """
    if part.fault is not None:
        raise DecodeError(part.fault)


def list_parts(header: Mapping[str, str], *, name: str, size: int, looked: Looked | None) -> dict[str, list[Part]]:
    """List where the segments lie, by the names of their counts.

    Args:
        header: fields of the file header.
        name: of the file, for messages.
        size: of the file, bytes.
        looked: where given, a length that is none ends the list, and is told there.

    Raises:
        DecodeError: a length is no number, or that of a file that is still written.
    """
    at = int(header["HL"])
    found: dict[str, list[Part]] = {count: [] for count in LENGTHS}
    for count, (head, _, data, _) in LENGTHS.items():
        for number in range(1, int(header.get(count, "0")) + 1):
            lengths, segment = (header[f"{head}{number}"], header[f"{data}{number}"]), f"{WORDS[count]} {number}"
            known = int(lengths[0]) if lengths[0].isdigit() else 0
            room = 0 if set(header["FL"]) == {"9"} else size - at - known
            fault = _fault(f"{head}{number}", f"{data}{number}", lengths, room=room)
            if fault is None:
                part = Part(number, f"{name}: {segment}", segment, at, known, int(lengths[1]))
                found[count].append(part)
                at += part.header + part.data
                continue
            fault = f"{name}: {fault}"
            if looked is None:
                raise DecodeError(fault)
            rest = max(size - at - known, 0)
            found[count].append(Part(number, f"{name}: {segment}", segment, at, known, rest, fault))
            looked.faults.append(f"{name}: what follows {segment} is not found: its length is not known")
            return found
    return found


def _fault(head: str, data: str, lengths: tuple[str, str], *, room: int) -> str | None:
    if not all(length.isdigit() for length in lengths):
        return f"{head} and {data} are {lengths}, not numbers"
    if set(lengths[1]) == {"9"} and int(lengths[1]) > room:  # else a text of 99,999 bytes is one
        return (
            f"{data} is {lengths[1]}, as of a file that is still written: no STREAMING_FILE_HEADER at its end says "
            "its lengths (MIL-STD-2500C, table A-8(B)); get the whole file"
        )
    return None
