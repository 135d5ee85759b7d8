"""When an image was taken, out of the text that its file has for it.

The text is TIFF's DateTime (``YYYY:MM:DD HH:MM:SS``), NITF 2.1's IDATIM
(``CCYYMMDDhhmmss``) or NITF 2.0's (``DDHHMMSSZMONYY``; its years 69 to 99 are of
the twentieth century, 00 to 68 of the twenty-first). All are taken as UTC. Files
of either NITF have the other's spelling now and then, so the text alone counts.
What NITF does not know is two hyphens: what is known is then a span of time.
"""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime

from stacchip_osml.encode.nitf.earlier_dates import moment_of

__all__ = ["image_time"]

_TIME = re.compile(
    r"(\d{4})[:-]?(\d\d|--)[:-]?(\d\d|--)[ T]?(\d\d|--):?(\d\d|--):?(\d\d|--)",
    re.ASCII,
)
_LAST = (12, 31, 23, 59, 59)
UNKNOWN = "--"


def image_time(text: str | None) -> tuple[datetime, datetime] | None:
    """Read the time that an image file states.

    Args:
        text: ``ImageHeader.acquired``.

    Returns:
        The first and the last second that it may be, UTC; the same where all of it is known. None where the text is
        no time, or lacks the year.
    """
    if not text:
        return None
    found = _TIME.match(moment_of(text) or text.strip(" \0"))
    if found is None:
        return None
    year, *parts = found.groups()
    known = [int(part) for part in parts if part != UNKNOWN]
    if any(part != UNKNOWN for part in parts[len(known) :]):  # an hour of an unknown day dates nothing
        return None
    first = [int(year), *known, *(1, 1, 0, 0, 0)[len(known) :]]
    last = [int(year), *known, *_LAST[len(known) :]]
    try:
        if len(known) == 1:
            last[2] = calendar.monthrange(last[0], last[1])[1]
        return datetime(*first, tzinfo=UTC), datetime(*last, tzinfo=UTC)  # type: ignore[misc,arg-type]
    except ValueError:  # "0000:00:00 00:00:00" and the like say that the time is not known
        return None
