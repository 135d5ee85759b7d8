"""What no other pixels have: by this, and not by ``key``, a cache knows an image.

Two files may both be called ``image:0``, and two functions ``remap``. So:

- a provider may say what it is: ``pixel_identity``, a hashable value that
  changes whenever its pixels do; adapters build theirs from their source's and
  their settings, so two alike over one source share what is cached. It counts
  only in the class that has ``get_block``, or below it: who changes the pixels
  must say so anew, and what ``__getattr__`` passes on says nothing;
- any other object is itself and nothing else: it gets a number that no other
  object of this process ever has. Where it cannot be observed weakly, the
  identity holds the object, so that its place in memory is not used again.
"""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Hashable
from functools import cache
from typing import Any

__all__ = ["identity_of", "token_of"]

_NUMBERS = itertools.count()
_LOCK = threading.RLock()
_KNOWN: dict[int, tuple[weakref.ref[Any], int]] = {}
"""Place in memory → the object there and its number."""


class _Itself:
    """An object that stands for itself alone, and is kept alive."""

    __slots__ = ("thing",)

    def __init__(self, thing: object) -> None:
        self.thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Itself) and other.thing is self.thing

    def __hash__(self) -> int:
        return id(self.thing)


def identity_of(provider: Any) -> Hashable:
    """Give what no provider of other pixels has, in this process.

    Args:
        provider: any object of the image provider protocol.
    """
    kind: Any = type(provider)
    said: Hashable = provider.pixel_identity if _says_its_own(kind) else None
    return token_of(provider) if said is None else said


@cache
def _says_its_own(kind: Any) -> bool:
    for ancestor in kind.__mro__:
        if "pixel_identity" in vars(ancestor):
            return True
        if "get_block" in vars(ancestor):
            return False
    return False


def token_of(thing: object) -> Hashable:
    """Give what no other object of this process has, had or will have."""
    place = id(thing)
    with _LOCK:
        known = _KNOWN.get(place)
        if known is not None and known[0]() is thing:
            return known[1]
        try:
            watched = weakref.ref(thing, lambda gone: _forget(place, gone))
        except TypeError:
            return _Itself(thing)
        number = next(_NUMBERS)
        _KNOWN[place] = watched, number
        return number


def _forget(place: int, gone: weakref.ref[Any]) -> None:
    known = _KNOWN.get(place)
    if known is not None and known[0] is gone:
        del _KNOWN[place]
