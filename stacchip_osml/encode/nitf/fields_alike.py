"""Fields that many files have in common, and the few that each has of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stacchip_osml.encode.nitf.fields import StoredText

__all__ = ["TEXTS", "CommonFields", "SharedFields", "names_and_texts"]

TEXTS = frozenset(("IDATIM", "TGTID", "IID2", "ISORCE", "IGEOLO", *(f"ICOM{number}" for number in range(1, 10))))
"""Fields of an image of which nothing else in the file depends on what they say."""


@dataclass(frozen=True, slots=True, eq=False)
class CommonFields:
    """What files have in common; never changed."""

    image: Mapping[str, str]
    """Of the image subheader, none of them in ``TEXTS``."""
    file: Mapping[str, str]
    """Of the file header."""
    likeness: tuple[Any, ...] | None
    """Equal where all of these are stored alike; None where nobody can tell."""


class SharedFields(Mapping[str, str]):
    """All fields of an image: common ones, and texts of its own."""

    __slots__ = ("_all", "common", "texts")

    def __init__(self, common: CommonFields, texts: dict[str, str]) -> None:
        """Hold both; all names of ``texts`` are in ``TEXTS``."""
        self.common, self.texts = common, texts
        self._all: dict[str, str] | None = None

    @property
    def all(self) -> dict[str, str]:
        """Both together, which is seldom asked for."""
        if self._all is None:
            self._all = {**self.common.image, **self.texts}
        return self._all

    def __getitem__(self, name: str) -> str:
        return self.all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)


def names_and_texts(fields: Mapping[str, Any]) -> tuple[Any, ...] | None:
    """Give fields so that only those that are stored alike are equal; None where a value is no text."""
    texts = tuple(fields.values())
    kinds = set(map(type, texts))
    if kinds <= {str}:
        return tuple(fields), texts
    if kinds <= {str, StoredText}:
        return tuple(fields), tuple((text, getattr(text, "stored", None)) for text in texts)
    return None
