"""Not a time but an answer: which reader serves every level of real files, and whether its pixels are GDAL's.

Reads the folder that STACCHIP_OSML_DATA names (its ``manifest.csv`` lists the files).
"""

from __future__ import annotations

import csv
import logging
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery import GdalImage, MaskedPixels
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize, PixelWindow
from tests.benchmarks.report import Options, Report

__all__ = ["run"]

KINDS = ("tiff", "nitf", "j2k", "sicd_sidd", "pngjpg")
OUTCOMES = (
    "equal",
    "both refuse",
    "absent, where GDAL fills",
    "JPEG within 9 levels",
    "JPEG, other decoder",
    "different",
)
"""From the best to the worst; a level is what its worst window is."""
WHOLE = 3_000_000
"""Samples up to which a level is read whole, besides the random windows."""


def run(options: Options) -> list[Report]:
    """Compare every level of every file, whole or in random windows."""
    folder = Path(os.environ.get("STACCHIP_OSML_DATA", Path(__file__).parents[3] / "shared" / "data"))
    logging.disable(logging.CRITICAL)
    served: dict[str, Counter[str]] = defaultdict(Counter)
    declined: Counter[str] = Counter()
    differ: list[dict[str, object]] = []
    rng = np.random.default_rng(0)
    for path in _files(folder, every=25 if options.quick else 1):
        try:
            levels = GdalImage(str(path)).header.levels
        except ChipError:
            declined["GDAL does not open the file"] += 1
            continue
        image = BlockImage(str(path))
        for level, size in enumerate(levels):
            by, _, reason = image.served_by(level).partition(": ")
            if not by.startswith("block/"):
                declined[_without_numbers(reason.replace(str(path), ""))] += 1
                continue
            worst, worth = _compare(image, level, list(_windows(rng, size, len(image.header.bands))))
            served[by][worst] += 1
            if worst in OUTCOMES[2:]:
                differ.append({"file": path.name, "level": level, "reader": by, "outcome": worst, "largest": worth})
    rows = [{"reader": by, **{name: found[name] or None for name in OUTCOMES}} for by, found in sorted(served.items())]
    left = [{"reason": reason, "levels": count} for reason, count in declined.most_common()]
    total = sum(sum(found.values()) for found in served.values())
    return [
        Report(
            title="agreement: levels served by blocks, against GDAL's pixels and masks",
            rows=rows,
            notes=[f"{total:,} levels; whole up to {WHOLE:,} samples, else four random windows"],
        ),
        Report(title="agreement: levels left to GDAL", rows=left),
        Report(title="agreement: levels that differ", rows=differ),
    ]


def _files(folder: Path, *, every: int) -> Iterator[Path]:
    with (folder / "manifest.csv").open(newline="") as table:
        names = [row["path"] for row in csv.DictReader(table) if row["category"] in KINDS]
    yield from (folder / name for name in names[::every])


def _windows(rng: np.random.Generator, size: ImageSize, bands: int) -> Iterator[PixelWindow]:
    if size.width * size.height * bands < WHOLE:
        yield PixelWindow(0, 0, *size)
    for _ in range(4):
        width, height = (int(rng.integers(1, min(side, 300) + 1)) for side in size)
        x, y = int(rng.integers(0, size.width - width + 1)), int(rng.integers(0, size.height - height + 1))
        yield PixelWindow(x, y, width, height)


def _compare(image: BlockImage, level: int, windows: list[PixelWindow]) -> tuple[str, float]:
    worst, largest = OUTCOMES[0], 0.0
    ours = read_windows([WindowRead(image=image, window=window, level=level) for window in windows])
    for window, found in zip(windows, ours, strict=True):
        try:
            expected: MaskedPixels | ChipError | None = image.gdal.read(window, level=level)
        except ChipError as error:
            expected = error
        outcome, off = _outcome(found, expected, jpeg=image.served_by(level) == "block/jpeg")
        worst = max(worst, outcome, key=OUTCOMES.index)
        largest = max(largest, off)
    return worst, largest


def _outcome(
    found: MaskedPixels | ChipError | None, expected: MaskedPixels | ChipError | None, *, jpeg: bool
) -> tuple[str, float]:
    if isinstance(found, ChipError) or isinstance(expected, ChipError):
        both = isinstance(found, ChipError) and isinstance(expected, ChipError)
        return ("both refuse" if both else "different"), 0.0
    if found is None or expected is None:
        return ("equal" if found is expected else "absent, where GDAL fills"), 0.0
    if np.array_equal(found.pixels, expected.pixels, equal_nan=found.pixels.dtype.kind in "fc"):
        same = np.array_equal(found.mask, expected.mask)
        return ("equal" if same else "absent, where GDAL fills"), 0.0
    wide = np.complex128 if found.pixels.dtype.kind == "c" else np.float64
    off = np.abs(found.pixels.astype(wide) - expected.pixels.astype(wide))
    largest = float(np.nanmax(off))
    if jpeg and float(np.nanmean(off)) < 2:
        return ("JPEG within 9 levels" if largest <= 9 else "JPEG, other decoder"), largest
    return "different", largest


def _without_numbers(reason: str) -> str:
    """Put reasons that differ in their numbers only under one head."""
    words = ("N" if word.strip(".,:()").isdigit() else word for word in reason.split())
    return " ".join(words)
