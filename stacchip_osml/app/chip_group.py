"""``chip``: cut chips to files, or show them on a contact sheet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.left_out import left_out_of_chips
from stacchip_osml.app.options import PLACE, ChipFormat, debug_option, drop_crs_option, drop_marking_option, json_option
from stacchip_osml.app.output import emit_json, note, one_line, progress_bar
from stacchip_osml.app.problems import Failure, failed, say_failures
from stacchip_osml.app.saving import force_option, require_free
from stacchip_osml.app.selection import Selection, selection_options
from stacchip_osml.app.texts import FOUND
from stacchip_osml.pixel.wording import counted

if TYPE_CHECKING:
    from stacchip_osml.encode import Chip
    from stacchip_osml.load import ChipBatch, Chipper

__all__ = ["chip_group"]

SHEET_CHIPS = 100
"""Chips of a sheet where the caller names no number."""
FORMATS = {
    **{"geotiff": "geotiff", "tif": "geotiff", "png": "png", "jpeg": "jpeg", "jpg": "jpeg"},
    **{name: name for name in ("nitf", "nsif", "jp2", "j2k", "jph", "jhc")},
}
"""What the help of ``--format`` lists → the name of a format."""
PICTURES = frozenset(("png", "jpeg", "jp2", "j2k", "jph", "jhc"))
"""Formats that ``--display`` makes pictures in."""
SAY_CRS = frozenset(("geotiff", "jp2", "jph"))
"""Formats that say a CRS in GeoTIFF's keys, which cannot say all."""

on_error_option = click.option(
    "--on-error", type=click.Choice(["raise", "skip"]), default="raise", show_default=True,
    help="skip: go on after a chip that cannot be cut, count it, and exit with 1.",
)  # fmt: skip


@click.group("chip")
def chip_group() -> None:
    """Cut chips to image files, or show them on a contact sheet."""


@chip_group.command("cut")
@click.argument("index", type=PLACE)
@click.argument("outdir", type=PLACE)
@selection_options
@click.option(
    "--format", "format_", type=ChipFormat(list(FORMATS), case_sensitive=False), default="geotiff", show_default=True,
    help="Of the files.",
)  # fmt: skip
@click.option("--display", is_flag=True, help="Pictures for the eye: stretched to 8 bit, one or three bands.")
@click.option("--chain", metavar="ID", help="Processing chain instead of the rows' own; `chain list` lists them.")
@drop_marking_option
@drop_crs_option
@on_error_option
@click.option("--dry-run", is_flag=True, help="Name the files that would be written; read and write no pixel.")
@json_option
@debug_option
@click.pass_context
def cut_command(
    ctx: click.Context,
    *,
    index: str,
    outdir: str,
    selection: Selection,
    format_: str,
    display: bool,
    chain: str | None,
    drop_marking: bool,
    drop_crs: bool,
    on_error: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Write chips of INDEX as image files into the folder OUTDIR.

    A file is named after its chip's id, made safe: whatever an id says, the
    file lies directly in OUTDIR and each chip has its own. One that is there
    already is replaced. A chip without any pixel in its source (sparse) gives
    no file.
    """
    kind = FORMATS.get(format_, format_)
    if display and kind not in PICTURES:
        raise click.UsageError("--display makes pictures; it needs --format png, jpeg or jp2")
    folder = Path(outdir)
    if folder.exists() and not folder.is_dir():
        raise click.UsageError(f"{outdir} is a file, not a folder")
    from stacchip_osml.encode import image_format
    from stacchip_osml.load import Chipper

    whole = Chipper(index)
    if chain is not None:
        whole.index.chains[chain]  # an unknown chain is one error, not one a chip
    chipper = Chipper(selection.of(whole.index))
    names = _names(chipper, chain=chain, suffix=image_format(kind).extensions[0])
    if dry_run:
        _say_dry([folder / name for name in names], as_json=as_json)
        return
    asked = {"display": display, "drop_crs": drop_crs and kind in SAY_CRS, "drop_marking": drop_marking}
    options = {name: True for name, is_asked in asked.items() if is_asked}
    written: list[Path] = []
    failures: list[Failure] = []
    sparse = 0
    for name, data in _encoded(
        chipper, names, kind, chain=chain, on_error=on_error, failures=failures, options=options
    ):
        if data is None:
            sparse += 1
        else:
            written.append(_write(folder, name, data))
    left_out = [] if display or not written else left_out_of_chips(chipper.index, kind, chain=chain)
    _say_cut(written, sparse=sparse, failures=failures, left_out=left_out, folder=folder, as_json=as_json)
    if left_out:
        note(f"left out, {kind} has no place for it: {', '.join(left_out)}")
    if failures:
        ctx.exit(FOUND)


def _names(chipper: Chipper, *, chain: str | None, suffix: str) -> Iterator[str]:
    """Give the file name of each chip; another chain than the row's own is another file."""
    from stacchip_osml.encode import safe_name

    for row in _rows(chipper):
        text = str(row["id"]) if chain is None or chain == row["chain"] else f"{row['id']}\0{chain}"
        yield safe_name(text, suffix=suffix)


def _rows(chipper: Chipper) -> Iterator[dict[str, Any]]:
    for first in range(0, len(chipper), 1024):
        yield from chipper.index.rows(range(first, min(first + 1024, len(chipper))))


def _encoded(
    chipper: Chipper,
    names: Iterator[str],
    kind: str,
    *,
    chain: str | None,
    on_error: str,
    failures: list[Failure],
    options: dict[str, Any],
) -> Iterator[tuple[str, bytes | None]]:
    with progress_bar(total=len(chipper), what="chips") as bar:
        keep = "raise" if on_error == "raise" else "none"
        files = chipper.encoded(format=kind, chain=chain, on_error=keep, **options)
        for name, file in zip(names, files, strict=True):
            if file.error is None:
                yield name, file.data
            else:
                failures.append((str(chipper.index.row(file.position)["id"]), file.error))
            bar.update()


def _write(folder: Path, name: str, data: bytes) -> Path:
    from stacchip_osml.encode.names import write_file

    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / name, data)
    return folder / name


def _say_dry(paths: list[Path], *, as_json: bool) -> None:
    if as_json:
        emit_json({"would_write": [str(path) for path in paths]})
        return
    for path in paths:
        click.echo(one_line(str(path)))
    note(f"{len(paths):,} files; nothing was written")


def _say_cut(
    written: list[Path],
    *,
    sparse: int,
    failures: list[Failure],
    left_out: list[str],
    folder: Path,
    as_json: bool,
) -> None:
    if as_json:
        counts = {"sparse": sparse, "failed": failed(failures), "left_out": left_out}
        emit_json({"written": [str(path) for path in written], **counts})
        return
    click.echo(f"{len(written):,} written to {one_line(str(folder))}, {sparse:,} sparse, {len(failures):,} failed")
    say_failures(failures)


@chip_group.command("sheet")
@click.argument("index", type=PLACE)
@click.argument("out", type=PLACE)
@selection_options
@click.option("--columns", type=click.IntRange(1), metavar="N", help="Chips a row.  [default: a few more than rows]")
@click.option(
    "--size", type=click.IntRange(8, 4096), default=128, show_default=True, metavar="N",
    help="Longest side of a chip in the sheet, pixels.",
)  # fmt: skip
@click.option(
    "--stretch", type=click.Choice(["chip", "sheet"]), default="chip", show_default=True,
    help="Brightness by each chip's own values, or the same for all.",
)  # fmt: skip
@click.option(
    "--labels", type=click.Choice(["grid", "item", "id", "none"]), default="grid", show_default=True,
    help="Below each chip: its grid column and row with the date, its item, or its id.",
)  # fmt: skip
@drop_marking_option
@on_error_option
@force_option
@json_option
@debug_option
@click.pass_context
def sheet_command(
    ctx: click.Context,
    *,
    index: str,
    out: str,
    selection: Selection,
    columns: int | None,
    size: int,
    stretch: str,
    labels: str,
    drop_marking: bool,
    on_error: str,
    force: bool,
    as_json: bool,
) -> None:
    """Draw chips of INDEX side by side into OUT, a PNG picture.

    Without --rows, --sample or --limit, the first 100. Chips without any
    pixel in their source (sparse) are hatched. Where no chip is chosen, OUT is
    not written.
    """
    require_free(out, force=force)
    if Path(out).suffix.lower() != ".png":
        raise click.UsageError("OUT is written as PNG: its name must end in .png")
    from stacchip_osml.encode import contact_sheet
    from stacchip_osml.load import Chipper

    whole = Chipper(index)
    chosen = selection.of(whole.index)
    if not len(chosen):
        _say_nothing_drawn(out, as_json=as_json)
        return
    shown = chosen if selection.is_bounded else chosen.head(SHEET_CHIPS)
    chipper = Chipper(shown)
    failures: list[Failure] = []
    chips, texts = _cut_for_sheet(chipper, labels, on_error, failures, drop_marking=drop_marking)
    picture = contact_sheet(
        chips, columns=columns, size=size, stretch=stretch, labels=[] if labels == "none" else texts
    )
    path = Path(out)
    _write(path.parent, path.name, picture)
    if as_json:
        sparse = sum(chip is None for chip in chips) - len(failures)
        counts = {"chips": len(chips), "chosen": len(chosen), "sparse": sparse}
        emit_json({"path": out, **counts, "failed": failed(failures)})
    else:
        rest = "" if len(shown) == len(chosen) else f" of {len(chosen):,}; --limit or --sample chooses others"
        click.echo(f"{one_line(out)}: {counted(len(chips), 'chip')}{rest}")
        say_failures(failures)
    if failures:
        ctx.exit(FOUND)


def _say_nothing_drawn(out: str, *, as_json: bool) -> None:
    if as_json:
        emit_json({"path": None, "chips": 0, "chosen": 0, "sparse": 0, "failed": []})
    else:
        click.echo(f"{one_line(out)}: no chip was chosen; nothing was drawn")


def _cut_for_sheet(
    chipper: Chipper, labels: str, on_error: str, failures: list[Failure], *, drop_marking: bool
) -> tuple[list[Chip | None], list[str]]:
    from stacchip_osml.encode.nitf.marks import require_marks

    def cut(batch: ChipBatch, place: int) -> Chip | None:
        require_marks(batch.images(place), kind="png", overrides={}, drop_marking=drop_marking)
        return batch.chip(place)

    chips: list[Chip | None] = []
    texts: list[str] = []
    with progress_bar(total=len(chipper), what="chips") as bar:
        for row, done in zip(_rows(chipper), chipper.each(cut), strict=True):
            text = sheet_label(row, labels)
            if done.error is not None:
                if on_error == "raise":
                    raise done.error
                failures.append((str(row["id"]), done.error))
                text = f"failed {text}"
            chips.append(done.result)
            texts.append(text)
            bar.update()
    return chips, texts


def sheet_label(row: dict[str, Any], labels: str) -> str:
    """Give a chip's label: its place in the grid and date, its item, or its id."""
    if labels in ("id", "item"):
        return str(row["id" if labels == "id" else "item_id"])
    moment = row["datetime"]
    parts = [f"{row['grid_col']},{row['grid_row']}", "" if moment is None else f"{moment:%Y-%m-%d}"]
    if row["level"]:
        parts.append(f"L{row['level']}")
    return " ".join(part for part in parts if part)
