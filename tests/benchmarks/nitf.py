"""Windows of NITF files against rasterio, which opens the file for each; and of a 1 GB unblocked SICD."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jbpy
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.windows import Window

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow
from tests.benchmarks.nitf_files import KINDS, make_large_sicd, make_nitf
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import alternate, timed

__all__ = ["run"]

SIDE, QUICK, LARGE, QUICK_LARGE = 6144, 1024, 11_585, 1024
CHIP = 256
TURN = 8
CACHE_MB = 8
"""GDAL's block cache: a tenth of a file's pixels."""
TARGETS = {"NC blocked": 25, "NC unblocked": 10, "C3": 12, "C8": 1, "CD": 2}
LOSSY = {"C3"}
USUAL_STEP, LARGEST_MEAN = 9, 1.0
"""Levels that two right JPEG decoders may differ by, in 99 % of the samples and in the mean: they interpolate colour
differently, which shows most at hard edges."""
Windows = list[tuple[int, int]]
Read = Callable[[int, int], NDArray[Any]]

PROBE = """
import json, resource, sys
import numpy as np
{prepare}
def memory():
    return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
path, windows = sys.argv[1], json.loads(sys.argv[2])
peak = before = memory()
total = 0
for x, y in windows:
    pixels = {read}
    total += float(np.abs(pixels).sum(dtype="float64"))
    peak = max(peak, memory())
sys.stdout.write(json.dumps({{"MB": (peak - before) / 2**20, "sum": total}}))
"""
PROBES = {
    "ours": (
        "import stacchip_osml.imagery.gdal.library, stacchip_osml.imagery.gdal.image\n"  # GDAL is in the memory of both
        "from stacchip_osml.imagery.blocks.image import BlockImage\nfrom stacchip_osml.pixel import PixelWindow",
        "BlockImage(path).read(PixelWindow(x, y, 256, 256)).pixels",
    ),
    "rasterio": (
        "import rasterio\nfrom rasterio.windows import Window",
        "rasterio.open(path).read(window=Window(x, y, 256, 256))",
    ),
}


def run(options: Options) -> list[Report]:
    """Read random windows of each kind."""
    side = QUICK if options.quick else SIDE
    rounds = options.rounds or (1 if options.quick else 9)
    rows: list[dict[str, Any]] = []
    with warnings.catch_warnings(), rasterio.Env(GDAL_CACHEMAX=CACHE_MB << 20, NITF_SAR_AS_COMPLEX_TYPE="NO"):
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        for kind in KINDS:
            path = make_nitf(options.folder, kind, side=side)
            rows.append({"file": f"{kind}, {side:,}²", **_compare(kind, path, side, rounds)})
        large = _large(options, rounds)
    targets = [
        Target(what="windows, of rasterio opened for each", case=kind, target=target, reached=row.get("times"))
        for (kind, target), row in zip(TARGETS.items(), rows, strict=True)
    ]
    targets += [
        Target(what="windows of a large SICD, of rasterio opened for each", target=3, reached=large.get("times")),
        Target(what="windows of a large SICD, MB of memory", target=50, reached=large.get("ours, MB"), most=True),
    ]
    notes = [
        f"random windows of {CHIP}², {TURN} a turn, {rounds} rounds; blocks of 1,024 where there are any; "
        "pixels compared, those of JPEG within what decoders differ by",
        "rasterio opens CD as a file in a file: its NITF reader refuses it",
    ]
    return [
        Report(title="nitf: windows", rows=[*rows, large], notes=notes),
        report_targets("nitf: targets", targets),
    ]


def _compare(kind: str, path: Path, side: int, rounds: int) -> dict[str, Any]:
    name = _codestream(path) if kind == "CD" else str(path)
    random = np.random.default_rng(1)
    windows = [tuple(pair) for pair in random.integers(0, side - CHIP, (TURN * (rounds + 2), 2)).tolist()]
    with rasterio.open(name) as file:
        kept: dict[str, Read] = {
            "rasterio": lambda x, y: _opened(name, x, y),
            "rasterio, kept open": lambda x, y: np.asarray(file.read(window=Window(x, y, CHIP, CHIP))),
        }
        notes: dict[str, Any] = {}
        try:
            mine = _ours(path)
            mine(0, 0)
            kept["ours"] = mine
        except ChipError as error:
            notes["not read"] = type(error).__name__
        for x, y in windows[:TURN]:
            _same(kind, [read(x, y) for read in kept.values()])
        found = alternate({name: timed(_turn(read, windows)) for name, read in kept.items()}, rounds=rounds)
    row: dict[str, Any] = {f"{name}, windows/s": TURN / samples.median for name, samples in found.items()}
    if "ours" in found:
        row["times"] = found["rasterio"].median / found["ours"].median
    return row | notes


def _turn(read: Read, windows: Windows) -> Callable[[], None]:
    def turns() -> Iterator[Windows]:
        for first in range(0, len(windows), TURN):
            yield windows[first : first + TURN]

    mine = turns()

    def work() -> None:
        for x, y in next(mine):
            read(x, y)

    return work


def _opened(name: str, x: int, y: int) -> NDArray[Any]:
    with rasterio.open(name) as file:
        return np.asarray(file.read(window=Window(x, y, CHIP, CHIP)))


def _ours(path: Path) -> Read:
    image = BlockImage(str(path))
    _ = image.header

    def read(x: int, y: int) -> NDArray[Any]:
        found = image.read(PixelWindow(x, y, CHIP, CHIP))
        if found is None:
            raise AssertionError(f"{path}: the window at {x}, {y} is sparse")
        return found.pixels

    return read


def _same(kind: str, pixels: list[NDArray[Any]]) -> None:
    for other in pixels[1:]:
        if kind in LOSSY:
            steps = np.abs(other.astype(int) - pixels[0].astype(int))
            same = float(np.quantile(steps, 0.99)) <= USUAL_STEP and float(steps.mean()) <= LARGEST_MEAN
        else:
            same = np.array_equal(other, pixels[0])
        if not same:
            differences = np.abs(other.astype(np.complex128) - pixels[0])
            raise AssertionError(f"{kind}: pixels differ by {differences.max()}, {differences.mean()} in the mean")


def _codestream(path: Path) -> str:
    """Name the codestream in a NITF as GDAL does: a part of a file."""
    with path.open("rb") as file:
        data = jbpy.Jbp().load(file)["ImageSegments"][0]["Data"]
    return f"/vsisubfile/{data.get_offset()}_{data.size},{path}"


def _large(options: Options, rounds: int) -> dict[str, Any]:
    side = QUICK_LARGE if options.quick else LARGE
    path = options.folder / f"large-sicd-{side}.ntf"
    try:
        make_large_sicd(path, side=side)
        row: dict[str, Any] = {"file": f"SICD-like, unblocked, {path.stat().st_size / 1e9:.2f} GB"}
        row |= _compare("SICD", path, side, rounds)
        windows = json.dumps(np.random.default_rng(2).integers(0, side - CHIP, (10, 2)).tolist())
        sums, environment = set(), {**os.environ, "NITF_SAR_AS_COMPLEX_TYPE": "NO"}
        for name, (prepare, read) in PROBES.items():
            command = [sys.executable, "-W", "ignore", "-c", PROBE.format(prepare=prepare, read=read)]
            found = [
                json.loads(
                    subprocess.run(
                        [*command, str(path), windows], check=True, stdout=subprocess.PIPE, env=environment
                    ).stdout
                )
                for _ in range(1 if options.quick else 3)
            ]
            row[f"{name}, MB"] = statistics.median(one["MB"] for one in found)
            sums.add(found[0]["sum"])
        if len(sums) != 1:
            raise AssertionError(f"windows of {path} differ: {sums}")
    finally:
        path.unlink(missing_ok=True)
    return row
