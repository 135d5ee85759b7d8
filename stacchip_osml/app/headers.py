"""``index headers``: add block layouts to an index that was built without."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.options import PLACE, debug_option, json_option
from stacchip_osml.app.output import emit_json, progress_bar
from stacchip_osml.app.problems import say_problems, told
from stacchip_osml.app.saving import portable_option
from stacchip_osml.app.texts import FOUND

if TYPE_CHECKING:
    from stacchip_osml.index import AssetHeader

__all__ = ["headers_command"]


@click.command("headers", short_help="Store where the blocks of the images are.")
@click.argument("index", type=PLACE)
@click.option("--dry-run", is_flag=True, help="Count the images that lack a header; open and write nothing.")
@click.option(
    "--threads", type=click.IntRange(1, 256), default=16, show_default=True, metavar="N",
    help="Images read at a time.",
)  # fmt: skip
@click.option(
    "--on-error", type=click.Choice(["raise", "skip"]), default="raise", show_default=True,
    help="skip: go on after an image that cannot be read, list it, and exit with 1.",
)  # fmt: skip
@portable_option
@json_option
@debug_option
@click.pass_context
def headers_command(ctx: click.Context, /, index: str, **options: Any) -> None:
    """Store in INDEX what its images say of themselves and where their blocks are.

    Images whose header is stored are left as they are. Chips are then read
    without opening an image for its header first.
    """
    from stacchip_osml.index import ChipIndex

    opened = ChipIndex.open(index)
    headers = opened.tables.headers.values()
    lacking = sum(header.stored is None or header.stored.lacks_places for header in headers)
    counts: dict[str, Any] = {"path": index, "images": len(headers), "had": len(headers) - lacking}
    if options["dry_run"]:
        counts["lacking"] = lacking
        if options["as_json"]:
            emit_json(counts)
        else:
            click.echo(f"{lacking:,} of {len(headers):,} images lack a stored header; nothing was written")
        return
    with progress_bar(total=lacking, what="images") as bar:
        filled = opened.with_headers(
            threads=options["threads"], on_error=options["on_error"], progress=lambda _: bar.update()
        )
    counts["added"] = lacking - len(filled.problems)
    if counts["added"]:
        filled.save(index, portable=options["portable"])
    served, levels = _served(filled.tables.headers.values())
    if options["as_json"]:
        emit_json({**counts, "levels": levels, "levels_with_blocks": served, "problems": told(filled.problems)})
    else:
        click.echo(
            f"{counts['added']:,} headers added, {counts['had']:,} were there; "
            f"{served:,} of {levels:,} levels are read by blocks, the others by GDAL"
        )
        say_problems(filled.problems, what="without a header")
    if filled.problems:
        ctx.exit(FOUND)


def _served(headers: Iterable[AssetHeader]) -> tuple[int, int]:
    """Count levels whose blocks are known, and all levels, of the images with a stored header."""
    from stacchip_osml.imagery.blocks.packing import look_at_level

    levels = [data for header in headers if header.stored is not None for data in header.stored.levels]
    return sum(look_at_level(data) is not None for data in levels), len(levels)
