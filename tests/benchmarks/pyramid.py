"""Pyramids in one pass against osml-imagery-toolkit 2.0.0a1, and what memory one of a large image takes.

The image is in memory on both sides, in blocks of 256, so that levels are
timed and not decoders. The toolkit runs in its own environment, which
``OSML_PYTHON`` names. Of a large image, levels by SIPS alone are compared:
one round of both sides takes half a minute.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.imagery import BufferedImageAssetProvider, PyramidBuilder, read_window
from stacchip_osml.imagery.resampling.resamplers import area_resample
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.peer import Peer
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Side, alternate, timed

__all__ = ["OSML_HELP", "open_osml", "run"]

SIDE, QUICK_SIDE, PIECE = 4096, 512, 2048
LARGE, QUICK_LARGE = 16_384, 2048
BLOCK = 256
METHODS = {"sips": None, "area": area_resample}
OSML_HELP = """\
osml-imagery-toolkit 2.0.0a1 was not found: nothing to compare with. Give it its own environment:
  python3.11 -m venv /tmp/osml && /tmp/osml/bin/pip install --pre osml-imagery-toolkit==2.0.0a1 osml-imagery-io
  export OSML_PYTHON=/tmp/osml/bin/python"""

PROBE = """
import json, pathlib, sys, time
import numpy as np
from stacchip_osml.imagery import BufferedImageAssetProvider, PyramidBuilder

def memory(name):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1000 for line in lines if line.startswith(name))

class Large(BufferedImageAssetProvider):
    def has_block(self, row, col, level=0):
        return True

    def get_block(self, row, col, level=0, bands=None):
        return tiles[row % 2][col % 2]

side, block, workers = map(int, sys.argv[1:4])
piece = np.load(sys.argv[4], mmap_mode="r")
tiles = [[np.ascontiguousarray(piece[:, y:y + block, x:x + block]) for x in (0, block)] for y in (0, block)]
source = Large.create("large", side, side, 1, block, block, "uint16")
builder = PyramidBuilder(source, num_workers=workers)
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the highest so far is forgotten
before = memory("VmRSS")
wall, cpu, count = time.perf_counter(), time.process_time(), 0
for _ in builder.blocks():
    count += 1
print(json.dumps({"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "blocks": count,
                  "memory": memory("VmHWM") - before}))
"""


@contextmanager
def open_osml(worker: str = "osml_worker.py") -> Iterator[Peer | None]:
    """Start a worker of the toolkit; None where ``OSML_PYTHON`` names no Python that has it."""
    python = shutil.which(os.environ.get("OSML_PYTHON", "osml-python"))
    probe = [str(python), "-c", "import aws.osml.image_processing"]
    if python is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        yield None
        return
    script = str(Path(__file__).with_name(worker))
    with subprocess.Popen([python, script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Peer(process)
        finally:
            process.terminate()


def run(options: Options) -> list[Report]:
    """Build pyramids of images, side by side."""
    sides = {QUICK_SIDE: METHODS, QUICK_LARGE: ["sips"]} if options.quick else {SIDE: METHODS, LARGE: ["sips"]}
    usual = [1, 1] if options.quick else [7, 3]
    rounds = {side: options.rounds or count for side, count in zip(sides, usual, strict=True)}
    path, *_ = paths = [_pixels(options.folder, side, min(*sides, PIECE)) for side in sides]
    rows, targets = [], []
    with open_osml() as peer:
        for (side, methods), pixels in zip(sides.items(), paths, strict=True):
            source = BufferedImageAssetProvider.from_array(np.load(pixels), block_width=BLOCK, block_height=BLOCK)
            for method in methods:
                for workers in (0, 2):
                    row, target = _compared(peer, source, pixels, method, workers, rounds[side])
                    rows.append({"side": side, **row})
                    targets += target
    counts = " and ".join(f"rounds of {side} x {side}: {count}" for side, count in rounds.items())
    notes = [f"uint16, one band, blocks of {BLOCK}, in memory; medians in turns, {counts}."]
    large = [_large(options, path, workers) for workers in (0, 2)]
    targets += [
        Target(what="memory of a large image, rows of blocks", target=8, reached=row["rows of blocks"], most=True)
        for row in large
        if not options.quick
    ]
    if not any("toolkit, s" in row for row in rows):
        notes.append(OSML_HELP)
    return [
        Report(title="pyramid: all levels of an image", rows=rows, notes=notes),
        Report(
            title="pyramid: a large image",
            rows=large,
            notes=["Blocks made and thrown away; memory is what the process has at most, less what it has before."],
        ),
        report_targets("pyramid: targets", targets),
    ]


def _compared(
    peer: Peer | None, source: Any, path: Path, method: str, workers: int, rounds: int
) -> tuple[dict[str, Any], list[Target]]:
    """Time both sides in turns."""
    builder = PyramidBuilder(source, resample_func=METHODS[method], num_workers=workers)
    sides: dict[str, Side] = {"ours": timed(builder.build)}
    question = {"pixels": str(path), "block": BLOCK, "method": method, "workers": workers}
    row: dict[str, Any] = {"method": method, "num_workers": workers}
    if peer is not None:
        if source.num_columns <= SIDE:
            level = path.with_name("level.npy")
            peer.ask({**question, "level": str(level)})
            row["level 1, mean difference"] = _difference(builder, np.load(level))

        def theirs() -> tuple[float, float]:
            told = peer.ask(question)
            return told["wall"], told["cpu"]

        sides["toolkit"] = theirs
    found = alternate(sides, rounds=rounds)
    ours = found["ours"]
    row |= {"ours, s": ours.median, "ours, CPU s": ours.median_cpu}
    ratio = cpu = None
    if "toolkit" in found:
        theirs_found = found["toolkit"]
        ratio, cpu = theirs_found.median / ours.median, theirs_found.median_cpu / ours.median_cpu
        row |= {"toolkit, s": theirs_found.median, "toolkit, CPU s": theirs_found.median_cpu}
        row |= {"ratio": ratio, "ratio of CPU": cpu}
    if method != "sips":
        return row, []
    case = f"sips, {source.num_columns} x {source.num_rows}, num_workers={workers}"
    return row, [Target(what="speed against the toolkit", case=case, target=5, reached=ratio, cpu=cpu)]


def _difference(builder: PyramidBuilder, level: NDArray[Any]) -> float:
    """Compare level 1 with theirs; of SIPS theirs is shifted by a pixel of the image."""
    ours = builder.build()[1]
    pixels = read_window(ours, (0, 0, ours.num_columns, ours.num_rows))
    if pixels.shape != level.shape:
        raise AssertionError(f"level 1 is {pixels.shape} here and {level.shape} there")
    return float(np.abs(pixels.astype(np.int64) - level).mean())


def _large(options: Options, path: Path, workers: int) -> dict[str, Any]:
    """Build a large image's pyramid in a process of its own."""
    side = QUICK_LARGE if options.quick else LARGE
    command = [sys.executable, "-c", PROBE, str(side), str(BLOCK), str(workers), str(path)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    row_of_blocks = side * BLOCK * 2 / 1e6
    return {
        "side": side,
        "num_workers": workers,
        "s": told["wall"],
        "CPU s": told["cpu"],
        "blocks": told["blocks"],
        "memory, MB": told["memory"],
        "overviews, MB": side * side * 2 / 3e6,
        "rows of blocks": told["memory"] / row_of_blocks,
    }


def _pixels(folder: Path, side: int, piece: int) -> Path:
    """Make a natural-looking image, the same piece again and again, or find it."""
    path = folder / f"pyramid-{side}.npy"
    if not path.exists():
        scene = natural_scene(ImageSize(piece, piece), bands=("red",))
        np.save(path, np.tile(scene, (1, side // piece, side // piece)))
    return path
