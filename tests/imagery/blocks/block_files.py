"""Files for tests of the block reader, and what GDAL reads from them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, Resampling
from rasterio.errors import NotGeoreferencedWarning

from stacchip_osml.imagery import BandHeader, GdalImage, ImageHeader
from stacchip_osml.imagery.blocks.image import BlockImage
from stacchip_osml.imagery.blocks.layout import ImageLayout
from stacchip_osml.pixel import ImageSize, PixelWindow

WIDTH, HEIGHT = 150, 110
PART = (slice(16, 60), slice(40, 100))
"""Rows and columns of a sparse file that are written."""


def scene(count: int, dtype: str, *, seed: int = 3) -> np.ndarray:
    """Smooth and not, with zeros in it."""
    rng = np.random.default_rng(seed)
    shape = (count, HEIGHT, WIDTH)
    field = np.cumsum(np.cumsum(rng.normal(size=shape), axis=1), axis=2)
    field[:, 20:40, 30:90] = 0
    if np.dtype(dtype).kind == "c":
        return (field + 1j * field[:, ::-1]).astype(dtype)
    return field.astype(dtype) if np.dtype(dtype).kind == "f" else np.clip(np.abs(field), 0, 250).astype(dtype)


def write_tiff(
    path: Path,
    pixels: np.ndarray,
    *,
    levels: tuple[int, ...] = (),
    mask: np.ndarray | None = None,
    alpha: bool = False,
    only: tuple[slice, slice] | None = None,
    **profile: Any,
) -> str:
    """Write a GeoTIFF; ``only`` (rows, cols) writes no more than that, into a sparse file."""
    with warnings.catch_warnings(), rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        sparse = {"SPARSE_OK": True} if only else {}
        shape = {"count": pixels.shape[0], "height": pixels.shape[1], "width": pixels.shape[2]}
        with rasterio.open(path, "w", driver="GTiff", dtype=pixels.dtype.name, **shape, **profile, **sparse) as dataset:
            if alpha:
                dataset.colorinterp = [*[ColorInterp.gray] * (len(pixels) - 1), ColorInterp.alpha]
            if only is None:
                dataset.write(pixels)
            else:
                rows, cols = only
                window = ((rows.start, rows.stop), (cols.start, cols.stop))
                dataset.write(pixels[:, rows, cols], window=window)
            if mask is not None:
                dataset.write_mask(mask)
        if levels:
            with rasterio.open(path, "r+", **sparse) as dataset:
                dataset.build_overviews(list(levels), Resampling.nearest)
    return str(path)


def stated_image(path: Path | str, layout: ImageLayout, **stated: Any) -> BlockImage:
    """An image whose header and layout are given, so that nobody parses the file."""
    level = layout.levels[0]
    nodata = stated.pop("nodata", None)
    header = ImageHeader(
        driver="GTiff",
        levels=tuple(each.size for each in layout.levels),
        bands=(BandHeader(dtype=level.codec.dtype, nodata=nodata),) * level.bands,
        block_shape=level.block_shape,
        mask="none" if nodata is None else "nodata",
    )
    return BlockImage(str(path), header=header, layout=layout, **stated)


def require_same(image: BlockImage, oracle: GdalImage, window: PixelWindow, level: int, bands: Any = None) -> None:
    """Hold a window against GDAL's, pixels and mask, bit for bit."""
    expected = oracle.read(window, level=level, bands=bands)
    found = image.read(window, level=level, bands=bands)
    if expected is None:
        assert found is None
        return
    assert found is not None
    assert found.pixels.dtype == expected.pixels.dtype
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    np.testing.assert_array_equal(found.mask, expected.mask)


def some_windows(size: ImageSize, count: int, *, seed: int = 0) -> list[PixelWindow]:
    """Windows of any size, the whole image first."""
    rng = np.random.default_rng(seed)
    windows = [PixelWindow(0, 0, *size)]
    for _ in range(count):
        x, y = int(rng.integers(size.width)), int(rng.integers(size.height))
        width, height = int(rng.integers(1, size.width - x + 1)), int(rng.integers(1, size.height - y + 1))
        windows.append(PixelWindow(x, y, width, height))
    return windows
