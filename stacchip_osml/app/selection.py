"""Which rows a command works on: the same options and the same order everywhere.

Order: rows by number or those that match the conditions, then a random sample
of them, then the first of those.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.options import BOX, ROWS

if TYPE_CHECKING:
    from stacchip_osml.index import ChipIndex

__all__ = ["Selection", "read_geojson", "selection_options"]

MAX_ROWS = 100_000_000
"""Rows that can be named by number at once."""


OPTIONS = (
    click.option("--rows", type=ROWS, help="Rows by number, from 0."),
    click.option("--bbox", type=BOX, help="Chips that meet this box, degrees; west > east crosses ±180°."),
    click.option("--intersects", metavar="FILE", help="Chips that meet a GeoJSON file's shapes; - reads stdin."),
    click.option(
        "--datetime", metavar="TIME",
        help="A moment, a day, or an interval such as 2024-05-01/..; it finds items whose time or interval meets it.",
    ),
    click.option(
        "--where",
        metavar="CONDITION",
        help="On columns and properties of the items, such as \"cloud_fraction < 0.2 and platform == 'landsat-8'\".",
    ),
    click.option(
        "--sample", type=click.IntRange(0), metavar="N", help="N rows drawn at random; all where there are no more."
    ),
    click.option("--seed", type=click.IntRange(0), metavar="N", help="Number that --sample depends on.  [default: 0]"),
    click.option("--limit", type=click.IntRange(0), metavar="N", help="The first N of what is chosen."),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows of an index, as the options say."""

    rows: tuple[tuple[int, int], ...] | None
    """First and last row of each run."""
    bbox: tuple[float, ...] | None
    intersects: str | None
    """A GeoJSON file, or ``-`` for stdin."""
    datetime: str | None
    where: str | None
    sample: int | None
    seed: int | None
    limit: int | None

    def __post_init__(self) -> None:
        """Refuse an option that would do nothing.

        Raises:
            click.UsageError: a seed without a sample.
        """
        if self.seed is not None and self.sample is None:
            raise click.UsageError("--seed is of --sample, which is not given")

    @property
    def is_bounded(self) -> bool:
        """Whether the caller said how many rows to take."""
        return self.rows is not None or self.sample is not None or self.limit is not None

    def of(self, index: ChipIndex) -> ChipIndex:
        """Choose rows.

        Raises:
            click.UsageError: rows that the index does not have, or two ways of choosing at once.
            ReadError: the GeoJSON file could not be read.
            ItemError: it is not JSON.
        """
        shape = None if self.intersects is None else read_geojson(self.intersects)
        given = {"bbox": self.bbox, "intersects": shape, "datetime": self.datetime, "where": self.where}
        questions: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        if self.rows is not None and questions:
            raise click.UsageError("--rows names rows by number; it cannot be combined with conditions")
        found = index
        if self.rows is not None:
            found = _rows(index, self.rows)
        elif questions:
            found = index.query(**questions)
        if self.sample is not None and self.sample < len(found):
            found = found.sample(self.sample, seed=self.seed or 0)
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


def read_geojson(place: str) -> Any:
    """Read the shapes of a GeoJSON file, or of stdin (``-``), as one geometry."""
    from stacchip_osml.stac.documents import parse_json, read_json

    document = parse_json(sys.stdin.buffer.read(), source="stdin") if place == "-" else read_json(place)
    if isinstance(document, dict) and document.get("type") == "FeatureCollection":
        features = document.get("features")
        shapes = [feature.get("geometry") for feature in features or () if isinstance(feature, dict)]
        shapes = [shape for shape in shapes if shape]
        return shapes[0] if len(shapes) == 1 else {"type": "GeometryCollection", "geometries": shapes}
    if isinstance(document, dict) and document.get("type") == "Feature":
        return document.get("geometry")
    return document


def selection_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose rows, handed over as ``selection``."""
    names = [field.name for field in fields(Selection)]

    @functools.wraps(command)
    def collected(*args: Any, **given: Any) -> Any:
        selection = Selection(**{name: given.pop(name) for name in names})
        return command(*args, selection=selection, **given)

    wrapped: Callable[..., Any] = collected
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped
