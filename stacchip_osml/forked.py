"""Locks, and values that are kept, which a forked child does not find locked for ever by a thread of its parent.

``functools.cached_property`` has, before Python 3.12, one lock for all objects
of a class: threads wait there for others' objects, and a child that is forked
meanwhile waits for ever.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

__all__ = ["ForkLock", "cached_property"]

if TYPE_CHECKING:
    from functools import cached_property
else:

    class cached_property:  # noqa: N801 - the name that everybody knows
        """A method whose value is kept with its object; threads that come together may each make it."""

        def __init__(self, make: Callable[[Any], Any]) -> None:
            self._make = make
            self.__doc__ = make.__doc__

        def __set_name__(self, owner: type, name: str) -> None:
            self._name = name

        def __get__(self, holder: Any, owner: type | None = None) -> Any:
            if holder is None:
                return self
            value = holder.__dict__[self._name] = self._make(holder)  # found there from now on
            return value


class ForkLock:
    """A lock for ``with``, open in a forked child whoever held it."""

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self.reset()
        _LOCKS.add(self)

    def reset(self) -> None:
        """Forget who holds it."""
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: Any) -> None:
        self._lock.release()


_LOCKS: weakref.WeakSet[ForkLock] = weakref.WeakSet()


def _after_fork() -> None:
    for lock in list(_LOCKS):
        lock.reset()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
