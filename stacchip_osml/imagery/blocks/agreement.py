"""Whether a layout says of an image what its header says; a level where it does not is left to GDAL.

The header is GDAL's: it judges how many levels there are, how large, of what
type, what is nodata, and whether there is a mask band. The layout is our
parser's. Where both agree, blocks give the same pixels and the same mask.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from stacchip_osml.imagery.blocks.layout import ImageLayout, LevelLayout, Unserved
from stacchip_osml.imagery.header import ImageHeader
from stacchip_osml.pixel import ImageSize

__all__ = ["LevelNodata", "agreed_layout", "unserved_layout"]

LevelNodata = Sequence[tuple[float | complex | None, ...]]
"""For each level, one value a band."""


def unserved_layout(header: ImageHeader, reason: str) -> ImageLayout:
    """Leave all levels to GDAL."""
    return ImageLayout(levels=tuple(Unserved(reason=reason) for _ in header.levels))


def agreed_layout(layout: ImageLayout, header: ImageHeader, *, nodata: LevelNodata | None = None) -> ImageLayout:
    """Keep of a layout the levels that the header confirms, in the order and number of the header's.

    Args:
        layout: as parsed.
        header: GDAL's.
        nodata: of each level, where GDAL was asked; None where that was done before.
    """
    first = layout.levels[0] if layout.levels else Unserved(reason="its structure shows no image")
    if isinstance(first, Unserved) and len(layout.levels) <= 1:
        return unserved_layout(header, first.reason)
    levels: list[LevelLayout | Unserved] = []
    for number, size in enumerate(header.levels):
        if number >= len(layout.levels):
            levels.append(Unserved(reason=f"level {number} was not found in the file's structure"))
            continue
        level = layout.levels[number]
        if isinstance(level, LevelLayout):
            reason = _contradiction(level, header, size)
            if reason is None and nodata is not None and not _same_nodata(nodata[number], header):
                reason = f"level {number} has another nodata value than level 0"
            levels.append(level if reason is None else Unserved(reason=reason))
        else:
            levels.append(level)
    return ImageLayout(levels=tuple(levels))


def _contradiction(level: LevelLayout, header: ImageHeader, size: ImageSize) -> str | None:
    """Say in what a level differs from the header, None for nothing."""
    kind = level.codec.kind.name
    stated = header.bands[0].dtype
    if level.size != size:
        return f"its structure says {level.size.width} x {level.size.height} pixels, GDAL {size.width} x {size.height}"
    if level.bands != len(header.bands) or kind != stated:
        return f"its structure says {level.bands} bands of {kind}, GDAL {len(header.bands)} of {stated}"
    return _mask_contradiction(level, header)


def _mask_contradiction(level: LevelLayout, header: ImageHeader) -> str | None:
    if header.mask != "mask":
        return None if level.mask is None else "its structure has a mask band that GDAL does not use"
    if level.mask is None:
        return "the mask band is not stored with this level"
    if level.mask.size != level.size or level.mask.bands != 1:
        return "the mask band has another shape than its level"
    return None


def _same_nodata(values: tuple[float | complex | None, ...], header: ImageHeader) -> bool:
    """Tell whether nodata of a level marks the same pixels as R0's, if not the same digits."""
    for value, band in zip(values, header.bands, strict=True):
        if value is None or band.nodata is None:
            if value is not band.nodata:
                return False
            continue
        kind = np.dtype(band.dtype)
        if kind.kind in "iu":
            same = value == band.nodata or (value != value and band.nodata != band.nodata)  # noqa: PLR0124 - NaN
        else:
            with np.errstate(over="ignore"):
                same = np.array_equal(kind.type(value), kind.type(band.nodata), equal_nan=True)
        if not same:
            return False
    return True
