"""Metadata in memory: made from scratch, or copied from an image and changed, to say how the next is written.

Rules:

- keys are the format's own names; a key has one value, or several in order where
  a format repeats it (a NITF tagged record extension);
- what goes in is copied, so that nothing is shared with where it came from;
- order is that of setting, over all keys: records of a file stay in theirs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import Any

__all__ = ["BufferedMetadataProvider"]


class BufferedMetadataProvider(MutableMapping[str, Any]):
    """A mutable mapping from names to values: text, numbers, lists, dicts of a record's fields, bytes."""

    def __init__(self, source: Any = None, *, prefix: str = "") -> None:
        """Start empty, or as a copy.

        Args:
            source: any mapping, or an object with ``entries()``.
            prefix: copy only the keys that begin so.

        Raises:
            TypeError: the source is no mapping, or a key is no text.
        """
        self._slots: dict[str, list[tuple[int, Any]]] = {}
        self._count = 0
        if source is not None:
            self._copy(source, prefix)

    @classmethod
    def from_provider(cls, source: Any) -> BufferedMetadataProvider:
        """Copy every key of ``source``, repeated ones too."""
        return cls(source)

    def _copy(self, source: Any, prefix: str) -> None:
        if isinstance(source, BufferedMetadataProvider):
            for key, value in source.ordered():
                if key.startswith(prefix):
                    self.append(key, value)
            return
        pairs = source if isinstance(source, Mapping) else _entries(source)
        repeated = getattr(source, "get_all", None)
        for key, value in pairs.items():
            if isinstance(key, str) and not key.startswith(prefix):
                continue
            self.set_all(key, [value] if repeated is None else repeated(key))

    # ---- mapping

    def __getitem__(self, key: str) -> Any:
        """Give the first value of a key."""
        return self._slots[key][0][1]

    def __setitem__(self, key: str, value: Any) -> None:
        """Put a copy of ``value``; several values of that key become this one."""
        self.set_all(key, (value,))

    def __delitem__(self, key: str) -> None:
        """Take a key out, with all its values."""
        del self._slots[key]

    def __iter__(self) -> Iterator[str]:
        """Go over the keys."""
        return iter(self._slots)

    def __len__(self) -> int:
        """Count the keys."""
        return len(self._slots)

    def __repr__(self) -> str:
        return f"BufferedMetadataProvider({self.as_dict()!r})"

    # ---- more

    def set(self, key: str, value: Any) -> None:
        """Do what ``metadata[key] = value`` does."""
        self[key] = value

    def get_all(self, key: str) -> list[Any]:
        """Give every value of a key, in order; none where there is no such key."""
        return [value for _, value in self._slots.get(key, ())]

    def set_all(self, key: str, values: Iterable[Any]) -> None:
        """Put copies of values for a key, in order; none take the key out."""
        if not isinstance(key, str):
            raise TypeError(f"metadata keys are text, got {key!r}")
        held = self._slots.get(key, [])
        places = [place for place, _ in held]
        slot = []
        for index, value in enumerate(values):
            place = places[index] if index < len(places) else self._next()
            slot.append((place, deepcopy(value)))
        if slot:
            self._slots[key] = slot
        else:
            self._slots.pop(key, None)

    def append(self, key: str, value: Any) -> None:
        """Put a copy of one more value behind those of a key."""
        if not isinstance(key, str):
            raise TypeError(f"metadata keys are text, got {key!r}")
        self._slots.setdefault(key, []).append((self._next(), deepcopy(value)))

    def entries(self, prefix: str = "") -> dict[str, Any]:
        """Give a copy as a dict: the first value of each key that begins with ``prefix``."""
        return {key: deepcopy(slot[0][1]) for key, slot in self._slots.items() if key.startswith(prefix)}

    def as_dict(self) -> dict[str, Any]:
        """Give a copy as a dict."""
        return self.entries()

    def copy(self) -> BufferedMetadataProvider:
        """Give a copy that shares nothing."""
        return BufferedMetadataProvider(self)

    def ordered(self) -> list[tuple[str, Any]]:
        """Give every key with every value, repeated ones too, in the order of setting."""
        pairs = [(place, key, value) for key, slot in self._slots.items() for place, value in slot]
        return [(key, value) for _, key, value in sorted(pairs, key=lambda each: each[0])]

    def _next(self) -> int:
        self._count += 1
        return self._count


def _entries(source: Any) -> Mapping[str, Any]:
    told = getattr(source, "entries", None)
    if told is None:
        raise TypeError(f"metadata is copied from a mapping, or what has entries(); got {type(source).__name__}")
    found: Mapping[str, Any] = told()
    return found
