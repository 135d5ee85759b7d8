"""What was left out, as commands say it: the first few as text, all as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stacchip_osml.app.output import note

if TYPE_CHECKING:
    from stacchip_osml.errors import ChipError

__all__ = ["say_problems", "told"]

SHOWN_PROBLEMS = 10


def say_problems(problems: Sequence[ChipError], *, what: str = "left out") -> None:
    """Write them to stderr, one a line."""
    if not problems:
        return
    note(f"{len(problems):,} {what}:")
    for problem in problems[:SHOWN_PROBLEMS]:
        note(f"  {problem}")
    if len(problems) > SHOWN_PROBLEMS:
        note(f"  … {len(problems) - SHOWN_PROBLEMS:,} more; --json lists all")


def told(problems: Sequence[ChipError]) -> list[dict[str, str]]:
    """Give them as JSON values."""
    return [{"error": type(problem).__name__, "message": str(problem)} for problem in problems]
