"""Statistics of an item's bands, for chains whose limits are those of the whole item.

Taken from what is stored with the images, or else counted on the coarsest
level with ten million pixels; a very large level is sampled by a fixed seed, so
that an index is the same each time it is built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stacchip_osml.chain.statistics import ImageStatistics
from stacchip_osml.errors import ChainError, ItemError
from stacchip_osml.stac.source import SourceImage

__all__ = ["item_statistics"]


def item_statistics(images: Sequence[SourceImage], *, sign: Callable[[str], str] | None = None) -> ImageStatistics:
    """Look at the bands of an item's images.

    Args:
        images: in chip order.
        sign: href → href, applied when bytes are read.

    Returns:
        All bands of all images, in that order.

    Raises:
        ItemError: an image has no pixel that is a measurement, or its pixels are complex.
        ReadError: an image cannot be read.
        LimitError: an image is larger than a reader takes on.
    """
    from stacchip_osml.imagery.blocks.image import BlockImage
    from stacchip_osml.imagery.display.statistics import display_statistics

    found = []
    for image in images:
        source = BlockImage(image.location, sign=sign, expect=(image.size_bytes, image.modified_ns))
        told = [band.nodata for band in image.bands] if len(image.bands) == source.num_bands else None
        try:
            found.append(display_statistics(source, range(source.num_bands), nodata=told))
        except ChainError as error:
            raise ItemError(f"asset {image.asset_key!r} has no limits to stretch its pixels by: {error}") from error
    bands = [band for part in found for band in part.bands]
    return ImageStatistics(bands, min(part.sample_rate for part in found))
