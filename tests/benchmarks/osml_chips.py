"""osml-imagery-toolkit's ChipFactory in its own environment: one line of JSON in, one out.

Runs by itself (``PYTHON osml_chips.py``) and imports nothing of this project.
``{"file": "a.tif", "format": "png", "windows": [[0, 0, 512, 512]], "size": [256, 256],
"first": "chip.png"}`` is answered by wall and CPU seconds of ``create_chip`` for all windows, and how many bytes came
of it; the first chip is saved where ``first`` names a file.
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FACTORIES: dict[tuple[Any, ...], Any] = {}
READERS: list[Any] = []
"""Kept open, as an application that serves chips keeps them."""


@contextlib.contextmanager
def muffled() -> Iterator[None]:
    """Keep the warnings to itself that it has for every chip of SICD and SIDD."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def factory(asked: dict[str, Any]) -> Any:
    """Make a factory, or find it."""
    from aws.osml.image_processing import ChipFactory, TiledImagePyramid
    from aws.osml.io import IO

    key = asked["file"], asked["format"], asked.get("model", False)
    if key not in FACTORIES:
        reader = IO.open(asked["file"], "r").__enter__()
        READERS.append(reader)
        pyramid = TiledImagePyramid.from_dataset(reader)
        model = None
        if asked.get("model"):
            from aws.osml.metadata import load_sensor_model

            model = load_sensor_model(reader)
        FACTORIES[key] = ChipFactory(source=pyramid, sensor_model=model, output_format=asked["format"])
    return FACTORIES[key]


def main() -> None:
    """Answer questions until there are no more."""
    out = sys.stdout
    for line in sys.stdin:
        asked = json.loads(line)
        with contextlib.redirect_stdout(sys.stderr):
            from aws.osml.image_processing import ImageSize, PixelWindow

            made = factory(asked)
            windows, size = [PixelWindow(*window) for window in asked["windows"]], ImageSize(*asked["size"])
            wall, cpu = time.perf_counter(), time.process_time()
            with muffled():  # chips are let go as they come
                size_of_all = sum(len(made.create_chip(window, output_size=size)) for window in windows)
            told = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "bytes": size_of_all}
            if asked.get("first"):
                Path(asked["first"]).write_bytes(bytes(made.create_chip(windows[0], output_size=size)))
        out.write(json.dumps(told) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
