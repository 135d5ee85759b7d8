"""Images and models that warps are tried on: positions as pixel values, so that a pixel says where it is from."""

from __future__ import annotations

from functools import cache

import numpy as np

from stacchip_osml.geometry import AffineLocator, AffineModel, RpcLocator, WarpGridOptions
from stacchip_osml.imagery import BufferedImageAssetProvider
from stacchip_osml.pixel import ImageSize
from tests.geometry.sensor_tres import RPC_VALUES

UTM = "EPSG:32633"
SIZE = ImageSize(600, 500)
MAP = AffineModel(AffineLocator((10.0, 0.0, 300_000.0, 0.0, -10.0, 5_300_000.0), UTM), SIZE)
"""North up, 10 m."""
TURNED = AffineModel(AffineLocator((8.0, 6.0, 300_000.0, 6.0, -8.0, 5_300_000.0), UTM), SIZE)
"""The same pixels, turned by a third of a right angle."""
RPC_NUMBERS = RPC_VALUES | {
    "LINE_OFF": 249.5, "SAMP_OFF": 299.5, "LINE_SCALE": 250.0, "SAMP_SCALE": 300.0, "LAT_SCALE": 0.025,
    "LONG_SCALE": 0.0427, "HEIGHT_SCALE": 50.0,
}  # fmt: skip
"""About 11 m a pixel; 50 m of height move a pixel by about 9."""
RPC = RpcLocator({name: " ".join(map(repr, np.atleast_1d(value).tolist())) for name, value in RPC_NUMBERS.items()})
MODELS = {"map": MAP, "turned": TURNED, "rpc": RPC}
EXACT = WarpGridOptions(max_error=0.0)


@cache
def ramp(size: ImageSize = SIZE, dtype: str = "float64") -> np.ndarray:
    """Column and row of every pixel, counted from the centre of the first."""
    rows, cols = np.mgrid[: size.height, : size.width]
    return np.stack([cols, rows]).astype(dtype)


def image(pixels: np.ndarray, block: int = 128, **settings) -> BufferedImageAssetProvider:
    return BufferedImageAssetProvider.from_array(pixels, block_width=block, block_height=block, **settings)


@cache
def smooth(size: ImageSize = SIZE, bands: int = 1) -> np.ndarray:
    """Waves of 40 pixels and more."""
    rows, cols = np.mgrid[: size.height, : size.width]
    waves = [
        1000 + 400 * np.sin(cols / (9.0 + band)) * np.cos(rows / 13.0) + 300 * np.sin((cols + rows) / 31.0)
        for band in range(bands)
    ]
    return np.stack(waves).astype("float32")


def pixel_centres(transform, window) -> tuple[np.ndarray, np.ndarray]:
    """CRS x, y of the centres of a window's pixels."""
    a, b, c, d, e, f = transform
    u, v = np.meshgrid(window.x + np.arange(window.width) + 0.5, window.y + np.arange(window.height) + 0.5)
    return a * u + b * v + c, d * u + e * v + f
