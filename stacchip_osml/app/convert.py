"""``convert``: an image file of any format as another, block by block."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.options import (
    BANDS,
    PLACE,
    SIZE,
    WINDOW,
    debug_option,
    drop_crs_option,
    drop_marking_option,
    json_option,
)
from stacchip_osml.app.output import emit_json, note, one_line, progress_bar, size_text
from stacchip_osml.app.saving import folder_for, force_option, require_free

if TYPE_CHECKING:
    from tqdm import tqdm

    from stacchip_osml.encode.io.converting import Conversion

__all__ = ["convert_command"]


@click.command("convert", short_help="Write an image file as another format, block by block.")
@click.argument("src", type=PLACE)
@click.argument("dst", type=PLACE)
@click.option(
    "--format", "format_", metavar="NAME",
    help="nitf, nsif, tiff, png, jpeg, jp2, j2k, jph or jhc.  [default: by the ending of DST]",
)  # fmt: skip
@click.option(
    "--image", metavar="KEY",
    help="One image of a file of several, such as image:1; `info` lists them.  [default: the first; NITF to NITF, all]",
)  # fmt: skip
@click.option("--window", type=WINDOW, help="This part only, full-resolution pixels from the upper left.")
@click.option("--bands", type=BANDS, help="These bands, from 0, in this order.  [default: all]")
@click.option(
    "--level", type=click.IntRange(0, 30), default=0, show_default=True, metavar="N",
    help="Pixels as large as those of this stored level; 0 is full resolution.",
)  # fmt: skip
@click.option(
    "--scale", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True, metavar="F",
    help="Pixels of DST a pixel of the level, along each side: 0.5 halves the sides.",
)  # fmt: skip
@click.option("--display", is_flag=True, help="A picture for people: stretched to 8 bit, in colour where there is any.")
@click.option("--compression", metavar="NAME", help="deflate, zstd, jpeg, jpeg2000, htj2k, none … or NITF's code (IC).")
@click.option("--quality", type=float, metavar="N", help="Of JPEG, 1 to 100.  [default: 90; in NITF, 75]")
@click.option("--ratio", type=float, metavar="N", help="Of JPEG 2000: 10 is ten to one; without it nothing is lost.")
@click.option("--block-size", type=SIZE, help="Sides of tiles or blocks, pixels.")
@click.option("--cog", is_flag=True, help="Lay a TIFF out as cloud-optimised GeoTIFF, with overviews.")
@click.option(
    "--overviews", type=click.IntRange(0, 30), metavar="N",
    help="Smaller levels that a TIFF gets.  [default: none; with --cog, as many as it needs]",
)  # fmt: skip
@drop_marking_option
@drop_crs_option
@click.option(
    "--threads", type=click.IntRange(1, 256), default=1, show_default=True, metavar="N",
    help="Threads that decode and encode.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Say what would be written and left out; write nothing.")
@force_option
@json_option
@debug_option
def convert_command(
    *,
    src: str,
    dst: str,
    format_: str | None,
    image: str | None,
    window: tuple[float, float, float, float] | None,
    bands: tuple[int, ...] | None,
    level: int,
    scale: float,
    display: bool,
    compression: str | None,
    quality: float | None,
    ratio: float | None,
    block_size: int | tuple[int, int] | None,
    cog: bool,
    overviews: int | None,
    drop_marking: bool,
    drop_crs: bool,
    threads: int,
    dry_run: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write the image file SRC as DST, in the format of its ending.

    NITF to NITF or NSIF keeps all segments, TREs and markings, and image data
    as it is unless --compression or --block-size asks for other. Every other
    conversion is of one image; what DST has no place for is listed.

    --window, --bands, --level, --scale and --display make one chip of an
    image, in memory: DST says where it lies, and in NITF what it was cut from.
    """
    require_free(dst, force=force or dry_run)
    from stacchip_osml.encode.io.converting import convert
    from stacchip_osml.encode.io.converting_part import Part, convert_part

    part = Part(window=window, bands=bands, level=level, scale=scale, display=display)
    how: dict[str, Any] = {
        "format": format_,
        "image": image,
        "compression": compression,
        "quality": quality,
        "ratio": ratio,
        "drop_marking": drop_marking,
        "drop_crs": drop_crs,
        "dry_run": dry_run,
        "workers": threads,
    }
    if part.is_whole:
        blocks = (block_size, block_size) if isinstance(block_size, int) else block_size
        with _folder(dst, dry_run), progress_bar(total=None, what="blocks") as bar:
            done = convert(src, dst, block_size=blocks, cog=cog, overviews=overviews, progress=_shown(bar), **how)
    else:
        whole = {"--block-size": block_size is not None, "--cog": cog, "--overviews": overviews is not None}
        if any(whole.values()):
            named = ", ".join(name for name, is_given in whole.items() if is_given)
            raise click.UsageError(
                f"{named}: of whole images, not of a part (--window, --bands, --level, --scale, "
                "--display); convert the part first, then its file"
            )
        with _folder(dst, dry_run):
            done = convert_part(src, dst, part, **how)
    _say(done, src, dst, dry_run=dry_run, as_json=as_json)


def _folder(dst: str, dry_run: bool) -> AbstractContextManager[None]:
    return nullcontext() if dry_run else folder_for(dst)


def _shown(bar: tqdm[Any]) -> Callable[..., None]:
    """Move a bar by what writers tell: done and total, then perhaps a level."""

    def show(done: int, total: int, *_: Any) -> None:
        if bar.total != total:
            bar.reset(total)
        bar.update(done - bar.n)

    return show


def _say(done: Conversion, src: str, dst: str, *, dry_run: bool, as_json: bool) -> None:
    size = None if dry_run else Path(dst).stat().st_size
    if as_json:
        emit_json(
            {
                "source": src,
                "target": dst,
                "source_format": done.source_format,
                "format": done.format,
                "assets": list(done.keys),
                "images": [dict(image) for image in done.images],
                "left_out": list(done.left_out),
                "bytes": size,
                "dry_run": dry_run,
            }
        )
        return
    shown = ", ".join(
        f"{each['width']} x {each['height']}, {each['bands'] or '?'} x {each['dtype']}" for each in done.images
    )
    text = "would be written" if size is None else size_text(size)
    click.echo(f"{one_line(dst)}: {done.format}, {shown}; {text}")
    if done.left_out:
        note(f"left out, {done.format} has no place for it: {', '.join(done.left_out)}")
