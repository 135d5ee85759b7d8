"""What threads gain when images and chips are written: two and eight against one.

Large images are written block by block, by threads of the writer (``workers``).
Chips are whole files each, written by a pool of as many threads; those of ``create_chip`` are also read,
out of the COGs that the benchmark of that name reads, by one factory for all threads. The file has to
be the same by any number of them, which is seen by the writes that warm up. Rows are
told as they come; what takes long is smaller, as the table says. On a busy machine wall time says little: the
column ``cores`` tells how many cores the threads got beside how many one thread got.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode import ChipFactory, encode_chip, imsave
from stacchip_osml.imagery.blocks.image import BlockImage
from tests.benchmarks.create_chip import make_scene
from tests.benchmarks.encode import CHIP, SCENE, countryside, cut_chips
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Samples, Side, alternate, timed

__all__ = ["CHIP_FORMATS", "IMAGES", "Image", "run"]

SIDE, SLOW_SIDE, QUICK_SIDE = 4096, 2048, 512
CHIPS, SLOW_CHIPS, QUICK_CHIPS = 128, 32, 4
THREADS = (1, 2, 8)
TARGET = 1.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One kind of large file."""

    name: str
    format: str
    dtype: str = "uint16"
    side: int = SIDE
    """Pixels."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of ``imsave``."""


IMAGES = (
    Image(name="GeoTIFF deflate", format="tiff"),
    Image(name="GeoTIFF zstd", format="tiff", side=SLOW_SIDE, options={"compression": "zstd"}),
    Image(name="NITF NC", format="nitf", options={"compression": "none"}),
    Image(name="NITF C8", format="nitf", side=SLOW_SIDE),
    Image(name="NITF CD", format="nitf", options={"compression": "htj2k"}),
    Image(name="NITF C3", format="nitf", dtype="uint8", options={"compression": "jpeg"}),
    Image(name="JPEG 2000", format="jp2", side=SLOW_SIDE),
    Image(name="JPEG", format="jpeg", dtype="uint8"),
    Image(name="PNG", format="png", dtype="uint8"),
)
"""A file is a row."""

CHIP_FORMATS = {
    "png": ("uint8", CHIPS),
    "jpeg": ("uint8", CHIPS),
    "geotiff": ("uint16", CHIPS),
    "nitf": ("uint16", CHIPS),
    "jp2": ("uint16", SLOW_CHIPS),
    "jph": ("uint16", CHIPS),
}
"""Format of chips → their dtype, and how many are written."""
FDT = "20260321101112"
"""The date that NITF files get, so that they are the same each time."""


def run(options: Options) -> list[Report]:
    """Write the same by one, two and eight threads, in turns."""
    rounds = options.rounds or (1 if options.quick else 5)
    rows: list[dict[str, Any]] = []
    targets: list[Target] = []
    for image in IMAGES:
        side = QUICK_SIDE if options.quick else image.side
        found = _timed(partial(_image, image, _pixels(image.dtype, side)), rounds)
        rows.append(_row(f"image, {image.name}", f"{side} x {side}", found, targets))
    for name, (dtype, many) in CHIP_FORMATS.items():
        count = QUICK_CHIPS if options.quick else many
        found = _timed(partial(_chips, name, cut_chips(dtype, count)), rounds)
        rows.append(_row(f"chips, {name}", f"{count} of {CHIP} x {CHIP}", found, targets))
    side = QUICK_SIDE if options.quick else SIDE
    for name, (dtype, many) in CHIP_FORMATS.items():
        count = QUICK_CHIPS if options.quick else many
        scene = make_scene(options.folder, side, dtype)
        found = _timed(partial(_created, name, scene, side, count), rounds)
        rows.append(_row(f"create_chip, {name}", f"{count} of {CHIP} x {CHIP}", found, targets))
    notes = [
        f"Three bands. Medians of {rounds} rounds, in turns; in memory; {len(os.sched_getaffinity(0))} cores.",
        "cores: CPU seconds by wall seconds. Where one thread got less than 0.9, the machine was busy.",
    ]
    return [
        Report(title="encode_threads: wall seconds", rows=rows, notes=notes),
        report_targets("encode_threads: targets", targets),
    ]


def _timed(write: Callable[[int], Sequence[bytes]], rounds: int) -> dict[int, Samples]:
    """Time one kind of file by all numbers of threads."""
    first = write(THREADS[0])
    if any(write(threads) != first for threads in THREADS[1:]):
        raise AssertionError("other bytes by other threads")

    def side(threads: int) -> Side:
        return timed(lambda: write(threads))

    found = alternate({str(threads): side(threads) for threads in THREADS}, rounds=rounds, warmup=0)
    return {threads: found[str(threads)] for threads in THREADS}


def _row(name: str, size: str, found: Mapping[int, Samples], targets: list[Target]) -> dict[str, Any]:
    """Tell what was found, and what was to be reached."""
    one, two, eight = (found[threads] for threads in THREADS)
    row = {
        "what": name,
        "pixels": size,
        "1 thread, s": one.median,
        "CPU s": one.median_cpu,
        "2 threads, times faster": one.median / two.median,
        "8 threads, times faster": one.median / eight.median,
        "cores, 1": one.median_cpu / one.median,
        "cores, 8": eight.median_cpu / eight.median,
        "CPU, 8 by 1": eight.median_cpu / one.median_cpu,
    }
    for what, many in (("one thread to two", two), ("eight threads on two cores", eight)):
        targets.append(Target(what=what, case=name, target=TARGET, reached=one.median / many.median))
    sys.stderr.write(
        f"{name}, {size}: {one.median:.3g} s, {row['2 threads, times faster']:.2f} and "
        f"{row['8 threads, times faster']:.2f} times faster\n"
    )
    sys.stderr.flush()
    return row


def _pixels(dtype: str, side: int) -> NDArray[Any]:
    """Lay a piece of countryside side by side."""
    piece = min(side, SCENE)
    return np.tile(countryside(dtype)[:, :piece, :piece], (1, side // piece, side // piece))


def _image(image: Image, pixels: NDArray[Any], threads: int) -> Sequence[bytes]:
    out = io.BytesIO()
    metadata = {"FDT": FDT} if image.format == "nitf" else None
    imsave(out, pixels, format=image.format, workers=threads, metadata=metadata, **image.options)
    return [out.getvalue()]


def _chips(name: str, chips: Sequence[Any], threads: int) -> Sequence[bytes]:
    overrides = {"FDT": FDT} if name == "nitf" else None
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda chip: encode_chip(chip, name, overrides=overrides), chips))


def _created(name: str, scene: Path, side: int, count: int, threads: int) -> Sequence[bytes | None]:
    """Cut and write chips at random places; nothing is kept of an earlier round."""
    overrides = {"FDT": FDT} if name == "nitf" else None
    factory = ChipFactory(BlockImage(str(scene)), output_format=name, metadata_overrides=overrides, threads=1)
    places = np.random.default_rng(0).integers(0, side - CHIP, (count, 2)).tolist()
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda place: factory.create_chip((*place, CHIP, CHIP)), places))
