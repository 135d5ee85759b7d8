"""What was left out or failed, as commands say it: the first few as text, all as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress

from stacchip_osml.app.output import note
from stacchip_osml.errors import ChipError

__all__ = ["Failure", "failed", "lead_on", "say_failures", "say_problems", "told"]

SHOWN_PROBLEMS = 10

Failure = tuple[str, "ChipError"]
"""The id of a chip, and why it could not be cut."""


def lead_on(error: ChipError, *places: str) -> None:
    """Add to what was said of ``places`` which commands take a chip index, where one of them is such."""
    from stacchip_osml.index import ChipIndex

    for place in places:
        with suppress(ChipError):
            ChipIndex.open(place)
            error.args = (f"{error} (it is a chip index: index info, query and merge take it)",)
            return


def say_problems(problems: Sequence[ChipError], *, what: str = "left out") -> None:
    """Write them to stderr, one a line."""
    if not problems:
        return
    note(f"{len(problems):,} {what}:")
    _say_first([str(problem) for problem in problems])


def say_failures(failures: Iterable[Failure]) -> None:
    """Write them to stderr, one a line."""
    _say_first([f"{chip}: {error}" for chip, error in failures])


def _say_first(lines: Sequence[str]) -> None:
    for line in lines[:SHOWN_PROBLEMS]:
        note(f"  {line}")
    if len(lines) > SHOWN_PROBLEMS:
        note(f"  … {len(lines) - SHOWN_PROBLEMS:,} more; --json lists all")


def told(problems: Sequence[ChipError]) -> list[dict[str, str]]:
    """Give them as JSON values."""
    return [{"error": type(problem).__name__, "message": str(problem)} for problem in problems]


def failed(failures: Iterable[Failure]) -> list[dict[str, str]]:
    """Give them as JSON values, each with the id of its chip."""
    return [{"id": chip, **said} for chip, error in failures for said in told([error])]
