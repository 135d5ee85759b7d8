"""Images to be written, and other libraries' reading of files."""

import warnings

import numpy as np
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from stacchip_osml.encode import BufferedImageAssetProvider, BufferedMetadataProvider

CORNERS = [(-77.0, 39.0), (-76.5, 39.0), (-76.5, 38.5), (-77.0, 38.5)]


def scene(bands=3, rows=300, cols=200, kind="uint8", *, seed=0):
    y, x = np.mgrid[:rows, :cols]
    waves = np.stack([np.sin(x / (9 + band)) + np.cos(y / (7 + band)) for band in range(bands)])
    grain = np.random.default_rng(seed).normal(0, 2, waves.shape)
    return (waves * 40 + 90 + grain).clip(0, 200).astype(kind)


def provider_of(pixels, *, key="image:0", block=256, metadata=None):
    made = BufferedImageAssetProvider.create(
        key=key,
        num_columns=pixels.shape[2],
        num_rows=pixels.shape[1],
        num_bands=pixels.shape[0],
        block_width=block,
        block_height=block,
        pixel_type=pixels.dtype,
        metadata=BufferedMetadataProvider(metadata),
    )
    made.set_full_image(pixels)
    return made


def gdal_read(data):
    """Read with GDAL: pixels and the dataset's facts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with MemoryFile(data) as memory, memory.open() as image:
            return image.read(), {
                "crs": None if image.crs is None else image.crs.to_string(),
                "transform": tuple(image.transform)[:6],
                "tags": image.tags(),
                "driver": image.driver,
                "colors": [each.name for each in image.colorinterp],
                "gcps": image.gcps[0],
                "blocks": image.block_shapes[0],
                "overviews": image.overviews(1),
                "nodata": image.nodata,
                "compression": None if image.compression is None else image.compression.name,
            }


class Lazy:
    """An image of rows and columns, made when asked for: nothing but what a writer must have."""

    title = description = ""
    num_resolution_levels = 1
    pad_pixel_value = 0.0
    pixel_value_type = np.dtype("uint16")
    num_bits_per_pixel = actual_bits_per_pixel = 16
    num_bands = 1

    def __init__(self, rows, cols, *, block=256):
        self.key = "lazy"
        self.num_rows, self.num_columns = rows, cols
        self.num_pixels_per_block_vertical = self.num_pixels_per_block_horizontal = block
        self.asked = []

    def get_block(self, block_row, block_col, resolution_level, bands=None):
        self.asked.append((block_row, block_col))
        side = self.num_pixels_per_block_vertical
        y, x = np.mgrid[block_row * side : (block_row + 1) * side, block_col * side : (block_col + 1) * side]
        return ((3 * y + 5 * x) % 60000).astype(np.uint16)[None]

    def pixels(self):
        y, x = np.mgrid[: self.num_rows, : self.num_columns]
        return ((3 * y + 5 * x) % 60000).astype(np.uint16)[None]
