"""Chips and the files they become."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.encode.chip import Chip, ChipOrigin
from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.encode.factory import ChipFactory, ChipMetadataBuilder
    from stacchip_osml.encode.formats import FORMATS, ImageFormat, encode_chip, image_format, register_format
    from stacchip_osml.encode.io import (
        IO,
        AssetType,
        BufferedDataAssetProvider,
        BufferedImageAssetProvider,
        BufferedMetadataProvider,
        BufferedTextAssetProvider,
        DatasetReader,
        DatasetWriter,
        PixelType,
        imsave,
    )
    from stacchip_osml.encode.names import safe_name, write_chip
    from stacchip_osml.encode.pictures.display import to_rgb8
    from stacchip_osml.encode.pictures.sheet import contact_sheet
    from stacchip_osml.encode.tiff.image import write_tiff
    from stacchip_osml.encode.tiff.reading import tiff_metadata
    from stacchip_osml.encode.tiff.tag_names import TagNameResolver

__all__ = [
    "FORMATS",
    "IO",
    "AssetType",
    "BufferedDataAssetProvider",
    "BufferedImageAssetProvider",
    "BufferedMetadataProvider",
    "BufferedTextAssetProvider",
    "Chip",
    "ChipFactory",
    "ChipMetadataBuilder",
    "ChipOrigin",
    "DatasetReader",
    "DatasetWriter",
    "ImageFormat",
    "PixelType",
    "TagNameResolver",
    "contact_sheet",
    "encode_chip",
    "image_format",
    "imsave",
    "register_format",
    "safe_name",
    "tiff_metadata",
    "to_rgb8",
    "write_chip",
    "write_tiff",
]

_HOMES = {
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

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
