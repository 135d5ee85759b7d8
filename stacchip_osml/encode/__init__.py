"""Chips and the files they become."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.encode.chip import Chip as Chip
from stacchip_osml.encode.chip import ChipOrigin as ChipOrigin
from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.encode.factory import ChipFactory as ChipFactory
    from stacchip_osml.encode.factory import ChipMetadataBuilder as ChipMetadataBuilder
    from stacchip_osml.encode.formats import FORMATS as FORMATS
    from stacchip_osml.encode.formats import ImageFormat as ImageFormat
    from stacchip_osml.encode.formats import encode_chip as encode_chip
    from stacchip_osml.encode.formats import image_format as image_format
    from stacchip_osml.encode.formats import register_format as register_format
    from stacchip_osml.encode.io import IO as IO
    from stacchip_osml.encode.io import AssetType as AssetType
    from stacchip_osml.encode.io import BufferedDataAssetProvider as BufferedDataAssetProvider
    from stacchip_osml.encode.io import BufferedImageAssetProvider as BufferedImageAssetProvider
    from stacchip_osml.encode.io import BufferedMetadataProvider as BufferedMetadataProvider
    from stacchip_osml.encode.io import BufferedTextAssetProvider as BufferedTextAssetProvider
    from stacchip_osml.encode.io import DatasetReader as DatasetReader
    from stacchip_osml.encode.io import DatasetWriter as DatasetWriter
    from stacchip_osml.encode.io import PixelType as PixelType
    from stacchip_osml.encode.io import imsave as imsave
    from stacchip_osml.encode.names import safe_name as safe_name
    from stacchip_osml.encode.names import write_chip as write_chip
    from stacchip_osml.encode.pictures.display import to_rgb8 as to_rgb8
    from stacchip_osml.encode.pictures.sheet import contact_sheet as contact_sheet
    from stacchip_osml.encode.tiff.image import write_tiff as write_tiff
    from stacchip_osml.encode.tiff.reading import tiff_metadata as tiff_metadata
    from stacchip_osml.encode.tiff.tag_names import TagNameResolver as TagNameResolver

HOME = {
    "AssetType": "io",
    "BufferedDataAssetProvider": "io",
    "BufferedImageAssetProvider": "io",
    "BufferedMetadataProvider": "io",
    "BufferedTextAssetProvider": "io",
    "ChipFactory": "factory",
    "ChipMetadataBuilder": "factory",
    "DatasetReader": "io",
    "DatasetWriter": "io",
    "FORMATS": "formats",
    "IO": "io",
    "ImageFormat": "formats",
    "PixelType": "io",
    "TagNameResolver": "tiff.tag_names",
    "contact_sheet": "pictures.sheet",
    "encode_chip": "formats",
    "image_format": "formats",
    "register_format": "formats",
    "imsave": "io",
    "safe_name": "names",
    "tiff_metadata": "tiff.reading",
    "to_rgb8": "pictures.display",
    "write_chip": "names",
    "write_tiff": "tiff.image",
}
"""Public name → the module that has it."""

__all__ = sorted((*HOME, "Chip", "ChipOrigin"))  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
