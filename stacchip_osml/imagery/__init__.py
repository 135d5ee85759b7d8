"""Image readers behind one provider protocol.

Names are loaded when first used, so that importing the room imports no GDAL.
The function ``resample`` is taken from its module, whose name it shares.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.imagery.access import close_idle_handles as close_idle_handles
    from stacchip_osml.imagery.format import sniff_driver as sniff_driver
    from stacchip_osml.imagery.header import BandHeader as BandHeader
    from stacchip_osml.imagery.header import GroundControlPoint as GroundControlPoint
    from stacchip_osml.imagery.header import ImageHeader as ImageHeader
    from stacchip_osml.imagery.image import GdalImage as GdalImage
    from stacchip_osml.imagery.image import read_header as read_header
    from stacchip_osml.imagery.limits import FetchLimits as FetchLimits
    from stacchip_osml.imagery.limits import ReadLimits as ReadLimits
    from stacchip_osml.imagery.provider import ImageProvider as ImageProvider
    from stacchip_osml.imagery.provider import MaskedPixels as MaskedPixels
    from stacchip_osml.imagery.provider import PixelReader as PixelReader
    from stacchip_osml.imagery.resample import read_resampled as read_resampled
    from stacchip_osml.imagery.resample import source_extent as source_extent

HOME = {
    "BandHeader": "header",
    "FetchLimits": "limits",
    "GdalImage": "image",
    "GroundControlPoint": "header",
    "ImageHeader": "header",
    "ImageProvider": "provider",
    "MaskedPixels": "provider",
    "PixelReader": "provider",
    "ReadLimits": "limits",
    "close_idle_handles": "access",
    "read_header": "image",
    "read_resampled": "resample",
    "sniff_driver": "format",
    "source_extent": "resample",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
