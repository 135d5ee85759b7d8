"""Tables of a page that come from benchmarks: found by their titles, and written anew.

A table of the page stands under a comment, ``<!-- table: TITLE -->``. Its head says which columns are shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from tests.benchmarks.report import Report, table_lines

__all__ = ["titles", "with_tables"]

TABLE = re.compile(r"<!-- table: (?P<title>.+) -->\n\n(?P<head>\|.+\|)\n(?:\|.*\|\n)+")


def titles(page: str) -> Iterator[tuple[str, list[str]]]:
    """Give title and columns of every table that comes from a benchmark."""
    for found in TABLE.finditer(page):
        yield found["title"], _columns(found["head"])


def with_tables(page: str, reports: Sequence[Report]) -> str:
    """Give the page with the tables of these reports; those of others stay.

    Raises:
        ValueError: a report lacks a column that the page shows.
    """
    known = {report.title: report for report in reports}

    def written(found: re.Match[str]) -> str:
        report = known.get(found["title"])
        if report is None:
            return found[0]
        names = _columns(found["head"])
        if missing := set(names).difference(*report.rows):
            raise ValueError(f"{report.title!r} has no column {', '.join(sorted(missing))}")
        return "\n".join([f"<!-- table: {report.title} -->", "", *table_lines(report.rows, names), ""])

    return TABLE.sub(written, page)


def _columns(head: str) -> list[str]:
    return [cell.strip() for cell in head.strip("|").split("|")]
