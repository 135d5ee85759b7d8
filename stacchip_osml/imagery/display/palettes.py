"""Whether an image has a colour table, and whether its values are but entries of it: no average of some is one."""

from __future__ import annotations

from typing import Any

from stacchip_osml.imagery.adapters.mapped import MappedImageProvider
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.providers.facts import fact

__all__ = ["has_color_table", "shows_indices", "stored_image"]

PHOTOMETRIC = ("262", 262, "PhotometricInterpretation")
PALETTE = "3"
"""TIFF's PhotometricInterpretation of a colour table."""
LOOK_UP = "LU"
"""NITF's IREPBAND of one."""
BLACK_AND_WHITE = 2
"""Entries of a table between which there is nothing."""


def shows_indices(provider: Any) -> bool:
    """Tell whether pixels are entries of a colour table, and no quantities.

    Grey values of which 0 is white are quantities, though GDAL has a table for them.
    """
    if not has_color_table(provider):
        return False
    tags = getattr(stored_image(provider), "picture_tags", None)
    if tags is None or tags.structure.get("MINISWHITE") != "YES":
        return True
    return any(table is not None and len(table) <= BLACK_AND_WHITE for table in tags.color_tables)


def has_color_table(provider: Any) -> bool:
    """Tell whether a colour table says what pixels look like, as the image's header or its metadata say."""
    image = stored_image(provider)
    if isinstance(image, MappedImageProvider):
        return False
    header = getattr(image, "header", None)
    if header is not None:
        return any(band.color == "palette" for band in header.bands)
    tags = fact(image, "metadata")
    is_palette = any(str(tags.get(key)).strip() == PALETTE for key in PHOTOMETRIC)
    bands = range(1, int(image.num_bands) + 1)
    return is_palette or any(str(tags.get(f"IREPBAND{band}")).strip() == LOOK_UP for band in bands)


def stored_image(provider: Any) -> Any:
    """Look through adapters that show their source's bands, smaller or cut in other tiles."""
    while isinstance(provider, ProviderView) and not isinstance(provider, MappedImageProvider):
        provider = provider.source
    return provider
