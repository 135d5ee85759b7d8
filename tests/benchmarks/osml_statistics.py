"""osml-imagery-toolkit's statistics in its own environment: one line of JSON in, one out.

Runs by itself (``PYTHON osml_statistics.py``) and imports nothing of this project.
``{"pixels": "a.npy", "block": 256, "workers": 2, "task": "statistics"}`` is
answered by wall and CPU seconds of ``compute_image_statistics`` (``display``:
of ``DisplayChainFactory.build``) over the image in memory, and its first band's mean.
"""

import contextlib
import json
import sys
import time
from typing import Any


def image(path: str, block: int) -> Any:
    """Put ``(bands, rows, cols)`` into an asset in memory."""
    import numpy as np
    from aws.osml.io import BufferedImageAssetProvider, PixelType

    pixels = np.load(path)
    bands, rows, cols = pixels.shape
    kind = {"uint8": PixelType.UInt8, "uint16": PixelType.UInt16, "float32": PixelType.Float32}[pixels.dtype.name]
    asset = BufferedImageAssetProvider.create(
        key="image:0", num_columns=cols, num_rows=rows, num_bands=bands,
        block_width=block, block_height=block, pixel_type=kind,
    )  # fmt: skip
    asset.set_full_image(pixels)
    return asset


def answer(source: Any, asked: dict[str, Any]) -> dict[str, Any]:
    """Do what is asked."""
    from aws.osml.image_processing import DisplayChainFactory, compute_image_statistics

    wall, cpu = time.perf_counter(), time.process_time()
    mean = None
    if asked["task"] == "display":
        DisplayChainFactory.build(source)
    else:
        mean = compute_image_statistics(source, force_recompute=True, num_workers=asked["workers"]).bands[0].mean
    return {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "mean": mean}


def main() -> None:
    """Answer questions until there are no more."""
    out = sys.stdout
    sources: dict[str, Any] = {}
    for line in sys.stdin:
        asked = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            if asked["pixels"] not in sources:
                sources[asked["pixels"]] = image(asked["pixels"], asked["block"])
            told = answer(sources[asked["pixels"]], asked)
        out.write(json.dumps(told) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
