"""Synthetic imagery that looks natural, for the tests, demos and benchmarks of anyone."""

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
    "Ground",
    "cloud_mask",
    "natural_scene",
    "north_up",
    "scene_classes",
    "swath_mask",
]
