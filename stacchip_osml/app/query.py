"""``index query``: rows that match, shown or saved."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.options import NAMES, PLACE, debug_option, json_option
from stacchip_osml.app.output import emit_json, note, print_table
from stacchip_osml.app.saving import force_option, require_free_index, save_index, say_saved
from stacchip_osml.app.selection import Selection, selection_options
from stacchip_osml.stac.json_values import plain

if TYPE_CHECKING:
    from stacchip_osml.index import ChipIndex

__all__ = ["query_command"]

TABLE_COLUMNS = ("id", "datetime", "level", "nodata_fraction", "cloud_fraction")
TABLE_ROWS = 20
"""Rows of a table where no limit is given; the other formats give all."""
FORMATS = ("table", "json", "geojson", "csv")


@click.command("query", short_help="Show or save the chips that match conditions.")
@click.argument("index", type=PLACE)
@click.option(
    "--join",
    type=PLACE,
    metavar="TABLE",
    help="Only chips that a Parquet file of any program names; columns of its own come along, and can be asked for.",
)
@click.option("--on", metavar="COLUMN", help="What names a row, in INDEX and in TABLE.  [default: id]")
@click.option("--join-columns", type=NAMES, help="Columns of TABLE that come along.  [default: all]")
@selection_options
@click.option(
    "--columns",
    type=NAMES,
    help="Columns to show, or properties of the items; geometry is shown as hexadecimal WKB.",
)
@click.option(
    "-o", "--out", type=PLACE, metavar="OUT", help="Save the matches as an index: a .parquet file, or a directory."
)
@click.option("--format", "format_", type=click.Choice(FORMATS), help="What is written to stdout.  [default: table]")
@force_option
@json_option
@debug_option
def query_command(
    *,
    index: str,
    join: str | None,
    on: str | None,
    join_columns: list[str] | None,
    selection: Selection,
    columns: list[str] | None,
    out: str | None,
    format_: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Show the chips of INDEX that match every condition, or save them.

    A table without --limit has the first 20.
    """
    if as_json and format_ not in (None, "json"):
        raise click.UsageError(f"--json and --format {format_} exclude each other")
    if out is not None and (columns or format_):
        raise click.UsageError("-o saves whole rows as an index; --columns and --format are for stdout")
    if join is None and (on or join_columns):
        raise click.UsageError("--on and --join-columns are of --join, which is not given")
    if out is not None:
        require_free_index(out, force=force)
    from stacchip_osml.index import ChipIndex

    opened = ChipIndex.open(index)
    rows = opened if join is None else opened.join(join, on=on or "id", columns=join_columns)
    found = replace(selection, limit=None).of(rows)
    matched = len(found)
    kind = "json" if as_json else format_ or "table"
    limit = selection.limit
    if limit is None and kind == "table" and out is None:
        limit = TABLE_ROWS
    shown = found if limit is None or limit >= matched else found.head(limit)
    if out is not None:
        summary = save_index(shown, out)
        if as_json:
            emit_json({"path": out, "matched": matched, "summary": summary.to_json()})
        else:
            say_saved(summary)
        return
    _show(shown, kind, columns=columns, matched=matched)


def _show(index: ChipIndex, kind: str, *, columns: list[str] | None, matched: int) -> None:
    if kind == "geojson":
        emit_json(_feature_collection(index, columns))
        return
    if kind == "json":
        emit_json({"matched": matched, "rows": list(_rows(index, columns or _all_but_geometry(index)))})
        return
    if kind == "csv":
        _write_csv(index, columns or _all_but_geometry(index))
        return
    names = columns or list(TABLE_COLUMNS)
    print_table(names, ([row[name] for name in names] for row in _rows(index, names)))
    if matched > len(index):
        note(f"{matched - len(index):,} of {matched:,} matches are not shown; --limit shows more")
    else:
        note(f"{matched:,} matches")


def _all_but_geometry(index: ChipIndex) -> list[str]:
    return [name for name in index.columns if name != "geometry"]


def _rows(index: ChipIndex, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Give rows as plain values; a box as four numbers."""
    from stacchip_osml.stac.plain_rows import plain_rows

    table = index.query(columns=columns)
    for batch in table.to_batches(max_chunksize=4096):
        for row in plain_rows(batch):
            if isinstance(row.get("bbox"), dict):
                row["bbox"] = list(row["bbox"].values())
            yield row


def _write_csv(index: ChipIndex, columns: Sequence[str]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(list(itertools.chain.from_iterable(_heads(name) for name in columns)))
    for row in _rows(index, columns):
        cells: list[Any] = []
        for name in columns:
            value = plain(row[name])
            cells += (value or [None] * 4) if name == "bbox" else [value]
        writer.writerow(cells)


def _heads(name: str) -> list[str]:
    return ["xmin", "ymin", "xmax", "ymax"] if name == "bbox" else [name]


def _feature_collection(index: ChipIndex, columns: Sequence[str] | None) -> dict[str, Any]:
    """Give RFC 7946 features: lon, lat, with the chip's columns as properties."""
    names = [name for name in columns or index.columns if name not in ("geometry", "bbox", "id")]
    shapes = index.to_geodataframe().geometry.__geo_interface__["features"]
    features = []
    for row, shape in zip(_rows(index, ["id", "bbox", *names]), shapes, strict=True):
        box = row.pop("bbox")
        feature = {"type": "Feature", "id": row.pop("id"), "geometry": shape["geometry"], "properties": row}
        features.append(feature if box is None or None in box else {**feature, "bbox": box})
    return {"type": "FeatureCollection", "features": features}
