"""Datasets as files: :class:`IO` reads and writes them, :func:`imsave` writes one array."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.encode.io.assets import BufferedDataAssetProvider as BufferedDataAssetProvider
    from stacchip_osml.encode.io.assets import BufferedImageAssetProvider as BufferedImageAssetProvider
    from stacchip_osml.encode.io.assets import BufferedTextAssetProvider as BufferedTextAssetProvider
    from stacchip_osml.encode.io.assets import DataAsset as DataAsset
    from stacchip_osml.encode.io.assets import GraphicsAsset as GraphicsAsset
    from stacchip_osml.encode.io.assets import ImageAsset as ImageAsset
    from stacchip_osml.encode.io.assets import TextAsset as TextAsset
    from stacchip_osml.encode.io.kinds import AssetType as AssetType
    from stacchip_osml.encode.io.kinds import PixelType as PixelType
    from stacchip_osml.encode.io.metadata import BufferedMetadataProvider as BufferedMetadataProvider
    from stacchip_osml.encode.io.opening import IO as IO
    from stacchip_osml.encode.io.reader import DatasetReader as DatasetReader
    from stacchip_osml.encode.io.saving import imsave as imsave
    from stacchip_osml.encode.io.writer import DatasetWriter as DatasetWriter

HOME = {
    "AssetType": "kinds",
    "BufferedDataAssetProvider": "assets",
    "BufferedImageAssetProvider": "assets",
    "BufferedMetadataProvider": "metadata",
    "BufferedTextAssetProvider": "assets",
    "DataAsset": "assets",
    "DatasetReader": "reader",
    "DatasetWriter": "writer",
    "GraphicsAsset": "assets",
    "IO": "opening",
    "ImageAsset": "assets",
    "PixelType": "kinds",
    "TextAsset": "assets",
    "imsave": "saving",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
