"""Headers like an earlier one: only the fields that differ are encoded, into a copy of its bytes.

Chips of one image have subheaders of a hundred fields, of which a few differ.
Two headers have the same fields at the same places where values have the same
names, and those that the layout looked at (counts, ``IC``, ``ICORDS`` …) are the
same; what a layout looks at is noted while it is gone through once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["KeptHeader", "NotedValues", "header_like", "keep_header"]

KEPT, KINDS = 8, 64
"""Headers of the same names that are held, and how many such names."""

_kept: dict[tuple[Any, ...], tuple[KeptHeader, ...]] = {}
"""By layout and names, the newest first."""


class NotedValues(dict[str, str]):
    """Values that note which of them were looked at."""

    __slots__ = ("looked",)

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__(values)
        self.looked: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.looked.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        """Note a look that may find nothing."""
        self.looked.add(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.looked.add(str(name))
        return super().__contains__(name)


@dataclass(frozen=True, slots=True, eq=False)
class KeptHeader:
    """A header as it was written."""

    values: Mapping[str, str] = field(repr=False)
    """As they were given, without defaults."""
    looked: tuple[str, ...]
    """Those of them that decided which fields there are."""
    places: Mapping[str, tuple[Any, int]] = field(repr=False)
    """Name → the field, and where it begins."""
    data: bytes = field(repr=False)

    def written(self, values: Mapping[str, str], encode: Callable[[Any, str], bytes]) -> bytes:
        """Write other values that :func:`header_like` found this for."""
        data, before, places = bytearray(self.data), self.values, self.places
        for name, text in values.items():
            old = before[name]
            if old is not text and not _is_same(old, text) and name in places:
                place, start = places[name]
                data[start : start + place.length] = encode(place, text)
        return bytes(data)


def header_like(layout: Any, values: Mapping[str, str], given: Iterable[str]) -> KeptHeader | None:
    """Find a header with the same fields at the same places, all that were ``given`` among them."""
    for kept in _kept.get((layout, *values), ()):
        if all(_is_same(kept.values[name], values[name]) for name in kept.looked):
            return kept if kept.places.keys() >= set(given) else None
    return None


def keep_header(layout: Any, values: NotedValues, written: Mapping[str, str], places: Any, data: bytes) -> None:
    """Keep a header.

    Args:
        layout: of it.
        values: that the layout was gone through with, defaults added.
        written: as they were given.
        places: name → the field, and where it begins.
        data: all of it.
    """
    key = layout, *written
    if len(_kept) >= KINDS and key not in _kept:
        _kept.clear()
    looked = tuple(name for name in written if name in values.looked)
    made = KeptHeader(dict(written), looked, places, data)
    _kept[key] = (made, *_kept.get(key, ()))[:KEPT]


def _is_same(one: str, other: str) -> bool:
    """Tell whether two texts are stored alike: text with bytes of its own is like itself only."""
    return one is other or (type(one) is type(other) is str and one == other)
