"""Chips as files: ours against rasterio's MemoryFile.

The pixels are in memory on both sides: three bands of countryside, 256 x 256,
8 bits for pictures and 16 for the rest. Each format is a row of ``CASES``.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning

from stacchip_osml.encode import Chip, encode_chip
from stacchip_osml.imagery.machine import usable_cores
from stacchip_osml.pixel import ImageSize, PixelWindow
from stacchip_osml.testing import natural_scene
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import alternate, timed

__all__ = ["CASES", "CHIP", "SCENE", "Case", "countryside", "cut_chips", "run"]

CHIP, CHIPS, QUICK_CHIPS = 256, 32, 4
SCENE = 1024
PLACE = Affine(10, 0, 500_000, 0, -10, 5_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One format, and how rasterio writes the same."""

    name: str
    format: str
    driver: str
    target: float
    options: Mapping[str, Any] = field(default_factory=dict)
    """Ours, besides the defaults."""
    overrides: Mapping[str, str] = field(default_factory=dict)
    profile: Mapping[str, Any] = field(default_factory=dict)
    """rasterio's, besides the driver's defaults."""
    dtype: str = "uint16"
    has_place: bool = True
    """Whether the format says where a chip is; rasterio writes a second file where it does not."""
    is_exact: bool = True
    """Whether the pixels come back as they were."""


LOSSLESS = {"QUALITY": "100", "REVERSIBLE": "YES"}
CASES: tuple[Case, ...] = (
    Case(name="PNG", format="png", driver="PNG", target=10, dtype="uint8", has_place=False),
    *(
        Case(
            name=name,
            format="jpeg",
            driver="JPEG",
            target=10,
            options=options,
            profile=profile,
            dtype="uint8",
            has_place=False,
            is_exact=False,
        )
        for name, options, profile in (
            ("JPEG", {}, {"QUALITY": 90}),  # our default
            ("JPEG, quality 75", {"quality": 75}, {}),  # rasterio's
        )
    ),
    Case(name="GeoTIFF deflate", format="geotiff", driver="GTiff", target=1.8, profile={"compress": "deflate"}),
    Case(name="NITF NC", format="nitf", driver="NITF", target=3, profile={"ICORDS": "N"}),
    Case(name="JPEG 2000", format="jp2", driver="JP2OpenJPEG", target=0.9, profile=LOSSLESS),
    Case(name="HTJ2K", format="jph", driver="JP2OpenJPEG", target=8, profile=LOSSLESS),
    *(
        Case(
            name=f"{name}, all cores",
            format=form,
            driver="JP2OpenJPEG",
            target=target,
            options={"workers": usable_cores()},
            profile=LOSSLESS,
        )
        for name, form, target in (("JPEG 2000", "jp2", 0.9), ("HTJ2K", "jph", 8))
    ),
)
"""A format is a row."""


def run(options: Options) -> list[Report]:
    """Encode chips, side by side."""
    count = QUICK_CHIPS if options.quick else CHIPS
    rounds = options.rounds or (1 if options.quick else 11)
    rows, targets = [], []
    for case in CASES:
        row, target = _compared(case, cut_chips(case.dtype, count), rounds)
        rows.append(row)
        targets.append(target)
    notes = [
        f"{count} chips of {CHIP} x {CHIP} pixels, three bands; medians of {rounds} rounds, in turns. rasterio "
        "opens a MemoryFile for each. Ours with its defaults; rasterio with its driver's, JPEG of the same quality, "
        "JPEG 2000 without loss. rasterio's JPEG 2000 takes all cores for a chip; ours does in the rows that say so.",
    ]
    return [Report(title="encode: chips as files", rows=rows, notes=notes), report_targets("encode: targets", targets)]


@lru_cache(maxsize=2)
def countryside(dtype: str) -> NDArray[Any]:
    """Make three bands of ``SCENE`` pixels a side; that takes longer than most that is done with them."""
    if dtype == "uint8":
        return (countryside("uint16") >> 4).clip(0, 255).astype(np.uint8)
    return natural_scene(ImageSize(SCENE, SCENE), bands=("red", "green", "blue"))


def cut_chips(dtype: str, count: int) -> list[Chip]:
    """Cut chips out of a piece of countryside."""
    scene = countryside(dtype)
    random = np.random.default_rng(0)
    chips = []
    for x, y in random.integers(0, SCENE - CHIP, (count, 2)).tolist():
        pixels = np.ascontiguousarray(scene[:, y : y + CHIP, x : x + CHIP])
        chips.append(
            Chip(
                pixels=pixels,
                mask=np.ones(pixels.shape, bool),
                window=PixelWindow(x, y, CHIP, CHIP),
                transform=PLACE,
                crs="EPSG:32632",
                colors=("red", "green", "blue"),
            )
        )
    return chips


def _compared(case: Case, chips: Sequence[Chip], rounds: int) -> tuple[dict[str, Any], Target]:
    def ours() -> list[bytes]:
        return [_encoded(case, chip) for chip in chips]

    def theirs() -> list[bytes]:
        return [_by_rasterio(case, chip) for chip in chips]

    made, others = ours(), theirs()
    _require_same(case, chips[0], made[0])
    found = alternate({"ours": timed(ours), "rasterio": timed(theirs)}, rounds=rounds)
    mine, other = found["ours"], found["rasterio"]
    ratio, cpu = other.median / mine.median, other.median_cpu / mine.median_cpu
    row = {
        "format": case.name,
        "ours, CPU ms": 1000 * mine.median_cpu / len(chips),
        "rasterio, CPU ms": 1000 * other.median_cpu / len(chips),
        "ratio": ratio,
        "ratio of CPU": cpu,
        "ours, KB": sum(map(len, made)) / len(chips) / 1000,
        "rasterio, KB": sum(map(len, others)) / len(chips) / 1000,
    }
    return row, Target(what="speed against rasterio", case=case.name, target=case.target, reached=ratio, cpu=cpu)


def _encoded(case: Case, chip: Chip) -> bytes:
    return encode_chip(chip, case.format, overrides=case.overrides, **case.options)


def _by_rasterio(case: Case, chip: Chip) -> bytes:
    bands, rows, cols = chip.shape
    profile = {"driver": case.driver, "count": bands, "height": rows, "width": cols, "dtype": chip.pixels.dtype}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        place = {"crs": chip.crs, "transform": chip.transform} if case.has_place else {}
        with rasterio.MemoryFile() as memory:
            with memory.open(**profile, **place, **case.profile) as file:
                file.write(chip.pixels)
            return bytes(memory.read())


def _require_same(case: Case, chip: Chip, data: bytes) -> None:
    """See that the file holds the chip."""
    with warnings.catch_warnings(), rasterio.MemoryFile(data) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with memory.open() as file:
            pixels: NDArray[Any] = file.read()
    if pixels.shape != chip.shape or (case.is_exact and not np.array_equal(pixels, chip.pixels)):
        raise AssertionError(f"{case.name}: the file holds other pixels")
