"""Image readers behind one provider protocol.

Names are loaded when first used, so that importing the room imports no GDAL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.imagery.adapters.cached import CachedImageProvider as CachedImageProvider
    from stacchip_osml.imagery.adapters.downsampled import DownsampledImageProvider as DownsampledImageProvider
    from stacchip_osml.imagery.adapters.mapped import MappedImageProvider as MappedImageProvider
    from stacchip_osml.imagery.adapters.osml import OsmlImageProvider as OsmlImageProvider
    from stacchip_osml.imagery.adapters.retiled import RetiledImageProvider as RetiledImageProvider
    from stacchip_osml.imagery.adapters.tile_cache import TileCache as TileCache
    from stacchip_osml.imagery.display.chain import DisplayChainFactory as DisplayChainFactory
    from stacchip_osml.imagery.display.complex import ComplexRemapFactory as ComplexRemapFactory
    from stacchip_osml.imagery.display.complex import is_complex as is_complex
    from stacchip_osml.imagery.display.complex import load_complex_remap as load_complex_remap
    from stacchip_osml.imagery.display.complex import measure_complex_remap as measure_complex_remap
    from stacchip_osml.imagery.format import sniff_driver as sniff_driver
    from stacchip_osml.imagery.gdal.access import close_idle_handles as close_idle_handles
    from stacchip_osml.imagery.gdal.image import GdalImage as GdalImage
    from stacchip_osml.imagery.header import BandHeader as BandHeader
    from stacchip_osml.imagery.header import GroundControlPoint as GroundControlPoint
    from stacchip_osml.imagery.header import ImageHeader as ImageHeader
    from stacchip_osml.imagery.level_places import LevelPlace as LevelPlace
    from stacchip_osml.imagery.level_places import level_place as level_place
    from stacchip_osml.imagery.limits import FetchLimits as FetchLimits
    from stacchip_osml.imagery.limits import ReadLimits as ReadLimits
    from stacchip_osml.imagery.providers.block_grid import BlockGrid as BlockGrid
    from stacchip_osml.imagery.providers.block_grid import level_grid as level_grid
    from stacchip_osml.imagery.providers.block_utils import iter_blocks as iter_blocks
    from stacchip_osml.imagery.providers.block_utils import read_block_or_pad as read_block_or_pad
    from stacchip_osml.imagery.providers.block_utils import read_window as read_window
    from stacchip_osml.imagery.providers.block_utils import stitch_source_blocks as stitch_source_blocks
    from stacchip_osml.imagery.providers.buffered import BufferedImageAssetProvider as BufferedImageAssetProvider
    from stacchip_osml.imagery.providers.facts import dtype_of as dtype_of
    from stacchip_osml.imagery.providers.own_readers import OwnReader as OwnReader
    from stacchip_osml.imagery.providers.own_readers import register_reader as register_reader
    from stacchip_osml.imagery.providers.protocol import ImageProvider as ImageProvider
    from stacchip_osml.imagery.providers.protocol import MaskedPixels as MaskedPixels
    from stacchip_osml.imagery.providers.protocol import PixelReader as PixelReader
    from stacchip_osml.imagery.pyramids.builder import ProgressCallback as ProgressCallback
    from stacchip_osml.imagery.pyramids.builder import PyramidBlock as PyramidBlock
    from stacchip_osml.imagery.pyramids.builder import PyramidBuilder as PyramidBuilder
    from stacchip_osml.imagery.pyramids.files import find_rset as find_rset
    from stacchip_osml.imagery.pyramids.pyramid import TiledImagePyramid as TiledImagePyramid
    from stacchip_osml.imagery.pyramids.pyramid import build_pyramid_levels as build_pyramid_levels
    from stacchip_osml.imagery.pyramids.writing import write_pyramid as write_pyramid
    from stacchip_osml.imagery.reading import read_header as read_header
    from stacchip_osml.imagery.resampling.resample import read_resampled as read_resampled
    from stacchip_osml.imagery.resampling.resample import resample as resample
    from stacchip_osml.imagery.resampling.resample import source_extent as source_extent
    from stacchip_osml.imagery.statistics import compute_image_statistics as compute_image_statistics

HOME = {
    "BandHeader": "header",
    "BlockGrid": "providers.block_grid",
    "BufferedImageAssetProvider": "providers.buffered",
    "CachedImageProvider": "adapters.cached",
    "ComplexRemapFactory": "display.complex",
    "DisplayChainFactory": "display.chain",
    "DownsampledImageProvider": "adapters.downsampled",
    "FetchLimits": "limits",
    "GdalImage": "gdal.image",
    "GroundControlPoint": "header",
    "ImageHeader": "header",
    "ImageProvider": "providers.protocol",
    "LevelPlace": "level_places",
    "MappedImageProvider": "adapters.mapped",
    "MaskedPixels": "providers.protocol",
    "OsmlImageProvider": "adapters.osml",
    "OwnReader": "providers.own_readers",
    "PixelReader": "providers.protocol",
    "ProgressCallback": "pyramids.builder",
    "PyramidBlock": "pyramids.builder",
    "PyramidBuilder": "pyramids.builder",
    "ReadLimits": "limits",
    "RetiledImageProvider": "adapters.retiled",
    "TileCache": "adapters.tile_cache",
    "TiledImagePyramid": "pyramids.pyramid",
    "build_pyramid_levels": "pyramids.pyramid",
    "close_idle_handles": "gdal.access",
    "compute_image_statistics": "statistics",
    "dtype_of": "providers.facts",
    "find_rset": "pyramids.files",
    "is_complex": "display.complex",
    "iter_blocks": "providers.block_utils",
    "level_grid": "providers.block_grid",
    "level_place": "level_places",
    "load_complex_remap": "display.complex",
    "measure_complex_remap": "display.complex",
    "read_block_or_pad": "providers.block_utils",
    "read_header": "reading",
    "read_resampled": "resampling.resample",
    "read_window": "providers.block_utils",
    "register_reader": "providers.own_readers",
    "resample": "resampling.resample",
    "sniff_driver": "format",
    "source_extent": "resampling.resample",
    "stitch_source_blocks": "providers.block_utils",
    "write_pyramid": "pyramids.writing",
}
"""Public name → the module that has it."""

__all__ = sorted(HOME)  # noqa: PLE0605 - one list to keep

__getattr__ = lazy(__name__, HOME)
