"""``index``: merge, look into and check chip indexes; building, querying, pairing and headers have own files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from stacchip_osml.app.build import build_command
from stacchip_osml.app.headers import headers_command
from stacchip_osml.app.options import PLACE, debug_option, json_option
from stacchip_osml.app.output import emit_json, one_line
from stacchip_osml.app.pair import pair_command
from stacchip_osml.app.query import query_command
from stacchip_osml.app.saving import force_option, portable_option, require_free_index, save_index, say_saved
from stacchip_osml.app.texts import FOUND
from stacchip_osml.pixel.wording import counted

if TYPE_CHECKING:
    from stacchip_osml.index import Finding

__all__ = ["index_group"]


@click.group("index")
def index_group() -> None:
    """Build, merge, query and check chip indexes."""


@index_group.command("merge", short_help="Unite several indexes into one.")
@click.argument("indexes", type=PLACE, nargs=-1, metavar="INDEXES...")
@click.argument("out", type=PLACE)
@click.option("--replace", is_flag=True, help="Of an item that several hold, the last one's chips alone stay.")
@force_option
@portable_option
@json_option
@debug_option
def merge_command(
    *, indexes: tuple[str, ...], out: str, replace: bool, force: bool, portable: bool, as_json: bool
) -> None:
    """Unite INDEXES into one index, OUT: a .parquet file, or a directory.

    Chips that are in several are kept once; the same name with two different
    definitions is refused, or with --replace the last one counts. Where OUT
    is the first of INDEXES, the others are added to it.
    """
    if not indexes:
        raise click.UsageError(f"INDEXES and OUT are needed, got {out!r} alone")
    require_free_index(out, force=force)
    from stacchip_osml.index import ChipIndex, merge

    first, *others = indexes
    if others and Path(first).resolve() == Path(out).resolve():
        added = merge(*others, replace=replace)
        summary = ChipIndex.open(out).append(added, replace=replace, portable=portable).summary
    else:
        summary = save_index(merge(*indexes, replace=replace), out, portable=portable)
    if as_json:
        emit_json({"path": out, "summary": summary.to_json()})
    else:
        say_saved(summary)


@index_group.command("info", short_help="Say what is in an index.")
@click.argument("index", type=PLACE)
@json_option
@debug_option
def info_command(index: str, as_json: bool) -> None:
    """Say what is in INDEX: counts, times, bounds, levels, chains, size."""
    from stacchip_osml.index import ChipIndex

    opened = ChipIndex.open(index)
    if as_json:
        from stacchip_osml.index.properties import property_names

        names = {"columns": opened.columns, "properties": sorted(property_names(opened.items))}
        emit_json(opened.summary.to_json() | names | {"chain_definitions": opened.chains.to_json()})
        return
    for line in opened.summary.to_text().split("\n"):
        click.echo(one_line(line))


@index_group.command("check", short_help="Look for rows that contradict each other or images.")
@click.argument("index", type=PLACE)
@click.option("--files", is_flag=True, help="Also open every image and compare it with what was indexed.")
@json_option
@debug_option
@click.pass_context
def check_command(ctx: click.Context, index: str, files: bool, as_json: bool) -> None:
    """Look for rows that contradict the index's tables, each other, or its images.

    Exit code 1 when something is found.
    """
    from stacchip_osml.index import ChipIndex

    opened = ChipIndex.open(index)
    findings = opened.check(files=files)
    if as_json:
        emit_json({"path": index, "chips": len(opened), "findings": [found.to_json() for found in findings]})
    else:
        _say_findings(findings, chips=len(opened), files=files)
    if findings:
        ctx.exit(FOUND)


def _say_findings(findings: list[Finding], *, chips: int, files: bool) -> None:
    for finding in findings:
        click.echo(one_line(str(finding)))
    scope = "rows, tables and images" if files else "rows and tables"
    outcome = counted(len(findings), "finding") if findings else "nothing wrong"
    click.echo(f"{outcome} in {scope} of {counted(chips, 'chip')}")


index_group.add_command(build_command)
index_group.add_command(headers_command)
index_group.add_command(pair_command)
index_group.add_command(query_command)
