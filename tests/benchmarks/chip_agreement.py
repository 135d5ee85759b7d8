"""Do two files hold the same chip: pixels, and where its XML says that they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import rasterio
from lxml import etree

__all__ = ["document_of", "pixels_apart", "require_same_place"]

Numbers = list[float]

DOCUMENT = re.compile(rb"<((?:\w+:)?(?:SICD|SIDD))[\s>].*</\1>", re.DOTALL)
"""Found by its root element: the toolkit leaves ``DESSHL`` of the data extension empty, which stops every reader."""


def pixels_apart(ours: bytes, theirs: bytes) -> float:
    """Give the mean difference of the pixels of two files.

    Raises:
        AssertionError: they have different shapes.
    """
    pixels = []
    for data in (ours, theirs):
        with rasterio.MemoryFile(data) as memory, memory.open() as file:
            pixels.append(file.read().astype(np.float64))
    if pixels[0].shape != pixels[1].shape:
        raise AssertionError(f"chips of {pixels[0].shape} here and {pixels[1].shape} there")
    return float(np.abs(pixels[0] - pixels[1]).mean())


def document_of(data: bytes) -> Any | None:
    """Give the root of the XML that a chip carries; None for a file that has none."""
    found = DOCUMENT.search(data) if data[:4] == b"NITF" else None
    return None if found is None else etree.fromstring(found[0])


def require_same_place(ours: bytes, theirs: bytes, window: Sequence[int]) -> None:
    """See that SICD or SIDD XML of both says that a chip shows a window of its image.

    Raises:
        AssertionError: it says something else.
    """
    places = [_place(document_of(data)) for data in (ours, theirs)]
    if places[0] is None and places[1] is None:
        return
    x, y, width, height = window
    if any(place is None or place[:4] != [y, x, height, width] for place in places):
        raise AssertionError(f"of the window {tuple(window)}, XML says {places[0]} here and {places[1]} there")


def _place(root: Any | None) -> Numbers | None:
    """Give first row, first column, rows and columns."""
    if root is None:
        return None
    if etree.QName(root).localname == "SICD":
        paths = [f"{{*}}ImageData/{{*}}{name}" for name in ("FirstRow", "FirstCol", "NumRows", "NumCols")]
    else:
        chip = "{*}DownstreamReprocessing/{*}GeometricChip"
        corner = f"{chip}/{{*}}OriginalUpperLeftCoordinate"
        paths = [f"{part}/{{*}}{axis}" for part in (corner, f"{chip}/{{*}}ChipSize") for axis in ("Row", "Col")]
    return [float(root.findtext(path)) for path in paths]
