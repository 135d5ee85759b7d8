"""Offer files to the reader under a memory limit and report each outcome; run as a program by the conformance test."""

from __future__ import annotations

import logging
import resource
import sys
import time
from pathlib import Path

from stacchip_osml.errors import ChipError
from stacchip_osml.imagery import GdalImage
from stacchip_osml.pixel import PixelWindow


def outcome(path: str) -> str:
    image = GdalImage(path)
    try:
        header = image.header
        for level, size in enumerate(header.levels):
            image.read(PixelWindow(0, 0, min(size.width, 300), min(size.height, 300)), level=level)
    except ChipError as error:
        return type(error).__name__
    return "pixels"


def peak_mib() -> int:
    """Give the largest memory of this program; ``ru_maxrss`` would count the process that started it too."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    logging.disable(logging.CRITICAL)
    for name in sys.stdin.read().splitlines():
        started = time.process_time()
        result = outcome(name)
        sys.stdout.write(f"{name}\t{result}\t{time.process_time() - started:.1f}\t{peak_mib()}\n")
        sys.stdout.flush()
