"""One large image written from a provider that makes its blocks when they are asked for; a line of JSON comes of it.

``python -m tests.benchmarks.large_worker KIND FILE SIDE WORKERS PIECE``: ``PIECE`` is a square of countryside as
``.npy``, three bands of uint8, which every block shows moved by another way.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stacchip_osml.encode import IO, write_tiff

__all__ = ["KINDS", "LazyScene", "main"]

BLOCK = 512
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "GeoTIFF": (".tif", {}),
    "COG": (".tif", {"layout": "cog"}),
    "NITF NC": (".ntf", {"IC": "NC"}),
    "NITF CD": (".ntf", {"IC": "CD"}),
    "PNG": (".png", {}),
    "JPEG": (".jpg", {}),
    "JPH": (".jph", {}),
}
"""Name → ending; options of ``write_tiff``, or metadata that say how a file is coded."""


class LazyScene:
    """Countryside of any size, of which a block exists only when it is asked for."""

    key = title = "image:0"
    description = ""
    num_resolution_levels = 1
    pad_pixel_value = 0.0
    num_pixels_per_block_horizontal = num_pixels_per_block_vertical = BLOCK

    def __init__(self, side: int, piece: NDArray[Any], metadata: dict[str, str] | None = None) -> None:
        """Plan a square image out of a piece ``(bands, rows, cols)`` that is larger than a block."""
        self.piece, self.metadata = piece, metadata or {}
        self.num_bands, self.num_rows, self.num_columns = len(piece), side, side
        self.pixel_value_type = piece.dtype
        self.num_bits_per_pixel = self.actual_bits_per_pixel = 8 * piece.dtype.itemsize

    def get_block(
        self, block_row: int, block_col: int, resolution_level: int = 0, bands: Sequence[int] | None = None
    ) -> NDArray[Any]:
        """Make a block: the piece, moved, so that neighbours repeat nothing that a coder of rows would find."""
        del resolution_level
        height, width = (min(BLOCK, self.num_rows - place * BLOCK) for place in (block_row, block_col))
        rows = (block_row * 317 + block_col * 139 + np.arange(height)) % self.piece.shape[1]
        first = block_col * 211 % (self.piece.shape[2] - BLOCK)
        made = self.piece[:, rows, first : first + width]
        return made if bands is None else made[list(bands)]


def main(kind: str, file: str, side: int, workers: int, piece: str) -> None:
    """Write the image, and tell what it took."""
    ending, options = KINDS[kind]
    scene = LazyScene(side, np.load(piece), None if ending == ".tif" else options)
    wall, cpu = time.perf_counter(), time.process_time()
    if ending == ".tif":
        write_tiff(file, scene, workers=workers, **options)
    else:
        with IO.open(file, "w", workers=workers) as writer:
            writer.add_asset("image:0", scene)
    took = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": _peak_mb()}
    sys.stdout.write(json.dumps(took))


def _peak_mb() -> float:
    """Give the largest memory of this process; ``ru_maxrss`` would count the one that started it too."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    name, target, length, threads, source = sys.argv[1:]
    main(name, target, int(length), int(threads), source)
