"""What a warped image says of itself: its source's bands, at its own place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from stacchip_osml.geometry.warping.grids import GridBuilder
from stacchip_osml.imagery.header import BandHeader, ImageHeader
from stacchip_osml.imagery.providers.facts import dtype_of
from stacchip_osml.imagery.windows.reader import shown_image

__all__ = ["warped_header"]


def warped_header(
    base: Any, builder: GridBuilder, *, count: int, nodata: Sequence[float | complex | None] | None
) -> ImageHeader:
    """Make the header of a warped image.

    Args:
        base: the source at full resolution.
        builder: of the warp.
        count: bands, the source's first ones.
        nodata: one a band of the source, instead of its own; None for its own.
    """
    shown = getattr(shown_image(base)[0], "header", None)
    if isinstance(shown, ImageHeader) and len(shown.bands) == int(base.num_bands):
        bands = shown.bands[:count]
    else:
        bands = (BandHeader(dtype=dtype_of(base).name),) * count
    if nodata is not None:
        bands = tuple(replace(band, nodata=value) for band, value in zip(bands, nodata, strict=False))
    if any(band.color == "alpha" for band in bands):
        mask = "alpha"
    else:
        mask = "nodata" if all(band.nodata is not None for band in bands) else "mask"
    return ImageHeader(
        driver="warped",
        levels=(builder.image_size,),
        bands=bands,
        block_shape=(builder.tile_size.height, builder.tile_size.width),
        transform=builder.transform,
        crs=builder.crs,
        mask=mask,
    )
