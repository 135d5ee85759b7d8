"""Windows, levels and chip grids: pure arithmetic on pixels.

Windows and sizes need no library; grids are numpy, and are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacchip_osml.lazy import lazy
from stacchip_osml.pixel.window import ImageSize, PixelWindow, Transform, level_size, level_window, window_transform

if TYPE_CHECKING:
    from stacchip_osml.pixel.grid import ChipAxis as ChipAxis
    from stacchip_osml.pixel.grid import ChipGrid as ChipGrid
    from stacchip_osml.pixel.grid import ChipWindows as ChipWindows
    from stacchip_osml.pixel.grid import GridSpec as GridSpec
    from stacchip_osml.pixel.grid import chip_axis as chip_axis
    from stacchip_osml.pixel.grid import chip_grid as chip_grid

HOME = dict.fromkeys(("ChipAxis", "ChipGrid", "ChipWindows", "GridSpec", "chip_axis", "chip_grid"), "grid")
"""Public name → the module that has it."""

__all__ = [
    "ChipAxis",
    "ChipGrid",
    "ChipWindows",
    "GridSpec",
    "ImageSize",
    "PixelWindow",
    "Transform",
    "chip_axis",
    "chip_grid",
    "level_size",
    "level_window",
    "window_transform",
]

__getattr__ = lazy(__name__, HOME)
