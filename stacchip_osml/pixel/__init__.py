"""Windows, levels and chip grids: pure arithmetic on pixels (numpy only)."""

from stacchip_osml.pixel.grid import ChipAxis, ChipGrid, ChipWindows, GridSpec, chip_axis, chip_grid
from stacchip_osml.pixel.window import ImageSize, PixelWindow, Transform, level_size, level_window, window_transform

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
