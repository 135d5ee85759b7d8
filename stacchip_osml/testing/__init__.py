"""For the tests of anyone: synthetic imagery that looks natural, and what an image provider has to keep."""

from stacchip_osml.testing.conformance import ConformanceReport, Finding, NotConforming, check_provider
from stacchip_osml.testing.scene import (
    SCENE_CLASSES,
    Clouds,
    Ground,
    cloud_mask,
    natural_scene,
    north_up,
    scene_classes,
    swath_mask,
)

__all__ = [
    "SCENE_CLASSES",
    "Clouds",
    "ConformanceReport",
    "Finding",
    "Ground",
    "NotConforming",
    "check_provider",
    "cloud_mask",
    "natural_scene",
    "north_up",
    "scene_classes",
    "swath_mask",
]
