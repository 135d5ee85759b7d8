"""``index pair``: chips of two indexes that show the same ground at about the same time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stacchip_osml.app.options import PLACE, SPAN, debug_option, json_option
from stacchip_osml.app.output import emit_json, note, print_table
from stacchip_osml.app.saving import force_option, require_free

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["pair_command"]

SHOWN = 20
"""Pairs of a table where no limit is given."""


@click.command("pair", short_help="Find chips of two indexes that show the same ground.")
@click.argument("one", type=PLACE)
@click.argument("other", type=PLACE)
@click.option(
    "--overlap", type=click.FloatRange(0, 1), default=0.5, show_default=True, metavar="SHARE",
    help="Least share of the ground that is common, 0 to 1.",
)  # fmt: skip
@click.option(
    "--of", type=click.Choice(["smaller", "one", "other", "union"]), default="smaller", show_default=True,
    help="What it is a share of: a chip of the pair, or what both cover.",
)  # fmt: skip
@click.option("--within", type=SPAN, help="Most time between the two: 14d, 6h, 30m, 90s.")
@click.option(
    "--keep", type=click.Choice(["all", "nearest", "largest"]), default="all", show_default=True,
    help="All pairs; or of each chip of ONE a single one, the nearest in time or that of the largest common ground.",
)  # fmt: skip
@click.option("--limit", type=click.IntRange(0), metavar="N", help="Show the first N.")
@click.option("-o", "--out", type=PLACE, metavar="OUT", help="Save the pairs as a table, a Parquet file.")
@force_option
@json_option
@debug_option
def pair_command(
    *,
    one: str,
    other: str,
    overlap: float,
    of: str,
    within: dt.timedelta | None,
    keep: str,
    limit: int | None,
    out: str | None,
    force: bool,
    as_json: bool,
) -> None:
    """Find the chips of ONE and OTHER that show the same ground at about the same time.

    Pairs have an id, an other_id, their overlap, and offset_s, the seconds
    from the first to the second. With --keep nearest or largest, the saved
    table is one for index query ONE --join. A table without --limit has the
    first 20.
    """
    if out is not None:
        if limit is not None:
            raise click.UsageError("-o saves all pairs; --limit is for stdout")
        if Path(out).suffix.lower() != ".parquet":
            raise click.UsageError("OUT is written as Parquet: its name must end in .parquet")
        require_free(out, force=force)
    from stacchip_osml.index import ChipIndex, pair_chips
    from stacchip_osml.pixel.wording import counted

    pairs = pair_chips(ChipIndex.open(one), ChipIndex.open(other), overlap=overlap, of=of, within=within, keep=keep)
    if out is not None:
        _save(pairs.to_arrow(), out)
        if as_json:
            emit_json({"path": out, "pairs": len(pairs)})
        else:
            note(f"{len(pairs):,} pairs")
        return
    table = pairs.head(SHOWN if limit is None and not as_json else limit).to_arrow()
    if as_json:
        emit_json({"pairs": len(pairs), "rows": table.to_pylist()})
        return
    print_table(table.column_names, (list(row.values()) for row in table.to_pylist()))
    lacking = len(pairs) - len(table)
    said = f"{lacking:,} of {len(pairs):,} pairs are not shown; --limit shows more"
    note(said if lacking else counted(len(pairs), "pair"))


def _save(table: pa.Table, out: str) -> None:
    import pyarrow.parquet as pq

    from stacchip_osml.encode.atomic import atomic_file

    with atomic_file(out) as file:
        pq.write_table(table, file, compression="zstd")
