"""Display levels and the complexity level: what a file's segments are to each other.

MIL-STD-2500C 5.3 (display and attachment levels), appendix A table A-10 and
JBP-2025.1 table G-1 (``CLEVEL``). Rules:

- levels that images and graphics state, each its own, attached to a lower one or
  to none, are kept: a copy is displayed like its parent. One that states none is
  at its number, images before graphics; where that does not agree, all are
  counted so, and what was attached to none stays where it is;
- the segments of one image stand in a column: each is attached to the one
  before it, as many rows below as that one has (SICD NGA.STND.0024-2, 3.2);
- ``CLEVEL`` is the lowest whose limits hold the file, 3 at least, and 9 for what
  exceeds them all.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from stacchip_osml.errors import EncodeError

__all__ = ["Place", "bytes_level", "complexity_level", "place_segments"]

Fields = Mapping[str, str]
NAMES = (("IDLVL", "IALVL", "ILOC"), ("SDLVL", "SALVL", "SLOC"))
MOST_LEVELS = 999
MOST_ROWS = 99_999
"""What ILOC can say in five digits."""
CLAUSE = "MIL-STD-2500C, 5.3 and table A-3"
MIB, GIB = 1 << 20, 1 << 30


@dataclass(frozen=True, slots=True)
class Place:
    """Where one segment is displayed."""

    level: int
    attached: int
    location: tuple[int, int]
    """(row, col), of what it is attached to."""

    def fields(self, names: tuple[str, str, str]) -> dict[str, str]:
        """Give them as fields."""
        row, col = self.location
        return dict(zip(names, (f"{self.level:03d}", f"{self.attached:03d}", f"{row:05d}{col:05d}"), strict=True))


def place_segments(
    images: Sequence[tuple[Fields, Sequence[int]]], graphics: Sequence[Fields]
) -> tuple[list[list[Place]], list[Place]]:
    """Give display level, attachment and location of every segment.

    Args:
        images: fields of each image, and the rows of each of its segments.
        graphics: fields of each graphic.

    Returns:
        A list for each image, of its segments; and one for the graphics.

    Raises:
        EncodeError: there are more segments than levels, or a segment is taller than a location can say.
    """
    if all(len(rows) == 1 for _, rows in images):
        parts = [(fields, NAMES[0]) for fields, _ in images] + [(fields, NAMES[1]) for fields in graphics]
        stated = [_stated(fields, names, number) for number, (fields, names) in enumerate(parts, 1)]
        if _agree(stated):
            return [[place] for place in stated[: len(images)]], stated[len(images) :]
    count = sum(len(rows) for _, rows in images) + len(graphics)
    if count > MOST_LEVELS:
        raise EncodeError(f"{count} image and graphic segments; display levels end at {MOST_LEVELS} ({CLAUSE})")
    levels = itertools.count(1)
    columns = [_stacked(fields, rows, levels) for fields, rows in images]
    return columns, [_counted(fields, next(levels)) for fields in graphics]


def _stacked(fields: Fields, rows: Sequence[int], levels: Iterator[int]) -> list[Place]:
    """Place the segments of one image, each below the one before and attached to it."""
    place = _stated(fields, ("", *NAMES[0][1:]), 0)
    column = [Place(next(levels), 0, (0, 0) if place.attached else place.location)]
    for above in rows[:-1]:
        if above > MOST_ROWS:
            raise EncodeError(f"ILOC: a segment {above} rows below another; it ends at {MOST_ROWS} ({CLAUSE})")
        column.append(Place(next(levels), column[-1].level, (above, 0)))
    return column


def _counted(fields: Fields, level: int) -> Place:
    """Place a graphic over the images, where it says it is."""
    return Place(level, 0, _stated(fields, ("", "", NAMES[1][2]), level).location)


def _stated(fields: Fields, names: tuple[str, str, str], number: int) -> Place:
    """Read what a segment says of its place: its number is its level where it says none.

    What is no number is level -1, which agrees with nothing.
    """
    level, attached = fields.get(names[0], number), fields.get(names[1], "0") or "0"
    location = fields.get(names[2], "") or "0" * 10
    try:
        return Place(int(level), int(attached), (int(location[:5]), int(location[5:])))
    except ValueError:
        return Place(-1, 0, (0, 0))


def _agree(places: Sequence[Place]) -> bool:
    """Tell whether levels are unique, and attachments to lower ones that there are."""
    levels = {place.level for place in places}
    return (
        len(levels) == len(places)
        and all(1 <= level <= MOST_LEVELS for level in levels)
        and all(place.attached == 0 or (place.attached in levels and place.attached < place.level) for place in places)
    )


def _step(value: int, *steps: tuple[int, int]) -> int:
    """Give the level of the first step that holds a value, 9 where none does."""
    for most, level in steps:
        if value <= most:
            return level
    return 9


def bytes_level(count: int) -> int:
    """Give the level that the length of a file asks for."""
    return _step(count, (50 * MIB - 1, 3), (GIB - 1, 5), (2 * GIB - 1, 6), (10 * GIB - 1, 7))


def complexity_level(
    *,
    images: Sequence[tuple[Fields, Place]],
    graphic_bytes: int = 0,
    graphics: int = 0,
    texts: int = 0,
    extensions: int = 0,
) -> int:
    """Give ``CLEVEL`` of a file, but for what its length asks for (:func:`bytes_level`).

    Args:
        images: the subheader of each image segment, and its place.
        graphic_bytes: of all graphics together.
        graphics: how many.
        texts: how many.
        extensions: how many data extension segments.
    """
    bands = [_bands(fields) for fields, _ in images]
    levels = [
        3,
        _step(_extent(images), (2048, 3), (8192, 5), (65_536, 6), (99_999_999, 7)),
        _step(len(images), (20, 3), (100, 5)),
        _step(graphic_bytes, (MIB, 3), (2 * MIB, 5)),
        _step(graphics, (100, 3)),
        _step(texts, (32, 3)),
        _step(extensions, (100, 3)),
        _step(sum(bands), (999, 3)),
    ]
    for (fields, _), count in zip(images, bands, strict=True):
        rows, cols = int(fields["NROWS"]), int(fields["NCOLS"])
        across, down = int(fields["NPPBH"]), int(fields["NPPBV"])
        levels.append(_step(max(rows, cols), (2048, 3), (8192, 5), (65_536, 6), (99_999_999, 7)))
        levels.append(_step(max(across, down), (2048, 3), (8192, 5)) if across and down else 9)
        levels.append(_step(count, (9, 3), (255, 5), (999, 7)))
        if fields["IREP"] == "RGB" and int(fields["NBPP"]) > 8 and fields["IC"] in {"NC", "NM"}:
            levels.append(6)
    return max(levels)


def _bands(fields: Fields) -> int:
    return int(fields["NBANDS"]) or int(fields["XBANDS"])


def _extent(images: Iterable[tuple[Fields, Place]]) -> int:
    """Give the longer side of what all images cover together (the common coordinate system)."""
    origins, low, high = {0: (0, 0)}, [0, 0], [0, 0]
    for fields, place in sorted(images, key=lambda each: each[1].level):
        above = origins.get(place.attached, (0, 0))  # attached to a graphic: its own place is not looked at
        origin = above[0] + place.location[0], above[1] + place.location[1]
        origins[place.level] = origin
        for axis, side in enumerate((int(fields["NROWS"]), int(fields["NCOLS"]))):
            low[axis] = min(low[axis], origin[axis])
            high[axis] = max(high[axis], origin[axis] + side)
    return max(high[0] - low[0], high[1] - low[1])
