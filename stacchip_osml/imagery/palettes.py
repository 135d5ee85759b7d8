"""Whether an image's values are entries of a colour table: no average of some is one."""

from __future__ import annotations

from typing import Any

from stacchip_osml.imagery.adapters.mapped import MappedImageProvider
from stacchip_osml.imagery.adapters.view import ProviderView
from stacchip_osml.imagery.provider_facts import fact

__all__ = ["shows_indices", "stored_image"]

PHOTOMETRIC = ("262", 262, "PhotometricInterpretation")
PALETTE = "3"
"""TIFF's PhotometricInterpretation of a colour table."""
LOOK_UP = "LU"
"""NITF's IREPBAND of one."""


def shows_indices(provider: Any) -> bool:
    """Tell whether pixels are entries of a colour table, as the image's header or its metadata say."""
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
