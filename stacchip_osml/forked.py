"""Locks, and values that are kept, which a forked child does not find locked for ever by a thread of its parent.

``functools.cached_property`` has, before Python 3.12, one lock for all objects
of a class: threads wait there for others' objects, and a child that is forked
meanwhile waits for ever. Every module has a lock while it is imported, and much is
imported when it is first used; so has pyarrow, for pandas, which it imports for the
first value that is made an array. A fork waits until such imports are done.
"""

from __future__ import annotations

import _imp
import os
import sys
import threading
import weakref
from collections.abc import Callable
from importlib import _bootstrap  # what it is asked has had these names since Python 3.3; without them it is not asked
from typing import TYPE_CHECKING, Any

__all__ = ["ForkLock", "cached_property"]

MOST_ROUNDS = 20
"""Imports that begin while others are waited for; those of the thread that forks never end."""

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


def _arrow_lock() -> Any:
    """Give the lock of pyarrow, None where it is not loaded, or is a version that has none."""
    return getattr(getattr(sys.modules.get("pyarrow.lib"), "_pandas_api", None), "_lock", None)


def _before_fork() -> None:
    """Wait for what other threads import, and let none begin: a child would wait for ever for what is half done."""
    internal = vars(_bootstrap)
    modules, wait_for = internal.get("_module_locks", {}), internal.get("_lock_unlock_module", str)
    lock = _arrow_lock()
    for _ in range(MOST_ROUNDS):
        for name in list(modules):
            wait_for(name)
        if lock is not None and not lock.acquire(timeout=1):
            continue
        _imp.acquire_lock()
        _HELD.extend([_imp.release_lock] if lock is None else [lock.release, _imp.release_lock])
        if not modules:
            break
        _let_go()


def _let_go() -> None:
    while _HELD:
        _HELD.pop()()


_HELD: list[Callable[[], object]] = []
"""What lets go of what the thread that forks holds meanwhile."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_let_go, after_in_child=_let_go)
    os.register_at_fork(after_in_child=_after_fork)
