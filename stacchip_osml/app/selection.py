"""Which rows a command works on: the same options and the same order everywhere.

Order: rows by number or those that match the conditions, then a random sample
of them, then the first of those.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.options import BOX, ROWS

if TYPE_CHECKING:
    from stacchip_osml.index import ChipIndex

__all__ = ["Conditions", "Selection", "condition_options", "selection_options"]

MAX_ROWS = 100_000_000
"""Rows that can be named by number at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What rows must meet."""

    bbox: tuple[float, ...] | None = None
    intersects: str | None = None
    """A GeoJSON file, or ``-`` for stdin."""
    datetime: str | None = None
    where: str | None = None

    def arguments(self) -> dict[str, Any]:
        """Give the arguments of ``ChipIndex.query``; empty when every row is wanted.

        Raises:
            ReadError: the GeoJSON file could not be read.
            ItemError: it is not JSON.
        """
        shape = None if self.intersects is None else _read_geojson(self.intersects)
        given = {"bbox": self.bbox, "intersects": shape, "datetime": self.datetime, "where": self.where}
        return {name: value for name, value in given.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows of an index, as the options say."""

    conditions: Conditions
    rows: tuple[tuple[int, int], ...] | None = None
    """First and last row of each run."""
    sample: int | None = None
    seed: int = 0
    limit: int | None = None

    @property
    def is_bounded(self) -> bool:
        """Whether the caller said how many rows to take."""
        return self.rows is not None or self.sample is not None or self.limit is not None

    def of(self, index: ChipIndex) -> ChipIndex:
        """Choose rows.

        Raises:
            click.UsageError: rows that the index does not have, or two ways of choosing at once.
        """
        questions = self.conditions.arguments()
        if self.rows is not None and questions:
            raise click.UsageError("--rows names rows by number; it cannot be combined with conditions")
        found = index
        if self.rows is not None:
            found = _rows(index, self.rows)
        elif questions:
            found = index.query(**questions)
        if self.sample is not None:
            if self.sample > len(found):
                raise click.UsageError(f"--sample {self.sample} of {len(found)} chips")
            found = found.sample(self.sample, seed=self.seed)
        return found if self.limit is None else found.head(self.limit)


def _rows(index: ChipIndex, runs: tuple[tuple[int, int], ...]) -> ChipIndex:
    import numpy as np

    last = max(end for _, end in runs)
    if last >= len(index):
        raise click.UsageError(f"--rows {last}: the index has {len(index)} chips, 0 to {len(index) - 1}")
    if sum(end - first + 1 for first, end in runs) > MAX_ROWS:
        raise click.UsageError(f"--rows names more than {MAX_ROWS} rows")
    numbers = np.concatenate([np.arange(first, end + 1) for first, end in runs])
    if len(np.unique(numbers)) != len(numbers):
        raise click.UsageError("--rows names a row twice")
    return index.from_table(index.take(numbers), index.tables)


def _read_geojson(place: str) -> Any:
    from stacchip_osml.stac.documents import parse_json, read_bytes

    if place == "-":
        document = parse_json(sys.stdin.buffer.read(), source="stdin")
    else:
        document = parse_json(read_bytes(place), source=place)
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        shapes = [feature.get("geometry") for feature in features or () if isinstance(feature, dict)]
        return {"type": "GeometryCollection", "geometries": [shape for shape in shapes if shape]}
    return document


Command = Callable[..., Any]


def condition_options(command: Command) -> Command:
    """Add ``--bbox``, ``--intersects``, ``--datetime`` and ``--where``, handed over as ``conditions``."""

    @functools.wraps(command)
    def collected(
        *args: Any,
        bbox: tuple[float, ...] | None,
        intersects: str | None,
        datetime: str | None,
        where: str | None,
        **others: Any,
    ) -> Any:
        conditions = Conditions(bbox=bbox, intersects=intersects, datetime=datetime, where=where)
        return command(*args, conditions=conditions, **others)

    return _with_options(
        collected,
        click.option("--bbox", type=BOX, help="Chips that meet this box, degrees; west > east crosses ±180°."),
        click.option("--intersects", metavar="FILE", help="Chips that meet a GeoJSON file's shapes; - reads stdin."),
        click.option(
            "--datetime",
            metavar="TIME",
            help="A moment, a day, or an interval such as 2024-05-01/..; of items of an interval, its start counts.",
        ),
        click.option("--where", metavar="CONDITION", help='On columns, such as "cloud_fraction < 0.2 and level == 0".'),
    )


def selection_options(command: Command) -> Command:
    """Add the options that choose rows, handed over as ``selection``."""

    @functools.wraps(command)
    def collected(
        *args: Any,
        conditions: Conditions,
        rows: tuple[tuple[int, int], ...] | None,
        sample: int | None,
        seed: int,
        limit: int | None,
        **others: Any,
    ) -> Any:
        chosen = Selection(conditions=conditions, rows=rows, sample=sample, seed=seed, limit=limit)
        return command(*args, selection=chosen, **others)

    return _with_options(
        condition_options(collected),
        click.option("--rows", type=ROWS, help="Rows by number, from 0."),
        click.option("--sample", type=click.IntRange(0), metavar="N", help="N rows drawn at random."),
        click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of the sample."),
        click.option("--limit", type=click.IntRange(0), metavar="N", help="The first N of what is chosen."),
    )


def _with_options(command: Command, *options: Callable[[Any], Any]) -> Command:
    wrapped: Any = command
    for option in reversed(options):
        wrapped = option(wrapped)
    done: Command = wrapped
    return done
