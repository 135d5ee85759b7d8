"""Dates of NITF 2.0, which have two digits for the year, in the four of 2.1.

``DDHHMMSSZMONYY`` (MIL-STD-2500A, FDT, IDATIM and TXTDT) becomes ``CCYYMMDDhhmmss``.
Years 69 to 99 are of the twentieth century and 00 to 68 of the twenty-first, as
POSIX has it (``strptime``, ``%y``): the first images from orbit are of 1960, the
format of 1989, and frames are still written in it. Day, hour, minute and second
that are hyphens or blanks are not known; NITF 2.1 has hyphens for them.
"""

from __future__ import annotations

import re

__all__ = ["century_of", "is_date", "moment_of"]

FIRST_OF_1900 = 69
MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
MOMENT = re.compile(r"(\d\d|--|  )(\d\d|--|  )(\d\d|--|  )(\d\d|--|  )Z([A-Z]{3})(\d\d)", re.ASCII)
DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def century_of(year: str) -> str:
    """Give the two digits before those of a year."""
    return "19" if int(year) >= FIRST_OF_1900 else "20"


def moment_of(text: str) -> str | None:
    """Turn a moment into NITF 2.1's; None where it is none."""
    found = MOMENT.fullmatch(text.strip(" \0").upper().rjust(14))
    if found is None:
        return None
    day, hour, minute, second, name, year = (part.replace(" ", "-") for part in found.groups())
    month = MONTHS.get(name, 0)
    limits = ((day, 1, DAYS[month - 1]), (hour, 0, 23), (minute, 0, 59), (second, 0, 59))
    if not month or not all(part == "--" or first <= int(part) <= last for part, first, last in limits):
        return None
    return f"{century_of(year)}{year}{month:02d}{day}{hour}{minute}{second}"


def is_date(text: str) -> bool:
    """Tell whether a text is YYMMDD."""
    if len(text) != 6 or not (text.isascii() and text.isdigit()):
        return False
    month, day = int(text[2:4]), int(text[4:])
    return 1 <= month <= 12 and 1 <= day <= DAYS[month - 1]
