"""What each thread makes once and uses again: to make it anew costs more than what is done with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

__all__ = ["kept_by_thread"]

P = ParamSpec("P")
T = TypeVar("T")


def kept_by_thread(most: int) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Have a function keep what it made, for each thread its own; where that is ``most`` already, all is let go.

    Its arguments are hashable, and given without their names.
    """

    def keeping(make: Callable[P, T]) -> Callable[P, T]:
        own = threading.local()

        @wraps(make)
        def found(*args: P.args, **kwargs: P.kwargs) -> T:
            held = own.__dict__.setdefault("held", {})
            if args not in held:
                if len(held) == most:
                    held.clear()
                held[args] = make(*args, **kwargs)
            known: T = held[args]
            return known

        return found

    return keeping
