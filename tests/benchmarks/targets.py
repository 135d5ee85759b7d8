"""Targets beside what was reached: the last table of a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.benchmarks.report import Report

__all__ = ["Target", "report_targets"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One figure to reach."""

    what: str
    target: float
    reached: float | None
    """None where the peer is not installed."""
    case: str = ""
    cpu: float | None = None
    """The same by CPU time; on a busy machine, what can still be compared."""
    most: bool = False
    """The figure may be at most the target; else it must be at least that."""

    @property
    def met(self) -> bool | None:
        """Whether it is reached; None where it could not be measured."""
        if self.reached is None:
            return None
        return self.reached <= self.target if self.most else self.reached >= self.target


def report_targets(title: str, targets: Sequence[Target], notes: Sequence[str] = ()) -> Report:
    """List targets as a table."""
    words: dict[bool | None, str] = {True: "yes", False: "no", None: "not measured"}
    rows: list[dict[str, Any]] = [
        {
            "what": target.what,
            "case": target.case,
            "target": f"{'≤' if target.most else '≥'} {target.target:g}",
            "reached": target.reached,
            **({} if all(one.cpu is None for one in targets) else {"by CPU time": target.cpu}),
            "met": words[target.met],
        }
        for target in targets
    ]
    return Report(title=title, rows=rows, notes=list(notes))
