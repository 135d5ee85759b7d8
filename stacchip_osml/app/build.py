"""``index build``: from items to a saved index."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.chain_file import load_chain
from stacchip_osml.app.options import BOX, LEVELS, NAMES, PLACE, QUALITY, SIZE, debug_option, json_option
from stacchip_osml.app.output import emit_json, note, one_line, print_table, progress_bar
from stacchip_osml.app.problems import lead_on, say_problems, told
from stacchip_osml.app.saving import force_option, portable_option, require_free_index, save_index, say_saved
from stacchip_osml.app.selection import read_geojson
from stacchip_osml.app.texts import FOUND
from stacchip_osml.errors import ChipError
from stacchip_osml.pixel.wording import counted

if TYPE_CHECKING:
    from stacchip_osml.chain import ChainDefinition
    from stacchip_osml.index import ChipIndex, Indexer, IndexSummary

__all__ = ["build_command"]

REMOTE = ("http://", "https://")
IMAGES = "stacchip_osml:images"
"""Field of an asset made of a file of several images."""
SHOWN_FILES = 5


@click.command("build", short_help="Index the chips of items, APIs, images or folders.")
@click.argument("sources", type=PLACE, nargs=-1, metavar="SOURCE...")
@click.argument("out", type=PLACE)
@click.option("--chip-size", type=SIZE, default="256", show_default=True, help="Sides of a chip, pixels of its level.")
@click.option("--assets", type=NAMES, help="Assets to cut together, in band order.  [default: every image]")
@click.option("--reference", metavar="KEY", help="Asset in whose pixels windows are told.  [default: the finest]")
@click.option("--levels", type=LEVELS, default="0", show_default=True, help="Pyramid levels; 0 is full resolution.")
@click.option("--stride", type=SIZE, help="Step between chips.  [default: the chip size]")
@click.option(
    "--edges", type=click.Choice(["drop", "partial", "pad", "shift"]), default="drop", show_default=True,
    help="Chips that reach beyond the image: left out, cut short, filled up, or moved inward.",
)  # fmt: skip
@click.option(
    "--anchor", type=click.Choice(["image", "crs"]), default="image", show_default=True,
    help="Where the grid begins: the image's corner, or the CRS's origin: the same bounds on all dates.",
)  # fmt: skip
@click.option(
    "--resampling", multiple=True, metavar="METHOD|KEY=METHOD",
    help="auto, nearest, bilinear or area; KEY= for one asset, repeatable.  [default: nearest of classes, else auto]",
)  # fmt: skip
@click.option(
    "--quality",
    type=QUALITY,
    help="Band that gives nodata and cloud fractions: scl of Sentinel-2, qa_pixel of Landsat, or another with CODES "
    "such as nodata=0:cloud=2,3 or cloud_bits=4.",
)
@click.option(
    "--max-nodata", type=click.FloatRange(0, 1), default=1.0, show_default=True, metavar="F",
    help="Leave out chips with a larger nodata fraction; needs --quality.",
)  # fmt: skip
@click.option("--scale-offset", is_flag=True, help="Chips hold physical values (float), by each band's scale, offset.")
@click.option("--chain", metavar="FILE", help="Processing chain: a JSON file with a list of steps; see `chain list`.")
@click.option("--alternate", metavar="NAME", help="Prefer this alternate href of assets, such as s3.")
@click.option(
    "--root", "roots", multiple=True, metavar="DIR",
    help="Folder that assets may lie under; repeatable.  [default: that of the item or catalog]",
)  # fmt: skip
@click.option(
    "--on-error", type=click.Choice(["raise", "skip"]), default="raise", show_default=True,
    help="skip: leave out items that cannot be indexed, list them, and exit with 1.",
)  # fmt: skip
@click.option("--no-read-headers", is_flag=True, help="Open no image for facts that its item lacks.")
@click.option("--headers", is_flag=True, help="Store every image's header and block layout, for the fastest reads.")
@click.option("--dry-run", is_flag=True, help="Show items and their chips; write nothing.")
@force_option
@portable_option
@click.option("--collections", type=NAMES, help="API search: collections.")
@click.option("--bbox", type=BOX, help="API search: box, degrees.")
@click.option("--intersects", metavar="FILE", help="API search: the shapes of a GeoJSON file; - reads stdin.")
@click.option("--datetime", metavar="TIME", help="API search: a moment or interval such as 2024-05-01/..")
@click.option("--query", metavar="JSON", help="API search: conditions of the query extension.")
@click.option("--filter", "filter_", metavar="CQL2", help="API search: CQL2 text, or CQL2 JSON.")
@click.option("--max-items", type=click.IntRange(1), metavar="N", help="API search: at most this many items.")
@json_option
@debug_option
@click.pass_context
def build_command(ctx: click.Context, /, sources: tuple[str, ...], out: str, **options: Any) -> None:
    """Index the chips of every SOURCE into OUT: a .parquet file, or a directory.

    SOURCE is a path or URL of a STAC item, item collection, catalog or
    collection, a stac-geoparquet table, an image, a folder of any of these, or
    a STAC API together with search options.
    """
    if not sources:
        raise click.UsageError(f"a SOURCE and OUT are needed, got {out!r} alone")
    search = _search(sources, options)
    settings = _settings(options, search)
    if not options["dry_run"]:
        require_free_index(out, force=options["force"])
    started = time.perf_counter()
    with progress_bar(total=None, what="items") as bar:

        def step(_: str, chips: int) -> None:
            bar.set_postfix_str(f"{chips:,} chips", refresh=False)
            bar.update()

        indexer = _indexer(sources, settings, step)
        try:
            if options["dry_run"]:
                planned = [_planned(plan, grids) for plan, grids in indexer.plan()]
            else:
                index = indexer.create_index()
        except ChipError as error:
            if options["on_error"] == "raise" and (len(sources) > 1 or Path(sources[0]).is_dir()):
                error.args = (f"{error} (--on-error skip leaves such items out)",)
            lead_on(error, *sources)
            raise
    problems = indexer.problems
    if options["dry_run"]:
        _say_plan(planned, problems, as_json=options["as_json"])
    else:
        _require_something(index.items, problems)
        summary = save_index(index, out, portable=options["portable"])
        seconds = time.perf_counter() - started
        _say_built(index, summary, problems, out=out, seconds=seconds, as_json=options["as_json"])
    if problems:
        ctx.exit(FOUND)


def _say_built(
    index: ChipIndex, summary: IndexSummary, problems: Sequence[ChipError], *, out: str, seconds: float, as_json: bool
) -> None:
    left = _images_left(index)
    empty = len(index.items) - (summary.items if summary.chips else 0)
    if as_json:
        emit_json(
            {
                "path": out,
                "seconds": seconds,
                "summary": summary.to_json(),
                "problems": told(problems),
                "images_left": left,
                "items_without_chips": empty,
            }
        )
    else:
        say_saved(summary)
        say_problems(problems)
        _say_images_left(left)
    if not summary.items:
        note("note: the index is empty: no item was found")
    elif empty:
        which = f"{empty:,} of {len(index.items):,} items gave" if summary.chips else "the index has"
        note(f"note: {which} no chips: images smaller than a chip need --edges partial, pad or shift")


def _images_left(index: ChipIndex) -> dict[str, int]:
    """Count, by item, the images of files that hold several and give their first only."""
    return {
        item_id: int(asset[IMAGES]) - 1
        for (_, item_id), document in index.items.items()
        for asset in document["assets"].values()
        if isinstance(asset.get(IMAGES), int)
    }


def _say_images_left(left: Mapping[str, int]) -> None:
    if not left:
        return
    names = ", ".join(one_line(f"{name} ({count + 1})") for name, count in list(left.items())[:SHOWN_FILES])
    more = f", {len(left) - SHOWN_FILES:,} more" if len(left) > SHOWN_FILES else ""
    note(f"note: of files that hold several images the first was indexed: {names}{more}")


def _settings(options: Mapping[str, Any], search: dict[str, Any] | None) -> dict[str, Any]:
    """Turn options into arguments of the Indexer."""
    direct = ("chip_size", "assets", "reference", "levels", "stride", "edges", "anchor", "max_nodata", "alternate")
    settings = {name: options[name] for name in (*direct, "on_error")}
    settings["resampling"] = _resampling(options["resampling"])
    settings["roots"] = list(options["roots"]) or None
    settings["read_headers"] = not options["no_read_headers"]
    settings["headers"] = options["headers"]
    if options["headers"] and options["no_read_headers"]:
        raise click.UsageError("--headers opens every image, which --no-read-headers forbids")
    settings["search"] = search
    settings["quality"] = options["quality"]
    if options["max_nodata"] < 1 and options["quality"] is None:
        raise click.UsageError("--max-nodata needs --quality: without it no nodata fraction is computed")
    settings["chain"] = _chain(options)
    return settings


def _indexer(sources: Sequence[str], settings: dict[str, Any], step: Callable[[str, int], None]) -> Indexer:
    from stacchip_osml.index import Indexer
    from stacchip_osml.index.statistics import QualityBand, preset

    wanted = dict(settings)
    if wanted["quality"] is not None:
        name, asset, codes, level = wanted["quality"]
        known = None if name is None else preset(name, asset=asset, level=level)
        wanted["quality"] = known or QualityBand(asset=asset, level=level, **codes)
    return Indexer(list(sources) if len(sources) > 1 else sources[0], progress=step, **wanted)


def _chain(options: Mapping[str, Any]) -> ChainDefinition:
    from stacchip_osml.chain import scale_offset_step

    if options["chain"] is None:
        return (scale_offset_step(),) if options["scale_offset"] else ()
    if options["scale_offset"]:
        raise click.UsageError("--scale-offset is a chain of one step; --chain FILE can hold it with others")
    return load_chain(options["chain"])


def _resampling(texts: Sequence[str]) -> dict[str, str] | str | None:
    """Parse ``METHOD`` or several ``KEY=METHOD``."""
    methods: dict[str, str] = {}
    for text in texts:
        key, equals, method = text.rpartition("=")
        if not equals:
            if len(texts) > 1:
                raise click.UsageError("--resampling: either one METHOD for all assets, or KEY=METHOD for each")
            return text
        if not key or key in methods:
            raise click.UsageError(f"--resampling {text!r}: expected KEY=METHOD, each KEY once")
        methods[key] = method
    return methods or None


def _search(sources: Sequence[str], options: Mapping[str, Any]) -> dict[str, Any] | None:
    """Collect the parameters of an API search; None where none is asked for."""
    search = {name: options[name] for name in ("collections", "bbox", "datetime", "max_items") if options[name]}
    if options["intersects"]:
        if options["bbox"]:
            raise click.UsageError("--bbox and --intersects: a STAC API takes one of them")
        search["intersects"] = read_geojson(options["intersects"])
    if options["query"]:
        search["query"] = _json("--query", options["query"])
    if options["filter_"]:
        text = options["filter_"]
        search["filter"] = _json("--filter", text) if text.lstrip().startswith("{") else text
    local = [source for source in sources if not source.lower().startswith(REMOTE)]
    if search and local:
        named = ", ".join(f"--{name.replace('_', '-')}" for name in search)
        raise click.UsageError(f"{named} would search a STAC API, and {local[0]!r} is none; query the index instead")
    return search or None


def _json(option: str, text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.UsageError(f"{option} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise click.UsageError(f"{option} must be a JSON object")
    return value


def _planned(plan: Any, grids: Sequence[Any]) -> dict[str, Any]:
    grid = plan.grid
    return {
        "collection": grid.collection,
        "item_id": grid.item_id,
        "assets": list(grid.assets),
        "reference": grid.reference.asset_key,
        "size": list(grid.reference.size),
        "chips": {chips.level: len(chips) for chips in grids},
    }


def _say_plan(planned: list[dict[str, Any]], problems: Sequence[ChipError], *, as_json: bool) -> None:
    total = sum(sum(item["chips"].values()) for item in planned)
    if as_json:
        emit_json({"items": planned, "chips": total, "problems": told(problems)})
        return
    rows = (
        [
            item["collection"],
            item["item_id"],
            ",".join(item["assets"]),
            f"{item['reference']} {item['size'][0]}x{item['size'][1]}",
            ", ".join(f"{level}: {count:,}" for level, count in item["chips"].items()),
        ]
        for item in planned
    )
    print_table(["collection", "item", "assets", "reference", "chips by level"], rows)
    click.echo(f"{counted(total, 'chip')} from {counted(len(planned), 'item')}; nothing was written")
    say_problems(problems)


def _require_something(items: Mapping[Any, Any], problems: Sequence[ChipError]) -> None:
    """Write no index of nothing when every item was refused."""
    if not items and problems:
        raise type(problems[0])(f"none of {len(problems)} items could be indexed; the first: {problems[0]}")
