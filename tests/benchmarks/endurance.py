"""Not a time but a trend: memory, descriptors and threads over 200,000 chips; and the same bytes on any threads."""

from __future__ import annotations

import hashlib
import multiprocessing
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine

from stacchip_osml import ChipIndex, Chipper, Indexer
from stacchip_osml.pixel import ImageSize
from stacchip_osml.testing import natural_scene
from tests.benchmarks.report import Options, Report

__all__ = ["run"]

FILES, CHIPS, STEPS = 300, 200_000, 20
SIDE, BLOCK, CHIP = 512, 128, 64


def run(options: Options) -> list[Report]:
    """Cut chips in random order, in batches and one by one, and look at the process every so often."""
    files, chips = (20, 2_000) if options.quick else (FILES, options.rows or CHIPS)
    folder = options.folder / f"endurance-{files}"
    index = Indexer(_made(folder, files), CHIP, headers=True).create_index()
    path = folder / "index.parquet"
    index.save(path)
    return [_trend(path, chips), _same_bytes(path, min(chips // 40, 2_000))]


def _trend(path: Path, chips: int) -> Report:
    chipper = Chipper(path, cache_bytes=64 << 20)
    rng = np.random.default_rng(0)
    rows = []
    for step in range(STEPS + 1):
        if step:
            order = rng.integers(0, len(chipper), chips // STEPS)
            singles = len(order) // 4
            for first in range(0, len(order) - singles, 32):
                chipper.batch(order[first : min(first + 32, len(order) - singles)])
            for position in order[len(order) - singles :]:
                _ = chipper[int(position)]
        rows.append({"chips": step * (chips // STEPS), **_look()})
    settled = rows[len(rows) // 4 :]
    grown = (settled[-1]["memory MiB"] - settled[0]["memory MiB"]) / (settled[-1]["chips"] - settled[0]["chips"]) * 1000
    note = f"memory grows by {grown:.3f} MiB per 1,000 chips after the first quarter; promised: less than 1 MB"
    return Report(title="endurance: one process", rows=rows, notes=[note])


def _look() -> dict[str, float]:
    status = Path("/proc/self/status").read_text()
    return {
        "memory MiB": round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
    }


def _same_bytes(path: Path, chips: int) -> Report:
    order = np.random.default_rng(1).integers(0, len(ChipIndex.open(path)), chips)
    expected = _digest(path, order.tolist())
    rows = [{"readers": "serial", "equal": True, "seconds": None}]
    for threads in (8, 16, 64):
        shared = Chipper(path)
        started = time.perf_counter()
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(lambda at, chipper=shared: _one(chipper, at), order.tolist()))
        equal = hashlib.sha256(b"".join(found)).hexdigest() == expected
        rows.append({"readers": f"{threads} threads", "equal": equal, "seconds": time.perf_counter() - started})
    for method in ("spawn", "fork"):
        started = time.perf_counter()
        with multiprocessing.get_context(method).Pool(8) as pool:
            parts = pool.starmap(_digests, [(path, part.tolist()) for part in np.array_split(order, 8)])
        equal = hashlib.sha256(b"".join(each for part in parts for each in part)).hexdigest() == expected
        rows.append({"readers": f"8 processes, {method}", "equal": equal, "seconds": time.perf_counter() - started})
    return Report(title="endurance: the same bytes", rows=rows, notes=[f"{chips:,} chips, one by one"])


def _one(chipper: Chipper, position: int) -> bytes:
    chip = chipper[position]
    assert chip is not None
    return hashlib.sha256(chip.pixels.tobytes() + chip.mask.tobytes()).digest()


def _digests(path: Path, positions: list[int]) -> list[bytes]:
    chipper = Chipper(path)
    return [_one(chipper, position) for position in positions]


def _digest(path: Path, positions: list[int]) -> str:
    return hashlib.sha256(b"".join(_digests(path, positions))).hexdigest()


def _made(folder: Path, files: int) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    pixels = natural_scene(ImageSize(SIDE, SIDE), bands=("red", "nir"))
    paths = []
    for number in range(files):
        path = folder / f"{number:03}.tif"
        paths.append(path)
        if path.exists():
            continue
        place = Affine(10, 0, 500_000 + 10 * SIDE * number, 0, -10, 5_000_000)
        profile = {"driver": "GTiff", "count": 2, "height": SIDE, "width": SIDE, "dtype": "uint16", "crs": "EPSG:32632"}
        layout = {"tiled": True, "blockxsize": BLOCK, "blockysize": BLOCK, "compress": "deflate", "predictor": 2}
        with rasterio.open(path, "w", transform=place, nodata=0, **profile, **layout) as file:
            file.write(np.roll(pixels, 37 * number, axis=2))
    return paths
