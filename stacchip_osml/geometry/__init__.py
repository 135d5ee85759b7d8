"""Where pixels are on the ground: footprints and sensor geometry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.geometry.footprint import Footprints, chip_footprints, image_outline
from stacchip_osml.geometry.gcp import GcpLocator
from stacchip_osml.geometry.ground import centre, curve_place, effective_gsd, hilbert, locator_gsd
from stacchip_osml.geometry.locate import AffineLocator, Locator, is_local, wrap_longitude
from stacchip_osml.geometry.outline import bounds_of, ring_geometry
from stacchip_osml.geometry.rpc import RpcLocator
from stacchip_osml.lazy import lazy

if TYPE_CHECKING:
    from stacchip_osml.geometry.chipped import ChippedModel
    from stacchip_osml.geometry.placing import Placing, place_image
    from stacchip_osml.geometry.projective import AffineModel, GcpModel
    from stacchip_osml.geometry.sensor_facts import HasSensorFacts, SensorFacts
    from stacchip_osml.geometry.sensor_loading import load_sensor_model, sensor_facts_of
    from stacchip_osml.geometry.sensor_model import SensorModel
    from stacchip_osml.geometry.sicd_model import SicdModel
    from stacchip_osml.geometry.sidd_model import SiddModel
    from stacchip_osml.geometry.warping.elevation import ConstantElevation, ElevationModel, RasterElevation
    from stacchip_osml.geometry.warping.grids import (
        GridBuilder,
        OcclusionMode,
        VisibilityError,
        WarpGrid,
        WarpGridOptions,
    )
    from stacchip_osml.geometry.warping.image_to_image import ImageToImageGridBuilder
    from stacchip_osml.geometry.warping.ortho import OrthoGridBuilder
    from stacchip_osml.geometry.warping.provider import WarpedImageProvider
    from stacchip_osml.geometry.warping.tile_matrix import (
        MapTileLimits,
        MapTileSize,
        NativeBounds,
        TileError,
        TileMatrix,
    )
    from stacchip_osml.geometry.warping.tile_sets import (
        GeodeticWorldCoordinate,
        MapTile,
        MapTileBounds,
        MapTileId,
        MapTileSet,
        MapTileSetFactory,
        WellKnownMapTileSet,
        WorldLocation,
    )
    from stacchip_osml.geometry.warping.tile_sets_projected import ProjectedImageTileSet

__all__ = [
    "AffineLocator",
    "AffineModel",
    "ChippedModel",
    "ConstantElevation",
    "ElevationModel",
    "Footprints",
    "GcpLocator",
    "GcpModel",
    "GeodeticWorldCoordinate",
    "GridBuilder",
    "HasSensorFacts",
    "ImageToImageGridBuilder",
    "Locator",
    "MapTile",
    "MapTileBounds",
    "MapTileId",
    "MapTileLimits",
    "MapTileSet",
    "MapTileSetFactory",
    "MapTileSize",
    "NativeBounds",
    "OcclusionMode",
    "OrthoGridBuilder",
    "Placing",
    "ProjectedImageTileSet",
    "RasterElevation",
    "RpcLocator",
    "SensorFacts",
    "SensorModel",
    "SicdModel",
    "SiddModel",
    "TileError",
    "TileMatrix",
    "VisibilityError",
    "WarpGrid",
    "WarpGridOptions",
    "WarpedImageProvider",
    "WellKnownMapTileSet",
    "WorldLocation",
    "bounds_of",
    "centre",
    "chip_footprints",
    "curve_place",
    "effective_gsd",
    "hilbert",
    "image_outline",
    "is_local",
    "load_sensor_model",
    "locator_gsd",
    "place_image",
    "ring_geometry",
    "sensor_facts_of",
    "wrap_longitude",
]

_HOMES = {
    "AffineModel": "projective",
    "ChippedModel": "chipped",
    "ConstantElevation": "warping.elevation",
    "ElevationModel": "warping.elevation",
    "GcpModel": "projective",
    "GeodeticWorldCoordinate": "warping.tile_sets",
    "GridBuilder": "warping.grids",
    "HasSensorFacts": "sensor_facts",
    "ImageToImageGridBuilder": "warping.image_to_image",
    "MapTile": "warping.tile_sets",
    "MapTileBounds": "warping.tile_sets",
    "MapTileId": "warping.tile_sets",
    "MapTileLimits": "warping.tile_matrix",
    "MapTileSet": "warping.tile_sets",
    "MapTileSetFactory": "warping.tile_sets",
    "MapTileSize": "warping.tile_matrix",
    "NativeBounds": "warping.tile_matrix",
    "OcclusionMode": "warping.grids",
    "OrthoGridBuilder": "warping.ortho",
    "Placing": "placing",
    "ProjectedImageTileSet": "warping.tile_sets_projected",
    "RasterElevation": "warping.elevation",
    "SensorFacts": "sensor_facts",
    "SensorModel": "sensor_model",
    "SicdModel": "sicd_model",
    "SiddModel": "sidd_model",
    "TileError": "warping.tile_matrix",
    "TileMatrix": "warping.tile_matrix",
    "VisibilityError": "warping.grids",
    "WarpGrid": "warping.grids",
    "WarpGridOptions": "warping.grids",
    "WarpedImageProvider": "warping.provider",
    "WellKnownMapTileSet": "warping.tile_sets",
    "WorldLocation": "warping.tile_sets",
    "load_sensor_model": "sensor_loading",
    "place_image": "placing",
    "sensor_facts_of": "sensor_loading",
}

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
