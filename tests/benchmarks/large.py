"""Images larger than memory should hold: written from a provider that makes its blocks when they are asked for.

Every file is written by a process of its own, whose largest memory is told, its
libraries among it. Three bands of 8 bits, 2.7 GB of pixels, two threads. JPEG 2000
without high throughput (NITF C8, JP2) is left out: it takes minutes of each core.
Corners of the files are read again, by rasterio but for NITF CD, and held against the provider.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from rasterio.windows import Window

from stacchip_osml.imagery import read_window
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.large_worker import KINDS, LazyScene
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets

__all__ = ["run"]

SIDE, QUICK_SIDE, PIECE = 30_000, 1_500, 1024
WORKERS = 2
MOST_MB = 500
LOOKED_AT = 200
"""Side of the windows that are read again."""
FROM_THE_TOP = frozenset({".png", ".jpg"})
"""Files of which GDAL reads everything above a window."""


def run(options: Options) -> list[Report]:
    """Write one file after the other."""
    side = QUICK_SIDE if options.quick else SIDE
    piece = (natural_scene(ImageSize(PIECE, PIECE), bands=("red", "green", "blue")) >> 4).clip(0, 255).astype(np.uint8)
    place = options.folder / "piece.npy"
    np.save(place, piece)
    rows, targets = [], []
    for name, (ending, _) in KINDS.items():
        file = options.folder / f"large{ending}"
        took = _written(name, file, side, place)
        _require_same(name, file, LazyScene(side, piece))
        rows.append(
            {
                "file": name,
                "wall s": took["wall"],
                "CPU s": took["cpu"],
                "megapixels a second": side**2 / 1e6 / took["wall"],
                "peak memory, MB": took["peak"],
                "file, MB": file.stat().st_size / 1e6,
            }
        )
        targets.append(Target(what="peak memory, MB", case=name, target=MOST_MB, reached=took["peak"], most=True))
        file.unlink()
    notes = [
        f"{side} x {side} pixels, three bands of uint8: {3 * side**2 / 1e6:,.0f} MB; {WORKERS} threads; one run "
        "each, in a process of its own; memory with Python and all libraries."
    ]
    return [
        Report(title="large: images from a lazy provider", rows=rows, notes=notes),
        report_targets("large: targets", targets),
    ]


def _written(kind: str, file: Path, side: int, piece: Path) -> dict[str, float]:
    words = [kind, str(file), str(side), str(WORKERS), str(piece)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.large_worker", *words],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    took: dict[str, float] = json.loads(done.stdout)
    return took


def _require_same(name: str, file: Path, scene: LazyScene) -> None:
    """Look at the corners, and at the middle, where a reader gets there without all that is above."""
    low, high = 0, scene.num_rows - LOOKED_AT
    places = [(low, low), (high, low)]
    if file.suffix not in FROM_THE_TOP:
        places += [(low, high), (high, high), (high // 2, high // 2)]
    for x, y in places:
        wanted = read_window(scene, (x, y, LOOKED_AT, LOOKED_AT))
        if _unlike(_read(name, file, x, y), wanted) > (8 if file.suffix == ".jpg" else 0):
            raise AssertionError(f"{name}: other pixels at ({x}, {y})")


def _read(name: str, file: Path, x: int, y: int) -> NDArray[Any]:
    if name == "NITF CD":  # GDAL's driver of NITF does not know it
        return read_window(BlockImage(str(file)), (x, y, LOOKED_AT, LOOKED_AT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(file) as dataset:
            found: NDArray[Any] = dataset.read(window=Window(x, y, LOOKED_AT, LOOKED_AT))
    return found


def _unlike(found: NDArray[Any], wanted: NDArray[Any]) -> float:
    """Give the root mean square of what two pictures differ by."""
    return float(np.sqrt(np.mean((found.astype(float) - wanted) ** 2)))
