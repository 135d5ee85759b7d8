"""Where pixels are on the ground: footprints and sensor geometry."""

from stacchip_osml.geometry.footprint import Footprints, chip_footprints, image_outline
from stacchip_osml.geometry.locate import AffineLocator, Locator
from stacchip_osml.geometry.outline import bounds_of

__all__ = ["AffineLocator", "Footprints", "Locator", "bounds_of", "chip_footprints", "image_outline"]
