"""osml-imagery-toolkit in its own environment: one line of JSON in, one out.

Runs by itself (``PYTHON osml_worker.py``) and imports nothing of this project.
``{"pixels": "a.npy", "block": 256, "method": "sips", "workers": 2, "level": "b.npy"}``
is answered by wall and CPU seconds of ``PyramidBuilder(...).build()`` over the
image in memory; level 1 is saved where ``level`` names a file.
"""

import contextlib
import json
import sys
import time
from typing import Any


def image(path: str, block: int) -> Any:
    """Put ``(bands, rows, cols)`` of uint16 into an asset in memory."""
    import numpy as np
    from aws.osml.io import BufferedImageAssetProvider, PixelType

    pixels = np.load(path)
    bands, rows, cols = pixels.shape
    asset = BufferedImageAssetProvider.create(
        key="image:0", num_columns=cols, num_rows=rows, num_bands=bands,
        block_width=block, block_height=block, pixel_type=PixelType.UInt16,
    )  # fmt: skip
    asset.set_full_image(pixels)
    return asset


def build(source: Any, asked: dict[str, Any]) -> tuple[list[Any], float, float]:
    """Build all levels."""
    from aws.osml.image_processing import PyramidBuilder, area_resample, sips_rrds_resample

    method = {"sips": sips_rrds_resample, "area": area_resample}[asked["method"]]
    wall, cpu = time.perf_counter(), time.process_time()
    levels = PyramidBuilder(source, resample_func=method, num_workers=asked["workers"]).build()
    return levels, time.perf_counter() - wall, time.process_time() - cpu


def save(level: Any, path: str) -> None:
    """Put a level's blocks together."""
    import numpy as np

    height, width = level.num_pixels_per_block_vertical, level.num_pixels_per_block_horizontal
    whole = np.zeros((level.num_bands, level.num_rows, level.num_columns), np.uint16)
    for row in range(level.block_grid_size[0]):
        for col in range(level.block_grid_size[1]):
            part = whole[:, row * height : (row + 1) * height, col * width : (col + 1) * width]
            part[...] = level.get_block(row, col)[:, : part.shape[1], : part.shape[2]]
    np.save(path, whole)


def main() -> None:
    """Answer questions until there are no more."""
    out = sys.stdout
    sources: dict[str, Any] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            if asked["pixels"] not in sources:
                sources[asked["pixels"]] = image(asked["pixels"], asked["block"])
            levels, wall, cpu = build(sources[asked["pixels"]], asked)
            if asked.get("level"):
                save(levels[1], asked["level"])
        out.write(json.dumps({"wall": wall, "cpu": cpu, "levels": len(levels)}) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
