"""Counting against ``np.histogram``; statistics of images and display chains against osml-imagery-toolkit 2.0.0a1.

The images are in memory on both sides, in blocks of 256, so that counting is
timed and not decoders. The toolkit runs in its own environment, which
``OSML_PYTHON`` names.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.chain import compute_statistics
from stacchip_osml.imagery import BufferedImageAssetProvider, DisplayChainFactory, compute_image_statistics
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.peer import Peer
from tests.benchmarks.pyramid import OSML_HELP
from tests.benchmarks.report import Options, Report
from tests.benchmarks.targets import Target, report_targets
from tests.benchmarks.timing import Side, alternate, timed

__all__ = ["run"]

SIDE, QUICK_SIDE, PIECE, BLOCK = 4096, 512, 2048, 256
COUNTED = 1024
"""Pixels a side of what is counted as one array."""


def run(options: Options) -> list[Report]:
    """Count, and count whole images, side by side."""
    rounds = options.rounds or (1 if options.quick else 9)
    counting, targets = _counting(rounds)
    rows = []
    side = QUICK_SIDE if options.quick else SIDE
    with _open_toolkit() as peer:
        for dtype in ("uint8", "uint16", "float32"):
            path = _pixels(options.folder, side, dtype)
            for task, workers in (("statistics", 0), ("statistics", 2), ("display", 0)):
                rows.append(_compared(peer, path, dtype, task, workers, rounds))
    notes = [f"{side} x {side}, one band, blocks of {BLOCK}, in memory; medians of {rounds} rounds, in turns."]
    if not any("toolkit, s" in row for row in rows):
        notes.append(OSML_HELP)
    return [
        Report(
            title="image_statistics: counting",
            rows=counting,
            notes=[f"{COUNTED} x {COUNTED} pixels; np.histogram with the edges of a bin for each value of the type."],
        ),
        Report(title="image_statistics: whole images", rows=rows, notes=notes),
        report_targets("image_statistics: targets", targets),
    ]


def _counting(rounds: int) -> tuple[list[dict[str, Any]], list[Target]]:
    random = np.random.default_rng(0)
    rows, targets = [], []
    for dtype, bits in (("uint8", 8), ("uint16", 11), ("uint16", 16), ("int16", 12)):
        pixels = random.integers(0, 1 << bits, (1, COUNTED, COUNTED)).astype(dtype)
        info = np.iinfo(dtype)
        edges = np.arange(info.min, info.max + 2, dtype=np.float64)

        def ours(pixels: NDArray[Any] = pixels) -> Any:
            return compute_statistics(pixels)

        def numpys(pixels: NDArray[Any] = pixels, edges: NDArray[Any] = edges) -> Any:
            return np.histogram(pixels, edges)[0]

        if not np.array_equal(ours().bands[0].histogram, numpys()):
            raise AssertionError(f"counts of {dtype} differ")
        found = alternate({"ours": timed(ours), "numpy": timed(numpys)}, rounds=rounds)
        ratio = found["numpy"].median / found["ours"].median
        cpu = found["numpy"].median_cpu / found["ours"].median_cpu
        rows.append({
            "type": dtype, "bits in use": bits, "ours, ms": found["ours"].median * 1e3,
            "np.histogram, ms": found["numpy"].median * 1e3, "ratio": ratio, "ratio of CPU": cpu,
        })  # fmt: skip
        if info.bits == 16:
            case = f"{dtype}, {bits} bits"
            targets.append(Target(what="counting against np.histogram", case=case, target=10, reached=ratio, cpu=cpu))
    return rows, targets


def _compared(peer: Peer | None, path: Path, dtype: str, task: str, workers: int, rounds: int) -> dict[str, Any]:
    source = BufferedImageAssetProvider.from_array(np.load(path), block_width=BLOCK, block_height=BLOCK)

    def ours() -> Any:
        if task == "display":
            return DisplayChainFactory.build(source)
        return compute_image_statistics(source, force_recompute=True, num_workers=workers)

    sides: dict[str, Side] = {"ours": timed(ours)}
    row: dict[str, Any] = {"task": task, "type": dtype, "num_workers": workers}
    refused = dtype == "float32" and task == "display"  # it would ask for 2**32 bins
    if peer is not None and not refused:
        question = {"pixels": str(path), "block": BLOCK, "task": task, "workers": workers}
        mean = peer.ask(question)["mean"]
        if mean is not None and not np.isclose(mean, ours().bands[0].mean, rtol=1e-9 if dtype != "float32" else 1e-5):
            raise AssertionError(f"the mean of {dtype} is {mean} there")

        def theirs() -> tuple[float, float]:
            told = peer.ask(question)
            return told["wall"], told["cpu"]

        sides["toolkit"] = theirs
    found = alternate(sides, rounds=rounds)
    row |= {"ours, s": found["ours"].median, "ours, CPU s": found["ours"].median_cpu}
    if "toolkit" in found:
        toolkit = found["toolkit"]
        row |= {"toolkit, s": toolkit.median, "toolkit, CPU s": toolkit.median_cpu}
        row["ratio"] = toolkit.median / found["ours"].median
        row["ratio of CPU"] = toolkit.median_cpu / found["ours"].median_cpu
    return row


@contextmanager
def _open_toolkit() -> Iterator[Peer | None]:
    """Start the toolkit's worker; None where ``OSML_PYTHON`` names no Python that has it."""
    python = shutil.which(os.environ.get("OSML_PYTHON", "osml-python"))
    probe = [str(python), "-c", "import aws.osml.image_processing"]
    if python is None or subprocess.run(probe, check=False, capture_output=True).returncode:
        yield None
        return
    worker = str(Path(__file__).with_name("osml_statistics.py"))
    with subprocess.Popen([python, worker], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Peer(process)
        finally:
            process.terminate()


def _pixels(folder: Path, side: int, dtype: str) -> Path:
    """Make a natural-looking image, or find it."""
    path = folder / f"statistics-{side}-{dtype}.npy"
    if not path.exists():
        piece = min(side, PIECE)
        scene = natural_scene(ImageSize(piece, piece), bands=("red",))
        scene = (scene // 40).clip(0, 255) if dtype == "uint8" else scene
        np.save(path, np.tile(scene, (1, side // piece, side // piece)).astype(dtype))
    return path
