"""Image files written by rasterio, for tests that read them back through our reader and rasterio's own."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import from_origin
from rasterio.windows import Window

from stacchip_osml.imagery import GdalImage
from stacchip_osml.pixel import PixelWindow

WIDTH, HEIGHT = 150, 110
UTM = {"crs": "EPSG:32618", "transform": from_origin(500_000, 4_600_000, 10, 10)}


def noise(count: int, dtype: str, seed: int = 3) -> np.ndarray:
    rng = np.random.default_rng(seed)
    shape = (count, HEIGHT, WIDTH)
    if np.dtype(dtype).kind == "c":
        return (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(dtype)
    if np.dtype(dtype).kind == "f":
        return rng.normal(scale=100, size=shape).astype(dtype)
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)


def write(
    path: Path,
    pixels: np.ndarray,
    *,
    levels: tuple[int, ...] = (),
    mask: np.ndarray | None = None,
    gdal: dict[str, Any] | None = None,
    **profile: Any,
) -> str:
    profile = {"driver": "GTiff", **profile}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True, **(gdal or {})):
            kept = {k: profile.pop(k) for k in ("gcps", "rpcs", "colormap", "descriptions", "scales") if k in profile}
            with rasterio.open(
                path,
                "w",
                width=pixels.shape[2],
                height=pixels.shape[1],
                count=pixels.shape[0],
                dtype=profile.pop("dtype", pixels.dtype.name),
                **profile,
            ) as dataset:
                if "gcps" in kept:
                    dataset.gcps = kept["gcps"]
                if "rpcs" in kept:
                    dataset.rpcs = kept["rpcs"]
                if "colormap" in kept:
                    dataset.write_colormap(1, kept["colormap"])
                if "descriptions" in kept:
                    dataset.descriptions = kept["descriptions"]
                if "scales" in kept:
                    dataset.scales = kept["scales"]
                dataset.write(pixels)
                if mask is not None:
                    dataset.write_mask(mask)
            if levels:
                with rasterio.open(path, "r+") as dataset:
                    dataset.build_overviews(list(levels), Resampling.nearest)
    return str(path)


def oracle(path: str, window: PixelWindow, *, overview: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read with rasterio alone, sidecars off."""
    options = {} if overview is None else {"OVERVIEW_LEVEL": overview}
    with warnings.catch_warnings(), rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR", GDAL_PAM_ENABLED="NO"):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        with rasterio.open(path, sharing=False, **options) as dataset:
            place = Window(*window)
            return dataset.read(window=place), dataset.read_masks(window=place) != 0


def windows(width: int, height: int, count: int = 4, seed: int = 1) -> list[PixelWindow]:
    rng = np.random.default_rng(seed)
    some = [PixelWindow(0, 0, width, height), PixelWindow(width - 1, height - 1, 1, 1)]
    for _ in range(count):
        w, h = int(rng.integers(1, width + 1)), int(rng.integers(1, height + 1))
        some.append(PixelWindow(int(rng.integers(0, width - w + 1)), int(rng.integers(0, height - h + 1)), w, h))
    return some


def assert_reads_as_rasterio_does(image: GdalImage, *, masks: bool = True) -> None:
    for level, size in enumerate(image.header.levels):
        for window in windows(*size):
            pixels, mask = oracle(image.location, window, overview=level - 1 if level else None)
            got = image.read(window, level=level)
            assert got is not None
            assert got.pixels.dtype == pixels.dtype
            np.testing.assert_array_equal(got.pixels, pixels)
            if masks:
                np.testing.assert_array_equal(got.mask, mask)
