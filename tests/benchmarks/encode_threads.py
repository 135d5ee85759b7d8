"""What threads gain when images and chips are written: two and eight against one.

Large images are written block by block, by threads of the writer (``workers``).
Chips are whole files each, written by a pool of as many threads. The file has to
be the same by any number of them. On a busy machine wall time says little: the
column ``cores`` tells how many cores the threads got beside how many one thread got.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode import encode_chip, imsave
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.encode import CHIP, cut_chips
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Samples, Side, alternate, timed

__all__ = ["CHIP_FORMATS", "IMAGES", "Image", "run"]

SIDE, QUICK_SIDE, PIECE = 4096, 512, 1024
CHIPS, QUICK_CHIPS = 128, 4
THREADS = (1, 2, 8)
TARGET = 1.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One kind of large file."""

    name: str
    format: str
    dtype: str = "uint16"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of ``imsave``."""


IMAGES = (
    Image(name="GeoTIFF deflate", format="tiff"),
    Image(name="GeoTIFF zstd", format="tiff", options={"compression": "zstd"}),
    Image(name="NITF NC", format="nitf", options={"compression": "none"}),
    Image(name="NITF C8", format="nitf"),
    Image(name="NITF CD", format="nitf", options={"compression": "htj2k"}),
    Image(name="NITF C3", format="nitf", dtype="uint8", options={"compression": "jpeg"}),
    Image(name="JPEG 2000", format="jp2"),
    Image(name="JPEG", format="jpeg", dtype="uint8"),
    Image(name="PNG", format="png", dtype="uint8"),
)
"""A file is a row."""

CHIP_FORMATS = {
    "png": "uint8",
    "jpeg": "uint8",
    "geotiff": "uint16",
    "nitf": "uint16",
    "jp2": "uint16",
    "jph": "uint16",
}
"""Format of chips → their dtype."""


def run(options: Options) -> list[Report]:
    """Write the same by one, two and eight threads, in turns."""
    rounds = options.rounds or (1 if options.quick else 5)
    side = QUICK_SIDE if options.quick else SIDE
    rows: list[dict[str, Any]] = []
    targets: list[Target] = []
    for image in IMAGES:
        pixels = _pixels(image.dtype, side)
        found = _timed(partial(_image, image, pixels), rounds)
        rows.append(_row(f"image, {image.name}", found, targets))
    for name, dtype in CHIP_FORMATS.items():
        chips = cut_chips(dtype, QUICK_CHIPS if options.quick else CHIPS)
        found = _timed(partial(_chips, name, chips), rounds)
        rows.append(_row(f"chips, {name}", found, targets))
    notes = [
        f"Images of {side} x {side}, three bands; {QUICK_CHIPS if options.quick else CHIPS} chips of {CHIP} x {CHIP}. "
        f"Medians of {rounds} rounds, in turns; in memory; {len(os.sched_getaffinity(0))} cores.",
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

    found = alternate({str(threads): side(threads) for threads in THREADS}, rounds=rounds)
    return {threads: found[str(threads)] for threads in THREADS}


def _row(name: str, found: Mapping[int, Samples], targets: list[Target]) -> dict[str, Any]:
    """Tell what was found, and what was to be reached."""
    one, two, eight = (found[threads] for threads in THREADS)
    row = {
        "what": name,
        "1 thread, s": one.median,
        "CPU s": one.median_cpu,
        "2 threads, times faster": one.median / two.median,
        "8 threads, times faster": one.median / eight.median,
        "cores, 1": one.median_cpu / one.median,
        "cores, 8": eight.median_cpu / eight.median,
        "CPU, 8 by 1": eight.median_cpu / one.median_cpu,
    }
    targets.append(
        Target(what="eight threads on two cores", case=name, target=TARGET, reached=one.median / eight.median)
    )
    return row


def _pixels(dtype: str, side: int) -> NDArray[Any]:
    """Lay a piece of countryside side by side."""
    piece = min(side, PIECE)
    scene = natural_scene(ImageSize(piece, piece), bands=("red", "green", "blue"))
    if dtype == "uint8":
        scene = (scene >> 4).clip(0, 255).astype(np.uint8)
    return np.tile(scene, (1, side // piece, side // piece))


def _image(image: Image, pixels: NDArray[Any], threads: int) -> Sequence[bytes]:
    out = io.BytesIO()
    metadata = {"FDT": "20260321101112"} if image.format == "nitf" else None
    imsave(out, pixels, format=image.format, workers=threads, metadata=metadata, **image.options)
    return [out.getvalue()]


def _chips(name: str, chips: Sequence[Any], threads: int) -> Sequence[bytes]:
    overrides = {"FDT": "20260321101112"} if name == "nitf" else None
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda chip: encode_chip(chip, name, overrides=overrides), chips))
