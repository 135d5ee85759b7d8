"""What commands say: tables and JSON on stdout, progress and notes on stderr.

Text from items and files may hold anything, so whatever is shown on a terminal
passes :func:`one_line`: no control character reaches it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.stac.json_values import plain

if TYPE_CHECKING:
    from tqdm import tqdm

WHOLE_FROM, WHOLE_TO = 1e6, 1e15
"""Floats of a table that are shown with all digits before their point; six digits of any other."""

__all__ = ["emit_json", "note", "one_line", "print_table", "progress_bar", "size_text"]


def one_line(text: str) -> str:
    """Give text as one line of printable characters; others appear as escapes."""
    flat = " ".join(text.split("\n")).strip() if "\n" in text else text
    if flat.isprintable():
        return flat
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in flat)


def emit_json(value: Any) -> None:
    """Write one JSON document to stdout, indented for a terminal."""
    indent = 2 if sys.stdout.isatty() else None
    click.echo(json.dumps(plain(value), indent=indent, allow_nan=False))


def note(text: str) -> None:
    """Write one line to stderr."""
    click.echo(one_line(text), err=True)


def print_table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write aligned columns to stdout; numbers to the right."""
    lines = [[_cell(value) for value in row] for row in rows]
    right = [all(_is_number(text) for text in column) for column in zip(*lines, strict=True)] or [False] * len(heads)
    widths = [max(len(text) for text in column) for column in zip(heads, *lines, strict=True)]
    for line in (list(heads), *lines):
        cells = (
            text.rjust(width) if number else text.ljust(width)
            for text, width, number in zip(line, widths, right, strict=True)
        )
        click.echo("  ".join(cells).rstrip())


def progress_bar(*, total: int | None, what: str) -> tqdm[Any]:
    """Give a progress bar on stderr; silent where that is no terminal."""
    from tqdm import tqdm

    return tqdm(total=total, unit=f" {what}", file=sys.stderr, disable=None, leave=False, dynamic_ncols=True)


def size_text(size: float) -> str:
    """Give bytes in the unit that a person reads."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.4g} {unit}"


def _cell(value: Any) -> str:
    value = plain(value)
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if WHOLE_FROM <= abs(value) < WHOLE_TO else f"{value:.6g}"
    if isinstance(value, (list, dict)):
        return one_line(json.dumps(value))
    return one_line(str(value))


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(",", "").replace(".", "", 1).lstrip("-").isdigit()
