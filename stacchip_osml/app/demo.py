"""``demo``: the main job from end to end on the sample imagery, told step by step.

Two sensors are indexed, merged, saved, checked, queried and cut. Nothing is
fetched; everything is written to one folder.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from stacchip_osml.app.chip_group import sheet_label
from stacchip_osml.app.options import PLACE, debug_option
from stacchip_osml.app.output import one_line
from stacchip_osml.app.texts import FOUND
from stacchip_osml.pixel.wording import counted

if TYPE_CHECKING:
    from stacchip_osml.index import ChipIndex
    from stacchip_osml.load import Chipper

__all__ = ["demo_command"]

SENSORS = {"sentinel-like": "sheet", "aerial-like": "chip"}
"""Collection → stretch of its contact sheet: one for all dates; bytes that are a picture already, as they are."""
CLEAR = "cloud_fraction < 0.2 or cloud_fraction is None"
ABOUT = """\
Sample imagery of an invented place: "sentinel-like" has four bands of 10 m and a class band, "aerial-like" is a picture
of 2.5 m, each on two dates. Each step below is told with the Python that it runs.
"""
OWN = """\
The same with imagery of your own, a folder of images or a STAC catalog:
  stacchip-osml index build IMAGERY chips.parquet --chip-size 256
  stacchip-osml chip sheet chips.parquet sheet.png --limit 24"""
SHEET_CHIPS = 24
GEOTIFFS = 3
"""Of each sensor."""
RESULTS = {
    **{f"{sensor}.png": f"chips of {sensor} that were found, as one picture" for sensor in SENSORS},
    "chips/": "some of them as GeoTIFF files, for any GIS",
    "found.parquet": "what the query found, itself an index: stacchip-osml index info FILE",
    "merged.parquet": "the whole index as one file",
    "merged/": "the same as a directory",
}


@click.command("demo", short_help="All of it, on small sample imagery.")
@click.option("--data", metavar="DIR", default="indexes", show_default=True, help="Folder with imagery/catalog.json.")
@click.option("--out", type=PLACE, metavar="DIR", default="demo-output", show_default=True, help="Where results go.")
@debug_option
@click.pass_context
def demo_command(ctx: click.Context, data: str, out: str) -> None:
    """Index two sensors, merge, query, cut and draw, on small sample imagery.

    Works without a network. Run it in a checkout, or name the folder of the
    sample imagery with --data. Results of an earlier run are replaced.
    """
    imagery = Path(data) / "imagery"
    missing = [name for name in SENSORS if not (imagery / name / "collection.json").is_file()]
    if missing:
        raise click.UsageError(
            f"no sample imagery at {imagery / missing[0]}: run this in a checkout of the project, "
            "or name its folder 'indexes' with --data"
        )
    folder = Path(out)
    if folder.exists() and not folder.is_dir():
        raise click.UsageError(f"{out} is a file, not a folder")
    started = time.perf_counter()
    click.echo(ABOUT)
    story = _Story()
    merged = _index(story, imagery, folder)
    findings = _check(story, merged)
    found = _query(story, merged, folder)
    _cut(story, found, folder)
    click.echo(f"\nDone in {time.perf_counter() - started:.1f} s. Look at:")
    width = max(len(f"{folder}/{name}") for name in RESULTS)
    for name, what in RESULTS.items():
        click.echo(f"  {one_line(f'{folder}/{name}'):<{width}}  {what}")
    click.echo(f"\n{OWN}")
    if findings:
        ctx.exit(FOUND)


class _Story:
    """Numbers and times the steps as they are told."""

    def __init__(self) -> None:
        self.numbers = count(1)

    @contextmanager
    def step(self, title: str, *calls: str) -> Iterator[list[str]]:
        """Time what happens inside, then tell title, calls and the lines that were added."""
        lines: list[str] = []
        start = time.perf_counter()
        yield lines
        click.echo(f"{next(self.numbers)}. {title} ({time.perf_counter() - start:.2f} s)")
        for call in calls:
            click.echo(f"     {one_line(call)}")
        for line in lines:
            click.echo(f"   {one_line(line)}")


def _index(story: _Story, imagery: Path, folder: Path) -> ChipIndex:
    with story.step("Load the library", "from stacchip_osml import ChipIndex, Chipper, Indexer, merge"):
        from stacchip_osml import ChipIndex, Chipper, Indexer, merge  # noqa: F401 - loading is what is timed

    catalog = imagery / "sentinel-like" / "collection.json"
    with story.step(
        "Index the first sensor: four bands of 10 m, and cloud and nodata of each chip from its class band",
        f'Indexer("{catalog}", chip_size=96, assets=["red", "green", "blue", "nir"], quality="scl").create_index()',
    ) as lines:
        assets = ["red", "green", "blue", "nir"]
        sentinel = Indexer(str(catalog), chip_size=96, assets=assets, quality="scl").create_index()
        lines.append(_counted(sentinel))
    catalog = imagery / "aerial-like" / "collection.json"
    with story.step(
        "Index the second sensor: another pixel size and CRS, four bands in one file",
        f'Indexer("{catalog}", chip_size=128, assets=["image"]).create_index()',
    ) as lines:
        aerial = Indexer(str(catalog), chip_size=128, assets=["image"]).create_index()
        lines.append(_counted(aerial))
    with story.step(
        "Merge both into one index; save it as one file and as a directory",
        "index = merge(first, second)",
        f'index.save("{folder / "merged.parquet"}"); index.save("{folder / "merged"}")',
    ) as lines:
        merged = merge(sentinel, aerial)
        merged.save(folder / "merged.parquet")
        merged.save(folder / "merged")
        size = (folder / "merged.parquet").stat().st_size
        lines.append(f"{_counted(merged)}; the file has {size:,} bytes, items and image headers included")
    return ChipIndex.open(folder / "merged")


def _check(story: _Story, merged: ChipIndex) -> list[Any]:
    with story.step(
        "Check rows against tables, and what was indexed against the images",
        f'index = ChipIndex.open("{merged.path}"); index.check(files=True)',
    ) as lines:
        findings = merged.check(files=True)
        lines.extend([str(finding) for finding in findings] or ["nothing wrong"])
    return findings


def _query(story: _Story, merged: ChipIndex, folder: Path) -> ChipIndex:
    box = _shared_box(merged)
    with story.step(
        "Query: chips of both sensors in the box that both see, with less than 20 % cloud where cloud is known",
        f'found = index.query(bbox={list(box)}, where="{CLEAR}")',
        f'found.save("{folder / "found.parquet"}")',
    ) as lines:
        found: ChipIndex = merged.query(bbox=box, where=CLEAR)
        found.save(folder / "found.parquet")
        lines.append(f"{_counted(found)} of {len(merged):,}")
    return found


def _shared_box(merged: ChipIndex) -> tuple[float, ...]:
    """Give the box in which both sensors have chips, degrees."""
    boxes = []
    for sensor in SENSORS:
        bounds = merged.query(where=f"collection == {sensor!r}").summary.bbox
        if bounds is None:
            raise click.UsageError(f"the sample imagery of {sensor} has no chips with a place on the ground")
        boxes.append(bounds)
    (w1, s1, e1, n1), (w2, s2, e2, n2) = boxes
    return tuple(round(side, 4) for side in (max(w1, w2), max(s1, s2), min(e1, e2), min(n1, n2)))


def _cut(story: _Story, found: ChipIndex, folder: Path) -> None:
    from stacchip_osml import Chipper

    sensor = next(iter(SENSORS))
    first = found.query(where=f"collection == {sensor!r}")
    with story.step(
        "Cut the first sensor's chips as one array, ready for a model",
        f"chipper = Chipper(found.query(where=\"collection == '{sensor}'\"))",
        "batch = chipper.batch(range(len(chipper)))",
    ) as lines:
        batch = Chipper(first).batch(range(len(first)))
        bands = ", ".join(batch.band_names)
        lines.append(f"pixels {batch.pixels.shape} {batch.pixels.dtype} (chips, bands, rows, cols); bands {bands}")
        lines.append(f"mask says {100 * float(batch.mask.mean()):.2f} % of the pixels are measurements")
    chippers = {sensor: Chipper(_spread(found.query(where=f"collection == {sensor!r}"))) for sensor in SENSORS}
    _draw(story, chippers, folder)
    _write(story, chippers, folder / "chips")


def _spread(found: ChipIndex) -> ChipIndex:
    """Take as many chips as a sheet shows, spread evenly over all that were found."""
    import numpy as np

    chosen = np.linspace(0, len(found) - 1, min(len(found), SHEET_CHIPS)).round().astype(int)
    return found.from_table(found.take(chosen), found.tables)


def _draw(story: _Story, chippers: dict[str, Chipper], folder: Path) -> None:
    from stacchip_osml import contact_sheet

    with story.step(
        "Draw a contact sheet of each sensor",
        "contact_sheet(list(chipper), columns=8, labels=…, stretch=…)",
    ) as lines:
        for sensor, chipper in chippers.items():
            labels = [sheet_label(row, "grid") for row in chipper.index.rows(range(len(chipper)))]
            picture = contact_sheet(list(chipper), columns=8, stretch=SENSORS[sensor], labels=labels)
            (folder / f"{sensor}.png").write_bytes(picture)
            lines.append(
                f"{sensor}.png: {len(chipper)} chips, labelled column,row and date; what is no data is hatched"
            )


def _write(story: _Story, chippers: dict[str, Chipper], folder: Path) -> None:
    from stacchip_osml.encode import write_chip

    with story.step(
        "Write some chips as GeoTIFF: pixels as stored, place, nodata and band names kept",
        f'write_chip("{folder}", chipper[i], "geotiff")',
    ) as lines:
        for chipper in chippers.values():
            chips = (chipper[position] for position in range(len(chipper)))
            some = islice((chip for chip in chips if chip is not None), GEOTIFFS)
            lines.extend(write_chip(folder, chip, "geotiff").name for chip in some)


def _counted(index: ChipIndex) -> str:
    summary = index.summary
    parts = ", ".join(f"{chips:,} of {name}" for name, chips in summary.collections.items())
    return f"{counted(summary.chips, 'chip')} from {counted(summary.items, 'item')} ({parts})"
