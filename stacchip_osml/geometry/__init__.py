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

__all__ = [
    "AffineLocator",
    "AffineModel",
    "ChippedModel",
    "Footprints",
    "GcpLocator",
    "GcpModel",
    "HasSensorFacts",
    "Locator",
    "Placing",
    "RpcLocator",
    "SensorFacts",
    "SensorModel",
    "SicdModel",
    "SiddModel",
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
    "GcpModel": "projective",
    "HasSensorFacts": "sensor_facts",
    "Placing": "placing",
    "SensorFacts": "sensor_facts",
    "SensorModel": "sensor_model",
    "SicdModel": "sicd_model",
    "SiddModel": "sidd_model",
    "load_sensor_model": "sensor_loading",
    "place_image": "placing",
    "sensor_facts_of": "sensor_loading",
}

__getattr__ = lazy(__name__, _HOMES)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
