"""``info``: what an image file says of itself: headers, levels, TREs, extensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import click

from stacchip_osml.app.options import PLACE, debug_option, json_option
from stacchip_osml.app.output import emit_json, one_line, print_table, size_text
from stacchip_osml.app.problems import lead_on
from stacchip_osml.pixel.wording import counted

__all__ = ["info_command"]

SHOWN_TEXT = 110
IMAGE_LINES = (
    ("compression", "compression"),
    ("crs", "CRS"),
    ("transform", "transform"),
    ("control_points", "control points"),
    ("placed_by", "placed by"),
    ("mask", "mask"),
)


@click.command("info", short_help="Show what an image file says of itself.")
@click.argument("file", type=PLACE)
@json_option
@debug_option
def info_command(*, file: str, as_json: bool) -> None:
    """Show headers, levels, metadata, TREs and data extensions of the image FILE, a path or URL; reads no pixel."""
    from stacchip_osml.encode.io.informing import image_info
    from stacchip_osml.errors import ReadError

    try:
        found = image_info(file)
    except ReadError as error:
        lead_on(error, file)
        raise
    if as_json:
        emit_json({"file": file, **found})
        return
    click.echo(f"{one_line(file)}: {found['format']}, {counted(len(found['assets']), 'asset')}")
    for image in found["images"]:
        _say_image(image if found["format"] != "tiff" else _named(image))
    if "nitf" in found:
        _say_nitf(found["nitf"])


def _named(image: Mapping[str, Any]) -> dict[str, Any]:
    """Give the tags of a TIFF, and the values that have one, their names."""
    from stacchip_osml.encode import TagNameResolver

    tags = TagNameResolver(dict(image["metadata"]))
    return {**image, "metadata": {name: tags.readable(name) for name, _ in tags}}


def _say_image(image: Mapping[str, Any]) -> None:
    """Show one image."""
    click.echo("")
    title = f" {one_line(image['title'])}" if image["title"] else ""
    if "error" in image:
        click.echo(f"{image['key']}{title}: {one_line(image['error'])}")
        _say_metadata(image)
        return
    click.echo(f"{image['key']}{title}: {image['width']} x {image['height']}, {image['bands']} x {image['dtype']}")
    for name, words in IMAGE_LINES:
        if image.get(name):
            _say(words, image[name])
    if (image.get("acquired") or "").strip("-"):
        _say("dated", _acquired(image["acquired"], image["time"]))
    for note in image.get("place_notes", ()):
        _say("place", note)
    if image.get("size_bytes"):
        _say("file", size_text(image["size_bytes"]))
    heads = ["level", "width", "height", "block width", "block height", "read by"]
    print_table(
        heads,
        (
            [number, level["width"], level["height"], level["block_width"], level["block_height"], level.get("read_by")]
            for number, level in enumerate(image["levels"])
        ),
    )
    bands = image.get("band_facts", ())
    if any(band["description"] or band["nodata"] is not None or band["color"] != "undefined" for band in bands):
        print_table(
            ["band", "description", "color", "nodata", "scale", "offset"],
            (
                [number, band["description"], band["color"], band["nodata"], band["scale"], band["offset"]]
                for number, band in enumerate(bands)
            ),
        )
    _say_metadata(image)


def _say_metadata(image: Mapping[str, Any]) -> None:
    for key, value in image["metadata"].items():
        if value not in ("", None):
            _say(key, value)


def _acquired(stated: str, time: str | Sequence[str] | None) -> str:
    """Give the time that a file states, and how it states it."""
    if time is None:
        return f"{stated} (no time)"
    return f"{time if isinstance(time, str) else ' to '.join(time)} ({stated})"


def _say_nitf(file: Mapping[str, Any]) -> None:
    click.echo("")
    click.echo(f"file header: {file['version']}")
    _say_part(file)
    for fault in file["faults"]:
        click.echo(f"  fault: {one_line(fault)}")
    for segment in file["left_out"]:
        sizes = f"{segment['header_bytes']} + {segment['data_bytes']} bytes at {segment['offset']}"
        click.echo(f"\n{segment['segment']}, left out: {sizes}")
        _say("fault", segment["fault"])
        _say_part(segment)
    for number, image in enumerate(file["images"] if file["faults"] else ()):
        click.echo(f"\nimage segment {number + 1}: {image['data_bytes']} bytes")
        _say_part(image)
    for number, text in enumerate(file["texts"]):
        click.echo(f"\ntext:{number}: {text['data_bytes']} bytes")
        _say_part(text)
    for number, graphic in enumerate(file["graphics"]):
        click.echo(f"\ngraphic:{number}: {graphic['data_bytes']} bytes")
        _say_part(graphic)
    for number, extension in enumerate(file["extensions"]):
        click.echo(f"\ndes:{number}: {extension['data_bytes']} bytes")
        _say_part(extension)


def _say_part(part: Mapping[str, Any]) -> None:
    for name, text in part["fields"].items():
        if str(text).strip():
            _say(name, text)
    if part.get("breaks_rules"):
        _say("breaks rules", ", ".join(part["breaks_rules"]))
    for tre in part.get("tres", ()):
        _say(f"TRE {tre.get('tag', '')}", {key: value for key, value in tre.items() if key != "tag"})


def _say(name: str, value: Any) -> None:
    text = one_line(str(value))
    click.echo(f"  {one_line(name)}: {text if len(text) <= SHOWN_TEXT else text[:SHOWN_TEXT] + '…'}")
