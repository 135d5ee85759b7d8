"""Where pixels are on the ground: footprints and sensor geometry."""

from stacchip_osml.geometry.footprint import Footprints, chip_footprints, image_outline
from stacchip_osml.geometry.gcp import GcpLocator
from stacchip_osml.geometry.ground import centre, curve_place, effective_gsd, hilbert, locator_gsd
from stacchip_osml.geometry.locate import AffineLocator, Locator, is_local, wrap_longitude
from stacchip_osml.geometry.outline import bounds_of, ring_geometry
from stacchip_osml.geometry.rpc import RpcLocator

__all__ = [
    "AffineLocator",
    "Footprints",
    "GcpLocator",
    "Locator",
    "RpcLocator",
    "bounds_of",
    "centre",
    "chip_footprints",
    "curve_place",
    "effective_gsd",
    "hilbert",
    "image_outline",
    "is_local",
    "locator_gsd",
    "ring_geometry",
    "wrap_longitude",
]
