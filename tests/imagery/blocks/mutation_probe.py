"""Damage image files and offer them to the block reader under a memory limit, reporting each outcome.

Run as a program: ``mutation_probe.py FOLDER FIRST LAST`` reads the names of good
files from stdin, makes mutation ``FIRST`` to ``LAST`` in FOLDER, one at a time, and
reads each: as an unknown file, and as one whose header and layout are known.
The mutation is a function of its number alone, so a crash can be repeated.
"""

from __future__ import annotations

import logging
import resource
import sys
import time
from pathlib import Path

import numpy as np

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery.blocks.engine import WindowRead, read_windows
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.pixel import PixelWindow


def mutated(data: bytes, number: int) -> bytes:
    """Change some bytes, mostly near the beginning, where headers are; or cut, repeat, or drop some."""
    rng = np.random.default_rng(number)
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 6))):
        reach = len(changed) if rng.random() < 0.4 else min(len(changed), 2048)
        at = int(rng.integers(0, max(reach, 1)))
        kind = rng.integers(0, 7)
        if kind <= 2:
            changed[at : at + 1] = bytes([int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(0, 256))]))])
        elif kind == 3:
            changed[at : at + 4] = bytes(rng.integers(0, 256, 4, dtype=np.uint8))
        elif kind == 4:
            changed[at : at + 4] = b"\xff\xff\xff\x7f"
        elif kind == 5:
            del changed[at : at + int(rng.integers(1, 64))]
        else:
            del changed[max(at, 1) :]
    return bytes(changed)


def read(image: BlockImage) -> str:
    """Read windows of every level, one by one and together."""
    outcomes = set()
    for level, size in enumerate(image.header.levels[:6]):
        corner = PixelWindow(0, 0, min(size.width, 300), min(size.height, 300))
        end = PixelWindow(size.width - corner.width, size.height - corner.height, corner.width, corner.height)
        for found in read_windows([WindowRead(image=image, window=each, level=level) for each in (corner, end)]):
            outcomes.add(type(found).__name__ if isinstance(found, ChipError) else "pixels")
    return "+".join(sorted(outcomes))


def outcome(path: Path, good: BlockImage | None) -> str:
    told = []
    known = {} if good is None else {"header": good.header, "layout": good.layout}
    for how in ({}, known):
        try:
            told.append(read(BlockImage(str(path), **how)))
        except ChipError as error:
            told.append(type(error).__name__)
    return " ".join(told)


def known(name: str) -> BlockImage | None:
    """Give a good file's image with its header and layout, None where it has none."""
    image = BlockImage(name)
    try:
        _ = image.header, image.layout
    except ChipError:
        return None
    return image


def peak_mib() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


if __name__ == "__main__":
    folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    logging.disable(logging.CRITICAL)
    names = sys.stdin.read().splitlines()
    goods: dict[str, BlockImage | None] = {}
    for number in range(first, last):
        name = names[number % len(names)]
        path = folder / f"{number}{Path(name).suffix}"
        path.write_bytes(mutated(Path(name).read_bytes(), number))
        sys.stdout.write(f"{number}\t")
        sys.stdout.flush()
        if name not in goods:
            goods[name] = known(name)
        started = time.process_time()
        result = outcome(path, goods[name])
        sys.stdout.write(f"{result}\t{time.process_time() - started:.1f}\t{peak_mib()}\n")
        sys.stdout.flush()
        path.unlink()
