"""Timing sides that take turns, so that a busy machine slows all of them alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Samples", "Side", "alternate", "timed", "warmed"]


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds of each round of one side."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """All threads of the process that did the work."""

    def add(self, seconds: Sequence[float]) -> None:
        """Note one round: wall and CPU seconds."""
        self.wall.append(seconds[0])
        self.cpu.append(seconds[1])

    @property
    def median(self) -> float:
        """Median wall seconds."""
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        """Median CPU seconds."""
        return statistics.median(self.cpu)

    def times_faster(self, other: Samples) -> float:
        """Give how many times faster than ``other`` it is: the median of rounds, whose two sides stand together.

        A machine that is slower for some rounds is slower for both sides of each; medians of either side may be of
        rounds that it was slow for and of rounds that it was not.
        """
        return statistics.median(theirs / ours for ours, theirs in zip(self.wall, other.wall, strict=True))


Side = Callable[[], tuple[float, float]]
"""Does one round and gives its wall and CPU seconds."""


def timed(work: Callable[[], Any]) -> Side:
    """Time work of this process."""

    def side() -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        return time.perf_counter() - wall, time.process_time() - cpu

    return side


def warmed(side: Side) -> Side:
    """Begin each turn with a round that is not counted: the caches are the other sides' then."""

    def turn() -> tuple[float, float]:
        side()
        return side()

    return turn


def alternate(sides: Mapping[str, Side], *, rounds: int, warmup: int = 1) -> dict[str, Samples]:
    """Run the sides in turn, every other round backwards; warm-up rounds are not counted."""
    found = {name: Samples() for name in sides}
    for number in range(-warmup, rounds):
        names = list(sides) if number % 2 == 0 else list(sides)[::-1]
        for name in names:
            seconds = sides[name]()
            if number >= 0:
                found[name].add(seconds)
    return found
