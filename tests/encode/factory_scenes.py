"""Images to cut chips from: ramps whose values are positions, and a provider that notes what it is asked."""

from __future__ import annotations

import io
import json
import warnings

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from stacchip_osml.encode import formats
from stacchip_osml.imagery import BufferedImageAssetProvider, TiledImagePyramid
from stacchip_osml.imagery.blocks.image import BlockImage

NORTH_UP = Affine(10, 0, 500_000, 0, -10, 5_000_000)
TURNED = Affine(3, 4, 500_000, 4, -3, 5_000_000)


def ramp(width, height, dtype="float32"):
    """Give two bands: the x and the y of each pixel's centre."""
    y, x = np.mgrid[:height, :width] + 0.5
    return np.stack([x, y]).astype(dtype)


def noise(shape=(2, 90, 120), dtype="uint16", seed=0):
    return np.random.default_rng(seed).integers(1, 250, shape).astype(dtype)


def in_memory(pixels, block=32, **facts):
    return BufferedImageAssetProvider.from_array(pixels, key="scene", block_width=block, block_height=block, **facts)


def write(
    path, pixels, *, crs="EPSG:32632", transform=NORTH_UP, overviews=(), mask=None, gcps=None, gdal=None, **profile
):
    profile = {"driver": "GTiff", "tiled": True, "blockxsize": 32, "blockysize": 32, **profile}
    profile |= {"count": len(pixels), "height": pixels.shape[1], "width": pixels.shape[2], "dtype": pixels.dtype}
    if gcps is None:
        profile |= {"crs": crs, "transform": transform}
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, **(gdal or {})):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        _write(path, pixels, profile, mask, gcps, overviews)
    return BlockImage(str(path))


def _write(path, pixels, profile, mask, gcps, overviews):
    with rasterio.open(path, "w", **profile) as file:
        if gcps is not None:
            file.gcps = gcps
        file.write(pixels)
        if mask is not None:
            file.write_mask(mask)
        if overviews:
            file.build_overviews(overviews, Resampling.average)


def pyramid(path, pixels, **options):
    return TiledImagePyramid.from_asset(write(path, pixels, **options))


def opened(data):
    """Read a GeoTIFF in memory: pixels, mask and the dataset's facts."""
    with warnings.catch_warnings(), rasterio.MemoryFile(data) as memory:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        file = memory.open()
        return file.read(), file.read_masks() != 0, {**file.profile, "gcps": file.gcps}


class Told:
    """A provider that notes what it is asked for."""

    def __init__(self, source, log):
        self.source, self.log = source, log
        self.num_bands, self.num_rows, self.num_columns = source.num_bands, source.num_rows, source.num_columns
        self.num_pixels_per_block_horizontal = source.num_pixels_per_block_horizontal
        self.num_pixels_per_block_vertical = source.num_pixels_per_block_vertical
        self.pixel_value_type = source.pixel_value_type
        self.key = "told"

    def has_block(self, row, col, resolution_level=0):
        return self.source.has_block(row, col, resolution_level)

    def get_block(self, row, col, resolution_level=0, bands=None):
        self.log.append(("read", row, col, bands))
        return self.source.get_block(row, col, resolution_level, bands)


def add_format(monkeypatch, name="fields", log=None):
    """Make a format known whose files are the fields that it was given."""

    def encode_fields(chip, *, overrides=None, spaced=False):
        if log is not None:
            log.append(("encode", chip.shape))
        told = {
            "window": list(chip.origin.window),
            "fields": dict(overrides or {}),
            "sum": float(np.nansum(chip.pixels)),
        }
        return json.dumps(told, indent=1 if spaced else None).encode()

    row = formats._format(name, (), (f".{name}",), "application/json", encode_fields)
    monkeypatch.setitem(formats.FORMATS, name, row)
    monkeypatch.setitem(formats.NAMES, name, row)
    return row


def decoded(data):
    return json.load(io.BytesIO(data))
