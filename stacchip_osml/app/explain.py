"""``explain``: what cutting some rows would read, without reading a pixel."""

from __future__ import annotations

from typing import Any

import click

from stacchip_osml.app.options import PLACE, debug_option, json_option
from stacchip_osml.app.output import emit_json, note, print_table, size_text
from stacchip_osml.app.selection import Selection, selection_options
from stacchip_osml.pixel.wording import counted

__all__ = ["explain_command"]

EXPLAINED_CHIPS = 100
"""Rows where the caller names no number."""


@click.command("explain", short_help="Say what cutting chips would read; reads no pixel.")
@click.argument("index", type=PLACE)
@selection_options
@json_option
@debug_option
def explain_command(index: str, selection: Selection, as_json: bool) -> None:
    """Say what cutting chips of INDEX would read: files, reader, stored levels, windows, blocks, bytes.

    Opens image headers; reads no pixel. Without --rows, --sample or --limit,
    the first 100 of what is chosen.
    """
    from stacchip_osml.load import Chipper

    whole = Chipper(index)
    chosen = selection.of(whole.index)
    shown = chosen if selection.is_bounded else chosen.head(EXPLAINED_CHIPS)
    chips = Chipper(shown).explain(range(len(shown)))
    totals = _totals(chips)
    if as_json:
        emit_json({"chosen": len(chosen), "chips": chips, "totals": totals})
        return
    heads = ["chip", "asset", "file", "read by", "level", "x", "y", "width", "height", "resampling", "blocks"]
    print_table([*heads, "decoded"], (_line(chip, read) for chip in chips for read in chip["reads"]))
    said = {name: counted(totals[f"{name}s"], name) for name in ("chip", "read", "file", "block")}
    click.echo(
        f"{said['chip']}: {said['read']} of {said['file']}, {said['block']}, "
        f"{size_text(totals['decoded_bytes'])} decoded for {size_text(totals['pixel_bytes'])} of pixels"
    )
    if len(chosen) > len(shown):
        note(f"{len(chosen) - len(shown):,} of {len(chosen):,} chips are not shown; --limit shows more")


def _line(chip: dict[str, Any], read: dict[str, Any]) -> list[Any]:
    resampling = read["resampling"] or "-"
    place = [chip["id"], read["asset"], read["file"], read["reader"], read["stored_level"], *read["window"]]
    return [*place, resampling, read["blocks"], size_text(read["decoded_bytes"])]


def _totals(chips: list[dict[str, Any]]) -> dict[str, int]:
    """Sum over chips: a block that several chips share counts for each of them."""
    reads = [read for chip in chips for read in chip["reads"]]
    sums = {name: sum(read[name] for read in reads) for name in ("blocks", "decoded_bytes", "pixel_bytes")}
    return {"chips": len(chips), "reads": len(reads), "files": len({read["file"] for read in reads}), **sums}
