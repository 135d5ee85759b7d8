"""Offer files to the reader under a memory limit and report each outcome; run as a program by the conformance test."""

from __future__ import annotations

import logging
import resource
import sys
import time

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


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    logging.disable(logging.CRITICAL)
    for name in sys.stdin.read().splitlines():
        started = time.monotonic()
        result = outcome(name)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        sys.stdout.write(f"{name}\t{result}\t{time.monotonic() - started:.1f}\t{peak}\n")
        sys.stdout.flush()
